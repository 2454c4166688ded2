//! What of the model is worth a frame at once, and when time alone is. Everything else (ages, lags,
//! counters) waits for the next second, so that a still cluster costs a slow line next to nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use mmm_proto::Span;

use super::link::{STALE_AFTER, State};
use super::{Layer, Model, Tone};

/// Ages on the screen are in seconds. A calm monitor sends a picture every second, which draws
/// them; time alone does only where none comes.
const AGES: Span = Span::ms(1100);

/// The same while something on the screen is about to end.
const CLOSE: Span = Span::ms(500);

/// A number that changes when something happened that people wait for: a state, a role, the mode, a
/// plan's progress, an event, an answer, the link. Not when only time passed.
pub fn essence(model: &Model) -> u64 {
    let mut hash = DefaultHasher::new();
    std::mem::discriminant(&model.link.status(model.now)).hash(&mut hash);
    if let State::Connecting { tries, .. } | State::Lost { tries, .. } = &model.link.state {
        tries.hash(&mut hash);
    }
    model.note.as_ref().map(|note| &note.text).hash(&mut hash);
    model.layer.as_ref().map(std::mem::discriminant).hash(&mut hash);
    (model.size, model.frozen.is_some(), model.pending.is_some()).hash(&mut hash);
    model.events.front().map(|event| (event.seq, event.at)).hash(&mut hash);
    model.view.as_ref().map(|view| view.essence()).hash(&mut hash);
    hash.finish()
}

impl Model {
    /// How long nothing need be done while nothing comes in.
    pub fn patience(&self) -> Span {
        let ends = self.pending.is_some()
            // Its first half second is deaf, and its plan expires.
            || matches!(self.layer, Some(Layer::Dialog(_)))
            || self.note.as_ref().is_some_and(|note| note.tone == Tone::Info)
            // Words of the next try count down.
            || !self.link.live(self.now);
        if ends {
            return CLOSE;
        }
        // An old picture is called old at once.
        AGES.min((self.link.heard + STALE_AFTER).since(self.now)).max(Span::ms(1))
    }
}
