//! Broken configurations and the exact line that each gets. The table is printed by
//! `cargo test -p mmm-daemon --test config_mistakes -- --nocapture`. What a good configuration turns into is
//! tested elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mmm_daemon::config::{Program, Report, load};

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
    expect: &'static [&'static str],
}

const fn agent(
    name: &'static str,
    edits: &'static [(usize, &'static str)],
    expect: &'static [&'static str],
) -> Case {
    Case {
        name,
        program: Program::Agent,
        edits,
        expect,
    }
}

const fn monitor(
    name: &'static str,
    edits: &'static [(usize, &'static str)],
    expect: &'static [&'static str],
) -> Case {
    Case {
        name,
        program: Program::Monitor,
        edits,
        expect,
    }
}

const CASES: &[Case] = &[
    // Syntax.
    agent(
        "text without its end",
        &[(11, "agent_password = \"s3cr3t")],
        &[],
    ),
    agent(
        "password without quotes",
        &[(11, "agent_password = s3cr3t-x y")],
        &[],
    ),
    agent(
        "key given twice",
        &[(20, "peer = \"db2\"\npeer = \"db3\"")],
        &[],
    ),
    agent("the original's format", &[(17, "<host db1>")], &[]),
    // Keys and sections.
    agent("unknown key", &[(20, "peeer = \"db2\"")], &[]),
    agent("key in the wrong section", &[(END, "this = \"db1\"")], &[]),
    agent("unknown section", &[(36, "[rolle.reader]")], &[]),
    agent(
        "section without a name",
        &[(END, "[check]\ntimeout = 1")],
        &[],
    ),
    agent(
        "unknown check",
        &[(END, "[check.rep_thread]\ntimeout = 1")],
        &[],
    ),
    agent(
        "role template",
        &[(END, "[role.default]\nmode = \"balanced\"")],
        &[],
    ),
    agent(
        "name with a blank",
        &[(END, "[role.\"read er\"]\nmode = \"balanced\"")],
        &[],
    ),
    // Missing.
    agent("no this", &[(3, "")], &[]),
    agent("no active master role", &[(2, "")], &[]),
    agent("no ip", &[(18, "")], &[]),
    agent("no agent password", &[(11, "")], &[]),
    monitor("no monitor account", &[(12, ""), (13, "")], &[]),
    monitor("no monitor section", &[(5, ""), (6, "")], &[]),
    agent("role without VIPs and hosts", &[(38, ""), (39, "")], &[]),
    // Single values.
    agent("unknown mode", &[(19, "mode = \"mastr\"")], &[]),
    agent("address that is none", &[(18, "ip = \"10.0.0.256\"")], &[]),
    agent(
        "address with mask",
        &[(34, "ips = [\"10.0.0.90/24\"]")],
        &[],
    ),
    agent(
        "list without brackets",
        &[(33, "hosts = \"db1, db2\"")],
        &[],
    ),
    agent(
        "port out of range",
        &[(20, "peer = \"db2\"\nmysql_port = 66000")],
        &[],
    ),
    agent(
        "port in quotes",
        &[(20, "peer = \"db2\"\nagent_port = \"9989\"")],
        &[],
    ),
    agent(
        "alias as interface",
        &[(9, "cluster_interface = \"eth0:1\"")],
        &[],
    ),
    agent(
        "interface name too long",
        &[(9, "cluster_interface = \"enp0s31f6-longname\"")],
        &[],
    ),
    agent(
        "flag as text",
        &[(3, "this = \"db1\"\ninsecure = \"yes\"")],
        &[],
    ),
    agent("password as number", &[(11, "agent_password = 53173")], &[]),
    agent("short cluster key", &[(1, "cluster_key = \"s3cr3t\"")], &[]),
    monitor("time without unit", &[(6, "lease_ttl = \"3\"")], &[]),
    monitor("negative time", &[(6, "flap_duration = -1")], &[]),
    monitor("time of zero", &[(END, "[check.ping]\ntimeout = 0")], &[]),
    monitor(
        "time beyond reason",
        &[(6, "wait_for_other_master = 120000000")],
        &[],
    ),
    monitor("socket mode as number", &[(6, "socket_mode = 660")], &[]),
    monitor(
        "hook that is not there",
        &[(6, "kill_host_bin = \"kill_host\"")],
        &[],
    ),
    // Hosts.
    agent("this names no host", &[(3, "this = \"db11\"")], &[]),
    agent("own peer", &[(20, "peer = \"db1\"")], &[]),
    agent("peer is a slave", &[(20, "peer = \"db3\"")], &[]),
    agent("peer is unknown", &[(20, "peer = \"db4\"")], &[]),
    agent("no peer", &[(20, "")], &[]),
    agent(
        "peers disagree",
        &[(
            27,
            "[host.db4]\nip = \"10.0.0.14\"\nmode = \"master\"\npeer = \"db1\"\n[host.db3]",
        )],
        &[],
    ),
    agent("two hosts, one address", &[(23, "ip = \"10.0.0.11\"")], &[]),
    agent(
        "one port for two",
        &[(20, "peer = \"db2\"\nagent_port = 3306")],
        &[],
    ),
    // Roles.
    agent(
        "VIP is a host's address",
        &[(34, "ips = [\"10.0.0.11\"]")],
        &[],
    ),
    agent(
        "VIP twice in a role",
        &[(39, "ips = [\"10.0.0.91\", \"10.0.0.91\"]")],
        &[],
    ),
    agent(
        "VIP in two roles",
        &[(39, "ips = [\"10.0.0.91\", \"10.0.0.90\"]")],
        &[],
    ),
    agent(
        "two writers' VIPs",
        &[(34, "ips = [\"10.0.0.90\", \"10.0.0.89\"]")],
        &[],
    ),
    agent("no VIP", &[(39, "ips = []")], &[]),
    agent(
        "no such role",
        &[(2, "active_master_role = \"writr\"")],
        &[],
    ),
    agent(
        "writer role is balanced",
        &[(32, "mode = \"balanced\"")],
        &[],
    ),
    agent(
        "slave as writer",
        &[(33, "hosts = [\"db1\", \"db3\"]")],
        &[],
    ),
    agent(
        "three writers",
        &[
            (29, "mode = \"master\"\npeer = \"db1\""),
            (33, "hosts = [\"db1\", \"db2\", \"db3\"]"),
        ],
        &[],
    ),
    agent(
        "role host unknown and twice",
        &[(38, "hosts = [\"db1\", \"db9\", \"db1\"]")],
        &[],
    ),
    agent(
        "preference of a balanced role",
        &[(39, "ips = [\"10.0.0.91\"]\nprefer = \"db1\"")],
        &[],
    ),
    agent(
        "preferred host not in the role",
        &[(34, "ips = [\"10.0.0.90\"]\nprefer = \"db3\"")],
        &[],
    ),
    // Times and links.
    monitor("grant too short", &[(6, "heartbeat = \"1s\"")], &[]),
    agent("no key on open addresses", &[(1, "")], &[]),
    agent(
        "TLS of the original",
        &[(END, "[socket]\ntype = \"ssl\"")],
        &[],
    ),
    monitor(
        "port in use",
        &[(6, "ip = \"10.0.0.11\"\nport = 9989")],
        &[],
    ),
    // Everything at once.
    agent(
        "six mistakes",
        &[
            (3, "this = \"db7\""),
            (9, "cluster_interfaces = \"eth0\""),
            (19, "mode = \"mastr\""),
            (39, "ips = [\"10.0.0.999\"]"),
        ],
        &[],
    ),
];

fn write(dir: &Path, name: &str, text: &str, mode: u32) {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The report's lines with file names as they were given to the test.
fn lines(report: &Report, dir: &Path) -> Vec<String> {
    let prefix = format!("{}/", dir.display());
    report
        .to_string()
        .lines()
        .map(|line| line.replace(&prefix, ""))
        .collect()
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

#[test]
fn every_broken_configuration_gets_its_lines() {
    let mut wrong = Vec::new();
    for case in CASES {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "mmm.toml", &edited(case.edits), 0o640);
        let got = match load(&dir.path().join("mmm.toml"), case.program) {
            Ok(_) => vec!["(accepted)".to_owned()],
            Err(report) => lines(&report, dir.path()),
        };
        println!("{}", case.name);
        for line in &got {
            println!("    {line}");
            assert!(
                !line.contains("s3cr3t") && !line.contains("53173"),
                "leaks: {line}"
            );
        }
        if got != case.expect {
            wrong.push(format!(
                "{}: expected {:#?}, got {got:#?}",
                case.name, case.expect
            ));
        }
    }
    assert!(CASES.len() >= 50, "the table shrank to {}", CASES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
