//! The local server: does it start read-only, what its accounts may do, how it logs, semi-sync.

use std::path::PathBuf;
use std::sync::Arc;

use mmm_proto::agent::{Reach, Settings};
use mmm_proto::doctor::{Finding, Findings};

use super::accounts::{Bypass, NEEDED, bypass, missing};
use super::files::{self, Start};
use super::{HostMode, Span, Subject, deadman};
use crate::agentd::escalate;
use crate::agentd::server::Server;
use crate::config::Host;

/// One question to the server.
const LIMIT: Span = Span::secs(2);

pub(super) async fn examine(subject: Arc<Subject>, name: String) -> Vec<Finding> {
    let mut found = Findings::of(&name);
    let (Some(me), Some(server)) = (subject.me(), subject.own_server()) else {
        return found.done();
    };
    let facts = server.look(LIMIT).await;
    let at = server.access().at();
    match &facts.reach {
        Reach::Up => found.ok("server", format!("{at} answers, {}", facts.version)),
        Reach::Unknown => found.warn("server", format!("{at} was not reached"), ""),
        Reach::Gone { why } => {
            found.bad("server", why.clone(), "systemctl start mariadb; journalctl -u mariadb");
        }
        Reach::Silent { why } => {
            let remedy = format!(
                "mariadb -h {} -P {} -u {} -p; as root: CREATE USER '{}'@'{}' IDENTIFIED BY '...'",
                me.ip, me.mysql_port, me.agent.user, me.agent.user, me.ip
            );
            found.bad("server", why.clone(), remedy);
        }
    }
    starts_read_only(me, &server, &mut found).await;
    if facts.reach != Reach::Up {
        return found.done();
    }
    let old = before_10_11(&facts.version);
    privileges(me, &server, old, subject.config.deadman_event, &mut found).await;
    bypasses(me, &server, old, &mut found).await;
    if let Some(settings) = &facts.settings {
        logging(me.mode, settings, &mut found);
    }
    variables(&server, &mut found).await;
    found.done()
}

fn before_10_11(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) < (10, 11)
}

async fn starts_read_only(me: &Host, server: &Server, found: &mut Findings) {
    const CHECK: &str = "starts read-only";
    let by_hand = "my_print_defaults mysqld server mariadb mariadbd | grep -i read.only";
    let pid = match escalate::pid_file(me.mysql_pidfile.clone(), server, LIMIT).await {
        Ok(path) => pid(path),
        Err(why) => Err(why),
    };
    let start = match pid {
        Ok(pid) => files::start(pid).await,
        Err(why) => Err(why),
    };
    match start {
        Ok(Start::ReadOnly { by }) => found.ok(CHECK, format!("read_only is set in {by}")),
        Ok(Start::Writable { file }) => found.bad(
            CHECK,
            "no: a server that is restarted takes writes until its agent sees it",
            format!("printf '[mariadb]\\nread_only = 1\\n' >> {file}"),
        ),
        Err(why) => found.warn(CHECK, format!("cannot be told from here: {why}"), by_hand),
    }
}

fn pid(path: PathBuf) -> Result<i32, String> {
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.trim().parse().map_err(|_| format!("{} does not hold a number", path.display()))
}

async fn privileges(me: &Host, server: &Server, old: bool, event: bool, found: &mut Findings) {
    const CHECK: &str = "agent's account";
    let grants = match server.grants(LIMIT).await {
        Ok(grants) => grants,
        Err(error) => return found.warn(CHECK, error.to_string(), "SHOW GRANTS"),
    };
    let lacks = missing(&grants, old);
    // As the server itself calls it: 'user'@'host'.
    let who = server.current_user(LIMIT).await;
    let who = who.unwrap_or_else(|_| format!("'{}'@'%'", me.agent.user));
    if lacks.is_empty() {
        found.ok(CHECK, format!("{who} has all {} privileges", NEEDED.len()));
    }
    for (privilege, what_for) in lacks {
        let what = format!("{who} lacks {privilege}, {what_for}");
        found.bad(CHECK, what, format!("GRANT {privilege} ON *.* TO {who};"));
    }
    if event {
        deadman::examine(server, &grants, &who, found).await;
    }
}

/// Who may write although the server is read-only.
async fn bypasses(me: &Host, server: &Server, old: bool, found: &mut Findings) {
    const CHECK: &str = "application accounts";
    let grantees = match server.bypasses(old, LIMIT).await {
        Ok(grantees) => grantees,
        Err(error) => {
            let who = server.current_user(LIMIT).await;
            let who = who.unwrap_or_else(|_| format!("'{}'@'%'", me.agent.user));
            let remedy = format!(
                "GRANT SELECT ON mysql.* TO {who};\nor ask as root: SELECT DISTINCT grantee FROM \
                 information_schema.user_privileges WHERE privilege_type IN ('READ_ONLY ADMIN', \
                 'SUPER')"
            );
            tracing::debug!(%error, "cannot list privileged accounts");
            let what = "the agent's account may not see whether any of them writes where \
                        read_only is set";
            return found.warn(CHECK, what, remedy);
        }
    };
    let own = [me.agent.user.as_str(), me.monitor.user.as_str(), me.replication.user.as_str()];
    let mut fine = true;
    for grantee in grantees {
        match bypass(&grantee, &own) {
            Bypass::Own => {}
            Bypass::Administrator => found.warn(
                CHECK,
                format!("{grantee} writes where read_only is set: not for applications"),
                "",
            ),
            Bypass::Application => {
                fine = false;
                let what = format!(
                    "{grantee} writes where read_only is set: a fence does not stop it, and a \
                     second host takes its writes"
                );
                let revoked = if old { "READ_ONLY ADMIN, SUPER" } else { "READ_ONLY ADMIN" };
                let remedy = format!("REVOKE {revoked} ON *.* FROM {grantee};");
                found.bad(CHECK, what, remedy);
            }
        }
    }
    if fine {
        found.ok(CHECK, "none writes where read_only is set");
    }
}

fn logging(mode: HostMode, settings: &Settings, found: &mut Findings) {
    let master = mode == HostMode::Master;
    let on = [
        ("log_bin", settings.log_bin, "nobody can follow it"),
        ("log_slave_updates", settings.log_slave_updates, "it cannot pass on what it replicated"),
        (
            "gtid_strict_mode",
            settings.gtid_strict_mode != Some(false),
            "histories that part go unnoticed",
        ),
    ];
    let mut fine = true;
    for (setting, set, without) in on {
        if set {
            continue;
        }
        fine = false;
        let (what, remedy) =
            (format!("off: {without}"), format!("in [mariadb] of my.cnf: {setting} = 1"));
        if master { found.bad(setting, what, remedy) } else { found.warn(setting, what, remedy) }
    }
    if settings.binlog_format != "ROW" {
        let what = format!(
            "{}: what a statement comes to may differ between hosts",
            settings.binlog_format
        );
        found.warn("binlog_format", what, "SET GLOBAL binlog_format = ROW; and in my.cnf");
    }
    if fine {
        found.ok("binary log", "written, with what is replicated, in strict order");
    }
}

/// Settings that cost transactions when a machine or a master is lost.
async fn variables(server: &Server, found: &mut Findings) {
    let values = match server.durability(LIMIT).await {
        Ok(values) => values,
        Err(error) => return found.warn("durability", error.to_string(), "SHOW GLOBAL VARIABLES"),
    };
    let [sync_binlog, flush, master, replica] = values.map(Option::unwrap_or_default);
    if sync_binlog == "1" && flush == "1" {
        found.ok("durability", "every commit is on disk before it is acknowledged");
    } else {
        let what = format!(
            "sync_binlog = {sync_binlog}, innodb_flush_log_at_trx_commit = {flush}: a crash of the \
             machine loses acknowledged commits"
        );
        let remedy =
            "SET GLOBAL sync_binlog = 1, innodb_flush_log_at_trx_commit = 1; and in my.cnf";
        found.warn("durability", what, remedy);
    }
    let on = |value: &str| matches!(value, "1" | "ON");
    if on(&master) && on(&replica) {
        found.ok("semi-sync", "on both ways");
    } else {
        let what = "not on both ways: a failover may lose the last acknowledged commits";
        let remedy = "SET GLOBAL rpl_semi_sync_master_enabled = 1, rpl_semi_sync_slave_enabled = 1; \
                      and in my.cnf of all hosts";
        found.warn("semi-sync", what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::before_10_11;

    #[test]
    fn versions_are_told_apart() {
        assert!(before_10_11("10.5.23-MariaDB-log"));
        assert!(!before_10_11("10.11.19-MariaDB-0+deb12u1"));
        assert!(!before_10_11("11.8.9-MariaDB-4 from Debian"));
    }
}
