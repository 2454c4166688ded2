//! All about one host: state and why, checks, replication, roles and agent, what may be done, how
//! ready it is to become writer, its events.

use mmm_proto::agent::{Reach, Thread};
use mmm_proto::view::{CheckView, HostView, Verdict};
use mmm_proto::{ClusterView, HostName};
use ratatui::text::{Line, Span};

use super::text::{clip, fit, labelled, moment, moment_long, title};
use super::theme::{Meaning, Theme};
use super::{STACKED_FROM, events, hosts, menu, trend};
use crate::app::Model;
use crate::control::explain::{self, peers};

/// The whole page; the caller scrolls it.
pub(super) fn lines(
    model: &Model,
    view: &ClusterView,
    name: &HostName,
    theme: Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let Some(host) = view.host(name.as_str()) else {
        return vec![Line::raw(format!(" {name} is not in the cluster any more"))];
    };
    let mut lines = state(model, host, theme, width);
    lines.push(title("Checks", "", width, theme));
    lines.extend(host.checks.iter().map(|check| check_row(model, check, theme, width)));
    lines.extend(replication(model, host, theme, width));
    lines.extend(server(model, host, theme, width));
    lines.push(title(&format!("Actions on {name}"), "", width, theme));
    lines.extend(menu::rows(model, host, theme, width));
    lines.extend(as_writer(model, view, host, theme, width));
    lines.extend(trend::chart(model, host, theme, width));
    lines.push(title(&format!("Events of {name}"), "2 all", width, theme));
    lines.extend(events::of_host(model, name.as_str(), theme, width, 20));
    lines
}

fn state(model: &Model, host: &HostView, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let meaning = Meaning::of(host.state);
    let head = format!("{}  {}  {}:{}", host.name, host.mode, host.ip, host.port);
    let lasts = model.wall().since(host.since).coarse();
    let before = host.before.map_or(String::new(), |before| format!("      before: {before}"));
    let text = format!("  {} {} for {lasts}{before}", meaning.sign(), host.state);
    let mut lines = vec![
        title(&head, "", width, theme),
        Line::styled(clip(&text, width), theme.style(meaning)),
    ];
    if !host.why.is_empty() {
        lines.extend(labelled("  why   ", &host.why, width));
    }
    if !host.ends.is_empty() {
        lines.extend(labelled("  ends  ", &host.ends, width));
    }
    if let Some(flaps) = &host.flaps {
        let text = explain::flaps(model.wall(), flaps);
        let meaning = if flaps.flapping { Meaning::Late } else { Meaning::Fine };
        let sign = if flaps.flapping { "!" } else { " " };
        let style = theme.style(meaning);
        let all = labelled(&format!("{sign} flaps "), &text, width);
        lines.extend(all.into_iter().map(|line| line.style(style)));
    }
    lines
}

/// Whether it could become writer, and what is in the way.
fn as_writer(
    model: &Model,
    view: &ClusterView,
    host: &HostView,
    theme: Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let Some(ready) = &host.readiness else {
        return Vec::new();
    };
    let writer = explain::is_writer(view, host);
    let (meaning, sign) = match (writer, ready.able) {
        (true, _) => (Meaning::Fine, " "),
        (_, true) => (Meaning::Fine, "+"),
        (_, false) => (Meaning::Unknown, "-"),
    };
    let text = format!("  {sign} {}", explain::readiness(ready, writer));
    let mut lines = vec![
        title("As writer", "", width, theme),
        Line::styled(clip(&text, width), theme.style(meaning)),
    ];
    for one in ready.blockers.iter().filter(|_| !writer) {
        lines.extend(labelled("    ", &explain::blocked(model.wall(), one), width));
    }
    lines
}

fn check_row(model: &Model, check: &CheckView, theme: Theme, width: usize) -> Line<'static> {
    let (meaning, word) = match check.verdict {
        Verdict::Good => (Meaning::Fine, "ok"),
        Verdict::Failing => (Meaning::Late, "failing"),
        Verdict::Bad => (Meaning::Down, "failed"),
        Verdict::Unknown => (Meaning::Unknown, "unknown"),
    };
    let since = if width < STACKED_FROM.into() {
        moment(model, check.since)
    } else {
        fit(&moment_long(model, check.since), 16)
    };
    let took = check.took.map_or(String::new(), |took| took.to_string());
    let text = format!(
        "  {} {} {} since {since}  {} {}",
        meaning.sign(),
        fit(check.check.word(), 12),
        fit(word, 8),
        fit(&took, 7),
        check.message
    );
    Line::styled(clip(&text, width), theme.style(meaning))
}

fn replication(model: &Model, host: &HostView, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let Some(replication) = &host.server.replication else {
        return vec![
            title("Replication", "", width, theme),
            Line::raw(match host.server.reach {
                Reach::Up => "  none: it replicates from nobody",
                _ => "  ? cannot be known, the server does not answer",
            }),
        ];
    };
    let source = host.server.source.as_ref().map_or_else(
        || format!("{}:{} (not one of our hosts)", replication.source, replication.port),
        ToString::to_string,
    );
    let behind = host.behind.map_or("? transactions behind".to_owned(), |behind| {
        format!("{} transactions behind", grouped(behind))
    });
    let thread = |thread: Thread, state: &str| {
        let word = match thread {
            Thread::Yes => "+ Yes",
            Thread::No => "# No",
            Thread::Connecting => "! Connecting",
        };
        format!("{word}  {state}")
    };
    let lag = format!("{} (limit {})", hosts::lag(host), host.lag_limit.coarse());
    let mut lines = vec![
        title(&format!("Replication from {source}"), "", width, theme),
        Line::raw(clip(&format!("  lag   {lag}   {behind}"), width)),
        Line::raw(clip(
            &format!("  trend {}  last 10 min", trend::spark(model, host, theme, 30)),
            width,
        )),
        Line::raw(clip(&format!("  gtid  {}", host.server.position), width)),
        Line::raw(clip(
            &format!("  io    {}", thread(replication.io, &replication.io_state)),
            width,
        )),
        Line::raw(clip(
            &format!("  sql   {}", thread(replication.sql, &replication.sql_state)),
            width,
        )),
    ];
    if !replication.error.is_empty() {
        lines.extend(labelled("  # err ", &replication.error, width));
    }
    lines
}

/// The number with commas: `33,299`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn server(model: &Model, host: &HostView, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title("Roles, agent, server", "", width, theme)];
    let roles: Vec<String> =
        host.roles.iter().map(|vip| format!("{}({})", vip.role, vip.ip)).collect();
    let roles = if roles.is_empty() { "none now".to_owned() } else { roles.join(", ") };
    lines.extend(labelled("  roles   ", &roles, width));
    let heard = host
        .agent
        .heard
        .map_or("never".to_owned(), |heard| format!("{} ago", model.wall().since(heard)));
    let (meaning, word) =
        model.view.as_deref().map_or((Meaning::Unknown, "?"), |view| hosts::agent(view, host));
    let word = match meaning {
        Meaning::Fine => word.to_owned(),
        _ => format!("{} {word}", meaning.sign()),
    };
    let mut agent = format!("{word}, heard {heard}, v{}", host.agent.version);
    if !host.agent.duty.is_empty() {
        agent.push_str(&format!(", writer duty: {}", host.agent.duty));
    }
    lines.push(Line::from(vec![
        Span::raw("  agent   "),
        Span::styled(clip(&agent, width.saturating_sub(10)), theme.style(meaning)),
    ]));
    if !host.agent.trouble.is_empty() {
        lines.extend(labelled("  ! says  ", &host.agent.trouble, width));
    }
    let peers = model.view.as_deref().map(|view| peers::lines(view, model.wall(), host));
    for (label, text) in peers.unwrap_or_default() {
        lines.extend(labelled(&format!("  {} ", fit(label, 9)), &text, width));
    }
    let reach = match &host.server.reach {
        Reach::Unknown => "? not looked yet".to_owned(),
        Reach::Up => "up".to_owned(),
        Reach::Gone { why } => format!("# gone: {why}"),
        Reach::Silent { why } => format!("# silent: {why}"),
    };
    let read_only = match host.server.read_only {
        Some(true) => "read-only",
        Some(false) => "writable",
        None => "read_only ?",
    };
    let server =
        format!("{reach}, {read_only}, {} sessions, {}", host.server.sessions, host.server.version);
    lines.extend(labelled("  server  ", &server, width));
    lines
}
