//! The cluster: time, links, the monitor with its checks and its disk, a writing client, and the invariants
//! that are looked at after every millisecond.

use std::collections::VecDeque;
use std::net::IpAddr;

use mmm_proto::agent::{Duty, FromAgent, Stamp, ToAgent};
use mmm_proto::console::Answer;
use mmm_proto::event::Event;
use mmm_proto::view::{ClusterView, WriterState};
use mmm_proto::{Check, HostState, Span, Time, Verb, Wall};

use super::host::ToyHost;
use super::server::Process;
use super::{host_index, host_name, reader_vip, topology, writer_vip};
use crate::core::Now;
use crate::core::agent::Input as AgentInput;
use crate::core::monitor::hosts::Found;
use crate::core::monitor::topology::Topology;
use crate::core::monitor::{Asker, Effect, Input, Monitor, Request, Stored};

/// The monitor's boot clock minus the time of the test.
const CLOCK: u64 = 50_000_000;
/// One way between monitor and agent.
const DELAY: u64 = 2;
/// Silence after which either side gives a link up.
const SILENCE: u64 = 5_000;
/// A check that gets no answer.
const CHECK_TIMEOUT: u64 = 1_000;
/// The longest that a move may take by all its limits together.
const MOVE_LIMIT: u64 = 45_000;

#[derive(Debug, Default)]
struct Link {
    id: u64,
    up: bool,
    /// The starts of the agent and of the monitor that it connects.
    lives: (u64, u64),
    broken_since: Option<u64>,
    dial_at: u64,
    down: VecDeque<(u64, ToAgent)>,
    back: VecDeque<(u64, FromAgent)>,
}

#[derive(Debug)]
struct Pending {
    due: u64,
    host: usize,
    check: Check,
    found: Found,
    began: u64,
}

pub(super) struct Cluster {
    pub(super) now: u64,
    pub(super) top: Topology,
    pub(super) monitor: Option<Monitor>,
    life: u64,
    pub(super) disk: Option<Stored>,
    pub(super) disk_fails: bool,
    disk_told: bool,
    /// The monitor's process stands still; what comes in waits.
    pub(super) paused: bool,
    waiting: Vec<Input>,
    wake: u64,
    pub(super) hosts: Vec<ToyHost>,
    links: Vec<Link>,
    /// Nothing passes between the monitor and that host.
    pub(super) cut: [bool; 3],
    /// Nothing passes between that host and the other hosts.
    pub(super) cut_peers: [bool; 3],
    checks: Vec<Pending>,
    /// Only the test says what the checks of that host find.
    lossy: [bool; 3],
    pub(super) events: Vec<(u64, Event)>,
    answers: Vec<(u64, Answer)>,
    asked: u64,
    pub(super) writing: bool,
    /// Every acknowledged write: when, its number, the server that took it.
    pub(super) acked: Vec<(u64, usize, u32)>,
    /// Moments without a host that takes writes, in milliseconds in a row, and the longest.
    gap: u64,
    pub(super) longest_gap: u64,
    stamp: Stamp,
    log: Vec<String>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        Self::with(topology())
    }

    pub(super) fn with(top: Topology) -> Self {
        let mut cluster = Self {
            now: 0,
            top,
            monitor: None,
            life: 0,
            disk: None,
            disk_fails: false,
            disk_told: false,
            paused: false,
            waiting: Vec::new(),
            wake: 0,
            hosts: (0..3).map(ToyHost::new).collect(),
            links: (0..3).map(|_| Link::default()).collect(),
            cut: [false; 3],
            cut_peers: [false; 3],
            checks: Vec::new(),
            lossy: [false; 3],
            events: Vec::new(),
            answers: Vec::new(),
            asked: 0,
            writing: true,
            acked: Vec::new(),
            gap: 0,
            longest_gap: 0,
            stamp: Stamp::default(),
            log: Vec::new(),
        };
        cluster.hosts[0].server.follow(1);
        cluster.hosts[1].server.follow(0);
        cluster.hosts[2].server.follow(0);
        cluster.start_monitor();
        cluster
    }

    /// A cluster in service: db1 writer, all readers given.
    pub(super) fn in_service() -> Self {
        Self::new().put_in_service()
    }

    pub(super) fn put_in_service(mut self) -> Self {
        self.until("all are seen", 5_000, |c| {
            (0..3).all(|h| c.state(h) == HostState::AwaitingRecovery)
        });
        for host in ["db1", "db2", "db3"] {
            let answer = self.control(&format!("set_online {host}"));
            assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
            if host == "db1" {
                self.until("db1 is writer", 5_000, |c| c.writer() == Some("db1"));
            }
        }
        self.until("all is given", 8_000, Self::settled);
        self.longest_gap = 0;
        self
    }

    /// The same, beyond the time in which the replication of a host with a fresh peer is excused.
    pub(super) fn mature() -> Self {
        let mut cluster = Self::in_service();
        cluster.run(62_000);
        assert!(cluster.settled(), "{}", cluster.tail());
        cluster
    }

    pub(super) fn settled(&self) -> bool {
        let view = self.view();
        view.writer.state == WriterState::Serving
            && view.running.is_none()
            && view.roles.iter().all(|role| {
                role.vips
                    .iter()
                    .all(|vip| vip.host.is_some() && vip.seen_on.len() == 1)
            })
    }

    pub(super) fn start_monitor(&mut self) {
        let monitor = Monitor::new(self.top.clone(), self.disk.clone(), self.mon_now());
        self.disk = Some(monitor.stored());
        self.monitor = Some(monitor);
        self.life += 1;
        self.wake = self.now;
    }

    pub(super) fn kill_monitor(&mut self) {
        self.monitor = None;
        self.waiting.clear();
        self.checks.clear();
    }

    fn mon_now(&self) -> Now {
        Now {
            boot: Time(self.now + CLOCK),
            wall: Wall(self.now as i64),
        }
    }

    pub(super) fn view(&self) -> ClusterView {
        self.monitor.as_ref().expect("the monitor runs").view()
    }

    /// Who serves as writer by the monitor's word.
    pub(super) fn writer(&self) -> Option<&'static str> {
        let writer = self.view().writer;
        (writer.state == WriterState::Serving).then(|| host_name(host_index(&writer.host.unwrap())))
    }

    pub(super) fn state(&self, host: usize) -> HostState {
        self.view().hosts[host].state
    }

    /// The readers of a host by decision.
    pub(super) fn readers(&self, host: usize) -> usize {
        let view = self.view();
        let reader = &view.roles[1];
        let mine = |vip: &&mmm_proto::view::VipView| {
            vip.host
                .as_ref()
                .is_some_and(|name| *name == *host_name(host))
        };
        reader.vips.iter().filter(mine).count()
    }

    pub(super) fn said(&self, text: &str) -> bool {
        self.events
            .iter()
            .any(|(_, event)| event.line().contains(text))
    }

    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.tick();
        }
    }

    /// Runs until that is so; says what was going on when it never was. Gives the time that it took.
    pub(super) fn until(&mut self, what: &str, ms: u64, so: impl Fn(&Self) -> bool) -> u64 {
        let began = self.now;
        while !so(self) {
            assert!(
                self.now - began < ms,
                "not within {ms} ms: {what}\n{}",
                self.tail()
            );
            self.tick();
        }
        self.now - began
    }

    pub(super) fn tail(&self) -> String {
        let from = self.log.len().saturating_sub(60);
        let mut text = self.log[from..].join("\n");
        for host in &self.hosts {
            let (agent, link) = (host.agent.is_some(), &self.links[host.index]);
            text += &format!(
                "\n{}: agent {agent} {:?}, server {:?} read_only {}, vips {:?}, link {} to {:?}",
                host.name(),
                host.duty,
                host.server.process,
                host.server.read_only,
                host.vips.keys(),
                link.up,
                link.lives
            );
        }
        if let Some(monitor) = &self.monitor {
            let view = monitor.view();
            text += &format!("\nheld: {:?}, writer: {:?}", view.held, view.writer);
            for host in &view.hosts {
                text += &format!(
                    "\n{} {} ({}) duty {} vips {:?} read_only {:?} {:?} {}",
                    host.name,
                    host.state,
                    host.why,
                    host.agent.duty,
                    host.server.vips,
                    host.server.read_only,
                    host.server.reach,
                    host.agent.trouble
                );
            }
        }
        text
    }

    /// A line in what is shown when a test fails.
    pub(super) fn note(&mut self, text: &str) {
        self.log.push(format!("{:>7} -- {text}", self.now));
    }

    /// Asks and goes on; the answer comes later.
    pub(super) fn ask(&mut self, words: &str) -> u64 {
        let words: Vec<&str> = words.split(' ').collect();
        let verb = Verb::parse(&words).unwrap();
        self.request(Request::Run(verb))
    }

    pub(super) fn request(&mut self, request: Request) -> u64 {
        self.asked += 1;
        let asker = Asker {
            console: 1,
            id: self.asked,
            who: "ann".to_owned(),
        };
        let line = format!("{:>7} asked {request:?}", self.now);
        self.log.push(line);
        self.feed(Input::Asked { asker, request });
        self.asked
    }

    /// The final answer to a request, if it came.
    pub(super) fn answer(&self, id: u64) -> Option<Answer> {
        let mine = |(of, answer): &&(u64, Answer)| *of == id && answer.is_final();
        self.answers.iter().find(mine).map(|(_, a)| a.clone())
    }

    /// Asks and waits for the final answer.
    pub(super) fn control(&mut self, words: &str) -> Answer {
        let id = self.ask(words);
        self.until(words, 60_000, |c| c.answer(id).is_some());
        self.answer(id).unwrap()
    }

    /// The reason of a refusal.
    pub(super) fn refusal(&mut self, words: &str) -> String {
        match self.control(words) {
            Answer::Refused { refusal } => refusal.reason,
            other => panic!("{words} was not refused: {other:?}\n{}", self.tail()),
        }
    }

    /// The text of a success.
    pub(super) fn ok(&mut self, words: &str) -> String {
        match self.control(words) {
            Answer::Done { text, .. } => text,
            other => panic!("{words}: {other:?}\n{}", self.tail()),
        }
    }

    fn tick(&mut self) {
        self.now += 1;
        let now = self.now;
        if !self.paused {
            for input in std::mem::take(&mut self.waiting) {
                self.feed(input);
            }
        }
        for host in &mut self.hosts {
            host.tick(now);
        }
        self.replicate();
        if self.writing && now.is_multiple_of(10) {
            self.write();
        }
        for host in 0..3 {
            self.mind_link(host);
        }
        self.mind_checks();
        if self.monitor.is_some() && !self.paused {
            if now >= self.wake {
                self.feed(Input::Tick);
            }
        }
        self.look_at_invariants();
    }

    fn replicate(&mut self) {
        for host in 0..3 {
            if self.hosts[host].frozen {
                continue;
            }
            let source = self.hosts[host].server.source.filter(|source| {
                let there = &self.hosts[*source];
                let open = !self.cut_peers[host] && !self.cut_peers[*source];
                open && !there.frozen && there.server.up()
            });
            let now = self.now;
            let theirs = source.map(|at| std::mem::take(&mut self.hosts[at].server.applied));
            self.hosts[host].server.replicate(now, theirs.as_deref());
            if let (Some(source), Some(theirs)) = (source, theirs) {
                self.hosts[source].server.applied = theirs;
            }
        }
    }

    /// A client on every side of every cut: it writes wherever a write is taken.
    fn write(&mut self) {
        for host in &mut self.hosts {
            if host.accepts(writer_vip()) {
                let id = host.server.id;
                host.server.applied.push(id);
                host.server.sessions = 5;
                self.acked.push((self.now, host.server.applied.len(), id));
            }
        }
    }

    fn mind_link(&mut self, host: usize) {
        let now = self.now;
        let alive = self.hosts[host].agent.is_some() && !self.hosts[host].frozen;
        let passes = !self.cut[host] && !self.hosts[host].frozen;
        let both = self.hosts[host].agent.is_some() && self.monitor.is_some();
        let lives = (self.hosts[host].life, self.life);
        if !self.links[host].up {
            if both && alive && passes && !self.paused && now >= self.links[host].dial_at {
                self.links[host] = Link {
                    id: self.links[host].id + 1,
                    up: true,
                    lives: (self.hosts[host].life, self.life),
                    ..Link::default()
                };
                let link = self.links[host].id;
                self.hosts[host].give(AgentInput::LinkUp { link });
                let version = "toy".to_owned();
                self.feed(Input::LinkUp { host, version });
            }
            self.hosts[host].outbox.clear();
            return;
        }
        let link = &mut self.links[host];
        for (to, message) in std::mem::take(&mut self.hosts[host].outbox) {
            if to.is_none_or(|to| to == link.id) {
                link.back.push_back((now + DELAY, message));
            }
        }
        let gone = (!both || lives != link.lives) && passes;
        link.broken_since = if passes {
            None
        } else {
            link.broken_since.or(Some(now))
        };
        if gone || link.broken_since.is_some_and(|since| now - since > SILENCE) {
            let id = link.id;
            *link = Link {
                id,
                dial_at: now + 100,
                ..Link::default()
            };
            let why = "connection lost".to_owned();
            let down = AgentInput::LinkDown { link: id, why };
            self.hosts[host].give(down);
            let why = "no route".to_owned();
            self.feed(Input::LinkDown { host, why });
            return;
        }
        if !passes {
            return;
        }
        let link = &mut self.links[host];
        let (mut there, mut here) = (Vec::new(), Vec::new());
        while link.down.front().is_some_and(|(due, _)| now >= *due) {
            there.extend(link.down.pop_front().map(|(_, message)| message));
        }
        while link.back.front().is_some_and(|(due, _)| now >= *due) {
            here.extend(link.back.pop_front().map(|(_, message)| message));
        }
        let link = link.id;
        for message in there {
            self.hosts[host].give(AgentInput::Heard { link, message });
        }
        for message in here {
            let at = Time(now + CLOCK);
            self.feed(Input::Said { host, at, message });
        }
    }

    /// Gives the monitor an input and carries out what comes of it.
    pub(super) fn feed(&mut self, input: Input) {
        if self.paused {
            if !matches!(input, Input::Tick) {
                self.waiting.push(input);
            }
            return;
        }
        let input = match input {
            // The shell stamps what it reads when it reads it.
            Input::Said { host, message, .. } => Input::Said {
                host,
                at: Time(self.now + CLOCK),
                message,
            },
            other => other,
        };
        let at = self.mon_now();
        let Some(monitor) = &mut self.monitor else {
            return;
        };
        let effects = monitor.step(at, input);
        self.wake = monitor.next_wakeup().0 - CLOCK;
        let stored = monitor.stored();
        let stamp = Stamp {
            term: stored.term,
            seq: stored.seq,
        };
        assert!(stamp >= self.stamp, "the stamp went back to {stamp}");
        self.stamp = stamp;
        let mut lost = false;
        for effect in effects {
            match effect {
                Effect::Persist(_) if self.disk_fails => lost = true,
                Effect::Persist(stored) => self.disk = Some(*stored),
                Effect::Event(event) => {
                    self.log.push(format!("{:>7} {}", self.now, event.line()));
                    self.events.push((self.now, event));
                }
                _ if lost => {}
                Effect::Send { host, message } => self.send(host, message),
                Effect::Probe { host } => self.check(host, Check::Mysql),
                Effect::Answer { to, answer } => {
                    self.log.push(format!("{:>7} answer {answer:?}", self.now));
                    self.answers.push((to.id, answer));
                }
            }
        }
        if lost && !self.disk_told {
            self.disk_told = true;
            let why = "disk full".to_owned();
            self.feed(Input::StoreFailed { why });
        } else if self.disk_told && !self.disk_fails {
            self.disk_told = false;
            self.disk = self.monitor.as_ref().map(Monitor::stored);
            self.feed(Input::StoreWorks);
        }
    }

    fn send(&mut self, host: usize, message: ToAgent) {
        if let ToAgent::Order(order) = &message {
            let line = format!(
                "{:>7} order {} to {}: {:?}",
                self.now,
                order.stamp,
                host_name(host),
                order.step
            );
            self.log.push(line);
        }
        let link = &mut self.links[host];
        if link.up {
            link.down.push_back((self.now + DELAY, message));
        }
    }

    fn mind_checks(&mut self) {
        for host in 0..3 {
            if (self.now + 300 * host as u64).is_multiple_of(1_000) && !self.lossy[host] {
                for check in Check::ALL {
                    self.check(host, check);
                }
            }
        }
        let (due, later) = std::mem::take(&mut self.checks)
            .into_iter()
            .partition(|check| self.now >= check.due);
        self.checks = later;
        let due: Vec<Pending> = due;
        for Pending {
            host,
            check,
            found,
            began,
            ..
        } in due
        {
            let took = Span(self.now - began);
            let began = Time(began + CLOCK);
            self.feed(Input::Checked {
                host,
                check,
                found,
                began,
                took,
            });
        }
    }

    fn check(&mut self, host: usize, check: Check) {
        if self.monitor.is_none() || self.paused {
            return;
        }
        let there = &self.hosts[host];
        let mute = self.cut[host] || there.frozen;
        let fail = |why: &str, hard| Found::Failed {
            why: why.to_owned(),
            hard,
        };
        let server = &there.server;
        let slow = mute || (check == Check::Mysql && server.process == Process::Silent);
        let found = match check {
            _ if slow && matches!(check, Check::Ping | Check::Mysql) => fail("no answer", false),
            Check::Ping => Found::Ok("OK".to_owned()),
            Check::Mysql if server.process == Process::Gone => fail("refused twice", true),
            Check::Mysql => Found::Ok("OK".to_owned()),
            _ if mute || !server.up() => Found::Unknown("UNKNOWN: no connection".to_owned()),
            _ if server.source.is_none() => fail("Replication is not set up", false),
            Check::RepThreads if !server.io || !server.sql => fail("Replication is broken", false),
            Check::RepThreads => Found::Ok("OK".to_owned()),
            Check::RepBacklog => match server.lag(self.now) {
                mmm_proto::Lag::Behind(lag) if lag > self.top.timing.max_backlog => {
                    fail("Backlog is too big", false)
                }
                mmm_proto::Lag::Behind(_) => Found::Ok("OK".to_owned()),
                _ => Found::Unknown("Backlog is null".to_owned()),
            },
        };
        let due = self.now + if slow { CHECK_TIMEOUT } else { DELAY };
        self.checks.push(Pending {
            due,
            host,
            check,
            found,
            began: self.now,
        });
    }

    /// The monitor's check of a host fails by a time-out, whatever the host is like.
    pub(super) fn fail_check(&mut self, host: usize, check: Check) {
        self.checks.retain(|p| p.host != host || p.check != check);
        let found = Found::Failed {
            why: "no answer".to_owned(),
            hard: false,
        };
        let began = self.now;
        self.checks.push(Pending {
            due: began,
            host,
            check,
            found,
            began,
        });
        self.lossy[host] = true;
    }

    /// Another monitor, or one without its memory, counts anew.
    pub(super) fn forget_stamp(&mut self) {
        self.stamp = Stamp::default();
    }

    /// All links break and are made again.
    pub(super) fn relink(&mut self) {
        for host in 0..3 {
            let id = self.links[host].id;
            self.links[host] = Link {
                id,
                ..Link::default()
            };
            let why = "connection lost".to_owned();
            self.hosts[host].give(AgentInput::LinkDown { link: id, why });
            let why = "connection lost".to_owned();
            self.feed(Input::LinkDown { host, why });
        }
    }

    fn look_at_invariants(&mut self) {
        let open = self.accepting(writer_vip());
        assert!(
            open.len() <= 1,
            "{open:?} take writes at once at {}\n{}",
            self.now,
            self.tail()
        );
        for reader in 0..3 {
            let up = self.holding(reader_vip(reader));
            assert!(up.len() <= 1, "reader {reader} on {up:?}\n{}", self.tail());
        }
        self.gap = if open.is_empty() { self.gap + 1 } else { 0 };
        self.longest_gap = self.longest_gap.max(self.gap);
        self.look_at_openings();
        for host in 0..3 {
            // Each host may begin a handful of acts at once, but not go on like that.
            let begun = &self.hosts[host].begun;
            if let Some((at, _)) = begun.len().checked_sub(100).and_then(|n| begun.get(n)) {
                let spam = &begun[begun.len() - 10..];
                assert!(self.now - at > 1_000, "hot loop: {spam:?}\n{}", self.tail());
            }
        }
        if let Some(at) = self.events.len().checked_sub(100) {
            let (first, _) = self.events[at];
            assert!(self.now - first > 2_000, "event spam\n{}", self.tail());
        }
        if self.now.is_multiple_of(500)
            && let Some(running) = self.monitor.as_ref().and_then(|m| m.view().running)
        {
            assert!(
                running.took.as_ms() < MOVE_LIMIT,
                "{running:?}\n{}",
                self.tail()
            );
        }
    }

    /// A host that opens must be the only one whose agent is not done with the role.
    fn look_at_openings(&self) {
        let duty = |host: usize| self.hosts[host].duty;
        let awake = |host: usize| !self.hosts[host].frozen && !self.hosts[host].stopped;
        let opens = |host: &usize| duty(*host) == Duty::Opening && awake(*host);
        for opening in (0..3).filter(opens) {
            for other in (0..3).filter(|host| *host != opening && awake(*host)) {
                // One that fences may not know yet that there is nothing to fence.
                let bad = duty(other).may_accept_writes() && duty(other) != Duty::Fencing;
                assert!(
                    !bad,
                    "{} opens while {} is {:?}\n{}",
                    host_name(opening),
                    host_name(other),
                    duty(other),
                    self.tail()
                );
            }
        }
    }

    fn accepting(&self, vip: IpAddr) -> Vec<&'static str> {
        let open = self.hosts.iter().filter(|host| host.accepts(vip));
        open.map(ToyHost::name).collect()
    }

    /// The hosts that have an address, but for machines that stand still.
    pub(super) fn holding(&self, vip: IpAddr) -> Vec<&'static str> {
        let up = self
            .hosts
            .iter()
            .filter(|host| !host.frozen && host.vips.contains_key(&vip));
        up.map(ToyHost::name).collect()
    }

    /// Acknowledged writes that a host does not have.
    pub(super) fn missing_on(&self, host: usize) -> usize {
        let all = &self.hosts[host].server.applied;
        let missing = |(_, number, id): &&(u64, usize, u32)| all.get(number - 1) != Some(id);
        self.acked.iter().filter(missing).count()
    }

    /// Who takes writes now.
    pub(super) fn open_host(&self) -> Option<&'static str> {
        self.accepting(writer_vip()).first().copied()
    }
}
