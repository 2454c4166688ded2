//! The rows of the panes: which are shown, in which order, which one is selected, how that moves.
//! The views draw what stands here, so a key never acts on a row that cannot be seen.

use std::net::IpAddr;

use mmm_proto::view::{HostView, RoleView, VipView};
use mmm_proto::{ClusterView, Event, HostState, Lag};

use super::keys::Place;
use super::{Model, Screen};

/// The panes of the overview, in the order of Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Hosts,
    Addresses,
    Newest,
}

impl Pane {
    const ALL: [Self; 3] = [Self::Hosts, Self::Addresses, Self::Newest];

    /// The pane `by` places further.
    pub(super) fn step(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// By what the hosts are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Config,
    Name,
    /// The worst first.
    State,
    /// The latest first.
    Lag,
}

/// The order of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    pub by: Sort,
    pub reversed: bool,
}

impl Order {
    /// The order after this one: reversed, then the next column, at last as configured.
    pub(super) const fn next(self) -> Self {
        let by = match (self.by, self.reversed) {
            (Sort::Config, _) => Sort::Name,
            (by, false) => return Self { by, reversed: true },
            (Sort::Name, true) => Sort::State,
            (Sort::State, true) => Sort::Lag,
            (Sort::Lag, true) => Sort::Config,
        };
        Self { by, reversed: false }
    }

    /// The order in words.
    pub fn words(self) -> String {
        let by = match self.by {
            Sort::Config => return "config order".to_owned(),
            Sort::Name => "by name",
            Sort::State => "by state",
            Sort::Lag => "by lag",
        };
        format!("{by}{}", if self.reversed { ", reversed" } else { "" })
    }

    fn sort(self, hosts: &mut [&HostView]) {
        match self.by {
            Sort::Config => return,
            Sort::Name => hosts.sort_by(|a, b| a.name.cmp(&b.name)),
            Sort::State => hosts.sort_by_key(|host| severity(host.state)),
            Sort::Lag => hosts.sort_by_key(|host| std::cmp::Reverse(lateness(host.lag))),
        }
        if self.reversed {
            hosts.reverse();
        }
    }
}

/// The worst comes first.
const fn severity(state: HostState) -> u8 {
    match state {
        HostState::HardOffline => 0,
        HostState::ReplicationFail => 1,
        HostState::ReplicationDelay => 2,
        HostState::AwaitingRecovery => 3,
        HostState::Unknown => 4,
        HostState::AdminOffline => 5,
        HostState::Online => 6,
    }
}

const fn lateness(lag: Lag) -> (u8, u64) {
    match lag {
        Lag::Source => (0, 0),
        Lag::Behind(span) => (1, span.as_ms()),
        Lag::Unknown => (2, 0),
        Lag::Stopped => (3, 0),
    }
}

/// The words that rows must have to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub String);

impl Words {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Whether every word is somewhere in `text`; capitals do not matter.
    pub fn fit(&self, text: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        self.0.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
    }
}

fn host_text(host: &HostView) -> String {
    let roles: Vec<String> =
        host.roles.iter().map(|vip| format!("{} {}", vip.role, vip.ip)).collect();
    format!("{} {} {} {} {}", host.name, host.ip, host.mode, host.state, roles.join(" "))
}

fn vip_text(role: &RoleView, vip: &VipView) -> String {
    let host = vip.host.as_ref().map_or("?", |host| host.as_str());
    format!("{} {} {host}", role.name, vip.ip)
}

/// All that a filter of events looks at.
fn event_text(event: &Event) -> String {
    match event.plan {
        Some(plan) => format!("{} plan {plan} plan{plan}", event.line()),
        None => event.line(),
    }
}

/// All VIPs of a picture, in configured order.
fn vips(view: &ClusterView) -> impl Iterator<Item = (&RoleView, &VipView)> {
    view.roles.iter().flat_map(|role| role.vips.iter().map(move |vip| (role, vip)))
}

impl Model {
    /// Where the keys go.
    pub fn place(&self) -> Place {
        match (&self.screen, self.pane) {
            (Screen::Detail(_), _) => Place::Detail,
            (Screen::Events, _) => Place::Events,
            (Screen::Overview, Pane::Hosts) => Place::Hosts,
            (Screen::Overview, Pane::Addresses) => Place::Addresses,
            (Screen::Overview, Pane::Newest) => Place::Newest,
        }
    }

    /// The words that the rows of this place are filtered by.
    pub fn words(&self) -> &Words {
        match self.place() {
            Place::Hosts | Place::Detail => &self.filters.hosts,
            Place::Addresses => &self.filters.addresses,
            Place::Newest | Place::Events => &self.filters.events,
        }
    }

    pub(super) fn words_mut(&mut self) -> &mut Words {
        match self.place() {
            Place::Hosts | Place::Detail => &mut self.filters.hosts,
            Place::Addresses => &mut self.filters.addresses,
            Place::Newest | Place::Events => &mut self.filters.events,
        }
    }

    /// The hosts that are shown, in their order.
    pub fn hosts_shown(&self) -> Vec<&HostView> {
        let Some(view) = &self.view else { return Vec::new() };
        let words = &self.filters.hosts;
        let mut hosts: Vec<&HostView> =
            view.hosts.iter().filter(|host| words.fit(&host_text(host))).collect();
        self.order.sort(&mut hosts);
        hosts
    }

    /// The addresses that are shown.
    pub fn vips_shown(&self) -> Vec<(&RoleView, &VipView)> {
        let Some(view) = &self.view else { return Vec::new() };
        let words = &self.filters.addresses;
        vips(view).filter(|(role, vip)| words.fit(&vip_text(role, vip))).collect()
    }

    /// The events that are shown, newest first.
    pub fn events_shown(&self) -> Vec<&Event> {
        let words = &self.filters.events;
        self.events
            .iter()
            .filter(|event| words.is_empty() || words.fit(&event_text(event)))
            .collect()
    }

    /// The selected address, when it is shown.
    pub fn selected_vip(&self) -> Option<IpAddr> {
        let shown = self.vips_shown();
        let is = |ip: &IpAddr| shown.iter().any(|(_, vip)| vip.ip == *ip);
        self.vip.filter(is).or_else(|| shown.first().map(|(_, vip)| vip.ip))
    }

    /// The selected host, when it is shown.
    pub fn selected_host(&self) -> Option<&HostView> {
        let name = self.selected.as_ref()?;
        self.hosts_shown().into_iter().find(|host| host.name == *name)
    }

    /// Moves the selection of this place.
    pub(super) fn move_by(&mut self, by: isize) {
        let moved = |from: usize, last: usize| from.saturating_add_signed(by).min(last);
        match self.place() {
            Place::Hosts => {
                let shown = self.hosts_shown();
                let at = shown.iter().position(|host| Some(&host.name) == self.selected.as_ref());
                // What the filter hides is left for the first row.
                let to = at.map_or(0, |at| moved(at, shown.len().saturating_sub(1)));
                let name = shown.get(to).map(|host| host.name.clone());
                self.selected = name.or_else(|| self.selected.take());
            }
            Place::Addresses => {
                let shown = self.vips_shown();
                let chosen = self.selected_vip();
                let at = shown.iter().position(|(_, vip)| Some(vip.ip) == chosen).unwrap_or(0);
                let to = moved(at, shown.len().saturating_sub(1));
                self.vip = shown.get(to).map(|(_, vip)| vip.ip);
            }
            Place::Newest | Place::Events => {
                let last = self.events_shown().len().saturating_sub(1);
                self.event_row = moved(self.event_row, last);
            }
            // The view knows how many lines there are and stops at the last.
            Place::Detail => self.scroll = moved(self.scroll, 200),
        }
    }

    /// After the filter changed: the first row that is left is selected.
    pub(super) fn select_shown(&mut self) {
        match self.place() {
            Place::Hosts if self.selected_host().is_none() => self.move_by(0),
            Place::Newest | Place::Events => self.event_row = 0,
            _ => {}
        }
    }

    /// Moves to the next or previous event that has the words last looked for. False when there is
    /// none that way.
    pub(super) fn go_to_match(&mut self, older: bool) -> bool {
        let words = &self.filters.found;
        let shown = self.events_shown();
        let mut rows: Vec<usize> = (0..shown.len()).collect();
        rows.retain(|at| words.fit(&event_text(shown[*at])));
        let to = if older {
            rows.into_iter().find(|at| *at > self.event_row)
        } else {
            rows.into_iter().rev().find(|at| *at < self.event_row)
        };
        if let Some(to) = to {
            self.event_row = to;
        }
        to.is_some()
    }
}

/// The filters of the panes, and what was looked for last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    pub hosts: Words,
    pub addresses: Words,
    pub events: Words,
    /// Stays after the filter of the events is cleared, for `n` and `N`.
    pub found: Words,
}
