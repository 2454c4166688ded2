//! Running the operator's kill-host program: `PROGRAM HOST PING`, with PING 1 or 0, no shell, no
//! input, its own process group, killed with all its children at the limit. Exit code 0 says that
//! the host is cut off. When to run it and what follows is decided in the core.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use mmm_proto::{HostName, Span};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout, timeout_at};

/// Of what the program prints, so much is kept: the end of it.
const KEPT: usize = 4096;

/// Lines of it that are told.
const LINES: usize = 3;

/// How long output may still come after the program has ended: children may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooked {
    pub host: usize,
    /// It ended with exit code 0.
    pub ok: bool,
    /// What it printed last, or why it failed.
    pub why: String,
}

/// The runs under way. They are killed when this is dropped.
#[derive(Debug)]
pub struct Hooks {
    program: Option<PathBuf>,
    tx: mpsc::Sender<Hooked>,
    tasks: JoinSet<()>,
}

impl Hooks {
    /// Answers go to `tx`.
    pub fn new(program: Option<PathBuf>, tx: mpsc::Sender<Hooked>) -> Self {
        if let Some(path) = &program
            && let Err(error) = nix::unistd::access(path, nix::unistd::AccessFlags::X_OK)
        {
            tracing::warn!(
                kill_host_bin = %path.display(),
                "cannot be run ({error}): a lost host is not cut off, only waited for"
            );
        }
        Self { program, tx, tasks: JoinSet::new() }
    }

    /// Runs the program for a host, no longer than `limit`; its end comes as a [`Hooked`].
    pub fn run(&mut self, host: usize, name: &HostName, ping: bool, limit: Span) {
        while self.tasks.try_join_next().is_some() {}
        let Some(program) = self.program.clone() else {
            self.not_run(host, "no kill_host_bin is configured");
            return;
        };
        let (tx, name) = (self.tx.clone(), name.clone());
        self.tasks.spawn(async move {
            let (ok, why) = match run(&program, name.as_str(), ping, limit).await {
                Ok(said) => (true, said),
                Err(why) => (false, why),
            };
            tracing::info!(host = %name, ok, why, "kill_host_bin ended");
            // A monitor that ends does not wait for it.
            let _ = tx.send(Hooked { host, ok, why }).await;
        });
    }

    /// Answers for a run that did not happen.
    pub fn not_run(&mut self, host: usize, why: &str) {
        let (tx, why) = (self.tx.clone(), format!("it was not run: {why}"));
        self.tasks.spawn(async move {
            let _ = tx.send(Hooked { host, ok: false, why }).await;
        });
    }
}

/// The process group of a run: killed when this is dropped before the run has ended.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Self(number.map(Pid::from_raw))
    }

    /// The program ended by itself; what it left running is its own business.
    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already is what we want.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs it to its end or to the limit; gives what it printed last.
///
/// # Errors
/// Why the host is not known to be cut off: it could not be started, failed, or took too long.
pub async fn run(program: &Path, host: &str, ping: bool, limit: Span) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from(limit);
    let mut child = Command::new(program)
        .args([host, if ping { "1" } else { "0" }])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            format!("{} cannot be run: {error}; correct the path or chmod +x it", program.display())
        })?;
    // Before the child is reaped, its number cannot be given to another process.
    let mut group = Group::of(&child);
    let mut tail = Vec::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = {
        let mut reading = std::pin::pin!(read(out, err, &mut tail));
        let mut waiting = std::pin::pin!(child.wait());
        let ended = timeout_at(deadline, async {
            tokio::select! {
                // Whoever closes its output is still waited for.
                () = &mut reading => waiting.await,
                ended = &mut waiting => {
                    let _ = timeout(LAST_WORDS, reading).await;
                    ended
                }
            }
        });
        ended.await
    };
    let said = last_lines(&tail);
    let with = |what: String| if said.is_empty() { what } else { format!("{what}: {said}") };
    match ended {
        Err(_) => {
            drop(group);
            // Reaped here, or by the runtime when even SIGKILL takes its time.
            let _ = timeout(LAST_WORDS, child.wait()).await;
            Err(with(format!("it took longer than {limit} and was killed")))
        }
        Ok(Err(error)) => Err(with(format!("its end could not be awaited: {error}"))),
        Ok(Ok(status)) => {
            group.leave();
            if status.success() { Ok(said) } else { Err(with(format!("it failed, {status}"))) }
        }
    }
}

/// Reads both to their ends; keeps the latest [`KEPT`] bytes.
async fn read(
    out: Option<impl AsyncRead + Unpin>,
    err: Option<impl AsyncRead + Unpin>,
    tail: &mut Vec<u8>,
) {
    let (mut out, mut err) = (out, err);
    let (mut one, mut other) = ([0_u8; 1024], [0_u8; 1024]);
    while out.is_some() || err.is_some() {
        let (part, from_out) = tokio::select! {
            count = next(&mut out, &mut one), if out.is_some() => (&one[..count], true),
            count = next(&mut err, &mut other), if err.is_some() => (&other[..count], false),
        };
        if part.is_empty() {
            if from_out {
                out = None;
            } else {
                err = None;
            }
            continue;
        }
        tail.extend_from_slice(part);
        let old = tail.len().saturating_sub(KEPT);
        tail.drain(..old);
    }
}

/// Some bytes; none at the end, or when it cannot be read.
async fn next(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(into).await.unwrap_or(0),
        None => 0,
    }
}

/// The last lines in one line, without what a terminal would obey.
fn last_lines(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(LINES);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    lines[from..].join(" | ").chars().map(printable).take(500).collect()
}
