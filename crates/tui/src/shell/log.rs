//! The console's log file: only its owner reads it, and it does not grow without bound. What is
//! logged is decided where it happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// At this size the file becomes FILE.1 and replaces the one that was there: both together have at
/// most twice as many bytes.
const SIZE_MAX: u64 = 5_000_000;

/// Logs to this file, and to nothing else: the terminal belongs to the screen.
///
/// # Errors
/// When the file cannot be opened for writing.
pub fn to(file: &Path) -> io::Result<()> {
    let out = Capped::open(file, SIZE_MAX)?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(out)).init();
    Ok(())
}

/// A file that is put aside when it is full.
struct Capped {
    path: PathBuf,
    file: File,
    max: u64,
}

impl Capped {
    fn open(path: &Path, max: u64) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: append(path)?, max })
    }

    /// Whether `more` bytes do not fit. Asked of the file: another console may write there too. A
    /// pipe or a device is never full.
    fn full(&self, more: usize) -> io::Result<bool> {
        let found = self.file.metadata()?;
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        Ok(found.is_file() && found.len() > 0 && found.len().saturating_add(more) > self.max)
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        if std::fs::rename(&self.path, aside).is_err() {
            // In a folder that takes no other name, what is old gives way.
            return self.file.set_len(0);
        }
        self.file = append(&self.path)?;
        Ok(())
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full(bytes.len())? {
            self.put_aside()?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn size(path: &Path) -> u64 {
        std::fs::metadata(path).map_or(0, |found| found.len())
    }

    #[test]
    fn a_full_file_is_put_aside_and_both_stay_within_their_bound() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("c.log"), dir.path().join("c.log.1"));
        let mut log = Capped::open(&path, 100).unwrap();
        for number in 0..50 {
            writeln!(log, "line {number:04}").unwrap();
            assert!(size(&path) <= 100 && size(&aside) <= 100, "{number}");
        }
        let text =
            std::fs::read_to_string(&aside).unwrap() + &std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("line 0049\n") && text.lines().count() >= 10, "{text}");
        let first: u32 = text.lines().next().unwrap()[5..].parse().unwrap();
        let wanted: Vec<String> = (first..50).map(|number| format!("line {number:04}")).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), wanted, "nothing between is lost");
        for file in [&path, &aside] {
            let mode = std::fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }

    #[test]
    fn what_another_session_left_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("c.log"), dir.path().join("c.log.1"));
        std::fs::write(&path, "x".repeat(95)).unwrap();
        let mut log = Capped::open(&path, 100).unwrap();
        log.write_all(b"too much\n").unwrap();
        assert_eq!((size(&path), size(&aside)), (9, 95));
    }

    #[test]
    fn what_is_no_file_is_written_as_it_is() {
        let mut log = Capped::open(Path::new("/dev/null"), 10).unwrap();
        log.write_all(&[b'x'; 100]).unwrap();
        assert!(!Path::new("/dev/null.1").exists());
    }
}
