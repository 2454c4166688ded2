//! Lag over time: one line for a table, a chart with axis and limit for the detail. A gap is time
//! without a picture, `?` could not be known, `x` is stopped replication.

use mmm_proto::view::HostView;
use mmm_proto::{Lag, Span as Time};
use ratatui::text::Line;

use super::text::{clip, right, title};
use super::theme::Theme;
use crate::app::Model;
use crate::app::history::KEPT;

/// Rows of the chart without its axis.
const ROWS: u64 = 6;

/// The columns of the axis' labels.
const LABEL: usize = 8;

/// The lag of the last minutes in `width` columns. The full height is the limit, or the worst.
pub(super) fn spark(model: &Model, host: &HostView, theme: Theme, width: usize) -> String {
    let seen = model.history.columns(&host.name, model.shown_now(), width);
    let top = top(&seen, host.lag_limit);
    let bars = theme.bars();
    seen.into_iter()
        .map(|lag| match lag {
            Some(Lag::Behind(span)) => bars[level(span.as_ms(), top, bars.len())],
            other => sign(other),
        })
        .collect()
}

/// The chart as a pane; nothing for a host that was never behind anybody.
pub(super) fn chart(
    model: &Model,
    host: &HostView,
    theme: Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let columns = width.saturating_sub(LABEL + 4).min(120);
    let seen = model.history.columns(&host.name, model.shown_now(), columns);
    let replicates = |lag: &Option<Lag>| matches!(lag, Some(Lag::Behind(_) | Lag::Stopped));
    if columns < 20 || !seen.iter().any(replicates) {
        return Vec::new();
    }
    let minutes = KEPT.as_secs() / 60;
    let top = top(&seen, host.lag_limit);
    let name = format!("Lag of {}, last {minutes} min", host.name);
    let limit = format!("limit {}", host.lag_limit.coarse());
    let mut lines = vec![title(&name, &limit, width, theme)];
    let limit_row = host.lag_limit.as_ms().saturating_mul(ROWS).div_ceil(top).max(1);
    for row in (1..=ROWS).rev() {
        let at_limit = row == limit_row;
        let label = match row {
            _ if at_limit => host.lag_limit.coarse(),
            ROWS => Time(top).coarse(),
            _ => String::new(),
        };
        let edge = if at_limit { "+" } else { theme.upright() };
        let cells = seen.iter().enumerate().map(|(at, lag)| {
            cell(*lag, row, top, theme).unwrap_or(if at_limit && at % 2 == 0 { '-' } else { ' ' })
        });
        let text = format!(" {} {edge}{}", right(&label, LABEL), cells.collect::<String>());
        lines.push(Line::raw(clip(text.trim_end(), width)));
    }
    let axis = theme.line().repeat(columns);
    lines.push(Line::raw(format!(" {} +{axis}", right("0s", LABEL))));
    let first = format!("-{minutes}m");
    let gap = columns.saturating_sub(first.len() + "now".len());
    let text = format!("{}{first}{}now", " ".repeat(LABEL + 3), " ".repeat(gap));
    lines.push(Line::styled(text, theme.dim()));
    lines
}

/// What stands in a row of the chart, counted from 1 at the bottom; nothing above the bar.
fn cell(lag: Option<Lag>, row: u64, top: u64, theme: Theme) -> Option<char> {
    let bars = theme.bars();
    let Some(Lag::Behind(span)) = lag else {
        return (row == 1 && lag.is_some()).then(|| sign(lag));
    };
    let below = top * (row - 1) / ROWS;
    let height = (top * row / ROWS).saturating_sub(below).max(1);
    match span.as_ms().checked_sub(below) {
        // That there is no lag is seen, too.
        Some(0) if row == 1 => Some(bars[0]),
        Some(0) | None => None,
        Some(part) => Some(bars[level(part, height, bars.len())]),
    }
}

fn top(seen: &[Option<Lag>], limit: Time) -> u64 {
    let worst = seen.iter().map(|lag| match lag {
        Some(Lag::Behind(span)) => span.as_ms(),
        _ => 0,
    });
    worst.max().unwrap_or(0).max(limit.as_ms()).max(1000)
}

/// Which of `count` bars: the lowest for nothing, the highest at the top.
fn level(part: u64, top: u64, count: usize) -> usize {
    let last = count.saturating_sub(1);
    let scaled = u128::from(part.min(top)) * last as u128;
    usize::try_from(scaled.div_ceil(u128::from(top.max(1)))).unwrap_or(last).min(last)
}

const fn sign(lag: Option<Lag>) -> char {
    match lag {
        None => ' ',
        Some(Lag::Unknown) => '?',
        Some(Lag::Stopped) => 'x',
        Some(Lag::Source | Lag::Behind(_)) => '-',
    }
}
