//! What a host can be and how it is found: states, modes, checks, lag.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The state of a host, in the original's words.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HostState {
    /// Usable; may hold roles.
    Online,
    /// Taken out by an operator. Never changes by itself.
    AdminOffline,
    /// `ping` or `mysql` failed.
    HardOffline,
    /// Healthy again, waiting for an operator or `auto_set_online`.
    AwaitingRecovery,
    /// Lag above `max_backlog`.
    ReplicationDelay,
    /// A replication thread stopped.
    ReplicationFail,
    /// Nothing decided yet.
    Unknown,
}

impl HostState {
    /// The word that people and scripts read, such as `HARD_OFFLINE`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Online => "ONLINE",
            Self::AdminOffline => "ADMIN_OFFLINE",
            Self::HardOffline => "HARD_OFFLINE",
            Self::AwaitingRecovery => "AWAITING_RECOVERY",
            Self::ReplicationDelay => "REPLICATION_DELAY",
            Self::ReplicationFail => "REPLICATION_FAIL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a host is configured to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostMode {
    /// May be the writer; one of a pair.
    Master,
    /// Only ever follows the writer.
    Slave,
}

impl fmt::Display for HostMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Slave => "slave",
        })
    }
}

/// The monitor's mode, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MonitorMode {
    /// Roles of failed hosts are moved, preferences are obeyed.
    Active,
    /// Roles of failed hosts stay; an operator moves them.
    Manual,
    /// As MANUAL until both masters are there, then ACTIVE.
    Wait,
    /// Nothing is changed on any host.
    Passive,
}

impl MonitorMode {
    /// The word that people and scripts read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Manual => "MANUAL",
            Self::Wait => "WAIT",
            Self::Passive => "PASSIVE",
        }
    }
}

impl fmt::Display for MonitorMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One of the monitor's own checks of a host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// One ICMP echo and its answer.
    Ping,
    /// A connection to the server and a query.
    Mysql,
    /// Both replication threads run.
    RepThreads,
    /// The lag is within `max_backlog`.
    RepBacklog,
}

impl Check {
    /// All checks, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Ping, Self::Mysql, Self::RepThreads, Self::RepBacklog];

    /// The name in configuration, commands and output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Mysql => "mysql",
            Self::RepThreads => "rep_threads",
            Self::RepBacklog => "rep_backlog",
        }
    }

    /// The check of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.word() == word)
    }

    /// The position in [`Check::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How far a host is behind its source. Never a bare number with a magic value: unknown, stopped
/// and zero are different things and look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "lag", content = "ms")]
pub enum Lag {
    /// Cannot be known just now.
    Unknown,
    /// A replication thread is off.
    Stopped,
    /// So long behind.
    Behind(Span),
    /// It is the writer itself.
    Source,
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.pad("?"),
            Self::Stopped => f.pad("stopped"),
            Self::Behind(span) => f.pad(&span.coarse()),
            Self::Source => f.pad("-"),
        }
    }
}
