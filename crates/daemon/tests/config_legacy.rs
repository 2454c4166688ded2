//! The original's files: one sample for each quirk, with what becomes of it in `config_legacy.txt`
//! (reviewed like documentation; `MMM_REWRITE=1 cargo test -p mmm-daemon --test config_legacy`
//! writes it anew), and the published tutorial. Translation is tested in `config_import`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod config_samples;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mmm_daemon::config::{Loaded, Mistake, Program, Report, describe, load};
use mmm_proto::{MonitorMode, Span};
use tempfile::TempDir;

use config_samples::{good, names, put};

const EXPECTED: &str = include_str!("config_legacy.txt");

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn samples() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(tests().join("legacy_samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".conf"))
        .collect();
    names.sort();
    names
}

/// A sample beside the file that all of them include.
fn laid_out(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (from, to) in [("common.inc", "common.conf"), (name, name)] {
        let bytes = fs::read(tests().join("legacy_samples").join(from)).unwrap();
        let path = dir.path().join(to);
        put(dir.path(), to, "", if name.starts_with("world_") { 0o644 } else { 0o640 });
        fs::write(path, bytes).unwrap();
    }
    dir
}

fn program(dir: &TempDir, name: &str) -> Program {
    let text = fs::read(dir.path().join(name)).unwrap();
    let monitor = String::from_utf8_lossy(&text).contains("<monitor>");
    if monitor { Program::Monitor } else { Program::Agent }
}

fn loaded(name: &str) -> (Program, TempDir, Result<Loaded, Report>) {
    let dir = laid_out(name);
    let program = program(&dir, name);
    let result = load(&dir.path().join(name), program);
    (program, dir, result)
}

/// What a program says of a file as it should be: left out of the other samples.
fn usual(program: Program) -> (Vec<String>, String) {
    let name = match program {
        Program::Agent => "plain_agent.conf",
        _ => "plain_monitor.conf",
    };
    let (_, _, plain) = loaded(name);
    let plain = plain.unwrap();
    let what = plain.warnings.iter().map(|warning| warning.what.clone()).collect();
    (what, describe(&plain.config, program))
}

/// One sample as the table shows it.
fn row(name: &str) -> String {
    let (program, dir, result) = loaded(name);
    let (usual_warnings, usual_values) = usual(program);
    let text = fs::read(dir.path().join(name)).unwrap();
    let text = String::from_utf8_lossy(&text);
    let head = text.lines().find_map(|line| line.trim().strip_prefix("# ")).unwrap();
    let mut row = format!("{name}: {head}\n");
    let prefix = format!("{}/", dir.path().display());
    let plain = name.starts_with("plain_");
    let mut notes = |word: &str, notes: &[Mistake]| {
        for note in notes.iter().filter(|note| plain || !usual_warnings.contains(&note.what)) {
            writeln!(row, "    {word}: {}", note.to_string().replace(&prefix, "")).unwrap();
        }
    };
    match &result {
        Err(report) => {
            notes("wrong", &report.mistakes);
            notes("warning", &report.warnings);
        }
        Ok(loaded) => {
            notes("warning", &loaded.warnings);
            row.push_str("    loads\n");
            let values = describe(&loaded.config, program).replace(&prefix, "");
            let mut section = "";
            for line in values.lines() {
                if line.starts_with('[') {
                    section = line;
                }
                let known = sections(&usual_values).contains(&(section, line));
                if !known && !line.starts_with('[') && !line.is_empty() {
                    writeln!(row, "    {section} {line}").unwrap();
                }
            }
        }
    }
    row
}

fn sections(values: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    values
        .lines()
        .map(|line| {
            if line.starts_with('[') {
                section = line;
            }
            (section, line)
        })
        .collect()
}

#[test]
fn every_sample_becomes_what_the_table_says() {
    let names = samples();
    assert!(names.len() >= 25, "{} samples", names.len());
    let table: String = names.iter().map(|name| row(name)).collect();
    assert!(!table.contains("s3cr3t") && !table.contains("s3#cr3t"), "a secret leaked:\n{table}");
    if std::env::var_os("MMM_REWRITE").is_some() {
        fs::write(tests().join("config_legacy.txt"), &table).unwrap();
        return;
    }
    for (got, expected) in table.lines().zip(EXPECTED.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(table.lines().count(), EXPECTED.lines().count());
}

/// The tutorial that most people began with, as it was published: its accounts shortened.
const TUTORIAL_COMMON: &str = "active_master_role      writer

<host default>
    cluster_interface       ens333
    pid_path                /run/mysql-mmm-agent.pid
    bin_path                /usr/libexec/mysql-mmm/
    replication_user        replicant
    replication_password    123456
    agent_user              mmm_agent
    agent_password          123456
</host>

<host db1>
    ip      192.168.194.151
    mode    master
    peer    db2
</host>

<host db2>
    ip      192.168.194.152
    mode    master
    peer    db1
</host>

<host db3>
    ip      192.168.194.153
    mode    slave
</host>

<role writer>
    hosts   db1, db2
    ips     192.168.194.90
    mode    exclusive
</role>

<role reader>
    hosts   db1, db2, db3
    ips     192.168.194.91, 192.168.193.92, 192.168.194.93
    mode    balanced
</role>
";

const TUTORIAL_MONITOR: &str = "include mmm_common.conf

<monitor>
    ip                  127.0.0.1
    pid_path            /run/mysql-mmm-monitor.pid
    bin_path            /usr/libexec/mysql-mmm
    status_path         /var/lib/mysql-mmm/mmm_mond.status
    ping_ips            192.168.194.151,192.168.194.152,193.168.194.153
    auto_set_online     60

    # The kill_host_bin does not exist by default, though the monitor will
    # throw a warning about it missing.  See the section 5.10 \"Kill Host
    # Functionality\" in the PDF documentation.
    #
    # kill_host_bin     /usr/libexec/mysql-mmm/monitor/kill_host
    #
</monitor>

<host default>
    monitor_user        mmm_monitor
    monitor_password    123456
</host>

debug 0
";

fn tutorial() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "mmm_common.conf", TUTORIAL_COMMON, 0o640);
    put(dir.path(), "mmm_mon.conf", TUTORIAL_MONITOR, 0o640);
    for host in ["db1", "db2", "db3"] {
        let text = format!("include mmm_common.conf\nthis {host}\n");
        put(dir.path(), &format!("{host}/mmm_agent.conf"), &text, 0o640);
        put(dir.path(), &format!("{host}/mmm_common.conf"), TUTORIAL_COMMON, 0o640);
    }
    dir
}

fn pointed_out(loaded: &Loaded, dir: &Path) -> String {
    let prefix = format!("{}/", dir.display());
    let outside = loaded.warnings.iter().map(|warning| warning.to_string().replace(&prefix, ""));
    outside.filter(|warning| warning.contains("outside")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_published_tutorial_loads_and_its_typing_errors_are_pointed_out() {
    let dir = tutorial();
    for host in ["db1", "db2", "db3"] {
        let loaded = good(&dir, &format!("{host}/mmm_agent.conf"), Program::Agent);
        assert_eq!(loaded.config.this.as_ref().unwrap(), &host);
        assert_eq!(names(&loaded.config), ["db1", "db2", "db3"]);
        assert_eq!(loaded.config.this_host().unwrap().cluster_interface, "ens333");
        let outside = pointed_out(&loaded, &dir.path().join(host));
        assert!(outside.contains("192.168.193.92 is outside the hosts' network 192.168.194.0/24"));
    }
    let loaded = good(&dir, "mmm_mon.conf", Program::Monitor);
    let monitor = &loaded.config.monitor;
    assert_eq!(monitor.console_address().unwrap().to_string(), "127.0.0.1:9988");
    assert_eq!(monitor.auto_set_online, Some(Span::secs(60)));
    assert_eq!((monitor.mode, monitor.careful_startup), (MonitorMode::Active, true));
    assert_eq!(loaded.config.checks.mysql.trap_period, Span::secs(10));
    assert_eq!(loaded.config.checks.rep_backlog.max_backlog, Span::secs(60));
    let vip = |role: &str| loaded.config.role(role).unwrap().ips[0].to_string();
    assert_eq!((vip("writer"), vip("reader")), ("192.168.194.90".into(), "192.168.194.91".into()));
    assert_eq!(
        pointed_out(&loaded, dir.path()),
        "mmm_mon.conf:8: monitor.ping_ips: 193.168.194.153 is outside the hosts' network \
         192.168.194.0/24; check for a typing error\n\
         mmm_common.conf:38: role.reader.ips: 192.168.193.92 is outside the hosts' network \
         192.168.194.0/24; check for a typing error"
    );
}

#[test]
fn an_agents_file_without_this_or_without_the_common_file_is_refused() {
    let dir = tutorial();
    put(dir.path(), "no_this.conf", "include mmm_common.conf\n", 0o640);
    put(dir.path(), "no_common.conf", "this db1\n", 0o640);
    let refused =
        |name: &str| load(&dir.path().join(name), Program::Agent).unwrap_err().to_string();
    assert!(refused("no_this.conf").ends_with("no_this.conf: this: is missing; write this db1"));
    let text = refused("no_common.conf");
    assert!(text.contains("host: there are no hosts; write a section <host NAME>"), "{text}");
}

#[test]
fn the_two_forms_are_not_mixed() {
    let dir = tutorial();
    put(dir.path(), "mmm_agent.toml", "include = \"mmm_common.conf\"\nthis = \"db1\"\n", 0o640);
    let report = load(&dir.path().join("mmm_agent.toml"), Program::Agent).unwrap_err().to_string();
    assert!(report.contains("mmm-control config import") && report.contains(":1: "), "{report}");
}

/// A kill_host program in the original's place is used as the original did.
#[test]
fn kill_host_is_looked_for_where_the_original_did() {
    let dir = tutorial();
    put(dir.path(), "bin/monitor/kill_host", "#!/bin/sh\n", 0o750);
    put(dir.path(), "bin/monitor/mine", "#!/bin/sh\n", 0o750);
    let bin = dir.path().join("bin");
    let text =
        TUTORIAL_MONITOR.replace("/usr/libexec/mysql-mmm\n", &format!("{}/\n", bin.display()));
    for (line, wants) in [("", "kill_host"), ("kill_host_bin mine\n", "mine")] {
        let text = text.replace("    auto_set_online", &format!("{line}    auto_set_online"));
        put(dir.path(), "mmm_mon.conf", &text, 0o640);
        let config = good(&dir, "mmm_mon.conf", Program::Monitor).config;
        assert_eq!(config.monitor.kill_host_bin, Some(bin.join("monitor").join(wants)));
    }
}
