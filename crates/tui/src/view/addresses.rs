//! The VIPs: who has each, since when, and where it is really seen.

use mmm_proto::view::{RoleView, VipView};
use mmm_proto::{ClusterView, HostName};
use ratatui::text::{Line, Span};

use super::text::{bar, clip, filter_note, fit, title};
use super::theme::{Meaning, Theme};
use crate::app::Model;
use crate::app::keys::Place;
use crate::control::explain;

/// With so many columns left in its row, it is said who else could have a VIP.
const HEIRS_FROM: usize = 50;

/// How many lines the pane wants, at most `rows`; none when not even one VIP would be seen.
pub(super) fn height(model: &Model, view: &ClusterView, rows: usize) -> usize {
    let all: usize = view.roles.iter().map(|role| role.vips.len()).sum();
    if rows < 2 || all == 0 { 0 } else { (1 + model.vips_shown().len().max(1)).min(rows) }
}

/// The first VIP that is shown in a pane of `rows` lines.
pub(super) fn first(model: &Model, rows: usize) -> usize {
    if model.place() != Place::Addresses {
        return 0;
    }
    let chosen = model.selected_vip();
    let at = model.vips_shown().iter().position(|(_, vip)| Some(vip.ip) == chosen).unwrap_or(0);
    (at + 1).saturating_sub(rows.saturating_sub(1).max(1))
}

/// The pane in at most `rows` lines.
pub(super) fn lines(
    model: &Model,
    view: &ClusterView,
    theme: Theme,
    width: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let shown = model.vips_shown();
    let all: usize = view.roles.iter().map(|role| role.vips.len()).sum();
    if height(model, view, rows) == 0 {
        return Vec::new();
    }
    let room = rows - 1;
    let mut notes = Vec::new();
    if shown.len() > room {
        notes.push(format!("{room} of {} shown", shown.len()));
    }
    notes.extend(filter_note(&model.filters.addresses));
    let head = match shown.len() {
        count if count == all => format!("Addresses {all}"),
        count => format!("Addresses {count} of {all}"),
    };
    let mut lines = vec![title(&head, &notes.join("  "), width, theme)];
    if shown.is_empty() {
        lines.push(Line::raw("  no address has these words: Esc shows all"));
    }
    let name = shown.iter().map(|(role, _)| role.name.as_str().len()).max();
    let ip = shown.iter().map(|(_, vip)| vip.ip.to_string().len()).max();
    let columns = (name.unwrap_or(0).clamp(6, 12), ip.unwrap_or(0).clamp(15, 39));
    let chosen = model.selected_vip().filter(|_| model.place() == Place::Addresses);
    for (role, vip) in shown.iter().skip(first(model, rows)).take(room) {
        // The first thing in the way says more than the note; `explain` tells all of them.
        let blocked = if role.writer { &view.writer.blocked } else { &vip.blocked };
        let blocked = blocked.first().filter(|_| vip.host.is_none());
        let note = blocked
            .map_or_else(|| vip.note.clone(), |blocked| explain::blocked(model.wall(), blocked));
        let selected = chosen == Some(vip.ip);
        let line = row(model, (role, vip, &note), columns, selected, theme, width);
        lines.push(if selected { bar(line, width, theme) } else { line });
    }
    lines
}

fn row(
    model: &Model,
    (role, vip, note): (&RoleView, &VipView, &str),
    (name, ip): (usize, usize),
    selected: bool,
    theme: Theme,
    width: usize,
) -> Line<'static> {
    let role = fit(role.name.as_str(), name);
    let ip = fit(&vip.ip.to_string(), ip);
    let host = fit(vip.host.as_ref().map_or("?", |host| host.as_str()), 8);
    let held = match &vip.host {
        Some(_) => model.wall().since(vip.since).coarse(),
        None => "-".to_owned(),
    };
    let seen: Vec<&str> = vip.seen_on.iter().map(HostName::as_str).collect();
    let expected = vip.host.as_ref().map(HostName::as_str);
    let (meaning, mut text) = match seen.as_slice() {
        [] => (Meaning::Down, "seen nowhere".to_owned()),
        [one] if Some(*one) == expected => (Meaning::Fine, format!("seen on {one}")),
        many => (Meaning::Late, format!("! seen on {}", many.join(" and "))),
    };
    if !note.is_empty() {
        text = format!("{text}: {note}");
    }
    let mark = if selected { "> " } else { "  " };
    let left = format!("{mark}{role}  {ip}  {host} {}", fit(&held, 9));
    let room = width.saturating_sub(left.len());
    if room >= HEIRS_FROM && note.is_empty() && vip.host.is_some() {
        let heirs: Vec<&str> = vip.may_go_to.iter().map(HostName::as_str).collect();
        let heirs = match heirs.as_slice() {
            [] => "no other host could have it now".to_owned(),
            heirs => format!("may go to {}", heirs.join(", ")),
        };
        text = format!("{}  {heirs}", fit(&text, 20));
    }
    Line::from(vec![Span::raw(left), Span::styled(clip(&text, room), theme.style(meaning))])
}
