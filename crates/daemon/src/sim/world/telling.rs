//! What the monitor tells and answers: to its asker, to the trace, and into the story of a run when
//! somebody asked for it.

use mmm_proto::console::Answer;
use mmm_proto::event::Event;

use super::World;
use crate::core::monitor::Monitor;
use crate::sim::story::{Story, Told};
use crate::sim::text::host;

impl World {
    /// From now on what people may want to know is kept.
    pub fn story_on(&mut self) {
        self.story.get_or_insert_default();
    }

    /// What was worth telling since [`World::story_on`].
    pub fn story(&self) -> Option<&Story> {
        self.story.as_ref()
    }

    pub(super) fn tell(&mut self, told: impl FnOnce() -> Told) {
        let now = self.now();
        if let Some(story) = &mut self.story {
            story.told.push((now, told()));
        }
    }

    /// With the row of the table of states by which a host changed its state, where that was it.
    pub(super) fn tell_event(&mut self, mon: usize, event: &Event) {
        if self.story.is_none() {
            return;
        }
        let changed = event.by.is_none() && event.what.contains(" -> ");
        let host = host(&event.subject).ok().filter(|_| changed);
        let core = self.mons[mon].core.as_ref();
        let row = host.and_then(|host| core.and_then(|core: &Monitor| core.row_of(host)));
        self.tell(|| Told::Event(mon, Box::new(event.clone()), row));
    }

    /// Which rows of the table of states hold now.
    pub(super) fn note_rows(&mut self, mon: usize) {
        let (Some(story), Some(core)) = (&mut self.story, &self.mons[mon].core) else {
            return;
        };
        if mon == 0 {
            story.rows.extend((0..self.hosts.len()).filter_map(|host| core.row_of(host)));
        }
    }

    pub(super) fn answered(&mut self, id: u64, answer: Answer) {
        if self.trace.is_some() {
            self.note(format!("answer: {}", answer_words(&answer)));
        }
        if let Answer::Plan { plan } = &answer {
            self.last_plan = Some(plan.id);
        }
        self.tell(|| Told::Answer(answer.clone()));
        self.watch.answered(id, &answer);
        self.answers.push((id, answer));
    }

    pub(super) fn told(&mut self, mon: usize, event: Event) {
        let now = self.now();
        if self.trace.is_some() {
            let who = if mon == 0 { "" } else { "(monitor2) " };
            self.note(format!("{who}{}", event.line()));
        }
        self.tell_event(mon, &event);
        if mon == 0 {
            self.watch.told(self.us, &event);
            self.events.push((now, event));
        }
    }
}

fn answer_words(answer: &Answer) -> String {
    match answer {
        Answer::Done { text, .. } => text.clone(),
        Answer::Refused { refusal } => format!("refused: {}", refusal.reason),
        Answer::Failed { undone, why } => format!("failed (undone: {undone}): {why}"),
        Answer::Started { plan } => format!("plan {plan} started"),
        Answer::Plan { plan } => format!("plan {}: {}", plan.id, plan.title),
        Answer::Snapshot { .. } => "a picture".to_owned(),
        Answer::Examined { findings } => format!("{} findings", findings.len()),
    }
}
