//! Looking keys up: own section, template, default; collecting what is wrong with its place. No
//! rule about any single key is here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Program;
use super::keys::{self, Kind, Preset};
use super::legacy;
use super::report::{Mistake, Place};
use super::secret::{self, Secret};
use super::tree::{Entry, Form, Section, Tree, Value};
use super::value::{self, Bad};

/// Begins the one line that names what a `.conf` gives in vain.
pub(super) const UNUSED: &str = "keys of the original without use here";

/// A section to read from, whether or not the files have it.
#[derive(Clone, Copy)]
pub(super) struct At<'t> {
    pub(super) kind: Kind,
    own: Option<&'t Section>,
    template: Option<&'t Section>,
}

impl<'t> At<'t> {
    /// The full name of a key here, such as `host.db1.ip`.
    pub(super) fn path(&self, key: &str) -> String {
        match self.own {
            Some(section) => section.path(key),
            None if self.kind == Kind::Top => key.to_owned(),
            None if key.is_empty() => self.kind.word().to_owned(),
            None => format!("{}.{key}", self.kind.word()),
        }
    }

    fn entry(&self, key: &str) -> Option<(&'t Section, &'t Entry)> {
        [self.own, self.template]
            .into_iter()
            .flatten()
            .find_map(|section| section.entry(key).map(|entry| (section, entry)))
    }
}

/// Collects mistakes while values are taken out of the tree.
pub(super) struct Reader<'t> {
    pub(super) tree: &'t Tree,
    pub(super) program: Program,
    main: Arc<Path>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    /// Keys without a usable value: rules that look at several keys leave these alone.
    broken: BTreeSet<String>,
    /// All values are typed: what is wrong from here on breaks no value.
    typed: bool,
    pub(super) given: BTreeSet<String>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(tree: &'t Tree, main: &Path, program: Program) -> Self {
        Self {
            tree,
            program,
            main: Arc::from(main),
            mistakes: Vec::new(),
            warnings: Vec::new(),
            broken: BTreeSet::new(),
            typed: false,
            given: BTreeSet::new(),
        }
    }

    /// The section of that kind and name.
    pub(super) fn at(&self, kind: Kind, name: &str) -> At<'t> {
        let template = kind.has_template().then(|| self.tree.find(kind, "default")).flatten();
        At { kind, own: self.tree.find(kind, name), template }
    }

    /// Where a key stands, or its section, or the file that should have it.
    fn place(&self, at: At<'_>, key: &str) -> Place {
        let section = at.own.filter(|section| section.kind != Kind::Top);
        match (at.entry(key), section) {
            (Some((_, entry)), _) => entry.place.clone(),
            (None, Some(section)) => section.place.clone(),
            (None, None) => Place::file(&self.main),
        }
    }

    fn item_place(&self, at: At<'_>, key: &str, item: usize) -> Place {
        match at.entry(key).map(|(_, entry)| &entry.value) {
            Some(Value::List(items)) if item < items.len() => items[item].1.clone(),
            _ => self.place(at, key),
        }
    }

    /// The name of a key where it is written: the template's when it comes from there.
    fn written_path(&self, at: At<'_>, key: &str) -> String {
        at.entry(key).map_or_else(|| at.path(key), |(section, _)| section.path(key))
    }

    fn note(&self, at: At<'_>, key: &str, place: Place, bad: Bad) -> Mistake {
        Mistake { place, key: self.written_path(at, key), what: bad.what, remedy: bad.remedy }
    }

    /// Records a mistake of one key.
    pub(super) fn wrong(&mut self, at: At<'_>, key: &str, bad: Bad) {
        let mistake = self.note(at, key, self.place(at, key), bad);
        self.mistakes.push(mistake);
        self.spoil(at, key);
    }

    /// Records a mistake of one item of a list.
    pub(super) fn wrong_item(&mut self, at: At<'_>, key: &str, item: usize, bad: Bad) {
        let mistake = self.note(at, key, self.item_place(at, key, item), bad);
        self.mistakes.push(mistake);
        self.spoil(at, key);
    }

    /// Records something worth a look.
    pub(super) fn warn(&mut self, at: At<'_>, key: &str, bad: Bad) {
        let warning = self.note(at, key, self.place(at, key), bad);
        self.warnings.push(warning);
    }

    /// As [`Self::warn`], of one item of a list.
    pub(super) fn warn_item(&mut self, at: At<'_>, key: &str, item: usize, bad: Bad) {
        let warning = self.note(at, key, self.item_place(at, key, item), bad);
        self.warnings.push(warning);
    }

    fn spoil(&mut self, at: At<'_>, key: &str) {
        if !self.typed {
            self.broken.insert(at.path(key));
        }
    }

    /// Says that every value has been taken; rules between values come next.
    pub(super) fn all_typed(&mut self) {
        self.typed = true;
    }

    /// Whether the key has a usable value, its own or a default.
    pub(super) fn is_sound(&self, at: At<'_>, key: &str) -> bool {
        !self.broken.contains(&at.path(key))
    }

    /// A key that has a default, or may be absent.
    pub(super) fn maybe<T>(
        &mut self,
        at: At<'t>,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, Bad>,
    ) -> Option<T> {
        let preset = legacy::default_of(self.tree, at.kind, key)
            .or_else(|| keys::find(at.kind, key).and_then(keys::Key::default));
        let entry = at.entry(key).map(|(_, entry)| &entry.value);
        if entry.is_some() {
            self.given.insert(at.path(key));
        }
        match parse(entry.or(preset.as_ref())?) {
            Ok(value) => Some(value),
            Err(bad) => {
                self.wrong(at, key, bad);
                None
            }
        }
    }

    /// A key that must be there, unless it has a default.
    pub(super) fn must<T>(
        &mut self,
        at: At<'t>,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, Bad>,
    ) -> Option<T> {
        let value = self.maybe(at, key, parse);
        if value.is_none() && at.entry(key).is_none() {
            self.missing(at, key);
        }
        value
    }

    fn missing(&mut self, at: At<'_>, key: &str) {
        let sample = match keys::find(at.kind, key).map(|key| key.preset) {
            Some(Preset::Sample(sample)) => sample,
            _ => "...",
        };
        self.lacking(at, key, &format!("{key} = {sample}"));
    }

    /// Records that a key is missing; `written` is how it would be written.
    fn lacking(&mut self, at: At<'_>, key: &str, written: &str) {
        self.spoil(at, key);
        if self.is_misspelt(at, key) {
            return;
        }
        let shared = at.kind == Kind::Host && !matches!(key, "ip" | "mode" | "peer");
        let nowhere = self.tree.named(Kind::Host).all(|host| host.entry(key).is_none());
        if shared && nowhere {
            // Said once, not of each host.
            let template = at.template.map(|template| template.place.clone());
            self.mistakes.push(Mistake {
                place: template.unwrap_or_else(|| Place::file(&self.main)),
                key: format!("host.default.{key}"),
                what: "is missing".to_owned(),
                remedy: format!("write {written} in [host.default] or in each host"),
            });
            return;
        }
        let or = if shared { " here or in [host.default]" } else { "" };
        self.wrong(at, key, Bad::new("is missing", format!("write {written}{or}")));
    }

    /// A key that must be there though it has no use, or a default.
    pub(super) fn demand(&mut self, at: At<'_>, key: &str, sample: &str) {
        if at.entry(key).is_none() {
            self.lacking(at, key, &format!("{key} = {sample}"));
        }
    }

    /// Whether an unknown key stands there that means this one.
    pub(super) fn is_misspelt(&self, at: At<'_>, key: &str) -> bool {
        let mut entries = [at.own, at.template].into_iter().flatten().flat_map(|s| &s.entries);
        entries.any(|entry| {
            keys::find(at.kind, &entry.key).is_none()
                && keys::meant(at.kind, &entry.key) == Some(key)
        })
    }

    /// A list; each wrong item is a mistake of its own, and the others are returned.
    pub(super) fn list<T>(
        &mut self,
        at: At<'t>,
        key: &str,
        parse: impl Fn(&Value) -> Result<T, Bad>,
    ) -> Vec<T> {
        let sample = match keys::find(at.kind, key).map(|key| key.preset) {
            Some(Preset::Sample(sample)) => sample,
            _ => "[\"192.168.194.1\"]",
        };
        let items = self.maybe(at, key, |value| match value {
            Value::List(items) => Ok(items.clone()),
            other => Err(Bad::new(
                format!("{} is not a list", other.quoted()),
                format!("write {key} = {sample}"),
            )),
        });
        let mut values = Vec::new();
        for (item, (value, _)) in items.unwrap_or_default().iter().enumerate() {
            match parse(value) {
                Ok(value) => values.push(value),
                Err(bad) => self.wrong_item(at, key, item, bad),
            }
        }
        values
    }

    /// As [`Self::list`], and it is a mistake if the key is not there.
    pub(super) fn must_list<T>(
        &mut self,
        at: At<'t>,
        key: &str,
        parse: impl Fn(&Value) -> Result<T, Bad>,
    ) -> Vec<T> {
        if at.entry(key).is_none() {
            self.missing(at, key);
        }
        self.list(at, key, parse)
    }

    /// A path, relative to the file that names it.
    pub(super) fn path(&mut self, at: At<'t>, key: &str) -> Option<PathBuf> {
        let place = self.place(at, key);
        self.maybe(at, key, value::text).map(|path| place.resolve(&path))
    }

    /// A secret, given in the file or in one of its own. `read` says whether this program needs it:
    /// a secret file of another program may well be missing here.
    pub(super) fn secret(&mut self, at: At<'t>, key: &str, read: bool) -> Option<Secret> {
        let file_key = format!("{key}_file");
        for section in [at.own, at.template].into_iter().flatten() {
            match (section.entry(key), section.entry(&file_key)) {
                (None, None) => {}
                (Some(_), Some(_)) => {
                    let what = format!("{key} and {file_key} are both given");
                    self.wrong(at, &file_key, Bad::new(what, "keep one of them"));
                    self.spoil(at, key);
                    return None;
                }
                (Some(entry), None) => {
                    self.given.insert(at.path(key));
                    let Value::Secret(secret) = &entry.value else {
                        // What stands there is not shown: it may be a password without its quotes.
                        self.wrong(at, key, Bad::new("is not a text", "write it in double quotes"));
                        return None;
                    };
                    return Some(secret.clone());
                }
                (None, Some(entry)) => {
                    self.given.insert(at.path(&file_key));
                    if !read {
                        return None;
                    }
                    let path = value::text(&entry.value).map(|path| entry.place.resolve(&path));
                    return match path.and_then(|path| secret::read_file(&path)) {
                        Ok(secret) => Some(secret),
                        Err(bad) => {
                            self.wrong(at, &file_key, bad);
                            self.spoil(at, key);
                            None
                        }
                    };
                }
            }
        }
        None
    }

    /// As [`Self::secret`], and it is a mistake if neither key is there.
    pub(super) fn must_secret(&mut self, at: At<'t>, key: &str) -> Option<Secret> {
        let found = self.secret(at, key, true);
        if found.is_none() && self.is_sound(at, key) {
            let written = format!("{key} = \"...\" or {key}_file = \"FILE\"");
            self.lacking(at, key, &written);
        }
        found
    }

    /// Names every key and section that does not exist, and those that have no use.
    pub(super) fn known_keys(&mut self) {
        let tree = self.tree;
        let mut unused = BTreeSet::new();
        for section in &tree.sections {
            let seen = matches!(section.kind, Kind::Top | Kind::Monitor);
            if self.program == Program::Control && !seen {
                continue;
            }
            for entry in &section.entries {
                let note = |what: &str, remedy: String| Mistake {
                    place: entry.place.clone(),
                    key: section.path(&keys::shown(&entry.key)),
                    what: what.to_owned(),
                    remedy,
                };
                let what = match entry.value {
                    Value::Table => "unknown section",
                    _ => "unknown key",
                };
                match keys::find(section.kind, &entry.key).map(|key| key.preset) {
                    None => {
                        let remedy = keys::remedy_for_unknown(section.kind, &entry.key);
                        self.mistakes.push(note(what, remedy));
                    }
                    // Told in one line: whoever keeps the original's files keeps its keys.
                    Some(Preset::Unused(_)) if tree.form == Form::Conf => {
                        let name = format!("{} {}", section.kind.word(), entry.key);
                        unused.insert(name.trim_start().to_owned());
                    }
                    Some(Preset::Unused(why)) => {
                        let remedy = format!("{why}; the line can go");
                        self.warnings.push(note("not used", remedy));
                    }
                    Some(_) => {}
                }
            }
        }
        if !unused.is_empty() {
            let names: Vec<String> = unused.into_iter().collect();
            self.warnings.push(Mistake {
                place: Place::file(&self.main),
                key: String::new(),
                what: format!("{UNUSED}: {}", names.join(", ")),
                remedy: "nothing to do".to_owned(),
            });
        }
    }
}
