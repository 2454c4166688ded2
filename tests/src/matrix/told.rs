//! What the monitor told, read from its log: that outlives its restarts.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds of the day, for differences.
    at: u64,
    /// A person should look.
    pub bad: bool,
    /// `db1: ONLINE -> HARD_OFFLINE: the server is gone`.
    pub line: String,
}

impl Event {
    /// Milliseconds after `began`, a time of the day.
    pub fn after(&self, began: u64) -> i64 {
        self.at as i64 - began as i64
    }
}

/// Reads what a log got since it was opened.
pub(super) struct Log {
    path: PathBuf,
    from: usize,
}

impl Log {
    /// From its present end on.
    pub(super) fn open(path: &Path) -> Result<Log> {
        let from = read(path)?.len();
        Ok(Log { path: path.to_owned(), from })
    }

    /// Every event since.
    pub(super) fn events(&self) -> Result<Vec<Event>> {
        let bytes = read(&self.path)?;
        let text = String::from_utf8_lossy(bytes.get(self.from..).unwrap_or_default()).into_owned();
        Ok(text.lines().filter_map(event).collect())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The time of the day of this machine's clock, as the log stamps it (UTC).
pub(super) fn time_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    (since.unwrap_or_default().as_millis() % 86_400_000) as u64
}

fn event(line: &str) -> Option<Event> {
    let (head, body) = line.split_once(": event ")?;
    let at = stamp(head.split_whitespace().next()?)?;
    let bad = head.contains(" WARN ") || head.contains("ERROR ");
    let field = |name: &str| quoted(body, name).unwrap_or_default();
    let mut words = format!("{}: {}", field("subject"), field("what"));
    let why = field("why");
    if !why.is_empty() {
        words.push_str(": ");
        words.push_str(&why);
    }
    Some(Event { at, bad, line: words })
}

/// `2026-11-29T09:25:27.016799Z` as milliseconds of its day.
fn stamp(text: &str) -> Option<u64> {
    let time = text.split_once('T')?.1.trim_end_matches('Z');
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some(((hours * 60 + minutes) * 60) * 1000 + (seconds * 1000.0) as u64)
}

/// The value of `name="..."`, as Rust writes strings.
fn quoted(body: &str, name: &str) -> Option<String> {
    let from = body.find(&format!("{name}=\""))? + name.len() + 2;
    let mut out = String::new();
    let mut letters = body[from..].chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(out),
            '\\' => out.push(letters.next()?),
            _ => out.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_an_event() {
        let line = "2026-11-29T09:25:27.016799Z  WARN mmm_daemon::mond::worker: event \
             subject=\"db1\" what=\"ONLINE -> HARD_OFFLINE\" why=\"a \\\"b\\\"\" by=\"\" plan=3";
        let seen = event(line).unwrap();
        assert_eq!(seen.line, "db1: ONLINE -> HARD_OFFLINE: a \"b\"");
        assert!(seen.bad);
        assert_eq!(seen.after(((9 * 60 + 25) * 60 + 27) * 1000), 16);
        assert_eq!(event("2026-11-29T09:25:27.0Z INFO x: agent connected host=db1"), None);
    }
}
