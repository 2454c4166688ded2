//! The help, made from the table of keys.

use ratatui::text::Line;

use super::text::{fit, wrap};
use crate::app::Model;
use crate::app::keys::{Group, TABLE};

/// The page, scrolled.
pub(super) fn lines(model: &Model) -> Vec<Line<'static>> {
    let width = usize::from(model.size.0.saturating_sub(6).min(74));
    let mut lines = Vec::new();
    for (group, head) in [
        (Group::Act, "Act (a plan is shown first, nothing runs before you confirm)"),
        (Group::Look, "Look"),
        (Group::Move, "Move"),
        (Group::Leave, "Leave"),
    ] {
        lines.push(head.to_owned());
        for row in TABLE.iter().filter(|row| row.group == group) {
            let keys: Vec<String> = row.keys.iter().map(|key| key.name()).collect();
            lines.push(format!("  {} {}", fit(&keys.join(" "), 13), row.help));
        }
    }
    lines.extend(wrap(
        "Signs  + ok  ! late or failing  # down  = set so by a person  ~ moving  ? unknown",
        width,
    ));
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
