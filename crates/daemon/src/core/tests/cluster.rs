//! The cluster: time, links, the monitor with its checks and its disk, a writing client, and the
//! invariants that are looked at after every millisecond.

mod checks;
mod links;
mod watch;

use std::collections::VecDeque;

use mmm_proto::agent::{FromAgent, Stamp, ToAgent};
use mmm_proto::console::Answer;
use mmm_proto::event::Event;
use mmm_proto::view::{ClusterView, WriterState};
use mmm_proto::{Check, HostState, Time, Verb, Wall};

use super::host::ToyHost;
use super::{host_index, host_name, topology, writer_vip};
use crate::core::Now;
use crate::core::monitor::hosts::Found;
use crate::core::monitor::topology::Topology;
use crate::core::monitor::{Asker, Input, Monitor, Request, Stored};

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
    /// What the hook does: how long it takes and whether it succeeds; none: it never ends.
    pub(super) hook: Option<(u64, bool)>,
    /// The runs of the hook: when, for whom, whether it answered pings.
    pub(super) hooked: Vec<(u64, usize, bool)>,
    hooks: Vec<(u64, usize, bool)>,
    /// How often in a row something was seen that nothing is in the way of.
    idle_looks: u32,
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
            hook: None,
            hooked: Vec::new(),
            hooks: Vec::new(),
            idle_looks: 0,
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
                role.vips.iter().all(|vip| vip.host.is_some() && vip.seen_on.len() == 1)
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
        Now { boot: Time(self.now + CLOCK), wall: Wall(self.now as i64) }
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

    /// The row of the state table that held for a host last.
    pub(super) fn row_of(&self, host: usize) -> Option<&'static str> {
        self.monitor.as_ref().and_then(|monitor| monitor.row_of(host))
    }

    /// Whether a server replicates from another one, both threads on.
    pub(super) fn follows(&self, host: usize, source: usize) -> bool {
        let server = &self.hosts[host].server;
        server.source == Some(source) && server.io && server.sql
    }

    /// The readers of a host by decision.
    pub(super) fn readers(&self, host: usize) -> usize {
        let view = self.view();
        let reader = &view.roles[1];
        let mine = |vip: &&mmm_proto::view::VipView| {
            vip.host.as_ref().is_some_and(|name| *name == *host_name(host))
        };
        reader.vips.iter().filter(mine).count()
    }

    pub(super) fn said(&self, text: &str) -> bool {
        self.events.iter().any(|(_, event)| event.line().contains(text))
    }

    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.tick();
        }
    }

    /// Runs until that is so; says what was going on when it never was. Gives the time that it
    /// took.
    pub(super) fn until(&mut self, what: &str, ms: u64, so: impl Fn(&Self) -> bool) -> u64 {
        let began = self.now;
        while !so(self) {
            assert!(self.now - began < ms, "not within {ms} ms: {what}\n{}", self.tail());
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
        let asker = Asker { console: 1, id: self.asked, who: "ann".to_owned() };
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
        self.mind_hooks();
        if self.monitor.is_some() && !self.paused && now >= self.wake {
            self.feed(Input::Tick);
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
}
