//! What the monitor's shell does (`mond/worker.rs`): inputs one by one into the core, decisions on
//! disk (`status`) before they are acted on, then the effects.

use std::collections::VecDeque;

use mmm_proto::agent::ToAgent;
use mmm_proto::{Check, Time};

use super::World;
use super::status::{STORE_LIMIT, STORE_RETRY};
use crate::core::Now;
use crate::core::monitor::{Effect, Input, Monitor, Stored};
use crate::sim::action::{Action, Node, Process};
use crate::sim::clock::Clock;
use crate::sim::due::{Due, Packet};
use crate::sim::text::{self, host_word};

/// A monitor: its process, its disk.
#[derive(Debug)]
pub(super) struct Mon {
    pub(super) core: Option<Monitor>,
    pub(super) clock: Clock,
    pub(super) life: u32,
    pub(super) disk: Option<Stored>,
    pub(super) disk_ok: bool,
    pub(super) disk_takes: u64,
    /// The process stands still.
    pub(super) paused: bool,
    pub(super) busy: bool,
    pumping: bool,
    pub(super) inbox: VecDeque<Input>,
    wake_at: u64,
    /// The wish that it was made from.
    wake_for: Time,
    pub(super) retry_store: Option<u64>,
    parked: Vec<Due>,
    /// The latest decisions, as they went to the disk.
    pub(super) known: Option<Stored>,
    /// By host: attempts to connect, and the reason last told.
    pub(super) dials: Vec<(u32, &'static str)>,
    /// By host: a connection is being made.
    pub(super) dialling: Vec<bool>,
    /// Whether `ping_ips` answer, as it was last told.
    pub(super) network_told: Option<bool>,
}

impl Mon {
    pub(super) fn new(clock: Clock, hosts: usize) -> Self {
        Self {
            core: None,
            clock,
            life: 0,
            disk: None,
            disk_ok: true,
            disk_takes: 0,
            paused: false,
            busy: false,
            pumping: false,
            inbox: VecDeque::new(),
            wake_at: u64::MAX,
            wake_for: Time(0),
            retry_store: None,
            parked: Vec::new(),
            known: None,
            dials: vec![(0, ""); hosts],
            dialling: vec![false; hosts],
            network_told: None,
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.core.is_some() && !self.paused
    }
}

impl World {
    pub(super) fn mon_now(&self, mon: usize) -> Now {
        Now { boot: self.mons[mon].clock.now(self.us), wall: self.wall_now() }
    }

    pub(super) fn start_monitor(&mut self, mon: usize) {
        if self.mons[mon].core.is_some() {
            return;
        }
        if !self.mons[mon].disk_ok {
            // It ends with a message, and systemd tries again.
            let process = if mon == 0 { Process::Monitor } else { Process::Second };
            let action = Box::new(Action::Start(process));
            self.queue.push(self.us + STORE_RETRY, Due::Restart(action));
            return;
        }
        let (now, us) = (self.mon_now(mon), self.us);
        let top = self.top.clone();
        let record = &mut self.mons[mon];
        let core = Monitor::new(top, record.disk.clone(), now);
        let stored = core.stored();
        record.disk = Some(stored.clone());
        record.core = Some(core);
        record.life += 1;
        (record.paused, record.busy, record.retry_store) = (false, false, None);
        record.inbox.clear();
        record.parked.clear();
        record.dials.fill((0, ""));
        record.dialling.fill(false);
        record.network_told = None;
        record.wake_at = us;
        let life = record.life;
        self.watch.monitor_started(us, mon, stored.term);
        self.decided(mon, stored);
        self.queue.push(us, Due::MonitorWake { mon, life });
        let period = self.config.check_period.as_ms() * 1000;
        for host in 0..self.hosts.len() {
            let first = self.draw.below(5_000);
            self.queue.push(us + first, Due::Dial { mon, host, life });
            for check in [Check::Ping, Check::Mysql] {
                let first = self.draw.below(period);
                self.queue.push(us + first, Due::Check { mon, host, check, life });
            }
        }
        self.queue.push(us + self.draw.below(1_000_000), Due::Network { mon, life });
    }

    pub(super) fn kill_monitor(&mut self, mon: usize) {
        let record = &mut self.mons[mon];
        if record.core.take().is_none() {
            return;
        }
        record.life += 1;
        (record.paused, record.busy) = (false, false);
        record.inbox.clear();
        record.parked.clear();
        self.watch.monitor_ended(self.us, mon);
        self.monitor_ended(mon);
    }

    pub(super) fn unpark_monitor(&mut self, mon: usize) {
        if !self.mons[mon].runs() {
            return;
        }
        let parked = std::mem::take(&mut self.mons[mon].parked);
        let links = self.us + self.draw.below(3_000);
        for due in parked {
            let at = match due {
                Due::Packet { .. } => links,
                _ => self.us + self.draw.below(3_000),
            };
            self.queue.push(at, due);
        }
        let life = self.mons[mon].life;
        self.mons[mon].wake_at = self.us;
        self.queue.push(self.us, Due::MonitorWake { mon, life });
        self.pump_monitor(mon);
    }

    /// Keeps something for a monitor that stands still.
    pub(super) fn park_for_monitor(&mut self, mon: usize, due: Due) {
        self.mons[mon].parked.push(due);
    }

    pub(super) fn monitor_due(&mut self, due: Due) {
        let (mon, life) = match &due {
            Due::MonitorWake { mon, life }
            | Due::MonitorInput { mon, life, .. }
            | Due::MonitorWritten { mon, life, .. }
            | Due::Check { mon, life, .. }
            | Due::CheckEnd { mon, life, .. }
            | Due::Network { mon, life } => (*mon, *life),
            _ => return,
        };
        let record = &mut self.mons[mon];
        if record.life != life || record.core.is_none() {
            return;
        }
        if record.paused {
            if !matches!(due, Due::MonitorWake { .. }) {
                record.parked.push(due);
            }
            return;
        }
        match due {
            Due::MonitorWake { .. } => self.wake_monitor(mon),
            Due::MonitorInput { input, .. } => self.tell_monitor(mon, *input),
            Due::MonitorWritten { stored, effects, .. } => {
                (self.mons[mon].busy, self.mons[mon].pumping) = (false, true);
                self.on_disk(mon, *stored, effects);
                self.mons[mon].pumping = false;
                self.pump_monitor(mon);
            }
            Due::Check { host, check, .. } => self.check(mon, host, check),
            Due::CheckEnd { host, check, found, began, .. } => {
                self.check_ended(mon, host, check, *found, began);
            }
            Due::Network { .. } => self.look_at_network(mon),
            _ => {}
        }
    }

    fn wake_monitor(&mut self, mon: usize) {
        let us = self.us;
        let record = &mut self.mons[mon];
        if record.wake_at > us {
            return;
        }
        record.wake_at = u64::MAX;
        let Some(core) = &record.core else { return };
        let due = record.clock.when(us, core.next_wakeup());
        if due <= us {
            self.tell_monitor(mon, Input::Tick);
        } else {
            self.wake_monitor_at(mon, due);
        }
    }

    /// What the monitor wants to be woken for: mostly what it wanted before.
    fn wake_monitor_for(&mut self, mon: usize, wake: Time) {
        let record = &mut self.mons[mon];
        if record.wake_at != u64::MAX && record.wake_for == wake {
            return;
        }
        record.wake_for = wake;
        let at = record.clock.when(self.us, wake);
        self.wake_monitor_at(mon, at);
    }

    fn wake_monitor_at(&mut self, mon: usize, at: u64) {
        let record = &mut self.mons[mon];
        if at < record.wake_at {
            record.wake_at = at;
            let life = record.life;
            self.queue.push(at, Due::MonitorWake { mon, life });
        }
    }

    /// Puts an input before a monitor; it takes it when it can.
    pub(super) fn tell_monitor(&mut self, mon: usize, input: Input) {
        let record = &mut self.mons[mon];
        if record.core.is_none() {
            return;
        }
        if !record.pumping && !record.busy && record.inbox.is_empty() && record.runs() {
            record.pumping = true;
            self.step_monitor(mon, input);
            self.mons[mon].pumping = false;
            if self.mons[mon].inbox.is_empty() {
                return;
            }
        } else {
            record.inbox.push_back(input);
        }
        self.pump_monitor(mon);
    }

    fn pump_monitor(&mut self, mon: usize) {
        if self.mons[mon].pumping {
            return;
        }
        self.mons[mon].pumping = true;
        while !self.mons[mon].busy && self.mons[mon].runs() {
            let Some(input) = self.mons[mon].inbox.pop_front() else {
                break;
            };
            self.step_monitor(mon, input);
        }
        self.mons[mon].pumping = false;
    }

    fn step_monitor(&mut self, mon: usize, input: Input) {
        let now = self.mon_now(mon);
        if self.mons[mon].retry_store.is_some_and(|at| self.us >= at) {
            self.retry_store(mon, now);
        }
        // Nobody's command is taken up only to find out then that it cannot be written down. The
        // time of this first write is not counted.
        let acts = matches!(&input, Input::Asked { request, .. } if request.acts());
        let record = &self.mons[mon];
        let writes = record.disk_ok && record.disk_takes <= STORE_LIMIT;
        if acts && !writes && record.retry_store.is_none() {
            self.not_on_disk(mon);
        }
        let Some(core) = &mut self.mons[mon].core else {
            return;
        };
        let asked = matches!(input, Input::Asked { .. });
        let effects = core.step(now, input);
        let (stamp, wake) = (core.stamp(), core.next_wakeup());
        self.watch.monitor_stepped(self.us, mon, stamp);
        self.note_rows(mon);
        self.wake_monitor_for(mon, wake);
        self.carry_out_decisions(mon, effects, asked);
    }

    pub(super) fn decided(&mut self, mon: usize, stored: Stored) {
        if mon == 0 {
            let (us, hosts, vips) = (self.us, &self.hosts, &self.vips);
            let has = |name: &str, ip: &str| {
                let host = text::host(name).ok().and_then(|host| hosts.get(host));
                let vip = vips.iter().position(|vip| vip.to_string() == ip);
                host.zip(vip).is_some_and(|(host, vip)| host.has_vip(vip, us))
            };
            self.watch.decided(us, self.mons[0].known.as_ref(), &stored, has);
        }
        self.mons[mon].known = Some(stored);
    }

    pub(super) fn perform_effect(&mut self, mon: usize, effect: Effect) {
        match effect {
            Effect::Persist(_) => {}
            Effect::Send { host, message } => self.send_down(mon, host, message),
            Effect::Probe { host } => self.probe(mon, host),
            Effect::RunHook { host, .. } => self.run_hook(mon, host),
            Effect::Answer { to, answer } => self.answered(to.id, answer),
            Effect::Event(event) => self.told(mon, event),
        }
    }

    fn send_down(&mut self, mon: usize, host: usize, message: ToAgent) {
        if let ToAgent::Order(order) = &message
            && self.trace.is_some()
        {
            let line = format!("  order to {}: {:?}", host_word(host), order.step);
            self.note(line);
        }
        if let Some(conn) = self.link_of(mon, host) {
            self.send(conn, true, Packet::Down(message));
        }
    }

    /// The machine of a monitor that people mean.
    pub(super) fn mon_of(node: Node) -> Option<usize> {
        match node {
            Node::Monitor => Some(0),
            Node::Second => Some(1),
            Node::Host(_) => None,
        }
    }

    pub(super) fn mon_time(&self, mon: usize) -> Time {
        self.mons[mon].clock.now(self.us)
    }
}
