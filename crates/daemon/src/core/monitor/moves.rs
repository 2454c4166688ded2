//! Moving the writer: one state machine for planned moves and failovers (design, section 7). Each phase has a
//! deadline and a way back. This room holds what both kinds share: the machine itself, its progress, promotion
//! and what follows it. `planned` and `failover` hold what comes before.

use mmm_proto::agent::{Duty, Outcome, Stamp};
use mmm_proto::console::Answer;
use mmm_proto::event::{Event, Level};
use mmm_proto::plan::{PlanOutcome, PlanStep, Progress, StepProgress, StepState};
use mmm_proto::{GtidPos, HostState, Span, Time};

use super::{Asker, Effect, Monitor, Parted};

/// A move that runs.
#[derive(Debug)]
pub(super) struct Move {
    pub progress: Progress,
    pub kind: Kind,
    pub vip: usize,
    /// The writer before, if there was one.
    pub from: Option<usize>,
    /// The writer to be; a failover chooses it on the way.
    pub to: Option<usize>,
    pub asker: Option<Asker>,
    /// End what holds up the freeze.
    pub kill: bool,
    /// The old writer is to be ADMIN_OFFLINE afterwards, by that person's will.
    pub then_offline: bool,
    pub phase: Phase,
    /// The step of `progress` that the phase works on.
    pub at: usize,
    pub began: Time,
    pub step_began: Time,
    pub deadline: Time,
    /// The order that is waited for.
    pub order: Option<u64>,
    /// Surveyed hosts that have not answered yet.
    pub surveyed: Vec<(u64, usize)>,
    /// Hosts that failed as candidates in this move, and why.
    pub failed: Vec<(usize, String)>,
    /// An operator asked to halt before the next step.
    pub stop: Option<String>,
    /// What the new writer had when it was promoted.
    pub promoted_at: GtidPos,
    /// The decision that gave it the VIP: only a report that has seen it tells of this promotion.
    pub given: Stamp,
}

/// What started a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Planned,
    Failover,
}

/// Where a move is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Planned: wait until the target is near. Nothing is touched yet.
    Drain,
    /// Planned: the old writer stops taking writes.
    Freeze,
    /// Planned: the target applies up to the frozen position.
    CatchUp,
    /// Failover: until nobody else can hold the VIP any more.
    Secure,
    /// Failover: ask all survivors what they have.
    Survey,
    /// Failover: the candidate fetches what another survivor has more.
    Fetch,
    /// Failover: the candidate applies all that it received.
    Apply,
    /// The target opens: writable, VIP up, announced.
    Promote,
    /// Planned: the old writer drops the VIP.
    Release,
    /// The replicas follow the new writer.
    Follow,
    /// Undoing: the old writer returns to service.
    Thaw(String),
}

/// What a phase comes to.
pub(super) enum Flow {
    Stay,
    End(PlanOutcome),
}

impl Monitor {
    /// Starts a move. The steps are those of the plan that people see.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn start_move(
        &mut self,
        kind: Kind,
        title: &str,
        steps: Vec<PlanStep>,
        from: Option<usize>,
        to: Option<usize>,
        asker: Option<Asker>,
        first: (Phase, Span),
    ) -> u64 {
        let now = self.now.boot;
        let plan = self.applying.take().unwrap_or_else(|| {
            self.next_plan += 1;
            self.next_plan
        });
        let steps = steps
            .into_iter()
            .map(|step| StepProgress {
                host: step.host,
                what: step.what,
                state: StepState::Waiting,
                took: Span::ZERO,
            })
            .collect();
        let by = asker.as_ref().map(|asker| asker.who.clone());
        let progress = Progress {
            plan,
            title: title.to_owned(),
            by: by.clone(),
            started: self.now.wall,
            steps,
            outcome: PlanOutcome::Running,
            took: Span::ZERO,
        };
        self.running = Some(Move {
            progress,
            kind,
            vip: self.writer_vip(),
            from,
            to,
            asker: asker.clone(),
            kill: false,
            then_offline: false,
            phase: first.0,
            at: 0,
            began: now,
            step_began: now,
            deadline: now + first.1,
            order: None,
            surveyed: Vec::new(),
            failed: Vec::new(),
            stop: None,
            promoted_at: GtidPos::default(),
            given: Stamp::default(),
        });
        self.begin_step(0);
        self.decide();
        let why = if asker.is_none() {
            "decided by the monitor"
        } else {
            ""
        };
        self.event_by(
            Level::Info,
            "writer",
            &format!("plan {plan} accepted: {title}"),
            why,
            by.as_deref(),
        );
        if let Some(asker) = asker {
            self.answer(asker, Answer::Started { plan });
        }
        plan
    }

    /// Drives the running move until it has to wait.
    pub(super) fn go_on_with_the_move(&mut self) {
        // Each turn either waits or enters another phase; a move has fewer than sixteen phases.
        for _ in 0..16 {
            let Some(running) = &self.running else { return };
            let before = running.phase.clone();
            let flow = match &before {
                Phase::Drain => self.drain(),
                Phase::Freeze | Phase::CatchUp => self.await_planned_order(),
                Phase::Secure => self.secure(),
                Phase::Survey => self.survey(),
                Phase::Fetch | Phase::Apply => self.await_failover_order(),
                Phase::Promote => self.promote(),
                Phase::Release => self.release(),
                Phase::Follow => self.follow(),
                Phase::Thaw(why) => self.thaw(why),
            };
            match flow {
                Flow::Stay => {
                    if self
                        .running
                        .as_ref()
                        .is_none_or(|running| running.phase == before)
                    {
                        return;
                    }
                }
                Flow::End(outcome) => {
                    self.end_move(outcome);
                    return;
                }
            }
        }
    }

    /// The outcome of an order came in.
    pub(super) fn take_outcome(&mut self, host: usize, id: u64, outcome: Outcome) {
        let Some(running) = &mut self.running else {
            return;
        };
        if let Some(at) = running.surveyed.iter().position(|(order, _)| *order == id) {
            running.surveyed.remove(at);
            if let Outcome::Looked { server } = outcome
                && let Some(heard) = &mut self.hosts[host].heard
            {
                heard.report.server = *server;
            }
            return;
        }
        if running.order != Some(id) {
            return;
        }
        running.order = None;
        match running.kind {
            Kind::Planned => self.planned_outcome(outcome),
            Kind::Failover => self.failover_outcome(outcome),
        }
    }

    /// Enters a phase that works on another step.
    pub(super) fn enter(&mut self, phase: Phase, step: usize, limit: Span) {
        let now = self.now.boot;
        let Some(running) = &mut self.running else {
            return;
        };
        (running.phase, running.at, running.deadline) = (phase, step, now + limit);
        self.begin_step(step);
    }

    fn begin_step(&mut self, step: usize) {
        let now = self.now.boot;
        let Some(running) = &mut self.running else {
            return;
        };
        running.step_began = now;
        if let Some(step) = running.progress.steps.get_mut(step) {
            step.state = StepState::Running;
        }
        self.generation += 1;
    }

    /// Ends the present step and says what came of it.
    pub(super) fn end_step(&mut self, state: StepState, what: &str) {
        let now = self.now.boot;
        let Some(running) = &mut self.running else {
            return;
        };
        let took = now.since(running.step_began);
        let (at, plan) = (running.at, running.progress.plan);
        let Some(step) = running.progress.steps.get_mut(at) else {
            return;
        };
        step.state = state;
        step.took = took;
        if !what.is_empty() {
            what.clone_into(&mut step.what);
        }
        let word = match state {
            StepState::Failed => "failed",
            StepState::Skipped => "not needed",
            StepState::Undone => "undone",
            _ => "done",
        };
        let subject = step
            .host
            .as_ref()
            .map_or("writer".to_owned(), |h| h.as_str().to_owned());
        let line = format!("step {} {word}: {}", at + 1, step.what);
        let level = if state == StepState::Failed {
            Level::Warn
        } else {
            Level::Info
        };
        self.next_event += 1;
        self.generation += 1;
        self.out.push(Effect::Event(Event {
            seq: self.next_event,
            at: self.now.wall,
            level,
            subject,
            what: line,
            why: String::new(),
            by: None,
            plan: Some(plan),
            took: Some(took),
        }));
    }

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
    fn promote(&mut self) -> Flow {
        let Some((vip, to, late)) = self.running.as_ref().and_then(|running| {
            running
                .to
                .map(|to| (running.vip, to, self.now.boot > running.deadline))
        }) else {
            return Flow::Stay;
        };
        let report = self.hosts[to].report();
        let serves = report.is_some_and(|report| {
            report.duty == Duty::Serving && report.vips.contains(&self.vips[vip].ip)
        });
        let given = self.running.as_ref().map(|running| running.given);
        if serves && given.is_some_and(|given| self.hosts[to].seen() >= given) {
            let at = report
                .map(|report| report.server.position.clone())
                .unwrap_or_default();
            self.promoted(to, at);
            return Flow::Stay;
        }
        // A target whose agent is silent and whose grant is over (or never left) cannot open any more.
        let over = self.vips[vip]
            .claim_of(to)
            .is_none_or(|claim| self.now.boot > claim.over);
        if late || (over && !self.agent_answers(to)) {
            return self.promotion_failed(to);
        }
        Flow::Stay
    }

    fn promoted(&mut self, to: usize, at: GtidPos) {
        let limit = self.top.timing.step_timeout;
        let (name, ip) = (self.name(to), self.vips[self.writer_vip()].ip);
        self.end_step(
            StepState::Done,
            &format!("writable, {ip} added and announced"),
        );
        let Some(running) = &mut self.running else {
            return;
        };
        let (kind, from, next) = (running.kind, running.from, running.at + 1);
        let outage = self.now.boot.since(running.began);
        let promoted_at = std::mem::take(&mut running.promoted_at);
        match (kind, from) {
            (Kind::Planned, Some(_)) => self.enter(Phase::Release, next, limit),
            (_, from) => {
                if let Some(from) = from.filter(|from| *from != to) {
                    let at = if promoted_at.is_empty() {
                        at
                    } else {
                        promoted_at
                    };
                    self.parted.retain(|parted| parted.host != from);
                    self.parted.push(Parted {
                        host: from,
                        heir: to,
                        at,
                        told: false,
                        following: None,
                    });
                }
                self.enter(Phase::Follow, next, limit);
            }
        }
        self.event(
            Level::Info,
            "writer",
            &format!("is {name} now"),
            &format!("after {outage}"),
        );
    }

    /// The target did not open in time: take it back and wait until it cannot hold it any more. What comes
    /// next is the failover's business, which also considers the old writer.
    fn promotion_failed(&mut self, to: usize) -> Flow {
        let name = self.name(to);
        let trouble = match self.hosts[to].report() {
            Some(report) if !report.troubles.is_empty() => report.troubles.join("; "),
            _ => self.agent_trouble(to),
        };
        let why = format!(
            "{name} did not become writable within {}: {trouble}",
            self.top.timing.step_timeout
        );
        self.end_step(StepState::Failed, &why);
        let vip = self.writer_vip();
        self.withdraw(vip, &why);
        self.avoided.retain(|(host, _)| *host != to);
        self.avoided.push((to, self.now.boot + Span::secs(60)));
        Flow::End(PlanOutcome::Failed { why })
    }

    /// The old writer drops the VIP. It is frozen, so this holds up nothing but the end of the plan.
    fn release(&mut self) -> Flow {
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
        let (offline, by) = self.running.as_ref().map_or((false, None), |running| {
            (running.then_offline, running.progress.by.clone())
        });
        if offline {
            self.set_state(from, HostState::AdminOffline, "set offline", by.as_deref());
        }
        self.enter(Phase::Follow, next, self.top.timing.step_timeout);
        Flow::Stay
    }

    /// The replicas follow the new writer, each by itself: a slow one holds up nobody.
    fn follow(&mut self) -> Flow {
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
        let mut what = format!(
            "following {}: {}",
            self.name(to),
            self.top.names(&following)
        );
        if following.is_empty() {
            what = format!("nobody follows {} yet", self.name(to));
        }
        if !left.is_empty() {
            what = format!("{what} (left: {})", self.top.names(&left));
        }
        if waiting.is_empty() {
            self.end_step(StepState::Done, &what);
        } else {
            let what = format!("{what}; still re-pointing: {}", self.top.names(&waiting));
            self.end_step(StepState::Failed, &what);
        }
        Flow::End(PlanOutcome::Done)
    }

    fn end_move(&mut self, outcome: PlanOutcome) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let now = self.now.boot;
        let took = now.since(running.began);
        self.forced = None;
        running.progress.took = took;
        running.progress.outcome = outcome.clone();
        let title = running.progress.title.clone();
        let by = running.progress.by.clone();
        let (answer, level, what, why) = match outcome {
            PlanOutcome::Done | PlanOutcome::Running => {
                let text = self.moved_text(&running);
                (
                    Answer::Done { text, took },
                    Level::Info,
                    "done",
                    String::new(),
                )
            }
            PlanOutcome::FailedUndone { why } => {
                let answer = Answer::Failed {
                    undone: true,
                    why: why.clone(),
                };
                (answer, Level::Warn, "failed, everything is as it was", why)
            }
            PlanOutcome::Failed { why } => {
                // A failover that failed is tried again after a pause; after a move that failed, clients wait for the
                // first one.
                if running.kind == Kind::Failover {
                    self.retry_at = now + Span::secs(1);
                }
                let answer = Answer::Failed {
                    undone: false,
                    why: why.clone(),
                };
                (answer, Level::Error, "failed", why)
            }
        };
        let what = format!("plan {} {what}: {title}", running.progress.plan);
        self.next_event += 1;
        self.out.push(Effect::Event(Event {
            seq: self.next_event,
            at: self.now.wall,
            level,
            subject: "writer".to_owned(),
            what,
            why,
            by,
            plan: Some(running.progress.plan),
            took: Some(took),
        }));
        if let Some(asker) = running.asker {
            self.answer(asker, answer);
        }
        self.last = Some(running.progress);
        self.decide();
    }

    fn moved_text(&self, running: &Move) -> String {
        let role = &self.top.roles[self.top.writer].name;
        match (running.then_offline, running.from, running.to) {
            (true, Some(from), _) => format!(
                "State of '{}' changed to ADMIN_OFFLINE. Now you can wait some time and check all roles!",
                self.name(from)
            ),
            (_, Some(from), Some(to)) => format!(
                "Role '{role}' has been moved from '{}' to '{}'. Now you can wait some time and check new \
                 roles info!",
                self.name(from),
                self.name(to)
            ),
            (_, _, Some(to)) => format!("Role '{role}' has been given to '{}'.", self.name(to)),
            _ => format!("plan {} ended", running.progress.plan),
        }
    }

    /// Leaves a move where it is: this monitor has no say any more.
    pub(super) fn drop_the_move(&mut self, why: &str) {
        if self.running.is_some() {
            self.end_step(StepState::Failed, why);
            let why = why.to_owned();
            self.end_move(PlanOutcome::Failed { why });
        }
    }

    /// The host loses its roles while a move is under way.
    pub(super) fn abandon_move_of(&mut self, host: usize, why: &str) {
        let Some(running) = &self.running else { return };
        if running.from != Some(host) && running.to != Some(host) {
            return;
        }
        if running.phase == Phase::Release && running.from == Some(host) {
            return;
        }
        let why = format!("{} was lost on the way: {why}", self.name(host));
        self.end_step(StepState::Failed, &why);
        self.end_move(PlanOutcome::Failed { why });
        self.retry_at = self.now.boot;
    }

    /// The VIP that a host must keep frozen, if a move left it so.
    pub(super) fn frozen_hold(&self, host: usize) -> Option<usize> {
        let running = self.running.as_ref()?;
        let frozen = matches!(
            running.phase,
            Phase::Freeze | Phase::CatchUp | Phase::Promote
        );
        (running.kind == Kind::Planned && frozen && running.from == Some(host))
            .then_some(running.vip)
    }

    /// Whether replication must be left alone just now, because positions are being compared.
    pub(super) fn positions_matter(&self) -> bool {
        self.running.as_ref().is_some_and(|running| {
            !matches!(running.phase, Phase::Drain | Phase::Follow | Phase::Release)
        })
    }
}
