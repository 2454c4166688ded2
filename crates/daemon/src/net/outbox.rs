//! What waits to be sent to one peer. Putting something in never waits; a peer that does not read loses its
//! connection, not the program its memory.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

/// How many messages may wait. A peer that is this far behind is of no use.
const WAITING_MAX: usize = 256;

/// What happens to a message when its like waits already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Only the newest of these counts: it takes the place of an unsent older one, at the end of the queue,
    /// so that it never overtakes what was said before it.
    Latest,
    /// Every one of these is sent, in order.
    Each,
}

/// The outbox is closed; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Closed(pub String);

/// A bounded queue to one connection.
#[derive(Debug)]
pub struct Outbox<M> {
    inner: Mutex<Inner<M>>,
    changed: Notify,
    taken: Notify,
    burst: Notify,
}

#[derive(Debug)]
struct Inner<M> {
    waiting: VecDeque<(Urgency, M)>,
    /// When set, nothing comes in any more; what waits may still go.
    closed: Option<Closed>,
}

impl<M> Outbox<M> {
    /// An open outbox with nothing in it.
    pub fn new() -> Self {
        let waiting = VecDeque::new();
        let closed = None;
        Self {
            inner: Mutex::new(Inner { waiting, closed }),
            changed: Notify::new(),
            taken: Notify::new(),
            burst: Notify::new(),
        }
    }

    /// Puts a message in; never waits.
    ///
    /// # Errors
    /// When the outbox is closed. It closes itself when it is full: what must not be dropped cannot be kept.
    pub fn put(&self, urgency: Urgency, message: M) -> Result<(), Closed> {
        let mut inner = self.lock();
        if let Some(closed) = &inner.closed {
            return Err(closed.clone());
        }
        if urgency == Urgency::Latest {
            inner.waiting.retain(|(urgency, _)| *urgency != Urgency::Latest);
        }
        if inner.waiting.len() >= WAITING_MAX {
            let closed = Closed(format!("{WAITING_MAX} messages wait and are not read"));
            inner.close(closed.clone());
            self.changed.notify_one();
            self.taken.notify_one();
            self.burst.notify_one();
            return Err(closed);
        }
        inner.waiting.push_back((urgency, message));
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the next message, waits for one. For one taker. May be dropped and called again.
    ///
    /// # Errors
    /// When the outbox is closed and nothing waits.
    pub async fn take(&self) -> Result<M, Closed> {
        loop {
            {
                let mut inner = self.lock();
                if let Some((_, message)) = inner.waiting.pop_front() {
                    self.taken.notify_one();
                    return Ok(message);
                }
                if let Some(closed) = &inner.closed {
                    return Err(closed.clone());
                }
            }
            self.changed.notified().await;
        }
    }

    /// Waits until fewer than `below` messages wait, or the outbox is closed. For one waiter.
    pub async fn room(&self, below: usize) {
        loop {
            {
                let inner = self.lock();
                if inner.closed.is_some() || inner.waiting.len() < below {
                    return;
                }
            }
            self.taken.notified().await;
        }
    }

    /// Throws away what waits and lets nothing in any more.
    pub fn close(&self, why: &str) {
        self.lock().close(Closed(why.to_owned()));
        self.changed.notify_one();
        self.taken.notify_one();
    }

    /// Waits until the outbox was closed because it was full, which does not wait for a line that is on its
    /// way. For one waiter.
    pub async fn overflow(&self) -> Closed {
        self.burst.notified().await;
        let closed = self.lock().closed.clone();
        closed.unwrap_or_else(|| Closed("the outbox is full".to_owned()))
    }

    /// Lets nothing in any more; what waits is still to be taken.
    pub fn finish(&self, why: &str) {
        self.lock().closed.get_or_insert(Closed(why.to_owned()));
        self.changed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<M>> {
        // Nothing panics while the lock is held, and if it did, the queue would still be whole.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<M> Inner<M> {
    fn close(&mut self, closed: Closed) {
        self.waiting.clear();
        self.closed.get_or_insert(closed);
    }
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_grant_replaces_the_older_and_overtakes_no_order() {
        let out = Outbox::new();
        out.put(Urgency::Latest, "grant 1").unwrap();
        out.put(Urgency::Each, "order 2").unwrap();
        out.put(Urgency::Latest, "grant 3").unwrap();
        out.put(Urgency::Each, "order 4").unwrap();
        for wants in ["order 2", "grant 3", "order 4"] {
            assert_eq!(out.take().await.unwrap(), wants);
        }
    }

    #[tokio::test]
    async fn a_full_outbox_closes_and_says_why() {
        let out = Outbox::new();
        for n in 0..WAITING_MAX {
            out.put(Urgency::Each, n).unwrap();
        }
        let error = out.put(Urgency::Each, 0).unwrap_err();
        assert!(error.to_string().contains("not read"), "{error}");
        assert_eq!(out.take().await.unwrap_err(), error);
        assert_eq!(out.put(Urgency::Latest, 0).unwrap_err(), error);
    }

    #[tokio::test]
    async fn many_grants_take_one_place() {
        let out = Outbox::new();
        for n in 0..10 * WAITING_MAX {
            out.put(Urgency::Latest, n).unwrap();
        }
        assert_eq!(out.take().await.unwrap(), 10 * WAITING_MAX - 1);
        out.close("over");
        assert_eq!(out.take().await.unwrap_err().to_string(), "over");
    }
}
