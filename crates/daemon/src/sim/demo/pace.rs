//! From the time of this machine to the time of the demo.

use mmm_proto::{Span, Time};

/// After a longer pause than this the machine was asleep, and the demo with it.
const ASLEEP: Span = Span::secs(2);

/// How fast the demo's time goes.
#[derive(Debug)]
pub(super) struct Pace {
    speed: f64,
    /// The two clocks at one moment.
    real: Time,
    demo: Time,
    seen: Time,
}

impl Pace {
    /// The demo's time begins now.
    pub(super) fn new(real: Time, speed: f64) -> Self {
        Self { speed, real, demo: Time(0), seen: real }
    }

    /// The demo's time. Time in which nobody asked for it, because the machine slept, is left out.
    pub(super) fn now(&mut self, real: Time) -> Time {
        let pause = real.since(self.seen);
        if pause > ASLEEP {
            self.real = self.real + pause;
        }
        self.seen = self.seen.max(real);
        let ms = real.since(self.real).as_ms() as f64 * self.speed;
        self.demo + Span::ms(ms as u64)
    }

    /// How long it is from now to a moment of the demo's time, at least one millisecond.
    pub(super) fn until(&mut self, real: Time, demo: Time) -> Span {
        let left = demo.since(self.now(real)).as_ms() as f64 / self.speed;
        Span::ms((left.ceil() as u64).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_at_its_speed_and_stands_still_while_the_machine_sleeps() {
        let mut pace = Pace::new(Time(10_000), 2.0);
        assert_eq!(pace.now(Time(10_000)), Time(0));
        assert_eq!(pace.now(Time(10_500)), Time(1_000));
        assert_eq!(pace.until(Time(10_500), Time(1_100)), Span::ms(50));
        assert_eq!(pace.until(Time(10_500), Time(900)), Span::ms(1));
        // An hour asleep.
        assert_eq!(pace.now(Time(3_610_500)), Time(1_000));
        assert_eq!(pace.now(Time(3_611_500)), Time(3_000));
    }

    #[test]
    fn it_may_also_go_slowly() {
        let mut pace = Pace::new(Time(0), 0.25);
        assert_eq!(pace.now(Time(2_000)), Time(500));
        assert_eq!(pace.until(Time(2_000), Time(501)), Span::ms(4));
    }
}
