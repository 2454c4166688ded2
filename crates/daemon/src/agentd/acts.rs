//! The core's acts, carried out by the hands. Every act ends within its limit and says how.

use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::Reach;
use mmm_proto::{HostName, Span};

use super::escalate::ServerProcess;
use super::fence::{Fenced, Hands, Lifetime, ReadOnly};
use super::server::ServerError;
use crate::core::agent::{Act, ActResult, Roster};

/// Waited for on top of an act's own limit, for what it undoes after its limit is over.
const SLACK: Span = Span::secs(2);

/// How long a killed server may take to be gone.
const KILL_LIMIT: Span = Span::secs(1);

/// What the acts work with.
#[derive(Debug)]
pub struct Tools {
    pub hands: Hands,
    pub roster: Roster,
    /// Ended when a fence cannot be verified; none with `fence_escalation = "none"`.
    pub process: Option<ServerProcess>,
}

/// Carries out one act.
pub async fn carry_out(tools: Arc<Tools>, act: Act, limit: Span) -> ActResult {
    let words = format!("{act:?}");
    let work = perform(&tools, act, limit);
    match tokio::time::timeout((limit + SLACK).into(), work).await {
        Ok(result) => result,
        Err(_) => failed(format!("no end after {}: {words}", limit + SLACK)),
    }
}

async fn perform(tools: &Tools, act: Act, limit: Span) -> ActResult {
    let (hands, roster) = (&tools.hands, &tools.roster);
    match act {
        Act::Open { vip, until } => done(hands.open(vip, Lifetime::Until(until), limit).await),
        Act::Thaw { vip } => done(hands.thaw(vip, limit).await),
        Act::Hold { vip, until } => done(hands.hold_vip(vip, Lifetime::Until(until)).await),
        Act::Drop { vip } => done(hands.drop_vip(vip).await),
        Act::ReadOnly => done(hands.server.set_read_only(true, limit).await),
        Act::Freeze { vip, grace, kill } => match hands.freeze(vip, grace, kill, limit).await {
            Ok(frozen) => {
                for note in &frozen.notes {
                    tracing::warn!(%vip, note, "frozen all the same");
                }
                ActResult::Frozen { at: frozen.at, killed: frozen.killed }
            }
            Err(error) => ActResult::Failed { why: error.why, blockers: error.blockers },
        },
        Act::Fence { vips } => fence(tools, &vips, limit).await,
        Act::Look => ActResult::Looked(Box::new(hands.server.look(limit).await)),
        Act::CatchUp { to } => reached(hands.server.catch_up(&to, limit).await),
        Act::Drain => reached(hands.server.drain(limit).await),
        Act::StopReplication => done(hands.server.stop_replication(limit).await),
        Act::Follow { from } => follow(hands, roster, &from, limit).await,
        Act::Fetch { from, to } => match follow(hands, roster, &from, limit).await {
            ActResult::Done => reached(hands.server.catch_up(&to, limit).await),
            other => other,
        },
    }
}

async fn follow(hands: &Hands, roster: &Roster, from: &HostName, limit: Span) -> ActResult {
    match roster.hosts.iter().find(|(name, ..)| name == from) {
        Some((_, ip, port)) => done(hands.server.follow(*ip, *port, limit).await),
        None => failed(format!("{from} is not in this host's configuration")),
    }
}

/// What came of a fence, with its last rung.
#[derive(Debug)]
pub(super) struct FenceEnd {
    pub fenced: Fenced,
    /// The server's process that was killed.
    pub ended: Option<i32>,
    /// Nobody can write by way of the VIPs any more.
    pub safe: bool,
    /// What could not be verified or done, in words.
    pub trouble: Vec<String>,
}

/// Half of what is left of the grant is for the order of the fence; if that could not be verified,
/// the other half is for ending the server.
pub(super) async fn fence_host(
    hands: &Hands,
    process: Option<&ServerProcess>,
    vips: &[IpAddr],
    limit: Span,
) -> FenceEnd {
    let fenced = hands.fence(vips, Span::ms(limit.as_ms() / 2)).await;
    let mut trouble: Vec<String> = Vec::new();
    match &fenced.read_only {
        ReadOnly::Verified | ReadOnly::ServerGone(_) => {}
        ReadOnly::Failed(why) => trouble.push(why.clone()),
    }
    trouble
        .extend(fenced.vips_left.iter().map(|(vip, why)| format!("{vip} may still be up: {why}")));
    if !fenced.sessions_left.is_empty() {
        trouble.push(format!("{} client sessions could not be ended", fenced.sessions_left.len()));
    }
    let mut safe =
        fenced.sessions_left.is_empty() && !matches!(fenced.read_only, ReadOnly::Failed(_));
    let mut ended = None;
    if let (false, Some(process)) = (safe, process) {
        match process.end(KILL_LIMIT).await {
            Ok(pid) => (safe, ended) = (true, Some(pid)),
            Err(why) => trouble.push(why),
        }
    }
    FenceEnd { fenced, ended, safe, trouble }
}

async fn fence(tools: &Tools, vips: &[IpAddr], limit: Span) -> ActResult {
    let end = fence_host(&tools.hands, tools.process.as_ref(), vips, limit).await;
    for note in &end.fenced.notes {
        tracing::warn!(note, "while fencing");
    }
    let trouble = end.trouble.join("; ");
    tracing::info!(
        took_ms = end.fenced.took.as_ms(),
        killed = end.fenced.killed,
        complete = end.fenced.complete(),
        "fenced"
    );
    if let Some(pid) = end.ended {
        tracing::error!(pid, why = trouble, "the server was killed to fence it");
    }
    let gone = end.fenced.vips_left.is_empty();
    ActResult::Fenced { safe: end.safe, gone, ended: end.ended.is_some(), trouble }
}

fn done<E: std::fmt::Display>(result: Result<(), E>) -> ActResult {
    result.map_or_else(|error| failed(error.to_string()), |()| ActResult::Done)
}

fn reached(result: Result<mmm_proto::GtidPos, ServerError>) -> ActResult {
    result.map_or_else(|error| failed(error.to_string()), |at| ActResult::Reached { at })
}

fn failed(why: String) -> ActResult {
    ActResult::Failed { why, blockers: Vec::new() }
}

/// What a pulse of the sentinel tells the core; a single lost connection proves nothing.
pub fn reach_of(pulse: super::server::Pulse) -> Option<Reach> {
    match pulse {
        super::server::Pulse::Gone(why) => Some(Reach::Gone { why }),
        super::server::Pulse::Up | super::server::Pulse::Lost(_) => None,
    }
}
