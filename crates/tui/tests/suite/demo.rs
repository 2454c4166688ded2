//! `mmm-tui --demo` with the real `mmm-mond demo` in a real pseudo-terminal, and the words of
//! `mmm-control demo` against a scripted monitor.

use std::path::{Path, PathBuf};

use mmm_proto::console::{Answer, Refusal, RefusalCode, ToMonitor};
use mmm_proto::{Demo, Span};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::control::ask;
use crate::fake_monitor::{FakeMonitor, Say, done, until};
use crate::pty::{TUI, Tty};

/// A console on a demo of its own.
struct Played {
    tty: Tty,
    mond: i32,
}

impl Played {
    fn start() -> Self {
        let beside = Path::new(TUI).with_file_name("mmm-mond");
        assert!(
            beside.is_file(),
            "no {}: run `cargo build -p mmm-daemon --bins` first",
            beside.display()
        );
        let tty = Tty::run(&[TUI, "--ascii", "--demo"]);
        tty.sees("[DEMO]");
        let parent = i32::try_from(tty.child.process_id().unwrap()).unwrap();
        let mond = until("mmm-mond to be found", || {
            children(parent).first().copied().ok_or_else(|| "no child".to_owned())
        });
        Self { tty, mond }
    }

    /// The demo's process and folder are gone.
    fn is_gone(&self) {
        let place = place(self.mond);
        until("the demo to be gone", || {
            let alive = kill(Pid::from_raw(self.mond), None).is_ok();
            if alive || place.exists() { Err(format!("alive: {alive}")) } else { Ok(()) }
        });
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        // A test that failed half-way.
        let _ = kill(Pid::from_raw(self.mond), Signal::SIGTERM);
    }
}

fn place(mond: i32) -> PathBuf {
    let above = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = above.filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
    above.join(format!("mmm-demo-{mond}-0"))
}

/// The processes whose parent that is.
fn children(parent: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name stands in brackets and may hold anything; state and parent follow it.
        let after = stat.rsplit(") ").next().unwrap_or_default();
        if after.split(' ').nth(1) == Some(parent.to_string().as_str()) {
            found.push(pid);
        }
    }
    found
}

#[test]
fn a_demo_fails_over_by_keys_and_leaves_nothing_behind() {
    let mut played = Played::start();
    let text = played.tty.sees("writer db1");
    assert!(text.contains("[DEMO] main  simulated"), "{text}");
    assert!(text.contains("f break"), "{text}");
    played.tty.sees("press f: break something, or heal it");
    assert!(place(played.mond).join("mond.sock").exists());
    played.tty.send("f");
    played.tty.sees("kill the writer's server");
    played.tty.send("w");
    played.tty.sees("OK: kill server db1");
    played.tty.sees("writer db2");
    played.tty.sees("# HARD_OFFLINE");
    played.tty.send("q");
    assert_eq!(played.tty.exits(), 0);
    played.tty.is_restored();
    played.is_gone();
}

#[test]
fn a_paused_monitor_makes_the_picture_old_and_the_menu_sets_it_going() {
    let mut played = Played::start();
    played.tty.sees("writer db1");
    played.tty.send("fp");
    let text = played.tty.sees("STALE");
    assert!(text.contains("[DEMO]") && text.contains("NOT CURRENT"), "{text}");
    played.tty.send("fs");
    played.tty.sees("LIVE");
    played.tty.sees("writer db1");
    played.tty.send("q");
    assert_eq!(played.tty.exits(), 0);
    played.is_gone();
}

#[test]
fn a_console_that_is_killed_takes_its_demo_with_it() {
    let mut played = Played::start();
    let pid = i32::try_from(played.tty.child.process_id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    played.tty.exits();
    played.is_gone();
}

#[test]
fn without_mmm_mond_it_says_what_is_missing() {
    let folder = tempfile::tempdir_in(Path::new(TUI).parent().unwrap()).unwrap();
    let alone = folder.path().join("mmm-tui");
    std::fs::hard_link(TUI, &alone).unwrap();
    let words = ["/usr/bin/env", "PATH=/nonexistent", alone.to_str().unwrap(), "--demo"];
    let mut tty = Tty::run(&words);
    assert_eq!(tty.exits(), 1);
    tty.sees("--demo needs mmm-mond, and it is neither beside this program nor on the PATH");
}

#[test]
fn the_words_of_a_demo_are_sent_and_every_outcome_has_its_exit_code() {
    let monitor = FakeMonitor::start(|_| vec![done("kill server db1")]);
    let ran = ask(&monitor, &["demo", "fault", "kill", "server", "db1"]);
    assert_eq!((ran.exit, ran.out.as_str()), (0, "OK: kill server db1\n"), "{}", ran.err);
    let ran = ask(&monitor, &["demo", "faults"]);
    assert_eq!((ran.exit, ran.out.as_str()), (0, "kill server db1"));
    let ran = ask(&monitor, &["--json", "demo", "calm"]);
    assert!(
        ran.out.contains("\"ok\":true") && ran.out.contains("\"verb\":\"demo\""),
        "{}",
        ran.out
    );
    let asked = |id, demo| ToMonitor::Demo { id, demo };
    let what = "kill server db1".to_owned();
    let sent = [Demo::Fault { what }, Demo::Faults, Demo::Calm].map(|demo| asked(1, demo));
    assert_eq!(monitor.seen(), sent);

    let refusal = Refusal { code: RefusalCode::State, reason: "this is no demo".to_owned() };
    let refused = Say::Answer(Answer::Refused { refusal });
    let old = Say::Error("unknown kind \"demo\"");
    for (says, words, exit, wants) in [
        (refused, "demo calm", 1, "ERROR: this is no demo\n"),
        (old, "demo calm", 1, "this is no demo; the monitor said: unknown kind"),
        (Say::Close, "demo calm", 4, "outcome unknown: "),
        (Say::Close, "demo faults", 3, "ERROR: the monitor closed"),
    ] {
        let monitor = FakeMonitor::start(move |_| vec![says.clone()]);
        let ran = ask(&monitor, &words.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.exit, exit, "{words}: {}", ran.err);
        assert!(ran.err.contains(wants), "{words}: {}", ran.err);
    }
    for words in [&["demo"][..], &["demo", "fault"], &["demo", "explode"]] {
        let ran = ask(&monitor, words);
        assert_eq!(ran.exit, 2, "{words:?}: {}", ran.err);
        assert!(ran.err.contains("demo faults"), "{}", ran.err);
    }
}

#[test]
fn faults_are_asked_for_in_a_demo_only_and_also_of_an_old_picture() {
    use crate::console::Console;
    use mmm_tui::app::cmd::Cmd;
    let mut console = Console::live((80, 24));
    console.wishes();
    console.keys("f");
    assert_eq!(console.note(), "f means nothing here, ? lists the keys");
    let mut view = crate::sample::view();
    view.demo = true;
    console.view(view);
    // A letter that is no fault leaves the menu open, and does not act on a host.
    console.keys("fWXz");
    assert_eq!(console.wishes(), []);
    console.after(Span::secs(60).as_ms());
    console.keys("s");
    let wishes = console.wishes();
    let what = "start all".to_owned();
    assert!(
        matches!(&wishes[..], [Cmd::Ask(ToMonitor::Demo { demo, .. })]
            if *demo == Demo::Fault { what }),
        "{wishes:?}"
    );
    assert_eq!(console.model.layer, None);
    console.keys(":demo fault cut db2").key(mmm_tui::app::msg::Key::Enter);
    let wishes = console.wishes();
    assert!(matches!(&wishes[..], [Cmd::Ask(ToMonitor::Demo { .. })]), "{wishes:?}");
    console.lost("connection refused", false);
    console.keys("fh");
    assert_eq!((console.wishes(), console.model.layer.is_none()), (vec![], true));
    assert_eq!(console.note(), "demo fault calm is off: there is no link to the demo");
    console.up(true);
    console.model.setup.read_only = true;
    console.keys("fh");
    assert_eq!(console.wishes(), []);
    assert!(console.note().contains("--read-only"), "{}", console.note());
}
