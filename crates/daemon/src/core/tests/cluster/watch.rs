//! What must be true in every millisecond, and who holds what.

use std::net::IpAddr;

use mmm_proto::Span;
use mmm_proto::agent::Duty;
use mmm_proto::view::{Blocked, VipView, WriterState};

use super::{Cluster, MOVE_LIMIT};
use crate::core::monitor::Monitor;
use crate::core::tests::host::ToyHost;
use crate::core::tests::{host_name, reader_vip, writer_vip};

impl Cluster {
    pub(super) fn look_at_invariants(&mut self) {
        let open = self.accepting(writer_vip());
        assert!(open.len() <= 1, "{open:?} take writes at once at {}\n{}", self.now, self.tail());
        for reader in 0..3 {
            let up = self.holding(reader_vip(reader));
            assert!(up.len() <= 1, "reader {reader} on {up:?}\n{}", self.tail());
        }
        self.gap = if open.is_empty() { self.gap + 1 } else { 0 };
        self.longest_gap = self.longest_gap.max(self.gap);
        self.look_at_openings();
        if self.now.is_multiple_of(100) && !self.paused {
            self.look_at_reasons();
        }
        for host in 0..3 {
            // Each host may begin a handful of acts at once, but not go on like that.
            let begun = &self.hosts[host].begun;
            if let Some((at, _)) = begun.len().checked_sub(100).and_then(|n| begun.get(n)) {
                let spam = &begun[begun.len() - 10..];
                assert!(self.now - at > 1_000, "hot loop: {spam:?}\n{}", self.tail());
            }
        }
        if let Some(at) = self.events.len().checked_sub(100) {
            let (first, _) = self.events[at];
            assert!(self.now - first > 2_000, "event spam\n{}", self.tail());
        }
        if self.now.is_multiple_of(500)
            && let Some(running) = self.monitor.as_ref().and_then(|m| m.view().running)
        {
            assert!(running.took.as_ms() < MOVE_LIMIT, "{running:?}\n{}", self.tail());
        }
    }

    /// While nobody serves by the monitor's word, the picture says what is waited for; and of each
    /// VIP that is with nobody. What was to end has ended.
    fn look_at_reasons(&mut self) {
        let Some(view) = self.monitor.as_ref().map(Monitor::view) else { return };
        let serving = view.writer.state == WriterState::Serving;
        let told = serving || !view.writer.blocked.is_empty();
        assert!(told, "nobody serves, and no reason: {:?}\n{}", view.writer, self.tail());
        let free = |vip: &&VipView| vip.host.is_none() && vip.blocked.is_empty();
        let roles = view.roles.iter().filter(|role| !role.writer);
        if let Some(vip) = roles.flat_map(|role| &role.vips).find(free) {
            panic!("{} is with nobody, and no reason\n{}", vip.ip, self.tail());
        }
        // What nothing is in the way of is done at once.
        let idle = |one: &Blocked| one.why.contains("nothing is in the way any more");
        let vips = view.roles.iter().flat_map(|role| &role.vips);
        let waits = view.writer.blocked.iter().chain(vips.flat_map(|vip| &vip.blocked)).any(idle);
        self.idle_looks = if waits { self.idle_looks + 1 } else { 0 };
        assert!(self.idle_looks < 5, "nothing is in the way, and it is not done\n{}", self.tail());
        let ready = view.hosts.iter().filter_map(|host| host.readiness.as_ref());
        let blockers = ready.flat_map(|ready| &ready.blockers);
        for blocked in view.writer.blocked.iter().chain(blockers) {
            let old = blocked.ends.is_some_and(|ends| view.now.since(ends) > Span::ms(200));
            assert!(
                !old && !blocked.why.is_empty(),
                "{blocked:?} at {:?}\n{}",
                view.now,
                self.tail()
            );
        }
    }

    /// A host that opens must be the only one whose agent is not done with the role.
    pub(super) fn look_at_openings(&self) {
        let duty = |host: usize| self.hosts[host].duty;
        let awake = |host: usize| !self.hosts[host].frozen && !self.hosts[host].stopped;
        let opens = |host: &usize| duty(*host) == Duty::Opening && awake(*host);
        for opening in (0..3).filter(opens) {
            for other in (0..3).filter(|host| *host != opening && awake(*host)) {
                // One that fences may not know yet that there is nothing to fence.
                let bad = duty(other).may_accept_writes() && duty(other) != Duty::Fencing;
                assert!(
                    !bad,
                    "{} opens while {} is {:?}\n{}",
                    host_name(opening),
                    host_name(other),
                    duty(other),
                    self.tail()
                );
            }
        }
    }

    pub(super) fn accepting(&self, vip: IpAddr) -> Vec<&'static str> {
        let open = self.hosts.iter().filter(|host| host.accepts(vip));
        open.map(ToyHost::name).collect()
    }

    /// The hosts that have an address, but for machines that stand still.
    pub(in crate::core::tests) fn holding(&self, vip: IpAddr) -> Vec<&'static str> {
        let up = self.hosts.iter().filter(|host| !host.frozen && host.vips.contains_key(&vip));
        up.map(ToyHost::name).collect()
    }

    /// Acknowledged writes that a host does not have.
    pub(in crate::core::tests) fn missing_on(&self, host: usize) -> usize {
        let all = &self.hosts[host].server.applied;
        let missing = |(_, number, id): &&(u64, usize, u32)| all.get(number - 1) != Some(id);
        self.acked.iter().filter(missing).count()
    }

    /// Who takes writes now.
    pub(in crate::core::tests) fn open_host(&self) -> Option<&'static str> {
        self.accepting(writer_vip()).first().copied()
    }
}
