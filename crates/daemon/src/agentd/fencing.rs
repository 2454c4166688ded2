//! `mmm-agentd fence`: the fence as a command, for the supervisor, for `ExecStopPost=` and for
//! people. Needs no agent, no monitor and no peer. Every step is bounded, and said.

mod manager;

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use mmm_proto::agent::Duty;
use mmm_proto::{RoleMode, Span, Time};

use super::acts::{FenceEnd, fence_host};
use super::escalate::{self, ServerProcess};
use super::fence::{Hands, ReadOnly};
use super::lock::{self, Holder, LockError, Turn, Who, within};
use super::{doctor, roster, store, worker};
use crate::clock::Clock;
use crate::config::{Config, FenceEscalation};
use crate::core::Now;
use crate::core::agent::{Kept, Roster};
use crate::core::supervisor::{Standing, needs_no_fence};
use crate::store::Store;

/// How long a fence waits for another one, or for a killed agent to be gone.
const TURN_LIMIT: Span = Span::secs(2);
const KILLED_LIMIT: Span = Span::ms(500);
/// How many agents are killed by force, one after the other.
const KILLS_MAX: usize = 3;
/// What is left of the permission is given to the fence, but at least and at most this.
const LIMIT_MIN: Span = Span::secs(1);
const LIMIT_MAX: Span = Span::secs(10);
/// What getting ready may take: netlink, packet filter, state file.
const READY_LIMIT: Span = Span::secs(2);
/// How long the server's process may take to be learnt, while the server answers.
const KNOW_LIMIT: Span = Span::ms(300);
/// How long the state file may take.
const STORE_LIMIT: Span = Span::secs(1);

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only if this host may hold the writer role and nobody is about to go on with it.
    pub if_needed: bool,
    /// Also when an agent runs here: its worker is killed first.
    pub force: bool,
    /// How long it may take; what is left of the permission if not given.
    pub limit: Option<Span>,
    /// Wait until then first.
    pub not_before: Option<Time>,
}

/// What came of it. The exit codes of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Fenced and verified, or nothing to do.
    Done = 0,
    /// Not tried: an agent runs here, or this user may not.
    Refused = 1,
    /// Tried, and not verified: what is said may still be so.
    Failed = 5,
}

/// Fences this host, telling each step.
pub async fn fence(config: &Config, request: &Request, mut say: impl FnMut(String)) -> Outcome {
    if let Some(at) = request.not_before {
        Clock.sleep_until(at).await;
    }
    if let Err(why) = permitted() {
        say(format!("refused: {why}"));
        return Outcome::Refused;
    }
    match try_to(config, request, &mut say).await {
        Ok(outcome) => outcome,
        Err(error) => {
            say(format!("not fenced: {error:#}"));
            Outcome::Failed
        }
    }
}

/// Before anything is touched: half a fence helps nobody.
fn permitted() -> Result<(), String> {
    if doctor::may_change_addresses() {
        return Ok(());
    }
    Err("a fence removes addresses, and this user may not (CAP_NET_ADMIN is missing): run it as root, \
         or stop the service, which does it: systemctl stop mmm-agentd"
        .to_owned())
}

async fn try_to(
    config: &Config,
    request: &Request,
    say: &mut impl FnMut(String),
) -> anyhow::Result<Outcome> {
    let turn = match turn(config, request, say).await {
        Ok(turn) => turn,
        Err(Some(outcome)) => return Ok(outcome),
        // Who holds it hangs: a fence is not held up by that.
        Err(None) => None,
    };
    let roster = roster::roster(config)?;
    let boot_id = Clock.boot_id().map_err(anyhow::Error::msg)?;
    let now = Now { boot: Clock.now(), wall: Clock.wall() };
    let (state, standing) = match store::open::<Kept>(&config.state_path) {
        Ok((store, kept)) => {
            let standing = Standing::of(kept.as_ref(), &roster, &boot_id, now);
            say(format!("state: {}", words(kept.as_ref(), standing, now.boot)));
            (Some((store, kept)), standing)
        }
        Err(error) => {
            say(format!("state: {error}; taken as holding the writer role"));
            (None, Standing { exclusive: true, ..Standing::default() })
        }
    };
    if request.if_needed {
        // Asked only if it matters.
        let (comes_back, why) = match standing.exclusive {
            true => manager::brings_it_back().await,
            false => (false, None),
        };
        why.into_iter().for_each(&mut *say);
        if let Some(why) = needs_no_fence(standing, comes_back, Clock.now()) {
            say(format!("nothing to do: {why}"));
            return Ok(Outcome::Done);
        }
    }
    let left = standing.ends.map_or(Span::ZERO, |ends| ends.since(now.boot));
    let limit = request.limit.unwrap_or(left.clamp(LIMIT_MIN, LIMIT_MAX));
    let end = carry_out(config, &roster, limit, say).await?;
    let done = end.safe && end.fenced.vips_left.is_empty();
    if let Some((store, Some(kept))) = state {
        write_down(&store, kept, done, say).await;
    }
    drop(turn);
    say(if done {
        format!("fenced in {}", end.fenced.took)
    } else {
        format!("NOT verified to be fenced: {}", end.trouble.join("; "))
    });
    Ok(if done { Outcome::Done } else { Outcome::Failed })
}

/// The turn; else why it is not tried, or nothing when it goes on without.
async fn turn(
    config: &Config,
    request: &Request,
    say: &mut impl FnMut(String),
) -> Result<Option<Turn>, Option<Outcome>> {
    let state = &config.state_path;
    let limit = request.limit.unwrap_or(TURN_LIMIT).min(TURN_LIMIT);
    let until = within(limit);
    // An agent has it for its life, so that is known at once.
    let mut tried = lock::take(state, Who::Fence, within(Span::ms(50))).await;
    if let Err(LockError::Held { by: Some(by @ Holder { who: Who::Fence, .. }), .. }) = &tried {
        say(format!("lock: waiting for {by}"));
        tried = lock::take(state, Who::Fence, until).await;
    }
    if let Err(LockError::Held { by: Some(by @ Holder { who: Who::Worker, .. }), .. }) = &tried {
        if request.if_needed {
            say(format!("nothing to do: {by} runs here and minds its grant"));
            return Err(Some(Outcome::Done));
        }
        if !request.force {
            say(format!(
                "refused: {by} runs here and would take the role up again; stop it, which fences: \
                 systemctl stop mmm-agentd; or move the writer away: mmm-control move_role; \
                 --force kills it first"
            ));
            return Err(Some(Outcome::Refused));
        }
        tried = take_by_force(state, *by, say).await;
    }
    match tried {
        Ok(turn) => Ok(Some(turn)),
        Err(error) => {
            say(format!("lock: {error}; going on without it"));
            Err(None)
        }
    }
}

/// Kills the agent that has the turn. Its supervisor starts another one at once, which may be
/// quicker and take up the role again beside the fence: so that one is killed as well, and the next
/// waits longer.
async fn take_by_force(
    state: &Path,
    first: Holder,
    say: &mut impl FnMut(String),
) -> Result<Turn, LockError> {
    let until = within(KILLED_LIMIT);
    let (mut by, mut killed) = (first, Vec::new());
    loop {
        if !killed.contains(&by.pid) && killed.len() < KILLS_MAX {
            killed.push(by.pid);
            match by.end() {
                Ok(()) => say(format!("agent: {by} killed")),
                Err(why) => say(format!("agent: {why}")),
            }
        }
        let tried = lock::take(state, Who::Fence, within(Span::ms(20))).await;
        match tried {
            Err(LockError::Held { by: Some(other), .. })
                if other.who == Who::Worker && Clock.now() < until =>
            {
                by = other;
            }
            Err(LockError::Held { by: None, .. }) if Clock.now() < until => {}
            ended => return ended,
        }
    }
}

/// What the disk says, for people.
fn words(kept: Option<&Kept>, standing: Standing, now: Time) -> String {
    let Some(kept) = kept else { return "no agent has ever held anything here".to_owned() };
    let left = standing.ends.map_or(Span::ZERO, |ends| ends.since(now));
    let permission = match (kept.duty, left) {
        (Duty::None, _) => String::new(),
        (_, Span::ZERO) => "; its permission is over".to_owned(),
        (_, left) => format!("; its permission lasts {left} more"),
    };
    format!("writer duty {}, decision {}{permission}", kept.duty.word(), kept.seen)
}

async fn carry_out(
    config: &Config,
    roster: &Roster,
    limit: Span,
    say: &mut impl FnMut(String),
) -> anyhow::Result<FenceEnd> {
    let me = config.this_host().context("`this` names no host")?;
    let ready = tokio::time::timeout(READY_LIMIT.into(), worker::hands(config)).await;
    let hands = ready.with_context(|| format!("not ready within {READY_LIMIT}"))??;
    let process = ServerProcess::default();
    let exclusive = roster.vips.iter().filter(|vip| vip.mode == RoleMode::Exclusive);
    let vips: Vec<IpAddr> = exclusive.map(|vip| vip.ip).collect();
    let kill = config.fence_escalation == FenceEscalation::Kill;
    let know = async {
        let path = escalate::pid_file(me.mysql_pidfile.clone(), &hands.server, KNOW_LIMIT).await;
        path.and_then(|path| process.remember(&path))
    };
    let (end, known) =
        tokio::join!(fence_host(&hands, kill.then_some(&process), &vips, limit), know);
    tell(&hands, &end, say);
    if let (false, Err(why)) = (end.safe, known) {
        say(format!("server: its process could not be ended: {why}"));
    }
    Ok(end)
}

fn tell(hands: &Hands, end: &FenceEnd, say: &mut impl FnMut(String)) {
    let fenced = &end.fenced;
    for note in &fenced.notes {
        say(format!("note: {note}"));
    }
    say(match &fenced.read_only {
        ReadOnly::Verified => {
            format!("server: read_only set and verified, {} client sessions ended", fenced.killed)
        }
        ReadOnly::ServerGone(why) => format!("server: it is gone ({why})"),
        ReadOnly::Failed(why) => format!("server: read_only could not be verified: {why}"),
    });
    if let Some(first) = fenced.sessions_left.first() {
        let count = fenced.sessions_left.len();
        say(format!("server: {count} client sessions do not end, the first is {first}"));
    }
    if let Some(pid) = end.ended {
        say(format!("server: process {pid} killed, for it could not be verified to be read-only"));
    }
    let interface = hands.addresses.interface();
    for vip in &fenced.vips_gone {
        say(format!("{vip}: not on {interface}, verified"));
    }
    for (vip, why) in &fenced.vips_left {
        say(format!("{vip}: may still be on {interface}: {why}"));
    }
}

/// So that an agent that starts knows. A disk that fails takes nothing of the fence back: the
/// permission that is written there still ends at its time.
async fn write_down(store: &Store, kept: Kept, done: bool, say: &mut impl FnMut(String)) {
    match store.save(&kept.fenced(done), STORE_LIMIT).await {
        Ok(()) => say("state: written down".to_owned()),
        Err(error) => say(format!("state: {error}")),
    }
}
