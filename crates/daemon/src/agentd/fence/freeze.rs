//! The freeze of a planned move: everything that can fail comes first, and all of it can be undone.

use std::net::IpAddr;

use mmm_proto::agent::Blocker;
use mmm_proto::{GtidPos, Span};

use super::{FreezeFailed, Frozen, Hands, Progress, ROUND, reserve};
use crate::agentd::server::{Deadline, PendingReadOnly};
use crate::agentd::sessions::Client;

impl Hands {
    /// Freezes the writer. What holds `read_only` up gets `grace`; then everything is undone and
    /// the blockers are named, or with `kill` all sessions are ended at once. Idle transactions are
    /// no blockers: their owners are ended and their changes are rolled back.
    pub async fn freeze(
        &self,
        vip: IpAddr,
        grace: Span,
        kill: bool,
        limit: Span,
    ) -> Result<Frozen, FreezeFailed> {
        let deadline = Deadline::after(limit);
        let work = deadline.less(reserve(limit));
        // What was read-only before stays so when the freeze fails.
        let (refused, before) = tokio::join!(
            self.refusal.new_connections(vip),
            self.server.is_read_only(work.left().into()),
        );
        let mut progress = Progress::default();
        progress.note(refused);
        // From here on the address may be given on: an announcement would draw clients back.
        self.voice.hush(vip);
        let result = match &before {
            Ok(_) => self.freeze_by(vip, grace, kill, work, &mut progress).await,
            Err(error) => Err(failed(error)),
        };
        let mut failure = match result {
            Ok(at) => {
                return Ok(Frozen { at, killed: progress.killed, notes: progress.notes });
            }
            Err(failure) => failure,
        };
        let undone = match before {
            Ok(true) => {
                self.voice.speak(vip);
                return Err(failure);
            }
            Ok(false) => self.thaw(vip, reserve(limit).max(deadline.left().into())).await,
            // Nothing was done to it.
            Err(_) => {
                self.voice.speak(vip);
                self.refusal.lift(vip).await.map_err(|e| e.to_string())
            }
        };
        if let Err(why) = undone {
            failure.why += &format!("; undoing it failed too: {why}");
        }
        Err(failure)
    }

    async fn freeze_by(
        &self,
        vip: IpAddr,
        grace: Span,
        kill: bool,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, FreezeFailed> {
        let left = || Span::from(work.left());
        let pending = self.server.begin_read_only(work.limit(), left()).await;
        let mut pending = pending.map_err(|e| failed(&e))?;
        match pending.wait(grace.min(left())).await {
            Some(done) => done.map_err(|e| failed(&e))?,
            None if kill => self.clear_the_way(pending, work, progress).await?,
            None => self.give_way(pending, grace, work).await?,
        }
        // Side by side, for every millisecond from here on is one in which nobody can write.
        let (refused, killed) =
            tokio::join!(self.refusal.everything(vip), self.server.kill_all(left()));
        progress.note(refused);
        let killed = killed.map_err(|e| failed(&e))?;
        progress.killed += killed.killed;
        if let Some(client) = killed.left.first() {
            let count = killed.left.len();
            let why = format!("{count} sessions do not end, the first is {client}");
            return Err(FreezeFailed { why, blockers: killed.left.iter().map(stuck).collect() });
        }
        // Only now: what was acknowledged until the last session ended is in there.
        match self.server.is_read_only(left()).await {
            Ok(true) => {}
            Ok(false) => return Err(failed(&"something cleared read_only again")),
            Err(error) => return Err(failed(&error)),
        }
        self.server.position(left()).await.map_err(|e| failed(&e))
    }

    /// The grace is over: names the blockers and calls `read_only` off. No error if it came through
    /// meanwhile.
    async fn give_way(
        &self,
        pending: PendingReadOnly,
        grace: Span,
        work: Deadline,
    ) -> Result<(), FreezeFailed> {
        let limit = reserve(work.limit()).min(work.left().into());
        // Asked while it is still held up: afterwards nobody can tell.
        let blockers = self.server.blockers(limit).await;
        let set = pending.cancel(reserve(work.limit())).await;
        if set.map_err(|e| failed(&e))? {
            return Ok(());
        }
        let blockers = blockers.unwrap_or_default();
        let first = blockers.first().map_or_else(
            || {
                "an idle session that holds table locks, the server does not say which (--kill \
                 ends all)"
                    .to_owned()
            },
            ToString::to_string,
        );
        Err(FreezeFailed { why: format!("read_only was held up for {grace} by {first}"), blockers })
    }

    /// Ends sessions until `read_only` comes through.
    async fn clear_the_way(
        &self,
        mut pending: PendingReadOnly,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<(), FreezeFailed> {
        loop {
            let killed = self.server.kill_all(ROUND.min(work.left().into())).await;
            let killed = match killed {
                Ok(killed) => killed,
                Err(error) => {
                    let _ = pending.cancel(reserve(work.limit())).await;
                    return Err(failed(&error));
                }
            };
            progress.killed += killed.killed;
            if let Some(done) = pending.wait(Span::ms(50).min(work.left().into())).await {
                return done.map_err(|e| failed(&e));
            }
            if work.over() {
                let blockers: Vec<Blocker> = killed.left.iter().map(stuck).collect();
                let set = pending.cancel(reserve(work.limit())).await;
                if set.map_err(|e| failed(&e))? {
                    return Ok(());
                }
                let limit = work.limit();
                return Err(FreezeFailed {
                    why: format!("read_only did not come through within {limit}, sessions ended"),
                    blockers,
                });
            }
        }
    }
}

fn failed(error: &impl std::fmt::Display) -> FreezeFailed {
    FreezeFailed { why: error.to_string(), blockers: Vec::new() }
}

fn stuck(client: &Client) -> Blocker {
    Blocker {
        session: client.id,
        who: client.who.clone(),
        what: format!("does not end ({} {})", client.command, client.state),
        age: client.age,
    }
}
