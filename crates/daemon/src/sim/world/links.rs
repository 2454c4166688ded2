//! The links between monitors and agents: made, broken, given up after silence. As TCP does it: in
//! order, late rather than never, and what was sent on an old connection may still come in after
//! the next one is up.

use std::collections::VecDeque;

use mmm_proto::agent::{FromAgent, ToAgent};

use super::World;
use crate::core::agent::Input as AgentInput;
use crate::core::monitor::Input;
use crate::sim::due::{Due, Packet};

/// Silence after which an agent gives a link up.
const AGENT_SILENCE: u64 = 5_000_000;
/// How long an agent may take to accept, and the pauses between attempts.
const DIAL_LIMIT: u64 = 1_000_000;
const QUICK: u64 = 100_000;
const PATIENT: u64 = 1_000_000;
const QUICK_ATTEMPTS: u32 = 30;

/// A connection. Each end knows by itself whether it is up.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) mon: usize,
    pub(super) host: usize,
    mon_life: u32,
    pub(super) agent_life: u32,
    pub(super) mon_up: bool,
    pub(super) agent_up: bool,
    /// By direction, 0 is down to the agent: when the latest packet comes in.
    latest: [u64; 2],
    /// What is held up by a cut.
    stalled: [VecDeque<Packet>; 2],
    /// When either end last heard the other: the agent, the monitor.
    heard: [u64; 2],
}

impl World {
    /// The link of a monitor to a host, if its end is up.
    pub(super) fn link_of(&self, mon: usize, host: usize) -> Option<usize> {
        self.conns.iter().rposition(|conn| conn.mon == mon && conn.host == host && conn.mon_up)
    }

    /// The monitor tries to connect.
    pub(super) fn dial(&mut self, mon: usize, host: usize, life: u32) {
        let due = Due::Dial { mon, host, life };
        if self.mons[mon].life != life || self.mons[mon].core.is_none() {
            return;
        }
        if self.mons[mon].paused {
            return self.park_for_monitor(mon, due);
        }
        if self.mons[mon].dialling[host] || self.link_of(mon, host).is_some() {
            return;
        }
        let (machine, record) = (self.monitor_machine(mon), &self.hosts[host]);
        let reaches = self.passes(machine, host) && self.passes(host, machine);
        let (why, took) = if !reaches {
            ("no answer", DIAL_LIMIT)
        } else if record.agent.is_none() {
            ("connection refused", 1_000)
        } else if record.agent_stopped {
            ("no hello", DIAL_LIMIT)
        } else {
            return self.connect(mon, host, machine);
        };
        let (count, told) = self.mons[mon].dials[host];
        self.mons[mon].dials[host] = (count + 1, why);
        if told != why {
            let input = Box::new(Input::LinkDown { host, why: why.to_owned() });
            self.queue.push(self.us + took, Due::MonitorInput { mon, life, input });
        }
        let quick = count < QUICK_ATTEMPTS || took >= DIAL_LIMIT;
        let pause = if quick { QUICK } else { PATIENT };
        let pause = pause * 4 / 5 + self.draw.below(pause * 2 / 5);
        self.queue.push(self.us + took + pause, Due::Dial { mon, host, life });
    }

    fn connect(&mut self, mon: usize, host: usize, machine: usize) {
        let (us, conn) = (self.us, self.conns.len());
        self.mons[mon].dialling[host] = true;
        // Hello, challenge, answer.
        let mut takes = 0;
        for _ in 0..2 {
            takes += self.net.takes(&mut self.draw, machine, host);
            takes += self.net.takes(&mut self.draw, host, machine);
        }
        self.conns.push(Conn {
            mon,
            host,
            mon_life: self.mons[mon].life,
            agent_life: self.hosts[host].life,
            mon_up: false,
            agent_up: false,
            latest: [us, us],
            stalled: Default::default(),
            heard: [us, us],
        });
        self.queue.push(us + takes, Due::Linked { conn });
    }

    pub(super) fn linked(&mut self, conn: usize) {
        let (us, link) = (self.us, &self.conns[conn]);
        let (mon, host) = (link.mon, link.host);
        let machine = self.monitor_machine(mon);
        if self.mons[mon].life != link.mon_life {
            // That process is dead; its successor dials by itself.
            return;
        }
        self.mons[mon].dialling[host] = false;
        let there = self.mons[mon].runs();
        let here = self.hosts[host].awake()
            && self.hosts[host].agent.is_some()
            && self.hosts[host].life == link.agent_life;
        let life = self.mons[mon].life;
        if !(there && here && self.passes(machine, host) && self.passes(host, machine)) {
            self.queue.push(us + QUICK, Due::Dial { mon, host, life });
            return;
        }
        let link = &mut self.conns[conn];
        (link.mon_up, link.agent_up, link.heard) = (true, true, [us, us]);
        self.hosts[host].links.push(conn);
        self.hosts[host].links.sort_unstable();
        self.mons[mon].dials[host] = (0, "");
        self.queue.push(us + AGENT_SILENCE, Due::Silence { conn, down: true });
        let silence = self.config.ttl.as_ms() * 1000;
        self.queue.push(us + silence, Due::Silence { conn, down: false });
        // The monitor's shell knows of the link before it reads what the agent says at once.
        let version = String::new();
        self.tell_monitor(mon, Input::LinkUp { host, version });
        self.give(host, AgentInput::LinkUp { link: conn as u64 });
    }

    /// An agent says something to everybody who is connected.
    pub(super) fn say(&mut self, host: usize, message: FromAgent) {
        let Some((last, others)) = self.hosts[host].links.split_last() else {
            return;
        };
        // Mostly there is one.
        let (last, others): (usize, Vec<usize>) = (*last, others.to_vec());
        for conn in others {
            self.send(conn, false, Packet::Back(message.clone()));
        }
        self.send(last, false, Packet::Back(message));
    }

    /// The agent's end of a connection is gone, if it was not before.
    fn agent_end_gone(&mut self, conn: usize) -> bool {
        let link = &mut self.conns[conn];
        self.hosts[link.host].links.retain(|known| *known != conn);
        std::mem::take(&mut link.agent_up)
    }

    fn ends(&self, conn: usize, down: bool) -> (usize, usize) {
        let (host, machine) = (self.conns[conn].host, self.monitor_machine(self.conns[conn].mon));
        if down { (machine, host) } else { (host, machine) }
    }

    /// Whether what is sent now arrives before anything else happens: mostly it does, on a path on
    /// which nothing is wrong. In a world without jitter everything takes its time.
    pub(super) fn arrives_at_once(&mut self, from: usize, to: usize) -> bool {
        self.config.jitter && self.net.is_quick(from, to) && self.draw.chance(3, 4)
    }

    pub(super) fn send(&mut self, conn: usize, down: bool, packet: Packet) {
        let (from, to) = self.ends(conn, down);
        // What came before comes first; and only what comes again and again is hurried, so that
        // ends of processes and their links stay one thing after another.
        let routine =
            matches!(packet, Packet::Back(FromAgent::Report(_)) | Packet::Down(ToAgent::Grant(_)));
        let free = self.conns[conn].latest[usize::from(!down)] <= self.us;
        if routine && free && self.arrives_at_once(from, to) {
            return self.arrive(conn, down, packet);
        }
        let takes = self.net.takes(&mut self.draw, from, to);
        let latest = &mut self.conns[conn].latest[usize::from(!down)];
        *latest = (self.us + takes).max(*latest);
        let packet = Box::new(packet);
        self.queue.push(*latest, Due::Packet { conn, down, packet });
    }

    pub(super) fn arrive(&mut self, conn: usize, down: bool, packet: Packet) {
        let (from, to) = self.ends(conn, down);
        let way = usize::from(!down);
        let held = !self.conns[conn].stalled[way].is_empty();
        if held || !self.passes(from, to) {
            // A dead machine sends nothing again, and one that was booted answers with a reset.
            if self.hosts[self.conns[conn].host].on {
                self.conns[conn].stalled[way].push_back(packet);
            }
            return;
        }
        self.deliver(conn, down, packet);
    }

    fn deliver(&mut self, conn: usize, down: bool, packet: Packet) {
        let link = &mut self.conns[conn];
        let (mon, host) = (link.mon, link.host);
        if down {
            if !link.agent_up || self.hosts[host].life != link.agent_life {
                return;
            }
            if self.hosts[host].agent_stopped {
                let packet = Box::new(packet);
                return self.hosts[host].parked.push(Due::Packet { conn, down, packet });
            }
            link.heard[0] = self.us;
        } else {
            if !link.mon_up || self.mons[mon].life != link.mon_life {
                return;
            }
            if self.mons[mon].paused {
                let packet = Box::new(packet);
                return self.park_for_monitor(mon, Due::Packet { conn, down, packet });
            }
            link.heard[1] = self.us;
        }
        match packet {
            Packet::Down(message) => {
                let (from, to) = self.ends(conn, true);
                if matches!(message, ToAgent::Grant(_))
                    && self.net.doubles(&mut self.draw, from, to)
                {
                    let late = self.draw.below(self.config.ttl.as_ms() * 1_500);
                    let message = Box::new(message.clone());
                    self.queue.push(self.us + late, Due::Again { host, message });
                }
                if let ToAgent::Examine { id, .. } = message {
                    // Nothing of a simulated machine can be looked at.
                    let (wall, findings) = (self.wall_now(), Vec::new());
                    let message = FromAgent::Examined { id, wall, findings };
                    return self.send(conn, false, Packet::Back(message));
                }
                self.give(host, AgentInput::Heard { link: conn as u64, message });
            }
            Packet::Back(message) => {
                let at = self.mon_time(mon);
                self.tell_monitor(mon, Input::Said { host, at, message });
            }
            Packet::End(why) => self.end_link(conn, down, why),
        }
    }

    /// A grant comes once more, on whatever link is up.
    pub(super) fn once_more(&mut self, host: usize, message: ToAgent) {
        if let Some(link) = self.hosts[host].links.last().copied() {
            self.give(host, AgentInput::Heard { link: link as u64, message });
        }
    }

    /// One end learns that the link is gone, or gives it up.
    fn end_link(&mut self, conn: usize, at_agent: bool, why: &'static str) {
        let link = &mut self.conns[conn];
        let (mon, host) = (link.mon, link.host);
        if at_agent {
            if self.agent_end_gone(conn) {
                let link = conn as u64;
                self.give(host, AgentInput::LinkDown { link, why: why.to_owned() });
            }
        } else if std::mem::take(&mut link.mon_up) {
            self.mons[mon].dials[host] = (0, why);
            let life = self.mons[mon].life;
            let pause = QUICK * 4 / 5 + self.draw.below(QUICK * 2 / 5);
            self.queue.push(self.us + pause, Due::Dial { mon, host, life });
            self.tell_monitor(mon, Input::LinkDown { host, why: why.to_owned() });
        }
    }

    /// Nothing was heard for too long: the end gives up and tells the other, should that still be
    /// there.
    pub(super) fn mind_silence(&mut self, conn: usize, down: bool) {
        let link = &self.conns[conn];
        let (up, heard, stands, silence) = if down {
            let stands = !self.hosts[link.host].awake();
            (link.agent_up, link.heard[0], stands, AGENT_SILENCE)
        } else {
            let silence = self.config.ttl.as_ms() * 1000;
            (link.mon_up, link.heard[1], !self.mons[link.mon].runs(), silence)
        };
        if !up {
            return;
        }
        let over = heard + silence;
        if over > self.us || stands {
            let next = over.max(self.us + 200_000);
            self.queue.push(next, Due::Silence { conn, down });
            return;
        }
        self.end_link(conn, down, "silence");
        self.send(conn, !down, Packet::End("closed by the other end"));
    }

    /// An agent's process ended: its kernel closes its connections.
    pub(super) fn agent_ended(&mut self, host: usize) {
        let on = self.hosts[host].on;
        for conn in 0..self.conns.len() {
            if self.conns[conn].host == host && self.conns[conn].agent_up {
                self.agent_end_gone(conn);
                if on {
                    self.send(conn, false, Packet::End("connection reset"));
                }
            }
        }
    }

    /// A machine is up again: whoever still sends on an old connection is told so.
    pub(super) fn reset_links(&mut self, host: usize) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].host == host && self.conns[conn].mon_up {
                self.conns[conn].stalled = Default::default();
                self.send(conn, false, Packet::End("connection reset"));
            }
        }
    }

    /// A monitor's process ended.
    pub(super) fn monitor_ended(&mut self, mon: usize) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].mon == mon && self.conns[conn].mon_up {
                self.conns[conn].mon_up = false;
                self.send(conn, true, Packet::End("connection reset"));
            }
        }
    }

    /// Something was healed: what was held up is sent again when TCP's timer says so.
    pub(super) fn resend(&mut self) {
        for conn in 0..self.conns.len() {
            for down in [true, false] {
                let (from, to) = self.ends(conn, down);
                let held = !self.conns[conn].stalled[usize::from(!down)].is_empty();
                if held && self.passes(from, to) {
                    let most = self.draw.pick(&[50_000, 400_000, 3_000_000]);
                    let at = self.us + self.draw.below(most);
                    self.queue.push(at, Due::Flush { conn, down });
                }
            }
        }
    }

    pub(super) fn flush(&mut self, conn: usize, down: bool) {
        let (from, to) = self.ends(conn, down);
        if !self.passes(from, to) {
            return;
        }
        let way = usize::from(!down);
        for packet in std::mem::take(&mut self.conns[conn].stalled[way]) {
            self.deliver(conn, down, packet);
        }
    }
}
