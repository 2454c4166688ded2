//! Two faces of one client: the console (`mmm-tui`) and the one-shot command (`mmm-control`).
//!
//! `app` decides what the console shows and asks for, `view` draws it; both are pure and deny every
//! call that reads a clock, a socket or a file. `shell` holds the system calls that both programs
//! share, `control` is the one-shot command. Only `mmm-proto` is known here: nothing of the
//! daemons.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod app;
pub mod control;
pub mod shell;
pub mod view;
