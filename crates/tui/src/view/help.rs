//! Texts above the screen that scroll: the help, made from the table of keys, and `explain`.

use mmm_proto::{ClusterView, HostName};
use ratatui::text::Line;

use super::text::{fit, wrap};
use crate::app::Model;
use crate::app::keys::{Group, Place, Row, table};
use crate::control::explain;

/// What the help is about.
pub(super) fn head(model: &Model) -> String {
    let place = match model.place() {
        Place::Hosts => "hosts",
        Place::Addresses => "addresses",
        Place::Newest => "newest events",
        Place::Detail => "one host",
        Place::Events => "events",
    };
    format!("Help: {place}")
}

/// The keys that work where one is, scrolled.
pub(super) fn lines(model: &Model) -> Vec<Line<'static>> {
    let width = usize::from(model.size.0.saturating_sub(6).min(74));
    let mut lines = Vec::new();
    for (group, head) in [
        (Group::Act, "Act (a plan is shown first, nothing runs before you confirm)"),
        (Group::Demo, "Demo (nothing is real, so nothing is asked first)"),
        (Group::Look, "Look"),
        (Group::Move, "Move"),
        (Group::Leave, "Leave"),
    ] {
        let here = |row: &&Row| row.on.covers(model.place());
        let mut rows = table(model.demo()).filter(here).filter(|row| row.group == group).peekable();
        if rows.peek().is_some() {
            lines.push(head.to_owned());
        }
        for row in rows {
            let keys: Vec<String> = row.keys.iter().map(|key| key.name()).collect();
            let label = format!("  {} ", fit(&keys.join(" "), 13));
            let help = wrap(row.help, width.saturating_sub(label.len()));
            for (at, help) in help.iter().enumerate() {
                let label = if at == 0 { label.clone() } else { " ".repeat(label.len()) };
                lines.push(label + help);
            }
        }
    }
    lines.extend(wrap(
        "Signs  + ok  ! late or failing  # down  = set so by a person  ~ moving  ? unknown",
        width,
    ));
    scrolled(model, lines)
}

/// The text of `explain` about the cluster or a role, scrolled.
pub(super) fn explained(model: &Model, name: Option<&HostName>) -> Vec<Line<'static>> {
    let width = usize::from(model.size.0.saturating_sub(6).min(74));
    // Times go on between two pictures.
    let view = model.view.as_ref().map(|view| ClusterView { now: model.wall(), ..*view.clone() });
    let text = view.map(|view| explain::explain(&view, name));
    let text = match text {
        Some(Ok(text) | Err(text)) => text,
        None => "no picture yet".to_owned(),
    };
    // The text is made for 80 columns; what stands beside its labels moves into the box.
    let fits = |line: &str| {
        let line = line.strip_prefix("  ").unwrap_or(line);
        if line.chars().count() <= width { vec![line.to_owned()] } else { fold(line, width) }
    };
    scrolled(model, text.lines().flat_map(fits).collect())
}

/// A line that is too long for the box goes on below, indented as it was.
fn fold(line: &str, width: usize) -> Vec<String> {
    let indent = line.chars().take_while(|c| *c == ' ').count().min(width / 2);
    let room = width.saturating_sub(indent);
    wrap(line.trim_start(), room).iter().map(|one| format!("{}{one}", " ".repeat(indent))).collect()
}

fn scrolled(model: &Model, lines: Vec<String>) -> Vec<Line<'static>> {
    let room = usize::from(model.size.1.saturating_sub(4));
    let last = lines.len().saturating_sub(room);
    let from = model.scroll.min(last);
    let mut shown: Vec<Line<'static>> = lines.into_iter().skip(from).map(Line::raw).collect();
    if shown.len() > room && room > 1 {
        shown.truncate(room - 1);
        shown.push(Line::raw("  j k scroll"));
    }
    shown
}
