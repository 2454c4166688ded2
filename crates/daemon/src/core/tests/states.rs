//! The table of states, row by row.

use mmm_proto::{HostState as S, MonitorMode, Span};

use super::cluster::Cluster;
use super::topology;

/// In service, with a change to the lengths of time.
fn with(change: impl Fn(&mut crate::core::monitor::topology::Timing)) -> Cluster {
    let mut top = topology();
    change(&mut top.timing);
    let mut c = Cluster::with(top).put_in_service();
    c.run(62_000);
    c
}

#[test]
fn row_1_admin_offline_never_changes_by_itself() {
    let mut c = with(|t| t.auto_set_online = Span::secs(5));
    c.ok("set_offline db3");
    c.hosts[2].server.kill();
    c.run(10_000);
    c.hosts[2].server.start();
    c.run(30_000);
    assert_eq!(c.state(2), S::AdminOffline);
    assert!(!c.hosts[2].server.io, "its replication is off");
}

#[test]
fn rows_2_and_14_a_lost_host_waits_for_recovery_or_its_replication() {
    let mut c = Cluster::mature();
    c.hosts[2].server.kill();
    c.until("lost", 3_000, |c| c.state(2) == S::HardOffline);
    c.run(70_000);
    assert_eq!(c.state(2), S::HardOffline);
    c.hosts[2].server.start();
    c.until("seen", 5_000, |c| c.state(2) == S::AwaitingRecovery);
    c.run(20_000);
    assert_eq!(c.state(2), S::AwaitingRecovery, "auto_set_online is off");
    c.ok("set_online db3");
    assert_eq!(c.state(2), S::Online);
}

#[test]
fn row_3_the_replication_of_the_writer_is_not_judged() {
    let mut c = Cluster::mature();
    (c.hosts[0].server.io, c.hosts[0].server.sql) = (false, false);
    c.run(30_000);
    assert_eq!((c.state(0), c.writer()), (S::Online, Some("db1")));
}

#[test]
fn row_4_replication_is_not_judged_while_the_peer_is_fresh() {
    let mut c = Cluster::in_service();
    c.hosts[2].server.sql = false;
    c.run(30_000);
    assert_eq!(c.state(2), S::Online);
    c.until("then it is", 40_000, |c| c.state(2) == S::ReplicationFail);
}

#[test]
fn rows_5_and_18_a_broken_replication_costs_the_readers_until_it_runs_again() {
    let mut c = Cluster::mature();
    c.hosts[2].server.sql = false;
    c.until("failed", 15_000, |c| c.state(2) == S::ReplicationFail);
    c.until("its reader is elsewhere", 3_000, |c| c.readers(2) == 0 && c.settled());
    c.hosts[2].server.sql = true;
    c.until("back", 5_000, |c| c.state(2) == S::Online);
    c.until("it reads again", 5_000, |c| c.readers(2) == 1);
}

#[test]
fn rows_6_15_and_16_late_and_broken_turn_into_each_other() {
    let mut c = Cluster::mature();
    c.hosts[2].server.apply_stuck = true;
    c.until("late", 90_000, |c| c.state(2) == S::ReplicationDelay);
    c.hosts[2].server.sql = false;
    c.until("broken", 15_000, |c| c.state(2) == S::ReplicationFail);
    c.hosts[2].server.sql = true;
    c.until("late again", 15_000, |c| c.state(2) == S::ReplicationDelay);
    c.hosts[2].server.apply_stuck = false;
    c.until("well", 15_000, |c| c.state(2) == S::Online);
}

#[test]
fn rows_7_and_19_a_host_that_is_not_online_is_lost_as_well() {
    let mut c = Cluster::mature();
    c.hosts[2].server.sql = false;
    c.until("failed", 15_000, |c| c.state(2) == S::ReplicationFail);
    c.hosts[2].server.kill();
    c.until("lost", 3_000, |c| c.state(2) == S::HardOffline);
    let mut c = Cluster::new();
    c.until("waits", 3_000, |c| c.state(2) == S::AwaitingRecovery);
    c.hosts[2].server.kill();
    c.until("lost", 3_000, |c| c.state(2) == S::HardOffline);
}

#[test]
fn row_10_a_short_outage_without_a_reboot_needs_nobody() {
    let mut c = Cluster::mature();
    c.hosts[2].server.kill();
    c.run(10_000);
    c.hosts[2].server.start();
    c.until("back", 5_000, |c| c.state(2) == S::Online);
    c.hosts[2].power_off();
    c.run(10_000);
    assert_eq!(c.state(2), S::HardOffline);
    let now = c.now;
    c.hosts[2].power_on(now);
    c.run(20_000);
    assert_eq!(c.state(2), S::AwaitingRecovery, "a reboot is no short outage");
}

#[test]
fn row_11_auto_set_online_waits_its_time() {
    let mut c = with(|t| t.auto_set_online = Span::secs(20));
    c.hosts[2].server.kill();
    c.run(70_000);
    c.hosts[2].server.start();
    c.until("seen", 5_000, |c| c.state(2) == S::AwaitingRecovery);
    let took = c.until("back", 30_000, |c| c.state(2) == S::Online);
    assert!((19_000..=21_000).contains(&took), "{took}");
}

#[test]
fn rows_12_and_13_a_host_that_comes_back_late_or_broken_is_called_so() {
    let mut c = Cluster::mature();
    c.hosts[2].server.kill();
    c.run(5_000);
    c.hosts[2].server.start();
    c.hosts[2].server.sql = false;
    // That its replication was good before it was lost does not bring it back.
    c.until("told", 30_000, |c| c.said("check rep_threads failed"));
    assert_eq!(c.state(2), S::AwaitingRecovery, "{}", c.tail());
    c.hosts[2].server.kill();
    c.until("lost", 5_000, |c| c.state(2) == S::HardOffline);
    c.hosts[2].server.start();
    c.hosts[2].server.sql = false;
    c.until("broken", 9_000, |c| c.state(2) == S::ReplicationFail);
}

#[test]
fn rows_8_9_and_17_a_flapping_host_waits_for_an_operator() {
    let mut c = Cluster::mature();
    for drop in 1..=4 {
        c.hosts[2].server.kill();
        c.until("lost", 5_000, |c| c.state(2) == S::HardOffline);
        c.hosts[2].server.start();
        if drop < 4 {
            c.until("back", 9_000, |c| c.state(2) == S::Online);
        }
    }
    assert!(c.said("is flapping"), "the fourth drop within the hour");
    c.run(60_000);
    assert_eq!(c.state(2), S::AwaitingRecovery, "{}", c.tail());
    c.ok("set_online db3");
    assert_eq!(c.state(2), S::Online);
    c.hosts[2].server.kill();
    c.until("lost", 5_000, |c| c.state(2) == S::HardOffline);
    c.hosts[2].server.start();
    c.until("the mark is gone", 9_000, |c| c.state(2) == S::Online);
}

#[test]
fn wait_becomes_active_when_both_masters_are_there_or_one_has_waited_long_enough() {
    let mut top = topology();
    top.mode = MonitorMode::Wait;
    top.timing.wait_for_other_master = Span::secs(10);
    let mut c = Cluster::with(top);
    c.hosts[1].server.kill();
    c.run(3_000);
    assert_eq!(c.view().mode, MonitorMode::Wait);
    c.ok("set_online db1");
    c.run(8_000);
    assert_eq!(c.view().mode, MonitorMode::Wait);
    c.until("one has waited", 4_000, |c| c.view().mode == MonitorMode::Active);
    let mut top = topology();
    top.mode = MonitorMode::Wait;
    let mut c = Cluster::with(top);
    c.run(3_000);
    c.ok("set_online db1");
    c.run(30_000);
    assert_eq!(c.view().mode, MonitorMode::Wait);
    c.ok("set_online db2");
    c.run(10);
    assert_eq!(c.view().mode, MonitorMode::Active);
}
