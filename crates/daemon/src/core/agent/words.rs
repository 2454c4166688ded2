//! What goes into the agent core and what comes out of it: facts, orders, acts and their ends, and
//! what is kept on disk. Values only; nothing is decided here.

use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::{Blocker, Duty, FromAgent, Reach, Server, Stamp, ToAgent, Want};
use mmm_proto::peer::{News, PeerMessage};
use mmm_proto::{GtidPos, HostName, RoleMode, RoleName, Span, Time};
use serde::{Deserialize, Serialize};

use super::promises::KeptPromise;
use crate::core::lease::Lease;

/// What the agent core knows of the configuration.
#[derive(Debug, Clone)]
pub struct Roster {
    pub me: HostName,
    /// Every host with the address and port of its server.
    pub hosts: Vec<(HostName, IpAddr, u16)>,
    /// Every VIP of the cluster. Addresses that are not in this list are never touched.
    pub vips: Vec<RosterVip>,
}

/// A VIP of the cluster.
#[derive(Debug, Clone)]
pub struct RosterVip {
    pub ip: IpAddr,
    pub role: RoleName,
    pub mode: RoleMode,
    /// It belongs to the active master role.
    pub writer: bool,
}

/// What the agent keeps on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub host: HostName,
    /// The boot in which `lease` counts; its clock means nothing in another.
    pub boot_id: Arc<str>,
    pub seen: Stamp,
    pub duty: Duty,
    pub lease: Option<Lease>,
    pub want: Option<Arc<Want>>,
    /// The stamp of the grant that `want` came with.
    #[serde(default)]
    pub granted: Stamp,
    /// The decision under which this host last began to take writes.
    #[serde(default)]
    pub served: Stamp,
    /// Replication was stopped by this agent, so it may start it again.
    #[serde(default)]
    pub stopped: bool,
    /// How long grants last.
    #[serde(default)]
    pub ttl: Span,
    /// Promises that this host gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<KeptPromise>,
    /// VIPs held by promises, and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies: Vec<(IpAddr, Time)>,
    /// Promises that this host was given: the clock of the latest ask that was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub got: Vec<(IpAddr, HostName, Time)>,
    /// VIPs that were let go before the grant was over, because a peer knows a newer decision: a
    /// start within that grant must not take them up again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yielded: Vec<IpAddr>,
}

impl Kept {
    /// What is kept once somebody else has fenced this host, or has tried to: whoever starts here
    /// holds nothing, and fences first unless that is known to be done.
    #[must_use]
    pub fn fenced(self, done: bool) -> Self {
        let duty = if done { Duty::None } else { Duty::Fencing };
        let (relies, got) = (Vec::new(), Vec::new());
        Self { duty, lease: None, want: None, granted: Stamp::default(), relies, got, ..self }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A monitor said something on a link.
    Heard { link: u64, message: ToAgent },
    /// A monitor is connected.
    LinkUp { link: u64 },
    /// The link is gone.
    LinkDown { link: u64, why: String },
    /// The server was looked at, from `began` on.
    Facts { server: Box<Server>, began: Time },
    /// The server's end or silence was noticed between two looks.
    Lost { reach: Reach },
    /// The cluster's VIPs that are on the interface.
    Addresses { found: Vec<IpAddr> },
    /// Somebody else says that it has a VIP: its hardware address, and the addresses that the
    /// host's neighbours' table knows under it.
    Conflict { vip: IpAddr, mac: String, neighbours: Vec<IpAddr> },
    /// An act ended.
    Ended { id: u64, result: ActResult },
    /// The agent of another host said something.
    Peer { from: HostName, message: PeerMessage },
    /// The state could not be written down.
    StoreFailed { why: String },
    /// The state can be written down again.
    StoreWorks,
    /// How the dead-man event in the server is; none when nothing is wrong with it.
    DeadmanEvent { trouble: Option<String> },
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To every monitor that is connected.
    Say(FromAgent),
    /// To one monitor.
    SayTo { link: u64, message: FromAgent },
    /// To the agent of another host; lost when it cannot be reached.
    SayPeer { to: HostName, message: PeerMessage },
    /// How this host is, to the agents of all these.
    TellPeers { to: Arc<[HostName]>, news: Arc<News> },
    /// Write this down before doing what follows; `sync` when it must survive a crash of the
    /// machine.
    Persist { kept: Arc<Kept>, sync: bool },
    /// Begin an act; its end comes back with the same id.
    Begin { id: u64, act: Act, limit: Span },
    /// Tell the neighbours once more where that VIP is.
    Announce { vip: IpAddr },
    /// End an act early; nothing comes back.
    Abort { id: u64 },
}

impl Effect {
    /// What must not be done while the state of its step is not on disk: after a restart nobody
    /// would know that the role is held or frozen, or what was promised.
    pub fn needs_the_disk(&self) -> bool {
        match self {
            Self::Begin { act: Act::Open { .. } | Act::Freeze { .. }, .. } => true,
            Self::SayPeer { message: PeerMessage::Answer(answer), .. } => {
                !answer.promised.is_empty()
            }
            _ => false,
        }
    }
}

/// What the hands can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Writable, VIP up until then by the kernel's timer, announced.
    Open {
        vip: IpAddr,
        until: Time,
    },
    /// Stop taking writes, keep the VIP, tell the position.
    Freeze {
        vip: IpAddr,
        grace: Span,
        kill: bool,
    },
    /// Undo a freeze.
    Thaw {
        vip: IpAddr,
    },
    /// Stop taking writes, end sessions, drop these VIPs.
    Fence {
        vips: Vec<IpAddr>,
    },
    /// `read_only = 1`, nothing else.
    ReadOnly,
    /// Add a VIP, announced, or refresh its lifetime: until then by the kernel's timer.
    Hold {
        vip: IpAddr,
        until: Time,
    },
    Drop {
        vip: IpAddr,
    },
    Look,
    CatchUp {
        to: GtidPos,
    },
    Fetch {
        from: HostName,
        to: GtidPos,
    },
    Drain,
    Follow {
        from: HostName,
    },
    StopReplication,
}

impl Act {
    /// What people read in `doing`.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Open { vip, .. } => format!("opening {vip}"),
            Self::Freeze { vip, .. } => format!("freezing {vip}"),
            Self::Thaw { vip } => format!("returning {vip} to service"),
            Self::Fence { .. } => "fencing".to_owned(),
            Self::ReadOnly => "setting read_only".to_owned(),
            Self::Hold { vip, .. } => format!("adding {vip}"),
            Self::Drop { vip } => format!("removing {vip}"),
            Self::Look => "looking at the server".to_owned(),
            Self::CatchUp { to } => format!("applying up to {to}"),
            Self::Fetch { from, .. } => format!("fetching from {from}"),
            Self::Drain => "applying what was received".to_owned(),
            Self::Follow { from } => format!("re-pointing replication to {from}"),
            Self::StopReplication => "stopping replication".to_owned(),
        }
    }
}

/// What the dead-man event in the server is to do: its countdown sets `read_only` at its end, when
/// nobody sets it back any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Countdown {
    /// Not to end before that instant of the boot clock.
    Until(Time),
    /// To go on as it is.
    AsIs,
    /// To be stopped.
    Off,
}

/// What came of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActResult {
    /// As asked.
    Done,
    Frozen {
        at: GtidPos,
        killed: u32,
    },
    /// `safe`: read-only verified, or the server is gone. `gone`: the VIPs are verified to be gone.
    /// `ended`: the server was ended, because of the trouble.
    Fenced {
        safe: bool,
        gone: bool,
        ended: bool,
        trouble: String,
    },
    Looked(Box<Server>),
    Reached {
        at: GtidPos,
    },
    Failed {
        why: String,
        blockers: Vec<Blocker>,
    },
}
