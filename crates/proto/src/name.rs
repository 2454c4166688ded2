//! Names of hosts, roles and clusters: checked once when they enter, cheap to clone afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name, in characters. Sixty-four is what a host name label and a column can bear.
pub const NAME_MAX: usize = 64;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what} name: {why}; use 1 to 64 letters, digits, '_', '-' or '.'")]
pub struct NameError {
    /// "host", "role" or "cluster".
    pub what: &'static str,
    /// What was given, cut to a printable length.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > NAME_MAX {
        "it is too long"
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        "it has a character that does not belong in a name"
    } else if text.starts_with(['-', '.']) {
        "it begins with '-' or '.'"
    } else {
        return Ok(());
    };
    Err(NameError { what, text: text.chars().take(NAME_MAX).collect(), why })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text and takes it as a name.
            ///
            /// # Errors
            /// Says what is wrong with the text and what a name looks like.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check($what, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        // Compared far more often than anything else is done with them, and the names of a cluster
        // mostly differ in their last letter only.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
                Arc::ptr_eq(&self.0, &other.0)
                    || (one.len() == two.len() && one.last() == two.last() && one == two)
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A database host, as the configuration calls it.
    HostName,
    "host"
);
name!(
    /// A role: a named set of VIPs and the hosts that may hold them.
    RoleName,
    "role"
);
name!(
    /// A cluster: one monitor and its hosts.
    ClusterName,
    "cluster"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_when_they_enter() {
        for good in ["db1", "a", "db-1.example_com", &"x".repeat(64)] {
            assert_eq!(HostName::parse(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", "empty"),
            ("db 1", "character"),
            ("db1;rm", "character"),
            ("-db1", "begins"),
            ("dbé", "character"),
        ] {
            let error = HostName::parse(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        assert!(HostName::parse(&"x".repeat(65)).is_err());
    }

    #[test]
    fn a_bad_name_does_not_come_in_by_the_wire() {
        assert!(serde_json::from_str::<RoleName>("\"wri ter\"").is_err());
        let role: RoleName = serde_json::from_str("\"writer\"").unwrap();
        assert_eq!(serde_json::to_string(&role).unwrap(), "\"writer\"");
    }
}
