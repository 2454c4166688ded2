//! The conversation of console (or `mmm-control`) and monitor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::demo::Demo;
use crate::doctor::Finding;
use crate::event::Event;
use crate::line::Message;
use crate::plan::Plan;
use crate::time::{Span, Wall};
use crate::verb::Verb;
use crate::view::ClusterView;

/// What a console says to the monitor. Each request carries an `id` of the console's choice that
/// comes back with its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToMonitor {
    /// Send the picture now, at once when something happened, every second when only ages, lags and
    /// counters changed; and the events after `events_since`.
    Subscribe { events_since: Option<u64> },
    /// Send one picture.
    Snapshot { id: u64 },
    /// Act at once, as `mmm_control` did.
    Run { id: u64, verb: Verb },
    /// What would happen? Changes nothing.
    Plan { id: u64, verb: Verb },
    /// Run a plan that was shown.
    Apply { id: u64, plan: u64, generation: u64 },
    /// Halt a running plan before its next step.
    Stop { id: u64, plan: u64 },
    /// Break something in a demo. A monitor of real hosts refuses.
    Demo { id: u64, demo: Demo },
}

impl Message for ToMonitor {
    const KINDS: &'static [&'static str] =
        &["subscribe", "snapshot", "run", "plan", "apply", "stop", "demo"];
}

/// What the monitor says to a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromMonitor {
    View {
        view: Box<ClusterView>,
    },
    /// New events, oldest first. `skipped` says how many in between are no longer kept.
    Events {
        events: Vec<Event>,
        skipped: u64,
    },
    /// Sent every second even when nothing changes.
    Beat {
        generation: u64,
        now: Wall,
    },
    Answer {
        id: u64,
        answer: Answer,
    },
    /// The last line was not understood, or the connection ends; says why.
    Error {
        why: String,
    },
}

impl Message for FromMonitor {
    const KINDS: &'static [&'static str] = &["view", "events", "beat", "answer", "error"];
}

/// The answer to a request. `Started` is followed by one of the final ones with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Snapshot {
        view: Box<ClusterView>,
    },
    Plan {
        plan: Box<Plan>,
    },
    /// It runs; its progress is in the picture.
    Started {
        plan: u64,
    },
    /// Done. `text` is what the original would have printed behind `OK: `.
    Done {
        text: String,
        took: Span,
    },
    /// What an examination of the cluster found.
    Examined {
        findings: Vec<Finding>,
    },
    /// Not done, nothing changed.
    Refused {
        refusal: Refusal,
    },
    /// Begun and failed. When `undone`, everything is as it was.
    Failed {
        undone: bool,
        why: String,
    },
}

impl Answer {
    /// Whether no further answer follows with the same id.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Started { .. })
    }
}

/// Why something was not done. A value, not an error: the reason is the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    pub code: RefusalCode,
    /// A sentence for people; the same in the console and in `mmm-control`.
    pub reason: String,
}

/// Refusals in a word, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No such host, role, VIP or check.
    Unknown,
    /// The host's or monitor's state does not allow it.
    State,
    /// The host is not one of the role's hosts, or the role is of the wrong kind.
    Role,
    /// The host or its agent cannot be reached.
    Unreachable,
    /// Replication of the target is late, broken, or has parted.
    Behind,
    /// A transaction or statement is in the way.
    Blocked,
    /// Another plan runs.
    Busy,
    /// The plan is unknown, expired, or the cluster changed since.
    Stale,
    /// The peer may look but not act.
    Forbidden,
}
