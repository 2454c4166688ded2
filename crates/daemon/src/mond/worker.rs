//! The monitor's loop.
