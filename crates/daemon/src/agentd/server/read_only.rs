//! Switching `read_only`, without ever waiting for it without bound.
//!
//! Setting it waits for running writes and table locks, and meanwhile every new write waits behind it. So
//! it runs on a connection of its own, can be called off from another one, and the value is read back.

use std::time::Duration;

use mmm_proto::Span;
use tokio::task::JoinHandle;

use super::dialect;
use super::session::{Deadline, Session};
use super::{Server, ServerError};

/// Kept back from a limit for calling off what did not come through.
const UNDO: Span = Span::ms(100);
const SETTING: &str = "setting read_only";

/// A `read_only=1` on its way. Dropped, it goes on in the server until its own limit.
#[derive(Debug)]
pub struct PendingReadOnly {
    id: u64,
    server: Server,
    task: JoinHandle<(Session, Result<(), ServerError>)>,
    done: Option<Result<(), ServerError>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.id()).finish()
    }
}

impl PendingReadOnly {
    /// Waits at most so long; none while it is still on its way. After an error the old value stands.
    pub async fn wait(&mut self, limit: Span) -> Option<Result<(), ServerError>> {
        if self.done.is_none() {
            let ended = tokio::time::timeout(Duration::from(limit), &mut self.task).await;
            self.done = Some(match ended.ok()? {
                Ok((session, result)) => {
                    self.server.keep(session);
                    result
                }
                Err(error) => Err(self.server.nonsense(SETTING, error.to_string())),
            });
        }
        self.done.clone()
    }

    /// Calls it off and reads back what holds now: whether `read_only` is set.
    pub async fn cancel(mut self, limit: Span) -> Result<bool, ServerError> {
        let deadline = Deadline::after(limit);
        let server = self.server.clone();
        let mut other = server.session(deadline).await?;
        let mut pause = Span::ZERO;
        // The statement may not have begun yet when the first order comes: say it until it has ended.
        while self.wait(pause).await.is_none() {
            if deadline.over() {
                return Err(ServerError::Late {
                    at: server.at(),
                    step: "calling off read_only".to_owned(),
                    limit,
                    why: "it is still on its way".to_owned(),
                });
            }
            let kill = dialect::kill_query(self.id);
            match other.exec("calling off read_only", &kill, deadline).await {
                // Error 1094: its connection is gone.
                Ok(()) | Err(ServerError::Refused { code: 1094, .. }) => {}
                Err(error) => return Err(error),
            }
            pause = Span::ms(5);
        }
        let on = server.read_only_by(&mut other, deadline).await;
        server.keep(other);
        on
    }
}

impl Server {
    /// Whether `read_only` is set.
    pub async fn is_read_only(&self, limit: Span) -> Result<bool, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let on = self.read_only_by(&mut session, deadline).await;
        self.keep(session);
        on
    }

    async fn read_only_by(&self, session: &mut Session, by: Deadline) -> Result<bool, ServerError> {
        const STEP: &str = "reading read_only";
        let value = session.value(STEP, dialect::READ_ONLY, by).await?;
        match value.as_deref() {
            Some("0" | "OFF") => Ok(false),
            Some("1" | "ON") => Ok(true),
            other => Err(self.nonsense(STEP, format!("{other:?}"))),
        }
    }

    /// Begins to set `read_only`, to be waited for or called off. The server itself gives up after `wait`,
    /// rounded up to seconds, even when nobody is there any more to call it off.
    pub async fn begin_read_only(
        &self,
        wait: Span,
        limit: Span,
    ) -> Result<PendingReadOnly, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let id = session.id();
        let secs = wait.as_ms().div_ceil(1000).clamp(1, 3600);
        let task = tokio::spawn(async move {
            let sql = dialect::read_only_on(secs);
            // The server ends it; the deadline is for one that is stopped.
            let deadline = Deadline::after(Span::secs(secs + 1));
            let result = session.exec(SETTING, &sql, deadline).await;
            (session, result)
        });
        Ok(PendingReadOnly { id, server: self.clone(), task, done: None })
    }

    /// Sets or clears `read_only` and reads it back. If something holds it up until `limit`, it is called off:
    /// after an error the value is what it was before, unless the error says that this too failed.
    pub async fn set_read_only(&self, on: bool, limit: Span) -> Result<(), ServerError> {
        let deadline = Deadline::after(limit);
        if !on {
            let mut session = self.session(deadline).await?;
            session.exec("clearing read_only", dialect::READ_ONLY_OFF, deadline).await?;
            let still = self.read_only_by(&mut session, deadline).await?;
            self.keep(session);
            return if still {
                Err(self.nonsense("clearing read_only", "it is still set".to_owned()))
            } else {
                Ok(())
            };
        }
        let reserve = Span::ms(UNDO.as_ms().min(limit.as_ms() / 4));
        let mut pending = self.begin_read_only(limit, limit).await?;
        let patience = Span::from(deadline.left()).less(reserve);
        match pending.wait(patience).await {
            Some(Ok(())) if self.is_read_only(deadline.left().into()).await? => Ok(()),
            Some(Ok(())) => Err(self.nonsense(SETTING, "it is still clear".to_owned())),
            Some(Err(error)) => Err(error),
            None if pending.cancel(UNDO.max(deadline.left().into())).await? => Ok(()),
            None => Err(ServerError::Late {
                at: self.at(),
                step: SETTING.to_owned(),
                limit,
                why: "running writes or table locks held it up; called off".to_owned(),
            }),
        }
    }
}
