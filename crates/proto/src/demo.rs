//! What may be asked of a demo and of nothing else: to break the simulated cluster. What can be
//! broken is the demo's to know; here are only the words around it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A request to a demo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "demo", rename_all = "snake_case")]
pub enum Demo {
    /// Do that to the cluster, in the words that [`Demo::Faults`] lists.
    Fault { what: String },
    /// What can be done, one line each.
    Faults,
    /// End every fault and start everything that is dead.
    Calm,
}

/// The word that these begin with, behind `mmm-control` and on the console's `:` line.
pub const WORD: &str = "demo";

/// How it is written.
pub const USAGE: &str = "demo faults | demo fault <words> | demo calm";

impl Demo {
    /// Reads the words behind `demo`.
    ///
    /// # Errors
    /// Says what may stand there.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        match words.as_slice() {
            ["fault"] => Err("demo fault takes words: `demo faults` lists them".to_owned()),
            ["fault", what @ ..] => Ok(Self::Fault { what: what.join(" ") }),
            ["faults"] => Ok(Self::Faults),
            ["calm"] => Ok(Self::Calm),
            [] => Err(format!("demo alone means nothing; write {USAGE}")),
            other => Err(format!("unknown words {:?}; write {USAGE}", other.join(" "))),
        }
    }

    /// Whether it changes anything.
    pub const fn acts(&self) -> bool {
        !matches!(self, Self::Faults)
    }
}

/// As it is typed.
impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { what } => write!(f, "demo fault {what}"),
            Self::Faults => f.write_str("demo faults"),
            Self::Calm => f.write_str("demo calm"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed_again() {
        for line in ["demo fault kill server db1", "demo faults", "demo calm"] {
            let words: Vec<&str> = line.split(' ').skip(1).collect();
            let demo = Demo::parse(&words).unwrap_or_else(|why| panic!("{line}: {why}"));
            assert_eq!(demo.to_string(), line);
            let json = serde_json::to_string(&demo).unwrap();
            assert_eq!(serde_json::from_str::<Demo>(&json).unwrap(), demo, "{json}");
        }
    }

    #[test]
    fn wrong_words_are_told_what_is_right() {
        for (line, wants) in [
            ("", "demo faults | demo fault <words>"),
            ("fault", "`demo faults` lists them"),
            ("explode now", "unknown words \"explode now\"; write demo faults"),
            ("calm db1", "unknown words \"calm db1\""),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let error = Demo::parse(&words).unwrap_err();
            assert!(error.contains(wants), "{line}: {error}");
        }
    }
}
