//! Folders with configuration files for the tests, and a good configuration to start from.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mmm_daemon::config::{Config, Loaded, Program, load};
use tempfile::TempDir;

pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        put(dir.path(), name, text, 0o640);
    }
    dir
}

pub(crate) fn put(dir: &Path, name: &str, text: &str, mode: u32) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn good(dir: &TempDir, name: &str, program: Program) -> Loaded {
    load(&dir.path().join(name), program).unwrap_or_else(|report| panic!("{report}"))
}

pub(crate) fn names(config: &Config) -> Vec<String> {
    config.hosts.iter().map(|host| host.name.to_string()).collect()
}

/// Three hosts whose names sort against their order.
pub(crate) const COMMON: &str = r#"
cluster_key_file = "keys/cluster"
active_master_role = "writer"
[role.writer]
mode = "exclusive"
hosts = ["zeta", "mid"]
ips = ["10.0.0.90"]
[host.zeta]
ip = "10.0.0.11"
mode = "master"
peer = "mid"
[host.default]
cluster_interface = "eth0"
agent_user = "a"
agent_password = "s3cr3t-agent"
monitor_user = "m"
monitor_password_file = "keys/monitor"
replication_user = "r"
replication_password = "s3cr3t-repl"
[host.mid]
ip = "10.0.0.12"
mode = "master"
peer = "zeta"
mysql_port = 3307
[role.areader]
mode = "balanced"
hosts = ["mid", "zeta"]
ips = ["10.0.0.92", "10.0.0.91"]
[host.alpha]
ip = "10.0.0.13"
mode = "slave"
cluster_interface = "bond0"
"#;
