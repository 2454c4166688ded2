//! `mmm-mond` decides, `mmm-agentd` acts.
//!
//! `core` holds the two pure state machines: no I/O, no clock, no randomness, nothing spawned.
//! `mond` and `agentd` are the shells around them. `config` turns files into checked values. What
//! does not belong here: words that the console also needs (they are in `mmm-proto`).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod agentd;
pub mod auth;
pub mod clock;
pub mod config;
pub mod core;
pub mod log;
pub mod mond;
pub mod net;
pub mod notify;
pub mod signals;
pub mod sim;
pub mod start;
pub mod store;
