//! An agent's two processes: what clients see when one of them dies or stands still.

use std::time::{Duration, Instant};

use lab::daemons::{Daemon, Part};
use lab::wait::until;
use lab::{Options, WRITER_VIP};

use super::{Cluster, SOON, all_online, all_rejoined, holders, story};

/// The grant of the lab's clusters.
const TTL: Duration = Duration::from_secs(3);

/// Not noticed: a pause that a busy machine makes by itself.
const BLIP: Duration = Duration::from_millis(250);

fn agent_of<'a>(cluster: &'a Cluster, host: &str) -> &'a Daemon {
    cluster.lab.daemons().unwrap().agent(host).unwrap()
}

/// Waits until there is a worker that is not `old`.
fn replaced(agent: &Daemon, old: i32, limit: Duration) -> i32 {
    let new = until("another worker", limit, || match agent.worker_pid() {
        Ok(pid) if pid != old => Ok(pid),
        other => Err(format!("{other:?}")),
    });
    new.unwrap_or_else(|error| panic!("{error:#}\n{}", agent.tail()))
}

/// Rows go on to come for more than the length of a grant; the longest pause since `since`.
fn gap_over_a_grant(cluster: &Cluster, since: Instant) -> Duration {
    lab::wait::pass((TTL + Duration::from_secs(1)).saturating_sub(since.elapsed()));
    let rows = cluster.client.wait_rows(50, SOON);
    rows.unwrap_or_else(|error| panic!("{error:#}\n{}", story(&cluster.lab)));
    cluster.client.record().longest_gap(since, Instant::now())
}

fn log_of(agent: &Daemon) -> String {
    std::fs::read_to_string(agent.log()).unwrap()
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_no_client_notices() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = agent_of(&cluster, &writer);
    let (parent, mut worker) = (agent.pid().unwrap(), agent.worker_pid().unwrap());
    let since = Instant::now();
    for _ in 0..3 {
        agent.kill9_part(Part::Worker).unwrap();
        worker = replaced(agent, worker, SOON);
    }
    let gap = gap_over_a_grant(&cluster, since);
    println!("kill -9 of the writer's worker, three times: longest gap {gap:?}");
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    assert_eq!(agent.pid(), Some(parent), "the supervisor went on");
    all_online(&cluster.lab, SOON);
    assert_eq!(cluster.writer(), writer);
    let log = log_of(agent);
    assert!(log.contains("the worker ended (by SIGKILL); the next one starts in"), "{log}");
    cluster.assert_never_two_writers();
}

#[test]
fn a_worker_that_stands_still_is_killed_and_replaced_in_time() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = agent_of(&cluster, &writer);
    let worker = agent.worker_pid().unwrap();
    let since = Instant::now();
    agent.freeze_part(Part::Worker).unwrap();
    replaced(agent, worker, TTL);
    let took = since.elapsed();
    let gap = gap_over_a_grant(&cluster, since);
    println!("SIGSTOP of the writer's worker: replaced after {took:?}, longest gap {gap:?}");
    assert!(took < TTL * 2 / 3, "{took:?}");
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    all_online(&cluster.lab, SOON);
    assert_eq!(cluster.writer(), writer);
    let log = log_of(agent);
    assert!(log.contains("killing the worker: no sign of life for"), "{log}");
    cluster.assert_never_two_writers();
}

#[test]
fn a_supervisor_that_is_killed_or_stands_still_leaves_no_vip_for_ever() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = agent_of(&cluster, &writer);
    // Frozen: the worker goes on.
    let (since, worker) = (Instant::now(), agent.worker_pid().unwrap());
    agent.freeze_part(Part::Parent).unwrap();
    let gap = gap_over_a_grant(&cluster, since);
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    agent.thaw().unwrap();
    lab::wait::pass(Duration::from_millis(500));
    assert_eq!(agent.worker_pid().unwrap(), worker, "it is not blamed for what was not heard");
    // Killed, and started again at once: the new one goes on.
    let since = Instant::now();
    agent.kill9_part(Part::Parent).unwrap();
    agent.start().unwrap();
    let gap = gap_over_a_grant(&cluster, since);
    println!("kill -9 of the writer's supervisor, started again: longest gap {gap:?}");
    assert!(gap < BLIP, "{gap:?}\n{}", story(&cluster.lab));
    all_online(&cluster.lab, SOON);
    assert_eq!(cluster.writer(), writer);
    // Killed for good: the worker becomes a fence, and the other host serves.
    let since = Instant::now();
    agent.kill9_part(Part::Parent).unwrap();
    let switch = cluster.switched(since, SOON);
    println!("kill -9 of the writer's supervisor for good: gap {:?}", switch.gap);
    assert!(switch.gap < TTL + Duration::from_secs(1), "{switch:?}");
    let server = cluster.lab.server(&writer).unwrap();
    until("the host to be fenced", SOON, || match server.is_read_only() {
        Ok(true) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    let log = log_of(agent);
    assert!(log.contains("fence: fenced in"), "{log}");
    agent.start().unwrap();
    all_rejoined(&cluster.lab);
    cluster.assert_never_two_writers();
}

#[test]
fn with_both_processes_frozen_the_vip_goes_within_the_grant() {
    let cluster = Cluster::up(&Options::with_daemons());
    let writer = cluster.writer();
    let agent = agent_of(&cluster, &writer);
    let since = Instant::now();
    agent.freeze_part(Part::Both).unwrap();
    until("the VIP to go", TTL, || {
        let on = holders(&cluster.lab, WRITER_VIP);
        if on.contains(&writer) { Err(format!("{on:?}")) } else { Ok(()) }
    })
    .unwrap();
    println!("SIGSTOP of both: the VIP is gone after {:?}", since.elapsed());
    cluster.switched(since, SOON);
    agent.thaw().unwrap();
    all_rejoined(&cluster.lab);
    assert!(cluster.lab.server(&writer).unwrap().is_read_only().unwrap());
    cluster.assert_never_two_writers();
}
