//! What the monitor core knows of the configuration: checked, indexed, without accounts and paths.

use std::net::IpAddr;

use mmm_proto::{Check, ClusterName, HostMode, HostName, MonitorMode, RoleMode, RoleName, Span};

/// The cluster as configured. Hosts and roles are named by their index, in configured order.
#[derive(Debug, Clone)]
pub struct Topology {
    pub cluster: ClusterName,
    pub hosts: Vec<HostSpec>,
    pub roles: Vec<RoleSpec>,
    /// The active master role.
    pub writer: usize,
    pub timing: Timing,
    /// How long the kill-host hook may take; none without one.
    pub kill_host: Option<Span>,
    /// Whether a writer that reaches nobody holds on.
    pub holds_alone: bool,
    /// The mode of a first start, or always when the configuration names one other than ACTIVE.
    pub mode: MonitorMode,
    /// Start PASSIVE where two hosts are found to be the writer; otherwise the votes decide.
    pub careful_startup: bool,
}

/// A host.
#[derive(Debug, Clone)]
pub struct HostSpec {
    pub name: HostName,
    pub ip: IpAddr,
    pub port: u16,
    pub mode: HostMode,
    pub peer: Option<usize>,
}

/// A role.
#[derive(Debug, Clone)]
pub struct RoleSpec {
    pub name: RoleName,
    pub mode: RoleMode,
    pub hosts: Vec<usize>,
    pub ips: Vec<IpAddr>,
    pub prefer: Option<usize>,
}

/// Every length of time that decisions depend on.
#[derive(Debug, Clone)]
pub struct Timing {
    pub heartbeat: Span,
    pub ttl: Span,
    /// By [`Check::index`].
    pub trap: [Span; 4],
    pub max_backlog: Span,
    /// Zero is never.
    pub auto_set_online: Span,
    pub wait_for_other_master: Span,
    pub flap_duration: Span,
    pub flap_count: u32,
    /// How long a planned move waits for the target to be near.
    pub drain_timeout: Span,
    /// The lag below which the target is near.
    pub drain_lag: Span,
    /// How long something may hold up the freeze.
    pub freeze_grace: Span,
    pub catch_up_timeout: Span,
    pub step_timeout: Span,
    /// A planned move is refused while a transaction older than this is open on the writer.
    pub max_transaction: Span,
}

impl Timing {
    /// How long a failure of that check must last before it counts.
    pub fn trap_of(&self, check: Check) -> Span {
        self.trap[check.index()]
    }
}

impl Topology {
    /// The index of a host by name.
    pub fn host(&self, name: &HostName) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == *name)
    }

    /// The index of a role by name.
    pub fn role(&self, name: &RoleName) -> Option<usize> {
        self.roles.iter().position(|role| role.name == *name)
    }

    /// The host that has this address, as replication names its source.
    pub fn host_at(&self, source: &str, port: u16) -> Option<usize> {
        let ip: IpAddr = source.parse().ok()?;
        self.hosts.iter().position(|host| host.ip == ip && host.port == port)
    }

    /// Names of hosts, for sentences: `db1, db2`.
    pub fn names(&self, hosts: &[usize]) -> String {
        hosts.iter().map(|host| self.hosts[*host].name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
