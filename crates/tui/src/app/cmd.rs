//! What `update` may ask the shell to do.

use mmm_proto::console::ToMonitor;

/// A wish of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cmd {
    /// Say this to the monitor. Lost when there is no link.
    Ask(ToMonitor),
    /// Try the lost link now.
    RetryNow,
    /// Leave this cluster for that row of `tui.toml`: what still comes from here is thrown away.
    Switch(usize),
    /// Stop until the shell says go on.
    Suspend,
    /// Paint everything again, whatever the terminal shows.
    Repaint,
    /// Give this to the clipboard of the terminal.
    Copy(String),
    /// Ask the terminal to tell of the mouse, or no longer.
    Mouse(bool),
    Leave,
}
