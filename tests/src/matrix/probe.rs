//! Clients that ask a host again and again to take a row, and take it back before it is committed:
//! who accepts writes is seen, and no server's history is changed by looking.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::config::Accounts;
use crate::net::Host;
use crate::process::lock;
use crate::sql::{Session, SqlError};
use crate::wait::pass;

/// From the start of one question to the start of the next.
const PERIOD: Duration = Duration::from_millis(25);
/// Who takes longer has not accepted by then.
const ANSWER: Duration = Duration::from_millis(250);
/// Between two answers further apart nothing is known.
const BLIND: Duration = Duration::from_millis(150);

/// From one instant to another a server accepted writes; asked at both ends and between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    pub server: u32,
    pub from: Instant,
    pub to: Instant,
}

/// Asks until it is dropped.
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Accepted>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Probe {
    /// Asks the address `to` from `host`.
    pub(super) fn start(host: &Host, to: SocketAddr) -> Result<Probe> {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (inner, heard) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = host.thread("probe", move || ask(to, &inner, &heard))?;
        Ok(Probe { stop, seen, thread: Some(thread) })
    }

    fn seen(&self) -> Vec<Accepted> {
        lock(&self.seen).clone()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// How long two servers accepted at once, by all probes together, since `since`.
pub(super) fn two_accepting(probes: &[Probe], since: Instant) -> Duration {
    let spans: Vec<Accepted> = probes.iter().flat_map(Probe::seen).collect();
    overlap(&spans, since)
}

fn overlap(spans: &[Accepted], since: Instant) -> Duration {
    let mut both = Vec::new();
    for (at, one) in spans.iter().enumerate() {
        for other in spans[at + 1..].iter().filter(|other| other.server != one.server) {
            let (from, to) = (one.from.max(other.from).max(since), one.to.min(other.to));
            if from < to {
                both.push((from, to));
            }
        }
    }
    // Several probes see the same: an instant counts once.
    both.sort();
    let (mut total, mut end) = (Duration::ZERO, since);
    for (from, to) in both {
        total += to.saturating_duration_since(from.max(end));
        end = end.max(to);
    }
    total
}

fn ask(to: SocketAddr, stop: &AtomicBool, seen: &Mutex<Vec<Accepted>>) {
    let mut session: Option<(Session, u32)> = None;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let open = session.take().map_or_else(|| connect(to), Ok);
        if let Ok((mut open, server)) = open {
            match accepts(&mut open) {
                Ok(answered) => {
                    enter(&mut lock(seen), server, began, answered);
                    session = Some((open, server));
                }
                // Read-only: the connection is as good as before.
                Err(SqlError::Server(1290, _)) => session = Some((open, server)),
                Err(_) => {}
            }
        }
        pass((began + PERIOD).saturating_duration_since(Instant::now()));
    }
}

fn connect(to: SocketAddr) -> Result<(Session, u32), SqlError> {
    let mut session = Session::tcp(to, &Accounts::default().app, ANSWER)?;
    let rows = session.query("SELECT @@server_id", ANSWER)?;
    let id = rows.first().and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| SqlError::Broken(format!("no server_id in {rows:?}")))?;
    session.query("SET autocommit=0", ANSWER)?;
    Ok((session, id))
}

/// When the server took a row, which is taken back at once.
fn accepts(session: &mut Session) -> Result<Instant, SqlError> {
    session.query("INSERT INTO t (id) VALUES (0)", ANSWER)?;
    let answered = Instant::now();
    session.query("ROLLBACK", ANSWER)?;
    Ok(answered)
}

/// The row was taken between `asked` and `answered`: a span runs from an answer to a question.
fn enter(seen: &mut Vec<Accepted>, server: u32, asked: Instant, answered: Instant) {
    if let Some(last) = seen.last_mut()
        && last.server == server
        && asked.saturating_duration_since(last.to) <= BLIND
    {
        last.to = asked.max(last.from);
        return;
    }
    seen.push(Accepted { server, from: answered, to: answered });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(of: &[(u32, u64, u64)]) -> (Instant, Vec<Accepted>) {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let span = |(server, from, to): &(u32, u64, u64)| Accepted {
            server: *server,
            from: at(*from),
            to: at(*to),
        };
        (start, of.iter().map(span).collect())
    }

    #[test]
    fn what_several_see_counts_once_and_one_server_is_no_two() {
        let (start, seen) = spans(&[(1, 0, 100), (1, 20, 90), (2, 80, 200), (2, 85, 120)]);
        assert_eq!(overlap(&seen, start), Duration::from_millis(20));
        assert_eq!(overlap(&seen, start + Duration::from_millis(90)), Duration::from_millis(10));
        let (start, seen) = spans(&[(1, 0, 100), (1, 50, 150), (2, 150, 300)]);
        assert_eq!(overlap(&seen, start), Duration::ZERO);
    }

    #[test]
    fn a_refusal_in_between_ends_a_span_only_when_it_lasts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut seen = Vec::new();
        enter(&mut seen, 1, at(0), at(2));
        enter(&mut seen, 1, at(25), at(27));
        enter(&mut seen, 1, at(400), at(402));
        enter(&mut seen, 1, at(425), at(427));
        let span = |from, to| Accepted { server: 1, from: at(from), to: at(to) };
        assert_eq!(seen, [span(2, 25), span(400 + 2, 425)]);
    }
}
