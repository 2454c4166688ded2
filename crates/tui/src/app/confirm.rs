//! A plan before the person: how it is confirmed, and when keys are not taken.

use mmm_proto::plan::{CheckVerdict, Level, Plan};
use mmm_proto::{Span, Time};

use super::msg::Key;

/// How long a dialog takes no key after it was drawn: whoever was typing did not mean it.
pub const DEAF: Span = Span::ms(500);

/// A plan on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    pub plan: Plan,
    /// When the plan came.
    pub came: Time,
    /// When it was first on the terminal.
    pub drawn: Option<Time>,
    pub typed: String,
    pub stage: Stage,
    /// What the last key or the monitor said.
    pub note: String,
}

/// Where the dialog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Reading,
    /// Confirmed; the monitor has not answered.
    Sent {
        id: u64,
    },
    /// The monitor did not want it.
    Refused,
}

/// What a key in a dialog leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing happens.
    Stay,
    Cancel,
    Confirmed,
    /// A new plan for the same verb.
    Again,
}

impl Dialog {
    /// A plan that just came.
    pub fn new(plan: Plan, now: Time) -> Self {
        Self {
            plan,
            came: now,
            drawn: None,
            typed: String::new(),
            stage: Stage::Reading,
            note: String::new(),
        }
    }

    /// Whether keys are thrown away.
    pub fn deaf(&self, now: Time) -> bool {
        self.drawn.is_none_or(|drawn| now.since(drawn) < DEAF)
    }

    /// Whether the plan is too old to be carried out.
    pub fn expired(&self, now: Time) -> bool {
        now.since(self.came) >= self.plan.expires
    }

    /// Whether a check of the plan says that it cannot be carried out.
    pub fn stopped(&self) -> bool {
        let bad = |check: &mmm_proto::plan::PlanCheck| check.verdict == CheckVerdict::Bad;
        self.plan.checks.iter().any(bad)
    }

    /// Takes a key. Nothing is ever confirmed by time, by a paste, or by a key that came too early.
    pub fn key(&mut self, key: Key, now: Time) -> Verdict {
        if self.deaf(now) {
            return Verdict::Stay;
        }
        if matches!(self.stage, Stage::Sent { .. }) {
            // It is on its way; closing the dialog changes nothing about that.
            return match key {
                Key::Esc => Verdict::Cancel,
                _ => Verdict::Stay,
            };
        }
        let over = self.stage == Stage::Refused || self.expired(now) || self.stopped();
        match key {
            Key::Esc => Verdict::Cancel,
            Key::Char('r') if over => Verdict::Again,
            Key::Char('q' | 'n') if over => Verdict::Cancel,
            _ if over => Verdict::Stay,
            _ if self.plan.level == Level::Key => self.key_level(key),
            _ => self.typed_level(key),
        }
    }

    fn key_level(&mut self, key: Key) -> Verdict {
        match key {
            Key::Char('y') => Verdict::Confirmed,
            Key::Char('n' | 'q') => Verdict::Cancel,
            _ => {
                self.note = "press y to run it, n to leave everything as it is".to_owned();
                Verdict::Stay
            }
        }
    }

    fn typed_level(&mut self, key: Key) -> Verdict {
        match key {
            Key::Enter if self.matches() => return Verdict::Confirmed,
            Key::Enter => {
                self.note = format!("that is not {:?}; nothing was done", self.plan.confirm);
            }
            Key::Backspace => {
                self.typed.pop();
                self.note.clear();
            }
            Key::Char(c) if self.typed.len() < 80 && !c.is_control() => {
                self.typed.push(c);
                self.note.clear();
            }
            _ => {}
        }
        Verdict::Stay
    }

    /// Whether what was typed is what must be typed.
    pub fn matches(&self) -> bool {
        !self.plan.confirm.is_empty() && self.typed == self.plan.confirm
    }
}
