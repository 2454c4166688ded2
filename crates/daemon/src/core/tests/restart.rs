//! Agents and monitors that die and come back, and disks that fail.

use mmm_proto::console::Answer;
use mmm_proto::{HostState, MonitorMode, Span};

use super::cluster::Cluster;

#[test]
fn an_agent_restarted_within_its_grant_goes_on_without_a_blip() {
    let mut c = Cluster::mature();
    for host in 0..3 {
        c.hosts[host].kill_agent();
        c.run(400);
        let now = c.now;
        c.hosts[host].start_agent(now);
        c.run(3_000);
    }
    assert_eq!(c.longest_gap, 0, "{}", c.tail());
    assert!(c.settled());
    for host in 0..3 {
        let drops = c.hosts[host].begun.iter().filter(|(at, kind)| *at > 62_000 && kind == "Drop");
        assert_eq!(drops.count(), 0, "db{} dropped an address", host + 1);
    }
}

#[test]
fn an_agent_that_stays_dead_loses_the_writer_by_the_kernel() {
    let mut c = Cluster::mature();
    c.hosts[0].kill_agent();
    let began = c.now;
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    assert!(c.now - began >= 2_500, "not before the grant is surely over");
    c.run(5_000);
    let now = c.now;
    c.hosts[0].start_agent(now);
    c.until("fenced", 1_000, |c| c.hosts[0].server.read_only);
    c.run(10_000);
    assert_eq!(c.open_host(), Some("db2"), "{}", c.tail());
}

#[test]
fn a_monitor_restarted_within_the_grants_moves_nothing() {
    let mut c = Cluster::mature();
    let before = c.view().term;
    let events = c.events.len();
    c.kill_monitor();
    c.run(1_000);
    c.start_monitor();
    c.run(10_000);
    assert_eq!((c.longest_gap, c.writer()), (0, Some("db1")), "{}", c.tail());
    assert!(c.settled(), "{}", c.tail());
    assert!(c.view().term > before, "{} after {before}", c.view().term);
    let new: Vec<String> = c.events[events..].iter().map(|(_, e)| e.line()).collect();
    let moved = |line: &&String| line.contains("given to") || line.contains("->");
    assert_eq!(new.iter().find(moved), None, "{}", c.tail());
}

#[test]
fn a_monitor_that_is_down_for_ten_seconds_finds_the_hosts_fenced_and_puts_them_back() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.run(10_000);
    assert_eq!(c.open_host(), None, "nobody holds without a grant");
    c.start_monitor();
    c.until("db1 serves again", 5_000, |c| c.open_host() == Some("db1"));
    c.until("all is given", 10_000, Cluster::settled);
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::Online, "{}", c.tail());
    }
}

#[test]
fn a_monitor_killed_in_the_middle_of_a_move_leaves_one_writer_in_the_end() {
    for ms in [5, 15, 22, 26, 30, 34, 40, 60] {
        let mut c = Cluster::in_service();
        c.ask("move_role writer db2");
        c.run(ms);
        c.kill_monitor();
        c.run(300);
        c.start_monitor();
        c.until("somebody serves", 15_000, |c| c.open_host().is_some() && c.settled());
        let writer = usize::from(c.open_host() == Some("db2"));
        c.run(1_000);
        assert_eq!(c.missing_on(writer), 0, "killed after {ms} ms\n{}", c.tail());
    }
}

#[test]
fn a_monitor_without_its_status_file_finds_the_writer_and_keeps_it() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.disk = None;
    c.forget_stamp();
    c.run(100);
    c.start_monitor();
    c.run(8_000);
    assert_eq!((c.writer(), c.open_host()), (Some("db1"), Some("db1")), "{}", c.tail());
    assert_eq!(c.longest_gap, 0, "{}", c.tail());
}

#[test]
fn a_superseded_monitor_goes_passive_and_grants_nothing_more() {
    let mut c = Cluster::mature();
    let old = c.monitor.take();
    let stored = c.disk.clone();
    // Another one leads for a while.
    c.start_monitor();
    c.run(5_000);
    let new = std::mem::replace(&mut c.monitor, old);
    c.disk = stored;
    c.forget_stamp();
    c.relink();
    c.run(1_000);
    let view = c.view();
    assert_eq!(view.mode, MonitorMode::Passive, "{}", c.tail());
    assert!(view.mode_cause.starts_with("superseded"), "{}", view.mode_cause);
    let why = c.refusal("set_active");
    assert!(why.contains("stop one of the two"), "{why}");
    c.monitor = new;
    c.forget_stamp();
    c.relink();
    c.run(10_000);
    assert_eq!(c.writer(), Some("db1"), "{}", c.tail());
}

#[test]
fn what_cannot_be_written_down_is_not_acted_on() {
    let mut c = Cluster::mature();
    c.disk_fails = true;
    let id = c.ask("move_role writer db2");
    c.run(5_000);
    assert_eq!((c.open_host(), c.longest_gap), (Some("db1"), 0), "{}", c.tail());
    assert!(c.view().held.contains("status file"), "{}", c.tail());
    c.disk_fails = false;
    c.until("it is answered", 30_000, |c| c.answer(id).is_some());
    c.until("somebody serves", 10_000, Cluster::settled);
    let writer = usize::from(c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(writer), 0, "{}", c.tail());
}

#[test]
fn a_monitor_whose_disk_fails_while_the_writer_dies_promotes_nobody_until_it_can_write() {
    let mut c = Cluster::mature();
    c.disk_fails = true;
    c.hosts[0].server.kill();
    c.run(10_000);
    assert_eq!(c.open_host(), None);
    c.disk_fails = false;
    c.until("db2 takes over", 10_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn an_agent_whose_disk_fails_opens_nothing_new() {
    let mut c = Cluster::mature();
    c.hosts[1].disk_fails = true;
    c.run(500);
    let answer = c.control("move_role writer db2");
    assert!(!matches!(answer, Answer::Done { .. }), "{answer:?}");
    c.until("db1 serves", 8_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0);
}

#[test]
fn a_restart_with_a_shorter_lease_waits_for_the_longer_grants_of_before() {
    let mut top = super::topology();
    top.timing.ttl = Span::secs(6);
    let mut c = Cluster::with(top).put_in_service();
    c.run(2_000);
    (c.cut[0], c.cut_peers[0]) = (true, true);
    c.kill_monitor();
    c.top.timing.ttl = Span::secs(2);
    c.top.timing.heartbeat = Span::ms(300);
    c.start_monitor();
    // db1 serves by its old grant for four seconds; the invariant sees to it that nobody else does.
    let served = c.until("db1 fences itself", 4_100, |c| c.hosts[0].server.read_only);
    assert!(served > 2_500, "{served}");
    c.until("db2 takes over", 10_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn a_host_that_leaves_the_role_by_a_new_configuration_is_waited_for() {
    let mut c = Cluster::mature();
    (c.cut[0], c.cut_peers[0]) = (true, true);
    c.kill_monitor();
    c.top.roles[0].hosts = vec![1];
    c.start_monitor();
    c.until("db1 fences itself", 2_100, |c| c.hosts[0].server.read_only);
    c.until("db2 takes over", 10_000, |c| c.open_host() == Some("db2"));
}

#[test]
fn a_lost_writer_with_writes_of_its_own_is_remembered_by_a_restarted_monitor() {
    let mut c = Cluster::mature();
    c.cut_peers[0] = true;
    c.run(300);
    c.hosts[0].server.kill();
    c.until("db2 takes over", 5_000, |c| c.open_host() == Some("db2"));
    c.kill_monitor();
    c.run(200);
    c.start_monitor();
    c.run(2_000);
    c.hosts[1].server.kill();
    c.cut_peers[0] = false;
    c.hosts[0].server.start();
    c.run(40_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
}
