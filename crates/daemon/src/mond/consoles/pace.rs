//! When a console gets the next picture: at once when something happened, else with the next sign
//! of life. Pure: the clock is an argument, and what happened is for others to know.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two pictures: ten a second are more than an eye follows.
const GAP: Duration = Duration::from_millis(100);

/// The pictures of one console.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last one was sent, and the number of what had happened by then.
    sent: Option<(Instant, u64)>,
    due: Option<Instant>,
    /// There is a newer one that differs in ages, lags and counters only.
    calm: bool,
}

impl Pace {
    /// When the next one is to be sent; none while nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one is to go along with the next sign of life. Ten of them a second, all parsed,
    /// were most of what a console did all day.
    pub(super) fn calm(&self) -> bool {
        self.calm
    }

    /// There is a new picture.
    pub(super) fn published(&mut self, now: Instant, essence: u64) {
        match self.sent {
            Some((_, seen)) if seen == essence => self.calm = true,
            _ => self.asked(now),
        }
    }

    /// One is wanted as soon as may be.
    pub(super) fn asked(&mut self, now: Instant) {
        let at = self.sent.map_or(now, |(sent, _)| sent + GAP);
        self.due = Some(self.due.unwrap_or(at));
    }

    /// One is sent.
    pub(super) fn sent(&mut self, now: Instant, essence: u64) {
        *self = Self { sent: Some((now, essence)), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_shown_at_once_and_what_did_not_once_a_second() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.due(), None);
        pace.published(at(0), 1);
        assert_eq!(pace.due(), Some(at(0)));
        pace.sent(at(3), 1);
        assert_eq!(pace.due(), None);
        pace.published(at(50), 1);
        assert_eq!((pace.due(), pace.calm()), (None, true));
        pace.published(at(60), 2);
        assert_eq!(pace.due(), Some(at(103)));
        // What was for a moment is worth a picture too, although it is over.
        pace.published(at(70), 1);
        assert_eq!(pace.due(), Some(at(103)));
        pace.sent(at(103), 1);
        assert_eq!((pace.due(), pace.calm()), (None, false));
        pace.published(at(500), 2);
        assert!(pace.due().is_some_and(|due| due < at(500)));
        pace.sent(at(500), 2);
        pace.asked(at(510));
        assert_eq!(pace.due(), Some(at(600)));
    }
}
