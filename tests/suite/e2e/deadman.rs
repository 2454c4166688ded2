//! The dead-man event (`deadman_event = true`): a server that stops taking writes though nobody is
//! left to tell it to; healthy writers that it leaves alone.

use std::fs;
use std::time::{Duration, Instant};

use lab::daemons::Part;
use lab::wait::until;
use lab::{Options, WRITER_VIP};

use super::{Cluster, SOON, all_online, all_rejoined, doctor, holders, story};

/// The grant of the lab's clusters.
const TTL: Duration = Duration::from_secs(3);
/// A pause that a busy machine makes by itself.
const BLIP: Duration = Duration::from_millis(250);
const KEY: &str = "deadman_event = true";

/// What the README asks for, on every server, and not in the binary log.
fn prepare(cluster: &Cluster) {
    for server in cluster.lab.servers() {
        let sql = "SET SESSION sql_log_bin=0; SET GLOBAL event_scheduler=ON; \
                   GRANT CREATE, DROP, EVENT, SELECT, INSERT, UPDATE ON mmm.* TO mmm_agent@'%'";
        server.sql(sql).unwrap();
    }
}

/// What is left of the countdown of a host, once that is as wanted: `NULL` is off.
fn countdown(cluster: &Cluster, host: &str, wanted: impl Fn(&str) -> bool) -> String {
    let server = cluster.lab.server(host).unwrap();
    let left = until(&format!("the countdown of {host}"), SOON, || {
        let left = server.value("SELECT IFNULL(MAX(secs_left), 'NULL') FROM mmm.deadman");
        let left = left.map_err(|error| format!("{error:#}"))?;
        if wanted(&left) { Ok(left) } else { Err(left) }
    });
    left.unwrap_or_else(|error| panic!("{error:#}\n{}", story(&cluster.lab)))
}

/// All hosts have the event, and only the writer's counts.
fn wound_up(cluster: &Cluster) {
    let writer = cluster.writer();
    for server in cluster.lab.servers() {
        let on = server.name() == writer;
        countdown(cluster, server.name(), |left| (left != "NULL") == on);
    }
}

fn troubles(cluster: &Cluster) -> Vec<String> {
    let text = cluster.lab.daemons().unwrap().must(&["--json", "show"]).unwrap();
    let quoted = text.split('"').filter(|part| part.starts_with("deadman_event:"));
    quoted.map(str::to_owned).collect()
}

/// Nothing of ours was ever replicated.
fn assert_nothing_logged(cluster: &Cluster) {
    for server in cluster.lab.servers() {
        let logs = server.sql("SHOW BINARY LOGS").unwrap();
        for log in logs.rows.iter().filter_map(|row| row.first().cloned().flatten()) {
            let events = server.sql(&format!("SHOW BINLOG EVENTS IN '{log}'")).unwrap();
            let text = format!("{:?}", events.rows);
            assert!(!text.contains("deadman"), "{}, {log}: {text}", server.name());
        }
    }
}

#[test]
fn with_both_processes_frozen_the_server_itself_stops_taking_writes() {
    let mut options = Options::with_daemons();
    options.settings.common = KEY.to_owned();
    let cluster = Cluster::up(&options);
    // Not prepared: told, and in nobody's way.
    until("the trouble to be told", SOON, || {
        let troubles = troubles(&cluster);
        if troubles.iter().any(|why| why.contains("to database 'mmm'")) {
            Ok(())
        } else {
            Err(format!("{troubles:?}"))
        }
    })
    .unwrap();
    // As the doctor says.
    let remedy = doctor::found(&cluster, "db2", "event_scheduler is OFF");
    assert!(remedy.starts_with("SET GLOBAL event_scheduler = ON; and"), "{remedy}");
    let lacks = "lacks CREATE, DROP, EVENT, SELECT, INSERT, UPDATE on mmm.*";
    let grant = doctor::found(&cluster, "db2", lacks);
    for server in cluster.lab.servers() {
        let scheduler = remedy.split_once("; and").unwrap().0;
        doctor::sql(&cluster, server.name(), &format!("{scheduler}; {grant}"));
    }
    wound_up(&cluster);
    doctor::nothing_bad(&cluster);
    until("no trouble to be left", SOON, || match troubles(&cluster) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    })
    .unwrap();
    let writer = cluster.writer();
    let server = cluster.lab.server(&writer).unwrap();
    let since = Instant::now();
    cluster.lab.daemons().unwrap().agent(&writer).unwrap().freeze_part(Part::Both).unwrap();
    until("read_only", TTL + Duration::from_secs(2), || match server.is_read_only() {
        Ok(true) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", story(&cluster.lab)));
    println!("SIGSTOP of both: read_only after {:?}", since.elapsed());
    assert!(since.elapsed() < TTL + Duration::from_secs(2), "{:?}", since.elapsed());
    assert!(!holders(&cluster.lab, WRITER_VIP).contains(&writer), "the kernel was sooner");
    cluster.switched(since, SOON);
    cluster.lab.daemons().unwrap().agent(&writer).unwrap().thaw().unwrap();
    all_rejoined(&cluster.lab);
    wound_up(&cluster);
    assert_nothing_logged(&cluster);
    cluster.assert_never_two_writers();
}

#[test]
fn moves_and_restarts_of_agents_go_as_without_it() {
    let mut options = Options::with_daemons();
    options.settings.common = KEY.to_owned();
    let cluster = Cluster::up(&options);
    prepare(&cluster);
    wound_up(&cluster);
    let to = cluster.standby();
    let since = Instant::now();
    cluster.move_writer(to);
    let switch = cluster.switched(since, SOON);
    assert!(switch.gap < Duration::from_secs(1), "{switch:?}");
    wound_up(&cluster);
    // Restarted within its grant, in order and not.
    let agent = cluster.lab.daemons().unwrap().agent(to).unwrap();
    let since = Instant::now();
    agent.stop().unwrap();
    agent.start().unwrap();
    // Once the supervisor has heard of it, or it would end as well.
    until("the worker to be at work", SOON, || {
        let log = fs::read_to_string(agent.log()).map_err(|error| error.to_string())?;
        let starts = log.matches("the worker is at work").count();
        if starts >= 2 { Ok(()) } else { Err(format!("{starts} starts")) }
    })
    .unwrap();
    agent.kill9_part(Part::Worker).unwrap();
    lab::wait::pass((TTL * 2).saturating_sub(since.elapsed()));
    cluster.client.wait_rows(50, SOON).unwrap();
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    println!("restarted and killed within the grant: longest gap {gap:?}");
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    let log = fs::read_to_string(agent.log()).unwrap();
    assert!(!log.contains("is made writable again"), "it fired: {log}");
    assert_eq!(cluster.writer(), to);
    wound_up(&cluster);
    // Off again: gone, and the writer goes on.
    let file = cluster.lab.folder().join(to).join("mmm_common.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(KEY, "deadman_event = false")).unwrap();
    let since = Instant::now();
    agent.stop().unwrap();
    agent.start().unwrap();
    let server = cluster.lab.server(to).unwrap();
    until("the event to be gone", SOON, || {
        let left = "SELECT (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA='mmm') \
                    + (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='mmm')";
        match server.value(left) {
            Ok(none) if none == "0" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    lab::wait::pass((TTL * 2).saturating_sub(since.elapsed()));
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    all_online(&cluster.lab, SOON);
    assert_nothing_logged(&cluster);
    cluster.assert_never_two_writers();
}
