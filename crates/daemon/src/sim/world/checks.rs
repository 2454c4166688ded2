//! The monitor's own look: ping, the server's port, replication, `ping_ips`.

use mmm_proto::{Check, Lag, Time};

use super::World;
use crate::core::monitor::Input;
use crate::core::monitor::hosts::Found;
use crate::sim::action::{Action, Process};
use crate::sim::config::Hook;
use crate::sim::due::Due;
use crate::sim::server::State;

/// Between two looks at `ping_ips`.
const NETWORK_EVERY: u64 = 1_000_000;
/// Answers that take less come in at once.
const SOON: u64 = 50_000;

impl World {
    pub(super) fn check(&mut self, mon: usize, host: usize, check: Check) {
        let (life, began) = (self.mons[mon].life, self.mon_time(mon));
        let (found, takes) = self.find(mon, host, check);
        // One run at a time: the next begins when this one has ended.
        let period = self.config.check_period.as_ms() * 1000;
        let next = self.us + period.max(takes);
        if takes < SOON {
            self.queue.push(next, Due::Check { mon, host, check, life });
            return self.check_ended(mon, host, check, found, began);
        }
        let found = Box::new(found);
        let due = Due::CheckEnd { mon, host, check, life, found, began };
        self.queue.push(self.us + takes, due);
        self.queue.push(next, Due::Check { mon, host, check, life });
    }

    /// The core wants to know at once.
    pub(super) fn probe(&mut self, mon: usize, host: usize) {
        let (life, began) = (self.mons[mon].life, self.mon_time(mon));
        let (found, takes) = self.find(mon, host, Check::Mysql);
        let at = self.us + takes.max(500);
        let found = Box::new(found);
        let due = Due::CheckEnd { mon, host, check: Check::Mysql, life, found, began };
        self.queue.push(at, due);
    }

    pub(super) fn check_ended(
        &mut self,
        mon: usize,
        host: usize,
        check: Check,
        found: Found,
        began: Time,
    ) {
        let took = self.mon_time(mon).since(began);
        self.tell_monitor(mon, Input::Checked { host, check, found, began, took });
    }

    /// What a check finds, and after how long.
    fn find(&mut self, mon: usize, host: usize, check: Check) -> (Found, u64) {
        let machine = self.monitor_machine(mon);
        let timeout = self.config.check_timeout.as_ms() * 1000;
        let takes = self.net.takes(&mut self.draw, machine, host)
            + self.net.takes(&mut self.draw, host, machine);
        let reaches = self.passes(machine, host) && self.passes(host, machine);
        let soft = |why: &str| Found::Failed { why: why.to_owned(), hard: false };
        if check == Check::Ping {
            let answers = reaches
                && takes < timeout
                && self.net.passes(&mut self.draw, machine, host)
                && self.net.passes(&mut self.draw, host, machine);
            return if answers { (ok(), takes) } else { (soft("no answer"), timeout) };
        }
        let server = &self.hosts[host].server;
        let answers = reaches && takes < timeout && server.state != State::Silent;
        let found = match check {
            Check::Mysql if !answers => return (soft("no answer"), timeout),
            Check::Mysql if server.state == State::Gone => {
                Found::Failed { why: "connection refused, twice".to_owned(), hard: true }
            }
            _ if !answers || !server.up() => {
                let found = Found::Unknown("UNKNOWN: no connection".to_owned());
                return (found, if answers { takes } else { timeout });
            }
            Check::Ping | Check::Mysql => ok(),
            _ if server.source.is_none() => soft("Replication is not set up"),
            Check::RepThreads if !server.io || !server.sql => soft("Replication is broken"),
            Check::RepThreads => ok(),
            Check::RepBacklog => match server.lag(self.us) {
                Lag::Behind(lag) if lag > self.config.max_backlog => soft("Backlog is too big"),
                Lag::Behind(_) => ok(),
                _ => Found::Unknown("Backlog is null".to_owned()),
            },
        };
        (found, takes)
    }

    /// `kill_host_bin`: a way to the power of a host that needs no network.
    pub(super) fn run_hook(&mut self, mon: usize, host: usize) {
        let ok = self.config.kill_host == Hook::On;
        if ok {
            self.act(&Action::Kill(Process::Host(host)));
        }
        let why = if ok { String::new() } else { "the power switch does not answer".to_owned() };
        let (life, at) = (self.mons[mon].life, self.us + 300_000 + self.draw.below(700_000));
        let input = Box::new(Input::Hooked { host, ok, why });
        self.queue.push(at, Due::MonitorInput { mon, life, input });
    }

    pub(super) fn look_at_network(&mut self, mon: usize) {
        let life = self.mons[mon].life;
        self.queue.push(self.us + NETWORK_EVERY, Due::Network { mon, life });
        let up = self.net.gateway;
        let message = if up { "10.0.0.1 answers" } else { "no answer from 10.0.0.1" };
        self.tell_monitor(mon, Input::Network { up, message: message.to_owned() });
    }
}

fn ok() -> Found {
    Found::Ok("OK".to_owned())
}
