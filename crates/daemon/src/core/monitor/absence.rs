//! The monitor was not there for a while: stopped, suspended, or without a network. Old silence is
//! its own then, and another monitor may have led meanwhile.

use mmm_proto::event::Level;
use mmm_proto::{Check, HostState, Span};

use super::{Monitor, Now};

impl Monitor {
    /// If this process was stopped for a while, old silence is its own, not the hosts'.
    pub(super) fn notice_absence(&mut self, now: Now) {
        let away = now.boot.since(self.now.boot);
        if away.as_ms() * 2 <= self.top.timing.ttl.as_ms() {
            return;
        }
        self.now = now;
        let heartbeat = self.top.timing.heartbeat;
        let mut mute = Span::ZERO;
        if away > self.top.timing.ttl {
            // Every grant is over, and another monitor may have led: those who obey it say so
            // before this one gives anything to those who do not. Who still holds does so by
            // promises, and can a little longer.
            mute = heartbeat * 2;
            self.mute_until = now.boot + mute;
            self.hosts.iter_mut().for_each(|host| host.granted = None);
        }
        // Who let go is given the time to take up again.
        self.be_quiet(mute + heartbeat * 3);
        // The time was not the hosts'.
        if let Some(running) = &mut self.running {
            running.deadline = running.deadline + away + mute;
        }
        self.event(
            Level::Warn,
            "monitor",
            &format!("was away for {away}"),
            "nothing is judged before the hosts were heard again",
        );
    }

    /// Stood still for longer than a grant: nothing is granted before the hosts had the time to be
    /// heard.
    pub(super) fn is_mute(&self) -> bool {
        self.now.boot < self.mute_until
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
}
