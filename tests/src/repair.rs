//! What an operator does after a bad time: a host that has parted from the others is rebuilt.
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mmm_proto::HostState;

use crate::cluster::Lab;
use crate::picture;
use crate::server::Server;

/// How long a host may take to come back, or to be called parted.
const LATER: Duration = Duration::from_secs(40);
/// How long one statement may take.
const SOON: Duration = Duration::from_secs(15);

/// Waits until a host is ONLINE, or has parted: then it is rebuilt. A server that has ended
/// meanwhile is started, as its service manager would. How many transactions only it had.
pub fn rejoined_or_rebuilt(lab: &Lab, host: &str) -> Result<usize> {
    let what = format!("{host} to rejoin or to be called parted");
    let has_parted = picture::wait(lab, &what, LATER, |view| {
        let seen = picture::words(view);
        let server = lab.server(host).map_err(|error| format!("{error:#}"))?;
        if !server.is_running() {
            server.start().map_err(|error| format!("{error:#}"))?;
        }
        let state = view.host(host).map(|host| (host.state, host.why.clone()));
        match state {
            Some((HostState::Online, _)) => Ok(false),
            Some((HostState::ReplicationFail | HostState::AwaitingRecovery, why)) => {
                if parted(lab, host) { Ok(true) } else { Err(format!("{why}; {seen}")) }
            }
            _ => Err(seen),
        }
    })?;
    if has_parted { rebuild(lab, host) } else { Ok(0) }
}

/// Whether the server has transactions of its own that the writer does not know: MariaDB says 1236
/// or 1950.
fn parted(lab: &Lab, host: &str) -> bool {
    let status = lab.server(host).and_then(Server::replica_status).unwrap_or_default();
    ["Last_IO_Errno", "Last_SQL_Errno"]
        .iter()
        .any(|key| matches!(status.get(*key).map(String::as_str), Some("1236" | "1950")))
}

/// What an operator does with a parted host, in short: the rows that only it has go, its history
/// ends where the new writer's began, and it follows again. How many rows those were.
fn rebuild(lab: &Lab, host: &str) -> Result<usize> {
    let writer = picture::writer(lab).map_err(anyhow::Error::msg)?;
    let (server, writer) = (lab.server(host)?, lab.server(&writer)?);
    server.sql("STOP SLAVE")?;
    let rows = extra(server, writer, "t")?;
    // Rows of clients that are in the way; not every lab has them.
    let held = extra(server, writer, "held").unwrap_or_default();
    let count = rows.len() + held.len();
    let position = server.value("SELECT @@gtid_binlog_pos")?;
    let (prefix, seq) = position.rsplit_once('-').context("a GTID position")?;
    let common = seq.parse::<usize>()?.checked_sub(count).context("its history")?;
    ensure!(count > 0, "{host} has parted at {position}, and not by rows of the client");
    let clear_held = match held.is_empty() {
        true => "DO 0".to_owned(),
        false => format!("DELETE FROM app.held WHERE id IN ({})", list(&held)),
    };
    let mut session = server.session()?;
    for sql in [
        "SET SESSION sql_log_bin=0",
        &format!("DELETE FROM app.t WHERE id IN ({})", list(&rows)),
        &clear_held,
        "RESET MASTER",
        &format!("SET GLOBAL gtid_slave_pos='{prefix}-{common}'"),
        "START SLAVE",
    ] {
        let told: String = sql.chars().take(100).collect();
        session.query(sql, SOON).with_context(|| format!("{host}: {told}"))?;
    }
    Ok(count)
}

/// What stands between the brackets of `IN ()`.
fn list(ids: &[String]) -> String {
    if ids.is_empty() { "NULL".to_owned() } else { ids.join(",") }
}

/// Rows of a table that one server has and the other has not.
fn extra(server: &Server, than: &Server, table: &str) -> Result<Vec<String>> {
    Ok(ids(server, table)?.difference(&ids(than, table)?).cloned().collect())
}

fn ids(server: &Server, table: &str) -> Result<BTreeSet<String>> {
    let rows = server.sql(&format!("SELECT id FROM app.{table}"))?.rows;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}
