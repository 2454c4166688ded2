//! Positions in the stream of transactions: parse, compare, count what is missing.
//!
//! MariaDB's form: one `domain-server-sequence` per domain, parted by commas. Within a domain the
//! sequence only grows (`gtid_strict_mode`), so a position says all that was applied up to it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

/// The last transaction of one domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gtid {
    /// The server that first wrote it.
    pub server: u32,
    /// Its place in the domain.
    pub seq: u64,
}

/// A position: the last transaction of each domain, in the order of the domains. Empty on a fresh
/// server.
// Most servers write one domain: a list that keeps one in its own place is the cheapest, and
// positions are in every report.
#[derive(PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct GtidPos(#[schemars(with = "String")] SmallVec<[(u32, Gtid); 1]>);

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a GTID position: expected domain-server-sequence, parted by commas")]
pub struct GtidError(pub String);

impl Clone for GtidPos {
    fn clone(&self) -> Self {
        // Copied as a whole, where the derived one would go entry by entry.
        match self.0.as_slice() {
            [only] => Self(smallvec![*only]),
            all => Self(SmallVec::from_slice(all)),
        }
    }
}

impl GtidPos {
    /// The position of a server with one domain.
    pub fn of(domain: u32, last: Gtid) -> Self {
        Self(smallvec![(domain, last)])
    }

    /// Whether everything up to `other` is contained in this position.
    pub fn includes(&self, other: &Self) -> bool {
        other.missing_from(self) == 0
    }

    /// How many transactions of `self` `other` lacks. Counts sequence numbers, so it is an upper
    /// bound where a domain has gaps.
    pub fn missing_from(&self, other: &Self) -> u64 {
        self.0
            .iter()
            .map(|(domain, gtid)| {
                gtid.seq.saturating_sub(other.last(*domain).map_or(0, |theirs| theirs.seq))
            })
            .fold(0, u64::saturating_add)
    }

    /// The last transaction of each domain in which this position is ahead of `other`, with the
    /// domain.
    pub fn ahead_of(&self, other: &Self) -> impl Iterator<Item = (u32, Gtid)> {
        let ahead = |(domain, gtid): &(u32, Gtid)| {
            other.last(*domain).is_none_or(|theirs| theirs.seq < gtid.seq)
        };
        self.0.iter().copied().filter(ahead)
    }

    /// The last transaction of a domain.
    pub fn last(&self, domain: u32) -> Option<Gtid> {
        let at = self.0.binary_search_by_key(&domain, |(known, _)| *known).ok()?;
        Some(self.0[at].1)
    }

    /// The later of both in every domain.
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.add(other);
        all
    }

    /// Becomes the later of both in every domain.
    pub fn add(&mut self, other: &Self) {
        for (domain, gtid) in &other.0 {
            self.take(*domain, *gtid);
        }
    }

    fn take(&mut self, domain: u32, gtid: Gtid) {
        match self.0.binary_search_by_key(&domain, |(known, _)| *known) {
            Ok(at) if gtid.seq > self.0[at].1.seq => self.0[at].1 = gtid,
            Ok(_) => {}
            Err(at) => self.0.insert(at, (domain, gtid)),
        }
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each domain with the server that wrote its last transaction.
    pub fn authors(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|(domain, last)| (*domain, last.server))
    }

    /// Domains whose last transaction has the same number on both sides but was written by
    /// different servers: a certain sign that the two histories parted.
    pub fn parted_from(&self, other: &Self) -> Option<u32> {
        self.0.iter().find_map(|(domain, mine)| {
            let theirs = other.last(*domain)?;
            (mine.seq == theirs.seq && mine.server != theirs.server).then_some(*domain)
        })
    }
}

impl FromStr for GtidPos {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let bad = || GtidError(text.chars().take(200).collect());
        let mut all = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut numbers = part.split('-');
            let (Some(domain), Some(server), Some(seq), None) =
                (numbers.next(), numbers.next(), numbers.next(), numbers.next())
            else {
                return Err(bad());
            };
            let domain: u32 = domain.parse().map_err(|_| bad())?;
            let gtid = Gtid {
                server: server.parse().map_err(|_| bad())?,
                seq: seq.parse().map_err(|_| bad())?,
            };
            all.take(domain, gtid);
        }
        Ok(all)
    }
}

impl TryFrom<String> for GtidPos {
    type Error = GtidError;
    fn try_from(text: String) -> Result<Self, GtidError> {
        text.parse()
    }
}

impl From<GtidPos> for String {
    fn from(pos: GtidPos) -> Self {
        pos.to_string()
    }
}

impl fmt::Display for GtidPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(domain, gtid)| format!("{domain}-{}-{}", gtid.server, gtid.seq))
            .collect();
        f.pad(&parts.join(","))
    }
}

impl fmt::Debug for GtidPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_says_who_wrote_it() {
        let pos = |text: &str| text.parse::<GtidPos>().unwrap();
        let (mine, theirs) = (pos("0-1-12,1-2-7,5-3-1"), pos("0-2-11,1-2-7"));
        let ahead: Vec<(u32, Gtid)> = mine.ahead_of(&theirs).collect();
        let last = |server, seq| Gtid { server, seq };
        assert_eq!(ahead, [(0, last(1, 12)), (5, last(3, 1))]);
        assert_eq!(mine.last(0), Some(last(1, 12)));
        assert_eq!((mine.last(7), theirs.ahead_of(&mine).count()), (None, 0));
    }

    fn pos(text: &str) -> GtidPos {
        text.parse().unwrap()
    }

    #[test]
    fn a_position_includes_what_came_before_it() {
        assert!(pos("0-1-100").includes(&pos("0-2-99")));
        assert!(pos("0-1-100").includes(&pos("")));
        assert!(!pos("0-1-100").includes(&pos("0-1-101")));
        assert!(!pos("0-1-100").includes(&pos("0-1-5,1-1-1")));
        assert_eq!(pos("0-1-101,1-1-3").missing_from(&pos("0-1-99")), 5);
    }

    #[test]
    fn equal_numbers_of_different_servers_mean_that_histories_parted() {
        assert_eq!(pos("0-1-100").parted_from(&pos("0-2-100")), Some(0));
        assert_eq!(pos("0-1-100").parted_from(&pos("0-2-101")), None);
    }

    #[test]
    fn text_survives_and_nonsense_does_not_enter() {
        assert_eq!(pos("1-1-3, 0-2-7").to_string(), "0-2-7,1-1-3");
        assert_eq!(pos("0-1-3,0-2-7").to_string(), "0-2-7");
        for bad in ["x", "0-1", "0-1-2-3", "0-1-", "-1-1-1", "0-1-99999999999999999999"] {
            assert!(bad.parse::<GtidPos>().is_err(), "{bad}");
        }
    }
}
