//! The end of bad times: every fault ends, and an operator puts back what does not come back by
//! itself. Also the judgement of what a new writer lacks.

use mmm_proto::{HostState, MonitorMode, Span, Verb};

use super::World;
use crate::core::monitor::Request;
use crate::sim::action::{Action, Process};
use crate::sim::server::State;
use crate::sim::text::host_word;

/// A host counts as reachable in a failover when nobody made trouble for it since so long before.
const WELL: Span = Span::secs(6);

impl World {
    /// Somebody serves as writer, every role is given, each VIP is on its one host, no move runs.
    pub fn settled(&self) -> bool {
        let Some(open) = self.open_host() else { return false };
        let on_one =
            |vip: usize| self.hosts.iter().filter(|host| host.has_vip(vip, self.us)).count() == 1;
        if !(0..self.vips.len()).all(on_one) {
            // Cheaper than the picture.
            return false;
        }
        let Some(view) = self.view() else { return false };
        let writer = view.writer.host.as_ref().map(mmm_proto::HostName::as_str);
        writer == Some(host_word(open))
            && view.writer.state == mmm_proto::view::WriterState::Serving
            && view.running.is_none()
            && view.roles.iter().all(|role| {
                role.vips.iter().all(|vip| vip.host.is_some() && vip.seen_on.len() == 1)
            })
    }

    /// What is missing to [`World::settled`], in words.
    pub fn unsettled(&self) -> String {
        let Some(view) = self.view() else {
            return "the monitor is dead".to_owned();
        };
        let mut words = vec![format!("mode {} {}", view.mode, view.mode_cause)];
        match self.open_host() {
            Some(host) => words.push(format!("{} takes writes", host_word(host))),
            None => words.push("nobody takes writes".to_owned()),
        }
        let writer = &view.writer;
        words.push(format!("writer {:?} {:?} {}", writer.host, writer.state, writer.why));
        if let Some(running) = &view.running {
            words.push(format!("plan {} runs: {}", running.plan, running.title));
        }
        for host in &view.hosts {
            words.push(format!(
                "{} {} ({}) duty {} {}",
                host.name, host.state, host.why, host.agent.duty, host.agent.trouble
            ));
        }
        for (vip, ip) in self.vips.iter().enumerate() {
            let has = |host: &usize| self.hosts[*host].has_vip(vip, self.us);
            let on: Vec<&str> = (0..self.hosts.len()).filter(has).map(host_word).collect();
            if on.len() != 1 {
                words.push(format!("{ip} is on {} interfaces: {}", on.len(), on.join(", ")));
            }
        }
        for vip in view.roles.iter().flat_map(|role| &role.vips) {
            if vip.host.is_none() || vip.seen_on.len() != 1 {
                let (host, seen, note) = (&vip.host, &vip.seen_on, &vip.note);
                words.push(format!("{} given to {host:?}, seen on {seen:?} {note}", vip.ip));
            }
        }
        words.join("; ")
    }

    pub(super) fn calm(&mut self) {
        self.kill_monitor(1);
        for mon in &mut self.mons {
            (mon.disk_ok, mon.disk_takes) = (true, 0);
        }
        self.perform(&Action::HealAll);
        for host in 0..self.hosts.len() {
            let record = &mut self.hosts[host];
            (record.disk_ok, record.disk_takes, record.failing) = (true, 0, 0);
            record.slow = [0; 13];
            for vip in &mut record.vips {
                if vip.by_hand {
                    *vip = Default::default();
                }
            }
            record.server.late = Span::ZERO;
            record.server.end_sessions();
            self.perform(&Action::Start(Process::Host(host)));
            self.perform(&Action::Cont(Process::Host(host)));
            self.perform(&Action::Cont(Process::Agent(host)));
            self.perform(&Action::Start(Process::Agent(host)));
            if self.hosts[host].server.state == State::Gone {
                self.perform(&Action::Start(Process::Server(host)));
            }
            self.perform(&Action::Cont(Process::Server(host)));
            self.apply_soon(host);
            self.pull_soon(host, 1_000);
        }
        self.writing = true;
        self.perform(&Action::Cont(Process::Monitor));
        self.start_monitor(0);
        self.resend();
    }

    /// What an operator does who sees the picture: wakes up a monitor that was told to do nothing,
    /// rebuilds what has parted, starts replication that somebody stopped, sets hosts online.
    pub(super) fn put_back(&mut self) {
        let Some(core) = &self.mons[0].core else { return };
        let states: Vec<_> = (0..self.hosts.len()).map(|host| core.state_of(host)).collect();
        let (mode, cause) = core.mode();
        if cause.starts_with("superseded") {
            self.kill_monitor(0);
            self.start_monitor(0);
            return;
        }
        if mode != MonitorMode::Active {
            self.ask(Request::Run(Verb::SetActive));
        }
        for host in 0..self.hosts.len() {
            // `kill_host_bin` may have cut its power.
            self.perform(&Action::Start(Process::Host(host)));
        }
        self.mend_replication();
        for (host, state) in states.into_iter().enumerate() {
            if matches!(state, Some(HostState::AdminOffline | HostState::AwaitingRecovery)) {
                let host = self.top.hosts[host].name.clone();
                self.ask(Request::Run(Verb::SetOnline { host }));
            }
        }
    }

    /// Nobody is the writer: what stands still may be what is in the way.
    fn start_replication(&mut self) {
        for host in 0..self.hosts.len() {
            self.perform(&Action::Thread { host, sql: false, on: true });
            self.perform(&Action::Thread { host, sql: true, on: true });
        }
    }

    fn mend_replication(&mut self) {
        let Some(open) = self.open_host() else {
            return self.start_replication();
        };
        for host in (0..self.hosts.len()).filter(|host| *host != open) {
            let (mine, theirs) = (&self.hosts[host].server, &self.hosts[open].server);
            if !mine.up() {
                continue;
            }
            let parted = mine.log.same(&theirs.log) < mine.log.len().min(theirs.log.len())
                || mine.log.len() > theirs.log.len();
            if parted {
                self.perform(&Action::Rebuild(host));
            }
            let server = &mut self.hosts[host].server;
            if server.source.is_none() {
                server.follow(open);
            }
            server.error.clear();
            server.thread(false, true);
            server.thread(true, true);
            self.pull_soon(host, 1_000);
            self.apply_soon(host);
        }
    }

    pub(super) fn rebuild(&mut self, host: usize) {
        let from = self.open_host().filter(|open| *open != host);
        let Some(from) = from.filter(|_| self.hosts[host].server.up()) else {
            return;
        };
        let there =
            std::mem::replace(&mut self.hosts[from].server, crate::sim::server::Server::new(0));
        self.hosts[host].server.rebuild(&there);
        self.hosts[from].server = there;
        self.pull_soon(host, 1_000);
    }

    /// A host has begun to take writes: what does it lack of what clients were promised?
    pub(super) fn judge_opening(&mut self) {
        self.watch.opened = false;
        let Some(open) = self.watch.open else { return };
        let parted = self.watch.take_parted();
        // What was received and is not applied when writes begin is in their way.
        let server = &self.hosts[open].server;
        let kept = self.watch.promised.same(&server.log).min(server.applied);
        let lost = self.watch.promised.len() - kept;
        if lost == 0 {
            return;
        }
        let why = self.why_lost_is_wrong(open, lost).filter(|_| !parted);
        self.watch.promised.cut(kept);
        if let Some(why) = why.filter(|_| self.config.durable) {
            self.watch.break_rule(self.us, self.origin, "acknowledged writes are kept", why);
        }
    }

    fn why_lost_is_wrong(&self, open: usize, lost: u64) -> Option<String> {
        let name = host_word(open);
        if let Some((plan, title)) = self.watch.planned_move(self.us) {
            let what = format!("plan {plan}, {title}: {name} lacks {lost} acknowledged writes");
            return Some(what);
        }
        if self.watch.forced(self.us) {
            return None;
        }
        let last = self.watch.promised.len();
        let run = self.watch.promised.at(last)?.id;
        let since = WELL + self.watch.plan_runs_for(self.us)?;
        let well = |host: usize| self.well_for(host).is_some_and(|well| well >= since);
        let monitor = self.monitor_machine(0);
        let reach = |one: usize, two: usize| {
            let good = self.net.good_since(one, two);
            good.is_some_and(|good| self.us - good >= since.as_ms() * 1000)
        };
        if !well(open) || !self.monitor_well() || !reach(monitor, open) {
            return None;
        }
        let survivor = (0..self.hosts.len()).find(|host| {
            let server = &self.hosts[*host].server;
            *host != open
                && well(*host)
                && reach(*host, open)
                && reach(*host, monitor)
                && server.applied >= last
                // A lost writer whose network heals meanwhile may give a survivor more after that
                // was asked: who takes over cannot know. That survivor is reported as parted.
                && self.watch.had_when_asked(*host).is_none_or(|had| had >= last)
                && server.log.has(run, last)
                && !self.apart_and_out(*host, open)
        })?;
        Some(format!(
            "{name} opened without {lost} acknowledged writes that {} has, and both have been \
             reachable for {since} and more",
            host_word(survivor)
        ))
    }

    /// Whether nobody could have kept what `host` has: what `open` has does not go together with
    /// it, so that it cannot be fetched, and `host` cannot be the writer, as it is a slave or
    /// people set it offline. So it is when a second monitor made a host the writer that people
    /// had set offline with the first one, while the former writer went on by itself. Or that
    /// waits for a person by what the first one saw of it (AWAITING_RECOVERY), where a second one
    /// has led: no rule of one monitor can tell which of two histories people want. Nor can one
    /// tell which is the later where one of them has lost its memory of when it served.
    fn apart_and_out(&self, host: usize, open: usize) -> bool {
        let (one, other) = (&self.hosts[host].server.log, &self.hosts[open].server.log);
        let common = one.same(other);
        let second = self.mons[1].life > 0;
        let unknown = second && (self.hosts[open].forgot || self.hosts[host].forgot);
        let state = self.mons[0].core.as_ref().and_then(|core| core.state_of(host));
        let out = match state {
            Some(HostState::AdminOffline) => true,
            Some(HostState::AwaitingRecovery) => second,
            _ => false,
        };
        let out = out || unknown || host >= self.config.masters;
        out && common < one.len() && common < other.len()
    }

    fn monitor_well(&self) -> bool {
        let mon = &self.mons[0];
        mon.runs() && mon.disk_ok && mon.disk_takes == 0
    }
}
