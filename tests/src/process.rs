//! Child processes: started, signalled, reaped at once when they end, never signalled after that.
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A mutex guard, also when a thread panicked while it held the lock: the lab must go down anyway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where a process is in its life.
enum Life {
    Running(Child),
    Ended(String),
}

/// A long-lived child in a process group of its own (a Ctrl-C at our terminal does not reach it).
///
/// A thread reaps it the moment it ends, as an init would, so that nobody who watches the process
/// from outside is misled by a zombie.
pub struct Process {
    name: String,
    pid: Pid,
    log: PathBuf,
    life: Arc<(Mutex<Life>, Condvar)>,
}

impl Process {
    /// Starts `command` with stdout and stderr appended to the file `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Process> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open the log {} of {name}", log.display()))?;
        let err = out.try_clone().context("duplicate the log's descriptor")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("start {name} ({program})"))?;
        let pid = pid_of(&child)?;
        let life = Arc::new((Mutex::new(Life::Running(child)), Condvar::new()));
        let reaper = Arc::clone(&life);
        std::thread::Builder::new()
            .name(format!("reap {name}"))
            .spawn(move || reap(pid, &reaper))
            .context("start the thread that reaps")?;
        Ok(Process { name: name.to_owned(), pid, log: log.to_owned(), life })
    }

    /// The process id; only of use while [`Process::is_running`].
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    pub fn is_running(&self) -> bool {
        matches!(*lock(&self.life.0), Life::Running(_))
    }

    /// How it ended ("exit status: 1", "signal: 9 (SIGKILL)"); `None` while it runs.
    pub fn ended(&self) -> Option<String> {
        match &*lock(&self.life.0) {
            Life::Running(_) => None,
            Life::Ended(how) => Some(how.clone()),
        }
    }

    /// Signals the process, or with `group` everything in its process group. Nothing happens when
    /// it has ended already.
    pub fn signal(&self, signal: Signal, group: bool) -> Result<()> {
        // Held over the system call: the reaper cannot free the pid meanwhile.
        let life = lock(&self.life.0);
        if matches!(*life, Life::Ended(_)) && !group {
            return Ok(());
        }
        let sent = if group { killpg(self.pid, signal) } else { kill(self.pid, signal) };
        match sent {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(e) => Err(anyhow!("{signal} to {} (pid {}): {e}", self.name, self.pid)),
        }
    }

    /// Waits until it has ended and been reaped; false when `limit` passed first.
    pub fn wait(&self, limit: Duration) -> bool {
        let life = lock(&self.life.0);
        let waited =
            self.life.1.wait_timeout_while(life, limit, |life| matches!(life, Life::Running(_)));
        let (life, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        matches!(*life, Life::Ended(_))
    }

    /// SIGTERM, and SIGKILL after `grace`. An error when it took a SIGKILL.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        self.signal(Signal::SIGCONT, false)?;
        self.signal(Signal::SIGTERM, false)?;
        if self.wait(grace) {
            return Ok(());
        }
        self.kill9()?;
        bail!(
            "{} did not end within {grace:?} of SIGTERM and was killed\n{}",
            self.name,
            self.tail()
        )
    }

    /// SIGKILL to the process and its group; returns when it is reaped.
    pub fn kill9(&self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        self.signal(Signal::SIGKILL, true)?;
        if self.wait(Duration::from_secs(10)) {
            return Ok(());
        }
        bail!("{} (pid {}) did not die within 10 s of SIGKILL", self.name, self.pid)
    }

    /// The last lines of its log, for error messages.
    pub fn tail(&self) -> String {
        tail(&self.name, &self.log)
    }
}

/// The last 15 lines of a log file, with a heading.
pub(crate) fn tail(name: &str, log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let mut out = format!("--- end of the log of {name}:");
    for line in &lines[lines.len().saturating_sub(15)..] {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n    {line}");
    }
    if lines.is_empty() {
        out.push_str("\n    (empty)");
    }
    out
}

fn reap(pid: Pid, life: &(Mutex<Life>, Condvar)) {
    // WNOWAIT leaves the zombie, and so the pid, until the lock is ours.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let mut state = lock(&life.0);
    if let Life::Running(child) = &mut *state {
        let how = child.wait().map_or_else(|e| format!("not known: {e}"), describe);
        *state = Life::Ended(how);
    }
    life.1.notify_all();
}

fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(number) => Signal::try_from(number)
            .map_or_else(|_| format!("signal {number}"), |signal| signal.to_string()),
        None => format!("exit status {}", status.code().unwrap_or(-1)),
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id()).context("a process id that fits")?))
}

/// Runs a short command to its end with `input` on stdin; kills it after `limit`.
pub fn output(mut command: Command, input: &str, limit: Duration) -> Result<Output> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
    let pid = pid_of(&child)?;
    let mut stdin = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let deadline = Instant::now() + limit;
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes())));
        let out = scope.spawn(move || read_all(stdout.as_mut()));
        let err = scope.spawn(move || read_all(stderr.as_mut()));
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        let ended = crate::wait::until("the command to end", left(deadline), || {
            child.try_wait().ok().flatten().ok_or("still running")
        });
        if ended.is_err() {
            // Not reaped yet, so the pid is still its own.
            let _ = kill(pid, Signal::SIGKILL);
        }
        let status = child.wait().with_context(|| format!("wait for {shown}"))?;
        let text =
            |reader: std::thread::ScopedJoinHandle<'_, Vec<u8>>| reader.join().unwrap_or_default();
        let (stdout, stderr) = (text(out), text(err));
        if ended.is_err() {
            bail!("{shown} did not end within {limit:?}: {}", String::from_utf8_lossy(&stderr));
        }
        Ok(Output { status, stdout, stderr })
    })
}

fn read_all(pipe: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// Runs a short command that must succeed; its stdout. The error carries its stderr.
pub fn run(command: Command, input: &str) -> Result<String> {
    let shown = format!("{command:?}");
    let done = output(command, input, Duration::from_secs(20))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{shown}: {}: {}", done.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A command from words: `words(&["ip", "netns", "list"])`.
pub fn words(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// When the process began, in clock ticks since boot; tells a pid from its later namesake.
pub fn started_at(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold spaces; field 22 is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}
