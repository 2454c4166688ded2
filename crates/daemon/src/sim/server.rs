//! A database server in the simulation: a history, a relay log, `read_only`, two replication
//! threads, sessions that are in the way. It keeps whole histories, so that one can see what was
//! lost and who parted from whom.

use std::collections::VecDeque;
use std::sync::Arc;

use mmm_proto::agent::{Blocker, Reach, Replication, Server as Facts, Thread};
use mmm_proto::{GtidPos, Lag, Span};

use super::config::host_ip;
use super::history::History;

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Gone,
    /// It stands still: it accepts connections and answers nothing.
    Silent,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) id: u32,
    pub(super) state: State,
    pub(super) read_only: bool,
    /// Everything received or written, oldest first. Behind `applied` it is the relay log.
    pub(super) log: History,
    pub(super) applied: u64,
    /// The number of its own run of writes in this life.
    pub(super) run: Option<u32>,
    pub(super) source: Option<usize>,
    pub(super) io: bool,
    pub(super) sql: bool,
    pub(super) error: String,
    pub(super) connected: bool,
    /// The applier is that late with every transaction.
    pub(super) late: Span,
    /// The relay log: up to which number, received at which world time.
    pub(super) relay: VecDeque<(u64, u64)>,
    pub(super) sessions: u32,
    /// A statement that holds up `read_only`: since when and until when.
    pub(super) held: Option<(u64, u64)>,
    /// An idle session with table locks does.
    pub(super) locked: bool,
    source_text: Arc<str>,
    position: GtidPos,
    position_at: u64,
}

impl Server {
    pub(super) fn new(id: u32) -> Self {
        let mut log = History::default();
        log.write(0, 1, 10);
        Self {
            id,
            state: State::Up,
            read_only: true,
            log,
            applied: 10,
            run: None,
            source: None,
            io: false,
            sql: false,
            error: String::new(),
            connected: false,
            late: Span::ZERO,
            relay: VecDeque::new(),
            sessions: 0,
            held: None,
            locked: false,
            source_text: Arc::from(""),
            position: GtidPos::default(),
            position_at: 0,
        }
    }

    pub(super) fn up(&self) -> bool {
        self.state == State::Up
    }

    /// The process ends. `keep` of what was committed survives at least.
    pub(super) fn kill(&mut self, keep: u64) {
        self.state = State::Gone;
        self.connected = false;
        (self.sessions, self.held, self.locked, self.run) = (0, None, false, None);
        self.applied = self.applied.min(keep);
        self.position_at = 0;
        self.forget_relay();
    }

    pub(super) fn start(&mut self, read_only: bool) {
        if self.state != State::Gone {
            return;
        }
        self.state = State::Up;
        self.read_only = read_only;
        let set_up = self.source.is_some();
        (self.io, self.sql) = (set_up, set_up);
    }

    /// Takes the place of another's data, by a backup.
    pub(super) fn rebuild(&mut self, from: &Self) {
        self.forget_relay();
        self.log.clone_from(&from.log);
        self.log.cut(from.applied);
        self.applied = from.applied;
        (self.position_at, self.run) = (0, None);
        self.error.clear();
    }

    /// Drops what was received and not applied; the source is asked for it again.
    fn forget_relay(&mut self) {
        self.log.cut(self.applied);
        self.relay.clear();
        self.connected = false;
    }

    /// Replicates from there, both threads running. What was received and not applied is thrown
    /// away, as `CHANGE MASTER` does.
    pub(super) fn follow(&mut self, source: usize) {
        if self.source == Some(source) && self.io && self.sql {
            return;
        }
        self.forget_relay();
        if self.source != Some(source) {
            self.source_text = host_ip(source).to_string().into();
        }
        self.source = Some(source);
        (self.io, self.sql) = (true, true);
        self.error.clear();
    }

    /// A thread is started or stopped by hand. With both stopped, the next start throws the relay
    /// log away.
    pub(super) fn thread(&mut self, sql: bool, on: bool) {
        if on && !self.io && !self.sql {
            self.forget_relay();
        }
        if self.source.is_some() || !on {
            *(if sql { &mut self.sql } else { &mut self.io }) = on;
        }
        if on {
            self.error.clear();
        }
        if !on && !sql {
            self.connected = false;
        }
    }

    pub(super) fn behind(&self) -> bool {
        self.applied < self.log.len()
    }

    /// Takes in what the source has. True when something came.
    pub(super) fn receive(&mut self, now: u64, theirs: &History, upto: u64) -> bool {
        let common = self.log.len().min(upto);
        let fits = if self.connected {
            // Afterwards they can only part at the end.
            common == 0
                || self.log.at(common).map(|r| r.server) == theirs.at(common).map(|r| r.server)
        } else {
            self.log.same_gtids(theirs) >= common
        };
        if !fits {
            (self.io, self.connected) = (false, false);
            self.error = "the source's history parted from ours".to_owned();
            return false;
        }
        self.connected = true;
        if upto <= self.log.len() {
            return false;
        }
        self.log.take_from(theirs, upto);
        self.relay.push_back((upto, now));
        true
    }

    /// The applier does what is due; says when there is more to do. True when anything was applied.
    pub(super) fn apply(&mut self, now: u64) -> (bool, Option<u64>) {
        let late = self.late.as_ms() * 1000;
        let before = self.applied;
        while let Some((upto, since)) = self.relay.front().copied() {
            if since + late > now {
                return (self.applied > before, Some(since + late));
            }
            self.relay.pop_front();
            self.applied = self.applied.max(upto);
        }
        (self.applied > before, None)
    }

    /// A client's write is committed. What was received and not applied meanwhile is in its way.
    pub(super) fn write(&mut self, run: u32) {
        if self.behind() {
            self.forget_relay();
            (self.sql, self.io) = (false, false);
            "a transaction with this number exists already".clone_into(&mut self.error);
        }
        self.log.write(run, self.id, 1);
        self.applied = self.log.len();
    }

    pub(super) fn blocks(&self, now: u64) -> bool {
        self.locked || self.held.is_some_and(|(_, until)| now < until)
    }

    /// All sessions end, and what they held with them.
    pub(super) fn end_sessions(&mut self) -> u32 {
        (self.held, self.locked) = (None, false);
        std::mem::take(&mut self.sessions)
    }

    pub(super) fn longest(&self, now: u64) -> Option<Blocker> {
        self.held.filter(|(_, until)| now < *until).map(|(since, _)| Blocker {
            session: 7,
            who: "app@10.0.0.50".to_owned(),
            what: "UPDATE running".to_owned(),
            age: Span(now.saturating_sub(since) / 1000),
        })
    }

    /// Everything applied, as a position.
    pub(super) fn position(&mut self) -> GtidPos {
        if self.position_at != self.applied + 1 {
            self.position = self.log.position(self.applied);
            self.position_at = self.applied + 1;
        }
        self.position.clone()
    }

    pub(super) fn lag(&self, now: u64) -> Lag {
        if !self.io || !self.sql {
            Lag::Stopped
        } else if self.behind() {
            let since = self.relay.front().map_or(now, |(_, since)| *since);
            Lag::Behind(Span(now.saturating_sub(since) / 1000))
        } else if self.connected {
            Lag::Behind(Span::ZERO)
        } else {
            Lag::Unknown
        }
    }

    /// What its agent finds.
    pub(super) fn facts(&mut self, now: u64) -> Facts {
        let mut facts = Facts::unknown();
        facts.server_id = self.id;
        match self.state {
            State::Gone => {
                let why = "connection refused, twice".to_owned();
                facts.reach = Reach::Gone { why };
                return facts;
            }
            State::Silent => {
                let why = "no answer".to_owned();
                facts.reach = Reach::Silent { why };
                return facts;
            }
            State::Up => {}
        }
        facts.reach = Reach::Up;
        facts.read_only = Some(self.read_only);
        facts.position = self.position();
        facts.received =
            if self.behind() { self.log.position(self.log.len()) } else { facts.position.clone() };
        facts.sessions = self.sessions;
        facts.longest = self.longest(now);
        let thread = |on: bool, connected: bool| match (on, connected) {
            (false, _) => Thread::No,
            (true, true) => Thread::Yes,
            (true, false) => Thread::Connecting,
        };
        if self.source.is_some() {
            facts.replication = Some(Replication {
                source: self.source_text.clone(),
                port: 3306,
                io: thread(self.io, self.connected),
                sql: thread(self.sql, true),
                lag: self.lag(now),
                io_state: String::new(),
                sql_state: String::new(),
                error: self.error.clone(),
                lacks_own: false,
            });
        }
        facts
    }
}
