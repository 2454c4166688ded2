//! The writer is lost: who takes over, when, with what, and what becomes of the old one.

use mmm_proto::HostState;

use super::cluster::Cluster;
use super::server::Process;

#[test]
fn a_killed_server_is_replaced_at_once_and_comes_back_by_itself_to_follow() {
    let mut c = Cluster::mature();
    c.hosts[0].server.kill();
    let took = c.until("db2 takes over", 2_000, |c| c.open_host() == Some("db2"));
    assert!(took < 200, "{took} ms: evidence of both sides needs no trap period");
    assert_eq!(c.missing_on(1), 0, "{}", c.tail());
    c.until("its readers are served", 2_000, Cluster::settled);
    c.hosts[0].server.start();
    c.until("db1 is back", 20_000, |c| c.state(0) == HostState::Online);
    c.until("db1 follows db2", 5_000, |c| c.hosts[0].server.source == Some(1));
    c.until("db1 reads again", 5_000, |c| c.readers(0) == 1);
    assert_eq!(c.open_host(), Some("db2"), "the writer stays where it is");
    c.until("it is told", 5_000, |c| c.said("rejoined"));
}

#[test]
fn a_hanging_server_is_replaced_after_the_trap_period_and_only_after_its_agent_let_go() {
    let mut c = Cluster::mature();
    c.hosts[0].server.process = Process::Silent;
    let took = c.until("db2 takes over", 20_000, |c| c.open_host() == Some("db2"));
    assert!(took >= 3_000, "{took}: soft evidence waits");
    assert!(took <= 10_000, "{took}");
    // It wakes up: the host must not take a write.
    c.hosts[0].server.process = Process::Up;
    c.run(5_000);
    assert_eq!(c.open_host(), Some("db2"));
    assert!(c.hosts[0].server.read_only);
}

#[test]
fn a_late_standby_that_cannot_apply_never_becomes_writer() {
    let mut c = Cluster::mature();
    c.hosts[1].server.apply_stuck = true;
    c.until("db2 is late", 90_000, |c| c.state(1) == HostState::ReplicationDelay);
    c.hosts[0].server.kill();
    c.run(20_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert_eq!(c.state(1), HostState::ReplicationDelay);
    c.hosts[1].server.apply_stuck = false;
    c.until("db2 takes over", 20_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0, "it applied all that it received first");
}

#[test]
fn a_standby_whose_applier_is_broken_never_becomes_writer() {
    let mut c = Cluster::mature();
    c.hosts[1].server.sql = false;
    c.until("it failed", 30_000, |c| c.state(1) == HostState::ReplicationFail);
    c.hosts[0].server.kill();
    c.run(30_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert_eq!(c.state(1), HostState::ReplicationFail);
}

#[test]
fn the_new_writer_fetches_what_another_survivor_has_more() {
    let mut c = Cluster::mature();
    c.hosts[1].server.receive_stuck = true;
    c.run(3_000);
    let behind = c.hosts[2].server.applied.len() - c.hosts[1].server.applied.len();
    assert!(behind > 100, "{behind}");
    c.hosts[0].server.kill();
    c.hosts[1].server.receive_stuck = false;
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0, "{}", c.tail());
    assert!(c.said("fetched up to"), "{}", c.tail());
    c.until("db3 follows db2", 5_000, |c| c.hosts[2].server.source == Some(1));
}

#[test]
fn an_old_master_with_writes_of_its_own_stays_out_and_is_reported() {
    let mut c = Cluster::mature();
    // What only the old master has: nobody received it.
    c.cut_peers[0] = true;
    c.run(300);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    assert!(c.missing_on(1) > 0);
    c.cut_peers[0] = false;
    c.hosts[0].server.start();
    c.until("it is told", 30_000, |c| c.said("has parted from the new writer"));
    c.run(120_000);
    assert_ne!(c.state(0), HostState::Online, "{}", c.tail());
    assert_eq!(c.open_host(), Some("db2"));
}

#[test]
fn an_old_master_with_writes_of_its_own_stays_out_while_nothing_comes_from_the_new_one() {
    let mut c = Cluster::mature();
    c.cut_peers[0] = true;
    c.run(300);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    assert!(c.missing_on(1) > 0);
    c.cut_peers[0] = false;
    // It follows, its threads run, and what the new writer has is still on the way: a connection
    // that was cut sends again only seconds after the heal.
    c.hosts[0].server.receive_stuck = true;
    c.hosts[0].server.start();
    c.until("it is told", 30_000, |c| c.said("has parted from the new writer"));
    c.run(30_000);
    assert_ne!(c.state(0), HostState::Online, "{}", c.tail());
}

#[test]
fn an_old_master_with_writes_of_its_own_is_no_candidate_when_the_new_one_dies() {
    let mut c = Cluster::mature();
    c.cut_peers[0] = true;
    c.run(300);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    c.run(2_000);
    c.hosts[1].server.kill();
    c.cut_peers[0] = false;
    c.hosts[0].server.start();
    c.run(60_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
}

/// db1 has more, db2 served later; the monitor that starts has a status file from before. Both are
/// back, in MANUAL.
fn two_parted_histories() -> Cluster {
    let mut c = Cluster::mature();
    let before = c.disk.clone();
    // Much that only the old master has.
    c.cut_peers[0] = true;
    c.run(2_000);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    c.run(300);
    c.cut_peers[0] = false;
    // Everything goes down, and the monitor that comes up has a status file from before.
    c.hosts[1].server.kill();
    c.kill_monitor();
    c.run(5_000);
    c.disk = before;
    let (one, two) = (c.hosts[0].server.applied.len(), c.hosts[1].server.applied.len());
    assert!(one > two, "the old one has more");
    c.forget_stamp();
    c.start_monitor();
    c.until("both are lost", 9_000, |c| [0, 1].iter().all(|at| c.state(*at) != HostState::Online));
    c.ok("set_manual");
    c.hosts[0].server.start();
    c.hosts[1].server.start();
    c.until("both are back", 9_000, |c| [0, 1].iter().all(|at| c.state(*at) == HostState::Online));
    c
}

#[test]
fn of_two_parted_histories_the_one_of_the_later_writer_counts_however_short_it_is() {
    let mut c = two_parted_histories();
    let longer = c.hosts[0].server.applied.len();
    c.ok("set_active");
    c.until("somebody serves", 20_000, |c| c.open_host().is_some());
    assert_eq!(c.open_host(), Some("db2"), "{}", c.tail());
    assert!(c.said("its history is left aside"), "{}", c.tail());
    assert!(c.hosts[1].server.applied.len() < longer, "it fetched nothing from the other");
}

#[test]
fn where_only_the_earlier_writer_may_take_over_it_does_and_that_is_told() {
    let mut c = two_parted_histories();
    c.ok("set_offline db2");
    c.ok("set_active");
    c.until("somebody serves", 20_000, |c| c.open_host().is_some());
    assert_eq!(c.open_host(), Some("db1"), "{}", c.tail());
    assert!(c.said("takes over with an older history"), "{}", c.tail());
    assert!(c.said("db2 is ADMIN_OFFLINE"), "{}", c.tail());
}

#[test]
fn two_deaths_in_a_row_end_with_whoever_is_left() {
    let mut c = Cluster::mature();
    c.hosts[0].server.kill();
    c.until("db2 takes over", 2_000, |c| c.open_host() == Some("db2"));
    c.hosts[0].server.start();
    c.until("db1 is back", 20_000, |c| c.state(0) == HostState::Online);
    c.run(5_000);
    c.hosts[1].server.kill();
    c.until("db1 takes over", 5_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0);
}

#[test]
fn a_candidate_that_dies_on_the_way_leaves_the_role_to_the_one_that_comes_back() {
    let mut c = Cluster::mature();
    c.hosts[1].slow.insert("Drain", 1_000);
    c.hosts[0].server.kill();
    c.until("the candidate applies", 2_000, |c| {
        c.hosts[1].begun.iter().any(|(_, kind)| kind == "Drain")
    });
    c.hosts[1].server.kill();
    c.run(5_000);
    assert_eq!(c.open_host(), None);
    c.hosts[1].slow.clear();
    c.hosts[0].server.start();
    c.until("db1 serves again", 30_000, |c| c.open_host() == Some("db1"));
}

#[test]
fn a_drained_candidate_is_promoted_by_the_monitor_that_comes_after() {
    // The candidate has applied everything and stopped its applier when the monitor dies; nothing
    // but the next failover starts it again.
    let mut c = Cluster::mature();
    c.hosts[1].slow.insert("Open", 5_000);
    c.hosts[0].server.kill();
    c.until("the candidate is drained", 3_000, |c| {
        c.hosts[1].begun.iter().any(|(_, kind)| kind == "Open")
    });
    assert!(!c.hosts[1].server.sql, "{}", c.tail());
    c.kill_monitor();
    c.hosts[1].slow.clear();
    c.run(5_000);
    c.start_monitor();
    c.until("db2 serves", 10_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0, "{}", c.tail());
    c.hosts[0].server.start();
    c.until("db1 follows it", 30_000, |c| c.follows(0, 1));
}

#[test]
fn a_failover_that_breaks_off_before_its_promotion_is_taken_up_by_the_next_monitor() {
    let mut c = Cluster::mature();
    c.hosts[1].slow.insert("Drain", 1_000);
    c.hosts[0].server.kill();
    c.until("the candidate applies", 2_000, |c| {
        c.hosts[1].begun.iter().any(|(_, kind)| kind == "Drain")
    });
    c.kill_monitor();
    c.run(4_000);
    c.start_monitor();
    c.until("db2 serves", 10_000, |c| c.open_host() == Some("db2"));
    // Who was lost is known by the status file: it is compared all the same.
    c.hosts[0].server.start();
    c.until("db1 is compared", 30_000, |c| c.said("rejoined"));
}

#[test]
fn a_clean_lost_writer_is_never_called_parted() {
    let mut c = Cluster::mature();
    for turn in 0..3 {
        let (old, new) = if turn % 2 == 0 { (0, 1) } else { (1, 0) };
        c.writing = false;
        c.run(500);
        c.hosts[old].server.kill();
        c.writing = true;
        c.until("replaced", 5_000, |c| c.writer() == Some(["db1", "db2"][new]));
        c.hosts[old].server.start();
        c.until("back", 90_000, |c| c.state(old) == HostState::Online && c.settled());
        c.run(2_000);
    }
    assert!(!c.said("has parted"), "{}", c.tail());
    assert!(c.view().attention.is_empty(), "{:?}", c.view().attention);
}

#[test]
fn a_server_that_was_restarted_by_hand_serves_again_where_it_was() {
    let mut c = Cluster::mature();
    // Down so shortly that the monitor's own look finds it up again.
    c.hosts[0].server.kill();
    c.hosts[0].server.start();
    c.until("writable again", 3_000, |c| c.open_host() == Some("db1"));
    c.run(2_000);
    assert_eq!(c.writer(), Some("db1"));
}

#[test]
fn a_power_cut_of_the_writer_host_fails_over_and_the_host_comes_back_read_only() {
    let mut c = Cluster::mature();
    c.hosts[0].server.boots_read_only = false;
    c.hosts[0].power_off();
    let took = c.until("db2 takes over", 10_000, |c| c.open_host() == Some("db2"));
    assert!(took <= 5_000, "{took}");
    let now = c.now;
    c.hosts[0].power_on(now);
    c.until("made read-only", 3_000, |c| c.hosts[0].server.read_only);
    c.run(10_000);
    assert_eq!(c.open_host(), Some("db2"));
    assert!(c.hosts[0].server.read_only, "{}", c.tail());
}
