//! The console's own clock, and the reader's time zone. The only reader of a clock in the console.

use std::sync::OnceLock;
use std::time::Instant;

use mmm_proto::Time;

/// Milliseconds since the program first asked.
pub fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed().as_millis();
    Time(u64::try_from(since).unwrap_or(u64::MAX))
}

/// Seconds that this machine's clock is east of UTC now.
pub fn zone() -> i32 {
    let now = jiff::Timestamp::now();
    jiff::tz::TimeZone::system().to_offset(now).seconds()
}
