//! The plan that runs, whoever asked for it.

use mmm_proto::plan::{PlanOutcome, Progress, StepProgress, StepState};
use ratatui::text::{Line, Span};

use super::text::{ends, title};
use super::theme::{Meaning, Theme};

/// The pane in at most `rows` lines; the running step is always among them.
pub(super) fn lines(
    progress: &Progress,
    theme: Theme,
    width: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let by = progress
        .by
        .as_ref()
        .map_or_else(|| "by the monitor itself".to_owned(), |by| format!("by {by}"));
    let head = format!("Plan {} {by}", progress.plan);
    let outcome = match &progress.outcome {
        PlanOutcome::Running => progress.took.to_string(),
        PlanOutcome::Done => "done".to_owned(),
        PlanOutcome::FailedUndone { .. } => "failed, undone".to_owned(),
        PlanOutcome::Failed { .. } => "failed".to_owned(),
    };
    let mut lines = vec![title(&head, &outcome, width, theme)];
    let room = rows.saturating_sub(1).max(1);
    let first = (current(progress) + 1).saturating_sub(room);
    for (at, step) in progress.steps.iter().enumerate().skip(first).take(room) {
        lines.push(row(at, step, theme, width));
    }
    lines
}

/// `step 2 of 4, db2: applying`.
pub(super) fn at(progress: &Progress) -> String {
    let at = current(progress);
    let Some(step) = progress.steps.get(at) else {
        return String::new();
    };
    let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
    format!("step {} of {}, {host}: {}", at + 1, progress.steps.len(), step.what)
}

/// The running step; else the last that is not waiting.
fn current(progress: &Progress) -> usize {
    let is = |state: StepState| progress.steps.iter().position(|step| step.state == state);
    is(StepState::Running)
        .or_else(|| progress.steps.iter().rposition(|step| step.state != StepState::Waiting))
        .unwrap_or(0)
}

/// The sign and meaning of a step.
fn sign(state: StepState) -> (&'static str, Meaning) {
    match state {
        StepState::Waiting => (" ", Meaning::Fine),
        StepState::Running => ("~", Meaning::Motion),
        StepState::Done => ("+", Meaning::Fine),
        StepState::Failed => ("#", Meaning::Down),
        StepState::Undone => ("<", Meaning::Late),
        StepState::Skipped => ("-", Meaning::Unknown),
    }
}

fn row(at: usize, step: &StepProgress, theme: Theme, width: usize) -> Line<'static> {
    let (sign, meaning) = sign(step.state);
    let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
    let took = match step.state {
        StepState::Waiting | StepState::Skipped => String::new(),
        _ => format!(" {:.2} s ", step.took.as_ms() as f64 / 1000.0),
    };
    let text = format!("  {sign} {}  {host:<8} {}", at + 1, step.what);
    Line::from(Span::styled(ends(&text, &took, width), theme.style(meaning)))
}
