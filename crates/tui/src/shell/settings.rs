//! Reads the few keys of `mmm_mon.toml` (or of the original's `mmm_mon.conf`) that a client needs,
//! and ignores the rest.
//!
//! The daemons check these files strictly; a client must still find the monitor when an unrelated
//! key is wrong, because then it is needed most. Nothing here is ever written.

use std::path::{Path, PathBuf};

use mmm_proto::conf::{self, Item};
use toml::{Table, Value};

/// How deep files may include each other; deeper is taken for a circle.
const INCLUDE_DEPTH: usize = 8;

/// What a client needs to know about a cluster. Secrets stay out of `Debug`.
#[derive(Default)]
pub struct Settings {
    pub cluster: Option<String>,
    pub socket: Option<PathBuf>,
    pub ip: Option<String>,
    /// Given only when the monitor is configured to listen on TCP.
    pub port: Option<u16>,
    pub key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("cluster", &self.cluster)
            .field("socket", &self.socket)
            .field("ip", &self.ip)
            .field("port", &self.port)
            .field("key", &self.key.as_ref().map(|_| "***"))
            .finish()
    }
}

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {path}: {source}", path = .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}: {why}", path = .path.display())]
    Malformed { path: PathBuf, why: String },
}

impl SettingsError {
    /// Whether the file is not there at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. }
            if source.kind() == std::io::ErrorKind::NotFound)
    }
}

/// Reads `path` and what it includes; later values replace earlier ones, the including file's own
/// come last.
///
/// # Errors
/// When a file cannot be read, is not TOML (unless it is a `.conf`), or one of the keys that a
/// client needs is of the wrong kind.
pub fn read(path: &Path) -> Result<Settings, SettingsError> {
    let mut settings = Settings::default();
    merge(path, &mut settings, INCLUDE_DEPTH)?;
    Ok(settings)
}

fn merge(path: &Path, into: &mut Settings, depth: usize) -> Result<(), SettingsError> {
    let bad = |why: String| SettingsError::Malformed { path: path.to_owned(), why };
    if depth == 0 {
        return Err(bad(format!(
            "files include each other more than {INCLUDE_DEPTH} deep: \
             look for a circle of `include`"
        )));
    }
    let bytes = std::fs::read(path)
        .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    if conf::is_conf(path) {
        // Comments may be in any encoding.
        return merge_conf(path, &String::from_utf8_lossy(&bytes), into, depth);
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("is not UTF-8".to_owned()))?;
    // Only the message: toml's full error quotes the line, and the line may hold a password.
    let table: Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        bad(format!("line {line}: {}", error.message()))
    })?;
    let beside = |name: &str| path.parent().unwrap_or(Path::new(".")).join(name);
    for file in includes(&table).map_err(bad)? {
        merge(&beside(&file), into, depth - 1)?;
    }
    take(&table, into, &beside).map_err(bad)
}

/// A file of the original's form. What it does not give has the original's default, and lines that
/// are wrong are the daemons' to tell.
fn merge_conf(
    path: &Path,
    text: &str,
    into: &mut Settings,
    depth: usize,
) -> Result<(), SettingsError> {
    let bad = |why: String| SettingsError::Malformed { path: path.to_owned(), why };
    let beside = |name: &str| path.parent().unwrap_or(Path::new(".")).join(name);
    into.port.get_or_insert(mmm_proto::MONITOR_PORT);
    for line in conf::read(text) {
        let at = |why: &str| bad(format!("line {}: {why}", line.number));
        let (key, value) = match line.item {
            Item::Include(name) => {
                let files = conf::include_files(path, name).unwrap_or_default();
                if let Some(file) = files.iter().find(|file| file.exists()).or(files.first()) {
                    merge(file, into, depth - 1)?;
                }
                continue;
            }
            Item::Variable { key, value } => (key, value),
            _ => continue,
        };
        let (value, _) = conf::cut_comment(value, key == "cluster_key");
        match (line.section.map(|section| section.word), key) {
            (None, "cluster") => into.cluster = Some(value.to_owned()),
            (None, "cluster_key") => into.key = Some(value.as_bytes().to_vec()),
            (None, "cluster_key_file") => into.key = Some(key_file(&beside(value)).map_err(bad)?),
            (Some("monitor"), "socket") => into.socket = Some(beside(value)),
            (Some("monitor"), "ip") => into.ip = Some(value.to_owned()),
            (Some("monitor"), "port") => {
                let port = value.parse().ok().filter(|port| *port > 0);
                let wrong = || at("`port` in <monitor> must be a number from 1 to 65535");
                into.port = Some(port.ok_or_else(wrong)?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn includes(table: &Table) -> Result<Vec<String>, String> {
    let wrong = || "`include` must be a file name or a list of file names".to_owned();
    match table.get("include") {
        None => Ok(Vec::new()),
        Some(Value::String(file)) => Ok(vec![file.clone()]),
        Some(Value::Array(files)) => {
            files.iter().map(|file| file.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn take(
    table: &Table,
    into: &mut Settings,
    beside: &dyn Fn(&str) -> PathBuf,
) -> Result<(), String> {
    if let Some(cluster) = text(table, "cluster")? {
        into.cluster = Some(cluster.to_owned());
    }
    if let Some(key) = text(table, "cluster_key")? {
        into.key = Some(key.as_bytes().to_vec());
    }
    if let Some(file) = text(table, "cluster_key_file")? {
        into.key = Some(key_file(&beside(file))?);
    }
    let Some(monitor) = table.get("monitor") else {
        return Ok(());
    };
    let monitor = monitor.as_table().ok_or("`monitor` must be a section")?;
    if let Some(socket) = text(monitor, "socket")? {
        into.socket = Some(beside(socket));
    }
    if let Some(ip) = text(monitor, "ip")? {
        into.ip = Some(ip.to_owned());
    }
    if let Some(port) = monitor.get("port") {
        let port = port.as_integer().and_then(|port| u16::try_from(port).ok());
        into.port = Some(port.ok_or("`monitor.port` must be a number from 1 to 65535")?);
    }
    Ok(())
}

fn text<'a>(table: &'a Table, key: &str) -> Result<Option<&'a str>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` must be a text in quotes")),
    }
}

/// The cluster key in a file, the line end at its end cut.
///
/// # Errors
/// Names the file; never its content.
pub fn key_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut key = std::fs::read(path)
        .map_err(|error| format!("cannot read the cluster key in {}: {error}", path.display()))?;
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    if key.is_empty() {
        return Err(format!("the cluster key in {} is empty", path.display()));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn includes_come_first_and_unrelated_keys_do_not_matter() {
        let dir = folder(&[
            ("key", "s3cret\n"),
            ("common.toml", "cluster = \"old\"\nfoo = 1\n[host.db1]\nip = 7\n"),
            (
                "mon.toml",
                "include = [\"common.toml\"]\ncluster = \"shop\"\ncluster_key_file = \"key\"\n\
                 [monitor]\nsocket = \"run/s.sock\"\nip = \"10.0.0.1\"\nport = 9\n",
            ),
        ]);
        let settings = read(&dir.path().join("mon.toml")).unwrap();
        assert_eq!(settings.cluster.as_deref(), Some("shop"));
        assert_eq!(settings.socket, Some(dir.path().join("run/s.sock")));
        assert_eq!((settings.ip.as_deref(), settings.port), (Some("10.0.0.1"), Some(9)));
        assert_eq!(settings.key.as_deref(), Some(&b"s3cret"[..]));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn the_originals_files_are_read_for_what_is_needed() {
        let dir = folder(&[
            ("key", "s3cret\n"),
            ("mmm_common.conf", "cluster_key_file key # ours\r\n<host db1>\nip nonsense\nfoo\n"),
            (
                "mmm_mon.conf",
                "include mmm_common.conf\n</lost>\n<monitor>\n\tip 10.0.0.1 # here\n\
                 \tport  9992\n\tstatus_path\n</monitor>\n",
            ),
            ("plain.conf", "<monitor>\nip 127.0.0.1\n</monitor>\n"),
            ("port.conf", "<monitor>\nport 99B8\n</monitor>\n"),
            ("circle.conf", "include circle.conf\n"),
        ]);
        let settings = read(&dir.path().join("mmm_mon.conf")).unwrap();
        assert_eq!((settings.ip.as_deref(), settings.port), (Some("10.0.0.1"), Some(9992)));
        assert_eq!(settings.key.as_deref(), Some(&b"s3cret"[..]));
        assert_eq!((settings.cluster, settings.socket), (None, None));
        assert_eq!(read(&dir.path().join("plain.conf")).unwrap().port, Some(9988));
        for (file, wants) in [("port.conf", "line 2: `port`"), ("circle.conf", "circle")] {
            let error = read(&dir.path().join(file)).unwrap_err().to_string();
            assert!(error.contains(wants) && error.contains(file), "{error}");
        }
    }

    #[test]
    fn mistakes_name_the_file_and_never_show_its_text() {
        let dir = folder(&[
            ("circle.toml", "include = \"circle.toml\""),
            ("broken.toml", "a = 1\ncluster_key = \"s3cret"),
            ("kind.toml", "cluster = 7"),
            ("port.toml", "[monitor]\nport = 70000"),
        ]);
        for (file, wants) in [
            ("circle.toml", "circle of `include`"),
            ("broken.toml", "line 2"),
            ("kind.toml", "`cluster` must be a text"),
            ("port.toml", "from 1 to 65535"),
        ] {
            let error = read(&dir.path().join(file)).unwrap_err().to_string();
            assert!(error.contains(wants) && error.contains(file), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(read(&dir.path().join("none")).unwrap_err().is_missing());
    }
}
