//! A connection to the monitor: dial, hello, proof of the cluster key, then messages as lines.
//!
//! Every wait has a deadline. What the messages mean is not known here.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use mmm_proto::ClusterName;
use mmm_proto::auth::{challenge, hex, unhex};
use mmm_proto::console::{FromMonitor, ToMonitor};
use mmm_proto::hello::{First, Hello, Program};
use mmm_proto::line::{LineError, Lines, Message, decode, encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::ssh::{Ssh, Told};
use super::target::{Endpoint, Target};

/// How long one line may take to be written before the monitor is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// What a monitor calls its cluster when its settings do not say.
const CLUSTER_DEFAULT: &str = "main";

/// Why there is no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers.
    #[error(
        "cannot reach the monitor at {tried}; is mmm-mond running? (--config, --socket and \
             --connect say where it is){note}"
    )]
    Unreachable {
        tried: String,
        /// The reason of the last try alone, for where there is little room.
        why: String,
        note: String,
    },
    /// Somebody answers and will not talk to us, or we not to them.
    #[error("no conversation with the monitor at {at}: {why}")]
    Refused { at: String, why: String },
    /// There is no way there through ssh.
    #[error("cannot reach the monitor through ssh: {why}")]
    Ssh {
        why: String,
        /// Trying again is of no use until somebody changes something.
        denied: bool,
    },
}

impl OpenError {
    /// Nobody answers at `tried`; `why` is the reason alone.
    pub fn unreachable(tried: String, why: String, target: &Target) -> Self {
        let note =
            if target.note.is_empty() { String::new() } else { format!("; {}", target.note) };
        Self::Unreachable { tried, why, note }
    }
}

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the monitor closed the connection")]
    Closed,
    #[error("the connection to the monitor broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the monitor took nothing for {} s", WRITE_LIMIT.as_secs())]
    Stuck,
    #[error("the monitor does not speak our protocol: {0}")]
    Line(#[from] LineError),
    #[error("{why}; what it sends cannot be read: {line}")]
    Foreign { why: String, line: LineError },
    #[error("{}", .0.why)]
    Ssh(Told),
}

/// An open conversation.
pub struct Wire {
    read: Box<dyn AsyncRead + Send + Unpin>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    lines: Lines,
    /// The child that carries it, if one does. It ends with the conversation.
    ssh: Option<Ssh>,
    /// Where it goes, for people.
    pub at: String,
    /// The monitor's first line.
    pub hello: Hello,
    /// Why nothing may be asked of it but to be looked at: it speaks another wire version.
    pub only_looks: Option<String>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Dials the addresses of `target` in turn until one lets us in.
///
/// # Errors [`OpenError::Refused`] as soon as a monitor answers and refuses,
/// [`OpenError::Unreachable`] when nobody answers within `limit` each.
pub async fn open(target: &Target, limit: Duration) -> Result<Wire, OpenError> {
    let mut tried = Vec::new();
    let mut last = String::new();
    for endpoint in &target.endpoints {
        match timeout(limit, enter(endpoint, target)).await {
            Ok(Ok(wire)) => return Ok(wire),
            Ok(Err(Enter::Refused(why) | Enter::Babble(why))) => {
                let at = endpoint.to_string();
                return Err(OpenError::Refused { at, why });
            }
            Ok(Err(Enter::Ssh(Told { why, denied }))) => {
                return Err(OpenError::Ssh { why, denied });
            }
            Ok(Err(Enter::Silent(why))) => last = why,
            Err(_) => last = format!("no answer within {:.1} s", limit.as_secs_f32()),
        }
        tried.push(format!("{endpoint} ({last})"));
    }
    Err(OpenError::unreachable(tried.join(" nor "), last, target))
}

/// Why one address did not let us in.
enum Enter {
    Silent(String),
    Refused(String),
    Ssh(Told),
    /// What comes is no message of ours.
    Babble(String),
}

/// One attempt. The monitor speaks first, so a console that was not told the cluster can take the
/// monitor's word for it.
async fn enter(endpoint: &Endpoint, target: &Target) -> Result<Wire, Enter> {
    let silent = |error: std::io::Error| Enter::Silent(plain(&error));
    let mut ssh = None;
    let (read, write): (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>) =
        match endpoint {
            Endpoint::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await.map_err(silent)?.into_split();
                (Box::new(read), Box::new(write))
            }
            Endpoint::Tcp(addr) => {
                let stream = TcpStream::connect(addr).await.map_err(silent)?;
                // Small lines that wait for an answer: Nagle would only delay them.
                stream.set_nodelay(true).map_err(silent)?;
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Endpoint::Ssh(place) => {
                let (child, read, write) = Ssh::start(place).map_err(Enter::Ssh)?;
                ssh = Some(child);
                (Box::new(read), Box::new(write))
            }
        };
    let key = match endpoint {
        Endpoint::Unix(_) | Endpoint::Ssh(_) => None,
        Endpoint::Tcp(_) => target.key.as_deref(),
    };
    let main = ClusterName::parse(CLUSTER_DEFAULT).expect("a name of four letters is a name");
    let mut ours = Hello::new(Program::Console, target.cluster.clone().unwrap_or(main));
    if key.is_some() {
        ours.nonce = Some(nonce().map_err(Enter::Refused)?);
    }
    let mut wire = Wire {
        read,
        write,
        lines: Lines::default(),
        ssh,
        at: endpoint.to_string(),
        hello: ours.clone(),
        only_looks: None,
    };
    let entered = async {
        wire.hellos(&mut ours, target.cluster.is_none()).await?;
        wire.proofs(&ours, key).await
    };
    match (entered.await, endpoint) {
        (Ok(()), _) => Ok(wire),
        (Err(Enter::Babble(why)), Endpoint::Ssh(place)) => Err(Enter::Refused(format!(
            "{why}; does a login script on {} print something? It must not for a command",
            place.host()
        ))),
        (Err(Enter::Babble(why)), _) => Err(Enter::Refused(why)),
        (Err(other), _) => Err(other),
    }
}

impl Wire {
    async fn hellos(&mut self, ours: &mut Hello, any_cluster: bool) -> Result<(), Enter> {
        let theirs = match self.recv::<First>().await.map_err(broke)? {
            First::Hello(theirs) => theirs,
            First::Error { why } => return Err(Enter::Refused(why)),
            First::Proof { .. } => {
                let why = "it began with a proof instead of a hello".to_owned();
                return Err(Enter::Refused(why));
            }
        };
        if any_cluster {
            ours.cluster = theirs.cluster.clone();
        }
        self.send(&First::Hello(ours.clone())).await.map_err(broke)?;
        ours.meets(&theirs, Program::Monitor).map_err(Enter::Refused)?;
        self.only_looks = ours.only_looks(&theirs);
        self.hello = theirs;
        Ok(())
    }

    /// Both sides prove that they know the cluster key, when one is used.
    async fn proofs(&mut self, ours: &Hello, key: Option<&[u8]>) -> Result<(), Enter> {
        let cluster = ours.cluster.as_str();
        let (own, theirs) = match (key, &ours.nonce, &self.hello.nonce) {
            (None, _, None) => return Ok(()),
            (None, _, Some(_)) => {
                return Err(Enter::Refused(
                    "it asks for the cluster key: give `cluster_key_file` in the settings or \
                     --cluster-key-file"
                        .to_owned(),
                ));
            }
            (Some(_), Some(own), Some(theirs)) => (own.clone(), theirs.clone()),
            (Some(_), ..) => {
                return Err(Enter::Refused(
                    "it does not prove that it knows the cluster key: set `cluster_key` on the \
                     monitor as well"
                        .to_owned(),
                ));
            }
        };
        let key = key.unwrap_or_default();
        let text = challenge(cluster, Program::Console.word(), &theirs, &own);
        let proof = hex(&sign(key, &text));
        self.send(&First::Proof { proof }).await.map_err(broke)?;
        match self.recv::<First>().await.map_err(broke)? {
            First::Proof { proof } => {
                let wants = sign(key, &challenge(cluster, Program::Monitor.word(), &own, &theirs));
                let given = unhex(&proof).unwrap_or_default();
                if bool::from(given.ct_eq(&wants)) {
                    Ok(())
                } else {
                    Err(Enter::Refused(
                        "it does not know our cluster key: `cluster_key` differs".to_owned(),
                    ))
                }
            }
            First::Error { why } => Err(Enter::Refused(why)),
            First::Hello(_) => Err(Enter::Refused("it said hello twice".to_owned())),
        }
    }

    /// Says something to the monitor.
    ///
    /// # Errors
    /// When the line cannot be written within five seconds.
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), WireError> {
        let line = encode(message)?;
        match timeout(WRITE_LIMIT, self.write.write_all(line.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(WireError::Io(error)).await),
            Err(_) => Err(WireError::Stuck),
        }
    }

    /// Asks the monitor for something.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub async fn ask(&mut self, request: &ToMonitor) -> Result<(), WireError> {
        self.send(request).await
    }

    /// What the monitor says next. Waits for ever: the caller sets the deadline. Nothing is lost
    /// when the wait is broken off.
    ///
    /// # Errors
    /// When the connection ends or what comes is no message.
    pub async fn next(&mut self) -> Result<FromMonitor, WireError> {
        self.recv().await
    }

    async fn recv<M: Message>(&mut self) -> Result<M, WireError> {
        let mut bytes = [0; 16 * 1024];
        loop {
            if let Some(line) = self.lines.next_line()? {
                match decode(&line) {
                    // From a newer monitor; what we do not know we do not need.
                    Err(LineError::UnknownKind(..)) => continue,
                    Err(line) => return Err(self.unread(line)),
                    Ok(message) => return Ok(message),
                }
            }
            match self.read.read(&mut bytes).await {
                Ok(0) => return Err(self.broken(WireError::Closed).await),
                Ok(count) => self.lines.push(&bytes[..count]),
                Err(error) => return Err(self.broken(WireError::Io(error)).await),
            }
        }
    }

    /// A line that is no message of ours: of another version it need not be.
    fn unread(&self, line: LineError) -> WireError {
        match &self.only_looks {
            Some(why) => WireError::Foreign { why: why.clone(), line },
            None => WireError::Line(line),
        }
    }

    /// Why it ended: the child knows better than its pipes do.
    async fn broken(&mut self, error: WireError) -> WireError {
        match &mut self.ssh {
            Some(ssh) => WireError::Ssh(ssh.ended().await),
            None => error,
        }
    }
}

fn broke(error: WireError) -> Enter {
    match error {
        WireError::Line(error) => Enter::Babble(format!("it does not speak our protocol: {error}")),
        WireError::Ssh(told) => Enter::Ssh(told),
        other => Enter::Silent(other.to_string()),
    }
}

/// An error of the system in the words of its manual, without Rust's "(os error 2)".
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

fn nonce() -> Result<String, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers to be had: {error}"))?;
    Ok(hex(&bytes))
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
