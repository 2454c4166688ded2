//! A move that must not go on: a person sets PASSIVE, another monitor leads, a host is lost on the
//! way. What can be undone is undone by the phases themselves.

use mmm_proto::plan::{PlanOutcome, StepState};

use super::Monitor;
use super::moves::{Kind, Phase};

impl Monitor {
    /// The monitor goes PASSIVE: what can be undone is undone, what cannot goes on to its end.
    pub(super) fn halt_the_move(&mut self, who: &str) {
        let Some(running) = &mut self.running else {
            return;
        };
        match (running.kind, &running.phase) {
            (Kind::Planned, Phase::Drain | Phase::Freeze | Phase::CatchUp) => {
                running.stop = Some(who.to_owned());
            }
            (Kind::Failover, Phase::Secure | Phase::Survey | Phase::Fetch | Phase::Apply) => {
                self.drop_the_move(&format!("halted by {who}: the monitor is set PASSIVE"));
            }
            _ => {}
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
}
