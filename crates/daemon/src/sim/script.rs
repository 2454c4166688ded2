//! A run as text: what the cluster is like, what happens when. Random plans, shrunk failures and
//! transcripts are written in it.
//!
//! ```text
//! seed 7
//! cluster hosts=3 semi_sync=on
//! at 2s kill server db1
//! run 5s
//! control move_role writer db1
//! run 10s
//! ```
//!
//! `at` counts from the beginning, `run` lets time pass, and a bare action happens at the present
//! moment. Lines that begin with `#` are for people.

use std::fmt;

use mmm_proto::Span;

use super::action::Action;
use super::config::WorldConfig;
use super::text::{number, span, span_word};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub config: WorldConfig,
    pub seed: u64,
    /// What happens, and when after the beginning; in order of time.
    pub steps: Vec<(Span, Action)>,
    /// How long it lasts.
    pub end: Span,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script =
            Self { config: WorldConfig::default(), seed: 0, steps: Vec::new(), end: Span::ZERO };
        let mut now = Span::ZERO;
        for (at, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            now = script.line(line, now).map_err(|why| format!("line {at}: {why}"))?;
            script.end = script.end.max(now);
        }
        script.steps.sort_by_key(|(at, _)| *at);
        Ok(script)
    }

    fn line(&mut self, line: &str, now: Span) -> Result<Span, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "cluster" => self.config = WorldConfig::parse(rest)?,
            "seed" => self.seed = number(rest)?,
            "run" => return Ok(now + span(rest)?),
            "at" => {
                let (when, action) = rest.split_once(' ').ok_or("write `at 2s kill server db1`")?;
                let when = span(when)?;
                self.steps.push((when, Action::parse(action)?));
                return Ok(now.max(when));
            }
            _ => self.steps.push((now, Action::parse(line)?)),
        }
        Ok(now)
    }
}

/// The text that [`Script::parse`] reads.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "cluster {}", self.config)?;
        let mut last = Span::ZERO;
        for (at, action) in &self.steps {
            writeln!(f, "at {} {action}", span_word(*at))?;
            last = *at;
        }
        if self.end > last { writeln!(f, "run {}", span_word(self.end.less(last))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_its_text() {
        let text = "# why\nseed 7\ncluster hosts=4\nrun 1s\nkill server db1\nrun 2.5s\n\
                    at 2s start server db1\ncontrol set_online db1\nrun 10s\n";
        let script = Script::parse(text).unwrap();
        let times: Vec<u64> = script.steps.iter().map(|(at, _)| at.as_ms()).collect();
        assert_eq!((times, script.end), (vec![1_000, 2_000, 3_500], Span::ms(13_500)));
        assert_eq!(Script::parse(&script.to_string()).unwrap(), script);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, why) in [
            ("seed x", "line 1: \"x\" is no number"),
            ("run 1s\nfly", "line 2"),
            ("at 2s", "line 1: write `at 2s"),
            ("cluster hosts=99", "line 1: hosts"),
        ] {
            let error = Script::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
