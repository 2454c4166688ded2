//! Taking the writer's role off this host: freeze, thaw, fence, open.
//!
//! The order of the steps is the point of this file; each step by itself lives next door. Acts are
//! meant to run one at a time: whoever orders them sees to that. What must not be here: when to do
//! what.
//!
//! A client must never wait on a silent address. So new connections are refused first, sessions are
//! ended while the VIP is still up, and packets that come later get a reset.

mod freeze;
mod quieten;
mod voice;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mmm_proto::agent::Blocker;
use mmm_proto::{GtidPos, Span, Time};

use super::address::{AddressError, Addresses};
use super::announce::Announcer;
use super::refuse::Refusal;
use super::server::{Deadline, Server};
use super::sessions::Client;
use crate::clock::Clock;
use crate::core::lease::kernel_secs;
use voice::Voice;

/// How long a fence lets running statements end by themselves.
const MERCY: Span = Span::ms(100);
/// One round of ending sessions.
const ROUND: Span = Span::ms(100);
/// A netlink request that takes longer is stuck.
const ADDRESS_LIMIT: Duration = Duration::from_millis(250);

/// Everything that the agent can lay its hands on.
#[derive(Debug)]
pub struct Hands {
    pub server: Server,
    pub addresses: Arc<Addresses>,
    pub announcer: Arc<Announcer>,
    pub refusal: Refusal,
    voice: Voice,
}

/// How long the kernel keeps an address by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Whole seconds from when it is put up; for ever without.
    Secs(Option<u32>),
    /// Until that instant of the boot clock at the latest.
    Until(Time),
}

impl Lifetime {
    fn secs(self, now: Time) -> Result<Option<u32>, String> {
        match self {
            Self::Secs(secs) => Ok(secs),
            Self::Until(until) => match kernel_secs(until, now) {
                0 => Err("the grant is as good as over".to_owned()),
                secs => Ok(Some(secs)),
            },
        }
    }
}

impl From<Option<u32>> for Lifetime {
    fn from(secs: Option<u32>) -> Self {
        Self::Secs(secs)
    }
}

/// The writer is frozen: `read_only` verified, sessions ended, all packets to the VIP refused, VIP
/// up.
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
        let (addresses, announcer) = (Arc::new(addresses), Arc::new(announcer));
        let voice = Voice::new(Arc::clone(&addresses), Arc::clone(&announcer));
        Self { server, addresses, announcer, refusal, voice }
    }

    /// Undoes a freeze: writable, the VIP served again.
    pub async fn thaw(&self, vip: IpAddr, limit: Span) -> Result<(), String> {
        let writable = self.server.set_read_only(false, limit).await;
        let lifted = self.lift(vip).await;
        self.voice.speak(vip);
        writable.map_err(|e| e.to_string()).and(lifted)
    }

    /// A refusal that cannot be set need not be lifted; one that is stuck keeps clients out.
    async fn lift(&self, vip: IpAddr) -> Result<(), String> {
        match self.refusal.lift(vip).await {
            Err(error) if self.refusal.available().await.is_ok() => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Makes this host the writer: writable, verified, then the VIP, then the neighbours are told.
    /// If any of that fails the VIP is dropped and `read_only` set again.
    pub async fn open(
        &self,
        vip: IpAddr,
        lifetime: impl Into<Lifetime>,
        limit: Span,
    ) -> Result<(), String> {
        let deadline = Deadline::after(limit);
        let work = deadline.less(reserve(limit));
        // Whatever was before: from here on it is ours to announce.
        self.voice.stop(vip);
        // Together, as lifting takes its time; the VIP is not there yet.
        let (writable, lifted) =
            tokio::join!(self.server.set_read_only(false, work.left().into()), self.lift(vip),);
        let done = match writable.map_err(|e| e.to_string()).and(lifted) {
            Ok(()) => self.put_up(vip, lifetime.into()).await,
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

    /// Puts the VIP up, or renews its lifetime (whole seconds; the kernel drops it after that). A
    /// new one is announced, several times over the first second, and no refusal of it stays.
    pub async fn hold_vip(&self, vip: IpAddr, lifetime: impl Into<Lifetime>) -> Result<(), String> {
        let there = self.timed(vip, self.addresses.holds(vip)).await?;
        if !there {
            self.lift(vip).await?;
        }
        self.put_up(vip, lifetime.into()).await
    }

    async fn put_up(&self, vip: IpAddr, lifetime: Lifetime) -> Result<(), String> {
        // Only now: whatever came before may have taken its time, or stood still.
        let lifetime = lifetime.secs(Clock.now())?;
        let new = self.timed(vip, self.addresses.hold(vip, lifetime)).await?;
        // A refreshed one that nobody announces was taken over from an agent that ended.
        self.voice.held(vip, new).map_err(|e| e.to_string())
    }

    /// Takes the VIP off, verified. If it was refused, clients that still come by a stale ARP entry
    /// are refused for some seconds more.
    pub async fn drop_vip(&self, vip: IpAddr) -> Result<(), String> {
        self.voice.stop(vip);
        self.timed(vip, self.addresses.as_ref().drop(vip)).await?;
        self.refusal.fade(vip);
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

    /// Tells the neighbours once more where a VIP is, if it is announced at all.
    pub fn announce(&self, vip: IpAddr) {
        self.voice.once(vip);
    }

    /// The link is back: everything that is announced is announced anew.
    pub fn announce_all(&self) {
        self.voice.again();
    }
}

/// Kept back for what must be done when the rest has failed.
fn reserve(limit: Span) -> Span {
    Span::ms((limit.as_ms() / 4).min(200))
}
