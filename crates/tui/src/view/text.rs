//! Text in columns: widths are measured, never assumed; too long is cut with a sign.

use mmm_proto::Wall;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::theme::Theme;
use crate::app::rows::Words;
use crate::app::{Model, Times};

/// `text` in exactly `width` columns: padded at the right, or cut with `~` as its last column.
pub fn fit(text: &str, width: usize) -> String {
    let mut cut = clip(text, width);
    let used = cut.width();
    cut.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    cut
}

/// `text` in at most `width` columns, cut with `~` as its last column.
pub fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        cut.push(c);
    }
    if width > 0 {
        cut.push('~');
    }
    cut
}

/// `text` at the right end of `width` columns.
pub fn right(text: &str, width: usize) -> String {
    let cut = clip(text, width);
    let blank = width.saturating_sub(cut.width());
    format!("{}{cut}", " ".repeat(blank))
}

/// The title of a pane: `-- left ---------- right --`.
pub fn rule(left: &str, right: &str, width: usize, theme: Theme) -> String {
    let line = theme.line();
    let head = if left.is_empty() { String::new() } else { format!("{line}{line} {left} ") };
    let tail = if right.is_empty() { String::new() } else { format!(" {right} {line}{line}") };
    let tail = if head.width() + tail.width() <= width { tail } else { String::new() };
    let head = clip(&head, width);
    let blank = width.saturating_sub(head.width() + tail.width());
    format!("{head}{}{tail}", line.repeat(blank))
}

/// A pane's title as a line.
pub fn title(left: &str, right: &str, width: usize, theme: Theme) -> Line<'static> {
    Line::styled(rule(left, right, width, theme), theme.title())
}

/// `left` and `right` at the two ends of `width` columns; the left one is cut first.
pub fn ends(left: &str, right: &str, width: usize) -> String {
    let end = clip(right, width);
    let room = width.saturating_sub(end.width());
    format!("{}{end}", fit(left, room))
}

/// `text` in lines of at most `width` columns, cut between words where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        loop {
            let last = lines.last_mut().expect("there is a first line");
            let gap = usize::from(!last.is_empty());
            if last.width() + gap + word.width() <= width {
                if gap == 1 {
                    last.push(' ');
                }
                last.push_str(&word);
                break;
            }
            if last.is_empty() {
                let (head, rest) = split(&word, width);
                last.push_str(&head);
                if rest.is_empty() {
                    break;
                }
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// A word that is wider than a line, cut; always takes at least one letter.
fn split(word: &str, width: usize) -> (String, String) {
    let mut used = 0;
    let mut end = 0;
    for (at, c) in word.char_indices() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width && end > 0 {
            break;
        }
        used += wide;
        end = at + c.len_utf8();
    }
    (word[..end].to_owned(), word[end..].to_owned())
}

/// `label` and then `text`, wrapped under itself.
pub fn labelled(label: &str, text: &str, width: usize) -> Vec<Line<'static>> {
    let indent = label.width();
    let lines = wrap(text, width.saturating_sub(indent));
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let head = if at == 0 { label.to_owned() } else { " ".repeat(indent) };
            Line::from(vec![Span::raw(head), Span::raw(line)])
        })
        .collect()
}

/// The selected row: the whole width in REVERSE.
pub fn bar(mut line: Line<'static>, width: usize, theme: Theme) -> Line<'static> {
    let blank = width.saturating_sub(line.width());
    line.push_span(Span::raw(" ".repeat(blank)));
    line.patch_style(theme.selected())
}

/// For the title of a pane that shows some of its rows only.
pub fn filter_note(words: &Words) -> Option<String> {
    (!words.is_empty()).then(|| format!("filter: {}", words.0.trim()))
}

/// A moment in the reader's choice of eight columns. Older than a day, the clock alone would lie:
/// then it is the day.
pub fn moment(model: &Model, at: Wall) -> String {
    let zone = match model.times {
        Times::Ago => return right(&model.wall().since(at).coarse(), 8),
        Times::Local => model.setup.zone,
        Times::Utc => 0,
    };
    if model.wall().since(at) < mmm_proto::Span::secs(86_400) {
        return clock(at, zone);
    }
    let (_, month, day) = date(at, zone);
    fit(&format!("{month:02}-{day:02}"), 8)
}

/// The same with its date where it is not of the last day.
pub fn moment_long(model: &Model, at: Wall) -> String {
    let zone = match model.times {
        Times::Ago => return format!("{} ago", model.wall().since(at).coarse()),
        Times::Local => model.setup.zone,
        Times::Utc => 0,
    };
    if model.wall().since(at) < mmm_proto::Span::secs(86_400) {
        return clock(at, zone);
    }
    let (year, month, day) = date(at, zone);
    format!("{year}-{month:02}-{day:02} {}", &clock(at, zone)[..5])
}

/// Which times are shown, where it is not the reader's clock.
pub const fn times_note(times: Times) -> &'static str {
    match times {
        Times::Local => "",
        Times::Ago => "ago",
        Times::Utc => "UTC",
    }
}

/// Year, month and day `zone` seconds east of UTC, by the Gregorian calendar.
fn date(at: Wall, zone: i32) -> (i64, i64, i64) {
    let days = (at.0.div_euclid(1000) + i64::from(zone)).div_euclid(86_400);
    // Counted from 0000-03-01, so that a leap day is the last of its year; 400 years are an era.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The time of day `zone` seconds east of UTC.
pub fn clock(at: Wall, zone: i32) -> String {
    let seconds = at.0.div_euclid(1000) + i64::from(zone);
    let day = seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_width_and_not_by_letters() {
        assert_eq!(fit("db1", 5), "db1  ");
        assert_eq!(fit("database", 5), "data~");
        assert_eq!(fit("数据库", 5), "数据~");
        assert_eq!(fit("数据库", 4), "数~ ");
        assert_eq!(clip("ab", 0), "");
        assert_eq!(right("7s", 4), "  7s");
        assert_eq!(ends("left side", "R", 6), "left~R");
    }

    #[test]
    fn long_words_are_cut_and_short_ones_flow() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("0-1-88123411", 5), ["0-1-8", "81234", "11"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("数据", 1), ["数", "据"]);
    }

    #[test]
    fn days_are_counted_by_the_calendar() {
        for (ms, zone, wants) in [
            (0, 0, (1970, 1, 1)),
            (0, -3600, (1969, 12, 31)),
            (1_709_208_000_000, 0, (2024, 2, 29)),
            (1_709_251_200_000, 0, (2024, 3, 1)),
            (951_825_600_000, 0, (2000, 2, 29)),
            (1_795_096_941_000, 0, (2026, 11, 19)),
            (4_107_542_400_000, 0, (2100, 3, 1)),
        ] {
            assert_eq!(date(Wall(ms), zone), wants, "{ms}");
        }
    }

    #[test]
    fn the_clock_is_the_readers() {
        assert_eq!(clock(Wall(0), 3600), "01:00:00");
        assert_eq!(clock(Wall(-1000), 0), "23:59:59");
    }
}
