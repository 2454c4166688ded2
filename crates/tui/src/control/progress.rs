//! Tells the steps of long work on a terminal's stderr, one line when a step ends.

use std::io::Write as _;

use mmm_proto::ClusterView;
use mmm_proto::plan::StepState;

/// Which steps of which plan were told.
#[derive(Debug, Default)]
pub(super) struct Progress {
    plan: u64,
    told: Vec<StepState>,
}

impl Progress {
    /// Follow this plan from now on.
    pub(super) fn follow(&mut self, plan: u64) {
        self.plan = plan;
        self.told.clear();
    }

    /// Tells what is new in a picture. A closed stderr is no reason to stop the work.
    pub(super) fn tell(&mut self, view: &ClusterView) {
        for line in self.lines(view) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn lines(&mut self, view: &ClusterView) -> Vec<String> {
        let of_ours = [&view.running, &view.last]
            .into_iter()
            .flatten()
            .find(|progress| progress.plan == self.plan);
        let Some(progress) = of_ours else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (at, step) in progress.steps.iter().enumerate() {
            if self.told.get(at) == Some(&step.state) {
                continue;
            }
            self.told.resize(self.told.len().max(at + 1), StepState::Waiting);
            if self.told[at] == step.state {
                continue;
            }
            self.told[at] = step.state;
            let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
            let sign = match step.state {
                StepState::Waiting => continue,
                StepState::Running => "~",
                StepState::Done => "+",
                StepState::Failed => "#",
                StepState::Undone => "<",
                StepState::Skipped => "-",
            };
            let took = match step.state {
                StepState::Running | StepState::Skipped => String::new(),
                _ => format!("  ({})", step.took),
            };
            lines.push(format!("  {sign} {:>2}  {host:<8} {}{took}", at + 1, step.what));
        }
        lines
    }
}
