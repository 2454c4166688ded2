//! What is typed: the words of a filter, and the `:` line with the words of `mmm-control` and a few
//! of the console's own. What changes anything becomes a plan first.

use mmm_proto::console::ToMonitor;
use mmm_proto::{HostName, Verb};

use super::acting::{ask_plan, stop};
use super::cmd::Cmd;
use super::keys::Place;
use super::msg::Key;
use super::prompt::Prompt;
use super::rows::Words;
use super::update::{go, leave};
use super::{Layer, Model, Screen, Tone, demo};

/// A key while something is typed.
pub(super) fn on_prompt_key(model: &mut Model, mut prompt: Prompt, key: Key) -> Vec<Cmd> {
    if prompt.filters {
        return on_filter_key(model, prompt, key);
    }
    match key {
        Key::Esc => return Vec::new(),
        Key::Enter => return run_line(model, prompt.line.trim()),
        Key::Backspace if prompt.line.is_empty() => return Vec::new(),
        Key::Backspace => {
            prompt.line.pop();
        }
        Key::Tab => {
            let choices = prompt.complete(model.view.as_deref());
            if !choices.is_empty() {
                model.say(Tone::Info, choices.join("  "));
            }
        }
        Key::Char(c) => prompt.push(c),
        _ => {}
    }
    model.layer = Some(Layer::Prompt(prompt));
    Vec::new()
}

/// A key while a filter is typed: the rows follow at once. Esc shows all rows again.
fn on_filter_key(model: &mut Model, mut prompt: Prompt, key: Key) -> Vec<Cmd> {
    let open = match key {
        Key::Esc => {
            prompt.line.clear();
            false
        }
        Key::Enter => false,
        Key::Backspace if prompt.line.is_empty() => false,
        Key::Backspace => {
            prompt.line.pop();
            true
        }
        Key::Char(c) => {
            prompt.push(c);
            true
        }
        _ => true,
    };
    let events = matches!(model.place(), Place::Newest | Place::Events);
    if events && !prompt.line.trim().is_empty() {
        model.filters.found = Words(prompt.line.clone());
    }
    *model.words_mut() = Words(prompt.line.clone());
    model.select_shown();
    if open {
        model.layer = Some(Layer::Prompt(prompt));
    }
    Vec::new()
}

/// A host is explained by its detail, everything else by a text above the screen.
fn explain(model: &mut Model, name: Option<HostName>) {
    let Some(view) = &model.view else { return };
    let host = name.as_ref().filter(|name| view.host(name.as_str()).is_some());
    if let Some(host) = host.cloned() {
        return go(model, Screen::Detail(host));
    }
    match crate::control::explain::explain(view, name.as_ref()) {
        Ok(_) => {
            model.scroll = 0;
            model.layer = Some(Layer::Explain(name));
        }
        Err(why) => model.say(Tone::Error, why),
    }
}

/// Carries out a `:` line. What changes anything becomes a plan first.
fn run_line(model: &mut Model, line: &str) -> Vec<Cmd> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => return Vec::new(),
        ["q" | "quit"] => return leave(model),
        ["stop", plan] => return stop(model, plan),
        ["mouse", on @ ("on" | "off")] => {
            model.mouse = *on == "on";
            let what = if model.mouse {
                "the mouse selects rows; with Shift the terminal selects text as before"
            } else {
                "the mouse is the terminal's own again"
            };
            model.say(Tone::Info, what);
            return vec![Cmd::Mouse(model.mouse)];
        }
        [mmm_proto::demo::WORD, rest @ ..] => return demo::line(model, rest),
        _ => {}
    }
    match Verb::parse(&words) {
        Err(error) => model.say(Tone::Error, error.to_string()),
        Ok(Verb::Help) => model.layer = Some(Layer::Help),
        Ok(Verb::Show) => go(model, Screen::Overview),
        Ok(Verb::Checks { host: Some(host), .. }) => go(model, Screen::Detail(host)),
        Ok(Verb::Checks { host: None, .. }) => {
            model.say(Tone::Info, "the checks of a host are in its detail: :checks HOST");
        }
        Ok(Verb::Explain { name }) => explain(model, name),
        Ok(Verb::Mode) => {
            let mode = model.view.as_ref().map_or("?", |view| view.mode.word());
            model.say(Tone::Info, mode);
        }
        Ok(Verb::Doctor { .. }) => {
            model.say(Tone::Info, "what it finds is long: run `mmm-control doctor` in a shell");
        }
        Ok(verb @ Verb::Ping) => {
            let id = model.next_id();
            return vec![Cmd::Ask(ToMonitor::Run { id, verb })];
        }
        Ok(verb) => return ask_plan(model, verb),
    }
    Vec::new()
}
