//! What people and bad luck do to a cluster: one arm for each action.

use mmm_proto::Span;

use super::World;
use crate::core::monitor::Request;
use crate::sim::action::{Action, Node, Process};
use crate::sim::clock::Clock;
use crate::sim::server::State;

/// A machine that was booted shows so much on its boot clock when its programs start.
const BOOTED: u64 = 5_000;

impl World {
    pub(super) fn perform(&mut self, action: &Action) {
        self.remember_trouble(action);
        self.net.now = self.us;
        match action {
            Action::Kill(process) => self.kill(*process),
            Action::Start(process) => self.start(*process),
            Action::Stop(process) => self.stop(*process),
            Action::Cont(process) => self.cont(*process),
            Action::Cut(path) => self.net.cut(*path, true),
            Action::Heal(path) => {
                self.net.cut(*path, false);
                self.resend();
            }
            Action::HealAll => {
                self.net.heal_all();
                self.network_changes(true);
                self.resend();
            }
            Action::Delay(path, span) => self.net.delay(*path, *span),
            Action::Drop(path, percent) => self.net.drop(*path, *percent),
            Action::Duplicate(path, percent) => self.net.duplicate(*path, *percent),
            Action::Network(up) => self.network_changes(*up),
            Action::Write(on) => self.writing = *on,
            Action::WriteEvery(span) => self.write_every = span.as_ms().max(1) * 1000,
            Action::Wall(ms) => self.wall += ms,
            Action::Calm => self.calm(),
            Action::PutBack => self.put_back(),
            Action::Control(_) | Action::Plan(_) | Action::Apply | Action::Halt => {
                self.command(action);
            }
            _ => self.perform_on_host(action),
        }
    }

    fn perform_on_host(&mut self, action: &Action) {
        match action {
            Action::Lag(..)
            | Action::Thread { .. }
            | Action::BreakSql(_)
            | Action::Hold(..)
            | Action::Lock(_)
            | Action::Unlock(_)
            | Action::ReadOnly(..)
            | Action::Rebuild(_) => self.perform_on_server(action),
            Action::Disk(node, ok) => match Self::mon_of(*node) {
                Some(mon) => self.mons[mon].disk_ok = *ok,
                None => self.each_host(*node, |host| host.disk_ok = *ok),
            },
            Action::DiskTakes(node, span) => {
                let us = span.as_ms() * 1000;
                match Self::mon_of(*node) {
                    Some(mon) => self.mons[mon].disk_takes = us,
                    None => self.each_host(*node, |host| host.disk_takes = us),
                }
            }
            Action::Fail(kind, host) => self.hosts[*host].failing |= 1 << *kind as u32,
            Action::Works(kind, host) => {
                self.hosts[*host].failing &= !(1 << *kind as u32);
                self.hosts[*host].slow[*kind as usize] = 0;
            }
            Action::Slow(kind, host, span) => {
                self.hosts[*host].slow[*kind as usize] = span.as_ms() * 1000;
            }
            Action::Vip(host, ip, up) => {
                if let Some(vip) = self.vip_index(*ip) {
                    let vip = &mut self.hosts[*host].vips[vip];
                    vip.until = if *up { u64::MAX } else { 0 };
                    vip.by_hand = *up;
                }
            }
            Action::Forget(node) => match Self::mon_of(*node) {
                Some(mon) => self.mons[mon].disk = None,
                None => self.each_host(*node, |host| (host.disk, host.forgot) = (None, true)),
            },
            Action::Drift(node, ppm) => {
                let us = self.us;
                match Self::mon_of(*node) {
                    Some(mon) => self.mons[mon].clock.drift(us, *ppm),
                    None => self.each_host(*node, |host| host.clock.drift(us, *ppm)),
                }
            }
            _ => {}
        }
    }

    fn each_host(&mut self, node: Node, change: impl FnOnce(&mut crate::sim::host::Host)) {
        if let Node::Host(host) = node
            && let Some(host) = self.hosts.get_mut(host)
        {
            change(host);
        }
    }

    fn perform_on_server(&mut self, action: &Action) {
        let us = self.us;
        match action {
            Action::Lag(host, span) => {
                self.hosts[*host].server.late = *span;
                self.apply_soon(*host);
            }
            Action::Thread { host, sql, on } => {
                self.hosts[*host].server.thread(*sql, *on);
                self.pull_soon(*host, 1_000);
                self.apply_soon(*host);
            }
            Action::BreakSql(host) => {
                let server = &mut self.hosts[*host].server;
                server.sql = false;
                "duplicate key in table t".clone_into(&mut server.error);
            }
            Action::Hold(host, span) if self.hosts[*host].server.up() => {
                self.hosts[*host].server.held = Some((us, self.after(*span)));
            }
            Action::Lock(host) => self.hosts[*host].server.locked = self.hosts[*host].server.up(),
            Action::Unlock(host) => self.hosts[*host].server.locked = false,
            Action::ReadOnly(host, on) if self.hosts[*host].server.up() => {
                self.hosts[*host].server.read_only = *on;
            }
            Action::Rebuild(host) => self.rebuild(*host),
            _ => {}
        }
    }

    fn kill(&mut self, process: Process) {
        match process {
            Process::Server(host) => self.kill_server(host),
            Process::Agent(host) => self.kill_agent(host),
            Process::Host(host) => self.power_off(host),
            Process::Monitor => self.kill_monitor(0),
            Process::Second => self.kill_monitor(1),
        }
    }

    pub(super) fn kill_server(&mut self, host: usize) {
        if self.hosts[host].server.state == State::Gone {
            return;
        }
        let lost = if self.config.durable { 0 } else { self.draw.below(4) };
        let server = &mut self.hosts[host].server;
        let keep = server.applied.saturating_sub(lost);
        server.kill(keep);
        self.server_ended(host);
    }

    fn power_off(&mut self, host: usize) {
        if !self.hosts[host].on {
            return;
        }
        self.hosts[host].on = false;
        self.kill_agent(host);
        let lost = if self.config.durable { 0 } else { self.draw.below(4) };
        let record = &mut self.hosts[host];
        if record.server.state != State::Gone {
            let keep = record.server.applied.saturating_sub(lost);
            record.server.kill(keep);
        }
        record.stopped = false;
        record.vips.fill(Default::default());
        self.agent_ended(host);
    }

    fn start(&mut self, process: Process) {
        match process {
            Process::Server(host) => self.start_server(host),
            Process::Agent(host) => self.start_agent(host),
            Process::Host(host) => {
                let us = self.us;
                let ppm = self.draw.below(2_001) as i64 - 1_000;
                let record = &mut self.hosts[host];
                if record.on {
                    return;
                }
                record.on = true;
                record.boots += 1;
                record.clock = Clock::new(us, BOOTED, ppm);
                self.reset_links(host);
                self.start_server(host);
                self.start_agent(host);
            }
            Process::Monitor => self.start_monitor(0),
            Process::Second => self.start_monitor(1),
        }
    }

    fn start_server(&mut self, host: usize) {
        let read_only = !self.config.boots_writable;
        if self.hosts[host].on {
            self.hosts[host].server.start(read_only);
            self.pull_soon(host, 1_000);
        }
    }

    fn stop(&mut self, process: Process) {
        match process {
            Process::Server(host) => {
                let server = &mut self.hosts[host].server;
                if server.up() {
                    server.state = State::Silent;
                }
            }
            Process::Agent(host) => {
                let record = &mut self.hosts[host];
                record.agent_stopped = record.agent.is_some();
            }
            Process::Host(host) => self.hosts[host].stopped = self.hosts[host].on,
            Process::Monitor | Process::Second => {
                let mon = usize::from(process == Process::Second);
                self.mons[mon].paused = self.mons[mon].core.is_some();
                if self.mons[mon].paused {
                    self.watch.monitor_stands(self.us, mon);
                }
            }
        }
    }

    fn cont(&mut self, process: Process) {
        match process {
            Process::Server(host) => {
                let server = &mut self.hosts[host].server;
                if server.state == State::Silent {
                    server.state = State::Up;
                }
                self.pull_soon(host, 1_000);
                self.apply_soon(host);
            }
            Process::Agent(host) => {
                if std::mem::take(&mut self.hosts[host].agent_stopped) {
                    self.unpark(host);
                }
            }
            Process::Host(host) => {
                if std::mem::take(&mut self.hosts[host].stopped) {
                    self.unpark(host);
                    self.resend();
                    self.pull_soon(host, 1_000);
                    self.apply_soon(host);
                }
            }
            Process::Monitor | Process::Second => {
                let mon = usize::from(process == Process::Second);
                if std::mem::take(&mut self.mons[mon].paused) {
                    self.watch.monitor_goes_on(self.us, mon);
                    self.unpark_monitor(mon);
                }
            }
        }
    }

    fn command(&mut self, action: &Action) {
        let request = match action {
            Action::Control(verb) => Request::Run(verb.clone()),
            Action::Plan(verb) => Request::Plan(verb.clone()),
            Action::Apply => match self.last_plan.take() {
                Some(plan) => Request::Apply { plan },
                None => return,
            },
            _ => match self.watch.plan() {
                Some(plan) => Request::Stop { plan },
                None => return,
            },
        };
        self.ask(request);
    }

    /// Which hosts somebody made trouble for, so that it is known which are well.
    fn remember_trouble(&mut self, action: &Action) {
        let us = self.us;
        let node = |node: &Node| match node {
            Node::Host(host) => (*host, *host + 1),
            Node::Monitor | Node::Second => (0, usize::MAX),
        };
        let process = |process: &Process| match process {
            Process::Server(host) | Process::Agent(host) | Process::Host(host) => {
                (*host, *host + 1)
            }
            Process::Monitor | Process::Second => (0, usize::MAX),
        };
        let (from, to) = match action {
            Action::Kill(p) | Action::Start(p) | Action::Stop(p) | Action::Cont(p) => process(p),
            Action::Disk(n, _) | Action::DiskTakes(n, _) | Action::Forget(n) => node(n),
            Action::Lag(host, _)
            | Action::Thread { host, .. }
            | Action::BreakSql(host)
            | Action::Vip(host, ..)
            | Action::ReadOnly(host, _)
            | Action::Rebuild(host)
            | Action::Fail(_, host)
            | Action::Works(_, host)
            | Action::Slow(_, host, _) => (*host, *host + 1),
            Action::Network(_) | Action::Calm => (0, usize::MAX),
            _ => return,
        };
        let to = to.min(self.hosts.len());
        for host in &mut self.hosts[from.min(to)..to] {
            host.trouble_at = us;
        }
    }

    /// How long ago somebody last made trouble for a host itself; none while it is in trouble.
    pub(super) fn well_for(&self, host: usize) -> Option<Span> {
        let record = &self.hosts[host];
        let ill = !record.awake()
            || record.agent.is_none()
            || !record.server.up()
            || !record.disk_ok
            || record.disk_takes > 0
            || record.failing != 0
            || record.slow.iter().any(|slow| *slow > 0)
            || record.server.late > Span::ZERO;
        (!ill).then(|| Span((self.us - record.trouble_at) / 1000))
    }
}
