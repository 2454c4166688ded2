//! What people ask for: the original's words, and nothing done that was refused.

use mmm_proto::console::{Answer, RefusalCode};
use mmm_proto::{HostState, MonitorMode};

use super::cluster::Cluster;
use crate::core::monitor::Request;

#[test]
fn refusals_and_skips_have_the_originals_words() {
    let mut c = Cluster::in_service();
    for (words, text) in [
        ("move_role writer db9", "Unknown host name 'db9'!"),
        ("move_role boss db1", "Unknown role name 'boss'!"),
        (
            "move_role writer db3",
            "Role 'writer' can't be moved to host 'db3'. Following hosts are possible: db1, db2",
        ),
        ("set_ip 10.0.0.100 db1", "This command is only allowed in passive mode."),
        ("set_online db9", "Unknown host name 'db9'!"),
    ] {
        assert_eq!(c.refusal(words), text);
    }
    for (words, text) in [
        ("set_online db1", "This host is already ONLINE. Skipping command."),
        ("move_role writer db1", "Role is already on 'db1'. Skipping command."),
        ("set_active", "Already in active mode."),
        ("ping", "Pinged successfully!"),
    ] {
        assert_eq!(c.ok(words), text);
    }
    c.ok("set_offline db2");
    assert_eq!(c.ok("set_offline db2"), "This host is already ADMIN_OFFLINE. Skipping command.");
    let why = c.refusal("move_role writer db2");
    assert!(why.starts_with("Can't move role to host with state 'ADMIN_OFFLINE'"), "{why}");
    let why = c.refusal("move_role --force writer db2");
    assert!(why.starts_with("Can't force role to host with state"), "{why}");
    c.ok("set_passive");
    assert_eq!(c.refusal("move_role writer db2"), "This command is not allowed in passive mode.");
    let why = c.refusal("set_ip 10.0.0.99 db1");
    assert_eq!(why, "The IP '10.0.0.99' is not a VIP of any role.");
    let why = c.refusal("set_ip 10.0.0.100 db3");
    assert!(why.starts_with("Host 'db3' can't handle role 'writer'"), "{why}");
    let why = c.refusal("set_ip 10.0.0.100 db2");
    assert_eq!(why, "Host 'db2' has state 'ADMIN_OFFLINE'. It should be ONLINE.");
}

#[test]
fn a_host_whose_agent_is_dead_is_neither_set_online_nor_offline() {
    let mut c = Cluster::in_service();
    c.hosts[1].kill_agent();
    c.run(2_000);
    let why = c.refusal("set_offline db2");
    assert!(why.starts_with("Can't reach agent daemon on 'db2'!"), "{why}");
    let why = c.refusal("move_role writer db2");
    assert!(why.starts_with("Can't reach agent daemon on 'db2'!"), "{why}");
}

#[test]
fn a_host_that_waits_can_be_set_offline_so_that_its_agent_leaves_the_replication_alone() {
    let mut c = Cluster::mature();
    c.cut_peers[0] = true;
    c.run(300);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    c.cut_peers[0] = false;
    c.hosts[0].server.start();
    c.until("it waits", 30_000, |c| c.state(0) == HostState::AwaitingRecovery);
    c.ok("set_offline db1");
    c.until("stopped", 5_000, |c| !c.hosts[0].server.io && !c.hosts[0].server.sql);
    // Rebuilt by hand: what it has is what the new writer had.
    c.hosts[0].server.applied = c.hosts[1].server.applied.clone();
    c.run(5_000);
    assert!(!c.hosts[0].server.io, "nobody sets it up under the operator's hands");
    c.ok("set_online db1");
    c.until("it follows", 20_000, |c| c.follows(0, 1));
}

#[test]
fn passive_changes_nothing_and_goes_on_renewing_what_is_held() {
    let mut c = Cluster::mature();
    c.ok("set_passive");
    c.run(20_000);
    assert_eq!((c.longest_gap, c.open_host()), (0, Some("db1")));
    c.hosts[0].server.kill();
    c.run(10_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert_eq!(c.state(0), HostState::HardOffline, "states are judged all the same");
    c.ok("set_active");
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn set_ip_is_obeyed_when_passive_is_left() {
    let mut c = Cluster::in_service();
    c.ok("set_passive");
    c.ok("set_ip 10.0.0.100 db2");
    c.run(3_000);
    assert_eq!(c.open_host(), Some("db1"));
    c.ok("set_active");
    c.until("db2 is writer", 8_000, |c| c.open_host() == Some("db2") && c.settled());
    assert_eq!(c.missing_on(1), 0, "{}", c.tail());
}

#[test]
fn manual_keeps_the_roles_of_a_failed_host_and_active_moves_them() {
    let mut c = Cluster::mature();
    c.ok("set_manual");
    c.hosts[0].server.kill();
    c.until("it is seen", 5_000, |c| c.state(0) == HostState::HardOffline);
    c.run(10_000);
    let writer = c.view().writer.host.unwrap();
    assert_eq!(writer.as_str(), "db1", "{}", c.tail());
    assert_eq!(c.readers(0), 1);
    c.ok("set_active");
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn a_second_move_is_refused_while_one_runs() {
    let mut c = Cluster::in_service();
    c.hosts[1].slow.insert("CatchUp", 2_000);
    let first = c.ask("move_role writer db2");
    c.run(100);
    let second = c.request(Request::Run("set_offline db1".parse_verb()));
    c.run(10);
    let Some(Answer::Refused { refusal }) = c.answer(second) else {
        panic!("{:?}", c.answer(second));
    };
    assert_eq!(refusal.code, RefusalCode::Busy);
    c.until("the first ends", 5_000, |c| c.answer(first).is_some());
    assert!(matches!(c.answer(first), Some(Answer::Done { .. })));
}

trait ParseVerb {
    fn parse_verb(&self) -> mmm_proto::Verb;
}

impl ParseVerb for str {
    fn parse_verb(&self) -> mmm_proto::Verb {
        let words: Vec<&str> = self.split(' ').collect();
        mmm_proto::Verb::parse(&words).unwrap()
    }
}

#[test]
fn a_plan_is_what_runs_and_is_refused_when_the_cluster_changed_under_it() {
    let mut c = Cluster::in_service();
    let id = c.request(Request::Plan("move_role writer db2".parse_verb()));
    let Some(Answer::Plan { plan }) = c.answer(id) else {
        panic!("{:?}", c.answer(id));
    };
    assert_eq!(plan.title, "move writer db1 -> db2");
    assert_eq!(c.longest_gap, 0, "a plan changes nothing");
    let id = c.request(Request::Apply { plan: plan.id });
    c.until("applied", 5_000, |c| c.answer(id).is_some());
    assert_eq!(c.open_host(), Some("db2"));
    let steps: Vec<_> = c.view().last.unwrap().steps;
    assert_eq!(steps.len(), plan.steps.len());
    // Again: the plan is used up.
    let id = c.request(Request::Apply { plan: plan.id });
    let Some(Answer::Refused { refusal }) = c.answer(id) else {
        panic!("{:?}", c.answer(id));
    };
    assert_eq!(refusal.code, RefusalCode::Stale);
    // One that the cluster has overtaken.
    let id = c.request(Request::Plan("move_role writer db1".parse_verb()));
    let Some(Answer::Plan { plan }) = c.answer(id) else {
        panic!("{:?}", c.answer(id));
    };
    c.hosts[0].server.sql = false;
    c.run(600);
    let id = c.request(Request::Apply { plan: plan.id });
    let Some(Answer::Refused { refusal }) = c.answer(id) else {
        panic!("{:?}", c.answer(id));
    };
    assert_eq!(refusal.code, RefusalCode::Stale);
    assert!(refusal.reason.contains("changed while you were reading"), "{}", refusal.reason);
}

#[test]
fn a_forced_move_goes_to_the_broken_host_and_says_what_is_lost() {
    let mut c = Cluster::mature();
    c.hosts[1].server.sql = false;
    c.until("db2 failed", 20_000, |c| c.state(1) == HostState::ReplicationFail);
    let lost = c.hosts[0].server.applied.len() - c.hosts[1].server.applied.len();
    assert!(lost > 500);
    let text = c.ok("move_role --force writer db2");
    assert!(text.contains("from 'db1' to 'db2' enforcedly"), "{text}");
    c.until("db2 is writer", 20_000, |c| c.open_host() == Some("db2"));
    c.run(10_000);
    assert_eq!(c.writer(), Some("db2"), "{}", c.tail());
    assert!(c.said("forced by ann"));
}

#[test]
fn set_passive_in_the_middle_of_a_move_leaves_one_writer() {
    for ms in [5, 20, 26, 32, 40] {
        let mut c = Cluster::in_service();
        c.ask("move_role writer db2");
        c.run(ms);
        c.ok("set_passive");
        c.run(8_000);
        assert!(c.open_host().is_some(), "after {ms} ms\n{}", c.tail());
        assert_eq!(c.view().mode, MonitorMode::Passive);
    }
}
