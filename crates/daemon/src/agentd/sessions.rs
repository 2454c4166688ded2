//! Client sessions on the local server: list, kill.
//!
//! A client is every session but the server's own threads, replicas that fetch from it, the monitor's
//! account and the agent's own connections. Privileged users are clients too: they write under read_only.

use std::collections::BTreeSet;

use mmm_proto::Span;
use mmm_proto::agent::Blocker;
use mysql_async::Row;

use super::server::dialect::kill_sessions;
use super::server::facts::{Columns, who, whole};
use super::server::session::Session;
use super::server::{Deadline, Server, ServerError};

/// Pauses between rounds: killed sessions are gone within some milliseconds, later ones take their time.
const PACE_MS: [u64; 6] = [2, 5, 10, 20, 50, 100];
/// The least time that a statement gets.
const LAST_ROUND: Span = Span::ms(50);
/// Sessions killed by one statement.
const BATCH: usize = 200;
/// What the server calls a session that has not logged in yet.
const NOT_YET_IN: &str = "unauthenticated user";

/// A session of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The server's number of the session.
    pub id: u64,
    /// `user@host`.
    pub who: String,
    /// The server's word for what it does: `Sleep`, `Query`, `Killed`.
    pub command: String,
    /// The server's word for where it is in that.
    pub state: String,
    /// How long it has been doing so.
    pub age: Span,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {} of {}", self.id, self.who)?;
        write!(f, " ({} {}, {})", self.command, self.state, self.age)
    }
}

/// What came of ending all sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Killed {
    /// How many sessions were told to end, each counted once.
    pub killed: u32,
    /// Those that were there at the beginning and still are: in a place where the server cannot end them.
    pub left: Vec<Client>,
}

impl Server {
    /// All client sessions.
    pub async fn list_clients(&self, limit: Span) -> Result<Vec<Client>, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let clients = self.clients_by(&mut session, deadline).await;
        self.keep(session);
        clients
    }

    pub(super) async fn clients_by(
        &self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<Vec<Client>, ServerError> {
        let sql = self.clients_sql();
        let rows = session.rows("listing sessions", &sql, deadline).await?;
        Ok(rows.iter().filter_map(client).collect())
    }

    /// Ends client sessions until none of those is left that were there when it began. Later ones are ended
    /// too as long as it goes on, but not waited for: those who come after `read_only` and a refusal of the
    /// VIP can do no harm, and clients of other addresses would come back for ever.
    pub async fn kill_all(&self, limit: Span) -> Result<Killed, ServerError> {
        let deadline = Deadline::after(limit);
        let mut session = self.session(deadline).await?;
        let done = self.kill_by(&mut session, deadline).await;
        self.keep(session);
        done
    }

    async fn kill_by(&self, session: &mut Session, by: Deadline) -> Result<Killed, ServerError> {
        let mut told: BTreeSet<u64> = BTreeSet::new();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut newest = None;
        // The last round ends after the limit: it tells who is left.
        let each = || Deadline::after(Span::from(by.left()).max(LAST_ROUND));
        for round in 0_usize.. {
            let clients = self.clients_by(session, each()).await?;
            // Numbers only grow, so the newest of the first round parts the old from the new.
            let newest = *newest.get_or_insert_with(|| clients.iter().map(|c| c.id).max());
            let left: Vec<Client> = clients
                .iter()
                .filter(|c| newest.is_some_and(|newest| c.id <= newest))
                .cloned()
                .collect();
            if left.is_empty() || by.over() {
                let killed = u32::try_from(told.len()).unwrap_or(u32::MAX);
                return Ok(Killed { killed, left });
            }
            // A login takes a millisecond; it may be the monitor's or our own. One that takes longer is ended.
            let targets: Vec<u64> = clients
                .iter()
                .filter(|c| !c.who.starts_with(NOT_YET_IN) || seen.contains(&c.id))
                .map(|c| c.id)
                .collect();
            for batch in targets.chunks(BATCH) {
                session.exec("ending sessions", &kill_sessions(batch), each()).await?;
            }
            told.extend(targets);
            seen.extend(clients.iter().map(|c| c.id));
            by.pause(Span::ms(PACE_MS[round.min(PACE_MS.len() - 1)])).await;
        }
        // `0..` ends only by overflow, long after any deadline.
        Ok(Killed::default())
    }
}

fn client<R: Columns>(row: &R) -> Option<Client> {
    Some(Client {
        id: row.number("id")?,
        who: who(row),
        command: row.text("command").unwrap_or_default(),
        state: row.text("state").unwrap_or_default(),
        age: Span::ms(row.number::<f64>("ms").map_or(0, whole)),
    })
}

/// The holders of table locks among the clients.
pub(super) fn lock_holders(locks: &[Row], clients: &[Client]) -> Vec<Blocker> {
    let holders: BTreeSet<u64> = locks.iter().filter_map(|row| row.number("id")).collect();
    clients
        .iter()
        .filter(|client| holders.contains(&client.id))
        .map(|client| Blocker {
            session: client.id,
            who: client.who.clone(),
            what: "table locks held".to_owned(),
            age: client.age,
        })
        .collect()
}
