//! What leaves the core: grants, orders, events, answers. It decides nothing.

use std::sync::Arc;

use mmm_proto::Span;
use mmm_proto::agent::{Grant, Order, Step, ToAgent, Want};
use mmm_proto::console::Answer;
use mmm_proto::event::{Event, Level};
use smallvec::SmallVec;

use super::{Asker, Effect, Monitor};

/// A grant that says the same is not sent again before so much of the one before has passed: at a
/// decision agents report several times at once, as they hear of it from each other.
const SPACING: Span = Span::ms(20);

impl Monitor {
    /// Sends an order and gives its number.
    pub(super) fn order(&mut self, host: usize, limit: Span, step: Step) -> u64 {
        self.next_order += 1;
        let id = self.next_order;
        let order = Order { id, stamp: self.stamp(), limit, step };
        self.out.push(Effect::Send { host, message: ToAgent::Order(order) });
        id
    }

    /// Answers the latest report of a host with a grant.
    pub(super) fn renew(&mut self, host: usize) {
        if !self.may_grant(host) {
            return;
        }
        if self.hosts[host].heard.is_none() {
            return;
        }
        self.note_asked(host);
        let want = Arc::new(self.want(host));
        self.grant(host, want);
    }

    /// Whether anything is granted at all. Where another monitor leads, or may have led, it counts
    /// on it that nobody else does.
    fn may_grant(&self, host: usize) -> bool {
        !(self.superseded() || self.undecided_about(host) || self.is_mute())
    }

    /// The same where a report came in that changes nothing: what was wanted still is.
    pub(super) fn renew_as_before(&mut self, host: usize) {
        let granted = self.hosts[host].granted.as_ref().filter(|_| !self.stirred);
        let Some(want) = granted.map(|granted| granted.want.clone()) else {
            return self.renew(host);
        };
        if self.may_grant(host) {
            if cfg!(test) {
                assert_eq!(*want, self.want(host));
            }
            self.grant(host, want);
        }
    }

    fn grant(&mut self, host: usize, want: Arc<Want>) {
        let record = &self.hosts[host];
        let Some(heard) = &record.heard else {
            return;
        };
        let (stamp, echo, at) = (self.stamp(), heard.report.clock, heard.at);
        let (ttl, heartbeat) = (self.top.timing.ttl, self.top.timing.heartbeat);
        let spacing = SPACING.min(Span(heartbeat.0 / 2));
        let known = |known: &Grant| {
            known.stamp == stamp
                && known.echo <= echo
                && echo.since(known.echo) < spacing
                && known.want == want
        };
        if record.granted.as_ref().is_some_and(known) {
            return;
        }
        let grant = Grant { stamp, echo, ttl, heartbeat, want };
        self.extend_claims(host, &grant, at);
        self.hosts[host].granted = Some(grant.clone());
        self.out.push(Effect::Send { host, message: ToAgent::Grant(grant) });
    }

    /// Sends a grant to every host whose duties changed since the last one.
    pub(super) fn tell_agents(&mut self) {
        let mut holds = vec![SmallVec::<[usize; 4]>::new(); self.hosts.len()];
        for (index, vip) in self.vips.iter().enumerate() {
            if let Some(holder) = vip.holder {
                holds[holder].push(index);
            }
        }
        for (host, holds) in holds.iter().enumerate() {
            if self.hosts[host].link.is_none() {
                continue;
            }
            let Some(granted) = &self.hosts[host].granted else {
                continue;
            };
            if self.is_wanted(host, holds, &granted.want) {
                continue;
            }
            if self.may_grant(host) {
                self.renew(host);
            } else {
                // When it may be granted something again, that is looked up anew.
                self.hosts[host].granted = None;
            }
        }
    }

    pub(super) fn event(&mut self, level: Level, subject: &str, what: &str, why: &str) {
        self.event_by(level, subject, what, why, None);
    }

    pub(super) fn event_by(
        &mut self,
        level: Level,
        subject: &str,
        what: &str,
        why: &str,
        by: Option<&str>,
    ) {
        self.next_event += 1;
        self.generation += 1;
        self.out.push(Effect::Event(Event {
            seq: self.next_event,
            at: self.now.wall,
            level,
            subject: subject.to_owned(),
            what: what.to_owned(),
            why: why.to_owned(),
            by: by.map(str::to_owned),
            plan: self.running.as_ref().map(|running| running.progress.plan),
            took: None,
        }));
    }

    pub(super) fn answer(&mut self, to: Asker, answer: Answer) {
        self.out.push(Effect::Answer { to, answer });
    }
}
