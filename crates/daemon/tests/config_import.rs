//! The original's files translated: the TOML means the same, all files come or none, and whatever
//! is wrong is told. Generated clusters are written in both forms and must load to the same.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod config_samples;
#[path = "config_import/generated.rs"]
mod generated;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mmm_daemon::config::{Config, Program, import, load};
use proptest::prelude::*;
use tempfile::TempDir;

use config_samples::{folder, good, put};
use generated::cluster;

const COMMON: &str = "active_master_role writer
<host default>
	cluster_interface eth0
	pid_path /run/agent.pid
	bin_path /usr/lib/mmm
	replication_user repl
	replication_password s3cr3t-repl
	agent_user agent
	agent_password s3cr3t-\"agent\\
	tools_password s3cr3t-tools
</host>
<host db1>
	ip 10.0.0.11
	mode master
	peer db2
</host>
<host db2>
	ip 10.0.0.12
	mode master
	peer db1
</host>
<role writer>
	hosts db1, db2
	ips 10.0.0.90 # the VIP
	mode exclusive
</role>
";

const MONITOR: &str = "include mmm_common.conf
<monitor>
	ip 127.0.0.1
	pid_path /run/mond.pid
	bin_path /usr/lib/mmm
	status_path /var/lib/mmm/status
	ping_ips 10.0.0.1
	auto_set_online 60
</monitor>
<host default>
	monitor_user monitor
	monitor_password s3cr3t-monitor
</host>
debug 0
";

const AGENT: &str = "include mmm_common.conf\nthis db1\n";

fn originals() -> TempDir {
    folder(&[
        ("mmm_common.conf", COMMON),
        ("mmm_mon.conf", MONITOR),
        ("mmm_agent.conf", AGENT),
        ("mmm_tools.conf", "include mmm_agent.conf\n"),
    ])
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn config(dir: &Path, name: &str, program: Program) -> Config {
    load(&dir.join(name), program).unwrap_or_else(|report| panic!("{report}")).config
}

#[test]
fn files_are_translated_one_to_one_and_mean_the_same() {
    let dir = originals();
    let out = dir.path().join("new/toml");
    let imported = import(dir.path(), &out, false).unwrap();
    assert_eq!(names(&out), ["mmm_agent.toml", "mmm_common.toml", "mmm_mon.toml"]);
    assert_eq!(imported.written.len(), 3);
    for name in names(&out) {
        assert_eq!(out.join(name).metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    }
    for (name, program) in [("mmm_agent", Program::Agent), ("mmm_mon", Program::Monitor)] {
        let old = config(dir.path(), &format!("{name}.conf"), program);
        let new = config(&out, &format!("{name}.toml"), program);
        assert!(new.means_same_as(&old, program), "{new:#?}\n{old:#?}");
        assert_eq!(new.host("db1").unwrap().agent.password.expose(), "s3cr3t-\"agent\\");
    }
    let monitor = config(&out, "mmm_mon.toml", Program::Monitor);
    assert_eq!(monitor.monitor.port, Some(9988));
    assert_eq!(monitor.checks.ping.trap_period.as_ms(), 10_000);
    let common = fs::read_to_string(out.join("mmm_common.toml")).unwrap();
    assert!(common.contains("insecure = true") && !common.contains("s3cr3t-tools"), "{common}");
    assert!(common.contains("# Without use here and left out: pid_path, bin_path"), "{common}");
    let review = imported.review.join("\n");
    for point in [
        "insecure = true was written",
        "\"# the VIP\" is cut off as a comment",
        "trap_period 10s",
        "tools_password (backup, clone and restore are left to other tools)",
        "mmm_tools.conf is not translated",
        "status_path /var/lib/mmm/status",
        "GRANT",
    ] {
        assert!(review.contains(point), "{point}:\n{review}");
    }
    assert!(!review.contains("s3cr3t"), "{review}");
}

#[test]
fn wrong_files_are_told_all_together_and_nothing_is_written() {
    let dir = originals();
    put(dir.path(), "mmm_mon.conf", &MONITOR.replace("10.0.0.1\n", "10.0.0.256\n"), 0o640);
    put(dir.path(), "mmm_agent.conf", "include mmm_common.conf\nthis db7\n", 0o640);
    let out = dir.path().join("toml");
    let refused = import(dir.path(), &out, false).unwrap_err().to_string();
    assert!(
        refused.contains("mmm_mon.conf:7: monitor.ping_ips: \"10.0.0.256\" is not"),
        "{refused}"
    );
    assert!(refused.contains("mmm_agent.conf:2: this: there is no host \"db7\""), "{refused}");
    assert_eq!(refused.lines().count(), 2, "{refused}");
    assert!(!out.exists());
    let nothing = folder(&[("other.conf", "")]);
    let refused = import(nothing.path(), &out, false).unwrap_err().to_string();
    assert!(refused.contains("there is no mmm_common.conf"), "{refused}");
    let refused = import(&nothing.path().join("none"), &out, true).unwrap_err().to_string();
    assert!(refused.contains("cannot read") && !out.exists(), "{refused}");
}

#[test]
fn what_is_there_is_replaced_only_by_force_and_wholly() {
    let dir = originals();
    let out = folder(&[("mmm_mon.toml", "mine")]);
    let refused = import(dir.path(), out.path(), false).unwrap_err().to_string();
    assert!(refused.contains("mmm_mon.toml exists; move it away, or use --force"), "{refused}");
    assert_eq!(names(out.path()), ["mmm_mon.toml"]);
    fs::remove_file(out.path().join("mmm_mon.toml")).unwrap();
    put(out.path(), "mmm_mon.toml/x", "in the way", 0o600);
    let refused = import(dir.path(), out.path(), true).unwrap_err().to_string();
    assert!(refused.contains("mmm_mon.toml is no file; move it away"), "{refused}");
    fs::remove_dir_all(out.path().join("mmm_mon.toml")).unwrap();
    put(out.path(), "mmm_agent.toml", "mine", 0o600);
    import(dir.path(), out.path(), true).unwrap();
    assert_eq!(names(out.path()), ["mmm_agent.toml", "mmm_common.toml", "mmm_mon.toml"]);
    good(&out, "mmm_mon.toml", Program::Monitor);
}

#[test]
fn several_clusters_keep_their_files() {
    let dir = folder(&[
        ("mmm_common_a.conf", COMMON),
        ("mmm_common_b.conf", &COMMON.replace("10.0.0.", "10.0.1.")),
        ("mmm_mon_a.conf", &MONITOR.replace("mmm_common", "mmm_common_a")),
        ("mmm_mon_b.conf", &MONITOR.replace("mmm_common", "mmm_common_b")),
    ]);
    let out = dir.path().join("toml");
    let imported = import(dir.path(), &out, false).unwrap();
    assert_eq!(
        names(&out),
        ["mmm_common_a.toml", "mmm_common_b.toml", "mmm_mon_a.toml", "mmm_mon_b.toml"]
    );
    let b = config(&out, "mmm_mon_b.toml", Program::Monitor);
    assert_eq!(b.host("db1").unwrap().ip.to_string(), "10.0.1.11");
    assert!(imported.review.iter().any(|point| point.starts_with("Several clusters")));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    })]

    /// Both forms load to the same, and so does the translation of the one.
    #[test]
    fn the_forms_mean_the_same(cluster in cluster()) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in cluster.files(false).iter().chain(&cluster.files(true)) {
            put(dir.path(), name, text, 0o640);
        }
        let out = dir.path().join("out");
        import(dir.path(), &out, false).unwrap_or_else(|refused| panic!("{refused}"));
        for (stem, program) in [("mmm_agent", Program::Agent), ("mmm_mon", Program::Monitor)] {
            let old = config(dir.path(), &format!("{stem}.conf"), program);
            let new = config(dir.path(), &format!("{stem}.toml"), program);
            let translated = config(&out, &format!("{stem}.toml"), program);
            prop_assert!(old.means_same_as(&new, program), "{old:#?}\n{new:#?}");
            prop_assert!(translated.means_same_as(&new, program), "{translated:#?}\n{new:#?}");
            prop_assert_eq!(&old.hosts[0].agent.password, &new.hosts[0].agent.password);
        }
    }

    /// Whatever the bytes are, loading and translating end with an answer and show no secret.
    #[test]
    fn no_bytes_make_it_panic(
        cut in 0..700_usize,
        junk in proptest::collection::vec(any::<u8>(), 0..24),
        words in "[<>/#=a-z \n\r\t]{0,30}",
    ) {
        let mut bytes = format!("{COMMON}{}", MONITOR.replace("include mmm_common.conf", ""));
        let at = cut.min(bytes.len());
        bytes.insert_str(at, &words);
        let mut bytes = bytes.into_bytes();
        bytes.splice(at..at, junk);
        let dir = folder(&[("mmm_mon.conf", "")]);
        fs::write(dir.path().join("mmm_mon.conf"), &bytes).unwrap();
        let out = dir.path().join("out");
        match import(dir.path(), &out, false) {
            Ok(imported) => prop_assert!(!imported.review.join("").contains("s3cr3t"), "{imported:?}"),
            Err(refused) => {
                prop_assert!(!refused.lines.is_empty() && !out.exists());
                prop_assert!(!refused.to_string().contains("s3cr3t"), "{refused}");
            }
        }
    }
}
