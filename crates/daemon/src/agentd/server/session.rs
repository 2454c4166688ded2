//! One connection to the server with a deadline on each statement, and the register of the agent's own
//! connections, which are nobody's clients.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmm_proto::Span;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row};
use tokio::time::Instant;

use super::error::{ServerError, Sort, sort};

/// The server's own word that this connection is over: shutdown, killed, timed out.
const ENDED: [u16; 4] = [1053, 1927, 4031, 1080];

/// A point in time by which an act must have ended.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Span,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Span) -> Self {
        // A span from the wire may be absurd; a year is for ever.
        let span = Duration::from(limit).min(Duration::from_secs(31_536_000));
        Self { at: Instant::now() + span, limit }
    }

    /// So long from now, or this one if it is sooner.
    pub fn within(self, limit: Span) -> Self {
        let other = Self::after(limit);
        if other.at < self.at { other } else { self }
    }

    /// So much sooner than this one, to leave time for clearing up.
    pub fn less(self, reserve: Span) -> Self {
        Self::after(Span::from(self.left()).less(reserve))
    }

    /// What is left; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn over(&self) -> bool {
        self.left().is_zero()
    }

    /// How long it was when it was set.
    pub const fn limit(&self) -> Span {
        self.limit
    }

    /// Waits for `work` until then; none when it came to nothing.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.at, work).await.ok()
    }

    /// Sleeps for `span`, or until then if that is sooner.
    pub async fn pause(&self, span: Span) {
        tokio::time::sleep(Duration::from(span).min(self.left())).await;
    }
}

/// The server's numbers of the agent's own connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Own(Arc<Mutex<BTreeSet<u64>>>);

impl Own {
    pub(super) fn ids(&self) -> BTreeSet<u64> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, in the register for as long as it lives.
pub(crate) struct Session {
    conn: Conn,
    id: u64,
    at: String,
    own: Own,
    /// A statement was given up or the connection broke: not to be used again.
    broken: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.own.lock().remove(&self.id);
    }
}

impl Session {
    pub(super) fn new(conn: Conn, at: String, own: Own) -> Self {
        let id = u64::from(conn.id());
        own.lock().insert(id);
        Self { conn, id, at, own, broken: false }
    }

    /// The server's number of this connection.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn usable(&self) -> bool {
        !self.broken
    }

    /// Runs `sql`, which answers nothing or nothing of interest.
    pub(crate) async fn exec(
        &mut self,
        step: &str,
        sql: &str,
        deadline: Deadline,
    ) -> Result<(), ServerError> {
        let done = deadline.run(self.conn.query_drop(sql)).await;
        self.judge(step, deadline, done)
    }

    /// The rows of `sql`.
    pub(crate) async fn rows(
        &mut self,
        step: &str,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Vec<Row>, ServerError> {
        let done = deadline.run(self.conn.query::<Row, _>(sql)).await;
        self.judge(step, deadline, done)
    }

    /// The first column of the first row of `sql`, as text.
    pub(crate) async fn value(
        &mut self,
        step: &str,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Option<String>, ServerError> {
        let rows = self.rows(step, sql, deadline).await?;
        Ok(rows.first().and_then(|row| column(row, 0)))
    }

    /// The rows of each of several statements, in one round trip.
    pub(crate) async fn sets(
        &mut self,
        step: &str,
        sql: &str,
        deadline: Deadline,
    ) -> Result<Vec<Vec<Row>>, ServerError> {
        let conn = &mut self.conn;
        let done = deadline
            .run(async {
                let mut answer = conn.query_iter(sql).await?;
                let mut sets = Vec::new();
                while !answer.is_empty() {
                    sets.push(answer.collect::<Row>().await?);
                }
                answer.drop_result().await?;
                Ok(sets)
            })
            .await;
        self.judge(step, deadline, done)
    }

    /// Whether the connection still works.
    pub(crate) async fn ping(&mut self, deadline: Deadline) -> Result<(), ServerError> {
        let done = deadline.run(self.conn.ping()).await;
        self.judge("a ping", deadline, done)
    }

    fn judge<T>(
        &mut self,
        step: &str,
        deadline: Deadline,
        done: Option<Result<T, Error>>,
    ) -> Result<T, ServerError> {
        let (at, step) = (self.at.clone(), step.to_owned());
        let error = match done {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => error,
            None => {
                self.broken = true;
                return Err(ServerError::Late {
                    at,
                    step,
                    limit: deadline.limit(),
                    why: "no answer".to_owned(),
                });
            }
        };
        Err(match sort(&error) {
            Sort::Said { code, why } => {
                self.broken |= ENDED.contains(&code);
                ServerError::Refused { at, step, code, why }
            }
            Sort::Dropped(why) | Sort::Odd(why) => {
                self.broken = true;
                ServerError::Lost { at, step, why }
            }
        })
    }
}

/// A column by its place, as text; none for NULL.
pub(crate) fn column(row: &Row, place: usize) -> Option<String> {
    use mysql_async::Value;
    match row.as_ref(place)? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

/// A column by its name, as text; none for NULL and for a column that is not there.
pub(crate) fn field(row: &Row, name: &str) -> Option<String> {
    let place = row.columns_ref().iter().position(|c| c.name_str().eq_ignore_ascii_case(name))?;
    column(row, place)
}
