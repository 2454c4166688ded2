//! Addresses and replication: what is wanted against what is found.

use std::net::IpAddr;

use mmm_proto::agent::{Duty, Outcome, Reach, Replicate, Thread};
use mmm_proto::{HostName, RoleMode, Span, Time};
use smallvec::SmallVec;

use super::{Act, ActResult, Agent, Running};
use crate::core::bugs::{Bug, bug};
use crate::core::lease::Lease;

/// Adding or removing one address.
const ADDRESS_LIMIT: Span = Span::secs(2);

/// Between two tries of an address act that failed.
const ADDRESS_RETRY: Span = Span::ms(500);

/// A renewal that gives the kernel less than this is not worth an act: while the monitor decides
/// many times a second, each decision is a grant.
const WORTH: Span = Span::ms(100);

/// Re-pointing, starting or stopping replication. `STOP SLAVE` waits for the transaction in the
/// applier.
const REPLICATION_LIMIT: Span = Span::secs(10);

/// Between two tries of a replication act that failed.
const REPLICATION_RETRY: Span = Span::secs(1);

impl Agent {
    /// A grant came in: the kernel may keep the addresses for what is left of it.
    pub(super) fn refresh_lifetimes(&mut self) {
        for vip in self.wanted_addresses() {
            if let Some(lease) = self.lease_of(vip)
                && self.found.contains(&vip)
                && self.may_address(vip)
                && self.gains(vip, lease)
            {
                self.hold_address(vip, lease);
            }
        }
    }

    /// Whether that lease gives the kernel noticeably more than it was told. Less than it was told
    /// counts as well: the address must not outlive a grant that has become shorter.
    fn gains(&self, vip: IpAddr, lease: Lease) -> bool {
        let told = |until: &Time| lease.ends() >= *until && lease.ends() < *until + WORTH;
        !self.told_kernel.get(&vip).is_some_and(told)
    }

    /// No act on that address is under way, and none failed just now.
    pub(super) fn may_address(&self, vip: IpAddr) -> bool {
        let waits = self.address_retry.get(&vip).is_some_and(|retry| self.now.boot < *retry);
        !waits && !self.addressing.contains_key(&vip)
    }

    /// The VIPs that should be on the interface now. The writer's is there only while the host
    /// serves or is frozen: it comes and goes with the acts of `hold`.
    pub(super) fn wanted_addresses(&self) -> SmallVec<[IpAddr; 4]> {
        let Some(want) = &self.want else {
            return SmallVec::new();
        };
        let writer_up = matches!(self.duty, Duty::Serving | Duty::Frozen | Duty::Freezing);
        want.holds
            .iter()
            .filter(|hold| !hold.writer || writer_up)
            .map(|hold| hold.vip)
            .filter(|vip| self.roster.vips.iter().any(|known| known.ip == *vip))
            .collect()
    }

    pub(super) fn hold_address(&mut self, vip: IpAddr, lease: Lease) {
        if lease.kernel_secs(self.now.boot) > 0 {
            // The end, not the time left: between this decision and the kernel may lie a slow disk.
            let until = if bug(Bug::NoFence) { Time(u64::MAX) } else { lease.ends() };
            let running = self.begin(Act::Hold { vip, until }, ADDRESS_LIMIT, None);
            self.addressing.insert(vip, running);
        }
    }

    /// Balanced VIPs, and exclusive ones of other roles, are added and removed here. A VIP that is
    /// not wanted, or not allowed any more, goes.
    pub(super) fn mind_the_addresses(&mut self) {
        if !self.looked {
            return;
        }
        let wanted = self.wanted_addresses();
        // Who has seen a newer decision than its grant, and does not have a VIP, is taken to have
        // released it: it is not taken up until a grant says what is wanted now.
        let current = self.granted >= self.seen;
        let roster: Vec<(IpAddr, bool, RoleMode)> =
            self.roster.vips.iter().map(|vip| (vip.ip, vip.writer, vip.mode)).collect();
        for (vip, writer, _) in roster {
            if writer || !self.may_address(vip) {
                continue;
            }
            let lease = self.lease_of(vip).filter(|lease| self.now.boot < lease.ends());
            let wanted = lease.is_some() && wanted.contains(&vip) && !self.yielded.contains(&vip);
            match (lease, wanted, self.found.contains(&vip)) {
                (Some(lease), true, false) if current && self.promise_against(vip).is_none() => {
                    self.hold_address(vip, lease);
                }
                (_, false, true) => {
                    let running = self.begin(Act::Drop { vip }, ADDRESS_LIMIT, None);
                    self.addressing.insert(vip, running);
                }
                _ => {}
            }
        }
    }

    /// Whether the end of an act only tells that the kernel keeps an address longer that it has,
    /// and is to have: then all is as before.
    pub(super) fn only_renews(&self, id: u64, result: &ActResult) -> bool {
        let Some((vip, _)) = self.addressing.iter().find(|(_, running)| running.id == id) else {
            return false;
        };
        let held = |running: &Running| matches!(running.act, Act::Hold { .. });
        *result == ActResult::Done
            && self.addressing.get(vip).is_some_and(held)
            && self.found.contains(vip)
            && !self.address_retry.contains_key(vip)
            && !self.yielded.contains(vip)
            && self.wanted_addresses().contains(vip)
            && self.lease_of(*vip).is_some_and(|lease| self.now.boot < lease.ends())
    }

    pub(super) fn address_act_ended(&mut self, running: &Running, result: ActResult) {
        let (Act::Hold { vip, .. } | Act::Drop { vip }) = running.act else {
            return;
        };
        let about = |vip| format!("address {vip}");
        if let ActResult::Failed { why, .. } = result {
            self.address_retry.insert(vip, self.now.boot + ADDRESS_RETRY);
            let why = format!("{}: {why}", running.act.words());
            return self.trouble(&about(vip), Some(why));
        }
        if self.address_retry.remove(&vip).is_some() {
            self.trouble(&about(vip), None);
        }
        if let Act::Hold { until, .. } = running.act {
            self.told_kernel.insert(vip, until);
            self.see(vip);
        } else {
            self.told_kernel.remove(&vip);
            self.found.retain(|found| *found != vip);
            self.changed = true;
        }
    }

    /// Replication towards what is wanted, one act at a time.
    pub(super) fn mind_replication(&mut self) {
        if self.replicating.is_some()
            || self.now.boot < self.replicate_retry
            || self.server_began < self.replicated
            || self.server.reach != Reach::Up
            || self.duty == Duty::Fencing
        {
            return;
        }
        let Some(want) = &self.want else { return };
        let replication = self.server.replication.as_ref();
        match want.replicate.clone() {
            Replicate::AsIs => {}
            Replicate::Off => {
                let runs = replication.is_some_and(|r| r.io != Thread::No || r.sql != Thread::No);
                if runs {
                    self.stopped = true;
                    self.keep(true);
                    self.replicate(Act::StopReplication);
                }
            }
            Replicate::From(host) => {
                let there = replication.is_some_and(|r| self.is_at(&host, &r.source, r.port));
                let off = replication.is_some_and(|r| r.io == Thread::No || r.sql == Thread::No);
                // Once only: to follow makes the position whole.
                let refused = replication
                    .is_some_and(|r| r.io == Thread::No && r.lacks_own && !r.error.is_empty());
                let settled = matches!(self.duty, Duty::None | Duty::Serving);
                // A replication that somebody else stopped, or that broke, is not started blindly.
                if !there || (off && self.stopped) || (refused && settled) {
                    self.replicate(Act::Follow { from: host });
                }
            }
        }
    }

    fn is_at(&self, host: &HostName, source: &str, port: u16) -> bool {
        self.roster
            .hosts
            .iter()
            .any(|(name, ip, p)| name == host && *p == port && source.parse() == Ok(*ip))
    }

    fn replicate(&mut self, act: Act) {
        self.replicating = Some(self.begin(act, REPLICATION_LIMIT, None));
    }

    pub(super) fn replication_act_ended(&mut self, running: &Running, result: ActResult) {
        let now = self.now.boot;
        // What is known is from before the act: a look comes first.
        self.replicated = now;
        match (&running.act, result) {
            (Act::Follow { .. }, ActResult::Done) => {
                self.trouble("replication", None);
                self.stopped = false;
                self.keep(true);
                self.look();
            }
            (Act::StopReplication, ActResult::Done) => {
                self.trouble("replication", None);
                self.look();
            }
            (_, ActResult::Reached { at }) => {
                self.trouble("replication", None);
                self.server.position = self.server.position.union(&at);
                self.answer(running, Outcome::Reached { at });
                self.look();
            }
            (act, ActResult::Failed { why, blockers }) => {
                let words = act.words();
                self.replicate_retry = now + REPLICATION_RETRY;
                if running.order.is_some() {
                    self.answer(running, Outcome::Failed { why, blockers });
                } else {
                    self.trouble("replication", Some(format!("{words}: {why}")));
                }
                self.look();
            }
            (act, other) => {
                let why = format!("{} ended oddly: {other:?}", act.words());
                self.answer(running, Outcome::Failed { why, blockers: Vec::new() });
            }
        }
    }

    /// Looks at the server at once.
    pub(super) fn look(&mut self) {
        let running = self.begin(Act::Look, super::HEARTBEAT, None);
        self.looking.push(running);
    }
}
