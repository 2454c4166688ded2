//! `mmm-mond demo`: a simulated cluster in real time behind the real console socket. The one room
//! of the simulation that reads a clock and opens a socket; what the cluster does is the world's.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod faults;
mod pace;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mmm_proto::console::{Answer, Refusal, RefusalCode, ToMonitor};
use mmm_proto::event::{Event, Level};
use mmm_proto::hello::{Hello, Program};
use mmm_proto::{Demo, Span, Time};
use tokio::sync::{mpsc, oneshot};

use super::action::{Action, Node};
use super::draw::Draw;
use super::text::HOSTS_MAX;
use super::{World, WorldConfig};
use crate::clock::Clock;
use crate::mond::consoles::{ConsoleEvent, ConsoleHub, ConsoleSettings};
use crate::mond::worker;
use crate::net::UnixAccess;
use crate::signals::Signals;
use faults::Cast;
use pace::Pace;
use place::Place;

/// Between two pictures.
const PICTURE_EVERY: Span = Span::ms(100);
/// Between two changes of the replicas' lag, in the demo's time.
const LAG_EVERY: Span = Span::secs(3);
/// Requests taken in one go.
const QUEUE: usize = 64;

/// The command line of a demo.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoFlags {
    /// Where consoles connect [default: in a new folder that only you may enter]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Database hosts: two masters, then slaves
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u8).range(2..=HOSTS_MAX as i64))]
    pub hosts: u8,
    /// How many seconds pass in the cluster in one of yours
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// What is left to chance is drawn from this number
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// End when standard input ends, which is when whoever started this is gone
    #[arg(long)]
    pub with_parent: bool,
    /// Log level (error, warn, info, debug, trace)
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
}

fn speed(text: &str) -> Result<f64, String> {
    let good = |speed: &f64| (0.01..=100.0).contains(speed);
    text.parse().ok().filter(good).ok_or_else(|| "0.01 to 100".to_owned())
}

/// Runs a demo until it is told to stop. `ready` is called with the socket once consoles may come.
///
/// # Errors
/// What keeps it from starting, with the remedy.
pub async fn run(flags: &DemoFlags, ready: impl FnOnce(&Path)) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("cannot take over signals")?;
    let mut parent = flags.with_parent.then(place::parent_gone).transpose()?;
    let place = Place::new(flags.socket.as_deref())?;
    let (tx, mut asked) = mpsc::channel(QUEUE);
    let settings = ConsoleSettings {
        hello: Hello::new(Program::Monitor, config(2).topology().cluster),
        socket: Some((place.socket().to_owned(), UnixAccess { mode: 0o600, group: None })),
        tcp: None,
        group: "mmm".to_owned(),
    };
    let hub = ConsoleHub::start(settings, tx).map_err(anyhow::Error::msg)?;
    let mut stage = Stage::new(flags, hub);
    stage.greet(place.socket());
    ready(place.socket());
    loop {
        stage.go_on();
        let nap = stage.nap();
        tokio::select! {
            _ = signals.next() => break,
            () = gone(&mut parent) => break,
            Some(event) = asked.recv() => stage.heard(event),
            () = tokio::time::sleep(nap.into()) => {}
        }
    }
    stage.hub.mute(false);
    stage.hub.close("the demo ends").await;
    Ok(())
}

async fn gone(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        Some(parent) => {
            let _ = parent.await;
        }
        None => std::future::pending().await,
    }
}

/// The world and its audience.
struct Stage {
    world: World,
    pace: Pace,
    hub: ConsoleHub,
    /// Who waits for which answer of the monitor: console and its own number of the request.
    waiting: BTreeMap<u64, (u64, u64)>,
    /// Events are numbered anew, because some are the demo's own.
    events: u64,
    published: Time,
    draw: Draw,
    lag_at: Time,
    /// Hosts whose lag somebody has set.
    lag_set: Vec<bool>,
    broken: bool,
}

impl Stage {
    fn new(flags: &DemoFlags, hub: ConsoleHub) -> Self {
        let hosts = usize::from(flags.hosts);
        let world = World::live(config(hosts), flags.seed, Clock.wall());
        let now = Clock.now();
        Self {
            world,
            pace: Pace::new(now, flags.speed),
            hub,
            waiting: BTreeMap::new(),
            events: 0,
            published: Time(0),
            draw: Draw::new(flags.seed).fork(),
            lag_at: Time(0),
            lag_set: vec![false; hosts],
            broken: false,
        }
    }

    /// Says what this is and what to try.
    fn greet(&mut self, socket: &Path) {
        let shell = format!("mmm-control --socket {} demo faults", socket.display());
        for (what, why) in [
            ("in a shell: what can be broken", shell.as_str()),
            ("press f", "break something, or heal it"),
            ("press W on db2", "a planned move, which loses nothing"),
            ("nothing here is real", "all hosts are simulated"),
        ] {
            self.tell(what.to_owned(), why.to_owned(), None);
        }
    }

    /// How long nothing happens.
    fn nap(&mut self) -> Span {
        let now = Clock.now();
        let picture = (self.published + PICTURE_EVERY).since(now).max(Span::ms(1));
        let next = self.world.next_due().map(|due| self.pace.until(now, due));
        next.map_or(picture, |next| next.min(picture))
    }

    /// Lets the cluster live up to now, and passes on what came of it.
    fn go_on(&mut self) {
        let now = Clock.now();
        let until = self.pace.now(now);
        self.wander(until);
        self.world.live_until(until);
        self.hub.mute(!self.world.monitor_runs());
        let events = self.world.take_events();
        let answers = self.world.take_answers();
        for event in events {
            self.pass_on(event);
        }
        if !answers.is_empty() || now.since(self.published) >= PICTURE_EVERY {
            // Whoever is answered may look at once, and must not see what was before.
            self.publish(now);
        }
        for (id, answer) in answers {
            let last = answer.is_final();
            if let Some((console, own)) = self.waiting.get(&id).copied() {
                self.hub.answer(console, own, answer);
            }
            if last {
                self.waiting.remove(&id);
            }
        }
        if let Some(violation) = self.world.violation().filter(|_| !self.broken) {
            self.broken = true;
            tracing::warn!(%violation, "a rule of the simulation was broken");
        }
    }

    fn publish(&mut self, now: Time) {
        self.published = now;
        if !self.world.monitor_runs() {
            return;
        }
        if let Some(mut view) = self.world.view() {
            view.demo = true;
            view.last_event = self.events;
            self.hub.publish(Arc::new(view));
        }
    }

    fn pass_on(&mut self, mut event: Event) {
        self.events += 1;
        event.seq = self.events;
        self.hub.events(vec![event]);
    }

    fn tell(&mut self, what: String, why: String, by: Option<String>) {
        self.pass_on(Event {
            seq: 0,
            at: self.world.wall(),
            level: Level::Info,
            subject: "demo".to_owned(),
            what,
            why,
            by,
            plan: None,
            took: None,
        });
    }

    fn heard(&mut self, event: ConsoleEvent) {
        let ConsoleEvent::Asked { console, who, request } = event else {
            return;
        };
        // What was due before the request comes before it.
        self.go_on();
        if let ToMonitor::Demo { id, demo } = request {
            let answer = self.fault(&demo, &who.name);
            return self.hub.answer(console, id, answer);
        }
        if let Some((id, request)) = worker::request(request) {
            let ours = self.world.ask_as(&who.name, request);
            self.waiting.insert(ours, (console, id));
        }
    }

    fn fault(&mut self, demo: &Demo, who: &str) -> Answer {
        let done = |text: String| Answer::Done { text, took: Span::ZERO };
        let words = match demo {
            Demo::Faults => return done(faults::list()),
            Demo::Calm => "calm",
            Demo::Fault { what } => what,
        };
        let actions = match faults::read(words, self.cast()) {
            Ok(actions) => actions,
            Err(reason) => {
                return Answer::Refused { refusal: Refusal { code: RefusalCode::Unknown, reason } };
            }
        };
        let text = match actions.as_slice() {
            [one] => one.to_string(),
            _ => words.to_owned(),
        };
        self.tell(text.clone(), faults::meaning(words), Some(who.to_owned()));
        for action in &actions {
            match faults::lag_of(action) {
                Some(Node::Host(host)) => self.lag_set[host] = true,
                Some(_) => self.lag_set.fill(false),
                None => {}
            }
            self.world.act(action);
        }
        if !self.world.monitor_runs() {
            // Nobody is left who could answer what waits.
            self.waiting.clear();
        }
        done(text)
    }

    fn cast(&self) -> Cast {
        let hosts = self.lag_set.len();
        let named = self.world.view().and_then(|view| {
            let writer = view.writer.host?;
            view.hosts.iter().position(|host| host.name == writer)
        });
        let writer = self.world.open_host().or(named);
        // A slave rather than the other master: there the lag harms nobody.
        let replica = (0..hosts).rev().find(|host| Some(*host) != writer);
        Cast { hosts, writer, replica }
    }

    /// Replicas are late now and then, as they are in life.
    fn wander(&mut self, now: Time) {
        if now < self.lag_at {
            return;
        }
        self.lag_at = now + LAG_EVERY;
        let writer = self.cast().writer;
        for host in 0..self.lag_set.len() {
            let most = if host < 2 { 400 } else { 4_000 };
            let late = Span::ms(self.draw.below(most));
            if !self.lag_set[host] {
                let late = if writer == Some(host) { Span::ZERO } else { late };
                self.world.act(&Action::Lag(host, late));
            }
        }
    }
}

/// The cluster of a demo: as in the tutorial, but less patient, because somebody looks on.
fn config(hosts: usize) -> WorldConfig {
    WorldConfig {
        hosts,
        readers: hosts,
        rep_trap: Span::secs(3),
        max_backlog: Span::secs(10),
        auto_set_online: Span::secs(20),
        write_every: Span::ms(50),
        ..WorldConfig::default()
    }
}
