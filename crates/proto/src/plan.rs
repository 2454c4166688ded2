//! A change to the cluster as people see it: first a plan, then its progress, then its outcome.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::HostName;
use crate::time::{Span, Wall};
use crate::verb::Verb;

/// What would happen. Made by the same function that the running change uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    pub id: u64,
    /// The picture that the plan was made from. `apply` is refused when the cluster changed in a
    /// way that touches the plan.
    pub generation: u64,
    pub verb: Verb,
    /// Such as `move writer db1 -> db2`.
    pub title: String,
    /// What clients will notice.
    pub effect: String,
    pub steps: Vec<PlanStep>,
    pub checks: Vec<PlanCheck>,
    /// What is undone, and who stays writer, when a step fails.
    pub if_it_fails: String,
    pub level: Level,
    /// What a person must type at [`Level::Typed`] and [`Level::Forced`].
    pub confirm: String,
    /// How long the plan may be applied, from now.
    pub expires: Span,
}

/// How an act is confirmed in the console.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PlanLevel")]
pub enum Level {
    /// The plan, then `y`.
    Key,
    /// The plan, then a typed name, then Enter.
    Typed,
    /// Only by `:` or `mmm-control`; shows what would be lost.
    Forced,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStep {
    /// The host that it acts on; none for the monitor itself.
    pub host: Option<HostName>,
    pub what: String,
}

/// One thing that was looked at before the plan was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanCheck {
    pub verdict: CheckVerdict,
    pub text: String,
}

/// What a check of a plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    Good,
    /// Worth knowing; does not stop the plan.
    Warn,
    /// Stops the plan.
    Bad,
}

/// A plan that runs, or ran last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub plan: u64,
    pub title: String,
    /// Who asked; none when the monitor decided it by itself.
    pub by: Option<String>,
    pub started: Wall,
    pub steps: Vec<StepProgress>,
    pub outcome: PlanOutcome,
    /// The whole time so far, or in all.
    pub took: Span,
}

/// One step of a running plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepProgress {
    pub host: Option<HostName>,
    /// Before and while it runs: what is to be done. After: what was done.
    pub what: String,
    pub state: StepState,
    pub took: Span,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    Waiting,
    Running,
    Done,
    Failed,
    /// Done, then undone because a later step failed.
    Undone,
    /// Not needed.
    Skipped,
}

/// Where a plan is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PlanOutcome {
    Running,
    Done,
    /// Everything is as it was before.
    FailedUndone {
        why: String,
    },
    /// A person is needed.
    Failed {
        why: String,
    },
}
