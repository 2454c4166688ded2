//! Styles by meaning and the signs that carry the meaning without colour. The terminal's own
//! palette and REVERSE are all that is used.

use mmm_proto::HostState;
use ratatui::style::{Color, Modifier, Style};

use crate::app::Setup;
use crate::app::clusters::Accent;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Fine,
    /// Late or failing.
    Late,
    Down,
    /// Set so by a person.
    Person,
    /// In motion.
    Motion,
    Unknown,
}

impl Meaning {
    /// The sign in front of the word. ASCII in every form, because other glyphs shift tables in
    /// some terminals.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Fine => "+",
            Self::Late => "!",
            Self::Down => "#",
            Self::Person => "=",
            Self::Motion => "~",
            Self::Unknown => "?",
        }
    }

    /// The meaning of a host's state.
    pub const fn of(state: HostState) -> Self {
        match state {
            HostState::Online => Self::Fine,
            HostState::ReplicationDelay
            | HostState::ReplicationFail
            | HostState::AwaitingRecovery => Self::Late,
            HostState::HardOffline => Self::Down,
            HostState::AdminOffline => Self::Person,
            HostState::Unknown => Self::Unknown,
        }
    }
}

/// Which form is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    color: bool,
    ascii: bool,
}

impl Theme {
    /// The theme of a set-up.
    pub fn of(setup: &Setup) -> Self {
        Self { color: setup.color, ascii: setup.ascii }
    }

    /// The style of a cluster's label.
    pub fn accent(self, accent: Accent) -> Style {
        let color = match accent {
            Accent::Red => Color::Red,
            Accent::Yellow => Color::Yellow,
            Accent::Green => Color::Green,
            Accent::Cyan => Color::Cyan,
            Accent::Blue => Color::Blue,
            Accent::Magenta => Color::Magenta,
        };
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// The style of a meaning.
    pub fn style(self, meaning: Meaning) -> Style {
        let color = |color: Color, style: Style| if self.color { style.fg(color) } else { style };
        let plain = Style::new();
        match meaning {
            Meaning::Fine => plain,
            Meaning::Late if self.color => plain.fg(Color::Yellow),
            Meaning::Late => plain.add_modifier(Modifier::BOLD),
            Meaning::Down => color(Color::Red, plain.add_modifier(Modifier::BOLD)),
            Meaning::Person => color(Color::Cyan, plain),
            Meaning::Motion if self.color => plain.fg(Color::Magenta),
            Meaning::Motion => plain.add_modifier(Modifier::UNDERLINED),
            Meaning::Unknown => plain.add_modifier(Modifier::DIM),
        }
    }

    /// Titles of panes and boxes.
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is there but does not matter.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The selected row, which is also marked with `>`.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A piece of a level line.
    pub const fn line(self) -> &'static str {
        if self.ascii { "-" } else { "─" }
    }

    /// Bars, the lowest first. The lowest stands for nothing at all, seen.
    pub const fn bars(self) -> &'static [char] {
        if self.ascii {
            &['.', ':', ';', '=', '+', '*', '%', '@']
        } else {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        }
    }

    /// A piece of an upright line.
    pub const fn upright(self) -> &'static str {
        if self.ascii { "|" } else { "│" }
    }

    /// The corners of a box: top left and right, bottom left and right.
    pub const fn corners(self) -> [&'static str; 4] {
        if self.ascii { ["+", "+", "+", "+"] } else { ["┌", "┐", "└", "┘"] }
    }
}
