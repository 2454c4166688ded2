//! The steps of a move.

use super::*;

#[test]
fn a_freeze_is_answered_with_the_position_and_undone_by_the_next_grant() {
    let mut b = Bench::frozen();
    let Some(Outcome::Frozen { at, killed: 2 }) = b.outcome() else {
        panic!("{:?}", b.said);
    };
    assert_eq!(at.to_string(), "0-1-7");
    b.grant(6, want(vec![hold(writer_vip(), Stance::Frozen)]));
    b.wait(100);
    assert_eq!(b.duty(), Duty::Frozen);
    b.grant(7, serve());
    let id = b.running("Thaw");
    b.end(id, ActResult::Done);
    assert_eq!(b.duty(), Duty::Serving);
}

#[test]
fn a_frozen_host_is_not_thawed_by_what_was_wanted_before_the_freeze() {
    let mut b = Bench::frozen();
    // The grant that goes with the freeze is late: what is known wants the host to serve.
    b.wait(500);
    assert_eq!(b.duty(), Duty::Frozen);
    assert!(!b.runs("Thaw"), "{:?}", b.acts);
    // Nor does a repeated older grant.
    b.grant(5, serve());
    assert_eq!(b.duty(), Duty::Frozen);
    assert!(b.refused().is_some());
}

#[test]
fn a_host_that_waits_to_open_does_not_open_by_a_grant_that_is_older_than_an_order() {
    let mut b = Bench::idle();
    let why = "refused".to_owned();
    b.step(Input::Lost { reach: Reach::Gone { why } });
    b.grant(5, serve());
    assert!(!b.runs("Open"), "its server is down");
    // The monitor gave it up and asks what it has; the grant that says so is still on its way. What it
    // reports now counts as having let go.
    b.order(8, Step::Look);
    b.look(facts(true));
    b.wait(50);
    assert!(!b.runs("Open"), "{:?}", b.acts);
    b.grant(8, serve());
    assert!(b.runs("Open"));
}

#[test]
fn an_order_during_an_open_is_refused_and_the_open_goes_on() {
    let mut b = Bench::idle();
    b.grant(5, serve());
    b.order(5, freeze());
    let Some(Outcome::Failed { why, .. }) = b.outcome() else {
        panic!("{:?}", b.said);
    };
    assert!(why.contains("not serving"), "{why}");
    assert!(b.runs("Open") && !b.runs("Freeze"));
}

#[test]
fn a_freeze_that_fails_leaves_the_host_in_service() {
    let mut b = Bench::serving();
    b.order(6, freeze());
    let id = b.running("Freeze");
    b.end(id, failed("held up"));
    assert_eq!(b.duty(), Duty::Serving);
    assert!(matches!(b.outcome(), Some(Outcome::Failed { why, .. }) if why == "held up"));
}

#[test]
fn a_fence_in_the_middle_of_a_freeze_answers_the_order() {
    let mut b = Bench::serving();
    b.order(6, freeze());
    b.now = 12_001;
    b.step(Input::Tick);
    assert_eq!(b.duty(), Duty::Fencing);
    assert!(!b.runs("Freeze") && b.runs("Fence"));
    assert!(matches!(b.outcome(), Some(Outcome::Failed { .. })));
}

#[test]
fn a_frozen_host_that_is_found_writable_fences() {
    let mut b = Bench::frozen();
    b.grant(6, want(vec![hold(writer_vip(), Stance::Frozen)]));
    b.look(facts(true));
    assert_eq!(b.duty(), Duty::Frozen);
    b.look(facts(false));
    assert_eq!(b.duty(), Duty::Fencing);
    assert!(b.runs("Fence"));
}

#[test]
fn without_a_state_file_nothing_is_frozen() {
    let mut b = Bench::serving();
    b.step(Input::StoreFailed { why: "disk full".to_owned() });
    b.order(6, freeze());
    assert!(!b.runs("Freeze"));
    assert!(matches!(b.outcome(), Some(Outcome::Failed { why, .. }) if why.contains("disk full")));
}

#[test]
fn an_order_goes_before_what_the_agent_does_about_replication_by_itself() {
    let mut b = Bench::idle();
    b.look(replica("10.0.0.99", Thread::Yes, Thread::Yes));
    let mut wanted = want(Vec::new());
    wanted.replicate = Replicate::From(name("db2"));
    b.grant(5, wanted);
    assert!(b.runs("Follow"));
    let to = "0-1-9".parse().unwrap();
    b.order(6, Step::CatchUp { to });
    assert!(!b.runs("Follow") && b.runs("CatchUp"), "{:?}", b.acts);
    let id = b.running("CatchUp");
    let at: mmm_proto::GtidPos = "0-1-9".parse().unwrap();
    b.end(id, ActResult::Reached { at });
    assert!(matches!(b.outcome(), Some(Outcome::Reached { .. })));
}

#[test]
fn a_fetch_from_an_unknown_host_is_refused() {
    let mut b = Bench::idle();
    let step = Step::Fetch { from: name("db9"), to: "0-1-9".parse().unwrap() };
    b.order(5, step);
    assert!(matches!(b.outcome(), Some(Outcome::Failed { why, .. }) if why.contains("db9")));
}
