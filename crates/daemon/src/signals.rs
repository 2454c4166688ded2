//! What the process does when it is told to stop.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: how a supervisor ends a daemon.
    Terminate,
    /// SIGINT: how a person at a terminal ends one.
    Interrupt,
    /// SIGHUP: read the configuration again.
    Hangup,
}

impl Signal {
    /// The name that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Hangup => "SIGHUP",
        }
    }
}

/// The signals of the process. Kept for the life of the daemon: a signal that comes while nobody awaits is
/// not lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
}

impl Signals {
    /// Takes the signals over from their default action.
    ///
    /// # Errors
    /// When the kernel refuses, or outside of a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal, whichever it is. Can be dropped and called again without losing one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }

    /// Returns when the process must end, with the reason. A SIGHUP meanwhile is logged and has no effect.
    pub async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                Signal::Hangup => {
                    tracing::info!(
                        "SIGHUP has no effect: restart the daemon to read its configuration"
                    );
                }
                signal => return signal,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal as Raw, raise};
    use std::time::Duration;

    #[tokio::test]
    async fn a_hangup_ends_nothing_and_a_termination_does() {
        let mut signals = Signals::new().unwrap();
        raise(Raw::SIGHUP).unwrap();
        let limit = Duration::from_secs(10);
        let got = tokio::time::timeout(limit, signals.next()).await.unwrap();
        assert_eq!(got, Signal::Hangup);
        raise(Raw::SIGHUP).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), signals.stop()).await.is_err());
        raise(Raw::SIGTERM).unwrap();
        let got = tokio::time::timeout(limit, signals.stop()).await.unwrap();
        assert_eq!((got, got.word()), (Signal::Terminate, "SIGTERM"));
    }
}
