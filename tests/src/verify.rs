//! After the storm: is every row that a client was promised on a server, and only once?
use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::server::Server;
use crate::writer::Record;

/// What one server has of what one client was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub server: String,
    /// Rows of this client on the server.
    pub rows: usize,
    /// Acknowledged, and not there.
    pub lost: Vec<i64>,
    /// There more than once.
    pub duplicated: Vec<i64>,
    /// Refused, and there all the same.
    pub unwanted: Vec<i64>,
    /// Of unknown outcome, and there; how many of how many.
    pub unknown_there: (usize, usize),
}

impl Audit {
    /// No promise was broken.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.duplicated.is_empty() && self.unwanted.is_empty()
    }
}

/// Compares a server's table with what the client remembers.
pub fn audit(server: &Server, record: &Record) -> Result<Audit> {
    let sent = [&record.unknown, &record.refused];
    let ids = record.acks.iter().map(|ack| ack.id).chain(sent.into_iter().flatten().copied());
    // The client numbers its rows from a base of its own: this finds them and nobody else's.
    let (low, high) = ids.fold((i64::MAX, i64::MIN), |(low, high), id| (low.min(id), high.max(id)));
    let sql =
        format!("SELECT id, COUNT(*) FROM app.t WHERE id BETWEEN {low} AND {high} GROUP BY id");
    let mut there = BTreeMap::new();
    for row in server.sql(&sql)?.rows {
        let number = |at: usize| -> Result<i64> {
            let text = row.get(at).and_then(Option::as_deref).context("a column is missing")?;
            text.parse().with_context(|| format!("a number, not {text:?}"))
        };
        there.insert(number(0)?, number(1)?);
    }
    Ok(compare(server.name(), &there, record))
}

fn compare(server: &str, there: &BTreeMap<i64, i64>, record: &Record) -> Audit {
    let has = |id: &i64| there.contains_key(id);
    let acked = record.acks.iter().map(|ack| ack.id);
    Audit {
        server: server.to_owned(),
        rows: there.values().map(|count| usize::try_from(*count).unwrap_or(0)).sum(),
        lost: acked.filter(|id| !has(id)).collect(),
        duplicated: there.iter().filter(|(_, count)| **count > 1).map(|(id, _)| *id).collect(),
        unwanted: record.refused.iter().copied().filter(has).collect(),
        unknown_there: (record.unknown.iter().filter(|id| has(id)).count(), record.unknown.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::writer::Ack;

    #[test]
    fn broken_promises_are_found() {
        let ack = |id| Ack { id, at: Instant::now(), server: 1 };
        let record = Record {
            acks: vec![ack(1), ack(2), ack(3)],
            unknown: vec![4, 5],
            refused: vec![6, 7],
            ..Record::default()
        };
        let there = BTreeMap::from([(1, 1), (3, 2), (5, 1), (7, 1)]);
        let audit = compare("db1", &there, &record);
        assert_eq!(audit.lost, [2]);
        assert_eq!(audit.duplicated, [3]);
        assert_eq!(audit.unwanted, [7]);
        assert_eq!(audit.unknown_there, (1, 2));
        assert_eq!(audit.rows, 5);
        assert!(!audit.is_clean());
    }

    #[test]
    fn kept_promises_are_clean() {
        let acks = vec![Ack { id: 1, at: Instant::now(), server: 1 }];
        let record = Record { acks, ..Record::default() };
        assert!(compare("db1", &BTreeMap::from([(1, 1)]), &record).is_clean());
    }
}
