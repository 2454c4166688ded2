//! What a run is worth telling to people: who did what, what the monitor decided and why, what it
//! answered, what agents do about the writer role, who takes writes. `world/telling.rs` collects
//! it, when somebody asked for it.

use std::collections::BTreeSet;

use mmm_proto::Time;
use mmm_proto::agent::Duty;
use mmm_proto::console::Answer;
use mmm_proto::event::Event;

use super::action::Action;

/// One thing worth telling.
#[derive(Debug, Clone)]
pub enum Told {
    /// Somebody did something.
    Did(Action),
    Answer(Answer),
    /// A monitor (the second one: 1) told something. With it the row of the table of states, where
    /// a host changed its state by that.
    Event(usize, Box<Event>, Option<&'static str>),
    /// What the agent of a host does about the writer role from now on.
    Duty(usize, Duty),
    /// Who takes writes through the writer's VIP from now on.
    Open(Option<usize>),
}

/// What was told, in order of time.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub told: Vec<(Time, Told)>,
    /// Numbers of the rows of the table of states that held for any host at any time.
    pub rows: BTreeSet<&'static str>,
}
