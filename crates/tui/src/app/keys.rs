//! The one table of keys. Dispatch, hints, help and the tests of the README read it; nothing else
//! decides what a key does on a screen. Dialogs, menus and the prompt take their keys before this
//! table.

use super::msg::Key;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Help,
    Close,
    Back,
    Leave,
    Suspend,
    Repaint,
    Overview,
    Events,
    Down,
    Up,
    First,
    Last,
    PageDown,
    PageUp,
    Open,
    Explain,
    NextPane,
    PreviousPane,
    Filter,
    NextMatch,
    PreviousMatch,
    Sort,
    Zoom,
    Times,
    AskAgain,
    Freeze,
    Copy,
    Prompt,
    Menu,
    Mode,
    Online,
    Offline,
    Writer,
    Address,
    Faults,
    Clusters,
}

impl Action {
    /// Whether it is about changing the cluster.
    pub const fn acts(self) -> bool {
        matches!(self, Self::Online | Self::Offline | Self::Writer | Self::Address | Self::Mode)
    }
}

/// Where the keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The panes of the overview.
    Hosts,
    Addresses,
    Newest,
    /// The screens of their own.
    Detail,
    Events,
}

/// Where a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Any,
    Overview,
    /// Where a host is selected or shown.
    Host,
    /// Where a host or an address is.
    Holder,
    /// The table of hosts.
    Hosts,
    /// Where there are rows to choose from.
    Rows,
    Events,
}

/// Which part of the help a key is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Move,
    Look,
    Act,
    /// Only there while the cluster is a demo.
    Demo,
    Leave,
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    pub keys: &'static [Key],
    pub on: On,
    pub action: Action,
    pub group: Group,
    /// The word of the hint line; empty when it is not worth one.
    pub hint: &'static str,
    pub help: &'static str,
}

const fn row(
    keys: &'static [Key],
    on: On,
    action: Action,
    group: Group,
    hint: &'static str,
    help: &'static str,
) -> Row {
    Row { keys, on, action, group, hint, help }
}

use Group as G;
use Key::{Char, Ctrl};

/// Every key of the screens, in the order of the help and of the hints.
pub const TABLE: &[Row] = &[
    row(&[Char('?'), Key::F(1)], On::Any, Action::Help, G::Look, "help", "this help"),
    row(&[Char('j'), Key::Down], On::Any, Action::Down, G::Move, "", "next row"),
    row(&[Char('k'), Key::Up], On::Any, Action::Up, G::Move, "", "previous row"),
    row(&[Char('g'), Key::Home], On::Any, Action::First, G::Move, "", "first row"),
    row(&[Char('G'), Key::End], On::Any, Action::Last, G::Move, "", "last row"),
    row(&[Key::PageDown, Ctrl('f')], On::Any, Action::PageDown, G::Move, "", "page down"),
    row(&[Key::PageUp, Ctrl('b')], On::Any, Action::PageUp, G::Move, "", "page up"),
    row(&[Key::Enter], On::Overview, Action::Open, G::Look, "detail", "all about the row"),
    row(
        &[Char('e')],
        On::Any,
        Action::Explain,
        G::Look,
        "",
        "what needs attention in full, and why",
    ),
    row(&[Char('1')], On::Any, Action::Overview, G::Look, "", "overview"),
    row(&[Char('a')], On::Host, Action::Menu, G::Act, "actions", "all actions, and why one is off"),
    row(&[Char('f')], On::Any, Action::Faults, G::Demo, "break", "break something, or heal it"),
    row(&[Char('X')], On::Host, Action::Offline, G::Act, "offline", "set the host offline"),
    row(&[Char('U')], On::Host, Action::Online, G::Act, "online", "set the host online"),
    row(&[Char('W')], On::Host, Action::Writer, G::Act, "writer", "move the writer to the host"),
    row(&[Char('m')], On::Any, Action::Mode, G::Act, "mode", "mode: ACTIVE, MANUAL, PASSIVE"),
    row(&[Char('2')], On::Any, Action::Events, G::Look, "events", "events, with their why"),
    row(&[Char('/')], On::Rows, Action::Filter, G::Look, "filter", "only rows with these words"),
    row(
        &[Char('n')],
        On::Events,
        Action::NextMatch,
        G::Look,
        "next",
        "next event with the words of /, also after Esc",
    ),
    row(&[Char('N')], On::Events, Action::PreviousMatch, G::Look, "previous", "previous one"),
    row(&[Char('V')], On::Holder, Action::Address, G::Act, "address", "move or give one address"),
    row(&[Key::Tab], On::Overview, Action::NextPane, G::Move, "pane", "next pane"),
    row(&[Key::BackTab], On::Overview, Action::PreviousPane, G::Move, "", "previous pane"),
    row(
        &[Char('s')],
        On::Hosts,
        Action::Sort,
        G::Look,
        "",
        "sort by name, state, lag; each also reversed",
    ),
    row(&[Char('z')], On::Overview, Action::Zoom, G::Look, "", "widen the pane, or back"),
    row(&[Char('t')], On::Any, Action::Times, G::Look, "", "times: local, ago, UTC"),
    row(
        &[Char('r')],
        On::Any,
        Action::AskAgain,
        G::Look,
        "",
        "ask for a fresh picture, retry a lost link",
    ),
    row(&[Char('p')], On::Any, Action::Freeze, G::Look, "", "freeze the picture, or go on"),
    row(&[Char('y')], On::Any, Action::Copy, G::Look, "", "copy the row, if the terminal allows"),
    row(
        &[Char(':')],
        On::Any,
        Action::Prompt,
        G::Act,
        "command",
        "the words of mmm-control; stop PLAN; mouse on; Tab completes",
    ),
    row(&[Char('c')], On::Any, Action::Clusters, G::Look, "cluster", "another cluster of tui.toml"),
    row(&[Key::Esc], On::Any, Action::Back, G::Leave, "", "back, cancel; never leaves the console"),
    row(
        &[Char('q')],
        On::Any,
        Action::Close,
        G::Leave,
        "quit",
        "close this; on the overview, quit",
    ),
    row(&[Ctrl('c')], On::Any, Action::Leave, G::Leave, "", "quit at once"),
    row(&[Ctrl('z')], On::Any, Action::Suspend, G::Leave, "", "suspend; fg comes back"),
    row(&[Ctrl('l')], On::Any, Action::Repaint, G::Look, "", "paint everything again"),
];

/// What a letter in the menu of faults does: its words are those of `mmm-control demo fault`.
#[derive(Debug)]
pub struct Fault {
    pub key: char,
    pub words: &'static str,
    /// What the menu says.
    pub help: &'static str,
}

const fn fault(key: char, words: &'static str, help: &'static str) -> Fault {
    Fault { key, words, help }
}

/// The menu of faults. Other things can be broken with `:demo fault`.
pub const FAULTS: &[Fault] = &[
    fault('w', "kill server writer", "kill the writer's server"),
    fault('c', "cut writer", "cut the writer's host off from all others"),
    fault('a', "kill agent writer", "kill the agent on the writer's host"),
    fault('f', "stop server writer", "let the writer's server hang"),
    fault('l', "lag replica 30s", "let a replica be late by 30 s"),
    fault('p', "stop monitor", "pause the monitor: this picture gets old"),
    fault('s', "start all", "start all that is dead or paused; cuts stay"),
    fault('h', "calm", "heal everything, start everything"),
    fault('b', "put back", "then: rebuild what parted, set online"),
];

/// Letters that end the escape sequences of arrows, function keys, mouse and pastes. They must
/// never act, because a slow line may cut such a sequence in two.
pub const NEVER: &[char] = &['A', 'B', 'C', 'D', 'F', 'H', 'M', 'O', 'P', 'Q', 'R', 'S', 'Z', '~'];

impl On {
    /// Whether a key of this place works there.
    pub const fn covers(self, place: Place) -> bool {
        match self {
            Self::Any => true,
            Self::Overview => matches!(place, Place::Hosts | Place::Addresses | Place::Newest),
            Self::Host => matches!(place, Place::Hosts | Place::Detail),
            Self::Holder => matches!(place, Place::Hosts | Place::Detail | Place::Addresses),
            Self::Hosts => matches!(place, Place::Hosts),
            Self::Rows => !matches!(place, Place::Detail),
            Self::Events => matches!(place, Place::Events),
        }
    }

    /// Where that is, for people.
    const fn words(self) -> &'static str {
        match self {
            Self::Any => "everywhere",
            Self::Overview => "on the overview: 1 goes there",
            Self::Host | Self::Hosts => "on a host: 1 and Tab go to the hosts",
            Self::Holder => "on a host or an address: 1 goes to the overview",
            Self::Rows => "on rows: Esc goes back to them",
            Self::Events => "on the events: 2 goes there",
        }
    }
}

/// The keys that there are: some only in a demo.
pub fn table(demo: bool) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| demo || row.group != G::Demo)
}

/// What `key` does there, in a demo or not.
pub fn find(key: Key, place: Place, demo: bool) -> Option<Action> {
    table(demo).find(|row| row.keys.contains(&key) && row.on.covers(place)).map(|row| row.action)
}

/// What works whatever lies above the screen.
pub fn always(key: Key) -> Option<Action> {
    let action = find(key, Place::Hosts, false)?;
    matches!(action, Action::Leave | Action::Suspend | Action::Repaint).then_some(action)
}

/// The row of an action.
pub fn of(action: Action) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.action == action)
}

/// Answers a key that means nothing here, in words.
pub fn unknown(key: Key, demo: bool) -> String {
    if let Key::Char(c) = key {
        let capital = Key::Char(c.to_ascii_uppercase());
        if c.is_ascii_lowercase()
            && let Some(row) = TABLE.iter().find(|row| row.keys.contains(&capital))
            && row.action.acts()
        {
            return format!("{} {} (capital letter)", capital.name(), row.help);
        }
    }
    if let Some(row) = table(demo).find(|row| row.keys.contains(&key)) {
        return format!("{} works {}", key.name(), row.on.words());
    }
    format!("{} means nothing here, ? lists the keys", key.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_end_escape_sequences_never_act() {
        for row in TABLE {
            for key in row.keys {
                assert!(!NEVER.iter().any(|c| *key == Key::Char(*c)), "{key:?}");
            }
        }
    }

    #[test]
    fn no_key_has_two_meanings_and_acting_keys_do_not_differ_in_shift_only() {
        for (at, row) in TABLE.iter().enumerate() {
            for key in row.keys {
                for other in &TABLE[at + 1..] {
                    assert!(!other.keys.contains(key), "{key:?}");
                }
                if let Key::Char(c) = key
                    && row.action.acts()
                    && c.is_ascii_uppercase()
                {
                    let lower = Key::Char(c.to_ascii_lowercase());
                    assert_eq!(find(lower, Place::Hosts, true), None, "{key:?}");
                    assert!(unknown(lower, false).contains("capital"), "{key:?}");
                }
            }
            assert!(!row.help.is_empty());
        }
    }

    #[test]
    fn faults_have_a_letter_each_and_no_letter_outside_of_a_demo() {
        for (at, fault) in FAULTS.iter().enumerate() {
            assert!(FAULTS[at + 1..].iter().all(|other| other.key != fault.key), "{fault:?}");
            assert!(fault.key.is_ascii_lowercase() && fault.key != 'q', "{fault:?}");
        }
        assert_eq!(find(Char('f'), Place::Hosts, false), None);
        assert_eq!(find(Char('f'), Place::Events, true), Some(Action::Faults));
    }
}
