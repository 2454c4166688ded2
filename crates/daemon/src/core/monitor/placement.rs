//! Giving VIPs to hosts: orphans, preferences, balance. The writer's VIP is never given here: it moves by
//! `moves` only.

use mmm_proto::event::Level;
use mmm_proto::{MonitorMode, RoleMode};

use super::Monitor;

impl Monitor {
    /// One pass: orphans of exclusive roles, then of balanced ones; preferences; balance.
    pub(super) fn place(&mut self) {
        if self.mode == MonitorMode::Passive || self.now.boot < self.quiet_until {
            return;
        }
        self.start_failover_if_needed();
        for mode in [RoleMode::Exclusive, RoleMode::Balanced] {
            for vip in 0..self.vips.len() {
                let role = self.vips[vip].role;
                if role != self.top.writer && self.top.roles[role].mode == mode {
                    self.place_orphan(vip);
                }
            }
        }
        if self.mode == MonitorMode::Active {
            self.obey_preferences();
        }
        for role in 0..self.top.roles.len() {
            if self.top.roles[role].mode == RoleMode::Balanced {
                self.balance(role);
            }
        }
    }

    fn place_orphan(&mut self, vip: usize) {
        let record = &self.vips[vip];
        if record.holder.is_some() {
            return;
        }
        let heirs = self.heirs(vip);
        let prefer = self.top.roles[record.role].prefer;
        let chosen = record.chosen.filter(|host| heirs.contains(host));
        let preferred = prefer.filter(|host| heirs.contains(host));
        let Some(host) = chosen.or(preferred).or_else(|| self.least_loaded(&heirs)) else {
            return;
        };
        if record.other_claim(Some(host)).is_some() {
            return;
        }
        let why = if heirs.len() == 1 { "the only host that can serve it" } else { "least loaded" };
        let name = self.name(host);
        self.give(vip, host);
        self.vip_event(Level::Info, vip, &format!("given to {name}"), why);
    }

    /// Exclusive roles other than the writer's go to their preferred host as soon as it can serve.
    fn obey_preferences(&mut self) {
        for vip in 0..self.vips.len() {
            let role = self.vips[vip].role;
            let spec = &self.top.roles[role];
            if role == self.top.writer || spec.mode != RoleMode::Exclusive {
                continue;
            }
            let Some(prefer) = spec.prefer.filter(|host| self.can_serve(*host)) else {
                continue;
            };
            if self.vips[vip].holder.is_some_and(|holder| holder != prefer) {
                let why = format!("{} is its preferred host", self.top.hosts[prefer].name);
                self.withdraw(vip, &why);
            }
        }
    }

    /// Moves one VIP from the fullest to the emptiest host while they differ by more than one.
    fn balance(&mut self, role: usize) {
        let able: Vec<usize> =
            self.top.roles[role].hosts.iter().copied().filter(|h| self.can_serve(*h)).collect();
        let all_given = self.vips.iter().all(|vip| vip.role != role || vip.holder.is_some());
        let Some(emptiest) = self.least_loaded(&able) else {
            return;
        };
        let Some(fullest) = able
            .iter()
            .copied()
            .filter(|host| self.vips.iter().any(|v| v.role == role && v.holder == Some(*host)))
            .max_by_key(|host| (self.load(*host), std::cmp::Reverse(*host)))
        else {
            return;
        };
        if !all_given || self.load(fullest) <= self.load(emptiest) + 2 {
            return;
        }
        let vip = (0..self.vips.len())
            .rev()
            .find(|vip| self.vips[*vip].role == role && self.vips[*vip].holder == Some(fullest));
        if let Some(vip) = vip {
            let from = self.name(fullest);
            self.withdraw(vip, "balancing");
            self.vip_event(Level::Info, vip, &format!("taken from {from}"), "balancing");
        }
    }

    fn least_loaded(&self, hosts: &[usize]) -> Option<usize> {
        hosts.iter().copied().min_by_key(|host| self.load(*host))
    }

    /// The load in halves of a VIP: the writer's counts one half, as in the original.
    fn load(&self, host: usize) -> usize {
        self.vips
            .iter()
            .filter(|vip| vip.holder == Some(host))
            .map(|vip| if vip.role == self.top.writer { 1 } else { 2 })
            .sum()
    }
}
