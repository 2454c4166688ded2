//! Advice about the masters: settings that a pair must agree on, both ways of replication, a
//! standby that takes writes. Nothing is decided by it: it is told once, when it has lasted for a
//! while, and once more when it is settled.

use mmm_proto::agent::{Duty, Server, Settings};
use mmm_proto::event::Level;
use mmm_proto::{HostState, Span, Time};

use super::Monitor;

/// How long something must last before it is told: the ring is open for moments after each move.
const LASTS: Span = Span::secs(10);

/// The masters are looked at this often.
const EVERY: Span = Span::secs(1);

/// One piece of advice.
#[derive(Debug, Clone)]
pub(super) struct Advice {
    pub text: String,
    since: Time,
    pub told: bool,
}

/// All advice, and when the masters were looked at last.
#[derive(Debug, Clone, Default)]
pub(super) struct Advisor {
    all: Vec<Advice>,
    looked: Option<Time>,
}

impl Monitor {
    /// The advice that was told and still holds.
    pub(super) fn advice(&self) -> impl Iterator<Item = &str> {
        self.advisor.all.iter().filter(|one| one.told).map(|one| one.text.as_str())
    }

    /// Tells what is new and lasts, and what is settled.
    pub(super) fn mind_advice(&mut self) {
        let now = self.now.boot;
        if self.advisor.looked.is_some_and(|last| now.since(last) < EVERY) {
            return;
        }
        self.advisor.looked = Some(now);
        let found = self.found_about_masters();
        let old = std::mem::take(&mut self.advisor.all);
        for gone in old.iter().filter(|one| one.told && !found.contains(&one.text)) {
            self.event(Level::Info, "advice", "no longer", &gone.text);
        }
        for text in found {
            let known = old.iter().find(|one| one.text == text);
            let since = known.map_or(now, |one| one.since);
            let told = known.is_some_and(|one| one.told);
            if !told && now.since(since) >= LASTS {
                self.event(Level::Warn, "advice", &text, "");
            }
            let told = told || now.since(since) >= LASTS;
            self.advisor.all.push(Advice { text, since, told });
        }
    }

    /// What is to be said of the masters now. Of a host that cannot be seen nothing is said.
    fn found_about_masters(&self) -> Vec<String> {
        let masters = &self.top.roles[self.top.writer].hosts;
        let mut found = Vec::new();
        for (place, host) in masters.iter().enumerate() {
            let Some(server) = self.server_seen(*host) else {
                continue;
            };
            if let Some(settings) = &server.settings {
                found.extend(self.about_one(*host, settings));
            }
            found.extend(self.found_writable(*host, server));
            for other in masters.iter().skip(place + 1) {
                if let Some(theirs) = self.server_seen(*other) {
                    found.extend(self.about_pair((*host, server), (*other, theirs)));
                }
            }
        }
        found.extend(self.same_server_ids());
        found
    }

    pub(super) fn server_seen(&self, host: usize) -> Option<&Server> {
        let seen = self.agent_answers(host) && self.hosts[host].server_up();
        self.hosts[host].report().filter(|_| seen).map(|report| &report.server)
    }

    fn about_one(&self, host: usize, settings: &Settings) -> Vec<String> {
        let name = &self.top.hosts[host].name;
        let mut found = Vec::new();
        if !settings.log_bin {
            found.push(format!("{name} writes no binary log: nobody can follow it; set log_bin"));
        } else if !settings.log_slave_updates {
            found.push(format!(
                "{name} does not log what it replicated: as writer it cannot pass that on; set \
                 log_slave_updates"
            ));
        }
        if settings.gtid_strict_mode == Some(false) {
            found.push(format!(
                "{name} takes transactions out of order: parted histories go unnoticed; set \
                 gtid_strict_mode"
            ));
        }
        found
    }

    /// A standby that takes writes of whoever connects to it. Its agent sets `read_only`; this is
    /// for when that does not last.
    fn found_writable(&self, host: usize, server: &Server) -> Option<String> {
        let duty = self.hosts[host].duty();
        let idle = !self.is_writer(host) && duty == Duty::None && self.running.is_none();
        (idle && server.read_only != Some(true)).then(|| {
            let name = &self.top.hosts[host].name;
            format!("{name} is not the writer and may be writable: its agent cannot set read_only")
        })
    }

    fn about_pair(&self, one: (usize, &Server), other: (usize, &Server)) -> Vec<String> {
        let (a, b) = (&self.top.hosts[one.0].name, &self.top.hosts[other.0].name);
        let mut found = Vec::new();
        if let (Some(mine), Some(theirs)) = (&one.1.settings, &other.1.settings) {
            found.extend(auto_increment(mine, theirs).map(|what| format!("{a} and {b}: {what}")));
            if mine.binlog_format != theirs.binlog_format {
                found.push(format!(
                    "{a} and {b}: binlog_format is {} and {}: what a statement comes to should not \
                     depend on who is writer",
                    mine.binlog_format, theirs.binlog_format
                ));
            }
            if mine.gtid_domain_id != theirs.gtid_domain_id {
                found.push(format!(
                    "{a} and {b}: gtid_domain_id differs: their transactions have no common order"
                ));
            }
        }
        let online = |host: usize| self.hosts[host].state == HostState::Online;
        let peers = self.top.hosts[one.0].peer == Some(other.0);
        // Of hosts that have parted that is told with its reason.
        let parted = self.may_have_parted(one.0) || self.may_have_parted(other.0);
        if peers && online(one.0) && online(other.0) && self.running.is_none() && !parted {
            for (from, to, source) in [(one.0, b, other.0), (other.0, a, one.0)] {
                if !self.replicates(from, source) {
                    let name = &self.top.hosts[from].name;
                    found.push(format!(
                        "{name} does not replicate from {to}: the way back is not open"
                    ));
                }
            }
        }
        found
    }

    /// Hosts with the same number ignore each other's transactions.
    fn same_server_ids(&self) -> Vec<String> {
        let mut ids: Vec<(u32, usize)> = (0..self.hosts.len())
            .filter_map(|host| Some((self.server_seen(host)?.server_id, host)))
            .collect();
        ids.sort_unstable();
        ids.windows(2)
            .filter(|two| two[0].0 == two[1].0)
            .map(|two| {
                let names = self.top.names(&[two[0].1, two[1].1]);
                format!("{names} have the same server_id {}: give each its own", two[0].0)
            })
            .collect()
    }
}

/// What is wrong with the way in which two masters share out AUTO_INCREMENT values.
pub(super) fn auto_increment(one: &Settings, other: &Settings) -> Option<String> {
    let (a, b) = (one.auto_increment_increment, other.auto_increment_increment);
    let (x, y) = (one.auto_increment_offset, other.auto_increment_offset);
    if a != b {
        return Some(format!("auto_increment_increment is {a} and {b}: set the same on both"));
    }
    if a < 2 {
        return Some(format!(
            "auto_increment_increment is {a}: set it to 2 or more, so that a failover cannot make \
             the same value twice"
        ));
    }
    if x == y {
        return Some(format!("auto_increment_offset is {x} on both: set a different one on each"));
    }
    // A server ignores an offset beyond the increment.
    (x.max(y) > a).then(|| {
        format!("auto_increment_offset {} is beyond auto_increment_increment {a}", x.max(y))
    })
}
