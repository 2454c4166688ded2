//! Looks, the sentinel, read_only, sessions.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mmm_daemon::agentd::server::{Pulse, Server, ServerError};
use mmm_daemon::config::Secret;
use mmm_proto::Span;
use mmm_proto::agent::{Reach, Thread};
use nix::sys::signal::Signal;
use tokio::sync::mpsc::Receiver;

use crate::bed::{Bed, PATIENCE, until};
use crate::client::ended;

const SEC: Span = Span::secs(1);

#[test]
fn a_look_tells_what_the_server_is() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let server = bed.server(1);
        let facts = server.look(SEC).await;
        assert_eq!(facts.reach, Reach::Up);
        assert!(facts.version.contains("MariaDB"), "{}", facts.version);
        assert_eq!((facts.server_id, facts.read_only), (1, Some(false)));
        assert_eq!((facts.sessions, &facts.longest, &facts.replication), (0, &None, &None));
        let settings = facts.settings.expect("what a pair must agree on");
        assert_eq!((settings.auto_increment_increment, settings.auto_increment_offset), (1, 1));
        assert!(settings.log_bin && settings.log_slave_updates);
        assert_eq!(settings.binlog_format, "MIXED", "the server's own default");
        assert_eq!((settings.gtid_strict_mode, settings.gtid_domain_id), (Some(true), Some(0)));
        bed.root(
            1,
            "set global auto_increment_increment=2; set global auto_increment_offset=2; \
             set global binlog_format='ROW'",
        );
        let settings = server.look(SEC).await.settings.expect("they are there still");
        assert_eq!((settings.auto_increment_increment, settings.auto_increment_offset), (2, 2));
        assert_eq!(settings.binlog_format, "ROW");
        let client = bed.client(bed.ip(1)).await;
        let _monitor = bed.client_as(bed.ip(1), "mmm_monitor").await.unwrap();
        client.sql("begin").await.unwrap();
        client.sql("update t.a set v=7 where i=1").await.unwrap();
        let facts = server.look(SEC).await;
        assert_eq!(facts.sessions, 1, "the monitor's and our own do not count");
        // The server renews its list of transactions only when nobody has read it for 100 ms.
        let longest = until("the transaction to show", || async {
            tokio::time::sleep(Duration::from_millis(110)).await;
            let longest = server.look(SEC).await.longest;
            longest.ok_or_else(|| "no blocker".to_owned())
        })
        .await;
        assert_eq!((longest.session, longest.what.as_str()), (client.id, "open transaction"));
        assert_eq!(longest.who, format!("app@{}", bed.ip(9)));
        let before = facts.position;
        client.sql("commit").await.unwrap();
        let facts = server.look(SEC).await;
        assert_eq!(facts.position.missing_from(&before), 1);
        let slow = client.start("update t.a set v=sleep(2) where i=2");
        // Until the server renews its list, that may name the transaction which is committed.
        until("the slow update to show", || async {
            let longest = server.look(SEC).await.longest;
            let what = longest.map_or_else(|| "no blocker".to_owned(), |longest| longest.what);
            if what == "UPDATE running" { Ok(()) } else { Err(what) }
        })
        .await;
        server.kill_all(SEC).await.unwrap();
        ended(slow).await.unwrap_err();
        let began = Instant::now();
        for _ in 0..50 {
            assert_eq!(server.look(SEC).await.reach, Reach::Up);
        }
        let each = began.elapsed() / 50;
        assert!(each < Duration::from_millis(10), "{each:?} a look");
        eprintln!("a look takes {each:?}");
    });
}

#[test]
fn a_killed_server_is_gone_and_a_stopped_one_is_silent() {
    let mut bed = Bed::new(1);
    let server = bed.server(1);
    bed.on(1, || async {
        assert_eq!(server.look(SEC).await.reach, Reach::Up);
        server.warm_up(SEC).await.unwrap();
        bed.signal(1, Signal::SIGSTOP);
        let began = Instant::now();
        let facts = server.look(Span::ms(200)).await;
        let took = began.elapsed();
        assert!(matches!(facts.reach, Reach::Silent { .. }), "{:?}", facts.reach);
        assert!(took < Duration::from_millis(300), "{took:?}");
        let error = server.is_read_only(Span::ms(200)).await.unwrap_err();
        assert!(matches!(error, ServerError::Silent { .. }), "{error}");
        bed.signal(1, Signal::SIGCONT);
        let facts = server.look(Span::secs(5)).await;
        assert_eq!(facts.reach, Reach::Up);
    });
    // In another runtime the kept connections are dead too.
    bed.kill(1);
    bed.on(1, || async {
        let fresh = bed.server(1);
        for server in [&server, &fresh] {
            let began = Instant::now();
            let facts = server.look(SEC).await;
            let took = began.elapsed();
            assert!(matches!(facts.reach, Reach::Gone { .. }), "{:?}", facts.reach);
            assert!(took < Duration::from_millis(250), "{took:?}");
            assert!(server.position(SEC).await.unwrap_err().is_gone());
        }
    });
    bed.restart(1);
    bed.on(1, || async {
        assert_eq!(bed.server(1).look(SEC).await.reach, Reach::Up);
    });
}

#[test]
fn a_wrong_account_and_a_wrong_socket_are_not_death() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let mut access = bed.access(1);
        access.password = Secret::new("wrong-secret");
        let why = silent(&Server::new(access), "agent_password").await;
        assert!(!why.contains("wrong-secret"), "{why}");
        let mut access = bed.access(1);
        access.socket = Some(PathBuf::from("/nowhere/mysqld.sock"));
        silent(&Server::new(access.clone()), "check mysql_socket").await;
        access.socket = Some(bed.socket(1));
        assert_eq!(Server::new(access).look(SEC).await.reach, Reach::Up);
        bed.root(1, "set global max_connections=10");
        let mut crowd = Vec::new();
        while let Ok(client) = bed.client_as(bed.ip(1), "app").await {
            crowd.push(client);
        }
        // CONNECTION ADMIN has one connection more.
        let server = bed.server(1);
        assert_eq!(server.look(SEC).await.reach, Reach::Up);
        silent(&bed.server(1), "max_connections").await;
    });
}

async fn silent(server: &Server, remedy: &str) -> String {
    let reach = server.look(SEC).await.reach;
    let Reach::Silent { why } = reach else {
        panic!("expected silence about {remedy}, got {reach:?}");
    };
    assert!(why.contains(remedy), "{why}");
    why
}

#[test]
fn the_sentinel_notices_a_kill_at_once_and_the_return() {
    let mut bed = Bed::new(1);
    let ns = bed.ns(1);
    let server = bed.server(1);
    let (tell, told) = std::sync::mpsc::channel();
    let watcher = std::thread::spawn(move || {
        let file = std::fs::File::open(format!("/run/netns/{ns}")).unwrap();
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut pulses = server.sentinel();
            for _ in 0..4 {
                let pulse = next(&mut pulses).await;
                let _ = tell.send((Instant::now(), pulse));
            }
        });
    });
    let get = || told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(get().1, Pulse::Up);
    let killed = Instant::now();
    bed.kill(1);
    let (lost, pulse) = get();
    assert!(matches!(pulse, Pulse::Lost(_)), "{pulse:?}");
    let (gone, pulse) = get();
    assert!(matches!(pulse, Pulse::Gone(_)), "{pulse:?}");
    let (lost, gone) = (lost - killed, gone - killed);
    eprintln!("after the kill: lost {lost:?}, gone {gone:?}");
    assert!(lost < Duration::from_millis(100), "lost after {lost:?}");
    assert!(gone < Duration::from_millis(250), "gone after {gone:?}");
    bed.restart(1);
    assert_eq!(get().1, Pulse::Up);
    watcher.join().unwrap();
}

async fn next(pulses: &mut Receiver<Pulse>) -> Pulse {
    tokio::time::timeout(PATIENCE, pulses.recv()).await.expect("a pulse").expect("a sentinel")
}

#[test]
fn read_only_that_is_held_up_is_called_off() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let server = bed.server(1);
        for on in [true, true, false, false] {
            server.set_read_only(on, SEC).await.unwrap();
            assert_eq!(server.is_read_only(SEC).await.unwrap(), on);
        }
        let (blocker, other) = (bed.client(bed.ip(1)).await, bed.client(bed.ip(1)).await);
        let slow = blocker.start("update t.a set v=sleep(30) where i=1");
        until("the update to run", || async {
            server.look(SEC).await.longest.ok_or_else(|| "not yet".to_owned())
        })
        .await;
        held_up(&server).await;
        other.sql("update t.a set v=5 where i=2").await.unwrap();
        server.kill_all(SEC).await.unwrap();
        ended(slow).await.unwrap_err();

        let (blocker, other) = (bed.client(bed.ip(1)).await, bed.client(bed.ip(1)).await);
        blocker.sql("lock tables t.a write").await.unwrap();
        held_up(&server).await;
        blocker.sql("unlock tables").await.unwrap();
        other.sql("update t.a set v=6 where i=2").await.unwrap();
        // An open transaction is no obstacle; its commit fails.
        other.sql("begin").await.unwrap();
        other.sql("update t.a set v=7 where i=2").await.unwrap();
        server.set_read_only(true, SEC).await.unwrap();
        let error = other.sql("commit").await.unwrap_err();
        assert!(error.contains("1290"), "{error}");
    });
}

async fn held_up(server: &Server) {
    let began = Instant::now();
    let error = server.set_read_only(true, Span::ms(400)).await.unwrap_err();
    let took = began.elapsed();
    assert!(error.is_late() && error.to_string().contains("called off"), "{error}");
    assert!(took < Duration::from_millis(600), "{took:?}");
    assert!(!server.is_read_only(SEC).await.unwrap());
}

#[test]
fn fifty_sessions_are_ended_privileged_ones_too_and_nobody_else() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let server = bed.server(1);
        server.warm_up(SEC).await.unwrap();
        let monitor = bed.client_as(bed.ip(1), "mmm_monitor").await.unwrap();
        let mut crowd = vec![bed.client_as(bed.ip(1), "admin").await.unwrap()];
        while crowd.len() < 50 {
            crowd.push(bed.client(bed.ip(1)).await);
        }
        let busy = crowd[1].start("select sleep(30)");
        assert_eq!(server.list_clients(SEC).await.unwrap().len(), 50);
        let began = Instant::now();
        let killed = server.kill_all(SEC).await.unwrap();
        let took = began.elapsed();
        eprintln!("50 sessions ended in {took:?}");
        assert_eq!((killed.killed, killed.left.len()), (50, 0));
        assert!(took < Duration::from_millis(300), "{took:?}");
        ended(busy).await.unwrap_err();
        for client in &crowd[2..] {
            client.sql("select 1").await.unwrap_err();
        }
        monitor.sql("select 1").await.unwrap();
        assert_eq!(server.list_clients(SEC).await.unwrap(), []);
        assert_eq!(server.kill_all(SEC).await.unwrap().killed, 0);
        assert_eq!(server.look(SEC).await.replication.map(|r| r.io), None::<Thread>);
    });
}
