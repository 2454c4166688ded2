//! The first half of a failover: be sure that nobody else holds, ask the survivors what they have,
//! let the candidate fetch and apply all of it. Also starts failovers. What becomes of hosts that
//! have more than the new writer is in `parted`.

use mmm_proto::agent::{Outcome, Step};
use mmm_proto::plan::{PlanOutcome, StepState};
use mmm_proto::{MonitorMode, Span};

use super::Monitor;
use super::moves::{Flow, Kind, Phase};
use super::plan;
use crate::core::bugs::{Bug, bug};

/// How long the survivors may take to say what they have. They answer within a few milliseconds;
/// one that hangs must not hold up the others.
const SURVEY_LIMIT: Span = Span::ms(400);

/// How much longer than its grants last a failover waits for the end of a claim, because the host
/// was promised the VIP meanwhile. Whoever promises hears within a heartbeat that it is to end; one
/// that goes on for longer (a full disk, a link that lets nothing through) is told as the reason.
const PROLONGED: Span = Span::secs(3);

/// The pause after a failover that failed, until the next try.
pub(super) const PAUSE: Span = Span::secs(1);

/// The same where it failed so again and again: each try tells two long events, and what happened
/// before must not drown in them.
const LONG_PAUSE: Span = Span::secs(5);

/// So many that fail for one reason are followed by the short pause.
const SOON_AGAIN: u32 = 3;

impl Monitor {
    /// How long to wait after a failover failed, before the next one.
    pub(super) fn pause_after(&mut self, why: &str) -> Span {
        // Times and positions in it may differ.
        let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        let alike = words(&self.failed_alike.0) == words(why);
        let count = if alike { self.failed_alike.1 + 1 } else { 0 };
        self.failed_alike = (why.to_owned(), count);
        if count < SOON_AGAIN { PAUSE } else { LONG_PAUSE }
    }

    /// Nobody has the writer role: start to give it to somebody, if there is somebody.
    pub(super) fn start_failover_if_needed(&mut self) {
        let vip = self.writer_vip();
        if self.vips[vip].holder.is_some()
            || self.running.is_some()
            || self.now.boot < self.retry_at
            || self.mode == MonitorMode::Passive
        {
            return;
        }
        let able = |host: &usize| self.can_be_writer(*host) && self.may_give_to(*host);
        if !self.top.roles[self.top.writer].hosts.iter().any(able) {
            return;
        }
        let from = self.vips[vip].last;
        let steps = plan::failover_steps(self, from);
        let title = match from {
            Some(from) => format!("replace writer {}", self.name(from)),
            None => "give the writer to a host".to_owned(),
        };
        let limit = self.secure_limit();
        self.start_move(Kind::Failover, &title, steps, from, None, None, (Phase::Secure, limit));
    }

    /// Whether the monitor may give the vacant writer role to a host: in MANUAL and WAIT only to
    /// the one that somebody chose.
    pub(super) fn may_give_to(&self, host: usize) -> bool {
        match self.mode {
            MonitorMode::Active => true,
            MonitorMode::Manual | MonitorMode::Wait => {
                self.vips[self.writer_vip()].chosen == Some(host)
            }
            MonitorMode::Passive => false,
        }
    }

    fn secure_limit(&self) -> Span {
        let vip = &self.vips[self.writer_vip()];
        let last = vip.claims.iter().map(|claim| claim.over).max().unwrap_or(self.now.boot);
        last.since(self.now.boot) + Span::secs(1)
    }

    /// Until nobody can hold the VIP any more: each claim ends by a report or by its time.
    pub(super) fn secure(&mut self) -> Flow {
        let vip = self.writer_vip();
        let claim = self.vips[vip].claims.first().filter(|_| !bug(Bug::SkipClaims));
        if let Some(claim) = claim {
            let Some(running) = &self.running else {
                return Flow::Stay;
            };
            // Promises may have made it longer, but no wait is without an end.
            let longer = (claim.over + Span::secs(1)).min(running.deadline + PROLONGED);
            if self.now.boot > running.deadline.max(longer) {
                let name = &self.top.hosts[claim.host].name;
                let why = format!(
                    "{name} may still hold the writer role{}",
                    self.why_goes_on(vip, claim)
                );
                self.end_step(StepState::Failed, &why);
                return Flow::End(PlanOutcome::Failed { why });
            }
            return Flow::Stay;
        }
        self.end_step(StepState::Done, "nobody else can hold the writer role any more");
        self.enter(Phase::Survey, 1, SURVEY_LIMIT);
        let mut asked = Vec::new();
        for host in 0..self.hosts.len() {
            if self.agent_answers(host) && self.hosts[host].server_up() {
                let id = self.order(host, SURVEY_LIMIT, Step::Look);
                asked.push((id, host));
            }
        }
        if let Some(running) = &mut self.running {
            running.surveyed = asked;
        }
        Flow::Stay
    }

    /// Until every survivor has answered, or the limit: then choose.
    pub(super) fn survey(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        if !running.surveyed.is_empty() && self.now.boot <= running.deadline {
            return Flow::Stay;
        }
        let silent: Vec<usize> = running.surveyed.iter().map(|(_, host)| *host).collect();
        let failed = running.failed.clone();
        let candidates = self.candidates();
        let able = candidates.iter().find(|(host, why)| {
            why.is_none()
                && self.may_give_to(*host)
                && !silent.contains(host)
                && failed.iter().all(|(f, _)| f != host)
        });
        let Some((to, _)) = able.cloned() else {
            let mut reasons: Vec<String> =
                candidates.into_iter().filter_map(|(_, why)| why).collect();
            reasons.extend(failed.into_iter().map(|(_, why)| why));
            let why = format!("nobody can become writer: {}", reasons.join("; "));
            self.end_step(StepState::Failed, &why);
            return Flow::End(PlanOutcome::Failed { why });
        };
        let lacks = self.lacks(to);
        let name = self.name(to);
        let instead: Vec<String> = failed.into_iter().map(|(_, why)| format!("; {why}")).collect();
        let instead = instead.concat();
        let what = format!(
            "{name} takes over, {lacks} transactions behind the most advanced survivor{instead}"
        );
        self.end_step(StepState::Done, &what);
        self.tell_outlived(to);
        self.choose(to);
        if lacks > 0 && self.fetch(to) {
            return Flow::Stay;
        }
        self.skip_fetch();
        self.apply(to);
        Flow::Stay
    }

    fn choose(&mut self, to: usize) {
        let title = match self.running.as_ref().and_then(|running| running.from) {
            Some(from) if from != to => {
                format!("replace writer {} by {}", self.name(from), self.name(to))
            }
            _ => format!("give the writer to {}", self.name(to)),
        };
        let name = self.top.hosts[to].name.clone();
        if let Some(running) = &mut self.running {
            running.to = Some(to);
            running.donors.clear();
            running.progress.title = title;
            for step in running.progress.steps.iter_mut().skip(2).take(3) {
                step.host = Some(name.clone());
            }
        }
    }

    /// Lets the candidate fetch from the survivor that has most, of those that were not tried yet;
    /// false when there is none to fetch from.
    fn fetch(&mut self, to: usize) -> bool {
        let lacks = self.lacks(to);
        let tried = self.running.as_ref().map_or(Vec::new(), |running| running.donors.clone());
        let richest = (0..self.hosts.len())
            .filter(|host| {
                *host != to
                    && self.outlived_by(*host).is_none()
                    && !tried.contains(host)
                    && self.agent_answers(*host)
                    && self.hosts[*host].server_up()
                    && self.lacks(*host) < lacks
            })
            .min_by_key(|host| self.lacks(*host));
        let Some((from, position)) = richest.and_then(|from| {
            let server = &self.hosts[from].report()?.server;
            Some((from, server.received.union(&server.position)))
        }) else {
            return false;
        };
        if let Some(running) = &mut self.running {
            running.donors.push(from);
        }
        let limit = self.top.timing.catch_up_timeout;
        self.enter(Phase::Fetch, 2, limit);
        let step = Step::Fetch { from: self.top.hosts[from].name.clone(), to: position };
        let id = self.order(to, limit, step);
        self.wait_for(id);
        true
    }

    fn skip_fetch(&mut self) {
        self.enter(Phase::Fetch, 2, Span::ZERO);
        self.end_step(StepState::Skipped, "no other survivor has more");
    }

    fn apply(&mut self, to: usize) {
        let limit = self.top.timing.catch_up_timeout;
        self.enter(Phase::Apply, 3, limit);
        let id = self.order(to, limit, Step::Drain);
        self.wait_for(id);
    }

    pub(super) fn await_failover_order(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let Some(to) = running.to else {
            return Flow::Stay;
        };
        if self.now.boot <= running.deadline && self.hosts[to].link.is_some() {
            return Flow::Stay;
        }
        let why = format!("{} did not answer in time", self.name(to));
        self.failover_outcome(Outcome::Failed { why, blockers: Vec::new() });
        Flow::Stay
    }

    pub(super) fn failover_outcome(&mut self, outcome: Outcome) {
        let Some(running) = &self.running else { return };
        let Some(to) = running.to else { return };
        match (&running.phase, outcome) {
            (Phase::Fetch, Outcome::Reached { at }) => {
                self.end_step(StepState::Done, &format!("fetched up to {at}"));
                self.apply(to);
            }
            (Phase::Fetch, outcome) => {
                let why = failure(outcome);
                let donor = self.running.as_ref().and_then(|running| running.donors.last());
                let from =
                    donor.map_or(String::new(), |donor| format!(" from {}", self.name(*donor)));
                self.end_step(StepState::Failed, &format!("could not fetch{from}: {why}"));
                // Only the way to that one may be broken.
                if self.fetch(to) {
                    return;
                }
                match self.who_lacks_less(to) {
                    Some(other) => {
                        let (name, other) = (self.name(to), self.name(other));
                        let what = format!("{name} could not fetch what {other} has");
                        self.pass_over(to, what);
                    }
                    // What another survivor has is not worth a cluster without a writer; it is
                    // told, and compared again when the hosts are re-pointed.
                    None => self.apply(to),
                }
            }
            (Phase::Apply, Outcome::Reached { at }) => {
                self.end_step(
                    StepState::Done,
                    &format!("applied all that it received{}", up_to(&at)),
                );
                self.enter_promotion(to, 4);
                if let Some(running) = &mut self.running {
                    running.promoted_at = at;
                }
            }
            (Phase::Apply, outcome) if self.forced == Some(to) => {
                // An operator chose it knowing that; what it has is what there will be.
                let why = failure(outcome);
                let at = self.hosts[to]
                    .report()
                    .map(|report| report.server.position.clone())
                    .unwrap_or_default();
                self.end_step(StepState::Failed, &format!("forced all the same: {why}"));
                self.enter_promotion(to, 4);
                if let Some(running) = &mut self.running {
                    running.promoted_at = at;
                }
            }
            (Phase::Apply, outcome) => {
                let why = failure(outcome);
                let name = self.name(to);
                let why = format!("{name} could not apply what it received: {why}");
                self.end_step(StepState::Failed, &why);
                // The next failover tries it last: it may be the one for which others are passed
                // over.
                self.avoid(to);
                self.pass_over(to, why);
            }
            _ => {}
        }
    }

    /// Who could become writer instead of a candidate, and lacks less: the choice of a host
    /// (`prefer`, the configured order) is not worth transactions that another one has.
    fn who_lacks_less(&self, to: usize) -> Option<usize> {
        if self.forced == Some(to) || self.vips[self.writer_vip()].chosen == Some(to) {
            return None;
        }
        let lacks = self.lacks(to);
        let failed = self.running.as_ref().map(|running| &running.failed)?;
        let able = self.candidates().into_iter().filter(|(_, why)| why.is_none());
        let mut able = able.map(|(host, _)| host).filter(|host| {
            self.may_give_to(*host)
                && !self.avoids(*host)
                && self.outlived_by(*host).is_none()
                && failed.iter().all(|(failed, _)| failed != host)
        });
        able.find(|host| *host != to && self.lacks(*host) < lacks)
    }

    /// Chooses again among the others; with none left the survey says why.
    fn pass_over(&mut self, host: usize, why: String) {
        if let Some(running) = &mut self.running {
            running.failed.push((host, why));
            running.to = None;
            running.order = None;
        }
        self.enter(Phase::Survey, 1, SURVEY_LIMIT);
    }
}

/// `, up to 0-1-7`; nothing where nothing was ever written.
fn up_to(at: &mmm_proto::GtidPos) -> String {
    if at.is_empty() { String::new() } else { format!(", up to {at}") }
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { why, .. } => why,
        other => format!("an answer that does not fit: {other:?}"),
    }
}
