//! How the running server was started, and how it would be started again: its command line and its
//! option files.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// What the server's programs read, as `my_print_defaults` takes it.
const GROUPS: [&str; 6] =
    ["mysqld", "server", "mysqld_safe", "mariadb", "mariadbd", "mariadb_safe"];
const LIMIT: Duration = Duration::from_secs(2);

/// Where a line may be added, the first that is there.
const USUAL: [&str; 4] = [
    "/etc/mysql/mariadb.conf.d/50-server.cnf",
    "/etc/my.cnf.d/server.cnf",
    "/etc/mysql/my.cnf",
    "/etc/my.cnf",
];

/// Whether the server comes up read-only.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It does, by that.
    ReadOnly { by: String },
    /// It does not; where to say so.
    Writable { file: String },
}

/// How the server of that process would come up again.
pub(super) async fn start(pid: i32) -> Result<Start, String> {
    let path = format!("/proc/{pid}/cmdline");
    let line = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if words.is_empty() {
        return Err(format!("{path} is empty: is it a process of this machine?"));
    }
    if let Some(set) = read_only(&words) {
        let by = "its command line".to_owned();
        let file = "the command line that starts it".to_owned();
        return Ok(if set { Start::ReadOnly { by } } else { Start::Writable { file } });
    }
    let files = option_flags(&words);
    let file = edited(&files);
    if files.iter().any(|flag| flag == "--no-defaults") {
        return Ok(Start::Writable { file: "an option file: it is started with none".to_owned() });
    }
    let printed = printed(&files).await?;
    Ok(match read_only(&printed) {
        Some(true) => Start::ReadOnly { by: "its option files".to_owned() },
        _ => Start::Writable { file },
    })
}

/// The flags that say which option files are read. They come first on a command line.
fn option_flags(words: &[String]) -> Vec<String> {
    let known =
        ["--no-defaults", "--defaults-file=", "--defaults-extra-file=", "--defaults-group-suffix="];
    let flags = words.iter().filter(|word| known.iter().any(|flag| word.starts_with(flag)));
    flags.cloned().collect()
}

fn edited(flags: &[String]) -> String {
    let named = flags.iter().rev().find_map(|flag| {
        let file = flag.strip_prefix("--defaults-file=");
        file.or_else(|| flag.strip_prefix("--defaults-extra-file="))
    });
    let usual = USUAL.iter().find(|path| Path::new(path).exists());
    named.or(usual.copied()).unwrap_or("/etc/my.cnf").to_owned()
}

/// What the option files say, one option a line.
async fn printed(flags: &[String]) -> Result<Vec<String>, String> {
    let mut command = Command::new("my_print_defaults");
    command.args(flags).args(GROUPS).stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(LIMIT, command.output()).await;
    let done = done.map_err(|_| "my_print_defaults does not end".to_owned())?;
    let done = done.map_err(|error| format!("my_print_defaults: {error}"))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        return Err(format!("my_print_defaults: {}", why.trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect())
}

/// What the last `read_only` among these options says.
fn read_only(options: &[String]) -> Option<bool> {
    options.iter().rev().find_map(|option| {
        let option = option.strip_prefix("--")?.to_lowercase().replace('_', "-");
        let (name, value) = option.split_once('=').unwrap_or((&option, "1"));
        match name.trim_start_matches("loose-") {
            "read-only" => Some(!matches!(value, "0" | "off" | "false")),
            "skip-read-only" | "disable-read-only" => Some(false),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_last_word_about_read_only_counts() {
        assert_eq!(read_only(&words("--port=3306 --read_only=1")), Some(true));
        assert_eq!(read_only(&words("--read-only")), Some(true));
        assert_eq!(read_only(&words("--read-only --read_only=OFF")), Some(false));
        assert_eq!(read_only(&words("--skip-read-only")), Some(false));
        assert_eq!(read_only(&words("--innodb_read_only=1 --port=1")), None);
    }

    #[test]
    fn the_file_to_edit_is_the_one_that_the_server_reads() {
        let flags =
            option_flags(&words("/usr/sbin/mariadbd --defaults-file=/etc/db1.cnf --port=1"));
        assert_eq!(flags, ["--defaults-file=/etc/db1.cnf"]);
        assert_eq!(edited(&flags), "/etc/db1.cnf");
    }

    /// A process with the command line of a server that is started with this option file.
    async fn started_with(file: &str) -> Result<Start, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.cnf");
        std::fs::write(&path, file).unwrap();
        let flag = format!("--defaults-file={}", path.display());
        let mut child = Command::new("sh")
            .args(["-c", "echo; read line", "mariadbd", &flag])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Once it says something it is what it will be.
        let mut said = child.stdout.take().unwrap();
        said.read_exact(&mut [0]).await.unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let found = start(pid).await;
        child.kill().await.unwrap();
        if let Ok(Start::Writable { file }) = &found {
            assert_eq!(*file, path.display().to_string());
        }
        found
    }

    #[tokio::test]
    async fn a_server_is_told_by_the_option_file_that_it_reads() {
        let by = "its option files".to_owned();
        let well = started_with("[mysqld]\nport = 1\n[mariadb]\nread-only\n").await;
        assert_eq!(well, Ok(Start::ReadOnly { by }));
        for file in [
            "[mariadb]\nport = 1\n",
            "[mysqld]\nread_only=1\nread_only=0\n",
            "[client]\nread_only\n",
        ] {
            let found = started_with(file).await;
            assert!(matches!(found, Ok(Start::Writable { .. })), "{file}: {found:?}");
        }
        assert!(start(i32::MAX).await.unwrap_err().contains("/proc/"));
    }
}
