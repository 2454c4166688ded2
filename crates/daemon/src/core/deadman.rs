//! The dead-man event in the server: whether it is there and runs, and what to do when not. Pure:
//! it is looked at and made by the shell (`agentd::deadman`). What its countdown is to do is
//! decided by the agent's core.

use mmm_proto::{Span, Time};

/// The event runs every second. Not seen to run for so long, it does not: the server's scheduler
/// waits by the wall clock, so after a step back it would wait for as long as that was.
const STILL: Span = Span::secs(4);

/// The event and what it needs, as they are in the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// `event_scheduler`: ON, OFF or DISABLED.
    pub scheduler: String,
    pub event: Option<SeenEvent>,
    /// Its table is there.
    pub table: bool,
}

/// The event as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenEvent {
    /// ENABLED, DISABLED or SLAVESIDE_DISABLED.
    pub status: String,
    /// It is what this program makes, by its own account.
    pub ours: bool,
    /// When it ran last, as the server writes it; only compared.
    pub last: Option<String>,
}

impl Seen {
    /// What keeps events from running, with the remedy.
    pub fn scheduler_off(&self) -> Option<String> {
        match self.scheduler.as_str() {
            "ON" | "1" => None,
            "DISABLED" => Some(
                "event_scheduler is DISABLED: event_scheduler = ON in [mariadb] of my.cnf, and \
                 restart the server"
                    .to_owned(),
            ),
            other => Some(format!(
                "event_scheduler is {other}: SET GLOBAL event_scheduler = ON; and \
                 event_scheduler = ON in [mariadb] of my.cnf"
            )),
        }
    }

    /// Why it has to be made, if it has to.
    pub fn missing(&self) -> Option<&'static str> {
        match &self.event {
            _ if !self.table => Some("its table is not there"),
            None => Some("it is not there"),
            Some(event) if event.status == "DISABLED" => Some("it is disabled"),
            Some(event) if event.status != "ENABLED" => Some("it was replicated, not made here"),
            Some(event) if !event.ours => Some("it is another version, or another account's"),
            Some(_) => None,
        }
    }
}

/// What a look amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// To be made, whatever is there.
    pub make: bool,
    /// What is wrong, for people.
    pub trouble: Option<String>,
}

/// What is remembered from look to look.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// When it ran last, and since when that is so.
    last: Option<(Option<String>, Time)>,
    /// It was made anew because it did not run, and has not run since.
    still: bool,
    /// It was as it should be at least once.
    well: bool,
}

impl Watch {
    /// Judges a look at `now`.
    pub fn judge(&mut self, now: Time, seen: &Seen) -> Verdict {
        let missing = seen.missing();
        // At first it is not there, and that is no trouble.
        let mut trouble = missing.filter(|_| self.well).map(str::to_owned);
        let mut make = missing.is_some();
        if let Some(off) = seen.scheduler_off() {
            // It stands still for a reason.
            (self.last, trouble) = (None, Some(off));
        } else if let (None, Some(event)) = (missing, &seen.event) {
            match &self.last {
                Some((last, since)) if *last == event.last => {
                    if now.since(*since) >= STILL {
                        (make, self.still) = (true, true);
                        self.last = Some((event.last.clone(), now));
                    }
                }
                _ => (self.last, self.still) = (Some((event.last.clone(), now)), false),
            }
            if self.still {
                trouble = Some(format!("it did not run for {STILL} and was made anew"));
            }
        }
        self.well |= !make && trouble.is_none();
        let trouble = trouble.map(|why| format!("deadman_event: {why}"));
        Verdict { make, trouble }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(second: u64) -> Seen {
        let event = SeenEvent {
            status: "ENABLED".to_owned(),
            ours: true,
            last: Some(format!("2026-01-01 00:00:{second:02}")),
        };
        Seen { scheduler: "ON".to_owned(), event: Some(event), table: true }
    }

    fn trouble(verdict: &Verdict) -> &str {
        verdict.trouble.as_deref().unwrap_or_default()
    }

    #[test]
    fn it_is_made_at_first_without_a_word_and_then_left_alone() {
        let mut watch = Watch::default();
        let none = Seen { scheduler: "ON".to_owned(), ..Seen::default() };
        assert_eq!(watch.judge(Time(0), &none), Verdict { make: true, trouble: None });
        for second in 0..20 {
            let verdict = watch.judge(Time(second * 1000), &running(second));
            assert_eq!(verdict, Verdict { make: false, trouble: None }, "{second}");
        }
        let gone = watch.judge(Time(20_000), &none);
        assert!(gone.make && trouble(&gone).contains("table is not there"), "{gone:?}");
    }

    #[test]
    fn what_was_disabled_replicated_or_changed_is_made_again_and_told() {
        for (status, ours, words) in [
            ("DISABLED", true, "it is disabled"),
            ("SLAVESIDE_DISABLED", true, "it was replicated"),
            ("ENABLED", false, "another version"),
        ] {
            let mut watch = Watch::default();
            watch.judge(Time(0), &running(0));
            let mut seen = running(1);
            let (status, last) = (status.to_owned(), None);
            seen.event = Some(SeenEvent { status, ours, last });
            let verdict = watch.judge(Time(1_000), &seen);
            assert!(verdict.make && trouble(&verdict).contains(words), "{verdict:?}");
        }
    }

    #[test]
    fn one_that_stands_still_is_made_anew_once_in_a_while() {
        let mut watch = Watch::default();
        let at = |watch: &mut Watch, ms| watch.judge(Time(ms), &running(7));
        for ms in [0, 2_000, 3_999] {
            assert_eq!(at(&mut watch, ms), Verdict { make: false, trouble: None }, "{ms}");
        }
        let still = at(&mut watch, 4_000);
        assert!(still.make && trouble(&still).contains("did not run for 4.0 s"), "{still:?}");
        assert_eq!(at(&mut watch, 6_000), Verdict { make: false, ..still }, "not again at once");
        assert!(at(&mut watch, 8_000).make);
        let runs = watch.judge(Time(10_000), &running(9));
        assert_eq!(runs, Verdict { make: false, trouble: None });
    }

    #[test]
    fn a_scheduler_that_is_off_is_told_with_the_remedy_and_nothing_is_made_for_it() {
        let mut watch = Watch::default();
        for ms in [0, 60_000] {
            let off = watch.judge(Time(ms), &Seen { scheduler: "OFF".to_owned(), ..running(7) });
            assert!(!off.make && trouble(&off).contains("SET GLOBAL event_scheduler = ON"));
        }
        let disabled = Seen { scheduler: "DISABLED".to_owned(), ..running(7) };
        assert!(trouble(&watch.judge(Time(0), &disabled)).contains("restart the server"));
        assert_eq!(watch.judge(Time(1), &running(7)).trouble, None);
    }
}
