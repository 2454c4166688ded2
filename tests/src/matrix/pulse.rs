//! The machine's own pauses: a client that asks a server which no fault concerns, at the pace of
//! the client that writes. What it has to wait for in the same seconds is nobody's fault.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::config::Accounts;
use crate::net::Host;
use crate::process::lock;
use crate::sql::Session;
use crate::wait::pass;

const PACE: Duration = Duration::from_millis(5);
const ANSWER: Duration = Duration::from_millis(500);

/// Asks until it is dropped.
pub(super) struct Pulse {
    stop: Arc<AtomicBool>,
    beats: Arc<Mutex<Vec<Instant>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Pulse {
    /// Asks the address `to` from `host`.
    pub(super) fn start(host: &Host, to: SocketAddr) -> Result<Pulse> {
        let (stop, beats) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (inner, heard) = (Arc::clone(&stop), Arc::clone(&beats));
        let thread = host.thread("pulse", move || ask(to, &inner, &heard))?;
        Ok(Pulse { stop, beats, thread: Some(thread) })
    }

    /// The longest time between two answers since `since`.
    pub(super) fn longest(&self, since: Instant) -> Duration {
        longest(&lock(&self.beats), since)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// Only between answers: a server that does not answer at all says nothing of the machine.
fn longest(beats: &[Instant], since: Instant) -> Duration {
    let from = beats.partition_point(|at| *at < since).saturating_sub(1);
    beats[from..].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

fn ask(to: SocketAddr, stop: &AtomicBool, beats: &Mutex<Vec<Instant>>) {
    let mut session: Option<Session> = None;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let app = Accounts::default().app;
        let open = session.take().map_or_else(|| Session::tcp(to, &app, ANSWER), Ok);
        if let Ok(mut open) = open
            && open.query("SELECT 1", ANSWER).is_ok()
        {
            lock(beats).push(Instant::now());
            session = Some(open);
        }
        pass((began + PACE).saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_from_the_answer_before_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let beats = [at(0), at(5), at(95), at(100), at(130)];
        assert_eq!(longest(&beats, at(50)), Duration::from_millis(90));
        assert_eq!(longest(&beats, at(100)), Duration::from_millis(30));
        assert_eq!(longest(&[], at(0)), Duration::ZERO);
    }
}
