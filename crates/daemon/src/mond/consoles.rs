//! Consoles: listeners, peers, subscriptions. Knows who may act; what an act does is the core's.
//!
//! Nothing here makes the monitor wait: pictures are the newest one only, events a ring, answers a
//! bounded queue. A console that does not read is dropped.

mod pace;
mod ring;
mod session;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use mmm_proto::hello::{First, Hello, Program, You};
use mmm_proto::line::encode;
use mmm_proto::{ClusterView, Event, Span};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::auth::{ClusterKey, handshake};
use crate::net::{Conn, Listener, Outbox, Peer, UnixAccess, Urgency, WRITE_LIMIT, Who};
use ring::Ring;
use session::Session;

/// How many consoles may be connected at a time.
pub const CONSOLES_MAX: usize = 64;

/// How many may be introducing themselves at a time. Others wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 64;

/// How long the user database may take. It may be a directory service that is down, as things are
/// when a monitor matters.
const LOOKUP_LIMIT: Span = Span::secs(2);

/// Where consoles come in.
#[derive(Debug, Clone)]
pub struct ConsoleSettings {
    /// The monitor's hello.
    pub hello: Hello,
    /// The unix socket.
    pub socket: Option<(PathBuf, UnixAccess)>,
    pub tcp: Option<ConsoleTcp>,
    /// The group whose members may act over the unix socket; root always may.
    pub group: String,
}

/// Consoles over TCP.
#[derive(Debug, Clone)]
pub struct ConsoleTcp {
    pub addr: SocketAddr,
    /// Whoever knows it may act.
    pub key: Option<ClusterKey>,
    /// Without a key: whether whoever reaches the address may act.
    pub insecure: bool,
}

/// What consoles do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleEvent {
    /// A request that `who` may make; answered by [`ConsoleHub::answer`]. Snapshots and
    /// subscriptions are served here and do not come up.
    Asked { console: u64, who: Who, request: ToMonitor },
    /// The console is gone. What it asked for goes on.
    Left { console: u64 },
}

/// All consoles. They end when this is dropped.
#[derive(Debug)]
pub struct ConsoleHub {
    shared: Arc<Shared>,
    tcp: Option<SocketAddr>,
    tasks: JoinSet<()>,
}

/// What waits to be sent to a console.
#[derive(Debug)]
enum Out {
    Message(FromMonitor),
    /// The picture as it is when the answer leaves.
    Snapshot(u64),
    /// From here on pictures and events, those after that number first.
    Subscribe(Option<u64>),
}

/// A picture, encoded at most once however many consoles get it.
#[derive(Debug)]
struct Picture {
    view: Arc<ClusterView>,
    line: OnceLock<Result<String, String>>,
    essence: OnceLock<u64>,
}

impl Picture {
    fn new(view: Arc<ClusterView>) -> Self {
        Self { view, line: OnceLock::new(), essence: OnceLock::new() }
    }

    /// As [`ClusterView::essence`], found out at most once.
    fn essence(&self) -> u64 {
        *self.essence.get_or_init(|| self.view.essence())
    }

    fn line(&self) -> &Result<String, String> {
        self.line.get_or_init(|| {
            let view = Box::new(self.view.as_ref().clone());
            encode(&FromMonitor::View { view }).map_err(|error| {
                tracing::error!(
                    %error, hosts = self.view.hosts.len(),
                    "the picture cannot be sent"
                );
                format!("the picture of this cluster cannot be sent: {error}")
            })
        })
    }
}

#[derive(Debug)]
struct Shared {
    settings: ConsoleSettings,
    pictures: watch::Sender<Option<Arc<Picture>>>,
    ring: Mutex<Ring>,
    /// Changes when there are new events.
    rung: watch::Sender<()>,
    /// Whether pictures, events and beats are held back.
    mute: watch::Sender<bool>,
    consoles: Mutex<Consoles>,
    tx: mpsc::Sender<ConsoleEvent>,
}

#[derive(Debug, Default)]
struct Consoles {
    outs: BTreeMap<u64, Arc<Outbox<Out>>>,
    last: u64,
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consoles(&self) -> MutexGuard<'_, Consoles> {
        self.consoles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsoleHub {
    /// Starts to listen. What consoles ask for goes to `tx`; when its receiver is slow, consoles
    /// are read more slowly.
    ///
    /// # Errors
    /// A sentence that names the address or path, and the remedy.
    pub fn start(
        settings: ConsoleSettings,
        tx: mpsc::Sender<ConsoleEvent>,
    ) -> Result<Self, String> {
        let mut listeners = Vec::new();
        if let Some((path, access)) = &settings.socket {
            listeners.push(Listener::unix(path, access)?);
        }
        let mut tcp = None;
        if let Some(ConsoleTcp { addr, key, insecure }) = &settings.tcp {
            if !addr.ip().is_loopback() && key.is_none() && !insecure {
                return Err(format!(
                    "will not listen for consoles on {addr} without protection: set cluster_key, or insecure = true"
                ));
            }
            let listener = Listener::tcp(*addr, WRITE_LIMIT)?;
            tcp = listener.addr();
            listeners.push(listener);
        }
        let shared = Arc::new(Shared {
            settings,
            pictures: watch::channel(None).0,
            ring: Mutex::default(),
            rung: watch::channel(()).0,
            mute: watch::channel(false).0,
            consoles: Mutex::default(),
            tx,
        });
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tracing::info!(?listener, "listening for consoles");
            tasks.spawn(receive(listener, Arc::clone(&shared), Arc::clone(&handshakes)));
        }
        Ok(Self { shared, tcp, tasks })
    }

    /// The TCP address, with the port that the kernel chose when port 0 was asked for.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Shows a new picture to whoever subscribed: the newest, at most ten a second each, and one a
    /// second while nothing happens.
    pub fn publish(&self, view: Arc<ClusterView>) {
        self.shared.pictures.send_replace(Some(Arc::new(Picture::new(view))));
    }

    /// Tells new events, oldest first, to whoever subscribed. The last 2,000 are kept for
    /// late-comers.
    pub fn events(&self, events: Vec<Event>) {
        if !events.is_empty() {
            self.shared.ring().add(events);
            self.shared.rung.send_replace(());
        }
    }

    /// Plays dead: no picture, event or beat leaves until it ends. For a demo, whose simulated
    /// monitor may be stopped while the program that plays it goes on.
    pub fn mute(&self, mute: bool) {
        self.shared.mute.send_if_modified(|now| std::mem::replace(now, mute) != mute);
    }

    /// Answers a request. A console that is gone meanwhile misses it; one that has 256 answers
    /// unread is dropped.
    pub fn answer(&self, console: u64, id: u64, answer: Answer) {
        let out = self.shared.consoles().outs.get(&console).cloned();
        let message = Out::Message(FromMonitor::Answer { id, answer });
        if let Some(Err(closed)) = out.map(|out| out.put(Urgency::Each, message)) {
            tracing::warn!(console, why = %closed, "a console is dropped");
        }
    }

    /// How many consoles are connected.
    pub fn count(&self) -> usize {
        self.shared.consoles().outs.len()
    }

    /// Tells every console why the monitor goes, sends what waits, and closes; takes half a second
    /// at most.
    pub async fn close(mut self, why: &str) {
        let outs: Vec<_> = self.shared.consoles().outs.values().cloned().collect();
        for out in outs {
            let message = FromMonitor::Error { why: why.to_owned() };
            // Closed ones are on their way out already.
            let _ = out.put(Urgency::Each, Out::Message(message));
            out.finish(why);
        }
        let empty = async {
            while self.count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), empty).await;
        self.tasks.shutdown().await;
    }
}

async fn receive(listener: Listener, shared: Arc<Shared>, handshakes: Arc<Semaphore>) {
    let mut visitors = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let conn = tokio::select! {
            conn = listener.accept() => conn,
            Some(_) = visitors.join_next() => continue,
        };
        let shared = Arc::clone(&shared);
        visitors.spawn(async move {
            let peer = conn.peer().to_string();
            let met = meet(conn, &shared).await;
            drop(permit);
            match met {
                Ok((conn, who)) => serve(conn, who, shared).await,
                Err(why) => tracing::info!(%peer, %why, "refused a console"),
            }
        });
    }
}

/// Finds out who it is, and introduces both to each other.
async fn meet(conn: Conn, shared: &Shared) -> Result<(Conn, Who), String> {
    if shared.consoles().outs.len() >= CONSOLES_MAX {
        let why = full();
        conn.part(&First::Error { why: why.clone() }).await;
        return Err(why);
    }
    let (mut who, key) = match conn.peer() {
        // The kernel vouches for a local peer; no key is needed.
        Peer::Unix(peer) => (local(*peer, &shared.settings.group).await, None),
        Peer::Tcp(addr) => {
            let tcp = shared.settings.tcp.as_ref();
            let key = tcp.and_then(|tcp| tcp.key.as_ref());
            let name = format!("tcp {}", addr.ip());
            let who = if key.is_some() || tcp.is_some_and(|tcp| tcp.insecure) {
                Who::acting(name)
            } else {
                let why =
                    "consoles over TCP may only look: set cluster_key, or use the monitor's socket";
                Who::looking(name, why)
            };
            (who, key)
        }
    };
    let mut hello = shared.settings.hello.clone();
    hello.you =
        Some(You { name: who.name.clone(), may_act: who.may_act, why_not: who.why_not.clone() });
    let own = hello.clone();
    let key = key.map(ClusterKey::bytes);
    let (conn, theirs) = handshake(conn, hello, Program::Console, key).await?;
    if let Some(why) = own.only_looks(&theirs) {
        who = Who::looking(who.name, why);
    }
    Ok((conn, who))
}

async fn local(peer: crate::net::UnixPeer, group: &str) -> Who {
    let group = group.to_owned();
    let lookup = tokio::task::spawn_blocking(move || peer.who(&group));
    match tokio::time::timeout(LOOKUP_LIMIT.into(), lookup).await {
        Ok(Ok(who)) => who,
        _ if peer.uid == 0 => Who::acting("root"),
        _ => {
            let why = "the user database of the monitor's host does not answer; only root may act";
            Who::looking(format!("uid {}", peer.uid), why)
        }
    }
}

async fn serve(conn: Conn, who: Who, shared: Arc<Shared>) {
    let out = Arc::new(Outbox::new());
    let Some(id) = admit(&shared, &out) else {
        return conn.part(&FromMonitor::Error { why: full() }).await;
    };
    let peer = conn.peer().to_string();
    tracing::debug!(console = id, who = %who.name, %peer, "a console is connected");
    let session = Session { id, who, out, shared };
    let why = session.run(conn).await;
    session.out.close(&why);
    session.shared.consoles().outs.remove(&id);
    tracing::debug!(console = id, %why, "a console is gone");
    // The receiver is only gone when the monitor ends.
    let _ = session.shared.tx.send(ConsoleEvent::Left { console: id }).await;
}

/// Counts again, because several may have been introducing themselves at once.
fn admit(shared: &Shared, out: &Arc<Outbox<Out>>) -> Option<u64> {
    let mut consoles = shared.consoles();
    if consoles.outs.len() >= CONSOLES_MAX {
        return None;
    }
    consoles.last += 1;
    let id = consoles.last;
    consoles.outs.insert(id, Arc::clone(out));
    Some(id)
}

fn full() -> String {
    format!("{CONSOLES_MAX} consoles are connected already; close one and try again")
}
