//! The agent's listener: monitors that dial in, and the agents of other hosts. Whom to obey is the
//! core's to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mmm_proto::agent::{FromAgent, ToAgent};
use mmm_proto::hello::{First, Hello, Program};
use mmm_proto::{Span, Time};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::peers::PeerLinks;
use crate::auth::{ClusterKey, handshake_any};
use crate::clock::Clock;
use crate::net::{Closed, Conn, Listener, Outbox, Urgency, pump};

/// How many may be connected at a time.
pub const LINKS_MAX: usize = 8;

/// How many may be introducing themselves at a time. Others wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 16;

/// The pauses between attempts to listen; the last one repeats. The address may not be there yet
/// after a boot.
const PAUSES: [Span; 3] = [Span::ms(100), Span::ms(500), Span::ms(1000)];

/// What the listener needs.
#[derive(Debug, Clone)]
pub struct MonitorLinkSettings {
    /// Where to listen: the host's `ip` and `agent_port`.
    pub addr: SocketAddr,
    /// The agent's hello; its `host` is this host.
    pub hello: Hello,
    pub key: Option<ClusterKey>,
    /// The agents of other hosts, which dial the same port.
    pub peers: PeerLinks,
    /// How long a monitor may say nothing before its link is given up. A few heartbeats.
    pub silence: Span,
}

/// What happens on the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorEvent {
    /// A monitor introduced itself. Numbers are not used twice.
    Up { link: u64, hello: Hello, at: Time },
    /// A monitor said something; `at` is when it was read.
    Said { link: u64, at: Time, message: ToAgent },
    /// The link broke.
    Down { link: u64, why: String, at: Time },
}

/// Whether the agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    /// Not yet; says why, once there is a reason.
    NotYet(String),
    /// There.
    On(SocketAddr),
}

type Links = Arc<Mutex<BTreeMap<u64, Arc<Outbox<FromAgent>>>>>;

/// The listener and its links. They end when this is dropped.
#[derive(Debug)]
pub struct MonitorLinks {
    links: Links,
    listening: watch::Receiver<Listening>,
    _tasks: JoinSet<()>,
}

impl MonitorLinks {
    /// Starts to listen. What happens goes to `tx`; when its receiver is slow, monitors are read
    /// more slowly.
    pub fn start(settings: MonitorLinkSettings, tx: mpsc::Sender<MonitorEvent>) -> Self {
        let links = Links::default();
        let (told, listening) = watch::channel(Listening::NotYet(String::new()));
        let mut tasks = JoinSet::new();
        let door = Door { settings: Arc::new(settings), links: Arc::clone(&links), tx };
        tasks.spawn(door.run(told));
        Self { links, listening, _tasks: tasks }
    }

    /// Whether the agent listens, and where; changes once it does.
    pub fn listening(&self) -> watch::Receiver<Listening> {
        self.listening.clone()
    }

    /// Says something to one monitor; never waits. A newer report takes the place of one that was
    /// not sent yet; all else is sent one and all, or the link is closed.
    ///
    /// # Errors
    /// When the link is down.
    pub fn send(&self, link: u64, message: FromAgent) -> Result<(), Closed> {
        let out = lock(&self.links).get(&link).cloned();
        let out = out.ok_or_else(|| Closed(format!("monitor link {link} is down")))?;
        out.put(urgency(&message), message)
    }

    /// Says something to all monitors that are connected; never waits. As [`MonitorLinks::send`].
    pub fn broadcast(&self, message: &FromAgent) {
        for (link, out) in lock(&self.links).iter() {
            if let Err(closed) = out.put(urgency(message), message.clone()) {
                tracing::debug!(link, why = %closed, "not sent to a monitor");
            }
        }
    }
}

fn lock(links: &Links) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Outbox<FromAgent>>>> {
    links.lock().unwrap_or_else(PoisonError::into_inner)
}

fn urgency(message: &FromAgent) -> Urgency {
    match message {
        FromAgent::Report(_) => Urgency::Latest,
        _ => Urgency::Each,
    }
}

#[derive(Clone)]
struct Door {
    settings: Arc<MonitorLinkSettings>,
    links: Links,
    tx: mpsc::Sender<MonitorEvent>,
}

impl Door {
    async fn run(self, told: watch::Sender<Listening>) {
        let listener = self.listen(&told).await;
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let mut visitors = JoinSet::new();
        let mut next = 1;
        loop {
            let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
                return;
            };
            let conn = tokio::select! {
                conn = listener.accept() => conn,
                Some(_) = visitors.join_next() => continue,
            };
            let (door, link) = (self.clone(), next);
            next += 1;
            visitors.spawn(async move {
                let peer = conn.peer().to_string();
                let met = door.meet(conn).await;
                drop(permit);
                match met {
                    Ok((conn, Hello { program: Program::Agent, host: Some(host), .. })) => {
                        let why = door.settings.peers.talk(conn, &host).await;
                        tracing::info!(peer = %host, %why, "a peer's connection ended");
                    }
                    Ok((conn, hello)) => door.talk(link, conn, hello, &peer).await,
                    Err(why) => tracing::warn!(%peer, %why, "refused a connection"),
                }
            });
        }
    }

    async fn listen(&self, told: &watch::Sender<Listening>) -> Listener {
        let mut failures = 0;
        let mut last = String::new();
        loop {
            match Listener::tcp(self.settings.addr, self.settings.silence) {
                Ok(listener) => {
                    let addr = listener.addr().unwrap_or(self.settings.addr);
                    tracing::info!(%addr, "listening for the monitor");
                    told.send_replace(Listening::On(addr));
                    return listener;
                }
                Err(why) => {
                    if why != last {
                        tracing::warn!(%why, "will try again");
                        told.send_replace(Listening::NotYet(why.clone()));
                        last = why;
                    }
                    let pause = PAUSES[failures.min(PAUSES.len() - 1)];
                    failures += 1;
                    tokio::time::sleep(pause.into()).await;
                }
            }
        }
    }

    async fn meet(&self, conn: Conn) -> Result<(Conn, Hello), String> {
        let MonitorLinkSettings { hello, key, .. } = &*self.settings;
        if lock(&self.links).len() >= LINKS_MAX {
            let why = format!("{LINKS_MAX} monitors are connected already");
            conn.part(&First::Error { why: why.clone() }).await;
            return Err(why);
        }
        let key = key.as_ref().map(ClusterKey::bytes);
        let this = hello.host.clone();
        let peers = &self.settings.peers;
        let look = |theirs: &Hello| match (&this, &theirs.host) {
            (Some(this), Some(from)) if theirs.program == Program::Agent => {
                let known = from != this && peers.knows(from);
                let why =
                    || format!("{from} is not a peer of {this}: check the hosts in both files");
                known.then_some(()).ok_or_else(why)
            }
            (_, None) if theirs.program == Program::Agent => {
                Err("the agent does not say which host it is".to_owned())
            }
            (Some(this), Some(wanted)) if this != wanted => {
                Err(format!("this is {this}, you dialled {wanted}: check ip of {wanted}"))
            }
            _ => Ok(()),
        };
        let accepted = [Program::Monitor, Program::Agent];
        handshake_any(conn, hello.clone(), &accepted, key, look).await
    }

    /// Counts again, because several may have been introducing themselves at once.
    fn admit(&self, link: u64, out: &Arc<Outbox<FromAgent>>) -> bool {
        let mut links = lock(&self.links);
        if links.len() >= LINKS_MAX {
            return false;
        }
        links.insert(link, Arc::clone(out));
        true
    }

    async fn talk(&self, link: u64, conn: Conn, hello: Hello, peer: &str) {
        let out = Arc::new(Outbox::new());
        if !self.admit(link, &out) {
            let why = format!("{LINKS_MAX} monitors are connected already");
            return conn.part(&FromAgent::Error { why }).await;
        }
        tracing::info!(link, %peer, version = %hello.version, "a monitor is connected");
        let at = Clock.now();
        if self.tx.send(MonitorEvent::Up { link, hello, at }).await.is_err() {
            return;
        }
        let error = |why| FromAgent::Error { why };
        let said = |message| {
            let at = Clock.now();
            MonitorEvent::Said { link, at, message }
        };
        let silence = self.settings.silence;
        let why = pump(conn, &out, silence, error, &self.tx, said).await;
        lock(&self.links).remove(&link);
        out.close(&why);
        tracing::info!(link, %peer, %why, "a monitor is gone");
        // The receiver is only gone when the agent ends.
        let at = Clock.now();
        let _ = self.tx.send(MonitorEvent::Down { link, why, at }).await;
    }
}
