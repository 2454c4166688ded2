//! The monitor's status file: what is on it before it is acted on, and what becomes of a step whose
//! decisions could not be written down, as in `mond/worker.rs`.

use super::World;
use crate::core::Now;
use crate::core::monitor::{Effect, Input, Monitor, Stored, not_written_down};
use crate::sim::due::Due;

/// Between two tries to write what could not be written, and of systemd to start what ended.
pub(super) const STORE_RETRY: u64 = 1_000_000;
/// How long the status file may take.
pub(super) const STORE_LIMIT: u64 = 2_000_000;

impl World {
    /// What could not be written down is not acted on; the events of the step are told all the
    /// same.
    pub(super) fn carry_out_decisions(&mut self, mon: usize, effects: Vec<Effect>, asked: bool) {
        let mut effects = effects.into_iter();
        while let Some(effect) = effects.next() {
            let Effect::Persist(stored) = effect else {
                self.perform_effect(mon, effect);
                continue;
            };
            let record = &mut self.mons[mon];
            let (takes, life) = (record.disk_takes, record.life);
            if !record.disk_ok || takes > STORE_LIMIT {
                for effect in effects {
                    self.tell_undone(mon, effect, asked);
                }
                return self.not_on_disk(mon);
            }
            let effects: Vec<Effect> = effects.collect();
            if takes > 0 {
                record.busy = true;
                let due = Due::MonitorWritten { mon, life, stored, effects };
                self.queue.push(self.us + takes, due);
                return;
            }
            return self.on_disk(mon, *stored, effects);
        }
    }

    fn tell_undone(&mut self, mon: usize, effect: Effect, asked: bool) {
        match effect {
            Effect::Event(_) => self.perform_effect(mon, effect),
            Effect::Answer { to, answer } => {
                self.answered(to.id, not_written_down(answer, asked));
            }
            Effect::RunHook { host, .. } => {
                let why = "the status file cannot be written".to_owned();
                self.mons[mon].inbox.push_back(Input::Hooked { host, ok: false, why });
            }
            _ => {}
        }
    }

    pub(super) fn on_disk(&mut self, mon: usize, stored: Stored, effects: Vec<Effect>) {
        self.mons[mon].disk = Some(stored.clone());
        self.decided(mon, stored);
        if self.mons[mon].retry_store.take().is_some() {
            self.tell_of_store(mon, Input::StoreWorks);
        }
        for effect in effects {
            self.perform_effect(mon, effect);
        }
    }

    pub(super) fn not_on_disk(&mut self, mon: usize) {
        let first = self.mons[mon].retry_store.is_none();
        self.mons[mon].retry_store = Some(self.us + STORE_RETRY);
        if first {
            let why = "no space left on device".to_owned();
            self.tell_of_store(mon, Input::StoreFailed { why });
        }
    }

    pub(super) fn retry_store(&mut self, mon: usize, _now: Now) {
        if !self.mons[mon].disk_ok || self.mons[mon].disk_takes > STORE_LIMIT {
            self.mons[mon].retry_store = Some(self.us + STORE_RETRY);
            return;
        }
        let Some(stored) = self.mons[mon].core.as_ref().map(Monitor::stored) else {
            return;
        };
        self.on_disk(mon, stored, Vec::new());
    }

    /// As the shell does: of this step only the events are carried out.
    fn tell_of_store(&mut self, mon: usize, input: Input) {
        let now = self.mon_now(mon);
        let Some(core) = &mut self.mons[mon].core else {
            return;
        };
        for effect in core.step(now, input) {
            if matches!(effect, Effect::Event(_)) {
                self.perform_effect(mon, effect);
            }
        }
    }
}
