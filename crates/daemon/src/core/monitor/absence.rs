//! The monitor was not there for a while: stopped, suspended, or just started. Old silence is its
//! own then, and another monitor may have led meanwhile.

use mmm_proto::event::Level;
use mmm_proto::{Check, HostState, Span};

use super::{Monitor, Now};

impl Monitor {
    /// If this process was stopped for a while, old silence is its own, not the hosts'.
    pub(super) fn notice_absence(&mut self, now: Now) {
        let away = now.boot.since(self.now.boot);
        if away.as_ms() * 2 > self.top.timing.ttl.as_ms() {
            (self.now, self.here_since) = (now, now.boot);
            self.be_quiet(self.top.timing.heartbeat * 3);
            // The time was not the hosts'.
            if let Some(running) = &mut self.running {
                running.deadline = running.deadline + away;
            }
            self.event(
                Level::Warn,
                "monitor",
                &format!("was away for {away}"),
                "nothing is judged before the hosts were heard again",
            );
        }
    }

    /// Judges nothing for a while, and forgets failures that may be the monitor's own.
    pub(super) fn be_quiet(&mut self, span: Span) {
        self.quiet_until = self.quiet_until.max(self.now.boot + span);
        for host in &mut self.hosts {
            for check in &mut host.checks {
                check.forgive();
            }
            if host.state == HostState::Online {
                // It was well when it was last seen.
                host.checks[Check::Ping.index()].presume();
                host.checks[Check::Mysql.index()].presume();
            }
        }
    }

    /// Whether a host has let go of a VIP while the monitor was not there, so that another monitor
    /// may have given it to somebody else: then it is given back only when all of its role were
    /// heard, or had the time to be. Whoever obeys another monitor says so.
    pub(super) fn may_be_elsewhere(&self, vip: usize, host: usize) -> bool {
        if self.now.boot >= self.quiet_until {
            return false;
        }
        let heard = |host: usize| {
            let heard = self.hosts[host].heard.as_ref();
            heard.filter(|heard| heard.at >= self.here_since).map(|heard| &heard.report)
        };
        let ip = self.vips[vip].ip;
        let let_go = heard(host).is_none_or(|report| !report.vips.contains(&ip));
        let role = &self.top.roles[self.vips[vip].role];
        let_go && role.hosts.iter().any(|other| *other != host && heard(*other).is_none())
    }
}
