//! Balanced roles: orphans, balance, moves by hand.

use mmm_proto::HostState;

use super::cluster::Cluster;
use super::reader_vip;

fn where_is(c: &Cluster, reader: usize) -> String {
    let view = c.view();
    let host = &view.roles[1].vips[reader].host;
    host.as_ref().map_or("-".to_owned(), |name| name.as_str().to_owned())
}

#[test]
fn three_readers_orphaned_with_the_writer_on_the_first_host_go_to_second_third_first() {
    let mut c = Cluster::in_service();
    // All readers are taken off everybody at once.
    c.ok("set_passive");
    c.kill_monitor();
    let mut stored = c.disk.clone().unwrap();
    for vip in &mut stored.vips {
        if vip.role == "reader" {
            vip.holder = None;
        }
    }
    c.disk = Some(stored);
    // Long enough for all addresses to go: what is found is left where it is.
    c.run(10_000);
    c.start_monitor();
    c.run(3_000);
    c.ok("set_active");
    c.until("all are given", 5_000, Cluster::settled);
    let all: Vec<String> = (0..3).map(|reader| where_is(&c, reader)).collect();
    assert_eq!(all, ["db2", "db3", "db1"], "{}", c.tail());
}

#[test]
fn the_writer_counts_one_half_and_readers_move_only_while_loads_differ_by_more_than_one() {
    // Writer and three readers on db2, db1 comes online: 3.5 and 0 become 1.5 and 2.
    let mut c = Cluster::in_service();
    c.ok("move_role writer db2");
    c.ok("set_offline db3");
    c.ok("set_offline db1");
    c.until("db2 has all", 5_000, |c| c.readers(1) == 3 && c.settled());
    c.ok("set_online db1");
    c.until("two go to db1", 5_000, |c| c.readers(0) == 2 && c.settled());
    c.run(3_000);
    assert_eq!((c.readers(0), c.readers(1)), (2, 1), "{}", c.tail());
    assert_eq!(c.writer(), Some("db2"));
    // Then db2 is lost: db1 holds all four.
    c.run(62_000);
    c.hosts[1].server.kill();
    c.until("db1 has all", 5_000, |c| c.readers(0) == 3 && c.writer() == Some("db1"));
}

#[test]
fn a_reader_is_given_on_only_when_its_former_host_let_go() {
    // The invariant is looked at in every millisecond; here hosts let go slowly.
    let mut c = Cluster::in_service();
    for host in 0..3 {
        c.hosts[host].slow.insert("Drop", 700);
    }
    c.ok("set_offline db3");
    c.run(300);
    let mut up = 0;
    for reader in 0..3 {
        up += c.holding(reader_vip(reader)).len();
    }
    assert_eq!(up, 3, "nothing was added while db3 still had it\n{}", c.tail());
    c.until("two hosts serve three readers", 5_000, Cluster::settled);
    assert_eq!(c.readers(2), 0);
}

#[test]
fn an_address_that_cannot_be_removed_stays_where_it_is_until_its_grant_is_over() {
    let mut c = Cluster::in_service();
    c.hosts[2].failing.insert("Drop", "the kernel does not answer".to_owned());
    let began = c.now;
    c.ok("set_offline db3");
    c.until("given on", 8_000, Cluster::settled);
    assert!(c.now - began > 1_500, "{}", c.now - began);
}

#[test]
fn move_role_of_a_balanced_role_clears_it_off_the_host() {
    let mut c = Cluster::in_service();
    let text = c.ok("move_role reader db2");
    assert!(text.contains("have been cleared"), "{text}");
    c.until("given again", 5_000, Cluster::settled);
}

#[test]
fn all_readers_are_served_while_any_host_is_left() {
    let mut c = Cluster::in_service();
    c.ok("set_offline db3");
    c.ok("set_offline db2");
    c.until("db1 has all", 5_000, |c| c.readers(0) == 3 && c.settled());
    assert_eq!(c.state(1), HostState::AdminOffline);
    let why = c.refusal("set_offline db1");
    assert!(why.contains("no other host can take over"), "{why}");
}
