//! `mmm-control config import` as people run it: the real programs, good and broken folders.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use lab::daemons::binary;

const COMMON: &str = "active_master_role writer
<host default>
    cluster_interface ens333
    pid_path /run/mysql-mmm-agent.pid
    bin_path /usr/libexec/mysql-mmm/
    replication_user replicant
    replication_password s3cr3t-1
    agent_user mmm_agent
    agent_password s3cr3t-2
    monitor_user mmm_monitor
    monitor_password s3cr3t-3 # the monitor's
</host>
<host db1>
    ip 192.168.194.151
    mode master
    peer db2
</host>
<host db2>
    ip 192.168.194.152
    mode master
    peer db1
</host>
<role writer>
    hosts db1, db2
    ips 192.168.194.90
    mode exclusive
</role>
";
const MONITOR: &str = "include mmm_common.conf
<monitor>
    ip 127.0.0.1
    pid_path /run/mysql-mmm-monitor.pid
    bin_path /usr/libexec/mysql-mmm
    status_path /var/lib/mysql-mmm/mmm_mond.status
    ping_ips 192.168.194.1
</monitor>
";

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
}

fn originals() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "mmm_common.conf", COMMON);
    put(folder.path(), "mmm_mon.conf", MONITOR);
    put(folder.path(), "mmm_agent.conf", "include mmm_common.conf\nthis db1\n");
    folder
}

fn control(folder: &Path, words: &[&str]) -> (Output, String) {
    let program = binary("mmm-control").unwrap();
    let output = Command::new(program).current_dir(folder).args(words).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("s3cr3t"), "{text}");
    (output, text)
}

#[test]
fn a_good_folder_becomes_toml_that_the_daemons_accept() {
    let folder = originals();
    let words = ["config", "import", ".", "--out", "toml"];
    let (output, text) = control(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("wrote toml/mmm_mon.toml from "), "{text}");
    assert!(text.contains("To review:\n  1. insecure = true was written"), "{text}");
    for (daemon, file) in [("mmm-mond", "mmm_mon"), ("mmm-agentd", "mmm_agent")] {
        for path in [format!("toml/{file}.toml"), format!("{file}.conf")] {
            let mut command = Command::new(binary(daemon).unwrap());
            command.current_dir(folder.path()).args(["--check=config", "--config", &path]);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{path}: {output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("192.168.194.152"), "{text}");
        }
    }
    let (output, text) = control(folder.path(), &words);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("toml/mmm_mon.toml exists; move it away, or use --force"), "{text}");
    let (output, _) = control(folder.path(), &[&words[..], &["--force", "--json"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["ok"] == true && json["text"].as_str().unwrap().contains("To review"), "{json}");
}

#[test]
fn a_broken_folder_is_refused_with_every_mistake_and_nothing_written() {
    let folder = originals();
    put(folder.path(), "mmm_common.conf", &COMMON.replace("194.152", "194.512"));
    put(folder.path(), "mmm_agent.conf", "include mmm_common.conf\nthis db1\nthsi db2\n");
    let (output, text) = control(folder.path(), &["config", "import", ".", "--out", "toml"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("mmm_common.conf:19: host.db2.ip: \"192.168.194.512\" is not"), "{text}");
    assert!(text.contains("mmm_agent.conf:3: thsi: unknown key; did you mean this?"), "{text}");
    assert!(text.contains("nothing was written"), "{text}");
    assert!(!folder.path().join("toml").exists());
}

#[test]
fn wrong_usage_is_told_as_such() {
    let folder = originals();
    for words in [
        &["config"][..],
        &["config", "export"],
        &["config", "import"],
        &["config", "import", "."],
        &["config", "import", ".", "--out", "toml", "more"],
    ] {
        let (output, text) = control(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains("config import"), "{words:?}: {text}");
    }
}
