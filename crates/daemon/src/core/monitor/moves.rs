//! Moving the writer: one state machine for planned moves and failovers (design, section 7). Each
//! phase has a deadline and a way back. This room holds what both kinds share: the machine itself,
//! its progress, promotion and what follows it. `planned` and `failover` hold what comes before.

use std::sync::Arc;

use mmm_proto::agent::{Outcome, Stamp};
use mmm_proto::console::Answer;
use mmm_proto::event::{Event, Level};
use mmm_proto::plan::{PlanOutcome, PlanStep, Progress, StepProgress, StepState};
use mmm_proto::{GtidPos, Span, Time};

use super::{Asker, Effect, Monitor};

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
    /// Survivors that the candidate was told to fetch from.
    pub donors: Vec<usize>,
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
        let steps = steps.into_iter().map(waiting).collect();
        let chosen_by = self.chosen_by.take().filter(|_| kind == Kind::Failover);
        let by = asker.as_ref().map(|asker| asker.who.clone()).or(chosen_by);
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
            donors: Vec::new(),
            stop: None,
            promoted_at: GtidPos::default(),
            given: Stamp::default(),
        });
        self.begin_step(0);
        self.decide();
        let why = if by.is_none() { "decided by the monitor" } else { "" };
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
                    if self.running.as_ref().is_none_or(|running| running.phase == before) {
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
                Arc::make_mut(&mut heard.report).server = *server;
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
        let subject = step.host.as_ref().map_or("writer".to_owned(), |h| h.as_str().to_owned());
        let line = format!("step {} {word}: {}", at + 1, step.what);
        let level = if state == StepState::Failed { Level::Warn } else { Level::Info };
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

    pub(super) fn end_move(&mut self, outcome: PlanOutcome) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let now = self.now.boot;
        let took = now.since(running.began);
        self.forced = None;
        self.calm_down(&running, &outcome);
        running.progress.took = took;
        running.progress.outcome = outcome.clone();
        let title = running.progress.title.clone();
        let by = running.progress.by.clone();
        let (answer, level, what, why) = match outcome {
            PlanOutcome::Done | PlanOutcome::Running => {
                self.failed_alike = Default::default();
                let text = self.moved_text(&running);
                (Answer::Done { text, took }, Level::Info, "done", String::new())
            }
            PlanOutcome::FailedUndone { why } => {
                let answer = Answer::Failed { undone: true, why: why.clone() };
                (answer, Level::Warn, "failed, everything is as it was", why)
            }
            PlanOutcome::Failed { why } => {
                // A failover that failed is tried again after a pause; after a move that failed,
                // clients wait for the first one.
                // The pause is for a host that failed: another one is tried at once.
                let others = running.phase == Phase::Promote && self.untried_candidate();
                if running.kind == Kind::Failover && !others {
                    self.retry_at = now + self.pause_after(&why);
                }
                let answer = Answer::Failed { undone: false, why: why.clone() };
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

    /// The VIP that a host must keep frozen, if a move left it so. One that it has let go since
    /// (its agent was started again) is not given to it anew.
    pub(super) fn frozen_hold(&self, host: usize) -> Option<usize> {
        let running = self.running.as_ref()?;
        let frozen = matches!(running.phase, Phase::Freeze | Phase::CatchUp | Phase::Promote);
        (running.kind == Kind::Planned
            && frozen
            && running.from == Some(host)
            && self.vips[running.vip].claim_of(host).is_some())
        .then_some(running.vip)
    }

    /// Whether replication must be left alone just now, because positions are being compared.
    pub(super) fn positions_matter(&self) -> bool {
        self.running.as_ref().is_some_and(|running| {
            !matches!(running.phase, Phase::Drain | Phase::Follow | Phase::Release)
        })
    }
}

/// A step of a plan that has begun, before its own turn.
fn waiting(step: PlanStep) -> StepProgress {
    let (host, what) = (step.host, step.what);
    StepProgress { host, what, state: StepState::Waiting, took: Span::ZERO }
}
