//! ACTIVE, MANUAL, WAIT and PASSIVE: what each does by itself, and how one leaves it.

use mmm_proto::{HostState, MonitorMode, Span};

use super::cluster::Cluster;
use super::topology;
use crate::core::monitor::topology::Topology;

/// All hosts set online in a monitor that started in that mode.
fn started_in(mode: MonitorMode) -> Cluster {
    let mut c = Cluster::with(Topology { mode, ..topology() });
    c.until("all are seen", 5_000, |c| (0..3).all(|h| c.state(h) == HostState::AwaitingRecovery));
    for host in ["db1", "db2", "db3"] {
        c.ok(&format!("set_online {host}"));
    }
    c
}

#[test]
fn manual_gives_balanced_roles_by_itself_and_the_writer_by_hand_only() {
    let mut c = started_in(MonitorMode::Manual);
    c.run(15_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert_eq!((0..3).map(|host| c.readers(host)).sum::<usize>(), 3, "{}", c.tail());
    assert_eq!(c.ok("move_role writer db2"), "Role 'writer' will be given to 'db2'.");
    c.until("db2 is writer", 8_000, |c| c.open_host() == Some("db2"));
    c.hosts[1].server.kill();
    c.run(15_000);
    assert_eq!(c.open_host(), None, "nobody else without a person\n{}", c.tail());
}

#[test]
fn a_planned_move_that_fails_in_manual_goes_back_where_it_came_from() {
    let mut c = Cluster::in_service();
    c.ok("set_manual");
    c.hosts[1].failing.insert("Open", "no such interface".to_owned());
    c.control("move_role writer db2");
    c.until("db1 serves again", 8_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0, "{}", c.tail());
}

#[test]
fn wait_can_be_left_for_manual() {
    let mut c = started_in(MonitorMode::Manual);
    c.ok("set_active");
    let mut c = Cluster::with(Topology { mode: MonitorMode::Wait, ..topology() });
    c.run(2_000);
    assert_eq!(c.ok("set_manual"), "Switched into manual mode.");
    c.run(200_000);
    assert_eq!(c.view().mode, MonitorMode::Manual);
}

#[test]
fn wait_with_one_host_in_the_writer_role_ends_when_that_is_there() {
    let mut top = Topology { mode: MonitorMode::Wait, ..topology() };
    top.roles[0].hosts = vec![0];
    let mut c = Cluster::with(top);
    c.run(5_000);
    assert_eq!((c.view().mode, c.open_host()), (MonitorMode::Wait, None), "{}", c.tail());
    c.ok("set_online db1");
    c.until("active", 1_000, |c| c.view().mode == MonitorMode::Active);
    c.until("db1 is writer", 8_000, |c| c.open_host() == Some("db1"));
}

#[test]
fn the_end_of_wait_takes_the_roles_from_hosts_that_are_out() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.top.mode = MonitorMode::Wait;
    c.top.timing.wait_for_other_master = Span::secs(100);
    c.start_monitor();
    c.run(2_000);
    assert_eq!(c.view().mode, MonitorMode::Active, "both masters are there");
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.hosts[0].server.kill();
    c.run(500);
    c.top.mode = MonitorMode::Wait;
    c.top.timing.wait_for_other_master = Span::secs(80);
    c.start_monitor();
    c.until("db1 is lost", 8_000, |c| c.state(0) == HostState::HardOffline);
    assert_eq!(c.view().mode, MonitorMode::Wait, "{}", c.tail());
    assert_eq!(c.readers(0), 1, "its roles stay");
    c.until("db2 was there long enough", 30_000, |c| c.view().mode == MonitorMode::Active);
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    c.until("db1 has no readers", 3_000, |c| c.readers(0) == 0);
}

#[test]
fn what_is_set_offline_in_passive_is_obeyed_when_passive_is_left() {
    let mut c = Cluster::mature();
    c.ok("set_passive");
    let why = c.refusal("set_offline db1");
    assert!(why.contains("in passive mode nothing is moved"), "{why}");
    c.ok("set_offline db3");
    c.run(10_000);
    assert_eq!(c.state(2), HostState::AdminOffline);
    assert_eq!(c.readers(2), 1, "nothing changes on the host");
    assert!(c.hosts[2].server.io && c.hosts[2].vips.len() == 1, "{}", c.tail());
    c.ok("set_manual");
    c.until("its replication is off", 3_000, |c| !c.hosts[2].server.io);
    c.until("its reader is elsewhere", 5_000, |c| c.readers(2) == 0 && c.settled());
}

#[test]
fn set_passive_halts_a_failover_that_has_not_promoted_yet() {
    let mut c = Cluster::mature();
    c.hosts[1].slow.insert("Drain", 1_500);
    c.hosts[0].server.kill();
    c.until("the candidate applies", 2_000, |c| {
        c.hosts[1].begun.iter().any(|(_, kind)| kind == "Drain")
    });
    c.ok("set_passive");
    c.run(10_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert!(c.said("halted by ann"), "{}", c.tail());
    c.hosts[1].slow.clear();
    c.ok("set_active");
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0);
}

#[test]
fn passive_from_the_configuration_keeps_what_is_found() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.top.mode = MonitorMode::Passive;
    c.disk = None;
    c.forget_stamp();
    c.run(200);
    c.start_monitor();
    c.run(20_000);
    assert_eq!((c.longest_gap, c.open_host()), (0, Some("db1")), "{}", c.tail());
    assert_eq!((0..3).map(|host| c.readers(host)).sum::<usize>(), 3, "{}", c.tail());
    assert_eq!(c.view().mode_cause, "configured");
}
