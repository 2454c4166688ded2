//! Everything that can happen to the console.

use mmm_proto::Time;
use mmm_proto::console::FromMonitor;

/// A key as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Ctrl(char),
    F(u8),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    /// Any other, which never means anything.
    Other,
}

impl Key {
    /// The name on the key.
    pub fn name(self) -> String {
        match self {
            Self::Char(' ') => "Space".to_owned(),
            Self::Char(c) => c.to_string(),
            Self::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Self::F(n) => format!("F{n}"),
            Self::BackTab => "Shift-Tab".to_owned(),
            Self::PageUp => "PgUp".to_owned(),
            Self::PageDown => "PgDn".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// What the mouse did, at a column and row of the screen, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    pub column: u16,
    pub row: u16,
    pub what: MouseWhat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseWhat {
    Press,
    WheelUp,
    WheelDown,
}

/// What the link tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkMsg {
    /// A try begins.
    Trying,
    /// The monitor let us in.
    Up {
        who: String,
        may_act: bool,
        /// It speaks another wire version: looking is all there is, and `why_not` says so.
        foreign: bool,
        why_not: String,
    },
    Said(FromMonitor),
    /// The link is gone, or a try failed.
    Lost {
        why: String,
        /// The monitor answers and does not want us: another version, cluster or key.
        refused: bool,
        /// When the next try begins.
        retry_at: Time,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Msg {
    Key(Key),
    /// A text was pasted. Its content does not matter: it never becomes keys.
    Paste,
    Mouse(Mouse),
    Resize(u16, u16),
    /// Time passed.
    Tick,
    /// The last picture is on the terminal.
    Drawn,
    /// Back from a suspension.
    Resumed,
    Link(LinkMsg),
}
