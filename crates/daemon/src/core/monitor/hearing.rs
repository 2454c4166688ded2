//! What agents say, and what a broken link means: taken down here, judged elsewhere.

use mmm_proto::agent::{FromAgent, Stamp};
use mmm_proto::event::Level;
use mmm_proto::server::same_text;
use mmm_proto::{HostState, MonitorMode, Time};

use super::Monitor;
use super::hosts::Heard;

impl Monitor {
    pub(super) fn take_link_down(&mut self, host: usize, why: &str) {
        let record = &mut self.hosts[host];
        if record.link.take().is_some() {
            record.granted = None;
            self.generation += 1;
        }
        why.clone_into(&mut self.hosts[host].link_why);
    }

    pub(super) fn take_said(&mut self, host: usize, at: Time, message: FromAgent) {
        self.stirred |= !matches!(message, FromAgent::Report(_));
        match message {
            FromAgent::Report(report) => {
                let wall = self.now.wall_of(at);
                self.compare_clocks(host, at, report.clock, &report.boot_id);
                let record = &mut self.hosts[host];
                if record.state == HostState::Online {
                    match &mut record.last_uptime {
                        Some((boot, last)) if *boot == report.boot_id => *last = report.uptime,
                        other => *other = Some((report.boot_id.clone(), report.uptime)),
                    }
                }
                let known = record.heard.as_ref().map_or("", |old| &old.report.ended);
                let ended = (!same_text(known, &report.ended)).then(|| report.ended.clone());
                let changed = record.heard.as_ref().is_none_or(|old| differs(&old.report, &report));
                let (said, another) = (report.clone(), report.seen.term);
                record.heard = Some(Heard { at, wall, report });
                if changed {
                    self.generation += 1;
                    self.stirred = true;
                }
                if another > self.term {
                    self.obeys_another(host, another);
                } else if another == self.term {
                    self.leads_alone();
                }
                if let Some(why) = ended.filter(|why| !why.is_empty()) {
                    self.server_ended(host, &why);
                }
                self.confirm_if_gone(host);
                self.take_promises(host, at, &said);
                self.release_claims_by(host, said.seen, said.duty, &said.vips);
                self.renew_as_before(host);
            }
            FromAgent::Examined { id, wall, findings } => {
                self.take_examined(host, id, wall, findings);
            }
            FromAgent::Done { id, outcome } => self.take_outcome(host, id, outcome),
            FromAgent::Refused { order, got, seen, why } => {
                self.refused(host, order, got, seen, &why);
            }
            FromAgent::News { subject, what, why } => {
                let name = self.name(host);
                let subject = if subject.is_empty() { name } else { subject };
                self.event(Level::Warn, &subject, &what, &why);
            }
            FromAgent::Error { why } => {
                let name = self.name(host);
                self.event(Level::Warn, &name, "agent did not understand", &why);
            }
        }
    }

    /// An agent obeys a monitor of a later term: this one leads no more.
    fn obeys_another(&mut self, host: usize, term: u64) {
        self.foreign = self.foreign.max(term);
        // The first that says so is enough.
        if self.superseded() {
            return;
        }
        let cause = format!(
            "superseded: the agent on {} obeys a monitor of term {term}, this one is of term {}",
            self.name(host),
            self.term
        );
        self.set_mode(MonitorMode::Passive, &cause, None);
        self.drop_the_move(&cause);
    }

    /// The first agent obeys this monitor, and tells that to whoever led until now: from here on
    /// nobody else grants anything. Claims of the start last from now.
    fn leads_alone(&mut self) {
        if !std::mem::take(&mut self.others_may_lead) {
            return;
        }
        let late = self.now.boot.since(self.started.boot);
        let first = Stamp { term: self.term, seq: 0 };
        for claim in self.vips.iter_mut().flat_map(|vip| &mut vip.claims) {
            if claim.taken == Some(first) {
                claim.over = claim.over + late;
            }
        }
        // To be written down; nothing changes for anybody.
        self.decided = true;
    }

    /// An agent ended its server, perhaps while it could not be heard.
    fn server_ended(&mut self, host: usize, why: &str) {
        let name = self.name(host);
        self.event(Level::Error, &name, "its agent ended the server", why);
        let record = &mut self.hosts[host];
        if record.state == HostState::HardOffline {
            // What was known from here only is no longer all that there is to say.
            record.why = format!("its agent ended the server: {why}");
            self.decide();
        }
    }

    /// An agent obeys a newer monitor: this one must not act any more.
    fn refused(&mut self, host: usize, order: Option<u64>, got: Stamp, seen: Stamp, why: &str) {
        if seen.term > self.term {
            self.obeys_another(host, seen.term);
        } else if let Some(id) = order {
            let outcome = mmm_proto::agent::Outcome::Failed {
                why: format!("refused by the agent: {why}"),
                blockers: Vec::new(),
            };
            self.take_outcome(host, id, outcome);
        } else if got < seen {
            // A grant that crossed a newer one on its way: the next report brings the present one.
            self.hosts[host].granted = None;
        }
    }
}

/// Whether a report tells people something new; clocks, ages and growing positions do not.
fn differs(old: &mmm_proto::agent::Report, new: &mmm_proto::agent::Report) -> bool {
    old.seen != new.seen
        || old.boot_id != new.boot_id
        || old.vips != new.vips
        || old.duty != new.duty
        || old.server.reach != new.server.reach
        || old.server.read_only != new.server.read_only
        || old.server.replication != new.server.replication
        || old.troubles != new.troubles
        || !same_text(&old.cannot_open, &new.cannot_open)
        || !same_text(&old.ended, &new.ended)
        || old.relies != new.relies
        || old.forgetful != new.forgetful
        || old.promises.len() != new.promises.len()
        || old.peers.len() != new.peers.len()
        || old.peers.iter().zip(&new.peers).any(|(old, new)| {
            let (old, new) = (&old.news, &new.news);
            old.seen != new.seen
                || old.duty != new.duty
                || old.vips != new.vips
                || old.server_up != new.server_up
        })
}
