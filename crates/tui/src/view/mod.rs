//! Draws the model. Reads only: the same model always gives the same picture, and nothing is drawn
//! outside the frame. Each pane is a file and makes lines; this file says which pane goes where.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod addresses;
mod detail;
mod dialog;
mod events;
mod header;
mod help;
mod hints;
mod hosts;
mod menu;
mod moving;
pub mod places;
mod small;
pub mod text;
pub mod theme;
mod trend;

use mmm_proto::{ClusterView, HostName};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;

use crate::app::{Layer, Model, Screen};
use theme::Theme;

/// Below this many columns the narrow form is drawn.
pub const STACKED_FROM: u16 = 70;

/// From this many columns the hosts have a trend.
pub const TREND_FROM: u16 = 100;

/// From this many columns the detail of the selected host stands beside the overview.
pub const WIDE_FROM: u16 = 120;

/// Draws everything.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    draw(model, area, frame.buffer_mut());
}

/// Draws everything into `area` of a buffer.
pub fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = Theme::of(&model.setup);
    if area.is_empty() {
        return;
    }
    if model.too_small() {
        paint(&small::lines(area), area, buf);
        return;
    }
    let body = places::body(area);
    match (&model.view, &model.screen) {
        (None, _) => paint(&header::waiting(model, usize::from(body.width)), body, buf),
        (Some(view), Screen::Overview) => overview(model, view, theme, body, buf),
        (Some(view), Screen::Detail(host)) => detail_screen(model, view, host, theme, body, buf),
        (Some(_), Screen::Events) => paint(&events::screen(model, theme, body), body, buf),
    }
    if !model.link.live(model.now) {
        buf.set_style(body, Modifier::DIM);
    }
    let row = |y: u16| Rect { y, height: 1, ..area };
    let width = usize::from(area.width);
    paint(&[header::header(model, theme, width)], row(area.y), buf);
    buf.set_style(row(area.y), Modifier::REVERSED);
    paint(&[header::attention(model, theme, width)], row(area.y + 1), buf);
    if let Some(style) = header::attention_style(model) {
        buf.set_style(row(area.y + 1), style);
    }
    match &model.layer {
        Some(Layer::Help) => {
            boxed(&help::lines(model), &help::head(model), "Esc closes", theme, area, buf);
        }
        Some(Layer::Explain(name)) => {
            let title = name.as_ref().map_or("the cluster", |name| name.as_str());
            let lines = help::explained(model, name.as_ref());
            boxed(&lines, &format!("Explained: {title}"), "Esc closes", theme, area, buf);
        }
        Some(Layer::Actions) => menu::actions(model, theme, area, buf),
        Some(Layer::Mode) => menu::mode(model, theme, area, buf),
        Some(Layer::Address(menu)) => menu::address(model, menu, theme, area, buf),
        Some(Layer::Faults) => menu::faults(theme, area, buf),
        Some(Layer::Clusters(row)) => menu::clusters(model, *row, theme, area, buf),
        Some(Layer::Dialog(dialog)) => dialog::draw(model, dialog, theme, area, buf),
        Some(Layer::Prompt(_)) | None => {}
    }
    let bottom = area.y + area.height;
    let message = hints::message(model, theme);
    let rows = u16::try_from(message.len()).unwrap_or(1).min(body.height + 1);
    let over = Rect { y: bottom - 1 - rows, height: rows, ..area };
    if message.iter().any(|line| line.width() > 0) {
        over.positions().for_each(|position| buf[position].reset());
        paint(&message, over, buf);
    }
    paint(&[hints::hints(model, width)], row(bottom - 1), buf);
}

fn overview(model: &Model, view: &ClusterView, theme: Theme, area: Rect, buf: &mut Buffer) {
    if let Some((main, beside)) = places::columns(model, area)
        && let Some(host) = &model.selected
    {
        let left = main.width;
        stacked(model, view, theme, main, buf);
        for y in area.y..area.y + area.height {
            buf.set_string(area.x + left, y, theme.upright(), theme.dim());
        }
        let lines = detail::lines(model, view, host, theme, usize::from(beside.width));
        paint(&lines, beside, buf);
    } else {
        stacked(model, view, theme, area, buf);
    }
}

/// The panes one above the other.
fn stacked(model: &Model, view: &ClusterView, theme: Theme, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    let panes = places::panes(model, view, area);
    let rows = |area: Rect| usize::from(area.height);
    if !panes.hosts.is_empty() {
        let lines = hosts::lines(model, view, theme, width, rows(panes.hosts));
        paint(&lines, panes.hosts, buf);
    }
    if let Some(running) = view.running.as_ref().filter(|_| !panes.moving.is_empty()) {
        paint(&moving::lines(running, theme, width, rows(panes.moving)), panes.moving, buf);
    }
    let lines = addresses::lines(model, view, theme, width, rows(panes.addresses));
    paint(&lines, panes.addresses, buf);
    paint(&events::pane(model, theme, width, rows(panes.events)), panes.events, buf);
}

fn detail_screen(
    model: &Model,
    view: &ClusterView,
    host: &HostName,
    theme: Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let lines = detail::lines(model, view, host, theme, usize::from(area.width));
    // Scrolling stops when the last line is at the bottom.
    let last = lines.len().saturating_sub(usize::from(area.height));
    paint(&lines[model.scroll.min(last)..], area, buf);
}

/// Puts lines into `area`, cut at its edges.
fn paint(lines: &[Line<'_>], area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    for (y, line) in (area.y..area.y + area.height).zip(lines) {
        buf.set_line(area.x, y, line, area.width);
    }
}

/// A framed box in the middle with a title above and a word at the right, cut at the bottom when
/// there is too little room.
fn boxed(lines: &[Line<'_>], title: &str, right: &str, theme: Theme, area: Rect, buf: &mut Buffer) {
    let width = area.width.saturating_sub(2).min(78);
    let room = area.height.saturating_sub(2);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(room);
    let frame = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + 1 + (room - height) / 2,
        width,
        height,
    };
    let inner = Rect {
        x: frame.x + 2,
        y: frame.y + 1,
        width: frame.width.saturating_sub(4),
        height: frame.height.saturating_sub(2),
    };
    for y in frame.y..frame.y + frame.height {
        for x in frame.x..frame.x + frame.width {
            buf[(x, y)].reset();
        }
        buf.set_string(frame.x, y, theme.upright(), theme.dim());
        buf.set_string(frame.x + frame.width - 1, y, theme.upright(), theme.dim());
    }
    let edge = |corners: [&str; 2], left: &str, right: &str| {
        let inner = text::rule(left, right, usize::from(width.saturating_sub(2)), theme);
        format!("{}{inner}{}", corners[0], corners[1])
    };
    let corners = theme.corners();
    let top = edge([corners[0], corners[1]], title, right);
    buf.set_stringn(frame.x, frame.y, &top, usize::from(width), theme.title());
    let bottom = edge([corners[2], corners[3]], "", "");
    let y = frame.y + frame.height - 1;
    buf.set_stringn(frame.x, y, &bottom, usize::from(width), theme.dim());
    paint(lines, inner, buf);
}
