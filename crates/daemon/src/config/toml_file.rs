//! TOML files into a [`Tree`]: opening, permissions, includes, syntax. No key has a meaning here
//! but `include`, and a secret is told only by its name.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::keys::{self, Kind};
use super::report::{Mistake, Place};
use super::tree::{Entry, Tree, Value};

const FILE_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 64;

/// What the files say.
#[derive(Default)]
pub(super) struct Files {
    pub(super) tree: Tree,
    /// Every file that was opened, in the order of reading.
    pub(super) files: Vec<Arc<Path>>,
    pub(super) mistakes: Vec<Mistake>,
    /// A file is missing from the tree, because it cannot be read or is not TOML.
    pub(super) incomplete: bool,
}

/// A file being read: its real path for telling a cycle, and how it was named.
type Chain = Vec<(PathBuf, Arc<Path>)>;

/// Reads a file and all that it includes.
pub(super) fn read(path: &Path) -> Files {
    let mut files = Files::default();
    let tree = files.file(path, None, &mut Vec::new());
    files.tree = tree;
    files
}

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
    fn mistake(&mut self, place: Place, key: &str, what: String, remedy: impl Into<String>) {
        self.mistakes.push(Mistake { place, key: key.to_owned(), what, remedy: remedy.into() });
    }

    /// One file with its includes; what it says itself wins over what it includes.
    fn file(&mut self, path: &Path, asked: Option<&Place>, chain: &mut Chain) -> Tree {
        let place = asked.cloned().unwrap_or_else(|| Place::file(path));
        let key = if asked.is_some() { "include" } else { "" };
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(at) = chain.iter().position(|(seen, _)| *seen == real) {
            let mut names: Vec<_> =
                chain[at..].iter().map(|(_, name)| name.display().to_string()).collect();
            names.push(path.display().to_string());
            let what = format!("the files include each other: {}", names.join(" -> "));
            self.mistake(place, key, what, "remove one of these includes");
            self.incomplete = true;
            return Tree::default();
        }
        if self.files.len() >= FILES_MAX {
            let what = format!("more than {FILES_MAX} files are included");
            self.mistake(place, key, what, "include fewer files");
            self.incomplete = true;
            return Tree::default();
        }
        let (text, mode) = match open(path) {
            Ok(opened) => opened,
            Err((what, remedy)) => {
                self.mistake(place, key, what, remedy);
                self.incomplete = true;
                return Tree::default();
            }
        };
        let file: Arc<Path> = Arc::from(path);
        if !self.files.contains(&file) {
            self.files.push(Arc::clone(&file));
        }
        chain.push((real, Arc::clone(&file)));
        let tree = self.document(&file, &text, mode, chain);
        chain.pop();
        tree
    }

    fn document(&mut self, file: &Arc<Path>, text: &str, mode: u32, chain: &mut Chain) -> Tree {
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
                    tree.overlay(self.file(&path, Some(&place), chain));
                }
            }
        }
        self.permissions(file, mode, &own);
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

/// The text and the mode of a file, or what is wrong and what to do.
fn open(path: &Path) -> Result<(Zeroizing<String>, u32), (String, String)> {
    let shown = path.display();
    let cannot = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "create it, or name the right file",
            std::io::ErrorKind::PermissionDenied => {
                "run as a user who may read it, such as a member of its group"
            }
            _ => "check the file and its file system",
        };
        (format!("cannot read {shown}: {error}"), remedy.to_owned())
    };
    // Asked before opening: opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err((format!("{shown} is not a regular file"), "name a TOML file".to_owned()));
    }
    let file = File::open(path).map_err(cannot)?;
    let facts = file.metadata().map_err(cannot)?;
    let size = facts.len().min(FILE_MAX);
    // Full size at once, so that growing leaves no copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size + 2).unwrap_or(0)));
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_MAX {
        let what = format!("{shown} has more than {FILE_MAX} bytes");
        return Err((what, "name a configuration file".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        (format!("{shown} is not UTF-8 in line {line}"), "save it as UTF-8".to_owned())
    })?;
    Ok((Zeroizing::new(text.to_owned()), facts.permissions().mode()))
}
