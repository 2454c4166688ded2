//! The two pure state machines and what they share.
//!
//! `step(now, input) -> effects`: the same history gives the same output. Nothing in here does I/O,
//! reads a clock or an environment, spawns, or iterates in an undefined order; time comes in as an
//! argument, and the shells carry out the effects. Daemons, simulation and demo run this very code.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod agent;
pub mod bugs;
pub mod deadman;
pub mod lease;
pub mod monitor;
pub mod supervisor;

#[cfg(test)]
mod tests;

use mmm_proto::{Time, Wall};

/// The present moment: the boot clock to decide by, the wall clock only to show people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub boot: Time,
    pub wall: Wall,
}

impl Now {
    /// The wall-clock stamp of an instant of the same boot clock.
    pub fn wall_of(self, time: Time) -> Wall {
        let ago = i64::try_from(self.boot.since(time).as_ms()).unwrap_or(i64::MAX);
        let ahead = i64::try_from(time.since(self.boot).as_ms()).unwrap_or(i64::MAX);
        Wall(self.wall.0.saturating_sub(ago).saturating_add(ahead))
    }
}
