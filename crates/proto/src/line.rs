//! Bytes in, lines out, messages out of lines. Never touches a socket, so that half lines, giant lines and
//! garbage are unit tests.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line, its end not counted, in bytes.
pub const LINE_MAX: usize = 1024 * 1024;

/// A message kind: what may stand in a line of one conversation.
pub trait Message: Serialize + DeserializeOwned {
    /// The words of the `kind` field that this side of the conversation understands.
    const KINDS: &'static [&'static str];
}

/// Why a line is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The connection must be closed: what follows cannot be found.
    #[error("a line is longer than {LINE_MAX} bytes")]
    TooLong,
    /// The connection must be closed.
    #[error("a line is not UTF-8")]
    NotUtf8,
    /// The connection must be closed.
    #[error("a line is not a message: {0}")]
    Malformed(String),
    /// A newer peer: answered with an error, the connection goes on.
    #[error("unknown message kind {0:?}; this program understands {1}")]
    UnknownKind(String, String),
}

impl LineError {
    /// Whether the connection cannot go on.
    pub fn closes(&self) -> bool {
        !matches!(self, Self::UnknownKind(..))
    }
}

/// Collects bytes and gives back whole lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Everything before this was searched for a line end already.
    searched: usize,
}

impl Lines {
    /// Takes what came from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its end (`\n` or `\r\n`); none until there is one. Empty lines are skipped.
    ///
    /// # Errors
    /// [`LineError::TooLong`] as soon as a line cannot be within the bound any more, [`LineError::NotUtf8`].
    pub fn next_line(&mut self) -> Result<Option<String>, LineError> {
        loop {
            let end = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end.map(|end| end + self.searched) else {
                self.searched = self.bytes.len();
                return if self.bytes.len() > LINE_MAX {
                    Err(LineError::TooLong)
                } else {
                    Ok(None)
                };
            };
            if end > LINE_MAX {
                return Err(LineError::TooLong);
            }
            let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
            self.searched = 0;
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return String::from_utf8(line).map(Some).map_err(|_| LineError::NotUtf8);
        }
    }
}

/// The message that a line holds.
///
/// # Errors
/// [`LineError::UnknownKind`] when it is a message of a kind not in `M::KINDS`, else
/// [`LineError::Malformed`] with what is wrong and where; the line itself is not repeated.
pub fn decode<M: Message>(line: &str) -> Result<M, LineError> {
    if !line.trim_start().starts_with('{') {
        // serde would take a list for a message whose fields it names in order.
        return Err(LineError::Malformed("a message is a JSON object in braces".to_owned()));
    }
    serde_json::from_str(line).map_err(|error| {
        #[derive(serde::Deserialize)]
        struct Kind {
            kind: String,
        }
        match serde_json::from_str::<Kind>(line) {
            Ok(Kind { kind }) if !M::KINDS.contains(&kind.as_str()) => {
                LineError::UnknownKind(kind.chars().take(64).collect(), M::KINDS.join(", "))
            }
            _ => LineError::Malformed(error.to_string()),
        }
    })
}

/// The line of a message, its end included.
///
/// # Errors
/// [`LineError::TooLong`] when the other side would have to refuse it.
pub fn encode<M: Serialize>(message: &M) -> Result<String, LineError> {
    let mut line =
        serde_json::to_string(message).map_err(|error| LineError::Malformed(error.to_string()))?;
    if line.len() > LINE_MAX {
        return Err(LineError::TooLong);
    }
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::ToAgent;

    #[test]
    fn half_lines_wait_for_their_other_half() {
        let mut lines = Lines::default();
        lines.push(b"{\"a\":");
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"1}\r\n\n  \nrest\nmore");
        assert_eq!(lines.next_line(), Ok(Some("{\"a\":1}".into())));
        assert_eq!(lines.next_line(), Ok(Some("rest".into())));
        assert_eq!(lines.next_line(), Ok(None));
    }

    #[test]
    fn a_line_of_exactly_the_bound_passes_and_one_more_byte_does_not() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LINE_MAX]);
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next_line().unwrap().unwrap().len(), LINE_MAX);
        lines.push(&vec![b'x'; LINE_MAX + 1]);
        assert_eq!(lines.next_line(), Err(LineError::TooLong));
    }

    #[test]
    fn bad_bytes_and_bad_messages_say_what_they_are() {
        let mut lines = Lines::default();
        lines.push(b"\xff\xfe\n");
        assert_eq!(lines.next_line(), Err(LineError::NotUtf8));
        let error = decode::<ToAgent>("{\"kind\":\"dance\"}").unwrap_err();
        assert!(!error.closes());
        assert!(error.to_string().contains("\"dance\"") && error.to_string().contains("grant"));
        for bad in ["", "{", "[]", "7", "{\"kind\":\"grant\"}", "{\"kind\":7}", "null"] {
            assert!(decode::<ToAgent>(bad).unwrap_err().closes(), "{bad}");
        }
    }
}
