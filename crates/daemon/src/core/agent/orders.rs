//! The steps of a move: taken when they are not older than what was seen and fit what the host
//! does; answered always.

use mmm_proto::agent::{Duty, FromAgent, Order, Outcome, Step};

use super::{Act, ActResult, Agent, Effect, Running};
use crate::core::bugs::{Bug, bug};

impl Agent {
    pub(super) fn take_order(&mut self, link: u64, order: Order) {
        if order.stamp < self.seen {
            let (got, seen) = (order.stamp, self.seen);
            let why = format!("order {got} is older than {seen}");
            let message = FromAgent::Refused { order: Some(order.id), got, seen, why };
            self.out.push(Effect::SayTo { link, message });
            return;
        }
        if order.stamp > self.seen {
            let new_term = order.stamp.term != self.seen.term;
            self.seen = order.stamp;
            self.keep(new_term || matches!(order.step, Step::Freeze { .. }));
        }
        let from = Some((link, order.id));
        match order.step {
            Step::Look => {
                let running = self.begin(Act::Look, order.limit, from);
                self.looking.push(running);
            }
            Step::Freeze { vip, grace, kill, .. } => {
                // After a crash nobody would know that it was frozen.
                if let Some(why) = self.troubles.get("store").cloned() {
                    return self.refuse_order(link, order.id, why);
                }
                if self.duty != Duty::Serving || self.writing.is_some() {
                    let doing = self
                        .writing
                        .as_ref()
                        .map_or(self.duty.word().to_owned(), |running| running.act.words());
                    let why = format!("{} is not serving: {doing}", self.roster.me);
                    return self.refuse_order(link, order.id, why);
                }
                self.set_duty(Duty::Freezing, true);
                if bug(Bug::FrozenEarly) {
                    let at = self.server.position.clone();
                    let outcome = Outcome::Frozen { at, killed: 0 };
                    let message = FromAgent::Done { id: order.id, outcome };
                    self.out.push(Effect::SayTo { link, message });
                }
                let act = Act::Freeze { vip, grace, kill };
                self.writing = Some(self.begin(act, order.limit, from));
            }
            Step::CatchUp { to } => {
                self.replicate_by_order(Act::CatchUp { to }, order.limit, from);
            }
            Step::Fetch { from: host, to } => {
                if !self.roster.hosts.iter().any(|(name, ..)| *name == host) {
                    let why = format!("{host} is not in this host's configuration");
                    return self.refuse_order(link, order.id, why);
                }
                self.stopped = true;
                self.keep(true);
                self.replicate_by_order(Act::Fetch { from: host, to }, order.limit, from);
            }
            Step::Drain => {
                self.stopped = true;
                self.keep(true);
                self.replicate_by_order(Act::Drain, order.limit, from);
            }
        }
    }

    /// An order goes before whatever the agent does about replication by itself.
    fn replicate_by_order(&mut self, act: Act, limit: mmm_proto::Span, order: Option<(u64, u64)>) {
        if let Some(running) = self.replicating.take() {
            self.out.push(Effect::Abort { id: running.id });
            let why = "a newer order came".to_owned();
            self.answer(&running, Outcome::Failed { why, blockers: Vec::new() });
        }
        self.replicating = Some(self.begin(act, limit, order));
    }

    fn refuse_order(&mut self, link: u64, id: u64, why: String) {
        let outcome = Outcome::Failed { why, blockers: Vec::new() };
        self.out.push(Effect::SayTo { link, message: FromAgent::Done { id, outcome } });
    }

    /// Answers the order behind an act, if there is one.
    pub(super) fn answer(&mut self, running: &Running, outcome: Outcome) {
        if let Some((link, id)) = running.order {
            self.out.push(Effect::SayTo { link, message: FromAgent::Done { id, outcome } });
        }
    }

    /// An act ended: find whose it was.
    pub(super) fn take_result(&mut self, id: u64, result: ActResult) {
        if let Some(running) = self.writing.take_if(|running| running.id == id) {
            return self.writer_act_ended(&running, result);
        }
        if let Some(running) = self.replicating.take_if(|running| running.id == id) {
            return self.replication_act_ended(&running, result);
        }
        let address =
            self.addressing.iter().find(|(_, running)| running.id == id).map(|(ip, _)| *ip);
        if let Some(running) = address.and_then(|ip| self.addressing.remove(&ip)) {
            return self.address_act_ended(&running, result);
        }
        let Some(at) = self.looking.iter().position(|running| running.id == id) else {
            return;
        };
        let running = self.looking.remove(at);
        let outcome = match result {
            ActResult::Looked(server) => {
                self.take_facts((*server).clone(), running.began);
                Outcome::Looked { server }
            }
            ActResult::Failed { why, blockers } => Outcome::Failed { why, blockers },
            other => {
                Outcome::Failed { why: format!("ended oddly: {other:?}"), blockers: Vec::new() }
            }
        };
        self.answer(&running, outcome);
    }
}
