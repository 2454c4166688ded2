//! What the tests share: hellos, pairs of connections, a raw peer, waiting with a deadline.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use mmm_daemon::net::{Conn, Listener};
use mmm_proto::hello::{First, Hello, Program};
use mmm_proto::line::encode;
use mmm_proto::{ClusterName, HostName, Span};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub(crate) const SILENCE: Span = Span::secs(3);

/// The address on loopback with a port from the kernel.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(crate) fn hello(program: Program) -> Hello {
    Hello::new(program, ClusterName::parse("shop").unwrap())
}

/// Waits ten seconds at most; names what did not come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(done) => done,
        Err(_) => panic!("not within 10 s: {what}"),
    }
}

/// Looks every few milliseconds until the condition holds, ten seconds at most; `last` says what was seen.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    good: impl Fn(&T) -> bool,
) -> T {
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let last = look();
        if good(&last) {
            return last;
        }
        assert!(tokio::time::Instant::now() < end, "not within 10 s: {what}; last seen: {last:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The two ends of one TCP connection.
pub(crate) async fn pair() -> (Conn, Conn) {
    let listener = Listener::tcp(anywhere(), SILENCE).unwrap();
    let dial = Conn::dial_tcp(listener.addr().unwrap(), Span::secs(1), SILENCE);
    let (dialled, accepted) = tokio::join!(dial, listener.accept());
    (dialled.unwrap(), accepted)
}

/// A peer that sends what it likes.
pub(crate) struct Raw {
    pub(crate) from: BufReader<OwnedReadHalf>,
    pub(crate) to: OwnedWriteHalf,
}

impl Raw {
    pub(crate) async fn dial(addr: SocketAddr) -> Self {
        let (from, to) = TcpStream::connect(addr).await.unwrap().into_split();
        Self { from: BufReader::new(from), to }
    }

    /// Dials and introduces itself as that program, without a key.
    pub(crate) async fn greet(addr: SocketAddr, program: Program) -> Self {
        let mut raw = Self::dial(addr).await;
        raw.write(encode(&First::Hello(hello(program))).unwrap().as_bytes()).await;
        let theirs = raw.line().await;
        assert_eq!(theirs["kind"], "hello", "{theirs}");
        raw
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).await.unwrap();
    }

    /// The next line as JSON.
    pub(crate) async fn line(&mut self) -> Value {
        let mut line = String::new();
        within("a line", self.from.read_line(&mut line)).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// The next line of that kind, others skipped.
    pub(crate) async fn kind(&mut self, kind: &str) -> Value {
        loop {
            let line = self.line().await;
            if line["kind"] == kind {
                return line;
            }
        }
    }

    /// The reason that comes before the end, and then the end.
    pub(crate) async fn refusal(&mut self) -> String {
        let line = self.kind("error").await;
        let mut rest = Vec::new();
        within("the end of the connection", self.from.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "after {line}");
        line["why"].as_str().unwrap().to_owned()
    }
}
