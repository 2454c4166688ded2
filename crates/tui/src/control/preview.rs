//! `mmm-control plan VERB ...`: what the verb would do, made by the monitor with the function that
//! would run it. Changes nothing; the exit code says whether the verb would be allowed.

use std::fmt::Write as _;

use mmm_proto::Verb;
use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use mmm_proto::plan::{CheckVerdict, Plan};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Options, Outcome, exit, finished};
use crate::shell::wire::Wire;

/// The word that it begins with.
pub(super) const WORD: &str = "plan";
/// How it is written.
pub const USAGE: &str = "plan <command>";

/// Reads the words behind `plan`.
///
/// # Errors
/// Says what may stand there.
pub(super) fn parse(words: &[String]) -> Result<Verb, String> {
    let verb = match words {
        [] => return Err(format!("plan alone means nothing; write {USAGE}")),
        words => Verb::parse(words).map_err(|error| error.to_string())?,
    };
    if verb.acts() {
        Ok(verb)
    } else {
        Err(format!("`{}` changes nothing, so there is nothing to plan", verb.word()))
    }
}

/// Asks for the plan and prints it.
pub(super) async fn run(
    wire: &mut Wire,
    verb: &Verb,
    options: &Options,
    deadline: Instant,
) -> Outcome {
    let gone = |why: &str| Outcome::failure(exit::UNREACHABLE, why);
    if let Err(error) = wire.ask(&ToMonitor::Plan { id: 1, verb: verb.clone() }).await {
        return gone(&error.to_string());
    }
    loop {
        let said = match timeout_at(deadline, wire.next()).await {
            Err(_) => return gone(&format!("no answer within {} s", options.limit.as_secs_f32())),
            Ok(Err(error)) => return gone(&error.to_string()),
            Ok(Ok(said)) => said,
        };
        match said {
            FromMonitor::Answer { id: 1, answer: Answer::Plan { plan } } => {
                let you = wire.hello.you.as_ref().filter(|you| !you.may_act);
                return shown(&plan, you.map(|you| you.why_not.as_str()));
            }
            FromMonitor::Answer { id: 1, answer } => return finished(&answer),
            FromMonitor::Error { why } => return gone(&format!("the monitor said: {why}")),
            _ => {}
        }
    }
}

/// The plan as text. `forbidden` says why this peer may not act, if it may not.
fn shown(plan: &Plan, forbidden: Option<&str>) -> Outcome {
    let bad = plan.checks.iter().find(|check| check.verdict == CheckVerdict::Bad);
    let off = forbidden.or(bad.map(|check| check.text.as_str()));
    let (exit, err) = match off {
        Some(why) => (exit::REFUSED, format!("ERROR: `{}` would be refused: {why}\n", plan.verb)),
        None => (exit::DONE, String::new()),
    };
    Outcome { exit, out: text(plan), err, json: ("plan", json!(plan)) }
}

fn text(plan: &Plan) -> String {
    let mut text = format!("Plan: {}\n", plan.title);
    let mut row = |left: &str, right: &str| {
        if !right.is_empty() {
            let _ = writeln!(text, "  {left:<12}  {right}");
        }
    };
    row("effect", &plan.effect);
    for (at, step) in plan.steps.iter().enumerate() {
        let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
        row(&format!("step {}", at + 1), &format!("{host:<8} {}", step.what));
    }
    for check in &plan.checks {
        let sign = match check.verdict {
            CheckVerdict::Good => "+",
            CheckVerdict::Warn => "!",
            CheckVerdict::Bad => "#",
        };
        row("check", &format!("{sign} {}", check.text));
    }
    row("if it fails", &plan.if_it_fails);
    row("to run it", &format!("mmm-control {}", plan.verb));
    text
}
