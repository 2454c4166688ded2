//! How current the picture is: connecting, live, stale, lost.

use mmm_proto::{Span, Time};

/// Without a sign of life for this long, the picture is old. The monitor beats every second.
pub const STALE_AFTER: Span = Span::secs(3);

/// What is known about the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub state: State,
    /// The last sign of life of the monitor.
    pub heard: Time,
    /// Counts seconds with a sign of life, for the beating star.
    pub beats: u64,
    beaten: Option<Time>,
    /// Whom the monitor takes us for.
    pub who: String,
    pub may_act: bool,
    /// The monitor speaks another wire version, so that looking is all there is; `why_not` says it.
    pub foreign: bool,
    pub why_not: String,
}

/// The link itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There never was one.
    Connecting {
        tries: u32,
        why: String,
        refused: bool,
    },
    Up,
    Lost {
        tries: u32,
        why: String,
        refused: bool,
        retry_at: Time,
    },
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Connecting,
    Live,
    Stale(Span),
    NoLink(Span),
    /// The monitor answers and does not want us.
    Refused,
}

impl Link {
    /// Before the first try.
    pub fn new(now: Time) -> Self {
        Self {
            state: State::Connecting { tries: 0, why: String::new(), refused: false },
            heard: now,
            beats: 0,
            beaten: None,
            who: String::new(),
            may_act: false,
            foreign: false,
            why_not: String::new(),
        }
    }

    /// What the header says now.
    pub fn status(&self, now: Time) -> Status {
        let age = now.since(self.heard);
        match &self.state {
            State::Connecting { refused: true, .. } | State::Lost { refused: true, .. } => {
                Status::Refused
            }
            State::Connecting { .. } => Status::Connecting,
            State::Up if age >= STALE_AFTER => Status::Stale(age),
            State::Up => Status::Live,
            State::Lost { .. } => Status::NoLink(age),
        }
    }

    /// Whether what is shown is true now.
    pub fn live(&self, now: Time) -> bool {
        self.status(now) == Status::Live
    }

    /// Why no action is possible because of the link.
    pub fn off(&self, now: Time, picture: bool) -> Option<String> {
        match self.status(now) {
            Status::Refused => Some("the monitor does not talk to this console".to_owned()),
            _ if !picture => Some("no picture yet".to_owned()),
            Status::Live => None,
            Status::Connecting => Some("no picture yet".to_owned()),
            Status::Stale(age) | Status::NoLink(age) => {
                Some(format!("the picture is {} s old (r asks again)", age.as_secs()))
            }
        }
    }

    /// The monitor was heard.
    pub(crate) fn beat(&mut self, now: Time) {
        self.heard = now;
        // News may come faster than eyes like. The heartbeat itself comes every second, more or
        // less.
        if self.beaten.is_none_or(|beaten| now.since(beaten) >= Span::ms(900)) {
            self.beaten = Some(now);
            self.beats = self.beats.wrapping_add(1);
        }
    }

    /// A link or a try ended.
    pub(crate) fn lost(&mut self, why: String, refused: bool, retry_at: Time) {
        self.state = match &self.state {
            State::Connecting { tries, .. } => State::Connecting { tries: tries + 1, why, refused },
            State::Up => State::Lost { tries: 0, why, refused, retry_at },
            State::Lost { tries, .. } => State::Lost { tries: tries + 1, why, refused, retry_at },
        };
    }
}
