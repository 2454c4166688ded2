//! The only place that sets up logging.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// How many daily files are kept.
const FILES_KEPT: usize = 14;

/// Where the log goes and how much of it.
#[derive(Debug, Clone, Default)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug`, `trace` or directives such as
    /// `info,mmm_daemon::mond=debug`. The environment variable RUST_LOG comes before it.
    pub level: String,
    /// A file that is rotated daily; standard error when none is given.
    pub file: Option<PathBuf>,
    /// One JSON object a line.
    pub json: bool,
    /// Drop lines rather than wait for a disk that hangs: for who must not hang.
    pub lossy: bool,
}

/// Keeps the log running. Held to the end of `main`, so that the last lines reach the disk.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Starts the log of the process.
///
/// # Errors
/// When the level cannot be read, the folder of the file is missing, or a log runs already.
pub fn start(settings: &LogSettings) -> Result<LogGuard, String> {
    let filter = filter(&settings.level, std::env::var("RUST_LOG").ok().as_deref())?;
    let (writer, worker) = match &settings.file {
        Some(path) => queue(daily(path)?, settings.lossy),
        None => queue(std::io::stderr(), settings.lossy),
    };
    let to_terminal = settings.file.is_none() && std::io::stderr().is_terminal();
    // The journal stamps each line by itself.
    let to_journal = settings.file.is_none() && std::env::var_os("JOURNAL_STREAM").is_some();
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(to_terminal);
    let started = match (settings.json, to_journal) {
        (true, _) => tracing::subscriber::set_global_default(base.json().finish()),
        (false, true) => {
            tracing::subscriber::set_global_default(base.without_time().compact().finish())
        }
        (false, false) => tracing::subscriber::set_global_default(base.compact().finish()),
    };
    started.map_err(|error| format!("cannot start the log: {error}"))?;
    Ok(LogGuard { _worker: worker })
}

/// A bounded queue to its own thread. Unless told to, it never drops a line: who logs more than the
/// disk takes, waits.
fn queue<W: std::io::Write + Send + 'static>(to: W, lossy: bool) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(lossy).finish(to)
}

fn filter(level: &str, environment: Option<&str>) -> Result<EnvFilter, String> {
    let (text, place) = match environment.filter(|text| !text.is_empty()) {
        Some(text) => (text, "RUST_LOG"),
        None if level.is_empty() => ("info", "the default"),
        None => (level, "the configured log level"),
    };
    EnvFilter::try_new(text).map_err(|error| {
        format!("{place} is {text:?}: {error}; use error, warn, info, debug or trace")
    })
}

/// The configured path becomes a link to the newest file, so that `tail -F` works on it.
fn daily(path: &Path) -> Result<RollingFileAppender, String> {
    let bad = |why: &str| format!("cannot log to {}: {why}", path.display());
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| bad("it has no file name"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(bad(&format!("create the folder {} first", folder.display())));
    }
    if path.symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
        return Err(bad("it exists and is not a link to a daily file; move it away"));
    }
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .max_log_files(FILES_KEPT)
        .latest_symlink(name)
        .build(folder)
        .map_err(|error| bad(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_wrong_level_or_place_says_what_is_right() {
        let error = filter("mmm=loud", None).unwrap_err();
        assert!(error.contains("mmm=loud") && error.contains("debug"), "{error}");
        let error = filter("info", Some("x=loud")).unwrap_err();
        assert!(error.starts_with("RUST_LOG"), "{error}");
        assert_eq!(filter("", None).unwrap().to_string(), "info");
        assert_eq!(filter("warn", Some("debug")).unwrap().to_string(), "debug");
        let error = daily(Path::new("/nowhere/at/all/mmm.log")).unwrap_err();
        assert!(error.contains("create the folder /nowhere/at/all"), "{error}");
    }

    #[test]
    fn the_configured_path_shows_the_newest_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mmm.log");
        let mut log = daily(&path).unwrap();
        log.write_all(b"a line\n").unwrap();
        log.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\n");
        drop(log);
        // A restart finds its own link and goes on.
        daily(&path).unwrap().write_all(b"more\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\nmore\n");
    }
}
