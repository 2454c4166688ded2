//! What of the picture is worth a frame at once. Everything else (ages, lags, counters) waits for
//! the next second, so that a still cluster costs a slow line next to nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Model;
use super::link::State;

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
    let Some(view) = &model.view else {
        return hash.finish();
    };
    (view.term, view.mode.word(), &view.held).hash(&mut hash);
    std::mem::discriminant(&view.writer.state).hash(&mut hash);
    (&view.writer.host, view.attention.len()).hash(&mut hash);
    for host in &view.hosts {
        (&host.name, host.state, host.agent.reachable).hash(&mut hash);
        host.peers.heard_by.is_empty().hash(&mut hash);
    }
    for vip in view.roles.iter().flat_map(|role| &role.vips) {
        (&vip.ip, &vip.host, &vip.seen_on).hash(&mut hash);
    }
    if let Some(running) = &view.running {
        running.plan.hash(&mut hash);
        // Its time runs before the eyes of whoever waits for it.
        running.took.as_ms().hash(&mut hash);
        for step in &running.steps {
            std::mem::discriminant(&step.state).hash(&mut hash);
        }
    }
    hash.finish()
}
