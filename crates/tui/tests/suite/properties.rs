//! Whatever is pressed at whatever size: no panic, and no act without a confirmed plan.

use mmm_proto::console::{Answer, ToMonitor};
use mmm_proto::plan::Level;
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::confirm::Stage;
use mmm_tui::app::msg::{Key, Msg};
use mmm_tui::app::{Layer, Screen};
use proptest::prelude::*;

use crate::console::Console;
use crate::sample;

#[derive(Debug, Clone)]
enum Step {
    Key(Key),
    Size(u16, u16),
    Wait(u64),
    Paste,
    Lost,
    Up(bool),
    View(u8),
    /// The monitor answers whatever was asked last.
    Answer(bool),
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::sample::select("WXUamydb12:?qrjkgGn eto_ccc".chars().collect::<Vec<_>>())
            .prop_map(Key::Char),
        2 => any::<char>().prop_map(Key::Char),
        4 => prop::sample::select(vec![
            Key::Enter, Key::Esc, Key::Tab, Key::Backspace, Key::Up, Key::Down, Key::Home, Key::End,
            Key::PageUp, Key::PageDown, Key::F(1), Key::Other, Key::Ctrl('l'), Key::BackTab,
        ]),
    ]
}

/// Mostly sizes that people have: the large ones cost time and show nothing new.
fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        6 => (1u16..100, 1u16..40),
        1 => (100u16..300, 20u16..100),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => key().prop_map(Step::Key),
        3 => size().prop_map(|(columns, rows)| Step::Size(columns, rows)),
        3 => (0u64..20_000).prop_map(Step::Wait),
        4 => Just(Step::Wait(600)),
        1 => Just(Step::Paste),
        1 => Just(Step::Lost),
        2 => any::<bool>().prop_map(Step::Up),
        3 => (0u8..3).prop_map(Step::View),
        6 => any::<bool>().prop_map(Step::Answer),
    ]
}

/// Whether the dialog on the screen was confirmed by this very key.
fn confirms(before: &Option<Layer>, key: Key, plan: u64) -> bool {
    let Some(Layer::Dialog(dialog)) = before else {
        return false;
    };
    dialog.plan.id == plan
        && dialog.stage == Stage::Reading
        && dialog.drawn.is_some()
        && match dialog.plan.level {
            Level::Key => key == Key::Char('y'),
            _ => key == Key::Enter && dialog.typed == dialog.plan.confirm,
        }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_panics_and_nothing_acts_unconfirmed(
        size in size(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut console = Console::several(size);
        let mut asked = Vec::new();
        for step in steps {
            let before = console.model.layer.clone();
            let mut pressed = Key::Other;
            match step {
                Step::Key(key) => {
                    pressed = key;
                    console.key(key);
                }
                Step::Size(columns, rows) => {
                    console.msg(Msg::Resize(columns, rows));
                }
                Step::Wait(ms) => {
                    console.after(ms);
                }
                Step::Paste => {
                    console.msg(Msg::Paste);
                }
                Step::Lost => console.lost("cut", false),
                Step::Up(may_act) => console.up(may_act),
                Step::View(0) => {
                    console.view(sample::view());
                }
                Step::View(1) => {
                    console.view(sample::moving());
                }
                Step::View(_) => {
                    console.view(sample::moved());
                }
                Step::Answer(typed) => {
                    if let Some((id, verb)) = asked.pop() {
                        let level = if typed { Level::Typed } else { Level::Key };
                        let plan = Box::new(sample::plan(verb, level, "db2"));
                        console.answer(id, Answer::Plan { plan });
                    }
                }
            }
            for cmd in console.wishes() {
                match cmd {
                    Cmd::Ask(ToMonitor::Plan { id, verb }) => asked.push((id, verb)),
                    Cmd::Ask(ToMonitor::Apply { plan, .. }) => {
                        prop_assert!(confirms(&before, pressed, plan), "{before:?} {pressed:?}");
                    }
                    Cmd::Switch(_) => {
                        let model = &console.model;
                        prop_assert!(matches!(before, Some(Layer::Clusters(_))), "{before:?}");
                        prop_assert!(model.layer.is_none() && model.view.is_none());
                        prop_assert!(model.pending.is_none() && model.acting.is_none());
                        // What was asked of the other one is answered there, if at all.
                        asked.clear();
                    }
                    Cmd::Ask(ToMonitor::Run { verb, .. }) => prop_assert!(!verb.acts()),
                    _ => {}
                }
            }
            let lines = console.picture().lines().count();
            prop_assert_eq!(lines, usize::from(console.model.size.1));
            console.msg(Msg::Drawn);
            if let Screen::Detail(host) = &console.model.screen {
                prop_assert!(host.as_str().starts_with("db"));
            }
        }
    }
}
