//! The simulation in CI: fresh seeds for some seconds, seeds that once found something, and the
//! proof that mistakes are found.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::bugs;
use mmm_daemon::core::bugs::Bug;
use mmm_daemon::sim;

/// How long fresh seeds are tried.
const BUDGET: Duration = Duration::from_secs(20);

/// Seeds that once found something, each with what it was.
const FOUND: [(u64, &str); 1] =
    [(405, "a restart out of PASSIVE left a VIP on a host that was set offline")];

fn check(seed: u64) {
    if let Err(failure) = sim::run(seed) {
        let short = sim::shrink(&failure);
        panic!(
            "{failure}\nreplay it: cargo run --release -p mmm-tests --bin mmm-sim -- shrink {seed}\n\n{}",
            sim::transcript(&short.script, false)
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

#[test]
fn what_was_found_once_stays_mended() {
    for (seed, what) in FOUND {
        println!("{seed}: {what}");
        check(seed);
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
