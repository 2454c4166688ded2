//! Keys in, wishes out: every state of the console crossed with every acting key, and the ways of a
//! plan.

use mmm_proto::console::{Answer, FromMonitor, Refusal, RefusalCode, ToMonitor};
use mmm_proto::plan::{CheckVerdict, Level};
use mmm_proto::{Span, Verb};
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::msg::{Key, Msg};
use mmm_tui::app::{Layer, Screen, keys};

use crate::console::Console;
use crate::sample;

const SIZE: (u16, u16) = (80, 24);

/// A state of the console: its name, how to get there, and why actions are off; empty when they are
/// on.
type Case = (&'static str, fn(&mut Console), &'static str);

const STATES: &[Case] = &[
    ("live", |_| {}, ""),
    ("connecting", |c| *c = Console::new(SIZE, true), "no picture yet"),
    (
        "stale",
        |c| {
            c.after(4000);
        },
        "the picture is 4 s old (r asks again)",
    ),
    (
        "no link",
        |c| {
            c.lost("refused", false);
            c.after(12_000);
        },
        "the picture is 12 s old (r asks again)",
    ),
    (
        "protocol",
        |c| c.lost("upgrade the console", true),
        "the monitor does not talk to this console",
    ),
    (
        "read only here",
        |c| c.model.setup.read_only = true,
        "this console was started with --read-only",
    ),
    ("read only there", |c| c.up(false), "anna is not in group mmm"),
    (
        "frozen",
        |c| {
            c.keys("p");
        },
        "the picture is frozen, p goes on",
    ),
    (
        "moving",
        |c| {
            c.view(sample::moving());
        },
        "plan 119 runs",
    ),
];

#[test]
fn in_every_state_an_acting_key_asks_for_a_plan_or_says_why_not() {
    for (name, make, off) in STATES {
        // db5 may be set online, db2 may become writer or go offline.
        for (keys, verb) in [
            ("GU", "set_online db5"),
            ("jX", "set_offline db2"),
            ("jW", "move_role writer db2"),
            ("mm", "set_manual"),
            ("ma", "set_active"),
            ("mp", "set_passive"),
            (":set_ip 10.0.0.1 db1\n", "set_ip 10.0.0.1 db1"),
            ("jaW", "move_role writer db2"),
        ] {
            let mut console = Console::live(SIZE);
            make(&mut console);
            console.wishes();
            for c in keys.chars() {
                console.key(if c == '\n' { Key::Enter } else { Key::Char(c) });
            }
            let wishes = console.wishes();
            if off.is_empty() {
                let [Cmd::Ask(ToMonitor::Plan { verb: asked, .. })] = wishes.as_slice() else {
                    panic!("{name}, {keys}: {wishes:?}");
                };
                assert_eq!(asked.to_string(), verb, "{name}, {keys}");
            } else {
                assert_eq!(wishes, [], "{name}, {keys}");
                let note = console.note();
                let no_host = note.starts_with("no host to act on");
                assert!(note.contains(off) || no_host, "{name}, {keys}: {note}");
            }
        }
    }
}

#[test]
fn a_refusal_of_the_monitor_is_told_in_its_own_words() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.keys("W");
    assert_eq!(console.note(), "W is off: db1 is the writer");
    console.keys("jjW");
    assert_eq!(console.note(), "W is off: db3 is a slave");
    console.keys("2W");
    assert_eq!(console.note(), "W works on a host: 1 and Tab go to the hosts");
    assert_eq!(console.wishes(), []);
}

#[test]
fn a_typed_name_and_enter_confirm_and_nothing_else_does() {
    let mut console = Console::live(SIZE);
    console.open_move();
    console.key(Key::Enter).keys("y").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    console.key(Key::Backspace).keys("db1").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    console.key(Key::Backspace).keys("2").key(Key::Enter);
    let wishes = console.wishes();
    assert!(
        matches!(
            wishes.as_slice(),
            [Cmd::Ask(ToMonitor::Apply { plan: 119, generation: 4711, .. })]
        ),
        "{wishes:?}"
    );
    // A second Enter does not send it twice.
    console.key(Key::Enter);
    assert_eq!(console.wishes(), []);
}

#[test]
fn y_confirms_a_level_1_plan_and_enter_does_not() {
    let mut console = Console::live(SIZE);
    console.keys("GU");
    let id = console.plan_id();
    let verb = Verb::SetOnline { host: sample::name("db5") };
    let plan = Box::new(sample::plan(verb, Level::Key, ""));
    console.answer(id, Answer::Plan { plan });
    // Before the frame is on the terminal, and for half a second after, keys are thrown away.
    console.after(10_000).keys("y");
    assert_eq!(console.wishes(), []);
    console.said(FromMonitor::Beat { generation: 4711, now: sample::NOW });
    console.msg(Msg::Drawn).after(499).keys("yn").key(Key::Esc);
    assert_eq!(console.wishes(), []);
    assert!(matches!(console.model.layer, Some(Layer::Dialog(_))));
    console.after(1).key(Key::Enter).msg(Msg::Paste);
    assert_eq!(console.wishes(), []);
    console.keys("y");
    let wishes = console.wishes();
    assert!(matches!(wishes.as_slice(), [Cmd::Ask(ToMonitor::Apply { .. })]), "{wishes:?}");
}

#[test]
fn leaving_a_dialog_does_nothing() {
    for key in [Key::Esc, Key::Char('n'), Key::Char('q')] {
        let mut console = Console::live(SIZE);
        console.keys("GU");
        let id = console.plan_id();
        let verb = Verb::SetOnline { host: sample::name("db5") };
        let plan = Box::new(sample::plan(verb, Level::Key, ""));
        console.answer(id, Answer::Plan { plan }).msg(Msg::Drawn).after(500).key(key);
        assert_eq!(console.model.layer, None, "{key:?}");
        assert_eq!(console.wishes(), [], "{key:?}");
        assert_eq!(console.note(), "cancelled, nothing was done");
    }
}

#[test]
fn plans_that_are_old_or_cannot_run_are_not_sent() {
    let mut console = Console::live(SIZE);
    console.open_move().keys("db2").after(60_000);
    console.said(FromMonitor::Beat { generation: 4711, now: sample::NOW });
    console.key(Key::Enter);
    assert_eq!(console.wishes(), []);
    assert!(console.picture().contains("too old"), "{}", console.picture());
    console.keys("r");
    console.plan_id();

    let mut console = Console::live(SIZE);
    console.keys("jW");
    let id = console.plan_id();
    let mut plan = sample::plan(sample::move_writer("db2"), Level::Typed, "db2");
    plan.checks[0].verdict = CheckVerdict::Bad;
    console.answer(id, Answer::Plan { plan: Box::new(plan) });
    console.msg(Msg::Drawn).after(500).keys("db2").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    assert!(console.picture().contains("it cannot run"), "{}", console.picture());
}

#[test]
fn a_confirmed_plan_is_not_sent_into_an_old_picture() {
    let mut console = Console::live(SIZE);
    console.open_move().after(5000).keys("db2").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    assert!(
        console.picture().contains("not sent: the picture is 5 s old"),
        "{}",
        console.picture()
    );
}

#[test]
fn a_plan_that_the_cluster_overtook_can_be_made_again() {
    let mut console = Console::live(SIZE);
    console.open_move().keys("db2").key(Key::Enter);
    let wishes = console.wishes();
    let [Cmd::Ask(ToMonitor::Apply { id, .. })] = wishes.as_slice() else {
        panic!("{wishes:?}");
    };
    let reason = "db2 became REPLICATION_DELAY while you were reading".to_owned();
    let refusal = Refusal { code: RefusalCode::Stale, reason: reason.clone() };
    console.answer(*id, Answer::Refused { refusal });
    assert!(console.picture().contains(&reason), "{}", console.picture());
    console.keys("r");
    console.plan_id();
}

#[test]
fn the_outcome_of_our_plan_is_found_after_a_lost_link() {
    let mut console = Console::live(SIZE);
    console.open_move().keys("db2").key(Key::Enter);
    console.lost("the monitor closed the connection", false);
    assert_eq!(console.model.layer, None);
    console.after(1000).up(true);
    console.view(sample::moved());
    assert_eq!(console.note(), "done: move writer db1 -> db2 (1.9 s)");
    assert_eq!(console.model.acting, None);
}

#[test]
fn a_monitor_that_makes_no_plan_is_not_waited_for_for_ever() {
    let mut console = Console::live(SIZE);
    console.keys("jW");
    let id = console.plan_id();
    console.after(9_999);
    assert!(console.model.pending.is_some());
    console.after(1);
    assert!(console.note().contains("nothing was done"), "{}", console.note());
    // Its plan coming later opens nothing.
    let plan = Box::new(sample::plan(sample::move_writer("db2"), Level::Typed, "db2"));
    console.answer(id, Answer::Plan { plan });
    assert_eq!(console.model.layer, None);
}

#[test]
fn keys_that_mean_nothing_say_so() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.keys("x");
    assert_eq!(console.note(), "X set the host offline (capital letter)");
    console.keys("QAZ");
    assert!(console.note().ends_with("Caps Lock?"), "{}", console.note());
    for c in keys::NEVER {
        console.key(Key::Char(*c));
    }
    assert_eq!(console.wishes(), []);
    console.after(5000);
    assert_eq!(console.note(), "");
}

#[test]
fn q_goes_back_and_leaves_on_the_overview_and_esc_never_leaves() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.key(Key::Enter);
    assert!(matches!(console.model.screen, Screen::Detail(_)));
    console.keys("2q");
    assert_eq!(console.model.screen, Screen::Overview);
    console.keys("?q").key(Key::Esc).key(Key::Esc);
    assert_eq!(console.wishes(), []);
    console.keys("q");
    assert_eq!(console.wishes(), [Cmd::Leave]);
    let farewell = console.model.farewell();
    assert_eq!(
        farewell,
        "shop-prod ACTIVE writer db1; db3 REPLICATION_DELAY, db4 HARD_OFFLINE, \
         db5 ADMIN_OFFLINE; 14:02:21"
    );
}

#[test]
fn a_screen_that_is_too_small_obeys_only_the_ways_out() {
    let mut console = Console::live(SIZE);
    console.open_move();
    console.msg(Msg::Resize(30, 8)).keys("db2").key(Key::Enter);
    assert_eq!(console.wishes(), []);
    console.keys("q");
    assert_eq!(console.wishes(), [Cmd::Leave]);
}

#[test]
fn the_prompt_completes_and_plans() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.keys(":mo").key(Key::Tab).keys("v").key(Key::Tab).keys("wr").key(Key::Tab);
    let Some(Layer::Prompt(prompt)) = &console.model.layer else {
        panic!("{:?}", console.model.layer);
    };
    assert_eq!(prompt.line, "move_role writer ");
    console.keys("db2").key(Key::Enter);
    console.plan_id();
    console.keys(":nonsense").key(Key::Enter);
    assert!(console.note().starts_with("Invalid command 'nonsense'"), "{}", console.note());
    console.keys(":stop 119").key(Key::Enter);
    assert_eq!(console.note(), "plan 119 does not run");
    console.view(sample::moving()).keys(":stop 119").key(Key::Enter);
    let wishes = console.wishes();
    assert!(matches!(wishes.as_slice(), [Cmd::Ask(ToMonitor::Stop { plan: 119, .. })]));
}

#[test]
fn the_selection_and_the_events_follow_what_they_mean() {
    let mut console = Console::live(SIZE);
    console.keys("jj");
    let mut view = sample::view();
    view.hosts.remove(0);
    console.view(view);
    assert_eq!(console.model.selected, Some(sample::name("db3")));
    // Known events do not come twice, and the selected one stays selected.
    console.keys("2j");
    let selected = console.model.events[console.model.event_row].clone();
    let mut events = sample::events();
    let mut newer = events[5].clone();
    (newer.seq, newer.at) = (7, sample::NOW);
    events.push(newer);
    console.said(FromMonitor::Events { events, skipped: 0 });
    assert_eq!(console.model.events.len(), 7);
    assert_eq!(console.model.events[console.model.event_row], selected);
}

#[test]
fn a_monitor_that_started_again_is_asked_for_all_its_events() {
    let mut console = Console::live(SIZE);
    console.wishes();
    let mut view = sample::view();
    view.term += 1;
    console.view(view);
    let again = ToMonitor::Subscribe { events_since: None };
    assert_eq!(console.wishes(), [Cmd::Ask(again)]);
}

#[test]
fn answers_to_our_acts_stand_on_the_message_line() {
    let mut console = Console::live(SIZE);
    console.open_move().keys("db2").key(Key::Enter);
    let wishes = console.wishes();
    let [Cmd::Ask(ToMonitor::Apply { id, .. })] = wishes.as_slice() else {
        panic!("{wishes:?}");
    };
    console.answer(*id, Answer::Started { plan: 119 });
    assert_eq!((console.note().as_str(), &console.model.layer), ("plan 119 runs", &None));
    let text = "Role 'writer' has been moved".to_owned();
    console.answer(*id, Answer::Done { text, took: Span(90) });
    assert_eq!(console.note(), "OK: Role 'writer' has been moved (90 ms)");
}

#[test]
fn a_frozen_picture_stands_still_and_shows_the_newest_when_it_goes_on() {
    let mut console = Console::live(SIZE);
    console.keys("p");
    let body = |console: &Console| {
        console.picture().lines().skip(1).take(21).collect::<Vec<_>>().join("\n")
    };
    let frozen = body(&console);
    console.view(sample::moving());
    let mut event = sample::events()[0].clone();
    event.seq += 1000;
    event.what = "the newest event".to_owned();
    console.said(FromMonitor::Events { events: vec![event], skipped: 0 });
    console.after(1000);
    assert_eq!(body(&console), frozen);
    assert!(console.picture().contains("+1 events"), "{}", console.picture());
    console.keys("p");
    let picture = console.picture();
    assert!(picture.contains("LIVE") && picture.contains("the newest event"), "{picture}");
    assert!(picture.contains("MOVING"), "{picture}");
}

#[test]
fn y_copies_the_selected_row_and_says_what() {
    let mut console = Console::live(SIZE);
    console.wishes();
    console.keys("jjy");
    let text = "db3 192.168.0.33:3306 slave REPLICATION_DELAY lag 4m12s";
    assert_eq!(console.wishes(), [Cmd::Copy(text.to_owned())]);
    assert_eq!(console.note(), format!("copied, if your terminal allows it: {text}"));
    let mut console = Console::new(SIZE, true);
    console.keys("y");
    assert_eq!(console.wishes(), []);
}
