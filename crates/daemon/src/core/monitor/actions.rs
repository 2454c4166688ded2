//! What may be asked of the monitor and of each host, or why not: every verb that acts, by the same
//! `permit` that a request meets. Nothing is decided here.

use mmm_proto::view::ActionView;
use mmm_proto::{HostState, MonitorMode, RoleMode, Verb};

use super::Monitor;

impl Monitor {
    /// The verbs that act on the monitor itself.
    pub(super) fn monitor_actions(&self) -> Vec<ActionView> {
        let verbs = [
            (Verb::SetActive, MonitorMode::Active),
            (Verb::SetManual, MonitorMode::Manual),
            (Verb::SetPassive, MonitorMode::Passive),
        ];
        let action = |(verb, mode): (Verb, MonitorMode)| {
            let off = if self.mode == mode {
                format!("the monitor is {mode} already")
            } else {
                self.would_refuse(&verb)
            };
            let effect = self.switch_words(mode);
            ActionView { off, level: self.level(&verb), effect, verb }
        };
        verbs.into_iter().map(action).collect()
    }

    /// The verbs that act on a host. Of the roles only those that it may hold, but for the
    /// writer's: of that every host says why it cannot have it.
    pub(super) fn actions(&self, host: usize) -> Vec<ActionView> {
        let name = &self.top.hosts[host].name;
        let mut verbs =
            vec![Verb::SetOffline { host: name.clone() }, Verb::SetOnline { host: name.clone() }];
        for (index, role) in self.top.roles.iter().enumerate() {
            let (writer, may_hold) = (index == self.top.writer, role.hosts.contains(&host));
            if !writer && !may_hold {
                continue;
            }
            let moved = |force: bool| Verb::MoveRole {
                role: role.name.clone(),
                host: name.clone(),
                force,
                kill: false,
            };
            verbs.push(moved(false));
            if writer && may_hold {
                verbs.push(moved(true));
            }
            if let Some(ip) = role.ips.first().filter(|_| may_hold) {
                verbs.push(Verb::SetIp { ip: *ip, host: name.clone() });
            }
        }
        verbs
            .into_iter()
            .map(|verb| {
                let off = self.why_off(host, &verb);
                ActionView { off, level: self.level(&verb), effect: String::new(), verb }
            })
            .collect()
    }

    fn why_off(&self, host: usize, verb: &Verb) -> String {
        let name = &self.top.hosts[host].name;
        let state = self.hosts[host].state;
        match verb {
            Verb::SetOnline { .. } if state == HostState::Online => {
                format!("{name} is ONLINE already")
            }
            Verb::SetOffline { .. } if state == HostState::AdminOffline => {
                format!("{name} is set offline already")
            }
            Verb::MoveRole { role, .. } => {
                let has = self.top.role(role).is_some_and(|role| {
                    self.vips.iter().any(|vip| vip.role == role && vip.holder == Some(host))
                });
                let balanced = self
                    .top
                    .role(role)
                    .is_some_and(|role| self.top.roles[role].mode == RoleMode::Balanced);
                match (balanced, has) {
                    (false, true) => format!("{role} is on {name} already"),
                    (true, false) => format!("{name} has no VIP of {role} to take off it"),
                    _ => self.would_refuse(verb),
                }
            }
            _ => self.would_refuse(verb),
        }
    }

    /// The reason for which a request would be refused now; empty when it would not.
    fn would_refuse(&self, verb: &Verb) -> String {
        self.permit(verb).err().map_or(String::new(), |refusal| refusal.reason)
    }
}
