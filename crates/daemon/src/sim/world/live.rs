//! What a world needs that is watched while it happens: time that goes on whatever was broken, and
//! news that are taken away instead of kept.

use mmm_proto::console::Answer;
use mmm_proto::event::Event;
use mmm_proto::{Time, Wall};

use super::{WALL, World};
use crate::core::monitor::{Asker, Input, Request};
use crate::sim::config::WorldConfig;

impl World {
    /// A cluster whose wall clocks show `wall` when it is in service and its time begins.
    pub fn live(config: WorldConfig, seed: u64, wall: Wall) -> Self {
        // How long it takes to get there is the same each time.
        let warm_up = Self::new(config.clone(), seed).origin / 1000;
        Self::with_wall(config, seed, wall.0 - WALL - warm_up as i64)
    }

    /// Lets everything happen up to and including `until`. Other than [`World::run_until`] it goes
    /// on after a rule was broken.
    pub fn live_until(&mut self, until: Time) {
        let until = self.origin + until.0 * 1000;
        while self.queue.next().is_some_and(|at| at <= until) {
            self.step();
        }
        self.us = self.us.max(until);
        self.look();
    }

    /// When the next thing happens, in whole milliseconds.
    pub fn next_due(&self) -> Option<Time> {
        let next = self.queue.next()?;
        Some(Time(next.saturating_sub(self.origin).div_ceil(1000)))
    }

    /// Asks the monitor in somebody's name, as [`World::ask`] does.
    pub fn ask_as(&mut self, who: &str, request: Request) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.watch.asked(self.us, id, &request);
        if self.trace.is_some() {
            self.note(format!("asked: {request:?}"));
        }
        let asker = Asker { console: 1, id, who: who.to_owned() };
        self.tell_monitor(0, Input::Asked { asker, request });
        id
    }

    /// What the wall clocks show.
    pub fn wall(&self) -> Wall {
        self.wall_now()
    }

    /// Whether the monitor's process is there and not stopped.
    pub fn monitor_runs(&self) -> bool {
        self.mons[0].runs()
    }

    /// What the monitor told since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }

    /// The answers since the last call, each with the number that asking gave.
    pub fn take_answers(&mut self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut self.answers)
    }
}
