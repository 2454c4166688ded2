//! The conversation of monitor and agent.
//!
//! The monitor dials. The agent reports what is true on its host whenever it changes and at every
//! heartbeat; the monitor answers each report with a [`Grant`] that says what the host should hold
//! and for how long (which is also how a frozen host is told to serve again), and sends an
//! [`Order`] for each step of a move. No secret ever travels here: the agent finds accounts in its
//! own configuration.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::doctor::Finding;
use crate::gtid::GtidPos;
use crate::host::HostState;
use crate::line::Message;
use crate::name::{HostName, RoleName};
use crate::peer::{Askable, PeerHeard, Promised};
use crate::role::RoleMode;
pub use crate::server::{Blocker, Reach, Replication, Server, Settings, Thread};
use crate::time::{Span, Time, Wall};

/// Orders decisions: `term` counts monitor leaderships, `seq` decisions within a term. An agent
/// refuses anything with a lower stamp than it has seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Stamp {
    pub term: u64,
    pub seq: u64,
}

impl Stamp {
    /// Whether it stands for no decision at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.seq)
    }
}

/// What the monitor says to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToAgent {
    /// Permission for a time, and what the host should look like.
    Grant(Grant),
    /// One step of a move, to be answered by [`FromAgent::Done`] with the same `id`.
    Order(Order),
    /// Examine the host and tell what was found, within `limit`, by [`FromAgent::Examined`] with
    /// the same `id`. Decides nothing, so it carries no stamp.
    Examine { id: u64, limit: Span },
    /// The last line was understood by nobody; says which and why.
    Error { why: String },
}

impl Message for ToAgent {
    const KINDS: &'static [&'static str] = &["grant", "order", "examine", "error"];
}

/// Permission to hold what `want` names until `echo + ttl` on the AGENT's clock, whenever it
/// arrives: a late or repeated grant extends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub stamp: Stamp,
    /// The `clock` of the report that this answers.
    pub echo: Time,
    pub ttl: Span,
    /// How often the agent is to report; zero, from an older monitor, leaves it to the agent.
    #[serde(default, skip_serializing_if = "Span::is_zero")]
    pub heartbeat: Span,
    pub want: Arc<Want>,
}

/// What a host should look like. The agent compares it with what it finds and acts on the
/// difference, so a lost message is repaired by the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    pub state: HostState,
    pub holds: Vec<Hold>,
    /// The writer of the cluster, for the host's own log.
    pub active_master: Option<HostName>,
    pub replicate: Replicate,
    /// Whom to ask for promises when no monitor is heard.
    #[serde(default, skip_serializing_if = "Askable::is_empty")]
    pub ask: Arc<Askable>,
    /// VIPs that nobody is to have just now: this host may be given them and promises nobody not to
    /// take them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<IpAddr>,
}

/// One VIP that a host should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub role: RoleName,
    pub vip: IpAddr,
    pub mode: RoleMode,
    /// Whether this role makes its host writable (the active master role).
    pub writer: bool,
    pub stance: Stance,
}

/// How a VIP is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// In service.
    Serve,
    /// A move is under way: stay as the orders of the move left you, neither thaw nor drop.
    Frozen,
}

/// Where a host should replicate from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replicate {
    /// From that host, by GTID.
    From(HostName),
    /// Replication stopped, its settings kept.
    Off,
    /// Leave it alone.
    AsIs,
}

/// One step of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub stamp: Stamp,
    /// How long the step may take, from its arrival. The agent answers before it is over.
    pub limit: Span,
    pub step: Step,
}

/// What an order asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Look at the server now and report it: positions, longest transaction, sessions.
    Look,
    /// Refuse new connections on the VIP, set `read_only`, end the sessions, tell the position. If
    /// something still holds `read_only` up after `grace`, undo everything and say what it was;
    /// with `kill`, end it.
    Freeze { role: RoleName, vip: IpAddr, grace: Span, kill: bool },
    /// Apply everything up to that position.
    CatchUp { to: GtidPos },
    /// Replicate from that host until everything up to `to` is applied, then stop receiving.
    Fetch { from: HostName, to: GtidPos },
    /// The source is lost: stop receiving, apply all that was received, tell the position.
    Drain,
}

/// What an agent says to the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromAgent {
    /// What is true on the host now.
    Report(Arc<Report>),
    /// The outcome of an order.
    Done { id: u64, outcome: Outcome },
    /// A grant or order that the agent did not obey, because it is older than what it has seen or
    /// contradicts itself.
    Refused { order: Option<u64>, got: Stamp, seen: Stamp, why: String },
    /// Something that happened on the host by the agent's own decision.
    News { subject: String, what: String, why: String },
    /// What an examination found, and what the host's calendar said then.
    Examined { id: u64, wall: Wall, findings: Vec<Finding> },
    /// The last line was understood by nobody; says which and why.
    Error { why: String },
}

impl Message for FromAgent {
    const KINDS: &'static [&'static str] =
        &["report", "done", "refused", "news", "examined", "error"];
}

/// What is true on a host, by its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The agent's boot clock when it composed this. The grant that answers it echoes it.
    pub clock: Time,
    /// Differs after each boot of the machine.
    pub boot_id: Arc<str>,
    /// How long the machine is up.
    pub uptime: Span,
    /// The highest stamp that the agent obeyed.
    pub seen: Stamp,
    /// The cluster's VIPs that are on the interface.
    pub vips: Vec<IpAddr>,
    pub duty: Duty,
    /// How long the present grant lasts yet; none without one.
    pub grant_left: Option<Span>,
    pub server: Server,
    /// Long work under way, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doing: Vec<String>,
    /// What the agent could not do, in words, until it can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Why it cannot become the writer just now; empty when it can, or has not found out yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cannot_open: String,
    /// Why the agent ended its server, until that runs again; empty when it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// The decision under which it last began to take writes as the writer; of two hosts whose
    /// histories have parted, the later one has what clients were told last.
    #[serde(default, skip_serializing_if = "Stamp::is_none")]
    pub served: Stamp,
    /// Whom it would ask for promises: what it obeys, so that the monitor knows who is asked.
    #[serde(default, skip_serializing_if = "Askable::is_empty")]
    pub ask: Arc<Askable>,
    /// The VIPs that it holds by promises, because it hears no monitor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies: Vec<IpAddr>,
    /// Its own promises that are live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<Promised>,
    /// It began without its state file, so short a time ago that promises of which it does not know
    /// any more may be live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgetful: bool,
    /// What it last heard from each peer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerHeard>,
}

/// What a host does about the active master role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Not the writer: read-only (or the server is down), the VIP verified to be gone.
    None,
    /// On the way to `Serving`; writes may be possible already.
    Opening,
    /// Writable, VIP up.
    Serving,
    /// On the way to `Frozen`; writes may still be possible.
    Freezing,
    /// Read-only, sessions ended, new connections refused, VIP still up.
    Frozen,
    /// On the way to `None`; writes may still be possible.
    Fencing,
}

impl Duty {
    /// Whether a client might get a write accepted by way of the VIP.
    pub const fn may_accept_writes(self) -> bool {
        !matches!(self, Self::None | Self::Frozen)
    }

    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Opening => "opening",
            Self::Serving => "serving",
            Self::Freezing => "freezing",
            Self::Frozen => "frozen",
            Self::Fencing => "fencing",
        }
    }
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The server as it is now.
    Looked { server: Box<Server> },
    /// Read-only, verified; `at` holds every write that was ever acknowledged through the VIP.
    Frozen { at: GtidPos, killed: u32 },
    /// Everything asked for is applied.
    Reached { at: GtidPos },
    /// Could not be done; what was begun is undone. `blockers` are what stood in the way, if
    /// anything did.
    Failed { why: String, blockers: Vec<Blocker> },
}
