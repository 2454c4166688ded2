//! The six host states: one table of transitions, each with its reason. The numbers are the rows of the
//! original's table; where this one differs on purpose, the row says so.

use mmm_proto::agent::Thread;
use mmm_proto::event::Level;
use mmm_proto::{Check, HostMode, HostState, MonitorMode, Span};

use super::Monitor;

/// After its peer came online, a host's replication is not judged for this long (the original's
/// reconnect time).
const PEER_GRACE: Span = Span::secs(60);

/// An outage shorter than this, without a reboot, needs no operator.
const SHORT_OUTAGE: Span = Span::secs(60);

/// What a pass reads of one host.
struct Facts {
    lost: Option<String>,
    threads: bool,
    backlog: bool,
    threads_why: String,
    backlog_why: String,
    /// The source of this host is up, so a replication failure is this host's own.
    source_ok: bool,
    /// The source is ONLINE since less than [`PEER_GRACE`].
    source_fresh: bool,
    is_writer: bool,
    writer_exists: bool,
}

impl Monitor {
    /// One transition a host and pass, first matching row wins.
    pub(super) fn judge_states(&mut self) {
        let writer = self.writer();
        for host in 0..self.hosts.len() {
            let facts = self.facts(host, writer);
            if let Some((to, why)) = self.transition(host, &facts) {
                self.set_state(host, to, &why, None);
            }
        }
        self.leave_wait();
    }

    fn facts(&self, host: usize, writer: Option<usize>) -> Facts {
        let record = &self.hosts[host];
        let spec = &self.top.hosts[host];
        let source = if spec.mode == HostMode::Master { spec.peer.or(writer) } else { writer };
        let up = |h: usize| {
            self.hosts[h].state == HostState::Online
                && self.hosts[h].good(Check::Ping)
                && self.hosts[h].good(Check::Mysql)
        };
        let message = |check: Check| record.checks[check.index()].message.clone();
        Facts {
            lost: self.lost(host),
            threads: record.good(Check::RepThreads),
            backlog: record.good(Check::RepBacklog),
            threads_why: message(Check::RepThreads),
            backlog_why: message(Check::RepBacklog),
            source_ok: source.is_some_and(up),
            source_fresh: source
                .and_then(|h| self.hosts[h].online_since)
                .is_some_and(|since| self.now.boot.since(since) < PEER_GRACE),
            is_writer: writer == Some(host),
            writer_exists: writer.is_some(),
        }
    }

    fn transition(&self, host: usize, facts: &Facts) -> Option<(HostState, String)> {
        use HostState as S;
        let record = &self.hosts[host];
        let reachable = record.good(Check::Ping) && record.good(Check::Mysql);
        let lost = facts.lost.clone();
        match record.state {
            // 1
            S::AdminOffline => None,
            S::Unknown => match lost {
                Some(why) => Some((S::HardOffline, why)),
                None => reachable
                    .then(|| (S::AwaitingRecovery, "seen for the first time, healthy".to_owned())),
            },
            S::Online => {
                if let Some(why) = lost {
                    return Some((S::HardOffline, why)); // 2
                }
                if facts.is_writer || self.forced == Some(host) {
                    return None; // 3, and what an operator took upon himself
                }
                if facts.source_fresh || !facts.source_ok {
                    return None; // 4, and the "peerOK" of 5 and 6
                }
                if !facts.threads {
                    return Some((S::ReplicationFail, facts.threads_why.clone())); // 5
                }
                (!facts.backlog).then(|| (S::ReplicationDelay, facts.backlog_why.clone())) // 6
            }
            S::AwaitingRecovery => match lost {
                Some(why) => Some((S::HardOffline, why)), // 7
                None => self.recovered(host, facts).map(|why| (S::Online, why)), // 8 - 11
            },
            S::HardOffline => {
                if lost.is_some() || !reachable {
                    return None;
                }
                let judged = facts.writer_exists || !self.may_be_writer(host);
                if judged && !facts.is_writer && !facts.threads {
                    return Some((S::ReplicationFail, facts.threads_why.clone())); // 12
                }
                if judged && !facts.is_writer && !facts.backlog {
                    return Some((S::ReplicationDelay, facts.backlog_why.clone())); // 13
                }
                Some((S::AwaitingRecovery, "the host answers again".to_owned())) // 14
            }
            S::ReplicationFail | S::ReplicationDelay => {
                if let Some(why) = lost {
                    return Some((S::HardOffline, why)); // 19
                }
                if reachable && self.replication_is_well(host, facts) {
                    let why = "replication runs and is near again".to_owned();
                    let to = if record.flapping { S::AwaitingRecovery } else { S::Online };
                    return Some((to, why)); // 17, 18
                }
                match (record.state, facts.threads, facts.backlog) {
                    (S::ReplicationFail, true, false) => {
                        Some((S::ReplicationDelay, facts.backlog_why.clone())) // 15
                    }
                    (S::ReplicationDelay, false, _) => {
                        Some((S::ReplicationFail, facts.threads_why.clone())) // 16
                    }
                    _ => None,
                }
            }
        }
    }

    /// Rows 17 and 18. The original let a late host back in as soon as its peer was gone, and so gave the
    /// writer to stale standbys. Here a host without a source is well again when its applier runs and has
    /// applied all that it ever received: more cannot be had.
    fn replication_is_well(&self, host: usize, facts: &Facts) -> bool {
        if self.may_have_parted(host) {
            return false;
        }
        if facts.threads && facts.backlog {
            return true;
        }
        let Some(report) = self.hosts[host].report() else {
            return false;
        };
        !facts.source_ok
            && facts.threads
            && report.server.replication.as_ref().is_some_and(|r| r.sql == Thread::Yes)
            && report.server.position.includes(&report.server.received)
    }

    /// Rows 8 to 11: why a host that waits may come back by itself.
    fn recovered(&self, host: usize, facts: &Facts) -> Option<String> {
        let record = &self.hosts[host];
        let timing = &self.top.timing;
        let well = record.good(Check::Ping)
            && record.good(Check::Mysql)
            && (facts.is_writer || (facts.threads && facts.backlog));
        if !well || !self.agent_answers(host) || self.may_have_parted(host) {
            return None;
        }
        let waited = self.now.boot.since(record.since);
        let auto = timing.auto_set_online;
        if record.flapping {
            let calm = auto > Span::ZERO && waited >= timing.flap_duration;
            return calm.then(|| format!("calm for {waited} after flapping"));
        }
        let uptime = record.report().map(|report| report.uptime)?;
        if let Some(last) = record.last_uptime {
            let away = uptime.less(last);
            if uptime >= last && away > Span::ZERO && away < SHORT_OUTAGE {
                return Some(format!("it was away for {away} only and did not reboot"));
            }
        }
        (auto > Span::ZERO && waited >= auto)
            .then(|| format!("healthy for {waited}, auto_set_online is {auto}"))
    }

    pub(super) fn set_state(&mut self, host: usize, to: HostState, why: &str, by: Option<&str>) {
        let from = self.hosts[host].state;
        let now = self.now.boot;
        if from == HostState::Online && to != HostState::AdminOffline {
            self.count_flap(host);
        }
        let record = &mut self.hosts[host];
        (record.before, record.state, record.since) = (Some(from), to, now);
        why.clone_into(&mut record.why);
        if to == HostState::Online {
            record.online_since = Some(now);
        } else {
            record.online_since = None;
        }
        if to == HostState::HardOffline {
            for check in [Check::Ping, Check::Mysql] {
                let check = &mut record.checks[check.index()];
                if check.failing {
                    check.condemn(why, self.now.wall);
                }
            }
        }
        self.decide();
        let level = match to {
            HostState::HardOffline | HostState::ReplicationFail | HostState::ReplicationDelay => {
                Level::Warn
            }
            _ => Level::Info,
        };
        let name = self.name(host);
        self.event_by(level, &name, &format!("{from} -> {to}"), why, by);
        let keeps = matches!(self.mode, MonitorMode::Manual | MonitorMode::Wait)
            && to != HostState::AdminOffline;
        if to != HostState::Online && !keeps && self.mode != MonitorMode::Passive {
            self.drop_roles(host, &format!("{name} is {to}"));
        }
    }

    fn count_flap(&mut self, host: usize) {
        let (limit, window) = (self.top.timing.flap_count, self.top.timing.flap_duration);
        let now = self.now.boot;
        let record = &mut self.hosts[host];
        if limit == 0 {
            return;
        }
        if record.flap_window.is_none_or(|opened| now.since(opened) > window) {
            (record.flap_window, record.flaps) = (Some(now), 1);
            return;
        }
        record.flaps += 1;
        if record.flaps > limit {
            (record.flapping, record.flaps, record.flap_window) = (true, 0, None);
            let name = self.name(host);
            let why = format!("more than {limit} drops within {window}");
            self.event(Level::Warn, &name, "is flapping", &why);
        }
    }

    /// WAIT ends when both masters are there, or one has been there for `wait_for_other_master`.
    fn leave_wait(&mut self) {
        if self.mode != MonitorMode::Wait {
            return;
        }
        let patience = self.top.timing.wait_for_other_master;
        let masters = &self.top.roles[self.top.writer].hosts;
        let online: Vec<usize> =
            masters.iter().copied().filter(|h| self.hosts[*h].state == HostState::Online).collect();
        let long = online.iter().any(|h| {
            let since = self.hosts[*h].online_since;
            patience > Span::ZERO && since.is_some_and(|s| self.now.boot.since(s) >= patience)
        });
        if online.len() == masters.len() {
            self.set_mode(MonitorMode::Active, "every master is ONLINE", None);
        } else if long {
            let why = format!("one master has been ONLINE for {patience}");
            self.set_mode(MonitorMode::Active, &why, None);
        }
    }
}
