//! The countdown of the dead-man event in the server, and what is wrong with it.

use super::*;

#[test]
fn the_countdown_in_the_server_runs_while_the_host_may_serve_and_a_freeze_stops_it() {
    let mut b = Bench::serving();
    let ends = |echo| Countdown::Until(Time(echo) + TTL);
    assert_eq!(b.agent.countdown(), ends(10_001));
    b.wait(700);
    let echo = b.now;
    b.grant(5, serve());
    assert_eq!(b.agent.countdown(), ends(echo), "renewed");
    b.order(6, freeze());
    assert_eq!(b.agent.countdown(), ends(echo), "until it is frozen");
    let id = b.running("Freeze");
    b.end(id, ActResult::Frozen { at: "0-1-7".parse().unwrap(), killed: 0 });
    assert_eq!(b.agent.countdown(), Countdown::Off);
    b.grant(7, serve());
    assert!(b.runs("Thaw"));
    assert!(matches!(b.agent.countdown(), Countdown::Until(_)));
}

#[test]
fn a_fence_leaves_the_countdown_running_until_it_is_done() {
    let mut b = Bench::serving();
    b.now += 2_000;
    b.step(Input::Tick);
    assert_eq!(b.duty(), Duty::Fencing);
    assert_eq!(b.agent.countdown(), Countdown::AsIs);
    b.fenced();
    assert_eq!(b.agent.countdown(), Countdown::Off);
}

#[test]
fn what_is_wrong_with_the_dead_man_event_is_told_and_hinders_nothing() {
    let mut b = Bench::idle();
    let why = "deadman_event: event_scheduler is OFF".to_owned();
    b.step(Input::DeadmanEvent { trouble: Some(why.clone()) });
    assert_eq!(b.agent.report().troubles, [why]);
    b.grant(5, serve());
    assert!(b.runs("Open"));
    b.step(Input::DeadmanEvent { trouble: None });
    assert!(b.agent.report().troubles.is_empty());
}
