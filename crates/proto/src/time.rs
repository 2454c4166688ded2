//! Instants and spans in milliseconds. Nothing here reads a clock: whoever owns one passes the time
//! in.

use std::fmt;
use std::ops::{Add, Mul, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant on ONE host's boot clock (`CLOCK_BOOTTIME`), in milliseconds. Instants of two hosts
/// are never compared; that is why no operation here takes two hosts' times.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of time in milliseconds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Whether it is no time at all.
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// So many seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// So many milliseconds.
    pub const fn ms(ms: u64) -> Self {
        Self(ms)
    }

    /// The span in milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// What is left after `other`; zero when nothing is.
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Span {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(span.0)
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The form people read: `12 ms`, `3.0 s`, `41s`, `4m12s`, `2h05m`, `3d04h`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, s) = (self.0, self.0 / 1000);
        let text = if ms < 1000 {
            format!("{ms} ms")
        } else if s < 10 {
            format!("{}.{} s", s, ms % 1000 / 100)
        } else {
            self.coarse()
        };
        f.pad(&text)
    }
}

impl Span {
    /// The form for columns, never finer than a second: `0s`, `41s`, `4m12s`, `2h05m`, `3d04h`.
    pub fn coarse(self) -> String {
        let s = self.0 / 1000;
        if s < 60 {
            format!("{s}s")
        } else if s < 3600 {
            format!("{}m{:02}s", s / 60, s % 60)
        } else if s < 86_400 {
            format!("{}h{:02}m", s / 3600, s % 3600 / 60)
        } else {
            format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600)
        }
    }
}

/// A wall-clock stamp for people: milliseconds since 1970, UTC. Never used to decide anything.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Wall {
    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        for (ms, fine, coarse) in [
            (0, "0 ms", "0s"),
            (999, "999 ms", "0s"),
            (3_040, "3.0 s", "3s"),
            (41_000, "41s", "41s"),
            (252_000, "4m12s", "4m12s"),
            (7_500_000, "2h05m", "2h05m"),
            (273_600_000, "3d04h", "3d04h"),
        ] {
            assert_eq!(Span(ms).to_string(), fine);
            assert_eq!(Span(ms).coarse(), coarse);
        }
    }

    #[test]
    fn time_never_runs_backwards_or_over() {
        assert_eq!(Time(5).since(Time(9)), Span::ZERO);
        assert_eq!(Time(u64::MAX) + Span(9), Time(u64::MAX));
        assert_eq!(Wall(5).since(Wall(9)), Span::ZERO);
    }
}
