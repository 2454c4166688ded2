//! The sample cluster with a plan: before it, on the way, after it.

use mmm_proto::plan::{
    CheckVerdict, Level, Plan, PlanCheck, PlanOutcome, PlanStep, Progress, StepProgress, StepState,
};
use mmm_proto::view::WriterState;
use mmm_proto::{ClusterView, Lag, Span, Verb};

use super::{NOW, ago, move_writer, name, view};

fn step(host: &str, what: &str) -> PlanStep {
    PlanStep { host: Some(name(host)), what: what.to_owned() }
}

/// The plan that the monitor makes of `verb`, confirmed at `level`.
pub(crate) fn plan(verb: Verb, level: Level, confirm: &str) -> Plan {
    let good = |text: &str| PlanCheck { verdict: CheckVerdict::Good, text: text.to_owned() };
    let title = match &verb {
        Verb::MoveRole { host, .. } => format!("move writer db1 -> {host}"),
        other => other.to_string(),
    };
    Plan {
        id: 119,
        generation: 4711,
        verb,
        title,
        effect: "writes stop for about 0.1 s; 1 address moves; 1 replica re-points".to_owned(),
        steps: vec![
            step("db1", "refuse new connections, read_only=1, end 42 client sessions"),
            step("db2", "apply everything up to 0-1-88123411 (0 behind, wait 10 s at most)"),
            step("db2", "read_only=0, add 192.168.0.50, announce it"),
            step("db3", "replicate from db2"),
        ],
        checks: vec![
            good("db2 ONLINE"),
            good("lag 0s"),
            good("agent 0.3 s"),
            PlanCheck { verdict: CheckVerdict::Warn, text: "db3 stays late for 4m12s".to_owned() },
        ],
        if_it_fails: "steps 1-2 are undone, db1 stays writer, you are told here".to_owned(),
        level,
        confirm: confirm.to_owned(),
        expires: Span::secs(60),
    }
}

/// The move of the writer to db2 in its second step.
fn running() -> Progress {
    let plan = plan(move_writer("db2"), Level::Typed, "db2");
    let states = [StepState::Done, StepState::Running, StepState::Waiting, StepState::Waiting];
    let took = [210, 950, 0, 0];
    Progress {
        plan: plan.id,
        title: plan.title,
        by: Some("ops@bastion1".to_owned()),
        started: ago(1),
        steps: plan
            .steps
            .into_iter()
            .zip(states)
            .zip(took)
            .map(|((step, state), took)| StepProgress {
                host: step.host,
                what: step.what,
                state,
                took: Span(took),
            })
            .collect(),
        outcome: PlanOutcome::Running,
        took: Span(1160),
    }
}

/// While the writer moves to db2.
pub(crate) fn moving() -> ClusterView {
    let mut view = view();
    view.generation += 1;
    view.writer.state = WriterState::Moving;
    view.running = Some(running());
    for host in &mut view.hosts {
        for action in &mut host.actions {
            action.off = "plan 119 runs".to_owned();
        }
    }
    view
}

/// After the writer moved to db2.
pub(crate) fn moved() -> ClusterView {
    let mut view = view();
    view.generation += 2;
    view.writer.host = Some(name("db2"));
    view.writer.since = NOW;
    view.roles[0].vips[0].host = Some(name("db2"));
    view.roles[0].vips[0].seen_on = vec![name("db2")];
    let writer = view.hosts[0].roles.pop().unwrap();
    view.hosts[1].roles.push(writer);
    view.hosts[0].lag = Lag::Behind(Span::ZERO);
    view.hosts[1].lag = Lag::Source;
    let mut last = running();
    for step in &mut last.steps {
        step.state = StepState::Done;
    }
    last.outcome = PlanOutcome::Done;
    last.took = Span(1900);
    view.last = Some(last);
    view
}
