//! The tests of both programs, linked once: pure ones first, then the real binaries against a scripted monitor.

mod control;
mod fake_monitor;
mod sample;
