//! The simulation in CI: fresh seeds for some seconds, seeds that once found something, and the
//! proof that mistakes are found.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::bugs;
use mmm_daemon::core::bugs::Bug;
use mmm_daemon::sim::{self, Script};

/// How long fresh seeds are tried.
const BUDGET: Duration = Duration::from_secs(20);

/// What once broke a rule, as scripts: seeds draw other weather when the weather changes.
const FOUND: [(&str, &str); 24] = [
    (
        "a restart out of PASSIVE left VIPs on a host that was set offline",
        "seed 405\nat 1s start monitor2\nat 4s kill monitor2\nat 5s control set_offline db3\n\
         at 9s kill monitor\nat 10s start monitor\nrun 10s",
    ),
    (
        "a superseded monitor took what was written down for true after its restart",
        "seed 60329\ncluster hosts=3 readers=6\nstart monitor2\nkill agent db2\n\
         at 9.09s kill monitor\nat 9.09s calm\nrun 5s",
    ),
    (
        "the candidate fetched from the lost writer only, to which it had no way",
        "seed 103984\ncluster hosts=3 write_every=1s\nat 2.46s cut db1-db2\n\
         at 2.46s cut monitor-db1\nat 4.55s heal monitor-db1\nrun 20s",
    ),
    (
        "a monitor that restarted came to the very term of another one",
        "seed 21784\nat 1s start monitor2\nat 2s kill monitor\nat 2s start monitor\nrun 10s",
    ),
    (
        "two monitors that started in the same second had the same term",
        "seed 60012174\ncluster hosts=3 readers=0\nat 0s start monitor2\nat 20ms kill monitor\n\
         at 20ms kill monitor2\nat 20ms start monitor\nat 30ms start monitor2\nrun 10s",
    ),
    (
        "a term that peers told of was lost with the power",
        "seed 40006465\ncluster hosts=3 readers=1\nat 0s cut monitor-db1\nat 0s kill monitor\n\
         at 0s start monitor\nat 0s disk db1 takes 200ms\nat 70ms stop host db2\n\
         at 1.828s cont host db2\nat 1.838s crash host db1\nat 1.838s calm\nrun 1ms",
    ),
    (
        "a monitor that was superseded did not know whom agents ask by the other's grants",
        "seed 41032169\ncluster hosts=3 readers=1\nat 0s start monitor2\nat 0s cut monitor-db1\n\
         at 20ms kill monitor2\nat 20ms cut monitor-db2\nat 1.72s kill monitor\n\
         at 1.72s start monitor\nrun 4.301s",
    ),
    (
        "a reader VIP that was not there counted as released, and was taken up again",
        "seed 41068188\ncluster hosts=3 readers=2 ttl=10s check_period=500ms\nat 0s fail Hold db1\n\
         at 4.84s kill server db1\nat 5.755s start server db1\nat 16.372s cut monitor->db1\n\
         at 22.222s calm\nrun 6ms",
    ),
    (
        "with isolated_writer = \"hold\" a restarted monitor forgot whom readers' hosts ask",
        "seed 80041816\ncluster hosts=3 masters=3 holds_alone=on\nat 0s cut monitor-db2\n\
         at 4.71s cut monitor\nat 4.71s heal monitor-db2\nat 4.71s kill server db1\n\
         at 4.71s kill monitor\nat 5.03s start monitor\nrun 3.5s",
    ),
    (
        "a host that said that it had a VIP was taken to have lost it by time",
        "seed 80041816\ncluster hosts=3 readers=2\nat 0s cut monitor-db2\nat 3.53s cut monitor\n\
         at 3.53s heal monitor-db2\nat 3.53s kill server db1\nat 3.53s kill monitor\n\
         at 3.53s start monitor\nat 5.91s slow Drop db1 100ms\nat 6.26s heal monitor-db1\n\
         run 1s",
    ),
    (
        "the last writer was out for its replication, and another one lost what it had",
        "seed 90021649\ncluster hosts=2 readers=2 kill_host=on ttl=10s check_period=500ms trap=1s \
         catch_up_timeout=2s write_every=500ms\nat 70ms control set_passive\n\
         at 70ms kill monitor\nat 70ms start monitor2\nat 930ms drop 30% db1\n\
         at 2.42s kill agent db1\nat 35.501s cut db2\nat 46.006s calm\nat 61.006s put back\n\
         run 3.516s",
    ),
    (
        "an agent whose disk was full took up again after a restart what it had let go",
        "seed 100008858\ncluster hosts=3 ttl=10s check_period=5s write_every=1s\n\
         at 57ms disk full db1\nat 687ms kill server db1\nat 787ms kill agent db1\n\
         at 787ms start agent db1\nrun 100ms",
    ),
    (
        "a writer whose agent had lost its memory was taken for one of an earlier time",
        "seed 110017487\ncluster hosts=3 readers=2\nat 0s control set_offline db1\n\
         at 40ms forget db2\nat 40ms kill agent db2\nat 40ms start monitor2\n\
         at 160ms control set_online db1\nat 160ms calm\nat 15.16s put back\nrun 1.528s",
    ),
    (
        "a monitor that stood still while another one led granted before it heard of that",
        "seed 120061320\ncluster hosts=3 ttl=2s check_period=500ms trap=2s\n\
         at 0s control set_manual\nat 0s cut db1\nat 2.7s start monitor2\n\
         at 2.7s stop monitor\nat 5.12s kill monitor2\nat 9.49s calm\nrun 100ms",
    ),
    (
        "a failover waited for promises that were given on and on, without an end",
        "seed 150076947\ncluster hosts=3 readers=1 heartbeat=1s ttl=6s drain_timeout=2s\n\
         disk db2 takes 3s\ncut monitor-db1\nrun 40s",
    ),
    (
        "a monitor that was stopped at its start adopted late what it found",
        "seed 150008309\nforget monitor\nkill monitor\nstart monitor\nstop monitor\n\
         at 10ms start monitor2\nat 10.83s calm\nrun 5s",
    ),
    (
        "the preferred host became the writer without what another candidate had",
        "seed 160068589\ncluster hosts=3 readers=1 prefer=db1 catch_up_timeout=2s\n\
         start monitor2\nat 1.3s cut db1\nat 4.83s kill agent db2\nat 10.17s calm\n\
         at 25.17s put back\nrun 8s",
    ),
    (
        "what a writer without its VIP was answered late counted as promised to clients",
        "seed 62933\ncluster hosts=3 masters=3 readers=2 prefer=db1 semi_sync=on\n\
         start monitor2\ncut db1\nkill agent db2\nat 990ms stop agent db1\n\
         at 2.812s heal db2-db1\nat 3.892s calm\nat 18.892s put back\nat 33.892s put back\n\
         at 48.892s put back\nat 63.892s put back\nrun 15.057s",
    ),
    (
        "a VIP that was found where it was, late after the start, counted as given in PASSIVE",
        "seed 500086789\ncluster hosts=3 heartbeat=1s ttl=8s\nat 100ms cut monitor\n\
         at 100ms forget monitor\nat 100ms kill monitor\nat 100ms start monitor\n\
         at 12.3s heal monitor\nat 12.976s control set_passive\nrun 310ms",
    ),
    (
        "the word of an agent that had lost its memory was taken: it had promised nothing",
        "seed 600064968\ncluster hosts=3 readers=0 ttl=6s\nat 180ms cut monitor-db1\n\
         at 3.678s cut monitor-db2\nat 9.515s forget db2\nat 9.515s kill agent db2\n\
         at 9.645s kill server db1\nat 10.055s start server db1\nat 10.155s heal db2\n\
         at 10.778s start agent db2\nat 11.169s stop agent db1\nrun 2s",
    ),
    (
        "a monitor that took over counted claims from its start, and the other granted on",
        "seed 54208\ncluster hosts=4 masters=3\nstart monitor2\nat 2.31s kill server db1\n\
         at 2.34s start server db1\nat 8.68s disk db2 takes 900ms\nat 8.68s cut monitor-db1\n\
         at 8.68s cut monitor-db2\nat 8.68s kill monitor\nat 8.72s start monitor\nrun 6s",
    ),
    (
        "the same, where the monitor that took over was restarted before anybody obeyed it",
        "seed 720011324\ncluster hosts=3 readers=2 heartbeat=2s ttl=10s trap=10s\n\
         start monitor2\nat 200ms stop agent db1\nat 200ms kill monitor\n\
         at 300ms start monitor\nat 310ms cut monitor-db1\nat 310ms cont agent db1\n\
         at 320ms kill monitor\nat 320ms start monitor\nat 7.542s cut db2\n\
         at 8.662s disk db1 takes 3s\nat 9.532s heal db2\nrun 4s",
    ),
    (
        "with isolated_writer = \"hold\" a monitor that took over forgot that any may hold on",
        "seed 59959\ncluster hosts=5 masters=3 heartbeat=300ms ttl=2s check_period=500ms \
         write_every=500ms holds_alone=on\nstart monitor2\ncut monitor-db1\n\
         at 2.596s kill server db1\nat 2.637s crash host db1\nat 2.668s boot host db1\n\
         at 11.762s cut db2\nat 13.619s kill monitor\nat 13.656s start monitor\n\
         at 22.664s heal monitor-db2\nat 22.664s heal db2\nrun 2s",
    ),
    (
        "a second monitor opened the frozen writer while the first one promoted another",
        "seed 5415\ncluster hosts=3 masters=3 readers=2 check_period=500ms delay=20ms \
         write_every=500ms holds_alone=on\nat 597ms start monitor2\n\
         at 597ms control move_role writer db3\nrun 3s",
    ),
];

fn check(seed: u64) {
    if let Err(failure) = sim::run(seed) {
        let short = sim::shrink(&failure);
        // Once more at the end: of a long output the beginning is what gets lost.
        panic!(
            "{failure}\n\n{}\n{}\n{failure}\n\
             replay it: cargo run --release -p mmm-tests --bin mmm-sim -- shrink {seed}",
            sim::transcript(&short.script, false),
            short.script
        );
    }
}

#[test]
fn fresh_weather_breaks_no_rule() {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = wall.as_nanos() as u64 >> 10;
    let began = Instant::now();
    let mut tried = 0;
    while began.elapsed() < BUDGET {
        check(first + tried);
        tried += 1;
    }
    println!("{tried} fresh seeds from {first}");
    assert!(tried > 0);
}

// Open: promises that count from their arrival, or are forgotten by a restart, are caught by
// `core/agent/tests/promising.rs` only: the weather has too few monitors that are away for long.

#[test]
fn what_was_found_once_stays_mended() {
    for (what, text) in FOUND {
        let script = Script::parse(text).unwrap();
        if let Err(failure) = sim::try_script(&script) {
            panic!("{what}: {failure}\n{}", sim::transcript(&script, false));
        }
    }
}

#[test]
fn every_deliberate_bug_is_caught_in_time() {
    let mut missed = Vec::new();
    for (bug, within, known) in bugs::CAUGHT {
        match bugs::caught_in_time(*bug, *within, *known) {
            Some((seeds, failure)) => println!("{bug:?} by seed {seeds}: {failure}"),
            None => missed.push(format!("{bug:?} within {within} seeds")),
        }
    }
    assert!(missed.is_empty(), "not caught any more: {}", missed.join(", "));
    let untried = Bug::ALL.iter().find(|bug| bugs::CAUGHT.iter().all(|(of, ..)| of != *bug));
    assert_eq!(untried, None, "each has its row");
}
