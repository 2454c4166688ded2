//! The original's files translated: the TOML means the same, all files come or none, and whatever
//! is wrong is told. Generated clusters are written in both forms and must load to the same.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod config_samples;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mmm_daemon::config::{Config, Program, import, load};
use proptest::prelude::*;
use tempfile::TempDir;

use config_samples::{folder, good, put};

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
    // The last file cannot be put in its place: the others go, what was there comes back.
    fs::remove_file(out.path().join("mmm_mon.toml")).unwrap();
    put(out.path(), "mmm_agent.toml", "mine", 0o600);
    put(out.path(), "mmm_mon.toml/x", "in the way", 0o600);
    let before = names(out.path());
    import(dir.path(), out.path(), true).unwrap();
    assert_eq!(names(out.path()), ["mmm_agent.toml", "mmm_common.toml", "mmm_mon.toml"]);
    assert_eq!(before.len(), 2);
    good(&out, "mmm_mon.toml", Program::Monitor);
}

#[test]
fn several_clusters_keep_their_files() {
    let dir = folder(&[
        ("mmm_common_a.conf", COMMON),
        ("mmm_common_b.conf", &COMMON.replace("10.0.0.", "10.0.1.")),
        ("mmm_mon_a.conf", &MONITOR.replace("mmm_common", "mmm_common_a")),
        ("mmm_mon_b.conf", &MONITOR.replace("mmm_common", "mmm_common_b").replace("0 ", "0 ")),
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

/// A cluster that both forms can say.
#[derive(Debug, Clone)]
struct Cluster {
    hosts: Vec<(String, bool, u16)>,
    net: u8,
    readers: u8,
    times: [Option<u16>; 6],
    password: String,
    template: bool,
    include: u8,
    key: bool,
    debug: Option<bool>,
    mode: usize,
}

fn cluster() -> impl Strategy<Value = Cluster> {
    (
        proptest::collection::btree_set("[a-z][a-z0-9_-]{0,6}", 2..6),
        any::<u8>(),
        1..9_u8,
        proptest::array::uniform6(proptest::option::of(1..500_u16)),
        // What the original can say: no blank at the ends, no blank before #, no quotes around.
        "[a-zA-Z0-9$%&/()=?#'\"\\\\.-]{1,12}( [a-z0-9\"\\\\]{1,5})?",
        (any::<bool>(), 0..4_u8, any::<bool>()),
        proptest::option::of(any::<bool>()),
        0..4_usize,
    )
        .prop_map(|(names, net, readers, times, password, flags, debug, mode)| {
            let names = names.into_iter().filter(|name| name != "default").rev().enumerate();
            let hosts =
                names.map(|(at, name)| (name, at < 2, 3306 + at as u16)).collect::<Vec<_>>();
            let (template, include, key) = flags;
            // A secret that begins with # and a blank is a comment: not for the other form.
            let password = password.replace("# ", "#");
            let (times, key) = (times, key);
            Cluster { hosts, net, readers, times, password, template, include, key, debug, mode }
        })
        .prop_filter("two masters", |cluster| cluster.hosts.len() > 1)
}

/// Writes either form: the same sections, keys and values.
struct Writer {
    toml: bool,
    text: String,
    open: String,
}

impl Writer {
    fn new(toml: bool) -> Self {
        Self { toml, text: String::new(), open: String::new() }
    }

    fn section(&mut self, word: &str, name: &str) {
        self.end();
        let _ = match (self.toml, name) {
            (true, "") => writeln!(self.text, "[{word}]"),
            (true, _) => writeln!(self.text, "[{word}.{name}]"),
            (false, "") => writeln!(self.text, "<{word}>"),
            (false, _) => writeln!(self.text, "< {word}\t{name} >\r"),
        };
        word.clone_into(&mut self.open);
    }

    fn end(&mut self) {
        if !self.open.is_empty() && !self.toml {
            let _ = writeln!(self.text, " </{}>", self.open);
        }
        self.open.clear();
    }

    fn text(&mut self, key: &str, value: &str) {
        let _ = if self.toml {
            writeln!(self.text, "{key} = {}", toml::Value::String(value.to_owned()))
        } else {
            writeln!(self.text, "\t{key}\t {value} \r")
        };
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        let sign = if self.toml { "= " } else { "" };
        let _ = writeln!(self.text, "{key} {sign}{value}");
    }

    fn list(&mut self, key: &str, items: &[String]) {
        let _ = if self.toml {
            writeln!(self.text, "{key} = {items:?}")
        } else {
            writeln!(self.text, "{key} {} ,", items.join(" , "))
        };
    }
}

impl Cluster {
    fn ip(&self, last: u8) -> String {
        format!("10.9.{}.{last}", self.net)
    }

    fn accounts(&self, to: &mut Writer) {
        to.text("cluster_interface", "eth0");
        to.text("pid_path", "/run/a.pid");
        to.text("bin_path", "/usr/lib/mmm");
        for whose in ["agent", "monitor", "replication"] {
            to.text(&format!("{whose}_user"), whose);
            to.text(&format!("{whose}_password"), &self.password);
        }
    }

    fn common(&self, to: &mut Writer) {
        to.text("active_master_role", "w");
        if self.key {
            to.text("cluster_key", "0123456789abcdef#key");
        } else if to.toml {
            to.number("insecure", true);
        }
        if self.template {
            to.section("host", "default");
            self.accounts(to);
        }
        for (at, (name, master, port)) in self.hosts.iter().enumerate() {
            to.section("host", name);
            to.text("ip", &self.ip(at as u8 + 10));
            to.text("mode", if *master { "master" } else { "slave" });
            to.number("mysql_port", port);
            if *master {
                to.text("peer", &self.hosts[1 - at].0);
            }
            if !self.template {
                self.accounts(to);
            }
        }
        let names: Vec<String> = self.hosts.iter().map(|host| host.0.clone()).collect();
        to.section("role", "w");
        to.text("mode", "exclusive");
        to.list("hosts", &names[..2]);
        to.list("ips", &[self.ip(90)]);
        to.section("role", "r");
        to.text("mode", "balanced");
        to.list("hosts", &names);
        to.list("ips", &(0..self.readers).map(|at| self.ip(100 + at)).collect::<Vec<_>>());
        to.end();
    }

    fn monitor(&self, to: &mut Writer) {
        let [auto, wait, period, trap, backlog, port] = self.times;
        to.section("monitor", "");
        to.text("ip", "127.0.0.1");
        to.text("pid_path", "/run/m.pid");
        to.text("bin_path", "/usr/lib/mmm");
        to.text("status_path", "/var/lib/m");
        to.list("ping_ips", &[self.ip(1)]);
        to.text("mode", ["active", "manual", "wait", "passive"][self.mode]);
        // What TOML has to say where the original has a default of its own.
        let said = |given: Option<u16>, default: u16| given.or(to.toml.then_some(default));
        let rows = [
            ("auto_set_online", auto),
            ("wait_for_other_master", wait),
            ("port", said(port, 9988)),
        ];
        let checks = [
            ("check_period", said(period, 5)),
            ("trap_period", said(trap, 10)),
            ("max_backlog", backlog),
        ];
        for (key, value) in rows {
            if let Some(value) = value {
                to.number(key, value);
            }
        }
        to.section("check", "default");
        for (key, value) in checks {
            if let Some(value) = value {
                to.number(key, value);
            }
        }
        to.section("check", "mysql");
        to.number("timeout", 1);
        to.end();
    }

    /// The files of one form: common, agent, monitor.
    fn files(&self, toml: bool) -> [(String, String); 3] {
        let ending = if toml { "toml" } else { "conf" };
        let name = |stem: &str| format!("{stem}.{ending}");
        let mut common = Writer::new(toml);
        self.common(&mut common);
        let included = |tail: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new(toml);
            let include = if toml {
                format!("include = \"{}\"\n", name("mmm_common"))
            } else {
                format!("include {}\n", name("mmm_common"))
            };
            // The original may include at either end.
            if toml || self.include % 2 == 0 {
                writer.text.push_str(&include);
            }
            if let Some(debug) = self.debug {
                match toml {
                    true => writer.text("log_level", if debug { "debug" } else { "info" }),
                    false => writer.text("debug", if debug { "Yes" } else { "0" }),
                }
            }
            tail(&mut writer);
            if !toml && self.include % 2 == 1 {
                writer.text.push_str(&include);
            }
            writer.text
        };
        let agent = included(&|to| to.text("this", &self.hosts[0].0));
        let monitor = included(&|to| self.monitor(to));
        [(name("mmm_common"), common.text), (name("mmm_agent"), agent), (name("mmm_mon"), monitor)]
    }
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
