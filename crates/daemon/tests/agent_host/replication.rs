//! Following, catching up, draining.

use std::time::{Duration, Instant};

use mmm_daemon::agentd::server::{Server, ServerError};
use mmm_daemon::config::Secret;
use mmm_proto::agent::{Reach, Thread};
use mmm_proto::{GtidPos, Lag, Span};

use crate::bed::{Bed, until};

const SEC: Span = Span::secs(1);
const LONG: Span = Span::secs(10);

async fn replicating(server: &Server) {
    until("both threads to run", || async {
        let facts = server.look(SEC).await;
        match &facts.replication {
            Some(r) if r.io == Thread::Yes && r.sql == Thread::Yes => Ok(()),
            other => Err(format!("{other:?}, {:?}", facts.reach)),
        }
    })
    .await;
}

/// Where its own semi-synchronous replication waits for an answer before the commit, a replica's
/// binary log has a transaction long before anybody can read it.
#[test]
fn what_was_caught_up_with_can_be_read() {
    let bed = Bed::new(2);
    bed.on(2, || async {
        let (one, two) = (bed.server(1), bed.server(2));
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        replicating(&two).await;
        for word in ["timeout = 700", "wait_no_slave = 1", "wait_point = AFTER_SYNC", "enabled = 1"]
        {
            bed.root(2, &format!("set global rpl_semi_sync_master_{word}"));
        }
        let (client, reader) = (bed.client(bed.ip(1)).await, bed.client(bed.ip(2)).await);
        client.sql("insert into t.a values (10, 10)").await.unwrap();
        let to = one.position(SEC).await.unwrap();
        until("its log to have it", || async {
            let at = two.position(SEC).await.unwrap();
            at.includes(&to).then_some(()).ok_or_else(|| at.to_string())
        })
        .await;
        let count = "select count(*) from t.a where i = 10";
        assert_eq!(reader.sql(count).await.unwrap(), ["0"], "it waits for the answer");
        assert_eq!(two.catch_up(&to, LONG).await.unwrap(), to);
        assert_eq!(reader.sql(count).await.unwrap(), ["1"]);
        // Nor is it called reached when that takes too long.
        bed.root(2, "set global rpl_semi_sync_master_timeout = 2000");
        bed.root(2, "set global rpl_semi_sync_master_enabled = 0");
        bed.root(2, "set global rpl_semi_sync_master_enabled = 1");
        client.sql("insert into t.a values (11, 11)").await.unwrap();
        let to = one.position(SEC).await.unwrap();
        let error = two.catch_up(&to, Span::ms(500)).await.unwrap_err().to_string();
        assert!(error.contains("not committed within"), "{error}");
        two.catch_up(&to, LONG).await.unwrap();
        // A position that somebody set back is no commit that is under way.
        two.stop_replication(LONG).await.unwrap();
        bed.root(2, "set global gtid_slave_pos = ''");
        let began = Instant::now();
        assert_eq!(two.catch_up(&to, LONG).await.unwrap(), to);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

#[test]
fn a_replica_follows_catches_up_and_changes_sides_with_the_writer() {
    let bed = Bed::new(2);
    bed.on(2, || async {
        let (one, two) = (bed.server(1), bed.server(2));
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        replicating(&two).await;
        let began = Instant::now();
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(250), "already so");
        let client = bed.client(bed.ip(1)).await;
        client.sql("insert into t.a values (10, 10)").await.unwrap();
        let to = one.position(SEC).await.unwrap();
        assert_eq!(two.catch_up(&to, LONG).await.unwrap(), to);
        let facts = two.look(SEC).await;
        assert_eq!((&facts.position, &facts.received), (&to, &to));
        let replication = facts.replication.unwrap();
        assert_eq!((replication.source, replication.port), (bed.ip(1).to_string().into(), 3306));
        assert!(
            matches!(replication.lag, Lag::Behind(span) if span < SEC),
            "{:?}",
            replication.lag
        );
        // The sides change: the former writer follows from its own transactions on.
        two.stop_replication(LONG).await.unwrap();
        let client = bed.client(bed.ip(2)).await;
        client.sql("insert into t.a values (11, 11)").await.unwrap();
        let to = two.position(SEC).await.unwrap();
        one.follow(bed.ip(2), 3306, LONG).await.unwrap();
        one.catch_up(&to, LONG).await.unwrap();
        assert_eq!(bed.root(1, "select count(*) from t.a where i in (10, 11)"), "2");
        // And back, with nothing to replicate: each has what it wrote itself.
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        two.catch_up(&to, LONG).await.unwrap();
        replicating(&two).await;
        one.stop_replication(LONG).await.unwrap();
        assert_eq!(one.look(SEC).await.replication.unwrap().lag, Lag::Stopped);
        one.stop_replication(LONG).await.unwrap();
        one.start_replication(LONG).await.unwrap();
        replicating(&one).await;
        let error = one.follow(bed.ip(1), 3306, LONG).await.unwrap_err().to_string();
        assert!(error.contains("this server itself"), "{error}");
    });
}

#[test]
fn repointing_keeps_tls_settings_and_no_secret_gets_out() {
    let bed = Bed::new(2);
    bed.on(2, || async {
        let two = bed.server(2);
        bed.root(
            2,
            "change master to master_host='10.77.0.77', master_ssl=0, master_ssl_ca='/x/ca'",
        );
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        replicating(&two).await;
        let status = bed.root(2, "show slave status");
        assert!(status.contains("/x/ca"), "{status}");
        // Too long for the server, which would quote its beginning.
        let mut access = bed.access(2);
        access.replication_password = Secret::new("hunter2".repeat(40));
        access.replication_user = "other".to_owned();
        let error = Server::new(access).follow(bed.ip(1), 3306, LONG).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("replication_password"), "{words}");
        assert!(!words.contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    });
}

#[test]
fn catching_up_fails_early_with_the_count_and_the_appliers_error() {
    let bed = Bed::new(2);
    bed.on(2, || async {
        let (one, two) = (bed.server(1), bed.server(2));
        let start = one.position(SEC).await.unwrap();
        let beyond: GtidPos = "0-1-100000".parse().unwrap();
        let error = two.catch_up(&beyond, LONG).await.unwrap_err().to_string();
        assert!(error.contains("does not replicate"), "{error}");
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        two.catch_up(&start, LONG).await.unwrap();
        let began = Instant::now();
        let error = two.catch_up(&beyond, Span::ms(300)).await.unwrap_err();
        let took = began.elapsed();
        let left = beyond.missing_from(&start);
        assert!(matches!(error, ServerError::Behind { left: l, .. } if l == left), "{error}");
        assert!((200..450).contains(&took.as_millis()), "{took:?}");
        // Without the receiver the rest will never come.
        bed.root(2, "stop slave io_thread");
        let error = two.catch_up(&beyond, LONG).await.unwrap_err().to_string();
        assert!(error.contains("receiver is stopped"), "{error}");
        bed.root(2, "start slave; set sql_log_bin=0; delete from t.a where i=1");
        let client = bed.client(bed.ip(1)).await;
        bed.root(1, "set global binlog_format=row");
        let client2 = bed.client(bed.ip(1)).await;
        drop(client);
        client2.sql("update t.a set v=99 where i=1").await.unwrap();
        client2.sql("update t.a set v=98 where i=2").await.unwrap();
        let to = one.position(SEC).await.unwrap();
        let began = Instant::now();
        let error = two.catch_up(&to, LONG).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "not early");
        assert!(matches!(error, ServerError::Behind { left: 2, .. }), "{error}");
        assert!(error.to_string().contains("applier is stopped: "), "{error}");
        assert!(error.to_string().contains("1032"), "names its error: {error}");
        let error = two.drain(LONG).await.unwrap_err();
        assert!(matches!(error, ServerError::Behind { left: 2, .. }), "{error}");
    });
}

#[test]
fn draining_applies_what_was_received_although_the_source_is_dead() {
    let mut bed = Bed::new(2);
    let (one, two) = (bed.server(1), bed.server(2));
    let to = bed.on(2, || async {
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        replicating(&two).await;
        bed.root(2, "stop slave sql_thread");
        let client = bed.client(bed.ip(1)).await;
        for i in 20..40 {
            client.sql(&format!("insert into t.a values ({i}, 0)")).await.unwrap();
        }
        let to = one.position(SEC).await.unwrap();
        until("everything to be received", || async {
            let facts = two.look(SEC).await;
            if facts.received == to { Ok(()) } else { Err(facts.received.to_string()) }
        })
        .await;
        to
    });
    bed.kill(1);
    bed.on(2, || async {
        let two = bed.server(2);
        let error = two.drain(SEC).await.unwrap_err();
        assert!(matches!(error, ServerError::Behind { left: 20, .. }), "{error}");
        // Had the receiver been stopped too, the server would now throw away what it received.
        let io = two.look(SEC).await.replication.unwrap().io;
        assert_eq!(io, Thread::Connecting);
        bed.root(2, "start slave sql_thread");
        assert_eq!(two.drain(LONG).await.unwrap(), to);
        let facts = two.look(SEC).await;
        let replication = facts.replication.unwrap();
        assert_eq!((replication.io, replication.sql), (Thread::No, Thread::No));
        // Nothing to drain is no error.
        bed.root(2, "reset slave all");
        assert_eq!(two.drain(LONG).await.unwrap(), to);
        assert_eq!(two.look(SEC).await.reach, Reach::Up);
    });
}

#[test]
fn a_late_applier_is_left_in_time() {
    let bed = Bed::new(2);
    bed.on(2, || async {
        let (one, two) = (bed.server(1), bed.server(2));
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        replicating(&two).await;
        // The applier waits for this lock.
        let lock = bed.client_as(bed.ip(2), "admin").await.unwrap();
        lock.sql("lock tables t.a write").await.unwrap();
        let client = bed.client(bed.ip(1)).await;
        client.sql("update t.a set v=50 where i=1").await.unwrap();
        let to = one.position(SEC).await.unwrap();
        until("it to be received", || async {
            let facts = two.look(SEC).await;
            if facts.received == to { Ok(()) } else { Err(facts.received.to_string()) }
        })
        .await;
        for act in ["drain", "follow"] {
            let began = Instant::now();
            let error = match act {
                "drain" => two.drain(Span::ms(400)).await.map(|_| ()),
                _ => two.follow(bed.ip(9), 3306, Span::ms(400)).await,
            };
            let took = began.elapsed();
            assert!(took < Duration::from_millis(600), "{act}: {took:?}");
            let error = error.unwrap_err();
            assert!(
                matches!(error, ServerError::Behind { left: 1, .. }) || error.is_late(),
                "{act}: {error}"
            );
            // Looks go on.
            assert_eq!(two.look(SEC).await.reach, Reach::Up);
        }
        lock.sql("unlock tables").await.unwrap();
        two.follow(bed.ip(1), 3306, LONG).await.unwrap();
        two.catch_up(&to, LONG).await.unwrap();
    });
}

#[test]
fn a_server_that_dies_or_hangs_ends_each_act_in_time() {
    use nix::sys::signal::Signal;
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        let bed = Bed::new(2);
        bed.on(2, || async {
            let two = bed.server(2);
            two.follow(bed.ip(1), 3306, LONG).await.unwrap();
            replicating(&two).await;
            let beyond: GtidPos = "0-1-100000".parse().unwrap();
            let fault = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                bed.signal(2, signal);
            };
            let limit = Span::ms(400);
            let began = Instant::now();
            let (reached, ()) = tokio::join!(two.catch_up(&beyond, limit), fault);
            reached.unwrap_err();
            let gone = |error: ServerError| assert_eq!(error.is_gone(), signal == Signal::SIGKILL);
            gone(two.drain(limit).await.unwrap_err());
            gone(two.follow(bed.ip(9), 3306, limit).await.unwrap_err());
            gone(two.stop_replication(limit).await.unwrap_err());
            gone(two.set_read_only(true, limit).await.unwrap_err());
            gone(two.kill_all(limit).await.unwrap_err());
            let took = began.elapsed();
            assert!(took < Duration::from_millis(6 * 450), "{signal}: {took:?}");
        });
    }
}
