//! The facts kept per host, from both sides: the monitor's own checks and the agent's reports.
//! Nothing is decided here but what a single check's results amount to.

use std::borrow::Cow;
use std::sync::Arc;

use mmm_proto::agent::{Duty, Grant, Reach, Report, Stamp};
use mmm_proto::peer::Askable;
use mmm_proto::view::Verdict;
use mmm_proto::{Check, HostState, Span, Time, Wall};

/// What a check says: mostly "OK", and mostly what it said before.
pub type Word = Cow<'static, str>;

/// The result of one run of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It holds.
    Ok(Word),
    /// It does not. `hard`: refused or reset twice in a row, which is evidence and no time-out.
    Failed { why: Word, hard: bool },
    /// Could not be found out; changes nothing.
    Unknown(Word),
}

/// One check of one host.
#[derive(Debug, Clone)]
pub struct CheckState {
    /// What decisions read; none before the first result.
    pub good: Option<bool>,
    pub verdict: Verdict,
    pub since: Wall,
    pub message: String,
    /// What the last failure said: why it counts as failed while it does.
    pub failure: String,
    pub took: Option<Span>,
    /// When what decisions read last changed.
    pub changed: Time,
    /// Since when it could not be found out, without a break.
    pub unknown_since: Option<Time>,
    /// That it cannot be found out was reported.
    pub unknown_told: bool,
    /// When the first of the present row of failures began.
    pub failing_since: Option<Time>,
    /// When it was last found to hold.
    pub ok_at: Option<Time>,
    /// The latest result was a hard failure.
    pub hard: bool,
    /// The latest result was a failure.
    pub failing: bool,
}

impl CheckState {
    fn new(now: Time, wall: Wall) -> Self {
        Self {
            good: None,
            changed: now,
            unknown_since: None,
            unknown_told: false,
            verdict: Verdict::Unknown,
            since: wall,
            message: "not checked yet".to_owned(),
            failure: String::new(),
            took: None,
            failing_since: None,
            ok_at: None,
            hard: false,
            failing: false,
        }
    }

    /// Takes a result. One OK makes it good at once; a failure counts when failures lasted for
    /// `trap` without a break; before the first result there is nothing to protect, so the first
    /// one counts at once.
    pub fn take(&mut self, found: Found, began: Time, now: Time, wall: Wall, trap: Span) {
        let before = self.good;
        if matches!(found, Found::Unknown(_)) {
            self.unknown_since.get_or_insert(began);
        } else {
            (self.unknown_since, self.unknown_told) = (None, false);
        }
        let verdict = match found {
            Found::Ok(message) => {
                self.say(message);
                (self.failing_since, self.hard, self.failing) = (None, false, false);
                self.ok_at = Some(now);
                self.good = Some(true);
                Verdict::Good
            }
            Found::Failed { why, hard } => {
                why.as_ref().clone_into(&mut self.failure);
                self.say(why);
                (self.hard, self.failing) = (hard, true);
                let since = *self.failing_since.get_or_insert(began);
                if self.good != Some(true) || now.since(since) >= trap {
                    self.good = Some(false);
                    Verdict::Bad
                } else {
                    Verdict::Failing
                }
            }
            Found::Unknown(message) => {
                self.say(message);
                (self.failing_since, self.hard, self.failing) = (None, false, false);
                if self.good == Some(false) { Verdict::Bad } else { Verdict::Unknown }
            }
        };
        if self.good != before {
            self.changed = now;
        }
        self.set(verdict, wall);
    }

    /// Takes it for good until its results say otherwise for the trap period: the host is ONLINE by
    /// what was written down, or the monitor itself was blind.
    pub fn presume(&mut self) {
        self.good = Some(true);
        self.forgive();
    }

    /// Other evidence decided that it failed.
    pub fn condemn(&mut self, why: &str, now: Time, wall: Wall) {
        if self.good != Some(false) {
            (self.good, self.changed) = (Some(false), now);
            why.clone_into(&mut self.message);
            why.clone_into(&mut self.failure);
            self.set(Verdict::Bad, wall);
        }
    }

    /// Forgets a row of failures that is worth nothing: the monitor itself was away.
    pub fn forgive(&mut self) {
        (self.failing_since, self.failing, self.hard) = (None, false, false);
        self.unknown_since = None;
    }

    /// Forgets all results: the next one counts at once.
    pub fn forget(&mut self) {
        self.good = None;
        self.forgive();
    }

    fn say(&mut self, message: Word) {
        if self.message != message {
            self.message = message.into_owned();
        }
    }

    fn set(&mut self, verdict: Verdict, wall: Wall) {
        if self.verdict != verdict {
            self.verdict = verdict;
            self.since = wall;
        }
    }
}

/// What the agent said last.
#[derive(Debug, Clone)]
pub struct Heard {
    pub at: Time,
    pub wall: Wall,
    pub report: Arc<Report>,
}

/// One host, by all that is known of it.
#[derive(Debug, Clone)]
pub struct Host {
    pub state: HostState,
    pub before: Option<HostState>,
    pub since: Time,
    pub why: String,
    pub online_since: Option<Time>,
    pub checks: [CheckState; 4],
    /// The link to the agent is up; its version.
    pub link: Option<String>,
    /// Why the link is down.
    pub link_why: String,
    pub heard: Option<Heard>,
    /// The last grant sent on the present link, to send again only what changed.
    pub granted: Option<Grant>,
    /// Boot id and uptime of the machine at the latest report that came while the host was ONLINE.
    pub last_uptime: Option<(Arc<str>, Span)>,
    /// Drops from ONLINE in the present flap window, and when it opened.
    pub flaps: u32,
    pub flap_window: Option<Time>,
    pub flapping: bool,
    /// The row of the state table that held in the latest pass.
    pub row: Option<&'static str>,
    /// The silence of its agent was reported.
    pub silence_told: bool,
    /// It was reported that only others can reach it.
    pub unseen_told: bool,
    /// Whom its agent may ask for promises: by the grant that it obeys, and by younger ones.
    pub asks: Vec<Arc<Askable>>,
    /// Another monitor led meanwhile and may have named others, until the agent is heard.
    pub asks_others: bool,
}

impl Host {
    /// A host of which nothing is known.
    pub fn new(state: HostState, why: &str, now: Time, wall: Wall) -> Self {
        Self {
            state,
            before: None,
            since: now,
            why: why.to_owned(),
            online_since: (state == HostState::Online).then_some(now),
            checks: [(); 4].map(|()| CheckState::new(now, wall)),
            link: None,
            link_why: "not connected yet".to_owned(),
            heard: None,
            granted: None,
            last_uptime: None,
            flaps: 0,
            flap_window: None,
            flapping: false,
            row: None,
            silence_told: false,
            unseen_told: false,
            asks: Vec::new(),
            asks_others: false,
        }
    }

    /// Whether decisions may count on that check.
    pub fn good(&self, check: Check) -> bool {
        self.checks[check.index()].good == Some(true)
    }

    /// The latest report, when it is younger than `limit` and the link is up.
    pub fn fresh(&self, now: Time, limit: Span) -> Option<&Report> {
        let heard = self.heard.as_ref()?;
        (self.link.is_some() && now.since(heard.at) < limit).then_some(&heard.report)
    }

    /// When the monitor last got any sign of life of it.
    pub fn alive_at(&self) -> Option<Time> {
        let heard = self.heard.as_ref().map(|heard| heard.at);
        let checked = self.checks.iter().filter_map(|check| check.ok_at).max();
        heard.max(checked)
    }

    /// The latest report, however old.
    pub fn report(&self) -> Option<&Report> {
        self.heard.as_ref().map(|heard| &*heard.report)
    }

    /// What the agent does about the writer role, by its latest report.
    pub fn duty(&self) -> Duty {
        self.report().map_or(Duty::None, |report| report.duty)
    }

    /// The highest stamp that the agent obeyed.
    pub fn seen(&self) -> Stamp {
        self.report().map_or(Stamp::default(), |report| report.seen)
    }

    /// Whether the agent says that the server answers.
    pub fn server_up(&self) -> bool {
        self.report().is_some_and(|report| report.server.reach == Reach::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAP: Span = Span::secs(3);

    fn fail(check: &mut CheckState, at: u64) {
        let found = Found::Failed { why: "no answer".into(), hard: false };
        check.take(found, Time(at), Time(at), Wall(0), TRAP);
    }

    fn ok(check: &mut CheckState, at: u64) {
        check.take(Found::Ok("OK".into()), Time(at), Time(at), Wall(0), TRAP);
    }

    #[test]
    fn going_bad_takes_the_trap_period_and_going_good_takes_one_ok() {
        let mut check = CheckState::new(Time(0), Wall(0));
        ok(&mut check, 0);
        fail(&mut check, 1_000);
        fail(&mut check, 3_900);
        assert_eq!((check.good, check.verdict), (Some(true), Verdict::Failing));
        fail(&mut check, 4_000);
        assert_eq!((check.good, check.verdict), (Some(false), Verdict::Bad));
        ok(&mut check, 5_000);
        assert_eq!((check.good, check.verdict), (Some(true), Verdict::Good));
    }

    #[test]
    fn a_failure_that_never_trapped_leaves_nothing_behind() {
        // The original's stuck case: bad from the start, then failing, then OK must be good.
        let mut check = CheckState::new(Time(0), Wall(0));
        fail(&mut check, 0);
        assert_eq!(check.good, Some(false), "the first result counts at once");
        fail(&mut check, 100);
        ok(&mut check, 200);
        assert_eq!(check.good, Some(true));
        fail(&mut check, 300);
        ok(&mut check, 400);
        fail(&mut check, 3_350);
        assert_eq!(check.good, Some(true), "the row of failures was broken");
    }

    #[test]
    fn unknown_changes_nothing_and_breaks_the_row() {
        let mut check = CheckState::new(Time(0), Wall(0));
        ok(&mut check, 0);
        fail(&mut check, 1_000);
        check.take(Found::Unknown("busy".into()), Time(2_000), Time(2_000), Wall(0), TRAP);
        assert_eq!((check.good, check.verdict), (Some(true), Verdict::Unknown));
        fail(&mut check, 4_500);
        assert_eq!(check.good, Some(true));
        fail(&mut check, 7_500);
        assert_eq!(check.good, Some(false));
        check.take(Found::Unknown("busy".into()), Time(8_000), Time(8_000), Wall(0), TRAP);
        assert_eq!(check.good, Some(false));
    }
}
