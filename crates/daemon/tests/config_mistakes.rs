//! Broken configurations and the exact line that each gets. The table is printed by `cargo test -p
//! mmm-daemon --test config_mistakes -- --nocapture`. What a good configuration turns into is
//! tested elsewhere.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mmm_daemon::config::{Program, load};

/// The table that must come out; reviewed like documentation.
const EXPECTED: &str = include_str!("config_mistakes.txt");

/// A good configuration, whose lines the cases change by number.
const BASE: &str = r#"cluster_key = "s3cr3t-0123456789abcdef"
active_master_role = "writer"
this = "db1"

[monitor]
ping_ips = ["10.0.0.254"]

[host.default]
cluster_interface = "eth0"
agent_user = "mmm_agent"
agent_password = "s3cr3t-agent"
monitor_user = "mmm_monitor"
monitor_password = "s3cr3t-monitor"
replication_user = "repl"
replication_password = "s3cr3t-repl"

[host.db1]
ip = "10.0.0.11"
mode = "master"
peer = "db2"

[host.db2]
ip = "10.0.0.12"
mode = "master"
peer = "db1"

[host.db3]
ip = "10.0.0.13"
mode = "slave"

[role.writer]
mode = "exclusive"
hosts = ["db1", "db2"]
ips = ["10.0.0.90"]

[role.reader]
mode = "balanced"
hosts = ["db1", "db2", "db3"]
ips = ["10.0.0.91", "10.0.0.92"]
"#;

/// Put as line number: append at the end.
const END: usize = 0;

struct Case {
    name: &'static str,
    program: Program,
    /// (line of BASE, what stands there instead)
    edits: &'static [(usize, &'static str)],
}

const fn agent(name: &'static str, edits: &'static [(usize, &'static str)]) -> Case {
    Case { name, program: Program::Agent, edits }
}

const fn monitor(name: &'static str, edits: &'static [(usize, &'static str)]) -> Case {
    Case { name, program: Program::Monitor, edits }
}

const CASES: &[Case] = &[
    // Syntax.
    agent("text without its end", &[(11, "agent_password = \"s3cr3t")]),
    agent("password without quotes", &[(11, "agent_password = s3cr3t-x y")]),
    agent("key given twice", &[(20, "peer = \"db2\"\npeer = \"db3\"")]),
    agent("the original's format", &[(17, "<host db1>")]),
    // Keys and sections.
    agent("unknown key", &[(20, "peeer = \"db2\"")]),
    agent("key in the wrong section", &[(END, "this = \"db1\"")]),
    agent("unknown section", &[(36, "[rolle.reader]")]),
    agent("section without a name", &[(END, "[check]\ntimeout = 1")]),
    agent("unknown check", &[(END, "[check.rep_thread]\ntimeout = 1")]),
    agent("role template", &[(END, "[role.default]\nmode = \"balanced\"")]),
    agent("name with a blank", &[(END, "[role.\"read er\"]\nmode = \"balanced\"")]),
    // Missing.
    agent("no this", &[(3, "")]),
    agent("no active master role", &[(2, "")]),
    agent("no ip", &[(18, "")]),
    agent("no agent password", &[(11, "")]),
    monitor("no monitor account", &[(12, ""), (13, "")]),
    monitor("no monitor section", &[(5, ""), (6, "")]),
    agent("role without VIPs and hosts", &[(38, ""), (39, "")]),
    // Single values.
    agent("unknown mode", &[(19, "mode = \"mastr\"")]),
    agent("address that is none", &[(18, "ip = \"10.0.0.256\"")]),
    agent("address with mask", &[(34, "ips = [\"10.0.0.90/24\"]")]),
    agent("list without brackets", &[(33, "hosts = \"db1, db2\"")]),
    agent("port out of range", &[(20, "peer = \"db2\"\nmysql_port = 66000")]),
    agent("port in quotes", &[(20, "peer = \"db2\"\nagent_port = \"9989\"")]),
    agent("alias as interface", &[(9, "cluster_interface = \"eth0:1\"")]),
    agent("interface name too long", &[(9, "cluster_interface = \"enp0s31f6-longname\"")]),
    agent("flag as text", &[(3, "this = \"db1\"\ninsecure = \"yes\"")]),
    agent("flag as number", &[(3, "this = \"db1\"\ndeadman_event = 1")]),
    agent("password as number", &[(11, "agent_password = 53173")]),
    agent("short cluster key", &[(1, "cluster_key = \"s3cr3t\"")]),
    monitor("time without unit", &[(6, "lease_ttl = \"3\"")]),
    monitor("negative time", &[(6, "flap_duration = -1")]),
    monitor("time of zero", &[(END, "[check.ping]\ntimeout = 0")]),
    monitor("time beyond reason", &[(6, "wait_for_other_master = 120000000")]),
    monitor("socket mode as number", &[(6, "socket_mode = 660")]),
    monitor("hook without time", &[(6, "kill_host_timeout = 0")]),
    // Hosts.
    agent("this names no host", &[(3, "this = \"db11\"")]),
    agent("own peer", &[(20, "peer = \"db1\"")]),
    agent("peer is a slave", &[(20, "peer = \"db3\"")]),
    agent("peer is unknown", &[(20, "peer = \"db4\"")]),
    agent("no peer", &[(20, "")]),
    agent(
        "peers disagree",
        &[(27, "[host.db4]\nip = \"10.0.0.14\"\nmode = \"master\"\npeer = \"db1\"\n[host.db3]")],
    ),
    agent("two hosts, one address", &[(23, "ip = \"10.0.0.11\"")]),
    agent("one port for two", &[(20, "peer = \"db2\"\nagent_port = 3306")]),
    // Roles.
    agent("VIP is a host's address", &[(34, "ips = [\"10.0.0.11\"]")]),
    agent("VIP twice in a role", &[(39, "ips = [\"10.0.0.91\", \"10.0.0.91\"]")]),
    agent("VIP in two roles", &[(39, "ips = [\"10.0.0.91\", \"10.0.0.90\"]")]),
    agent("two writers' VIPs", &[(34, "ips = [\"10.0.0.90\", \"10.0.0.89\"]")]),
    agent("no VIP", &[(39, "ips = []")]),
    agent("no such role", &[(2, "active_master_role = \"writr\"")]),
    agent("writer role is balanced", &[(32, "mode = \"balanced\"")]),
    agent("slave as writer", &[(33, "hosts = [\"db1\", \"db3\"]")]),
    agent(
        "three writers",
        &[(29, "mode = \"master\"\npeer = \"db1\""), (33, "hosts = [\"db1\", \"db2\", \"db3\"]")],
    ),
    agent("role host unknown and twice", &[(38, "hosts = [\"db1\", \"db9\", \"db1\"]")]),
    agent("preference of a balanced role", &[(39, "ips = [\"10.0.0.91\"]\nprefer = \"db1\"")]),
    agent("preferred host not in the role", &[(34, "ips = [\"10.0.0.90\"]\nprefer = \"db3\"")]),
    // Times and links.
    monitor("grant too short", &[(6, "heartbeat = \"1s\"")]),
    agent("no key on open addresses", &[(1, "")]),
    agent("TLS of the original", &[(END, "[socket]\ntype = \"ssl\"")]),
    monitor("port in use", &[(6, "ip = \"10.0.0.11\"\nport = 9989")]),
    // Everything at once.
    agent(
        "four mistakes",
        &[
            (3, "this = \"db7\""),
            (9, "cluster_interfaces = \"eth0\""),
            (19, "mode = \"mastr\""),
            (39, "ips = [\"10.0.0.999\"]"),
        ],
    ),
];

/// A file: name, text, mode.
type File = (&'static str, &'static str, u32);

/// Cases that need several files or permissions; the first file is the one that is loaded.
const FILES: &[(&str, &[File])] = &[
    (
        "file and include open to everybody",
        &[
            ("mmm.toml", "include = \"a.toml\"\ncluster_key = \"s3cr3t\"\n", 0o644),
            ("a.toml", "this = \"db1\"\n", 0o666),
        ],
    ),
    (
        "include that is not there",
        &[("mmm.toml", "# first\ninclude = [\"none.toml\", 3]\n", 0o644)],
    ),
    ("include of a folder", &[("mmm.toml", "include = \".\"\n", 0o644)]),
    (
        "includes in a circle",
        &[
            ("mmm.toml", "include = \"a.toml\"\n", 0o644),
            ("a.toml", "include = \"sub/../b.toml\"\n", 0o644),
            ("b.toml", "\ninclude = \"mmm.toml\"\n", 0o644),
            ("sub/x.toml", "", 0o644),
        ],
    ),
    (
        "mistakes in two files",
        &[
            ("mmm.toml", "include = \"a.toml\"\n\n[monitor]\nprot = 9988\n", 0o644),
            ("a.toml", "this = db1\n", 0o644),
        ],
    ),
    (
        "secret files",
        &[
            ("mmm.toml", "include = \"sub/common.toml\"\nthis = \"db1\"\n", 0o644),
            ("sub/common.toml", COMMON, 0o640),
            ("sub/open.key", "s3cr3t-0123456789abcdef\n", 0o644),
            ("sub/empty", "\n", 0o600),
        ],
    ),
];

const COMMON: &str = r#"cluster_key_file = "open.key"
active_master_role = "writer"
[host.default]
cluster_interface = "eth0"
agent_user = "mmm_agent"
agent_password_file = "empty"
monitor_user = "mmm_monitor"
monitor_password_file = "elsewhere"
replication_user = "repl"
replication_password_file = "missing"
replication_password = "s3cr3t-repl"
[host.db1]
ip = "10.0.0.11"
mode = "master"
[role.writer]
mode = "exclusive"
hosts = ["db1"]
ips = ["10.0.0.90"]
"#;

fn write(dir: &Path, (name, text, mode): (&str, &str, u32)) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn edited(edits: &[(usize, &str)]) -> String {
    let mut text: Vec<String> = BASE.lines().map(str::to_owned).collect();
    for (line, instead) in edits {
        if *line == END {
            text.push((*instead).to_owned());
        } else {
            (*instead).clone_into(&mut text[line - 1]);
        }
    }
    text.join("\n") + "\n"
}

/// What the first of these files gets, with names as the test gave them.
fn mistakes(files: &[(&str, &str, u32)], program: Program) -> String {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        write(dir.path(), *file);
    }
    let text = match load(&dir.path().join(files[0].0), program) {
        Ok(_) => "(accepted)".to_owned(),
        Err(report) => report.to_string(),
    };
    let prefix = format!("{}/", dir.path().display());
    text.lines().map(|line| format!("    {}\n", line.replace(&prefix, ""))).collect()
}

#[test]
fn every_broken_configuration_gets_its_lines() {
    let mut table = String::new();
    for case in CASES {
        let text = edited(case.edits);
        let lines = mistakes(&[("mmm.toml", &text, 0o640)], case.program);
        let _ = write!(table, "{}\n{lines}", case.name);
    }
    for (name, files) in FILES {
        let _ = write!(table, "{name}\n{}", mistakes(files, Program::Agent));
    }
    println!("{table}");
    assert!(CASES.len() + FILES.len() >= 60, "the table shrank");
    assert!(!table.contains("s3cr3t") && !table.contains("53173"), "a secret leaked");
    assert!(!table.contains("(accepted)"), "a broken configuration was accepted");
    for (got, expected) in table.lines().zip(EXPECTED.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(table.lines().count(), EXPECTED.lines().count());
}

#[test]
fn the_unchanged_base_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), ("mmm.toml", BASE, 0o640));
    for program in [Program::Agent, Program::Monitor, Program::Control] {
        let loaded = load(&dir.path().join("mmm.toml"), program).unwrap();
        assert_eq!(loaded.warnings, [], "{program:?}");
    }
}
