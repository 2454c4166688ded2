//! One message in, the changed model and wishes out. Everything that a key does passes through
//! here, and an acting request leaves only by way of a confirmed plan.

use mmm_proto::console::ToMonitor;
use mmm_proto::{Span, Time, Verb};

use super::acting::{act_on_host, ask_plan, on_dialog_key};
use super::cmd::Cmd;
use super::keys::{self, Action, Place};
use super::line::on_prompt_key;
use super::msg::{Key, Msg};
use super::prompt::Prompt;
use super::rows::Pane;
use super::{INFO_STAYS, Layer, Model, PLAN_LIMIT, Screen, Times, Tone};
use super::{address, clusters, copy, demo, freeze, inbox, mouse};

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
        Msg::Mouse(mouse) => {
            mouse::take(model, mouse);
            Vec::new()
        }
        Msg::Resumed => vec![Cmd::Repaint, ask_picture(model)],
        Msg::Link(link) => inbox::on_link(model, link),
    }
}

fn on_tick(model: &mut Model) {
    // On a live link a picture stays true until the next one comes.
    if model.link.live(model.now) {
        model.note_lags();
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
        Some(Layer::Address(_)) if matches!(key, Key::Esc | Key::Char('q')) => Vec::new(),
        Some(Layer::Clusters(row)) => clusters::on_key(model, row, key),
        Some(Layer::Address(menu)) => address::on_key(model, menu, key),
        Some(
            layer
            @ (Layer::Help | Layer::Explain(_) | Layer::Actions | Layer::Mode | Layer::Faults),
        ) => on_menu_key(model, layer, key),
    }
}

fn on_screen_key(model: &mut Model, key: Key) -> Vec<Cmd> {
    if let Some(action) = keys::find(key, model.place(), model.demo()) {
        model.capitals = 0;
        return act(model, action);
    }
    let capital = matches!(key, Key::Char(c) if c.is_ascii_uppercase());
    model.capitals = if capital { model.capitals.saturating_add(1) } else { 0 };
    let mut text = keys::unknown(key, model.demo());
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
        Action::Close if model.screen == Screen::Overview && !model.zoom => return leave(model),
        Action::Back if !model.words().is_empty() && model.place() != Place::Detail => {
            model.words_mut().0.clear();
            model.event_row = 0;
        }
        Action::Close | Action::Back => back(model),
        Action::Overview => go(model, Screen::Overview),
        Action::Events => go(model, Screen::Events),
        Action::Open => open(model),
        Action::Copy => return copy::row(model),
        Action::Freeze => freeze::toggle(model),
        Action::Help => {
            model.scroll = 0;
            model.layer = Some(Layer::Help);
        }
        Action::Explain => {
            model.scroll = 0;
            model.layer = Some(Layer::Explain(None));
        }
        Action::Menu if model.target_host().is_some() => model.layer = Some(Layer::Actions),
        Action::Menu => model.say(Tone::Info, "no host to act on: no picture yet"),
        Action::Mode => model.layer = Some(Layer::Mode),
        Action::Faults => model.layer = Some(Layer::Faults),
        Action::Address => address::open(model),
        Action::Clusters => clusters::open(model),
        Action::Prompt => model.layer = Some(Layer::Prompt(Prompt::default())),
        Action::Filter => {
            model.note = None;
            model.layer = Some(Layer::Prompt(Prompt::filter(model.words())));
        }
        Action::NextMatch | Action::PreviousMatch => {
            if !model.go_to_match(action == Action::NextMatch) {
                let way = if action == Action::NextMatch { "older" } else { "newer" };
                model.say(Tone::Info, format!("no {way} event has these words"));
            }
        }
        Action::NextPane => (model.pane, model.event_row) = (model.pane.step(1), 0),
        Action::PreviousPane => (model.pane, model.event_row) = (model.pane.step(2), 0),
        Action::Sort => {
            model.order = model.order.next();
            let words = model.order.words();
            model.say(Tone::Info, format!("hosts in {words}").replace("in by", "by"));
        }
        Action::Zoom => model.zoom = !model.zoom,
        Action::Times => times(model),
        Action::Down => model.move_by(1),
        Action::Up => model.move_by(-1),
        Action::PageDown => model.move_by(10),
        Action::PageUp => model.move_by(-10),
        Action::First => model.move_by(isize::MIN),
        Action::Last => model.move_by(isize::MAX),
        Action::Online | Action::Offline | Action::Writer => return act_on_host(model, action),
    }
    Vec::new()
}

pub(super) fn leave(model: &mut Model) -> Vec<Cmd> {
    freeze::resume(model);
    model.leaving = true;
    vec![Cmd::Leave]
}

pub(super) fn go(model: &mut Model, screen: Screen) {
    model.screen = screen;
    model.scroll = 0;
    model.event_row = 0;
}

fn ask_picture(model: &mut Model) -> Cmd {
    let id = model.next_id();
    Cmd::Ask(ToMonitor::Snapshot { id })
}

/// One step out: of the detail or the events, of the whole screen, of another pane.
fn back(model: &mut Model) {
    if model.screen != Screen::Overview {
        go(model, Screen::Overview);
    } else if model.zoom {
        model.zoom = false;
    } else {
        model.pane = Pane::Hosts;
    }
}

/// All about the selected row.
fn open(model: &mut Model) {
    let host = match model.place() {
        Place::Hosts => model.selected_host().map(|host| host.name.clone()),
        Place::Addresses => {
            let chosen = model.selected_vip();
            let shown = model.vips_shown();
            let vip = shown.iter().find(|(_, vip)| Some(vip.ip) == chosen);
            vip.and_then(|(_, vip)| vip.host.clone())
        }
        Place::Newest => {
            let row = model.event_row;
            go(model, Screen::Events);
            model.event_row = row;
            return;
        }
        Place::Detail | Place::Events => None,
    };
    match host {
        Some(host) => go(model, Screen::Detail(host)),
        None => model.say(Tone::Info, "no host in this row"),
    }
}

fn times(model: &mut Model) {
    let (times, words) = match model.times {
        Times::Local => (Times::Ago, "how long ago"),
        Times::Ago => (Times::Utc, "UTC"),
        Times::Utc => (Times::Local, "your clock"),
    };
    model.times = times;
    model.say(Tone::Info, format!("times: {words}"));
}

fn on_menu_key(model: &mut Model, layer: Layer, key: Key) -> Vec<Cmd> {
    match (&layer, key) {
        (_, Key::Esc | Key::Char('q')) | (Layer::Help, Key::Char('?')) => Vec::new(),
        (Layer::Help | Layer::Explain(_), _) => {
            match keys::find(key, Place::Hosts, false) {
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
        (Layer::Actions, _) => match keys::find(key, Place::Hosts, false) {
            Some(action @ (Action::Online | Action::Offline | Action::Writer)) => {
                act_on_host(model, action)
            }
            Some(Action::Address) => {
                address::open(model);
                Vec::new()
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
