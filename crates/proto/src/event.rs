//! What happened, to whom, why, and by whose will. The log and the consoles read the same value, so
//! they cannot disagree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Wall};

/// How much an event matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "EventLevel")]
pub enum Level {
    /// A state or role changed, or a person asked for something.
    Info,
    /// The cluster is worse than it was.
    Warn,
    /// A person is needed.
    Error,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Counts events of one monitor term; a console resumes after the last one that it has seen.
    pub seq: u64,
    /// When, for people.
    pub at: Wall,
    /// How much it matters.
    pub level: Level,
    /// The host, role, `mode` or `monitor` that it is about.
    pub subject: String,
    /// What happened, as a short sentence: `ONLINE -> HARD_OFFLINE`.
    pub what: String,
    /// Why it happened. Empty only when `what` says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The person who asked for it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The plan that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<u64>,
    /// How long it took, when that is worth telling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Span>,
}

impl Event {
    /// The event as one line without its time:
    /// `db1: ONLINE -> HARD_OFFLINE: ping and mysql failed`.
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.subject, self.what);
        if !self.why.is_empty() {
            line.push_str(": ");
            line.push_str(&self.why);
        }
        if let Some(by) = &self.by {
            line.push_str(" (by ");
            line.push_str(by);
            line.push(')');
        }
        line
    }
}
