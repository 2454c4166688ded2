//! What an examination finds: one value a check, and the text that people read. Pure; who looks at
//! what is the business of agent and monitor.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a finding is to be taken. The worst comes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FindingLevel")]
pub enum Level {
    /// Safety or service rests on it, and it is not so.
    Bad,
    /// It may cost something one day, or it could not be found out.
    Warn,
    /// As it should be.
    Ok,
}

impl Level {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bad => "BAD",
            Self::Warn => "warn",
            Self::Ok => "ok",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The host, or `monitor`.
    pub subject: String,
    /// What was looked at, in a word or two.
    pub check: String,
    pub level: Level,
    /// What was found, in a sentence.
    pub what: String,
    /// What to do about it: a command to paste where there is one. Empty when all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Findings about one subject, as they are made.
#[derive(Debug)]
pub struct Findings {
    subject: String,
    all: Vec<Finding>,
}

impl Findings {
    /// None yet.
    pub fn of(subject: &str) -> Self {
        Self { subject: subject.to_owned(), all: Vec::new() }
    }

    /// As it should be.
    pub fn ok(&mut self, check: &str, what: impl Into<String>) {
        self.add(check, Level::Ok, what.into(), String::new());
    }

    /// May cost something one day, or could not be found out.
    pub fn warn(&mut self, check: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(check, Level::Warn, what.into(), remedy.into());
    }

    /// Not as it must be.
    pub fn bad(&mut self, check: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(check, Level::Bad, what.into(), remedy.into());
    }

    fn add(&mut self, check: &str, level: Level, what: String, remedy: String) {
        let (subject, check) = (self.subject.clone(), check.to_owned());
        self.all.push(Finding { subject, check, level, what, remedy });
    }

    /// All of them.
    pub fn done(self) -> Vec<Finding> {
        self.all
    }
}

/// Whether nothing is bad.
pub fn healthy(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level != Level::Bad)
}

/// The longest line; remedies are not broken, so that they can be pasted.
const WIDTH: usize = 78;
/// Where the words of a finding begin.
const INDENT: &str = "      ";

/// The text for people: the worst first, then in the order in which they were made; what is as it
/// should be in a line for each subject.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let of = |level| findings.iter().filter(move |finding| finding.level == level);
    let count = |level| of(level).count();
    for finding in of(Level::Bad).chain(of(Level::Warn)) {
        let line = format!("{}: {}: {}", finding.subject, finding.check, finding.what);
        put(&mut text, finding.level, &line);
        for line in finding.remedy.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{INDENT}-> {line}");
        }
    }
    let mut fine: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in of(Level::Ok) {
        match fine.iter_mut().find(|(subject, _)| *subject == finding.subject) {
            Some((_, checks)) => checks.push(&finding.check),
            None => fine.push((&finding.subject, vec![&finding.check])),
        }
    }
    for (subject, checks) in fine {
        put(&mut text, Level::Ok, &format!("{subject}: {}", checks.join(", ")));
    }
    let _ = writeln!(
        text,
        "{} bad, {} to think about, {} as they should be",
        count(Level::Bad),
        count(Level::Warn),
        count(Level::Ok)
    );
    text
}

fn put(text: &mut String, level: Level, line: &str) {
    for (at, line) in wrap(line, WIDTH - INDENT.len()).into_iter().enumerate() {
        let head = if at == 0 { level.word() } else { "" };
        let _ = writeln!(text, "{head:<6}{line}");
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let length = lines[last].chars().count() + word.chars().count();
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if length < width {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_remedies_can_be_pasted() {
        let mut found = Findings::of("db1");
        found.ok("clock", "steady");
        found.warn("semi-sync", "off: a failover may lose what was acknowledged", "");
        let long = "GRANT SELECT ON mysql.* TO 'mmm_agent'@'10.0.0.0/255.255.255.0'; -- as root of the server";
        found.bad("privileges of the agent's account", "x ".repeat(60), long);
        let found = found.done();
        assert!(!healthy(&found) && healthy(&found[..2]));
        let text = text(&found);
        assert!(text.starts_with("BAD   db1: privileges of the agent's account: x x"), "{text}");
        assert!(text.contains(&format!("      -> {long}\n")), "{text}");
        assert!(text.lines().filter(|l| !l.contains("->")).all(|l| l.len() <= 78), "{text}");
        let place = |word| text.find(word).unwrap();
        assert!(place("warn") < place("ok    "), "{text}");
        assert!(text.ends_with("1 bad, 1 to think about, 1 as they should be\n"), "{text}");
    }
}
