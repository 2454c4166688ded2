//! The link to the monitor, in a task of its own: dial, subscribe, pass on what is said, and try
//! again when it breaks. Keys and drawing can neither hold it up nor restart its waits.

use std::time::Duration;

use mmm_proto::console::{FromMonitor, ToMonitor};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until, timeout};

use super::clock;
use super::ssh::DENIED_PAUSE;
use super::target::Target;
use super::wire::{self, OpenError, Wire};
use crate::app::msg::LinkMsg;

/// How long one try to get in may take.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

/// A link that says nothing for this long is dead: the monitor beats every second.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Pauses between tries; the last one repeats.
const PAUSES: [u64; 5] = [250, 500, 1000, 2000, 5000];

/// What the console wants of the link.
#[derive(Debug)]
pub enum Wish {
    Ask(ToMonitor),
    RetryNow,
    /// Leave this monitor for that one; what comes from it belongs to this turn.
    Switch(Box<Target>, u64),
}

/// Runs until the screen is gone. `tell` gets the turn with each message and must not wait.
pub async fn run(target: Target, mut wishes: UnboundedReceiver<Wish>, tell: impl Fn(u64, LinkMsg)) {
    let (mut target, mut turn) = (target, 0);
    loop {
        let tell = |msg| tell(turn, msg);
        match with(&target, &mut wishes, &tell).await {
            None => return,
            Some((next, its)) => (target, turn) = (*next, its),
        }
    }
}

/// The links to one monitor, until the screen is gone (none) or goes to another.
async fn with(
    target: &Target,
    wishes: &mut UnboundedReceiver<Wish>,
    tell: &impl Fn(LinkMsg),
) -> Option<(Box<Target>, u64)> {
    let mut last_event = None;
    let mut tries = 0;
    loop {
        tell(LinkMsg::Trying);
        let opened = tokio::select! {
            opened = wire::open(target, target.open_limit(OPEN_LIMIT)) => opened,
            // A monitor that does not answer must not hold up the way to another.
            next = switched(wishes) => return next,
        };
        let (why, end) = match opened {
            Ok(wire) => {
                tracing::info!(at = %wire.at, "the monitor let us in");
                let (why, heard) = talk(wire, wishes, tell, &mut last_event).await;
                let why = match why {
                    Over::Lost(why) => why,
                    Over::Left(next) => return next,
                };
                if heard {
                    tries = 0;
                }
                (why, End::Lost)
            }
            Err(error) => (short(&error), End::of(&error)),
        };
        let refused = end == End::Refused;
        // A monitor that refuses will go on refusing until somebody changes something.
        let step = if end == End::Lost { tries } else { PAUSES.len() - 1 };
        let mut pause = Duration::from_millis(jitter(PAUSES[step.min(PAUSES.len() - 1)]));
        if end == End::Denied {
            pause = DENIED_PAUSE;
        }
        let retry_at = mmm_proto::Time(clock::now().0 + pause.as_millis() as u64);
        tries += 1;
        tracing::warn!(%why, refused, pause_ms = pause.as_millis(), "no link to the monitor");
        tell(LinkMsg::Lost { why, refused, retry_at });
        if let Over::Left(next) = rest(wishes, pause).await {
            return next;
        }
    }
}

/// How a conversation or a pause ended.
enum Over {
    /// Broken, with the reason; a pause that is over has none.
    Lost(String),
    /// The screen is gone (none) or goes to another monitor.
    Left(Option<(Box<Target>, u64)>),
}

/// Waits for the wish to go to another monitor; none when the screen is gone. There is no link to
/// say anything else on.
async fn switched(wishes: &mut UnboundedReceiver<Wish>) -> Option<(Box<Target>, u64)> {
    loop {
        match wishes.recv().await? {
            Wish::Switch(target, turn) => return Some((target, turn)),
            Wish::Ask(_) | Wish::RetryNow => {}
        }
    }
}

/// How a try or a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Lost,
    Refused,
    Denied,
}

impl End {
    fn of(error: &OpenError) -> Self {
        match error {
            OpenError::Refused { .. } => Self::Refused,
            OpenError::Ssh { denied: true, .. } => Self::Denied,
            OpenError::Ssh { .. } | OpenError::Unreachable { .. } => Self::Lost,
        }
    }
}

/// The reason in the few words that fit the attention line.
fn short(error: &OpenError) -> String {
    match error {
        OpenError::Unreachable { why, .. }
        | OpenError::Refused { why, .. }
        | OpenError::Ssh { why, .. } => why.clone(),
    }
}

/// Waits for the next try, or for the wish to try now.
async fn rest(wishes: &mut UnboundedReceiver<Wish>, pause: Duration) -> Over {
    // One deadline for all turns: a wish that is not for us must not restart the wait.
    let deadline = Instant::now() + pause;
    loop {
        tokio::select! {
            () = sleep_until(deadline) => return Over::Lost(String::new()),
            wish = wishes.recv() => match wish {
                None => return Over::Left(None),
                Some(Wish::RetryNow) => return Over::Lost(String::new()),
                Some(Wish::Switch(target, turn)) => return Over::Left(Some((target, turn))),
                // There is no link to say it on; the screen knows and says so.
                Some(Wish::Ask(_)) => {}
            },
        }
    }
}

/// Talks until the link breaks or is left; gives also whether a picture came.
async fn talk(
    mut wire: Wire,
    wishes: &mut UnboundedReceiver<Wish>,
    tell: &impl Fn(LinkMsg),
    last_event: &mut Option<u64>,
) -> (Over, bool) {
    let you = wire.hello.you.clone();
    let parted = wire.only_looks.clone();
    tell(LinkMsg::Up {
        who: you.as_ref().map_or_else(String::new, |you| you.name.clone()),
        may_act: parted.is_none() && you.as_ref().is_none_or(|you| you.may_act),
        foreign: parted.is_some(),
        why_not: parted.or(you.map(|you| you.why_not)).unwrap_or_default(),
    });
    let mut heard = false;
    let subscribe = ToMonitor::Subscribe { events_since: *last_event };
    if let Err(error) = wire.ask(&subscribe).await {
        return (Over::Lost(error.to_string()), heard);
    }
    loop {
        tokio::select! {
            said = timeout(SILENCE_LIMIT, wire.next()) => match said {
                Err(_) => {
                    let why = format!("the monitor is silent for {} s", SILENCE_LIMIT.as_secs());
                    return (Over::Lost(why), heard);
                }
                Ok(Err(error)) => return (Over::Lost(error.to_string()), heard),
                Ok(Ok(said)) => {
                    match &said {
                        FromMonitor::Events { events, .. } => {
                            let newest = events.last().map(|event| event.seq);
                            *last_event = newest.or(*last_event);
                        }
                        FromMonitor::View { .. } => heard = true,
                        _ => {}
                    }
                    tell(LinkMsg::Said(said));
                }
            },
            wish = wishes.recv() => match wish {
                None => return (Over::Left(None), heard),
                Some(Wish::Switch(target, turn)) => {
                    return (Over::Left(Some((target, turn))), heard);
                }
                Some(Wish::RetryNow) => {}
                Some(Wish::Ask(request)) => {
                    if let Err(error) = wire.ask(&request).await {
                        return (Over::Lost(error.to_string()), heard);
                    }
                }
            },
        }
    }
}

/// The pause give or take 20 %, so that many consoles do not come back at once.
fn jitter(ms: u64) -> u64 {
    let mut byte = [128];
    // Without random numbers the pause is just not spread.
    let _ = getrandom::fill(&mut byte);
    ms * 4 / 5 + ms * 2 / 5 * u64::from(byte[0]) / 255
}
