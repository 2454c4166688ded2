//! What goes into the monitor core and what comes out of it. Values only; nothing is decided here.

use mmm_proto::agent::{FromAgent, ToAgent};
use mmm_proto::console::Answer;
use mmm_proto::event::Event;
use mmm_proto::{Check, Span, Time, Verb};

use super::Stored;
use super::hosts::Found;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A check of a host ended.
    Checked { host: usize, check: Check, found: Found, began: Time, took: Span },
    /// The look at `ping_ips` ended; `message` says which answered or that none did.
    Network { up: bool, message: String },
    /// The link to an agent is up.
    LinkUp { host: usize, version: String },
    /// The link to an agent is down, or could not be made.
    LinkDown { host: usize, why: String },
    /// An agent said something; `at` is when it came in.
    Said { host: usize, at: Time, message: FromAgent },
    /// A person asked for something.
    Asked { asker: Asker, request: Request },
    /// The hook that was asked for has ended: whether it cut the host off, and what it said.
    Hooked { host: usize, ok: bool, why: String },
    /// A decision could not be written down; what relied on it was not done.
    StoreFailed { why: String },
    /// Decisions can be written down again.
    StoreWorks,
}

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The console's connection.
    pub console: u64,
    /// Its own number for the request.
    pub id: u64,
    /// The person, for events.
    pub who: String,
}

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Run(Verb),
    Plan(Verb),
    Apply { plan: u64 },
    Stop { plan: u64 },
}

impl Request {
    /// Whether it may decide something: then the status file is tried before it is taken up, so
    /// that it is refused, and not half done, while that cannot be written.
    pub fn acts(&self) -> bool {
        match self {
            Self::Run(verb) => verb.acts(),
            Self::Plan(_) => false,
            Self::Apply { .. } | Self::Stop { .. } => true,
        }
    }
}

/// What a person is told when the decisions of a step could not be written down. The end of a move
/// is as true as before; a command of this very step (`asked`) is not done yet.
pub fn not_written_down(answer: Answer, asked: bool) -> Answer {
    if !asked || !matches!(answer, Answer::Done { .. }) {
        return answer;
    }
    let why = "the decision could not be written down: it is acted on when the status file can be \
               written again";
    Answer::Failed { undone: false, why: why.to_owned() }
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write this down durably before doing anything that follows in the same step.
    Persist(Box<Stored>),
    /// Send that to a host's agent.
    Send { host: usize, message: ToAgent },
    /// Run the server checks of a host now.
    Probe { host: usize },
    /// Run the kill-host hook for a host, no longer than `limit`; `ping` says whether the host
    /// answered the latest pings. Answered by [`Input::Hooked`].
    RunHook { host: usize, ping: bool, limit: Span },
    /// Answer a person.
    Answer { to: Asker, answer: Answer },
    /// Log it and show it.
    Event(Event),
}
