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
    /// As in `mond/probe`: one task for ping, one for the three that ask the server, one after the
    /// other.
    pub(super) fn check(&mut self, mon: usize, host: usize, check: Check) {
        let life = self.mons[mon].life;
        let (found, mut takes) = self.find(mon, host, check);
        let up = matches!(found, Found::Ok(_));
        self.found(mon, host, check, found, takes);
        if check == Check::Mysql {
            let answer = self.find_replication(mon, host, up);
            // What is not asked costs no time of its own.
            takes = if up { takes + answer.1 } else { takes };
            let [threads, backlog] = answer.0;
            self.found(mon, host, Check::RepThreads, threads, takes);
            self.found(mon, host, Check::RepBacklog, backlog, takes);
        }
        // One run at a time: the next begins when this one has ended.
        let period = self.config.check_period.as_ms() * 1000;
        self.queue.push(self.us + period.max(takes), Due::Check { mon, host, check, life });
    }

    /// What was found comes in when the check ends.
    fn found(&mut self, mon: usize, host: usize, check: Check, found: Found, takes: u64) {
        let (life, began) = (self.mons[mon].life, self.mon_time(mon));
        if takes < SOON {
            return self.check_ended(mon, host, check, found, began);
        }
        let found = Box::new(found);
        let due = Due::CheckEnd { mon, host, check, life, found, began };
        self.queue.push(self.us + takes, due);
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

    /// What `ping` or `mysql` finds, and after how long.
    fn find(&mut self, mon: usize, host: usize, check: Check) -> (Found, u64) {
        let machine = self.monitor_machine(mon);
        let timeout = self.config.check_timeout.as_ms() * 1000;
        let (takes, reaches) = self.there_and_back(machine, host);
        if check == Check::Ping {
            let answers = reaches
                && takes < timeout
                && self.net.passes(&mut self.draw, machine, host)
                && self.net.passes(&mut self.draw, host, machine);
            return if answers { (ok(), takes) } else { (soft("no answer"), timeout) };
        }
        let server = &self.hosts[host].server;
        match (reaches && takes < timeout, server.state) {
            (false, _) | (true, State::Silent) => (soft("no answer"), timeout),
            (true, State::Gone) => {
                let why = "connection refused, twice".into();
                (Found::Failed { why, hard: true }, takes)
            }
            (true, State::Up) => (ok(), takes),
        }
    }

    /// What the two checks of replication read from one answer, and after how long; nothing where
    /// the server is known not to answer.
    fn find_replication(&mut self, mon: usize, host: usize, up: bool) -> ([Found; 2], u64) {
        let unknown = || Found::Unknown("UNKNOWN: no connection".into());
        if !up {
            return ([unknown(), unknown()], 0);
        }
        let timeout = self.config.check_timeout.as_ms() * 1000;
        let (takes, reaches) = self.there_and_back(self.monitor_machine(mon), host);
        if !reaches || takes >= timeout {
            return ([unknown(), unknown()], timeout);
        }
        let server = &self.hosts[host].server;
        if server.source.is_none() {
            let none = || soft("Replication is not set up");
            return ([none(), none()], takes);
        }
        let runs = server.io && server.sql;
        let threads = if runs { ok() } else { soft("Replication is broken") };
        let backlog = match server.lag(self.us) {
            Lag::Behind(lag) if lag > self.config.max_backlog => soft("Backlog is too big"),
            Lag::Behind(_) => ok(),
            _ => Found::Unknown("Backlog is null".into()),
        };
        ([threads, backlog], takes)
    }

    /// How long a question and its answer take, and whether both ways are open.
    fn there_and_back(&mut self, machine: usize, host: usize) -> (u64, bool) {
        let takes = self.net.takes(&mut self.draw, machine, host)
            + self.net.takes(&mut self.draw, host, machine);
        (takes, self.passes(machine, host) && self.passes(host, machine))
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

    /// `ping_ips` answer again, or no more: the next look finds it.
    pub(super) fn network_changes(&mut self, up: bool) {
        self.net.gateway = up;
        for mon in 0..self.mons.len() {
            let (life, at) = (self.mons[mon].life, self.us + self.draw.below(NETWORK_EVERY));
            self.queue.push(at, Due::Network { mon, life });
        }
    }

    pub(super) fn look_at_network(&mut self, mon: usize) {
        // Told at the start and whenever it changes.
        let up = self.net.gateway;
        if self.mons[mon].network_told.replace(up) == Some(up) {
            return;
        }
        let message = if up { "10.0.0.1 answers" } else { "no answer from 10.0.0.1" };
        self.tell_monitor(mon, Input::Network { up, message: message.to_owned() });
    }
}

fn soft(why: &'static str) -> Found {
    Found::Failed { why: why.into(), hard: false }
}

fn ok() -> Found {
    Found::Ok("OK".into())
}
