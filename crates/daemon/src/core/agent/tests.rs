//! The agent core alone: one input at a time, and exactly what comes of it.

mod conflicts;
mod countdown;
mod holding;
mod ordered;
mod promising;
mod replicating;
mod restarting;
mod telling;

use std::net::IpAddr;

use mmm_proto::agent::{
    Duty, FromAgent, Grant, Hold, Order, Outcome, Reach, Replicate, Replication, Server, Stamp,
    Stance, Step, Thread, ToAgent, Want,
};
use mmm_proto::peer::{Askable, PeerMessage};
use mmm_proto::{HostName, HostState, Lag, RoleMode, RoleName, Span, Time, Wall};

use super::{Act, ActResult, Agent, Countdown, Effect, Input, Kept, Roster, RosterVip};
use crate::core::Now;

const TTL: Span = Span::secs(3);
const LINK: u64 = 1;

fn writer_vip() -> IpAddr {
    IpAddr::from([10, 0, 0, 100])
}

fn reader_vip() -> IpAddr {
    IpAddr::from([10, 0, 0, 101])
}

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

fn roster() -> Roster {
    let vip =
        |ip, role: &str, mode, writer| RosterVip { ip, role: role.parse().unwrap(), mode, writer };
    let host = |text: &str, last| (name(text), IpAddr::from([10, 0, 0, last]), 3306);
    Roster {
        me: name("db1"),
        hosts: vec![host("db1", 11), host("db2", 12)],
        vips: vec![
            vip(writer_vip(), "writer", RoleMode::Exclusive, true),
            vip(reader_vip(), "reader", RoleMode::Balanced, false),
        ],
    }
}

fn hold(ip: IpAddr, stance: Stance) -> Hold {
    let writer = ip == writer_vip();
    let role: RoleName = if writer { "writer" } else { "reader" }.parse().unwrap();
    Hold {
        role,
        vip: ip,
        mode: if writer { RoleMode::Exclusive } else { RoleMode::Balanced },
        writer,
        stance,
    }
}

fn want(holds: Vec<Hold>) -> Want {
    Want {
        state: HostState::Online,
        holds,
        active_master: None,
        replicate: Replicate::AsIs,
        ask: Askable::default().into(),
        prepared: Vec::new(),
    }
}

fn serve() -> Want {
    want(vec![hold(writer_vip(), Stance::Serve)])
}

fn stamp(seq: u64) -> Stamp {
    Stamp { term: 1, seq }
}

fn facts(read_only: bool) -> Server {
    let mut server = Server::unknown();
    server.reach = Reach::Up;
    server.read_only = Some(read_only);
    server
}

fn replica(source: &str, io: Thread, sql: Thread) -> Server {
    let mut server = facts(true);
    server.replication = Some(Replication {
        source: source.into(),
        port: 3306,
        io,
        sql,
        lag: Lag::Unknown,
        io_state: String::new(),
        sql_state: String::new(),
        error: String::new(),
        lacks_own: false,
    });
    server
}

/// An agent and its clock; acts are ended by the test.
struct Bench {
    agent: Agent,
    now: u64,
    /// Acts under way.
    acts: Vec<(u64, Act)>,
    said: Vec<FromAgent>,
    to_peers: Vec<(HostName, PeerMessage)>,
    kept: Option<Kept>,
    /// What grants say of it.
    heartbeat: Span,
    /// All effects of the latest step.
    last: Vec<Effect>,
}

impl Bench {
    fn start(kept: Option<Kept>, boot_id: &str, now: u64) -> Self {
        let agent = Agent::new(roster(), kept.clone(), boot_id, at(now));
        Self {
            agent,
            now,
            acts: Vec::new(),
            said: Vec::new(),
            to_peers: Vec::new(),
            kept,
            heartbeat: Span::ZERO,
            last: Vec::new(),
        }
    }

    /// An agent that found nothing to fence and is connected.
    fn idle() -> Self {
        let mut bench = Self::start(None, "boot", 10_000);
        bench.step(Input::Addresses { found: Vec::new() });
        bench.look(facts(true));
        assert_eq!(bench.duty(), Duty::None);
        bench.step(Input::LinkUp { link: LINK });
        bench
    }

    /// The writer in service by grant 1.5.
    fn serving() -> Self {
        let mut bench = Self::idle();
        bench.grant(5, serve());
        let id = bench.running("Open");
        bench.end(id, ActResult::Done);
        assert_eq!(bench.duty(), Duty::Serving);
        bench
    }

    /// The writer, frozen by order 1.6.
    fn frozen() -> Self {
        let mut bench = Self::serving();
        bench.order(6, freeze());
        let id = bench.running("Freeze");
        let at = "0-1-7".parse().unwrap();
        bench.end(id, ActResult::Frozen { at, killed: 2 });
        assert_eq!(bench.duty(), Duty::Frozen);
        bench
    }

    fn step(&mut self, input: Input) {
        let effects = self.agent.step(at(self.now), input);
        for effect in &effects {
            match effect {
                Effect::Begin { id, act, .. } => self.acts.push((*id, act.clone())),
                Effect::Abort { id } => self.acts.retain(|(running, _)| running != id),
                Effect::Say(message) | Effect::SayTo { message, .. } => {
                    self.said.push(message.clone());
                }
                Effect::Persist { kept, .. } => self.kept = Some((**kept).clone()),
                Effect::SayPeer { to, message } => {
                    self.to_peers.push((to.clone(), message.clone()));
                }
                Effect::TellPeers { to, news } => {
                    let news = |to: &HostName| (to.clone(), PeerMessage::News(news.clone()));
                    self.to_peers.extend(to.iter().map(news));
                }
                Effect::Announce { .. } => {}
            }
        }
        self.last = effects;
    }

    fn wait(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += 1;
            self.step(Input::Tick);
        }
    }

    fn look(&mut self, server: Server) {
        self.now += 1;
        let began = Time(self.now);
        self.step(Input::Facts { server: Box::new(server), began });
    }

    /// A grant that answers a report of just now.
    fn grant(&mut self, seq: u64, want: Want) {
        self.grant_for(seq, want, self.now);
    }

    fn grant_for(&mut self, seq: u64, want: Want, echo: u64) {
        self.now += 1;
        let (echo, heartbeat, want) = (Time(echo), self.heartbeat, want.into());
        let grant = Grant { stamp: stamp(seq), echo, ttl: TTL, heartbeat, want };
        let message = ToAgent::Grant(grant);
        self.step(Input::Heard { link: LINK, message });
    }

    fn order(&mut self, seq: u64, step: Step) {
        self.now += 1;
        let order = Order { id: 77, stamp: stamp(seq), limit: Span::secs(2), step };
        let message = ToAgent::Order(order);
        self.step(Input::Heard { link: LINK, message });
    }

    fn end(&mut self, id: u64, result: ActResult) {
        self.now += 3;
        self.acts.retain(|(running, _)| *running != id);
        self.step(Input::Ended { id, result });
    }

    fn fenced(&mut self) {
        let id = self.running("Fence");
        let result =
            ActResult::Fenced { safe: true, gone: true, ended: false, trouble: String::new() };
        self.end(id, result);
    }

    fn duty(&self) -> Duty {
        self.agent.report().duty
    }

    fn runs(&self, kind: &str) -> bool {
        self.acts.iter().any(|(_, act)| is(act, kind))
    }

    fn running(&self, kind: &str) -> u64 {
        let found = self.acts.iter().find(|(_, act)| is(act, kind));
        found.unwrap_or_else(|| panic!("no {kind} among {:?}", self.acts)).0
    }

    /// What came of order 77.
    fn outcome(&self) -> Option<&Outcome> {
        self.said.iter().rev().find_map(|message| match message {
            FromAgent::Done { id: 77, outcome } => Some(outcome),
            _ => None,
        })
    }

    fn refused(&self) -> Option<&str> {
        self.said.iter().rev().find_map(|message| match message {
            FromAgent::Refused { why, .. } => Some(why.as_str()),
            _ => None,
        })
    }

    fn told(&self, text: &str) -> bool {
        self.said
            .iter()
            .any(|message| matches!(message, FromAgent::News { what, .. } if what.contains(text)))
    }
}

fn at(now: u64) -> Now {
    Now { boot: Time(now), wall: Wall(0) }
}

fn is(act: &Act, kind: &str) -> bool {
    format!("{act:?}").starts_with(kind)
}

fn freeze() -> Step {
    Step::Freeze {
        role: "writer".parse().unwrap(),
        vip: writer_vip(),
        grace: Span::ms(500),
        kill: false,
    }
}

fn failed(why: &str) -> ActResult {
    ActResult::Failed { why: why.to_owned(), blockers: Vec::new() }
}
