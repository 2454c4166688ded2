//! A guest in the terminal: what the real `mmm-tui` writes to it and takes from it, byte by byte,
//! in a pseudo-terminal that answers nothing.

use mmm_proto::console::ToMonitor;
use mmm_tui::shell::terminal::{self, Screen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake_monitor::{FakeMonitor, obedient, until};
use crate::pty::{TUI, Tty};

fn console(monitor: &FakeMonitor, args: &[&str], vars: &[(&str, &str)]) -> Tty {
    let socket = monitor.socket();
    let mut words = vec![TUI, "--socket", socket.to_str().unwrap()];
    words.extend(args);
    Tty::run_with(&words, vars)
}

/// Everything that it wrote so far, with escapes as `^[`.
fn written(tty: &Tty) -> String {
    String::from_utf8_lossy(&tty.written()).replace('\x1b', "^[")
}

/// The final letters and parameters of all control sequences.
fn sequences(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let parts = text.split("\x1b[").skip(1);
    parts
        .filter_map(|part| {
            let end = part.find(|c: char| ('@'..='~').contains(&c))?;
            Some(part[..=end].to_owned())
        })
        .collect()
}

#[test]
fn the_terminal_is_asked_nothing() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = console(&monitor, &["--ascii"], &[]);
    tty.sees("> db1");
    // Through every screen, a new size, a suspension that cannot happen, a repaint, the mouse.
    for (keys, shows) in [
        ("j\r", "Replication from"),
        ("2", "newest first"),
        ("1", "config order"),
        ("?", "Help"),
        ("q", "config order"),
        ("jgV", "What db1 is to have"),
        ("q", "config order"),
        (":mouse on\r", "the mouse selects rows"),
        ("y", "copied, if your terminal allows it"),
        ("\x0c", "config order"),
        ("jW", "Plan 119"),
    ] {
        tty.send(keys);
        tty.sees(shows);
    }
    tty.send("\x03");
    tty.exits();
    let bytes = tty.written();
    for sequence in sequences(&bytes) {
        let last = sequence.chars().next_back().unwrap_or_default();
        // Device status and attributes, window reports, modes and keyboard protocol queries.
        let asks = matches!(last, 'n' | 'c' | 't' | 'x' | 'y')
            || sequence.ends_with("$p")
            || (last == 'u' && sequence.starts_with('?'))
            || sequence.ends_with(">q");
        assert!(!asks, "ESC[{sequence} asks the terminal");
    }
    let text = written(&tty);
    // Colours and names are asked for by OSC and DCS; only the clipboard is written that way.
    assert!(!text.replace("^[]52;c;", "").contains("^[]") && !text.contains("^[P"), "{text}");
    assert!(!text.contains("^[]52;c;?"), "the clipboard is not read: {text}");
}

#[test]
fn only_these_modes_are_switched_and_all_of_them_back() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = console(&monitor, &["--ascii"], &[]);
    tty.sees("> db1");
    let modes = |tty: &Tty, last: char| -> Vec<String> {
        let mut all: Vec<String> = sequences(&tty.written())
            .into_iter()
            .filter(|one| one.starts_with('?') && one.ends_with(last) && !one.starts_with("?2026"))
            .map(|one| one.trim_matches(['?', last]).to_owned())
            .collect();
        all.sort();
        all.dedup();
        all
    };
    // Alternate screen and bracketed paste; the cursor is hidden (`?25l`). No mouse.
    assert_eq!(modes(&tty, 'h'), ["1049", "2004"]);
    assert_eq!(modes(&tty, 'l'), ["25"]);
    tty.send(":mouse on\r");
    tty.sees("the mouse selects rows");
    assert_eq!(modes(&tty, 'h'), ["1000", "1006", "1049", "2004"]);
    // A press on the row of db3, as a terminal tells it: rows count from 1.
    let row = tty.text().lines().position(|line| line.starts_with("  db3")).unwrap() + 1;
    tty.send(&format!("\x1b[<0;5;{row}M\x1b[<0;5;{row}m"));
    tty.sees("> db3");
    tty.send("q");
    assert_eq!(tty.exits(), 0);
    tty.is_restored();
    assert_eq!(modes(&tty, 'l'), ["1000", "1006", "1049", "2004", "25"]);
    assert_eq!(modes(&tty, 'h'), ["1000", "1006", "1049", "2004", "25"]);
}

#[test]
fn without_colour_none_is_written_and_the_selection_is_still_seen() {
    let colours = |tty: &Tty| -> Vec<String> {
        let all = sequences(&tty.written());
        let sgr = all.into_iter().filter(|one| one.ends_with('m'));
        let color =
            |n: &str| matches!(n.len(), 2 | 3) && (n.starts_with(['3', '4', '9']) || n.len() == 3);
        sgr.filter(|one| {
            one.trim_end_matches('m').split(';').any(|n| color(n) && n != "39" && n != "49")
        })
        .collect()
    };
    for (args, vars, colored) in [
        (&["--ascii"][..], &[][..], true),
        (&["--ascii"], &[("NO_COLOR", "1")], false),
        (&["--ascii"], &[("NO_COLOR", "")], true),
        (&["--ascii", "--color", "never"], &[], false),
        (&["--ascii", "--color", "always"], &[("NO_COLOR", "1")], true),
    ] {
        let monitor = FakeMonitor::start(obedient);
        let mut tty = console(&monitor, args, vars);
        tty.sees("HARD_OFFLINE");
        tty.send("j");
        tty.sees("> db2");
        let found = colours(&tty);
        assert_eq!(!found.is_empty(), colored, "{args:?} {vars:?}: {found:?}");
        let reversed = tty.screen(|screen| {
            let text = screen.contents();
            let row = text.lines().position(|line| line.starts_with("> db2")).unwrap_or(0);
            screen.cell(u16::try_from(row).unwrap(), 2).is_some_and(vt100::Cell::inverse)
        });
        assert!(reversed, "{args:?} {vars:?}");
        tty.send("q");
        tty.exits();
    }
}

#[test]
fn lines_are_drawn_where_the_locale_can_and_ascii_is_where_it_cannot() {
    for (vars, ascii) in [
        (&[("LC_ALL", "C.UTF-8")][..], false),
        (&[("LC_ALL", ""), ("LC_CTYPE", "en_US.utf8"), ("LANG", "C")], false),
        (&[("LC_ALL", "C"), ("LANG", "C.UTF-8")], true),
        (&[("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "de_DE.ISO-8859-1")], true),
        (&[("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "")], true),
    ] {
        let monitor = FakeMonitor::start(obedient);
        let mut tty = console(&monitor, &[], vars);
        let text = tty.sees("Addresses 5");
        assert_eq!(text.contains('─'), !ascii, "{vars:?}\n{text}");
        tty.send("q");
        tty.exits();
        assert_eq!(tty.written().is_ascii(), ascii, "{vars:?}");
    }
}

/// Waits until the dialog is no longer deaf, and leaves nothing typed.
fn hears(tty: &mut Tty) {
    until("the dialog to hear", || {
        tty.send("x");
        let text = tty.text();
        if text.contains("Enter:  x") { Ok(()) } else { Err(text) }
    });
    until("nothing to be typed", || {
        tty.send("\x7f");
        let text = tty.text();
        if text.contains("Enter:  _") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn cut_sequences_pastes_and_what_was_typed_ahead_do_nothing() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = console(&monitor, &["--ascii"], &[]);
    tty.sees("> db1");
    // Sequences cut at any place by a slow line; a late rest must not act either.
    for pieces in [&["\x1b", "[B"][..], &["\x1b[", "B"], &["\x1b", "[", "B"], &["\x1bO", "B"]] {
        tty.send("g");
        tty.sees("> db1");
        for piece in pieces {
            tty.send(piece);
        }
        tty.sees("> db2");
    }
    // A paste with acting keys, the name and Enter in it, while a plan waits.
    tty.send("jg");
    tty.send("\x1b[200~jWq\r\x1b[201~");
    tty.sees("pasted text is not taken");
    tty.send("jW");
    hears(&mut tty);
    tty.send("\x1b[200~db2\r\x1b[201~");
    tty.sees("pasted text is not taken");
    tty.sees("Type db2 and press Enter:  _");
    tty.send("\x1b");
    tty.sees("cancelled, nothing was done");
    // All in one go: the plan comes when the rest was typed already.
    tty.send("gjWdb2\r");
    tty.sees("Type db2 and press Enter:  _");
    hears(&mut tty);
    tty.send("\x1b");
    tty.sees("cancelled, nothing was done");
    let applied =
        |asked: &ToMonitor| matches!(asked, ToMonitor::Apply { .. } | ToMonitor::Run { .. });
    assert!(!monitor.seen().iter().any(applied), "{:?}", monitor.seen());
    // The 2 of the name opened the events where the plan took longer than the typing.
    tty.send("1q");
    assert_eq!(tty.exits(), 0);
}

#[test]
fn a_row_goes_to_the_clipboard_in_one_sequence() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = console(&monitor, &["--ascii"], &[]);
    tty.sees("> db1");
    tty.send("y");
    tty.sees("copied, if your terminal allows it: db1 192.168.0.31:3306");
    let text = written(&tty);
    // "db1 192.168.0.31:3306 master ONLINE lag -" in base64.
    let coded = "ZGIxIDE5Mi4xNjguMC4zMTozMzA2IG1hc3RlciBPTkxJTkUgbGFnIC0=";
    assert_eq!(text.matches(&format!("^[]52;c;{coded}\x07")).count(), 1, "{text}");
    tty.send("q");
    tty.exits();
}

/// Set for the program that is to panic: this test again, in a terminal.
const PANIC: &str = "MMM_TUI_TEST_PANIC";

#[test]
fn a_panic_gives_the_terminal_back_says_one_line_and_exits_70() {
    if std::env::var_os(PANIC).is_some() {
        return panics();
    }
    let this = std::env::current_exe().unwrap();
    let name = "terminal::a_panic_gives_the_terminal_back_says_one_line_and_exits_70";
    let words = [this.to_str().unwrap(), "--exact", name, "--nocapture", "--test-threads=1"];
    let mut tty = Tty::run_with(&words, &[(PANIC, "1")]);
    assert_eq!(tty.exits(), 70);
    tty.is_restored();
    let text = tty.sees("internal error, please report it");
    assert!(text.contains("on purpose") && !text.contains("drawn by"), "{text}");
    let text = written(&tty);
    assert!(text.contains("Hdrawn") && text.contains("^[[?1000l"), "{text}");
}

/// Takes the terminal as the console does, draws, and panics.
fn panics() {
    terminal::hook_panics();
    terminal::enter().unwrap();
    terminal::mouse(true).unwrap();
    let mut screen = Screen::new((80, 24)).unwrap();
    let drawn = screen.draw(|frame| {
        frame.buffer_mut().set_string(0, 0, "drawn by the console", ratatui::style::Style::new());
    });
    panic!("on purpose, {}", drawn.is_ok());
}

#[test]
fn every_deadly_signal_gives_the_terminal_back() {
    let signals = [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)];
    for (signal, exit) in signals {
        let monitor = FakeMonitor::start(obedient);
        let mut tty = console(&monitor, &["--ascii"], &[]);
        tty.sees("> db1");
        // Also with a plan on the screen.
        tty.send("jW");
        tty.sees("Plan 119");
        let pid = i32::try_from(tty.child.process_id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
        assert_eq!(tty.exits(), exit, "{signal}");
        tty.is_restored();
        tty.sees("shop-prod ACTIVE writer db1");
    }
}

#[test]
fn a_console_whose_parent_dies_goes_with_its_terminal() {
    let monitor = FakeMonitor::start(obedient);
    let socket = monitor.socket();
    // The parent starts it in the background of a shell that waits, and is killed.
    let line = format!("{TUI} --ascii --socket {}; true", socket.display());
    let mut tty = Tty::run_with(&["/bin/bash", "--norc", "-c", &line], &[]);
    tty.sees("> db1");
    let pid = i32::try_from(tty.child.process_id().unwrap()).unwrap();
    let consoles = || crate::pty::consoles(&socket);
    assert_eq!(consoles().len(), 1);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    tty.exits();
    // With the leader of its session the terminal is gone for it, whether it was told or not.
    until("the console to be gone", || {
        let left = consoles();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
