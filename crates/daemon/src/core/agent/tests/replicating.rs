//! Replication: re-pointed, stopped, started, or left alone.

use super::*;

fn from_db2() -> Want {
    let mut wanted = want(Vec::new());
    wanted.replicate = Replicate::From(name("db2"));
    wanted
}

#[test]
fn replication_is_pointed_to_the_host_that_is_wanted() {
    let mut b = Bench::idle();
    b.look(replica("10.0.0.13", Thread::Yes, Thread::Yes));
    b.grant(5, from_db2());
    let id = b.running("Follow");
    b.end(id, ActResult::Done);
    assert!(b.runs("Look") && !b.runs("Follow"), "not again before a look");
    b.look(replica("10.0.0.12", Thread::Yes, Thread::Yes));
    b.wait(2_000);
    assert!(!b.runs("Follow"));
}

#[test]
fn a_replication_that_somebody_else_stopped_is_not_started() {
    let mut b = Bench::idle();
    b.look(replica("10.0.0.12", Thread::No, Thread::Yes));
    b.grant(5, from_db2());
    b.wait(3_000);
    assert!(!b.runs("Follow"), "{:?}", b.acts);
}

#[test]
fn a_refused_position_that_lacks_own_transactions_is_made_whole_once() {
    let refused = |lacks_own| {
        let mut server = replica("10.0.0.12", Thread::No, Thread::Yes);
        let now = server.replication.as_mut().unwrap();
        (now.lacks_own, now.error) = (lacks_own, "error 1236".to_owned());
        server
    };
    let mut b = Bench::idle();
    b.look(refused(false));
    b.grant(5, from_db2());
    b.wait(2_000);
    assert!(!b.runs("Follow"), "nothing to make whole: {:?}", b.acts);
    b.look(refused(true));
    let id = b.running("Follow");
    b.end(id, ActResult::Done);
    b.look(refused(false));
    b.wait(3_000);
    assert!(!b.runs("Follow"), "it has parted: {:?}", b.acts);
}

#[test]
fn a_replication_that_this_agent_stopped_is_started_again_even_after_a_restart() {
    let mut b = Bench::idle();
    b.look(replica("10.0.0.12", Thread::Yes, Thread::Yes));
    let mut off = want(Vec::new());
    off.replicate = Replicate::Off;
    b.grant(5, off);
    let id = b.running("StopReplication");
    b.end(id, ActResult::Done);
    b.look(replica("10.0.0.12", Thread::No, Thread::No));
    b.wait(100);
    assert!(!b.runs("StopReplication"));
    let mut b = Bench::start(b.kept, "boot", b.now);
    b.step(Input::Addresses { found: Vec::new() });
    b.look(replica("10.0.0.12", Thread::No, Thread::No));
    b.grant(6, from_db2());
    let id = b.running("Follow");
    b.end(id, ActResult::Done);
    assert!(!b.kept.unwrap().stopped);
}

#[test]
fn a_re_pointing_that_fails_is_told_and_tried_again_with_a_pause() {
    let mut b = Bench::idle();
    b.look(replica("10.0.0.13", Thread::Yes, Thread::Yes));
    b.grant(5, from_db2());
    let id = b.running("Follow");
    b.end(id, failed("access denied"));
    assert!(b.agent.report().troubles[0].contains("access denied"));
    b.look(replica("10.0.0.13", Thread::Yes, Thread::Yes));
    b.wait(500);
    assert!(!b.runs("Follow"));
    b.wait(600);
    assert!(b.runs("Follow"));
}

#[test]
fn nothing_is_done_about_replication_while_the_host_fences_or_its_server_is_down() {
    let mut b = Bench::serving();
    b.look(replica("10.0.0.13", Thread::Yes, Thread::Yes));
    b.grant(6, from_db2());
    assert!(b.runs("Fence") && !b.runs("Follow"));
    b.fenced();
    let why = "refused".to_owned();
    let mut b = Bench::idle();
    b.step(Input::Lost { reach: Reach::Gone { why } });
    b.grant(5, from_db2());
    b.wait(100);
    assert!(!b.runs("Follow"));
}
