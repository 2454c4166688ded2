//! The VIPs: who has each, since when, and where it is really seen.

use mmm_proto::view::{RoleView, VipView};
use mmm_proto::{ClusterView, HostName};
use ratatui::text::{Line, Span};

use super::text::{clip, fit, title};
use super::theme::{Meaning, Theme};
use crate::app::Model;
use crate::control::explain;

/// The pane in at most `rows` lines; nothing when not even one VIP would be seen.
pub(super) fn lines(
    model: &Model,
    view: &ClusterView,
    theme: Theme,
    width: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let all: Vec<(&RoleView, &VipView)> =
        view.roles.iter().flat_map(|role| role.vips.iter().map(move |vip| (role, vip))).collect();
    if rows < 2 || all.is_empty() {
        return Vec::new();
    }
    let shown = all.len().min(rows - 1);
    let more =
        if shown < all.len() { format!("{shown} of {} shown", all.len()) } else { String::new() };
    let mut lines = vec![title(&format!("Addresses {}", all.len()), &more, width, theme)];
    let name = all.iter().map(|(role, _)| role.name.as_str().len()).max();
    let ip = all.iter().map(|(_, vip)| vip.ip.to_string().len()).max();
    let columns = (name.unwrap_or(0).clamp(6, 12), ip.unwrap_or(0).clamp(15, 39));
    for (role, vip) in all.iter().take(shown) {
        // The first thing in the way says more than the note; `explain` tells all of them.
        let blocked = if role.writer { &view.writer.blocked } else { &vip.blocked };
        let blocked = blocked.first().filter(|_| vip.host.is_none());
        let note = blocked
            .map_or_else(|| vip.note.clone(), |blocked| explain::blocked(model.wall(), blocked));
        lines.push(row(model, (role, vip, &note), columns, theme, width));
    }
    lines
}

fn row(
    model: &Model,
    (role, vip, note): (&RoleView, &VipView, &str),
    (name, ip): (usize, usize),
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
    let left = format!("  {role}  {ip}  {host} {}", fit(&held, 9));
    let room = width.saturating_sub(left.len());
    Line::from(vec![Span::raw(left), Span::styled(clip(&text, room), theme.style(meaning))])
}
