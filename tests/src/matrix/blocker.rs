//! Clients that are in the way of a freeze or a fence: a lock, a long statement, an open
//! transaction, hundreds of sessions. They come through the VIP, as ordinary clients do.
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::scene::{SOON, Scene};
use crate::config::Accounts;
use crate::sql::{Rows, Session, SqlError, complete};
use crate::wait::until;

/// Who hears nothing for so long waits on a silent address.
const SILENT: Duration = Duration::from_secs(1);

static IDS: AtomicI64 = AtomicI64::new(2);

/// A client on `host` that has come through the VIP.
fn client(scene: &Scene<'_>, host: &str) -> Result<Session> {
    let to = scene.lab.writer_address();
    let open = move || Session::tcp(to, &Accounts::default().app, SOON);
    let thread = scene.lab.host(host)?.thread("blocker", open)?;
    let session = thread.join().map_err(|_| anyhow!("connecting panicked"))??;
    session.with_context(|| format!("connect from {host} to {to}"))
}

/// Holds `LOCK TABLES ... WRITE` for as long as it is kept.
pub(super) fn lock_tables(scene: &Scene<'_>, host: &str) -> Result<Session> {
    let mut session = client(scene, host)?;
    session.query("LOCK TABLES held WRITE", SOON).context("LOCK TABLES")?;
    Ok(session)
}

/// An UPDATE that takes six seconds, and has begun; its outcome.
pub(super) fn long_update(
    scene: &Scene<'_>,
    host: &str,
) -> Result<JoinHandle<Result<Rows, SqlError>>> {
    let mut session = client(scene, host)?;
    let update = std::thread::spawn(move || {
        session.query("UPDATE held SET n = n + 1 + SLEEP(6) WHERE id = 1", Duration::from_secs(9))
    });
    let server = scene.server()?;
    until("the update to run", SOON, || {
        let sql = "SELECT COUNT(*) FROM information_schema.processlist \
                   WHERE info LIKE 'UPDATE held%'";
        let n = server.value(sql).map_err(|error| format!("{error:#}"))?;
        if n == "1" { Ok(()) } else { Err(format!("{n} such statements")) }
    })?;
    Ok(update)
}

/// A transaction with a row in it, idle.
pub(super) struct Open {
    session: Session,
    id: i64,
}

impl Open {
    pub(super) fn begin(scene: &Scene<'_>, host: &str) -> Result<Open> {
        let mut session = client(scene, host)?;
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        session.query("START TRANSACTION", SOON).context("open a transaction")?;
        session.query(&format!("INSERT INTO held VALUES ({id}, 0)"), SOON).context("its row")?;
        Ok(Open { session, id })
    }

    /// Tries to commit. An error when that is acknowledged and the row is not on the writer, or
    /// refused and the row is there; otherwise what came of it, in words.
    pub(super) fn commit(mut self, scene: &Scene<'_>) -> Result<String> {
        let answer = self.session.query("COMMIT", SILENT);
        let id = scene.client.record().acks.last().map_or(0, |ack| ack.server);
        let sql = format!("SELECT COUNT(*) FROM app.held WHERE id = {}", self.id);
        let there = scene.lab.server_by_id(id)?.value(&sql)? == "1";
        match (&answer, there) {
            (Ok(_), true) => Ok("its COMMIT was acknowledged, and is kept".to_owned()),
            (Ok(_), false) => bail!("an acknowledged COMMIT is lost"),
            (Err(SqlError::Server(1290, _)), true) => bail!("a refused COMMIT is there"),
            (Err(error), _) => Ok(format!("its COMMIT ended with: {error}")),
        }
    }
}

/// Many idle sessions.
pub(super) struct Crowd {
    runtime: Runtime,
    sessions: Vec<Conn>,
}

impl Crowd {
    /// Connects them all from the client's host.
    pub(super) fn connect(scene: &Scene<'_>, count: usize) -> Result<Crowd> {
        let to = scene.lab.writer_address();
        let come = move || -> Result<Crowd> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let address = OptsBuilder::default().ip_or_hostname(to.ip().to_string());
            let opts = complete(address.tcp_port(to.port()), &Accounts::default().app);
            let mut sessions = Vec::new();
            for _ in 0..count {
                let conn = async { timeout(SOON, Conn::new(opts.clone())).await };
                sessions.push(runtime.block_on(conn).context("a session in time")??);
            }
            Ok(Crowd { runtime, sessions })
        };
        let thread = scene.lab.host("app")?.thread("crowd", come)?;
        let crowd = thread.join().map_err(|_| anyhow!("connecting panicked"))??;
        crowd.with_context(|| format!("{count} sessions"))
    }

    /// Every session asks for something: how many were answered, how many were told that they are
    /// over, and how long that took in all. An error when one of them heard nothing.
    pub(super) fn ask_all(mut self) -> Result<(usize, usize, Duration)> {
        let (mut answered, mut ended) = (0, 0);
        let began = Instant::now();
        for (at, conn) in self.sessions.iter_mut().enumerate() {
            let asked = async { timeout(SILENT, conn.query_drop("SELECT 1")).await };
            match self.runtime.block_on(asked) {
                Ok(Ok(())) => answered += 1,
                Ok(Err(_)) => ended += 1,
                Err(_) => bail!("session {at} heard nothing for {SILENT:?}"),
            }
        }
        let took = began.elapsed();
        let Crowd { runtime, sessions } = self;
        // Dropped inside: connections need their runtime to end.
        runtime.block_on(async { drop(sessions) });
        Ok((answered, ended, took))
    }
}
