//! Entering and leaving the terminal: the only place that changes it. Used by start, exit, error,
//! panic, signal and suspension alike.
//!
//! No query is ever sent: a terminal that does not answer would hold the program up.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crossterm::{cursor, event, execute, queue, terminal as term};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// The terminal's own settings while it is ours; none while it is not.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether the mouse was asked for. Presses and the wheel only: motion would flood a slow line.
static MOUSE: AtomicBool = AtomicBool::new(false);
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Asks the terminal to tell of the mouse, or leaves the mouse to it again.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn mouse(on: bool) -> io::Result<()> {
    MOUSE.store(on, Ordering::Relaxed);
    send(if on { MOUSE_ON } else { MOUSE_OFF })
}

/// Takes the terminal: raw, alternate screen, pastes marked. Taking it twice is taking it once.
///
/// # Errors
/// When it is none, or it cannot be written to.
pub fn enter() -> io::Result<()> {
    let stdin = io::stdin();
    let now = tcgetattr(stdin.as_fd())?;
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut raw = before.get_or_insert(now).clone();
    cfmakeraw(&mut raw);
    tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw)?;
    // Our theme decides about colour (and knows NO_COLOR); crossterm's way of obeying it loses
    // REVERSE.
    crossterm::style::force_color_output(true);
    execute!(io::stdout(), term::EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)?;
    if MOUSE.load(Ordering::Relaxed) { send(MOUSE_ON) } else { Ok(()) }
}

/// Gives the terminal back as it was. Harmless when it is not ours. Tells nobody about failures:
/// whoever leaves can do nothing about them.
pub fn leave() {
    // A panic may strike while this is locked; then leaving twice is better than not at all.
    let before = match BEFORE.try_lock() {
        Ok(mut before) => before.take(),
        Err(std::sync::TryLockError::Poisoned(before)) => before.into_inner().take(),
        Err(std::sync::TryLockError::WouldBlock) => None,
    };
    let Some(before) = before else {
        return;
    };
    if MOUSE.load(Ordering::Relaxed) {
        let _ = send(MOUSE_OFF);
    }
    let _ = execute!(
        io::stdout(),
        cursor::Show,
        event::DisableBracketedPaste,
        term::LeaveAlternateScreen
    );
    let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &before);
}

/// Gives the terminal its settings back without writing to it, for a terminal that takes nothing
/// any more.
pub fn leave_mute() {
    if let Ok(before) = BEFORE.try_lock()
        && let Some(before) = before.as_ref()
    {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, before);
    }
}

/// Makes a panic leave the terminal first, say one line, and exit 70.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|info| {
        let trace = std::backtrace::Backtrace::force_capture();
        tracing::error!(%info, %trace, "panic");
        leave();
        let text = panic_line(&info.to_string());
        let _ = writeln!(io::stderr(), "{text}");
        super::ssh::end_all();
        // Other threads must not go on drawing.
        std::process::exit(70);
    }));
}

/// One line about a panic.
fn panic_line(info: &str) -> String {
    let info: Vec<&str> = info.split_whitespace().collect();
    format!(
        "mmm-tui: internal error, please report it (--log FILE keeps the details): {}",
        info.join(" ")
    )
}

/// What ratatui writes behind each frame, and what is enough.
const RESETS: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

/// Collects a frame and writes it in one go, between the marks of a synchronised update.
struct Out {
    bytes: Vec<u8>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        // One reset says all of it.
        if self.bytes.ends_with(RESETS) {
            self.bytes.truncate(self.bytes.len() - RESETS.len());
            self.bytes.extend_from_slice(RESET);
        }
        let mut all = b"\x1b[?2026h".to_vec();
        all.append(&mut self.bytes);
        all.extend_from_slice(b"\x1b[?2026l");
        let mut stdout = io::stdout().lock();
        stdout.write_all(&all)?;
        stdout.flush()
    }
}

/// The screen: writes what changed since the last frame, and nothing when nothing did.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Out>>,
    last: Option<Buffer>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Screen {
    /// A blank screen of this size.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn new(size: (u16, u16)) -> io::Result<Self> {
        let mut backend = CrosstermBackend::new(Out { bytes: Vec::new() });
        queue!(backend, crossterm::style::ResetColor, term::Clear(term::ClearType::All))?;
        // A fixed area: ratatui then never asks the terminal where its cursor is.
        let area = Rect::new(0, 0, size.0, size.1);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        Ok(Self { terminal: Terminal::with_options(backend, options)?, last: None })
    }

    /// Draws a frame; true when anything was written.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        let mut frame = self.terminal.get_frame();
        draw(&mut frame);
        let drawn = self.terminal.current_buffer_mut().clone();
        let changed = self.last.as_ref() != Some(&drawn);
        if changed {
            self.terminal.flush()?;
            self.last = Some(drawn);
        }
        self.terminal.swap_buffers();
        if changed {
            io::Write::flush(self.terminal.backend_mut())?;
        }
        Ok(changed)
    }
}

/// Columns and rows of the terminal; 80x24 when it does not say.
pub fn size() -> (u16, u16) {
    match term::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
        _ => (80, 24),
    }
}

/// Whether standard input and output are a terminal that can place a cursor.
pub fn usable() -> bool {
    let is = |fd: BorrowedFd<'_>| nix::unistd::isatty(fd).unwrap_or(false);
    let dumb = std::env::var("TERM").is_ok_and(|name| name == "dumb");
    is(io::stdin().as_fd()) && is(io::stdout().as_fd()) && !dumb
}

/// Sends a sequence that draws nothing, between two frames.
pub fn send(sequence: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(sequence.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_one_line() {
        let line = panic_line("panicked at src/x.rs:1:2:\n  it broke\nbadly");
        assert_eq!(line.lines().count(), 1);
        assert!(line.ends_with("panicked at src/x.rs:1:2: it broke badly"), "{line}");
    }

    #[test]
    fn leaving_a_terminal_that_was_never_taken_does_nothing() {
        leave();
        leave();
        assert!(BEFORE.lock().unwrap().is_none());
    }
}
