//! The first half of a planned move: drain, freeze, catch up; and its way back. Everything that can
//! fail is done before clients are touched, and everything before promotion can be undone.

use mmm_proto::agent::{Duty, Outcome, Step};
use mmm_proto::plan::{PlanOutcome, StepState};
use mmm_proto::{Lag, Span};

use super::Monitor;
use super::moves::{Flow, Phase};
use crate::core::bugs::{Bug, bug};

impl Monitor {
    /// Wait until the target is near. Nothing is touched yet, so giving up costs nothing.
    pub(super) fn drain(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let (Some(from), Some(to)) = (running.from, running.to) else {
            return Flow::Stay;
        };
        let late = self.now.boot > running.deadline && !bug(Bug::EndlessDrain);
        let (kill, vip) = (running.kill, running.vip);
        if let Some(who) = running.stop.clone() {
            return self.give_up(&format!("halted by {who} before anything was touched"));
        }
        if let Some(why) = self.why_not_writer(to) {
            return self.give_up(&why);
        }
        let lag = self.lag(to);
        let near = matches!(lag, Lag::Behind(lag) if lag <= self.top.timing.drain_lag);
        if !near {
            if late {
                let why = format!(
                    "{} did not come within {} of {} in {}: its lag is {lag}",
                    self.name(to),
                    self.top.timing.drain_lag,
                    self.name(from),
                    self.top.timing.drain_timeout
                );
                return self.give_up(&why);
            }
            return Flow::Stay;
        }
        self.end_step(StepState::Done, &format!("near enough: lag {lag}"));
        let (grace, limit) = (self.top.timing.freeze_grace, self.top.timing.step_timeout);
        let role = self.top.roles[self.top.writer].name.clone();
        self.decide();
        self.enter(Phase::Freeze, 1, grace + limit);
        let step = Step::Freeze { role, vip: self.vips[vip].ip, grace, kill };
        let id = self.order(from, grace + limit, step);
        self.wait_for(id);
        Flow::Stay
    }

    pub(super) fn wait_for(&mut self, order: u64) {
        if let Some(running) = &mut self.running {
            running.order = Some(order);
        }
    }

    fn give_up(&mut self, why: &str) -> Flow {
        self.end_step(StepState::Failed, why);
        Flow::End(PlanOutcome::FailedUndone { why: why.to_owned() })
    }

    /// Freeze and catch-up end by their order's outcome, or here by their deadline.
    pub(super) fn await_planned_order(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let Some(host) = (if running.phase == Phase::Freeze { running.from } else { running.to })
        else {
            return Flow::Stay;
        };
        let waited = self.now.boot.since(running.step_began);
        // Clients wait meanwhile: an agent that has gone silent is not waited for.
        let answers = self.agent_answers(host);
        if self.now.boot <= running.deadline && answers {
            return Flow::Stay;
        }
        let name = self.name(host);
        let why = if self.hosts[host].link.is_none() {
            format!("the link to the agent on {name} broke")
        } else if !answers {
            format!("{name}: {}", self.agent_trouble(host))
        } else {
            format!("{name} did not answer within {waited}")
        };
        self.turn_back(&why);
        Flow::Stay
    }

    pub(super) fn planned_outcome(&mut self, outcome: Outcome) {
        let Some(running) = &self.running else { return };
        let (Some(from), Some(to)) = (running.from, running.to) else {
            return;
        };
        match (&running.phase, outcome) {
            (Phase::Freeze, Outcome::Frozen { at, killed }) => {
                self.end_step(
                    StepState::Done,
                    &format!("read-only at {at}, {killed} client sessions ended"),
                );
                let limit = self.top.timing.catch_up_timeout;
                self.enter(Phase::CatchUp, 2, limit);
                if let Some(running) = &mut self.running {
                    running.promoted_at = at.clone();
                }
                if bug(Bug::SkipCatchUp) {
                    let vip = self.writer_vip();
                    self.withdraw(vip, "");
                    return self.enter_promotion(to, 3);
                }
                let id = self.order(to, limit, Step::CatchUp { to: at });
                self.wait_for(id);
            }
            (Phase::CatchUp, Outcome::Reached { at }) => {
                if let Some(who) = running.stop.clone() {
                    self.turn_back(&format!("halted by {who}"));
                    return;
                }
                self.end_step(StepState::Done, &format!("applied everything up to {at}"));
                let vip = self.writer_vip();
                let name = self.name(from);
                self.withdraw(vip, &format!("{name} is frozen"));
                self.enter_promotion(to, 3);
            }
            (_, Outcome::Failed { why, blockers }) => {
                // Often the agent's words name what stood in the way already.
                let first = blockers.first().map(ToString::to_string);
                let why = match first {
                    _ if running.phase == Phase::CatchUp => format!("{}: {why}", self.name(to)),
                    Some(first) if why.contains(&first) => format!("{why} (--kill ends it)"),
                    Some(first) => format!("{why}: {first} (--kill ends it)"),
                    None => why,
                };
                self.turn_back(&why);
            }
            (_, other) => self.turn_back(&format!("an answer that does not fit: {other:?}")),
        }
    }

    /// The old writer returns to service; the target was not touched but for catching up.
    fn turn_back(&mut self, why: &str) {
        // The event of the step is that host's own.
        let running = self.running.as_ref();
        let host = running.and_then(|running| running.progress.steps.get(running.at)?.host.clone());
        let own = host.and_then(|host| why.strip_prefix(host.as_str())?.strip_prefix(": "));
        self.end_step(StepState::Failed, own.unwrap_or(why));
        // The decision makes the thaw newer than the freeze, whatever became of that order.
        self.decide();
        let now = self.now.boot;
        let limit = self.top.timing.step_timeout;
        if let Some(running) = &mut self.running {
            running.order = None;
            running.phase = Phase::Thaw(why.to_owned());
            running.deadline = now + limit;
            running.step_began = now;
        }
    }

    /// Until the old writer says that it serves again.
    pub(super) fn thaw(&mut self, why: &str) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let Some(from) = running.from else {
            return Flow::Stay;
        };
        let waited = self.now.boot.since(running.step_began);
        // With its grant over and its agent silent it cannot return by itself: a failover must not
        // wait.
        let over =
            self.vips[running.vip].claim_of(from).is_none_or(|claim| self.now.boot > claim.over);
        let late = self.now.boot > running.deadline || (over && !self.agent_answers(from));
        let name = self.name(from);
        let serves = self.hosts[from].duty() == Duty::Serving
            && self.hosts[from].seen() >= self.stamp()
            && self.hosts[from].fresh(self.now.boot, self.top.timing.ttl).is_some();
        if serves {
            if let Some(running) = &mut self.running {
                for step in &mut running.progress.steps {
                    if step.state == StepState::Done {
                        step.state = StepState::Undone;
                    }
                }
            }
            let why = format!("{why}; {name} stays writer");
            return Flow::End(PlanOutcome::FailedUndone { why });
        }
        if late {
            let why = format!("{why}; and {name} did not return to service within {waited}");
            return Flow::End(PlanOutcome::Failed { why });
        }
        Flow::Stay
    }

    /// How long a planned move may keep the clients waiting at the worst, for the plan's text.
    pub(super) fn worst_gap(&self) -> Span {
        let timing = &self.top.timing;
        timing.freeze_grace + timing.catch_up_timeout + timing.step_timeout
    }
}
