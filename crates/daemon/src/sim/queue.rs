//! What is still to happen, in order of time; what is due at the same microsecond comes in the
//! order in which it was put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things that are due. The heap holds numbers only, so that moving its entries is cheap.
#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    count: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), count: 0 }
    }

    pub(super) fn push(&mut self, at: u64, thing: T) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(thing);
                slot
            }
            None => {
                self.slots.push(Some(thing));
                (self.slots.len() - 1) as u32
            }
        };
        self.count += 1;
        self.heap.push(Reverse((at, self.count, slot)));
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.slots[slot as usize].take().map(|thing| (at, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
