//! From the link to the screen: what is new, never more than a screen can use.
//!
//! A blocked terminal must not hold up the link. So the link never waits here: the newest picture
//! replaces an unseen older one, beats are not queued twice, and answers and events have a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mmm_proto::console::FromMonitor;

use crate::app::msg::LinkMsg;

/// More than a monitor keeps of events in one batch each; the oldest go first.
const WAITING_MAX: usize = 2048;

/// Shared by the link and the screen.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<LinkMsg>,
    /// Whose messages are taken: raised when the screen goes to another cluster.
    turn: u64,
}

impl Mailbox {
    /// Puts something in; true when it was empty, so that the screen must be woken. What is said
    /// by a link of another turn is thrown away.
    pub fn put(&self, turn: u64, msg: LinkMsg) -> bool {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.turn != turn {
            return false;
        }
        let waiting = &mut inside.waiting;
        let was_empty = waiting.is_empty();
        match &msg {
            LinkMsg::Said(FromMonitor::View { .. }) => {
                waiting.retain(|old| !matches!(old, LinkMsg::Said(FromMonitor::View { .. })));
            }
            LinkMsg::Said(FromMonitor::Beat { .. }) => {
                waiting.retain(|old| !matches!(old, LinkMsg::Said(FromMonitor::Beat { .. })));
            }
            _ => {}
        }
        if waiting.len() >= WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(msg);
        was_empty
    }

    /// Takes everything out.
    pub fn take(&self) -> VecDeque<LinkMsg> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut inside.waiting)
    }

    /// Throws everything away, also what the present link will still say; gives the next turn.
    pub fn turn(&self) -> u64 {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.waiting.clear();
        inside.turn += 1;
        inside.turn
    }
}

#[cfg(test)]
mod tests {
    use mmm_proto::Wall;

    use super::*;

    #[test]
    fn beats_do_not_pile_up_and_answers_stay() {
        let mailbox = Mailbox::default();
        let beat = |generation| LinkMsg::Said(FromMonitor::Beat { generation, now: Wall(0) });
        let error = |why: &str| LinkMsg::Said(FromMonitor::Error { why: why.to_owned() });
        assert!(mailbox.put(0, beat(1)));
        assert!(!mailbox.put(0, error("a")));
        for generation in 2..5000 {
            mailbox.put(0, beat(generation));
        }
        assert_eq!(mailbox.take(), [error("a"), beat(4999)]);
        for _ in 0..5000 {
            mailbox.put(0, error("b"));
        }
        assert_eq!(mailbox.take().len(), WAITING_MAX);
        assert!(mailbox.take().is_empty());
        // After a turn nothing of the old link arrives, neither what waits nor what comes.
        mailbox.put(0, error("old"));
        let turn = mailbox.turn();
        assert!(!mailbox.put(0, error("late")) && mailbox.put(turn, error("new")));
        assert_eq!(mailbox.take(), [error("new")]);
    }
}
