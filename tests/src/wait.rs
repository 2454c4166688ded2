//! Waiting for a condition with a deadline. The only place of the lab that sleeps.
use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Calls `look` until it returns `Ok`, for at most `limit`.
///
/// `look` says in its `Err` what it saw instead; the error of `until` repeats the last of these.
pub fn until<T, E: Display>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, E>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let seen = match look() {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if started.elapsed() >= limit {
            bail!("waited {:.1} s for {what}; last seen: {seen:#}", limit.as_secs_f64());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Lets `time` pass. For what has no condition to wait for: a load that runs, a fault that is held.
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
