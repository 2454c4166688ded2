//! Breaking a demo: there is nothing to lose, so no plan comes first.

use mmm_proto::Demo;
use mmm_proto::console::ToMonitor;

use super::cmd::Cmd;
use super::link::State;
use super::{Model, Tone};

/// Asks the demo to break or heal something. Other than with actions on a cluster the picture may
/// be old: a demo's stopped monitor is set going this way.
pub(super) fn fault(model: &mut Model, words: &str) -> Vec<Cmd> {
    ask(model, Demo::Fault { what: words.to_owned() })
}

/// A `:demo` line.
pub(super) fn line(model: &mut Model, words: &[&str]) -> Vec<Cmd> {
    match Demo::parse(words) {
        Ok(Demo::Faults) => {
            model.say(Tone::Info, "f lists the most useful; all: mmm-control demo faults");
            Vec::new()
        }
        Ok(demo) => ask(model, demo),
        Err(why) => {
            model.say(Tone::Error, why);
            Vec::new()
        }
    }
}

fn ask(model: &mut Model, demo: Demo) -> Vec<Cmd> {
    if model.link.state != State::Up {
        model.say(Tone::Error, format!("{demo} is off: there is no link to the demo"));
        return Vec::new();
    }
    if model.setup.read_only {
        model.say(Tone::Error, format!("{demo} is off: this console was started with --read-only"));
        return Vec::new();
    }
    let id = model.next_id();
    vec![Cmd::Ask(ToMonitor::Demo { id, demo })]
}
