//! The only reader of a clock. Pure code is handed what this says and never asks by itself.

use std::path::Path;

use mmm_proto::{Span, Time, Wall};
use nix::time::{ClockId, clock_gettime};

/// The longest single sleep. Timers of the runtime stand still while the machine is suspended, the
/// boot clock does not: a sleeper looks at the boot clock at least this often.
const NAP: Span = Span::secs(1);

/// The clock of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since boot, suspension included (`CLOCK_BOOTTIME`), rounded down.
    pub fn now(self) -> Time {
        Time(read_ms(ClockId::CLOCK_BOOTTIME).unsigned_abs())
    }

    /// What a calendar says; for people, never for a decision.
    pub fn wall(self) -> Wall {
        Wall(read_ms(ClockId::CLOCK_REALTIME))
    }

    /// How long the machine is up. The same figure as [`Clock::now`], because both count from boot.
    pub fn uptime(self) -> Span {
        Span(self.now().0)
    }

    /// How long the machine was suspended since boot: what only one of the two clocks counts.
    pub fn suspended(self) -> Span {
        let (all, awake) = (read_ms(ClockId::CLOCK_BOOTTIME), read_ms(ClockId::CLOCK_MONOTONIC));
        Span::ms(all.abs_diff(awake))
    }

    /// A text that differs after each boot of the machine.
    ///
    /// # Errors
    /// When the kernel does not tell, which means that /proc is not mounted.
    pub fn boot_id(self) -> Result<String, String> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| format!("{}: {error}; /proc must be mounted", path.display()))
    }

    /// Returns when [`Clock::now`] is `until` or later, at once if it is already.
    pub async fn sleep_until(self, until: Time) {
        loop {
            let left = until.since(self.now());
            if left == Span::ZERO {
                return;
            }
            tokio::time::sleep(left.min(NAP).into()).await;
        }
    }
}

fn read_ms(id: ClockId) -> i64 {
    let now = clock_gettime(id).expect("Linux has had both clocks since 2.6.39");
    now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_time_and_not_before() {
        let start = Clock.now();
        Clock.sleep_until(start).await;
        Clock.sleep_until(start + Span::ms(30)).await;
        let slept = Clock.now().since(start);
        assert!(slept >= Span::ms(30) && slept < Span::secs(5), "{slept}");
    }

    #[test]
    fn the_boot_has_a_name_and_an_age() {
        assert_eq!(Clock.boot_id().unwrap().len(), 36);
        assert!(Clock.uptime() > Span::ZERO);
        assert!(Clock.wall() > Wall(1_700_000_000_000));
    }
}
