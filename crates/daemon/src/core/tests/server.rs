//! A toy database server: a history of transactions, a relay log, `read_only`, two replication
//! threads. It keeps whole histories, so that a test can see what was lost and who parted from
//! whom.

use mmm_proto::agent::{Blocker, Reach, Replication, Server, Settings, Thread};
use mmm_proto::{GtidPos, Lag, Span};

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Up,
    Gone,
    /// It accepts connections and answers nothing.
    Silent,
}

#[derive(Debug, Clone)]
pub(super) struct Toy {
    pub(super) id: u32,
    pub(super) process: Process,
    pub(super) read_only: bool,
    /// What it comes up with after a restart.
    pub(super) boots_read_only: bool,
    /// The server that wrote each transaction, in order; the first has number 1.
    pub(super) applied: Vec<u32>,
    /// Received and not applied yet.
    pub(super) relay: Vec<u32>,
    relay_since: u64,
    pub(super) source: Option<usize>,
    pub(super) io: bool,
    pub(super) sql: bool,
    pub(super) error: String,
    connected: bool,
    /// The applier does nothing, as behind a long statement.
    pub(super) apply_stuck: bool,
    /// Nothing arrives, as on a slow line.
    pub(super) receive_stuck: bool,
    pub(super) settings: Option<Box<Settings>>,
    pub(super) sessions: u32,
    /// An open transaction since then.
    pub(super) blocker_since: Option<u64>,
    /// It holds up `read_only` as long as it is there.
    pub(super) blocks: bool,
}

impl Toy {
    pub(super) fn new(id: u32) -> Self {
        Self {
            id,
            process: Process::Up,
            read_only: true,
            boots_read_only: true,
            applied: vec![1; 10],
            relay: Vec::new(),
            relay_since: 0,
            source: None,
            io: false,
            sql: false,
            error: String::new(),
            connected: false,
            apply_stuck: false,
            receive_stuck: false,
            settings: None,
            sessions: 0,
            blocker_since: None,
            blocks: false,
        }
    }

    pub(super) fn kill(&mut self) {
        self.process = Process::Gone;
        self.connected = false;
        (self.sessions, self.blocker_since, self.blocks) = (0, None, false);
    }

    pub(super) fn start(&mut self) {
        self.process = Process::Up;
        self.read_only = self.boots_read_only;
        let set_up = self.source.is_some();
        (self.io, self.sql) = (set_up, set_up);
    }

    pub(super) fn up(&self) -> bool {
        self.process == Process::Up
    }

    pub(super) fn follow(&mut self, source: usize) {
        self.source = Some(source);
        (self.io, self.sql) = (true, true);
        self.error.clear();
    }

    fn received(&self, at: usize) -> Option<&u32> {
        let relayed = || self.relay.get(at - self.applied.len());
        self.applied.get(at).or_else(relayed)
    }

    /// One millisecond of replication. `source` is what the source has, if it can be reached.
    pub(super) fn replicate(&mut self, now: u64, source: Option<&[u32]>) {
        if !self.up() {
            return;
        }
        let anew = !self.connected;
        self.connected = self.io && source.is_some();
        if let Some(theirs) = source.filter(|_| self.io && !self.receive_stuck) {
            let mine = self.applied.len() + self.relay.len();
            let common = mine.min(theirs.len());
            // All of it when it connects; afterwards it can only part at the end.
            let last = if anew { 0 } else { common.saturating_sub(1) };
            let same = |at: usize| Some(&theirs[at]) == self.received(at);
            if !(last..common).all(same) {
                self.io = false;
                self.connected = false;
                self.error = "the source's history parted from ours".to_owned();
            } else if theirs.len() > mine {
                if self.relay.is_empty() {
                    self.relay_since = now;
                }
                self.relay.extend_from_slice(&theirs[mine..]);
            }
        }
        if self.sql && !self.apply_stuck && !self.relay.is_empty() {
            // Five a millisecond.
            let some = self.relay.len().min(5);
            self.applied.extend(self.relay.drain(..some));
            self.relay_since = now;
        }
    }

    fn pos(&self, length: usize) -> GtidPos {
        match length.checked_sub(1).and_then(|at| self.received(at)) {
            None => GtidPos::default(),
            Some(server) => format!("0-{server}-{length}").parse().unwrap(),
        }
    }

    pub(super) fn position(&self) -> GtidPos {
        self.pos(self.applied.len())
    }

    pub(super) fn lag(&self, now: u64) -> Lag {
        if !self.io || !self.sql {
            Lag::Stopped
        } else if self.relay.is_empty() {
            if self.connected { Lag::Behind(Span::ZERO) } else { Lag::Unknown }
        } else {
            Lag::Behind(Span(now.saturating_sub(self.relay_since)))
        }
    }

    pub(super) fn facts(&self, now: u64) -> Server {
        let mut facts = Server::unknown();
        facts.server_id = self.id;
        match self.process {
            Process::Gone => {
                let why = "connection refused, twice".to_owned();
                facts.reach = Reach::Gone { why };
                return facts;
            }
            Process::Silent => {
                let why = "no answer".to_owned();
                facts.reach = Reach::Silent { why };
                return facts;
            }
            Process::Up => {}
        }
        facts.reach = Reach::Up;
        facts.version = "toy".to_owned();
        facts.read_only = Some(self.read_only);
        facts.position = self.position();
        facts.received = self.pos(self.applied.len() + self.relay.len());
        facts.settings.clone_from(&self.settings);
        facts.sessions = self.sessions;
        facts.longest = self.blocker_since.map(|since| Blocker {
            session: 7,
            who: "app@10.0.0.50".to_owned(),
            what: "open transaction".to_owned(),
            age: Span(now.saturating_sub(since)),
        });
        let thread = |on: bool, connected: bool| match (on, connected) {
            (false, _) => Thread::No,
            (true, true) => Thread::Yes,
            (true, false) => Thread::Connecting,
        };
        facts.replication = self.source.map(|source| Replication {
            source: super::host_ip(source).to_string().into(),
            port: 3306,
            io: thread(self.io, self.connected),
            sql: thread(self.sql, true),
            lag: self.lag(now),
            io_state: String::new(),
            sql_state: String::new(),
            error: self.error.clone(),
            lacks_own: false,
        });
        facts
    }
}
