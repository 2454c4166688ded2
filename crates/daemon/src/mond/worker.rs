//! The monitor's loop: inputs in, core, effects out. Nothing is decided here, and nothing is waited
//! for but the status file, which must be written before a decision is acted on.

use std::sync::Arc;

use anyhow::Context as _;
use mmm_proto::agent::FromAgent;
use mmm_proto::console::{Answer, Refusal, RefusalCode, ToMonitor};
use mmm_proto::event::{Event, Level};
use mmm_proto::{HostName, Span, Time};
use tokio::sync::mpsc;

use super::agents::{AgentLinks, LinkEvent};
use super::consoles::{ConsoleEvent, ConsoleHub};
use super::hook::{Hooked, Hooks};
use super::probe::{self, ProbeEvent, ProbeResult, Probes};
use super::settings::{agent_addresses, console_settings, link_settings, network, targets};
use super::{store, topology};
use crate::clock::Clock;
use crate::config::Config;
use crate::core::Now;
use crate::core::monitor::hosts::Found;
use crate::core::monitor::{Asker, Effect, Input, Monitor, Request, Stored, not_written_down};
use crate::notify::Manager;
use crate::signals::Signals;
use crate::store::Store;

/// How long the status file may take.
const STORE_LIMIT: Span = Span::secs(2);

/// Between two tries to write what could not be written.
const STORE_RETRY: Span = Span::secs(1);

/// Pictures are made at most this often; the newest one always comes.
const PICTURE_EVERY: Span = Span::ms(50);

/// The loop turns at least this often.
const IDLE: Span = Span::secs(10);

/// Inputs taken in one go before pictures and the clock get their turn.
const QUEUE: usize = 1024;

/// Runs the monitor until it is told to stop. Agents go on with what they hold for the rest of
/// their grants.
///
/// # Errors
/// What keeps it from starting, with the remedy.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot take over signals")?;
    let mut worker = Worker::start(&config).await?;
    let mut manager = Manager::from_env();
    manager.ready("at work");
    loop {
        manager.alive();
        let wake = worker.wake().min(worker.clock.now() + manager.every().map_or(IDLE, Span::from));
        let input = tokio::select! {
            signal = signals.stop() => {
                tracing::info!(signal = signal.word(), "stopping");
                manager.stopping();
                worker.hub.close("the monitor is stopping").await;
                return Ok(());
            }
            Some(event) = worker.links_rx.recv() => worker.link_input(event),
            Some(event) = worker.probes_rx.recv() => worker.probe_input(event),
            Some(event) = worker.consoles_rx.recv() => worker.console_input(event),
            Some(Hooked { host, ok, why }) = worker.hooks_rx.recv() => {
                Some(Input::Hooked { host, ok, why })
            }
            () = worker.clock.sleep_until(wake) => Some(Input::Tick),
        };
        if let Some(input) = input {
            worker.step(input).await;
        }
        worker.publish();
    }
}

struct Worker {
    clock: Clock,
    core: Monitor,
    names: Vec<HostName>,
    links: AgentLinks,
    links_rx: mpsc::Receiver<LinkEvent>,
    probes: Probes,
    probes_rx: mpsc::Receiver<ProbeEvent>,
    hub: ConsoleHub,
    consoles_rx: mpsc::Receiver<ConsoleEvent>,
    hooks: Hooks,
    hooks_rx: mpsc::Receiver<Hooked>,
    store: Store,
    /// The last write failed; when to try again.
    retry_store: Option<Time>,
    published: Time,
    /// Something happened since the last picture.
    fresh: bool,
}

impl Worker {
    async fn start(config: &Config) -> anyhow::Result<Self> {
        let clock = Clock;
        let top = topology::topology(config)?;
        let names: Vec<HostName> = top.hosts.iter().map(|host| host.name.clone()).collect();
        let (store, stored) = store::open::<Stored>(&config.monitor.status_path)?;
        if let Some(stored) =
            stored.as_ref().filter(|stored| config.cluster != *stored.cluster.as_str())
        {
            anyhow::bail!(
                "{} belongs to cluster {:?}, this is {:?}: name another status_path",
                config.monitor.status_path.display(),
                stored.cluster,
                config.cluster.as_str()
            );
        }
        let now = Now { boot: clock.now(), wall: clock.wall() };
        let core = Monitor::new(top, stored, now);
        // The new term is on disk before anybody hears of it.
        store
            .save(&core.stored(), STORE_LIMIT)
            .await
            .context("the status file must be writable before the monitor may decide anything")?;
        let hub_channel = mpsc::channel(QUEUE);
        let hub = ConsoleHub::start(console_settings(config), hub_channel.0)
            .map_err(anyhow::Error::msg)?;
        let (links_tx, links_rx) = mpsc::channel(QUEUE);
        let links = AgentLinks::start(agent_addresses(config), &link_settings(config), &links_tx);
        let (probes_tx, probes_rx) = mpsc::channel(QUEUE);
        let probes = Probes::start(targets(config), network(config), &probes_tx);
        let (hooks_tx, hooks_rx) = mpsc::channel(QUEUE);
        let hooks = Hooks::new(config.monitor.kill_host_bin.clone(), hooks_tx);
        tracing::info!(
            cluster = %config.cluster, term = core.stored().term, hosts = names.len(),
            "monitor started"
        );
        Ok(Self {
            clock,
            core,
            names,
            links,
            links_rx,
            probes,
            probes_rx,
            hub,
            consoles_rx: hub_channel.1,
            hooks,
            hooks_rx,
            store,
            retry_store: None,
            published: Time(0),
            fresh: true,
        })
    }

    fn wake(&self) -> Time {
        let mut wake = self.core.next_wakeup();
        if self.fresh {
            wake = wake.min(self.published + PICTURE_EVERY);
        }
        wake
    }

    fn index(&self, host: &HostName) -> Option<usize> {
        self.names.iter().position(|name| name == host)
    }

    fn link_input(&self, event: LinkEvent) -> Option<Input> {
        match event {
            LinkEvent::Up { host, hello, .. } => {
                tracing::info!(%host, version = %hello.version, "agent connected");
                Some(Input::LinkUp { host: self.index(&host)?, version: hello.version })
            }
            LinkEvent::Said { host, at, message } => {
                if let FromAgent::Done { id, outcome } = &message {
                    tracing::debug!(%host, id, ?outcome, "order answered");
                }
                Some(Input::Said { host: self.index(&host)?, at, message })
            }
            LinkEvent::Down { host, why, .. } => {
                tracing::warn!(%host, why, "agent not connected");
                Some(Input::LinkDown { host: self.index(&host)?, why })
            }
        }
    }

    fn probe_input(&self, event: ProbeEvent) -> Option<Input> {
        match event {
            ProbeEvent::Checked(ProbeResult { host, check, found, began, took }) => {
                tracing::debug!(%host, %check, result = found.message(), %took, "check");
                let found = match found {
                    probe::Found::Ok(message) => Found::Ok(message.into()),
                    probe::Found::Failed { why, hard } => Found::Failed { why: why.into(), hard },
                    probe::Found::Unknown(message) => Found::Unknown(message.into()),
                };
                Some(Input::Checked { host: self.index(&host)?, check, found, began, took })
            }
            ProbeEvent::Network { up, message, .. } => Some(Input::Network { up, message }),
        }
    }

    fn console_input(&self, event: ConsoleEvent) -> Option<Input> {
        let ConsoleEvent::Asked { console, who, request: asked } = event else {
            return None;
        };
        if let ToMonitor::Demo { id, .. } = &asked {
            let reason = "this is no demo: the hosts and servers of this monitor are real";
            let refusal = Refusal { code: RefusalCode::State, reason: reason.to_owned() };
            self.hub.answer(console, *id, Answer::Refused { refusal });
        }
        let who = who.name;
        let (id, request) = request(asked)?;
        tracing::info!(who, ?request, "request");
        Some(Input::Asked { asker: Asker { console, id, who }, request })
    }

    async fn step(&mut self, input: Input) {
        let now = Now { boot: self.clock.now(), wall: self.clock.wall() };
        self.fresh |= !matches!(input, Input::Tick);
        if self.retry_store.is_some_and(|at| now.boot >= at) {
            self.write_down(&self.core.stored()).await;
        }
        // Nobody's command is taken up only to find out then that it cannot be written down.
        let acts = matches!(&input, Input::Asked { request, .. } if request.acts());
        if acts && self.retry_store.is_none() {
            self.write_down(&self.core.stored()).await;
        }
        let asked = matches!(input, Input::Asked { .. });
        let effects = self.core.step(now, input);
        if effects.iter().any(|effect| matches!(effect, Effect::Answer { .. })) {
            // Whoever is answered may look at once, and must not see what was before.
            self.show(now.boot);
        }
        let mut effects = effects.into_iter();
        // What could not be written down is not acted on; the events of the step are told all the
        // same.
        while let Some(effect) = effects.next() {
            if let Effect::Persist(stored) = effect {
                if !self.write_down(&stored).await {
                    let rest: Vec<Effect> = effects.collect();
                    rest.into_iter().for_each(|effect| self.tell_undone(effect, asked));
                    return;
                }
            } else {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Persist(_) => {}
            Effect::Send { host, message } => {
                if let Err(closed) = self.links.send(&self.names[host], message) {
                    tracing::debug!(host = %self.names[host], why = %closed, "not sent");
                }
            }
            Effect::Probe { host } => self.probes.probe_now(&self.names[host]),
            Effect::RunHook { host, ping, limit } => {
                self.hooks.run(host, &self.names[host], ping, limit);
            }
            Effect::Answer { to, answer } => self.hub.answer(to.console, to.id, answer),
            Effect::Event(event) => {
                log(&event);
                self.fresh = true;
                self.hub.events(vec![event]);
            }
        }
    }

    /// What relied on a decision that could not be written down is not done; who waits for its end
    /// is told.
    fn tell_undone(&mut self, effect: Effect, asked: bool) {
        match effect {
            Effect::Event(_) => self.perform(effect),
            Effect::Answer { to, answer } => {
                self.hub.answer(to.console, to.id, not_written_down(answer, asked));
            }
            Effect::RunHook { host, .. } => {
                self.hooks.not_run(host, "the status file cannot be written");
            }
            _ => {}
        }
    }

    /// Writes the decisions down; the core hears of a failure, and of its end.
    async fn write_down(&mut self, stored: &Stored) -> bool {
        let now = Now { boot: self.clock.now(), wall: self.clock.wall() };
        let input = match self.store.save(stored, STORE_LIMIT).await {
            Ok(()) if self.retry_store.is_none() => return true,
            Ok(()) => {
                self.retry_store = None;
                Input::StoreWorks
            }
            Err(error) => {
                let first = self.retry_store.is_none();
                self.retry_store = Some(now.boot + STORE_RETRY);
                if !first {
                    return false;
                }
                Input::StoreFailed { why: error.to_string() }
            }
        };
        let works = matches!(input, Input::StoreWorks);
        for effect in self.core.step(now, input) {
            if matches!(effect, Effect::Event(_)) {
                self.perform(effect);
            }
        }
        works
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        if self.fresh && now.since(self.published) >= PICTURE_EVERY {
            self.show(now);
        }
    }

    fn show(&mut self, now: Time) {
        self.published = now;
        self.fresh = false;
        self.hub.publish(Arc::new(self.core.view()));
    }
}

/// What the core is asked by a request; none for what it has no part in.
pub(crate) fn request(request: ToMonitor) -> Option<(u64, Request)> {
    match request {
        ToMonitor::Run { id, verb } => Some((id, Request::Run(verb))),
        ToMonitor::Plan { id, verb } => Some((id, Request::Plan(verb))),
        ToMonitor::Apply { id, plan, .. } => Some((id, Request::Apply { plan })),
        ToMonitor::Stop { id, plan } => Some((id, Request::Stop { plan })),
        // Served by the hub itself, or by a demo.
        ToMonitor::Subscribe { .. } | ToMonitor::Snapshot { .. } | ToMonitor::Demo { .. } => None,
    }
}

/// The log and the consoles read the same event, so they cannot disagree.
fn log(event: &Event) {
    let (subject, what, why) = (&event.subject, &event.what, &event.why);
    let (by, plan) = (event.by.as_deref().unwrap_or(""), event.plan);
    let took_ms = event.took.map(Span::as_ms);
    match event.level {
        Level::Info => tracing::info!(subject, what, why, by, plan, took_ms, "event"),
        Level::Warn => tracing::warn!(subject, what, why, by, plan, took_ms, "event"),
        Level::Error => tracing::error!(subject, what, why, by, plan, took_ms, "event"),
    }
}
