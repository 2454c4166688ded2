//! Every screen and state in every form: at three sizes, with colour and without, in ASCII and with
//! lines. Colour never changes a letter, and without it none is used.

use mmm_proto::MonitorMode;
use mmm_tui::app::msg::Key;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

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
    ("protocol", |c| c.lost("upgrade the console", true), "PROTOCOL"),
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
