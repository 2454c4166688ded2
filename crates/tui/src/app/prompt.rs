//! The line that is typed: behind `:` the words of `mmm-control` and of the console, completed by
//! Tab; behind `/` the words of a filter.

use mmm_proto::verb::WORDS;
use mmm_proto::{Check, ClusterView};

use super::rows::Words;

/// The longest line that is taken.
const LENGTH_MAX: usize = 200;

/// The console's own words behind `:`, with what may follow each.
pub const OWN: &[(&str, &[&str])] = &[("quit", &[]), ("stop", &[]), ("mouse", &["on", "off"])];

/// What is typed behind `:` or `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    pub line: String,
    /// Whether it is a filter and not a command.
    pub filters: bool,
}

impl Prompt {
    /// A filter that goes on from the present one.
    pub fn filter(words: &Words) -> Self {
        Self { line: words.0.clone(), filters: true }
    }

    /// The line as it is seen.
    pub fn shown(&self) -> String {
        format!("{}{}_", if self.filters { '/' } else { ':' }, self.line)
    }

    /// Adds a letter.
    pub fn push(&mut self, c: char) {
        if self.line.len() < LENGTH_MAX && !c.is_control() {
            self.line.push(c);
        }
    }

    /// Completes the last word as far as it is certain; gives the choices when there are several.
    pub fn complete(&mut self, view: Option<&ClusterView>) -> Vec<String> {
        let start = self.line.rfind(' ').map_or(0, |space| space + 1);
        let begun = self.line[start..].to_owned();
        let mut choices = if start == 0 {
            let verbs = WORDS.iter().map(|row| row.word.to_owned());
            verbs.chain(OWN.iter().map(|(word, _)| (*word).to_owned())).collect()
        } else {
            arguments(&self.line[..start], &begun, view)
        };
        choices.retain(|choice| choice.starts_with(&begun));
        let common = choices
            .iter()
            .skip(1)
            .fold(choices.first().cloned().unwrap_or_default(), |common, choice| {
                shared(&common, choice)
            });
        if common.len() > begun.len() {
            self.line.truncate(start);
            self.line.push_str(&common);
        }
        if let [only] = choices.as_slice() {
            if self.line.ends_with(only.as_str()) {
                self.line.push(' ');
            }
            choices.clear();
        }
        choices
    }
}

/// What may stand behind the words typed so far.
fn arguments(before: &str, begun: &str, view: Option<&ClusterView>) -> Vec<String> {
    let words: Vec<&str> = before.split_whitespace().collect();
    if let [word] = words.as_slice()
        && let Some((_, follow)) = OWN.iter().find(|(own, _)| own == word)
    {
        let plan = view.and_then(|view| view.running.as_ref()).filter(|_| *word == "stop");
        let plan = plan.map(|running| running.plan.to_string());
        return follow.iter().map(|word| (*word).to_owned()).chain(plan).collect();
    }
    let takes =
        WORDS.iter().find(|row| Some(&row.word) == words.first()).map_or("", |row| row.arguments);
    let plain = words.iter().skip(1).filter(|word| !word.starts_with("--"));
    let place = plain.count();
    let wants =
        takes.split_whitespace().filter(|word| !word.starts_with("[--")).nth(place).unwrap_or("");
    let flags = takes.split_whitespace().filter_map(|word| word.strip_prefix("[--"));
    let flags: Vec<String> =
        flags.map(|word| format!("--{}", word.trim_end_matches(']'))).collect();
    if begun.starts_with('-') {
        return flags.into_iter().filter(|flag| !words.contains(&flag.as_str())).collect();
    }
    let Some(view) = view else {
        return Vec::new();
    };
    if wants.contains("host") && wants.contains("role") {
        let hosts = view.hosts.iter().map(|host| host.name.to_string());
        return hosts.chain(view.roles.iter().map(|role| role.name.to_string())).collect();
    }
    if wants.contains("role") {
        return view.roles.iter().map(|role| role.name.to_string()).collect();
    }
    if wants.contains("ip") {
        let vips = view.roles.iter().flat_map(|role| &role.vips);
        return vips.map(|vip| vip.ip.to_string()).collect();
    }
    if wants.contains("check") {
        return Check::ALL.iter().map(|check| check.word().to_owned()).collect();
    }
    if wants.contains("host") {
        return view.hosts.iter().map(|host| host.name.to_string()).collect();
    }
    Vec::new()
}

fn shared(a: &str, b: &str) -> String {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    same.map(|(a, _)| a).collect()
}
