//! The configuration as the programs use it: checked, typed, defaults applied. An `Option` here
//! means that something may be absent, never that a default is to be looked up elsewhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::secret::Secret;
use super::words::{Check, ClusterName, HostMode, HostName, MonitorMode, RoleMode, RoleName, Span};

/// Everything that the files say. Hosts and roles stand in configured order.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Told in every first line, so that clusters cannot be mixed up.
    pub cluster: ClusterName,
    /// The exclusive role whose holder is writable. A control program that is not told has
    /// `writer`.
    pub active_master_role: RoleName,
    /// Which host this machine is; always there for an agent.
    pub this: Option<HostName>,
    /// Where the agent keeps term, seq and holdings.
    pub state_path: PathBuf,
    /// Listen beyond loopback without authentication.
    pub insecure: bool,
    /// The key that all programs of the cluster share.
    pub cluster_key: Option<Secret>,
    /// Where to log; None: standard error.
    pub log_path: Option<PathBuf>,
    /// From which level on to log.
    pub log_level: LogLevel,
    /// What to do when a fence cannot be verified.
    pub fence_escalation: FenceEscalation,
    /// What a writer does that neither a monitor nor a peer can reach.
    pub isolated_writer: IsolatedWriter,
    /// An event in the server sets `read_only` when its agent renews nothing any more.
    pub deadman_event: bool,
    /// The machine's watchdog, which resets it when a writer's agent feeds it no more.
    pub watchdog_device: Option<PathBuf>,
    /// The monitor's own settings; all defaults when there is no such section.
    pub monitor: Monitor,
    /// Limits of a move of the writer.
    pub moving: Moving,
    /// The database hosts; empty for a control program, which learns them from the monitor.
    pub hosts: Vec<Host>,
    /// The roles; empty for a control program.
    pub roles: Vec<Role>,
    /// Times of the monitor's checks.
    pub checks: Checks,
    /// The keys that the files give, such as `host.db1.ip`; all others are defaults.
    pub(super) given: BTreeSet<String>,
}

impl Config {
    /// The host of that name.
    pub fn host(&self, name: impl AsRef<str>) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name.as_ref())
    }

    /// The role of that name.
    pub fn role(&self, name: impl AsRef<str>) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name.as_ref())
    }

    /// The host that this machine is; always there for an agent.
    pub fn this_host(&self) -> Option<&Host> {
        self.this.as_ref().and_then(|this| self.host(this))
    }

    /// The role whose holder is writable; always there for an agent or a monitor.
    pub fn writer_role(&self) -> Option<&Role> {
        self.role(&self.active_master_role)
    }

    /// Whether a program does the same with both, whichever of the values are defaults.
    pub fn means_same_as(&self, other: &Self, program: super::Program) -> bool {
        let mut mine = self.clone();
        mine.given.clone_from(&other.given);
        if program == super::Program::Agent {
            // An agent neither checks nor serves consoles.
            mine.monitor = other.monitor.clone();
            mine.checks = other.checks;
        }
        mine == *other
    }

    /// Whether the files give this key, such as `monitor.port`, themselves or through a template.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains(key)
    }
}

/// The section `[monitor]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Where consoles are served by TCP, if `port` is given.
    pub ip: IpAddr,
    /// None: no TCP listener for consoles.
    pub port: Option<u16>,
    /// The Unix socket for consoles.
    pub socket: PathBuf,
    /// The group that may act through the socket.
    pub socket_group: String,
    /// The socket's file mode.
    pub socket_mode: u32,
    /// Where the monitor keeps its decisions.
    pub status_path: PathBuf,
    /// Addresses that tell whether the monitor's own network works.
    pub ping_ips: Vec<IpAddr>,
    /// Pause between two looks at `ping_ips`.
    pub ping_interval: Span,
    /// AWAITING_RECOVERY becomes ONLINE after this; None: only an operator does it.
    pub auto_set_online: Option<Span>,
    /// How long mode WAIT waits for the other master; None: for ever.
    pub wait_for_other_master: Option<Span>,
    /// The window in which drops from ONLINE are counted.
    pub flap_duration: Span,
    /// More drops than this in the window is flapping; 0: never.
    pub flap_count: u32,
    /// The program that cuts a host off for certain.
    pub kill_host_bin: Option<PathBuf>,
    /// How long it may take before it is killed.
    pub kill_host_timeout: Span,
    /// Start PASSIVE when hosts disagree about the writer.
    pub careful_startup: bool,
    /// The mode to start in.
    pub mode: MonitorMode,
    /// How long a grant lasts.
    pub lease_ttl: Span,
    /// How often grants are renewed.
    pub heartbeat: Span,
}

impl Monitor {
    /// Where consoles are served by TCP, if at all.
    pub fn console_address(&self) -> Option<SocketAddr> {
        self.port.map(|port| SocketAddr::new(self.ip, port))
    }
}

/// The section `[move]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moving {
    /// How long to wait for the target's lag to fall below `drain_lag`.
    pub drain_timeout: Span,
    /// The lag from which the freeze may begin.
    pub drain_lag: Span,
    /// How long what blocks the freeze may go on.
    pub freeze_grace: Span,
    /// How long the target may take to the frozen position.
    pub catch_up_timeout: Span,
    /// How long any other single step may take.
    pub step_timeout: Span,
    /// A planned move is refused while a transaction or a write older than this runs.
    pub max_transaction: Span,
}

/// A section `[host.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// The permanent address; never moves.
    pub ip: IpAddr,
    /// Whether it may be the writer.
    pub mode: HostMode,
    /// The other master of the pair.
    pub peer: Option<HostName>,
    /// The interface that gets the VIPs.
    pub cluster_interface: String,
    /// Port of the database server.
    pub mysql_port: u16,
    /// How the agent reaches its server; None: by TCP to `ip`.
    pub mysql_socket: Option<PathBuf>,
    /// Where the server leaves its process id, for killing it when a fence fails.
    pub mysql_pidfile: Option<PathBuf>,
    /// Port of the agent.
    pub agent_port: u16,
    /// The agent's account. Empty where the program does not need it and the files do not give it.
    pub agent: Account,
    /// The monitor's account; empty like `agent`.
    pub monitor: Account,
    /// The replicas' account; empty like `agent`.
    pub replication: Account,
}

impl Host {
    /// Where the agent listens.
    pub fn agent_address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.agent_port)
    }

    /// Where the database server listens.
    pub fn mysql_address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.mysql_port)
    }
}

/// A database account.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// Its user.
    pub user: String,
    /// Its password; may be empty.
    pub password: Secret,
}

/// A section `[role.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// How its VIPs are given out.
    pub mode: RoleMode,
    /// Who may hold it; the order decides ties.
    pub hosts: Vec<HostName>,
    /// Its VIPs.
    pub ips: Vec<IpAddr>,
    /// Who is to hold it whenever possible; exclusive roles only.
    pub prefer: Option<HostName>,
}

/// The sections `[check.NAME]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checks {
    /// ICMP echo.
    pub ping: CheckTimes,
    /// Connection and query.
    pub mysql: CheckTimes,
    /// Both replication threads.
    pub rep_threads: CheckTimes,
    /// Lag.
    pub rep_backlog: CheckTimes,
}

impl Checks {
    /// The times of one check.
    pub const fn of(&self, check: Check) -> &CheckTimes {
        match check {
            Check::Ping => &self.ping,
            Check::Mysql => &self.mysql,
            Check::RepThreads => &self.rep_threads,
            Check::RepBacklog => &self.rep_backlog,
        }
    }
}

/// Times of one check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckTimes {
    /// Pause between two rounds.
    pub check_period: Span,
    /// How long a failure must last before it counts.
    pub trap_period: Span,
    /// How long one check may take.
    pub timeout: Span,
    /// The lag above which a host is behind; used by `rep_backlog` only.
    pub max_backlog: Span,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$each:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$each])* $variant),+ }

        impl $name {
            pub(super) const WORDS: &'static [(&'static str, Self)] =
                &[$(($word, Self::$variant)),+];

            /// The word in the files.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(
    /// From which level on to log.
    LogLevel {
        /// Only what failed.
        Error = "error",
        /// And what is odd.
        Warn = "warn",
        /// And what was done.
        Info = "info",
        /// And why.
        Debug = "debug",
        /// And every message.
        Trace = "trace",
    }
);
words!(
    /// What to do when a fence cannot be verified in time.
    FenceEscalation {
        /// Kill the server's process.
        Kill = "kill",
        /// Only report it.
        None = "none",
    }
);
words!(
    /// What a writer does that neither a monitor nor a peer can reach.
    IsolatedWriter {
        /// It fences itself: at no time are there two writers.
        Fence = "fence",
        /// It goes on, as the original did: there can be two.
        Hold = "hold",
    }
);
