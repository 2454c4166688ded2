//! One host of the simulation: machine, agent process with its disk, kernel addresses, server. What
//! the agent's shell does in the product (`agentd/worker.rs`) is done by `world/agent.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use mmm_proto::Time;
use mmm_proto::agent::{Duty, Stamp};

use super::action::ActKind;
use super::clock::Clock;
use super::due::Due;
use super::server::Server;
use crate::core::agent::{Act, Agent, Input, Kept};

/// An act under way.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: u64,
    pub(super) act: Act,
    /// World time at which it began, and its limit in microseconds.
    pub(super) began: u64,
    pub(super) limit: u64,
    pub(super) takes: u64,
    /// Its first half is done.
    pub(super) half: bool,
}

/// An address of the cluster as the kernel of a host knows it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Vip {
    /// World time at which the kernel drops it; zero when it is not there.
    pub(super) until: u64,
    /// An administrator put it there: that is nobody's fault but his.
    pub(super) by_hand: bool,
    /// Every packet to it is answered with a reset.
    pub(super) refused: bool,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) clock: Clock,
    /// Counts boots; the boot id is made of it.
    pub(super) boots: u32,
    pub(super) on: bool,
    /// The machine stands still.
    pub(super) stopped: bool,
    pub(super) agent: Option<Agent>,
    /// Counts starts and ends of the agent: what is due for an earlier life is nothing any more.
    pub(super) life: u32,
    /// The agent's process stands still.
    pub(super) agent_stopped: bool,
    /// It waits for its disk.
    pub(super) busy: bool,
    pub(super) pumping: bool,
    pub(super) inbox: VecDeque<Input>,
    /// The connections whose end here is up, in the order in which they were made.
    pub(super) links: Vec<usize>,
    /// World time for which a wake-up is queued.
    pub(super) wake_at: u64,
    /// The wish that it was made from.
    pub(super) wake_for: Time,
    /// The state file as a new process finds it.
    pub(super) disk: Option<Arc<Kept>>,
    /// Its state file was lost at some time: since then it may not know when it served.
    pub(super) forgot: bool,
    pub(super) disk_ok: bool,
    /// How long a synced write takes, in microseconds.
    pub(super) disk_takes: u64,
    /// When the latest write in the background ends: they do not overtake each other.
    pub(super) saved_at: u64,
    pub(super) unwritten: Option<Arc<Kept>>,
    /// The latest write failed, and the core was told.
    pub(super) store_fails: bool,
    pub(super) works: Vec<Work>,
    /// What came due while the process or the machine stood still.
    pub(super) parked: Vec<Due>,
    /// In the order of `config::vips`.
    pub(super) vips: Vec<Vip>,
    pub(super) server: Server,
    /// Bits by [`ActKind`].
    pub(super) failing: u32,
    /// Microseconds by [`ActKind`]; zero is as usual.
    pub(super) slow: [u64; 13],
    /// World time for which a pull of the receiver is queued, and a turn of the applier.
    pub(super) pull_at: u64,
    pub(super) apply_at: u64,
    pub(super) duty: Duty,
    pub(super) seen: Stamp,
    /// Acts begun in the present second: since when, how many, how many of them heavy.
    pub(super) begun: (u64, u32, u32),
    /// World time of the latest trouble that somebody made here.
    pub(super) trouble_at: u64,
}

impl Host {
    pub(super) fn new(index: usize, vips: usize, clock: Clock) -> Self {
        Self {
            clock,
            boots: 1,
            on: true,
            stopped: false,
            agent: None,
            life: 0,
            agent_stopped: false,
            busy: false,
            pumping: false,
            inbox: VecDeque::new(),
            links: Vec::new(),
            wake_at: u64::MAX,
            wake_for: Time(0),
            disk: None,
            forgot: false,
            disk_ok: true,
            disk_takes: 0,
            saved_at: 0,
            unwritten: None,
            store_fails: false,
            works: Vec::new(),
            parked: Vec::new(),
            vips: vec![Vip::default(); vips],
            server: Server::new(index as u32 + 1),
            failing: 0,
            slow: [0; 13],
            pull_at: u64::MAX,
            apply_at: u64::MAX,
            duty: Duty::None,
            seen: Stamp::default(),
            begun: (0, 0, 0),
            trouble_at: 0,
        }
    }

    /// Differs after each boot.
    pub(super) fn boot_id(&self) -> String {
        format!("boot-{}", self.boots)
    }

    /// The machine runs.
    pub(super) fn runs(&self) -> bool {
        self.on && !self.stopped
    }

    /// A write of the state failed: the core is told when that begins.
    pub(super) fn store_failed(&mut self, why: &str) {
        if !std::mem::replace(&mut self.store_fails, true) {
            self.inbox.push_back(Input::StoreFailed { why: why.to_owned() });
        }
    }

    /// A write of the state worked: the core is told when one had failed before.
    pub(super) fn store_worked(&mut self) {
        if std::mem::take(&mut self.store_fails) {
            self.inbox.push_back(Input::StoreWorks);
        }
    }

    /// The agent's process runs.
    pub(super) fn awake(&self) -> bool {
        self.runs() && !self.agent_stopped
    }

    pub(super) fn has_vip(&self, vip: usize, now: u64) -> bool {
        self.on && self.vips[vip].until > now
    }

    /// Whether a client gets a write accepted through the writer's address now, from wherever.
    pub(super) fn accepts(&self, now: u64) -> bool {
        let vip = &self.vips[0];
        vip.until > now && !vip.refused && self.server.up() && !self.server.read_only && self.runs()
    }

    pub(super) fn fails(&self, kind: ActKind) -> bool {
        self.failing & (1 << kind as u32) != 0
    }
}
