//! One of the original's files as TOML text. What each line says comes from the tree; which file
//! says it stays as it was, so that `mmm_common` remains what all hosts share.

use std::fmt::Write as _;
use std::path::Path;

use super::super::Program;
use super::super::keys::{self, Kind, Preset};
use super::super::legacy;
use super::super::tree::{Entry, Section, Tree, Value};
use super::{Source, Work};

/// A section to write: its heading, its lines, what is left out of it.
struct Part {
    kind: Kind,
    name: String,
    lines: Vec<String>,
    left_out: Vec<String>,
}

/// The whole text of the file that takes this one's place.
pub(super) fn render(work: &Work, source: &Source) -> String {
    let mut parts = parts(work, source);
    additions(work, source, &mut parts);
    let name = source.path.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!("# Made from {name} by `mmm-control config import`.\n");
    let included: Vec<String> = source
        .files
        .included
        .iter()
        .filter_map(|file| work.source(file))
        .map(|file| quoted(&file.target().to_string_lossy()))
        .collect();
    match included.as_slice() {
        [] => {}
        // Writing to a String cannot fail.
        [one] => _ = writeln!(text, "\ninclude = {one}"),
        several => _ = writeln!(text, "\ninclude = [{}]", several.join(", ")),
    }
    for part in parts {
        text.push('\n');
        if part.kind != Kind::Top {
            let heading = match part.name.as_str() {
                "" => part.kind.word().to_owned(),
                name => format!("{}.{name}", part.kind.word()),
            };
            _ = writeln!(text, "[{heading}]");
        }
        if !part.left_out.is_empty() {
            _ = writeln!(text, "# Without use here and left out: {}.", part.left_out.join(", "));
        }
        for line in part.lines {
            _ = writeln!(text, "{line}");
        }
    }
    text
}

/// What this file says itself and what still counts of it.
fn parts(work: &Work, source: &Source) -> Vec<Part> {
    let mut parts = Vec::new();
    for section in &source.files.tree.sections {
        if matches!(section.kind, Kind::Socket | Kind::CopyMethod) {
            continue;
        }
        let own: Vec<&Entry> =
            section.entries.iter().filter(|entry| is_own(work, source, section, entry)).collect();
        if own.is_empty() && section.place.file != source.path {
            continue;
        }
        let mut part = Part {
            kind: section.kind,
            name: section.name.clone(),
            lines: Vec::new(),
            left_out: Vec::new(),
        };
        for entry in own {
            let unused = keys::find(section.kind, &entry.key)
                .is_some_and(|key| matches!(key.preset, Preset::Unused(_)));
            if unused {
                part.left_out.push(entry.key.clone());
            } else {
                part.lines.push(format!("{} = {}", entry.key, written(entry)));
            }
        }
        parts.push(part);
    }
    // Keys outside of sections come first in TOML.
    parts.sort_by_key(|part| part.kind != Kind::Top);
    parts
}

/// Whether the file itself has to say this: it says it, or what it includes says something else
/// when read alone.
fn is_own(work: &Work, source: &Source, section: &Section, entry: &Entry) -> bool {
    if entry.place.file == source.path {
        return true;
    }
    let alone = work.source(&entry.place.file);
    let alone = alone.and_then(|other| other.files.tree.find(section.kind, &section.name));
    alone.and_then(|other| other.entry(&entry.key)).is_none_or(|other| {
        let (one, two) = (plain(&other.value), plain(&entry.value));
        one != two
    })
}

/// A value without its places, which differ between readings.
fn plain(value: &Value) -> Value {
    match value {
        Value::List(items) => {
            let texts = items.iter().map(|(item, _)| item.quoted()).collect::<Vec<_>>();
            Value::Text(texts.join(", "))
        }
        other => other.clone(),
    }
}

/// What the original's files mean without saying it, where it is not what ours mean.
fn additions(work: &Work, source: &Source, parts: &mut Vec<Part>) {
    if work.read_by(Some(Program::Monitor)).any(|main| main.path == source.path) {
        for (kind, key, number) in legacy::DEFAULTS {
            let name = if kind == Kind::Check { "default" } else { "" };
            let tree = &source.files.tree;
            if tree.find(kind, name).is_none_or(|section| section.entry(key).is_none()) {
                let line = format!("# The original's default.\n{key} = {number}");
                part(parts, kind, name).lines.push(line);
            }
        }
    }
    if says_insecure(work, source) {
        let line = "# As it was: nothing tells who may command the daemons. Better a \
                    cluster_key_file.\ninsecure = true";
        part(parts, Kind::Top, "").lines.push(line.to_owned());
    }
}

/// Whether the files leave it open who may command the daemons.
pub(super) fn is_open(tree: &Tree) -> bool {
    let told = tree.find(Kind::Top, "").is_some_and(|top| top.entry("insecure").is_some());
    !told && !legacy::has_cluster_key(tree)
}

/// Whether `insecure = true` goes into this file: into the one that all share, if none of them has
/// a key; else into each that has none.
fn says_insecure(work: &Work, source: &Source) -> bool {
    let mains: Vec<&Source> =
        work.mains.iter().filter_map(|main| work.source(&main.path)).collect();
    let all_open = mains.iter().all(|main| is_open(&main.files.tree));
    match work.shared() {
        Some(shared) if all_open => shared.path == source.path,
        _ => mains.iter().any(|main| main.path == source.path) && is_open(&source.files.tree),
    }
}

fn part<'p>(parts: &'p mut Vec<Part>, kind: Kind, name: &str) -> &'p mut Part {
    let at = parts.iter().position(|part| part.kind == kind && part.name == name);
    let at = at.unwrap_or_else(|| {
        let part = Part { kind, name: name.to_owned(), lines: Vec::new(), left_out: Vec::new() };
        let at = if kind == Kind::Top { 0 } else { parts.len() };
        parts.insert(at, part);
        at
    });
    &mut parts[at]
}

/// A value as TOML has it. Relative paths are made whole: the new file may be in another folder.
fn written(entry: &Entry) -> String {
    match &entry.value {
        Value::Text(text) if is_path(&entry.key) && Path::new(text).is_relative() => {
            let path = entry.place.resolve(text);
            quoted(&std::path::absolute(&path).unwrap_or(path).to_string_lossy())
        }
        Value::Text(text) => quoted(text),
        Value::Secret(secret) => quoted(secret.expose()),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::List(items) => {
            let items = items.iter().map(|(item, _)| match item {
                Value::Text(text) => quoted(text),
                other => other.quoted(),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        Value::Date | Value::Table => unreachable!("the original's files have neither"),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Whether the key names a file.
pub(super) fn is_path(key: &str) -> bool {
    key == "socket"
        || ["_path", "_file", "_pidfile", "_socket", "_bin"].iter().any(|end| key.ends_with(end))
}
