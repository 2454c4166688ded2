//! The deterministic simulation: whole clusters in one thread, both cores as they are in the
//! product, with time, links, disks, servers and people in the hands of a script or a seed.
//!
//! Nothing in here reads a clock, does I/O or spawns, so the same seed gives the same run on every
//! machine. `World` is the cluster, `Action` is everything that can be done to it, `Script` is a
//! run as text.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod action;
mod clock;
pub mod config;
pub mod demo;
pub mod draw;
mod due;
pub mod history;
mod host;
mod net;
mod queue;
pub mod run;
pub mod script;
mod server;
pub mod shrink;
pub mod story;
pub mod text;
mod watch;
pub mod weather;
mod world;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use config::WorldConfig;
pub use run::{Failure, Stats, run, transcript, try_script};
pub use script::Script;
pub use shrink::shrink;
pub use watch::Violation;
pub use world::World;
