//! The lag of the last minutes: what was seen, what was not, and how both are drawn.

use mmm_proto::console::FromMonitor;
use mmm_proto::{Lag, Span};
use mmm_tui::app::msg::{Key, Msg};

use crate::console::Console;
use crate::sample;

/// A second of a cluster whose db3 is so late.
fn second(console: &mut Console, lag: Lag) {
    let mut view = sample::view();
    view.hosts[2].lag = lag;
    console.view(view);
    console.after(1000);
}

/// Ten minutes: no lag, a rise over the limit, a lost link, stopped replication, not known, a fall.
fn ten_minutes(size: (u16, u16)) -> Console {
    let mut console = Console::live(size);
    for at in 0..600 {
        let lag = match at {
            0..100 => Lag::Behind(Span::ZERO),
            100..300 => Lag::Behind(Span::secs(at - 100)),
            300 => {
                console.lost("connection refused", false);
                Lag::Unknown
            }
            301..360 => Lag::Unknown,
            360 => {
                console.up(true);
                Lag::Stopped
            }
            361..420 => Lag::Stopped,
            420..450 => Lag::Unknown,
            _ => Lag::Behind(Span::secs(600 - at)),
        };
        if (300..360).contains(&at) {
            console.after(1000);
        } else {
            second(&mut console, lag);
        }
    }
    console
}

#[test]
fn lag_is_drawn_with_its_limit_and_what_nobody_saw_stays_empty() {
    let mut all = String::new();
    for (size, ascii) in [((100, 24), true), ((160, 45), true), ((160, 45), false)] {
        let mut console = ten_minutes(size);
        console.model.setup.ascii = ascii;
        all.push_str(&format!("overview {size:?}\n{}", console.keys("jj").picture()));
    }
    let mut console = ten_minutes((80, 24));
    console.keys("jj").key(Key::Enter).key(Key::End);
    all.push_str(&format!("detail (80, 24), end\n{}", console.picture()));
    insta::assert_snapshot!("trend", all);
}

#[test]
fn time_without_a_link_is_a_gap_and_old_lags_are_forgotten() {
    let mut console = Console::live((80, 24));
    second(&mut console, Lag::Behind(Span::secs(5)));
    console.lost("connection refused", false);
    for _ in 0..60 {
        console.after(1000);
    }
    let name = sample::name("db3");
    let columns = |console: &Console| console.model.history.columns(&name, console.now, 120);
    let seen = columns(&console);
    assert_eq!(seen.iter().flatten().count(), 1, "{seen:?}");
    assert_eq!(seen.last(), Some(&None));
    console.after(600_000);
    assert!(columns(&console).iter().all(Option::is_none));
}

#[test]
fn a_live_link_without_news_says_that_nothing_changed() {
    let mut console = Console::live((80, 24));
    second(&mut console, Lag::Behind(Span::secs(5)));
    for _ in 0..60 {
        console.said(FromMonitor::Beat { generation: 4711, now: sample::NOW });
        console.after(1000).msg(Msg::Tick);
    }
    let seen = console.model.history.columns(&sample::name("db3"), console.now, 120);
    assert!(seen.iter().flatten().count() >= 12, "{seen:?}");
    assert_eq!(seen.last(), Some(&Some(Lag::Behind(Span::secs(5)))));
}
