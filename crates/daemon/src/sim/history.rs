//! What a server has in its binary log: who wrote which transactions. Kept as runs, so that hours
//! of writing cost nothing. Each run has a number of its own, so that the simulation knows two
//! transactions apart even where their GTIDs are equal (after a crash that lost the end of a log).

use mmm_proto::GtidPos;
use mmm_proto::gtid::Gtid;

/// Transactions in a row that one server wrote in one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Unique in a world.
    pub id: u32,
    /// `server_id` of who wrote them.
    pub server: u32,
    /// The number of the last one; the first follows the run before.
    pub upto: u64,
}

/// A history, from the first transaction on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    runs: Vec<Run>,
}

impl History {
    /// How many transactions it has.
    pub fn len(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.upto)
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run that transaction number `seq` (from one) belongs to.
    pub fn at(&self, seq: u64) -> Option<Run> {
        if seq == 0 {
            return None;
        }
        self.runs.get(self.runs.partition_point(|run| run.upto < seq)).copied()
    }

    /// Whether it has transaction number `seq` of that very run.
    pub fn has(&self, run: u32, seq: u64) -> bool {
        self.at(seq).is_some_and(|mine| mine.id == run)
    }

    /// A server writes some transactions more.
    pub fn write(&mut self, id: u32, server: u32, count: u64) {
        let upto = self.len() + count;
        match self.runs.last_mut() {
            Some(last) if last.id == id => last.upto = upto,
            _ => self.runs.push(Run { id, server, upto }),
        }
    }

    /// Takes what `source` has beyond this one, up to number `upto`. This one must be a beginning
    /// of it, by numbers; what is already there is not looked at.
    pub fn take_from(&mut self, source: &Self, upto: u64) {
        let first = source.runs.partition_point(|run| run.upto <= self.len());
        for run in &source.runs[first..] {
            if self.len() >= upto {
                return;
            }
            let upto = run.upto.min(upto);
            match self.runs.last_mut() {
                Some(last) if last.id == run.id => last.upto = upto,
                _ => self.runs.push(Run { upto, ..*run }),
            }
        }
    }

    /// Forgets everything behind number `len`.
    pub fn cut(&mut self, len: u64) {
        while self.runs.last().is_some_and(|run| run.upto > len) {
            let before = self.runs.len().checked_sub(2).map_or(0, |at| self.runs[at].upto);
            if before >= len {
                self.runs.pop();
            } else if let Some(last) = self.runs.last_mut() {
                last.upto = len;
            }
        }
    }

    /// How long both are the same by what replication can see: number and `server_id`.
    pub fn same_gtids(&self, other: &Self) -> u64 {
        self.common(other, |one, two| one.server == two.server)
    }

    /// How long both are truly the same.
    pub fn same(&self, other: &Self) -> u64 {
        self.common(other, |one, two| one.id == two.id)
    }

    fn common(&self, other: &Self, equal: impl Fn(Run, Run) -> bool) -> u64 {
        let (mut mine, mut theirs, mut upto) = (0, 0, 0);
        while let (Some(one), Some(two)) = (self.runs.get(mine), other.runs.get(theirs)) {
            if !equal(*one, *two) {
                return upto;
            }
            upto = one.upto.min(two.upto);
            mine += usize::from(one.upto == upto);
            theirs += usize::from(two.upto == upto);
        }
        upto
    }

    /// The GTID position after `len` transactions.
    pub fn position(&self, len: u64) -> GtidPos {
        self.at(len).map_or_else(GtidPos::default, |run| {
            GtidPos::of(0, Gtid { server: run.server, seq: len })
        })
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_grow_part_and_are_cut() {
        let mut one = History::default();
        one.write(1, 1, 10);
        let mut two = one.clone();
        one.write(1, 1, 5);
        two.take_from(&one, 12);
        assert_eq!((two.len(), two.same(&one)), (12, 12));
        assert_eq!(two.position(12).to_string(), "0-1-12");
        two.write(2, 2, 3);
        assert_eq!((two.same(&one), two.same_gtids(&one)), (12, 12));
        assert!(two.has(2, 13) && !two.has(1, 13) && one.has(1, 13) && !one.has(1, 16));
        two.cut(14);
        assert_eq!(two.position(14).to_string(), "0-2-14");
        two.cut(12);
        two.cut(0);
        assert!(two.is_empty());
        two.take_from(&one, 99);
        assert_eq!(two, one);
    }

    #[test]
    fn a_lost_end_that_is_written_again_looks_the_same_and_is_not() {
        let mut one = History::default();
        one.write(1, 1, 10);
        let mut two = one.clone();
        two.cut(8);
        two.write(7, 1, 2);
        assert_eq!((one.same_gtids(&two), one.same(&two)), (10, 8));
        assert_eq!(one.position(10), two.position(10));
    }
}
