//! The menus: all actions on a host with the reason when one is off, and the modes of the monitor.

use mmm_proto::plan::Level;
use mmm_proto::view::HostView;
use mmm_proto::{MonitorMode, Verb};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::boxed;
use super::text::{bar, clip, fit, labelled};
use super::theme::Theme;
use crate::app::Model;
use crate::app::address::{self, About};
use crate::app::clusters::Cluster;
use crate::app::keys::{Action, FAULTS, Fault, TABLE};

const FIRST_A_PLAN: &str = "A letter shows the plan; nothing runs before you confirm it.";

/// The box of the actions on the host.
pub(super) fn actions(model: &Model, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(host) = model.target_host() else {
        return;
    };
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let mut lines = rows(model, host, theme, width);
    lines.push(Line::default());
    lines.extend(labelled(" ", FIRST_A_PLAN, width));
    let title = format!("Actions on {}", host.name);
    boxed(&lines, &title, "Esc closes", theme, area, buf);
}

/// One line an action: key, effect, or why it is off.
pub(super) fn rows(
    model: &Model,
    host: &HostView,
    theme: Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let acting = TABLE.iter().filter(|row| row.action.acts() && row.action != Action::Mode);
    let off = model.off();
    acting
        .flat_map(|row| {
            let found = model.action(host, row.action);
            let why = match (&off, found) {
                (Some(why), _) => Some(why.clone()),
                (None, Some(found)) if found.off.is_empty() => None,
                (None, Some(found)) => Some(found.off.clone()),
                (None, None) => Some("the monitor does not offer it".to_owned()),
            };
            let label = format!("  {}  {} ", row.keys[0].name(), fit(row.help, 27));
            if row.action == Action::Address {
                return beside(&label, "lists them", width, Style::new());
            }
            match why {
                Some(why) => beside(&label, &format!("off: {why}"), width, theme.dim()),
                None => {
                    let (long, short) = match found.map(|found| found.level) {
                        Some(Level::Key) | None => ("plan first, y confirms", "plan, then y"),
                        Some(Level::Typed | Level::Forced) => {
                            ("plan first, a typed name confirms", "plan, then its name")
                        }
                    };
                    let how = if label.len() + long.len() <= width { long } else { short };
                    beside(&label, how, width, Style::new())
                }
            }
        })
        .collect()
}

/// `text` beside its label, wrapped where it is too long; below it where there is little room. A
/// reason is never cut.
fn beside(label: &str, text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let room = width.saturating_sub(label.len());
    let lines = if text.width() <= room || room >= 30 {
        labelled(label, text, width)
    } else {
        let mut lines = vec![Line::raw(clip(label.trim_end(), width))];
        lines.extend(labelled("       ", text, width));
        lines
    };
    lines.into_iter().map(|line| line.style(style)).collect()
}

/// The box of addresses or hosts to choose from.
pub(super) fn address(
    model: &Model,
    menu: &address::Menu,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let all = address::choices(model, &menu.about);
    let title = match &menu.about {
        About::Vip(ip) => format!("Who is to have {ip}"),
        About::Host(host) => format!("What {host} is to have"),
    };
    let off = model.off();
    let room = usize::from(area.height).saturating_sub(7).max(1);
    let first = (menu.row + 1).saturating_sub(room);
    let label = all.iter().map(|choice| choice.label.len()).max().unwrap_or(0);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (at, choice) in all.iter().enumerate().skip(first).take(room) {
        let mark = if at == menu.row { ">" } else { " " };
        let off = off.as_ref().unwrap_or(&choice.off);
        let what = if off.is_empty() { choice.verb.to_string() } else { format!("off: {off}") };
        let text = clip(&format!("{mark} {}  {what}", fit(&choice.label, label)), width);
        lines.push(match (at == menu.row, off.is_empty()) {
            (true, _) => bar(Line::raw(text), width, theme),
            (false, true) => Line::raw(text),
            (false, false) => Line::styled(text, theme.dim()),
        });
    }
    if all.is_empty() {
        lines.push(Line::raw("  nothing: none of the roles may be there"));
    }
    lines.push(Line::default());
    lines
        .push(Line::raw("  j k choose, Enter shows the plan; nothing runs before you confirm it."));
    boxed(&lines, &title, "Esc closes", theme, area, buf);
}

/// The box of clusters to choose from.
pub(super) fn clusters(model: &Model, row: usize, theme: Theme, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let all = &model.setup.clusters;
    let room = usize::from(area.height).saturating_sub(7).max(1);
    let first = (row + 1).saturating_sub(room);
    let longest = |part: fn(&Cluster) -> &str| {
        all.iter().map(|cluster| part(cluster).chars().count()).max().unwrap_or(0)
    };
    let (name, label) = (longest(|one| &one.name).min(24), longest(|one| &one.label).min(12));
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (at, cluster) in all.iter().enumerate().skip(first).take(room) {
        let mark = if at == row { ">" } else { " " };
        let now = if model.setup.chosen == Some(at) { "(now)" } else { "" };
        let off = if cluster.off.is_empty() { "" } else { "  off: " };
        let text = format!(
            "{mark} {}  {}  {now:<5}  {}{off}{}",
            fit(&cluster.name, name),
            fit(&cluster.label, label),
            cluster.whereto,
            cluster.off
        );
        let line = Line::raw(clip(&text, width));
        lines.push(if at == row { bar(line, width, theme) } else { line });
    }
    lines.push(Line::default());
    lines.push(Line::raw("  j k choose, Enter goes there. What runs here goes on without you."));
    boxed(&lines, "Clusters", "Esc closes", theme, area, buf);
}

/// The box of what can be broken in a demo.
pub(super) fn faults(theme: Theme, area: Rect, buf: &mut Buffer) {
    let row = |fault: &Fault| Line::raw(format!("  {}  {}", fault.key, fault.help));
    let mut lines: Vec<Line<'static>> = FAULTS.iter().map(row).collect();
    lines.push(Line::default());
    lines.push(Line::raw("  A letter does it at once: nothing here is real."));
    lines.push(Line::raw("  More: mmm-control demo faults; here :demo fault ..."));
    boxed(&lines, "Break something", "Esc closes", theme, area, buf);
}

/// The box of the modes.
pub(super) fn mode(model: &Model, theme: Theme, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let now = model.view.as_ref().map(|view| view.mode);
    let verb = |mode: MonitorMode| match mode {
        MonitorMode::Active => Verb::SetActive,
        MonitorMode::Manual | MonitorMode::Wait => Verb::SetManual,
        MonitorMode::Passive => Verb::SetPassive,
    };
    let found = |mode: MonitorMode| {
        let actions = model.view.as_ref().map_or(&[][..], |view| &view.actions);
        actions.iter().find(|action| action.verb == verb(mode))
    };
    let rows = [
        ("a", MonitorMode::Active, "roles of failed hosts move by themselves"),
        ("m", MonitorMode::Manual, "roles of failed hosts stay where they are"),
        ("p", MonitorMode::Passive, "nothing is changed on any host"),
    ];
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (key, mode, what) in rows {
        let is = now == Some(mode);
        let mark = if is { "(now)" } else { "" };
        let label = format!("  {key}  {mode:<8} {mark:<5}  ");
        let Some(found) = found(mode).filter(|_| !is) else {
            lines.extend(beside(&label, what, width, Style::new()));
            continue;
        };
        if !found.off.is_empty() {
            lines.extend(beside(&label, &format!("off: {}", found.off), width, theme.dim()));
            continue;
        }
        lines.extend(beside(&label, what, width, Style::new()));
        if !found.effect.is_empty() {
            let blank = " ".repeat(label.len());
            lines.extend(beside(&blank, &format!("now: {}", found.effect), width, Style::new()));
        }
    }
    lines.push(Line::default());
    if let Some(why) = model.off() {
        lines.push(Line::styled(format!("  off: {why}"), theme.dim()));
    } else {
        lines.extend(labelled("  ", FIRST_A_PLAN, width));
    }
    boxed(&lines, "Mode of the monitor", "Esc closes", theme, area, buf);
}
