//! A toy host: an agent core, its hands, the kernel's addresses and a toy server. Acts take some
//! milliseconds and are as rude as real ones: what was begun and is aborted stays half done.

mod hands;

use std::collections::BTreeMap;
use std::net::IpAddr;

use mmm_proto::agent::{Duty, FromAgent, Reach, Server, Stamp};
use mmm_proto::doctor::Findings;
use mmm_proto::{Time, Wall};

use super::server::{Process, Toy};
use super::{host_name, roster, writer_vip};
use crate::core::Now;
use crate::core::agent::{Act, ActResult, Agent, Effect, Input, Kept};

/// How often the server and the addresses are looked at.
const LOOK_EVERY: u64 = 500;

#[derive(Debug)]
struct Work {
    id: u64,
    act: Act,
    began: u64,
    limit: u64,
    /// Half of it is done.
    half: bool,
}

#[derive(Debug)]
pub(super) struct ToyHost {
    pub(super) index: usize,
    pub(super) agent: Option<Agent>,
    /// Counts starts of the agent: a link belongs to one of them.
    pub(super) life: u64,
    pub(super) disk: Option<Kept>,
    pub(super) boot_id: String,
    /// The boot clock of this host minus the time of the test.
    pub(super) clock: u64,
    pub(super) server: Toy,
    /// Addresses and when the kernel drops them.
    pub(super) vips: BTreeMap<IpAddr, u64>,
    /// Addresses at which every packet is answered with a reset.
    pub(super) refused: Vec<IpAddr>,
    works: Vec<Work>,
    look_at: u64,
    /// Looks under way: when they end, when they began, what they saw then.
    looks: Vec<(u64, u64, Server)>,
    told: Process,
    /// The whole machine stands still.
    pub(super) frozen: bool,
    /// The agent's process stands still.
    pub(super) stopped: bool,
    /// The disk of the agent fails.
    pub(super) disk_fails: bool,
    disk_told: bool,
    /// What the host's calendar is ahead of the monitor's, in milliseconds.
    pub(super) calendar: i64,
    /// It answers no examination.
    pub(super) mute: bool,
    /// Kinds of acts that fail, by their first word in `Debug`.
    pub(super) failing: BTreeMap<&'static str, String>,
    /// Kinds of acts that take so many milliseconds.
    pub(super) slow: BTreeMap<&'static str, u64>,
    inbox: Vec<Input>,
    /// What the agent said: to one link, or to all.
    pub(super) outbox: Vec<(Option<u64>, FromAgent)>,
    /// Every act that was begun, with its time.
    pub(super) begun: Vec<(u64, String)>,
    wake: u64,
    /// What the agent said of itself after its last step.
    pub(super) duty: Duty,
    pub(super) seen: Stamp,
}

fn kind(act: &Act) -> String {
    format!("{act:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}

impl ToyHost {
    pub(super) fn new(index: usize) -> Self {
        let mut host = Self {
            index,
            agent: None,
            life: 0,
            disk: None,
            boot_id: "boot-1".to_owned(),
            clock: 1_000_000 * (index as u64 + 1),
            server: Toy::new(index as u32 + 1),
            vips: BTreeMap::new(),
            refused: Vec::new(),
            works: Vec::new(),
            look_at: 0,
            looks: Vec::new(),
            told: Process::Up,
            frozen: false,
            stopped: false,
            disk_fails: false,
            disk_told: false,
            calendar: 0,
            mute: false,
            failing: BTreeMap::new(),
            slow: BTreeMap::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            begun: Vec::new(),
            wake: 0,
            duty: Duty::None,
            seen: Stamp::default(),
        };
        host.start_agent(0);
        host
    }

    /// As the agent's shell does, whatever the core is at.
    pub(super) fn examine(&mut self, now: u64, id: u64) {
        if !self.mute {
            let mut found = Findings::of(self.name());
            found.ok("machine", "looked at");
            let wall = Wall(now as i64 + self.calendar);
            self.outbox.push((None, FromAgent::Examined { id, wall, findings: found.done() }));
        }
    }

    fn now(&self, now: u64) -> Now {
        Now { boot: Time(now + self.clock), wall: Wall(now as i64) }
    }

    pub(super) fn start_agent(&mut self, now: u64) {
        let at = self.now(now);
        let me = roster(self.index);
        self.agent = Some(Agent::new(me, self.disk.clone(), &self.boot_id, at));
        self.life += 1;
        self.wake = now;
        self.look_at = now;
        self.inbox.clear();
    }

    pub(super) fn kill_agent(&mut self) {
        self.agent = None;
        self.duty = Duty::None;
        self.works.clear();
        self.looks.clear();
        self.inbox.clear();
        self.outbox.clear();
    }

    /// Power lost: everything goes but the disk.
    pub(super) fn power_off(&mut self) {
        self.kill_agent();
        self.server.kill();
        self.vips.clear();
        self.refused.clear();
    }

    pub(super) fn power_on(&mut self, now: u64) {
        self.boot_id.push('+');
        // The boot clock begins anew.
        self.clock = 5_000;
        self.server.start();
        self.start_agent(now);
    }

    pub(super) fn give(&mut self, input: Input) {
        if self.agent.is_some() {
            self.inbox.push(input);
        }
    }

    /// Whether a client gets a write accepted through that address now.
    pub(super) fn accepts(&self, vip: IpAddr) -> bool {
        !self.frozen
            && self.vips.contains_key(&vip)
            && self.server.up()
            && !self.server.read_only
            && !self.refused.contains(&vip)
    }

    pub(super) fn tick(&mut self, now: u64) {
        self.vips.retain(|_, until| now < *until);
        if self.frozen {
            return;
        }
        if self.agent.is_none() || self.stopped {
            return;
        }
        self.look(now);
        let inputs = std::mem::take(&mut self.inbox);
        let quiet = inputs.is_empty();
        for input in inputs {
            self.step(now, input);
        }
        if quiet && now >= self.wake {
            self.step(now, Input::Tick);
        }
        // After the core: one that wakes up late ends what it must not go on with.
        self.work(now);
    }

    fn look(&mut self, now: u64) {
        if self.told != self.server.process {
            self.told = self.server.process;
            if self.told == Process::Gone {
                let why = "the sentinel's connection was refused".to_owned();
                self.inbox.push(Input::Lost { reach: Reach::Gone { why } });
            }
            self.look_at = now;
        }
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            let long = if self.server.process == Process::Silent { 2_000 } else { 2 };
            let saw = self.server.facts(now);
            self.looks.push((now + long, now, saw));
            let found = self.vips.keys().copied().collect();
            self.inbox.push(Input::Addresses { found });
        }
        let (done, rest) =
            std::mem::take(&mut self.looks).into_iter().partition(|(end, ..)| now >= *end);
        self.looks = rest;
        let done: Vec<(u64, u64, Server)> = done;
        for (_, began, server) in done {
            self.inbox
                .push(Input::Facts { server: Box::new(server), began: Time(began + self.clock) });
        }
    }

    fn step(&mut self, now: u64, input: Input) {
        let at = self.now(now);
        let Some(agent) = &mut self.agent else { return };
        let effects = agent.step(at, input);
        self.wake = agent.next_wakeup().0.saturating_sub(self.clock);
        let (duty, seen) = (agent.duty(), agent.seen());
        assert!(seen >= self.seen, "{} went back", host_name(self.index));
        (self.duty, self.seen) = (duty, seen);
        // As the worker does: what must be on disk is written before anything of the step is done.
        let mut held = false;
        for effect in &effects {
            if let Effect::Persist { kept, sync } = effect {
                if !self.disk_fails {
                    self.disk = Some((**kept).clone());
                } else if *sync {
                    held = true;
                }
            }
        }
        if held && !self.disk_told {
            self.disk_told = true;
            self.inbox.push(Input::StoreFailed { why: "disk full".to_owned() });
        } else if self.disk_told && !self.disk_fails {
            self.disk_told = false;
            self.inbox.push(Input::StoreWorks);
        }
        for effect in effects {
            match effect {
                // The agents of these clusters cannot reach each other.
                Effect::SayPeer { .. } | Effect::TellPeers { .. } => {}
                Effect::Persist { .. } | Effect::Announce { .. } => {}
                Effect::Say(message) => self.outbox.push((None, message)),
                Effect::SayTo { link, message } => self.outbox.push((Some(link), message)),
                Effect::Abort { id } => self.works.retain(|work| work.id != id),
                Effect::Begin { id, act, .. } if held && matches!(act, Act::Open { .. }) => {
                    let why = "the state could not be written down".to_owned();
                    self.inbox.push(Input::Ended { id, result: failed(why) });
                }
                Effect::Begin { id, act, limit } => self.begin(now, id, act, limit),
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        host_name(self.index)
    }

    pub(super) fn holds_writer_vip(&self) -> bool {
        self.vips.contains_key(&writer_vip())
    }
}

fn failed(why: String) -> ActResult {
    ActResult::Failed { why, blockers: Vec::new() }
}
