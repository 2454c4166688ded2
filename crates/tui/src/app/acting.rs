//! Acting: an action asks for a plan, the plan is shown, a second act confirms it, its outcome is
//! told.

use mmm_proto::console::{Answer, ToMonitor};
use mmm_proto::{Span, Verb};

use super::cmd::Cmd;
use super::confirm::{Dialog, Stage, Verdict};
use super::inbox;
use super::keys::{self, Action};
use super::msg::Key;
use super::{Acting, Layer, Model, Pending, Tone};

/// An action key on the selected host: asks for its plan, or says why it is off.
pub(super) fn act_on_host(model: &mut Model, action: Action) -> Vec<Cmd> {
    let key = keys::of(action).map_or_else(String::new, |row| row.keys[0].name());
    if let Some(why) = model.off() {
        model.say(Tone::Error, format!("{key} is off: {why}"));
        return Vec::new();
    }
    let Some(host) = model.target_host() else {
        model.say(Tone::Error, format!("{key} is off: no host is selected"));
        return Vec::new();
    };
    match model.action(host, action) {
        Some(found) if found.off.is_empty() => {
            let verb = found.verb.clone();
            ask_plan(model, verb)
        }
        Some(found) => {
            let why = format!("{key} is off: {}", found.off);
            model.say(Tone::Error, why);
            Vec::new()
        }
        None => {
            let why = format!("{key} is off: the monitor does not offer it for {}", host.name);
            model.say(Tone::Error, why);
            Vec::new()
        }
    }
}

/// Asks what `verb` would do. Changes nothing.
pub(super) fn ask_plan(model: &mut Model, verb: Verb) -> Vec<Cmd> {
    if let Some(why) = model.off() {
        model.say(Tone::Error, format!("{} is off: {why}", verb.word()));
        return Vec::new();
    }
    let id = model.next_id();
    model.say(Tone::Info, format!("asking for the plan of `{verb}`"));
    model.pending = Some(Pending { id, verb: verb.clone(), since: model.now });
    vec![Cmd::Ask(ToMonitor::Plan { id, verb })]
}

/// A key while a plan is before the person.
pub(super) fn on_dialog_key(model: &mut Model, mut dialog: Box<Dialog>, key: Key) -> Vec<Cmd> {
    let verdict = dialog.key(key, model.now);
    match verdict {
        Verdict::Cancel => {
            if dialog.stage == Stage::Reading {
                model.say(Tone::Info, "cancelled, nothing was done");
            }
            Vec::new()
        }
        Verdict::Again => ask_plan(model, dialog.plan.verb),
        Verdict::Stay => {
            model.layer = Some(Layer::Dialog(dialog));
            Vec::new()
        }
        Verdict::Confirmed => {
            let mut cmds = Vec::new();
            if let Some(why) = model.off() {
                dialog.note = format!("not sent: {why}");
            } else {
                let id = model.next_id();
                dialog.stage = Stage::Sent { id };
                model.acting =
                    Some(Acting { id, plan: dialog.plan.id, title: dialog.plan.title.clone() });
                cmds.push(Cmd::Ask(ToMonitor::Apply {
                    id,
                    plan: dialog.plan.id,
                    generation: dialog.plan.generation,
                }));
            }
            model.layer = Some(Layer::Dialog(dialog));
            cmds
        }
    }
}

/// Halting a plan is the one act without a plan of its own: it only keeps things from going on.
pub(super) fn stop(model: &mut Model, plan: &str) -> Vec<Cmd> {
    let Ok(plan) = plan.parse() else {
        model.say(Tone::Error, format!("{plan:?} is not the number of a plan"));
        return Vec::new();
    };
    let runs = model.view.as_ref().and_then(|view| view.running.as_ref());
    if runs.is_none_or(|running| running.plan != plan) {
        model.say(Tone::Error, format!("plan {plan} does not run"));
        return Vec::new();
    }
    let id = model.next_id();
    vec![Cmd::Ask(ToMonitor::Stop { id, plan })]
}

/// An answer of the monitor to something that this console asked.
pub(super) fn on_answer(model: &mut Model, id: u64, answer: Answer) -> Vec<Cmd> {
    if model.pending.as_ref().is_some_and(|pending| pending.id == id) {
        model.pending = None;
        model.note = None;
        match answer {
            Answer::Plan { plan } => {
                let dialog = Dialog::new(*plan, model.now);
                model.layer = Some(Layer::Dialog(Box::new(dialog)));
            }
            Answer::Refused { refusal } => model.say(Tone::Error, refusal.reason),
            Answer::Failed { why, .. } => model.say(Tone::Error, why),
            _ => model.say(Tone::Error, "the monitor answered without a plan; nothing was done"),
        }
        return Vec::new();
    }
    let dialog_waits = matches!(&model.layer, Some(Layer::Dialog(dialog))
        if dialog.stage == Stage::Sent { id });
    let ours = model.acting.as_ref().is_some_and(|acting| acting.id == id);
    if ours && answer.is_final() {
        model.acting = None;
    }
    match answer {
        Answer::Snapshot { view } => return inbox::on_view(model, view),
        Answer::Refused { refusal } if dialog_waits => {
            if let Some(Layer::Dialog(dialog)) = &mut model.layer {
                dialog.stage = Stage::Refused;
                dialog.note = refusal.reason;
            }
            return Vec::new();
        }
        Answer::Started { plan } => {
            if let Some(acting) = model.acting.as_mut().filter(|_| ours) {
                // What runs may have a number of its own.
                acting.plan = plan;
            }
            model.say(Tone::Info, format!("plan {plan} runs"));
        }
        Answer::Done { text, took } => {
            let took = match took {
                Span::ZERO => String::new(),
                took => format!(" ({took})"),
            };
            model.say(Tone::Info, format!("OK: {text}{took}"));
        }
        Answer::Refused { refusal } => model.say(Tone::Error, refusal.reason),
        Answer::Failed { undone, why } => {
            let how = if undone { "failed and undone" } else { "failed, needs you" };
            model.say(Tone::Error, format!("{how}: {why}"));
        }
        Answer::Plan { .. } | Answer::Examined { .. } => {}
    }
    if dialog_waits {
        model.layer = None;
    }
    Vec::new()
}
