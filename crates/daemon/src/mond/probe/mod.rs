//! The monitor's own look at every host: ping, server, replication. Finds out and says what it found; what
//! counts as a failed host, and after how long, is the core's to say.
//!
//! Each host has tasks of its own, so a host that hangs delays nobody else's checks.

pub mod ping;
pub mod server;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::select_ok;
use mmm_proto::{Check, HostName, Span, Time};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::clock::Clock;
use ping::{PingError, Pinger};
use server::{Account, ServerProbe};

/// How often a check runs and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub period: Span,
    pub timeout: Span,
}

/// A host to be looked at.
#[derive(Debug, Clone)]
pub struct Target {
    pub host: HostName,
    /// Address, port, user and password of the monitor's account there.
    pub account: Account,
    /// In the order of [`Check::ALL`].
    pub timing: [Timing; 4],
    /// The lag above which `rep_backlog` fails.
    pub max_backlog: Span,
}

/// The watch over the monitor's own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTarget {
    /// The network is up when any of these answers. Without one, nothing is watched or told.
    pub ips: Vec<IpAddr>,
    pub timing: Timing,
}

/// What one run of a check found. The messages begin with `OK`, `ERROR` or `UNKNOWN`, as the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Ok(String),
    Failed {
        why: String,
        /// The port refused, or reset the connection, twice in a row: the machine is there, the server is not.
        hard: bool,
    },
    /// It could not be found out.
    Unknown(String),
}

impl Found {
    fn ok() -> Self {
        Self::Ok("OK".to_owned())
    }

    fn failed(why: impl Into<String>) -> Self {
        let (why, hard) = (why.into(), false);
        Self::Failed { why, hard }
    }

    /// The words that people read.
    pub fn message(&self) -> &str {
        match self {
            Self::Ok(text) | Self::Failed { why: text, .. } | Self::Unknown(text) => text,
        }
    }
}

/// One run of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    pub host: HostName,
    pub check: Check,
    pub found: Found,
    pub began: Time,
    pub took: Span,
}

/// What the probes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeEvent {
    Checked(ProbeResult),
    /// Told at the start and whenever it changes.
    Network {
        up: bool,
        message: String,
        at: Time,
    },
}

/// The probes of all hosts. They end when this is dropped.
#[derive(Debug)]
pub struct Probes {
    now: BTreeMap<HostName, Arc<Now>>,
    _tasks: JoinSet<()>,
}

/// Wakes the tasks of a host before their time.
#[derive(Debug, Default)]
struct Now {
    ping: Notify,
    server: Notify,
}

impl Probes {
    /// Starts to look. What is found goes to `tx`; while its receiver is slow, less is looked at.
    pub fn start(
        targets: Vec<Target>,
        network: NetworkTarget,
        tx: &mpsc::Sender<ProbeEvent>,
    ) -> Self {
        let pinger = Arc::new(Pinger::default());
        let (mut now, mut tasks) = (BTreeMap::new(), JoinSet::new());
        for target in targets {
            let wake = Arc::new(Now::default());
            now.insert(target.host.clone(), Arc::clone(&wake));
            let scout = Scout { target, wake, tx: tx.clone() };
            tasks.spawn(scout.clone().ping(Arc::clone(&pinger)));
            tasks.spawn(scout.server());
        }
        if !network.ips.is_empty() {
            tasks.spawn(watch_network(network, pinger, tx.clone()));
        }
        Self { now, _tasks: tasks }
    }

    /// Runs `ping` and `mysql` of that host at once, or as soon as a run that is under way has ended. An
    /// unknown host is ignored.
    pub fn probe_now(&self, host: &HostName) {
        if let Some(now) = self.now.get(host) {
            now.ping.notify_one();
            now.server.notify_one();
        }
    }
}

/// The tasks of one host.
#[derive(Clone)]
struct Scout {
    target: Target,
    wake: Arc<Now>,
    tx: mpsc::Sender<ProbeEvent>,
}

impl Scout {
    async fn ping(self, pinger: Arc<Pinger>) {
        let timing = self.target.timing[Check::Ping.index()];
        loop {
            let began = Clock.now();
            let found = match pinger.ping(self.target.account.ip, timing.timeout).await {
                Ok(_) => Found::ok(),
                Err(PingError::NoAnswer(why)) => Found::failed(format!("ERROR: {why}")),
                Err(error) => Found::Unknown(format!("UNKNOWN: {error}")),
            };
            if !self.tell(Check::Ping, found, began).await {
                return;
            }
            tokio::select! {
                () = Clock.sleep_until(began + timing.period) => {}
                () = self.wake.ping.notified() => {}
            }
        }
    }

    /// The three checks that ask the server, over one connection.
    async fn server(self) {
        let mut probe = ServerProbe::new(self.target.account.clone());
        let mut due = [Clock.now(); 4];
        loop {
            let now = Clock.now();
            let mut unreachable = None;
            if due[Check::Mysql.index()] <= now {
                let found = probe.mysql(self.timing(Check::Mysql).timeout).await;
                unreachable = match &found {
                    Found::Ok(_) => None,
                    Found::Failed { why: text, .. } | Found::Unknown(text) => Some(unknown(text)),
                };
                due[Check::Mysql.index()] = now + self.timing(Check::Mysql).period;
                if !self.tell(Check::Mysql, found, now).await {
                    return;
                }
            }
            if !self.replication(&mut probe, &mut due, now, unreachable).await {
                return;
            }
            let next = due[1..].iter().min().copied().unwrap_or(now);
            tokio::select! {
                () = Clock.sleep_until(next) => {}
                () = self.wake.server.notified() => due[Check::Mysql.index()] = Time(0),
            }
        }
    }

    /// Runs those of the two replication checks that are due; both read one answer. Not asked when the
    /// server is known to be `unreachable`: that would only wait for the same time-out again.
    async fn replication(
        &self,
        probe: &mut ServerProbe,
        due: &mut [Time; 4],
        now: Time,
        unreachable: Option<Found>,
    ) -> bool {
        let checks = [Check::RepThreads, Check::RepBacklog];
        let checks: Vec<Check> =
            checks.into_iter().filter(|check| due[check.index()] <= now).collect();
        let limit = checks.iter().map(|check| self.timing(*check).timeout).min();
        let Some(limit) = limit else { return true };
        let began = Clock.now();
        let replication = match unreachable {
            Some(found) => server::Replication::Not(found),
            None => probe.replication(limit).await,
        };
        for check in checks {
            due[check.index()] = now + self.timing(check).period;
            let found = match check {
                Check::RepThreads => replication.threads(),
                _ => replication.backlog(self.target.max_backlog),
            };
            if !self.tell(check, found, began).await {
                return false;
            }
        }
        true
    }

    fn timing(&self, check: Check) -> Timing {
        self.target.timing[check.index()]
    }

    /// Whether there is anybody to tell.
    async fn tell(&self, check: Check, found: Found, began: Time) -> bool {
        let took = Clock.now().since(began);
        let host = self.target.host.clone();
        let result = ProbeResult { host, check, found, began, took };
        self.tx.send(ProbeEvent::Checked(result)).await.is_ok()
    }
}

/// What a failed connection means for the checks that need one.
fn unknown(text: &str) -> Found {
    let why = text.split_once(": ").map_or(text, |(_, why)| why);
    Found::Unknown(format!("UNKNOWN: {why}"))
}

async fn watch_network(target: NetworkTarget, pinger: Arc<Pinger>, tx: mpsc::Sender<ProbeEvent>) {
    let mut told = None;
    loop {
        let began = Clock.now();
        let limit = target.timing.timeout;
        let asked = target.ips.iter().map(|ip| Box::pin(pinger.ping(*ip, limit)));
        let (up, message) = match select_ok(asked).await {
            Ok(_) => (Some(true), "OK".to_owned()),
            Err(PingError::NoAnswer(_)) => {
                let all: Vec<String> = target.ips.iter().map(ToString::to_string).collect();
                (Some(false), format!("ERROR: none of {} answers", all.join(", ")))
            }
            // Not being allowed to ask says nothing about the network.
            Err(error) => (None, format!("UNKNOWN: {error}")),
        };
        if up.is_some() && up != told {
            told = up;
            let (up, at) = (up.unwrap_or(true), Clock.now());
            if tx.send(ProbeEvent::Network { up, message, at }).await.is_err() {
                return;
            }
        }
        Clock.sleep_until(began + target.timing.period).await;
    }
}
