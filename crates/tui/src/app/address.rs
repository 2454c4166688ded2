//! Moving or giving one address: `V` lists the hosts for the selected address, or the addresses for
//! the selected host; the row that is chosen becomes a plan like any other action. What may be done
//! is the monitor's word.

use std::net::IpAddr;

use mmm_proto::view::{ActionView, HostView, RoleView, VipView};
use mmm_proto::{HostName, MonitorMode, Verb};

use super::acting::ask_plan;
use super::cmd::Cmd;
use super::keys::{self, Place};
use super::msg::Key;
use super::{Layer, Model, Tone};

/// What the menu is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Which host is to have this address.
    Vip(IpAddr),
    /// Which address this host is to have.
    Host(HostName),
}

/// The menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    pub about: About,
    pub row: usize,
}

/// One row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub label: String,
    pub verb: Verb,
    /// Why it is off; empty when it is not.
    pub off: String,
}

/// Opens the menu for the selected row.
pub(super) fn open(model: &mut Model) {
    let about = match model.place() {
        Place::Addresses => model.selected_vip().map(About::Vip),
        _ => model.target_host().map(|host| About::Host(host.name.clone())),
    };
    match about {
        Some(about) => model.layer = Some(Layer::Address(Menu { about, row: 0 })),
        None => {
            let why = model.off().unwrap_or_else(|| "no host or address is selected".to_owned());
            model.say(Tone::Error, format!("V is off: {why}"));
        }
    }
}

/// A key in the menu.
pub(super) fn on_key(model: &mut Model, mut menu: Menu, key: Key) -> Vec<Cmd> {
    let all = choices(model, &menu.about);
    let last = all.len().saturating_sub(1);
    match keys::find(key, Place::Hosts, false) {
        Some(keys::Action::Down) => menu.row = (menu.row + 1).min(last),
        Some(keys::Action::Up) => menu.row = menu.row.saturating_sub(1),
        Some(keys::Action::First) => menu.row = 0,
        Some(keys::Action::Last) => menu.row = last,
        Some(keys::Action::Open) => {
            if let Some(choice) = all.get(menu.row) {
                return take(model, choice.clone());
            }
        }
        _ => {}
    }
    model.layer = Some(Layer::Address(menu));
    Vec::new()
}

fn take(model: &mut Model, choice: Choice) -> Vec<Cmd> {
    if model.off().is_none() && !choice.off.is_empty() {
        model.say(Tone::Error, format!("V is off: {}", choice.off));
        return Vec::new();
    }
    ask_plan(model, choice.verb)
}

/// The rows of the menu, in configured order.
pub fn choices(model: &Model, about: &About) -> Vec<Choice> {
    let Some(view) = &model.view else { return Vec::new() };
    let mut all = Vec::new();
    for role in &view.roles {
        for vip in &role.vips {
            for host in view.hosts.iter().filter(|host| role.hosts.contains(&host.name)) {
                let label = match about {
                    About::Vip(ip) if *ip == vip.ip => host.name.to_string(),
                    About::Host(name) if *name == host.name => format!("{} {}", role.name, vip.ip),
                    _ => continue,
                };
                let (verb, off) = verb(view.mode, role, vip, host);
                all.push(Choice { label, verb, off });
            }
        }
    }
    all
}

/// What would bring a VIP to a host now, and why that is off. In PASSIVE an operator gives each
/// address; else the writer's moves with its role, and the others are the monitor's to place.
fn verb(mode: MonitorMode, role: &RoleView, vip: &VipView, host: &HostView) -> (Verb, String) {
    let given = Verb::SetIp { ip: vip.ip, host: host.name.clone() };
    let moved = Verb::MoveRole {
        role: role.name.clone(),
        host: host.name.clone(),
        force: false,
        kill: false,
    };
    let first = role.vips.first().map(|vip| vip.ip);
    let is_given = |action: &&ActionView| match &action.verb {
        // Of `set_ip` the picture has one for each role, with its first VIP.
        Verb::SetIp { ip, .. } => Some(*ip) == first,
        _ => false,
    };
    let is_moved = |action: &&ActionView| action.verb == moved;
    let (verb, found) = if role.writer && mode != MonitorMode::Passive {
        (moved.clone(), host.actions.iter().find(is_moved))
    } else {
        (given, host.actions.iter().find(is_given))
    };
    if vip.host.as_ref() == Some(&host.name) && mode != MonitorMode::Passive {
        return (verb, format!("{} has it", host.name));
    }
    let off = found
        .map_or_else(|| "the monitor does not offer it".to_owned(), |action| action.off.clone());
    (verb, off)
}
