//! Every screen and state in every form: at three sizes, with colour and without, in ASCII and with
//! lines. Colour never changes a letter, and without it none is used. The letters and the styles of
//! each are snapshots, so that a change of the one does not hide one of the other.

use std::fmt::Write as _;

use mmm_proto::MonitorMode;
use mmm_proto::console::{Answer, Refusal, RefusalCode};
use mmm_proto::plan::{Level, Progress};
use mmm_proto::view::WriterState;
use mmm_tui::app::msg::{Key, Msg};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::console::Console;
use crate::sample;

const SIZES: [(u16, u16); 3] = [(60, 16), (80, 24), (160, 45)];

/// A screen or state: its name, how to get there, the words that say it without colour.
type Case = (&'static str, fn(&mut Console), &'static str);

fn mode(console: &mut Console, mode: MonitorMode) {
    let mut view = sample::view();
    view.mode = mode;
    console.view(view);
}

/// A plan for the writer's move, ready for keys.
fn planned(console: &mut Console, level: Level) {
    console.keys("jW");
    let id = console.plan_id();
    let plan = Box::new(sample::plan(sample::move_writer("db2"), level, "db2"));
    console.answer(id, Answer::Plan { plan });
    console.msg(Msg::Drawn).after(500);
}

const CASES: &[Case] = &[
    ("overview", |_| {}, "LIVE"),
    (
        "detail",
        |c| {
            c.keys("jj").key(Key::Enter);
        },
        "REPLICATION_DELAY",
    ),
    ("events", |c| drop(c.keys("2jj").wishes()), "Why"),
    ("help", |c| drop(c.keys("?").wishes()), "Help"),
    ("actions", |c| drop(c.keys("jja").wishes()), "Actions on db3"),
    ("mode menu", |c| drop(c.keys("m").wishes()), "PASSIVE"),
    ("prompt", |c| drop(c.keys(":sho").wishes()), ":sho_"),
    ("plan", |c| drop(c.open_move().wishes()), "shop-prod"),
    ("moving", |c| drop(c.view(sample::moving()).wishes()), "plan 119"),
    ("connecting", |c| *c = Console::new(c.model.size, true), "CONNECTING"),
    ("stale", |c| drop(c.after(4000).wishes()), "STALE 4s"),
    (
        "no link",
        |c| {
            c.lost("connection refused", false);
            c.after(12_000);
        },
        "NO LINK 12s",
    ),
    ("protocol", Console::foreign, "PROTOCOL"),
    ("refused", |c| c.lost("its cluster is \"blog\"", true), "REFUSED"),
    ("frozen", |c| drop(c.keys("p").wishes()), "FROZEN 14:02:21"),
    ("manual", |c| mode(c, MonitorMode::Manual), "MANUAL: roles of failed hosts"),
    ("wait", |c| mode(c, MonitorMode::Wait), "WAIT: roles stay"),
    ("passive", |c| mode(c, MonitorMode::Passive), "MONITOR IS PASSIVE"),
    (
        "held",
        |c| {
            let mut view = sample::view();
            view.held = "the monitor has no network".to_owned();
            c.view(view);
        },
        "DECISIONS ARE HELD: the monitor has no network",
    ),
    ("read only", |c| c.up(false), " RO "),
    (
        "clusters",
        |c| {
            *c = Console::several(c.model.size);
            c.keys("c");
        },
        "> shop  PROD",
    ),
    ("a cluster with a label", |c| *c = Console::several(c.model.size), " PROD shop"),
    (
        "gone to another cluster",
        |c| {
            *c = Console::several(c.model.size);
            c.keys("cj").key(Key::Enter);
        },
        " blog  mon2:9988  CONNECTING",
    ),
    (
        "conflict",
        |c| {
            let mut view = sample::view();
            view.writer.state = WriterState::Conflict;
            view.writer.host = None;
            c.view(view);
        },
        "writer CONFLICT",
    ),
    (
        "nobody serves",
        |c| {
            let mut view = sample::view();
            view.writer.state = WriterState::Vacant;
            c.view(view);
        },
        "db1 NOT SERVING",
    ),
    (
        "failover",
        |c| {
            let mut view = sample::moving();
            view.running = view.running.map(|run| Progress { by: None, ..run });
            c.view(view);
        },
        "by the monitor itself",
    ),
    ("moved", |c| drop(c.view(sample::moved()).wishes()), "writer db2"),
    (
        "frozen and moving",
        |c| {
            c.keys("p");
            c.view(sample::moving());
        },
        "FROZEN 14:02:21",
    ),
    ("plan by a key", |c| planned(c, Level::Key), "y runs it"),
    (
        "plan too old",
        |c| {
            planned(c, Level::Typed);
            // The picture goes on, the plan does not.
            c.now.0 += 61_000;
            c.view(sample::view());
        },
        "too old to be run",
    ),
    (
        "plan sent",
        |c| {
            planned(c, Level::Key);
            c.keys("y");
        },
        "waiting for the monitor",
    ),
    (
        "plan refused",
        |c| {
            planned(c, Level::Key);
            c.keys("y");
            let id = c.model.acting.as_ref().map_or(0, |acting| acting.id);
            let reason = "it changed while you were reading: db2 is REPLICATION_DELAY".to_owned();
            let refusal = Refusal { code: RefusalCode::Stale, reason };
            c.answer(id, Answer::Refused { refusal });
        },
        "refused: it changed",
    ),
    ("who may have an address", |c| drop(c.keys("jV").wishes()), "What db2 is to have"),
    ("filter", |c| drop(c.keys("/db3").wishes()), "/db3_"),
    ("filtered", |c| drop(c.keys("/db3").key(Key::Enter).wishes()), "filter: db3"),
    ("sorted", |c| drop(c.keys("sss").wishes()), "by state"),
    ("widened", |c| drop(c.key(Key::Tab).key(Key::Tab).keys("z").wishes()), "Events"),
    (
        "explained",
        |c| {
            c.keys(":explain reader").key(Key::Enter);
        },
        "Explained: reader",
    ),
    (
        "demo",
        |c| {
            let mut view = sample::view();
            view.demo = true;
            c.view(view).keys("f");
        },
        "Break something",
    ),
    (
        "long message",
        |c| {
            c.lost(
                "no mmm-control in the PATH of ops@mon1: install it there, or say where it is with \
                    --ssh-command (it said: bash: mmm-control: command not found)",
                true,
            );
        },
        "command not found)",
    ),
    ("too small", |c| c.model.size = (39, 9), "40"),
];

fn drawn(console: &Console) -> Buffer {
    let (columns, rows) = console.model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| mmm_tui::view::view(&console.model, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> Vec<String> {
    let columns = usize::from(buffer.area.width);
    let row =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect();
    buffer.content.chunks(columns).map(row).collect()
}

#[test]
fn every_state_is_told_without_colour_in_every_form() {
    for (name, make, words) in CASES {
        for size in SIZES {
            for ascii in [true, false] {
                let mut console = Console::live(size);
                make(&mut console);
                console.model.setup.ascii = ascii;
                console.model.setup.color = true;
                let colored = drawn(&console);
                console.model.setup.color = false;
                let mono = drawn(&console);
                let place = format!("{name}, {size:?}, ascii {ascii}");
                assert_eq!(text(&colored), text(&mono), "{place}");
                let plain = |color: Color| color == Color::Reset;
                let cells = &mono.content;
                assert!(cells.iter().all(|cell| plain(cell.fg) && plain(cell.bg)), "{place}");
                // The only background is REVERSE: it works on any palette.
                assert!(colored.content.iter().all(|cell| plain(cell.bg)), "{place}");
                let all = text(&mono).join("\n");
                assert!(all.contains(words), "{place} does not say {words:?}:\n{all}");
                assert!(!ascii || all.is_ascii(), "{place}:\n{all}");
            }
        }
    }
}

/// How a cell looks, in letters: its colour, then bold, dim, underlined, reversed.
fn look(cell: &ratatui::buffer::Cell) -> String {
    let color = match cell.fg {
        Color::Reset => "",
        Color::Red => "r",
        Color::Yellow => "y",
        Color::Green => "g",
        Color::Cyan => "c",
        Color::Blue => "b",
        Color::Magenta => "m",
        other => panic!("{other} is not in the palette"),
    };
    let mut look = color.to_owned();
    for (modifier, letter) in [
        (Modifier::BOLD, 'B'),
        (Modifier::DIM, 'D'),
        (Modifier::UNDERLINED, 'U'),
        (Modifier::REVERSED, 'R'),
    ] {
        if cell.modifier.contains(modifier) {
            look.push(letter);
        }
    }
    if look.is_empty() { ".".to_owned() } else { look }
}

/// The looks of each row that has any, as `14y 66.`.
fn looks(buffer: &Buffer) -> String {
    let mut text = String::new();
    let columns = usize::from(buffer.area.width);
    for (at, row) in buffer.content.chunks(columns).enumerate() {
        let mut runs: Vec<(usize, String)> = Vec::new();
        for look in row.iter().map(look) {
            match runs.last_mut() {
                Some((count, last)) if *last == look => *count += 1,
                _ => runs.push((1, look)),
            }
        }
        if runs.iter().any(|(_, look)| look != ".") {
            let runs: Vec<String> =
                runs.iter().map(|(count, look)| format!("{count}{look}")).collect();
            let _ = writeln!(text, "{:>2}: {}", at + 1, runs.join(" "));
        }
    }
    text
}

#[test]
fn every_form_is_as_it_was_reviewed() {
    for (name, make, _) in CASES {
        let mut letters = String::new();
        let mut styles = String::new();
        for size in SIZES {
            let mut console = Console::live(size);
            make(&mut console);
            console.model.setup.ascii = false;
            let lines = text(&drawn(&console));
            console.model.setup.ascii = true;
            let ascii = text(&drawn(&console));
            // In ASCII only what was no ASCII is another sign.
            for (line, ascii) in lines.iter().zip(&ascii) {
                for (c, ascii) in line.chars().zip(ascii.chars()) {
                    assert!(c == ascii || !c.is_ascii(), "{name}, {size:?}:\n{line}\n{ascii}");
                }
            }
            let (columns, rows) = size;
            let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
            let _ = writeln!(letters, "== {columns}x{rows}\n{}", lines.join("\n").trim_end());
            for (form, color) in [("colour", true), ("mono", false)] {
                console.model.setup.color = color;
                let _ = writeln!(styles, "== {columns}x{rows} {form}\n{}", looks(&drawn(&console)));
            }
        }
        let file = name.replace([' ', ','], "_");
        insta::assert_snapshot!(format!("{file}_letters"), letters);
        insta::assert_snapshot!(format!("{file}_styles"), styles);
    }
}
