//! The agent's loop: inputs in, core, effects out. Nothing is decided here, and nothing is waited
//! for but the state file: acts run beside the loop and their ends come back as inputs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use mmm_proto::agent::{Duty, FromAgent, ToAgent};
use mmm_proto::hello::{Hello, Program};
use mmm_proto::peer::PeerMessage;
use mmm_proto::{Span, Time};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::acts::{Tools, carry_out, reach_of};
use super::address::Addresses;
use super::announce::Announcer;
use super::deadman::Deadman;
use super::doctor::{self, Subject};
use super::escalate::ServerProcess;
use super::fence::Hands;
use super::heart::Heart;
use super::link::{MonitorEvent, MonitorLinkSettings, MonitorLinks};
use super::lock::{self, Turn, Who};
use super::peers::{PeerAddress, PeerLinks, PeerSaid, PeerSettings};
use super::refuse::Refusal;
use super::server::{Pulse, Server, ServerAccess};
use super::store::Keeper;
use super::watching::{LOOK_LIMIT, know_the_process, watch_server};
use super::{interface, roster, store};
use crate::auth::ClusterKey;
use crate::clock::Clock;
use crate::config::{Config, FenceEscalation, Host};
use crate::core::Now;
use crate::core::agent::{Act, ActResult, Agent, Effect, Input, Kept};
use crate::signals::Signals;

/// How long a monitor may say nothing before its link is given up.
const SILENCE: Span = Span::secs(5);

/// Connecting to the local server.
const CONNECT_LIMIT: Span = Span::secs(1);

/// Waiting for a former worker, or a fence, to be done with this host.
const TURN_LIMIT: Span = Span::secs(5);

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Told,
    /// Its supervisor is gone. What it held may be held until then.
    Orphaned { fence_at: Option<Time> },
}

/// Runs the agent's worker until it is told to stop or its supervisor is gone. What the host holds
/// stays as it is: a worker that is started again within its grant goes on, and otherwise the
/// kernel drops the VIPs in time.
///
/// # Errors
/// What keeps it from starting, with the remedy.
pub async fn run(config: Config) -> anyhow::Result<End> {
    let mut signals = Signals::new().context("cannot take over signals")?;
    let mut worker = Worker::start(&config, Heart::of_stdin()?).await?;
    loop {
        let standing = worker.core.standing();
        worker.heart.beat(standing);
        let wake = worker.core.next_wakeup();
        let input = tokio::select! {
            signal = signals.stop() => {
                tracing::info!(
                    signal = signal.word(),
                    "stopping; what is held stays for the rest of its grant"
                );
                return Ok(End::Told);
            }
            () = worker.heart.orphaned() => {
                tracing::error!("the supervisor is gone: ending, the role is minded by a fence");
                let at = standing.fence_at.unwrap_or(worker.clock.now());
                return Ok(End::Orphaned { fence_at: standing.exclusive.then_some(at) });
            }
            () = worker.clock.sleep_until(worker.heart.due()) => continue,
            Some(event) = worker.links_rx.recv() => worker.monitor_input(event),
            Some((from, message)) = worker.peers_rx.recv() => Input::Peer { from, message },
            Some((link, message)) = worker.examined.recv() => worker.examined(link, message),
            Some(pulse) = worker.pulses.recv() => worker.pulse_input(pulse),
            Some(input) = worker.inputs_rx.recv() => input,
            () = worker.clock.sleep_until(wake) => Input::Tick,
        };
        worker.step(input).await;
    }
}

struct Worker {
    clock: Clock,
    heart: Heart,
    /// Nobody else touches this host while it is ours.
    _turn: Turn,
    core: Agent,
    tools: Arc<Tools>,
    /// `mysql_pidfile`, where the server is not to be asked.
    pid_file: Option<PathBuf>,
    links: MonitorLinks,
    links_rx: mpsc::Receiver<MonitorEvent>,
    peers: PeerLinks,
    peers_rx: mpsc::Receiver<PeerSaid>,
    pulses: mpsc::Receiver<Pulse>,
    inputs: mpsc::Sender<Input>,
    inputs_rx: mpsc::Receiver<Input>,
    look: Arc<Notify>,
    deadman: Deadman,
    subject: Arc<Subject>,
    examined: mpsc::Receiver<(u64, FromAgent)>,
    examines: mpsc::Sender<(u64, FromAgent)>,
    acts: BTreeMap<u64, AbortHandle>,
    keeper: Keeper,
}

impl Worker {
    async fn start(config: &Config, heart: Heart) -> anyhow::Result<Self> {
        let clock = Clock;
        let roster = roster::roster(config)?;
        let me = config.this_host().context("`this` names no host")?;
        let boot_id = clock.boot_id().map_err(anyhow::Error::msg)?;
        let turn = lock::take(&config.state_path, Who::Worker, lock::within(TURN_LIMIT)).await?;
        let (store, kept) = store::open::<Kept>(&config.state_path)?;
        let hands = hands(config).await?;
        if kept.as_ref().is_none_or(|kept| matches!(kept.duty, Duty::Serving | Duty::None)) {
            // Left by an agent that ended; a frozen host keeps its refusal until it is fenced.
            if let Err(error) = hands.refusal.clear().await {
                tracing::debug!(%error, "no refusals to lift");
            }
        }
        let server = hands.server.clone();
        // Connections that acts will need, made while nobody waits for them.
        tokio::spawn(async move { server.warm_up(LOOK_LIMIT).await });
        let (links_tx, links_rx) = mpsc::channel(256);
        let mut hello = Hello::new(Program::Agent, config.cluster.clone());
        hello.host = Some(me.name.clone());
        let key = config.cluster_key.as_ref().map(|key| ClusterKey::new(key.expose().as_bytes()));
        let others = config.hosts.iter().filter(|host| host.name != me.name);
        let address =
            |host: &Host| PeerAddress { host: host.name.clone(), addr: host.agent_address() };
        let of_peers = PeerSettings { hello: hello.clone(), key: key.clone(), silence: SILENCE };
        let (peers_tx, peers_rx) = mpsc::channel(256);
        let peers = PeerLinks::start(others.map(address).collect(), of_peers, peers_tx);
        let addr = me.agent_address();
        let settings =
            MonitorLinkSettings { addr, hello, key, peers: peers.clone(), silence: SILENCE };
        let links = MonitorLinks::start(settings, links_tx);
        let pulses = hands.server.sentinel();
        let (inputs, inputs_rx) = mpsc::channel(256);
        let look = Arc::new(Notify::new());
        let (examines, examined) = mpsc::channel(8);
        let kill = config.fence_escalation == FenceEscalation::Kill;
        let tools = Arc::new(Tools { hands, roster, process: kill.then(ServerProcess::default) });
        tokio::spawn(watch_server(clock, Arc::clone(&tools), Arc::clone(&look), inputs.clone()));
        interface::watch(&tools, &inputs);
        let now = Now { boot: clock.now(), wall: clock.wall() };
        let resumes = kept.as_ref().map(|kept| kept.duty);
        let core = Agent::new(tools.roster.clone(), kept, &boot_id, now);
        tracing::info!(
            host = %me.name, addr = %me.agent_address(), kept_duty = ?resumes,
            "agent started"
        );
        Ok(Self {
            deadman: Deadman::start(&tools.hands.server, config.deadman_event, &inputs),
            keeper: Keeper::new(store, inputs.clone()),
            clock,
            heart,
            _turn: turn,
            core,
            tools,
            pid_file: me.mysql_pidfile.clone(),
            links,
            links_rx,
            peers,
            peers_rx,
            pulses,
            inputs,
            inputs_rx,
            look,
            subject: Arc::new(Subject::new(config)),
            examined,
            examines,
            acts: BTreeMap::new(),
        })
    }

    fn monitor_input(&self, event: MonitorEvent) -> Input {
        match event {
            MonitorEvent::Up { link, hello, .. } => {
                tracing::info!(link, version = %hello.version, "monitor connected");
                Input::LinkUp { link }
            }
            MonitorEvent::Said { link, message: ToAgent::Examine { id, limit }, .. } => {
                self.examine(link, id, limit);
                Input::Tick
            }
            MonitorEvent::Said { link, message, .. } => Input::Heard { link, message },
            MonitorEvent::Down { link, why, .. } => {
                tracing::warn!(link, why, "monitor disconnected");
                Input::LinkDown { link, why }
            }
        }
    }

    /// Looks at the host beside the loop; what it finds decides nothing.
    fn examine(&self, link: u64, id: u64, limit: Span) {
        let (subject, tell) = (Arc::clone(&self.subject), self.examines.clone());
        tokio::spawn(async move {
            let looked = tokio::time::timeout(limit.into(), doctor::examine(subject)).await;
            let findings = looked.unwrap_or_default();
            let message = FromAgent::Examined { id, wall: Clock.wall(), findings };
            // The loop only goes when the process does.
            let _ = tell.send((link, message)).await;
        });
    }

    fn examined(&self, link: u64, message: FromAgent) -> Input {
        if let Err(closed) = self.links.send(link, message) {
            tracing::info!(link, why = %closed, "what was found is not sent");
        }
        Input::Tick
    }

    fn pulse_input(&self, pulse: Pulse) -> Input {
        tracing::debug!(?pulse, "sentinel");
        // Whatever it noticed, the facts are old now.
        self.look.notify_one();
        if pulse == Pulse::Up {
            tokio::spawn(know_the_process(Arc::clone(&self.tools), self.pid_file.clone()));
        }
        reach_of(pulse).map_or(Input::Tick, |reach| Input::Lost { reach })
    }

    async fn step(&mut self, input: Input) {
        if let Input::Ended { id, result } = &input {
            self.acts.remove(id);
            tracing::debug!(id, ?result, "act ended");
        }
        let now = Now { boot: self.clock.now(), wall: self.clock.wall() };
        let before = self.core.duty();
        let effects = self.core.step(now, input);
        self.deadman.want(self.core.countdown());
        let after = self.core.duty();
        if before != after {
            tracing::info!(
                from = before.word(), to = after.word(), seen = %self.core.seen(),
                "writer duty"
            );
        }
        if self.keeper.write_down(&effects, &mut self.heart).await {
            self.perform(effects);
        } else {
            // Not on disk: nothing is opened, frozen or promised, everything else goes on.
            let (held_back, rest): (Vec<Effect>, Vec<Effect>) =
                effects.into_iter().partition(Effect::needs_the_disk);
            self.perform(rest);
            for effect in held_back {
                if let Effect::Begin { id, .. } = effect {
                    let why = "the state could not be written down".to_owned();
                    let result = ActResult::Failed { why, blockers: Vec::new() };
                    self.tell(Input::Ended { id, result });
                }
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist { .. } => {}
                Effect::Announce { vip } => self.tools.hands.announce(vip),
                Effect::Say(message) => {
                    if let FromAgent::News { what, why, .. } = &message {
                        tracing::warn!(what, why, "agent");
                    }
                    self.links.broadcast(&message);
                }
                Effect::SayTo { link, message } => {
                    if let Err(closed) = self.links.send(link, message) {
                        tracing::warn!(link, why = %closed, "an answer was not sent");
                    }
                }
                Effect::SayPeer { to, message } => self.peers.say(&to, &message),
                Effect::TellPeers { to, news } => {
                    let message = PeerMessage::News(news);
                    to.iter().for_each(|to| self.peers.say(to, &message));
                }
                Effect::Abort { id } => {
                    if let Some(handle) = self.acts.remove(&id) {
                        handle.abort();
                    }
                }
                Effect::Begin { id, act, limit } => self.begin(id, act, limit),
            }
        }
    }

    fn begin(&mut self, id: u64, act: Act, limit: Span) {
        tracing::debug!(id, ?act, %limit, "act");
        let tools = Arc::clone(&self.tools);
        let inputs = self.inputs.clone();
        let task = tokio::spawn(async move {
            let result = carry_out(tools, act, limit).await;
            // The loop only goes when the process does.
            let _ = inputs.send(Input::Ended { id, result }).await;
        });
        self.acts.insert(id, task.abort_handle());
    }

    /// Puts an input of our own behind those that wait already.
    fn tell(&self, input: Input) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let _ = inputs.send(input).await;
        });
    }
}

/// Everything that this host is touched with.
///
/// # Errors
/// What is missing, with the remedy.
pub(super) async fn hands(config: &Config) -> anyhow::Result<Hands> {
    let me = config.this_host().context("`this` names no host")?;
    let access = ServerAccess {
        host: me.name.as_str().to_owned(),
        ip: me.ip,
        port: me.mysql_port,
        socket: me.mysql_socket.clone(),
        user: me.agent.user.clone(),
        password: me.agent.password.clone(),
        replication_user: me.replication.user.clone(),
        replication_password: me.replication.password.clone(),
        monitor_user: me.monitor.user.clone(),
        connect_timeout: CONNECT_LIMIT,
    };
    let addresses = Addresses::open(&me.cluster_interface).await?;
    let announcer = Announcer::open(&me.cluster_interface)?;
    let refusal = Refusal::new(me.mysql_port);
    if let Err(why) = refusal.available().await {
        tracing::warn!(
            why,
            "connections to a frozen VIP cannot be refused; clients may wait for time-outs"
        );
    }
    Ok(Hands::new(Server::new(access), addresses, announcer, refusal))
}
