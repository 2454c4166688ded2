//! Whole screens as text, at three sizes.

use mmm_proto::agent::Reach;
use mmm_proto::console::FromMonitor;
use mmm_proto::view::WriterState;
use mmm_proto::{HostName, MonitorMode};
use mmm_tui::app::msg::{Key, Msg};

use crate::console::Console;
use crate::sample;

const SIZES: [(u16, u16); 3] = [(60, 16), (80, 24), (160, 45)];

/// Compares the screen at every size with what was reviewed.
fn check(name: &str, mut make: impl FnMut((u16, u16)) -> Console) {
    for (columns, rows) in SIZES {
        let console = make((columns, rows));
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), console.picture());
    }
}

#[test]
fn overview() {
    check("overview", Console::live);
}

#[test]
fn overview_utf8() {
    check("overview_utf8", |size| {
        let mut console = Console::live(size);
        console.model.setup.ascii = false;
        console
    });
}

#[test]
fn detail() {
    check("detail", |size| {
        let mut console = Console::live(size);
        console.keys("jj").key(Key::Enter);
        console
    });
}

#[test]
fn events() {
    check("events", |size| {
        let mut console = Console::live(size);
        console.keys("2jj");
        console
    });
}

#[test]
fn help() {
    check("help", |size| {
        let mut console = Console::live(size);
        console.keys("?");
        console
    });
}

#[test]
fn actions() {
    check("actions", |size| {
        let mut console = Console::live(size);
        console.keys("jja");
        console
    });
}

#[test]
fn plan_with_a_typed_name() {
    check("plan", |size| {
        let mut console = Console::live(size);
        console.open_move().keys("db");
        console
    });
}

#[test]
fn plan_running() {
    check("moving", |size| {
        let mut console = Console::live(size);
        console.view(sample::moving());
        console
    });
}

#[test]
fn link_lost() {
    check("nolink", |size| {
        let mut console = Console::live(size);
        console.lost("connection refused", false);
        console.after(12_000);
        console.keys("X");
        console
    });
}

#[test]
fn demo() {
    let shown = |size| {
        let mut console = Console::live(size);
        let mut view = sample::view();
        view.demo = true;
        console.view(view);
        console
    };
    check("demo", shown);
    check("demo_faults", |size| {
        let mut console = shown(size);
        console.keys("f");
        console
    });
    // Whatever else does not fit: that it is a demo does.
    let mut console = shown((40, 10));
    console.after(12_000);
    assert!(console.picture().starts_with(" [DEMO] "), "{}", console.picture());
}

/// Frozen, and then a move began and two events came.
fn frozen(console: &mut Console) {
    console.keys("p");
    console.view(sample::moving());
    let mut events = sample::events();
    events.truncate(2);
    events[0].seq += 1000;
    console.said(FromMonitor::Events { events, skipped: 0 });
}

/// The two lines at the top.
fn top(make: &dyn Fn(&mut Console)) -> String {
    let mut console = Console::live((80, 24));
    make(&mut console);
    let picture = console.picture();
    let lines: Vec<&str> = picture.lines().take(2).collect();
    lines.join("\n")
}

#[test]
fn states_of_the_monitor_and_the_link() {
    let mode = |mode: MonitorMode, cause: &'static str| {
        move |console: &mut Console| {
            let mut view = sample::view();
            (view.mode, view.mode_cause) = (mode, cause.to_owned());
            console.view(view);
        }
    };
    let mut all = String::new();
    let mut add = |name: &str, make: &dyn Fn(&mut Console)| {
        all.push_str(&format!("{name}:\n{}\n", top(make)));
    };
    add("connecting", &|console| {
        *console = Console::new((80, 24), true);
    });
    add("connecting again", &|console| {
        *console = Console::new((80, 24), true);
        console.lost("no such file or directory", false);
    });
    add("refused", &|console| {
        *console = Console::new((80, 24), true);
        console.lost("the monitor needs wire version 8 or newer: upgrade the console", true);
    });
    add("stale", &|console| {
        console.after(4000);
    });
    add("passive", &mode(MonitorMode::Passive, "192.168.0.50 found on db1 and db2"));
    add("manual", &mode(MonitorMode::Manual, ""));
    add("wait", &mode(MonitorMode::Wait, "no master is ONLINE yet"));
    add("wait with its end", &|console| {
        console.view(sample::waiting());
    });
    add("wait with its end, 1.5 s later", &|console| {
        console.view(sample::waiting()).after(1500);
    });
    add("another wire version", &|console| console.foreign());
    add("read only", &|console| console.up(false));
    add("held", &|console| {
        let mut view = sample::view();
        view.held = "the monitor has no network".to_owned();
        console.view(view);
    });
    add("frozen", &frozen);
    add("frozen, and the link is lost", &|console| {
        console.keys("p");
        console.lost("connection refused", false);
        console.after(12_000);
    });
    add("conflict", &|console| {
        let mut view = sample::view();
        view.writer.state = WriterState::Conflict;
        view.writer.host = None;
        console.view(view);
    });
    add("vacant", &|console| {
        let mut view = sample::view();
        view.writer.state = WriterState::Vacant;
        console.view(view);
    });
    add("well", &|console| {
        let mut view = sample::view();
        view.attention.clear();
        console.view(view);
    });
    insta::assert_snapshot!("states_80", all);
}

#[test]
fn too_small_says_what_it_needs() {
    let mut console = Console::live((80, 24));
    console.msg(Msg::Resize(30, 8));
    insta::assert_snapshot!("too_small_30x8", console.picture());
}

#[test]
fn long_names_and_many_hosts_are_cut_and_scrolled() {
    let mut view = sample::view();
    let mut long = view.hosts[1].clone();
    long.name = HostName::parse(&"x".repeat(64)).unwrap();
    long.server.reach = Reach::Unknown;
    view.hosts.insert(1, long);
    for n in 0..30 {
        let mut host = view.hosts[0].clone();
        host.name = HostName::parse(&format!("extra{n}")).unwrap();
        view.hosts.push(host);
    }
    let mut console = Console::live((80, 24));
    console.view(view);
    console.keys("jjjjjjjjjjjjjjjjjjjj");
    insta::assert_snapshot!("many_hosts_80x24", console.picture());
}
