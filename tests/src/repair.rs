//! What an operator does after a bad time: a host that has parted from the others is rebuilt.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mmm_proto::HostState;

use crate::cluster::Lab;
use crate::picture;
use crate::server::Server;
use crate::wait::until;

/// How long a host may take to come back, or to be called parted.
const LATER: Duration = Duration::from_secs(40);
/// After so long without everything well it is looked again who has parted.
const ROUND: Duration = Duration::from_secs(5);
/// How long one statement may take.
const SOON: Duration = Duration::from_secs(15);

/// Waits until every host is ONLINE and follows the writer; who has parted is rebuilt. One that was
/// away so shortly that it was never taken out may be found to have parted only when it is heard
/// again, so that is looked for anew until all is well. Who was rebuilt, and how many transactions
/// only it had.
pub fn all_well(lab: &Lab) -> Result<Vec<(String, usize)>> {
    let began = Instant::now();
    let mut rebuilt = Vec::new();
    loop {
        for host in lab.servers().iter().map(Server::name) {
            let count = rejoined_or_rebuilt(lab, host)?;
            if count > 0 {
                rebuilt.push((host.to_owned(), count));
            }
        }
        match picture::wait_well(lab, ROUND) {
            Ok(()) => return Ok(rebuilt),
            Err(error) if began.elapsed() > LATER => return Err(error),
            Err(_) => {}
        }
    }
}

/// Waits until a host is ONLINE, or has parted: then it is rebuilt. A server that has ended
/// meanwhile is started, as its service manager would. How many transactions only it had.
fn rejoined_or_rebuilt(lab: &Lab, host: &str) -> Result<usize> {
    let what = format!("{host} to rejoin or to be called parted");
    let has_parted = picture::wait(lab, &what, LATER, |view| {
        let seen = picture::words(view);
        let server = lab.server(host).map_err(|error| format!("{error:#}"))?;
        let writer = view.writer.host.as_ref().map(ToString::to_string).unwrap_or_default();
        if !server.is_running() {
            server.start().map_err(|error| format!("{error:#}"))?;
        }
        let state = view.host(host).map(|host| (host.state, host.why.clone()));
        match state {
            Some((HostState::Online, _)) => Ok(false),
            Some((HostState::ReplicationFail | HostState::AwaitingRecovery, why)) => {
                // 1236 is also what a host says that asks for binary logs which are gone: nothing
                // to rebuild, it is to be pointed anew.
                let only_here =
                    || -> Result<usize> { Ok(all_extra(server, lab.server(&writer)?)?.0) };
                let parted =
                    parted(lab, host) && only_here().map_err(|error| format!("{error:#}"))? > 0;
                if parted {
                    Ok(true)
                } else {
                    Err(format!("{why}; {}; {seen}", replication(server, lab.server(&writer).ok())))
                }
            }
            _ => Err(seen),
        }
    })?;
    if has_parted { rebuild(lab, host) } else { Ok(0) }
}

/// What the server says of its replication, and both positions, for messages.
fn replication(server: &Server, writer: Option<&Server>) -> String {
    let status = server.replica_status().unwrap_or_default();
    let said = |key: &str| status.get(key).cloned().unwrap_or_default();
    let at = |server: &Server| {
        ["gtid_binlog_pos", "gtid_slave_pos"]
            .map(|name| server.value(&format!("SELECT @@{name}")).unwrap_or_default())
    };
    format!(
        "IO {} {} {}, SQL {} {} {}, at {:?}, the writer at {:?}, its last events {:?}",
        said("Slave_IO_Running"),
        said("Last_IO_Errno"),
        said("Last_IO_Error"),
        said("Slave_SQL_Running"),
        said("Last_SQL_Errno"),
        said("Last_SQL_Error"),
        at(server),
        writer.map(at),
        last_events(server),
    )
}

/// The end of the server's binary log, in words.
fn last_events(server: &Server) -> Vec<String> {
    let file = server.value("SHOW MASTER STATUS");
    let events = file.and_then(|file| server.sql(&format!("SHOW BINLOG EVENTS IN '{file}'")));
    let rows = events.map(|events| events.rows).unwrap_or_default();
    let words = |row: &Vec<Option<String>>| {
        let values: Vec<&str> = row.iter().flatten().map(String::as_str).collect();
        values.join(" ").chars().take(160).collect()
    };
    rows[rows.len().saturating_sub(12)..].iter().map(words).collect()
}

/// Whether the server has transactions of its own that the writer does not know: MariaDB says 1236
/// or 1950.
fn parted(lab: &Lab, host: &str) -> bool {
    let status = lab.server(host).and_then(Server::replica_status).unwrap_or_default();
    ["Last_IO_Errno", "Last_SQL_Errno"]
        .iter()
        .any(|key| matches!(status.get(*key).map(String::as_str), Some("1236" | "1950")))
}

/// What an operator does with a parted host, in short: it is set offline, so that its agent keeps
/// its hands off the replication; what only it has goes, its history ends where the new writer's
/// began, and set online it follows again. How many transactions those were: every client of the
/// lab writes one row in each.
fn rebuild(lab: &Lab, host: &str) -> Result<usize> {
    let writer = picture::writer(lab).map_err(anyhow::Error::msg)?;
    let (server, writer) = (lab.server(host)?, lab.server(&writer)?);
    told(lab, &["set_offline", host])?;
    until(&format!("the agent to stop replication on {host}"), LATER, || {
        let status = server.replica_status().map_err(|error| format!("{error:#}"))?;
        let runs = |key: &str| status.get(key).is_none_or(|said| said != "No");
        if runs("Slave_IO_Running") || runs("Slave_SQL_Running") {
            return Err(format!("{status:?}"));
        }
        Ok(())
    })?;
    let (count, [rows, held]) = all_extra(server, writer)?;
    let position = server.value("SELECT @@gtid_binlog_pos")?;
    let (prefix, seq) = position.rsplit_once('-').context("a GTID position")?;
    let common = seq.parse::<usize>()?.checked_sub(count).context("its history")?;
    ensure!(count > 0, "{host} has parted at {position}, and not by what clients of the lab wrote");
    let mut undo = vec!["SET SESSION sql_log_bin=0".to_owned()];
    if !rows.is_empty() {
        undo.push(format!("DELETE FROM app.t WHERE id IN ({})", rows.join(",")));
    }
    for row in &held {
        let id = row.split(',').next().unwrap_or_default();
        let theirs = writer.sql(&format!("SELECT n FROM app.held WHERE id = {id}"))?;
        undo.push(match theirs.first() {
            Some(n) => format!("UPDATE app.held SET n = {n} WHERE id = {id}"),
            None => format!("DELETE FROM app.held WHERE id = {id}"),
        });
    }
    undo.push("RESET MASTER".to_owned());
    undo.push(format!("SET GLOBAL gtid_slave_pos='{prefix}-{common}'"));
    let mut session = server.session()?;
    for sql in undo {
        let start: String = sql.chars().take(100).collect();
        session.query(&sql, SOON).with_context(|| format!("{host}: {start}"))?;
    }
    told(lab, &["set_online", host])?;
    Ok(count)
}

/// Has the monitor do something. It may be busy with the end of what went wrong, and say so.
fn told(lab: &Lab, words: &[&str]) -> Result<()> {
    until(&words.join(" "), LATER, || {
        let said = lab.daemons().and_then(|daemons| daemons.control(words));
        match said {
            Ok(said) if said.code == 0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

/// How many rows only the first has; those of the writing clients, and those of clients that are
/// in the way, which not every lab has.
fn all_extra(server: &Server, writer: &Server) -> Result<(usize, [Vec<String>; 2])> {
    let rows = extra(server, writer, "SELECT id FROM app.t")?;
    let held = extra(server, writer, "SELECT CONCAT(id, ',', n) FROM app.held").unwrap_or_default();
    Ok((rows.len() + held.len(), [rows, held]))
}

/// What one server answers and the other does not.
fn extra(server: &Server, than: &Server, sql: &str) -> Result<Vec<String>> {
    let all = |server: &Server| -> Result<BTreeSet<String>> {
        let rows = server.sql(sql)?.rows;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    };
    Ok(all(server)?.difference(&all(than)?).cloned().collect())
}
