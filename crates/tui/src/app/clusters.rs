//! Several clusters in one console: which there are, the picker, and what happens when another is
//! chosen. Everything of the old one is forgotten at once: nothing that was typed, planned or
//! running there can reach the other.

use super::cmd::Cmd;
use super::keys::{self, Place};
use super::msg::Key;
use super::{Layer, Model, Tone};

/// A cluster of `tui.toml`, as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// What a person calls it; the monitor may call it otherwise.
    pub name: String,
    /// A word for the header, such as PROD; may be empty.
    pub label: String,
    pub accent: Option<Accent>,
    /// Where its monitor is, for people.
    pub whereto: String,
    /// Why it cannot be gone to; empty when it can.
    pub off: String,
}

/// The colour of the label. One of the terminal's own, so that it fits any palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accent {
    Red,
    Yellow,
    Green,
    Cyan,
    Blue,
    Magenta,
}

/// All of them with their words.
const ACCENTS: [(&str, Accent); 6] = [
    ("red", Accent::Red),
    ("yellow", Accent::Yellow),
    ("green", Accent::Green),
    ("cyan", Accent::Cyan),
    ("blue", Accent::Blue),
    ("magenta", Accent::Magenta),
];

impl Accent {
    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        ACCENTS.iter().find(|(name, _)| *name == word).map(|(_, accent)| *accent)
    }

    /// All words.
    pub fn words() -> String {
        ACCENTS.map(|(word, _)| word).join(", ")
    }
}

/// Opens the picker on the present cluster.
pub(super) fn open(model: &mut Model) {
    match model.setup.clusters.len() {
        0 => model.say(Tone::Info, "no other cluster: tui.toml would name them"),
        _ => model.layer = Some(Layer::Clusters(model.setup.chosen.unwrap_or(0))),
    }
}

/// A key in the picker.
pub(super) fn on_key(model: &mut Model, row: usize, key: Key) -> Vec<Cmd> {
    let last = model.setup.clusters.len().saturating_sub(1);
    let row = match keys::find(key, Place::Hosts, false) {
        Some(keys::Action::Down) => (row + 1).min(last),
        Some(keys::Action::Up) => row.saturating_sub(1),
        Some(keys::Action::First) => 0,
        Some(keys::Action::Last) => last,
        Some(keys::Action::Open) => return choose(model, row),
        Some(keys::Action::Back | keys::Action::Close | keys::Action::Clusters) => {
            return Vec::new();
        }
        _ => row,
    };
    model.layer = Some(Layer::Clusters(row));
    Vec::new()
}

fn choose(model: &mut Model, row: usize) -> Vec<Cmd> {
    let Some(cluster) = model.setup.clusters.get(row).cloned() else {
        return Vec::new();
    };
    if model.setup.chosen == Some(row) {
        model.say(Tone::Info, format!("this is {}", cluster.name));
        return Vec::new();
    }
    if !cluster.off.is_empty() {
        model.say(Tone::Error, format!("{} is off: {}", cluster.name, cluster.off));
        return Vec::new();
    }
    let left = model.cluster_words();
    let running = model.view.as_ref().and_then(|view| view.running.as_ref());
    let plan = running.map(|running| format!("plan {} goes on at {left}", running.plan));
    let mut setup = model.setup.clone();
    setup.chosen = Some(row);
    setup.target.clone_from(&cluster.whereto);
    // What is only about the screen stays, and numbers go on: an answer to a question of before can
    // not be taken for one to a question of now.
    let mut fresh = Model::new(setup, model.now, model.size);
    (fresh.times, fresh.mouse, fresh.last_id) = (model.times, model.mouse, model.last_id);
    *model = fresh;
    model.say(Tone::Info, plan.unwrap_or_else(|| format!("now: {}", cluster.name)));
    vec![Cmd::Switch(row), Cmd::Repaint]
}

impl Model {
    /// The cluster of `tui.toml` that is shown.
    pub fn chosen(&self) -> Option<&Cluster> {
        self.setup.clusters.get(self.setup.chosen?)
    }

    /// What the cluster is called: by the person, and by its monitor where that differs.
    pub fn cluster_words(&self) -> String {
        let theirs = self.view.as_ref().map(|view| view.cluster.to_string());
        match (self.chosen(), theirs) {
            (Some(cluster), Some(theirs)) if cluster.name != theirs => {
                format!("{} ({theirs})", cluster.name)
            }
            (Some(cluster), _) => cluster.name.clone(),
            (None, Some(theirs)) => theirs,
            (None, None) => String::new(),
        }
    }
}
