//! From the text of a variable to the value that TOML would give: the shape of each key is taken
//! from the table of keys, so that a new key needs no second entry.

use mmm_proto::conf;

use super::super::keys::{self, Kind, Preset};
use super::super::secret::Secret;
use super::super::tree::Value;

/// What a key's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Secret,
    Number,
    Flag,
    List,
}

/// The shape of a key; text for what is not known or not used.
pub(super) fn shape(kind: Kind, key: &str) -> Shape {
    if keys::is_secret(key) {
        return Shape::Secret;
    }
    match keys::find(kind, key).map(|key| key.preset) {
        Some(Preset::Flag(_)) => Shape::Flag,
        Some(Preset::Number(_)) => Shape::Number,
        Some(Preset::Nothing) => Shape::List,
        // Times: seconds, or a text with a unit.
        Some(Preset::Text(text)) if humantime::parse_duration(text).is_ok() => Shape::Number,
        Some(Preset::Sample(text)) if text.starts_with('[') => Shape::List,
        Some(Preset::Sample(text)) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            Shape::Number
        }
        Some(Preset::Text(_) | Preset::Sample(_) | Preset::Unused(_)) | None => Shape::Text,
    }
}

/// The value of a key that is no list. What does not have the shape stays a text, and the rule of
/// the key refuses it.
pub(super) fn typed(kind: Kind, key: &str, text: &str) -> Value {
    let plain = || Value::Text(text.to_owned());
    match shape(kind, key) {
        Shape::Secret => Value::Secret(Secret::new(text)),
        Shape::Flag => conf::flag(text).map_or_else(plain, Value::Bool),
        Shape::Number => number(text).unwrap_or_else(plain),
        Shape::Text | Shape::List => plain(),
    }
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        return None;
    }
    let whole = text.parse().ok().map(Value::Integer);
    whole.or_else(|| text.parse().ok().map(Value::Float))
}
