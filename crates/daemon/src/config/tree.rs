//! Configuration as written: sections, keys, values and where each stands, whatever the file
//! format. Reading files is not here, nor is any meaning.

use super::keys::{self, Kind};
use super::report::Place;
use super::secret::Secret;

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// The text of a key that holds a secret.
    Secret(Secret),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<(Value, Place)>),
    Date,
    Table,
}

impl Value {
    /// The value as errors quote it. Control characters are escaped, so that a file cannot play
    /// tricks on a terminal, and secrets are stars.
    pub(super) fn quoted(&self) -> String {
        match self {
            Self::Text(text) if text.chars().count() > 60 => {
                format!("{:?}...", text.chars().take(60).collect::<String>())
            }
            Self::Text(text) => format!("{text:?}"),
            Self::Secret(secret) => secret.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Date => "a date".to_owned(),
            Self::Table => "a section".to_owned(),
        }
    }
}

/// One `key = value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) place: Place,
}

/// One section; the top level of the files is a section of kind [`Kind::Top`].
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) kind: Kind,
    /// The NAME of `[host.NAME]`; empty for sections that exist once.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) entries: Vec<Entry>,
}

impl Section {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The full name of one of the section's keys, such as `host.db1.ip`.
    pub(super) fn path(&self, key: &str) -> String {
        let head = self.title();
        match (head.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => head,
            _ => format!("{head}.{key}"),
        }
    }

    /// What stands between the brackets, such as `host.db1`; empty for the top level.
    pub(super) fn title(&self) -> String {
        if self.name.is_empty() {
            self.kind.word().to_owned()
        } else {
            format!("{}.{}", self.kind.word(), keys::shown(&self.name))
        }
    }
}

/// How the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    #[default]
    Toml,
    /// The original's.
    Conf,
}

/// All files together, in configured order.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) form: Form,
    pub(super) sections: Vec<Section>,
}

impl Tree {
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind && section.name == name)
    }

    /// The named sections of a kind without its template, in configured order.
    pub(super) fn named(&self, kind: Kind) -> impl Iterator<Item = &Section> {
        self.sections
            .iter()
            .filter(move |section| section.kind == kind && section.name != "default")
    }

    /// The section, made if it is new.
    pub(super) fn open(&mut self, kind: Kind, name: &str, place: &Place) -> &mut Section {
        let at = self.sections.iter().position(|s| s.kind == kind && s.name == name);
        let at = at.unwrap_or_else(|| {
            self.sections.push(Section {
                kind,
                name: name.to_owned(),
                place: place.clone(),
                entries: Vec::new(),
            });
            self.sections.len() - 1
        });
        &mut self.sections[at]
    }

    /// Lays another file's values over these: later values replace, sections keep their first
    /// position.
    pub(super) fn overlay(&mut self, later: Self) {
        for section in later.sections {
            let mine = self.open(section.kind, &section.name, &section.place);
            for entry in &section.entries {
                // A secret's file replaces an earlier secret and the other way round.
                let other = keys::twin(&entry.key);
                mine.entries.retain(|old| old.key != entry.key && Some(&old.key) != other.as_ref());
            }
            mine.entries.extend(section.entries);
        }
    }
}
