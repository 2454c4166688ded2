//! The last events, for consoles that come late or fall behind. Pure.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::VecDeque;

use mmm_proto::Event;

/// How many events are kept.
pub(super) const KEPT: usize = 2000;

/// How many events go into one line. With events of some hundred bytes, far from the line's bound.
const BATCH: usize = 100;

/// The events of this monitor, the newest last. A place is the count of events before it since the start,
/// because numbers of events begin anew with each term.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Event>,
    /// The place of the first event that is kept.
    first: u64,
}

/// Where a console is in the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    next: u64,
    /// Events before `next` that the console did not get and cannot get any more.
    skipped: u64,
}

impl Ring {
    /// Adds events, oldest first; forgets the oldest.
    pub(super) fn add(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        while self.events.len() > KEPT {
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// Where a console goes on that has seen the events up to number `since`. A number that was not given
    /// out yet is of an earlier monitor: then everything is new.
    pub(super) fn place(&self, since: Option<u64>) -> Place {
        let (Some(oldest), Some(newest)) = (self.events.front(), self.events.back()) else {
            return Place { next: self.first, skipped: 0 };
        };
        let Some(since) = since else {
            return Place { next: self.first, skipped: 0 };
        };
        let seen = if since > newest.seq { 0 } else { since };
        let old = self.events.iter().take_while(|event| event.seq <= seen).count();
        Place { next: self.first + old as u64, skipped: oldest.seq.saturating_sub(seen + 1) }
    }

    /// The next events for a console, how many it missed before them, and where it is afterwards; none when
    /// it has seen everything.
    pub(super) fn after(&self, place: Place) -> Option<(Vec<Event>, u64, Place)> {
        let missed = self.first.saturating_sub(place.next);
        let next = place.next.max(self.first);
        let skipped = place.skipped + missed;
        let at = usize::try_from(next - self.first).unwrap_or(usize::MAX);
        let events: Vec<Event> = self.events.iter().skip(at).take(BATCH).cloned().collect();
        if events.is_empty() && skipped == 0 {
            return None;
        }
        let next = next + events.len() as u64;
        Some((events, skipped, Place { next, skipped: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmm_proto::Wall;
    use mmm_proto::event::Level;

    fn events(seqs: std::ops::RangeInclusive<u64>) -> Vec<Event> {
        let event = |seq| Event {
            seq,
            at: Wall(0),
            level: Level::Info,
            subject: "db1".into(),
            what: "x".into(),
            why: String::new(),
            by: None,
            plan: None,
            took: None,
        };
        seqs.map(event).collect()
    }

    /// Everything that a console gets: the numbers, and how many it missed.
    fn all(ring: &Ring, mut place: Place) -> (Vec<u64>, u64, Place) {
        let (mut seqs, mut missed) = (Vec::new(), 0);
        while let Some((events, skipped, next)) = ring.after(place) {
            assert!(events.len() <= BATCH);
            seqs.extend(events.iter().map(|event| event.seq));
            missed += skipped;
            place = next;
        }
        (seqs, missed, place)
    }

    #[test]
    fn a_console_resumes_where_it_was() {
        let mut ring = Ring::default();
        assert_eq!(ring.after(ring.place(Some(9))), None);
        ring.add(events(1..=250));
        let (seqs, missed, place) = all(&ring, ring.place(None));
        assert_eq!((seqs.len(), missed), (250, 0));
        assert_eq!(all(&ring, ring.place(Some(247))).0, [248, 249, 250]);
        assert_eq!(ring.after(ring.place(Some(250))), None);
        ring.add(events(251..=252));
        assert_eq!(all(&ring, place).0, [251, 252]);
        // The number comes from before the monitor's restart.
        let (seqs, missed, _) = all(&ring, ring.place(Some(900)));
        assert_eq!((seqs.len(), missed), (252, 0));
    }

    #[test]
    fn who_falls_behind_is_told_how_far() {
        let mut ring = Ring::default();
        ring.add(events(1..=10));
        let late = all(&ring, ring.place(None)).2;
        ring.add(events(11..=KEPT as u64 + 110));
        let (seqs, missed, _) = all(&ring, late);
        assert_eq!((seqs.len(), seqs[0], missed), (KEPT, 111, 100));
        let (seqs, missed, _) = all(&ring, ring.place(Some(60)));
        assert_eq!((seqs.len(), seqs[0], missed), (KEPT, 111, 50));
        let (seqs, missed, _) = all(&ring, ring.place(Some(110)));
        assert_eq!((seqs[0], missed), (111, 0));
    }
}
