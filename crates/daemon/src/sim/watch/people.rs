//! What operators want is never overridden: ADMIN_OFFLINE stays, PASSIVE changes nothing, MANUAL
//! leaves roles where they are.

use std::collections::BTreeMap;

use mmm_proto::console::Answer;
use mmm_proto::{HostName, HostState, MonitorMode, Verb};

use super::Watch;
use crate::core::monitor::{Request, Stored};
use crate::sim::action::{Action, Node};
use crate::sim::config::WorldConfig;
use crate::sim::text::host;

/// After a request of an operator changes are taken for his, for so long in microseconds.
const HIS: u64 = 30_000_000;

#[derive(Debug)]
pub(super) struct People {
    asked: BTreeMap<u64, Verb>,
    /// Plans that were asked for, by request, then by their own number.
    wanted: BTreeMap<u64, Verb>,
    plans: BTreeMap<u64, Verb>,
    /// The mode by the latest decision.
    present: MonitorMode,
    /// By host: an operator set it offline.
    offline: Vec<bool>,
    /// An operator set this mode.
    mode: Option<MonitorMode>,
    forced_at: Option<u64>,
    /// When an operator last asked for something that moves roles.
    acted_at: u64,
    started_at: u64,
    forgot: bool,
}

impl People {
    pub(super) fn new(config: &WorldConfig) -> Self {
        Self {
            asked: BTreeMap::new(),
            wanted: BTreeMap::new(),
            plans: BTreeMap::new(),
            present: config.mode,
            offline: vec![false; config.hosts],
            mode: None,
            forced_at: None,
            acted_at: 0,
            started_at: 0,
            forgot: false,
        }
    }

    /// A status file was lost or a calendar set back: what was known is not known any more.
    pub(super) fn forgot(&self) -> bool {
        self.forgot
    }

    pub(super) fn monitor_started(&mut self, us: u64) {
        self.started_at = us;
    }
}

impl Watch {
    /// A move began: whose will was it?
    pub(super) fn move_began(&mut self, event: &mmm_proto::event::Event) {
        if self.people.present == MonitorMode::Passive && event.by.is_none() {
            let what = format!("in mode PASSIVE: {}", event.line());
            self.broke("what operators want is never overridden", what);
        }
    }

    pub(in crate::sim) fn acted(&mut self, us: u64, action: &Action) {
        match action {
            Action::Forget(Node::Monitor) => {
                self.people.offline.fill(false);
                self.people.mode = None;
                self.people.forgot = true;
            }
            Action::Wall(_) | Action::Forget(_) => self.people.forgot = true,
            Action::Stop(super::super::action::Process::Monitor) => self.away = true,
            Action::Cont(super::super::action::Process::Monitor) => self.away = false,
            _ => {}
        }
        if self.people.forgot {
            self.seen.iter_mut().for_each(|seen| *seen = Default::default());
        }
        let _ = us;
    }

    pub(in crate::sim) fn asked(&mut self, us: u64, id: u64, request: &Request) {
        let people = &mut self.people;
        let verb = match request {
            Request::Run(verb) => Some(verb.clone()),
            Request::Plan(verb) => {
                people.wanted.insert(id, verb.clone());
                return;
            }
            Request::Apply { plan } => people.plans.get(plan).cloned(),
            Request::Stop { .. } => None,
        };
        if let Some(verb) = verb {
            if let Verb::MoveRole { force: true, .. } = verb {
                people.forced_at = Some(us);
            }
            people.asked.insert(id, verb);
        }
        let moves = |verb: &Verb| {
            matches!(
                verb,
                Verb::MoveRole { .. }
                    | Verb::SetIp { .. }
                    | Verb::SetOffline { .. }
                    | Verb::SetActive
            )
        };
        if people.asked.get(&id).is_some_and(moves) {
            people.acted_at = us;
        }
    }

    /// An operator took the loss lately.
    pub(in crate::sim) fn forced(&self, us: u64) -> bool {
        self.people.forced_at.is_some_and(|at| us - at < HIS)
    }

    pub(in crate::sim) fn answered(&mut self, _us: u64, id: u64, answer: &Answer) {
        if let Answer::Plan { plan } = answer {
            if let Some(verb) = self.people.wanted.remove(&id) {
                self.people.plans.insert(plan.id, verb);
            }
            return;
        }
        let Answer::Done { .. } = answer else { return };
        let Some(verb) = self.people.asked.remove(&id) else {
            return;
        };
        match verb {
            Verb::SetOnline { host: name } => self.set_offline(name.as_str(), false),
            Verb::SetOffline { host: name } => self.set_offline(name.as_str(), true),
            Verb::SetActive => self.people.mode = Some(MonitorMode::Active),
            Verb::SetManual => self.people.mode = Some(MonitorMode::Manual),
            Verb::SetPassive => self.people.mode = Some(MonitorMode::Passive),
            _ => {}
        }
    }

    fn set_offline(&mut self, name: &str, offline: bool) {
        if let Ok(host) = host(name) {
            self.people.offline[host] = offline;
        }
    }

    /// The monitor decided something: is it what operators want?
    pub(in crate::sim) fn decided(&mut self, us: u64, before: Option<&Stored>, now: &Stored) {
        for (index, host) in now.hosts.iter().enumerate() {
            let here = |name: &HostName| *name == *host.name.as_str();
            let online = |verb: &Verb| matches!(verb, Verb::SetOnline { host } if here(host));
            let asked = self.people.asked.values().any(online);
            if self.people.offline[index] && host.state != HostState::AdminOffline && !asked {
                let what = format!(
                    "{} is {} ({}), an operator had set it offline",
                    host.name, host.state, host.why
                );
                self.broke("what operators want is never overridden", what);
            }
            let holds = now.vips.iter().find(|vip| vip.holder.as_ref() == Some(&host.name));
            // PASSIVE changes nothing on any host: what it holds it keeps.
            let off = host.state == HostState::AdminOffline && now.mode != MonitorMode::Passive;
            if let Some(vip) = holds.filter(|_| off) {
                let what = format!("{} is ADMIN_OFFLINE and is given {}", host.name, vip.ip);
                self.broke("no role on a host that must not have it", what);
            }
        }
        self.people.present = now.mode;
        let Some(before) = before else { return };
        let fresh = us < self.people.started_at + 10_000_000;
        let his = us < self.people.acted_at + HIS;
        let moved = |from: &super::super::super::core::monitor::Stored| {
            from.vips
                .iter()
                .zip(&now.vips)
                .find(|(old, new)| old.holder != new.holder)
                .map(|(old, new)| (old.ip.clone(), old.holder.clone(), new.holder.clone()))
        };
        let held = before.mode == now.mode && before.term == now.term && !fresh;
        let Some((ip, from, to)) = moved(before).filter(|_| held) else {
            return;
        };
        let by_himself = match now.mode {
            // What was begun before goes on to its end.
            MonitorMode::Passive => self.plan.is_none(),
            MonitorMode::Manual => from.is_some() && !his && self.plan.is_none(),
            _ => false,
        };
        if by_himself {
            let what = format!("{ip} went from {from:?} to {to:?} in mode {}", now.mode);
            self.broke("what operators want is never overridden", what);
        }
    }
}
