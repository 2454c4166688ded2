//! `make demo` where there is no MariaDB, or no right to make networks: a simulated cluster, in the
//! console or as plain text.
#![allow(clippy::print_stdout)]
use std::path::Path;
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
struct Played(Child);

impl Drop for Played {
    fn drop(&mut self) {
        // It ends with this pipe, also when we are killed.
        drop(self.0.stdin.take());
        let ended = until("the demo to end", PATIENCE, || match self.0.try_wait() {
            Ok(None) => Err("it runs"),
            _ => Ok(()),
        });
        if ended.is_err() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn text(time: Duration) -> Result<()> {
    let stop = Stop::on_signals()?;
    let folder = tempfile::tempdir().context("a folder for the socket")?;
    let socket = folder.path().join("mond.sock");
    let child = Command::new(binary("mmm-mond")?)
        .args(["demo", "--with-parent", "--socket"])
        .arg(&socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("start mmm-mond demo")?;
    let played = Played(child);
    until("the demo to answer", PATIENCE, || {
        control(&socket, &["ping"]).map_err(|error| format!("{error:#}"))
    })?;
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
