//! Every state of the screen crossed with every acting key: what is asked for, or why not. The
//! table of `docs/console.md` is what is found here: `MMM_WRITE_DOCS=1` writes it.

use std::fmt::Write as _;
use std::path::Path;

use mmm_proto::MonitorMode;
use mmm_proto::console::ToMonitor;
use mmm_proto::plan::Progress;
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::keys::TABLE;
use mmm_tui::app::msg::{Key, Msg};

use crate::console::Console;
use crate::sample;

const SIZE: (u16, u16) = (80, 24);
const BEGIN: &str = "<!-- actions -->\n";
const END: &str = "<!-- actions end -->";

type State = (&'static str, fn(&mut Console));

fn changed(console: &mut Console, change: impl FnOnce(&mut mmm_proto::ClusterView)) {
    let mut view = sample::view();
    change(&mut view);
    console.view(view);
}

/// The states of the screen, as the header or the attention line names them.
const STATES: &[State] = &[
    ("CONNECTING", |c| *c = Console::new(SIZE, true)),
    ("LIVE", |_| {}),
    ("STALE", |c| drop(c.after(4000).wishes())),
    ("NO LINK", |c| {
        c.lost("connection refused", false);
        c.after(12_000);
    }),
    ("PROTOCOL", Console::foreign),
    ("REFUSED", |c| c.lost("its cluster is \"blog\"", true)),
    ("FROZEN", |c| drop(c.keys("p").wishes())),
    ("MANUAL", |c| changed(c, |view| view.mode = MonitorMode::Manual)),
    ("WAIT 42s", |c| drop(c.view(sample::waiting()).wishes())),
    ("PASSIVE", |c| c.view(crate::rows::passive()).wishes().clear()),
    ("MONITOR ALONE", |c| changed(c, |view| view.held = "no other host answers".to_owned())),
    ("FAILOVER", |c| {
        changed(c, |view| {
            view.running = sample::moving().running.map(|run| Progress { by: None, ..run });
        });
    }),
    ("MOVING", |c| drop(c.view(sample::moving()).wishes())),
    ("RO, `--read-only`", |c| c.model.setup.read_only = true),
    ("RO, by the monitor", |c| c.up(false)),
    ("CONNECTING, gone to another cluster", |c| {
        *c = Console::several(SIZE);
        c.keys("cj").key(Key::Enter).wishes();
    }),
    ("too small", |c| drop(c.msg(Msg::Resize(30, 8)).wishes())),
];

/// What is pressed for each acting key: on db5, which is set offline, or on db2, which could become
/// writer; of the menu of modes MANUAL, of the addresses the first one.
const KEYS: &[(&str, &str)] = &[
    ("U", "GU"),
    ("X", "gjX"),
    ("W", "gjW"),
    ("V", "gjV\n"),
    ("m", "mm"),
    (":", ":set_online db5\n"),
    ("a", "gjaW"),
];

/// What came of it.
fn outcome(make: fn(&mut Console), keys: &str) -> String {
    let mut console = Console::live(SIZE);
    make(&mut console);
    console.wishes();
    for c in keys.chars() {
        match c {
            // Only where something is open: else the key would be another one.
            '\n' if console.model.layer.is_none() => {}
            '\n' => {
                console.key(Key::Enter);
            }
            c => {
                console.key(Key::Char(c));
            }
        }
    }
    let wishes = console.wishes();
    match wishes.as_slice() {
        [] => {
            let note = console.note();
            let why = note.split_once(" is off: ").map_or(note.as_str(), |(_, why)| why);
            if why.is_empty() { "no key works but the ways out".to_owned() } else { why.to_owned() }
        }
        [Cmd::Ask(ToMonitor::Plan { .. })] => "plan".to_owned(),
        other => panic!("{keys}: {other:?}"),
    }
}

fn table() -> String {
    let mut text = String::from("| state | a plan for | off | why |\n| --- | --- | --- | --- |\n");
    for (state, make) in STATES {
        let mut why: Vec<(String, Vec<&str>)> = Vec::new();
        for (key, keys) in KEYS {
            let found = outcome(*make, keys);
            match why.iter_mut().find(|(text, _)| *text == found) {
                Some((_, all)) => all.push(key),
                None => why.push((found, vec![key])),
            }
        }
        let planned = why.iter().find(|(text, _)| text == "plan");
        let planned = planned.map_or(String::new(), |(_, keys)| keys.join(" "));
        why.retain(|(text, _)| text != "plan");
        let off: Vec<String> = why.iter().map(|(_, keys)| keys.join(" ")).collect();
        let reasons: Vec<&str> = why.iter().map(|(text, _)| text.as_str()).collect();
        let (off, reasons) = (off.join("; "), reasons.join("; "));
        let _ = writeln!(text, "| {state} | {planned} | {off} | {reasons} |");
    }
    text
}

#[test]
fn every_state_with_every_acting_key_is_as_the_page_says() {
    // Whoever adds an acting key adds it here.
    for row in TABLE.iter().filter(|row| row.action.acts()) {
        let name = row.keys[0].name();
        assert!(KEYS.iter().any(|(key, _)| *key == name), "{name} is missing");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/console.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let from = text.find(BEGIN).expect("the mark before the table") + BEGIN.len();
    let to = from + text[from..].find(END).expect("the mark behind the table");
    let wanted = format!("\n{}\n", table());
    if text[from..to] == wanted {
        return;
    }
    if std::env::var_os("MMM_WRITE_DOCS").is_some() {
        std::fs::write(&file, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    panic!("the table differs; MMM_WRITE_DOCS=1 writes it:\n{wanted}");
}

#[test]
fn only_states_that_are_current_and_allowed_let_anything_through() {
    for (state, make) in STATES {
        let open = matches!(*state, "LIVE" | "MANUAL" | "WAIT 42s" | "PASSIVE");
        for (key, keys) in KEYS {
            let found = outcome(*make, keys);
            assert!(open || found != "plan", "{state}, {key}");
            assert!(!found.is_empty(), "{state}, {key}: no reason");
        }
        let through = KEYS.iter().filter(|(_, keys)| outcome(*make, keys) == "plan").count();
        let wanted = if *state == "PASSIVE" { 3 } else { KEYS.len() };
        assert!(!open || through == wanted, "{state}: {through}");
    }
}
