//! The `:` line: the words of `mmm-control`, completed by Tab.

use mmm_proto::ClusterView;
use mmm_proto::verb::WORDS;

/// The longest line that is taken.
const LENGTH_MAX: usize = 200;

/// What is typed behind `:`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    pub line: String,
}

impl Prompt {
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
            WORDS.iter().map(|row| row.word.to_owned()).collect()
        } else {
            arguments(&self.line[..start], view)
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
fn arguments(before: &str, view: Option<&ClusterView>) -> Vec<String> {
    let words: Vec<&str> = before.split_whitespace().collect();
    let takes =
        WORDS.iter().find(|row| Some(&row.word) == words.first()).map_or("", |row| row.arguments);
    let plain = words.iter().skip(1).filter(|word| !word.starts_with("--"));
    let place = plain.count();
    let wants =
        takes.split_whitespace().filter(|word| !word.starts_with("[--")).nth(place).unwrap_or("");
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
    if wants.contains("host") {
        return view.hosts.iter().map(|host| host.name.to_string()).collect();
    }
    Vec::new()
}

fn shared(a: &str, b: &str) -> String {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    same.map(|(a, _)| a).collect()
}
