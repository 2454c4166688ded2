//! Keeps the dead-man event of the local server (`deadman_event`): there while the key is on and
//! gone while it is off, its countdown as the core wants it. Runs beside the agent's loop, so a
//! server that hangs holds up nothing. What must not be here: SQL, and what to do when.

use mmm_proto::{Span, Time};
use tokio::sync::{mpsc, watch};

use super::server::deadman::DeadmanEvent;
use super::server::{Server, ServerError};
use crate::clock::Clock;
use crate::core::agent::{Countdown, Input};
use crate::core::deadman::{Verdict, Watch};
use crate::core::lease::countdown;

/// Between two looks at the event.
const LOOK_EVERY: Span = Span::secs(2);
/// After something that failed.
const RETRY: Span = Span::ms(500);

/// Where the agent's loop says what is wanted.
#[derive(Debug)]
pub(super) struct Deadman(watch::Sender<Countdown>);

impl Deadman {
    /// Begins to keep the event, or to remove what an earlier agent left. What is wrong goes to the
    /// loop.
    pub(super) fn start(server: &Server, on: bool, tell: &mpsc::Sender<Input>) -> Self {
        let (say, wanted) = watch::channel(Countdown::AsIs);
        let event = DeadmanEvent::of(server.clone());
        let told = Told { tell: tell.clone(), last: None };
        if on {
            let keeper = Keeper {
                event,
                watch: Watch::default(),
                look_at: Clock.now(),
                there: false,
                wound: Countdown::AsIs,
                found: None,
            };
            tokio::spawn(keeper.keep(wanted, told));
        } else {
            tokio::spawn(remove(event, told));
        }
        Self(say)
    }

    /// What its countdown is to do; for the agent's loop, after every step.
    pub(super) fn want(&self, wanted: Countdown) {
        self.0.send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
    }
}

/// What the loop was told last.
struct Told {
    tell: mpsc::Sender<Input>,
    last: Option<String>,
}

impl Told {
    async fn tell(&mut self, trouble: Option<String>) {
        if self.last == trouble {
            return;
        }
        match &trouble {
            Some(why) => tracing::warn!("{why}"),
            None => tracing::info!("deadman_event: all is well again"),
        }
        self.last.clone_from(&trouble);
        // The loop only goes when the process does.
        let _ = self.tell.send(Input::DeadmanEvent { trouble }).await;
    }
}

/// What a failure means to people. That the server is not to be had is told by others.
fn words(error: &ServerError) -> Option<String> {
    match error {
        ServerError::Refused { .. } | ServerError::Late { .. } => {
            Some(format!("deadman_event: {error}"))
        }
        _ => None,
    }
}

struct Keeper {
    event: DeadmanEvent,
    watch: Watch,
    look_at: Time,
    /// The table was seen or made.
    there: bool,
    /// What the countdown does, as far as is known.
    wound: Countdown,
    /// What the latest look found wrong.
    found: Option<String>,
}

impl Keeper {
    async fn keep(mut self, mut wanted: watch::Receiver<Countdown>, mut told: Told) {
        loop {
            let want = *wanted.borrow_and_update();
            let (trouble, next) = match self.turn(want).await {
                Ok(()) => (self.found.clone(), self.look_at),
                Err(error) => {
                    // Whatever it was, the next turn begins with a look.
                    (self.look_at, self.there) = (Clock.now(), false);
                    self.wound = Countdown::AsIs;
                    (words(&error), Clock.now() + RETRY)
                }
            };
            told.tell(trouble).await;
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = Clock.sleep_until(next) => {}
            }
        }
    }

    async fn turn(&mut self, want: Countdown) -> Result<(), ServerError> {
        // What is to be renewed comes first.
        if self.there {
            self.wind(want).await?;
        }
        if Clock.now() >= self.look_at {
            let seen = self.event.look().await?;
            let Verdict { make, trouble } = self.watch.judge(Clock.now(), &seen);
            if make {
                self.event.make().await?;
                tracing::info!("deadman_event: the event mmm.deadman was made");
            }
            (self.there, self.found) = (true, trouble);
            self.look_at = Clock.now() + LOOK_EVERY;
            self.wind(want).await?;
        }
        Ok(())
    }

    async fn wind(&mut self, want: Countdown) -> Result<(), ServerError> {
        let ticks = match want {
            Countdown::AsIs => return Ok(()),
            _ if want == self.wound => return Ok(()),
            Countdown::Until(until) => Some(countdown(until, Clock.now())),
            Countdown::Off => None,
        };
        // Not known until it is done.
        self.wound = Countdown::AsIs;
        self.event.wind(ticks).await?;
        self.wound = want;
        Ok(())
    }
}

/// Removes what was left from when the key was on.
async fn remove(mut event: DeadmanEvent, mut told: Told) {
    loop {
        match event.remove().await {
            Ok(was_there) => {
                if was_there {
                    tracing::info!("deadman_event is off: the event mmm.deadman was removed");
                }
                return told.tell(None).await;
            }
            Err(error) => told.tell(words(&error)).await,
        }
        Clock.sleep_until(Clock.now() + LOOK_EVERY).await;
    }
}
