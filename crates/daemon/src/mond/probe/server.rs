//! The server's port, and its replication, as the monitor sees them from afar. Words as in the original.

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use mmm_proto::Span;
use mmm_proto::agent::Thread;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, IoError, Opts, OptsBuilder, Row, Value};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::Found;

/// Between two attempts at a port that refused: one refusal may be a server that restarts its listener.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// How long the server keeps our idle connection, in seconds.
const KEEP_SECS: usize = 3600;

const TOO_MANY_CONNECTIONS: u16 = 1040;
const PRIVILEGE_MISSING: u16 = 1227;
/// MariaDB says so before it closes a session that was ended by KILL.
const SESSION_KILLED: u16 = 1927;
const SYNTAX_ERROR: u16 = 1064;

/// How to reach a server. Prints without its password.
#[derive(Clone)]
pub struct Account {
    pub ip: IpAddr,
    pub port: u16,
    pub user: String,
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}@{}:{}, ***)", self.user, self.ip, self.port)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ip, port, user, .. } = self;
        write!(f, "host = {ip}:{port}, user = {user}")
    }
}

/// What a server says of its replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub io: Thread,
    pub sql: Thread,
    /// Seconds_Behind_Master; none when the server does not know.
    pub lag: Option<Span>,
}

/// The outcome of `SHOW SLAVE STATUS`, for both checks that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replication {
    Replica(Replica),
    /// The server is no replica.
    NotSetUp,
    /// It could not be asked, or did not tell: the result of both checks.
    Not(Found),
}

impl Replication {
    /// The result of the check `rep_threads`.
    pub fn threads(&self) -> Found {
        match self {
            Self::Not(found) => found.clone(),
            Self::NotSetUp => Found::failed("ERROR: Replication is not set up"),
            Self::Replica(Replica { io: Thread::No, .. } | Replica { sql: Thread::No, .. }) => {
                Found::failed("ERROR: Replication is broken")
            }
            Self::Replica(Replica { io: Thread::Connecting, .. }) => {
                Found::Ok("OK: Connecting to the source".to_owned())
            }
            Self::Replica(_) => Found::ok(),
        }
    }

    /// The result of the check `rep_backlog`. An unknown lag is only good while both threads run; else it
    /// could hide any lag.
    pub fn backlog(&self, max: Span) -> Found {
        match self {
            Self::Not(found) => found.clone(),
            Self::NotSetUp => Found::failed("ERROR: Replication is not set up"),
            Self::Replica(Replica { lag: Some(lag), .. }) if *lag > max => {
                Found::failed("ERROR: Backlog is too big")
            }
            Self::Replica(Replica { lag: Some(_), .. }) => Found::ok(),
            Self::Replica(Replica { io: Thread::Yes, sql: Thread::Yes, .. }) => {
                Found::Ok("OK: Backlog is null".to_owned())
            }
            Self::Replica(_) => {
                Found::Unknown("UNKNOWN: Backlog is null: replication does not run".to_owned())
            }
        }
    }
}

/// Looks at one server over one connection that is kept.
pub struct ServerProbe {
    account: Account,
    opts: Opts,
    conn: Option<Conn>,
}

/// The driver's options would show the password.
impl fmt::Debug for ServerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerProbe({})", self.account)
    }
}

/// A failed attempt.
enum Miss {
    /// The machine answered that nobody is there, or reset the connection.
    Refused(String),
    /// The server closed the connection. It may be on its way down, or not like us.
    Ended(String),
    Server {
        code: u16,
        message: String,
    },
    Other(String),
    Late,
}

impl ServerProbe {
    /// A probe without a connection; the first look makes it.
    pub fn new(account: Account) -> Self {
        let opts = OptsBuilder::default()
            .ip_or_hostname(account.ip.to_string())
            .tcp_port(account.port)
            .user(Some(&account.user))
            .pass(Some(account.password.as_str()))
            // Without these three the driver asks the server for them, and moves to a unix socket.
            .prefer_socket(false)
            .max_allowed_packet(Some(1024 * 1024))
            .wait_timeout(Some(KEEP_SECS))
            .tcp_keepalive(Some(Duration::from_secs(10)))
            .setup(vec![format!("SET SESSION wait_timeout={KEEP_SECS}")])
            .into();
        Self { account, opts, conn: None }
    }

    /// The check `mysql`: a connection and a query. A port that refuses is tried twice, 20 ms apart, and is
    /// hard evidence if it refuses twice.
    pub async fn mysql(&mut self, limit: Span) -> Found {
        let end = Instant::now() + Duration::from(limit);
        let mut strikes = 0;
        // A connection that was kept may have been ended by an operator: that alone says nothing.
        if let Some(conn) = self.conn.take() {
            match query(conn, end).await {
                Ok(conn) => {
                    self.conn = Some(conn);
                    return Found::ok();
                }
                Err(Miss::Refused(_) | Miss::Ended(_)) => strikes = 1,
                Err(Miss::Late) => return self.late("query", limit),
                Err(_) => {}
            }
        }
        loop {
            match self.fresh(end).await {
                Ok(()) => return Found::ok(),
                Err(Miss::Refused(why)) => {
                    strikes += 1;
                    if strikes >= 2 {
                        let why = self.connect_error("ERROR", &why);
                        return Found::Failed { why, hard: true };
                    }
                    sleep(SECOND_LOOK).await;
                }
                Err(miss) => return self.judge("ERROR", miss, limit),
            }
        }
    }

    /// Asks the server for its replication. When it cannot be asked, that is for the check `mysql` to judge;
    /// here it only means that nothing is known.
    pub async fn replication(&mut self, limit: Span) -> Replication {
        let end = Instant::now() + Duration::from(limit);
        // Runs twice at most: the second time over a fresh connection.
        loop {
            let kept = self.conn.is_some();
            if !kept && let Err(miss) = self.fresh(end).await {
                return Replication::Not(self.judge("UNKNOWN", miss, limit));
            }
            let Some(conn) = self.conn.take() else {
                continue;
            };
            match status(conn, end).await {
                Ok((conn, row)) => {
                    self.conn = Some(conn);
                    return row.map_or(Replication::NotSetUp, |row| read(&row));
                }
                // It was broken before; a fresh one may work.
                Err(Miss::Refused(_) | Miss::Ended(_)) if kept => {}
                Err(Miss::Server { code: SESSION_KILLED, .. }) if kept => {}
                Err(miss) => return Replication::Not(self.not_told(miss, limit)),
            }
        }
    }

    /// Connects, asks, keeps the connection.
    async fn fresh(&mut self, end: Instant) -> Result<(), Miss> {
        let connected = timeout_at(end, Conn::new(self.opts.clone())).await;
        let conn = connected.map_err(|_| Miss::Late)?.map_err(miss)?;
        self.conn = Some(query(conn, end).await?);
        Ok(())
    }

    /// The result when no connection could be made or used.
    fn judge(&self, word: &str, miss: Miss, limit: Span) -> Found {
        let say = |why: &str| self.connect_error(word, why);
        match miss {
            Miss::Server { code: TOO_MANY_CONNECTIONS, message } => Found::Unknown(
                self.connect_error("UNKNOWN", &format!("{message} ({TOO_MANY_CONNECTIONS})")),
            ),
            _ if word == "UNKNOWN" => Found::Unknown(match miss {
                Miss::Server { code, message } => say(&format!("{message} ({code})")),
                Miss::Refused(why) | Miss::Ended(why) | Miss::Other(why) => say(&why),
                Miss::Late => say(&format!("no answer within {limit}")),
            }),
            Miss::Server { code, message } => Found::failed(say(&format!("{message} ({code})"))),
            Miss::Refused(why) | Miss::Ended(why) | Miss::Other(why) => Found::failed(say(&why)),
            Miss::Late => self.late("connection", limit),
        }
    }

    /// The result when the connection works but the status was not told.
    fn not_told(&self, miss: Miss, limit: Span) -> Found {
        let account = &self.account;
        match miss {
            Miss::Server { code: PRIVILEGE_MISSING, message } => {
                Found::failed(format!("ERROR: Privilege missing ({account})! {message}"))
            }
            Miss::Server { code, message } => {
                Found::Unknown(format!("UNKNOWN: Query error ({account})! {message} ({code})"))
            }
            Miss::Refused(why) | Miss::Ended(why) | Miss::Other(why) => {
                Found::Unknown(self.connect_error("UNKNOWN", &why))
            }
            Miss::Late => self.late("status", limit),
        }
    }

    fn late(&self, what: &str, limit: Span) -> Found {
        Found::failed(format!("ERROR: Timeout ({})! no {what} within {limit}", self.account))
    }

    fn connect_error(&self, word: &str, why: &str) -> String {
        format!("{word}: Connect error ({})! {why}", self.account)
    }
}

async fn query(mut conn: Conn, end: Instant) -> Result<Conn, Miss> {
    match timeout_at(end, conn.query_drop("SELECT 1")).await {
        Ok(done) => done.map(|()| conn).map_err(miss),
        Err(_) => Err(Miss::Late),
    }
}

async fn status(mut conn: Conn, end: Instant) -> Result<(Conn, Option<Row>), Miss> {
    let ask = async {
        match conn.query_first::<Row, _>("SHOW SLAVE STATUS").await {
            // MySQL 8.4 and later.
            Err(Error::Server(error)) if error.code == SYNTAX_ERROR => {
                conn.query_first("SHOW REPLICA STATUS").await
            }
            told => told,
        }
    };
    match timeout_at(end, ask).await {
        Ok(told) => told.map(|row| (conn, row)).map_err(miss),
        Err(_) => Err(Miss::Late),
    }
}

fn miss(error: Error) -> Miss {
    match error {
        Error::Server(error) => Miss::Server { code: error.code, message: error.message },
        Error::Io(IoError::Io(error)) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => Miss::Refused(error.to_string()),
            ErrorKind::UnexpectedEof => Miss::Ended(error.to_string()),
            _ => Miss::Other(error.to_string()),
        },
        Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            Miss::Ended("the server closed the connection".to_owned())
        }
        error => Miss::Other(error.to_string()),
    }
}

fn read(row: &Row) -> Replication {
    let text = |names: [&str; 2]| {
        let at = row
            .columns_ref()
            .iter()
            .position(|column| names.contains(&column.name_str().as_ref()))?;
        match row.as_ref(at)? {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::Int(n) => Some(n.to_string()),
            Value::UInt(n) => Some(n.to_string()),
            _ => None,
        }
    };
    let thread = |names| match text(names).as_deref() {
        Some("Yes") => Some(Thread::Yes),
        Some("No") => Some(Thread::No),
        // MariaDB also says `Preparing`.
        Some(_) => Some(Thread::Connecting),
        None => None,
    };
    let io = thread(["Slave_IO_Running", "Replica_IO_Running"]);
    let sql = thread(["Slave_SQL_Running", "Replica_SQL_Running"]);
    let lag = text(["Seconds_Behind_Master", "Seconds_Behind_Source"]);
    let (Some(io), Some(sql)) = (io, sql) else {
        let why = "UNKNOWN: the replica status has no thread columns; which server is this?";
        return Replication::Not(Found::Unknown(why.to_owned()));
    };
    let lag = lag.and_then(|text| text.parse().ok()).map(Span::secs);
    Replication::Replica(Replica { io, sql, lag })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(io: Thread, sql: Thread, lag: Option<u64>) -> Replication {
        Replication::Replica(Replica { io, sql, lag: lag.map(Span::secs) })
    }

    #[test]
    fn threads_and_backlog_are_judged_as_the_original_judged_them() {
        use Thread::{Connecting, No, Yes};
        let max = Span::secs(60);
        for (replication, threads, backlog) in [
            (replica(Yes, Yes, Some(0)), "OK", "OK"),
            (replica(Yes, Yes, Some(60)), "OK", "OK"),
            (replica(Yes, Yes, Some(61)), "OK", "ERROR: Backlog is too big"),
            (replica(Yes, Yes, None), "OK", "OK: Backlog is null"),
            (replica(Connecting, Yes, None), "OK: Connecting", "UNKNOWN: Backlog is null"),
            (replica(No, Yes, None), "ERROR: Replication is broken", "UNKNOWN: Backlog"),
            (replica(Yes, No, None), "ERROR: Replication is broken", "UNKNOWN: Backlog"),
            (
                Replication::NotSetUp,
                "ERROR: Replication is not set up",
                "ERROR: Replication is not",
            ),
        ] {
            let found = replication.threads();
            assert!(found.message().starts_with(threads), "{replication:?}: {found:?}");
            let found = replication.backlog(max);
            assert!(found.message().starts_with(backlog), "{replication:?}: {found:?}");
        }
    }

    #[test]
    fn an_account_prints_without_its_password() {
        let account = Account {
            ip: "10.0.0.1".parse().unwrap(),
            port: 3306,
            user: "mon".to_owned(),
            password: Zeroizing::new("geheim".to_owned()),
        };
        let probe = ServerProbe::new(account.clone());
        assert!(!format!("{account:?} {account}").contains("geheim"));
        assert_eq!(
            probe.connect_error("ERROR", "x"),
            "ERROR: Connect error (host = 10.0.0.1:3306, user = mon)! x"
        );
    }
}
