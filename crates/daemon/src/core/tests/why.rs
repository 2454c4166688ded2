//! Why, and why not: what the picture says stands in the way, when that ends, who is ready, and
//! that what it offers is what would be permitted.

use mmm_proto::console::Answer;
use mmm_proto::view::{Blocked, Readiness};
use mmm_proto::{HostState, MonitorMode, Verb, Wall};

use super::cluster::Cluster;
use super::server::Process;
use crate::core::monitor::Request;

fn blocked(c: &Cluster) -> Vec<Blocked> {
    c.view().writer.blocked
}

/// The one of `all` whose words have `text`.
fn find(c: &Cluster, all: Vec<Blocked>, text: &str) -> Blocked {
    let found = all.iter().find(|one| one.why.contains(text)).cloned();
    found.unwrap_or_else(|| panic!("nothing says {text:?}: {all:#?}\n{}", c.tail()))
}

fn ready(c: &Cluster, host: usize) -> Readiness {
    c.view().hosts[host].readiness.clone().expect("a monitor tells it")
}

/// Milliseconds from now to the end.
fn left(c: &Cluster, one: &Blocked) -> i64 {
    let Wall(ends) = one.ends.unwrap_or_else(|| panic!("no end: {one:?}"));
    ends - c.now as i64
}

#[test]
fn a_writer_that_is_well_has_nothing_in_the_way_and_the_others_say_how_ready_they_are() {
    let mut c = Cluster::mature();
    // What is written between two reports shows as missing until the next.
    c.writing = false;
    c.run(1_500);
    assert_eq!(blocked(&c), []);
    let db1 = ready(&c, 0);
    assert!(!db1.able && db1.rank.is_none() && db1.lacks.is_none());
    assert_eq!(db1.blockers[0].why, "db1 is the writer");
    let db2 = ready(&c, 1);
    assert_eq!((db2.able, db2.rank, db2.loss, db2.blockers), (true, Some(1), Some(0), vec![]));
    let db3 = ready(&c, 2);
    assert!(!db3.able && db3.rank.is_none());
    assert_eq!(db3.blockers[0].why, "db3 is not one of the hosts of writer (db1, db2)");
    assert_eq!(db3.lacks, Some(0), "what it has is known all the same");
}

#[test]
fn what_a_host_lacks_is_lost_only_if_nobody_else_has_it() {
    let mut c = Cluster::mature();
    c.hosts[1].server.receive_stuck = true;
    c.run(3_000);
    let db2 = ready(&c, 1);
    assert!(db2.able && db2.lacks.is_some_and(|lacks| lacks > 100), "{db2:?}");
    assert!(db2.loss.is_some_and(|loss| loss < 60), "db3 has it: {db2:?}");
    c.hosts[1].server.receive_stuck = false;
    c.cut_peers[0] = true;
    c.run(3_000);
    let db2 = ready(&c, 1);
    assert!(db2.loss.is_some_and(|loss| loss > 100), "nobody has it: {db2:?}");
    c.hosts[0].kill_agent();
    c.run(2_000);
    let db2 = ready(&c, 1);
    assert!(db2.loss.is_some() && db2.note.contains("it may have more"), "{db2:?}");
}

#[test]
fn soft_evidence_says_when_it_will_count() {
    let mut c = Cluster::mature();
    c.hosts[0].server.process = Process::Silent;
    c.until("a check fails", 4_000, |c| blocked(c).iter().any(|b| b.why.contains("check mysql")));
    let one = find(&c, blocked(&c), "check mysql of db1 fails");
    assert!(one.why.contains("counts after 3.0 s without a break"), "{one:?}");
    assert_eq!(one.until, "one good result");
    let ends = c.now as i64 + left(&c, &one);
    c.until("it counts", 10_000, |c| c.state(0) == HostState::HardOffline);
    let late = c.now as i64 - ends;
    assert!((0..=2_000).contains(&late), "{late} ms after what was told");
}

#[test]
fn one_sided_evidence_says_that_it_is_one_sided() {
    let mut c = Cluster::mature();
    for _ in 0..6 {
        c.fail_check(0, mmm_proto::Check::Mysql);
        c.run(998);
    }
    let one = find(&c, blocked(&c), "one side alone never takes the writer away");
    assert_eq!((one.ends, c.writer()), (None, Some("db1")), "{one:?}");
    assert!(one.until.contains("the agent says otherwise"), "{one:?}");
}

#[test]
fn a_cut_off_writer_says_until_when_it_may_serve_and_the_claim_ends_then() {
    let mut c = Cluster::mature();
    (c.cut[0], c.cut_peers[0]) = (true, true);
    c.until("its agent is silent", 4_000, |c| {
        blocked(c).iter().any(|one| one.why.contains("it may serve until its grant is over"))
    });
    let one = find(&c, blocked(&c), "it may serve until its grant is over");
    let ends = c.now as i64 + left(&c, &one);
    c.until("it is taken", 4_000, |c| c.state(0) == HostState::HardOffline);
    let one = find(&c, blocked(&c), "db1 may still have it");
    assert_eq!(c.now as i64 + left(&c, &one), ends, "the same end: {one:?}");
    assert_eq!(c.view().roles[0].vips[0].claims[0].over, Wall(ends));
    c.until("db2 takes over", 4_000, |c| c.open_host() == Some("db2"));
    assert!(c.now as i64 >= ends, "not before the end that was told");
}

#[test]
fn the_mode_is_named_when_it_is_the_mode() {
    for (word, mode, until) in [
        ("set_manual", MonitorMode::Manual, "move_role to another host, or set_active"),
        ("set_passive", MonitorMode::Passive, "set_active or set_manual"),
    ] {
        let mut c = Cluster::mature();
        c.ok(word);
        c.hosts[0].server.kill();
        c.until("lost", 3_000, |c| c.state(0) == HostState::HardOffline);
        c.run(5_000);
        let one = find(&c, blocked(&c), &format!("the monitor is {mode}"));
        assert_eq!((one.until.as_str(), one.ends), (until, None));
        find(&c, blocked(&c), "db1 has it and is HARD_OFFLINE");
    }
}

#[test]
fn with_no_candidate_left_each_one_says_why_and_what_ends_it() {
    let mut c = Cluster::mature();
    c.hosts[1].server.apply_stuck = true;
    c.until("db2 is late", 90_000, |c| c.state(1) == HostState::ReplicationDelay);
    c.hosts[0].server.kill();
    c.run(10_000);
    let one = find(&c, blocked(&c), "db2 is REPLICATION_DELAY");
    assert!(one.until.starts_with("lag within"), "{one:?}");
    find(&c, blocked(&c), "db1 is HARD_OFFLINE");
    let db2 = ready(&c, 1);
    assert!(!db2.able && db2.rank.is_none() && !db2.blockers.is_empty());
    assert_eq!(db2.lacks, Some(0), "it has received all of it");
}

#[test]
fn an_isolated_monitor_and_a_fresh_one_say_that_they_decide_nothing() {
    let mut c = Cluster::mature();
    c.cut = [true; 3];
    c.run(8_000);
    find(&c, blocked(&c), "decisions are held");
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.hosts[0].server.kill();
    c.start_monitor();
    c.run(300);
    let one = find(&c, blocked(&c), "the monitor has just started");
    assert!((0..1_500).contains(&left(&c, &one)), "{one:?}");
}

#[test]
fn a_reader_that_nobody_serves_says_why() {
    let mut c = Cluster::mature();
    c.ok("set_offline db3");
    c.ok("set_offline db2");
    c.hosts[0].server.kill();
    c.until("all is lost", 5_000, |c| c.state(0) == HostState::HardOffline);
    c.run(3_000);
    let vip = c.view().roles[1].vips[0].clone();
    let one = find(&c, vip.blocked.clone(), "db2 is ADMIN_OFFLINE");
    assert_eq!(one.until, "set_online");
    find(&c, vip.blocked, "db1 is HARD_OFFLINE");
}

/// Every verb in the picture is allowed exactly when asking for its plan is.
fn offers_are_true(c: &mut Cluster, when: &str) {
    let view = c.view();
    let hosts = view.hosts.iter().flat_map(|host| &host.actions);
    let all: Vec<_> = hosts.chain(&view.actions).cloned().collect();
    assert_eq!(view.actions.len(), 3);
    for action in all {
        let id = c.request(Request::Plan(action.verb.clone()));
        let answer = c.answer(id).expect("a plan is answered at once");
        match answer {
            Answer::Plan { .. } => {
                // What is done already may be asked for again, and changes nothing.
                let idle = action.off.contains("already") || action.off.contains("has no VIP of");
                assert!(action.off.is_empty() || idle, "{when}: {action:?}");
            }
            Answer::Refused { refusal } => {
                let idle = action.off.contains("already") || action.off.contains("has no VIP of");
                let told = action.off == refusal.reason || idle;
                assert!(told, "{when}: {action:?}, but {}", refusal.reason);
            }
            other => panic!("{when}: {other:?}"),
        }
    }
}

#[test]
fn every_host_offers_every_verb_that_acts_on_it() {
    let c = Cluster::mature();
    for host in 0..3 {
        let actions = &c.view().hosts[host].actions;
        let verbs: Vec<String> = actions.iter().map(|a| a.verb.to_string()).collect();
        let name = format!("db{}", host + 1);
        let mut want = vec![
            format!("set_offline {name}"),
            format!("set_online {name}"),
            format!("move_role writer {name}"),
            format!("move_role --force writer {name}"),
            format!("set_ip 10.0.0.100 {name}"),
            format!("move_role reader {name}"),
            format!("set_ip 10.0.0.101 {name}"),
        ];
        if host == 2 {
            want.drain(3..5);
        }
        assert_eq!(verbs, want);
    }
}

#[test]
fn what_the_picture_offers_is_what_would_be_permitted() {
    let mut c = Cluster::mature();
    offers_are_true(&mut c, "all is well");
    c.hosts[2].server.kill();
    c.until("lost", 3_000, |c| c.state(2) == HostState::HardOffline);
    offers_are_true(&mut c, "db3 is lost");
    c.hosts[1].server.sql = false;
    c.until("db2 is broken", 15_000, |c| c.state(1) == HostState::ReplicationFail);
    offers_are_true(&mut c, "db2 is broken");
    c.ok("set_passive");
    offers_are_true(&mut c, "PASSIVE");
    let set_ip = |action: &&mmm_proto::view::ActionView| {
        matches!(action.verb, Verb::SetIp { .. }) && action.off.is_empty()
    };
    assert_eq!(c.view().hosts[0].actions.iter().filter(set_ip).count(), 2);
    c.ok("set_active");
    c.hosts[0].kill_agent();
    c.run(2_000);
    offers_are_true(&mut c, "the agent of db1 is silent");
    c.cut = [true; 3];
    c.run(8_000);
    offers_are_true(&mut c, "held");
}
