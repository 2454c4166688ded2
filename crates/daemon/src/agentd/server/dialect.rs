//! The SQL of the agent, in one place: whatever differs between server families is here and in the
//! column names of `facts`. MariaDB 10.5 and later so far. What must not be here: when to say it.

pub(super) mod deadman;

use std::collections::BTreeSet;
use std::net::IpAddr;

use mmm_proto::GtidPos;

/// Sent once on each connection: a server-wide statement limit or idle limit must not end ours, and
/// the escapes in `quote` must mean what they say.
pub(super) const SETTLE: &str = "SET SESSION sql_mode='', wait_timeout=31536000, \
     max_statement_time=0, autocommit=1, lock_wait_timeout=2";

pub(super) const READ_ONLY: &str = "SELECT @@global.read_only";
pub(super) const READ_ONLY_OFF: &str = "SET GLOBAL read_only=0";

/// Waits at most so many seconds for what holds it up; then error 1205 and the old value stands.
pub(super) fn read_only_on(wait_secs: u64) -> String {
    format!("SET SESSION lock_wait_timeout={wait_secs}; SET GLOBAL read_only=1")
}

pub(super) fn kill_query(id: u64) -> String {
    format!("KILL QUERY {id}")
}

/// One block for many sessions; those that are gone already (error 1094) are passed over.
pub(crate) fn kill_sessions(ids: &[u64]) -> String {
    let kills: String = ids.iter().map(|id| format!("KILL CONNECTION {id}; ")).collect();
    format!("BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; {kills}END")
}

/// Everything the server has, the same as its binary log knows it, and what it took from its
/// source.
pub(super) const POSITIONS: &str = "SELECT @@gtid_current_pos, @@gtid_binlog_pos, @@gtid_slave_pos";
pub(super) const GRANTS: &str = "SHOW GRANTS";
pub(super) const CURRENT_USER: &str = "SELECT CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
     QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))";
/// `information_schema` shows the accounts of others only to those who may read all of `mysql`.
pub(super) const SEES_ACCOUNTS: &str =
    "SELECT (SELECT COUNT(*) FROM mysql.global_priv) + (SELECT COUNT(*) FROM mysql.db)";
pub(super) const DURABILITY: &str = "SELECT @@global.sync_binlog, \
     @@global.innodb_flush_log_at_trx_commit, @@global.rpl_semi_sync_master_enabled, \
     @@global.rpl_semi_sync_slave_enabled";

/// SUPER writes under `read_only` before 10.11 only.
pub(super) const fn bypasses(old: bool) -> &'static str {
    if old {
        "SELECT DISTINCT grantee FROM information_schema.user_privileges \
         WHERE privilege_type IN ('READ_ONLY ADMIN', 'READ ONLY ADMIN', 'SUPER') ORDER BY 1"
    } else {
        "SELECT DISTINCT grantee FROM information_schema.user_privileges \
         WHERE privilege_type IN ('READ_ONLY ADMIN', 'READ ONLY ADMIN') ORDER BY 1"
    }
}

pub(super) const PID_FILE: &str = "SELECT @@global.pid_file, @@global.datadir";
pub(super) const REPLICATION: &str = "SHOW SLAVE STATUS";
pub(super) const STOP: &str = "STOP SLAVE";
pub(super) const STOP_RECEIVING: &str = "STOP SLAVE IO_THREAD";
pub(super) const START: &str = "START SLAVE";

pub(super) fn wait_for(to: &GtidPos, ms: u64) -> String {
    format!("SELECT MASTER_GTID_WAIT('{to}', {}.{:03})", ms / 1000, ms % 1000)
}

pub(super) fn set_position(to: &GtidPos) -> String {
    format!("SET GLOBAL gtid_slave_pos='{to}'")
}

/// Options that are not named, TLS above all, stay as they are.
pub(super) fn change_source(source: IpAddr, port: u16, user: &str, password: &str) -> String {
    format!(
        "CHANGE MASTER TO MASTER_HOST='{source}', MASTER_PORT={port}, MASTER_USER={}, \
         MASTER_PASSWORD={}, MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, \
         MASTER_HEARTBEAT_PERIOD=1",
        quote(user),
        quote(password)
    )
}

/// Sessions that are nobody's client: the server's own threads and replicas that fetch from it.
const NO_CLIENT: &str = "p.USER IN ('system user','event_scheduler') OR p.COMMAND LIKE 'Binlog Dump%' \
     OR p.COMMAND IN ('Daemon','Slave_IO','Slave_SQL','Slave_worker')";

fn clients(monitor: &str, own: &BTreeSet<u64>) -> String {
    let own: String = own.iter().map(|id| format!(",{id}")).collect();
    // The last are runs of the agent's own event.
    format!(
        "NOT ({NO_CLIENT}) AND p.USER<>{} AND p.ID NOT IN (CONNECTION_ID(){own}) \
         AND NOT (p.COMMAND='Connect' AND p.USER=SUBSTRING_INDEX(CURRENT_USER(), '@', 1))",
        quote(monitor)
    )
}

pub(super) fn list_clients(monitor: &str, own: &BTreeSet<u64>) -> String {
    format!(
        "SELECT p.ID id, p.USER user, p.HOST host, p.COMMAND command, p.STATE state, \
         p.TIME_MS ms FROM information_schema.PROCESSLIST p WHERE {} ORDER BY p.ID",
        clients(monitor, own)
    )
}

/// Running statements that are not plain reads, and open transactions that have written, oldest
/// first. Only the start of the statement is fetched, for its first words. InnoDB renews its list
/// of transactions only when nobody has read it for 100 ms: asked more often than that it stays as
/// it was.
pub(super) fn blockers(monitor: &str, own: &BTreeSet<u64>) -> String {
    format!(
        "SELECT p.ID id, p.USER user, p.HOST host, p.COMMAND command, p.STATE state, p.TIME_MS ms, \
         LEFT(p.INFO, 120) info, COALESCE(t.trx_rows_modified, 0) modified, \
         TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) trx_secs \
         FROM information_schema.PROCESSLIST p \
         LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id=p.ID \
         WHERE {} AND (t.trx_rows_modified>0 OR (p.COMMAND IN ('Query','Execute') \
         AND p.INFO NOT REGEXP '^[[:space:](]*(SELECT|SHOW|WITH|EXPLAIN|DO)[[:>:]]')) \
         ORDER BY GREATEST(p.TIME_MS, \
         COALESCE(1000*TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), 0)) DESC LIMIT 20",
        clients(monitor, own)
    )
}

/// What a pair of masters must agree on.
const SETTINGS: &str = "@@global.auto_increment_increment auto_increment_increment, \
     @@global.auto_increment_offset auto_increment_offset, @@global.log_bin log_bin, \
     @@global.log_slave_updates log_slave_updates, @@global.binlog_format binlog_format, \
     @@global.gtid_strict_mode gtid_strict_mode, @@global.gtid_domain_id gtid_domain_id";

/// All that a look needs, in one round trip; the sets come in this order.
pub(super) fn look(monitor: &str, own: &BTreeSet<u64>) -> String {
    format!(
        "SELECT @@version version, @@server_id server_id, @@global.read_only read_only, \
         @@gtid_current_pos current_pos, @@gtid_binlog_pos binlog_pos, \
         @@gtid_slave_pos slave_pos, {SETTINGS}; \
         SELECT COUNT(*) n FROM information_schema.PROCESSLIST p WHERE {}; {}; {REPLICATION}",
        clients(monitor, own),
        blockers(monitor, own)
    )
}

/// Who holds table locks, where the server was told to keep track (plugin `metadata_lock_info`).
pub(super) const LOCK_HOLDERS: &str = "SELECT THREAD_ID id, LOCK_MODE mode, TABLE_NAME name \
     FROM information_schema.METADATA_LOCK_INFO WHERE LOCK_MODE LIKE '%NO_READ_WRITE%' \
     OR LOCK_MODE LIKE '%NO_WRITE%' OR LOCK_MODE LIKE 'MDL_BACKUP_FTWRL%' \
     OR LOCK_MODE='MDL_BACKUP_DDL' OR LOCK_MODE='MDL_BACKUP_DML'";

/// A string literal; needs `sql_mode` without NO_BACKSLASH_ESCAPES (see `SETTLE`).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_be_broken_out_of() {
        assert_eq!(quote("o'b\\'x"), "'o''b\\\\''x'");
    }

    #[test]
    fn repointing_names_no_tls_option_and_so_keeps_them() {
        let sql = change_source(IpAddr::from([10, 0, 0, 1]), 3306, "r", "p'w");
        assert!(sql.contains("MASTER_PASSWORD='p''w'") && !sql.contains("SSL"), "{sql}");
    }

    #[test]
    fn waiting_takes_fractions_of_a_second() {
        let to: GtidPos = "0-1-5".parse().unwrap();
        assert_eq!(wait_for(&to, 1050), "SELECT MASTER_GTID_WAIT('0-1-5', 1.050)");
    }
}
