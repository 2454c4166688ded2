//! What a monitor remembers of the hosts over its own restart, what it forgets on purpose, and what
//! it says of checks that it cannot read.

use mmm_proto::event::Level;
use mmm_proto::{Check, HostState as S, MonitorMode, Span};

use super::cluster::Cluster;
use super::topology;
use crate::core::monitor::hosts::Found;

fn restart(c: &mut Cluster) {
    c.kill_monitor();
    c.run(300);
    c.start_monitor();
    c.run(2_000);
}

fn drop_and_return(c: &mut Cluster) {
    c.hosts[2].server.kill();
    c.until("lost", 5_000, |c| c.state(2) == S::HardOffline);
    c.hosts[2].server.start();
}

#[test]
fn drops_are_counted_over_a_restart_of_the_monitor() {
    let mut c = Cluster::mature();
    for _ in 0..3 {
        drop_and_return(&mut c);
        c.until("back", 9_000, |c| c.state(2) == S::Online);
    }
    restart(&mut c);
    assert!(!c.said("is flapping"));
    let flaps = c.view().hosts[2].flaps.clone().unwrap();
    assert_eq!((flaps.drops, flaps.limit, flaps.flapping), (3, 3, false));
    assert_eq!(flaps.window, Span::secs(3600));
    let first = c.view().now.since(flaps.first.unwrap());
    assert!(first > Span::secs(5) && first < Span::secs(60), "{first}");
    assert_eq!(c.view().hosts[0].flaps, None);
    drop_and_return(&mut c);
    let flaps = c.view().hosts[2].flaps.clone().unwrap();
    assert_eq!((flaps.drops, flaps.first, flaps.flapping), (4, None, true));
    assert!(c.said("is flapping"), "the fourth drop within the hour\n{}", c.tail());
    restart(&mut c);
    c.run(60_000);
    assert_eq!(c.state(2), S::AwaitingRecovery, "the mark survives as well\n{}", c.tail());
    assert_eq!(c.row_of(2), Some("9"));
}

#[test]
fn a_flapping_host_that_was_calm_long_enough_returns_and_its_mark_is_gone() {
    let mut top = topology();
    top.timing.flap_duration = Span::secs(60);
    top.timing.auto_set_online = Span::secs(5);
    let mut c = Cluster::with(top).put_in_service();
    c.run(62_000);
    for _ in 0..3 {
        drop_and_return(&mut c);
        c.until("back", 9_000, |c| c.state(2) == S::Online);
    }
    drop_and_return(&mut c);
    assert!(c.said("is flapping"), "{}", c.tail());
    c.until("it waits", 9_000, |c| c.state(2) == S::AwaitingRecovery);
    let ends = c.view().hosts[2].ends.clone();
    assert!(ends.contains("by itself when no check has changed for"), "{ends}");
    let took = c.until("calm", 70_000, |c| c.state(2) == S::Online);
    assert!(took >= 55_000, "{took}: auto_set_online alone would have been 5 s");
    assert!(c.said("no check changed for"), "{}", c.tail());
    drop_and_return(&mut c);
    let took = c.until("no mark any more", 9_000, |c| c.state(2) == S::Online);
    assert!(took < 9_000, "{took}");
    c.run(61_000);
    assert_eq!(c.view().hosts[2].flaps, None, "the drop is too long ago to count");
}

#[test]
fn the_grace_of_a_fresh_peer_is_not_opened_again_by_a_restart() {
    let mut c = Cluster::mature();
    c.hosts[2].server.sql = false;
    restart(&mut c);
    assert_eq!(c.state(2), S::Online, "a failure must last, also after a start\n{}", c.tail());
    c.until("judged", 15_000, |c| c.state(2) == S::ReplicationFail);
}

#[test]
fn a_short_outage_is_known_as_such_by_a_restarted_monitor_and_a_reboot_is_none() {
    let mut c = Cluster::mature();
    c.hosts[2].server.kill();
    c.until("lost", 3_000, |c| c.state(2) == S::HardOffline);
    restart(&mut c);
    c.hosts[2].server.start();
    c.until("back by itself", 9_000, |c| c.state(2) == S::Online);
    assert!(c.said("did not reboot"), "{}", c.tail());
    c.hosts[2].power_off();
    c.until("lost", 9_000, |c| c.state(2) == S::HardOffline);
    c.kill_monitor();
    let now = c.now;
    c.hosts[2].power_on(now);
    c.run(2_000);
    c.start_monitor();
    c.run(40_000);
    assert_eq!(c.state(2), S::AwaitingRecovery, "{}", c.tail());
}

#[test]
fn the_clock_of_auto_set_online_goes_on_over_a_restart() {
    let mut top = topology();
    top.timing.auto_set_online = Span::secs(30);
    let mut c = Cluster::with(top).put_in_service();
    c.hosts[2].server.kill();
    c.run(70_000);
    c.hosts[2].server.start();
    c.until("seen", 5_000, |c| c.state(2) == S::AwaitingRecovery);
    c.run(20_000);
    restart(&mut c);
    c.until("the rest of it", 12_000, |c| c.state(2) == S::Online);
}

#[test]
fn the_mode_survives_a_restart() {
    let mut c = Cluster::mature();
    c.ok("set_manual");
    restart(&mut c);
    assert_eq!(c.view().mode, MonitorMode::Manual);
}

#[test]
fn a_check_that_cannot_be_read_changes_nothing_and_is_told_once() {
    let mut c = Cluster::mature();
    for _ in 0..20 {
        for check in [Check::Ping, Check::RepThreads, Check::RepBacklog] {
            c.end_check(2, check, Found::Ok("OK".into()));
        }
        c.end_check(2, Check::Mysql, Found::Unknown("UNKNOWN: Too many connections!".into()));
        c.run(1_000);
    }
    assert_eq!(c.state(2), S::Online, "{}", c.tail());
    let told = c.events.iter().filter(|(_, event)| event.what.contains("cannot be found out"));
    assert_eq!(told.count(), 1, "{}", c.tail());
    let view = c.view();
    let noticed = |line: &&String| line.contains("db3: check mysql cannot be found out");
    assert!(view.attention.iter().any(|line| noticed(&line)), "{:?}", view.attention);
    c.end_check(2, Check::Mysql, Found::Ok("OK".into()));
    c.run(10);
    assert_eq!(c.view().attention, Vec::<String>::new());
    assert!(c.events.iter().all(|(_, event)| event.level != Level::Error));
}

#[test]
fn a_replica_that_only_connects_keeps_its_state_and_is_told() {
    let mut c = Cluster::mature();
    c.cut_peers[2] = true;
    c.run(20_000);
    assert_eq!(c.state(2), S::Online, "{}", c.tail());
    assert!(c.said("db3: check rep_backlog cannot be found out"), "{}", c.tail());
}
