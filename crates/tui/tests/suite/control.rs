//! The real `mmm-control` against a scripted monitor: words, exit codes, JSON.

use std::process::{Command, Stdio};

use mmm_proto::MonitorMode;
use mmm_proto::console::{Answer, Refusal, RefusalCode};
use serde_json::Value;

use crate::fake_monitor::{FakeMonitor, Say, done, keyed, obedient};

pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn control(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_mmm-control"))
        .args(args)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn ask(monitor: &FakeMonitor, args: &[&str]) -> Ran {
    let socket = monitor.socket();
    let mut all = vec!["--socket", socket.to_str().unwrap()];
    all.extend(args);
    control(&all)
}

/// Runs an acting verb against a monitor that says `says`.
fn acting(says: Vec<Say>, args: &[&str]) -> Ran {
    let monitor = FakeMonitor::start(move |_| says.clone());
    ask(&monitor, args)
}

fn refused(reason: &str) -> Say {
    Say::Answer(Answer::Refused {
        refusal: Refusal { code: RefusalCode::State, reason: reason.to_owned() },
    })
}

fn failed(undone: bool) -> Say {
    Say::Answer(Answer::Failed {
        undone,
        why: "db2 did not catch up within 10 s; db1 stays writer".to_owned(),
    })
}

const MOVE: &[&str] = &["move_role", "writer", "db2"];

#[test]
fn show_prints_what_scripts_of_the_original_expect() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["show"]);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let readers = ["52", "53", "54"].map(|ip| format!("reader(192.168.0.{ip})"));
    let wants = [
        "# Warning: agent on host db4 is not reachable",
        "  db1(192.168.0.31) master/ONLINE. Roles: reader(192.168.0.51), writer(192.168.0.50)",
        &format!("  db2(192.168.0.32) master/ONLINE. Roles: {}", readers.join(", ")),
        "  db3(192.168.0.33) slave/REPLICATION_DELAY. Roles: ",
        "  db4(192.168.0.34) slave/HARD_OFFLINE. Roles: ",
        "  db5(192.168.0.35) slave/ADMIN_OFFLINE. Roles: ",
        "# Role writer is assigned to it's preferred host db1.\n",
    ];
    assert_eq!(ran.out, wants.join("\n"));
    monitor.show(crate::sample::moved());
    let ran = ask(&monitor, &["show"]);
    let wants = "# Role writer has db1 configured as it's preferred host but is assigned to db2 at \
                 the moment.\n";
    assert!(ran.out.ends_with(wants), "{}", ran.out);
}

#[test]
fn show_says_why_the_monitor_is_passive() {
    let monitor = FakeMonitor::start(obedient);
    let mut view = crate::sample::view();
    view.mode = MonitorMode::Passive;
    view.mode_cause = "roles in conflict\nsee the log".to_owned();
    monitor.show(view);
    let ran = ask(&monitor, &["show"]);
    let head = "# --- Monitor is in PASSIVE MODE ---\n# Cause: roles in conflict\n# see the log\n";
    assert!(ran.out.starts_with(head), "{}", ran.out);
    assert_eq!(ask(&monitor, &["mode"]).out, "PASSIVE\n");
}

#[test]
fn checks_are_listed_as_in_the_original() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["checks", "db3"]);
    let wants = "db3  rep_backlog  [last change: 2026/11/19 13:59:40]  ERROR: Backlog is too big\n";
    assert!(ran.out.ends_with(wants), "{}", ran.out);
    let line = "db3  ping         [last change: 2026/11/16 10:02:21]  OK\n";
    assert!(ran.out.starts_with(line), "{}", ran.out);
    let ran = ask(&monitor, &["checks", "db1", "ping"]);
    assert_eq!(ran.out, "db1  ping  [last change: 2026/11/16 10:02:21]  OK\n");
    assert_eq!(ask(&monitor, &["checks"]).out.lines().count(), 20);
    let ran = ask(&monitor, &["checks", "db9"]);
    assert_eq!((ran.exit, ran.err.as_str()), (1, "ERROR: Unknown host name 'db9'!\n"));
}

#[test]
fn explain_prints_text_or_values_and_refuses_unknown_names() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["explain"]);
    assert_eq!((ran.exit, ran.out.lines().next()), (0, Some("Cluster shop-prod: ACTIVE")));
    let ran = ask(&monitor, &["explain", "db3"]);
    assert!(ran.out.starts_with("Host db3: slave (192.168.0.33:3306)\n"), "{}", ran.out);
    let ran = ask(&monitor, &["explain", "db9"]);
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("ERROR: Unknown name 'db9'! Hosts are db1, db2"), "{}", ran.err);
    let ran = ask(&monitor, &["--json", "explain", "writer"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["explain"]["writer"]["state"], "serving", "{}", ran.out);
    assert_eq!(value["explain"]["role"]["hosts"][1], "db2");
    assert_eq!(ask(&monitor, &["explain", "a", "b"]).exit, 2);
    // It never asks the monitor to act.
    let runs = |seen: &mmm_proto::console::ToMonitor| {
        matches!(seen, mmm_proto::console::ToMonitor::Snapshot { .. })
    };
    assert!(monitor.seen().iter().all(runs));
}

#[test]
fn help_and_ping_answer_in_the_originals_words() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["ping"]);
    assert_eq!((ran.exit, ran.out.as_str()), (0, "OK: Pinged successfully!\n"));
    // Help needs no monitor.
    let ran = control(&["--socket", "/nonexistent", "help"]);
    assert_eq!((ran.exit, ran.out.as_str()), (0, mmm_proto::verb::help().as_str()));
}

#[test]
fn every_outcome_has_its_exit_code() {
    let started = Say::Answer(Answer::Started { plan: 7 });
    let table: Vec<(&str, Vec<Say>, i32, &str)> = vec![
        ("done", vec![started.clone(), done("Moved.")], 0, "OK: Moved.\n"),
        ("refused", vec![refused("db2 is 4m late")], 1, "ERROR: db2 is 4m late\n"),
        ("failed", vec![started.clone(), failed(false)], 1, "ERROR: failed: db2 did not"),
        ("undone", vec![started.clone(), failed(true)], 5, "ERROR: failed and undone: db2"),
        ("cut", vec![Say::Close], 4, "ERROR: outcome unknown: "),
        ("cut later", vec![started.clone(), Say::Close], 4, "look at `mmm-control show`"),
        ("stopping", vec![Say::Error("the monitor stops"), Say::Close], 4, "the monitor stops"),
        ("garbage", vec![Say::Garbage(b"{]\n")], 4, "does not speak our protocol"),
    ];
    for (what, says, exit, wants) in table {
        let ran = acting(says, MOVE);
        assert_eq!(ran.exit, exit, "{what}: {}{}", ran.out, ran.err);
        let text = if exit == 0 { &ran.out } else { &ran.err };
        assert!(text.contains(wants), "{what}: {text}");
        assert!(exit == 0 || ran.out.is_empty(), "{what}: {}", ran.out);
    }
    let silent = acting(vec![started.clone()], &["--timeout", "300ms", "set_offline", "db2"]);
    assert_eq!(silent.exit, 4, "{}", silent.err);
    assert!(silent.err.contains("no answer within 0.3 s"), "{}", silent.err);
    let left = acting(vec![started], &["--no-wait", "set_offline", "db2"]);
    assert_eq!((left.exit, left.out.as_str()), (0, "OK: Started as plan 7\n"));
    // Nothing can have happened when a verb that only looks loses its link.
    assert_eq!(acting(vec![Say::Close], &["ping"]).exit, 3);
}

#[test]
fn a_monitor_that_is_not_there_is_named_with_the_remedy() {
    let ran = control(&["--socket", "/nonexistent/m.sock", "show"]);
    assert_eq!(ran.exit, 3);
    assert_eq!(
        ran.err,
        "ERROR: cannot reach the monitor at /nonexistent/m.sock (no such file or directory); is \
         mmm-mond running? (--config, --socket and --connect say where it is)\n"
    );
    let monitor = FakeMonitor::start(obedient);
    monitor.state.lock().unwrap().mute = true;
    let ran = ask(&monitor, &["--timeout", "300ms", "show"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("no answer within 0.3 s"), "{}", ran.err);
}

#[test]
fn a_monitor_of_another_cluster_is_not_talked_to() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["@blog", "show"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("belongs to cluster shop-prod"), "{}", ran.err);
    assert_eq!(ask(&monitor, &["@shop-prod", "mode"]).out, "ACTIVE\n");
}

#[test]
fn wrong_words_exit_2_and_are_followed_by_the_help() {
    for (args, wants) in [
        (&["shwo"][..], "Invalid command 'shwo': unknown command; did you mean \"show\"?\n\nValid"),
        (&["set_online"], "Invalid command 'set_online': set_online takes <host>\n\n"),
        (&[], "Invalid command '': no command given"),
        (&["--socket"], "a value is required"),
        (&["--socket", "a", "--connect", "b", "show"], "cannot be used with"),
        (&["--timeout", "soon", "show"], "write 500ms, 60s or 2m"),
        (&["show", "--timeout", "0"], "not between 1ms and 24h"),
        (&["--config", "/nonexistent/x.toml", "show"], "cannot read /nonexistent/x.toml"),
        (&["@sh op", "show"], "is not a cluster name"),
    ] {
        let ran = control(args);
        assert_eq!(ran.exit, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(wants), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{args:?}");
    }
}

#[test]
fn json_is_one_object_for_every_outcome() {
    let monitor = FakeMonitor::start(|_| vec![refused("db2 is 4m late")]);
    let json = |ran: &Ran| -> Value {
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
        serde_json::from_str(&ran.out).unwrap()
    };
    let shown = json(&ask(&monitor, &["show", "--json"]));
    assert_eq!((shown["ok"].as_bool(), shown["verb"].as_str()), (Some(true), Some("show")));
    assert_eq!(shown["view"]["hosts"][0]["name"], "db1");
    let ran = ask(&monitor, &["--json", "move_role", "writer", "db2"]);
    assert_eq!((ran.exit, ran.err.as_str()), (1, ""));
    let refused = json(&ran);
    assert_eq!(refused["exit"], 1);
    assert_eq!(refused["answer"]["refusal"]["code"], "state");
    for args in
        [&["--json", "shwo"][..], &["--json", "--nope"], &["--json", "--socket", "/n", "show"]]
    {
        let ran = control(args);
        let error = json(&ran);
        assert_eq!(error["ok"], false, "{args:?}");
        assert_eq!(error["exit"], ran.exit, "{args:?}");
        assert!(error["error"].as_str().is_some_and(|why| !why.is_empty()), "{args:?}");
    }
}

#[test]
fn the_cluster_key_opens_tcp_and_is_never_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let (addr, monitor) = keyed(b"s3cret");
    let ran = control(&["--connect", &addr, "--cluster-key-file", file, "mode"]);
    assert_eq!((ran.exit, ran.out.as_str()), (0, "ACTIVE\n"), "{}", ran.err);
    monitor.join().unwrap().unwrap();

    let (addr, monitor) = keyed(b"other");
    let ran = control(&["--connect", &addr, "--cluster-key-file", file, "mode"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("cluster key differs"), "{}", ran.err);
    assert!(!ran.err.contains("s3cret"));
    assert_eq!(monitor.join().unwrap().unwrap_err(), "wrong proof");

    let (addr, monitor) = keyed(b"s3cret");
    let ran = control(&["--connect", &addr, "mode"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("asks for the cluster key"), "{}", ran.err);
    assert_eq!(monitor.join().unwrap().unwrap_err(), "no proof");
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let monitor = FakeMonitor::start(obedient);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mmm-control"))
        .arg("--socket")
        .arg(monitor.socket())
        .arg("show")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
