//! Replication on the local server: catch up, drain, re-point, stop, start.
//!
//! STOP waits for the transaction that is being applied, however long, so each act has a connection
//! of its own and a deadline; what was given up may still happen in the server a little later.

use std::net::IpAddr;

use mmm_proto::agent::{Replication, Thread};
use mmm_proto::{GtidPos, Span};

use super::session::{Deadline, Session, column};
use super::{Server, ServerError, dialect, facts};

/// The longest wait for a position without looking whether the applier still runs.
const SLICE: Span = Span::ms(100);

/// How long the binary log may know more than was committed while the applier has nothing to do.
/// After that no commit is under way: somebody has set the position as a replica back.
const COMMIT: Span = Span::ms(200);

/// Replication as it is, with what the wire does not carry.
struct Status {
    now: Replication,
    user: String,
    by_gtid: bool,
    received: GtidPos,
}

impl Server {
    /// Waits until everything up to `to` is applied and can be read. Gives up early when that
    /// cannot happen by itself: the applier has stopped, or the receiver has and `to` was not
    /// received. The error counts what is missing.
    pub async fn catch_up(&self, to: &GtidPos, limit: Span) -> Result<GtidPos, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let reached = self.catch_up_by(&mut session, to, deadline).await;
        self.keep(session);
        reached
    }

    async fn catch_up_by(
        &self,
        session: &mut Session,
        to: &GtidPos,
        deadline: Deadline,
    ) -> Result<GtidPos, ServerError> {
        let mut idle: Option<Deadline> = None;
        loop {
            let (committed, at) = self.positions_by(session, deadline).await?;
            if let Some(domain) = at.parted_from(to) {
                let why =
                    format!("the histories parted in domain {domain}: {at} here, {to} wanted");
                return Err(self.behind(&at, to, why));
            }
            if committed.includes(to) {
                return Ok(at);
            }
            // The applier writes to the binary log before the rows can be read.
            let logged = at.includes(to);
            // What is left must be enough for the next round's queries.
            if deadline.left() < std::time::Duration::from_millis(10) {
                let (at, what) = if logged {
                    (&committed, "in its binary log, but not committed")
                } else {
                    (&at, "not applied")
                };
                return Err(self.behind(at, to, format!("{what} within {}", deadline.limit())));
            }
            let status = self.status(session, deadline).await?;
            if !logged && let Some(why) = hopeless(status.as_ref(), to) {
                // It may have been applied between the two looks.
                let at = self.position_by(session, deadline).await?;
                if at.includes(to) {
                    continue;
                }
                return Err(self.behind(&at, to, why));
            }
            if !logged || status.as_ref().is_some_and(applies) {
                idle = None;
            } else if idle.get_or_insert_with(|| Deadline::after(COMMIT)).over() {
                return Ok(at);
            }
            let ms = SLICE.as_ms().min(Span::from(deadline.left()).as_ms() / 2).max(1);
            let sql = dialect::wait_for(to, ms);
            session.value("waiting for the applier", &sql, deadline).await?;
            // Own writes are not in the position that the server waits for: then it answers at once
            // for ever, or never, and only the loop's own look tells.
            deadline.pause(Span::ms(1)).await;
        }
    }

    /// The source is lost: stops receiving, applies all that was received, stops. Returns the
    /// position. The error counts what is not applied; the receiver then stays stopped, unless it
    /// is the applier that was: then nothing is touched.
    pub async fn drain(&self, limit: Span) -> Result<GtidPos, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let drained = self.drain_by(&mut session, deadline).await;
        self.keep(session);
        drained
    }

    async fn drain_by(&self, session: &mut Session, by: Deadline) -> Result<GtidPos, ServerError> {
        let Some(before) = self.status(session, by).await? else {
            return self.position_by(session, by).await;
        };
        // With both threads stopped, the next START throws away what was received and not applied.
        if before.now.sql == Thread::No {
            let at = self.position_by(session, by).await?;
            if !at.includes(&before.received) {
                let why = format!(
                    "its applier is stopped: {}; the receiver was left alone, so that nothing is lost",
                    said(&before.now.error)
                );
                return Err(self.behind(&at, &before.received, why));
            }
        }
        session.exec("stopping the receiver", dialect::STOP_RECEIVING, by).await?;
        // Looked up again: what came in until the receiver stopped counts.
        let received = match self.status(session, by).await? {
            Some(status) => status.received,
            None => GtidPos::default(),
        };
        self.catch_up_by(session, &received, by).await?;
        session.exec("stopping replication", dialect::STOP, by).await?;
        self.position_by(session, by).await
    }

    /// Replicates from `source` by GTID, from everything that this server has. Does nothing when it
    /// does so already. Other settings of replication, TLS above all, stay as they are.
    pub async fn follow(&self, source: IpAddr, port: u16, limit: Span) -> Result<(), ServerError> {
        let access = self.access();
        if source == access.ip && port == access.port {
            return Err(ServerError::Refused {
                at: self.at(),
                step: "following".to_owned(),
                code: 0,
                why: format!("{source}:{port} is this server itself"),
            });
        }
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let done = self.follow_by(&mut session, source, port, deadline).await;
        self.keep(session);
        done
    }

    async fn follow_by(
        &self,
        session: &mut Session,
        source: IpAddr,
        port: u16,
        by: Deadline,
    ) -> Result<(), ServerError> {
        let access = self.access();
        if let Some(status) = self.status(session, by).await? {
            let now = &status.now;
            let same = *now.source == source.to_string()
                && now.port == port
                && status.by_gtid
                && status.user == access.replication_user;
            let runs = now.sql == Thread::Yes
                && (now.io == Thread::Yes
                    || (now.io == Thread::Connecting && now.error.is_empty()));
            if same && runs {
                return Ok(());
            }
            session.exec("stopping replication", dialect::STOP, by).await?;
        }
        self.settle_position(session, by).await?;
        let sql = dialect::change_source(
            source,
            port,
            &access.replication_user,
            access.replication_password.expose(),
        );
        let step = format!("re-pointing to {source}:{port}");
        let done = session.exec(&step, &sql, by).await;
        done.map_err(|error| without_words(error, &step))?;
        session.exec("starting replication", dialect::START, by).await
    }

    /// Makes the position as a replica everything that the server has: a former writer's own
    /// transactions are only in its binary log. Never sets it back.
    async fn settle_position(
        &self,
        session: &mut Session,
        by: Deadline,
    ) -> Result<(), ServerError> {
        const STEP: &str = "setting the position to replicate from";
        let rows = session.rows(STEP, dialect::POSITIONS, by).await?;
        let text = |place| rows.first().and_then(|row| column(row, place));
        let parse = |a, b| facts::position(a, b).map_err(|why| self.nonsense(STEP, why));
        let replica = parse(text(2), None)?;
        let all = parse(text(0), text(1))?.union(&replica);
        if all == replica {
            return Ok(());
        }
        session.exec(STEP, &dialect::set_position(&all), by).await
    }

    /// Stops replication, its settings kept. No error when it does not run or is not set up.
    pub async fn stop_replication(&self, limit: Span) -> Result<(), ServerError> {
        self.replicate(false, limit).await
    }

    /// Starts replication as it is set up. An error when it is not.
    pub async fn start_replication(&self, limit: Span) -> Result<(), ServerError> {
        self.replicate(true, limit).await
    }

    async fn replicate(&self, run: bool, limit: Span) -> Result<(), ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let done = match (run, self.status(&mut session, deadline).await?) {
            (false, None) => Ok(()),
            (false, Some(_)) => session.exec("stopping replication", dialect::STOP, deadline).await,
            (true, _) => session.exec("starting replication", dialect::START, deadline).await,
        };
        self.keep(session);
        done
    }

    async fn status(
        &self,
        session: &mut Session,
        by: Deadline,
    ) -> Result<Option<Status>, ServerError> {
        use facts::Columns;
        const STEP: &str = "reading the state of replication";
        let rows = session.rows(STEP, dialect::REPLICATION, by).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Some(now) = facts::replication(row) else {
            return Ok(None);
        };
        Ok(Some(Status {
            now,
            user: row.any(&["Master_User", "Source_User"]).unwrap_or_default(),
            by_gtid: row.text("Using_Gtid").is_some_and(|word| word == "Slave_Pos"),
            received: facts::received(row).map_err(|why| self.nonsense(STEP, why))?,
        }))
    }

    fn behind(&self, at: &GtidPos, to: &GtidPos, why: String) -> ServerError {
        ServerError::Behind { at: self.at(), left: to.missing_from(at), why }
    }
}

/// Whether the applier is at work.
fn applies(status: &Status) -> bool {
    // "Slave has read all relay log; waiting for more updates", in words that changed a little.
    status.now.sql == Thread::Yes && !status.now.sql_state.contains("has read all relay log")
}

/// Why `to` will not be reached without help, if so.
fn hopeless(status: Option<&Status>, to: &GtidPos) -> Option<String> {
    let Some(status) = status else {
        return Some("it does not replicate".to_owned());
    };
    let error = said(&status.now.error);
    if status.now.sql == Thread::No {
        return Some(format!("its applier is stopped: {error}"));
    }
    if status.now.io == Thread::No && !status.received.includes(to) {
        return Some(format!("its receiver is stopped before it had them all: {error}"));
    }
    None
}

/// The last error of a replication thread, or that there is none.
fn said(error: &str) -> &str {
    if error.is_empty() { "no error" } else { error }
}

/// The server quotes parts of a statement in its complaints, here perhaps the password.
fn without_words(error: ServerError, step: &str) -> ServerError {
    match error {
        ServerError::Refused { at, code, .. } if code != 1227 && code != 1198 => {
            ServerError::Refused {
                at,
                step: step.to_owned(),
                code,
                why: format!(
                    "error {code}; its words are withheld, as they may quote the password: \
                     check replication_user and replication_password"
                ),
            }
        }
        other => other,
    }
}
