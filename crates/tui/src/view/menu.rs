//! The menus: all actions on a host with the reason when one is off, and the modes of the monitor.

use mmm_proto::plan::Level;
use mmm_proto::view::HostView;
use mmm_proto::{MonitorMode, Verb};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::boxed;
use super::text::{bar, clip, fit};
use super::theme::Theme;
use crate::app::Model;
use crate::app::address::{self, About};
use crate::app::clusters::Cluster;
use crate::app::keys::{Action, FAULTS, Fault, TABLE};

/// The box of the actions on the host.
pub(super) fn actions(model: &Model, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(host) = model.target_host() else {
        return;
    };
    let width = usize::from(area.width.saturating_sub(6).min(74));
    let mut lines = rows(model, host, theme, width);
    lines.push(Line::default());
    lines.push(Line::raw(" A letter shows the plan; nothing runs before you confirm it."));
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
    let acting = TABLE
        .iter()
        .filter(|row| matches!(row.action, Action::Online | Action::Offline | Action::Writer));
    let off = model.off();
    acting
        .map(|row| {
            let found = model.action(host, row.action);
            let why = match (&off, found) {
                (Some(why), _) => Some(why.clone()),
                (None, Some(found)) if found.off.is_empty() => None,
                (None, Some(found)) => Some(found.off.clone()),
                (None, None) => Some("the monitor does not offer it".to_owned()),
            };
            let key = row.keys[0].name();
            let what = fit(row.help, 28);
            match why {
                Some(why) => {
                    let text = format!("  {key}  {what} off: {why}");
                    Line::styled(clip(&text, width), theme.dim())
                }
                None => {
                    let how = match found.map(|found| found.level) {
                        Some(Level::Key) | None => "plan first, y confirms",
                        Some(Level::Typed | Level::Forced) => "plan first, a typed name confirms",
                    };
                    Line::raw(clip(&format!("  {key}  {what} {how}"), width))
                }
            }
        })
        .collect()
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
    let off = |mode: MonitorMode| {
        let actions = model.view.as_ref().map_or(&[][..], |view| &view.actions);
        let found = actions.iter().find(|action| action.verb == verb(mode));
        found.map(|action| action.off.clone()).filter(|off| !off.is_empty())
    };
    let rows = [
        ("a", MonitorMode::Active, "roles of failed hosts move by themselves"),
        ("m", MonitorMode::Manual, "roles of failed hosts stay where they are"),
        ("p", MonitorMode::Passive, "nothing is changed on any host"),
    ];
    let mut lines: Vec<Line<'static>> = rows
        .iter()
        .map(|(key, mode, what)| {
            let mark = if now == Some(*mode) { "(now)" } else { "" };
            let off = off(*mode).filter(|_| now != Some(*mode));
            let what = off.map_or_else(|| (*what).to_owned(), |off| format!("off: {off}"));
            Line::raw(clip(&format!("  {key}  {mode:<8} {mark:<5}  {what}"), width))
        })
        .collect();
    lines.push(Line::default());
    if let Some(why) = model.off() {
        lines.push(Line::styled(format!("  off: {why}"), theme.dim()));
    } else {
        lines.push(Line::raw("  A letter shows the plan; nothing runs before you confirm it."));
    }
    boxed(&lines, "Mode of the monitor", "Esc closes", theme, area, buf);
}
