//! The table of hosts: sign and word of the state, lag, replication threads, agent, roles.

use mmm_proto::agent::{Reach, Thread};
use mmm_proto::view::{HeardBy, HostView};
use mmm_proto::{ClusterView, Lag};
use ratatui::text::{Line, Span};

use super::text::{bar, clip, filter_note, fit, right, title};
use super::theme::{Meaning, Theme};
use super::{STACKED_FROM, TREND_FROM, WIDE_FROM, trend};
use crate::app::Model;
use crate::app::keys::Place;
use crate::app::link::STALE_AFTER;
use crate::app::rows::Order;

/// The lines of the title and of the columns' heads.
pub(super) const HEAD: usize = 2;

/// How many lines the pane wants, at most `rows`.
pub(super) fn height(model: &Model, rows: usize) -> usize {
    (HEAD + model.hosts_shown().len().max(1)).min(rows)
}

/// The first host that is shown in a pane of `rows` lines, so that the selected one is visible.
pub(super) fn first(model: &Model, rows: usize) -> usize {
    let room = rows.saturating_sub(HEAD).max(1);
    let shown = model.hosts_shown();
    let is = |host: &&HostView| Some(&host.name) == model.selected.as_ref();
    let chosen = shown.iter().position(is).unwrap_or(0);
    (chosen + 1).saturating_sub(room).min(shown.len().saturating_sub(room))
}

/// The pane in at most `rows` lines; scrolls so that the selected host is visible.
pub(super) fn lines(
    model: &Model,
    view: &ClusterView,
    theme: Theme,
    width: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let name = view.hosts.iter().map(|host| host.name.as_str().len()).max();
    let name = name.unwrap_or(0).clamp(6, 16);
    let form = Form::of(width, model.size.0, name);
    let room = rows.saturating_sub(HEAD).max(1);
    let shown = model.hosts_shown();
    let (count, all) = (shown.len(), view.hosts.len());
    let first = first(model, rows);
    let mut notes = Vec::new();
    if count > room {
        notes.push(format!("{}-{} of {count}", first + 1, (first + room).min(count)));
    }
    notes.extend(filter_note(&model.filters.hosts));
    if model.order != Order::default() || notes.is_empty() {
        notes.push(model.order.words());
    }
    let head =
        if count == all { format!("Hosts {all}") } else { format!("Hosts {count} of {all}") };
    let mut lines = vec![
        title(&head, &notes.join("  "), width, theme),
        Line::styled(clip(&form.head(), width), theme.dim()),
    ];
    if shown.is_empty() {
        lines.push(Line::raw("  no host has these words: Esc shows all"));
    }
    let focused = model.place() == Place::Hosts;
    for host in shown.into_iter().skip(first).take(room) {
        let selected = focused && Some(&host.name) == model.selected.as_ref();
        lines.push(form.row(model, view, host, selected, theme, width));
    }
    lines
}

/// Which columns there are.
struct Form {
    name: usize,
    narrow: bool,
    since: bool,
    /// Columns of the lag trend with the gap before it; 0 when there is none.
    trend: usize,
}

const STATE: usize = 19;
const LAG: usize = 8;

impl Form {
    fn of(width: usize, columns: u16, name: usize) -> Self {
        let since = columns >= WIDE_FROM && width >= 90;
        let trend = match width {
            _ if columns < TREND_FROM => 0,
            ..90 => 10,
            _ => 14,
        };
        Self { name, narrow: columns < STACKED_FROM, since, trend }
    }

    fn head(&self) -> String {
        let name = fit("HOST", self.name);
        let state = fit("STATE", STATE);
        let lag = right("LAG", LAG);
        if self.narrow {
            return format!("  {name} {state}{lag}  ROLES");
        }
        let since = if self.since { right("SINCE", 8) } else { String::new() };
        let trend = if self.trend == 0 { String::new() } else { fit("  10 MIN", self.trend) };
        format!("  {name} TYPE   {state}{since}{lag}{trend}  REPL   AGENT ROLES")
    }

    fn row(
        &self,
        model: &Model,
        view: &ClusterView,
        host: &HostView,
        selected: bool,
        theme: Theme,
        width: usize,
    ) -> Line<'static> {
        let meaning = Meaning::of(host.state);
        let mark = if selected { "> " } else { "  " };
        let name = fit(host.name.as_str(), self.name);
        let state = fit(&format!("{} {}", meaning.sign(), host.state), STATE);
        let lag = right(&lag(host), LAG);
        let over = matches!(host.lag, Lag::Behind(span) if span > host.lag_limit);
        let lag_style = theme.style(match host.lag {
            _ if over => Meaning::Late,
            Lag::Unknown => Meaning::Unknown,
            _ => Meaning::Fine,
        });
        let state = Span::styled(state, theme.style(meaning));
        let mut spans = vec![Span::raw(format!("{mark}{name} "))];
        if self.narrow {
            spans.extend([state, Span::styled(lag, lag_style)]);
            spans.push(Span::raw(format!("  {}", short_roles(view, host))));
        } else {
            spans.push(Span::raw(format!("{:<6} ", host.mode)));
            spans.push(state);
            if self.since {
                let since = model.wall().since(host.since).coarse();
                spans.push(Span::raw(right(&since, 8)));
            }
            spans.push(Span::styled(lag, lag_style));
            if self.trend > 0 {
                let trend = trend::spark(model, host, theme, self.trend - 2);
                spans.push(Span::styled(format!("  {trend}"), lag_style));
            }
            spans.push(Span::raw(format!("  {} ", fit(&threads(host), 6))));
            let (meaning, word) = agent(view, host);
            spans.push(Span::styled(fit(word, 6), theme.style(meaning)));
            let used: usize = spans.iter().map(Span::width).sum();
            spans.push(Span::raw(clip(&roles(host), width.saturating_sub(used))));
        }
        let line = Line::from(spans);
        if selected { bar(line, width, theme) } else { line }
    }
}

/// A word about the agent: what others hear is not down.
pub(super) fn agent(view: &ClusterView, host: &HostView) -> (Meaning, &'static str) {
    let young = |word: &HeardBy| view.now.since(word.at) < STALE_AFTER;
    if host.agent.reachable {
        (Meaning::Fine, "ok")
    } else if host.peers.heard_by.iter().any(young) {
        (Meaning::Late, "unseen")
    } else {
        (Meaning::Down, "DOWN")
    }
}

/// The lag in a word; over the limit it carries the sign.
pub(super) fn lag(host: &HostView) -> String {
    match host.lag {
        Lag::Behind(span) if span > host.lag_limit => format!("!{}", host.lag),
        other => other.to_string(),
    }
}

/// The replication threads: `io sql` run, `--` is off, `..` connects, `?` cannot be known.
pub(super) fn threads(host: &HostView) -> String {
    if host.server.reach != Reach::Up {
        return "?".to_owned();
    }
    let Some(replication) = &host.server.replication else {
        return "none".to_owned();
    };
    let word = |thread: Thread, word: &str| match thread {
        Thread::Yes => word.to_owned(),
        Thread::No => "--".to_owned(),
        Thread::Connecting => "..".to_owned(),
    };
    format!("{} {}", word(replication.io, "io"), word(replication.sql, "sql"))
}

/// The roles with how many VIPs of each: `writer, reader x3`.
pub(super) fn roles(host: &HostView) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for vip in &host.roles {
        match counted.iter_mut().find(|(name, _)| *name == vip.role.as_str()) {
            Some((_, count)) => *count += 1,
            None => counted.push((vip.role.as_str(), 1)),
        }
    }
    let words: Vec<String> = counted
        .iter()
        .map(|(name, count)| match count {
            1 => (*name).to_owned(),
            _ => format!("{name} x{count}"),
        })
        .collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// `W R3`: the writer first, then each other role's initial and number.
fn short_roles(view: &ClusterView, host: &HostView) -> String {
    let mut words = Vec::new();
    for role in &view.roles {
        let count = host.roles.iter().filter(|vip| vip.role == role.name).count();
        let initial = role.name.as_str().chars().next().unwrap_or('?').to_ascii_uppercase();
        match (count, role.writer) {
            (0, _) => {}
            (_, true) => words.push(initial.to_string()),
            (count, false) => words.push(format!("{initial}{count}")),
        }
    }
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}
