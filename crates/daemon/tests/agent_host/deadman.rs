//! The dead-man event in a real server: when it fires, that it leaves no trace in the binary log,
//! what a restart does to it, what is seen of one that cannot run.

use std::time::{Duration, Instant};

use mmm_daemon::agentd::server::deadman::DeadmanEvent;
use mmm_proto::Span;

use crate::bed::{Bed, until};

const SEC: Span = Span::secs(1);

const RIGHTS: &str = "SET sql_log_bin=0; \
     GRANT CREATE, DROP, EVENT, SELECT, INSERT, UPDATE ON mmm.* TO mmm_agent@'%'";

/// A writable server whose events run, and the event made.
async fn made(bed: &Bed) -> DeadmanEvent {
    bed.root(1, RIGHTS);
    bed.root(1, "SET GLOBAL event_scheduler=ON; SET GLOBAL read_only=0");
    let mut event = DeadmanEvent::of(bed.server(1));
    event.make().await.unwrap();
    event
}

fn left(bed: &Bed) -> String {
    bed.root(1, "SELECT secs_left FROM mmm.deadman")
}

fn read_only(bed: &Bed) -> bool {
    bed.root(1, "SELECT @@global.read_only") == "1"
}

/// File, position and GTID position of the binary log.
fn logged(bed: &Bed) -> String {
    bed.root(1, "SHOW MASTER STATUS; SELECT @@gtid_binlog_pos, @@gtid_binlog_state")
}

async fn fires(bed: &Bed) {
    until("read_only", || async {
        if read_only(bed) { Ok(()) } else { Err(format!("{} ticks left", left(bed))) }
    })
    .await;
}

#[test]
fn it_fires_once_nobody_winds_it_up_and_leaves_no_trace_in_the_binary_log() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let before = logged(&bed);
        let mut event = made(&bed).await;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            event.wind(Some(2)).await.unwrap();
            assert!(!read_only(&bed), "{}", left(&bed));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        event.wind(Some(2)).await.unwrap();
        let began = Instant::now();
        fires(&bed).await;
        let took = began.elapsed();
        eprintln!("fired {took:?} after the last two ticks were given");
        assert!((900..3_000).contains(&took.as_millis()), "{took:?}");
        // Then it is off: who makes the server writable by hand is not bothered again.
        until("the countdown to be off", || async {
            let left = left(&bed);
            if left == "NULL" { Ok(()) } else { Err(left) }
        })
        .await;
        bed.root(1, "SET GLOBAL read_only=0");
        let last = event.look().await.unwrap().event.unwrap().last;
        until("it to run twice more", || async {
            let now = DeadmanEvent::of(bed.server(1)).look().await.unwrap().event.unwrap().last;
            if now > last { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
        assert!(!read_only(&bed));
        assert!(event.remove().await.unwrap());
        assert!(!event.remove().await.unwrap(), "nothing is left");
        assert_eq!(bed.root(1, "SHOW EVENTS FROM mmm; SHOW TABLES FROM mmm"), "");
        assert_eq!(logged(&bed), before);
    });
}

#[test]
fn a_server_that_is_restarted_ends_read_only_and_logs_nothing_of_it() {
    let mut bed = Bed::new(1);
    bed.on(1, || async {
        let mut event = made(&bed).await;
        event.wind(Some(3)).await.unwrap();
    });
    let gtid = bed.root(1, "SELECT @@gtid_binlog_pos, @@gtid_binlog_state");
    bed.kill(1);
    bed.restart(1);
    // Whoever reads all tables first, as a dump does.
    bed.root(1, "SELECT * FROM mmm.deadman; SHOW TABLE STATUS FROM mmm");
    assert!(!read_only(&bed), "as this server starts");
    bed.root(1, "SET GLOBAL event_scheduler=ON");
    bed.on(1, || async { fires(&bed).await });
    assert_eq!(bed.root(1, "SELECT @@gtid_binlog_pos, @@gtid_binlog_state"), gtid);
}

#[test]
fn a_run_that_waits_is_nobodys_client_and_goes_through_in_the_end() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        made(&bed).await;
        let server = bed.server(1);
        let mut event = DeadmanEvent::of(server.clone());
        let client = bed.client(bed.ip(1)).await;
        client.sql("lock tables t.a write").await.unwrap();
        event.wind(Some(1)).await.unwrap();
        until("the event to wait for the table lock", || async {
            let who = bed.root(1, "SELECT user, command, info FROM information_schema.PROCESSLIST");
            if who.contains("mmm_agent\tConnect\tSET GLOBAL read_only") { Ok(()) } else { Err(who) }
        })
        .await;
        let clients = server.list_clients(SEC).await.unwrap();
        assert_eq!(clients.len(), 1, "{clients:?}");
        assert_eq!(clients[0].id, client.id);
        assert!(!read_only(&bed));
        client.sql("unlock tables").await.unwrap();
        fires(&bed).await;
    });
}

#[test]
fn what_keeps_it_from_running_is_seen() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let mut event = DeadmanEvent::of(bed.server(1));
        let error = event.make().await.unwrap_err().to_string();
        assert!(
            error.contains("Access denied for user 'mmm_agent'@'%' to database 'mmm'"),
            "{error}"
        );
        let seen = event.look().await.unwrap();
        assert!(seen.event.is_none() && !seen.table && seen.scheduler == "OFF", "{seen:?}");
        let mut event = made(&bed).await;
        let seen = event.look().await.unwrap();
        assert!(seen.missing().is_none() && seen.scheduler_off().is_none(), "{seen:?}");
        for (change, words) in [
            ("ALTER EVENT mmm.deadman DISABLE", "disabled"),
            ("ALTER EVENT mmm.deadman DISABLE ON SLAVE", "replicated"),
            ("ALTER EVENT mmm.deadman COMMENT 'mine'", "version"),
            ("ALTER EVENT mmm.deadman ENABLE", "account"),
            ("DROP EVENT mmm.deadman", "it is not there"),
            ("DROP TABLE mmm.deadman", "its table"),
        ] {
            bed.root(1, &format!("SET sql_log_bin=0; {change}"));
            let missing = event.look().await.unwrap().missing().unwrap_or_default();
            assert!(missing.contains(words), "{change}: {missing}");
            event.make().await.unwrap();
            assert_eq!(event.look().await.unwrap().missing(), None, "{change}");
        }
        // As after a step of the clock: it waits until the clock has caught up, and when it is made
        // anew it does not.
        bed.root(
            1,
            "SET sql_log_bin=0; SET GLOBAL read_only=0; ALTER DEFINER=mmm_agent@'%' EVENT \
            mmm.deadman ON SCHEDULE EVERY 1 SECOND STARTS NOW() + INTERVAL 1 HOUR",
        );
        let still = event.look().await.unwrap();
        event.wind(Some(1)).await.unwrap();
        let began = Instant::now();
        until("two seconds to pass", || async {
            let passed = began.elapsed();
            if passed > Duration::from_secs(2) { Ok(()) } else { Err(format!("{passed:?}")) }
        })
        .await;
        assert_eq!(event.look().await.unwrap(), still, "it does not run");
        event.make().await.unwrap();
        fires(&bed).await;
    });
}
