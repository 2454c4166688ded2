//! The simulated cluster: what is due happens in order of time, and after each step the invariants
//! are looked at. Both cores run here as in the product; `world/agent.rs` and `world/monitor.rs` do
//! what their shells do.

mod acting;
mod agent;
mod checks;
mod data;
mod hands;
mod links;
mod live;
mod monitor;
mod peers;
mod repair;
mod status;
mod telling;

use mmm_proto::console::Answer;
use mmm_proto::event::Event;
use mmm_proto::peer::PeerMessage;
use mmm_proto::{ClusterView, HostState, Span, Time, Verb, Wall};

use super::action::{Action, Node};
use super::clock::{Clock, DRIFT_PPM};
use super::config::{WorldConfig, vips};
use super::draw::Draw;
use super::due::Due;
use super::host::Host;
use super::net::Net;
use super::queue::Queue;
use super::story::{Story, Told};
use super::watch::{Violation, Watch};
use crate::core::Now;
use crate::core::agent::Roster;
use crate::core::monitor::Request;
use crate::core::monitor::topology::Topology;
use links::Conn;
use monitor::Mon;

/// What the wall clocks show when the world begins.
const WALL: i64 = 1_700_000_000_000;

/// The cluster was set up so many milliseconds before its time begins: terms are counted up from
/// the calendar of then.
const SET_UP: i64 = 30 * 86_400_000;

/// How long a cluster may take to get into service at the beginning.
const WARM_UP: u64 = 60_000_000;

/// A simulated cluster.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    top: Topology,
    rosters: Vec<Roster>,
    vips: Vec<std::net::IpAddr>,
    /// World time in microseconds, and what counts as the beginning.
    us: u64,
    origin: u64,
    draw: Draw,
    queue: Queue<Due>,
    net: Net,
    hosts: Vec<Host>,
    mons: Vec<Mon>,
    conns: Vec<Conn>,
    /// The wall clocks' error in milliseconds.
    wall: i64,
    writing: bool,
    write_every: u64,
    runs: u32,
    asked: u64,
    answers: Vec<(u64, Answer)>,
    last_plan: Option<u64>,
    events: Vec<(Time, Event)>,
    watch: Watch,
    trace: Option<Vec<(Time, String)>>,
    story: Option<Story>,
    steps: u64,
}

impl World {
    /// A cluster as configured; everything that is left to chance is drawn from `seed`. With
    /// `in_service` it is in service already, and its time counts from then on.
    pub fn new(config: WorldConfig, seed: u64) -> Self {
        Self::with_wall(config, seed, 0)
    }

    /// The same with wall clocks that are so many milliseconds off.
    fn with_wall(config: WorldConfig, seed: u64, wall: i64) -> Self {
        let mut draw = if config.jitter { Draw::new(seed) } else { Draw::still() };
        let addresses = vips(&config);
        let mut host = |index: usize| {
            let own = draw.between(60_000, 10_000_000);
            let clock = Clock::new(0, own, drift(&mut draw));
            Host::new(index, addresses.len(), clock)
        };
        let mut hosts: Vec<Host> = (0..config.hosts).map(&mut host).collect();
        for (index, host) in hosts.iter_mut().enumerate() {
            let source = if index == 0 { usize::from(config.masters > 1) } else { 0 };
            if index != source {
                host.server.follow(source);
            }
        }
        let top = config.topology();
        let mut world = Self {
            rosters: (0..config.hosts).map(|host| config.roster(&top, host)).collect(),
            top,
            vips: addresses,
            us: 0,
            origin: 0,
            queue: Queue::new(),
            net: Net::new(config.hosts, config.delay),
            hosts,
            mons: Vec::new(),
            conns: Vec::new(),
            wall,
            writing: true,
            write_every: config.write_every.as_ms().max(1) * 1000,
            runs: 0,
            asked: 0,
            answers: Vec::new(),
            last_plan: None,
            events: Vec::new(),
            watch: Watch::new(&config),
            trace: None,
            story: None,
            steps: 0,
            draw,
            config,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.wall -= SET_UP;
        for _ in 0..2 {
            let own = self.draw.between(60_000, 10_000_000);
            let clock = Clock::new(0, own, drift(&mut self.draw));
            self.mons.push(Mon::new(clock, self.config.hosts));
        }
        for host in 0..self.hosts.len() {
            self.start_agent(host);
            self.pull_soon(host, 0);
        }
        self.start_monitor(0);
        self.queue.push(self.write_every, Due::Write);
        if self.config.in_service {
            self.warm_up();
        }
        self.origin = self.us;
        self.wall += SET_UP;
        self.events.clear();
        self.answers.clear();
        self.watch.begin(self.us);
    }

    /// An operator sets all hosts online, the first one first.
    fn warm_up(&mut self) {
        let mut asked = 0;
        while self.us < WARM_UP && self.watch.violation.is_none() {
            let until = self.us + 250_000;
            self.run_to(until);
            let Some(core) = &self.mons[0].core else { return };
            if asked == 2 {
                if self.settled() {
                    return;
                }
                continue;
            }
            if asked == 1 && self.watch.open.is_none() {
                continue;
            }
            let waits = |host: &usize| core.state_of(*host) == Some(HostState::AwaitingRecovery);
            let first = usize::from(asked == 1);
            let waiting: Vec<usize> = (first..self.hosts.len()).filter(waits).collect();
            if asked == 0 && waiting.len() < self.hosts.len() {
                continue;
            }
            for host in waiting.into_iter().take(if asked == 0 { 1 } else { usize::MAX }) {
                let host = self.top.hosts[host].name.clone();
                self.ask(Request::Run(Verb::SetOnline { host }));
            }
            asked += 1;
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Time {
        Time((self.us - self.origin) / 1000)
    }

    /// What the cluster is like.
    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// Lets everything happen up to and including `until`, or to the first violation.
    pub fn run_until(&mut self, until: Time) {
        self.run_to(self.origin + until.0 * 1000);
    }

    fn run_to(&mut self, until: u64) {
        while self.watch.violation.is_none() && self.queue.next().is_some_and(|at| at <= until) {
            self.step();
        }
        if self.watch.violation.is_none() {
            self.us = self.us.max(until);
            self.look();
        }
    }

    /// Lets the next thing happen and says when that was.
    pub fn step(&mut self) -> Time {
        let Some((at, due)) = self.queue.pop() else {
            return self.now();
        };
        self.us = self.us.max(at);
        self.steps += 1;
        // An act may open something; what people do looks by itself; and what else happens can only
        // close something, but for time itself, which ends what waits.
        let looks = matches!(due, Due::Phase { .. } | Due::MonitorWake { .. });
        self.happen(due);
        if looks || self.watch.told_something() {
            self.look();
        }
        self.now()
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::AgentWake { .. }
            | Due::AgentInput { .. }
            | Due::Look { .. }
            | Due::LookEnd { .. }
            | Due::Addresses { .. }
            | Due::Phase { .. }
            | Due::AgentWritten { .. }
            | Due::AgentSaved { .. } => self.agent_due(due),
            Due::MonitorWake { .. }
            | Due::MonitorInput { .. }
            | Due::MonitorWritten { .. }
            | Due::Check { .. }
            | Due::CheckEnd { .. }
            | Due::Network { .. } => self.monitor_due(due),
            Due::Dial { mon, host, life } => self.dial(mon, host, life),
            Due::Linked { conn } => self.linked(conn),
            Due::Packet { conn, down, packet } => self.arrive(conn, down, *packet),
            Due::Flush { conn, down } => self.flush(conn, down),
            Due::Silence { conn, down } => self.mind_silence(conn, down),
            Due::Peer { from, to, message } => self.peer_said(from, to, *message),
            Due::News { from, to, news } => self.peer_said(from, to, PeerMessage::News(news)),
            Due::Again { host, message } => self.once_more(host, *message),
            Due::Write => self.write(),
            Due::Pull { host } => self.pull(host),
            Due::Apply { host } => self.apply(host),
            Due::Restart(action) => self.act(&action),
        }
    }

    /// Asks the monitor; the answers come later under the number that this gives.
    pub fn ask(&mut self, request: Request) -> u64 {
        self.ask_as("ann", request)
    }

    /// The latest answer to a request.
    pub fn answer(&self, id: u64) -> Option<&Answer> {
        self.answers.iter().rev().find(|(of, _)| *of == id).map(|(_, answer)| answer)
    }

    /// What the monitor told, with the time.
    pub fn events(&self) -> &[(Time, Event)] {
        &self.events
    }

    /// The picture that consoles see; none while the monitor is dead.
    pub fn view(&self) -> Option<ClusterView> {
        self.mons[0].core.as_ref().map(crate::core::monitor::Monitor::view)
    }

    /// The first rule that was broken.
    pub fn violation(&self) -> Option<&Violation> {
        self.watch.violation.as_ref()
    }

    /// From now on what happens is written down for people.
    pub fn trace_on(&mut self) {
        self.trace.get_or_insert_default();
    }

    /// What happened since [`World::trace_on`].
    pub fn trace(&self) -> &[(Time, String)] {
        self.trace.as_deref().unwrap_or_default()
    }

    fn note(&mut self, line: String) {
        let now = self.now();
        if let Some(trace) = &mut self.trace {
            trace.push((now, line));
        }
    }

    /// How many things have happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The host that takes writes through the writer's VIP now.
    pub fn open_host(&self) -> Option<usize> {
        (0..self.hosts.len()).find(|host| self.hosts[*host].accepts(self.us))
    }

    /// How much time was simulated in all.
    pub fn simulated(&self) -> Span {
        Span(self.us / 1000)
    }

    fn wall_now(&self) -> Wall {
        Wall(WALL + (self.us / 1000) as i64 + self.wall)
    }

    fn host_now(&self, host: usize) -> Now {
        Now { boot: self.hosts[host].clock.now(self.us), wall: self.wall_now() }
    }

    fn after(&self, span: Span) -> u64 {
        self.us + span.as_ms() * 1000
    }

    fn monitor_machine(&self, mon: usize) -> usize {
        self.net.machine(if mon == 0 { Node::Monitor } else { Node::Second })
    }

    /// Whether what `from` sends reaches the machine of `to` now.
    fn passes(&self, from: usize, to: usize) -> bool {
        let runs = |machine: usize| self.hosts.get(machine).is_none_or(Host::runs);
        !self.net.is_cut(from, to) && runs(from) && runs(to)
    }

    /// Lets somebody do something to the cluster.
    pub fn act(&mut self, action: &Action) {
        if self.trace.is_some() {
            self.note(format!("> {action}"));
        }
        self.tell(|| Told::Did(action.clone()));
        self.watch.acted(self.us, action);
        self.perform(action);
        self.look();
    }

    fn look(&mut self) {
        if self.watch.violation.is_none() {
            let before = self.watch.open;
            self.watch.look(self.us, self.origin, &self.hosts);
            let open = self.watch.open;
            if open != before {
                self.tell(|| Told::Open(open));
            }
            if self.watch.opened {
                self.judge_opening();
            }
            if self.watch.plan_is_late(self.us) {
                let held = self.view().is_none_or(|view| !view.held.is_empty());
                self.watch.judge_late_plan(self.us, held);
            }
        }
    }
}

fn drift(draw: &mut Draw) -> i64 {
    draw.below(2 * DRIFT_PPM as u64 + 1) as i64 - DRIFT_PPM
}
