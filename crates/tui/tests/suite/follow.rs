//! The real `mmm-control plan`, `events` and `watch` against a scripted monitor.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use mmm_proto::console::{Answer, Refusal, RefusalCode, ToMonitor};
use mmm_proto::plan::{CheckVerdict, Level, PlanCheck};
use serde_json::Value;

use crate::control::ask;
use crate::fake_monitor::{FakeMonitor, PATIENCE, Say, obedient};

#[test]
fn plan_shows_what_would_happen_and_runs_nothing() {
    let monitor = FakeMonitor::start(obedient);
    let ran = ask(&monitor, &["plan", "move_role", "writer", "db2"]);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("Plan: move writer db1 -> db2\n  effect "), "{}", ran.out);
    assert!(ran.out.contains("  step 4        db3      replicate from db2\n"), "{}", ran.out);
    assert!(ran.out.contains("  check         ! db3 stays late for 4m12s\n"), "{}", ran.out);
    assert!(ran.out.ends_with("mmm-control move_role writer db2\n"), "{}", ran.out);
    let ran = ask(&monitor, &["--json", "plan", "set_offline", "db5"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["plan"]["verb"]["verb"], "set_offline", "{}", ran.out);
    let seen = monitor.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| matches!(seen, ToMonitor::Plan { .. })), "{seen:?}");
}

#[test]
fn the_exit_code_of_a_plan_says_whether_it_would_be_allowed() {
    let monitor = FakeMonitor::start(|request| {
        let ToMonitor::Plan { verb, .. } = request else { return Vec::new() };
        if verb.word() == "set_online" {
            let reason = "Host db1 is online already".to_owned();
            let refusal = Refusal { code: RefusalCode::State, reason };
            return vec![Say::Answer(Answer::Refused { refusal })];
        }
        let mut plan = crate::sample::plan(verb.clone(), Level::Key, "");
        let text = "db2 is 4m12s late".to_owned();
        plan.checks.push(PlanCheck { verdict: CheckVerdict::Bad, text });
        vec![Say::Answer(Answer::Plan { plan: Box::new(plan) })]
    });
    let ran = ask(&monitor, &["plan", "set_online", "db1"]);
    assert_eq!((ran.exit, ran.err.as_str()), (1, "ERROR: Host db1 is online already\n"));
    let ran = ask(&monitor, &["plan", "set_offline", "db2"]);
    let wants = "ERROR: `set_offline db2` would be refused: db2 is 4m12s late\n";
    assert_eq!((ran.exit, ran.err.as_str()), (1, wants));
    let monitor = FakeMonitor::start(obedient);
    {
        let mut state = monitor.state.lock().unwrap();
        let you = state.hello.you.as_mut().unwrap();
        (you.may_act, you.why_not) = (false, "only root may act".to_owned());
    }
    let ran = ask(&monitor, &["plan", "set_offline", "db2"]);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.ends_with("would be refused: only root may act\n"), "{}", ran.err);
}

#[test]
fn wrong_words_are_usage_errors_and_ask_nothing() {
    let monitor = FakeMonitor::start(obedient);
    for (line, wants) in [
        ("plan", "plan alone means nothing; write plan <command>"),
        ("plan show", "`show` changes nothing"),
        ("plan shwo", "did you mean \"show\"?"),
        ("events --lats 3", "unknown option \"--lats\"; write events [--last <n>]"),
        ("events --last", "--last takes a value"),
        ("events --last many", "--last: \"many\" is no number"),
        ("events --since 10", "--since: \"10\" is no time; write 30s"),
        ("events --level loud", "levels are info, warn, error"),
        ("watch --last 3", "unknown option \"--last\"; write watch"),
    ] {
        let ran = ask(&monitor, &line.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.exit, ran.out.as_str()), (2, ""), "{line}");
        assert!(ran.err.contains(wants), "{line}: {}", ran.err);
    }
    assert_eq!(monitor.seen(), Vec::new());
}

#[test]
fn events_are_chosen_by_number_age_level_and_subject() {
    let monitor = FakeMonitor::start(obedient);
    let all = ask(&monitor, &["events"]);
    assert_eq!(all.exit, 0, "{}", all.err);
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!(lines.len(), crate::sample::events().len());
    let wants = "  warn   db3: ONLINE -> REPLICATION_DELAY: lag 252 s > 60 s";
    assert!(lines[3].ends_with(wants), "{}", all.out);
    let last = ask(&monitor, &["events", "--last=2"]).out;
    assert_eq!(last.lines().collect::<Vec<_>>(), lines[lines.len() - 2..]);
    let late = ask(&monitor, &["events", "--level", "warn", "--since", "10m"]).out;
    assert!(late.lines().all(|line| line.contains("  warn   ") || line.contains("  error  ")));
    assert!(late.contains(wants), "{late}");
    let young = ask(&monitor, &["events", "--since", "1m"]).out;
    assert!(!young.contains("db3") && young.contains("db4: ONLINE -> HARD_OFFLINE"), "{young}");
    let ran = ask(&monitor, &["--json", "events", "--subject", "db5"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    let events = value["events"]["events"].as_array().unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| event["subject"] == "db5"));
}

/// A running `mmm-control` whose lines arrive one by one; it is ended when the test is over.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(monitor: &FakeMonitor, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mmm-control"))
            .arg("--socket")
            .arg(monitor.socket())
            .args(args)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tx, lines) = channel();
        let out: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line in time")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Something new happens; it is there for whoever subscribes next.
fn happen(monitor: &FakeMonitor, seq: u64, what: &str) {
    let mut state = monitor.state.lock().unwrap();
    let mut event = state.events.last().unwrap().clone();
    (event.seq, event.what) = (seq, what.to_owned());
    state.events.push(event);
}

#[test]
fn watch_comes_back_after_a_loss_and_tells_what_happened_meanwhile() {
    let mut monitor = FakeMonitor::start(obedient);
    let watch = Following::start(&monitor, &["watch"]);
    assert_eq!(watch.next(), "# shop-prod is ACTIVE, writer db1");
    monitor.down();
    assert!(watch.next().starts_with("# link lost: "));
    let newest = crate::sample::events().last().unwrap().seq;
    happen(&monitor, newest + 1, "HARD_OFFLINE -> AWAITING_RECOVERY");
    monitor.listen();
    assert!(watch.next().starts_with("# link back: "));
    let line = watch.next();
    assert!(line.contains(": HARD_OFFLINE -> AWAITING_RECOVERY"), "{line}");
    let resumed = ToMonitor::Subscribe { events_since: Some(newest) };
    assert_eq!(monitor.seen().last(), Some(&resumed));
}

#[test]
fn followed_events_are_one_json_object_a_line() {
    let monitor = FakeMonitor::start(obedient);
    let follow = Following::start(&monitor, &["--json", "events", "--last", "1", "--follow"]);
    let value: Value = serde_json::from_str(&follow.next()).unwrap();
    assert_eq!(value["event"]["seq"], crate::sample::events().last().unwrap().seq);
}
