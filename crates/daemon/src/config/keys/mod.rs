//! The one table of keys: which section has which key, its default or a sample, and which keys of
//! the original are accepted without being used. What a value may be is not here.

mod table;

pub(super) use table::KEYS;

use super::tree::Value;
use Kind::Top;
use Preset::Unused;

/// A kind of section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Top,
    Monitor,
    Move,
    Host,
    Role,
    Check,
    Socket,
    CopyMethod,
}

impl Kind {
    const SECTIONS: [Self; 7] = [
        Self::Monitor,
        Self::Move,
        Self::Host,
        Self::Role,
        Self::Check,
        Self::Socket,
        Self::CopyMethod,
    ];

    /// The word between the brackets.
    pub(in crate::config) const fn word(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Monitor => "monitor",
            Self::Move => "move",
            Self::Host => "host",
            Self::Role => "role",
            Self::Check => "check",
            Self::Socket => "socket",
            Self::CopyMethod => "copy_method",
        }
    }

    pub(in crate::config) fn parse(word: &str) -> Option<Self> {
        Self::SECTIONS.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the section is written `[kind.NAME]`.
    pub(in crate::config) const fn is_named(self) -> bool {
        matches!(self, Self::Host | Self::Role | Self::Check | Self::CopyMethod)
    }

    /// Whether `[kind.default]` fills the other sections of the kind.
    pub(in crate::config) const fn has_template(self) -> bool {
        matches!(self, Self::Host | Self::Check | Self::CopyMethod)
    }

    /// How the section is written, such as `[host.NAME]`.
    pub(in crate::config) fn heading(self) -> String {
        if self.is_named() {
            format!("[{}.NAME]", self.word())
        } else {
            format!("[{}]", self.word())
        }
    }
}

/// What becomes of a key that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Preset {
    Text(&'static str),
    Number(i64),
    Flag(bool),
    /// An empty list.
    Nothing,
    /// No default; a sample for the remedy instead, as it would be written.
    Sample(&'static str),
    /// A key of the original without use here, and why.
    Unused(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) preset: Preset,
}

impl Key {
    /// The default as if it had been written.
    pub(in crate::config) fn default(&self) -> Option<Value> {
        match self.preset {
            Preset::Text(text) => Some(Value::Text(text.to_owned())),
            Preset::Number(number) => Some(Value::Integer(number)),
            Preset::Flag(flag) => Some(Value::Bool(flag)),
            Preset::Nothing => Some(Value::List(Vec::new())),
            Preset::Sample(_) | Preset::Unused(_) => None,
        }
    }
}

/// The key of that name in a kind of section.
pub(in crate::config) fn find(kind: Kind, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.kind == kind && key.name == name)
}

/// Whether the key's text is a secret.
pub(in crate::config) fn is_secret(name: &str) -> bool {
    name.ends_with("_password") || name == "cluster_key"
}

/// `x_password` for `x_password_file` and the other way round; likewise `cluster_key`.
pub(in crate::config) fn twin(name: &str) -> Option<String> {
    if is_secret(name) {
        return Some(format!("{name}_file"));
    }
    name.strip_suffix("_file").filter(|base| is_secret(base)).map(str::to_owned)
}

/// The key of that section kind that a misspelt one most likely means.
pub(in crate::config) fn meant(kind: Kind, name: &str) -> Option<&'static str> {
    let used = KEYS.iter().filter(|key| key.kind == kind && !matches!(key.preset, Unused(_)));
    nearest(name, used.map(|key| key.name))
}

/// What to do about a name that is none of `names`: the one that is meant, or all.
pub(in crate::config) fn remedy_for_name(name: &str, names: &[&str]) -> String {
    let far: Vec<usize> =
        names.iter().map(|near| strsim::damerau_levenshtein(name, near)).collect();
    let least = far.iter().copied().min().unwrap_or(usize::MAX);
    let alone = far.iter().filter(|far| **far == least).count() == 1;
    match nearest(name, names.iter().copied()) {
        Some(near) if alone => format!("did you mean {near:?}?"),
        _ => format!("there are: {}", names.join(", ")),
    }
}

/// The nearest of `candidates`, if one is near enough to be meant.
pub(in crate::config) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(far, candidate)| *far <= (candidate.len() / 3).max(1))
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// What to do about a key that its section does not have.
pub(in crate::config) fn remedy_for_unknown(kind: Kind, name: &str) -> String {
    if name == "include" {
        return "it belongs at the top of the file, before the first [section]".to_owned();
    }
    let used = |key: &&Key| !matches!(key.preset, Unused(_));
    let here = KEYS.iter().filter(used).filter(|key| key.kind == kind).map(|key| key.name);
    let words = Kind::SECTIONS.into_iter().map(Kind::word);
    let near = if kind == Top { nearest(name, here.chain(words)) } else { nearest(name, here) };
    if let Some(near) = near {
        return match Kind::parse(near) {
            Some(section) if kind == Top => {
                format!("did you mean the section {}?", section.heading())
            }
            _ => format!("did you mean {near:?}?"),
        };
    }
    match KEYS.iter().filter(used).find(|key| key.name == name) {
        Some(key) if key.kind == Top => {
            "it belongs at the top of the file, before the first [section]".to_owned()
        }
        Some(key) => format!("it belongs in {}", key.kind.heading()),
        None => "remove it, or see config/README.md for the keys that exist".to_owned(),
    }
}

/// A key or section name as messages show it: quoted when it is not plain.
pub(in crate::config) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("{:?}", name.chars().take(64).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::{Check, CopyMethod, Host, Move, Role, Socket};
    use super::*;

    #[test]
    fn no_key_stands_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            let again = KEYS[at + 1..].iter().any(|k| k.kind == key.kind && k.name == key.name);
            assert!(!again, "{:?} {}", key.kind, key.name);
        }
    }

    #[test]
    fn every_secret_has_its_file() {
        for key in KEYS.iter().filter(|key| is_secret(key.name)) {
            let unused = matches!(key.preset, Unused(_));
            let file = twin(key.name).unwrap();
            assert_eq!(find(key.kind, &file).is_some(), !unused, "{}", key.name);
            assert_eq!(twin(&file).as_deref(), Some(key.name));
        }
        assert_eq!(twin("cert_file"), None);
    }

    /// The heading under which a line of the examples stands, and the key that it gives.
    fn example_keys() -> Vec<(Kind, &'static str)> {
        let mut keys = Vec::new();
        for text in [
            include_str!("../../../../../config/mmm_common.toml"),
            include_str!("../../../../../config/mmm_agent.toml"),
            include_str!("../../../../../config/mmm_mon.toml"),
        ] {
            let mut kind = Top;
            for line in text.lines() {
                if let Some(head) = line.strip_prefix('[') {
                    let word = head.trim_end_matches(']').split('.').next().unwrap();
                    kind = Kind::parse(word).unwrap();
                } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") {
                    keys.push((kind, key));
                }
            }
        }
        keys
    }

    #[test]
    fn every_key_is_in_the_examples() {
        let examples = example_keys();
        for key in KEYS.iter().filter(|key| !matches!(key.preset, Unused(_))) {
            let there = examples.contains(&(key.kind, key.name));
            assert!(there, "{} {} is in no example", key.kind.heading(), key.name);
        }
        for (kind, name) in examples {
            let known = find(kind, name).is_some_and(|key| !matches!(key.preset, Unused(_)));
            assert!(known, "the examples give {name} in {}", kind.heading());
        }
    }

    #[test]
    fn every_key_is_in_the_readme() {
        let readme = include_str!("../../../../../config/README.md");
        let families =
            ["ssh_", "tools_", "lvm_", "iptables_", "agent_", "monitor_", "replication_"];
        for key in KEYS {
            let family = families.iter().any(|f| {
                key.name.starts_with(f) && readme.contains(&format!("`{f}*"))
                    || key.name.starts_with("iptables_") && readme.contains("`iptables_*_cmd`")
            });
            let copy = key.kind == CopyMethod && readme.contains("`<copy_method>`");
            let socket = key.kind == Socket && readme.contains("`<socket>`");
            let secret_file = key.name == "cluster_key_file" || key.kind == Move;
            let there = readme.contains(&format!("`{}`", key.name));
            assert!(
                there || family || copy || socket || secret_file,
                "{} is not told of",
                key.name
            );
        }
    }

    #[test]
    fn what_was_meant_is_named() {
        for (kind, name, remedy) in [
            (Host, "agent_pasword", "did you mean \"agent_password\"?"),
            (Host, "IP", "did you mean \"ip\"?"),
            (Top, "hots", "did you mean the section [host.NAME]?"),
            (Host, "this", "it belongs at the top of the file, before the first [section]"),
            (Check, "lease_ttl", "it belongs in [monitor]"),
            (Role, "qqqqqq", "remove it, or see config/README.md for the keys that exist"),
        ] {
            assert_eq!(remedy_for_unknown(kind, name), remedy);
        }
    }
}
