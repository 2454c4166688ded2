//! When an agent tells how its host is: at once when something changed, else at each heartbeat.

use std::sync::Arc;

use mmm_proto::agent::{Duty, FromAgent, Report, Want};
use mmm_proto::peer::{Askable, News, PeerMessage};
use mmm_proto::{Span, Time};

use super::{Bench, facts, name, stamp, want};
use crate::core::agent::Input;

impl Bench {
    fn reports(&self) -> Vec<Arc<Report>> {
        let report = |said: &FromAgent| match said {
            FromAgent::Report(report) => Some(report.clone()),
            _ => None,
        };
        self.said.iter().filter_map(report).collect()
    }

    /// db2 says at its time `clock` that it knows decision `seq`.
    fn hears_of(&mut self, clock: u64, seq: u64) {
        let (seen, duty, vips) = (stamp(seq), Duty::None, Vec::new());
        let clock = Time(clock);
        let news = News { clock, seen, duty, vips, server_up: true, relies: Vec::new() };
        let message = PeerMessage::News(news.into());
        self.step(Input::Peer { from: name("db2"), message });
    }
}

#[test]
fn what_peers_say_is_told_at_once_and_once_for_several_that_come_together() {
    let mut b = Bench::idle();
    b.grant(5, want(Vec::new()));
    b.hears_of(100, 5);
    b.wait(50);
    b.said.clear();
    b.hears_of(150, 6);
    assert_eq!(b.reports().len(), 1, "nothing was told for 20 ms");
    for seq in 7..=12 {
        b.wait(1);
        b.hears_of(144 + seq, seq);
    }
    assert_eq!(b.reports().len(), 1, "it was told just now");
    b.wait(15);
    let reports = b.reports();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[1].peers[0].news.seen, stamp(12), "all of it");
    b.wait(100);
    assert_eq!(b.reports().len(), 2, "and that is all there is to tell");
}

#[test]
fn news_of_one_millisecond_are_put_in_order_by_the_decision_that_they_know() {
    let mut b = Bench::idle();
    b.grant(5, want(Vec::new()));
    b.hears_of(100, 6);
    b.hears_of(100, 5);
    assert_eq!(b.agent.report().peers[0].news.seen, stamp(6), "the later one came first");
    b.hears_of(101, 5);
    assert_eq!(b.agent.report().peers[0].news.seen, stamp(5), "a new process knows less");
}

#[test]
fn reports_and_news_go_out_at_one_heartbeat() {
    let mut b = Bench::idle();
    let both = vec![name("db1"), name("db2")];
    let ask = Askable { candidates: both.clone(), peers: both, alone: false };
    b.grant(5, Want { ask: ask.into(), ..want(Vec::new()) });
    // At once the one, and not the other: what others say is for the monitor only.
    b.wait(120);
    b.hears_of(100, 5);
    b.said.clear();
    let mut alone = 0;
    // Until the grant runs out, which is told at once.
    for _ in 0..1_900 {
        b.to_peers.clear();
        let before = b.reports().len();
        b.wait(1);
        let news = b.to_peers.iter().any(|(_, said)| matches!(said, PeerMessage::News(_)));
        alone += usize::from(news != (b.reports().len() > before));
    }
    assert_eq!(alone, 0, "the one without the other");
    assert!((3..=4).contains(&b.reports().len()), "{}", b.reports().len());
}

#[test]
fn a_report_goes_out_at_once_when_something_changed_and_else_at_the_heartbeat() {
    let mut b = Bench::serving();
    b.look(facts(false));
    let before = b.reports().len();
    b.look(facts(true));
    assert_eq!(b.reports().len(), before + 1);
    b.said.clear();
    let mut b = Bench::idle();
    b.grant(5, want(Vec::new()));
    b.said.clear();
    b.wait(2_000);
    assert!((3..=5).contains(&b.reports().len()), "{}", b.reports().len());
}

#[test]
fn reports_come_as_often_as_the_monitor_wants_to_hear_but_at_least_six_in_a_grant() {
    // Grants of the bench last 3 s: six of them are one each 500 ms.
    // One a millisecond is no configuration's.
    let all = [(Span::ms(100), 19, 21), (Span::secs(2), 3, 5), (Span::ms(1), 90, 101)];
    for (heartbeat, least, most) in all {
        let mut b = Bench::idle();
        b.heartbeat = heartbeat;
        b.grant(5, want(Vec::new()));
        b.said.clear();
        b.wait(2_000);
        let reports = b.reports().len();
        assert!((least..=most).contains(&reports), "{heartbeat}: {reports}");
    }
}
