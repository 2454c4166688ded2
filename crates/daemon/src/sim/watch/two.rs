//! Two monitors that lead at the same time: what is excused meanwhile, and for how long. Who of
//! them reaches whom decides what they can know of each other; where no agent hears both, nobody
//! can.

use crate::sim::config::WorldConfig;
use crate::sim::host::Host;

/// A host that hears that another monitor leads lets go by that: what it writes down first may take
/// a second, the fence itself some part of one.
const LETS_GO: u64 = 1_500_000;

#[derive(Debug)]
pub(super) struct Two {
    /// They lead until then, in world time: until the second one is gone and what it granted over.
    until: u64,
    ttl: u64,
    /// When two hosts last took writes that had seen different terms.
    differed_at: Option<u64>,
    /// What clients were promised may have parted since the last opening that was judged.
    pub(super) parted: bool,
}

impl Two {
    pub(super) fn new(config: &WorldConfig) -> Self {
        let ttl = config.ttl.as_ms() * 1000;
        Self { until: 0, ttl, differed_at: None, parted: false }
    }

    pub(super) fn begins(&mut self) {
        self.until = u64::MAX;
    }

    pub(super) fn ends(&mut self, us: u64) {
        self.until = us + self.ttl * 2;
    }

    pub(super) fn lead(&self, us: u64) -> bool {
        us < self.until
    }

    /// Whether two hosts that take writes do so by the words of two monitors.
    pub(super) fn excuse(&mut self, us: u64, one: &Host, other: &Host) -> bool {
        if !self.lead(us) {
            return false;
        }
        if one.seen.term != other.seen.term {
            self.differed_at = Some(us);
        }
        let excused = self.differed_at.is_some_and(|at| us - at < LETS_GO);
        self.parted |= excused;
        excused
    }
}
