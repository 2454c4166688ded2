//! The fence: no more writes by way of the VIPs, whatever it takes, within a budget.

use std::net::IpAddr;

use mmm_proto::{GtidPos, Span};
use tokio::time::Instant;

use super::{Fenced, Hands, MERCY, Progress, ROUND, ReadOnly, reserve};
use crate::agentd::server::{Deadline, PendingReadOnly, ServerError};

impl Hands {
    /// Makes sure that nobody writes by way of these VIPs: refuse, `read_only` not waited for, end
    /// sessions while the VIPs are still up, verify, drop the VIPs in any case. Ends within
    /// `budget` or a little more and says honestly what could not be verified: then the server's
    /// process must be ended, which is not done here.
    pub async fn fence(&self, vips: &[IpAddr], budget: Span) -> Fenced {
        let began = Instant::now();
        let deadline = Deadline::after(budget);
        let work = deadline.less(reserve(budget));
        let mut progress = Progress::default();
        for vip in vips {
            self.voice.hush(*vip);
        }
        let quiet = self.quieten(vips, work, &mut progress).await;
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for vip in vips {
            match self.drop_vip(*vip).await {
                Ok(()) => gone.push(*vip),
                Err(why) => left.push((*vip, why)),
            }
        }
        let (read_only, at) = match quiet {
            Ok(at) => (ReadOnly::Verified, Some(at)),
            Err(ServerError::Gone { why, .. }) => (ReadOnly::ServerGone(why), None),
            Err(error) => (ReadOnly::Failed(error.to_string()), None),
        };
        if matches!(read_only, ReadOnly::ServerGone(_)) {
            progress.left.clear();
        }
        Fenced {
            read_only,
            vips_gone: gone,
            vips_left: left,
            killed: progress.killed,
            sessions_left: progress.left,
            at,
            took: began.elapsed().into(),
            notes: progress.notes,
        }
    }

    /// The part of a fence that needs the server. An error says what could not be verified.
    async fn quieten(
        &self,
        vips: &[IpAddr],
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, ServerError> {
        let left = || Span::from(work.left());
        let refuse = async {
            let mut done = Ok(());
            for vip in vips {
                done = done.and(self.refusal.new_connections(*vip).await);
            }
            done
        };
        let (refused, pending) =
            tokio::join!(refuse, self.server.begin_read_only(Span::secs(1), left()));
        progress.note(refused);
        let set = match pending {
            Ok(pending) => self.insist(pending, work, progress).await,
            Err(error) => Err(error),
        };
        // Also when it hangs: what arrives from now on must not be executed when it wakes up.
        if !matches!(set, Err(ServerError::Gone { .. })) {
            for vip in vips {
                progress.note(self.refusal.everything(*vip).await);
            }
        }
        let verified = match set {
            Ok(()) => self.end_all(work, progress).await,
            Err(error) => Err(error),
        };
        match verified {
            // The connection broke on the way: is it that the server died?
            Err(ServerError::Lost { .. }) => self.end_all(work, progress).await,
            other => other,
        }
    }

    async fn end_all(
        &self,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<GtidPos, ServerError> {
        let left = || Span::from(work.left());
        let killed = self.server.kill_all(left()).await?;
        progress.killed += killed.killed;
        progress.left = killed.left;
        // Whatever was left of the time went to sessions that do not end; one more question is
        // always asked.
        let rest = left().max(Span::ms(20));
        if !self.server.is_read_only(rest).await? {
            return Err(ServerError::Late {
                at: self.server.access().at(),
                step: "verifying read_only".to_owned(),
                limit: work.limit(),
                why: "it is not set".to_owned(),
            });
        }
        self.server.position(rest).await
    }

    /// Waits for `read_only`, first with mercy, then ending every session that may hold it up.
    async fn insist(
        &self,
        mut pending: PendingReadOnly,
        work: Deadline,
        progress: &mut Progress,
    ) -> Result<(), ServerError> {
        let mut patience = MERCY;
        loop {
            let left = Span::from(work.left());
            match pending.wait(patience.min(left)).await {
                Some(Ok(())) => return Ok(()),
                // Its own limit passed in the server: begin again.
                Some(Err(ServerError::Refused { code: 1205, .. })) => {
                    pending = self.server.begin_read_only(Span::secs(1), left).await?;
                }
                Some(Err(error)) => return Err(error),
                None => {}
            }
            if work.over() {
                return Err(ServerError::Late {
                    at: self.server.access().at(),
                    step: "setting read_only".to_owned(),
                    limit: work.limit(),
                    why: "something holds it up that does not end".to_owned(),
                });
            }
            let killed = self.server.kill_all(ROUND.min(work.left().into())).await?;
            progress.killed += killed.killed;
            progress.left = killed.left;
            patience = Span::ms(20);
        }
    }
}
