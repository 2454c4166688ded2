//! Framed lines over TCP and unix sockets: one JSON message a line, at most 1 MiB. What the messages mean is
//! not known here, who may connect is in `auth`.

mod listen;
mod outbox;
mod peer;
mod pump;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mmm_proto::Span;
use mmm_proto::line::{self, LineError, Lines, Message};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

pub use listen::{Listener, UnixAccess};
pub use outbox::{Closed, Outbox, Urgency};
pub use peer::{Peer, UnixPeer, Who};
pub use pump::pump;

/// How long one line may take to leave, unless [`Writer::limit`] says otherwise.
pub const WRITE_LIMIT: Span = Span::secs(5);

/// How much is read at once. Reports and grants fit; larger lines take several reads.
const CHUNK: usize = 4096;

/// How long a farewell may take, and how long the other side's unread lines are thrown away so that the
/// kernel does not turn our last words into a reset.
pub(crate) const FAREWELL: Span = Span::ms(300);

/// Why a connection ended or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A line that is no message; after [`LineError::UnknownKind`] the connection goes on.
    #[error("{0}")]
    Line(#[from] LineError),
    /// The operating system's word.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side was gone before its line ended.
    #[error("the connection ended in the middle of a line")]
    CutOff,
    /// Nothing came, or nothing could be sent, for so long.
    #[error("{what} within {limit}")]
    Late { what: &'static str, limit: Span },
}

impl NetError {
    /// Whether the connection cannot go on.
    pub fn closes(&self) -> bool {
        match self {
            Self::Line(error) => error.closes(),
            _ => true,
        }
    }

    /// Whether somebody refused the connection: the machine is there, the program is not.
    pub fn refused(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// The half that reads.
pub struct Reader {
    from: Box<dyn AsyncRead + Send + Unpin>,
    lines: Lines,
    chunk: Box<[u8; CHUNK]>,
    /// Whether the bytes so far end within a line.
    midway: bool,
}

impl Reader {
    /// The next message; none when the other side closed orderly. May be dropped and called again without
    /// losing anything.
    ///
    /// # Errors
    /// See [`NetError`]; ask [`NetError::closes`] whether to go on.
    pub async fn recv<M: Message>(&mut self) -> Result<Option<M>, NetError> {
        loop {
            if let Some(line) = self.lines.next_line()? {
                return Ok(Some(line::decode(&line)?));
            }
            match self.from.read(self.chunk.as_mut_slice()).await? {
                0 if self.midway => return Err(NetError::CutOff),
                0 => return Ok(None),
                n => {
                    self.lines.push(&self.chunk[..n]);
                    self.midway = self.chunk[n - 1] != b'\n';
                }
            }
        }
    }

    /// As [`Reader::recv`], with a limit on the silence of the other side.
    ///
    /// # Errors
    /// [`NetError::Late`] when nothing came in time.
    pub async fn recv_within<M: Message>(&mut self, limit: Span) -> Result<Option<M>, NetError> {
        let what = "nothing was heard";
        match timeout(limit.into(), self.recv()).await {
            Ok(received) => received,
            Err(_) => Err(NetError::Late { what, limit }),
        }
    }
}

/// The half that writes.
pub struct Writer {
    to: Box<dyn AsyncWrite + Send + Unpin>,
    limit: Span,
}

impl Writer {
    /// Sets how long one line may take.
    pub fn limit(&mut self, limit: Span) {
        self.limit = limit;
    }

    /// Sends one message. After an error the connection is of no use: half a line may have left.
    ///
    /// # Errors
    /// [`NetError::Late`] when the other side does not read, [`LineError::TooLong`].
    pub async fn send<M: Serialize>(&mut self, message: &M) -> Result<(), NetError> {
        self.send_line(&line::encode(message)?).await
    }

    /// Sends a line that was encoded before, its end included.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn send_line(&mut self, line: &str) -> Result<(), NetError> {
        let sending = async {
            self.to.write_all(line.as_bytes()).await?;
            self.to.flush().await
        };
        let (what, limit) = ("the other side did not read a line", self.limit);
        match timeout(limit.into(), sending).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(NetError::Late { what, limit }),
        }
    }
}

/// One connection.
pub struct Conn {
    peer: Peer,
    pub reader: Reader,
    pub writer: Writer,
}

impl Conn {
    /// Frames a TCP stream. `silence` bounds how long the kernel keeps bytes that nobody acknowledges.
    ///
    /// # Errors
    /// When the kernel refuses the options, because the other side is gone already.
    pub fn tcp(stream: TcpStream, silence: Span) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let limit = Duration::from(silence);
        socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limit))?;
        let peer = Peer::Tcp(stream.peer_addr()?);
        let (from, to) = stream.into_split();
        Ok(Self::new(peer, Box::new(from), Box::new(to)))
    }

    /// Frames a unix stream.
    ///
    /// # Errors
    /// When the kernel does not tell who is at the other end.
    pub fn unix(stream: UnixStream) -> io::Result<Self> {
        let cred = stream.peer_cred()?;
        let peer = Peer::Unix(UnixPeer { uid: cred.uid(), gid: cred.gid(), pid: cred.pid() });
        let (from, to) = stream.into_split();
        Ok(Self::new(peer, Box::new(from), Box::new(to)))
    }

    fn new(
        peer: Peer,
        from: Box<dyn AsyncRead + Send + Unpin>,
        to: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> Self {
        let reader =
            Reader { from, lines: Lines::default(), chunk: Box::new([0; CHUNK]), midway: false };
        let limit = WRITE_LIMIT;
        let writer = Writer { to, limit };
        Self { peer, reader, writer }
    }

    /// Dials a TCP address. `silence` as in [`Conn::tcp`].
    ///
    /// # Errors
    /// When nobody accepts within `limit`.
    pub async fn dial_tcp(addr: SocketAddr, limit: Span, silence: Span) -> Result<Self, NetError> {
        let what = "no connection";
        match timeout(limit.into(), TcpStream::connect(addr)).await {
            Ok(stream) => Ok(Self::tcp(stream?, silence)?),
            Err(_) => Err(NetError::Late { what, limit }),
        }
    }

    /// Dials a unix socket.
    ///
    /// # Errors
    /// When nobody accepts within `limit`.
    pub async fn dial_unix(path: &Path, limit: Span) -> Result<Self, NetError> {
        let what = "no connection";
        match timeout(limit.into(), UnixStream::connect(path)).await {
            Ok(stream) => Ok(Self::unix(stream?)?),
            Err(_) => Err(NetError::Late { what, limit }),
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// As [`Reader::recv`].
    ///
    /// # Errors
    /// As [`Reader::recv`].
    pub async fn recv<M: Message>(&mut self) -> Result<Option<M>, NetError> {
        self.reader.recv().await
    }

    /// As [`Writer::send`].
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn send<M: Serialize>(&mut self, message: &M) -> Result<(), NetError> {
        self.writer.send(message).await
    }

    /// The two halves, for a task each or for one task that does both at once.
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// Sends last words and closes.
    pub async fn part<M: Serialize>(self, last: &M) {
        part(self.reader, self.writer, last).await;
    }
}

/// Sends last words over the two halves of a connection and closes it. Nothing is reported: the other side
/// may be gone, and that is as well.
pub async fn part<M: Serialize>(reader: Reader, mut writer: Writer, last: &M) {
    writer.limit(FAREWELL);
    if writer.send(last).await.is_ok() {
        hang_up(reader, writer).await;
    }
}

/// Closes a connection whose last words were sent.
pub(crate) async fn hang_up(mut reader: Reader, mut writer: Writer) {
    let _ = timeout(FAREWELL.into(), async {
        writer.to.shutdown().await?;
        // Bytes that were never read make the kernel answer with a reset, which can overtake the last words.
        while reader.from.read(reader.chunk.as_mut_slice()).await? > 0 {}
        Ok::<(), io::Error>(())
    })
    .await;
}
