//! The boot clock of one machine, seen from outside: it begins at its own boot and runs a little
//! fast or slow, within the bound that grants reckon with.

use mmm_proto::Time;

/// The bound of `core/lease.rs`: one part in a thousand.
pub(super) const DRIFT_PPM: i64 = 1_000;

/// A boot clock. World time is in microseconds since the world began, the clock's own in
/// milliseconds since its boot.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// World time and own time, in microseconds, at which the present rate began.
    from: u64,
    own: u64,
    /// Own microseconds in a million of world time.
    rate: u64,
}

const MILLION: u64 = 1_000_000;

impl Clock {
    /// A clock that shows `own` milliseconds at world time `now`.
    pub(super) fn new(now: u64, own: u64, ppm: i64) -> Self {
        Self { from: now, own: own * 1000, rate: rate(ppm) }
    }

    fn micros(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.from);
        self.own
            + match passed.checked_mul(self.rate) {
                Some(product) => product / MILLION,
                // After half a year.
                None => (u128::from(passed) * u128::from(self.rate) / u128::from(MILLION)) as u64,
            }
    }

    /// What it shows.
    pub(super) fn now(&self, now: u64) -> Time {
        Time(self.micros(now) / 1000)
    }

    /// The first world time at which it shows `time` or later, and not before `now`.
    pub(super) fn when(&self, now: u64, time: Time) -> u64 {
        let own = time.0.saturating_mul(1000).saturating_sub(self.own);
        let passed = match own.checked_mul(MILLION) {
            Some(product) => product.div_ceil(self.rate),
            None => {
                let passed = (u128::from(own) * u128::from(MILLION)).div_ceil(self.rate.into());
                u64::try_from(passed).unwrap_or(u64::MAX)
            }
        };
        self.from.saturating_add(passed).max(now)
    }

    /// Another rate from now on.
    pub(super) fn drift(&mut self, now: u64, ppm: i64) {
        self.own = self.micros(now);
        self.from = now;
        self.rate = rate(ppm);
    }
}

/// Of a clock that runs so many parts in a million fast; negative is slow.
fn rate(ppm: i64) -> u64 {
    MILLION.saturating_add_signed(ppm.clamp(-DRIFT_PPM, DRIFT_PPM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_moment_at_which_the_clock_shows_it() {
        for ppm in [-1000, -3, 0, 999, 1000] {
            let mut clock = Clock::new(5_000, 70_000, ppm);
            clock.drift(1_234_567, ppm / 2);
            for ahead in [0, 1, 49, 500, 3_000, 3_600_000] {
                let wanted = Time(clock.now(2_000_000).0 + ahead);
                let at = clock.when(2_000_000, wanted);
                assert!(clock.now(at) >= wanted, "{ppm} {ahead}");
                assert!(at == 2_000_000 || clock.now(at - 1) < wanted, "{ppm} {ahead}");
            }
        }
    }

    #[test]
    fn a_fast_clock_gains_a_second_in_a_thousand() {
        let clock = Clock::new(0, 0, 1000);
        assert_eq!(clock.now(1_000_000_000), Time(1_001_000));
    }
}
