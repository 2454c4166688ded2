//! The dead-man event of the local server: looked at, made, wound up, removed. Nothing of it is in
//! the binary log. What must not be here: when to do it (`core::deadman`, `core::agent`).

use mmm_proto::Span;

use super::session::{Deadline, Session, column};
use super::{Server, ServerError, dialect};
use crate::core::deadman::{Seen, SeenEvent};

/// One statement.
const LIMIT: Span = Span::secs(1);
/// Making or removing it: several, which may wait for others that change tables.
const MAKE_LIMIT: Span = Span::secs(3);

/// The event, by a connection of its own that writes no binary log.
#[derive(Debug)]
pub struct DeadmanEvent {
    server: Server,
    session: Option<Session>,
}

impl DeadmanEvent {
    /// Connects to nothing yet.
    pub fn of(server: Server) -> Self {
        Self { server, session: None }
    }

    /// The event as it is.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn look(&mut self) -> Result<Seen, ServerError> {
        let by = Deadline::after(LIMIT);
        look(self.session(by).await?, by).await
    }

    /// Makes it and its table, whatever is there. A countdown that runs goes on.
    ///
    /// # Errors
    /// When the server refuses, or is not done in time.
    pub async fn make(&mut self) -> Result<(), ServerError> {
        let by = Deadline::after(MAKE_LIMIT);
        let session = self.session(by).await?;
        for statement in dialect::deadman::MAKE {
            session.exec("making the dead-man event", statement, by).await?;
        }
        Ok(())
    }

    /// Sets the countdown: so many ticks of one second, or off.
    ///
    /// # Errors
    /// When the server refuses, or is not done in time.
    pub async fn wind(&mut self, ticks: Option<u32>) -> Result<(), ServerError> {
        let by = Deadline::after(LIMIT);
        let sql = dialect::deadman::wind(ticks);
        self.session(by).await?.exec("winding the dead-man event up", &sql, by).await
    }

    /// Removes it and its table; whether there was anything.
    ///
    /// # Errors
    /// When the server refuses, or is not done in time.
    pub async fn remove(&mut self) -> Result<bool, ServerError> {
        let seen = self.server.deadman_event(LIMIT).await?;
        if seen.event.is_none() && !seen.table {
            return Ok(false);
        }
        let by = Deadline::after(MAKE_LIMIT);
        let session = self.session(by).await?;
        if seen.table {
            // First of all, and also where the rest is refused: nothing must fire any more.
            let stop = dialect::deadman::wind(None);
            session.exec("stopping the dead-man event", &stop, by).await?;
        }
        for statement in dialect::deadman::REMOVE {
            session.exec("removing the dead-man event", statement, by).await?;
        }
        Ok(true)
    }

    async fn session(&mut self, by: Deadline) -> Result<&mut Session, ServerError> {
        let session = match self.session.take().filter(Session::usable) {
            Some(session) => session,
            None => {
                let mut new = self.server.connect(by).await?;
                new.exec("leaving the binary log out", dialect::deadman::SETTLE, by).await?;
                new
            }
        };
        Ok(self.session.insert(session))
    }
}

impl Server {
    /// The dead-man event as it is, for an examination.
    pub(crate) async fn deadman_event(&self, limit: Span) -> Result<Seen, ServerError> {
        let by = Deadline::after(limit);
        let mut session = self.session(by).await?;
        let seen = look(&mut session, by).await;
        self.keep(session);
        seen
    }
}

async fn look(session: &mut Session, by: Deadline) -> Result<Seen, ServerError> {
    let rows = session.rows("looking at the dead-man event", dialect::deadman::LOOK, by).await?;
    let text = |place| rows.first().and_then(|row| column(row, place));
    let event = text(1).map(|status| SeenEvent {
        status,
        ours: text(2).as_deref() == Some("1"),
        last: text(3),
    });
    let table = text(4).is_some_and(|count| count != "0");
    Ok(Seen { scheduler: text(0).unwrap_or_default(), event, table })
}
