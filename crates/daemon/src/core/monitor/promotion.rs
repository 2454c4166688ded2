//! The second half of every move: the target opens, the old writer lets go, the replicas follow.

use mmm_proto::agent::{Duty, Reach};
use mmm_proto::event::Level;
use mmm_proto::plan::{PlanOutcome, StepState};
use mmm_proto::{GtidPos, HostState, MonitorMode};

use super::Monitor;
use super::moves::{Flow, Kind, Phase};

impl Monitor {
    /// Gives the VIP to the target and waits for it to open.
    pub(super) fn enter_promotion(&mut self, to: usize, step: usize) {
        let vip = self.writer_vip();
        self.give(vip, to);
        let given = self.stamp();
        self.enter(Phase::Promote, step, self.top.timing.step_timeout);
        if let Some(running) = &mut self.running {
            running.given = given;
        }
    }

    /// The target was granted the role: wait until it says that it serves.
    pub(super) fn promote(&mut self) -> Flow {
        let Some((vip, to, late)) = self.running.as_ref().and_then(|running| {
            running.to.map(|to| (running.vip, to, self.now.boot > running.deadline))
        }) else {
            return Flow::Stay;
        };
        let report = self.hosts[to].report();
        let serves = report.is_some_and(|report| {
            report.duty == Duty::Serving && report.vips.contains(&self.vips[vip].ip)
        });
        let given = self.running.as_ref().map(|running| running.given);
        if serves && given.is_some_and(|given| self.hosts[to].seen() >= given) {
            let at = report.map(|report| report.server.position.clone()).unwrap_or_default();
            self.promoted(to, at);
            return Flow::Stay;
        }
        // A target whose agent is silent and whose grant is over (or never left) cannot open any
        // more.
        let over = self.vips[vip].claim_of(to).is_none_or(|claim| self.now.boot > claim.over);
        // Its own word that it cannot is enough: clients wait.
        let seen = given.is_some_and(|given| self.hosts[to].seen() >= given);
        let cannot = seen && report.is_some_and(|report| !report.cannot_open.is_empty());
        if cannot || late || (over && !self.agent_answers(to)) {
            return self.promotion_failed(to);
        }
        Flow::Stay
    }

    fn promoted(&mut self, to: usize, at: GtidPos) {
        let limit = self.top.timing.step_timeout;
        let (name, ip) = (self.name(to), self.vips[self.writer_vip()].ip);
        self.end_step(StepState::Done, &format!("writable, {ip} added and announced"));
        let Some(running) = &mut self.running else {
            return;
        };
        let (kind, from, next) = (running.kind, running.from, running.at + 1);
        let promoted_at = std::mem::take(&mut running.promoted_at);
        match (kind, from) {
            (Kind::Planned, Some(_)) => self.enter(Phase::Release, next, limit),
            (_, from) => {
                let at = if promoted_at.is_empty() { at } else { promoted_at };
                self.remember_what_it_lacks(from, to, &at);
                self.enter(Phase::Follow, next, limit);
            }
        }
        let why = format!("after {} without a writer", self.unserved());
        self.event(Level::Info, "writer", &format!("is {name} now"), &why);
    }

    /// The target did not open in time: take it back and wait until it cannot hold it any more.
    /// What comes next is the failover's business, which also considers the old writer.
    fn promotion_failed(&mut self, to: usize) -> Flow {
        let name = self.name(to);
        let trouble = match self.hosts[to].report() {
            Some(report) if !report.troubles.is_empty() => report.troubles.join("; "),
            Some(report) if self.agent_answers(to) => {
                let server = match &report.server.reach {
                    Reach::Up => "answers",
                    Reach::Unknown => "was not looked at yet",
                    Reach::Gone { why } | Reach::Silent { why } => why,
                };
                format!("its duty is {:?}, its server: {server}", report.duty.word())
            }
            _ => self.agent_trouble(to),
        };
        let took = self.running.as_ref().map(|running| self.now.boot.since(running.step_began));
        let took = took.unwrap_or_default();
        let why = format!("{name} did not become writable within {took}: {trouble}");
        self.end_step(StepState::Failed, &why);
        let vip = self.writer_vip();
        self.withdraw(vip, &why);
        // In MANUAL and WAIT nobody else is looked for: it goes back where it was.
        if self.mode != MonitorMode::Active {
            self.vips[vip].chosen = self.running.as_ref().and_then(|running| running.from);
        }
        self.avoid(to);
        Flow::End(PlanOutcome::Failed { why })
    }

    /// The old writer drops the VIP. It is frozen, so this holds up nothing but the end of the
    /// plan.
    pub(super) fn release(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let (vip, from, next) = (running.vip, running.from, running.at + 1);
        let late = self.now.boot > running.deadline;
        let Some(from) = from else { return Flow::Stay };
        let name = self.name(from);
        if self.vips[vip].claim_of(from).is_some() {
            if !late {
                return Flow::Stay;
            }
            let why =
                format!("{name} has not confirmed yet; it is read-only and its grant runs out");
            self.end_step(StepState::Failed, &why);
        } else {
            let ip = self.vips[vip].ip;
            self.end_step(StepState::Done, &format!("{ip} removed"));
        }
        let (offline, by) = self
            .running
            .as_ref()
            .map_or((false, None), |running| (running.then_offline, running.progress.by.clone()));
        if offline {
            self.set_state(from, HostState::AdminOffline, "set offline", by.as_deref());
        }
        self.enter(Phase::Follow, next, self.top.timing.step_timeout);
        Flow::Stay
    }

    /// The replicas follow the new writer, each by itself: a slow one holds up nobody.
    pub(super) fn follow(&mut self) -> Flow {
        let Some(running) = &self.running else {
            return Flow::Stay;
        };
        let Some(to) = running.to else {
            return Flow::Stay;
        };
        let late = self.now.boot > running.deadline;
        let (mut following, mut waiting, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for host in (0..self.hosts.len()).filter(|host| *host != to) {
            let source = self.hosts[host]
                .report()
                .and_then(|report| report.server.replication.as_ref())
                .and_then(|replication| self.top.host_at(&replication.source, replication.port));
            let off = self.hosts[host].state == HostState::AdminOffline;
            if off || !self.agent_answers(host) || !self.hosts[host].server_up() {
                left.push(host);
            } else if source == Some(to) {
                following.push(host);
            } else {
                waiting.push(host);
            }
        }
        if !waiting.is_empty() && !late {
            return Flow::Stay;
        }
        let mut what = format!("following {}: {}", self.name(to), self.top.names(&following));
        if following.is_empty() {
            what = format!("nobody follows {} yet", self.name(to));
        }
        if !left.is_empty() {
            what = format!("{what}; left out: {}", self.top.names(&left));
        }
        if waiting.is_empty() {
            self.end_step(StepState::Done, &what);
        } else {
            let what = format!("{what}; still re-pointing: {}", self.top.names(&waiting));
            self.end_step(StepState::Failed, &what);
        }
        Flow::End(PlanOutcome::Done)
    }
}
