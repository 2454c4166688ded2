//! `make demo` where there is no MariaDB, or no right to make networks: a simulated cluster, in the
//! console or as plain text.
#![allow(clippy::print_stdout)]
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::daemons::binary;
use crate::demo::{EVERY, LOOK, text_for};
use crate::process::output;
use crate::stop::Stop;
use crate::wait::{pass, until};

/// How long the demo may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the demo; `why` says what a real cluster lacks.
pub fn run(why: &anyhow::Error) -> Result<()> {
    println!("no cluster of real servers here: {why:#}");
    println!("showing a simulated one instead ...");
    match text_for()? {
        None => console(),
        Some(time) => text(time),
    }
}

fn console() -> Result<()> {
    let status =
        Command::new(binary("mmm-tui")?).arg("--demo").status().context("start mmm-tui")?;
    if !status.success() {
        bail!("mmm-tui ended with {status}");
    }
    Ok(())
}

/// `mmm-mond demo`; ended when this is dropped.
#[derive(Debug)]
pub struct Played {
    child: Child,
    folder: tempfile::TempDir,
    args: Vec<String>,
}

impl Played {
    /// Starts one with these arguments, and waits until it answers.
    pub fn start(args: &[&str]) -> Result<Played> {
        let folder = tempfile::tempdir().context("a folder for the socket")?;
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = spawn(&folder.path().join("mond.sock"), &args)?;
        let played = Played { child, folder, args };
        until("the demo to answer", PATIENCE, || {
            played.control(&["ping"]).map_err(|error| format!("{error:#}"))
        })?;
        Ok(played)
    }

    /// Where consoles connect.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("mond.sock")
    }

    /// Runs `mmm-control` on it, which must succeed; its text.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        control(&self.socket(), words)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the demo")?;
        self.child.wait().context("wait for the demo")?;
        Ok(())
    }

    /// Starts it again at the same socket; does not wait for it.
    pub fn again(&mut self) -> Result<()> {
        self.child = spawn(&self.socket(), &self.args)?;
        Ok(())
    }
}

fn spawn(socket: &Path, args: &[String]) -> Result<Child> {
    Command::new(binary("mmm-mond")?)
        .args(["demo", "--with-parent", "--socket"])
        .arg(socket)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("start mmm-mond demo")
}

impl Drop for Played {
    fn drop(&mut self) {
        // It ends with this pipe, also when we are killed.
        drop(self.child.stdin.take());
        let ended = until("the demo to end", PATIENCE, || match self.child.try_wait() {
            Ok(None) => Err("it runs"),
            _ => Ok(()),
        });
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn text(time: Duration) -> Result<()> {
    let stop = Stop::on_signals()?;
    let played = Played::start(&[])?;
    let socket = played.socket();
    println!("{}", control(&socket, &["show"])?);
    let begun = Instant::now();
    watch(&socket, begun + time / 2, &stop)?;
    if !stop.is_set() {
        println!("kill -9 to the writer's server ...");
        control(&socket, &["demo", "fault", "kill", "server", "writer"])?;
        watch(&socket, begun + time * 3 / 4, &stop)?;
        println!("every fault ends ...");
        control(&socket, &["demo", "calm"])?;
    }
    watch(&socket, begun + time, &stop)?;
    drop(played);
    println!("everything is removed");
    Ok(())
}

/// Runs `mmm-control`, which must succeed; its text.
fn control(socket: &Path, words: &[&str]) -> Result<String> {
    let mut command = Command::new(binary("mmm-control")?);
    command.arg("--socket").arg(socket).args(words);
    let done = output(command, "", PATIENCE)?;
    if !done.status.success() {
        bail!("mmm-control {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Prints the cluster every few seconds until `end`.
fn watch(socket: &Path, end: Instant, stop: &Stop) -> Result<()> {
    while Instant::now() < end && !stop.is_set() {
        let next = (Instant::now() + EVERY).min(end);
        while Instant::now() < next && !stop.is_set() {
            pass(LOOK.min(next.saturating_duration_since(Instant::now())));
        }
        println!("{}", control(socket, &["show"])?);
    }
    Ok(())
}
