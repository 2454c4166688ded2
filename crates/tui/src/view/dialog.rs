//! A plan before the person: effect, steps, checks, what happens when a step fails, and how to
//! confirm.

use mmm_proto::plan::{CheckVerdict, Level};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::boxed;
use super::text::labelled;
use super::theme::{Meaning, Theme};
use crate::app::Model;
use crate::app::confirm::{Dialog, Stage};

/// Draws the dialog. What confirms it is always visible; when rows are short the steps give way,
/// and the box says so.
pub(super) fn draw(model: &Model, dialog: &Dialog, theme: Theme, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let room = usize::from(area.height.saturating_sub(4));
    let bottom = bottom(model, dialog, theme, width);
    let mut top = top(dialog, theme, width);
    if top.len() + bottom.len() > room {
        top.retain(|line| line.width() > 0);
    }
    let rows = room.saturating_sub(bottom.len());
    if top.len() > rows {
        let hidden = top.len() - rows.saturating_sub(1);
        top.truncate(rows.saturating_sub(1));
        let text = format!("... {hidden} more lines: make the terminal higher to read them");
        top.push(Line::styled(text, theme.style(Meaning::Late)));
    }
    top.extend(bottom);
    let title = format!("Plan {}: {}", dialog.plan.id, dialog.plan.title);
    let cluster = model.cluster_words();
    boxed(&top, &title, &cluster, theme, area, buf);
}

fn top(dialog: &Dialog, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let plan = &dialog.plan;
    let mut lines = labelled("effect  ", &plan.effect, width);
    lines.push(Line::default());
    for (at, step) in plan.steps.iter().enumerate() {
        let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
        let label = format!(" {:>2}  {host:<8} ", at + 1);
        lines.extend(labelled(&label, &step.what, width));
    }
    lines.push(Line::default());
    let mut line = Line::from("checks ");
    for check in &plan.checks {
        let meaning = match check.verdict {
            CheckVerdict::Good => Meaning::Fine,
            CheckVerdict::Warn => Meaning::Late,
            CheckVerdict::Bad => Meaning::Down,
        };
        let text = format!(" {} {} ", meaning.sign(), check.text);
        if line.width() + text.len() > width && line.width() > 8 {
            lines.push(std::mem::replace(&mut line, Line::from("       ")));
        }
        line.push_span(Span::styled(text, theme.style(meaning)));
    }
    if !plan.checks.is_empty() {
        lines.push(line);
    }
    if !plan.if_it_fails.is_empty() {
        lines.extend(labelled("if a step fails  ", &plan.if_it_fails, width));
    }
    lines.push(Line::default());
    lines
}

fn bottom(model: &Model, dialog: &Dialog, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let late = theme.style(Meaning::Late);
    let confirm = &dialog.plan.confirm;
    if dialog.stage == Stage::Refused {
        lines.extend(labelled("! refused: ", &dialog.note, width));
        lines.push(Line::raw("r shows the plan as it is now.  Esc leaves everything as it is."));
    } else if matches!(dialog.stage, Stage::Sent { .. }) {
        lines.push(Line::styled("~ sent, waiting for the monitor", theme.style(Meaning::Motion)));
    } else if dialog.stopped() {
        lines.push(Line::styled("# it cannot run: see the checks", theme.style(Meaning::Down)));
        lines.push(Line::raw("r asks again.  Esc closes."));
    } else if dialog.expired(model.now) {
        lines.push(Line::styled("! the plan is too old to be run", late));
        lines.push(Line::raw("r shows a new one.  Esc leaves everything as it is."));
    } else {
        match dialog.plan.level {
            Level::Key => {
                lines.push(Line::raw("y runs it.  n or Esc leaves everything as it is."));
            }
            Level::Typed | Level::Forced => {
                let typed = format!("Type {confirm} and press Enter:  {}_", dialog.typed);
                lines.push(Line::styled(typed, theme.title()));
                lines.push(Line::raw("Esc leaves everything as it is."));
            }
        }
        if !dialog.note.is_empty() {
            lines.extend(labelled("! ", &dialog.note, width));
        }
    }
    lines
}
