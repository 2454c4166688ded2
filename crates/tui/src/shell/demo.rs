//! `mmm-tui --demo`: starts `mmm-mond demo` as a child with a socket of its own, and ends it. The
//! child reads a pipe whose other end is ours alone, so it also ends when we crash.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The program that plays.
const PROGRAM: &str = "mmm-mond";

/// How long it may take to say where its socket is.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How much of its complaints is kept.
const COMPLAINT_MAX: u64 = 4096;

/// A demo that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    /// Closed, it tells the child to end.
    pipe: Option<ChildStdin>,
    socket: PathBuf,
}

impl Demo {
    /// Starts a demo and waits until consoles may come.
    ///
    /// # Errors
    /// A sentence that says what is missing and where it was looked for.
    pub fn start() -> Result<Self, String> {
        let program = find()?;
        let bad = |error: io::Error| format!("cannot start {}: {error}", program.display());
        let mut child = Command::new(&program)
            .args(["demo", "--with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-Z of the console is not its business.
            .process_group(0)
            .spawn()
            .map_err(bad)?;
        let pipe = child.stdin.take();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut demo = Self { child, pipe, socket: PathBuf::new() };
        let first = out.map(|out| {
            read(move || {
                let mut line = String::new();
                let _ = BufReader::new(out).read_line(&mut line);
                line
            })
        });
        let complaint = err.map(|err| {
            read(move || {
                let mut text = String::new();
                let mut err = err;
                let _ = err.by_ref().take(COMPLAINT_MAX).read_to_string(&mut text);
                // More is thrown away; a full pipe would hold it up.
                let _ = io::copy(&mut err, &mut io::sink());
                text
            })
        });
        let line = said(first, START_LIMIT)?;
        if line.trim().is_empty() {
            drop(demo.pipe.take());
            let why = said(complaint, END_LIMIT).unwrap_or_default();
            return Err(format!("{} demo ended: {}", program.display(), why.trim()));
        }
        demo.socket = PathBuf::from(line.trim_end());
        Ok(demo)
    }

    /// Where consoles connect.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let deadline = Instant::now() + END_LIMIT;
        while !self.ended() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Reads something in a thread of its own, so that waiting for it can end.
fn read(what: impl FnOnce() -> String + Send + 'static) -> Receiver<String> {
    let (tx, rx) = channel();
    // Without a thread the sender is dropped, and the waiting ends at once.
    let _ = std::thread::Builder::new().name("demo".to_owned()).spawn(move || tx.send(what()));
    rx
}

fn said(from: Option<Receiver<String>>, limit: Duration) -> Result<String, String> {
    let secs = limit.as_secs();
    from.and_then(|from| from.recv_timeout(limit).ok())
        .ok_or_else(|| format!("{PROGRAM} demo said nothing within {secs} s"))
}

/// The program beside this one, or on the path.
fn find() -> Result<PathBuf, String> {
    let beside = std::env::current_exe().ok().and_then(|me| Some(me.parent()?.join(PROGRAM)));
    if let Some(beside) = beside.filter(|file| file.is_file()) {
        return Ok(beside);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!(
                "--demo needs {PROGRAM}, and it is neither beside this program nor on the PATH: \
                 install the monitor's package, or build it with `cargo build --bins`"
            )
        })
}
