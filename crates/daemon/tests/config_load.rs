//! Good configurations and what they turn into: order, includes, templates, secrets, the
//! examples. Broken ones are in `config_mistakes`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod config_samples;

use std::fs;
use std::path::PathBuf;

use mmm_daemon::config::{Config, Program, describe};
use mmm_proto::Span;
use tempfile::TempDir;

use config_samples::{COMMON, folder, good, names, put};

const EXAMPLES: [&str; 3] = ["mmm_common.toml", "mmm_agent.toml", "mmm_mon.toml"];

fn cluster(main: &str) -> TempDir {
    let dir = folder(&[("common.toml", COMMON), ("mmm.toml", main)]);
    put(dir.path(), "keys/cluster", "s3cr3t-0123456789abcdef\n", 0o600);
    put(dir.path(), "keys/monitor", "s3cr3t-monitor\r\n", 0o640);
    dir
}

#[test]
fn order_survives_includes_and_templates_fill() {
    let dir = cluster(
        "include = [\"common.toml\"]\nthis = \"mid\"\n[host.alpha]\nip = \"10.0.0.14\"\n\
         [host.beta]\nip = \"10.0.0.15\"\nmode = \"slave\"\n",
    );
    let loaded = good(&dir, "mmm.toml", Program::Agent);
    let config = &loaded.config;
    assert_eq!(names(config), ["zeta", "mid", "alpha", "beta"]);
    let roles: Vec<_> = config.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(roles, ["writer", "areader"]);
    let alpha = config.host("alpha").unwrap();
    assert_eq!((alpha.ip.to_string().as_str(), &*alpha.cluster_interface), ("10.0.0.14", "bond0"));
    let mid = config.this_host().unwrap();
    assert_eq!((mid.mysql_port, mid.agent_port, &*mid.cluster_interface), (3307, 9989, "eth0"));
    assert_eq!(config.writer_role().unwrap().ips[0].to_string(), "10.0.0.90");
    let files: Vec<_> = loaded.files.iter().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(files, ["mmm.toml", "common.toml"]);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn secrets_are_read_and_never_shown() {
    let dir = cluster("include = \"common.toml\"\nthis = \"mid\"\n[monitor]\n");
    for program in [Program::Agent, Program::Monitor, Program::Control] {
        let config = good(&dir, "mmm.toml", program).config;
        let key = config.cluster_key.as_ref().unwrap();
        assert_eq!(key.expose(), "s3cr3t-0123456789abcdef");
        let shown = format!("{config:?} {config:#?} {key} {}", describe(&config, program));
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(shown.contains("***"));
    }
    let agent = good(&dir, "mmm.toml", Program::Agent).config;
    let zeta = agent.host("zeta").unwrap();
    let shown = describe(&agent, Program::Agent);
    assert!(shown.contains("\nagent_password       = ***\n"), "{shown}");
    assert!(shown.contains("\nmonitor_password     = in a file, not read here\n"), "{shown}");
    assert!(shown.contains("\ncluster_key        = *** (from a file)\n"), "{shown}");
    assert_eq!(zeta.agent.password.expose(), "s3cr3t-agent");
    assert_eq!(zeta.replication.password.expose(), "s3cr3t-repl");
    assert!(zeta.monitor.password.is_empty(), "an agent reads no secret file of the monitor");
    let monitor = good(&dir, "mmm.toml", Program::Monitor).config;
    assert_eq!(monitor.host("zeta").unwrap().monitor.password.expose(), "s3cr3t-monitor");
}

#[test]
fn a_later_file_may_give_a_secret_the_other_way() {
    let dir = cluster(
        "include = \"common.toml\"\nthis = \"mid\"\ncluster_key = \"s3cr3t-fedcba9876543210\"\n",
    );
    let config = good(&dir, "mmm.toml", Program::Agent).config;
    assert_eq!(config.cluster_key.unwrap().expose(), "s3cr3t-fedcba9876543210");
}

#[test]
fn a_control_program_needs_the_monitor_section_only() {
    let dir = folder(&[(
        "mmm.toml",
        "cluster_key_file = \"not-for-us\"\n[monitor]\nsocket = \"m.sock\"\nport = 9988\n\
         [host.db1]\nip = \"nonsense\"\ncolour = \"red\"\n",
    )]);
    let loaded = good(&dir, "mmm.toml", Program::Control);
    assert_eq!(loaded.config.monitor.socket, dir.path().join("m.sock"));
    assert_eq!(loaded.config.monitor.console_address().unwrap().to_string(), "127.0.0.1:9988");
    assert_eq!(loaded.config.checks.ping.timeout, Span::secs(2));
    assert_eq!(loaded.warnings.len(), 1, "the key file: {:?}", loaded.warnings);
}

#[test]
fn warnings_do_not_stop_a_program() {
    let dir = cluster(
        "include = \"common.toml\"\ninsecure = true\ndebug = 0\n\
         [monitor]\ncareful_startup = false\nping_ips = [\"10.0.1.1\"]\nbin_path = \"/usr/lib\"\n\
         [role.areader]\nips = [\"10.0.9.91\"]\n\
         [check.ping]\nmax_backlog = 30\ntimeout = \"4s\"\n\
         [host.default]\nreplication_password = \"s3cr3t-012345678901234567890123456789\"\n",
    );
    let warnings = good(&dir, "mmm.toml", Program::Monitor).warnings;
    let prefix = format!("{}/", dir.path().display());
    let lines: Vec<_> =
        warnings.iter().map(|warning| warning.to_string().replace(&prefix, "")).collect();
    assert_eq!(lines.join("\n"), WARNINGS.trim());
}

/// Consoles on other machines read the same file and need no such program; the monitor goes on
/// without it.
#[test]
fn a_hook_that_cannot_be_run_is_a_warning_of_the_monitor_alone() {
    let dir = cluster(
        "include = \"common.toml\"\n\
         [monitor]\nping_ips = [\"10.0.0.1\"]\nkill_host_bin = \"kill_host\"\n",
    );
    let hook = |program| {
        let mut warnings = good(&dir, "mmm.toml", program).warnings;
        warnings.retain(|warning| warning.key == "monitor.kill_host_bin");
        warnings.first().map(ToString::to_string)
    };
    let told = hook(Program::Monitor).unwrap();
    assert!(told.contains(":4: monitor.kill_host_bin: there is no program "), "{told}");
    assert!(told.ends_with("correct the path, or chmod +x the file"), "{told}");
    assert_eq!(hook(Program::Control), None);
    put(dir.path(), "kill_host", "#!/bin/sh\n", 0o755);
    assert_eq!(hook(Program::Monitor), None);
}

const WARNINGS: &str = include_str!("config_warnings.txt");

/// The examples as they are shipped, with the secret files that they name.
fn examples() -> TempDir {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let dir = tempfile::tempdir().unwrap();
    for name in EXAMPLES {
        put(dir.path(), name, &fs::read_to_string(from.join(name)).unwrap(), 0o640);
    }
    for name in ["cluster.key", "agent.password", "monitor.password", "replication.password"] {
        put(dir.path(), name, "0123456789abcdef\n", 0o600);
    }
    dir
}

#[test]
fn the_examples_load_without_a_warning() {
    let dir = examples();
    for (name, program) in [
        ("mmm_agent.toml", Program::Agent),
        ("mmm_mon.toml", Program::Monitor),
        ("mmm_mon.toml", Program::Control),
    ] {
        let loaded = good(&dir, name, program);
        assert_eq!(loaded.warnings, []);
        println!("{}", describe(&loaded.config, program));
    }
}

/// Taking the # off every `#key = value` must change no value but those that the comments call
/// samples.
#[test]
fn commented_defaults_are_the_defaults() {
    let dir = examples();
    let before = good(&dir, "mmm_mon.toml", Program::Monitor).config;
    let samples = [
        "cluster_key",
        "log_path",
        "mysql_socket",
        "mysql_pidfile",
        "agent_password",
        "monitor_password",
        "replication_password",
        "prefer",
        "port",
        "kill_host_bin",
        "watchdog_device",
    ];
    for name in EXAMPLES {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        let uncomment = |line: &str| match line.strip_prefix('#').and_then(|l| l.split_once(" = "))
        {
            Some((key, _)) if !key.contains(' ') && !samples.contains(&key) => line[1..].to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = text.lines().map(uncomment).collect();
        put(dir.path(), name, &text.join("\n"), 0o640);
    }
    let after = good(&dir, "mmm_mon.toml", Program::Monitor).config;
    let plain = |config: &Config| describe(config, Program::Monitor).replace("  (default)", "");
    assert_eq!(plain(&before), plain(&after));
    assert!(describe(&before, Program::Monitor).contains("lease_ttl             = 3s  (default)"));
    assert!(describe(&after, Program::Monitor).contains("lease_ttl             = 3s\n"));
}
