//! Taking the writer's role off this host: freeze, thaw, fence, open.
//!
//! The order of the steps is the point of this file; each step by itself lives next door. Acts are meant to
//! run one at a time: whoever orders them sees to that. What must not be here: when to do what.
//!
//! A client must never wait on a silent address. So new connections are refused first, sessions are ended
//! while the VIP is still up, and packets that come later get a reset.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmm_proto::agent::Blocker;
use mmm_proto::{GtidPos, Span};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::address::{AddressError, Addresses};
use super::announce::Announcer;
use super::refuse::Refusal;
use super::server::{Deadline, PendingReadOnly, Server, ServerError};
use super::sessions::Client;

/// How long a fence lets running statements end by themselves.
const MERCY: Span = Span::ms(100);
/// One round of ending sessions.
const ROUND: Span = Span::ms(100);
/// A netlink request that takes longer is stuck.
const ADDRESS_LIMIT: Duration = Duration::from_millis(250);
/// When an announcement is said again, in milliseconds after the first: packets get lost.
const AGAIN_MS: [u64; 4] = [50, 200, 500, 1000];

/// Everything that the agent can lay its hands on.
#[derive(Debug)]
pub struct Hands {
    pub server: Server,
    pub addresses: Addresses,
    pub announcer: Arc<Announcer>,
    pub refusal: Refusal,
    /// Announcements that are still to be repeated; stopped before an address goes.
    announcing: Mutex<BTreeMap<IpAddr, AbortHandle>>,
}

/// The writer is frozen: `read_only` verified, sessions ended, all packets to the VIP refused, VIP up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Holds every write that was ever acknowledged through the VIP.
    pub at: GtidPos,
    /// How many sessions were ended.
    pub killed: u32,
    /// What could not be done and does not matter for safety, in words.
    pub notes: Vec<String>,
}

/// The freeze did not succeed; the host is in service as before, unless `why` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct FreezeFailed {
    pub why: String,
    /// What stood in the way, oldest first.
    pub blockers: Vec<Blocker>,
}

/// What a fence knows about writes on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOnly {
    /// `read_only` was read back as set.
    Verified,
    /// The server's process is gone.
    ServerGone(String),
    /// It may still accept writes of those who reach it. Ending the process is the remedy.
    Failed(String),
}

/// What came of a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    pub read_only: ReadOnly,
    /// VIPs that are verified to be off the interface.
    pub vips_gone: Vec<IpAddr>,
    /// VIPs that may still be there, and why.
    pub vips_left: Vec<(IpAddr, String)>,
    /// How many sessions were ended.
    pub killed: u32,
    /// Sessions that could not be ended.
    pub sessions_left: Vec<Client>,
    /// The position afterwards; none when it could not be read.
    pub at: Option<GtidPos>,
    /// How long it took.
    pub took: Span,
    /// What could not be done and does not matter for safety, in words.
    pub notes: Vec<String>,
}

impl Fenced {
    /// Whether no client can get a write accepted by way of the VIPs any more, verified.
    pub fn complete(&self) -> bool {
        !matches!(self.read_only, ReadOnly::Failed(_))
            && self.vips_left.is_empty()
            && self.sessions_left.is_empty()
    }
}

/// What was done to the server so far.
#[derive(Default)]
struct Progress {
    killed: u32,
    left: Vec<Client>,
    notes: Vec<String>,
}

impl Progress {
    fn note<E: std::fmt::Display>(&mut self, done: Result<(), E>) {
        if let Err(error) = done {
            let words = error.to_string();
            if !self.notes.contains(&words) {
                self.notes.push(words);
            }
        }
    }
}

impl Hands {
    /// All hands of one host.
    pub fn new(
        server: Server,
        addresses: Addresses,
        announcer: Announcer,
        refusal: Refusal,
    ) -> Self {
        Self {
            server,
            addresses,
            announcer: Arc::new(announcer),
            refusal,
            announcing: Mutex::default(),
        }
    }

    /// Freezes the writer. What holds `read_only` up gets `grace`; then everything is undone and the blockers
    /// are named, or with `kill` all sessions are ended at once. Idle transactions are no blockers: their
    /// owners are ended and their changes are rolled back.
    pub async fn freeze(
        &self,
        vip: IpAddr,
        grace: Span,
        kill: bool,
        limit: Span,
    ) -> Result<Frozen, FreezeFailed> {
        let deadline = Deadline::after(limit);
        let work = deadline.less(reserve(limit));
        // What was read-only before stays so when the freeze fails.
        let (refused, before) = tokio::join!(
            self.refusal.new_connections(vip),
            self.server.is_read_only(work.left().into()),
        );
        let mut progress = Progress::default();
        progress.note(refused);
        let result = match &before {
            Ok(_) => self.freeze_by(vip, grace, kill, work, &mut progress).await,
            Err(error) => Err(failed(error)),
        };
        let mut failure = match result {
            Ok(at) => {
                return Ok(Frozen {
                    at,
                    killed: progress.killed,
                    notes: progress.notes,
                });
            }
            Err(failure) => failure,
        };
        let undone = match before {
            Ok(true) => return Err(failure),
            Ok(false) => {
                self.thaw(vip, reserve(limit).max(deadline.left().into()))
                    .await
            }
            // Nothing was done to it.
            Err(_) => self.refusal.lift(vip).await.map_err(|e| e.to_string()),
        };
        if let Err(why) = undone {
            failure.why += &format!("; undoing it failed too: {why}");
        }
        Err(failure)
    }

    async fn freeze_by(
        &self,
        vip: IpAddr,
        grace: Span,
        kill: bool,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, FreezeFailed> {
        let left = || Span::from(work.left());
        let pending = self.server.begin_read_only(work.limit(), left()).await;
        let mut pending = pending.map_err(|e| failed(&e))?;
        match pending.wait(grace.min(left())).await {
            Some(done) => done.map_err(|e| failed(&e))?,
            None if kill => self.clear_the_way(pending, work, progress).await?,
            None => self.give_way(pending, grace, work).await?,
        }
        progress.note(self.refusal.everything(vip).await);
        let killed = self.server.kill_all(left()).await.map_err(|e| failed(&e))?;
        progress.killed += killed.killed;
        if let Some(client) = killed.left.first() {
            let count = killed.left.len();
            let why = format!("{count} sessions do not end, the first is {client}");
            return Err(FreezeFailed {
                why,
                blockers: killed.left.iter().map(stuck).collect(),
            });
        }
        // Only now: what was acknowledged until the last session ended is in there.
        match self.server.is_read_only(left()).await {
            Ok(true) => {}
            Ok(false) => return Err(failed(&"something cleared read_only again")),
            Err(error) => return Err(failed(&error)),
        }
        self.server.position(left()).await.map_err(|e| failed(&e))
    }

    /// The grace is over: names the blockers and calls `read_only` off. No error if it came through meanwhile.
    async fn give_way(
        &self,
        pending: PendingReadOnly,
        grace: Span,
        work: Deadline,
    ) -> Result<(), FreezeFailed> {
        let limit = reserve(work.limit()).min(work.left().into());
        // Asked while it is still held up: afterwards nobody can tell.
        let blockers = self.server.blockers(limit).await;
        let set = pending.cancel(reserve(work.limit())).await;
        if set.map_err(|e| failed(&e))? {
            return Ok(());
        }
        let blockers = blockers.unwrap_or_default();
        let first = blockers.first().map_or_else(
            || "an idle session that holds table locks; the server does not say which".to_owned(),
            ToString::to_string,
        );
        Err(FreezeFailed {
            why: format!("read_only was held up for {grace} by {first}"),
            blockers,
        })
    }

    /// Ends sessions until `read_only` comes through.
    async fn clear_the_way(
        &self,
        mut pending: PendingReadOnly,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<(), FreezeFailed> {
        loop {
            let killed = self.server.kill_all(ROUND.min(work.left().into())).await;
            let killed = match killed {
                Ok(killed) => killed,
                Err(error) => {
                    let _ = pending.cancel(reserve(work.limit())).await;
                    return Err(failed(&error));
                }
            };
            progress.killed += killed.killed;
            if let Some(done) = pending.wait(Span::ms(50).min(work.left().into())).await {
                return done.map_err(|e| failed(&e));
            }
            if work.over() {
                let blockers: Vec<Blocker> = killed.left.iter().map(stuck).collect();
                let set = pending.cancel(reserve(work.limit())).await;
                if set.map_err(|e| failed(&e))? {
                    return Ok(());
                }
                let limit = work.limit();
                return Err(FreezeFailed {
                    why: format!("read_only did not come through within {limit}, sessions ended"),
                    blockers,
                });
            }
        }
    }

    /// Undoes a freeze: writable, the VIP served again.
    pub async fn thaw(&self, vip: IpAddr, limit: Span) -> Result<(), String> {
        let writable = self.server.set_read_only(false, limit).await;
        let lifted = self.refusal.lift(vip).await;
        writable.map_err(|e| e.to_string())?;
        // A refusal that cannot be set need not be lifted; one that is stuck keeps clients out.
        match lifted {
            Err(error) if self.refusal.available().await.is_ok() => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Makes this host the writer: writable, verified, then the VIP, then the neighbours are told. If any of
    /// that fails the VIP is dropped and `read_only` set again.
    pub async fn open(
        &self,
        vip: IpAddr,
        lifetime: Option<u32>,
        limit: Span,
    ) -> Result<(), String> {
        let deadline = Deadline::after(limit);
        let work = deadline.less(reserve(limit));
        let done = match self.thaw(vip, work.left().into()).await {
            Ok(()) => self.hold_vip(vip, lifetime).await,
            Err(why) => Err(why),
        };
        let Err(mut why) = done else { return Ok(()) };
        if let Err(more) = self.drop_vip(vip).await {
            why += &format!("; and {more}");
        }
        let rest = reserve(limit).max(deadline.left().into());
        match self.server.set_read_only(true, rest).await {
            Err(error) if !error.is_gone() => why += &format!("; and {error}"),
            _ => {}
        }
        Err(why)
    }

    /// Puts the VIP up, or renews its lifetime (whole seconds; the kernel drops it after that). A new one is
    /// announced, several times over the first second, and no refusal of it stays.
    pub async fn hold_vip(&self, vip: IpAddr, lifetime: Option<u32>) -> Result<(), String> {
        let there = self.timed(vip, self.addresses.holds(vip)).await?;
        if !there && self.refusal.available().await.is_ok() {
            self.refusal.lift(vip).await.map_err(|e| e.to_string())?;
        }
        let new = self.timed(vip, self.addresses.hold(vip, lifetime)).await?;
        if new {
            self.announcer.announce(vip).map_err(|e| e.to_string())?;
            self.announce_again(vip);
        }
        Ok(())
    }

    /// Takes the VIP off, verified. Clients that still come by a stale ARP entry are refused for some seconds
    /// if they were before.
    pub async fn drop_vip(&self, vip: IpAddr) -> Result<(), String> {
        self.hush(vip);
        self.timed(vip, self.addresses.drop(vip)).await?;
        Ok(())
    }

    async fn timed<T>(
        &self,
        vip: IpAddr,
        act: impl Future<Output = Result<T, AddressError>>,
    ) -> Result<T, String> {
        match tokio::time::timeout(ADDRESS_LIMIT, act).await {
            Ok(done) => done.map_err(|e| e.to_string()),
            Err(_) => Err(format!(
                "{vip} on {}: the kernel did not answer within {} ms",
                self.addresses.interface(),
                ADDRESS_LIMIT.as_millis()
            )),
        }
    }

    fn announce_again(&self, vip: IpAddr) {
        let announcer = Arc::clone(&self.announcer);
        let task = tokio::spawn(async move {
            let began = Instant::now();
            for ms in AGAIN_MS {
                tokio::time::sleep_until(began + Duration::from_millis(ms)).await;
                if let Err(error) = announcer.announce(vip) {
                    tracing::warn!(%vip, %error, "cannot repeat the announcement");
                    return;
                }
            }
        });
        if let Some(before) = self.announcements().insert(vip, task.abort_handle()) {
            before.abort();
        }
    }

    /// No announcement of that address from now on: it would draw the clients back here.
    fn hush(&self, vip: IpAddr) {
        if let Some(task) = self.announcements().remove(&vip) {
            task.abort();
        }
    }

    fn announcements(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, AbortHandle>> {
        self.announcing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that nobody writes by way of these VIPs: refuse, `read_only` not waited for, end sessions
    /// while the VIPs are still up, verify, drop the VIPs in any case. Ends within `budget` or a little more
    /// and says honestly what could not be verified: then the server's process must be ended, which is not
    /// done here.
    pub async fn fence(&self, vips: &[IpAddr], budget: Span) -> Fenced {
        let began = Instant::now();
        let deadline = Deadline::after(budget);
        let work = deadline.less(reserve(budget));
        let mut progress = Progress::default();
        let quiet = self.quieten(vips, work, &mut progress).await;
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for vip in vips {
            match self.drop_vip(*vip).await {
                Ok(()) => gone.push(*vip),
                Err(why) => left.push((*vip, why)),
            }
        }
        let (read_only, at) = match quiet {
            Ok(at) => (ReadOnly::Verified, Some(at)),
            Err(ServerError::Gone { why, .. }) => (ReadOnly::ServerGone(why), None),
            Err(error) => (ReadOnly::Failed(error.to_string()), None),
        };
        if matches!(read_only, ReadOnly::ServerGone(_)) {
            progress.left.clear();
        }
        for vip in &gone {
            progress.note(self.refusal.fade(*vip).await);
        }
        Fenced {
            read_only,
            vips_gone: gone,
            vips_left: left,
            killed: progress.killed,
            sessions_left: progress.left,
            at,
            took: began.elapsed().into(),
            notes: progress.notes,
        }
    }

    /// The part of a fence that needs the server. An error says what could not be verified.
    async fn quieten(
        &self,
        vips: &[IpAddr],
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, ServerError> {
        let left = || Span::from(work.left());
        let refuse = async {
            let mut done = Ok(());
            for vip in vips {
                done = done.and(self.refusal.new_connections(*vip).await);
            }
            done
        };
        let (refused, pending) =
            tokio::join!(refuse, self.server.begin_read_only(Span::secs(1), left()));
        progress.note(refused);
        let set = match pending {
            Ok(pending) => self.insist(pending, work, progress).await,
            Err(error) => Err(error),
        };
        // Also when it hangs: what arrives from now on must not be executed when it wakes up.
        if !matches!(set, Err(ServerError::Gone { .. })) {
            for vip in vips {
                progress.note(self.refusal.everything(*vip).await);
            }
        }
        let verified = match set {
            Ok(()) => self.end_all(work, progress).await,
            Err(error) => Err(error),
        };
        match verified {
            // The connection broke on the way: is it that the server died?
            Err(ServerError::Lost { .. }) => self.end_all(work, progress).await,
            other => other,
        }
    }

    async fn end_all(
        &self,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, ServerError> {
        let left = || Span::from(work.left());
        let killed = self.server.kill_all(left()).await?;
        progress.killed += killed.killed;
        progress.left = killed.left;
        // Whatever was left of the time went to sessions that do not end; one more question is always asked.
        let rest = left().max(Span::ms(20));
        if !self.server.is_read_only(rest).await? {
            return Err(ServerError::Late {
                at: self.server.access().at(),
                step: "verifying read_only".to_owned(),
                limit: work.limit(),
                why: "it is not set".to_owned(),
            });
        }
        self.server.position(rest).await
    }

    /// Waits for `read_only`, first with mercy, then ending every session that may hold it up.
    async fn insist(
        &self,
        mut pending: PendingReadOnly,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<(), ServerError> {
        let mut patience = MERCY;
        loop {
            let left = Span::from(work.left());
            match pending.wait(patience.min(left)).await {
                Some(Ok(())) => return Ok(()),
                // Its own limit passed in the server: begin again.
                Some(Err(ServerError::Refused { code: 1205, .. })) => {
                    pending = self.server.begin_read_only(Span::secs(1), left).await?;
                }
                Some(Err(error)) => return Err(error),
                None => {}
            }
            if work.over() {
                return Err(ServerError::Late {
                    at: self.server.access().at(),
                    step: "setting read_only".to_owned(),
                    limit: work.limit(),
                    why: "something holds it up that does not end".to_owned(),
                });
            }
            let killed = self.server.kill_all(ROUND.min(work.left().into())).await?;
            progress.killed += killed.killed;
            progress.left = killed.left;
            patience = Span::ms(20);
        }
    }
}

/// Kept back for what must be done when the rest has failed.
fn reserve(limit: Span) -> Span {
    Span::ms((limit.as_ms() / 4).min(200))
}

fn failed(error: &impl std::fmt::Display) -> FreezeFailed {
    FreezeFailed {
        why: error.to_string(),
        blockers: Vec::new(),
    }
}

fn stuck(client: &Client) -> Blocker {
    Blocker {
        session: client.id,
        who: client.who.clone(),
        what: format!("does not end ({} {})", client.command, client.state),
        age: client.age,
    }
}
