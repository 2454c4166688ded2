//! Cuts, hangs and standstills: two hosts never take writes at once, and what can serve serves.

use mmm_proto::HostState;

use super::cluster::Cluster;
use super::{reader_vip, writer_vip};

/// The lease, the guard and the drift: when a grant is surely over.
const SURELY: u64 = 3_000 + 6 + 250;

#[test]
fn an_isolated_writer_fences_itself_and_is_replaced_when_its_grant_is_surely_over() {
    let mut c = Cluster::mature();
    (c.cut[0], c.cut_peers[0]) = (true, true);
    let began = c.now;
    c.until("db1 fences itself", 2_100, |c| c.hosts[0].server.read_only);
    let fenced = c.now - began;
    assert!((1_400..=2_050).contains(&fenced), "{fenced}: two thirds of the grant");
    assert!(c.hosts[0].server.read_only, "{}", c.tail());
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    let took = c.now - began;
    assert!(took >= SURELY - 500, "{took}: not before the grant is surely over");
    assert!(took <= 4_000, "{took}: within the grant and a second");
    (c.cut[0], c.cut_peers[0]) = (false, false);
    c.run(30_000);
    assert_eq!(c.open_host(), Some("db2"), "{}", c.tail());
    assert_eq!(c.holding(writer_vip()), ["db2"]);
}

#[test]
fn a_writer_that_only_the_monitor_cannot_reach_is_replaced_without_two_writers() {
    let mut c = Cluster::mature();
    c.cut[0] = true;
    c.until("db2 takes over", 6_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0, "all of it was replicated meanwhile");
    c.cut[0] = false;
    c.until("db1 follows", 30_000, |c| c.hosts[0].server.source == Some(1));
}

#[test]
fn a_short_cut_moves_nothing() {
    let mut c = Cluster::mature();
    c.cut[0] = true;
    c.run(1_200);
    c.cut[0] = false;
    c.run(10_000);
    assert_eq!(c.longest_gap, 0, "{}", c.tail());
    assert_eq!(c.writer(), Some("db1"));
}

#[test]
fn a_writer_host_that_stands_still_is_replaced_and_takes_no_write_when_it_wakes_up() {
    let mut c = Cluster::mature();
    c.hosts[0].frozen = true;
    c.until("db2 takes over", 6_000, |c| c.open_host() == Some("db2"));
    c.hosts[0].frozen = false;
    c.run(20_000);
    assert_eq!(c.open_host(), Some("db2"), "{}", c.tail());
    assert!(c.hosts[0].server.read_only);
}

#[test]
fn an_agent_that_stands_still_loses_its_addresses_by_the_kernel() {
    let mut c = Cluster::mature();
    c.hosts[0].stopped = true;
    c.until("the kernel drops the address", 3_100, |c| !c.hosts[0].holds_writer_vip());
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    c.hosts[0].stopped = false;
    c.run(10_000);
    assert_eq!(c.open_host(), Some("db2"), "{}", c.tail());
    assert!(c.hosts[0].server.read_only, "it fenced when it woke up");
}

#[test]
fn a_cut_off_reader_is_served_elsewhere_and_never_twice() {
    let mut c = Cluster::mature();
    let ip = (0..3).map(reader_vip).find(|ip| c.holding(*ip) == ["db3"]).unwrap();
    (c.cut[2], c.cut_peers[2]) = (true, true);
    let elsewhere = |c: &Cluster| c.holding(ip).first().is_some_and(|host| *host != "db3");
    c.until("the reader is elsewhere", 10_000, elsewhere);
    assert_eq!(c.longest_gap, 0);
    (c.cut[2], c.cut_peers[2]) = (false, false);
    c.until("db3 reads again", 60_000, |c| c.readers(2) == 1 && c.settled());
}

#[test]
fn an_isolated_monitor_holds_its_decisions() {
    let mut c = Cluster::mature();
    c.cut = [true; 3];
    let events = c.events.len();
    c.run(20_000);
    assert!(!c.view().held.is_empty(), "{}", c.tail());
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::Online, "{}", c.tail());
    }
    c.cut = [false; 3];
    c.until("db1 serves again", 5_000, |c| c.open_host() == Some("db1"));
    c.run(10_000);
    assert_eq!(c.writer(), Some("db1"));
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::Online, "{}", c.tail());
    }
    assert!(c.events.len() < events + 60, "{}", c.tail());
}

#[test]
fn a_monitor_that_stood_still_condemns_nobody() {
    for ms in [1_800, 4_000, 20_000] {
        let mut c = Cluster::mature();
        c.paused = true;
        c.run(ms);
        c.paused = false;
        c.run(100);
        c.until("db1 serves", 5_000, |c| c.open_host() == Some("db1"));
        c.run(8_000);
        assert_eq!(c.writer(), Some("db1"), "{}", c.tail());
        for host in 0..3 {
            assert_eq!(c.state(host), HostState::Online, "after {ms}\n{}", c.tail());
        }
        assert!(c.said("was away for"), "{}", c.tail());
    }
}

#[test]
fn one_lossy_side_alone_never_takes_the_writer_away() {
    // The monitor's own checks of db1 fail, its agent says that all is well.
    let mut c = Cluster::mature();
    for _ in 0..15 {
        for check in [mmm_proto::Check::Ping, mmm_proto::Check::Mysql] {
            c.fail_check(0, check);
        }
        c.run(998);
    }
    assert_eq!((c.longest_gap, c.writer()), (0, Some("db1")), "{}", c.tail());
}
