//! The links to the agents of other hosts: dials each of them, and takes those that dial in (they
//! come by the listener of `link`). What is said, and whether silence matters, the core says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use mmm_proto::hello::{Hello, Program};
use mmm_proto::peer::PeerMessage;
use mmm_proto::{HostName, Span};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::auth::{ClusterKey, handshake_with};
use crate::clock::Clock;
use crate::net::{Conn, Outbox, Urgency, pump};

/// How long a peer may take to accept.
const DIAL_LIMIT: Span = Span::secs(1);

/// The pauses between attempts to reach a peer: quick at first, since most outages are restarts.
const QUICK: Span = Span::ms(100);
const PATIENT: Span = Span::secs(1);
const QUICK_ATTEMPTS: u32 = 20;

/// How many connections there may be with one peer. Two are usual, one each way; more only until
/// the dead ones are noticed.
const WAYS_MAX: usize = 4;

/// Where the agent of another host listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    pub host: HostName,
    pub addr: SocketAddr,
}

/// What all links to peers share.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// This agent's hello, with its own host.
    pub hello: Hello,
    pub key: Option<ClusterKey>,
    /// How long a peer may say nothing before a link is given up.
    pub silence: Span,
}

/// A peer said something.
pub type PeerSaid = (HostName, PeerMessage);

/// The outboxes of the connections to one peer: the one that was dialled, and those that came in.
#[derive(Debug, Default)]
struct Ways {
    next: u64,
    open: BTreeMap<u64, Arc<Outbox<PeerMessage>>>,
}

/// The links to all peers. The dialling ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct PeerLinks {
    ways: Arc<BTreeMap<HostName, Mutex<Ways>>>,
    silence: Span,
    tx: mpsc::Sender<PeerSaid>,
    wanted: mpsc::UnboundedSender<HostName>,
    _tasks: Arc<JoinSet<()>>,
}

impl PeerLinks {
    /// Nothing is dialled before something is to be said. What peers say goes to `tx`.
    pub fn start(
        peers: Vec<PeerAddress>,
        settings: PeerSettings,
        tx: mpsc::Sender<PeerSaid>,
    ) -> Self {
        let ways = peers.iter().map(|peer| (peer.host.clone(), Mutex::default())).collect();
        let (wanted, orders) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let silence = settings.silence;
        let (first, told) = tokio::sync::oneshot::channel();
        tasks.spawn(async move {
            if let Ok(links) = told.await {
                dial_when_wanted(peers, settings, links, orders).await;
            }
        });
        let links = Self { ways: Arc::new(ways), silence, tx, wanted, _tasks: Arc::new(tasks) };
        // The task must not keep itself alive by its own clone of the tasks.
        let inner = Self { _tasks: Arc::default(), ..links.clone() };
        let _ = first.send(inner);
        links
    }

    /// Whether a host is a peer at all.
    pub fn knows(&self, host: &HostName) -> bool {
        self.ways.contains_key(host)
    }

    /// Says something to a peer on every connection with it, or to nobody; never waits.
    pub fn say(&self, host: &HostName, message: &PeerMessage) {
        let Some(ways) = self.ways.get(host) else { return };
        let urgency = match message {
            PeerMessage::News(_) => Urgency::Latest,
            _ => Urgency::Each,
        };
        let open: Vec<_> = lock(ways).open.values().cloned().collect();
        for out in open {
            if let Err(closed) = out.put(urgency, message.clone()) {
                tracing::debug!(%host, why = %closed, "not sent to a peer");
            }
        }
        // Whoever is talked to is dialled from then on.
        let _ = self.wanted.send(host.clone());
    }

    /// Talks with a peer until the connection ends; says why it did.
    pub async fn talk(&self, conn: Conn, host: &HostName) -> String {
        let Some(ways) = self.ways.get(host) else {
            return format!("{host} is not in this host's configuration");
        };
        let out = Arc::new(Outbox::new());
        let number = {
            let mut ways = lock(ways);
            let room = ways.open.len() < WAYS_MAX;
            room.then(|| {
                ways.next += 1;
                let number = ways.next;
                ways.open.insert(number, Arc::clone(&out));
                number
            })
        };
        let Some(number) = number else {
            let why = format!("{WAYS_MAX} connections with {host} are open already");
            conn.part(&PeerMessage::Error { why: why.clone() }).await;
            return why;
        };
        let error = |why| PeerMessage::Error { why };
        let said = |message| (host.clone(), message);
        let mut pumping = pin!(pump(conn, &out, self.silence, error, &self.tx, said));
        let mut beat = tokio::time::interval(std::time::Duration::from(self.silence) / 4);
        let why = loop {
            tokio::select! {
                why = &mut pumping => break why,
                // A full outbox ends the connection by itself.
                _ = beat.tick() => drop(out.put(Urgency::Each, PeerMessage::Alive {})),
            }
        };
        lock(ways).open.remove(&number);
        out.close(&why);
        why
    }
}

fn lock(ways: &Mutex<Ways>) -> std::sync::MutexGuard<'_, Ways> {
    ways.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to dial each peer when it is named for the first time.
async fn dial_when_wanted(
    mut peers: Vec<PeerAddress>,
    settings: PeerSettings,
    links: PeerLinks,
    mut orders: mpsc::UnboundedReceiver<HostName>,
) {
    let mut diallers = JoinSet::new();
    while let Some(host) = orders.recv().await {
        if let Some(at) = peers.iter().position(|peer| peer.host == host) {
            let peer = peers.swap_remove(at);
            diallers.spawn(keep_dialled(peer, settings.clone(), links.clone()));
        }
    }
}

async fn keep_dialled(peer: PeerAddress, settings: PeerSettings, links: PeerLinks) {
    let (mut failures, mut told) = (0_u32, None);
    loop {
        let began = Clock.now();
        let why = match dial(&peer, &settings).await {
            Ok(conn) => {
                tracing::info!(peer = %peer.host, addr = %peer.addr, "connected to a peer");
                told = None;
                links.talk(conn, &peer.host).await
            }
            Err(why) => why,
        };
        let took = Clock.now().since(began);
        if took > Span::secs(2) {
            failures = 0;
        }
        if told.as_ref() != Some(&why) {
            tracing::warn!(peer = %peer.host, %why, "no connection to a peer");
            told = Some(why);
        }
        let quick = failures < QUICK_ATTEMPTS || took >= DIAL_LIMIT;
        failures += 1;
        tokio::time::sleep(if quick { QUICK } else { PATIENT }.into()).await;
    }
}

async fn dial(peer: &PeerAddress, settings: &PeerSettings) -> Result<Conn, String> {
    let PeerAddress { host, addr } = peer;
    let dialled = Conn::dial_tcp(*addr, DIAL_LIMIT, settings.silence).await;
    let conn = dialled.map_err(|error| {
        let remedy = if error.refused() { ": is mmm-agentd running there?" } else { "" };
        format!("agent {host} at {addr}: {error}{remedy}")
    })?;
    let key = settings.key.as_ref().map(ClusterKey::bytes);
    let shaken = handshake_with(conn, settings.hello.clone(), Program::Agent, key, |theirs| {
        match &theirs.host {
            Some(name) if name == host => Ok(()),
            Some(name) => Err(format!("this is {name}, not {host}: check ip of {host}")),
            None => Err("the agent does not say which host it is".to_owned()),
        }
    });
    let (conn, _) = shaken.await.map_err(|why| format!("agent {host} at {addr}: {why}"))?;
    Ok(conn)
}
