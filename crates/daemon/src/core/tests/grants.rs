//! When the monitor answers a report with a grant, and when the one before says as much.

use std::sync::Arc;

use mmm_proto::agent::{FromAgent, Report, ToAgent};
use mmm_proto::{Span, Time, Wall};

use super::cluster::Cluster;
use crate::core::Now;
use crate::core::monitor::{Effect, Input};

/// One step, before anything is due by time.
fn step(c: &mut Cluster, input: impl FnOnce(Time) -> Input) -> Vec<Effect> {
    let monitor = c.monitor.as_mut().expect("it runs");
    let boot = Time(monitor.next_wakeup().0 - 1);
    monitor.step(Now { boot, wall: Wall(0) }, input(boot))
}

/// How many grants a report of db2 is answered with that its agent made so much later.
fn grants(c: &mut Cluster, report: &Report, later: u64) -> usize {
    let clock = report.clock + Span::ms(later);
    let message = FromAgent::Report(Arc::new(Report { clock, ..report.clone() }));
    let effects = step(c, |at| Input::Said { host: 1, at, message });
    let grant =
        |effect: &&Effect| matches!(effect, Effect::Send { host: 1, message: ToAgent::Grant(_) });
    effects.iter().filter(grant).count()
}

#[test]
fn reports_that_come_together_are_answered_once() {
    let mut c = Cluster::in_service();
    let report = c.hosts[1].agent.as_ref().expect("it runs").report();
    assert_eq!(grants(&mut c, &report, 1_000), 1, "a report renews the grant");
    assert_eq!(grants(&mut c, &report, 1_000), 0);
    assert_eq!(grants(&mut c, &report, 1_019), 0);
    assert_eq!(grants(&mut c, &report, 1_020), 1, "by then it gives noticeably more time");
    step(&mut c, |_| Input::LinkDown { host: 1, why: "cut".to_owned() });
    step(&mut c, |_| Input::LinkUp { host: 1, version: "toy".to_owned() });
    assert_eq!(grants(&mut c, &report, 1_020), 1, "nobody knows what came over the link before");
}
