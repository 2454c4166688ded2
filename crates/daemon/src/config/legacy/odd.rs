//! Lines and values that the original takes silently and that are surely not meant so. Never shows
//! a secret: a line without a blank may be a key with its password.

use mmm_proto::conf;

use super::super::files::Files;
use super::super::keys::{self, KEYS, Kind, Preset};
use super::super::report::Place;
use super::super::tree::{Section, Value};
use super::typed::{Shape, shape, typed};

/// The longest key that a word begins with, when both are written without a blank between.
fn glued(word: &str) -> Option<&'static str> {
    let names = KEYS.iter().map(|key| key.name).filter(|name| word.starts_with(name));
    names.max_by_key(|name| name.len())
}

/// A key as messages show it; what may hold a secret behind it is left off.
pub(super) fn shown_key(key: &str) -> String {
    match glued(key) {
        Some(name) if keys::is_secret(name) && name != key && keys::twin(key).is_none() => {
            format!("{name}...")
        }
        _ => keys::shown(key),
    }
}

/// What is wrong with a word alone on its line.
pub(super) fn no_value(word: &str) -> (String, String) {
    let shown = shown_key(word);
    match glued(word) {
        Some(name) if name == word => {
            (format!("{shown} has no value"), format!("write {name} VALUE"))
        }
        Some(name) => (
            format!("{shown} is one word"),
            format!("write a blank between the key and its value: {name} VALUE"),
        ),
        None if Kind::parse(word).is_some() => {
            (format!("{shown} is a section"), format!("write <{word}>, its lines, and </{word}>"))
        }
        // Whatever it is, it is no key: perhaps the rest of a password that an editor wrapped.
        None => (
            "one word stands alone, which is no key (it is not shown, it may be part of a secret)"
                .to_owned(),
            "write KEY VALUE, or join it with the line above".to_owned(),
        ),
    }
}

impl Files {
    /// The value of a variable as it is meant, with whatever is odd about it told.
    pub(super) fn value(
        &mut self,
        section: &Section,
        key: &str,
        written: &str,
        place: &Place,
    ) -> Value {
        let secret = keys::is_secret(key);
        let path = section.path(&keys::shown(key));
        let used = keys::find(section.kind, key)
            .is_some_and(|key| !matches!(key.preset, Preset::Unused(_)));
        let (value, cut) = conf::cut_comment(written, secret);
        if let (Some(cut), true) = (cut, used) {
            self.cut(place, &path, key, Some(cut).filter(|_| !secret));
        }
        if used {
            self.marks(place, &path, value, secret);
        }
        if shape(section.kind, key) == Shape::List {
            return self.list(place, &path, value);
        }
        typed(section.kind, key, value)
    }

    fn cut(&mut self, place: &Place, path: &str, key: &str, comment: Option<&str>) {
        let (what, remedy) = match comment {
            Some(comment) => (
                format!(
                    "{} is cut off as a comment; the original took it into the value",
                    Value::Text(comment.to_owned()).quoted()
                ),
                "put comments on lines of their own".to_owned(),
            ),
            None => (
                "what follows the blank and # is cut off as a comment; the original took it into \
                 the secret"
                    .to_owned(),
                format!("put a secret that holds a blank and # into a file: {key}_file NAME"),
            ),
        };
        self.warning(place.clone(), path, what, remedy);
    }

    /// Marks that belong to other kinds of files.
    fn marks(&mut self, place: &Place, path: &str, value: &str, secret: bool) {
        if value == "=" || value.starts_with("= ") {
            let what = "the = is part of the value".to_owned();
            let remedy = "write KEY VALUE, without =";
            if secret {
                self.warning(place.clone(), path, what, remedy);
            } else {
                self.mistake(place.clone(), path, what, remedy);
            }
        }
        let mut ends = (value.chars().next(), value.chars().next_back());
        if value.len() < 2 {
            ends = (None, None);
        }
        if let (Some('"'), Some('"')) | (Some('\''), Some('\'')) = ends {
            let what = "the quotes are part of the value".to_owned();
            self.warning(place.clone(), path, what, "leave them off, if they are not meant");
        }
        if secret && conf::foreign(&format!("x {value}")).is_some() {
            let what = "looks like a place in a template that was not filled in".to_owned();
            self.warning(place.clone(), path, what, "check it");
        }
    }

    /// A list. What separates nothing is a mistake, and the list is gone on with as it was meant.
    fn list(&mut self, place: &Place, path: &str, value: &str) -> Value {
        let foreign = |c: char| matches!(c, '\u{ff0c}' | '\u{3001}' | ';');
        let between = |c: char| foreign(c) || c.is_whitespace();
        let mut items = Vec::new();
        for item in conf::items(value) {
            let parts: Vec<&str> = item.split(between).filter(|part| !part.is_empty()).collect();
            if parts.len() < 2 && !item.contains(foreign) {
                items.push(item);
                continue;
            }
            let what = format!("{} is one item", Value::Text(item.to_owned()).quoted());
            let remedy = "separate the items with commas: a, b, c";
            self.mistake(place.clone(), path, what, remedy);
            // What is no item, such as a remark in parentheses, would only be told again.
            items.extend(parts.first());
        }
        let item = |item: &str| (Value::Text(item.to_owned()), place.clone());
        Value::List(items.into_iter().map(item).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::no_value;

    #[test]
    fn a_word_that_is_no_key_is_not_shown() {
        let (what, remedy) = no_value("s3cr3t-rest");
        assert!(!format!("{what} {remedy}").contains("s3cr3t"), "{what}; {remedy}");
        assert_eq!(no_value("ip").0, "ip has no value");
    }
}
