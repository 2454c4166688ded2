//! Every form of `--json` against the schema that `mmm-control schema` prints, closed: a field that
//! the schema does not name is a mistake here. The real program on a real `mmm-mond demo`, and on a
//! scripted monitor for what a demo does not do.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jsonschema::Validator;
use mmm_proto::console::{Answer, Refusal, RefusalCode};
use serde_json::{Value, json};

use crate::control::ask;
use crate::fake_monitor::{FakeMonitor, Say, obedient, until};
use crate::pty::TUI;

const CONTROL: &str = env!("CARGO_BIN_EXE_mmm-control");

fn run(words: &[&str]) -> String {
    let done = Command::new(CONTROL).args(words).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// The schema as it is printed.
fn printed() -> Value {
    serde_json::from_str(&run(&["schema"])).unwrap()
}

/// Closes every object of the schema: what it does not name may not be there.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.get("properties").is_some_and(Value::is_object)
                && map.get("type").is_some_and(|is| is == "object" || is.is_array())
            {
                map.entry("unevaluatedProperties").or_insert(json!(false));
            }
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

fn closed() -> Validator {
    let mut schema = printed();
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

/// The one object of an output, after the schema has liked it.
fn fits(schema: &Validator, what: &str, line: &str) -> Value {
    assert_eq!(line.lines().count(), 1, "{what}: {line}");
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{what}: {e}: {line}"));
    let wrong: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}\n{line}");
    value
}

/// A real monitor that plays. Ends with the pipe.
struct Demo {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("m.sock");
        let program = Path::new(TUI).with_file_name("mmm-mond");
        assert!(program.is_file(), "run `cargo build -p mmm-daemon --bins` first");
        let child = Command::new(program)
            .args(["demo", "--with-parent", "--socket"])
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let demo = Self { child, socket, _folder: folder };
        until("the demo's writer", || {
            let text = demo.ask("show --json");
            if text.contains("\"state\":\"serving\"") { Ok(()) } else { Err(text) }
        });
        demo
    }

    fn ask(&self, line: &str) -> String {
        let mut words = vec!["--socket", self.socket.to_str().unwrap()];
        words.extend(line.split(' '));
        run(&words)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/mmm-control.json");
    let text = run(&["schema"]);
    if std::fs::read_to_string(&file).is_ok_and(|found| found == text) {
        return;
    }
    assert!(std::env::var_os("MMM_WRITE_DOCS").is_some(), "it differs; MMM_WRITE_DOCS=1 writes it");
    std::fs::write(&file, text).unwrap();
}

#[test]
fn the_schema_is_one_and_says_no_too() {
    assert!(jsonschema::meta::is_valid(&printed()));
    let (open, closed) = (jsonschema::validator_for(&printed()).unwrap(), closed());
    let good = json!({ "ok": true, "exit": 0, "verb": "mode", "mode": "ACTIVE" });
    assert!(open.is_valid(&good) && closed.is_valid(&good));
    let mut more = good.clone();
    more["later"] = json!(1);
    assert!(open.is_valid(&more), "later versions may add fields");
    assert!(!closed.is_valid(&more), "which the tests see");
    for (key, value) in [("mode", json!("LAZY")), ("exit", json!(9)), ("ok", json!("yes"))] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!open.is_valid(&bad), "{bad}");
    }
    // Deep inside, too.
    let mut shown = json!({ "ok": true, "exit": 0, "verb": "show", "view": crate::sample::view() });
    assert!(closed.is_valid(&shown));
    shown["view"]["hosts"][0]["server"]["later"] = json!(1);
    assert!(open.is_valid(&shown) && !closed.is_valid(&shown));
    shown["view"]["hosts"][0].as_object_mut().unwrap().remove("state");
    assert!(!open.is_valid(&shown), "what is always there is required");
    let two = json!({ "ok": true, "exit": 0, "verb": "mode", "mode": "ACTIVE", "text": "" });
    assert!(!open.is_valid(&two));
}

#[test]
fn every_form_of_a_real_monitor_fits() {
    let schema = closed();
    let demo = Demo::start();
    for (line, key) in [
        ("show", "view"),
        ("mode", "mode"),
        ("ping", "answer"),
        ("help", "text"),
        ("checks", "checks"),
        ("checks db2 ping", "checks"),
        ("explain", "explain"),
        ("explain db2", "explain"),
        ("explain writer", "explain"),
        ("explain reader", "explain"),
        ("explain nobody", "error"),
        ("doctor", "findings"),
        ("plan move_role writer db2", "plan"),
        ("plan set_offline db3", "plan"),
        ("plan set_passive", "plan"),
        ("move_role writer db2", "answer"),
        ("move_role writer db2", "answer"),
        ("set_offline db3", "answer"),
        ("show", "view"),
        ("set_online db3", "answer"),
        ("set_online db3", "answer"),
        ("set_passive", "answer"),
        ("explain", "explain"),
        ("set_active", "answer"),
        ("demo faults", "text"),
        ("demo fault kill server db2", "answer"),
        ("show", "view"),
        ("explain", "explain"),
        ("explain writer", "explain"),
        ("demo calm", "answer"),
        ("events", "events"),
        ("events --last 3", "events"),
        ("--no-wait move_role writer db1", "answer"),
        ("shwo", "error"),
        ("plan show", "error"),
        ("config import", "error"),
    ] {
        let value = fits(&schema, line, &demo.ask(&format!("--json {line}")));
        assert!(!value[key].is_null(), "{line} has no {key}: {value}");
    }
}

#[test]
fn what_a_demo_does_not_do_fits() {
    let schema = closed();
    let monitor = FakeMonitor::start(obedient);
    for view in [crate::sample::view(), crate::sample::moving(), crate::sample::moved()] {
        monitor.show(view);
        for word in ["show", "explain", "checks"] {
            fits(&schema, word, &ask(&monitor, &["--json", word]).out);
        }
    }
    for undone in [true, false] {
        let why = "db2 did not catch up".to_owned();
        let says = Say::Answer(Answer::Failed { undone, why });
        let monitor = FakeMonitor::start(move |_| vec![says.clone()]);
        let ran = ask(&monitor, &["--json", "set_offline", "db2"]);
        assert_eq!(fits(&schema, "failed", &ran.out)["answer"]["undone"], undone);
    }
    let codes = [RefusalCode::Unknown, RefusalCode::Behind, RefusalCode::Forbidden];
    for code in codes {
        let refusal = Refusal { code, reason: "no".to_owned() };
        let says = Say::Answer(Answer::Refused { refusal });
        let monitor = FakeMonitor::start(move |_| vec![says.clone()]);
        fits(&schema, "refused", &ask(&monitor, &["--json", "set_offline", "db2"]).out);
    }
    fits(&schema, "unreachable", &run(&["--json", "--socket", "/nonexistent/s", "show"]));
    fits(&schema, "wrong usage", &run(&["--json", "--nope"]));
}

#[test]
fn every_line_of_what_is_followed_fits() {
    let schema = closed();
    let mut monitor = FakeMonitor::start(obedient);
    let mut child = Command::new(CONTROL)
        .args(["--json", "--socket"])
        .arg(monitor.socket())
        .args(["events", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = |what: &str| fits(&schema, what, &lines.next().unwrap().unwrap());
    let kept = crate::sample::events().len();
    for _ in 0..kept {
        assert!(!next("an event")["event"].is_null());
    }
    monitor.down();
    assert_eq!(next("the loss")["link"]["state"], "lost");
    monitor.listen();
    assert_eq!(next("the return")["link"]["state"], "back");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut child = Command::new(CONTROL)
        .args(["--json", "--socket"])
        .arg(monitor.socket())
        .arg("watch")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let head = fits(&schema, "the head of watch", &lines.next().unwrap().unwrap());
    assert!(!head["view"].is_null(), "{head}");
    child.kill().unwrap();
    child.wait().unwrap();
}
