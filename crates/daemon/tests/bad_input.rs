//! Broken input and the exact answer that each gets, from the real programs and over real sockets.
//!
//! `bad_input.txt` is the table, reviewed like documentation: the name of a case, `<` what goes in,
//! `>` what comes back. `cargo test -p mmm-daemon --test bad_input -- --nocapture` prints it as it
//! is now. Sixty broken configuration files have a table of their own (`config_mistakes.txt`).
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mmm_proto::Verb;
use mmm_proto::agent::{FromAgent, ToAgent};
use mmm_proto::console::{FromMonitor, ToMonitor};
use mmm_proto::hello::First;
use mmm_proto::line::{Lines, Message, decode};

#[path = "bad_input/sockets.rs"]
mod sockets;

/// The table that must come out.
const EXPECTED: &str = include_str!("bad_input.txt");

/// One case: what goes in and what comes back, a line each.
struct Row {
    name: &'static str,
    input: String,
    answer: Vec<String>,
}

impl Row {
    fn new(name: &'static str, input: impl Into<String>, answer: Vec<String>) -> Self {
        Self { name, input: input.into(), answer }
    }
}

/// A section of the table as text.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        writeln!(text, "{}\n    < {}", row.name, shown(&row.input)).unwrap();
        for line in &row.answer {
            writeln!(text, "    > {line}").unwrap();
        }
    }
    text
}

/// A long input in short.
fn shown(input: &str) -> String {
    let start: String = input.chars().take(180).collect();
    let more = if start.len() < input.len() {
        format!("... ({} bytes)", input.len())
    } else {
        String::new()
    };
    let plain = start
        .chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    format!("{}{more}", plain.collect::<String>())
}

/// Compares a section of the table with what is expected of it.
fn check(section: &str, rows: &[Row]) {
    let got = table(rows);
    println!("## {section}\n{got}");
    let after = EXPECTED.split(&format!("## {section}\n")).nth(1);
    let expected = after.and_then(|text| text.split("## ").next());
    let expected = expected.unwrap_or_else(|| panic!("no section {section:?} in bad_input.txt"));
    for (got, expected) in got.lines().zip(expected.lines()) {
        assert_eq!(got, expected, "in section {section:?}");
    }
    assert_eq!(
        got.trim_end().lines().count(),
        expected.trim_end().lines().count(),
        "rows of section {section:?}"
    );
}

#[test]
fn the_table_has_at_least_forty_rows() {
    let cases = EXPECTED.lines().filter(|line| line.starts_with("    < "));
    let cases = cases.count();
    assert!(cases >= 40, "{cases} cases");
    assert!(!EXPECTED.contains("s3cr3t"), "a secret is in an error");
}

/// Runs a daemon that must refuse to start. The folder is written as `DIR`.
fn refuse(name: &'static str, program: &str, dir: &Path, words: &str) -> Row {
    let folder = dir.to_str().unwrap();
    let path = match program {
        "mmm-mond" => env!("CARGO_BIN_EXE_mmm-mond"),
        _ => env!("CARGO_BIN_EXE_mmm-agentd"),
    };
    let out = Command::new(path)
        .args(words.split(' ').map(|word| word.replace("DIR", folder)))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert_eq!(out.stdout, b"", "{name}: nothing belongs on stdout");
    let mut answer = vec![format!("exit {}", out.status.code().unwrap())];
    let text = String::from_utf8(out.stderr).unwrap().replace(folder, "DIR");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    answer.extend(lines.map(|line| line.trim_end().to_owned()));
    Row::new(name, format!("{program} {words}"), answer)
}

fn put(dir: &Path, name: &str, text: &str, mode: u32) {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A configuration that both daemons accept.
const GOOD: &str = r#"cluster_key = "s3cr3t-0123456789abcdef"
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
[role.writer]
mode = "exclusive"
hosts = ["db1", "db2"]
ips = ["10.0.0.90"]
"#;

/// A good configuration and the broken ones made of it.
fn configurations(dir: &Path) {
    put(dir, "good.toml", GOOD, 0o640);
    put(dir, "open.toml", GOOD, 0o644);
    let keyed = GOOD.replacen("cluster_key = ", "cluster_key_file = \"key\" #", 1);
    put(dir, "keyed.toml", &keyed, 0o640);
    put(dir, "key", "s3cr3t-0123456789abcdef\n", 0o644);
    let broken = GOOD
        .replace("peer = \"db1\"", "peeer = \"db1\"")
        .replace("10.0.0.12", "10.0.0.512")
        .replace("[\"10.0.0.90\"]", "\"10.0.0.90\"");
    put(dir, "broken.toml", &broken, 0o640);
    put(dir, "old.toml", "include mmm_common.conf\nthis db1\n", 0o640);
    let nobody = GOOD.replace("this = \"db1\"", "this = \"db9\"");
    put(dir, "nobody.toml", &nobody, 0o640);
    let hasty = GOOD.replace("[monitor]", "[monitor]\nlease_ttl = \"2s\"\nheartbeat = \"1s\"");
    put(dir, "hasty.toml", &hasty, 0o640);
}

#[test]
fn the_daemons_refuse_broken_command_lines_and_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    configurations(dir);
    for program in ["mmm-mond", "mmm-agentd"] {
        let path = dir.join("good.toml");
        let out = match program {
            "mmm-mond" => Command::new(env!("CARGO_BIN_EXE_mmm-mond")),
            _ => Command::new(env!("CARGO_BIN_EXE_mmm-agentd")),
        }
        .args(["--check=config", "--config", path.to_str().unwrap()])
        .output()
        .unwrap();
        assert!(out.status.success(), "{program}: {out:?}");
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.contains("db2") && !text.contains("s3cr3t"), "{text}");
    }
    let mond = |name, words| refuse(name, "mmm-mond", dir, words);
    let agentd = |name, words| refuse(name, "mmm-agentd", dir, words);
    let rows = [
        mond("an unknown flag", "--cnofig DIR/good.toml"),
        mond("a flag without its value", "--check --config"),
        agentd("a word too many", "--check start"),
        mond("a cluster whose name is a path", "@../x"),
        agentd("a cluster without a file", "--check @none"),
        mond("a configuration that is not there", "--config DIR/none.toml"),
        agentd("a folder for a configuration", "--config DIR --check"),
        mond("several mistakes at once", "--config DIR/broken.toml"),
        agentd("the original's form", "--config DIR/old.toml --check"),
        mond("a file with passwords that everybody may read", "--config DIR/open.toml"),
        agentd("a key file that everybody may read", "--config DIR/keyed.toml"),
        agentd("a host that is not configured", "--config DIR/nobody.toml"),
        mond("grants too short for the heartbeat", "--config DIR/hasty.toml"),
        mond("a log level that is none", "--config DIR/good.toml --log-level mmm=loud"),
    ];
    check("programs", &rows);
}

#[test]
fn mmm_control_refuses_broken_verbs() {
    let rows: Vec<Row> = [
        ("nothing", ""),
        ("a slip of the finger", "shwo"),
        ("no such verb", "explode"),
        ("no host", "set_offline"),
        ("a host too many", "set_offline db1 db2"),
        ("a host that is none", "set_offline db/1"),
        ("a flag that is not the verb's", "show --force"),
        ("no such flag", "move_role --fast writer db2"),
        ("a role without a host", "move_role writer"),
        ("an address that is none", "set_ip 10.0.0 db1"),
        ("no such check", "checks db1 pong"),
    ]
    .into_iter()
    .map(|(name, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let error = Verb::parse(&words).expect_err(line);
        Row::new(name, format!("mmm-control {line}"), vec![error.to_string()])
    })
    .collect();
    check("verbs", &rows);
}

/// What the codec makes of bytes, read as a message of that kind.
fn read<M: Message>(name: &'static str, bytes: &[u8]) -> Row {
    let mut lines = Lines::default();
    lines.push(bytes);
    let line = lines.next_line().map(|line| line.expect("a whole line"));
    let error = line.and_then(|line| decode::<M>(&line).map(|_| ())).expect_err(name);
    let end = if error.closes() { "the connection closes" } else { "the connection goes on" };
    let input = String::from_utf8_lossy(bytes).trim_end().to_owned();
    Row::new(name, input, vec![error.to_string(), end.to_owned()])
}

#[test]
fn the_codec_refuses_broken_lines() {
    let grant = br#"{"kind":"grant","stamp":{"term":1,"seq":1},"echo":5,"ttl":"3s","want":{}}"#;
    let report = br#"{"kind":"report","clock":5,"boot_id":"x","uptime":9,"seen":{"term":0}}"#;
    let rows = [
        read::<First>("garbage", b"GET / HTTP/1.1\n"),
        read::<ToAgent>("half a message", b"{\"kind\":\"order\",\"id\":1\n"),
        read::<ToAgent>("bytes that are no text", b"{\"kind\":\"\xff\xfe\"}\n"),
        read::<ToMonitor>("two messages in a line", b"{\"kind\":\"snapshot\",\"id\":1} {}\n"),
        read::<FromMonitor>("no kind", b"{\"id\":1}\n"),
        read::<FromAgent>("a kind that is no word", b"{\"kind\":7}\n"),
        read::<ToAgent>("an unknown kind", b"{\"kind\":\"dance\"}\n"),
        read::<ToAgent>("a time with a unit", &[grant.as_slice(), b"\n"].concat()),
        read::<FromAgent>("a report that lacks most", &[report.as_slice(), b"\n"].concat()),
        read::<ToMonitor>("a list for a message", b"[\"set_offline\",\"db1\"]\n"),
        read::<ToMonitor>("a number too large", b"{\"kind\":\"snapshot\",\"id\":1e30}\n"),
        read::<ToAgent>("a line of 2 MiB", &[b'x'; 2 * 1024 * 1024]),
        read::<ToAgent>("a well of brackets", &[&[b'['; 4096][..], b"\n"].concat()),
    ];
    check("lines", &rows);
}
