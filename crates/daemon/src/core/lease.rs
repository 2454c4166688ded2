//! The arithmetic of grants (design, section 6). Each side counts on its own boot clock only.
//!
//! The agent's report carries its clock `a`; the grant echoes it. The agent may hold until `a +
//! ttl`, whenever the grant arrives. The monitor remembers `m`, its own clock when that report came
//! in. As the report left before it came in, `a + ttl` lies before `m + ttl` but for the drift of
//! the two clocks.

use mmm_proto::{Span, Time};

/// Bound on how much a clock may run fast or slow, in thousandths. The design's rho = 0.1 %.
const DRIFT_PER_MILLE: u64 = 1;

/// Added to every wait, for scheduling and rounding.
pub const GUARD: Span = Span::ms(250);

/// The monitor's side: when a grant that answered a report received at `heard` is over on every
/// clock that keeps the drift bound, acknowledged or not.
pub fn surely_over(heard: Time, ttl: Span) -> Time {
    heard + ttl + Span::ms((ttl.as_ms() * 2 * DRIFT_PER_MILLE).div_ceil(1000)) + GUARD
}

/// The agent's side: permission to hold, on the agent's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lease {
    /// The clock of the agent's own report that the grant answered.
    pub echo: Time,
    pub ttl: Span,
}

impl Lease {
    /// When the permission ends.
    pub fn ends(self) -> Time {
        self.echo + self.ttl
    }

    /// When a holder that has heard nothing more begins to fence: at two thirds, so that the last
    /// third is there to do it in.
    pub fn fence_at(self) -> Time {
        self.echo + Span::ms(self.ttl.as_ms() * 2 / 3)
    }

    /// The lifetime for the kernel: whole seconds left, rounded down, so that the address goes
    /// before the grant is over. Zero means that it must not be held at all.
    pub fn kernel_secs(self, now: Time) -> u32 {
        kernel_secs(self.ends(), now)
    }
}

/// The lifetime for the kernel of an address that must be gone at `until`.
pub fn kernel_secs(until: Time, now: Time) -> u32 {
    u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX)
}

/// What the server's own countdown is set to, in ticks of one second: the first comes within a
/// second, so it ends after `until`, and at most two seconds later.
pub fn countdown(until: Time, now: Time) -> u32 {
    u32::try_from(until.since(now).as_ms().div_ceil(1000)).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_waits_longer_than_the_agent_may_hold() {
        // The report took no time at all, the agent's clock runs slow and the monitor's fast by the
        // bound.
        for ttl in [Span::ms(400), Span::secs(3), Span::secs(60)] {
            let lease = Lease { echo: Time(1_000), ttl };
            let agent_holds_real = (lease.ends().since(lease.echo)).as_ms() as f64 * 1.001;
            let monitor_waits_real =
                surely_over(Time(5_000), ttl).since(Time(5_000)).as_ms() as f64 / 1.001;
            assert!(monitor_waits_real > agent_holds_real, "{ttl}");
        }
    }

    #[test]
    fn fencing_begins_at_two_thirds_and_the_kernel_lets_go_before_the_end() {
        let lease = Lease { echo: Time(10_000), ttl: Span::secs(3) };
        assert_eq!(lease.fence_at(), Time(12_000));
        assert_eq!(lease.ends(), Time(13_000));
        assert_eq!(lease.kernel_secs(Time(10_010)), 2);
        assert_eq!(lease.kernel_secs(Time(12_001)), 0);
        assert_eq!(lease.kernel_secs(Time(99_000)), 0);
    }

    #[test]
    fn the_countdown_in_the_server_ends_after_the_grant_whenever_its_first_tick_comes() {
        for (left, ticks) in [(0, 1), (1, 2), (1_000, 2), (2_001, 4), (3_000, 4)] {
            let until = Time(10_000 + left);
            assert_eq!(countdown(until, Time(10_000)), ticks, "{left}");
            // The tick that ends it comes at the earliest so many whole seconds later, less one.
            assert!(u64::from(ticks - 1) * 1000 >= left && u64::from(ticks) * 1000 <= left + 2000);
        }
        assert_eq!(countdown(Time(1), Time(5)), 1);
    }
}
