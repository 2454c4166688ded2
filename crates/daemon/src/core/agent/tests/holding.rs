//! Grants, fences, restarts, addresses.

use super::*;

#[test]
fn a_grant_opens_and_two_thirds_of_it_later_the_host_fences() {
    let mut b = Bench::serving();
    let echo = 10_001;
    b.look(facts(false));
    while b.now < echo + 1_999 {
        assert_eq!(b.duty(), Duty::Serving, "at {}", b.now);
        b.wait(1);
    }
    b.wait(1);
    assert_eq!(b.duty(), Duty::Fencing);
    assert!(b.told("fences itself"));
    b.fenced();
    assert_eq!(b.duty(), Duty::None);
    b.wait(2_000);
    assert!(b.acts.is_empty(), "{:?}", b.acts);
}

#[test]
fn a_fence_waits_for_no_disk() {
    let mut b = Bench::serving();
    b.now = 12_001;
    b.step(Input::Tick);
    let synced = |effect: &Effect| matches!(effect, Effect::Persist { sync: true, .. });
    assert!(b.runs("Fence"));
    assert!(!b.last.iter().any(synced), "{:?}", b.last);
}

#[test]
fn the_kernel_drops_the_address_when_the_grant_ends_however_late_it_is_asked() {
    let mut b = Bench::idle();
    b.now += 150;
    let echo = b.now - 100;
    b.grant_for(5, serve(), echo);
    let Some((_, Act::Open { until, .. })) = b.acts.first() else {
        panic!("{:?}", b.acts);
    };
    assert_eq!(*until, Time(echo) + TTL);
}

#[test]
fn a_grant_that_comes_too_late_opens_nothing() {
    let mut b = Bench::idle();
    let echo = b.now;
    b.now += 2_000;
    b.grant_for(5, serve(), echo);
    assert!(!b.runs("Open"), "{:?}", b.acts);
    assert_eq!(b.duty(), Duty::None);
}

#[test]
fn a_grant_that_comes_twice_extends_nothing() {
    let mut b = Bench::serving();
    b.wait(1_000);
    b.grant_for(5, serve(), 10_001);
    b.now = 12_001;
    b.step(Input::Tick);
    assert_eq!(b.duty(), Duty::Fencing);
}

#[test]
fn an_echo_of_a_report_that_was_never_made_is_refused() {
    let mut b = Bench::idle();
    b.grant_for(5, serve(), b.now + 60_000);
    assert!(b.refused().unwrap().contains("never made"));
    assert!(!b.runs("Open"));
}

#[test]
fn what_is_older_than_what_was_seen_is_refused() {
    let mut b = Bench::serving();
    b.grant(4, want(Vec::new()));
    assert!(b.refused().unwrap().contains("older"));
    assert_eq!(b.duty(), Duty::Serving);
    b.said.clear();
    b.order(4, freeze());
    assert!(b.refused().unwrap().contains("older"));
    assert_eq!(b.duty(), Duty::Serving);
}

#[test]
fn a_grant_without_the_role_fences() {
    let mut b = Bench::serving();
    b.grant(6, want(Vec::new()));
    assert_eq!(b.duty(), Duty::Fencing);
    b.fenced();
    assert_eq!(b.duty(), Duty::None);
    assert!(b.agent.report().seen >= stamp(6));
}

#[test]
fn a_grant_without_the_role_ends_an_open_that_is_on_its_way() {
    let mut b = Bench::idle();
    b.grant(5, serve());
    assert!(b.runs("Open"));
    b.grant(6, want(Vec::new()));
    assert!(!b.runs("Open") && b.runs("Fence"), "{:?}", b.acts);
}

#[test]
fn a_fence_that_fails_is_tried_again_with_a_pause_and_is_never_called_done() {
    let mut b = Bench::serving();
    b.grant(6, want(Vec::new()));
    for _ in 0..5 {
        let id = b.running("Fence");
        let result = ActResult::Fenced {
            safe: false,
            gone: true,
            ended: false,
            trouble: "no answer".to_owned(),
        };
        b.end(id, result);
        assert_eq!(b.duty(), Duty::Fencing);
        assert!(!b.runs("Fence"), "not at once");
        b.look(Server {
            reach: Reach::Silent { why: "no answer".to_owned() },
            ..Server::unknown()
        });
        b.wait(250);
    }
    b.fenced();
    assert_eq!(b.duty(), Duty::None);
}

#[test]
fn an_agent_restarted_within_its_grant_goes_on() {
    let kept = Bench::serving().kept;
    let mut b = Bench::start(kept, "boot", 10_500);
    assert_eq!(b.duty(), Duty::Serving);
    b.step(Input::Addresses { found: vec![writer_vip()] });
    b.look(facts(false));
    b.wait(100);
    assert!(b.acts.is_empty(), "{:?}", b.acts);
    b.now = 12_001;
    b.step(Input::Tick);
    assert_eq!(b.duty(), Duty::Fencing, "the old grant is not extended");
}

#[test]
fn an_agent_restarted_out_of_its_grant_or_in_another_boot_or_in_the_middle_of_something_fences() {
    let serving = Bench::serving().kept;
    let frozen = Bench::frozen().kept;
    let opening = {
        let mut b = Bench::idle();
        b.grant(5, serve());
        b.kept
    };
    let cases = [
        (serving.clone(), "boot", 12_001),
        (serving, "another", 10_500),
        (frozen, "boot", 10_500),
        (opening, "boot", 10_500),
        (None, "boot", 10_500),
    ];
    for (kept, boot, now) in cases {
        let what = format!("{kept:?} {boot} {now}");
        let mut b = Bench::start(kept, boot, now);
        assert_eq!(b.duty(), Duty::Fencing, "{what}");
        b.step(Input::Addresses { found: vec![writer_vip()] });
        b.look(facts(false));
        assert!(b.runs("Fence"), "{what}");
        b.fenced();
        // What was opening within its grant may open again.
        assert!(matches!(b.duty(), Duty::None | Duty::Opening), "{what}");
    }
}

#[test]
fn an_agent_restarted_within_its_grant_keeps_its_readers() {
    let mut b = Bench::idle();
    b.grant(5, want(vec![hold(reader_vip(), Stance::Serve)]));
    let id = b.running("Hold");
    b.end(id, ActResult::Done);
    let mut b = Bench::start(b.kept, "boot", 10_500);
    b.step(Input::Addresses { found: vec![reader_vip()] });
    b.look(facts(true));
    assert_eq!(b.duty(), Duty::None);
    assert!(!b.runs("Drop"), "{:?}", b.acts);
    b.now = 13_100;
    b.step(Input::Tick);
    assert!(b.runs("Drop"), "without a grant they go");
}

#[test]
fn an_open_that_fails_fences_and_is_tried_again() {
    let mut b = Bench::idle();
    b.grant(5, serve());
    let id = b.running("Open");
    b.end(id, failed("no such interface"));
    assert_eq!(b.duty(), Duty::Fencing);
    assert!(b.agent.report().troubles[0].contains("no such interface"));
    b.fenced();
    b.look(facts(true));
    b.wait(250);
    assert!(b.runs("Open"), "{:?}", b.acts);
}

#[test]
fn a_server_restarted_while_its_host_serves_is_opened_again() {
    let mut b = Bench::serving();
    let why = "refused".to_owned();
    b.step(Input::Lost { reach: Reach::Gone { why } });
    assert_eq!(b.duty(), Duty::Serving);
    b.look(facts(true));
    assert!(b.runs("Open"), "{:?}", b.acts);
    assert!(b.told("is made writable again"));
}

#[test]
fn a_look_that_began_before_the_host_opened_says_nothing_about_what_came_after() {
    let mut b = Bench::idle();
    b.order(4, Step::Look);
    let look = b.running("Look");
    b.grant(5, serve());
    let id = b.running("Open");
    b.end(id, ActResult::Done);
    b.end(look, ActResult::Looked(Box::new(facts(true))));
    b.wait(5);
    assert_eq!(b.duty(), Duty::Serving);
    assert!(!b.runs("Open"), "it was read-only before it opened");
}

#[test]
fn a_look_that_began_before_the_server_died_does_not_call_it_alive() {
    let mut b = Bench::serving();
    let began = Time(b.now);
    b.now += 5;
    let why = "refused".to_owned();
    b.step(Input::Lost { reach: Reach::Gone { why } });
    let server = facts(false);
    b.step(Input::Facts { server: Box::new(server), began });
    assert!(matches!(b.agent.report().server.reach, Reach::Gone { .. }));
}

#[test]
fn a_host_that_is_found_writable_without_being_the_writer_is_made_read_only() {
    let mut b = Bench::idle();
    b.look(facts(false));
    let id = b.running("ReadOnly");
    assert!(!b.told("was found writable"), "nothing came of it yet");
    assert_eq!(b.agent.report().server.read_only, Some(false), "until it is set");
    b.end(id, ActResult::Done);
    assert!(b.told("was found writable"));
    assert_eq!(b.agent.report().server.read_only, Some(true));
}

#[test]
fn the_writers_address_on_a_host_that_is_not_the_writer_goes() {
    let mut b = Bench::idle();
    b.step(Input::Addresses { found: vec![writer_vip()] });
    assert!(b.runs("Fence"), "{:?}", b.acts);
    b.fenced();
    assert_eq!(b.duty(), Duty::None);
}

#[test]
fn addresses_that_are_not_of_the_cluster_are_never_touched() {
    let mut b = Bench::serving();
    let mut wanted = serve();
    wanted
        .holds
        .push(Hold { vip: IpAddr::from([10, 0, 0, 200]), ..hold(reader_vip(), Stance::Serve) });
    b.grant(6, wanted);
    b.step(Input::Addresses { found: vec![writer_vip(), IpAddr::from([10, 0, 0, 11])] });
    b.wait(100);
    let strange = |act: &Act| match act {
        Act::Hold { vip, .. } | Act::Drop { vip } => *vip != writer_vip(),
        _ => false,
    };
    assert!(!b.acts.iter().any(|(_, act)| strange(act)), "{:?}", b.acts);
}

#[test]
fn an_address_that_is_being_refreshed_does_not_come_up_behind_a_fence() {
    let mut b = Bench::serving();
    b.grant(5, serve());
    assert!(b.runs("Hold"), "the grant refreshes its lifetime");
    b.grant(6, want(Vec::new()));
    assert!(!b.runs("Hold"), "{:?}", b.acts);
    b.fenced();
    assert!(b.agent.report().vips.is_empty());
}

#[test]
fn a_renewal_that_gains_next_to_nothing_is_no_act_but_a_shorter_grant_is() {
    let mut b = Bench::serving();
    b.grant(5, serve());
    let id = b.running("Hold");
    b.end(id, ActResult::Done);
    // The monitor decides twenty times within 60 ms: 3 ms more each, 60 in all.
    for seq in 6..26 {
        b.wait(2);
        b.grant(seq, serve());
        assert!(!b.runs("Hold"), "{seq}: {:?}", b.acts);
    }
    b.wait(60);
    b.grant(26, serve());
    let id = b.running("Hold");
    b.end(id, ActResult::Done);
    // It echoes an older report, so it ends sooner, and the kernel is told.
    b.grant_for(27, serve(), b.now - 30);
    assert!(b.runs("Hold"), "{:?}", b.acts);
}

#[test]
fn an_address_that_cannot_be_added_is_not_tried_in_a_hot_loop() {
    let mut b = Bench::idle();
    b.grant(5, want(vec![hold(reader_vip(), Stance::Serve)]));
    let mut tries = 0;
    for _ in 0..1_000 {
        if let Some((id, _)) = b.acts.iter().find(|(_, act)| is(act, "Hold")).cloned() {
            tries += 1;
            b.end(id, failed("no such interface"));
        }
        b.wait(1);
    }
    assert!((1..=5).contains(&tries), "{tries}");
}

#[test]
fn without_a_state_file_nothing_new_is_opened() {
    let mut b = Bench::idle();
    b.step(Input::StoreFailed { why: "disk full".to_owned() });
    b.grant(5, serve());
    assert!(!b.runs("Open"));
    assert!(b.agent.report().troubles[0].contains("disk full"));
    b.step(Input::StoreWorks);
    assert!(b.runs("Open"));
}

#[test]
fn grants_do_not_drive_addresses_that_cannot_be_refreshed() {
    let mut b = Bench::serving();
    let mut both = serve();
    both.holds.push(hold(reader_vip(), Stance::Serve));
    b.grant(6, both.clone());
    b.step(Input::Addresses { found: vec![writer_vip(), reader_vip()] });
    let (mut tries, mut reports) = (0, 0);
    for _ in 0..1_000 {
        b.said.clear();
        for (id, act) in b.acts.clone() {
            if is(&act, "Hold") {
                tries += 1;
                b.end(id, failed("no such interface"));
            }
        }
        // As a monitor does: each report is answered by a grant.
        if b.said.iter().any(|m| matches!(m, FromAgent::Report(_))) {
            reports += 1;
            b.grant(6, both.clone());
        }
        b.wait(1);
    }
    assert!(tries <= 20 && reports <= 20, "{tries} {reports}");
}

#[test]
fn an_address_that_is_being_added_is_reported_as_there() {
    let mut b = Bench::idle();
    b.grant(5, want(vec![hold(reader_vip(), Stance::Serve)]));
    let id = b.running("Hold");
    b.grant(6, want(Vec::new()));
    assert_eq!(b.agent.report().vips, [reader_vip()], "it is on its way");
    b.end(id, ActResult::Done);
    let id = b.running("Drop");
    b.end(id, ActResult::Done);
    assert!(b.agent.report().vips.is_empty());
}
