//! The proof that the simulation finds mistakes: each deliberate bug of the cores, and within how
//! many seeds it must be caught.

use mmm_daemon::core::bugs::{Bug, with};
use mmm_daemon::sim::{self, Failure};

/// The first seed that is tried.
pub const FROM: u64 = 1_000_000;

/// Each bug, within how many seeds it must be caught, and by which seed it is known to be. When the
/// cores or the weather have changed so that this seed catches it no longer, all are tried;
/// `mmm-sim bugs` prints what to write here.
pub const CAUGHT: &[(Bug, u64, u64)] = &[
    (Bug::SkipClaims, 50, 6),
    (Bug::ShortClaims, 50, 6),
    (Bug::ForgetClaims, 4000, 2805),
    (Bug::ReleaseUnseen, 500, 6),
    (Bug::ReleaseHeld, 200, 1),
    (Bug::MonitorForgets, 200, 1),
    (Bug::SameTerm, 50, 4),
    (Bug::ReaderEarly, 50, 1),
    (Bug::PassiveActs, 50, 1),
    (Bug::ManualTakes, 200, 67),
    (Bug::OfflineServes, 50, 7),
    (Bug::AnyCandidate, 200, 59),
    (Bug::SkipCatchUp, 50, 7),
    (Bug::EndlessDrain, 200, 95),
    (Bug::ObeyStale, 200, 3),
    (Bug::FromArrival, 500, 415),
    (Bug::AgentForgets, 50, 1),
    (Bug::IgnoreBoot, 4000, 1170),
    (Bug::FenceKeepsVip, 50, 2),
    (Bug::NoFence, 50, 6),
    (Bug::FrozenEarly, 200, 40),
    (Bug::OpenUnasked, 2000, 3),
    (Bug::PromiseAndHold, 200, 14),
    (Bug::OnePromise, 6000, 2277),
    (Bug::PromiseUnheard, 2000, 415),
];

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
    let caught = (0..limit).find_map(|n| Some((n + 1, catch(bug, FROM + n)?)));
    Hunt { bug, caught }
}

/// Whether a bug is caught within the stated number of seeds.
pub fn caught_in_time(bug: Bug, within: u64, known: u64) -> Option<(u64, Box<Failure>)> {
    if let Some(failure) = catch(bug, FROM + known - 1) {
        return Some((known, failure));
    }
    hunt(bug, within).caught
}

fn catch(bug: Bug, seed: u64) -> Option<Box<Failure>> {
    let failure = with(Some(bug), || sim::run(seed)).err()?;
    sim::run(seed).is_ok().then_some(failure)
}
