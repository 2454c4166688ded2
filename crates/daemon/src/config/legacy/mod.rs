//! The original's files (`.conf`) into a [`Tree`]: sections, includes, templates' names, and every
//! line that the original refuses or that cannot mean what it says. The syntax itself is in
//! `mmm_proto::conf`; what a value may be is decided later, by the same rules as for TOML.
//!
//! Decided here, where the two forms differ:
//! - What a `.conf` does not give has the original's default ([`defaults`]).
//! - Our own keys (`cluster_key_file`, `lease_ttl`, `<move>`, ...) may stand in a `.conf`, written
//!   in the original's syntax.
//! - The original has no cluster key. A `.conf` without one loads as `insecure`, with a warning:
//!   that is what those clusters were. A TOML file must say so itself.
//! - Of several values the last one read wins, includes read where they stand, as in the original.
//!   Sections stand in the order of TOML: those of included files first. The original had no order.

mod defaults;
mod odd;
mod typed;
mod wording;

pub(super) use defaults::{DEFAULTS, default_of, finish, has_cluster_key, required};
pub(super) use wording::{in_conf_words, with_conf_tags};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmm_proto::conf::{self, Fault, Foreign, Heading, Item, Line};

use super::files::{Chain, Files, Opened};
use super::keys::{self, Kind};
use super::report::Place;
use super::tree::{Entry, Section, Tree};

/// One file while it is read.
struct Page {
    file: Arc<Path>,
    tree: Tree,
    /// The sections of included files, in their order.
    included: Vec<(Kind, String)>,
    /// Tags that were none: what stands in them is skipped, and their end tags are.
    broken_tags: u32,
    /// The line of a section whose end tag is none: that it stays open has been told.
    broken_end: Option<u32>,
    end_outside: bool,
}

impl Page {
    fn place(&self, line: u32) -> Place {
        Place::line(&self.file, line)
    }
}

impl Files {
    /// One file of the original's form, with its includes.
    pub(super) fn conf(&mut self, opened: &Opened, chain: &mut Chain) -> Tree {
        let file = &opened.file;
        if opened.mode & 0o006 != 0 {
            let what = format!("the file is open to everybody (mode {:04o})", opened.mode & 0o7777);
            self.mistake(Place::file(file), "", what, format!("run: chmod 640 {}", file.display()));
        }
        // Comments may be in any encoding. Where it matters, what was no UTF-8 is told.
        let text = String::from_utf8_lossy(&opened.bytes);
        if let Some((line, foreign)) = conf::foreign(&text) {
            let (what, remedy) = what_it_is(foreign);
            self.mistake(Place::line(file, line), "", what, remedy);
            self.incomplete = true;
            return Tree::default();
        }
        let mut page = Page {
            file: Arc::clone(file),
            tree: Tree::default(),
            included: Vec::new(),
            broken_tags: 0,
            broken_end: None,
            end_outside: false,
        };
        for line in conf::read(&text) {
            self.line(&mut page, &line, chain);
        }
        let Page { mut tree, included, .. } = page;
        tree.sections.sort_by_key(|section| {
            let same =
                |(kind, name): &(Kind, String)| *kind == section.kind && *name == section.name;
            included.iter().position(same).unwrap_or(usize::MAX)
        });
        tree
    }

    fn line(&mut self, page: &mut Page, line: &Line<'_>, chain: &mut Chain) {
        let place = page.place(line.number);
        match line.item {
            Item::Section => {
                page.broken_tags = 0;
                if let Some(heading) = line.section {
                    self.heading(page, &heading, &place);
                }
            }
            Item::Variable { key, value } => self.variable(page, line, (key, value), &place),
            Item::Include(name) => {
                if let Some(path) = self.include(&place, name) {
                    let tree = self.file(&path, Some(&place), chain);
                    let names = tree.sections.iter().map(|s| (s.kind, s.name.clone()));
                    page.included.extend(names);
                    page.tree.overlay(tree);
                }
            }
            // The tag of an unknown section has been told.
            Item::OtherEnd { section, .. } if Kind::parse(section.word).is_none() => {}
            Item::OtherEnd { word, section } => {
                let what = format!("</{word}> closes {section} of line {}", section.line);
                let remedy = format!("write </{}>", section.word);
                self.warning(place, "", what, remedy);
            }
            Item::Fault(Fault::EndOutside(_)) if page.broken_tags > 0 => page.broken_tags -= 1,
            Item::Fault(Fault::EndOutside(_)) if page.end_outside => {}
            Item::Fault(Fault::Nested(open) | Fault::NotClosed(open))
                if page.broken_end == Some(open.line) => {}
            Item::Fault(fault) => {
                page.end_outside |= matches!(fault, Fault::EndOutside(_));
                let (what, remedy) = what_is_wrong(fault);
                self.mistake(place, "", what, remedy);
                self.incomplete = true;
            }
        }
    }

    /// The file that an include means.
    fn include(&mut self, place: &Place, name: &str) -> Option<PathBuf> {
        let quoted = |c: char| matches!(c, '"' | '\'');
        let mut wrong = |what: String, remedy: String| {
            self.mistake(place.clone(), "include", what, remedy);
            self.incomplete = true;
        };
        if name.starts_with(quoted) {
            let bare = name.trim_matches(quoted);
            wrong("the quotes are part of the name".to_owned(), format!("write include {bare}"));
            return None;
        }
        if name.ends_with(".toml") {
            let what = format!("{name:?} is a TOML file");
            let remedy = "a .conf file includes .conf files: translate them all with `mmm-control \
                          config import`";
            wrong(what, remedy.to_owned());
            return None;
        }
        let Some(places) = conf::include_files(&place.file, name) else {
            let what = format!("{name:?} is a path; the original takes names only");
            let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
            let folders = conf::FOLDERS.join(", ");
            let remedy = format!(
                "write include {file}: it is looked for beside this file, then in \
                                  {folders}"
            );
            wrong(what, remedy);
            return None;
        };
        let found = places.iter().find(|path| path.exists());
        found.or(places.first()).cloned()
    }

    /// A section begins.
    fn heading(&mut self, page: &mut Page, heading: &Heading<'_>, place: &Place) {
        let word = heading.word;
        let Some(kind) = Kind::parse(word) else {
            let (what, remedy) = unknown_section(heading);
            self.mistake(place.clone(), &keys::shown(word), what, remedy);
            return;
        };
        match (kind.is_named(), heading.name.is_empty()) {
            (true, true) => {
                let remedy = format!("write <{word} NAME>");
                self.mistake(place.clone(), word, "the section has no name".to_owned(), remedy);
            }
            (false, false) => {
                let what = format!("the section takes no name, {:?} is one", heading.name);
                self.mistake(place.clone(), word, what, format!("write <{word}>"));
            }
            _ => {
                page.tree.open(kind, heading.name, place);
            }
        }
    }

    /// `KEY VALUE` in its section, or outside of all.
    fn variable(
        &mut self,
        page: &mut Page,
        line: &Line<'_>,
        (key, value): (&str, &str),
        place: &Place,
    ) {
        if line.section.is_none() && page.broken_tags > 0 && !key.starts_with('<') {
            return;
        }
        let (kind, name) = match line.section {
            None => (Kind::Top, ""),
            Some(heading) => match Kind::parse(heading.word) {
                Some(kind) if kind.is_named() != heading.name.is_empty() => (kind, heading.name),
                // Told at its tag.
                _ => return,
            },
        };
        if let Some((what, remedy)) = no_variable(kind, key, value) {
            if key.starts_with("</") {
                page.broken_end = line.section.map(|heading| heading.line);
            } else if key.starts_with('<') {
                page.broken_tags += 1;
            }
            self.mistake(place.clone(), &odd::shown_key(key), what, remedy);
            self.incomplete = true;
            return;
        }
        if [key, value].iter().any(|text| text.contains('\u{fffd}')) {
            let what = "is not UTF-8".to_owned();
            self.mistake(place.clone(), &odd::shown_key(key), what, "save the file as UTF-8");
            self.incomplete = true;
            return;
        }
        let section = page.tree.open(kind, name, place);
        let value = self.value(section, key, value, place);
        self.set(section, Entry { key: key.to_owned(), value, place: place.clone() });
    }

    /// Later values replace earlier ones.
    fn set(&mut self, section: &mut Section, entry: Entry) {
        let same_file = |old: &Entry| old.place.file == entry.place.file;
        if let Some(old) = section.entry(&entry.key)
            && same_file(old)
            && old.value != entry.value
        {
            let what = match old.place.line {
                Some(line) => format!("is given in line {line} too; this one counts"),
                None => "is given twice; this one counts".to_owned(),
            };
            self.warning(entry.place.clone(), &section.path(&entry.key), what, "keep one of them");
        }
        let other = keys::twin(&entry.key);
        section.entries.retain(|old| {
            // A secret and its file in one file are a mistake, told later.
            let twin = Some(&old.key) == other.as_ref() && !same_file(old);
            old.key != entry.key && !twin
        });
        section.entries.push(entry);
    }
}

/// What a file that is none of MMM 2's is, and what to do.
fn what_it_is(foreign: Foreign) -> (String, String) {
    let (what, remedy) = match foreign {
        Foreign::Version1 => (
            "this is a file of MMM 1",
            "write it anew: <host db1> ... </host>, role hosts in `hosts`, VIPs in `ips`; \
             config/README.md has the keys",
        ),
        Foreign::Template { sign } => {
            let what = format!("this is a template: {sign} was to be filled in");
            return (what, "use the file that was made of it, or fill it in".to_owned());
        }
        Foreign::IpSections => (
            "<ip ...> sections are of a fork of MMM",
            "write the addresses of the role into one line: ips 10.0.0.91, 10.0.0.92",
        ),
        Foreign::TagsLost => (
            "the tags of this file are lost: a line that belongs in a section stands in none",
            "write <host db1> above the lines of each host and </host> below, likewise <monitor>, \
             <role NAME> and <check NAME>",
        ),
        Foreign::Entities => (
            "the tags of this file are spelt as on a web page",
            "write < for &lt; and > for &gt;, as in <host db1>",
        ),
        Foreign::Toml => ("this is TOML", "give the file a name that ends in .toml"),
    };
    (what.to_owned(), remedy.to_owned())
}

fn what_is_wrong(fault: Fault<'_>) -> (String, String) {
    match fault {
        Fault::NoValue(word) => odd::no_value(word),
        Fault::Nested(open) => (
            format!("a section begins inside {open} of line {}", open.line),
            format!("write </{}> above it", open.word),
        ),
        Fault::EndOutside(word) => (
            format!("</{word}> stands outside of all sections: the original ignored what follows"),
            format!("remove it, or write the lost <{word} ...> above its lines"),
        ),
        Fault::NotClosed(open) => (
            format!("{open} is not closed: the file ends inside it"),
            format!("write </{}> behind its last line", open.word),
        ),
        Fault::IncludeInside(open) => (
            format!("include stands inside {open} of line {}", open.line),
            "write it outside of all sections".to_owned(),
        ),
        Fault::ByteOrderMark => (
            "the file begins with a byte order mark".to_owned(),
            "save it as UTF-8 without one".to_owned(),
        ),
    }
}

fn unknown_section(heading: &Heading<'_>) -> (String, String) {
    let words = || conf::SECTIONS.iter().map(|(word, _)| *word);
    let glued = words().find(|word| {
        heading.name.is_empty() && heading.word.len() > word.len() && heading.word.starts_with(word)
    });
    let what = "unknown section".to_owned();
    let remedy = match (glued, keys::nearest(heading.word, words())) {
        (Some(word), _) => {
            format!("a blank is missing: write <{word} {}>", { &heading.word[word.len()..] })
        }
        (None, Some(near)) => format!("did you mean <{near}>?"),
        (None, None) => format!("there are: {}", words().collect::<Vec<_>>().join(", ")),
    };
    (what, remedy)
}

/// What is wrong with a line that the original took for a variable, though it is none.
fn no_variable(kind: Kind, key: &str, value: &str) -> Option<(String, String)> {
    let own_line = "put the comment on a line of its own";
    if key.starts_with('<') {
        let what = "this is no tag";
        let remedy = if value.contains('#') || value.contains('>') && !value.ends_with('>') {
            format!("nothing may stand behind a tag: {own_line}")
        } else {
            "write <WORD>, <WORD NAME>, </WORD> or <WORD NAME/>; a name has letters, digits, _ and \
             -"
            .to_owned()
        };
        return Some((what.to_owned(), remedy));
    }
    if key == "include" {
        let what = "takes one name and nothing else";
        let remedy = match conf::cut_comment(value, false) {
            (_, Some(_)) if kind == Kind::Top => own_line.to_owned(),
            _ if value.is_empty() => "write include mmm_common.conf".to_owned(),
            _ => "write one include for each file, outside of all sections".to_owned(),
        };
        return Some((what.to_owned(), remedy));
    }
    if kind == Kind::Top
        && let Some(section) = Kind::parse(key)
    {
        let word = section.word();
        let head = if section.is_named() {
            format!("<{word} {}>", value.split_whitespace().next().unwrap_or("NAME"))
        } else {
            format!("<{word}>")
        };
        let what = "is a section, not a variable".to_owned();
        return Some((what, format!("write {head}, its lines, and </{word}>")));
    }
    None
}
