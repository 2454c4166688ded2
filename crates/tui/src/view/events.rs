//! What happened: the pane of the overview and the screen of its own with the why of the selected
//! one.

use mmm_proto::Event;
use mmm_proto::event::Level;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text::{clip, clock, fit, labelled, title};
use super::theme::{Meaning, Theme};
use crate::app::Model;

/// The newest events in at most `rows` lines.
pub(super) fn pane(model: &Model, theme: Theme, width: usize, rows: usize) -> Vec<Line<'static>> {
    if rows < 2 {
        return Vec::new();
    }
    let mut lines = vec![title("Events", "2 all", width, theme)];
    let newest = model.events.iter().take(rows - 1);
    lines.extend(newest.map(|event| row(model, event, "  ", theme, width)));
    lines
}

/// All events of a host, newest first, at most `rows`.
pub(super) fn of_host(
    model: &Model,
    host: &str,
    theme: Theme,
    width: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let about = |event: &&Event| event.subject == host;
    let found = model.events.iter().filter(about).take(rows);
    found.map(|event| row(model, event, "  ", theme, width)).collect()
}

/// The screen of its own.
pub(super) fn screen(model: &Model, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let rows = usize::from(area.height);
    let chosen = model.events.get(model.event_row);
    let why = chosen.map_or_else(Vec::new, |event| details(event, width));
    let room = rows.saturating_sub(why.len() + 2).max(1);
    let first = (model.event_row + 1).saturating_sub(room);
    let mut lines =
        vec![title(&format!("Events {}", model.events.len()), "newest first", width, theme)];
    for (at, event) in model.events.iter().enumerate().skip(first).take(room) {
        if at == model.event_row {
            let line = row(model, event, "> ", theme, width);
            let blank = width.saturating_sub(line.width());
            let mut line = line;
            line.push_span(Span::raw(" ".repeat(blank)));
            lines.push(line.patch_style(theme.selected()));
        } else {
            lines.push(row(model, event, "  ", theme, width));
        }
    }
    lines.resize(room + 1, Line::default());
    lines.push(title("Why", "", width, theme));
    lines.extend(why);
    lines
}

fn details(event: &Event, width: usize) -> Vec<Line<'static>> {
    let mut text = event.line();
    if let Some(plan) = event.plan {
        text.push_str(&format!("; plan {plan}"));
    }
    if let Some(took) = event.took {
        text.push_str(&format!("; took {took}"));
    }
    let mut lines = labelled("  ", &text, width);
    lines.truncate(4);
    lines
}

fn row(model: &Model, event: &Event, mark: &str, theme: Theme, width: usize) -> Line<'static> {
    let at = clock(event.at, model.setup.zone);
    let mut what = event.what.clone();
    if !event.why.is_empty() {
        what = format!("{what}: {}", event.why);
    }
    if let Some(by) = &event.by {
        what.push_str(&format!(" by {by}"));
    }
    if let Some(took) = event.took {
        what.push_str(&format!(" ({took})"));
    }
    let meaning = match event.level {
        Level::Info => Meaning::Fine,
        Level::Warn => Meaning::Late,
        Level::Error => Meaning::Down,
    };
    let sign = match event.level {
        Level::Info => " ",
        _ => meaning.sign(),
    };
    // A VIP's subject, such as writer(10.0.0.90), is longer than a host's; it may push the rest
    // aside.
    let subject = event.subject.len().clamp(8, (width / 4).max(8));
    let head = format!("{mark}{at} {sign} {} ", fit(&event.subject, subject));
    let room = width.saturating_sub(head.len());
    Line::from(vec![Span::raw(head), Span::styled(clip(&what, room), theme.style(meaning))])
}
