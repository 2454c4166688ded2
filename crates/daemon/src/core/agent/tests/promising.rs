//! Going on without a monitor, and the word that is given to others.

use mmm_proto::peer::{Answer, Ask, News, Refused};

use super::*;

fn candidates() -> Askable {
    let both = vec![name("db1"), name("db2")];
    Askable { candidates: both.clone(), peers: both, alone: false }
}

/// Serving at 10 s and some milliseconds, by a grant that names whom to ask.
fn serving() -> (Bench, u64) {
    let mut bench = Bench::idle();
    let want = Want { ask: candidates().into(), ..serve() };
    bench.grant(5, want);
    let granted = bench.now - 1;
    let id = bench.running("Open");
    bench.end(id, ActResult::Done);
    assert_eq!(bench.duty(), Duty::Serving);
    (bench, granted)
}

fn answer(echo: Time, promised: bool, by: Stamp) -> Input {
    let vip = writer_vip();
    let refused = Refused { vip, stamp: by, why: "db2 is to hold it".to_owned() };
    let answer = if promised {
        Answer { echo, promised: vec![vip], refused: Vec::new() }
    } else {
        Answer { echo, promised: Vec::new(), refused: vec![refused] }
    };
    Input::Peer { from: name("db2"), message: PeerMessage::Answer(answer) }
}

impl Bench {
    fn asks(&self) -> Vec<Ask> {
        let ask = |(_, message): &(HostName, PeerMessage)| match message {
            PeerMessage::Ask(ask) => Some(ask.clone()),
            _ => None,
        };
        self.to_peers.iter().filter_map(ask).collect()
    }

    fn answered(&self) -> Answer {
        let answer = |(_, message): &(HostName, PeerMessage)| match message {
            PeerMessage::Answer(answer) => Some(answer.clone()),
            _ => None,
        };
        self.to_peers.iter().rev().find_map(answer).expect("it answers")
    }

    fn asked(&mut self, by: Stamp) -> Answer {
        self.now += 1;
        let vips = vec![writer_vip()];
        let ask = Ask { clock: Time(500), ttl: TTL, stamp: by, vips };
        self.step(Input::Peer { from: name("db2"), message: PeerMessage::Ask(ask) });
        self.answered()
    }
}

#[test]
fn who_hears_no_monitor_goes_on_while_all_others_promise() {
    let (mut bench, granted) = serving();
    bench.wait(granted + 990 - bench.now);
    assert!(bench.asks().is_empty(), "a third of the grant is not over");
    for _ in 0..20 {
        bench.wait(500);
        let last = bench.asks().pop().expect("it asks");
        assert_eq!((last.stamp, last.vips), (stamp(5), vec![writer_vip()]));
        bench.step(answer(last.clock, true, stamp(0)));
    }
    assert_eq!(bench.duty(), Duty::Serving, "ten seconds after the last grant");
    assert_eq!(bench.agent.report().relies, [writer_vip()]);
    let last = bench.asks().pop().unwrap().clock.0;
    bench.wait(last + 1_999 - bench.now);
    assert_eq!(bench.duty(), Duty::Serving);
    bench.wait(1_000);
    assert_eq!(bench.duty(), Duty::Fencing, "two thirds after the last ask that was answered");
    assert!(bench.told("fences itself"));
}

#[test]
fn an_answer_counts_from_the_ask_however_late_it_comes() {
    let (mut bench, granted) = serving();
    bench.wait(granted + 1_010 - bench.now);
    let first = bench.asks()[0].clock;
    bench.wait(granted + 1_900 - bench.now);
    bench.step(answer(first, true, stamp(0)));
    bench.wait(first.0 + 1_990 - bench.now);
    assert_eq!(bench.duty(), Duty::Serving);
    bench.wait(30);
    assert_eq!(bench.duty(), Duty::Fencing);
}

#[test]
fn who_learns_of_a_newer_decision_gives_way_at_once() {
    let (mut bench, granted) = serving();
    bench.wait(granted + 1_010 - bench.now);
    let ask = bench.asks()[0].clock;
    bench.step(answer(ask, false, stamp(5)));
    assert_eq!(bench.duty(), Duty::Serving, "that is what it knows itself");
    bench.step(answer(ask, false, stamp(9)));
    assert_eq!(bench.duty(), Duty::Fencing);
    bench.fenced();
    assert_eq!(bench.agent.seen(), stamp(9));
    bench.grant(8, serve());
    assert!(bench.refused().unwrap().contains("older than"), "{:?}", bench.refused());
}

#[test]
fn a_reader_vip_that_was_let_go_is_not_taken_up_again_by_a_restart_within_the_grant() {
    let mut bench = Bench::idle();
    let reads = want(vec![hold(reader_vip(), Stance::Serve)]);
    bench.grant(5, Want { ask: candidates().into(), ..reads });
    let id = bench.running("Hold");
    bench.end(id, ActResult::Done);
    bench.wait(1_010);
    let refused = Refused { vip: reader_vip(), stamp: stamp(9), why: "db2 is to hold it".into() };
    let echo = bench.asks().last().expect("it asks").clock;
    let answer = Answer { echo, promised: Vec::new(), refused: vec![refused] };
    bench.step(Input::Peer { from: name("db2"), message: PeerMessage::Answer(answer) });
    let id = bench.running("Drop");
    let yielded = &bench.kept.as_ref().expect("it keeps").yielded;
    assert_eq!(*yielded, [reader_vip()], "on disk before anybody can hear that it is gone");
    bench.end(id, ActResult::Done);
    let mut bench = Bench::start(bench.kept.clone(), "boot", bench.now + 100);
    bench.step(Input::Addresses { found: Vec::new() });
    bench.look(facts(true));
    bench.wait(500);
    assert!(!bench.runs("Hold"), "{:?}", bench.acts);
}

#[test]
fn who_holds_or_is_to_hold_or_may_be_given_promises_nothing() {
    let (mut bench, _) = serving();
    let refused = bench.asked(stamp(5)).refused;
    assert_eq!(refused[0].stamp, stamp(5), "{refused:?}");
    let mut bench = Bench::idle();
    bench.grant(6, Want { prepared: vec![writer_vip()], ..want(Vec::new()) });
    let refused = bench.asked(stamp(5)).refused;
    assert!(refused[0].why.contains("is to be given to another"), "{refused:?}");
    assert_eq!(bench.asked(stamp(7)).promised, [writer_vip()], "the asker knows more");
}

#[test]
fn who_promised_opens_only_when_the_promise_is_over_also_after_a_restart() {
    let mut bench = Bench::idle();
    assert_eq!(bench.asked(stamp(4)).promised, [writer_vip()]);
    assert!(!bench.kept.as_ref().unwrap().given.is_empty(), "on disk before it is said");
    bench.wait(2_000);
    let mut bench = Bench::start(bench.kept.clone(), "another boot", 200);
    bench.step(Input::Addresses { found: Vec::new() });
    bench.look(facts(true));
    bench.step(Input::LinkUp { link: LINK });
    for _ in 0..6 {
        bench.wait(500);
        bench.grant(9, serve());
        assert!(!bench.runs("Open"), "at {}", bench.now);
    }
    bench.wait(400);
    bench.grant(9, serve());
    assert!(bench.runs("Open"), "at {}", bench.now);
}

#[test]
fn without_its_state_file_it_says_that_promises_may_be_forgotten_until_they_are_over() {
    let mut bench = Bench::start(None, "boot-1", 10_000);
    assert!(bench.agent.report().forgetful, "no grant has told how long promises last");
    bench.step(Input::Addresses { found: Vec::new() });
    bench.look(facts(true));
    bench.step(Input::LinkUp { link: LINK });
    bench.grant(5, want(Vec::new()));
    let over = crate::core::lease::surely_over(Time(10_000), TTL);
    while bench.now < over.0 {
        assert!(bench.agent.report().forgetful, "at {}", bench.now);
        bench.wait(100);
    }
    bench.wait(100);
    assert!(!bench.agent.report().forgetful);
    // Who has one remembers what is in it.
    let bench = Bench::start(bench.kept.clone(), "boot-2", 200);
    assert!(!bench.agent.report().forgetful);
}

#[test]
fn who_relies_no_more_sets_the_other_free() {
    let mut bench = Bench::idle();
    bench.asked(stamp(4));
    let news = |clock| News {
        clock: Time(clock),
        seen: stamp(4),
        duty: Duty::None,
        vips: Vec::new(),
        server_up: true,
        relies: Vec::new(),
    };
    let say =
        |clock| Input::Peer { from: name("db2"), message: PeerMessage::News(news(clock).into()) };
    bench.step(say(499));
    assert_eq!(bench.agent.report().promises.len(), 1, "said before it asked");
    bench.step(say(501));
    assert!(bench.agent.report().promises.is_empty());
    assert_eq!(bench.agent.report().peers[0].news.clock, Time(501));
}

#[test]
fn what_is_over_is_not_taken_up_again_by_a_late_answer() {
    let mut bench = Bench::idle();
    let reads = want(vec![hold(reader_vip(), Stance::Serve)]);
    bench.grant(5, Want { ask: candidates().into(), ..reads });
    let granted = bench.now - 1;
    let id = bench.running("Hold");
    bench.end(id, ActResult::Done);
    bench.wait(granted + 1_010 - bench.now);
    let ask = bench.asks().pop().expect("it asks for the reader").clock;
    // The process stands still until its time is over; its last look still shows the address.
    bench.now = granted + 5_000;
    let promised = vec![reader_vip()];
    let answer = Answer { echo: ask, promised, refused: Vec::new() };
    let asks = bench.asks().len();
    bench.step(Input::Peer { from: name("db2"), message: PeerMessage::Answer(answer) });
    let id = bench.running("Drop");
    bench.end(id, ActResult::Done);
    bench.step(Input::Addresses { found: Vec::new() });
    bench.wait(1_000);
    assert!(!bench.runs("Hold"), "{:?}", bench.acts);
    assert_eq!(bench.asks().len(), asks, "it asks for nothing that is over");
}

#[test]
fn a_promise_needs_the_disk_and_a_refusal_does_not() {
    let needs = |bench: &Bench| bench.last.iter().any(Effect::needs_the_disk);
    let mut bench = Bench::idle();
    bench.asked(stamp(4));
    assert!(needs(&bench));
    let mut bench = serving().0;
    bench.asked(stamp(5));
    assert!(!needs(&bench));
}

/// What db2 says that it has seen.
fn news_of(bench: &Bench, seen: Stamp) -> Input {
    let (vips, relies) = (Vec::new(), Vec::new());
    let clock = Time(bench.now);
    let news = News { clock, seen, duty: Duty::None, vips, server_up: true, relies };
    Input::Peer { from: name("db2"), message: PeerMessage::News(news.into()) }
}

#[test]
fn a_new_term_that_peers_tell_of_is_on_disk_before_anything_else_is_done() {
    let mut bench = Bench::idle();
    bench.wait(3_000);
    let mut told = |term| {
        bench.step(news_of(&bench, Stamp { term, seq: 3 }));
        bench.last.iter().any(|effect| matches!(effect, Effect::Persist { sync: true, .. }))
    };
    assert!(told(2), "a restart must not forget it");
    assert!(!told(2), "nothing new");
    assert_eq!(bench.agent.seen(), Stamp { term: 2, seq: 3 });
}

#[test]
fn what_is_not_there_is_not_taken_up_once_a_newer_decision_was_seen() {
    let mut bench = Bench::idle();
    let reads = || want(vec![hold(reader_vip(), Stance::Serve)]);
    bench.grant(5, Want { ask: candidates().into(), ..reads() });
    let id = bench.running("Hold");
    bench.end(id, ActResult::Failed { why: "no such interface".into(), blockers: Vec::new() });
    bench.wait(1_100);
    let id = bench.running("Hold");
    bench.step(news_of(&bench, stamp(9)));
    assert_eq!(bench.agent.seen(), stamp(9));
    assert_eq!(bench.agent.report().vips, [reader_vip()], "it may be there in a moment");
    bench.end(id, ActResult::Failed { why: "no such interface".into(), blockers: Vec::new() });
    assert!(bench.agent.report().vips.is_empty(), "who reads this takes it for released");
    bench.wait(1_000);
    assert!(!bench.runs("Hold"), "{:?}", bench.acts);
    bench.grant(9, reads());
    assert!(bench.runs("Hold"), "{:?}", bench.acts);
}
