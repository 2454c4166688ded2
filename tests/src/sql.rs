//! Plain blocking queries with deadlines, on a connection that lives in the calling thread.
//!
//! Every connection has a runtime of its own: dropping both leaves no half-closed socket and no
//! forgotten task behind, and the socket is opened in the network namespace of the thread.
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};
use tokio::runtime::{Builder, Runtime};

/// Why a query has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlError {
    /// The server answered with an error.
    Server(u16, String),
    /// The connection could not be made, or broke.
    Broken(String),
    /// No answer in time.
    Late(Duration),
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlError::Server(code, text) => write!(f, "error {code}: {text}"),
            SqlError::Broken(text) => write!(f, "{text}"),
            SqlError::Late(limit) => write!(f, "no answer within {} ms", limit.as_millis()),
        }
    }
}

impl std::error::Error for SqlError {}

/// Who to connect as.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub database: Option<String>,
}

impl Login {
    /// The lab's own way in: root, over the server's unix socket, without a password.
    pub fn root() -> Login {
        Login { user: "root".into(), password: String::new(), database: None }
    }
}

/// All rows of an answer; NULL is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The first value of the first row.
    pub fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// The first row by column name, NULL as an empty string; for SHOW statements.
    pub fn by_name(&self) -> BTreeMap<String, String> {
        let Some(row) = self.rows.first() else {
            return BTreeMap::new();
        };
        let values = row.iter().map(|value| value.clone().unwrap_or_default());
        self.columns.iter().cloned().zip(values).collect()
    }
}

/// One open connection.
pub struct Session {
    conn: Conn,
    runtime: Runtime,
}

impl Session {
    /// Connects over TCP; `limit` covers everything to the end of the login.
    pub fn tcp(to: SocketAddr, login: &Login, limit: Duration) -> Result<Session, SqlError> {
        let opts = OptsBuilder::default().ip_or_hostname(to.ip().to_string()).tcp_port(to.port());
        Session::open(opts, login, limit)
    }

    /// Connects to the unix socket `path`.
    pub fn unix(path: &Path, login: &Login, limit: Duration) -> Result<Session, SqlError> {
        let socket = path.to_str().map(str::to_owned);
        Session::open(OptsBuilder::default().socket(socket), login, limit)
    }

    fn open(opts: OptsBuilder, login: &Login, limit: Duration) -> Result<Session, SqlError> {
        let opts = complete(opts, login);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| SqlError::Broken(format!("no runtime: {e}")))?;
        let conn = runtime.block_on(async { tokio::time::timeout(limit, Conn::new(opts)).await });
        match conn {
            Ok(Ok(conn)) => Ok(Session { conn, runtime }),
            Ok(Err(e)) => Err(explain(e)),
            Err(_) => Err(SqlError::Late(limit)),
        }
    }

    /// Runs one statement and fetches everything. After `Broken` and `Late`, drop the session.
    pub fn query(&mut self, sql: &str, limit: Duration) -> Result<Rows, SqlError> {
        let conn = &mut self.conn;
        let asked = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, conn.query::<Row, _>(sql)).await });
        match asked {
            Ok(Ok(rows)) => Ok(plain(rows)),
            Ok(Err(e)) => Err(explain(e)),
            Err(_) => Err(SqlError::Late(limit)),
        }
    }
}

/// Who, and nothing that makes the driver ask the server by itself: packet size and wait time-out
/// are given.
pub(crate) fn complete(opts: OptsBuilder, login: &Login) -> Opts {
    opts.user(Some(&login.user))
        .pass(Some(&login.password))
        .db_name(login.database.clone())
        .prefer_socket(false)
        .max_allowed_packet(Some(16 << 20))
        .wait_timeout(Some(28_800))
        .into()
}

fn plain(rows: Vec<Row>) -> Rows {
    let mut out = Rows::default();
    if let Some(row) = rows.first() {
        out.columns = row.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    }
    for row in rows {
        let value = |at| match row.as_ref(at) {
            Some(mysql_async::Value::Bytes(bytes)) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            // The text protocol sends bytes or NULL and nothing else.
            _ => None,
        };
        out.rows.push((0..row.len()).map(value).collect());
    }
    out
}

fn explain(error: mysql_async::Error) -> SqlError {
    match error {
        mysql_async::Error::Server(e) => SqlError::Server(e.code, e.message),
        other => SqlError::Broken(other.to_string()),
    }
}
