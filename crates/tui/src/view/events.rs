//! What happened: the pane of the overview and the screen of its own with the why of the selected
//! one.

use mmm_proto::Event;
use mmm_proto::event::Level;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::text::{bar, clip, filter_note, fit, labelled, moment, moment_long, times_note, title};
use super::theme::{Meaning, Theme};
use crate::app::Model;
use crate::app::keys::Place;

/// The first event that is shown in `room` rows, so that the selected one is visible.
pub(super) fn first(model: &Model, room: usize) -> usize {
    match model.place() {
        Place::Newest | Place::Events => (model.event_row + 1).saturating_sub(room.max(1)),
        _ => 0,
    }
}

/// What stands at the right of the title: the filter, how times are shown, `usual`.
fn notes(model: &Model, usual: &str) -> String {
    let times = times_note(model.times);
    let filter = filter_note(&model.filters.events);
    let all = [filter.as_deref().unwrap_or(""), times, usual];
    let all: Vec<&str> = all.into_iter().filter(|note| !note.is_empty()).collect();
    all.join("  ")
}

fn rows(model: &Model, theme: Theme, width: usize, room: usize) -> Vec<Line<'static>> {
    let shown = model.events_shown();
    if shown.is_empty() && !model.filters.events.is_empty() {
        return vec![Line::raw("  no event has these words: Esc shows all")];
    }
    let focused = matches!(model.place(), Place::Newest | Place::Events);
    let some = shown.into_iter().enumerate().skip(first(model, room)).take(room);
    some.map(|(at, event)| {
        if focused && at == model.event_row {
            bar(row(model, event, "> ", theme, width), width, theme)
        } else {
            row(model, event, "  ", theme, width)
        }
    })
    .collect()
}

/// The newest events in at most `rows` lines.
pub(super) fn pane(model: &Model, theme: Theme, width: usize, lines: usize) -> Vec<Line<'static>> {
    if lines < 2 {
        return Vec::new();
    }
    let mut all = vec![title("Events", &notes(model, "2 all"), width, theme)];
    all.extend(rows(model, theme, width, lines - 1));
    all
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

/// The rows of the events on the screen of its own.
pub(super) fn room(model: &Model, area: Rect) -> usize {
    let why = why(model, usize::from(area.width)).len();
    usize::from(area.height).saturating_sub(why + 2).max(1)
}

fn why(model: &Model, width: usize) -> Vec<Line<'static>> {
    let shown = model.events_shown();
    shown.get(model.event_row).map_or_else(Vec::new, |event| details(model, event, width))
}

/// The screen of its own.
pub(super) fn screen(model: &Model, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let room = room(model, area);
    let (shown, all) = (model.events_shown().len(), model.events.len());
    let head =
        if shown == all { format!("Events {all}") } else { format!("Events {shown} of {all}") };
    let mut lines = vec![title(&head, &notes(model, "newest first"), width, theme)];
    lines.extend(rows(model, theme, width, room));
    lines.resize(room + 1, Line::default());
    lines.push(title("Why", "", width, theme));
    lines.extend(why(model, width));
    lines
}

/// All of an event: when, what, why, by whom, in which plan, how long it took.
fn details(model: &Model, event: &Event, width: usize) -> Vec<Line<'static>> {
    let mut text = format!("{}  {}", moment_long(model, event.at), event.line());
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
    let at = moment(model, event.at);
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
