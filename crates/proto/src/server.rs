//! A database server as the agent on its host finds it: part of every report. Nothing here says
//! what should be; that is in `agent`.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gtid::GtidPos;
use crate::host::Lag;
use crate::time::Span;

/// The local server, as its agent finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub reach: Reach,
    /// How old these facts are.
    pub age: Span,
    pub version: String,
    pub server_id: u32,
    pub read_only: Option<bool>,
    /// Everything that the server has: applied or written by itself (`gtid_current_pos`).
    pub position: GtidPos,
    /// Everything that it has received, applied or not.
    pub received: GtidPos,
    pub replication: Option<Replication>,
    /// Client sessions, the agent's and the monitor's own not counted.
    pub sessions: u32,
    /// The oldest open transaction or write statement that would hold up `read_only`, and what it
    /// is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Blocker>,
    /// What a pair of masters must agree on; none before the first look, or from an older agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
}

/// The settings of a server that matter to a pair of masters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub auto_increment_increment: u32,
    pub auto_increment_offset: u32,
    /// Whether it writes a binary log.
    pub log_bin: bool,
    /// Whether it writes there what it replicated.
    pub log_slave_updates: bool,
    /// ROW, MIXED or STATEMENT.
    pub binlog_format: String,
    /// Whether it refuses transactions out of order; none where the server family has no such
    /// setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid_strict_mode: Option<bool>,
    /// The domain of what it writes itself; none where the server family has no domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid_domain_id: Option<u32>,
}

impl Server {
    /// What is known before the first look.
    pub fn unknown() -> Self {
        Self {
            reach: Reach::Unknown,
            age: Span::ZERO,
            version: String::new(),
            server_id: 0,
            read_only: None,
            position: GtidPos::default(),
            received: GtidPos::default(),
            replication: None,
            sessions: 0,
            longest: None,
            settings: None,
        }
    }
}

/// Whether the local server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reach", rename_all = "snake_case")]
pub enum Reach {
    /// Not looked yet.
    Unknown,
    /// It answers.
    Up,
    /// Its process is gone: refused or reset, twice in a row.
    Gone { why: String },
    /// It accepts and does not answer in time, or refuses the agent's account.
    Silent { why: String },
}

/// Replication on a server.
#[derive(Debug, Clone, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replication {
    /// The address that it replicates from.
    pub source: Arc<str>,
    pub port: u16,
    pub io: Thread,
    pub sql: Thread,
    pub lag: Lag,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub io_state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sql_state: String,
    /// The last error of either thread.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Its position as a replica lacks what its own binary log has: a writer's or a former one's.
    /// A source whose binary logs no longer reach back so far refuses it (error 1236).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_own: bool,
}

impl PartialEq for Replication {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart, so that no field is forgotten that comes later.
        let Self { source, port, io, sql, lag, io_state, sql_state, error, lacks_own } = self;
        (port, io, sql) == (&other.port, &other.io, &other.sql)
            && (lag, lacks_own) == (&other.lag, &other.lacks_own)
            && (Arc::ptr_eq(source, &other.source) || same_text(source, &other.source))
            && same_text(io_state, &other.io_state)
            && same_text(sql_state, &other.sql_state)
            && same_text(error, &other.error)
    }
}

/// Whether two texts are the same, for those that are mostly empty. The C library compares nothing
/// with nothing by a masked load from an address that does not exist: 50 times as slow as any other
/// short text on processors with AVX-512, and every report has half a dozen of them.
pub fn same_text(one: &str, two: &str) -> bool {
    one.len() == two.len() && (one.is_empty() || one == two)
}

/// A replication thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thread {
    Yes,
    No,
    Connecting,
}

/// Something that holds up `read_only`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// The server's number of the session.
    pub session: u64,
    /// `user@host` of the session.
    pub who: String,
    /// The statement's first words, never its values: "UPDATE running", "open transaction".
    pub what: String,
    pub age: Span,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} in session {} of {}", self.what, self.age, self.session, self.who)
    }
}
