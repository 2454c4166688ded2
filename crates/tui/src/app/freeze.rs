//! A picture that stands still so that it can be read. What arrives meanwhile is kept and counted;
//! no action is possible until the picture goes on.

use mmm_proto::{ClusterView, Event, Time, Wall};

use super::{EVENTS_MAX, Model, Tone, inbox};

/// What is kept back.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The monitor's clock and ours when it was frozen.
    pub at: Wall,
    pub since: Time,
    /// How many events came since.
    pub missed: usize,
    pub(super) latest: Option<(Time, Box<ClusterView>)>,
    pub(super) events: Vec<Event>,
}

/// Freezes, or goes on.
pub(super) fn toggle(model: &mut Model) {
    if model.frozen.is_some() {
        resume(model);
        return model.say(Tone::Info, "the picture goes on");
    }
    if model.view.is_none() {
        return model.say(Tone::Info, "nothing to freeze: no picture yet");
    }
    let (at, since) = (model.wall(), model.now);
    model.frozen = Some(Frozen { at, since, missed: 0, latest: None, events: Vec::new() });
}

/// Shows what was kept back.
pub(super) fn resume(model: &mut Model) {
    let Some(frozen) = model.frozen.take() else { return };
    if let Some((at, view)) = frozen.latest {
        inbox::show(model, at, view);
    }
    inbox::on_events(model, frozen.events);
}

impl Frozen {
    pub(super) fn keep_events(&mut self, events: Vec<Event>) {
        self.missed = self.missed.saturating_add(events.len());
        self.events.extend(events);
        let over = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..over);
    }
}

impl Model {
    /// The newest picture, also when an older one is shown.
    pub(super) fn newest(&self) -> Option<&ClusterView> {
        newest(self.frozen.as_ref(), self.view.as_deref())
    }

    /// Takes down how late the hosts are now, by the newest picture.
    pub(super) fn note_lags(&mut self) {
        if let Some(view) = newest(self.frozen.as_ref(), self.view.as_deref()) {
            self.history.note(self.now, &view.hosts);
        }
    }

    /// The console's clock as the picture has it.
    pub fn shown_now(&self) -> Time {
        self.frozen.as_ref().map_or(self.now, |frozen| frozen.since)
    }
}

fn newest<'a>(
    frozen: Option<&'a Frozen>,
    shown: Option<&'a ClusterView>,
) -> Option<&'a ClusterView> {
    let kept = frozen.and_then(|frozen| frozen.latest.as_ref());
    kept.map(|(_, view)| &**view).or(shown)
}
