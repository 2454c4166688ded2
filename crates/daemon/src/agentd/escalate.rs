//! The last rung of the fence: ending the server's process when it could not be verified to be
//! read-only. A stopped server accepts connections, answers nothing, and would carry out what is
//! queued when it goes on.
//!
//! The process is known by a pidfd that was opened while the server answered, so a number that was
//! given to somebody else meanwhile is never hit. When to escalate is not decided here.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mmm_proto::Span;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What server processes are called. Anything else is not killed.
const NAMES: [&str; 2] = ["mariadbd", "mysqld"];

/// The server's process, once known.
#[derive(Debug, Default)]
pub struct ServerProcess {
    known: Mutex<Option<(i32, OwnedFd)>>,
}

impl ServerProcess {
    fn known(&self) -> MutexGuard<'_, Option<(i32, OwnedFd)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the process that this pid file names. To be called while the server answers.
    ///
    /// # Errors
    /// When the file cannot be read, or names no process of a database server on this host.
    pub fn remember(&self, pid_file: &Path) -> Result<i32, String> {
        let at = pid_file.display();
        let text = std::fs::read_to_string(pid_file)
            .map_err(|error| format!("cannot read the server's pid file {at}: {error}"))?;
        let number: i32 = text
            .trim()
            .parse()
            .map_err(|_| format!("the server's pid file {at} does not hold a number"))?;
        let pid = Pid::from_raw(number).ok_or_else(|| format!("{at}: {number} is no pid"))?;
        let process = pidfd_open(pid, PidfdFlags::NONBLOCK)
            .map_err(|error| format!("{at}: there is no process {number} here: {error}"))?;
        // Read after the pidfd was opened: both are of the same process, or the next look fails.
        let name = std::fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        if !NAMES.iter().any(|known| name.trim().starts_with(known)) {
            return Err(format!(
                "{at} names process {number}, which is {:?} and no database server",
                name.trim()
            ));
        }
        *self.known() = Some((number, process));
        Ok(number)
    }

    /// Ends the process with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When the process is not known, may not be killed, or does not go within `limit`.
    pub async fn end(&self, limit: Span) -> Result<i32, String> {
        let (pid, process) = match &*self.known() {
            Some((pid, process)) => (*pid, process.try_clone()),
            None => return Err("the server's process is not known: set mysql_pidfile".to_owned()),
        };
        let process = process.map_err(|error| format!("pidfd of process {pid}: {error}"))?;
        match pidfd_send_signal(&process, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                return Err(format!(
                    "cannot kill the server's process {pid}: {error}; the agent needs CAP_KILL"
                ));
            }
        }
        let wait = Timespec::try_from(Duration::from(limit)).unwrap_or_default();
        // A pidfd is readable once its process is gone.
        let gone = tokio::task::spawn_blocking(move || {
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&wait))
        });
        match gone.await {
            Ok(Ok(1..)) => {
                *self.known() = None;
                Ok(pid)
            }
            Ok(Ok(0)) => Err(format!("process {pid} is not gone {limit} after SIGKILL")),
            Ok(Err(error)) => Err(format!("cannot watch process {pid}: {error}")),
            Err(error) => Err(format!("cannot watch process {pid}: {error}")),
        }
    }
}

/// Where the server's pid file is: as configured, else as the server says.
pub async fn pid_file(
    configured: Option<PathBuf>,
    server: &super::server::Server,
    limit: Span,
) -> Result<PathBuf, String> {
    match configured {
        Some(path) => Ok(path),
        None => server.pid_file(limit).await.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_database_servers_are_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let process = ServerProcess::default();
        assert!(process.end(Span::ms(10)).await.unwrap_err().contains("not known"));
        assert!(process.remember(&file).unwrap_err().contains("cannot read"));
        std::fs::write(&file, "no number\n").unwrap();
        assert!(process.remember(&file).unwrap_err().contains("not hold a number"));
        std::fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        let why = process.remember(&file).unwrap_err();
        assert!(why.contains("no database server"), "{why}");
        assert!(process.end(Span::ms(10)).await.is_err(), "nothing was remembered");
    }

    /// Ends with the test, also when it fails.
    struct Ended(std::process::Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            // It should be gone already.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_stopped_server_process_is_ended_and_seen_to_be_gone() {
        let folder = tempfile::tempdir().unwrap();
        // A process of that name, stopped: SIGKILL must reach it all the same.
        let program = folder.path().join("mariadbd");
        // Not a copy: a process that another test starts just then would have it open for writing.
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let mut child = Ended(std::process::Command::new(&program).arg("60").spawn().unwrap());
        let pid = i32::try_from(child.0.id()).unwrap();
        // The parent goes on a moment before the child has its new name.
        let named = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while named().trim() != "mariadbd" {
            assert!(std::time::Instant::now() < deadline, "it is called {:?}", named());
            tokio::task::yield_now().await;
        }
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGSTOP).unwrap();
        let file = folder.path().join("pid");
        std::fs::write(&file, format!("{pid}\n")).unwrap();
        let process = ServerProcess::default();
        assert_eq!(process.remember(&file), Ok(pid));
        assert_eq!(process.end(Span::secs(5)).await, Ok(pid));
        assert!(!child.0.wait().unwrap().success());
    }
}
