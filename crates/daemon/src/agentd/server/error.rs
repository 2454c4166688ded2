//! What can go wrong with the server, in words: where, which step, what to do.

use std::io;

use mmm_proto::Span;
use mmm_proto::agent::Reach;
use mysql_async::{DriverError, Error, IoError};

/// Why an act on the server did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Its process is gone: refused or reset, twice in a row.
    #[error("the server of {at} is gone: {why}")]
    Gone { at: String, why: String },
    /// It accepts and does not answer, or refuses the agent's account.
    #[error("the server of {at} cannot be used: {why}")]
    Silent { at: String, why: String },
    /// The connection broke during a step; whether the step was done is not known.
    #[error("{step} on {at}: the connection broke: {why}")]
    Lost { at: String, step: String, why: String },
    /// The deadline of a step passed.
    #[error("{step} on {at} was not done within {limit}: {why}")]
    Late { at: String, step: String, limit: Span, why: String },
    /// The server says no.
    #[error("{step} on {at} failed: {why}")]
    Refused {
        at: String,
        step: String,
        /// The server's error number; 0 when it was the answer that made no sense.
        code: u16,
        why: String,
    },
    /// A position was not reached.
    #[error("{at} lacks {left} transactions: {why}")]
    Behind { at: String, left: u64, why: String },
}

impl ServerError {
    /// What the error says about the server's being there, if anything.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Gone { why, .. } => Reach::Gone { why: why.clone() },
            other => Reach::Silent {
                why: match other {
                    Self::Silent { why, .. } => why.clone(),
                    other => other.to_string(),
                },
            },
        }
    }

    /// Whether the server's process is gone, verified.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Whether the deadline passed.
    pub const fn is_late(&self) -> bool {
        matches!(self, Self::Late { .. })
    }
}

/// The driver's errors, sorted by what they say about the server.
pub(super) enum Sort {
    /// Nobody there, or the one who was there has gone: refused, reset, end of stream.
    Dropped(String),
    /// The server's own word.
    Said { code: u16, why: String },
    /// Something that neither proves nor disproves that it lives.
    Odd(String),
}

pub(super) fn sort(error: &Error) -> Sort {
    match error {
        Error::Server(e) => Sort::Said { code: e.code, why: words(e.code, &e.message) },
        Error::Io(IoError::Io(e)) if dropped(e) => Sort::Dropped(e.to_string()),
        Error::Driver(DriverError::ConnectionClosed) => {
            Sort::Dropped("it closed the connection".to_owned())
        }
        other => Sort::Odd(other.to_string()),
    }
}

fn dropped(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::BrokenPipe
            | K::UnexpectedEof
            | K::NotFound
    )
}

/// The server's words with what to do about them.
fn words(code: u16, message: &str) -> String {
    let remedy = match code {
        1040 => "; raise max_connections",
        1045 => "; check agent_user and agent_password",
        1129 => "; run FLUSH HOSTS on the server",
        1227 => "; grant it to the agent's account",
        _ => "",
    };
    format!("error {code}: {message}{remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dropped_connection_is_evidence_of_death() {
        for (kind, dead) in [
            (io::ErrorKind::ConnectionRefused, true),
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::TimedOut, false),
            (io::ErrorKind::HostUnreachable, false),
            (io::ErrorKind::PermissionDenied, false),
        ] {
            let error = Error::from(io::Error::from(kind));
            assert_eq!(matches!(sort(&error), Sort::Dropped(_)), dead, "{kind}");
        }
    }

    #[test]
    fn known_errors_carry_their_remedy() {
        assert!(words(1040, "Too many connections").contains("max_connections"));
        assert!(words(1045, "Access denied").contains("agent_password"));
    }
}
