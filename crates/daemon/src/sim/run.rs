//! Running scripts: a seed to its verdict, a script to its transcript.

use std::fmt;

use mmm_proto::{Span, Time};

use super::action::Action;
use super::script::Script;
use super::text::span_word;
use super::watch::Violation;
use super::weather;
use super::world::World;

/// What a run without a violation came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Simulated time, the way into service included.
    pub simulated: Span,
    pub steps: u64,
}

/// A run in which a rule was broken.
#[derive(Debug, Clone)]
pub struct Failure {
    pub script: Script,
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.script.seed, self.violation)
    }
}

/// Runs the weather of a seed.
///
/// # Errors
/// The script and the rule that was broken.
pub fn run(seed: u64) -> Result<Stats, Box<Failure>> {
    try_script(&weather::script(seed))
}

/// Runs a script.
///
/// # Errors
/// The script and the rule that was broken.
pub fn try_script(script: &Script) -> Result<Stats, Box<Failure>> {
    let mut world = World::new(script.config.clone(), script.seed);
    play(&mut world, script);
    match verdict(&world, script) {
        None => Ok(Stats { simulated: world.simulated(), steps: world.steps() }),
        Some(violation) => Err(Box::new(Failure { script: script.clone(), violation })),
    }
}

/// Lets a script happen, up to its end or the first violation.
pub fn play(world: &mut World, script: &Script) {
    for (at, action) in &script.steps {
        world.run_until(Time(at.as_ms()));
        if world.violation().is_some() {
            return;
        }
        world.act(action);
    }
    world.run_until(Time(script.end.as_ms()));
}

/// The rule that was broken; that everything is in service again belongs to it when the script ends
/// the faults and leaves the time for it.
pub fn verdict(world: &World, script: &Script) -> Option<Violation> {
    if let Some(violation) = world.violation() {
        return Some(violation.clone());
    }
    let calm = script.steps.iter().rev().find(|(_, action)| *action == Action::Calm);
    let (at, _) = calm?;
    let in_time = script.end.less(*at) >= weather::RECOVERY;
    let rule = "everything is in service again after the faults";
    (in_time && !world.settled()).then(|| Violation {
        at: world.now(),
        rule,
        what: world.unsettled(),
    })
}

/// What a script comes to, for people: actions above, what the cluster made of them below, with
/// reasons. With `full`, acts and orders as well.
pub fn transcript(script: &Script, full: bool) -> String {
    let mut world = World::new(script.config.clone(), script.seed);
    world.trace_on();
    play(&mut world, script);
    let mut text = script.to_string();
    text.push('\n');
    for (at, line) in world.trace() {
        if full || !line.starts_with("  ") {
            text.push_str(&format!("{:>9} {line}\n", span_word(Span(at.0))));
        }
    }
    match verdict(&world, script) {
        Some(violation) => text.push_str(&format!("\nBROKEN: {violation}\n")),
        None => text.push_str("\nno rule was broken\n"),
    }
    text
}
