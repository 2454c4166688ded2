//! Signals as messages: the ends (TERM, INT, HUP) and the return from a stop (CONT).

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Leave with this exit code: 128 + the signal's number.
    Leave(u8),
    /// The terminal may look different from what we left.
    Continued,
}

/// Tells each signal until the program ends.
///
/// # Errors
/// When a signal cannot be taken.
pub async fn watch(tell: impl Fn(Signal) + Send) -> io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    let mut cont = signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGCONT as i32))?;
    loop {
        tell(tokio::select! {
            _ = term.recv() => Signal::Leave(128 + 15),
            _ = int.recv() => Signal::Leave(128 + 2),
            _ = hup.recv() => Signal::Leave(128 + 1),
            _ = cont.recv() => Signal::Continued,
        });
    }
}
