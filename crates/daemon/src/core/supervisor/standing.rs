//! What a worker has to do with the writer role, and what follows from it for whoever minds the
//! worker: how long it may be silent, whether the host needs a fence once it is gone.

use mmm_proto::agent::Duty;
use mmm_proto::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::core::Now;
use crate::core::agent::{Agent, Kept, Roster};

/// Silence that ends a worker of which no grant is known.
const SILENCE_UNKNOWN: Span = Span::secs(3);
/// Whatever the grant, a worker may be silent for so long: the machine may be busy.
const SILENCE_MIN: Span = Span::ms(300);
const SILENCE_MAX: Span = Span::secs(5);
/// What the service manager is given to start the agent anew.
const RESTART: Span = Span::ms(500);

/// What a worker has to do with the writer role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// It holds the role, or has not yet made sure that it does not.
    pub exclusive: bool,
    /// How long its grants last; zero when it has none.
    pub ttl: Span,
    /// Until when a worker that starts now goes on with the role; none when it would fence.
    pub fence_at: Option<Time>,
    /// When the permission ends.
    pub ends: Option<Time>,
}

impl Standing {
    /// What was kept on disk means for who starts now.
    pub fn of(kept: Option<&Kept>, roster: &Roster, boot_id: &str, now: Now) -> Self {
        let Some(kept) = kept.filter(|kept| kept.duty != Duty::None && kept.host == roster.me)
        else {
            return Self { ttl: kept.map_or(Span::ZERO, |kept| kept.ttl), ..Self::default() };
        };
        let agent = Agent::new(roster.clone(), Some(kept.clone()), boot_id, now);
        let standing = agent.standing();
        Self { exclusive: true, ttl: kept.ttl, ..standing }
    }

    /// Whether a worker that comes after `delay` goes on.
    pub fn lasts(&self, now: Time, delay: Span) -> bool {
        self.fence_at.is_some_and(|at| now + delay < at)
    }

    /// Whether the host must be fenced because nobody takes the role up in time.
    pub(super) fn calls_for_a_fence(&self, now: Time, delay: Span) -> bool {
        self.exclusive && !self.lasts(now, delay)
    }
}

/// Why a host that nobody looks after need not be fenced just now; none when it must be.
/// `comes_back`: an agent is about to be started.
pub fn needs_no_fence(standing: Standing, comes_back: bool, now: Time) -> Option<String> {
    if !standing.exclusive {
        return Some("this host does not hold the writer role".to_owned());
    }
    let left = standing.fence_at.map_or(Span::ZERO, |at| at.since(now));
    (comes_back && left > RESTART).then(|| {
        format!("an agent is about to be started and can go on: the permission lasts {left} more")
    })
}

/// How long a worker may be silent before it is replaced: a quarter of the grant, so that the next
/// one can still go on with the rest of it.
pub fn silence(ttl: Span) -> Span {
    if ttl == Span::ZERO {
        return SILENCE_UNKNOWN;
    }
    Span::ms(ttl.as_ms() / 4).clamp(SILENCE_MIN, SILENCE_MAX)
}

/// How often a worker beats.
pub fn beat_every(ttl: Span) -> Span {
    Span::ms(silence(ttl).as_ms() / 4)
}
