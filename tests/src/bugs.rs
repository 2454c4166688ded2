//! The proof that the simulation finds mistakes: each deliberate bug of the cores, and within how
//! many seeds it must be caught.

use mmm_daemon::core::bugs::{Bug, with};
use mmm_daemon::sim::{self, Failure};

/// The first seed that is tried.
pub const FROM: u64 = 1_000_000;

/// What the hunt for one bug came to.
#[derive(Debug)]
pub struct Hunt {
    pub bug: Bug,
    /// How many seeds it took, and what was found.
    pub caught: Option<(u64, Box<Failure>)>,
}

/// Runs seed after seed with a bug switched on, until a rule is broken that is not broken without
/// it.
pub fn hunt(bug: Bug, limit: u64) -> Hunt {
    for number in 0..limit {
        let seed = FROM + number;
        if let Err(failure) = with(Some(bug), || sim::run(seed))
            && sim::run(seed).is_ok()
        {
            return Hunt { bug, caught: Some((number + 1, failure)) };
        }
    }
    Hunt { bug, caught: None }
}
