//! Rows: filtered, sorted, searched, selected in each pane, by keys and by mouse; times; addresses.

use mmm_proto::plan::Level;
use mmm_proto::view::ActionView;
use mmm_proto::{HostState, MonitorMode, Verb};
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::keys::Place;
use mmm_tui::app::msg::{Key, Mouse, MouseWhat, Msg};
use mmm_tui::app::{Layer, Screen};

use crate::console::Console;
use crate::sample;

const SIZE: (u16, u16) = (80, 24);

/// The first words of the rows of the pane with that title.
fn column(console: &Console, title: &str) -> Vec<String> {
    let picture = console.picture();
    let rows = picture.lines().skip_while(|line| !line.starts_with(&format!("-- {title}"))).skip(1);
    let rows = rows.take_while(|line| !line.starts_with("--") && !line.trim().is_empty());
    let word = |line: &str| line.get(2..)?.split_whitespace().next().map(str::to_owned);
    rows.filter_map(word).filter(|word| word != "HOST").collect()
}

fn hosts(console: &Console) -> Vec<String> {
    column(console, "Hosts")
}

#[test]
fn a_filter_follows_what_is_typed_and_esc_shows_all_again() {
    let mut console = Console::live(SIZE);
    console.keys("/slave");
    assert!(console.picture().contains(" /slave_"), "{}", console.picture());
    assert_eq!(hosts(&console), ["db3", "db4", "db5"]);
    console.keys(" off");
    assert_eq!(hosts(&console), ["db4", "db5"]);
    // What is selected is seen: the first row that is left.
    assert_eq!(console.model.selected, Some(sample::name("db4")));
    console.key(Key::Backspace).key(Key::Backspace).key(Key::Backspace).key(Key::Enter);
    console.keys("G");
    assert_eq!(console.model.selected, Some(sample::name("db5")));
    let picture = console.picture();
    assert!(picture.contains("-- Hosts 3 of 5"), "{picture}");
    assert!(picture.contains("filter: slave"), "{picture}");
    assert!(picture.contains("Esc all rows"), "{picture}");
    console.key(Key::Esc);
    assert_eq!(hosts(&console).len(), 5);
    // Esc while typing shows all rows as well.
    console.keys("/db1").key(Key::Esc);
    assert_eq!(hosts(&console).len(), 5);
    console.keys("/nothing like that").key(Key::Enter);
    assert!(console.picture().contains("no host has these words"), "{}", console.picture());
}

#[test]
fn a_host_that_the_filter_hides_is_not_acted_on() {
    let mut console = Console::live(SIZE);
    console.keys("/online").key(Key::Enter).keys("j");
    assert_eq!(console.model.selected, Some(sample::name("db2")));
    let mut view = sample::view();
    view.hosts[1].state = HostState::HardOffline;
    console.view(view);
    console.wishes();
    console.keys("X");
    assert_eq!(console.wishes(), []);
    assert_eq!(console.note(), "X is off: no host is selected");
    console.keys("j");
    assert_eq!(console.model.selected, Some(sample::name("db1")));
}

#[test]
fn events_are_filtered_and_found_again_with_what_is_around_them() {
    let mut console = Console::live(SIZE);
    let all = console.model.events.len();
    console.keys("2/db3").key(Key::Enter);
    let shown = console.model.events_shown().len();
    assert!(shown > 0 && shown < all, "{shown} of {all}");
    assert!(console.picture().contains(&format!("-- Events {shown} of {all}")));
    console.key(Key::Esc);
    assert_eq!(console.model.screen, Screen::Events, "the first Esc clears the filter only");
    assert_eq!(console.model.events_shown().len(), all);
    let about = |console: &Console| {
        let event = console.model.events_shown()[console.model.event_row];
        event.line()
    };
    console.keys("g");
    if !about(&console).contains("db3") {
        console.keys("n");
    }
    assert!(about(&console).contains("db3"), "{}", about(&console));
    let first = console.model.event_row;
    for _ in 0..shown {
        console.keys("n");
    }
    assert_eq!(console.note(), "no older event has these words");
    assert!(about(&console).contains("db3"));
    for _ in 0..shown {
        console.keys("N");
    }
    assert_eq!(console.model.event_row, first);
    assert_eq!(console.note(), "no newer event has these words");
    console.key(Key::Esc);
    assert_eq!(console.model.screen, Screen::Overview);
}

#[test]
fn the_selected_event_stays_while_others_come_also_under_a_filter() {
    let mut console = Console::live(SIZE);
    console.keys("2/->").key(Key::Enter).keys("j");
    let chosen = console.model.events_shown()[1].clone();
    let mut hidden = sample::events()[0].clone();
    (hidden.seq, hidden.at) = (900, sample::NOW);
    (hidden.what, hidden.why) = ("hidden by the filter".to_owned(), String::new());
    let mut shown = hidden.clone();
    (shown.seq, shown.what) = (901, "A -> B".to_owned());
    let events = vec![hidden, shown];
    console.said(mmm_proto::console::FromMonitor::Events { events, skipped: 0 });
    assert_eq!(console.model.event_row, 2);
    assert_eq!(*console.model.events_shown()[2], chosen);
}

#[test]
fn hosts_are_sorted_by_each_column_and_back() {
    let mut console = Console::live(SIZE);
    let mut seen = Vec::new();
    for _ in 0..7 {
        console.keys("s");
        seen.push((console.model.order.words(), hosts(&console).join(" ")));
    }
    let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("by name", "db1 db2 db3 db4 db5"),
            ("by name, reversed", "db5 db4 db3 db2 db1"),
            ("by state", "db4 db3 db5 db1 db2"),
            ("by state, reversed", "db2 db1 db5 db3 db4"),
            ("by lag", "db5 db4 db3 db2 db1"),
            ("by lag, reversed", "db1 db2 db3 db4 db5"),
            ("config order", "db1 db2 db3 db4 db5"),
        ]
    );
    // The selection stays on its host and moves in the order that is seen.
    console.keys("sss").keys("g");
    assert_eq!(console.model.selected, Some(sample::name("db4")));
    console.keys("j");
    assert_eq!(console.model.selected, Some(sample::name("db3")));
}

#[test]
fn tab_goes_through_the_panes_and_host_keys_stay_with_the_hosts() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.key(Key::Tab);
    assert_eq!(console.model.place(), Place::Addresses);
    console.keys("jX");
    assert_eq!(console.note(), "X works on a host: 1 and Tab go to the hosts");
    let picture = console.picture();
    assert_eq!(picture.matches("\n> ").count(), 1, "one row is selected:\n{picture}");
    assert!(picture.contains("\n> reader  192.168.0.51"), "{picture}");
    console.keys("y");
    assert_eq!(console.wishes(), [Cmd::Copy("reader 192.168.0.51 db1".to_owned())]);
    console.key(Key::Enter);
    assert_eq!(console.model.screen, Screen::Detail(sample::name("db1")));
    console.key(Key::Esc).key(Key::Tab);
    assert_eq!(console.model.place(), Place::Newest);
    console.keys("jj").key(Key::Enter);
    assert_eq!((console.model.place(), console.model.event_row), (Place::Events, 2));
    console.key(Key::Esc).key(Key::BackTab).key(Key::BackTab);
    assert_eq!(console.model.place(), Place::Hosts);
    console.key(Key::BackTab).key(Key::Esc);
    assert_eq!(console.model.place(), Place::Hosts, "Esc goes back to the hosts");
}

#[test]
fn a_widened_pane_has_the_whole_screen() {
    for (tabs, title) in [(0, "Hosts 5"), (1, "Addresses 5"), (2, "Events")] {
        for size in [(60, 16), SIZE, (160, 45)] {
            let mut console = Console::live(size);
            for _ in 0..tabs {
                console.key(Key::Tab);
            }
            console.keys("z");
            let picture = console.picture();
            let titles: Vec<&str> =
                picture.lines().filter(|line| line.starts_with("-- ")).collect();
            assert_eq!(titles.len(), 1, "{picture}");
            assert!(titles[0].starts_with(&format!("-- {title}")), "{picture}");
            console.wishes();
            // It is a layer of its own: q closes it and does not leave.
            console.keys("q");
            assert_eq!((console.wishes(), console.model.zoom), (Vec::new(), false));
        }
    }
}

#[test]
fn times_are_shown_as_the_reader_wants() {
    let mut console = Console::live(SIZE);
    console.model.setup.zone = 3600;
    assert!(console.picture().contains("  15:02:07 "), "{}", console.picture());
    console.keys("t");
    let picture = console.picture();
    assert!(picture.contains("       14s "), "{picture}");
    assert!(picture.contains(" ago  2 all --"), "{picture}");
    console.keys("t");
    let picture = console.picture();
    assert!(picture.contains("  14:02:07 ") && picture.contains(" UTC  2 all --"), "{picture}");
    console.keys("t");
    assert_eq!(console.note(), "times: your clock");
    // A clock without its day would lie about what is older.
    console.key(Key::Enter);
    assert!(console.picture().contains("since 2026-11-16 11:02"), "{}", console.picture());
}

pub(crate) fn passive() -> mmm_proto::ClusterView {
    let mut view = sample::view();
    view.mode = MonitorMode::Passive;
    for host in &mut view.hosts {
        for action in &mut host.actions {
            action.off = "the monitor is PASSIVE".to_owned();
        }
        let off = if host.name.as_str() == "db1" { "db1 holds it by its own word" } else { "" };
        for ip in ["192.168.0.50", "192.168.0.51"] {
            let verb = Verb::SetIp { ip: ip.parse().unwrap(), host: host.name.clone() };
            host.actions.push(ActionView {
                verb,
                off: off.to_owned(),
                level: Level::Typed,
                effect: String::new(),
            });
        }
    }
    view
}

#[test]
fn an_address_is_given_or_moved_by_a_plan() {
    // To the selected host.
    let mut console = Console::live(SIZE);
    console.view(passive());
    console.keys("jV");
    assert!(console.picture().contains("What db2 is to have"), "{}", console.picture());
    console.keys("jj").key(Key::Enter);
    let wishes = console.wishes();
    let asked = |wishes: &[Cmd]| match wishes.last() {
        Some(Cmd::Ask(mmm_proto::console::ToMonitor::Plan { verb, .. })) => verb.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&wishes), "set_ip 192.168.0.52 db2");
    // The selected address; what is off says why, in the monitor's words.
    let mut console = Console::live(SIZE);
    console.view(passive()).key(Key::Tab).keys("V");
    assert!(console.picture().contains("Who is to have 192.168.0.50"), "{}", console.picture());
    console.wishes();
    console.key(Key::Enter);
    assert_eq!(console.wishes(), []);
    assert_eq!(console.note(), "V is off: db1 holds it by its own word");
    console.keys("Vj").key(Key::Enter);
    assert_eq!(asked(&console.wishes()), "set_ip 192.168.0.50 db2");
    // In ACTIVE the writer's address moves with its role; nothing else is offered for readers.
    let mut console = Console::live(SIZE);
    console.key(Key::Tab).keys("Vj").key(Key::Enter);
    assert_eq!(asked(&console.wishes()), "move_role writer db2");
    let mut console = Console::live(SIZE);
    console.wishes();
    console.key(Key::Tab).keys("jVj").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    assert!(console.note().starts_with("V is off: "), "{}", console.note());
    console.keys("Vq");
    assert_eq!(console.model.layer, None);
    console.keys("v");
    assert_eq!(console.note(), "V move or give one address (capital letter)");
}

#[test]
fn the_mouse_selects_only_when_asked_for_and_never_acts() {
    let press = |column, row| Msg::Mouse(Mouse { column, row, what: MouseWhat::Press });
    let mut console = Console::live(SIZE);
    console.wishes();
    let db4 = console.picture().lines().position(|line| line.contains(" db4 ")).unwrap();
    let db4 = u16::try_from(
        console.picture().lines().position(|line| line.starts_with("  db4")).unwrap_or(db4),
    )
    .unwrap();
    console.msg(press(5, db4));
    assert_eq!(console.model.selected, Some(sample::name("db1")), "off by default");
    console.keys(":mouse on").key(Key::Enter);
    assert_eq!(console.wishes(), [Cmd::Mouse(true)]);
    console.msg(press(5, db4));
    assert_eq!(console.model.selected, Some(sample::name("db4")));
    let wheel = Msg::Mouse(Mouse { column: 5, row: db4, what: MouseWhat::WheelDown });
    console.msg(wheel);
    assert_eq!(console.model.selected, Some(sample::name("db5")));
    let vip = console.picture().lines().position(|line| line.contains("192.168.0.52")).unwrap();
    console.msg(press(79, u16::try_from(vip).unwrap()));
    assert_eq!(console.model.selected_vip().unwrap().to_string(), "192.168.0.52");
    // Every cell of every screen, also with a plan above it.
    for keys in ["", "2", "jW", "?", "a"] {
        let mut console = Console::live(SIZE);
        console.keys(":mouse on").key(Key::Enter).keys(keys);
        if keys == "jW" {
            console = Console::live(SIZE);
            console.keys(":mouse on").key(Key::Enter).open_move();
        }
        let layer = console.model.layer.clone();
        console.wishes();
        for row in 0..24 {
            for column in [0, 40, 79] {
                console.msg(press(column, row));
            }
        }
        assert_eq!((console.wishes(), &console.model.layer), (Vec::new(), &layer), "{keys}");
    }
    console.keys(":mouse off").key(Key::Enter);
    assert_eq!(console.wishes(), [Cmd::Mouse(false)]);
}

#[test]
fn tab_completes_the_consoles_own_words_flags_and_checks() {
    for (typed, line) in [
        (":mou\t", "mouse "),
        (":mouse of\t", "mouse off "),
        (":move_role --f\t", "move_role --force "),
        (":move_role --force --k\t", "move_role --force --kill "),
        (":checks db1 rep_b\t", "checks db1 rep_backlog "),
        (":set_ip 192.168.0.50 db2\t", "set_ip 192.168.0.50 db2 "),
        (":stop \t", "stop 119 "),
    ] {
        let mut console = Console::live(SIZE);
        console.view(sample::moving());
        for c in typed.chars() {
            console.key(if c == '\t' { Key::Tab } else { Key::Char(c) });
        }
        let Some(Layer::Prompt(prompt)) = &console.model.layer else {
            panic!("{typed:?}: {:?}", console.model.layer);
        };
        assert_eq!(prompt.line, line, "{typed:?}");
    }
}

#[test]
fn only_what_people_wait_for_is_worth_a_frame_at_once() {
    use mmm_tui::app::essence::essence;
    let mut console = Console::live(SIZE);
    let calm = essence(&console.model);
    let mut view = sample::view();
    (view.generation, view.hosts[2].lag) = (4712, mmm_proto::Lag::Behind(mmm_proto::Span(7)));
    console.after(900).view(view.clone());
    assert_eq!(essence(&console.model), calm, "a lag and a counter wait for the next second");
    view.hosts[1].state = HostState::HardOffline;
    console.view(view);
    assert_ne!(essence(&console.model), calm, "a state does not");
    console.view(sample::view());
    assert_eq!(essence(&console.model), calm);
    console.after(3000);
    assert_ne!(essence(&console.model), calm, "nor an old picture");
    console.view(sample::view());
    let event = sample::events().remove(5);
    let event = mmm_proto::Event { seq: 70, at: sample::NOW, ..event };
    console.said(mmm_proto::console::FromMonitor::Events { events: vec![event], skipped: 0 });
    assert_ne!(essence(&console.model), calm, "nor an event");
}

#[test]
fn time_alone_wakes_the_console_only_for_what_ends_and_for_an_old_picture() {
    let mut console = Console::live(SIZE);
    let patience = |console: &Console| console.model.patience().as_ms();
    let calm = patience(&console);
    assert!(calm > 1000, "a picture that comes every second is always first: {calm}");
    // To the millisecond at which the picture is old.
    assert_eq!(patience(console.after(2400)), 600);
    assert_eq!(patience(console.after(599)), 1);
    assert!(console.picture().contains("LIVE"));
    assert_eq!(patience(console.after(1)), 500);
    assert!(console.picture().contains("STALE"));
    console.view(sample::view());
    assert_eq!(patience(&console), calm);
    console.key(Key::Char('s'));
    assert_eq!(patience(&console), 500, "a note goes by itself");
}

#[test]
fn the_star_beats_once_a_second_however_often_news_come_and_not_at_all_on_a_slow_line() {
    let star = |console: &Console| console.picture().contains(" * LIVE");
    let mut console = Console::live(SIZE);
    let mut turns = 0;
    let mut last = star(&console);
    for _ in 0..50 {
        console.after(100).view(sample::view());
        turns += usize::from(star(&console) != last);
        last = star(&console);
    }
    assert!((4..=6).contains(&turns), "{turns} times in 5 s");
    console.model.setup.slow = true;
    for _ in 0..30 {
        console.after(100).view(sample::view());
        assert!(star(&console));
    }
}
