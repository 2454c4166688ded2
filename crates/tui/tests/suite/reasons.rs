//! What must never be cut: reasons and remedies, at the sizes at which they are read in bad nights.

use mmm_proto::view::FlapsView;
use mmm_proto::{Span, Verb};
use mmm_tui::app::Layer;
use mmm_tui::app::msg::Key;

use crate::console::Console;
use crate::sample;

const REMEDY: &str = "the host key of mon1 is not known: run `ssh -p 2222 ops@mon1` once and compare \
                      the fingerprint before you accept it";

/// All words of the screen, without the frames of boxes, in one line.
fn read(console: &Console) -> String {
    let picture = console.picture();
    let frame = |word: &&str| word.contains('|') && word.trim_matches(['|', '-', '>']).is_empty();
    let words = picture.split_whitespace().filter(|word| !frame(word));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_remedy_of_a_lost_link_is_all_there() {
    for size in [(60, 16), (80, 24), (160, 45)] {
        let mut console = Console::live(size);
        console.lost(REMEDY, false);
        console.after(12_000);
        let told = read(&console);
        assert!(told.contains(&format!("link: {REMEDY}")), "{size:?}\n{}", console.picture());
        // Header, attention, hints stay where they are.
        let picture = console.picture();
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[0].contains("NO LINK 12s") && lines[1].contains("NOT CURRENT"), "{picture}");
        assert!(lines[usize::from(size.1) - 1].contains("? help"), "{picture}");
    }
}

#[test]
fn a_cut_second_line_names_the_key_that_shows_all_of_it() {
    let attention = sample::view().attention;
    let second = |console: &Console| console.picture().lines().nth(1).unwrap().to_owned();
    for (size, mark) in [((60, 16), "~ e all"), ((80, 24), "~ e shows all")] {
        let mut console = Console::live(size);
        assert!(second(&console).ends_with(mark), "{}", console.picture());
        // Behind a box the key has another meaning, or none.
        console.keys("m");
        assert!(!second(&console).contains(" e "), "{}", console.picture());
        console.key(Key::Esc);
        console.keys("e");
        assert_eq!(console.model.layer, Some(Layer::Explain(None)));
        let mut told = read(&console);
        for _ in 0..20 {
            console.keys("j");
            told.push_str(&read(&console));
        }
        for sentence in &attention {
            assert!(told.contains(sentence), "{size:?} {sentence}\n{}", console.picture());
        }
        console.key(Key::Esc);
        // A lost link says its reason below.
        console.lost(REMEDY, false);
        assert!(second(&console).contains("NOT CURRENT"), "{}", console.picture());
        assert!(!second(&console).contains(mark), "{}", console.picture());
    }
    let console = Console::live((160, 45));
    assert!(second(&console).trim_end().ends_with(&attention[1]), "{}", console.picture());
}

#[test]
fn a_long_refusal_is_read_to_its_end_and_goes_with_the_next_key() {
    let mut console = Console::live((80, 24));
    let mut view = sample::view();
    let why = "Role 'writer' can't be moved to host 'db3'. Following hosts are possible: db1, db2, \
               and the reason of this is long enough for a second line";
    for action in &mut view.hosts[2].actions {
        if matches!(action.verb, Verb::MoveRole { .. }) {
            why.clone_into(&mut action.off);
        }
    }
    console.view(view);
    console.keys("jjW");
    assert!(read(&console).contains(&format!("! W is off: {why}")), "{}", console.picture());
    let before = console.picture();
    console.keys("k");
    assert!(!console.picture().contains("Following hosts"), "{}", console.picture());
    assert!(before.lines().count() == console.picture().lines().count());
    // In the menu and in the detail as well.
    console.keys("ja");
    assert!(read(&console).contains(&format!("off: {why}")), "{}", console.picture());
    console.key(Key::Esc).key(Key::Enter).keys("jjjjjjjjj");
    assert!(read(&console).contains(&format!("off: {why}")), "{}", console.picture());
}

#[test]
fn the_actions_menu_leads_to_the_addresses_too() {
    let mut console = Console::live((80, 24));
    console.keys("ja");
    assert!(console.picture().contains("V  move or give one address"), "{}", console.picture());
    console.keys("V");
    assert!(matches!(console.model.layer, Some(Layer::Address(_))), "{:?}", console.model.layer);
}

#[test]
fn the_help_is_about_the_place_and_complete() {
    let mut console = Console::live((80, 45));
    console.keys("?");
    let told = read(&console);
    assert!(told.contains("Help: hosts") && told.contains("stop PLAN; mouse on; Tab completes"));
    assert!(!told.contains("next event with the words"), "{told}");
    console.keys("q2?");
    let told = read(&console);
    assert!(told.contains("Help: events") && told.contains("next event with the words"), "{told}");
    assert!(!told.contains("set the host offline"), "{told}");
}

#[test]
fn the_detail_tells_of_flaps() {
    let mut console = Console::live((80, 24));
    console.keys("jj").key(Key::Enter);
    let wants = "flaps dropped from ONLINE 2 times, the first 25m00s ago; more than 3 within 1h";
    assert!(read(&console).contains(wants), "{}", console.picture());
    let mut view = sample::view();
    view.hosts[2].flaps = Some(FlapsView {
        drops: 4,
        first: None,
        limit: 3,
        window: Span::secs(3600),
        flapping: true,
    });
    console.view(view);
    let wants = "! flaps it is flapping: dropped from ONLINE 4 times within 1h";
    assert!(read(&console).contains(wants), "{}", console.picture());
}

#[test]
fn the_mode_menu_says_what_a_change_would_move() {
    let mut console = Console::live((80, 24));
    let mut view = sample::view();
    view.actions[1].effect = "1 address moves (reader(192.168.0.54))".to_owned();
    view.actions[2].off =
        "decisions are held: the monitor has no network and cannot act".to_owned();
    console.view(view);
    console.keys("m");
    let told = read(&console);
    assert!(told.contains("now: 1 address moves (reader(192.168.0.54))"), "{told}");
    assert!(told.contains("off: decisions are held: the monitor has no network and cannot act"));
}

#[test]
fn what_was_wrong_at_the_start_stays_until_a_key() {
    let mut console = Console::new((80, 24), true);
    let mut setup = console.model.setup.clone();
    setup.warning = "no other clusters to choose from: /x/tui.toml, line 3: odd".to_owned();
    console.model = mmm_tui::app::Model::new(setup, console.now, (80, 24));
    console.up(true);
    console.view(sample::view()).after(9_000);
    assert!(read(&console).contains("! no other clusters to choose from: /x/tui.toml, line 3"));
    console.keys("j");
    assert!(!read(&console).contains("no other clusters"));
}
