//! What passes between the monitor and the agents, and what the monitor's effects do.

use mmm_proto::Check;
use mmm_proto::Time;
use mmm_proto::agent::{Stamp, ToAgent};

use super::{CLOCK, Cluster, DELAY, Link, SILENCE};
use crate::core::agent::Input as AgentInput;
use crate::core::monitor::{Effect, Input, Monitor};
use crate::core::tests::host_name;

impl Cluster {
    pub(super) fn mind_link(&mut self, host: usize) {
        let now = self.now;
        let alive = self.hosts[host].agent.is_some() && !self.hosts[host].frozen;
        let passes = !self.cut[host] && !self.hosts[host].frozen;
        let both = self.hosts[host].agent.is_some() && self.monitor.is_some();
        let lives = (self.hosts[host].life, self.life);
        if !self.links[host].up {
            if both && alive && passes && !self.paused && now >= self.links[host].dial_at {
                self.links[host] = Link {
                    id: self.links[host].id + 1,
                    up: true,
                    lives: (self.hosts[host].life, self.life),
                    ..Link::default()
                };
                let link = self.links[host].id;
                self.hosts[host].give(AgentInput::LinkUp { link });
                let version = "toy".to_owned();
                self.feed(Input::LinkUp { host, version });
            }
            self.hosts[host].outbox.clear();
            return;
        }
        let link = &mut self.links[host];
        for (to, message) in std::mem::take(&mut self.hosts[host].outbox) {
            if to.is_none_or(|to| to == link.id) {
                link.back.push_back((now + DELAY, message));
            }
        }
        let gone = (!both || lives != link.lives) && passes;
        link.broken_since = if passes { None } else { link.broken_since.or(Some(now)) };
        if gone || link.broken_since.is_some_and(|since| now - since > SILENCE) {
            let id = link.id;
            *link = Link { id, dial_at: now + 100, ..Link::default() };
            let why = "connection lost".to_owned();
            let down = AgentInput::LinkDown { link: id, why };
            self.hosts[host].give(down);
            let why = "no route".to_owned();
            self.feed(Input::LinkDown { host, why });
            return;
        }
        if !passes {
            return;
        }
        let link = &mut self.links[host];
        let (mut there, mut here) = (Vec::new(), Vec::new());
        while link.down.front().is_some_and(|(due, _)| now >= *due) {
            there.extend(link.down.pop_front().map(|(_, message)| message));
        }
        while link.back.front().is_some_and(|(due, _)| now >= *due) {
            here.extend(link.back.pop_front().map(|(_, message)| message));
        }
        let link = link.id;
        for message in there {
            if let ToAgent::Examine { id, .. } = message {
                self.hosts[host].examine(now, id);
                continue;
            }
            self.hosts[host].give(AgentInput::Heard { link, message });
        }
        for message in here {
            let at = Time(now + CLOCK);
            self.feed(Input::Said { host, at, message });
        }
    }

    /// Gives the monitor an input and carries out what comes of it.
    pub(in crate::core::tests) fn feed(&mut self, input: Input) {
        if self.paused {
            if !matches!(input, Input::Tick) {
                self.waiting.push(input);
            }
            return;
        }
        let input = match input {
            // The shell stamps what it reads when it reads it.
            Input::Said { host, message, .. } => {
                Input::Said { host, at: Time(self.now + CLOCK), message }
            }
            other => other,
        };
        let at = self.mon_now();
        let Some(monitor) = &mut self.monitor else {
            return;
        };
        let effects = monitor.step(at, input);
        self.wake = monitor.next_wakeup().0 - CLOCK;
        let stamp = monitor.stamp();
        assert!(stamp >= self.stamp, "the stamp went back to {stamp}");
        self.stamp = stamp;
        let mut lost = false;
        for effect in effects {
            match effect {
                Effect::Persist(_) if self.disk_fails => lost = true,
                Effect::Persist(stored) => self.disk = Some(*stored),
                Effect::Event(event) => {
                    self.log.push(format!("{:>7} {}", self.now, event.line()));
                    self.events.push((self.now, event));
                }
                _ if lost => {}
                Effect::Send { host, message } => self.send(host, message),
                Effect::Probe { host } => self.check(host, Check::Mysql),
                Effect::RunHook { host, ping, .. } => {
                    self.hooked.push((self.now, host, ping));
                    if let Some((takes, ok)) = self.hook {
                        self.hooks.push((self.now + takes, host, ok));
                    }
                }
                Effect::Answer { to, answer } => {
                    self.log.push(format!("{:>7} answer {answer:?}", self.now));
                    self.answers.push((to.id, answer));
                }
            }
        }
        if lost && !self.disk_told {
            self.disk_told = true;
            let why = "disk full".to_owned();
            self.feed(Input::StoreFailed { why });
        } else if self.disk_told && !self.disk_fails {
            self.disk_told = false;
            self.disk = self.monitor.as_ref().map(Monitor::stored);
            self.feed(Input::StoreWorks);
        }
    }

    /// The hooks that have ended: one that succeeds has taken the power from its host.
    pub(super) fn mind_hooks(&mut self) {
        let now = self.now;
        let (done, rest) =
            std::mem::take(&mut self.hooks).into_iter().partition(|(end, ..)| now >= *end);
        self.hooks = rest;
        let done: Vec<(u64, usize, bool)> = done;
        for (_, host, ok) in done {
            if ok && self.cut[host] {
                self.hosts[host].power_off();
            }
            let why = if ok { "power off" } else { "exit code 1" }.to_owned();
            self.feed(Input::Hooked { host, ok, why });
        }
    }

    pub(super) fn send(&mut self, host: usize, message: ToAgent) {
        if let ToAgent::Order(order) = &message {
            let line = format!(
                "{:>7} order {} to {}: {:?}",
                self.now,
                order.stamp,
                host_name(host),
                order.step
            );
            self.log.push(line);
        }
        let link = &mut self.links[host];
        if link.up {
            link.down.push_back((self.now + DELAY, message));
        }
    }

    /// Another monitor, or one without its memory, counts anew.
    pub(in crate::core::tests) fn forget_stamp(&mut self) {
        self.stamp = Stamp::default();
    }

    /// All links break and are made again.
    pub(in crate::core::tests) fn relink(&mut self) {
        for host in 0..3 {
            let id = self.links[host].id;
            self.links[host] = Link { id, ..Link::default() };
            let why = "connection lost".to_owned();
            self.hosts[host].give(AgentInput::LinkDown { link: id, why });
            let why = "connection lost".to_owned();
            self.feed(Input::LinkDown { host, why });
        }
    }
}
