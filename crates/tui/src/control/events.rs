//! `mmm-control events` and `watch`: what happened, and what happens, one line each.
//!
//! Both follow the link as the console does: it is opened again after a loss, and what happened in
//! between is asked for.

use std::io::Write as _;
use std::time::Duration;

use mmm_proto::console::{FromMonitor, ToMonitor};
use mmm_proto::event::{Event, Level};
use mmm_proto::{ClusterView, Wall};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{OPEN_LIMIT, Options, Outcome, exit};
use crate::shell::ssh::DENIED_PAUSE;
use crate::shell::target::Target;
use crate::shell::wire::{self, OpenError, Wire};

/// How they are written.
pub const USAGE: &str =
    "events [--last <n>] [--since <time>] [--level <level>] [--subject <name>] [--follow]";
/// The same for `watch`.
pub const USAGE_WATCH: &str = "watch [--level <level>] [--subject <name>]";

/// A beat comes every second; this long without one is a lost link, as in the console.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// The kept events come in batches without a mark at their end. A beat after this much quiet says
/// that there are no more of them.
const QUIET: Duration = Duration::from_millis(500);
/// Pauses before the link is opened again; the last one stays.
const PAUSES_MS: [u64; 5] = [250, 500, 1000, 2000, 5000];

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Begin with a line about the cluster and with what happens from now on.
    pub watch: bool,
    /// Go on with what happens from now on.
    pub follow: bool,
    /// Only the newest ones.
    pub last: Option<usize>,
    /// Only those not older than this.
    pub since: Option<Duration>,
    /// Only those that matter at least as much.
    pub level: Option<Level>,
    /// Only those about this host, role, `mode` or `monitor`.
    pub subject: Option<String>,
}

impl Wanted {
    /// Reads the words behind `events` or `watch`.
    pub(super) fn parse(word: &str, words: &[String]) -> Result<Self, String> {
        let watch = word == "watch";
        let usage = if watch { USAGE_WATCH } else { USAGE };
        let mut wanted = Self { watch, follow: watch, ..Self::default() };
        let mut rest = words.iter();
        while let Some(given) = rest.next() {
            let (flag, mut value) = match given.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (given.as_str(), None),
            };
            let mut value = || {
                value.take().or_else(|| rest.next().cloned()).ok_or(format!("{flag} takes a value"))
            };
            match flag {
                "--follow" if !watch => wanted.follow = true,
                "--last" if !watch => wanted.last = Some(number(&value()?)?),
                "--since" if !watch => wanted.since = Some(span(&value()?)?),
                "--level" => wanted.level = Some(level(&value()?)?),
                "--subject" => wanted.subject = Some(value()?),
                _ => return Err(format!("unknown option {given:?}; write {usage}")),
            }
        }
        Ok(wanted)
    }

    fn takes(&self, event: &Event) -> bool {
        self.level.is_none_or(|level| event.level >= level)
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }

    /// Of the kept events those that are asked for. `now` and `began` are the monitor's clock.
    fn choose(&self, kept: Vec<Event>, now: Wall, began: Wall) -> Vec<Event> {
        let mut chosen: Vec<Event> = kept
            .into_iter()
            .filter(|event| self.takes(event))
            .filter(|event| !self.watch || event.at > began)
            .filter(|event| {
                let age = u128::try_from(now.0.saturating_sub(event.at.0)).unwrap_or(0);
                self.since.is_none_or(|since| age <= since.as_millis())
            })
            .collect();
        let over = self.last.map_or(0, |last| chosen.len().saturating_sub(last));
        chosen.drain(..over);
        chosen
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("--last: {text:?} is no number"))
}

fn span(text: &str) -> Result<Duration, String> {
    let bad = || format!("--since: {text:?} is no time; write 30s, 10m, 2h or 1d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (count, unit) = text.split_at(digits);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let count: u64 = count.parse().map_err(|_| bad())?;
    count.checked_mul(factor).map(Duration::from_secs).ok_or_else(bad)
}

fn level(text: &str) -> Result<Level, String> {
    match text {
        "info" => Ok(Level::Info),
        "warn" => Ok(Level::Warn),
        "error" => Ok(Level::Error),
        _ => Err(format!("--level: {text:?} is no level; levels are info, warn, error")),
    }
}

/// What was kept by the monitor when we came.
struct Kept {
    events: Vec<Event>,
    skipped: u64,
    view: Option<Box<ClusterView>>,
    now: Wall,
}

/// Reads what the monitor has kept, until a beat comes after a while of quiet.
async fn kept(wire: &mut Wire, deadline: Instant) -> Result<Kept, String> {
    let subscribe = ToMonitor::Subscribe { events_since: None };
    wire.ask(&subscribe).await.map_err(|error| error.to_string())?;
    let mut all = Kept { events: Vec::new(), skipped: 0, view: None, now: Wall(0) };
    let mut heard = Instant::now();
    loop {
        let said = tokio::time::timeout_at(deadline, wire.next()).await;
        match said.map_err(|_| "the monitor did not send its events in time".to_owned())? {
            Err(error) => return Err(error.to_string()),
            Ok(FromMonitor::Events { events, skipped }) => {
                all.events.extend(events);
                all.skipped += skipped;
                heard = Instant::now();
            }
            Ok(FromMonitor::View { view }) => {
                all.view.get_or_insert(view);
            }
            Ok(FromMonitor::Beat { now, .. }) if heard.elapsed() >= QUIET => {
                all.now = now;
                return Ok(all);
            }
            Ok(FromMonitor::Error { why }) => return Err(format!("the monitor said: {why}")),
            Ok(_) => {}
        }
    }
}

/// Prints what is wanted; ends by itself only when nothing is to be followed.
pub(super) async fn run(
    target: &Target,
    wire: Wire,
    wanted: &Wanted,
    options: &Options,
    date: &dyn Fn(Wall) -> String,
) -> Outcome {
    let mut wire = wire;
    let found = match kept(&mut wire, Instant::now() + options.limit).await {
        Ok(found) => found,
        Err(why) => return Outcome::failure(exit::UNREACHABLE, &why),
    };
    let newest = found.events.last().map(|event| event.seq);
    let began = found.view.as_ref().map_or(found.now, |view| view.now);
    let chosen = wanted.choose(found.events, found.now, began);
    if !wanted.follow {
        let text: String = chosen.iter().map(|event| line(event, date)).collect();
        let events = json!({ "events": chosen, "skipped": found.skipped });
        return Outcome::fine(text, ("events", events));
    }
    let mut tell = Teller { json: options.json, date };
    let head = found.view.filter(|_| wanted.watch).map_or(Ok(()), |view| tell.head(&view));
    if head.is_err() || chosen.iter().any(|event| tell.event(event).is_err()) {
        return ended();
    }
    follow(target, wire, newest, wanted, &mut tell).await
}

/// The reader went away, as with `| head`: no failure.
fn ended() -> Outcome {
    Outcome::fine(String::new(), ("events", Value::Null))
}

async fn follow(
    target: &Target,
    mut wire: Wire,
    mut newest: Option<u64>,
    wanted: &Wanted,
    tell: &mut Teller<'_>,
) -> Outcome {
    loop {
        let why = match timeout(SILENCE_LIMIT, wire.next()).await {
            Err(_) => format!("the monitor is silent for {} s", SILENCE_LIMIT.as_secs()),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(FromMonitor::Events { events, skipped })) => {
                newest = events.last().map(|event| event.seq).or(newest);
                let lost = skipped > 0 && tell.skipped(skipped).is_err();
                let mut fits = events.iter().filter(|event| wanted.takes(event));
                if lost || fits.any(|event| tell.event(event).is_err()) {
                    return ended();
                }
                continue;
            }
            Ok(Ok(_)) => continue,
        };
        if tell.link("lost", &why).is_err() {
            return ended();
        }
        wire = again(target, newest).await;
        if tell.link("back", &wire.at).is_err() {
            return ended();
        }
    }
}

/// Tries until there is a link that took our subscription.
async fn again(target: &Target, newest: Option<u64>) -> Wire {
    let mut tries = 0;
    let mut denied = false;
    loop {
        let usual = Duration::from_millis(PAUSES_MS[tries.min(PAUSES_MS.len() - 1)]);
        sleep(if denied { DENIED_PAUSE } else { usual }).await;
        tries += 1;
        denied = match wire::open(target, target.open_limit(OPEN_LIMIT)).await {
            Ok(mut wire) => {
                let subscribe = ToMonitor::Subscribe { events_since: newest };
                if wire.ask(&subscribe).await.is_ok() {
                    return wire;
                }
                false
            }
            Err(error) => matches!(error, OpenError::Ssh { denied: true, .. }),
        };
    }
}

fn line(event: &Event, date: &dyn Fn(Wall) -> String) -> String {
    let level = match event.level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    // One event is one line, whatever a server's message holds.
    let text = event.line().replace(['\n', '\r'], " ");
    format!("{}  {level:<5}  {text}\n", date(event.at))
}

/// Prints line by line; each is out before the next is waited for.
struct Teller<'a> {
    json: bool,
    date: &'a dyn Fn(Wall) -> String,
}

impl Teller<'_> {
    fn put(&self, text: String, json: &Value) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let line = if self.json { format!("{json}\n") } else { text };
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    fn head(&mut self, view: &ClusterView) -> std::io::Result<()> {
        let writer = view.writer.host.as_ref().map(mmm_proto::HostName::as_str);
        let text =
            format!("# {} is {}, writer {}\n", view.cluster, view.mode, writer.unwrap_or("nobody"));
        self.put(text, &json!({ "view": view }))
    }

    fn event(&mut self, event: &Event) -> std::io::Result<()> {
        self.put(line(event, self.date), &json!({ "event": event }))
    }

    fn skipped(&mut self, count: u64) -> std::io::Result<()> {
        self.put(format!("# {count} events are no longer kept\n"), &json!({ "skipped": count }))
    }

    fn link(&mut self, state: &str, why: &str) -> std::io::Result<()> {
        let json = json!({ "link": { "state": state, "text": why } });
        self.put(format!("# link {state}: {why}\n"), &json)
    }
}
