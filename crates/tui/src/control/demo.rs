//! `mmm-control demo`: one request to a demo. A monitor of real hosts refuses it.

use mmm_proto::Demo;
use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Options, Outcome, exit, finished};
use crate::shell::wire::Wire;

/// Asks and waits for the answer.
pub(super) async fn run(
    wire: &mut Wire,
    demo: &Demo,
    options: &Options,
    deadline: Instant,
) -> Outcome {
    let lost = |why: &str| {
        if demo.acts() {
            let why = format!("outcome unknown: {why}; `{demo}` may have been done");
            Outcome::failure(exit::UNKNOWN, &why)
        } else {
            Outcome::failure(exit::UNREACHABLE, why)
        }
    };
    if let Err(error) = wire.ask(&ToMonitor::Demo { id: 1, demo: demo.clone() }).await {
        return lost(&error.to_string());
    }
    loop {
        let said = match timeout_at(deadline, wire.next()).await {
            Err(_) => {
                return lost(&format!("no answer within {} s", options.limit.as_secs_f32()));
            }
            Ok(Err(error)) => return lost(&error.to_string()),
            Ok(Ok(said)) => said,
        };
        match said {
            // The list is the answer, there is nothing to be OK about.
            FromMonitor::Answer { id: 1, answer: Answer::Done { text, .. } }
                if *demo == Demo::Faults =>
            {
                return Outcome::fine(text.clone(), ("text", json!(text)));
            }
            FromMonitor::Answer { id: 1, answer } => return finished(&answer),
            // A monitor from before there were demos does not know the word and does nothing.
            FromMonitor::Error { why } => {
                let why = format!("this is no demo; the monitor said: {why}");
                return Outcome::failure(exit::REFUSED, &why);
            }
            _ => {}
        }
    }
}
