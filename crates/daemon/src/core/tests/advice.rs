//! Advice about the pair of masters: told once when it lasts, in the picture while it holds, told
//! again when it is settled.

use mmm_proto::agent::Settings;

use super::cluster::Cluster;

pub(super) fn settings(offset: u32) -> Option<Box<Settings>> {
    Some(Box::new(Settings {
        auto_increment_increment: 2,
        auto_increment_offset: offset,
        log_bin: true,
        log_slave_updates: true,
        binlog_format: "MIXED".to_owned(),
        gtid_strict_mode: Some(true),
        gtid_domain_id: Some(0),
    }))
}

/// A pair without anything to say about it.
fn pair() -> Cluster {
    let mut c = Cluster::in_service();
    for host in 0..2 {
        c.hosts[host].server.settings = settings(host as u32 + 1);
    }
    c.run(20_000);
    assert_eq!(told(&c), 0, "{}", c.tail());
    assert_eq!(c.view().attention, Vec::<String>::new());
    c
}

fn told(c: &Cluster) -> usize {
    c.events.iter().filter(|(_, event)| event.subject == "advice").count()
}

fn change(c: &mut Cluster, host: usize, change: fn(&mut Settings)) {
    change(c.hosts[host].server.settings.as_mut().unwrap());
}

#[test]
fn each_setting_that_should_be_otherwise_is_told_once_and_once_more_when_it_is_settled() {
    type Spoil = fn(&mut Settings);
    let cases: [(Spoil, &str); 8] = [
        (|s| s.auto_increment_increment = 3, "auto_increment_increment is 2 and 3"),
        (|s| s.auto_increment_offset = 1, "auto_increment_offset is 1 on both"),
        (|s| s.auto_increment_offset = 3, "auto_increment_offset 3 is beyond"),
        (|s| s.log_bin = false, "db2 writes no binary log"),
        (|s| s.log_slave_updates = false, "db2 does not log what it replicated"),
        (|s| s.gtid_strict_mode = Some(false), "db2 takes transactions out of order"),
        (|s| s.binlog_format = "ROW".to_owned(), "binlog_format is MIXED and ROW"),
        (|s| s.gtid_domain_id = Some(7), "gtid_domain_id differs"),
    ];
    let mut c = pair();
    for (bad, words) in cases {
        let before = told(&c);
        change(&mut c, 1, bad);
        c.run(5_000);
        assert_eq!(told(&c), before, "not at once: {words}");
        c.until(words, 8_000, |c| c.view().attention.iter().any(|one| one.contains(words)));
        c.run(20_000);
        assert_eq!(told(&c), before + 1, "{words}\n{}", c.tail());
        c.hosts[1].server.settings = settings(2);
        c.until("it is settled", 3_000, |c| c.view().attention.is_empty());
        assert_eq!(told(&c), before + 2, "{words}\n{}", c.tail());
    }
    c.hosts[0].server.settings.as_mut().unwrap().auto_increment_increment = 1;
    c.hosts[1].server.settings.as_mut().unwrap().auto_increment_increment = 1;
    c.until("both at the default", 13_000, |c| c.said("auto_increment_increment is 1"));
}

#[test]
fn the_same_number_on_two_servers_is_told_of_slaves_too() {
    let mut c = pair();
    c.hosts[2].server.id = 2;
    c.until("it is told", 13_000, |c| c.said("db2, db3 have the same server_id 2"));
}

#[test]
fn a_direction_without_replication_is_named() {
    let mut c = pair();
    c.hosts[0].server.source = None;
    c.run(13_000);
    // The monitor has the writer follow its peer again by itself.
    assert_eq!(told(&c), 0, "{}", c.tail());
    c.hosts[1].server.sql = false;
    c.until("it is told", 20_000, |c| c.said("db2 does not replicate from db1"));
}

#[test]
fn a_standby_that_stays_writable_is_told() {
    let mut c = pair();
    c.hosts[1].server.read_only = false;
    c.run(13_000);
    assert_eq!(told(&c), 0, "its agent set it read-only: {}", c.tail());
    assert!(c.hosts[1].server.read_only);
    c.hosts[1].failing.insert("ReadOnly", "no privilege".to_owned());
    c.hosts[1].server.read_only = false;
    c.until("it is told", 15_000, |c| c.said("db2 is not the writer and may be writable"));
}

#[test]
fn a_move_is_no_reason_for_advice() {
    let mut c = pair();
    for target in ["db2", "db1", "db2"] {
        c.ok(&format!("move_role writer {target}"));
        c.run(15_000);
    }
    assert_eq!(told(&c), 0, "{}", c.tail());
}
