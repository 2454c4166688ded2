//! Secrets: a type that prints stars, and the files that secrets are read from. Nothing here ever
//! puts a secret into an error text.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::value::Bad;

/// The longest secret file that is read, in bytes. A key or a password is far shorter.
const SECRET_FILE_MAX: u64 = 4096;

/// A password or key. Prints as `***`, is wiped from memory when dropped, and cannot be serialised.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Call this only where it is used, never where it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("***")
    }
}

/// Takes the same time wherever two secrets differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

/// Reads a secret from a file of its own: one line, its newline cut off.
pub(super) fn read_file(path: &Path) -> Result<Secret, Bad> {
    let shown = path.display();
    let cannot = |error: std::io::Error| {
        Bad::new(
            format!("cannot read the secret file {shown}: {error}"),
            "make the file readable to this program, or correct the path",
        )
    };
    // Asked before opening: opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(Bad::new(
            format!("{shown} is not a regular file"),
            "name a file that holds the secret on one line",
        ));
    }
    let file = File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o006 != 0 {
        return Err(Bad::new(
            format!("the secret file {shown} is open to everybody (mode {:04o})", mode & 0o7777),
            format!("run: chmod 640 {shown}"),
        ));
    }
    // Full size at once, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_FILE_MAX as usize + 2));
    file.take(SECRET_FILE_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > SECRET_FILE_MAX {
        return Err(Bad::new(
            format!("the secret file {shown} has more than {SECRET_FILE_MAX} bytes"),
            "name a file that holds nothing but the secret",
        ));
    }
    secret_of(&mut bytes).ok_or_else(|| {
        Bad::new(
            format!("the secret file {shown} is empty, or is not one line of UTF-8"),
            "write the secret into it, on one line",
        )
    })
}

fn secret_of(bytes: &mut Vec<u8>) -> Option<Secret> {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    if bytes.is_empty() || bytes.contains(&b'\n') {
        bytes.zeroize();
        return None;
    }
    std::str::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_stars() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
        assert_ne!(secret, Secret::new("hunter3"));
        assert_eq!(secret, Secret::new("hunter2"));
    }

    #[test]
    fn only_the_newline_is_cut() {
        for (bytes, secret) in [
            (&b"pw\n"[..], Some("pw")),
            (b"pw\r\n", Some("pw")),
            (b" pw ", Some(" pw ")),
            (b"\n", None),
            (b"", None),
            (b"two\nlines\n", None),
            (b"\xff\xfe", None),
        ] {
            let read = secret_of(&mut bytes.to_vec());
            assert_eq!(read.as_ref().map(Secret::expose), secret, "{bytes:?}");
        }
    }
}
