//! From the server's rows to the facts that the agent reports. Pure: rows in, facts out.

use mmm_proto::agent::{Blocker, Reach, Replication, Server as Facts, Settings, Thread};
use mmm_proto::{GtidPos, Lag, Span};
use mysql_async::Row;

use super::session::field;

/// A column's value by name, whatever the source of the row.
pub(crate) trait Columns {
    /// None for NULL and for a column that is not there.
    fn text(&self, name: &str) -> Option<String>;

    /// The first of several names that is there: families name the same thing differently.
    fn any(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// As a number; none when it is none.
    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}

impl Columns for Row {
    fn text(&self, name: &str) -> Option<String> {
        field(self, name)
    }
}

/// The facts of a look; `sets` in the order of `dialect::look`. The error says what was not
/// understood.
pub(super) fn facts<R: Columns>(sets: &[Vec<R>]) -> Result<Facts, String> {
    let [vars, count, blocked, replication] = sets else {
        return Err(format!("{} answers instead of 4", sets.len()));
    };
    let vars = vars.first().ok_or("no variables")?;
    let replication = replication.first();
    let position = position(vars.text("current_pos"), vars.text("binlog_pos"))?;
    let received = replication.map(|row| received(row)).transpose()?;
    let as_replica = self::position(vars.text("slave_pos"), None)?;
    let lacks_own = !as_replica.includes(&position);
    Ok(Facts {
        reach: Reach::Up,
        age: Span::ZERO,
        version: vars.text("version").unwrap_or_default(),
        server_id: vars.number("server_id").ok_or("no server_id")?,
        read_only: vars.text("read_only").map(|v| v != "0"),
        received: position.union(&received.unwrap_or_default()),
        position,
        replication: replication
            .and_then(self::replication)
            .map(|now| Replication { lacks_own, ..now }),
        sessions: count.first().and_then(|r| r.number("n")).unwrap_or(0),
        settings: settings(vars),
        longest: blocked.iter().filter_map(blocker).max_by_key(|b| b.age),
    })
}

/// What a pair of masters must agree on; none when the answer lacks any of it.
fn settings<R: Columns>(vars: &R) -> Option<Box<Settings>> {
    let flag = |name: &str| vars.text(name).map(|value| value != "0");
    Some(Box::new(Settings {
        auto_increment_increment: vars.number("auto_increment_increment")?,
        auto_increment_offset: vars.number("auto_increment_offset")?,
        log_bin: flag("log_bin")?,
        log_slave_updates: flag("log_slave_updates")?,
        binlog_format: vars.text("binlog_format")?,
        gtid_strict_mode: flag("gtid_strict_mode"),
        gtid_domain_id: vars.number("gtid_domain_id"),
    }))
}

/// Everything that the server has. Its binary log may know more than `gtid_current_pos`: events of
/// other servers that it wrote there although its position as a replica was set back since.
pub(super) fn position(current: Option<String>, binlog: Option<String>) -> Result<GtidPos, String> {
    let parse = |text: Option<String>| {
        text.unwrap_or_default().parse::<GtidPos>().map_err(|error| error.to_string())
    };
    Ok(parse(current)?.union(&parse(binlog)?))
}

/// Everything that was received from the source.
pub(super) fn received<R: Columns>(row: &R) -> Result<GtidPos, String> {
    row.text("Gtid_IO_Pos")
        .unwrap_or_default()
        .parse::<GtidPos>()
        .map_err(|error| error.to_string())
}

/// The state of replication; none when it is not set up.
pub(super) fn replication<R: Columns>(row: &R) -> Option<Replication> {
    let source = row.any(&["Master_Host", "Source_Host"]).filter(|host| !host.is_empty())?;
    let io = thread(row.any(&["Slave_IO_Running", "Replica_IO_Running"]));
    let sql = thread(row.any(&["Slave_SQL_Running", "Replica_SQL_Running"]));
    let behind =
        row.any(&["Seconds_Behind_Master", "Seconds_Behind_Source"]).and_then(|s| s.parse().ok());
    let error = |name| row.text(name).filter(|e| !e.is_empty());
    Some(Replication {
        source: source.into(),
        port: row.any(&["Master_Port", "Source_Port"]).and_then(|p| p.parse().ok()).unwrap_or(0),
        io,
        sql,
        lag: lag(io, sql, behind),
        io_state: row.any(&["Slave_IO_State", "Replica_IO_State"]).unwrap_or_default(),
        sql_state: row
            .any(&["Slave_SQL_Running_State", "Replica_SQL_Running_State"])
            .unwrap_or_default(),
        error: error("Last_SQL_Error").or_else(|| error("Last_IO_Error")).unwrap_or_default(),
        lacks_own: false,
    })
}

fn thread(word: Option<String>) -> Thread {
    match word.as_deref() {
        Some("Yes") => Thread::Yes,
        // MariaDB also says `Preparing`.
        Some("No") | None => Thread::No,
        Some(_) => Thread::Connecting,
    }
}

fn lag(io: Thread, sql: Thread, behind: Option<u64>) -> Lag {
    if io == Thread::No || sql == Thread::No {
        return Lag::Stopped;
    }
    match behind {
        Some(secs) if io == Thread::Yes => Lag::Behind(Span::secs(secs)),
        _ => Lag::Unknown,
    }
}

/// What a session does that stands in the way, in words without values.
pub(super) fn blocker<R: Columns>(row: &R) -> Option<Blocker> {
    let running = matches!(row.text("command").as_deref(), Some("Query" | "Execute"));
    let info = row.text("info").unwrap_or_default();
    let writes = running && !is_read(&info);
    let modified = row.number::<u64>("modified").unwrap_or(0);
    let statement = Span::ms(row.number::<f64>("ms").map_or(0, whole));
    let transaction = Span::secs(row.number("trx_secs").unwrap_or(0));
    let (what, age) = if writes {
        (format!("{} running", first_word(&info)), statement)
    } else if modified > 0 {
        ("open transaction".to_owned(), transaction.max(statement))
    } else {
        return None;
    };
    Some(Blocker { session: row.number("id")?, who: who(row), what, age })
}

/// `user@host` without the client's port.
pub(crate) fn who<R: Columns>(row: &R) -> String {
    let host = row.text("host").unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => &host,
    };
    format!("{}@{host}", row.text("user").unwrap_or_default())
}

/// Milliseconds that the server gives with a fraction.
pub(crate) fn whole(ms: f64) -> u64 {
    // Saturates; a negative age, seen right after a statement began, is none.
    ms.max(0.0) as u64
}

fn is_read(info: &str) -> bool {
    ["SELECT", "SHOW", "WITH", "EXPLAIN", "DO"].contains(&first_word(info).as_str())
}

/// The statement's first word. Comments before it are passed over: they may hold anything.
fn first_word(info: &str) -> String {
    let mut rest = info.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    while let Some(comment) = rest.strip_prefix("/*") {
        let Some((_, after)) = comment.split_once("*/") else {
            return "statement".to_owned();
        };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).take(12).collect();
    if word.is_empty() { "statement".to_owned() } else { word.to_ascii_uppercase() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Columns for Fake {
        fn text(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|v| (*v).to_owned())
        }
    }

    fn fake(pairs: &[(&'static str, &'static str)]) -> Fake {
        Fake(pairs.iter().copied().collect())
    }

    #[test]
    fn lag_is_a_number_only_when_both_threads_run() {
        use Thread::{Connecting, No, Yes};
        let three = Some(3);
        assert_eq!(lag(Yes, Yes, three), Lag::Behind(Span::secs(3)));
        assert_eq!(lag(Yes, Yes, None), Lag::Unknown);
        assert_eq!(lag(Connecting, Yes, three), Lag::Unknown);
        assert_eq!(lag(No, Yes, three), Lag::Stopped);
        assert_eq!(lag(Connecting, No, None), Lag::Stopped);
    }

    #[test]
    fn replication_is_read_in_both_families_words() {
        let maria = fake(&[
            ("Master_Host", "10.0.0.2"),
            ("Master_Port", "3306"),
            ("Slave_IO_Running", "Preparing"),
            ("Slave_SQL_Running", "Yes"),
            ("Last_IO_Error", "cannot connect"),
        ]);
        let got = replication(&maria).unwrap();
        assert_eq!((got.io, got.sql), (Thread::Connecting, Thread::Yes));
        assert_eq!((got.port, got.error.as_str()), (3306, "cannot connect"));
        let mysql = fake(&[("Source_Host", "a"), ("Replica_IO_Running", "Yes")]);
        assert_eq!(replication(&mysql).unwrap().io, Thread::Yes);
        assert!(replication(&fake(&[("Master_Host", "")])).is_none());
    }

    #[test]
    fn a_blocker_names_no_values() {
        let row = fake(&[
            ("id", "7"),
            ("user", "app"),
            ("host", "10.0.0.9:5566"),
            ("command", "Query"),
            ("info", "/* trace=secret */ update t set card='4111'"),
            ("ms", "1500.250"),
        ]);
        let got = blocker(&row).unwrap();
        assert_eq!(got.what, "UPDATE running");
        assert_eq!((got.who.as_str(), got.age), ("app@10.0.0.9", Span::ms(1500)));
        let idle = fake(&[("id", "8"), ("command", "Sleep"), ("modified", "2")]);
        assert_eq!(blocker(&idle).unwrap().what, "open transaction");
        let read = fake(&[("id", "9"), ("command", "Query"), ("info", "(SELECT 1)")]);
        assert!(blocker(&read).is_none());
    }

    #[test]
    fn a_look_needs_its_four_answers() {
        let vars = [
            ("version", "10.11"),
            ("server_id", "3"),
            ("read_only", "1"),
            ("current_pos", "0-1-5"),
            ("binlog_pos", "0-1-7"),
        ];
        let sets = vec![
            vec![fake(&vars)],
            vec![fake(&[("n", "4")])],
            vec![],
            vec![fake(&[("Master_Host", "x"), ("Gtid_IO_Pos", "0-1-9")])],
        ];
        let got = facts(&sets).unwrap();
        assert_eq!((got.server_id, got.sessions), (3, 4));
        assert_eq!(got.position.to_string(), "0-1-7");
        assert_eq!(got.received.to_string(), "0-1-9");
        assert!(got.replication.unwrap().lacks_own, "no position as a replica at all");
        assert_eq!(got.settings, None, "an answer without them is no error");
        assert!(facts(&sets[..2]).is_err());
    }
}
