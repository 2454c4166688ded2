//! The syntax of the original's configuration files (`mmm_common.conf` and its like): text in,
//! lines with their sections and whatever is odd about them out. Which keys exist and what a value
//! may be is not known here, and no file is opened: an include is given back as a name.
//!
//! Line based, and less than it looks: no quotes, no escapes, no `=`, no continuation. `#` begins a
//! comment only as the first character of a line that is not blank; behind a value the original
//! took it into the value (see [`cut_comment`]). Any end tag closes the innermost section.

mod foreign;

pub use foreign::{Foreign, foreign};

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the original looks for a file, in this order; the first that can be read is taken.
pub const FOLDERS: [&str; 3] = ["/etc", "/etc/mmm", "/etc/mysql-mmm"];

/// Where our own programs look for TOML files.
pub const TOML_FOLDER: &str = "/etc/mysql-mmm";

/// The words that open a section, and whether it has a name. `move` is ours.
pub const SECTIONS: [(&str, bool); 7] = [
    ("monitor", false),
    ("move", false),
    ("socket", false),
    ("host", true),
    ("role", true),
    ("check", true),
    ("copy_method", true),
];

/// The files that a program reads when it is not told, best first: our TOML file, then the
/// original's. `stem` is such as `mmm_mon`, `cluster` the word behind `@`.
pub fn default_files(stem: &str, cluster: Option<&str>) -> Vec<PathBuf> {
    let name = cluster.map_or_else(|| stem.to_owned(), |cluster| format!("{stem}_{cluster}"));
    let toml = Path::new(TOML_FOLDER).join(format!("{name}.toml"));
    let conf = FOLDERS.iter().map(|folder| Path::new(folder).join(format!("{name}.conf")));
    std::iter::once(toml).chain(conf).collect()
}

/// Whether the ending says that a file has the original's syntax.
pub fn is_conf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "conf")
}

/// Where an included file may be, best first: beside the file that includes it, then where the
/// original looks. None: a name with a folder, which the original never finds.
pub fn include_files(from: &Path, name: &str) -> Option<Vec<PathBuf>> {
    if Path::new(name).is_absolute() {
        return None;
    }
    let name = if name.ends_with(".conf") { name.to_owned() } else { format!("{name}.conf") };
    let beside = from.parent().unwrap_or_else(|| Path::new("")).join(&name);
    let usual = FOLDERS.iter().map(|folder| Path::new(folder).join(&name));
    Some(std::iter::once(beside).chain(usual).collect())
}

/// The tag of a section that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'t> {
    /// `host` in `<host db1>`.
    pub word: &'t str,
    /// `db1` in `<host db1>`; empty without one.
    pub name: &'t str,
    /// The line of the tag, from 1.
    pub line: u32,
}

impl fmt::Display for Heading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "" => write!(f, "<{}>", self.word),
            name => write!(f, "<{} {name}>", self.word),
        }
    }
}

/// What one line says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Item<'t> {
    /// `include NAME` outside of all sections.
    Include(&'t str),
    /// A section begins (or begins and ends, as in `<socket/>`); it is [`Line::section`].
    Section,
    /// `KEY VALUE`; the value is the rest of the line without blanks at its end, as it stands.
    Variable { key: &'t str, value: &'t str },
    /// An end tag whose word is not that of the section. It closes the section all the same.
    OtherEnd { word: &'t str, section: Heading<'t> },
    /// What the original cannot read, or reads to no good end.
    Fault(Fault<'t>),
}

/// Values may be secrets and are not shown.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Include(name) => write!(f, "Include({name:?})"),
            Self::Section => f.write_str("Section"),
            Self::Variable { key, .. } => write!(f, "Variable({key:?})"),
            Self::OtherEnd { word, section } => write!(f, "OtherEnd({word:?}, {section})"),
            Self::Fault(fault) => write!(f, "{fault:?}"),
        }
    }
}

/// A line that cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault<'t> {
    /// One word, and not even a blank behind it.
    NoValue(&'t str),
    /// A section begins inside this one: an end tag is missing. The new one is gone on with.
    Nested(Heading<'t>),
    /// An end tag outside of all sections: the original ignores the rest of the file.
    EndOutside(&'t str),
    /// The file ends inside this section; told at the line of its tag.
    NotClosed(Heading<'t>),
    /// `include` inside this section: the original dies.
    IncludeInside(Heading<'t>),
    /// The file begins with a byte order mark.
    ByteOrderMark,
}

/// One line that is neither blank nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'t> {
    /// Its number, from 1.
    pub number: u32,
    /// The section in which it stands.
    pub section: Option<Heading<'t>>,
    pub item: Item<'t>,
}

/// Reads a text to its end, whatever it holds.
pub fn read(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut section: Option<Heading<'_>> = None;
    let (text, marked) = text.strip_prefix('\u{feff}').map_or((text, false), |rest| (rest, true));
    if marked {
        lines.push(Line { number: 1, section, item: Item::Fault(Fault::ByteOrderMark) });
    }
    for (number, line) in (1..).zip(text.split('\n')) {
        let Some(raw) = raw(line) else { continue };
        let item = match raw {
            Raw::Open { word, name, whole } => {
                if let Some(open) = section {
                    let item = Item::Fault(Fault::Nested(open));
                    lines.push(Line { number, section, item });
                }
                let heading = Heading { word, name, line: number };
                section = Some(heading).filter(|_| !whole);
                lines.push(Line { number, section: Some(heading), item: Item::Section });
                continue;
            }
            Raw::Close(word) => match section.take() {
                None => Item::Fault(Fault::EndOutside(word)),
                Some(section) if section.word != word => Item::OtherEnd { word, section },
                Some(_) => continue,
            },
            Raw::Include(name) => match section {
                None => Item::Include(name),
                Some(section) => Item::Fault(Fault::IncludeInside(section)),
            },
            Raw::Variable(key, value) => Item::Variable { key, value },
            Raw::Alone(word) => Item::Fault(Fault::NoValue(word)),
        };
        lines.push(Line { number, section, item });
    }
    if let Some(open) = section {
        let item = Item::Fault(Fault::NotClosed(open));
        lines.push(Line { number: open.line, section, item });
    }
    lines
}

enum Raw<'t> {
    Open { word: &'t str, name: &'t str, whole: bool },
    Close(&'t str),
    Include(&'t str),
    Variable(&'t str, &'t str),
    Alone(&'t str),
}

/// What the original takes for a blank: these bytes and no others.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}

/// What a line is when nothing is known of the lines before it; None: blank, or a comment.
fn raw(line: &str) -> Option<Raw<'_>> {
    let text = line.trim_start_matches(blank);
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    if let Some(tag) = tag(text.trim_end_matches(blank)) {
        return Some(tag);
    }
    // The line end counts as a blank too: with CRLF a key alone has an empty value.
    let Some((key, rest)) = text.split_once(blank) else {
        return Some(Raw::Alone(text));
    };
    let value = rest.trim_matches(blank);
    if key == "include" && !value.is_empty() && !value.contains(blank) {
        return Some(Raw::Include(value));
    }
    Some(Raw::Variable(key, value))
}

fn tag(line: &str) -> Option<Raw<'_>> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_word = |text: &str| !text.is_empty() && text.chars().all(word);
    let inner = line.strip_prefix('<')?.strip_suffix('>')?;
    let inner = inner.trim_matches(blank);
    if let Some(end) = inner.strip_prefix('/') {
        let end = end.trim_start_matches(blank);
        return is_word(end).then_some(Raw::Close(end));
    }
    let (inner, whole) = match inner.strip_suffix('/') {
        Some(inner) => (inner.trim_end_matches(blank), true),
        None => (inner, false),
    };
    let (head, name) = inner.split_once(blank).unwrap_or((inner, ""));
    let name = name.trim_start_matches(blank);
    let named = name.chars().all(|c| word(c) || c == '-');
    (is_word(head) && named).then_some(Raw::Open { word: head, name, whole })
}

/// Cuts a comment off a value: from the first `#` that has a blank before it. Gives the value and
/// what was cut.
///
/// A secret may begin with `#`, or be nothing else; only with a blank behind it is it a comment.
pub fn cut_comment(value: &str, secret: bool) -> (&str, Option<&str>) {
    for (at, _) in value.match_indices('#') {
        let begins = match value[..at].chars().next_back() {
            Some(before) => blank(before),
            None if secret => value[1..].starts_with(blank),
            None => true,
        };
        if begins {
            return (value[..at].trim_end_matches(blank), Some(&value[at..]));
        }
    }
    (value, None)
}

/// The items of a list value: between commas, blanks around them off. A comma at the end is
/// ignored; an item in the middle may be empty.
pub fn items(value: &str) -> Vec<&str> {
    let mut items: Vec<&str> = value.split(',').map(|item| item.trim_matches(blank)).collect();
    while items.last().is_some_and(|item| item.is_empty()) {
        items.pop();
    }
    items
}

/// The original's booleans, in any case.
pub fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
