//! Who is at the other end: hellos, versions, the shared cluster key.
//!
//! Both sides speak at once: hello, then, with a key, the proof that they know it. The proof covers
//! both nonces and the speaker's kind, so it can neither be replayed nor sent back to its maker.
//! What follows the handshake is not encrypted; that is TLS's work.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use mmm_proto::Span;
use mmm_proto::auth::{challenge, hex, speaker, unhex};
use mmm_proto::hello::{First, Hello, Program};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::net::{Conn, NetError};

/// The longest handshake.
pub const LIMIT: Span = Span::secs(3);

/// Bytes in a nonce.
const NONCE: usize = 32;

/// The secret that all programs of a cluster share. Prints as stars, is wiped when it goes.
#[derive(Clone)]
pub struct ClusterKey(Arc<Zeroizing<Vec<u8>>>);

impl ClusterKey {
    /// Takes the configured secret over.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(secret.into())))
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Introduces us and checks the other side. On refusal the connection is closed; the other side was
/// told why.
///
/// # Errors
/// A sentence that says who refuses whom, and what to change.
pub async fn handshake(
    conn: Conn,
    own: Hello,
    expected: Program,
    key: Option<&[u8]>,
) -> Result<(Conn, Hello), String> {
    handshake_with(conn, own, expected, key, |_| Ok(())).await
}

/// As [`handshake_with`], by who accepts programs of several kinds.
///
/// # Errors
/// As [`handshake_with`].
pub async fn handshake_any(
    conn: Conn,
    own: Hello,
    accepted: &[Program],
    key: Option<&[u8]>,
    look: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<(Conn, Hello), String> {
    introduce(conn, own, accepted, key, look).await
}

/// As [`handshake`], with a further look at the other side's hello before the key is tried.
///
/// # Errors
/// As [`handshake`]; the sentence of `look` is sent to the other side as it is.
pub async fn handshake_with(
    conn: Conn,
    own: Hello,
    expected: Program,
    key: Option<&[u8]>,
    look: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<(Conn, Hello), String> {
    introduce(conn, own, &[expected], key, look).await
}

async fn introduce(
    mut conn: Conn,
    own: Hello,
    accepted: &[Program],
    key: Option<&[u8]>,
    look: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<(Conn, Hello), String> {
    let expected = accepted[0];
    let talk = exchange(&mut conn, own, accepted, key, look);
    match timeout(LIMIT.into(), talk).await {
        Ok(Ok(theirs)) => Ok((conn, theirs)),
        Ok(Err(Refused::ByThem(why))) => Err(format!("refused by the other side: {why}")),
        Ok(Err(Refused::Gone(why))) => Err(why),
        Ok(Err(Refused::ByUs(why))) => {
            conn.part(&First::Error { why: why.clone() }).await;
            Err(why)
        }
        Err(_) => {
            let why = format!("no {} introduced itself within {LIMIT}", expected.word());
            conn.part(&First::Error { why: why.clone() }).await;
            Err(why)
        }
    }
}

enum Refused {
    ByUs(String),
    ByThem(String),
    Gone(String),
}

async fn exchange(
    conn: &mut Conn,
    mut own: Hello,
    accepted: &[Program],
    key: Option<&[u8]>,
    look: impl FnOnce(&Hello) -> Result<(), String>,
) -> Result<Hello, Refused> {
    own.nonce = match key {
        Some(_) => Some(nonce()?),
        None => None,
    };
    send(conn, &First::Hello(own.clone())).await?;
    let First::Hello(theirs) = receive(conn).await? else {
        return Err(Refused::ByUs("the first line must be a hello".to_owned()));
    };
    let expected = accepted.iter().copied().find(|kind| *kind == theirs.program);
    let expected = expected.unwrap_or(accepted[0]);
    own.meets(&theirs, expected).map_err(Refused::ByUs)?;
    look(&theirs).map_err(Refused::ByUs)?;
    match (key, &own.nonce, &theirs.nonce) {
        (Some(key), Some(ours), Some(nonce)) => {
            prove(conn, (&own, &theirs), key, ours, nonce).await?;
        }
        (Some(_), _, _) => {
            return Err(Refused::ByUs(format!(
                "this {} has a cluster_key, the {} has none: set the same cluster_key on both",
                own.program.word(),
                expected.word()
            )));
        }
        (None, _, Some(_)) => {
            return Err(Refused::ByUs(format!(
                "the {} has a cluster_key, this {} has none: set the same cluster_key on both",
                expected.word(),
                own.program.word()
            )));
        }
        (None, _, None) => {}
    }
    Ok(theirs)
}

/// Shows that we know the key, and wants to be shown the same.
async fn prove(
    conn: &mut Conn,
    (own, other): (&Hello, &Hello),
    key: &[u8],
    ours: &str,
    theirs: &str,
) -> Result<(), Refused> {
    if unhex(theirs).is_none_or(|bytes| bytes.len() != NONCE) {
        let why = format!("a nonce must be {NONCE} bytes in hexadecimal");
        return Err(Refused::ByUs(why));
    }
    if theirs == ours {
        let why = "the nonce is our own sent back".to_owned();
        return Err(Refused::ByUs(why));
    }
    let cluster = own.cluster.as_str();
    let proof = sign(key, &challenge(cluster, &speaker(own, other.program), theirs, ours));
    send(conn, &First::Proof { proof: hex(&proof) }).await?;
    let shown = match receive(conn).await? {
        First::Proof { proof } => unhex(&proof).unwrap_or_default(),
        _ => return Err(Refused::ByUs("the second line must be a proof".to_owned())),
    };
    let wanted = sign(key, &challenge(cluster, &speaker(other, own.program), ours, theirs));
    if bool::from(shown.ct_eq(&wanted)) {
        Ok(())
    } else {
        Err(Refused::ByUs(format!(
            "the {} has another cluster_key: set the same cluster_key on both",
            other.program.word()
        )))
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn nonce() -> Result<String, Refused> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refused::ByUs(format!("the kernel gives no random bytes: {error}")))?;
    Ok(hex(&bytes))
}

async fn send(conn: &mut Conn, message: &First) -> Result<(), Refused> {
    let sent = conn.send(message).await;
    sent.map_err(|error| Refused::Gone(format!("the connection broke: {error}")))
}

async fn receive(conn: &mut Conn) -> Result<First, Refused> {
    match conn.recv().await {
        Ok(Some(First::Error { why })) => Err(Refused::ByThem(why)),
        Ok(Some(first)) => Ok(first),
        Ok(None) => Err(Refused::Gone("the other side closed without a word".to_owned())),
        Err(NetError::Line(error)) => Err(Refused::ByUs(error.to_string())),
        Err(error) => Err(Refused::Gone(format!("the connection broke: {error}"))),
    }
}
