//! A failing run made short: whatever can go without the rule being kept goes.

use mmm_proto::Span;

use super::action::Action;
use super::config::WorldConfig;
use super::run::{Failure, try_script};
use super::script::Script;

/// Runs that may be spent on it.
const TRIES: usize = 1_500;

struct Shrinker {
    best: Failure,
    left: usize,
}

/// A shorter script that breaks the same rule.
pub fn shrink(failure: &Failure) -> Failure {
    let mut shrinker = Shrinker { best: failure.clone(), left: TRIES };
    loop {
        let before = shrinker.best.script.clone();
        shrinker.cut_the_end();
        shrinker.drop_steps();
        shrinker.simplify_the_cluster();
        shrinker.shorten_pauses();
        if shrinker.best.script == before || shrinker.left == 0 {
            return shrinker.best;
        }
    }
}

/// Without them the end of the script would prove nothing.
fn stays(action: &Action) -> bool {
    matches!(action, Action::Calm | Action::PutBack)
}

impl Shrinker {
    /// Takes a script if it breaks the same rule.
    fn offer(&mut self, script: Script) -> bool {
        if self.left == 0 || script == self.best.script {
            return false;
        }
        self.left -= 1;
        match try_script(&script) {
            Err(failure) if failure.violation.rule == self.best.violation.rule => {
                self.best = *failure;
                true
            }
            _ => false,
        }
    }

    /// Nothing after the violation matters.
    fn cut_the_end(&mut self) {
        let mut script = self.best.script.clone();
        let end = Span(self.best.violation.at.0) + Span::ms(1);
        if end < script.end {
            script.end = end;
            script.steps.retain(|(at, _)| *at <= end);
            self.offer(script);
        }
    }

    /// Halves, quarters, single steps.
    fn drop_steps(&mut self) {
        let mut size = self.best.script.steps.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < self.best.script.steps.len() {
                let mut script = self.best.script.clone();
                let mut place = 0;
                script.steps.retain(|(_, action)| {
                    place += 1;
                    stays(action) || !(from..from + size).contains(&(place - 1))
                });
                if !self.offer(script) {
                    from += size;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    /// What is as usual needs not be told.
    fn simplify_the_cluster(&mut self) {
        let usual = WorldConfig::default();
        let words: Vec<String> =
            self.best.script.config.to_string().split(' ').map(str::to_owned).collect();
        for word in words {
            let rest: Vec<String> = self
                .best
                .script
                .config
                .to_string()
                .split(' ')
                .filter(|other| *other != word)
                .map(str::to_owned)
                .collect();
            if let Ok(config) = WorldConfig::parse(&rest.join(" "))
                && config.hosts <= self.best.script.config.hosts.max(usual.hosts)
            {
                self.offer(Script { config, ..self.best.script.clone() });
            }
        }
        while self.best.script.config.readers > 0 {
            let mut script = self.best.script.clone();
            script.config.readers -= 1;
            if !self.offer(script) {
                break;
            }
        }
    }

    fn shorten_pauses(&mut self) {
        for at in 0..self.best.script.steps.len() {
            for part in [0, 1, 2, 3] {
                let script = &self.best.script;
                let Some((now, _)) = script.steps.get(at).cloned() else {
                    break;
                };
                if stays(&script.steps[at].1) && at > 0 && stays(&script.steps[at - 1].1) {
                    break;
                }
                let before = if at == 0 { Span::ZERO } else { script.steps[at - 1].0 };
                let pause = now.less(before).as_ms();
                let new = Span::ms(pause * part / 4 / 10 * 10);
                let gain = Span::ms(pause.saturating_sub(new.as_ms()));
                if gain == Span::ZERO {
                    continue;
                }
                let mut script = script.clone();
                for (when, _) in &mut script.steps[at..] {
                    *when = when.less(gain);
                }
                script.end = script.end.less(gain);
                if self.offer(script) {
                    break;
                }
            }
        }
    }
}
