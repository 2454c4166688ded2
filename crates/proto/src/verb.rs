//! The words of `mmm-control` and of the console's `:` line. Prompt, help, command line and
//! refusals read the same table, so they cannot disagree.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::Check;
use crate::name::{HostName, RoleName};

/// Something that a person may ask of the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    Help,
    Ping,
    Show,
    /// `None` is `all`.
    Checks {
        host: Option<HostName>,
        check: Option<Check>,
    },
    Mode,
    /// Why things are as they are: of the cluster, of a host or of a role. Made from the picture,
    /// never sent.
    Explain {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<HostName>,
    },
    /// Look at everything that safety rests on; of one host, or of all.
    Doctor {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<HostName>,
    },
    SetOnline {
        host: HostName,
    },
    SetOffline {
        host: HostName,
    },
    SetActive,
    SetManual,
    SetPassive,
    MoveRole {
        role: RoleName,
        host: HostName,
        /// To a late or failed host; what is missing there is lost.
        force: bool,
        /// End the statements and transactions that hold up the freeze.
        kill: bool,
    },
    SetIp {
        ip: IpAddr,
        host: HostName,
    },
}

/// One row of the table of verbs.
#[derive(Debug)]
pub struct Word {
    /// What is typed.
    pub word: &'static str,
    /// The arguments, as the help shows them.
    pub arguments: &'static str,
    /// One line.
    pub help: &'static str,
    /// Whether it changes anything.
    pub acts: bool,
}

const fn word(word: &'static str, arguments: &'static str, help: &'static str) -> Word {
    Word { word, arguments, help, acts: false }
}

const fn act(word: &'static str, arguments: &'static str, help: &'static str) -> Word {
    Word { word, arguments, help, acts: true }
}

/// Every verb, in the order of the help.
pub const WORDS: &[Word] = &[
    word("help", "", "show this message"),
    word("ping", "", "ping monitor"),
    word("show", "", "show status"),
    word("checks", "[<host>|all [<check>|all]]", "show checks status"),
    word("explain", "[<host>|<role>]", "tell why things are as they are, and what is in the way"),
    word("doctor", "[<host>]", "examine what safety rests on, with a remedy for each finding"),
    act("set_online", "<host>", "set host <host> online"),
    act("set_offline", "<host>", "set host <host> offline"),
    word("mode", "", "print current mode"),
    act("set_active", "", "switch into active mode"),
    act("set_manual", "", "switch into manual mode"),
    act("set_passive", "", "switch into passive mode"),
    act(
        "move_role",
        "[--force] [--kill] <role> <host>",
        "move role <role> to host <host>; for a balanced role, take its VIPs off <host>",
    ),
    act("set_ip", "<ip> <host>", "set role with ip <ip> to host <host> (only in passive mode)"),
];

/// Why words are no verb. Prints the original's first line; the caller adds the help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid command '{given}': {why}")]
pub struct VerbError {
    pub given: String,
    pub why: String,
}

impl Verb {
    /// Reads words as they are typed behind `mmm-control`.
    ///
    /// # Errors
    /// Says what is wrong and what the verb takes.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, VerbError> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        parse(&words).map_err(|why| VerbError { given: words.join(" "), why })
    }

    /// The word of this verb in [`WORDS`].
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Ping => "ping",
            Self::Show => "show",
            Self::Checks { .. } => "checks",
            Self::Mode => "mode",
            Self::Explain { .. } => "explain",
            Self::Doctor { .. } => "doctor",
            Self::SetOnline { .. } => "set_online",
            Self::SetOffline { .. } => "set_offline",
            Self::SetActive => "set_active",
            Self::SetManual => "set_manual",
            Self::SetPassive => "set_passive",
            Self::MoveRole { .. } => "move_role",
            Self::SetIp { .. } => "set_ip",
        }
    }

    /// Whether it changes anything.
    pub fn acts(&self) -> bool {
        WORDS.iter().any(|row| row.word == self.word() && row.acts)
    }
}

/// The verb as it is typed.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Checks { host, check } => {
                if let Some(host) = host {
                    write!(f, " {host}")?;
                } else if check.is_some() {
                    f.write_str(" all")?;
                }
                check.map_or(Ok(()), |check| write!(f, " {check}"))
            }
            Self::Explain { name } | Self::Doctor { host: name } => {
                name.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))
            }
            Self::SetOnline { host } | Self::SetOffline { host } => write!(f, " {host}"),
            Self::MoveRole { role, host, force, kill } => {
                let force = if *force { " --force" } else { "" };
                let kill = if *kill { " --kill" } else { "" };
                write!(f, "{force}{kill} {role} {host}")
            }
            Self::SetIp { ip, host } => write!(f, " {ip} {host}"),
            _ => Ok(()),
        }
    }
}

fn parse(words: &[&str]) -> Result<Verb, String> {
    let Some((first, rest)) = words.split_first() else {
        return Err("no command given".to_owned());
    };
    let Some(row) = WORDS.iter().find(|row| row.word == *first) else {
        return Err(unknown(first));
    };
    let takes = || {
        let arguments = if row.arguments.is_empty() { "no arguments" } else { row.arguments };
        format!("{} takes {arguments}", row.word)
    };
    let (flags, plain): (Vec<&str>, Vec<&str>) =
        rest.iter().partition(|word| word.starts_with("--"));
    if let Some(flag) =
        flags.iter().find(|flag| row.word != "move_role" || !matches!(**flag, "--force" | "--kill"))
    {
        return Err(format!("unknown option {flag}; {}", takes()));
    }
    let host = |text: &str| HostName::parse(text).map_err(|error| error.to_string());
    match (row.word, plain.as_slice()) {
        ("help", []) => Ok(Verb::Help),
        ("ping", []) => Ok(Verb::Ping),
        ("show", []) => Ok(Verb::Show),
        ("mode", []) => Ok(Verb::Mode),
        ("explain", []) => Ok(Verb::Explain { name: None }),
        // Hosts and roles are named alike; the picture knows which it is.
        ("explain", [name]) => Ok(Verb::Explain { name: Some(host(name)?) }),
        ("doctor", []) => Ok(Verb::Doctor { host: None }),
        ("doctor", [name]) => Ok(Verb::Doctor { host: Some(host(name)?) }),
        ("set_active", []) => Ok(Verb::SetActive),
        ("set_manual", []) => Ok(Verb::SetManual),
        ("set_passive", []) => Ok(Verb::SetPassive),
        ("checks", [] | ["all"] | ["all", "all"]) => Ok(Verb::Checks { host: None, check: None }),
        ("checks", [name]) => Ok(Verb::Checks { host: Some(host(name)?), check: None }),
        ("checks", [name, check]) => {
            let name = if *name == "all" { None } else { Some(host(name)?) };
            let check = match *check {
                "all" => None,
                word => Some(Check::parse(word).ok_or_else(|| {
                    let all = Check::ALL.map(Check::word).join(", ");
                    format!("unknown check {word:?}; checks are {all} and all")
                })?),
            };
            Ok(Verb::Checks { host: name, check })
        }
        ("set_online", [name]) => Ok(Verb::SetOnline { host: host(name)? }),
        ("set_offline", [name]) => Ok(Verb::SetOffline { host: host(name)? }),
        ("move_role", [role, name]) => Ok(Verb::MoveRole {
            role: RoleName::parse(role).map_err(|error| error.to_string())?,
            host: host(name)?,
            force: flags.contains(&"--force"),
            kill: flags.contains(&"--kill"),
        }),
        ("set_ip", [ip, name]) => Ok(Verb::SetIp {
            ip: ip.parse().map_err(|_| format!("{ip:?} is not an IP address"))?,
            host: host(name)?,
        }),
        _ => Err(takes()),
    }
}

/// The refusal of an unknown word, with the nearest known one.
fn unknown(given: &str) -> String {
    let near = WORDS.iter().min_by_key(|row| distance(given, row.word));
    match near {
        Some(row) if distance(given, row.word) <= 3 => {
            format!("unknown command; did you mean {:?}?", row.word)
        }
        _ => "unknown command".to_owned(),
    }
}

/// Edits between two short words (Levenshtein). The protocol crate has no other use for a string
/// library.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The list of commands that `help` prints.
pub fn help() -> String {
    use fmt::Write as _;
    let mut text = String::from("Valid commands are:\n");
    let left = |row: &Word| match row.arguments {
        "" => row.word.to_owned(),
        arguments => format!("{} {arguments}", row.word),
    };
    let width = WORDS.iter().map(|row| left(row).len()).max().unwrap_or(0);
    for row in WORDS {
        let _ = writeln!(text, "    {:<width$} - {}", left(row), row.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed_again() {
        for line in [
            "help",
            "ping",
            "show",
            "checks",
            "checks db1",
            "checks all rep_backlog",
            "checks db1 mysql",
            "mode",
            "explain",
            "explain db2",
            "doctor",
            "doctor db1",
            "set_online db1",
            "set_offline db-2.x",
            "set_active",
            "set_manual",
            "set_passive",
            "move_role writer db2",
            "move_role --force writer db2",
            "move_role --kill writer db2",
            "move_role --force --kill writer db2",
            "set_ip 10.0.0.1 db1",
            "set_ip fd00::1 db1",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let verb = Verb::parse(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(verb.to_string(), line);
            let json = serde_json::to_string(&verb).unwrap();
            assert_eq!(serde_json::from_str::<Verb>(&json).unwrap(), verb, "{json}");
        }
        assert_eq!(
            Verb::parse(&["move_role", "writer", "db2", "--force"]).unwrap().word(),
            "move_role"
        );
    }

    #[test]
    fn wrong_words_are_told_what_is_right() {
        for (line, wants) in [
            ("", "no command given"),
            ("shwo", "did you mean \"show\"?"),
            ("explode", "unknown command"),
            ("set_online", "set_online takes <host>"),
            ("set_online db1 db2", "set_online takes <host>"),
            ("show --force", "unknown option --force; show takes no arguments"),
            ("move_role writer", "move_role takes [--force] [--kill] <role> <host>"),
            ("move_role --fast writer db1", "unknown option --fast"),
            ("set_ip 10.0.0 db1", "\"10.0.0\" is not an IP address"),
            ("checks db1 pong", "unknown check \"pong\"; checks are ping, mysql"),
            ("set_offline db/1", "is not a host name"),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let error = Verb::parse(&words).unwrap_err().to_string();
            assert!(error.contains(wants), "{line}: {error}");
            assert!(error.starts_with("Invalid command '"), "{error}");
        }
    }

    #[test]
    fn help_names_every_verb_once() {
        let help = help();
        for row in WORDS {
            assert_eq!(help.matches(&format!("    {} ", row.word)).count(), 1, "{}", row.word);
        }
    }
}
