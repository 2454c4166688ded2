//! What is still to happen, in order of time; what is due at the same microsecond comes in the
//! order in which it was put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One place of the wheel is so many microseconds, as a power of two. At a heartbeat much happens
/// within a few milliseconds, and what is in one place has to be searched.
const TICK: u32 = 10;
/// The wheel reaches four seconds ahead: only what is later needs a heap.
const PLACES: usize = 4096;
const NONE: u32 = u32::MAX;

/// When something is due, and how many things were put in before it.
type Key = (u64, u64);

#[derive(Debug)]
struct Slot<T> {
    key: Key,
    /// The next one in the same place of the wheel.
    next: u32,
    thing: Option<T>,
}

/// Things that are due: a wheel for what is near, as most is.
#[derive(Debug)]
pub(super) struct Queue<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    count: u64,
    /// The first thing of each place, and a bit for each that has any.
    places: Box<[u32; PLACES]>,
    taken: [u64; PLACES / 64],
    far: BinaryHeap<Reverse<(Key, u32)>>,
    /// Of what is next. Nothing in the wheel is earlier than the place of the latest one.
    head: Option<(Key, u32)>,
    now: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            count: 0,
            places: Box::new([NONE; PLACES]),
            taken: [0; PLACES / 64],
            far: BinaryHeap::new(),
            head: None,
            now: 0,
        }
    }

    pub(super) fn push(&mut self, at: u64, thing: T) {
        self.count += 1;
        let key = (at, self.count);
        let filled = Slot { key, next: NONE, thing: Some(thing) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = filled;
                slot
            }
            None => {
                self.slots.push(filled);
                (self.slots.len() - 1) as u32
            }
        };
        let tick = (at >> TICK).max(self.now);
        if tick - self.now < PLACES as u64 {
            let place = tick as usize % PLACES;
            self.slots[slot as usize].next = self.places[place];
            self.places[place] = slot;
            self.taken[place / 64] |= 1 << (place % 64);
        } else {
            self.far.push(Reverse((key, slot)));
        }
        if self.head.is_none_or(|(head, _)| key < head) {
            self.head = Some((key, slot));
        }
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.head.map(|((at, _), _)| at)
    }

    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let (key, slot) = self.head?;
        if self.far.peek() == Some(&Reverse((key, slot))) {
            self.far.pop();
        } else {
            self.unlink(key.0, slot);
        }
        self.now = self.now.max(key.0 >> TICK);
        let thing = self.slots[slot as usize].thing.take();
        self.free.push(slot);
        self.head = self.first();
        thing.map(|thing| (key.0, thing))
    }

    /// Takes a slot out of its place. What was late when it was put in is in the place of then.
    fn unlink(&mut self, at: u64, slot: u32) {
        let place = (at >> TICK).max(self.now) as usize % PLACES;
        let next = self.slots[slot as usize].next;
        if self.places[place] == slot {
            self.places[place] = next;
            if next == NONE {
                self.taken[place / 64] &= !(1 << (place % 64));
            }
            return;
        }
        let mut before = self.places[place];
        while self.slots[before as usize].next != slot {
            before = self.slots[before as usize].next;
        }
        self.slots[before as usize].next = next;
    }

    /// What is next.
    fn first(&self) -> Option<(Key, u32)> {
        let far = self.far.peek().map(|Reverse(first)| *first);
        let Some(place) = self.first_place() else { return far };
        let mut slot = self.places[place];
        let mut best = (self.slots[slot as usize].key, slot);
        while self.slots[slot as usize].next != NONE {
            slot = self.slots[slot as usize].next;
            best = best.min((self.slots[slot as usize].key, slot));
        }
        Some(far.map_or(best, |far| far.min(best)))
    }

    /// The first place that has anything, from the present one on and around.
    fn first_place(&self) -> Option<usize> {
        let start = self.now as usize % PLACES;
        let (word, bit) = (start / 64, start % 64);
        let ahead = self.taken[word] & (!0 << bit);
        if ahead != 0 {
            return Some(word * 64 + ahead.trailing_zeros() as usize);
        }
        let words = PLACES / 64;
        // Last the first word once more: what of it lies behind the start is the furthest ahead.
        (1..=words).map(|step| (word + step) % words).find_map(|word| {
            let taken = self.taken[word];
            (taken != 0).then(|| word * 64 + taken.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::draw::Draw;

    #[test]
    fn ties_keep_their_order() {
        let mut queue = Queue::new();
        for (at, name) in [(5, "c"), (1, "a"), (5, "d"), (2, "b")] {
            queue.push(at, name);
        }
        let mut out = Vec::new();
        while let Some((_, name)) = queue.pop() {
            out.push(name);
            if name == "c" {
                queue.push(5, "e");
            }
        }
        assert_eq!(out, ["a", "b", "c", "d", "e"]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn what_is_near_far_and_late_comes_in_the_order_of_a_sorted_list() {
        let mut draw = Draw::new(3);
        let (mut queue, mut list) = (Queue::new(), Vec::new());
        let (mut now, mut count) = (0, 0);
        for _ in 0..20_000 {
            if draw.chance(1, 2) || list.is_empty() {
                let most = draw.pick(&[1, 20, 3_000, 500_000, 4_200_000, 20_000_000]);
                // Some is late before it is put in.
                let at = (now + draw.below(most)).saturating_sub(draw.pick(&[0, 0, 0, 40_000]));
                count += 1;
                queue.push(at, count);
                list.push((at, count));
                list.sort_unstable();
            } else {
                let first = list.remove(0);
                assert_eq!(queue.next(), Some(first.0));
                assert_eq!(queue.pop(), Some(first));
                now = now.max(first.0);
            }
        }
        while let Some(first) = queue.pop() {
            assert_eq!(first, list.remove(0));
        }
        assert!(list.is_empty() && queue.next().is_none());
    }
}
