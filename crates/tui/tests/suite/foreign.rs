//! A monitor of another wire version: looking works, acting does not, in both programs.

use crate::control::ask;
use crate::fake_monitor::{FakeMonitor, Say, obedient};
use crate::pty::{TUI, Tty};

const WHY: &str = "monitor speaks 3, this console 1: looking works, acting does not (upgrade the \
                   console)";

/// It needs version 3; what it says beyond ours is left out by who does not know it.
fn newer(
    script: impl FnMut(&mmm_proto::console::ToMonitor) -> Vec<Say> + Send + 'static,
) -> FakeMonitor {
    let monitor = FakeMonitor::start(script);
    let mut state = monitor.state.lock().unwrap();
    (state.hello.protocol, state.hello.oldest) = (3, 3);
    drop(state);
    monitor
}

#[test]
fn control_looks_with_a_warning_and_asks_for_nothing_that_acts() {
    let monitor = newer(obedient);
    for looks in [&["show"][..], &["checks"], &["mode"], &["explain"], &["events"], &["ping"]] {
        let ran = ask(&monitor, looks);
        assert_eq!((ran.exit, ran.err.as_str()), (0, &*format!("WARNING: {WHY}\n")), "{looks:?}");
        assert!(!ran.out.is_empty(), "{looks:?}");
    }
    let seen = monitor.seen().len();
    for acts in [&["set_online", "db5"][..], &["move_role", "writer", "db2"], &["set_passive"]] {
        let ran = ask(&monitor, acts);
        assert_eq!((ran.exit, ran.err.as_str()), (1, &*format!("ERROR: {WHY}\n")), "{acts:?}");
    }
    assert_eq!(monitor.seen().len(), seen, "nothing was asked of it");
}

#[test]
fn what_cannot_be_read_is_told_with_the_remedy() {
    let monitor = newer(|_| vec![Say::Garbage(b"{\"kind\":\"answer\",\"id\":\"new\"}\n")]);
    let ran = ask(&monitor, &["plan", "set_online", "db5"]);
    assert_eq!(ran.exit, 3, "{}", ran.err);
    let wants = format!("{WHY}; what it sends cannot be read: ");
    assert!(ran.err.contains(&wants), "{}", ran.err);
}

#[test]
fn the_console_shows_the_picture_and_says_why_no_key_acts() {
    let monitor = newer(obedient);
    let socket = monitor.socket();
    let mut tty = Tty::run(&[TUI, "--ascii", "--socket", socket.to_str().unwrap()]);
    tty.sees("! PROTOCOL");
    tty.sees("monitor speaks 3, this console 1: looking works");
    tty.sees("HARD_OFFLINE");
    tty.send("jW");
    tty.sees("W is off: monitor speaks 3, this console 1");
    tty.send("j\r");
    tty.sees("Replication from");
    let asked = monitor.seen();
    let looks = |request: &_| matches!(request, mmm_proto::console::ToMonitor::Subscribe { .. });
    assert!(asked.iter().all(looks), "{asked:?}");
    tty.send("q");
    tty.send("q");
    tty.exits();
}
