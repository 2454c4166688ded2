//! The lab itself: up in time, and working as the other tests rely on it.
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lab::wait::until;
use lab::{Lab, Options, WRITER_VIP};

use crate::support::lab;

const SOON: Duration = Duration::from_secs(10);
const VIP: IpAddr = IpAddr::V4(WRITER_VIP);

/// Makes a host the writer by hand: what the daemons will do.
fn promote(lab: &Lab, host: &str) {
    lab.server(host).unwrap().set_read_only(false).unwrap();
    lab.host(host).unwrap().add_address(VIP).unwrap();
    // In place of an announcement.
    lab.host("app").unwrap().forget_neighbours().unwrap();
}

fn rows_on(lab: &Lab, host: &str) -> usize {
    lab.server(host).unwrap().value("SELECT COUNT(*) FROM app.t").unwrap().parse().unwrap()
}

#[test]
fn three_hosts_are_up_within_15_seconds_and_replicate() {
    // The lock is waited for before the clock starts.
    let warm = lab(&Options { servers: 1, ..Options::default() });
    drop(warm);
    let started = Instant::now();
    let lab = lab(&Options::default());
    let took = started.elapsed();
    println!("three servers up and replicating after {:.2} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(15), "took {took:?}");
    for server in lab.servers() {
        assert!(server.is_read_only().unwrap(), "{} starts read-only", server.name());
        assert_eq!(server.gtid().unwrap(), "", "{} starts with no history", server.name());
    }
    // Both directions of the circle, and on to the slave.
    let expected = [("db1", 1), ("db2", 2)];
    for (host, rows) in expected {
        let server = lab.server(host).unwrap();
        server.sql(&format!("INSERT INTO app.t (id) VALUES ({rows})")).unwrap();
        for other in lab.servers() {
            other.wait_caught_up(server, SOON).unwrap();
            assert_eq!(rows_on(&lab, other.name()), rows, "{} after {host}", other.name());
        }
    }
}

#[test]
fn accounts_have_the_least_privileges_that_the_daemons_need() {
    let lab = lab(&Options { servers: 2, ..Options::default() });
    let server = lab.server("db1").unwrap();
    let accounts = lab::config::Accounts::default();
    let try_as = |login: &lab::sql::Login, sql: &str| {
        let limit = Duration::from_secs(2);
        let mut session = lab::sql::Session::unix(&server.socket(), login, limit).unwrap();
        session.query(sql, limit).map(drop).map_err(|e| e.to_string())
    };
    for sql in ["SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SELECT @@gtid_current_pos"] {
        assert_eq!(try_as(&accounts.monitor, sql), Ok(()), "monitor: {sql}");
    }
    for sql in ["SET GLOBAL read_only=1", "STOP SLAVE", "START SLAVE", "SHOW PROCESSLIST"] {
        assert_eq!(try_as(&accounts.agent, sql), Ok(()), "agent: {sql}");
        if sql != "SHOW PROCESSLIST" {
            let refused = try_as(&accounts.monitor, sql).unwrap_err();
            assert!(refused.contains("1227"), "monitor: {sql}: {refused}");
        }
    }
    let insert = "INSERT INTO app.t (id) VALUES (1)";
    let refused = try_as(&accounts.app, insert).unwrap_err();
    assert!(refused.contains("1290"), "an ordinary user meets read_only: {refused}");
    server.set_read_only(false).unwrap();
    assert_eq!(try_as(&accounts.app, insert), Ok(()));
    let refused = try_as(&accounts.app, "SET GLOBAL read_only=0").unwrap_err();
    assert!(refused.contains("1227"), "the client is nobody special: {refused}");
}

#[test]
fn a_client_sees_a_switch_and_the_observer_sees_who_holds_what() {
    let lab = lab(&Options::default());
    let observer = lab.observe().unwrap();
    promote(&lab, "db1");
    assert_eq!(lab.holders(WRITER_VIP).unwrap(), ["db1"]);
    let writer = lab.start_writer().unwrap();
    writer.wait_rows(100, SOON).unwrap();

    // A switch by hand, in the order that loses nothing.
    let (db1, db2) = (lab.server("db1").unwrap(), lab.server("db2").unwrap());
    let since = Instant::now();
    db1.set_read_only(true).unwrap();
    db2.wait_caught_up(db1, SOON).unwrap();
    db1.host().remove_address(VIP).unwrap();
    promote(&lab, "db2");
    let switch = writer.wait_switch(since, SOON).unwrap();
    assert_eq!((switch.from, switch.to, switch.late), (1, 2, 0), "{switch:?}");
    println!("a switch by hand, as the client saw it: {} ms", switch.gap.as_millis());
    writer.wait_rows(100, SOON).unwrap();
    let seen = observer.describe(since);
    assert!(observer.two_accepting(WRITER_VIP, since).is_none(), "{seen}");
    assert!(seen.contains("db2 accepts writes, 10.77.0.12 10.77.0.100"), "{seen}");
    assert!(observer.longest_blind(since) < Duration::from_secs(1), "{seen}");

    // And one that must never be: both hold the address, both accept.
    let wrong = Instant::now();
    promote(&lab, "db1");
    until("the observer to see two", SOON, || {
        let both = observer.two_accepting(WRITER_VIP, wrong);
        if both.longest > Duration::from_millis(50) { Ok(()) } else { Err(format!("{both:?}")) }
    })
    .unwrap();
    db1.set_read_only(true).unwrap();
    db1.host().remove_address(VIP).unwrap();
    lab.host("app").unwrap().forget_neighbours().unwrap();

    let record = writer.stop().unwrap();
    println!("{} rows, {} errors", record.acks.len(), record.errors.len());
    for audit in lab.verify(&record, "db2", SOON).unwrap() {
        assert!(audit.is_clean(), "{audit:?}");
        assert!(audit.rows >= record.acks.len(), "{audit:?}");
    }
}

#[test]
fn lost_and_duplicated_rows_are_noticed() {
    let lab = lab(&Options { servers: 2, ..Options::default() });
    promote(&lab, "db1");
    let writer = lab.start_writer().unwrap();
    writer.wait_rows(20, SOON).unwrap();
    let record = writer.stop().unwrap();
    let (lost, twice) = (record.acks[3].id, record.acks[7].id);
    let db1 = lab.server("db1").unwrap();
    db1.sql(&format!("DELETE FROM app.t WHERE id = {lost}")).unwrap();
    db1.sql(&format!("INSERT INTO app.t (id) VALUES ({twice})")).unwrap();
    for audit in lab.verify(&record, "db1", SOON).unwrap() {
        assert_eq!((audit.lost, audit.duplicated), (vec![lost], vec![twice]), "{}", audit.server);
    }
}

#[test]
fn a_killed_server_comes_back_with_its_data_and_replicates() {
    let lab = lab(&Options::default());
    promote(&lab, "db1");
    let writer = lab.start_writer().unwrap();
    writer.wait_rows(100, SOON).unwrap();
    let db1 = lab.server("db1").unwrap();
    db1.kill9().unwrap();
    assert!(!db1.is_running());
    let errors = until("the client to notice", SOON, || {
        let record = writer.record();
        if record.errors.len() > 3 { Ok(record.last_errors()) } else { Err("no errors yet") }
    });
    assert!(errors.unwrap().contains("refused"), "a dead server on a live host refuses");
    db1.start().unwrap();
    assert!(db1.is_read_only().unwrap(), "a server comes back read-only");
    db1.set_read_only(false).unwrap();
    writer.wait_rows(50, SOON).unwrap();
    let record = writer.stop().unwrap();
    for server in lab.servers() {
        server.wait_replicating(SOON).unwrap();
    }
    for audit in lab.verify(&record, "db1", SOON).unwrap() {
        assert!(audit.is_clean(), "{audit:?}");
    }
}

#[test]
fn a_frozen_server_answers_nothing_and_goes_on_when_thawed() {
    let lab = lab(&Options { servers: 2, ..Options::default() });
    let (db1, db2) = (lab.server("db1").unwrap(), lab.server("db2").unwrap());
    let observer = lab.observe().unwrap();
    db2.stop_applier().unwrap();
    db1.sql("INSERT INTO app.t (id) VALUES (1)").unwrap();
    db1.freeze().unwrap();
    let since = Instant::now();
    until("the observer to get no answer", SOON, || {
        let seen = observer.describe(since);
        if seen.contains("db1 no answer") { Ok(()) } else { Err(seen) }
    })
    .unwrap();
    assert!(db1.is_running(), "frozen is not dead");
    db1.thaw().unwrap();
    assert_eq!(rows_on(&lab, "db1"), 1);
    assert_eq!(rows_on(&lab, "db2"), 0, "its applier is stopped");
    db2.start_applier().unwrap();
    db2.wait_caught_up(db1, SOON).unwrap();
}

/// Whether a TCP connection from one host to another's server works. At the end of a fault the
/// first packet may find a stale neighbour entry, so this waits for what is expected.
fn reaches(lab: &Lab, from: &str, to: &str, expected: bool) {
    let address = (lab.host(to).unwrap().ip, lab::server::PORT).into();
    until(&format!("{from} -> {to} to be {expected}"), SOON, || {
        let connect = move || {
            let limit = Duration::from_millis(300);
            std::net::TcpStream::connect_timeout(&address, limit).map(drop)
        };
        let thread = lab.host(from).unwrap().thread("connect", connect).unwrap();
        let result = thread.join().unwrap().unwrap();
        if result.is_ok() == expected { Ok(()) } else { Err(format!("{result:?}")) }
    })
    .unwrap();
}

#[test]
fn cuts_take_what_they_name_and_nothing_else_and_heal() {
    let lab = lab(&Options::default());
    reaches(&lab, "db1", "db2", true);
    let pair = lab.cut("db1", "db2").unwrap();
    reaches(&lab, "db1", "db2", false);
    reaches(&lab, "db2", "db1", false);
    reaches(&lab, "db1", "db3", true);
    reaches(&lab, "mon", "db1", true);
    // A VIP does not lead around the cut.
    lab.host("db2").unwrap().add_address(VIP).unwrap();
    lab.heal(&pair).unwrap();
    reaches(&lab, "db1", "db2", true);
    assert!(lab.heal(&pair).is_err(), "healed already");

    let alone = lab.isolate("db1").unwrap();
    for other in ["mon", "app", "db2", "db3"] {
        reaches(&lab, other, "db1", false);
    }
    reaches(&lab, "db2", "db3", true);
    lab.heal(&alone).unwrap();

    let unplugged = lab.unplug("db3").unwrap();
    reaches(&lab, "db1", "db3", false);
    reaches(&lab, "db1", "db2", true);
    lab.heal(&unplugged).unwrap();
    reaches(&lab, "db1", "db3", true);

    let _one_way = lab.cut_one_way("db1", "db2").unwrap();
    let _lossy = lab.lossy("db3", 100).unwrap();
    // An answer cannot come back, so a connection fails from both sides.
    reaches(&lab, "db2", "db1", false);
    reaches(&lab, "app", "db3", false);
    assert_eq!(lab.active_faults().len(), 2);
    lab.heal_all().unwrap();
    reaches(&lab, "db1", "db2", true);
    reaches(&lab, "app", "db3", true);
    for server in lab.servers() {
        server.wait_replicating(SOON).unwrap();
    }
}
