//! Giving VIPs to hosts: orphans, preferences, balance. The writer's VIP is never given here: it
//! moves by `moves` only.

use mmm_proto::event::Level;
use mmm_proto::{MonitorMode, RoleMode};

use super::Monitor;
use crate::core::bugs::{Bug, bug};

impl Monitor {
    /// One pass: orphans of exclusive roles, then of balanced ones; preferences; balance.
    pub(super) fn place(&mut self) {
        let passive = self.mode == MonitorMode::Passive && !bug(Bug::PassiveActs);
        if passive || self.now.boot < self.quiet_until {
            return;
        }
        self.start_failover_if_needed();
        let mut pass = self.pass();
        for mode in [RoleMode::Exclusive, RoleMode::Balanced] {
            for vip in 0..self.vips.len() {
                let role = self.vips[vip].role;
                if role != self.top.writer && self.top.roles[role].mode == mode {
                    self.place_orphan(vip, &mut pass);
                }
            }
        }
        if self.mode == MonitorMode::Active {
            self.obey_preferences();
        }
        for role in 0..self.top.roles.len() {
            if self.top.roles[role].mode == RoleMode::Balanced {
                self.balance(role, &pass);
            }
        }
    }

    /// Looked up once for all hosts: with a thousand hosts each VIP would ask for a thousand.
    fn pass(&self) -> Pass {
        let hosts = 0..self.hosts.len();
        let mut load = vec![0; self.hosts.len()];
        for vip in &self.vips {
            if let Some(holder) = vip.holder {
                load[holder] += self.weight(vip.role);
            }
        }
        Pass { able: hosts.map(|host| self.can_serve(host)).collect(), load }
    }

    /// The load in halves of a VIP: the writer's counts one half, as in the original.
    fn weight(&self, role: usize) -> usize {
        if role == self.top.writer { 1 } else { 2 }
    }

    fn place_orphan(&mut self, vip: usize, pass: &mut Pass) {
        let record = &self.vips[vip];
        if record.holder.is_some() {
            return;
        }
        let role = &self.top.roles[record.role];
        let able = |host: &usize| role.hosts.contains(host) && pass.able[*host];
        let chosen = record.chosen.filter(able);
        // In MANUAL and WAIT only balanced roles are given by the monitor itself.
        let by_hand = role.mode == RoleMode::Exclusive && self.mode != MonitorMode::Active;
        if by_hand && chosen.is_none() {
            return;
        }
        let wish = chosen.or_else(|| role.prefer.filter(able));
        let Some(host) = wish.or_else(|| pass.least_loaded(&role.hosts)) else {
            return;
        };
        if record.other_claim(Some(host)).is_some() && !bug(Bug::ReaderEarly) {
            return;
        }
        let alone = role.hosts.iter().filter(|host| pass.able[**host]).nth(1).is_none();
        let why = match wish {
            Some(_) if chosen.is_some() => "chosen for it",
            Some(_) => "its preferred host",
            None if alone => "the only host that can serve it",
            None => "least loaded",
        };
        let name = self.name(host);
        pass.load[host] += self.weight(record.role);
        self.give(vip, host);
        self.vip_event(Level::Info, vip, &format!("given to {name}"), why);
    }

    /// Moves one VIP from the fullest to the emptiest host while they differ by more than one.
    fn balance(&mut self, role: usize, pass: &Pass) {
        let hosts = &self.top.roles[role].hosts;
        let mut holds = vec![false; self.hosts.len()];
        for vip in self.vips.iter().filter(|vip| vip.role == role) {
            let Some(holder) = vip.holder else { return };
            holds[holder] = true;
        }
        let Some(emptiest) = pass.least_loaded(hosts) else {
            return;
        };
        // Ties: the first in configured order, which is the last that is looked at.
        let full = hosts.iter().rev().copied().filter(|host| pass.able[*host] && holds[*host]);
        let Some(fullest) = full.max_by_key(|host| pass.load[*host]) else {
            return;
        };
        if pass.load[fullest] <= pass.load[emptiest] + 2 {
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
}

/// What one pass of placing reads of every host.
struct Pass {
    able: Vec<bool>,
    /// In halves of a VIP.
    load: Vec<usize>,
}

impl Pass {
    /// The able host with the least load; the first of several.
    fn least_loaded(&self, hosts: &[usize]) -> Option<usize> {
        let able = hosts.iter().copied().filter(|host| self.able[*host]);
        able.min_by_key(|host| self.load[*host])
    }
}
