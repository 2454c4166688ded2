//! When an agent reports: at once when something changed, else at each heartbeat.

use mmm_proto::Span;
use mmm_proto::agent::FromAgent;

use super::{Bench, facts, want};

#[test]
fn a_report_goes_out_at_once_when_something_changed_and_else_at_the_heartbeat() {
    let mut b = Bench::serving();
    let reports = |b: &Bench| {
        let report = |m: &&FromAgent| matches!(m, FromAgent::Report(_));
        b.said.iter().filter(report).count()
    };
    b.look(facts(false));
    let before = reports(&b);
    b.look(facts(true));
    assert_eq!(reports(&b), before + 1);
    b.said.clear();
    let mut b = Bench::idle();
    b.grant(5, want(Vec::new()));
    b.said.clear();
    b.wait(2_000);
    assert!((3..=5).contains(&reports(&b)), "{}", reports(&b));
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
        let reports = b.said.iter().filter(|m| matches!(m, FromAgent::Report(_))).count();
        assert!((least..=most).contains(&reports), "{heartbeat}: {reports}");
    }
}
