//! What a monitor that starts tells: that it did, in which term, and what became of a plan that was
//! under way when the one before it ended. It decides nothing.

use mmm_proto::agent::{Duty, Stamp};
use mmm_proto::event::Level;
use serde::{Deserialize, Serialize};

use super::{Monitor, Stored};

/// A move under way, as written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMove {
    pub plan: u64,
    pub title: String,
}

impl Monitor {
    /// The move that runs, or one of the monitor before whose end is not known yet.
    pub(super) fn move_to_store(&self) -> Option<StoredMove> {
        let running = self.running.as_ref().map(|running| &running.progress);
        let running = running
            .map(|progress| StoredMove { plan: progress.plan, title: progress.title.clone() });
        running.or_else(|| self.broken_off.clone())
    }

    /// Says that this monitor has started, and from what.
    pub(super) fn tell_start(&mut self, stored: Option<&Stored>) {
        let mut why = format!("term {}, mode {}", self.term, self.mode);
        match (stored, self.writer()) {
            (None, _) => why.push_str("; no status file: everything is found out anew"),
            (Some(_), Some(writer)) => {
                let name = &self.top.hosts[writer].name;
                why = format!("{why}; {name} is the writer by the status file");
            }
            (Some(_), None) => why.push_str("; nobody is the writer by the status file"),
        }
        if let Some(StoredMove { plan, title }) = &self.broken_off {
            why = format!("{why}; plan {plan} was under way: {title}");
        }
        self.event(Level::Info, "monitor", "has started", &why);
    }

    /// Tells what a plan of the monitor before came to, once somebody serves.
    pub(super) fn mind_broken_off(&mut self) {
        let Some(StoredMove { plan, title }) = &self.broken_off else {
            return;
        };
        let what = if let Some(running) = &self.running {
            format!("plan {plan} is taken up as plan {}: {title}", running.progress.plan)
        } else {
            let first = Stamp { term: self.term, seq: 0 };
            let serves = |host: &usize| {
                self.hosts[*host].duty() == Duty::Serving && self.hosts[*host].seen() >= first
            };
            let Some(writer) = self.writer().filter(serves) else {
                return;
            };
            format!("plan {plan} ended with {} as writer: {title}", self.top.hosts[writer].name)
        };
        self.broken_off = None;
        self.decided = true;
        let why = "the monitor that began it ended on the way";
        self.event(Level::Warn, "writer", &what, why);
    }
}
