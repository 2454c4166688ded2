//! A client of the test bed: one connection as the application, on a thread of its own in the
//! client host's namespace. What must not be here: namespaces and servers (that is `bed`).

use std::net::IpAddr;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use tokio::sync::{mpsc, oneshot};

use crate::bed::{PATIENCE, inside};

/// A client with one connection, on a thread of its own.
pub(crate) struct Client {
    ask: mpsc::UnboundedSender<(String, oneshot::Sender<Answer>)>,
    pub(crate) id: u64,
}

pub(crate) type Answer = Result<Vec<String>, String>;

impl Client {
    pub(crate) async fn connect(
        ns: String,
        to: IpAddr,
        user: &str,
        password: &str,
    ) -> Result<Self, String> {
        let (ask, mut asked) = mpsc::unbounded_channel::<(String, oneshot::Sender<Answer>)>();
        let (ready, connected) = oneshot::channel();
        let opts = OptsBuilder::default()
            .ip_or_hostname(to.to_string())
            .resolved_ips(Some(vec![to]))
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false)
            .max_allowed_packet(Some(1 << 20))
            .wait_timeout(Some(1000));
        std::thread::spawn(move || {
            inside(&ns, || async move {
                let conn = tokio::time::timeout(PATIENCE, Conn::new(opts)).await;
                let mut conn = match conn {
                    Ok(Ok(conn)) => conn,
                    Ok(Err(error)) => return drop(ready.send(Err(error.to_string()))),
                    Err(_) => return drop(ready.send(Err("no greeting".to_owned()))),
                };
                let _ = ready.send(Ok(u64::from(conn.id())));
                while let Some((sql, answer)) = asked.recv().await {
                    let rows: Result<Vec<Row>, _> = conn.query(sql).await;
                    let rows = rows.map_err(|error| error.to_string());
                    let _ = answer.send(rows.map(|rows| rows.iter().map(first).collect()));
                }
            });
        });
        let id = connected.await.unwrap()?;
        Ok(Self { ask, id })
    }

    /// Begins a statement; the answer comes when it has ended.
    pub(crate) fn start(&self, sql: &str) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let _ = self.ask.send((sql.to_owned(), answer));
        answered
    }

    /// Runs a statement: the first column of its rows.
    pub(crate) async fn sql(&self, sql: &str) -> Answer {
        ended(self.start(sql)).await
    }
}

/// Waits for the end of a statement.
pub(crate) async fn ended(answer: oneshot::Receiver<Answer>) -> Answer {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("the client ended".to_owned()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

fn first(row: &Row) -> String {
    match row.as_ref(0) {
        Some(mysql_async::Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}
