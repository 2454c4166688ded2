//! TOML files into a [`Tree`]: includes, permissions, syntax. No key has a meaning here but
//! `include`, and a secret is told only by its name. Opening a file is in `files`.

use std::path::Path;
use std::sync::Arc;

use mmm_proto::conf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::files::{Chain, Files, Opened};
use super::keys::{self, Kind};
use super::report::Place;
use super::tree::{Entry, Tree, Value};

struct Document<'t> {
    file: Arc<Path>,
    line_starts: Vec<usize>,
    text: &'t str,
}

impl Document<'_> {
    fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn place(&self, offset: usize) -> Place {
        Place::line(&self.file, u32::try_from(self.line_of(offset)).unwrap_or(u32::MAX))
    }

    /// With the column, in characters.
    fn exact_place(&self, offset: usize) -> Place {
        let start = self.line_starts[self.line_of(offset) - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place { column: u32::try_from(column).ok(), ..self.place(offset) }
    }
}

impl Files {
    /// One TOML file with its includes; what it says itself wins over what it includes.
    pub(super) fn toml(&mut self, opened: &Opened, chain: &mut Chain) -> Tree {
        let file = &opened.file;
        let text = match std::str::from_utf8(&opened.bytes) {
            Ok(text) => text,
            Err(error) => {
                let sound = &opened.bytes[..error.valid_up_to()];
                let line = sound.iter().filter(|byte| **byte == b'\n').count() + 1;
                let what = format!("{} is not UTF-8 in line {line}", file.display());
                self.unread(opened.asked.as_ref(), file, what, "save it as UTF-8");
                return Tree::default();
            }
        };
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        let document = Document { file: Arc::clone(file), line_starts, text };
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut sound_to = usize::MAX;
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            sound_to = sound_to.min(offset);
            let what = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            let remedy = "texts stand in double quotes, lists in [ ], comments begin with #";
            self.mistake(document.exact_place(offset), "", what, remedy);
        }
        let mut own = Tree::default();
        let mut tree = Tree::default();
        for (key, value) in ordered(table.get_ref()) {
            if key.get_ref() != "include" {
                self.top(&mut own, key, value, &document);
            } else if key.span().start < sound_to {
                for (name, place) in self.include_names(value, &document) {
                    let path = place.resolve(&name);
                    if conf::is_conf(&path) {
                        let what = format!("{name:?} is a file of the original's form");
                        let remedy = "a TOML file includes TOML files: translate it with \
                                      `mmm-control config import`";
                        self.mistake(place, "include", what, remedy);
                        self.incomplete = true;
                        continue;
                    }
                    tree.overlay(self.file(&path, Some(&place), chain));
                }
            }
        }
        self.permissions(file, opened.mode, &own);
        if errors.is_empty() {
            tree.overlay(own);
        } else {
            // What a broken file seems to say would only be misread.
            self.incomplete = true;
        }
        tree
    }

    fn include_names(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        document: &Document<'_>,
    ) -> Vec<(String, Place)> {
        let place = document.place(value.span().start);
        let items = match convert(value, document) {
            Value::List(items) => items,
            other => vec![(other, place)],
        };
        let mut names = Vec::new();
        for (item, place) in items {
            match item {
                Value::Text(name) if !name.is_empty() => names.push((name, place)),
                other => {
                    let what = format!("{} is not a file name", other.quoted());
                    let remedy = "write include = \"mmm_common.toml\"";
                    self.mistake(place, "include", what, remedy);
                }
            }
        }
        names
    }

    fn permissions(&mut self, file: &Arc<Path>, mode: u32, own: &Tree) {
        let mut entries = own.sections.iter().flat_map(|section| &section.entries);
        let what = if entries.any(|entry| keys::is_secret(&entry.key)) && mode & 0o006 != 0 {
            "the file holds a secret and is open to everybody"
        } else if mode & 0o002 != 0 {
            "everybody may write to the file"
        } else {
            return;
        };
        let what = format!("{what} (mode {:04o})", mode & 0o7777);
        let remedy = format!("run: chmod 640 {}", file.display());
        self.mistake(Place::file(file), "", what, remedy);
    }

    /// One key or section of the top level.
    fn top(
        &mut self,
        own: &mut Tree,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        document: &Document<'_>,
    ) {
        let place = document.place(key.span().start);
        let word: &str = key.get_ref();
        let Some(kind) = Kind::parse(word) else {
            let value = written(word, value, document);
            let top = own.open(Kind::Top, "", &Place::file(&document.file));
            top.entries.push(Entry { key: word.to_owned(), value, place });
            return;
        };
        let heading = kind.heading();
        let DeValue::Table(table) = value.get_ref() else {
            let what = "is a section, not a key".to_owned();
            self.mistake(place, word, what, format!("write {heading} and its keys below it"));
            return;
        };
        if !kind.is_named() {
            fill(own, kind, "", place, table, document);
            return;
        }
        for (name, value) in ordered(table) {
            let place = document.place(name.span().start);
            if let DeValue::Table(table) = value.get_ref() {
                fill(own, kind, name.get_ref(), place, table, document);
            } else {
                let path = format!("{word}.{}", keys::shown(name.get_ref()));
                let what = "stands in a section without a name".to_owned();
                self.mistake(place, &path, what, format!("write {heading} above it"));
            }
        }
    }
}

fn fill(
    tree: &mut Tree,
    kind: Kind,
    name: &str,
    place: Place,
    table: &DeTable<'_>,
    document: &Document<'_>,
) {
    let section = tree.open(kind, name, &place);
    for (key, value) in ordered(table) {
        section.entries.push(Entry {
            key: key.get_ref().to_string(),
            value: written(key.get_ref(), value, document),
            place: document.place(key.span().start),
        });
    }
}

/// Entries in the order in which they stand in the file; the map itself sorts by name.
fn ordered<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn written(key: &str, value: &Spanned<DeValue<'_>>, document: &Document<'_>) -> Value {
    match value.get_ref() {
        DeValue::String(text) if keys::is_secret(key) => {
            Value::Secret(super::secret::Secret::new(text.to_string()))
        }
        _ => convert(value, document),
    }
}

fn convert(value: &Spanned<DeValue<'_>>, document: &Document<'_>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            // Out of range either way; no key takes so large a number.
            Value::Integer(number.unwrap_or(i64::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| (convert(item, document), document.place(item.span().start)))
                .collect(),
        ),
        DeValue::Table(_) => Value::Table,
    }
}
