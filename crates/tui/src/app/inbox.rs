//! What comes in from the monitor: pictures, events, answers, and the link's own ups and downs.

use mmm_proto::console::{FromMonitor, ToMonitor};
use mmm_proto::plan::PlanOutcome;
use mmm_proto::{ClusterView, Event, Time};

use super::acting::on_answer;
use super::cmd::Cmd;
use super::confirm::Stage;
use super::link::State;
use super::msg::LinkMsg;
use super::{EVENTS_MAX, Layer, Model, Screen, Tone};

/// Takes what the link says.
pub(super) fn on_link(model: &mut Model, msg: LinkMsg) -> Vec<Cmd> {
    match msg {
        LinkMsg::Trying => Vec::new(),
        LinkMsg::Up { who, may_act, foreign, why_not } => {
            model.link.state = State::Up;
            model.link.foreign = foreign;
            // Being let in does not make an old picture a new one.
            if model.view.is_none() {
                model.link.beat(model.now);
            }
            (model.link.who, model.link.may_act, model.link.why_not) = (who, may_act, why_not);
            Vec::new()
        }
        LinkMsg::Lost { why, refused, retry_at } => {
            on_lost(model);
            model.link.lost(why, refused, retry_at);
            Vec::new()
        }
        LinkMsg::Said(said) => {
            model.link.beat(model.now);
            on_said(model, said)
        }
    }
}

/// What was asked over the lost link will not be answered any more.
fn on_lost(model: &mut Model) {
    if model.link.state != State::Up {
        return;
    }
    if let Some(pending) = model.pending.take() {
        let text = format!("the link was lost before `{}` was planned", pending.verb);
        model.say(Tone::Error, text);
    }
    if let Some(Layer::Dialog(dialog)) = &model.layer
        && matches!(dialog.stage, Stage::Sent { .. })
    {
        // Its outcome is looked up in the first picture after the reconnect.
        model.layer = None;
    }
}

fn on_said(model: &mut Model, said: FromMonitor) -> Vec<Cmd> {
    match said {
        FromMonitor::View { view } => on_view(model, view),
        FromMonitor::Events { events, .. } => {
            on_events(model, events);
            Vec::new()
        }
        FromMonitor::Beat { .. } => Vec::new(),
        FromMonitor::Answer { id, answer } => on_answer(model, id, answer),
        FromMonitor::Error { why } => {
            model.say(Tone::Error, format!("the monitor said: {why}"));
            Vec::new()
        }
    }
}

/// A new picture.
pub(super) fn on_view(model: &mut Model, view: Box<ClusterView>) -> Vec<Cmd> {
    let restarted = model.newest().is_some_and(|old| old.term != view.term);
    model.history.note(model.now, &view.hosts);
    let now = model.now;
    match &mut model.frozen {
        Some(frozen) => frozen.latest = Some((now, view)),
        None => show(model, now, view),
    }
    outcome_of_ours(model);
    if restarted {
        // Its events count from the beginning again; what we hold already is recognised.
        vec![Cmd::Ask(ToMonitor::Subscribe { events_since: None })]
    } else {
        Vec::new()
    }
}

/// Puts a picture that came in at `at` on the screen.
pub(super) fn show(model: &mut Model, at: Time, view: Box<ClusterView>) {
    let gone = |name: &mmm_proto::HostName| view.host(name.as_str()).is_none();
    if model.selected.as_ref().is_none_or(gone) {
        model.selected = view.hosts.first().map(|host| host.name.clone());
    }
    if let Screen::Detail(name) = &model.screen
        && gone(name)
    {
        model.screen = Screen::Overview;
    }
    model.view_at = at;
    model.view = Some(view);
}

/// Tells what became of our plan when the answer itself was lost with a link.
fn outcome_of_ours(model: &mut Model) {
    let (Some(acting), Some(view)) = (&model.acting, model.newest()) else {
        return;
    };
    let Some(last) = view.last.as_ref().filter(|last| last.plan == acting.plan) else {
        return;
    };
    let (tone, text) = match &last.outcome {
        PlanOutcome::Running => return,
        PlanOutcome::Done => (Tone::Info, format!("done: {} ({})", last.title, last.took)),
        PlanOutcome::FailedUndone { why } => (Tone::Error, format!("failed and undone: {why}")),
        PlanOutcome::Failed { why } => (Tone::Error, format!("failed, needs you: {why}")),
    };
    model.acting = None;
    if matches!(&model.layer, Some(Layer::Dialog(dialog))
        if matches!(dialog.stage, Stage::Sent { .. }))
    {
        model.layer = None;
    }
    model.say(tone, text);
}

pub(super) fn on_events(model: &mut Model, events: Vec<Event>) {
    if let Some(frozen) = &mut model.frozen {
        return frozen.keep_events(events);
    }
    // The selection stays on its event while new ones come in above.
    let id = |event: &Event| (event.seq, event.at);
    let row = model.event_row;
    let kept = model.events_shown().get(row).filter(|_| row > 0).map(|event| id(event));
    for event in events {
        let known = |old: &Event| old.seq == event.seq && old.at == event.at;
        if model.events.iter().any(known) {
            continue;
        }
        let newer = model.events.iter().take_while(|old| old.at > event.at);
        let at = newer.count();
        model.events.insert(at, event);
    }
    model.events.truncate(EVENTS_MAX);
    let shown = model.events_shown();
    let last = shown.len().saturating_sub(1);
    let at = kept.and_then(|kept| shown.iter().position(|event| id(event) == kept));
    model.event_row = at.unwrap_or(model.event_row).min(last);
}
