//! The local database server: facts, read_only, replication.
//!
//! Everything here has a deadline, takes the server as it finds it and says in words what went
//! wrong. What must not be here: when to do what (the agent's core decides) and the order of a
//! fence (`fence`).

mod access;
pub mod deadman;
pub(crate) mod dialect;
mod error;
mod examined;
pub(crate) mod facts;
mod read_only;
mod replication;
mod sentinel;
pub(crate) mod session;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmm_proto::agent::{Blocker, Server as Facts};
use mmm_proto::{GtidPos, Span};
use mysql_async::{Conn, Opts};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub use access::ServerAccess;
pub use error::ServerError;
pub use read_only::PendingReadOnly;
pub use sentinel::Pulse;
pub use session::Deadline;

use super::sessions::lock_holders;
use error::{Sort, sort};
use session::{Own, Session};

/// Between two refusals that together are evidence.
const TWICE: Duration = Duration::from_millis(20);
/// A refusal that is older says nothing about now.
const STALE: Duration = Duration::from_secs(5);
/// Connections kept open for acts, so that they need none when the server has none to spare.
const SPARES: usize = 2;

/// The server of this host. Clones share everything.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    access: ServerAccess,
    opts: Opts,
    own: Own,
    spares: Mutex<Vec<Session>>,
    looking: tokio::sync::Mutex<Option<Session>>,
    /// The server refuses connections and has accepted none since.
    refused: Mutex<Option<Refused>>,
}

/// An unbroken row of refused connections.
#[derive(Clone, Copy)]
struct Refused {
    first: Instant,
    last: Instant,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.inner.access.at()).finish()
    }
}

impl Server {
    /// Connects to nothing yet.
    pub fn new(access: ServerAccess) -> Self {
        let opts = access.opts();
        Self {
            inner: Arc::new(Inner {
                access,
                opts,
                own: Own::default(),
                spares: Mutex::default(),
                looking: tokio::sync::Mutex::default(),
                refused: Mutex::default(),
            }),
        }
    }

    /// How the server is reached.
    pub fn access(&self) -> &ServerAccess {
        &self.inner.access
    }

    fn at(&self) -> String {
        self.inner.access.at()
    }

    /// The statement that lists all clients.
    pub(super) fn clients_sql(&self) -> String {
        dialect::list_clients(self.monitor(), &self.inner.own.ids())
    }

    fn monitor(&self) -> &str {
        &self.inner.access.monitor_user
    }

    /// The server as it is now. Never fails: what is wrong is in `reach`, and then the rest is
    /// unknown. Takes about 1 ms on a healthy server, 25 ms on one that is gone, `limit` on one
    /// that hangs.
    pub async fn look(&self, limit: Span) -> Facts {
        match self.try_look(Deadline::after(limit)).await {
            Ok(facts) => facts,
            Err(error) => Facts { reach: error.reach(), ..Facts::unknown() },
        }
    }

    async fn try_look(&self, deadline: Deadline) -> Result<Facts, ServerError> {
        let Some(mut kept) = deadline.run(self.inner.looking.lock()).await else {
            return Err(ServerError::Silent {
                at: self.at(),
                why: format!("the last look has not come back for {}", deadline.limit()),
            });
        };
        if let Some(mut session) = kept.take() {
            match self.look_by(&mut session, deadline).await {
                // It went while nobody looked: see whether a new connection can be made.
                Err(ServerError::Lost { .. }) => {}
                result => {
                    *kept = Some(session).filter(Session::usable);
                    return result;
                }
            }
        }
        let mut session = self.connect(deadline).await?;
        let result = self.look_by(&mut session, deadline).await;
        *kept = Some(session).filter(Session::usable);
        result
    }

    async fn look_by(&self, session: &mut Session, by: Deadline) -> Result<Facts, ServerError> {
        let sql = dialect::look(self.monitor(), &self.inner.own.ids());
        let sets = session.sets("a look", &sql, by).await?;
        facts::facts(&sets).map_err(|why| self.nonsense("a look", why))
    }

    /// Everything that the server has now.
    pub async fn position(&self, limit: Span) -> Result<GtidPos, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let position = self.position_by(&mut session, deadline).await;
        self.keep(session);
        position
    }

    async fn position_by(
        &self,
        session: &mut Session,
        by: Deadline,
    ) -> Result<GtidPos, ServerError> {
        Ok(self.positions_by(session, by).await?.1)
    }

    /// What can be read, and everything that the server has.
    async fn positions_by(
        &self,
        session: &mut Session,
        by: Deadline,
    ) -> Result<(GtidPos, GtidPos), ServerError> {
        const STEP: &str = "reading the GTID position";
        let rows = session.rows(STEP, dialect::POSITIONS, by).await?;
        let row = rows.first().ok_or_else(|| self.nonsense(STEP, "no answer".to_owned()))?;
        let text = |place| session::column(row, place);
        let parse = |a, b| facts::position(a, b).map_err(|why| self.nonsense(STEP, why));
        Ok((parse(text(0), None)?, parse(text(0), text(1))?))
    }

    /// Where the server keeps its pid.
    pub async fn pid_file(&self, limit: Span) -> Result<std::path::PathBuf, ServerError> {
        const STEP: &str = "asking for its pid file";
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let rows = session.rows(STEP, dialect::PID_FILE, deadline).await?;
        self.keep(session);
        let text = |place| rows.first().and_then(|row| session::column(row, place));
        let (Some(file), Some(folder)) = (text(0), text(1)) else {
            return Err(self.nonsense(STEP, "no answer".to_owned()));
        };
        // A relative one is relative to the data directory.
        Ok(std::path::Path::new(&folder).join(file))
    }

    /// What stands in the way of `read_only`, oldest first: running writes, holders of table locks
    /// where the server tells, and open transactions that have written.
    pub async fn blockers(&self, limit: Span) -> Result<Vec<Blocker>, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let sql = dialect::blockers(self.monitor(), &self.inner.own.ids());
        let rows = session.rows("listing blockers", &sql, deadline).await?;
        let mut found: Vec<Blocker> = rows.iter().filter_map(facts::blocker).collect();
        // Most servers have no such table; then the holders of locks stay unnamed.
        if let Ok(holders) =
            session.rows("listing table locks", dialect::LOCK_HOLDERS, deadline).await
        {
            let clients = self.clients_by(&mut session, deadline).await?;
            found.extend(lock_holders(&holders, &clients));
        }
        self.keep(session);
        found.sort_by_key(|blocker| std::cmp::Reverse(blocker.age));
        Ok(found)
    }

    fn nonsense(&self, step: &str, why: String) -> ServerError {
        ServerError::Refused {
            at: self.at(),
            step: step.to_owned(),
            code: 0,
            why: format!("the answer makes no sense: {why}"),
        }
    }

    /// A connection for an act: a kept one that still works, else a new one.
    pub(super) async fn session(&self, deadline: Deadline) -> Result<Session, ServerError> {
        loop {
            let spare = self.spares().pop();
            let Some(mut spare) = spare else { break };
            match spare.ping(deadline.within(self.inner.access.connect_timeout)).await {
                Ok(()) => return Ok(spare),
                Err(ServerError::Late { limit, .. }) => {
                    return Err(ServerError::Silent {
                        at: self.at(),
                        why: format!("no answer to a ping within {limit}"),
                    });
                }
                Err(_) => {}
            }
        }
        self.connect(deadline).await
    }

    /// Gives a connection back for the next act.
    pub(super) fn keep(&self, session: Session) {
        let mut spares = self.spares();
        if session.usable() && spares.len() < SPARES {
            spares.push(session);
        }
    }

    /// Opens the connections that acts will need, so that they are there when the server has no
    /// more to give.
    pub async fn warm_up(&self, limit: Span) -> Result<(), ServerError> {
        let deadline = Deadline::after(limit);
        while self.spares().len() < SPARES {
            let session = self.connect(deadline).await?;
            self.keep(session);
        }
        Ok(())
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.inner.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<Refused>> {
        self.inner.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection. Refused or reset twice in a row means that the server is gone.
    async fn connect(&self, deadline: Deadline) -> Result<Session, ServerError> {
        loop {
            match self.connect_once(deadline).await? {
                Ok(session) => return Ok(session),
                Err(why) => {
                    if self.refused_again() {
                        return Err(ServerError::Gone { at: self.at(), why });
                    }
                    if deadline.left() <= TWICE {
                        return Err(self.silent(format!("{why} (once)")));
                    }
                    tokio::time::sleep(TWICE).await;
                }
            }
        }
    }

    /// Notes a refusal; whether there was another one before, far enough from this one.
    fn refused_again(&self) -> bool {
        let now = Instant::now();
        let mut row = self.refused();
        let first =
            row.filter(|row| now.duration_since(row.last) < STALE).map_or(now, |row| row.first);
        *row = Some(Refused { first, last: now });
        now.duration_since(first) >= TWICE
    }

    /// One attempt. `Err` inside `Ok` is a refusal, in words.
    async fn connect_once(
        &self,
        deadline: Deadline,
    ) -> Result<Result<Session, String>, ServerError> {
        let deadline = deadline.within(self.inner.access.connect_timeout);
        let Some(done) = deadline.run(Conn::new(self.inner.opts.clone())).await else {
            let limit = deadline.limit();
            return Err(self.silent(format!("it accepts and does not greet within {limit}")));
        };
        match done {
            Ok(conn) => {
                *self.refused() = None;
                let mut session = Session::new(conn, self.at(), self.inner.own.clone());
                session.exec("setting up a session", dialect::SETTLE, deadline).await?;
                Ok(Ok(session))
            }
            Err(error) => match sort(&error) {
                Sort::Said { why, .. } | Sort::Odd(why) => {
                    *self.refused() = None;
                    Err(self.silent(why))
                }
                Sort::Dropped(why) => self.judge_refusal(why, deadline).await,
            },
        }
    }

    /// A Unix socket can be missing while the server lives (a cleaner of /run removed it), so that
    /// is only a refusal when the TCP port refuses too.
    async fn judge_refusal(
        &self,
        why: String,
        deadline: Deadline,
    ) -> Result<Result<Session, String>, ServerError> {
        let access = &self.inner.access;
        if let Some(path) = &access.socket {
            let tcp = SocketAddr::new(access.ip, access.port);
            match deadline.run(TcpStream::connect(tcp)).await {
                Some(Ok(_)) => {
                    let path = path.display();
                    return Err(self.silent(format!(
                        "{why} at {path}, but something listens at {tcp}: check mysql_socket"
                    )));
                }
                Some(Err(_)) => {}
                None => return Err(self.silent(format!("{why}, and no answer at {tcp}"))),
            }
        }
        Ok(Err(why))
    }

    fn silent(&self, why: String) -> ServerError {
        ServerError::Silent { at: self.at(), why }
    }
}
