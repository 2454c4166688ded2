//! The count at the start of a monitor, and only then: who is the writer, by what was written down,
//! what the agents say of themselves and what the servers are found to be. Where that disagrees,
//! the votes decide, or with `careful_startup` a person. Claims stay above votes: nobody is given
//! the role while another host may still hold it.

use mmm_proto::agent::{Duty, Reach, Stamp};
use mmm_proto::event::Level;
use mmm_proto::{HostMode, HostState, MonitorMode, RoleMode, Span};

use super::Monitor;

/// What speaks for one host of the active master role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ballot {
    pub host: usize,
    /// Its server takes writes.
    pub writable: bool,
    /// The VIP is on its interface, and its agent does not say that it is removing it.
    pub vip: bool,
    /// Its agent is removing all of the role, and its server is not known to be read-only yet.
    pub fencing: bool,
    /// The status file names it.
    pub status: bool,
    /// Its agent says that it has the role.
    pub agent: bool,
    /// Hosts of mode slave that replicate from it.
    pub followers: usize,
    /// Why it cannot win.
    pub out: Option<String>,
    /// Its agent was heard lately.
    pub heard: bool,
}

impl Ballot {
    /// The original's weights; nothing for a host that cannot win.
    pub(super) fn sum(&self) -> usize {
        if self.out.is_some() {
            return 0;
        }
        4 * usize::from(self.writable)
            + 2 * usize::from(self.vip)
            + usize::from(self.status)
            + usize::from(self.agent)
            + self.followers
    }

    /// Whether anything but being writable and followed speaks for it: a server that merely is so
    /// has no role yet, and a first start waits for an operator.
    fn claims(&self) -> bool {
        self.out.is_none() && (self.vip || self.status || self.agent)
    }
}

impl Monitor {
    /// Counts once: when every host was heard, or when the time for that is over.
    pub(super) fn vote_at_start(&mut self) {
        if self.voted {
            return;
        }
        let late = self.now.boot >= self.quiet_until;
        let known = |host: &super::hosts::Host| {
            host.report().is_some_and(|report| report.server.reach != Reach::Unknown)
        };
        let urgent = late || self.service_runs_out();
        if !urgent && !self.hosts.iter().all(known) {
            return;
        }
        let ballots = self.ballots();
        let conflict = self.conflict(&ballots);
        // Agents make what must not be writable read-only by themselves: give them that time, but
        // not that of a host that serves, unless a person is to decide.
        let waits = self.top.careful_startup || !self.service_runs_out();
        if conflict.is_some() && !late && waits {
            return;
        }
        self.voted = true;
        self.votes = self.table(&ballots);
        self.count(&ballots, conflict);
        self.adopt_found_vips();
        // Who waited for the count is told at once.
        for host in 0..self.hosts.len() {
            if self.hosts[host].link.is_some() && self.hosts[host].granted.is_none() {
                self.renew(host);
            }
        }
    }

    /// Whether a host that serves would fence itself before the count: what speaks for it is known.
    /// Whoever can be reached has said what it has within a part of a heartbeat.
    fn service_runs_out(&self) -> bool {
        let timing = &self.top.timing;
        let (now, reserve) = (self.now.boot, Span::ms(timing.ttl.as_ms() / 3) + timing.heartbeat);
        if now.since(self.started.boot).as_ms() * 2 < timing.heartbeat.as_ms() {
            return false;
        }
        self.top.roles[self.top.writer].hosts.iter().any(|host| {
            let heard = self.hosts[*host].heard.as_ref();
            heard.is_some_and(|heard| {
                let left = heard.report.grant_left.map(|left| left.less(now.since(heard.at)));
                heard.report.duty == Duty::Serving && left.is_some_and(|left| left <= reserve)
            })
        })
    }

    /// Whether it is not known yet what this host is to have: it is told after the count.
    pub(super) fn undecided_about(&self, host: usize) -> bool {
        if self.voted {
            return false;
        }
        let Some(report) = self.hosts[host].report() else {
            return true;
        };
        if self.writer() == Some(host) {
            // It goes on with what it does; to open anew waits.
            return report.duty == Duty::None;
        }
        report.duty != Duty::None
            || self.vips.iter().any(|vip| report.vips.contains(&vip.ip) && vip.holder != Some(host))
    }

    fn ballots(&self) -> Vec<Ballot> {
        let vip = &self.vips[self.writer_vip()];
        let waits = matches!(self.mode, MonitorMode::Manual | MonitorMode::Wait);
        // In the modes that give the writer to nobody by themselves, whoever had it last counts.
        let stored = vip.holder.or(vip.last.filter(|_| waits));
        let ballot = |host: &usize| {
            let host = *host;
            let record = &self.hosts[host];
            let report = record.fresh(self.now.boot, self.silence());
            let out = match record.state {
                HostState::AdminOffline => Some(record.state.to_string()),
                HostState::HardOffline if !waits => Some(record.state.to_string()),
                _ => None,
            };
            Ballot {
                host,
                writable: report.is_some_and(|r| r.server.read_only == Some(false)),
                vip: report.is_some_and(|r| r.vips.contains(&vip.ip) && r.duty != Duty::Fencing),
                fencing: report
                    .is_some_and(|r| r.duty == Duty::Fencing && r.server.read_only != Some(true)),
                status: stored == Some(host),
                agent: report.is_some_and(|r| !matches!(r.duty, Duty::None | Duty::Fencing)),
                followers: self.followers(host),
                out,
                heard: report.is_some(),
            }
        };
        self.top.roles[self.top.writer].hosts.iter().map(ballot).collect()
    }

    fn followers(&self, of: usize) -> usize {
        (0..self.hosts.len())
            .filter(|host| self.top.hosts[*host].mode == HostMode::Slave)
            .filter(|host| {
                let report = self.hosts[*host].fresh(self.now.boot, self.silence());
                report
                    .and_then(|report| report.server.replication.as_ref())
                    .is_some_and(|r| self.top.host_at(&r.source, r.port) == Some(of))
            })
            .count()
    }

    /// What only a person should decide: two that have the address, or two that take writes. (A
    /// host that is frozen has the address and takes none: that is a move that broke off. One that
    /// is fencing is on its way out.)
    fn conflict(&self, ballots: &[Ballot]) -> Option<String> {
        let names = |is: &dyn Fn(&&Ballot) -> bool| {
            let hosts: Vec<usize> = ballots.iter().filter(is).map(|b| b.host).collect();
            (hosts.len() > 1).then(|| self.top.names(&hosts))
        };
        let moving = |b: &Ballot| self.hosts[b.host].duty() == Duty::Frozen;
        let word = self.vip_word(self.writer_vip());
        names(&|b| b.vip && !moving(b))
            .map(|names| format!("{word} is found on {names}"))
            .or_else(|| names(&|b| b.writable).map(|names| format!("{names} take writes")))
    }

    /// One line a host, under a heading.
    fn table(&self, ballots: &[Ballot]) -> Vec<String> {
        let width = ballots.iter().map(|b| self.name(b.host).len()).max().unwrap_or(4).max(4);
        let mut lines =
            vec![format!("{:width$}  writable  VIP  status file  agent  followers  sum", "host")];
        for b in ballots {
            let weight = |is: bool, weight: usize| if is { weight } else { 0 };
            let out = match (&b.out, b.heard) {
                (Some(why), _) => format!("  ({why})"),
                (None, false) => "  (not heard)".to_owned(),
                (None, true) => String::new(),
            };
            lines.push(format!(
                "{:width$}  {:8}  {:3}  {:11}  {:5}  {:9}  {:3}{out}",
                self.name(b.host),
                weight(b.writable, 4),
                weight(b.vip, 2),
                weight(b.status, 1),
                weight(b.agent, 1),
                b.followers,
                b.sum(),
            ));
        }
        lines
    }

    /// The same in one line, for an event.
    fn tally(&self, ballots: &[Ballot]) -> String {
        let words: Vec<String> = ballots
            .iter()
            .map(|b| {
                let parts = [
                    (b.writable, "writable 4"),
                    (b.vip, "VIP 2"),
                    (b.status, "status file 1"),
                    (b.agent, "agent 1"),
                ];
                let mut parts: Vec<String> = parts
                    .iter()
                    .filter(|(is, _)| *is)
                    .map(|(_, word)| (*word).to_owned())
                    .collect();
                if b.followers > 0 {
                    parts.push(format!("followers {}", b.followers));
                }
                parts.extend(b.out.clone());
                let parts = if parts.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", parts.join(", "))
                };
                format!("{} {}{parts}", self.name(b.host), b.sum())
            })
            .collect();
        words.join("; ")
    }

    fn count(&mut self, ballots: &[Ballot], conflict: Option<String>) {
        let tally = self.tally(ballots);
        if let Some(what) = &conflict {
            self.event(Level::Error, "writer", &format!("conflict at start: {what}"), &tally);
            if self.mode == MonitorMode::Passive {
                return;
            }
            if self.top.careful_startup {
                let cause = format!(
                    "{what}; choose with set_ip, then set_active\n{}",
                    self.votes.join("\n")
                );
                return self.set_mode(MonitorMode::Passive, &cause, None);
            }
        }
        let most = ballots.iter().filter(|b| b.claims()).map(Ballot::sum).max().unwrap_or(0);
        // Ties: the first in configured order.
        let Some(winner) = ballots.iter().find(|b| b.sum() == most && b.claims()).cloned() else {
            return;
        };
        let holder = self.writer();
        if holder == Some(winner.host) {
            return;
        }
        let name = self.name(winner.host);
        self.event(Level::Warn, "writer", &format!("votes at start: {name} is the writer"), &tally);
        let vip = self.writer_vip();
        let alone = ballots.iter().all(|b| b.host == winner.host || self.surely_without(b));
        if self.serves_by_its_word(winner.host) && alone && self.untold(winner.host) {
            if let Some(holder) = holder {
                let why = format!("{} is found without it, {name} with it", self.name(holder));
                self.withdraw(vip, &why);
            }
            self.give(vip, winner.host);
            self.event(Level::Warn, "writer", &format!("found on {name}, adopted"), "");
        } else if self.mode != MonitorMode::Passive {
            // Everybody else is fenced first: the claims see to that.
            self.withdraw(vip, "the votes at start are for another host");
            self.vips[vip].chosen = Some(winner.host);
            self.decide();
        } else {
            return;
        }
        let state = self.hosts[winner.host].state;
        let replication = matches!(state, HostState::ReplicationFail | HostState::ReplicationDelay);
        let waits = matches!(self.mode, MonitorMode::Manual | MonitorMode::Wait);
        if state != HostState::Online && (!waits || replication || winner.agent) {
            let why = "the votes at start are for it";
            self.set_state(winner.host, HostState::Online, why, None);
        }
    }

    /// Whether a host goes on with what it does when it is named. One that is frozen would be
    /// opened anew by that: whoever froze it may have promoted another, who heard of that after he
    /// was asked. So that one waits for the claims, as after a failover.
    fn serves_by_its_word(&self, host: usize) -> bool {
        let report = self.hosts[host].fresh(self.now.boot, self.silence());
        report.is_some_and(|report| matches!(report.duty, Duty::Opening | Duty::Serving))
    }

    /// Whether a host was heard and has nothing of the role; or was never told of it, or answered
    /// for that long ago. A server that merely takes writes is not reached by the VIP.
    fn surely_without(&self, ballot: &Ballot) -> bool {
        let nothing = !ballot.agent && !ballot.vip && !ballot.fencing;
        let stored = self.writer() == Some(ballot.host);
        nothing && (ballot.heard || !stored)
    }

    /// Whether a host was told nothing in this term yet.
    fn untold(&self, host: usize) -> bool {
        let first = Stamp { term: self.term, seq: 0 };
        let claim = self.vips[self.writer_vip()].claim_of(host);
        claim.is_some_and(|claim| claim.taken == Some(first))
    }

    /// The other VIPs without a written holder stay where they are found, when that is one host.
    fn adopt_found_vips(&mut self) {
        for index in 0..self.vips.len() {
            let vip = &self.vips[index];
            if vip.role == self.top.writer || vip.holder.is_some() {
                continue;
            }
            let has = |host: &usize| {
                let report = self.hosts[*host].fresh(self.now.boot, self.silence());
                report.is_some_and(|report| report.vips.contains(&vip.ip))
            };
            let found: Vec<usize> = (0..self.hosts.len()).filter(has).collect();
            let [host] = found.as_slice() else {
                continue;
            };
            let (host, state) = (*host, self.hosts[*host].state);
            let waits = matches!(state, HostState::AwaitingRecovery | HostState::Unknown);
            let free = waits || state == HostState::Online;
            if !self.top.roles[vip.role].hosts.contains(&host) || !free {
                continue;
            }
            let name = self.name(host);
            self.give(index, host);
            self.vip_event(Level::Warn, index, &format!("found on {name}, adopted"), "");
            if waits && self.hosts[host].server_up() {
                let role = &self.top.roles[self.vips[index].role];
                let kind = match role.mode {
                    RoleMode::Exclusive => "exclusive",
                    RoleMode::Balanced => "balanced",
                };
                let why = format!("it is found serving the {kind} role {}", role.name);
                self.set_state(host, HostState::Online, &why, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_weights_and_its_worked_example() {
        let none = Ballot {
            host: 0,
            writable: false,
            vip: false,
            fencing: false,
            status: false,
            agent: false,
            followers: 0,
            out: None,
            heard: true,
        };
        // A is writable with the VIP and one slave follows it; status file and agent say B.
        let a = Ballot { writable: true, vip: true, followers: 1, ..none.clone() };
        let b = Ballot { host: 1, status: true, agent: true, ..none.clone() };
        assert_eq!((a.sum(), b.sum()), (7, 2));
        let out = Ballot { out: Some("ADMIN_OFFLINE".to_owned()), ..a };
        assert_eq!((out.sum(), out.claims()), (0, false));
        let idle = Ballot { writable: true, followers: 3, ..none };
        assert!(!idle.claims(), "a server that is writable and followed has no role yet");
    }
}
