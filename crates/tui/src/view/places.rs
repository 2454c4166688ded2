//! Where everything is on the screen, and which row is at a place: drawing and the mouse ask the
//! same functions.

use std::net::IpAddr;

use mmm_proto::{ClusterView, HostName};
use ratatui::layout::Rect;

use super::{STACKED_FROM, WIDE_FROM, addresses, events, hosts};
use crate::app::rows::Pane;
use crate::app::{Model, Screen};

/// A row that can be selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Host(HostName),
    Vip(IpAddr),
    /// Counted among the events that are shown.
    Event(usize),
}

/// The panes of the overview; an empty area is not drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Panes {
    pub(super) hosts: Rect,
    pub(super) moving: Rect,
    pub(super) addresses: Rect,
    pub(super) events: Rect,
}

/// What is between the two lines at the top and the two at the bottom.
pub(super) fn body(area: Rect) -> Rect {
    Rect { y: area.y + 2, height: area.height.saturating_sub(4), ..area }
}

/// The overview and the detail beside it, where there is room for both.
pub(super) fn columns(model: &Model, area: Rect) -> Option<(Rect, Rect)> {
    if area.width < WIDE_FROM || model.zoom || model.selected.is_none() {
        return None;
    }
    let left = area.width * 2 / 3;
    let beside = Rect { x: area.x + left + 1, width: area.width - left - 1, ..area };
    Some((Rect { width: left, ..area }, beside))
}

/// Rows are given out in this order: hosts (up to two thirds), the running plan or the addresses,
/// the events. A widened pane has them all.
pub(super) fn panes(model: &Model, view: &ClusterView, area: Rect) -> Panes {
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).min(area.height);
    if model.zoom {
        let none = Panes::default();
        return match model.pane {
            Pane::Hosts => Panes { hosts: area, ..none },
            Pane::Addresses => Panes { addresses: area, ..none },
            Pane::Newest => Panes { events: area, ..none },
        };
    }
    let all = usize::from(area.height);
    let hosts = hosts::height(model, (all * 2 / 3).max(3));
    let left = all.saturating_sub(hosts);
    let moving =
        view.running.as_ref().map(|run| (run.steps.len() + 1).min(left.saturating_sub(2).max(2)));
    let narrow = area.width < STACKED_FROM && model.pane != Pane::Addresses;
    let addresses = match moving {
        // Where the keys are must be seen.
        Some(_) if model.pane != Pane::Addresses => 0,
        _ if narrow => 0,
        _ => addresses::height(model, view, left.saturating_sub(4 + moving.unwrap_or(0)).max(2)),
    };
    let mut next = area.y;
    let mut take = |count: usize| {
        let height = rows(count).min((area.y + area.height).saturating_sub(next));
        let taken = Rect { y: next, height, ..area };
        next += height;
        taken
    };
    let moving = take(moving.unwrap_or(0));
    let hosts = take(hosts);
    let addresses = take(addresses);
    let events = take(all);
    Panes { hosts, moving, addresses, events }
}

/// The row at a place of the screen.
pub fn row_at(model: &Model, column: u16, row: u16) -> Option<Row> {
    let view = model.view.as_ref()?;
    let area = body(Rect { x: 0, y: 0, width: model.size.0, height: model.size.1 });
    let at = |pane: Rect, head: usize| {
        let inside = column >= pane.x
            && column < pane.x + pane.width
            && row >= pane.y
            && row < pane.y + pane.height;
        inside.then(|| usize::from(row - pane.y).checked_sub(head)).flatten()
    };
    match model.screen {
        Screen::Overview => {}
        Screen::Detail(_) => return None,
        Screen::Events => {
            let room = events::room(model, area);
            let index = at(area, 1).filter(|index| *index < room)? + events::first(model, room);
            return (index < model.events_shown().len()).then_some(Row::Event(index));
        }
    }
    let main = columns(model, area).map_or(area, |(main, _)| main);
    let panes = panes(model, view, main);
    if let Some(index) = at(panes.hosts, hosts::HEAD) {
        let index = index + hosts::first(model, usize::from(panes.hosts.height));
        return model.hosts_shown().get(index).map(|host| Row::Host(host.name.clone()));
    }
    if let Some(index) = at(panes.addresses, 1) {
        let index = index + addresses::first(model, usize::from(panes.addresses.height));
        return model.vips_shown().get(index).map(|(_, vip)| Row::Vip(vip.ip));
    }
    let room = usize::from(panes.events.height).saturating_sub(1);
    let index = at(panes.events, 1)? + events::first(model, room);
    (index < model.events_shown().len()).then_some(Row::Event(index))
}
