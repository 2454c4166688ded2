//! The way to a monitor through a child process `ssh`: started, listened to, and ended with us.
//!
//! The child never asks for anything (BatchMode): whoever is asked sits before a screen that is
//! ours. It shares our process group, so Ctrl-Z and Ctrl-C strike both. It ends when its standard
//! input is closed, which also happens when we are killed; what that cannot end within seconds, its
//! own limits do.

mod place;
mod told;

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use place::Place;
pub use told::Told;

/// The program.
const PROGRAM: &str = "ssh";

/// How long a way through ssh may take to the first word of the monitor: longer than ssh's own
/// limit for connecting, so that ssh can say what is wrong.
pub const OPEN_LIMIT: Duration = Duration::from_secs(15);

/// The pause after ssh was denied: a machine may lock out who tries more than a few times in ten
/// minutes.
pub const DENIED_PAUSE: Duration = Duration::from_secs(180);

/// How long the child may take to end once it has closed its output.
const END_LIMIT: Duration = Duration::from_secs(1);

/// How long its last words may take after its end: somebody else may hold the pipe open, such as a
/// connection that it shares.
const WORDS_LIMIT: Duration = Duration::from_millis(200);

/// How much of what it says is kept, from the end.
const TAIL_MAX: usize = 4096;

/// The children that run; none once the program is ending, so that none is started behind its back.
static LIVE: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

fn live<T>(change: impl FnOnce(&mut Option<Vec<Pid>>) -> T) -> T {
    change(&mut LIVE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Ends every child, for the ends of the program that run nothing else. None can be started after.
pub fn end_all() {
    for pid in live(Option::take).unwrap_or_default() {
        let _ = kill(pid, Signal::SIGTERM);
    }
}

/// A child that carries a conversation. Killed when this is dropped.
#[derive(Debug)]
pub struct Ssh {
    child: Child,
    pid: Option<Pid>,
    words: Option<JoinHandle<()>>,
    tail: Arc<Mutex<Vec<u8>>>,
    place: Place,
}

impl Ssh {
    /// Starts the child; gives it with what is read from and written to the far side.
    ///
    /// # Errors
    /// When it cannot be started, in words.
    pub fn start(place: &Place) -> Result<(Self, ChildStdout, ChildStdin), Told> {
        let cannot = |why: &str| told::not_started(PROGRAM, why);
        let mut command = Command::new(PROGRAM);
        command.args(place.arguments());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = live(|live| {
            let Some(live) = live else {
                return Err(cannot("this program is ending"));
            };
            let child = command.spawn().map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => cannot("it is not in the PATH"),
                _ => cannot(&error.to_string()),
            })?;
            live.extend(pid(&child));
            Ok(child)
        })?;
        let pipes = (child.stdout.take(), child.stdin.take(), child.stderr.take());
        let (Some(out), Some(input), Some(err)) = pipes else {
            return Err(cannot("it has no pipes"));
        };
        let tail = Arc::new(Mutex::new(Vec::new()));
        let words = Some(tokio::spawn(listen(err, Arc::clone(&tail))));
        let pid = pid(&child);
        Ok((Self { child, pid, words, tail, place: place.clone() }, out, input))
    }

    /// Why it ended, once its output is closed. Safe to be broken off and asked again.
    pub async fn ended(&mut self) -> Told {
        let status = timeout(END_LIMIT, self.child.wait()).await.ok().and_then(Result::ok);
        if status.is_some() {
            self.forget();
        }
        if let Some(words) = &mut self.words {
            let _ = timeout(WORDS_LIMIT, words).await;
            self.words = None;
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        told::ended(&self.place, status.and_then(|status| status.code()), &tail)
    }

    /// Its number is another's now.
    fn forget(&mut self) {
        if let Some(pid) = self.pid.take() {
            live(|live| live.iter_mut().for_each(|live| live.retain(|one| *one != pid)));
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        // The runtime kills it now and reaps it when it has ended.
        self.forget();
        if let Some(words) = &self.words {
            words.abort();
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
}

/// Keeps the end of what it says.
async fn listen(mut err: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = err.read(&mut bytes).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&bytes[..count]);
        let over = tail.len().saturating_sub(TAIL_MAX);
        tail.drain(..over);
    }
}
