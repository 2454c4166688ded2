//! What operators want is never overridden: ADMIN_OFFLINE stays, PASSIVE changes nothing, MANUAL
//! leaves roles where they are.

use std::collections::BTreeMap;

use mmm_proto::console::Answer;
use mmm_proto::{HostState, MonitorMode, Verb};

use super::Watch;
use crate::core::monitor::{Request, Stored};
use crate::sim::action::{Action, Process};
use crate::sim::config::WorldConfig;

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
    forced_at: Option<u64>,
    /// When an operator last asked for something that moves roles.
    acted_at: u64,
    /// When the monitor started, put off by the time that it stood still since: what it finds at
    /// its start it may find late.
    started_at: u64,
    stands_since: Option<u64>,
    forgot: bool,
}

impl People {
    pub(super) fn new(config: &WorldConfig) -> Self {
        Self {
            asked: BTreeMap::new(),
            wanted: BTreeMap::new(),
            plans: BTreeMap::new(),
            present: config.mode,
            forced_at: None,
            acted_at: 0,
            started_at: 0,
            stands_since: None,
            forgot: false,
        }
    }

    /// A status file was lost or a calendar set back: what was known is not known any more.
    pub(super) fn forgot(&self) -> bool {
        self.forgot
    }

    /// Whether somebody asks for that host to be set online just now.
    fn wants_online(&self, name: &str) -> bool {
        let this = |verb: &Verb| matches!(verb, Verb::SetOnline { host } if *host == *name);
        self.asked.values().any(this)
    }

    pub(super) fn monitor_started(&mut self, us: u64) {
        (self.started_at, self.stands_since) = (us, None);
    }

    fn monitor_stands(&mut self, us: u64) {
        self.stands_since.get_or_insert(us);
    }

    fn monitor_goes_on(&mut self, us: u64) {
        self.started_at += self.stands_since.take().map_or(0, |since| us - since);
    }
}

impl Watch {
    /// A monitor was stopped as by SIGSTOP.
    pub(in crate::sim) fn monitor_stands(&mut self, us: u64, mon: usize) {
        if mon == 0 {
            self.people.monitor_stands(us);
        }
    }

    /// It goes on.
    pub(in crate::sim) fn monitor_goes_on(&mut self, us: u64, mon: usize) {
        if mon == 0 {
            self.people.monitor_goes_on(us);
        }
    }

    /// A move began: whose will was it?
    pub(super) fn move_began(&mut self, event: &mmm_proto::event::Event) {
        if self.people.present == MonitorMode::Passive && event.by.is_none() {
            let what = format!("in mode PASSIVE: {}", event.line());
            self.broke("what operators want is never overridden", what);
        }
    }

    pub(in crate::sim) fn acted(&mut self, us: u64, action: &Action) {
        match action {
            Action::Wall(_) | Action::Forget(_) => self.people.forgot = true,
            Action::Stop(Process::Monitor) => self.away = true,
            Action::Cont(Process::Monitor) => {
                self.away = false;
                if let Some(plan) = &mut self.plan {
                    plan.step_began = us;
                }
            }
            _ => {}
        }
        if self.people.forgot {
            self.seen.iter_mut().for_each(|seen| *seen = Default::default());
        }
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

    pub(in crate::sim) fn answered(&mut self, id: u64, answer: &Answer) {
        if let Answer::Plan { plan } = answer {
            if let Some(verb) = self.people.wanted.remove(&id) {
                self.people.plans.insert(plan.id, verb);
            }
            return;
        }
        if answer.is_final() {
            self.people.asked.remove(&id);
        }
    }

    /// The monitor decided something: is it what operators want? `has` says whether the host of
    /// that name has that VIP.
    pub(in crate::sim) fn decided(
        &mut self,
        us: u64,
        before: Option<&Stored>,
        now: &Stored,
        has: impl Fn(&str, &str) -> bool,
    ) {
        for (index, host) in now.hosts.iter().enumerate() {
            let was = before.and_then(|before| before.hosts.get(index)).map(|host| host.state);
            if was == Some(HostState::AdminOffline)
                && host.state != HostState::AdminOffline
                && !self.people.wants_online(&host.name)
                && !self.people.forgot
            {
                let (name, state, why) = (&host.name, host.state, &host.why);
                let what = format!("{name} was ADMIN_OFFLINE and is {state} ({why})");
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
        let moved = |from: &Stored| {
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
        let failed = |name: &Option<String>| {
            use HostState::{HardOffline, ReplicationDelay, ReplicationFail};
            let host = now.hosts.iter().find(|host| Some(&host.name) == name.as_ref());
            host.is_some_and(|host| {
                matches!(host.state, HardOffline | ReplicationDelay | ReplicationFail)
            })
        };
        let by_himself = match now.mode {
            // What was begun before goes on to its end, and to know who has it changes nothing.
            MonitorMode::Passive => {
                let is_there = |host: &Option<String>| host.as_ref().is_some_and(|h| has(h, &ip));
                self.plan.is_none() && (is_there(&from) || !is_there(&to))
            }
            // Balancing goes on; what a host that fails has stays with it.
            MonitorMode::Manual => failed(&from) && !his && self.plan.is_none(),
            _ => false,
        };
        if by_himself {
            let what = format!("{ip} went from {from:?} to {to:?} in mode {}", now.mode);
            self.broke("what operators want is never overridden", what);
        }
    }
}
