//! A fresh server's data directory with the accounts of the tests: made once, copied for each
//! server. What must not be here: running servers (that is `bed`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::bed::{run, scratch};

static TEMPLATE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();

/// The files of a data directory with the accounts, made once and kept in memory: nothing of it is
/// left on disk when the process ends.
pub(crate) fn template() -> &'static [(PathBuf, Vec<u8>)] {
    TEMPLATE.get_or_init(|| {
        let dir = scratch();
        let script = dir.path().join("accounts.sql");
        fs::write(&script, ACCOUNTS).unwrap();
        let data = dir.path().join("data");
        run(
            "mariadb-install-db",
            &[
                "--no-defaults",
                &format!("--datadir={}", data.display()),
                &format!("--extra-file={}", script.display()),
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--innodb-log-file-size=4M",
            ],
        );
        let mut files = Vec::new();
        collect(&data, Path::new(""), &mut files);
        files
    })
}

fn collect(root: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &name, files);
        } else {
            files.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

/// Least privileges for the agent; `admin` writes under read_only.
const ACCOUNTS: &str = r"FLUSH PRIVILEGES;
CREATE USER mmm_agent@'%' IDENTIFIED BY 'agent''s \\ pw';
GRANT SLAVE MONITOR, BINLOG MONITOR, REPLICATION SLAVE ADMIN ON *.* TO mmm_agent@'%';
GRANT REPLICATION MASTER ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO mmm_agent@'%';
GRANT BINLOG ADMIN, PROCESS, RELOAD ON *.* TO mmm_agent@'%';
CREATE USER mmm_monitor@'%' IDENTIFIED BY 'mmm_monitor';
CREATE USER repl@'%' IDENTIFIED BY 'repl''s \\ pw';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
CREATE DATABASE t;
CREATE TABLE t.a (i INT PRIMARY KEY, v INT);
INSERT INTO t.a VALUES (1, 1), (2, 2);
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT ALL ON t.* TO app@'%';
CREATE USER admin@'%' IDENTIFIED BY 'admin';
GRANT ALL ON *.* TO admin@'%';
";
