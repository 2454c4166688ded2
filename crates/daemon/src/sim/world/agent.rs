//! What the agent's shell does (`agentd/worker.rs`): inputs one by one into the core, what must be
//! on disk first, then the effects.

use std::sync::Arc;

use mmm_proto::Span;
use mmm_proto::agent::{Duty, Reach, Stamp};

use super::World;
use crate::core::agent::{Act, ActResult, Agent, Effect, Input, Kept};
use crate::sim::due::{Due, Packet, Written};
use crate::sim::server::State;
use crate::sim::story::Told;

/// How often the server and the interface are looked at, and how long a look at a silent server
/// takes.
const LOOK_EVERY: u64 = 500_000;
const LOOK_LIMIT: u64 = 2_000_000;

/// How long the state file may take.
const STORE_LIMIT: u64 = 1_000_000;

/// What a full disk says.
const NO_SPACE: &str = "no space left on device";

impl World {
    pub(super) fn start_agent(&mut self, host: usize) {
        let now = self.host_now(host);
        let (us, roster) = (self.us, self.rosters[host].clone());
        let record = &mut self.hosts[host];
        if record.agent.is_some() || !record.on {
            return;
        }
        let kept = record.disk.clone();
        if kept.as_ref().is_none_or(|kept| matches!(kept.duty, Duty::Serving | Duty::None)) {
            record.vips.iter_mut().for_each(|vip| vip.refused = false);
        }
        record.agent = Some(Agent::new(roster, kept.as_deref().cloned(), &record.boot_id(), now));
        record.life += 1;
        (record.agent_stopped, record.busy, record.unwritten) = (false, false, None);
        record.store_fails = false;
        record.inbox.clear();
        record.parked.clear();
        let life = record.life;
        record.wake_at = us;
        self.queue.push(us, Due::AgentWake { host, life });
        let first = self.draw.between(500, 20_000);
        self.queue.push(us + first / 2, Due::Addresses { host, life });
        self.queue.push(us + first, Due::Look { host, life });
        let seen = self.hosts[host].agent.as_ref().map_or_else(Stamp::default, Agent::seen);
        self.watch.agent_started(host, seen);
    }

    pub(super) fn kill_agent(&mut self, host: usize) {
        let record = &mut self.hosts[host];
        if record.agent.take().is_none() {
            return;
        }
        record.life += 1;
        record.duty = Duty::None;
        (record.agent_stopped, record.busy, record.unwritten) = (false, false, None);
        record.store_fails = false;
        record.works.clear();
        record.inbox.clear();
        record.parked.clear();
        self.agent_ended(host);
    }

    /// The process goes on after it stood still: what came due meanwhile comes now, in an order
    /// that nobody can count on, but what came by a link keeps its order.
    pub(super) fn unpark(&mut self, host: usize) {
        if !self.hosts[host].awake() {
            return;
        }
        let parked = std::mem::take(&mut self.hosts[host].parked);
        let links = self.us + self.draw.below(3_000);
        for due in parked {
            let at = match due {
                Due::Packet { .. } => links,
                _ => self.us + self.draw.below(3_000),
            };
            self.queue.push(at, due);
        }
        let life = self.hosts[host].life;
        self.hosts[host].wake_at = self.us;
        self.queue.push(self.us, Due::AgentWake { host, life });
        self.pump(host);
    }

    pub(super) fn agent_due(&mut self, due: Due) {
        let (host, life) = match &due {
            Due::AgentWake { host, life }
            | Due::AgentInput { host, life, .. }
            | Due::Look { host, life }
            | Due::LookEnd { host, life, .. }
            | Due::Addresses { host, life }
            | Due::Phase { host, life, .. }
            | Due::AgentWritten { host, life, .. }
            | Due::AgentSaved { host, life, .. } => (*host, *life),
            _ => return,
        };
        let record = &mut self.hosts[host];
        if record.life != life || record.agent.is_none() {
            return;
        }
        if !record.awake() {
            if !matches!(due, Due::AgentWake { .. }) {
                record.parked.push(due);
            }
            return;
        }
        match due {
            Due::AgentWake { .. } => self.wake_agent(host),
            Due::AgentInput { input, .. } => self.give(host, *input),
            Due::Look { .. } => self.look_around(host),
            Due::LookEnd { began, server, .. } => {
                self.queue.push(self.us + LOOK_EVERY, Due::Look { host, life });
                self.give(host, Input::Facts { server, began });
            }
            Due::Addresses { .. } => self.look_at_addresses(host),
            Due::Phase { id, .. } => self.go_on_with_act(host, id),
            Due::AgentWritten { written, .. } => {
                self.hosts[host].busy = false;
                self.written(host, *written);
                self.pump(host);
            }
            Due::AgentSaved { kept, .. } => {
                let record = &mut self.hosts[host];
                if record.disk_ok {
                    record.disk = Some(kept);
                    record.store_worked();
                } else {
                    record.store_failed(NO_SPACE);
                }
                self.pump(host);
            }
            _ => {}
        }
    }

    fn wake_agent(&mut self, host: usize) {
        let us = self.us;
        let record = &mut self.hosts[host];
        if record.wake_at > us {
            return;
        }
        record.wake_at = u64::MAX;
        let Some(agent) = &record.agent else { return };
        let due = record.clock.when(us, agent.next_wakeup());
        if due <= us {
            self.give(host, Input::Tick);
        } else {
            self.wake_at(host, due);
        }
    }

    /// What the agent wants to be woken for: mostly what it wanted before.
    fn wake_for(&mut self, host: usize, wake: mmm_proto::Time) {
        let record = &mut self.hosts[host];
        if record.wake_at != u64::MAX && record.wake_for == wake {
            return;
        }
        record.wake_for = wake;
        let at = record.clock.when(self.us, wake);
        self.wake_at(host, at);
    }

    fn wake_at(&mut self, host: usize, at: u64) {
        let record = &mut self.hosts[host];
        if at < record.wake_at {
            record.wake_at = at;
            let life = record.life;
            self.queue.push(at, Due::AgentWake { host, life });
        }
    }

    /// The interface and the server are looked at. A server answers mostly so soon that nothing
    /// comes between, but not always.
    fn look_around(&mut self, host: usize) {
        self.look_at_addresses(host);
        let takes = self.draw.between(400, 3_000);
        let soon = self.draw.chance(3, 4);
        let us = self.us;
        let record = &mut self.hosts[host];
        let silent = record.server.state == State::Silent;
        let server = Box::new(record.server.facts(us));
        let (began, life) = (record.clock.now(us), record.life);
        if soon && !silent {
            self.queue.push(us + LOOK_EVERY, Due::Look { host, life });
            return self.give(host, Input::Facts { server, began });
        }
        let end = us + if silent { LOOK_LIMIT } else { takes };
        // The interface does not wait for a server that is silent.
        for at in (us..end).step_by(LOOK_EVERY as usize).skip(1) {
            self.queue.push(at, Due::Addresses { host, life });
        }
        self.queue.push(end, Due::LookEnd { host, life, began, server });
    }

    fn look_at_addresses(&mut self, host: usize) {
        let us = self.us;
        let record = &self.hosts[host];
        let found: Vec<std::net::IpAddr> = (0..record.vips.len())
            .filter(|vip| record.vips[*vip].until > us)
            .map(|vip| self.vips[vip])
            .collect();
        self.give(host, Input::Addresses { found });
    }

    /// The sentinel noticed that the server's process is gone.
    pub(super) fn server_ended(&mut self, host: usize) {
        if self.hosts[host].agent.is_none() {
            return;
        }
        let why = "the sentinel's connection was refused".to_owned();
        let input = Box::new(Input::Lost { reach: Reach::Gone { why } });
        let (life, at) = (self.hosts[host].life, self.us + self.draw.between(1_000, 30_000));
        self.queue.push(at, Due::AgentInput { host, life, input });
    }

    /// Puts an input before the agent; it takes it when it can.
    pub(super) fn give(&mut self, host: usize, input: Input) {
        let record = &mut self.hosts[host];
        if record.agent.is_none() {
            return;
        }
        let free = !record.pumping && !record.busy && record.inbox.is_empty() && record.awake();
        if free {
            record.pumping = true;
            self.step_agent(host, input);
            self.hosts[host].pumping = false;
            if self.hosts[host].inbox.is_empty() {
                return;
            }
        } else {
            record.inbox.push_back(input);
        }
        self.pump(host);
    }

    fn pump(&mut self, host: usize) {
        if self.hosts[host].pumping {
            return;
        }
        self.hosts[host].pumping = true;
        loop {
            let record = &mut self.hosts[host];
            if record.busy || !record.awake() || record.agent.is_none() {
                break;
            }
            let Some(input) = record.inbox.pop_front() else {
                break;
            };
            self.step_agent(host, input);
        }
        self.hosts[host].pumping = false;
    }

    fn step_agent(&mut self, host: usize, input: Input) {
        let now = self.host_now(host);
        let record = &mut self.hosts[host];
        let Some(agent) = &mut record.agent else { return };
        let effects = agent.step(now, input);
        let before = record.duty;
        (record.duty, record.seen) = (agent.duty(), agent.seen());
        let wake = agent.next_wakeup();
        self.watch.agent_stepped(self.us, host, record);
        if self.trace.is_some() && before != self.hosts[host].duty {
            let name = crate::sim::text::host_word(host);
            let (duty, seen) = (self.hosts[host].duty, self.hosts[host].seen);
            self.note(format!("  {name} is {} (has seen {seen})", duty.word()));
        }
        let duty = self.hosts[host].duty;
        if before != duty {
            self.tell(|| Told::Duty(host, duty));
        }
        self.wake_for(host, wake);
        self.write_down(host, effects);
    }

    /// The newest state of a step, once, before anything of the step is done.
    fn write_down(&mut self, host: usize, effects: Vec<Effect>) {
        let us = self.us;
        let record = &mut self.hosts[host];
        if effects.is_empty() && record.unwritten.is_none() {
            return;
        }
        let mut newest: Option<&Arc<Kept>> = None;
        let mut must = record.unwritten.is_some();
        for effect in &effects {
            if let Effect::Persist { kept, sync } = effect {
                newest = Some(kept);
                must |= sync;
            }
        }
        let newest = newest.cloned();
        let Some(kept) = newest.or_else(|| record.unwritten.take()) else {
            return self.carry_out(host, effects);
        };
        record.unwritten = None;
        let life = record.life;
        let takes = record.disk_takes;
        let idle = record.disk_ok && takes == 0 && record.saved_at < us;
        if !must && idle && self.draw.chance(3, 4) {
            // Mostly it is on disk before anything else happens.
            record.disk = Some(kept);
            record.store_worked();
            return self.carry_out(host, effects);
        }
        if !must {
            let at = (us + 50 + takes + self.draw.below(2_000)).max(record.saved_at);
            record.saved_at = at;
            self.queue.push(at, Due::AgentSaved { host, life, kept });
            return self.carry_out(host, effects);
        }
        let waits = record.saved_at.max(us) + takes;
        let failed = match (record.disk_ok, waits > us + STORE_LIMIT) {
            (false, _) => Some(NO_SPACE),
            (true, true) => Some("not on disk after 1.0 s"),
            _ => None,
        };
        let end = waits.min(us + STORE_LIMIT);
        // A write that did not get its turn within the limit was never begun.
        let begun = record.saved_at.max(us) < us + STORE_LIMIT;
        if failed.is_some() && record.disk_ok && begun {
            // It was given up, but is still on its way.
            record.saved_at = waits;
            let kept = kept.clone();
            self.queue.push(waits, Due::AgentSaved { host, life, kept });
        }
        if end > us {
            self.hosts[host].busy = true;
            let written = Box::new(Written { kept, effects, failed });
            self.queue.push(end, Due::AgentWritten { host, life, written });
        } else {
            self.written(host, Written { kept, effects, failed });
        }
    }

    fn written(&mut self, host: usize, written: Written) {
        let Written { kept, effects, failed } = written;
        let record = &mut self.hosts[host];
        let Some(why) = failed else {
            record.disk = Some(kept);
            record.store_worked();
            return self.carry_out(host, effects);
        };
        record.store_failed(why);
        record.unwritten = Some(kept);
        let (held, rest): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(Effect::needs_the_disk);
        self.carry_out(host, rest);
        for effect in held {
            if let Effect::Begin { id, .. } = effect {
                let why = "the state could not be written down".to_owned();
                let result = ActResult::Failed { why, blockers: Vec::new() };
                self.hosts[host].inbox.push_back(Input::Ended { id, result });
            }
        }
    }

    /// What is said may be heard, and answered, before the next effect: the answer waits its turn.
    fn carry_out(&mut self, host: usize, effects: Vec<Effect>) {
        let (life, pumping) = (self.hosts[host].life, self.hosts[host].pumping);
        self.hosts[host].pumping = true;
        for effect in effects {
            if self.hosts[host].life != life {
                break;
            }
            match effect {
                Effect::Persist { .. } | Effect::Announce { .. } => {}
                Effect::Say(message) => self.say(host, message),
                Effect::SayTo { link, message } => {
                    if self.conns[link as usize].agent_up {
                        self.send(link as usize, false, Packet::Back(message));
                    }
                }
                Effect::SayPeer { to, message } => self.say_to_peer(host, &to, message),
                Effect::TellPeers { to, news } => self.tell_peers(host, &to, &news),
                Effect::Abort { id } => self.hosts[host].works.retain(|work| work.id != id),
                Effect::Begin { id, act, limit } => self.begin_act(host, id, act, limit),
            }
        }
        self.hosts[host].pumping = pumping;
    }

    fn begin_act(&mut self, host: usize, id: u64, act: Act, limit: Span) {
        let light = matches!(act, Act::Hold { .. } | Act::Drop { .. } | Act::Look);
        self.watch.act_begun(self.us, host, &mut self.hosts[host], !light);
        if self.trace.is_some() {
            let name = crate::sim::text::host_word(host);
            self.note(format!("  {name} begins {act:?}"));
        }
        self.begin_work(host, id, act, limit);
    }
}
