//! The monitor's own checks of the hosts.

use mmm_proto::{Check, Lag, Span, Time};

use super::{CHECK_TIMEOUT, CLOCK, Cluster, DELAY, Pending};
use crate::core::monitor::Input;
use crate::core::monitor::hosts::Found;
use crate::core::tests::server::Process;

impl Cluster {
    pub(super) fn mind_checks(&mut self) {
        for host in 0..3 {
            if (self.now + 300 * host as u64).is_multiple_of(1_000) && !self.lossy[host] {
                for check in Check::ALL {
                    self.check(host, check);
                }
            }
        }
        let (due, later) =
            std::mem::take(&mut self.checks).into_iter().partition(|check| self.now >= check.due);
        self.checks = later;
        let due: Vec<Pending> = due;
        for Pending { host, check, found, began, .. } in due {
            let took = Span(self.now - began);
            let began = Time(began + CLOCK);
            self.feed(Input::Checked { host, check, found, began, took });
        }
    }

    pub(super) fn check(&mut self, host: usize, check: Check) {
        if self.monitor.is_none() || self.paused {
            return;
        }
        let there = &self.hosts[host];
        let mute = self.cut[host] || there.frozen;
        let fail = |why: &'static str, hard| Found::Failed { why: why.into(), hard };
        let server = &there.server;
        let slow = mute || (check == Check::Mysql && server.process == Process::Silent);
        let found = match check {
            _ if slow && matches!(check, Check::Ping | Check::Mysql) => fail("no answer", false),
            Check::Ping => Found::Ok("OK".into()),
            Check::Mysql if server.process == Process::Gone => fail("refused twice", true),
            Check::Mysql => Found::Ok("OK".into()),
            _ if mute || !server.up() => Found::Unknown("UNKNOWN: no connection".into()),
            _ if server.source.is_none() => fail("Replication is not set up", false),
            Check::RepThreads if !server.io || !server.sql => fail("Replication is broken", false),
            Check::RepThreads => Found::Ok("OK".into()),
            Check::RepBacklog => match server.lag(self.now) {
                Lag::Behind(lag) if lag > self.top.timing.max_backlog => {
                    fail("Backlog is too big", false)
                }
                Lag::Behind(_) => Found::Ok("OK".into()),
                _ => Found::Unknown("Backlog is null".into()),
            },
        };
        let due = self.now + if slow { CHECK_TIMEOUT } else { DELAY };
        self.checks.push(Pending { due, host, check, found, began: self.now });
    }

    /// The monitor's check of a host fails by a time-out, whatever the host is like.
    pub(in crate::core::tests) fn fail_check(&mut self, host: usize, check: Check) {
        self.end_check(host, check, Found::Failed { why: "no answer".into(), hard: false });
    }

    /// A check of a host ends like that; from now on only the test says what its checks find.
    pub(in crate::core::tests) fn end_check(&mut self, host: usize, check: Check, found: Found) {
        self.checks.retain(|p| p.host != host || p.check != check);
        let began = self.now;
        self.checks.push(Pending { due: began, host, check, found, began });
        self.lossy[host] = true;
    }

    /// The hosts' checks find again what is so.
    pub(in crate::core::tests) fn trust_checks(&mut self) {
        self.lossy = [false; 3];
    }
}
