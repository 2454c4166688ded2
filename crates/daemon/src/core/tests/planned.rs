//! Planned moves of the writer: nothing acknowledged is lost, and what fails is undone.

use mmm_proto::HostState;
use mmm_proto::console::Answer;

use super::cluster::Cluster;

/// The answer is "failed, everything is as it was", and so it is.
fn undone(c: &mut Cluster, answer: &Answer) -> String {
    let Answer::Failed { undone: true, why } = answer else {
        panic!("not undone: {answer:?}\n{}", c.tail());
    };
    c.until("db1 serves", 100, |c| c.open_host() == Some("db1"));
    assert_eq!(c.writer(), Some("db1"), "{}", c.tail());
    why.clone()
}

#[test]
fn the_writer_moves_to_and_fro_twenty_times_and_no_acknowledged_write_is_lost() {
    let mut c = Cluster::in_service();
    for turn in 0..20 {
        let (to, host) = if turn % 2 == 0 { ("db2", 1) } else { ("db1", 0) };
        let before = c.acked.len();
        let text = c.ok(&format!("move_role writer {to}"));
        assert!(text.contains("has been moved from"), "{text}");
        assert_eq!(c.open_host(), Some(to), "turn {turn}\n{}", c.tail());
        c.run(1_000);
        c.until("both others follow", 3_000, Cluster::settled);
        assert!(c.acked.len() > before + 50, "turn {turn}: nobody writes\n{}", c.tail());
        assert_eq!(c.missing_on(host), 0, "turn {turn}\n{}", c.tail());
    }
    // The new writer was open before the old one was surely gone; the client waited for the steps only.
    assert!(c.longest_gap < 250, "{} ms", c.longest_gap);
    c.writing = false;
    c.run(1_000);
    for host in 0..3 {
        assert_eq!(c.missing_on(host), 0);
        assert_eq!(c.state(host), HostState::Online);
    }
}

#[test]
fn a_move_is_refused_while_the_applier_of_the_target_is_stopped() {
    let mut c = Cluster::in_service();
    c.hosts[1].server.sql = false;
    c.run(600);
    let why = c.refusal("move_role writer db2");
    assert!(why.contains("applier is stopped"), "{why}");
    assert_eq!(c.open_host(), Some("db1"));
}

#[test]
fn a_move_is_refused_while_the_receiver_of_the_target_is_stopped() {
    let mut c = Cluster::in_service();
    c.hosts[1].server.io = false;
    c.run(600);
    let why = c.refusal("move_role writer db2");
    assert!(why.contains("stopped"), "{why}");
}

#[test]
fn a_late_target_is_waited_for_and_the_move_is_given_up_without_touching_anything() {
    let mut c = Cluster::in_service();
    c.hosts[1].server.apply_stuck = true;
    c.run(3_000);
    let answer = c.control("move_role writer db2");
    let why = undone(&mut c, &answer);
    assert!(why.contains("did not come within"), "{why}");
    assert_eq!(c.longest_gap, 0, "nothing was touched");
}

#[test]
fn a_long_transaction_is_named_and_refuses_the_move_unless_kill() {
    let mut c = Cluster::in_service();
    c.hosts[0].server.blocker_since = Some(c.now);
    c.run(7_000);
    let why = c.refusal("move_role writer db2");
    assert!(why.contains("open transaction") && why.contains("--kill"), "{why}");
    c.ok("move_role --kill writer db2");
    assert_eq!(c.open_host(), Some("db2"));
    assert_eq!(c.missing_on(1), 0);
}

#[test]
fn a_freeze_that_is_held_up_is_undone_and_names_what_held_it_up() {
    let mut c = Cluster::in_service();
    c.hosts[0].server.blocker_since = Some(c.now);
    c.hosts[0].server.blocks = true;
    c.run(600);
    let answer = c.control("move_role writer db2");
    let why = undone(&mut c, &answer);
    assert!(why.contains("open transaction") && why.contains("--kill"), "{why}");
    assert!(c.longest_gap < 1_000, "{}", c.longest_gap);
}

#[test]
fn a_catch_up_that_takes_too_long_is_undone() {
    let mut c = Cluster::in_service();
    c.hosts[1].slow.insert("CatchUp", 60_000);
    let answer = c.control("move_role writer db2");
    undone(&mut c, &answer);
    c.run(1_000);
    assert!(c.settled(), "{}", c.tail());
    assert_eq!(c.missing_on(0), 0);
}

#[test]
fn a_move_that_was_undone_does_not_hold_up_the_failover_after_it() {
    let mut c = Cluster::in_service();
    c.hosts[1].failing.insert("CatchUp", "disk full".to_owned());
    let answer = c.control("move_role writer db2");
    undone(&mut c, &answer);
    c.hosts[1].failing.clear();
    c.run(1_000);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 2_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn a_target_that_does_not_open_gives_the_role_back() {
    let mut c = Cluster::in_service();
    c.hosts[1].failing.insert("Open", "no such interface".to_owned());
    let answer = c.control("move_role writer db2");
    let Answer::Failed { undone: false, why } = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("no such interface"), "{why}");
    c.until("db1 serves again", 3_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0, "{}", c.tail());
}

/// Where a move stands still until the test says otherwise.
fn stalled(act: &'static str, host: usize) -> Cluster {
    let mut c = Cluster::in_service();
    c.hosts[host].slow.insert(act, 2_500);
    c.ask("move_role writer db2");
    let begun = |c: &Cluster| {
        let acts = &c.hosts[host].begun;
        acts.iter().rev().take(3).any(|(_, kind)| kind == act)
    };
    c.until(act, 1_000, begun);
    c.run(50);
    c
}

/// Every phase with the host that works on it.
const PHASES: [(&str, usize); 3] = [("Freeze", 0), ("CatchUp", 1), ("Open", 1)];

#[test]
fn whichever_link_breaks_in_whichever_phase_somebody_serves_again_and_nothing_is_lost() {
    for (act, at) in PHASES {
        for broken in [0, 1] {
            let mut c = stalled(act, at);
            c.cut[broken] = true;
            c.run(9_000);
            c.cut[broken] = false;
            c.hosts[at].slow.clear();
            c.until("somebody serves", 15_000, |c| c.open_host().is_some() && c.settled());
            let writer = usize::from(c.open_host() == Some("db2"));
            assert_eq!(c.missing_on(writer), 0, "{act} cut {broken}\n{}", c.tail());
        }
    }
}

#[test]
fn whichever_server_dies_in_whichever_phase_the_other_one_serves() {
    for (act, at) in PHASES {
        for dead in [0, 1] {
            let mut c = stalled(act, at);
            c.hosts[dead].server.kill();
            let other = if dead == 0 { "db2" } else { "db1" };
            let what = format!("{other} after the server of db{} died in {act}", dead + 1);
            c.hosts[at].slow.clear();
            c.until(&what, 12_000, |c| c.open_host() == Some(other));
            c.run(3_000);
            assert_eq!(c.open_host(), Some(other), "{what}\n{}", c.tail());
        }
    }
}

#[test]
fn whichever_agent_is_killed_in_whichever_phase_somebody_serves_in_the_end() {
    for (act, at) in PHASES {
        for dead in [0, 1] {
            let mut c = stalled(act, at);
            c.hosts[dead].kill_agent();
            c.hosts[at].slow.clear();
            c.run(800);
            let now = c.now;
            c.hosts[dead].start_agent(now);
            let what = format!("somebody after the agent of db{} died in {act}", dead + 1);
            c.until(&what, 15_000, |c| c.open_host().is_some() && c.settled());
            let writer = usize::from(c.open_host() == Some("db2"));
            assert_eq!(c.missing_on(writer), 0, "{what}\n{}", c.tail());
        }
    }
}

#[test]
fn whichever_machine_stands_still_in_whichever_phase_somebody_serves_in_the_end() {
    for (act, at) in PHASES {
        for still in [0, 1] {
            let mut c = stalled(act, at);
            c.hosts[still].frozen = true;
            c.run(12_000);
            c.hosts[still].frozen = false;
            c.hosts[at].slow.clear();
            let what = format!("somebody after db{} stood still in {act}", still + 1);
            c.until(&what, 20_000, |c| c.open_host().is_some());
            c.run(5_000);
            assert!(c.open_host().is_some(), "{what}\n{}", c.tail());
        }
    }
}

#[test]
fn a_move_that_a_person_halts_is_undone() {
    let mut c = stalled("CatchUp", 1);
    let plan = c.view().running.unwrap().plan;
    let stop = c.request(crate::core::monitor::Request::Stop { plan });
    c.hosts[1].slow.clear();
    c.until("the stop is answered", 100, |c| c.answer(stop).is_some());
    c.until("db1 serves", 3_000, |c| c.settled() && c.open_host() == Some("db1"));
    assert!(c.said("halted by ann"), "{}", c.tail());
}

#[test]
fn set_offline_of_the_writer_moves_it_first() {
    let mut c = Cluster::in_service();
    let text = c.ok("set_offline db1");
    assert!(text.contains("changed to ADMIN_OFFLINE"), "{text}");
    assert_eq!(c.open_host(), Some("db2"));
    assert_eq!(c.state(0), HostState::AdminOffline);
    assert!(c.longest_gap < 250, "{}", c.longest_gap);
    c.until("its addresses are served elsewhere", 5_000, Cluster::settled);
    assert_eq!(c.missing_on(1), 0);
    c.until("its replication is off", 2_000, |c| !c.hosts[0].server.io);
    c.ok("set_online db1");
    c.until("it follows again", 3_000, |c| c.hosts[0].server.io && c.readers(0) == 1);
    assert_eq!(c.open_host(), Some("db2"), "the writer stays");
}

#[test]
fn a_monitor_that_stood_still_in_the_middle_of_a_move_does_not_blame_the_hosts() {
    let mut c = stalled("Open", 1);
    c.hosts[1].slow.insert("Open", 1_900);
    c.run(1_400);
    c.paused = true;
    c.run(1_700);
    c.paused = false;
    c.run(500);
    assert!(!c.said("did not become writable"), "{}", c.tail());
    assert_eq!(c.open_host(), Some("db2"));
}

#[test]
fn a_frozen_writer_that_was_given_up_and_comes_back_in_the_same_move_holds_up_nothing_for_ever() {
    let mut top = super::topology();
    top.timing.step_timeout = mmm_proto::Span::secs(6);
    let mut c = Cluster::with(top).put_in_service();
    c.hosts[1].slow.insert("Open", 3_000);
    c.ask("move_role writer db2");
    c.until("db2 opens", 1_000, |c| c.hosts[1].begun.iter().any(|(_, kind)| kind == "Open"));
    c.cut[0] = true;
    c.run(4_000);
    assert!(c.said("grant of db1 is surely over"), "{}", c.tail());
    c.cut[0] = false;
    c.run(3_000);
    c.hosts[1].slow.clear();
    c.until("somebody serves", 20_000, Cluster::settled);
    // And the next failover finds nobody who may still hold it.
    c.run(62_000);
    let writer = usize::from(c.open_host() == Some("db2"));
    c.hosts[writer].server.kill();
    let other = ["db2", "db1"][writer];
    c.until("the other one takes over", 5_000, |c| c.open_host() == Some(other));
}
