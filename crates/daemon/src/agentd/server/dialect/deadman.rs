//! The SQL of the dead-man event. Its schema, table and name are fixed: `mmm.deadman`.
//!
//! The table is InnoDB's, though only its present value matters: whoever first opens a MEMORY table
//! after a restart of the server, a dump for example, makes the server write a TRUNCATE of its own
//! into the binary log, and the histories of the cluster part.
//!
//! The countdown is counted, not calculated: `NOW()` jumps when the clock is set. The user lock
//! keeps runs that had to wait for the server from counting all at once when it goes on. Once it
//! has fired it is off: a server that is made writable by hand stays so.

/// Sent once on the connection for it.
pub(in super::super) const SETTLE: &str = "SET SESSION sql_log_bin=0, lock_wait_timeout=1, \
     innodb_lock_wait_timeout=1";

/// In the event's comment, and changed whenever the event is: so another version is known.
macro_rules! comment {
    () => {
        "mmm-agentd, deadman_event, version 1"
    };
}

/// Scheduler, status, whether it is this program's, when it ran last, whether the table is there.
pub(in super::super) const LOOK: &str = concat!(
    "SELECT @@global.event_scheduler, e.STATUS, \
     e.DEFINER=CURRENT_USER() AND e.EVENT_COMMENT='",
    comment!(),
    "', e.LAST_EXECUTED, (SELECT COUNT(*) FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA='mmm' AND TABLE_NAME='deadman') FROM (SELECT 1) one \
     LEFT JOIN information_schema.EVENTS e ON e.EVENT_SCHEMA='mmm' AND e.EVENT_NAME='deadman'"
);

/// `read_only` waits for running writes and table locks, and new writes wait behind it.
pub(in super::super) const MAKE: [&str; 3] = [
    "CREATE DATABASE IF NOT EXISTS mmm",
    "CREATE TABLE IF NOT EXISTS mmm.deadman (id TINYINT NOT NULL PRIMARY KEY, \
     secs_left INT UNSIGNED NULL) ENGINE=InnoDB \
     COMMENT='mmm-agentd, deadman_event: read_only is set when secs_left is 0; NULL is off'",
    concat!(
        "CREATE OR REPLACE EVENT mmm.deadman ON SCHEDULE EVERY 1 SECOND ON COMPLETION PRESERVE \
         ENABLE COMMENT '",
        comment!(),
        "' DO BEGIN \
         SET SESSION sql_log_bin=0, lock_wait_timeout=1, innodb_lock_wait_timeout=1; \
         IF GET_LOCK('mmm.deadman', 0)=1 THEN \
         UPDATE mmm.deadman SET secs_left=secs_left-1 WHERE secs_left>0; \
         IF (SELECT secs_left FROM mmm.deadman WHERE id=1)=0 THEN \
         SET SESSION lock_wait_timeout=10; SET GLOBAL read_only=1; \
         UPDATE mmm.deadman SET secs_left=NULL WHERE secs_left=0; \
         END IF; DO RELEASE_LOCK('mmm.deadman'); END IF; END"
    ),
];

pub(in super::super) const REMOVE: [&str; 2] =
    ["DROP EVENT IF EXISTS mmm.deadman", "DROP TABLE IF EXISTS mmm.deadman"];

/// Sets the countdown, or stops it.
pub(in super::super) fn wind(ticks: Option<u32>) -> String {
    let ticks = ticks.map_or_else(|| "NULL".to_owned(), |ticks| ticks.to_string());
    format!(
        "INSERT INTO mmm.deadman (id, secs_left) VALUES (1, {ticks}) \
         ON DUPLICATE KEY UPDATE secs_left={ticks}"
    )
}
