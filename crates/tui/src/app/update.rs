//! One message in, the changed model and wishes out. Everything that a key does passes through
//! here, and an acting request leaves only by way of a confirmed plan.

use mmm_proto::console::ToMonitor;
use mmm_proto::{HostName, Span, Time, Verb};

use super::acting::{act_on_host, ask_plan, on_dialog_key, stop};
use super::cmd::Cmd;
use super::keys::{self, Action};
use super::msg::{Key, Msg};
use super::prompt::Prompt;
use super::{INFO_STAYS, Layer, Model, PLAN_LIMIT, Screen, Tone, copy, demo, freeze, inbox};

/// Takes one message. `now` is the console's own clock.
pub fn update(model: &mut Model, now: Time, msg: Msg) -> Vec<Cmd> {
    model.now = model.now.max(now);
    match msg {
        Msg::Key(key) => on_key(model, key),
        Msg::Paste => {
            model.say(Tone::Info, "pasted text is not taken: keys must be pressed");
            Vec::new()
        }
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            Vec::new()
        }
        Msg::Tick => {
            on_tick(model);
            Vec::new()
        }
        Msg::Drawn => {
            let small = model.too_small();
            if let Some(Layer::Dialog(dialog)) = &mut model.layer
                && !small
                && dialog.drawn.is_none()
            {
                dialog.drawn = Some(model.now);
            }
            Vec::new()
        }
        Msg::Resumed => vec![Cmd::Repaint, ask_picture(model)],
        Msg::Link(link) => inbox::on_link(model, link),
    }
}

fn on_tick(model: &mut Model) {
    // On a live link a picture stays true until the next one comes.
    if model.link.live(model.now)
        && let Some(hosts) = model.newest().map(|view| view.hosts.clone())
    {
        model.history.note(model.now, &hosts);
    }
    let old = |since: Time, limit: Span| model.now.since(since) >= limit;
    if let Some(note) = &model.note
        && note.tone == Tone::Info
        && old(note.at, INFO_STAYS)
    {
        model.note = None;
    }
    if let Some(pending) = &model.pending
        && old(pending.since, PLAN_LIMIT)
    {
        let verb = pending.verb.to_string();
        model.pending = None;
        let limit = PLAN_LIMIT.as_secs();
        model.say(
            Tone::Error,
            format!("the monitor made no plan for `{verb}` within {limit} s; nothing was done"),
        );
    }
}

fn on_key(model: &mut Model, key: Key) -> Vec<Cmd> {
    if model.note.as_ref().is_some_and(|note| note.tone == Tone::Error) {
        model.note = None;
    }
    if let Some(action) = keys::always(key) {
        return act(model, action);
    }
    if model.too_small() {
        // What cannot be seen must not be obeyed.
        return if key == Key::Char('q') { act(model, Action::Leave) } else { Vec::new() };
    }
    match model.layer.take() {
        None => on_screen_key(model, key),
        Some(Layer::Dialog(dialog)) => on_dialog_key(model, dialog, key),
        Some(Layer::Prompt(prompt)) => on_prompt_key(model, prompt, key),
        Some(
            layer
            @ (Layer::Help | Layer::Explain(_) | Layer::Actions | Layer::Mode | Layer::Faults),
        ) => on_menu_key(model, layer, key),
    }
}

fn on_screen_key(model: &mut Model, key: Key) -> Vec<Cmd> {
    if let Some(action) = keys::find(key, &model.screen, model.demo()) {
        model.capitals = 0;
        return act(model, action);
    }
    let capital = matches!(key, Key::Char(c) if c.is_ascii_uppercase());
    model.capitals = if capital { model.capitals.saturating_add(1) } else { 0 };
    let mut text = keys::unknown(key, &model.screen);
    if model.capitals >= 3 {
        text.push_str(". Caps Lock?");
    }
    model.say(Tone::Info, text);
    Vec::new()
}

fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Leave => return leave(model),
        Action::Suspend => return vec![Cmd::Suspend],
        Action::Repaint => return vec![Cmd::Repaint],
        Action::AskAgain => return vec![Cmd::RetryNow, ask_picture(model)],
        Action::Close if model.screen == Screen::Overview => return leave(model),
        Action::Close | Action::Back | Action::Overview => go(model, Screen::Overview),
        Action::Events => go(model, Screen::Events),
        Action::Open => {
            if let Some(host) = model.selected.clone() {
                go(model, Screen::Detail(host));
            }
        }
        Action::Copy => return copy::row(model),
        Action::Freeze => freeze::toggle(model),
        Action::Help => {
            model.scroll = 0;
            model.layer = Some(Layer::Help);
        }
        Action::Menu if model.target_host().is_some() => model.layer = Some(Layer::Actions),
        Action::Menu => model.say(Tone::Info, "no host to act on: no picture yet"),
        Action::Mode => model.layer = Some(Layer::Mode),
        Action::Faults => model.layer = Some(Layer::Faults),
        Action::Prompt => model.layer = Some(Layer::Prompt(Prompt::default())),
        Action::Down => scroll(model, 1),
        Action::Up => scroll(model, -1),
        Action::PageDown => scroll(model, 10),
        Action::PageUp => scroll(model, -10),
        Action::First => scroll(model, isize::MIN),
        Action::Last => scroll(model, isize::MAX),
        Action::Online | Action::Offline | Action::Writer => return act_on_host(model, action),
    }
    Vec::new()
}

fn leave(model: &mut Model) -> Vec<Cmd> {
    freeze::resume(model);
    model.leaving = true;
    vec![Cmd::Leave]
}

fn go(model: &mut Model, screen: Screen) {
    model.screen = screen;
    model.scroll = 0;
    model.event_row = 0;
}

fn ask_picture(model: &mut Model) -> Cmd {
    let id = model.next_id();
    Cmd::Ask(ToMonitor::Snapshot { id })
}

fn scroll(model: &mut Model, by: isize) {
    let moved = |from: usize, last: usize| from.saturating_add_signed(by).min(last);
    match &model.screen {
        Screen::Overview => {
            let Some(view) = &model.view else { return };
            let names: Vec<_> = view.hosts.iter().map(|host| &host.name).collect();
            let at =
                names.iter().position(|name| Some(*name) == model.selected.as_ref()).unwrap_or(0);
            let to = moved(at, names.len().saturating_sub(1));
            model.selected = names.get(to).map(|name| (*name).clone());
        }
        Screen::Events => {
            model.event_row = moved(model.event_row, model.events.len().saturating_sub(1));
        }
        // The view knows how many lines there are and stops at the last.
        Screen::Detail(_) => model.scroll = moved(model.scroll, 200),
    }
}

fn on_menu_key(model: &mut Model, layer: Layer, key: Key) -> Vec<Cmd> {
    match (&layer, key) {
        (_, Key::Esc | Key::Char('q')) | (Layer::Help, Key::Char('?')) => Vec::new(),
        (Layer::Help | Layer::Explain(_), _) => {
            match keys::find(key, &Screen::Overview, false) {
                Some(Action::Down) => model.scroll = (model.scroll + 1).min(100),
                Some(Action::Up) => model.scroll = model.scroll.saturating_sub(1),
                _ => {}
            }
            model.layer = Some(layer);
            Vec::new()
        }
        (Layer::Mode, Key::Char('a')) => ask_plan(model, Verb::SetActive),
        (Layer::Mode, Key::Char('m')) => ask_plan(model, Verb::SetManual),
        (Layer::Mode, Key::Char('p')) => ask_plan(model, Verb::SetPassive),
        (Layer::Faults, Key::Char(c)) if keys::FAULTS.iter().any(|fault| fault.key == c) => {
            let fault = keys::FAULTS.iter().find(|fault| fault.key == c);
            fault.map_or_else(Vec::new, |fault| demo::fault(model, fault.words))
        }
        (Layer::Actions, _) => match keys::find(key, &Screen::Overview, false) {
            Some(action @ (Action::Online | Action::Offline | Action::Writer)) => {
                act_on_host(model, action)
            }
            _ => {
                model.layer = Some(layer);
                Vec::new()
            }
        },
        _ => {
            model.layer = Some(layer);
            Vec::new()
        }
    }
}

fn on_prompt_key(model: &mut Model, mut prompt: Prompt, key: Key) -> Vec<Cmd> {
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
