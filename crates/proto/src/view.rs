//! Everything that an operator can see, as one value. Console, command line, metrics and tests all
//! read this.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::{Reach, Replication};
use crate::gtid::GtidPos;
use crate::host::{Check, HostMode, HostState, Lag, MonitorMode};
use crate::name::{ClusterName, HostName, RoleName};
use crate::plan::{Level, Progress};
use crate::role::RoleMode;
use crate::time::{Span, Wall};
use crate::verb::Verb;

/// The cluster at one moment, as its monitor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterView {
    pub cluster: ClusterName,
    /// Whether all of it is simulated: no host, server or address of it exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// Counts pictures in which something changed other than the passing of time.
    pub generation: u64,
    /// The monitor's leadership; grows with each start.
    pub term: u64,
    /// The monitor's clock when the picture was made. Ages are this minus the stamps below.
    pub now: Wall,
    pub started: Wall,
    /// The monitor's version.
    pub version: String,
    pub mode: MonitorMode,
    /// Why the mode is what it is, where that is worth telling (PASSIVE, WAIT, MANUAL).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode_cause: String,
    /// When time alone ends the mode: WAIT, once a master is ONLINE, after
    /// `wait_for_other_master`. None where only an event or a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode_ends: Option<Wall>,
    /// Who had which votes for the writer role when the monitor started: a heading, then one line a
    /// host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<String>,
    /// Why no decision is taken just now (the monitor has no network, its disk is full); empty when
    /// it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub held: String,
    pub writer: WriterView,
    /// In configured order.
    pub hosts: Vec<HostView>,
    /// In configured order.
    pub roles: Vec<RoleView>,
    /// The plan that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Progress>,
    /// The plan that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Progress>,
    /// What a person should look at, worst first, each a sentence.
    pub attention: Vec<String>,
    /// What may be asked of the monitor itself, or why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionView>,
    /// The number of the newest event.
    pub last_event: u64,
}

/// The active master role in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriterView {
    pub role: RoleName,
    pub vip: IpAddr,
    pub state: WriterState,
    /// Who has the role by the monitor's decision.
    pub host: Option<HostName>,
    pub since: Wall,
    /// Why nobody has it, what is under way, or by whose word it serves though the monitor cannot
    /// reach it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Why nobody else is made writer at this moment, though the present one gives reason for it:
    /// never empty while nobody serves. Empty when all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}

/// Something that stands in the way, and what ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    pub why: String,
    /// When time alone ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Wall>,
    /// What ends it, or ends it earlier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub until: String,
}

/// Whether a host could become writer now, if the present one were lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    pub able: bool,
    /// Its place among those that could, from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Transactions that the writer is known to have and this host has not received; none when
    /// that cannot be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<u64>,
    /// Those of them that no other host could give it: lost if the writer never came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<u64>,
    /// Why `lacks` and `loss` are not known, or how far they can be trusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What makes it unable, or when it is able, what makes others go before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocked>,
}

/// How it is about the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WriterState {
    /// Its host confirmed that it serves.
    Serving,
    /// A plan moves it.
    Moving,
    /// Nobody has it, or its host does not serve.
    Vacant,
    /// Two claim it.
    Conflict,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostView {
    pub name: HostName,
    pub ip: IpAddr,
    pub port: u16,
    pub mode: HostMode,
    pub peer: Option<HostName>,
    pub state: HostState,
    pub since: Wall,
    /// The state before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<HostState>,
    /// Why it is in this state.
    pub why: String,
    /// What ends it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ends: String,
    /// How often it dropped from ONLINE of late; none when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaps: Option<FlapsView>,
    /// In the order of [`Check::ALL`].
    pub checks: Vec<CheckView>,
    pub lag: Lag,
    /// The limit above which the lag counts.
    pub lag_limit: Span,
    /// Transactions that the writer has and this host has not; none when it cannot be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    pub agent: AgentView,
    pub server: ServerView,
    /// The VIPs that this host has by the monitor's decision.
    pub roles: Vec<VipRef>,
    /// What may be asked of this host, or why not. The console never works this out by itself. Of
    /// `set_ip` there is one for each role, with its first VIP: the others get the same answer.
    pub actions: Vec<ActionView>,
    /// Whether it could become writer; none from a monitor that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// What it has with the other agents; empty while all hear the monitor.
    #[serde(default, skip_serializing_if = "PeersView::is_empty")]
    pub peers: PeersView,
}

/// How often a host dropped from ONLINE within the configured `flap_duration`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlapsView {
    pub drops: u32,
    /// The first of them; none once it counts as flapping, which ends the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Wall>,
    /// More than so many (`flap_count`) within `window` (`flap_duration`) is flapping.
    pub limit: u32,
    pub window: Span,
    /// Whether it counts as flapping: then it is not set ONLINE as soon as its checks are good.
    pub flapping: bool,
}

/// What a host's agent has with the others: promises, and their word about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PeersView {
    /// The VIPs that it goes on to hold by promises, because it hears no monitor: by its own word,
    /// or while the monitor does not hear it by the youngest of the others'.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies: Vec<IpAddr>,
    /// Its own promises to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promises: Vec<PromiseView>,
    /// What others last heard from it, the youngest first; only while the monitor does not hear it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard_by: Vec<HeardBy>,
}

impl PeersView {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.relies.is_empty() && self.promises.is_empty() && self.heard_by.is_empty()
    }
}

/// A promise not to take a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromiseView {
    pub to: HostName,
    pub vip: IpAddr,
    /// When it is over, unless it is given again.
    pub over: Wall,
}

/// What another host last heard from a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeardBy {
    pub by: HostName,
    pub at: Wall,
    /// What it does about the writer role, in a word.
    pub duty: String,
    /// Whether its server answers it.
    pub server_up: bool,
    /// The cluster's VIPs that are on its interface.
    pub vips: Vec<IpAddr>,
}

/// One check of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    pub check: Check,
    pub verdict: Verdict,
    /// When `verdict` became what it is.
    pub since: Wall,
    /// The last result in words, as `mmm-control checks` prints it.
    pub message: String,
    /// How long the last run took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Span>,
}

/// What the monitor makes of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Good,
    /// Fails, not yet long enough to count.
    Failing,
    /// Failed for the trap period.
    Bad,
    /// Could not be found out.
    Unknown,
}

/// The agent of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentView {
    pub reachable: bool,
    /// When it last reported.
    pub heard: Option<Wall>,
    pub version: String,
    /// Why it is not reachable, or what it could not do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
    /// What it does about the writer role, in a word.
    pub duty: String,
}

/// The server of a host, by its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerView {
    pub reach: Reach,
    pub version: String,
    pub read_only: Option<bool>,
    pub position: GtidPos,
    pub sessions: u32,
    /// The cluster's VIPs that are on the interface.
    pub vips: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// The configured host that it replicates from, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<HostName>,
}

/// A VIP of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct VipRef {
    pub role: RoleName,
    pub ip: IpAddr,
}

/// What may be asked of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionView {
    pub verb: Verb,
    /// Why it is off; empty when it is allowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub off: String,
    pub level: Level,
    /// What it would move, in short; of the monitor's modes only, a plan says it of all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub effect: String,
}

/// One role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleView {
    pub name: RoleName,
    pub mode: RoleMode,
    /// Whether its holder is the writer.
    pub writer: bool,
    pub hosts: Vec<HostName>,
    pub prefer: Option<HostName>,
    pub vips: Vec<VipView>,
}

/// One VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VipView {
    pub ip: IpAddr,
    /// Who has it by the monitor's decision.
    pub host: Option<HostName>,
    pub since: Wall,
    /// The hosts on whose interface it is.
    pub seen_on: Vec<HostName>,
    /// The hosts that could have it now, besides the one that has it.
    pub may_go_to: Vec<HostName>,
    /// Why nobody has it, or what it waits for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Why it is given to nobody at this moment. Empty while somebody serves it, and for the
    /// writer's, of which [`WriterView::blocked`] tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// Everybody who may still have it besides the one that has it, and until when at the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimView>,
}

/// A host that may still have a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    pub host: HostName,
    /// When every grant of it is surely over.
    pub over: Wall,
}

impl ClusterView {
    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&HostView> {
        self.hosts.iter().find(|host| host.name.as_str() == name)
    }

    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&RoleView> {
        self.roles.iter().find(|role| role.name.as_str() == name)
    }
}
