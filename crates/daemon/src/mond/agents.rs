//! One link to each agent: dials, introduces itself, carries grants and orders there and reports
//! back, and dials again. Whether an agent that is down matters is the core's to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mmm_proto::agent::{FromAgent, ToAgent};
use mmm_proto::hello::{Hello, Program};
use mmm_proto::{HostName, Span, Time};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::auth::{ClusterKey, handshake_with};
use crate::clock::Clock;
use crate::net::{Closed, Conn, Outbox, Urgency, pump};

/// How long an agent may take to accept.
const DIAL_LIMIT: Span = Span::secs(1);

/// The pauses between attempts. Most outages are restarts, and clients may wait for the grant that
/// comes with the link: at first attempts follow each other quickly, later one that was answered
/// (refused) costs a pause.
const QUICK: Span = Span::ms(100);
const PATIENT: Span = Span::secs(1);

/// How many attempts follow each other quickly.
const QUICK_ATTEMPTS: u32 = 30;

/// Where an agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentAddress {
    pub host: HostName,
    pub addr: SocketAddr,
}

/// What all links share.
#[derive(Debug, Clone)]
pub struct AgentLinkSettings {
    /// The monitor's hello; each link names its host in it.
    pub hello: Hello,
    pub key: Option<ClusterKey>,
    /// How long an agent may say nothing before its link is given up. A few heartbeats.
    pub silence: Span,
}

/// What happens on the links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The agent introduced itself.
    Up { host: HostName, hello: Hello, at: Time },
    /// The agent said something; `at` is when it was read.
    Said { host: HostName, at: Time, message: FromAgent },
    /// The link broke, or could not be made. Of failed attempts in a row only those with a new
    /// reason are told.
    Down { host: HostName, why: String, at: Time },
}

/// The links to all agents. They end when this is dropped.
#[derive(Debug)]
pub struct AgentLinks {
    links: BTreeMap<HostName, Arc<Link>>,
    _tasks: JoinSet<()>,
}

/// The outbox of the present connection; none without one, so that nothing is said later than it
/// was meant.
#[derive(Debug, Default)]
struct Link(Mutex<Option<Arc<Outbox<ToAgent>>>>);

impl Link {
    fn set(&self, out: Option<Arc<Outbox<ToAgent>>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = out;
    }

    fn get(&self) -> Option<Arc<Outbox<ToAgent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AgentLinks {
    /// Starts a task for each agent. What happens goes to `tx`; when its receiver is slow, agents
    /// are read more slowly.
    pub fn start(
        agents: Vec<AgentAddress>,
        settings: &AgentLinkSettings,
        tx: &mpsc::Sender<LinkEvent>,
    ) -> Self {
        let (mut links, mut tasks) = (BTreeMap::new(), JoinSet::new());
        for agent in agents {
            let link = Arc::new(Link::default());
            links.insert(agent.host.clone(), Arc::clone(&link));
            let mut settings = settings.clone();
            settings.hello.host = Some(agent.host.clone());
            let tx = tx.clone();
            tasks.spawn(async move {
                Dialler { agent, settings, link, tx, told: None }.run().await;
            });
        }
        Self { links, _tasks: tasks }
    }

    /// Says something to an agent; never waits. A newer grant takes the place of one that was not
    /// sent yet; orders are sent one and all, or the link is closed.
    ///
    /// # Errors
    /// When there is no such host, or its link is down; the sentence says which.
    pub fn send(&self, host: &HostName, message: ToAgent) -> Result<(), Closed> {
        let link = self.links.get(host);
        let link = link.ok_or_else(|| Closed(format!("no host {host} is configured")))?;
        let out =
            link.get().ok_or_else(|| Closed(format!("the agent on {host} is not connected")))?;
        let urgency = match message {
            ToAgent::Grant(_) => Urgency::Latest,
            ToAgent::Order(_) | ToAgent::Examine { .. } | ToAgent::Error { .. } => Urgency::Each,
        };
        out.put(urgency, message)
    }
}

struct Dialler {
    agent: AgentAddress,
    settings: AgentLinkSettings,
    link: Arc<Link>,
    tx: mpsc::Sender<LinkEvent>,
    /// The reason of the last `Down`.
    told: Option<String>,
}

impl Dialler {
    async fn run(mut self) {
        let mut failures: u32 = 0;
        loop {
            let began = Clock.now();
            let why = match self.dial().await {
                Ok((conn, hello)) => self.talk(conn, hello).await,
                Err(why) => why,
            };
            let at = Clock.now();
            let took = at.since(began);
            // A link that held for a while is news when it breaks, and is worth an early attempt.
            if took > Span::secs(2) {
                failures = 0;
            }
            if self.told.as_ref() != Some(&why) {
                self.told = Some(why.clone());
                let host = self.agent.host.clone();
                if self.tx.send(LinkEvent::Down { host, why, at }).await.is_err() {
                    return;
                }
            }
            let pause = pause(failures, took);
            failures += 1;
            tokio::time::sleep(jittered(pause).into()).await;
        }
    }

    async fn dial(&self) -> Result<(Conn, Hello), String> {
        let AgentAddress { host, addr } = &self.agent;
        let AgentLinkSettings { hello, key, silence } = &self.settings;
        let dialled = Conn::dial_tcp(*addr, DIAL_LIMIT, *silence).await;
        let conn = dialled.map_err(|error| {
            let remedy = if error.refused() { ": is mmm-agentd running there?" } else { "" };
            format!("agent {host} at {addr}: {error}{remedy}")
        })?;
        let key = key.as_ref().map(ClusterKey::bytes);
        let shaken =
            handshake_with(conn, hello.clone(), Program::Agent, key, |theirs| match &theirs.host {
                Some(name) if name == host => Ok(()),
                Some(name) => Err(format!("this is {name}, not {host}: check ip of {host}")),
                None => Err("the agent does not say which host it is".to_owned()),
            });
        shaken.await.map_err(|why| format!("agent {host} at {addr}: {why}"))
    }

    async fn talk(&mut self, conn: Conn, hello: Hello) -> String {
        let host = self.agent.host.clone();
        let at = Clock.now();
        self.told = None;
        let out = Arc::new(Outbox::new());
        self.link.set(Some(Arc::clone(&out)));
        let up = LinkEvent::Up { host: host.clone(), hello, at };
        if self.tx.send(up).await.is_err() {
            return "this program ends".to_owned();
        }
        let error = |why| ToAgent::Error { why };
        let said = |message| {
            let (host, at) = (host.clone(), Clock.now());
            LinkEvent::Said { host, at, message }
        };
        let silence = self.settings.silence;
        let why = pump(conn, &out, silence, error, &self.tx, said).await;
        self.link.set(None);
        out.close(&why);
        format!("agent {host} at {}: {why}", self.agent.addr)
    }
}

/// An attempt that nobody answered took its time already, and the next may be the one after the
/// network healed.
fn pause(failures: u32, took: Span) -> Span {
    if failures < QUICK_ATTEMPTS || took >= DIAL_LIMIT { QUICK } else { PATIENT }
}

/// Within a fifth of the span, so that a thousand links that broke together are not made together.
fn jittered(span: Span) -> Span {
    let random = u64::from(getrandom::u32().unwrap_or(u32::MAX / 2));
    let fifth = span.0 / 5;
    Span(span.0 - fifth + random * 2 * fifth / u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_by_a_fifth_at_most() {
        for _ in 0..1000 {
            let span = jittered(Span::ms(100));
            assert!((80..=120).contains(&span.0), "{span}");
        }
    }
}
