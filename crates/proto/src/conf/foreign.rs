//! Files that are no configuration of MMM 2, though they look like one: the first line that shows
//! it. A list of what such a file gets wrong would only hide what it is.

use super::{Item, Line, SECTIONS, cut_comment, read};

/// What a file is instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A file of MMM 1: `host db1` with indented lines below it.
    Version1,
    /// A template that a program was to fill in; `sign` shows where.
    Template { sign: &'static str },
    /// A fork's `<ip ...>` sections.
    IpSections,
    /// `<host db1>` and its like got lost, as in a file copied from a web page.
    TagsLost,
    /// `&lt;host db1&gt;`: tags as a web page spells them.
    Entities,
    /// `[host.db1]`: our own form under the original's ending.
    Toml,
}

/// Keys and section words that MMM 1 has and MMM 2 does not.
const VERSION_1: [&str; 7] =
    ["servers", "log", "email", "bind_port", "monitor_ip", "from_address", "from_name"];

/// Keys that stand in sections only.
const INSIDE: [&str; 15] = [
    "ip",
    "mode",
    "peer",
    "hosts",
    "ips",
    "prefer",
    "cluster_interface",
    "agent_user",
    "monitor_user",
    "replication_user",
    "mysql_port",
    "agent_port",
    "ping_ips",
    "status_path",
    "check_period",
];

/// What the text is if it is none of MMM 2's files, and the line (from 1) that shows it.
pub fn foreign(text: &str) -> Option<(u32, Foreign)> {
    if let Some(found) = spelt(text) {
        return Some(found);
    }
    let lines = read(text);
    let variable = |line: &Line<'_>| match line.item {
        Item::Variable { key, .. } => Some(key.to_owned()),
        _ => None,
    };
    let first = |wanted: &dyn Fn(&str) -> bool| {
        lines.iter().find(|line| variable(line).is_some_and(|key| wanted(&key)))
    };
    if let Some(line) = first(&|key| key == "<ip") {
        return Some((line.number, Foreign::IpSections));
    }
    if lines.iter().any(|line| line.item == Item::Section) {
        return None;
    }
    let named = |word: &str| SECTIONS.iter().any(|(section, named)| *named && *section == word);
    let heads = lines.iter().find(|line| match line.item {
        Item::Variable { key, value } => {
            (named(key) || key == "log" || key == "email") && is_name(cut_comment(value, false).0)
        }
        _ => false,
    });
    if let Some(line) = first(&|key| VERSION_1.contains(&key)).and(heads).or(heads) {
        return Some((line.number, Foreign::Version1));
    }
    let bare = |line: &&Line<'_>| match line.item {
        Item::Variable { key, .. } => {
            INSIDE.contains(&key) || key.starts_with('<') || named(key) || key == "monitor"
        }
        Item::Fault(super::Fault::NoValue(word)) => {
            word.starts_with('<') || word.ends_with('>') || word.trim_matches('/') == "monitor"
        }
        _ => false,
    };
    lines.iter().find(bare).map(|line| (line.number, Foreign::TagsLost))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// What the letters alone show. Passwords may hold any letters, commands have `%words%` of their
/// own: both are left out.
fn spelt(text: &str) -> Option<(u32, Foreign)> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let key = line.split_whitespace().next().unwrap_or_default();
        let command = key.ends_with("_command") || key.ends_with("_cmd");
        if line.starts_with('#') || key.ends_with("password") || key == "cluster_key" || command {
            continue;
        }
        if line.starts_with("&lt;") {
            return Some((number, Foreign::Entities));
        }
        if line.starts_with('[') && line.ends_with(']') {
            return Some((number, Foreign::Toml));
        }
        if let Some(sign) = template(line) {
            return Some((number, Foreign::Template { sign }));
        }
    }
    None
}

/// What a template language left in a line.
pub(super) fn template(line: &str) -> Option<&'static str> {
    if let Some(sign) = ["<%", "${", "{{", "{%"].into_iter().find(|sign| line.contains(sign)) {
        return Some(sign);
    }
    [('%', "%NAME%"), ('@', "@NAME@")]
        .into_iter()
        .find(|(mark, _)| holds_name(line, *mark))
        .map(|(_, sign)| sign)
}

/// Whether a name in capitals stands between two of these marks.
fn holds_name(line: &str, mark: char) -> bool {
    let parts: Vec<&str> = line.split(mark).collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    inner
        .iter()
        .any(|part| part.starts_with(|c: char| c.is_ascii_uppercase()) && part.chars().all(capital))
}
