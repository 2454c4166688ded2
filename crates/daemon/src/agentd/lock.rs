//! Whose turn it is to touch the host: one worker, or one fence. A lock on a file beside the state
//! file, which the kernel takes away from a process that is gone. What must not be here: what is
//! done with it, and any wait without an end.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mmm_proto::{Span, Time};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::clock::Clock;
use crate::store::belong_to_folder;

/// Between two tries.
const PACE: Duration = Duration::from_millis(10);

/// Who may have the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An agent's worker, for its life.
    Worker,
    /// A fence.
    Fence,
}

impl Who {
    const fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Fence => "fence",
        }
    }
}

/// The turn. Over when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: Flock<File>,
}

/// Who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub who: Who,
    pub pid: i32,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.who {
            Who::Worker => write!(f, "an agent (process {})", self.pid),
            Who::Fence => write!(f, "a fence (process {})", self.pid),
        }
    }
}

/// Why there is no turn.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{}: held by {}", .path.display(), holder(.by.as_ref()))]
    Held { path: PathBuf, by: Option<Holder> },
    /// The operating system refused.
    #[error("{}: cannot {doing}: {error}; the state folder must belong to the user of the agent", .path.display())]
    Io { path: PathBuf, doing: &'static str, error: std::io::Error },
}

fn holder(by: Option<&Holder>) -> String {
    by.map_or_else(|| "somebody".to_owned(), ToString::to_string)
}

/// The lock of that state file.
pub fn path(state: &Path) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

/// Waits for the turn, until `until` at the latest.
///
/// # Errors
/// Who has it, or why it cannot be had.
pub async fn take(state: &Path, who: Who, until: Time) -> Result<Turn, LockError> {
    let path = path(state);
    let io = |doing, error| LockError::Io { path: path.clone(), doing, error };
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = how.open(&path).map_err(|error| io("open it", error))?;
    belong_to_folder(&file, &path);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let text = format!("{} {}\n", who.word(), std::process::id());
                let written = lock.set_len(0).and_then(|()| lock.rewind());
                let written = written.and_then(|()| lock.write_all(text.as_bytes()));
                written.map_err(|error| io("write to it", error))?;
                return Ok(Turn { _lock: lock });
            }
            Err((back, Errno::EWOULDBLOCK)) if Clock.now() < until => file = back,
            Err((back, Errno::EWOULDBLOCK)) => {
                return Err(LockError::Held { path: path.clone(), by: read(back) });
            }
            Err((_, error)) => return Err(io("lock it", error.into())),
        }
        tokio::time::sleep(PACE).await;
    }
}

fn read(mut file: File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(100).read_to_string(&mut text).ok()?;
    let (word, pid) = text.trim().split_once(' ')?;
    let who = [Who::Worker, Who::Fence].into_iter().find(|who| who.word() == word)?;
    Some(Holder { who, pid: pid.parse().ok()? })
}

impl Holder {
    /// Ends it with SIGKILL, if it is one of us and still has the lock; `take` tells when it is
    /// gone.
    ///
    /// # Errors
    /// Why it is not ended.
    pub fn end(&self) -> Result<(), String> {
        let pid = Pid::from_raw(self.pid).ok_or_else(|| format!("{} is no process", self.pid))?;
        let process = pidfd_open(pid, PidfdFlags::empty());
        let process = process.map_err(|error| format!("process {}: {error}", self.pid))?;
        // Read after the pidfd was opened: a number that was given on has another name.
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        if name.trim() != crate::agentd::NAME {
            return Err(format!("process {} is {:?} and no agent", self.pid, name.trim()));
        }
        pidfd_send_signal(&process, Signal::KILL)
            .map_err(|error| format!("cannot kill process {}: {error}", self.pid))
    }
}

/// For waits from now on.
pub fn within(limit: Span) -> Time {
    Clock.now() + limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_has_it_the_next_learns_who_and_gets_it_when_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.json");
        let first = take(&state, Who::Worker, within(Span::ZERO)).await.unwrap();
        let began = Clock.now();
        let error = take(&state, Who::Fence, within(Span::ms(50))).await.unwrap_err();
        assert!(Clock.now().since(began) >= Span::ms(50));
        let LockError::Held { by, .. } = &error else { panic!("{error}") };
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(*by, Some(Holder { who: Who::Worker, pid }));
        assert!(
            error.to_string().contains(&format!("held by an agent (process {pid})")),
            "{error}"
        );
        // This program is no agent: it is not ended.
        assert!(by.unwrap().end().unwrap_err().contains("no agent"));
        let waiting = take(&state, Who::Fence, within(Span::secs(10)));
        let (_second, ()) = tokio::join!(waiting, async { drop(first) });
        let error = take(&state, Who::Worker, within(Span::ZERO)).await.unwrap_err();
        assert!(error.to_string().contains("a fence"), "{error}");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let error = take(Path::new("/nowhere/state"), Who::Fence, within(Span::ZERO)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/state.lock: cannot open it"), "{error}");
    }
}
