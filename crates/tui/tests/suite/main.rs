//! The tests of both programs, linked once: pure ones first, then the real binaries against a
//! scripted monitor.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod actions;
mod clusters;
mod completion;
mod console;
mod control;
mod demo;
mod explain;
mod fake_monitor;
mod follow;
mod foreign;
mod forms;
mod properties;
mod pty;
mod reasons;
mod rows;
mod sample;
mod schema;
mod snapshots;
mod table;
mod terminal;
mod trend;
mod update;
