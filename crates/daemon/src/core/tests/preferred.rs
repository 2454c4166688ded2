//! The writer and its preferred host; other exclusive roles with one; forced moves; who is let in.

use mmm_proto::{HostState, MonitorMode, RoleMode, RoleName};

use super::cluster::Cluster;
use super::{reader_vip, topology};
use crate::core::monitor::topology::{RoleSpec, Topology};

fn preferring_db1() -> Topology {
    let mut top = topology();
    top.roles[0].prefer = Some(0);
    top
}

/// db1 preferred, lost, replaced by db2, and back.
fn returned() -> Cluster {
    let mut c = Cluster::with(preferring_db1()).put_in_service();
    c.run(62_000);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 3_000, |c| c.open_host() == Some("db2"));
    c.hosts[0].server.start();
    c.until("db1 is back", 20_000, |c| c.state(0) == HostState::Online);
    c.longest_gap = 0;
    c
}

#[test]
fn the_writer_returns_to_its_preferred_host_by_a_planned_move_after_a_calm_minute() {
    let mut c = returned();
    let took = c.until("db1 has it again", 90_000, |c| c.open_host() == Some("db1"));
    assert!(took >= 55_000, "{took}");
    c.run(2_000);
    assert!(c.longest_gap < 250, "{} ms", c.longest_gap);
    assert_eq!(c.missing_on(0), 0, "{}", c.tail());
    assert!(c.said("db1 is the preferred host, ONLINE and near"), "{}", c.tail());
}

#[test]
fn a_preferred_host_that_is_behind_is_waited_for_and_the_writer_serves_meanwhile() {
    let mut c = returned();
    c.hosts[0].server.apply_stuck = true;
    c.run(50_000);
    // Late, but not so late that it would lose its state.
    assert_eq!((c.open_host(), c.longest_gap), (Some("db2"), 0), "{}", c.tail());
    c.run(9_000);
    c.hosts[0].server.apply_stuck = false;
    c.until("db1 has it again", 90_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0, "{}", c.tail());
}

#[test]
fn a_return_that_fails_is_tried_again_less_and_less_often() {
    let mut c = returned();
    c.hosts[0].failing.insert("CatchUp", "disk full".to_owned());
    let moves = |c: &Cluster| {
        c.events.iter().filter(|(_, event)| event.what.contains("preferred host")).count()
    };
    // After 60 s, then after 120, 240 and 480 more.
    c.run(60_000 + 120_000 + 240_000 + 60_000);
    assert_eq!(moves(&c), 3, "{}", c.tail());
    assert_eq!(c.open_host(), Some("db2"));
}

#[test]
fn in_manual_the_writer_stays_where_it_is_and_may_be_moved_off_its_preferred_host() {
    let mut c = Cluster::with(preferring_db1()).put_in_service();
    let why = c.refusal("move_role writer db2");
    assert!(why.starts_with("Role 'writer' is assigned to preferred host 'db1'."), "{why}");
    c.ok("set_manual");
    c.ok("move_role writer db2");
    c.run(180_000);
    assert_eq!((c.open_host(), c.view().mode), (Some("db2"), MonitorMode::Manual));
}

#[test]
fn another_exclusive_role_goes_to_its_preferred_host_as_soon_as_it_can_serve() {
    let mut top = topology();
    top.roles[1] = RoleSpec {
        name: RoleName::parse("report").unwrap(),
        mode: RoleMode::Exclusive,
        hosts: vec![1, 2],
        ips: vec![reader_vip(0)],
        prefer: Some(2),
    };
    let mut c = Cluster::with(top).put_in_service();
    c.until("db3 has it", 5_000, |c| c.holding(reader_vip(0)) == ["db3"]);
    let why = c.refusal("move_role report db2");
    assert!(why.contains("assigned to preferred host 'db3'"), "{why}");
    c.ok("set_offline db3");
    c.until("db2 has it", 5_000, |c| c.holding(reader_vip(0)) == ["db2"]);
    c.ok("set_online db3");
    c.until("db3 has it again", 5_000, |c| c.holding(reader_vip(0)) == ["db3"]);
}

#[test]
fn a_forced_move_needs_no_present_writer() {
    let mut c = Cluster::mature();
    c.hosts[1].server.sql = false;
    c.until("db2 failed", 20_000, |c| c.state(1) == HostState::ReplicationFail);
    c.hosts[0].server.kill();
    c.until("nobody serves", 8_000, |c| c.view().writer.host.is_none());
    let why = c.refusal("move_role --force reader db2");
    assert_eq!(why, "Only the active master role 'writer' can be forced.");
    let text = c.ok("move_role --force writer db2");
    assert!(text.contains("from 'nobody' to 'db2' enforcedly"), "{text}");
    c.until("db2 is writer", 20_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn a_host_is_not_let_in_beside_a_peer_whose_replication_is_bad() {
    let mut c = Cluster::with(Topology { mode: MonitorMode::Manual, ..topology() });
    c.until("all are seen", 5_000, |c| c.state(0) == HostState::AwaitingRecovery);
    c.ok("set_online db2");
    c.hosts[1].server.sql = false;
    c.run(15_000);
    let why = c.refusal("set_online db1");
    assert!(why.starts_with("Some replication checks failed on peer 'db2'."), "{why}");
    c.hosts[1].server.sql = true;
    c.run(3_000);
    c.ok("set_online db1");
}

#[test]
fn readers_go_to_the_writers_host_when_all_replicas_are_late() {
    let mut c = Cluster::mature();
    for host in [1, 2] {
        c.hosts[host].server.apply_stuck = true;
    }
    c.until("both are late", 90_000, |c| {
        (1..3).all(|host| c.state(host) == HostState::ReplicationDelay)
    });
    c.until("db1 has all", 5_000, |c| c.readers(0) == 3 && c.settled());
    assert_eq!(c.longest_gap, 0);
}
