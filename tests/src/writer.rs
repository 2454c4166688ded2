//! A client that writes rows through the writer's VIP and remembers what it was promised.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::config::Accounts;
use crate::net::Host;
use crate::process::lock;
use crate::sql::{Session, SqlError};
use crate::wait::{pass, until};

/// One row each so often: 200 a second.
const PACE: Duration = Duration::from_millis(5);
const CONNECT: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_millis(500);

/// Every client of this process numbers its rows from a base of its own.
static CLIENTS: AtomicI64 = AtomicI64::new(1);

/// A row that the server said it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub id: i64,
    pub at: Instant,
    /// `@@server_id` of who said so.
    pub server: u32,
}

/// The writer changed, as this client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// `server_id` before and after.
    pub from: u32,
    pub to: u32,
    /// From the last row acknowledged by the old server to the first by the new one.
    pub gap: Duration,
    /// Rows that the old server acknowledged after the new one had begun to.
    pub late: usize,
}

/// Everything that happened to one client.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub acks: Vec<Ack>,
    /// Rows that may or may not be there: the connection ended before the answer.
    pub unknown: Vec<i64>,
    /// Rows that the server refused: they must not be there.
    pub refused: Vec<i64>,
    /// What went wrong, and when; connections that could not be made are here too.
    pub errors: Vec<(Instant, String)>,
    pub connects: usize,
}

impl Record {
    /// The first change of server after `since`.
    pub fn switch(&self, since: Instant) -> Option<Switch> {
        let start = self.acks.partition_point(|ack| ack.at < since);
        // What it wrote to before `since`, or else first after it.
        let from = self.acks.get(start.saturating_sub(1)).or(self.acks.first())?.server;
        let at = start + self.acks[start..].iter().position(|ack| ack.server != from)?;
        let (last, first) = (self.acks.get(at.checked_sub(1)?)?, self.acks[at]);
        let late = self.acks[at..].iter().filter(|ack| ack.server == from).count();
        Some(Switch { from, to: first.server, gap: first.at - last.at, late })
    }

    /// The longest time without an acknowledged row between two instants.
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let inside = self.acks.iter().map(|ack| ack.at).filter(|at| (from..=to).contains(at));
        let mut points = vec![from];
        points.extend(inside);
        points.push(to);
        points.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// Rows acknowledged between two instants.
    pub fn count(&self, from: Instant, to: Instant) -> usize {
        self.acks.iter().filter(|ack| (from..=to).contains(&ack.at)).count()
    }

    /// The last few errors, for messages.
    pub fn last_errors(&self) -> String {
        let last = self.errors.iter().rev().take(5).map(|(_, text)| text.as_str());
        last.collect::<Vec<_>>().join("; ")
    }
}

/// The running client. Dropping it stops it.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Shared {
    stop: AtomicBool,
    record: Mutex<Record>,
}

impl Writer {
    /// Starts to write on `host` through the address `to`.
    pub fn start(host: &Host, to: SocketAddr) -> Result<Writer> {
        let record = Mutex::new(Record::default());
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), record });
        let inner = Arc::clone(&shared);
        let base = CLIENTS.fetch_add(1, Ordering::Relaxed) << 32;
        let thread = host.thread("writer", move || inner.write(to, base))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Waits for `rows` more acknowledged rows.
    pub fn wait_rows(&self, rows: usize, limit: Duration) -> Result<()> {
        let start = lock(&self.shared.record).acks.len();
        until(&format!("{rows} more rows to be acknowledged"), limit, || {
            let record = lock(&self.shared.record);
            let seen = record.acks.len() - start;
            if seen >= rows { Ok(()) } else { Err(format!("{seen}; {}", record.last_errors())) }
        })
    }

    /// Waits until another server than before `since` acknowledges rows; says how it went so far.
    pub fn wait_switch(&self, since: Instant, limit: Duration) -> Result<Switch> {
        until("another server to acknowledge rows", limit, || {
            let record = lock(&self.shared.record);
            record.switch(since).ok_or_else(|| {
                let by = record.acks.last().map_or(0, |ack| ack.server);
                let ago = record.acks.last().map_or(Duration::MAX, |ack| ack.at.elapsed());
                format!("last row by server {by}, {ago:?} ago; {}", record.last_errors())
            })
        })
    }

    /// What happened until now.
    pub fn record(&self) -> Record {
        lock(&self.shared.record).clone()
    }

    /// Acknowledged rows until now.
    pub fn rows(&self) -> usize {
        lock(&self.shared.record).acks.len()
    }

    /// Stops after the row at hand.
    pub fn stop(mut self) -> Result<Record> {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow!("the writing client panicked"))?.context("writer")?;
        }
        Ok(self.record())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn write(&self, to: SocketAddr, base: i64) {
        let mut due = Instant::now();
        let mut session: Option<(Session, u32)> = None;
        let mut id = base;
        while !self.stop.load(Ordering::Relaxed) {
            // Late rows are not made up for: a gap must not be followed by a burst.
            due = due.max(Instant::now());
            let connection = match session.take() {
                Some(connection) => Ok(connection),
                None => self.connect(to),
            };
            match connection {
                Ok((mut open, server)) => {
                    id += 1;
                    if self.insert(&mut open, id, server) {
                        session = Some((open, server));
                    }
                }
                Err(e) => self.note(format!("connect: {e}")),
            }
            due += PACE;
            pass(due.saturating_duration_since(Instant::now()));
        }
    }

    /// One row; false when the connection is of no more use. A row is never tried twice, so a row
    /// that is there twice was made two by the servers.
    fn insert(&self, open: &mut Session, id: i64, server: u32) -> bool {
        let result = open.query(&format!("INSERT INTO t (id) VALUES ({id})"), ANSWER);
        let mut record = lock(&self.record);
        let Err(error) = result else {
            record.acks.push(Ack { id, at: Instant::now(), server });
            return true;
        };
        if matches!(error, SqlError::Server(code, _) if refuses(code)) {
            record.refused.push(id);
        } else {
            record.unknown.push(id);
        }
        record.errors.push((Instant::now(), format!("server {server}: {error}")));
        false
    }

    fn connect(&self, to: SocketAddr) -> Result<(Session, u32), SqlError> {
        let mut session = Session::tcp(to, &Accounts::default().app, CONNECT)?;
        let rows = session.query("SELECT @@server_id", ANSWER)?;
        let id = rows.first().and_then(|id| id.parse().ok());
        lock(&self.record).connects += 1;
        let id = id.ok_or_else(|| SqlError::Broken(format!("no server_id in {rows:?}")))?;
        Ok((session, id))
    }

    fn note(&self, text: String) {
        lock(&self.record).errors.push((Instant::now(), text));
    }
}

/// Errors that say for sure that the row is not there: read-only (1290, 1836), access denied
/// (1044, 1142), lock wait time-out (1205), deadlock (1213). A killed statement is not among them.
fn refuses(code: u16) -> bool {
    matches!(code, 1290 | 1836 | 1044 | 1142 | 1205 | 1213)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(acks: &[(u64, u32)]) -> (Instant, Record) {
        let start = Instant::now();
        let ack = |(at, server): &(u64, u32)| Ack {
            id: *at as i64,
            at: start + Duration::from_millis(*at),
            server: *server,
        };
        (start, Record { acks: acks.iter().map(ack).collect(), ..Record::default() })
    }

    #[test]
    fn a_switch_is_measured_from_the_last_row_of_the_old_server() {
        let (start, record) = record(&[(0, 1), (5, 1), (90, 2), (95, 2), (100, 1), (105, 2)]);
        let switch = record.switch(start + Duration::from_millis(3)).unwrap();
        let gap = Duration::from_millis(85);
        assert_eq!(switch, Switch { from: 1, to: 2, gap, late: 1 });
    }

    #[test]
    fn the_same_server_throughout_is_no_switch() {
        let (start, record) = record(&[(0, 1), (5, 1), (900, 1)]);
        assert_eq!(record.switch(start + Duration::from_millis(3)), None);
        let to = start + Duration::from_millis(950);
        assert_eq!(record.longest_gap(start, to), Duration::from_millis(895));
        assert_eq!(record.count(start, to), 3);
    }

    #[test]
    fn a_gap_that_lasts_to_the_end_counts() {
        let (start, record) = record(&[(0, 1), (5, 1)]);
        let to = start + Duration::from_millis(700);
        assert_eq!(record.longest_gap(start, to), Duration::from_millis(695));
    }
}
