//! The one-shot command: one verb, one answer, one exit code. Never asks a question.
//!
//! What the original printed is in `show`; this file talks to the monitor and sorts the outcomes.

mod demo;
pub mod events;
pub mod explain;
pub mod manual;
pub mod preview;
mod progress;
pub mod schema;
pub mod show;

use std::io::Write as _;
use std::time::Duration;

use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use mmm_proto::{ClusterView, Demo, Verb, Wall, doctor};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::shell::relay;
use crate::shell::target::Target;
use crate::shell::wire::{self, Wire};

/// How long the monitor may take to let us in.
pub const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Exit codes, as in the manual.
pub mod exit {
    pub const DONE: u8 = 0;
    /// Refused or failed.
    pub const REFUSED: u8 = 1;
    pub const USAGE: u8 = 2;
    /// The monitor cannot be reached, or went away before it was asked to do anything.
    pub const UNREACHABLE: u8 = 3;
    /// It was asked, and nobody knows what came of it.
    pub const UNKNOWN: u8 = 4;
    /// Begun, failed, and everything is as it was.
    pub const UNDONE: u8 = 5;
}

/// What is asked of the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Verb(Verb),
    /// Of a demo only.
    Demo(Demo),
    /// What the verb would do.
    Plan(Verb),
    /// What happened, or what happens.
    Events(events::Wanted),
    /// Carry another's words.
    Relay,
    /// What `--json` prints, as a schema.
    Schema,
}

impl Asked {
    /// Its first word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Verb(verb) => verb.word(),
            Self::Demo(_) => mmm_proto::demo::WORD,
            Self::Plan(_) => preview::WORD,
            Self::Events(wanted) if wanted.watch => "watch",
            Self::Events(_) => "events",
            Self::Relay => relay::WORD,
            Self::Schema => schema::WORD,
        }
    }

    /// Whether it may change something.
    fn acts(&self) -> bool {
        match self {
            Self::Verb(verb) => verb.acts(),
            Self::Demo(demo) => demo.acts(),
            _ => false,
        }
    }

    /// What needs neither monitor nor settings.
    pub fn alone(&self) -> Option<Outcome> {
        let text = match self {
            Self::Verb(Verb::Help) => mmm_proto::verb::help(),
            Self::Schema => schema::text(),
            _ => return None,
        };
        Some(Outcome::fine(text.clone(), ("text", json!(text))))
    }

    /// Reads the words that are `mmm-control`'s own, or a demo's; none when it is a verb.
    ///
    /// # Errors
    /// Says what may stand behind the first word.
    pub fn parse_own(words: &[String]) -> Option<Result<Self, String>> {
        let (first, rest) = words.split_first()?;
        match first.as_str() {
            mmm_proto::demo::WORD => Some(Demo::parse(rest).map(Self::Demo)),
            preview::WORD => Some(preview::parse(rest).map(Self::Plan)),
            relay::WORD if rest.is_empty() => Some(Ok(Self::Relay)),
            schema::WORD if rest.is_empty() => Some(Ok(Self::Schema)),
            relay::WORD | schema::WORD => Some(Err(format!("{first} takes no arguments"))),
            "events" | "watch" => Some(events::Wanted::parse(first, rest).map(Self::Events)),
            _ => None,
        }
    }
}

/// How a verb is to be run.
#[derive(Debug, Clone)]
pub struct Options {
    /// From the connection on, in all.
    pub limit: Duration,
    /// Follow long work to its end.
    pub wait: bool,
    /// Tell the steps of long work on stderr.
    pub progress: bool,
    /// What is followed is printed as JSON, one object a line.
    pub json: bool,
}

/// What came of a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub exit: u8,
    /// For stdout, with its line end.
    pub out: String,
    /// For stderr, with its line end.
    pub err: String,
    /// The same for programs: what stands beside `ok`, `exit` and `verb`.
    pub json: (&'static str, Value),
}

impl Outcome {
    fn fine(out: String, json: (&'static str, Value)) -> Self {
        Self { exit: exit::DONE, out, err: String::new(), json }
    }

    /// A failure in a sentence.
    pub fn failure(exit: u8, why: &str) -> Self {
        Self {
            exit,
            out: String::new(),
            err: format!("ERROR: {why}\n"),
            json: ("error", json!(why)),
        }
    }

    /// The one line of `--json`.
    pub fn json_line(&self, verb: &str) -> String {
        let mut all = json!({ "ok": self.exit == exit::DONE, "exit": self.exit, "verb": verb });
        all[self.json.0] = self.json.1.clone();
        format!("{all}\n")
    }
}

/// Asks one thing of the monitor. `date` prints a stamp in the reader's time zone.
pub async fn run(
    target: &Target,
    asked: &Asked,
    options: &Options,
    date: &dyn Fn(Wall) -> String,
) -> Outcome {
    if let Some(outcome) = asked.alone() {
        return outcome;
    }
    if *asked == Asked::Relay {
        return relay::run(target);
    }
    let deadline = Instant::now() + options.limit;
    let open_limit = target.open_limit(OPEN_LIMIT);
    let wire = match wire::open(target, open_limit.min(options.limit)).await {
        Ok(wire) => wire,
        Err(error) => return Outcome::failure(exit::UNREACHABLE, &error.to_string()),
    };
    let warning = match &wire.only_looks {
        None => String::new(),
        Some(why) if asked.acts() => return Outcome::failure(exit::REFUSED, why),
        Some(why) => format!("WARNING: {why}\n"),
    };
    if matches!(asked, Asked::Events(wanted) if wanted.follow) {
        // It does not end by itself.
        let _ = std::io::stderr().write_all(warning.as_bytes());
    }
    let mut outcome = ask(target, wire, asked, options, (deadline, date)).await;
    outcome.err.insert_str(0, &warning);
    outcome
}

/// Asks it over an open conversation.
async fn ask(
    target: &Target,
    mut wire: Wire,
    asked: &Asked,
    options: &Options,
    (deadline, date): (Instant, &dyn Fn(Wall) -> String),
) -> Outcome {
    let verb = match asked {
        Asked::Verb(verb) => verb,
        Asked::Demo(demo) => return demo::run(&mut wire, demo, options, deadline).await,
        Asked::Plan(verb) => return preview::run(&mut wire, verb, options, deadline).await,
        Asked::Events(wanted) => return events::run(target, wire, wanted, options, date).await,
        // Answered above, without a conversation.
        Asked::Relay | Asked::Schema => return Outcome::fine(String::new(), ("text", json!(""))),
    };
    match verb {
        Verb::Show | Verb::Checks { .. } | Verb::Mode | Verb::Explain { .. } => {
            match snapshot(&mut wire, deadline).await {
                Ok(view) => look(&view, verb, date),
                Err(outcome) => outcome,
            }
        }
        _ => act(&mut wire, verb, options, deadline).await,
    }
}

/// The verbs that only look: their text is made here from the picture.
fn look(view: &ClusterView, verb: &Verb, date: &dyn Fn(Wall) -> String) -> Outcome {
    match verb {
        Verb::Checks { host, check } => match show::checks(view, host.as_ref(), *check, date) {
            Ok((text, rows)) => Outcome::fine(text, ("checks", json!(rows))),
            Err(why) => Outcome::failure(exit::REFUSED, &why),
        },
        Verb::Mode => {
            Outcome::fine(format!("{}\n", view.mode.word()), ("mode", json!(view.mode.word())))
        }
        Verb::Explain { name } => {
            let text = explain::explain(view, name.as_ref());
            match text.and_then(|text| Ok((text, explain::values(view, name.as_ref())?))) {
                Ok((text, values)) => Outcome::fine(text, ("explain", values)),
                Err(why) => Outcome::failure(exit::REFUSED, &why),
            }
        }
        _ => Outcome::fine(show::show(view), ("view", json!(view))),
    }
}

async fn snapshot(wire: &mut Wire, deadline: Instant) -> Result<Box<ClusterView>, Outcome> {
    let gone = |why: String| Outcome::failure(exit::UNREACHABLE, &why);
    wire.ask(&ToMonitor::Snapshot { id: 1 }).await.map_err(|error| gone(error.to_string()))?;
    loop {
        let at = wire.at.clone();
        let said = timeout_at(deadline, wire.next()).await.map_err(|_| {
            gone(format!(
                "the monitor at {at} let us in and then sent no picture in time; look at its log"
            ))
        })?;
        match said.map_err(|error| gone(error.to_string()))? {
            FromMonitor::Answer { id: 1, answer } => {
                return match answer {
                    Answer::Snapshot { view } => Ok(view),
                    Answer::Refused { refusal } => {
                        Err(Outcome::failure(exit::REFUSED, &refusal.reason))
                    }
                    other => Err(Outcome::failure(
                        exit::REFUSED,
                        &format!("the monitor answered something else than a picture: {other:?}"),
                    )),
                };
            }
            FromMonitor::Error { why } => {
                return Err(gone(format!("the monitor said: {why}")));
            }
            _ => {}
        }
    }
}

/// The verbs that change something, and `ping`, which asks the deciding part of the monitor itself.
async fn act(wire: &mut Wire, verb: &Verb, options: &Options, deadline: Instant) -> Outcome {
    let lost = |why: &str| lost(verb, why);
    if let Err(error) = wire.ask(&ToMonitor::Run { id: 1, verb: verb.clone() }).await {
        return lost(&error.to_string());
    }
    let mut progress = progress::Progress::default();
    loop {
        let said = match timeout_at(deadline, wire.next()).await {
            Err(_) => {
                return lost(&format!("no answer within {} s", options.limit.as_secs_f32()));
            }
            Ok(Err(error)) => return lost(&error.to_string()),
            Ok(Ok(said)) => said,
        };
        match said {
            FromMonitor::Answer { id: 1, answer } if answer.is_final() => {
                return finished(&answer);
            }
            FromMonitor::Answer { id: 1, answer: Answer::Started { plan } } => {
                if !options.wait {
                    let text = format!("OK: Started as plan {plan}\n");
                    return Outcome::fine(text, ("answer", json!(Answer::Started { plan })));
                }
                progress.follow(plan);
                let watch = ToMonitor::Subscribe { events_since: None };
                if options.progress
                    && let Err(error) = wire.ask(&watch).await
                {
                    return lost(&error.to_string());
                }
            }
            FromMonitor::View { view } if options.progress => progress.tell(&view),
            FromMonitor::Error { why } => return lost(&format!("the monitor said: {why}")),
            _ => {}
        }
    }
}

/// The request went out and no answer came back.
fn lost(verb: &Verb, why: &str) -> Outcome {
    if verb.acts() {
        let why = format!(
            "outcome unknown: {why}; `{verb}` may have been done or may still run: \
             look at `mmm-control show`"
        );
        Outcome::failure(exit::UNKNOWN, &why)
    } else {
        Outcome::failure(exit::UNREACHABLE, why)
    }
}

fn finished(answer: &Answer) -> Outcome {
    if let Answer::Examined { findings } = answer {
        let exit = if doctor::healthy(findings) { exit::DONE } else { exit::REFUSED };
        let (out, err) = (doctor::text(findings), String::new());
        return Outcome { exit, out, err, json: ("findings", json!(findings)) };
    }
    let (exit, out, err) = match answer {
        Answer::Done { text, .. } => (exit::DONE, format!("OK: {text}\n"), String::new()),
        Answer::Refused { refusal } => {
            let err = format!("ERROR: {}\n", refusal.reason);
            (exit::REFUSED, String::new(), err)
        }
        Answer::Failed { undone: true, why } => {
            let err = format!("ERROR: failed and undone: {why}\n");
            (exit::UNDONE, String::new(), err)
        }
        Answer::Failed { undone: false, why } => {
            (exit::REFUSED, String::new(), format!("ERROR: failed: {why}\n"))
        }
        Answer::Snapshot { .. }
        | Answer::Plan { .. }
        | Answer::Started { .. }
        | Answer::Examined { .. } => {
            let err = "ERROR: the monitor answered with something that was not asked for\n";
            (exit::REFUSED, String::new(), err.to_owned())
        }
    };
    Outcome { exit, out, err, json: ("answer", json!(answer)) }
}
