//! The two lines at the top: which cluster, how current, who is writer; and what needs attention.

use mmm_proto::view::WriterState;
use mmm_proto::{ClusterView, HostState, MonitorMode};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::text::{self, clip, clock, ends};
use super::theme::{Meaning, Theme};
use crate::app::Model;
use crate::app::keys::{self, Action};
use crate::app::link::{State, Status};

/// The first line; the caller reverses it.
pub(super) fn header(model: &Model, theme: Theme, width: usize) -> Line<'static> {
    let status = match model.link.status(model.now) {
        Status::Connecting => "CONNECTING".to_owned(),
        Status::Live if model.link.foreign => "! PROTOCOL".to_owned(),
        // The star beats with the monitor.
        Status::Live if model.setup.slow || model.link.beats.is_multiple_of(2) => {
            "* LIVE".to_owned()
        }
        Status::Live => ". LIVE".to_owned(),
        Status::Stale(age) => format!("? STALE {}s", age.as_secs()),
        Status::NoLink(age) => format!("# NO LINK {}", age.coarse()),
        Status::Refused => "# REFUSED".to_owned(),
    };
    let status = match &model.frozen {
        None => status,
        Some(frozen) => {
            let at = clock(frozen.at, model.setup.zone);
            let missed = match frozen.missed {
                0 => String::new(),
                missed => format!(" +{missed} events"),
            };
            let link = if model.link.live(model.now) { "" } else { status.as_str() };
            format!("FROZEN {at}{missed} {link}").trim_end().to_owned()
        }
    };
    let doubt = if model.link.live(model.now) && model.frozen.is_none() { "" } else { "?" };
    let label = match model.chosen() {
        Some(cluster) if !cluster.label.is_empty() => format!("{} ", cluster.label),
        _ => String::new(),
    };
    let cluster = model.cluster_words();
    let Some(view) = &model.view else {
        let name = if cluster.is_empty() { cluster } else { format!("{cluster}  ") };
        let text = format!(" {label}{name}{}  {status}", model.setup.target);
        return labelled(model, theme, &label, text);
    };
    let writer = writer(view, doubt);
    let rights = if model.setup.read_only || !model.link.may_act { "RO" } else { "RW" };
    let mode = format!("{}{doubt}", mode_words(model, view));
    let demo = if view.demo { "[DEMO] " } else { "" };
    let (target, who) = (&model.setup.target, &model.link.who);
    let generation = view.generation;
    let demo = format!("{label}{demo}");
    // The longest form that fits; the cluster, its state and the mode are in all of them.
    let held = held(model, view);
    let count = view.hosts.len();
    let trouble = view.hosts.iter().filter(|host| host.state != HostState::Online).count();
    let forms = [
        (
            format!(" {demo}{cluster}  {target}  {status}  {writer}{held}"),
            format!(
                "{mode}  gen {generation}  {count} hosts, {trouble} in trouble  {rights} {who} "
            ),
        ),
        (
            format!(" {demo}{cluster}  {target}  {status}  {writer}"),
            format!("{mode}  gen {generation}  {rights} {who} "),
        ),
        (
            format!(" {demo}{cluster}  {target}  {status}  {writer}"),
            format!("{mode}  {rights} {who} "),
        ),
        (format!(" {demo}{cluster}  {status}  {writer}"), format!("{mode}  {rights} ")),
        (format!(" {demo}{cluster}  {status}"), format!("{mode}  {rights} ")),
    ];
    let fits = |form: &&(String, String)| form.0.len() + form.1.len() + 2 <= width;
    let last = &forms[forms.len() - 1];
    let (left, right) = forms.iter().find(fits).unwrap_or(last);
    labelled(model, theme, &label, ends(left, right, width))
}

/// The mode, with the seconds that are left of it where time ends it.
fn mode_words(model: &Model, view: &ClusterView) -> String {
    match view.mode_ends {
        None => view.mode.to_string(),
        Some(ends) => {
            let left = ends.since(model.wall()).as_ms().div_ceil(1000);
            format!("{} {left}s", view.mode)
        }
    }
}

/// The writer's VIP and since when it is there.
fn held(model: &Model, view: &ClusterView) -> String {
    if view.writer.state != WriterState::Serving {
        return String::new();
    }
    let lasts = model.wall().since(view.writer.since).coarse();
    format!(" {} for {lasts}", view.writer.vip)
}

/// The line, its label in the cluster's colour.
fn labelled(model: &Model, theme: Theme, label: &str, text: String) -> Line<'static> {
    let accent = model.chosen().and_then(|cluster| cluster.accent);
    let start = format!(" {label}");
    match (accent, text.strip_prefix(&start)) {
        (Some(accent), Some(rest)) if !label.is_empty() => {
            let rest = rest.to_owned();
            Line::from(vec![Span::styled(start, theme.accent(accent)), Span::raw(rest)])
        }
        _ => Line::raw(text),
    }
}

fn writer(view: &ClusterView, doubt: &str) -> String {
    match (view.writer.state, &view.writer.host) {
        (WriterState::Serving, Some(host)) => format!("writer {host}{doubt}"),
        (WriterState::Moving, _) => format!("writer MOVING{doubt}"),
        (WriterState::Conflict, _) => format!("writer CONFLICT{doubt}"),
        (WriterState::Vacant, Some(host)) => format!("writer {host} NOT SERVING{doubt}"),
        (_, None) => format!("writer NONE{doubt}"),
    }
}

/// The second line.
pub(super) fn attention(model: &Model, theme: Theme, width: usize) -> Line<'static> {
    let (meaning, text) = words(model);
    let line = format!(" {} {text}", meaning.sign());
    let cut = line.width() > width;
    let line = match rest(model, width) {
        Some(mark) if cut => ends(&line, &mark, width),
        _ => clip(&line, width),
    };
    Line::styled(line, theme.style(meaning))
}

/// What a cut second line ends with: the key that shows all of it. None where that key has no
/// effect, or the rest of the line stands elsewhere on the screen: the steps of what runs in their
/// pane, the reason of a lost link in the message.
fn rest(model: &Model, width: usize) -> Option<String> {
    let still = model.view.as_ref().is_some_and(|view| view.running.is_none());
    let key = keys::of(Action::Explain)?.keys.first()?.name();
    let word = if width < usize::from(super::STACKED_FROM) { "all" } else { "shows all" };
    let mark = format!(" {key} {word}");
    (still && model.layer.is_none() && model.link.live(model.now)).then_some(mark)
}

/// A style over the whole second line when the picture is not true.
pub(super) fn attention_style(model: &Model) -> Option<Style> {
    let old = matches!(
        model.link.status(model.now),
        Status::Stale(_) | Status::NoLink(_) | Status::Refused
    );
    old.then(|| Style::new().add_modifier(Modifier::REVERSED))
}

/// What fills the screen while there is no picture: the whole reason, for which the second line may
/// be too short.
pub(super) fn waiting(model: &Model, width: usize) -> Vec<Line<'static>> {
    let (State::Connecting { why, .. } | State::Lost { why, .. }) = &model.link.state else {
        return Vec::new();
    };
    if why.is_empty() {
        return Vec::new();
    }
    let last = ["", "It is tried again by itself; r tries at once, q leaves."].map(str::to_owned);
    let lines = text::wrap(why, width.saturating_sub(4)).into_iter().chain(last);
    std::iter::once(String::new()).chain(lines).map(|line| Line::raw(format!("  {line}"))).collect()
}

fn words(model: &Model) -> (Meaning, String) {
    let heard = clock(model.wall(), model.setup.zone);
    match (&model.link.state, model.link.status(model.now)) {
        (State::Connecting { why, .. } | State::Lost { why, .. }, Status::Refused) => {
            return (Meaning::Down, why.clone());
        }
        (State::Connecting { tries, why, .. }, _) => {
            let again =
                if *tries == 0 { String::new() } else { format!(" (try {}: {why})", tries + 1) };
            return (Meaning::Motion, format!("connecting to {}{again}", model.setup.target));
        }
        (State::Lost { tries, why, retry_at, .. }, _) => {
            let next = retry_at.since(model.now).as_ms().div_ceil(1000);
            let text = format!(
                "NOT CURRENT: last word {} ago. Retry {} in {next} s ({why})",
                model.now.since(model.link.heard).coarse(),
                tries + 1
            );
            return (Meaning::Down, text);
        }
        (State::Up, Status::Stale(age)) => {
            let text = format!(
                "NOT CURRENT: the monitor is silent for {} s (it is {heard} now)",
                age.as_secs()
            );
            return (Meaning::Unknown, text);
        }
        (State::Up, _) => {}
    }
    let Some(view) = &model.view else {
        return (Meaning::Motion, "waiting for the first picture".to_owned());
    };
    let (meaning, text) = cluster_words(view);
    if model.link.foreign {
        return (Meaning::Late, format!("{}; {text}", model.link.why_not));
    }
    (meaning, text)
}

fn cluster_words(view: &ClusterView) -> (Meaning, String) {
    if let Some(running) = &view.running {
        let at = super::moving::at(running);
        return (Meaning::Motion, format!("{}   {at}   {}", running.title, running.took));
    }
    let more = view.attention.join("; ");
    let tail = if more.is_empty() { String::new() } else { format!("; {more}") };
    if !view.held.is_empty() {
        let text = format!("DECISIONS ARE HELD: {}{tail}", view.held);
        return (Meaning::Late, text);
    }
    // More lines than one are a table, which `explain` and `show` print.
    let cause = view.mode_cause.lines().next().map_or(String::new(), |line| format!(": {line}"));
    match view.mode {
        MonitorMode::Passive => {
            let text = format!("MONITOR IS PASSIVE, nothing will be moved{cause}{tail}");
            (Meaning::Late, text)
        }
        MonitorMode::Manual => {
            let text = format!("MANUAL: roles of failed hosts stay where they are{cause}{tail}");
            (Meaning::Late, text)
        }
        MonitorMode::Wait => {
            let text = format!("WAIT: roles stay until both masters are there{cause}{tail}");
            (Meaning::Late, text)
        }
        MonitorMode::Active => match view.attention.as_slice() {
            [] => (Meaning::Fine, "nothing needs attention".to_owned()),
            [one] => (Meaning::Late, one.clone()),
            many => (Meaning::Late, format!("{} need attention: {more}", many.len())),
        },
    }
}
