//! What a grant changes, what of it is written down, and what of that counts after a start.
//! What the host then does about it is in `hold` and `apply`.

use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::{Duty, FromAgent, Grant, Stamp, Stance};

use super::Agent;
use super::words::{Effect, Kept};
use crate::core::bugs::{Bug, bug};
use crate::core::lease::Lease;

impl Agent {
    /// Takes up what was kept, if that was in this boot and any permission still lasts.
    pub(super) fn resume(&mut self) {
        let same = |kept: &&Kept| kept.boot_id == self.boot_id || bug(Bug::IgnoreBoot);
        let Some(kept) = self.kept.as_deref().filter(same).cloned() else { return };
        let serves = kept.duty == Duty::Serving;
        (self.lease, self.ttl, self.granted) = (kept.lease, kept.ttl, kept.granted);
        self.want = kept.want;
        self.yielded = kept.yielded.into_iter().collect();
        self.relies = kept.relies.into_iter().collect();
        self.got = kept.got.into_iter().map(|(vip, host, at)| ((vip, host), at)).collect();
        let mut leases =
            self.lease.into_iter().chain(self.relies.keys().filter_map(|vip| self.lease_of(*vip)));
        if !leases.any(|lease| self.now.boot < lease.fence_at()) {
            (self.lease, self.want, self.granted) = (None, None, Stamp::default());
            self.yielded.clear();
            self.relies.clear();
            self.got.clear();
        } else {
            self.resumed = true;
            if serves && self.may_hold().is_some() {
                self.duty = Duty::Serving;
            }
        }
    }

    /// What an earlier process held is still on the interface. It had let go of what is not there,
    /// and may have said so, though its state does not where the disk was full: then others may
    /// have that, and only a new grant gives it back.
    pub(super) fn leave_what_was_let_go(&mut self) {
        let wanted = self.want.iter().flat_map(|want| &want.holds).map(|hold| hold.vip);
        let gone: Vec<IpAddr> = wanted.filter(|vip| !self.found.contains(vip)).collect();
        self.changed |= !gone.is_empty();
        self.yielded.extend(gone);
        self.keep(false);
    }

    /// A grant counts when it is not older than what was seen and answers a report of this boot.
    pub(super) fn take_grant(&mut self, link: u64, grant: Grant) {
        let refuse = |agent: &mut Self, why: String| {
            let (got, seen) = (grant.stamp, agent.seen);
            let message = FromAgent::Refused { order: None, got, seen, why };
            agent.out.push(Effect::SayTo { link, message });
        };
        if grant.stamp < self.seen && !bug(Bug::ObeyStale) {
            let why = format!("grant {} is older than {}", grant.stamp, self.seen);
            return refuse(self, why);
        }
        if grant.echo > self.now.boot {
            return refuse(self, "the grant echoes a report that was never made".to_owned());
        }
        // It answers an earlier process, which may have heard and done more since than it could
        // write down.
        if grant.echo < self.started {
            return;
        }
        self.resumed = false;
        let newer = grant.stamp > self.seen;
        let fresher = self.lease.is_none_or(|lease| grant.echo >= lease.echo);
        if !newer && !fresher {
            return;
        }
        let echo = if bug(Bug::FromArrival) { self.now.boot } else { grant.echo };
        let lease = Lease { echo, ttl: grant.ttl };
        let alive = self.now.boot < lease.fence_at();
        // What could not be done by the grant before can not be done by this one either, if there
        // was time enough left of it.
        let lasted = self.lease.is_some_and(|before| {
            self.now.boot < before.fence_at() && before.kernel_secs(self.now.boot) > 0
        });
        let quiet = lasted && alive && self.hears() && self.relies.is_empty();
        let decided = grant.stamp != self.granted;
        let term_changed = grant.stamp.term != self.seen.term;
        let renewed = self.want.as_ref() == Some(&grant.want);
        (self.seen, self.granted) = (grant.stamp, grant.stamp);
        let same = renewed && (self.ttl, self.beat) == (grant.ttl, grant.heartbeat);
        self.stirred |= decided || !same || !quiet || !self.yielded.is_empty();
        (self.ttl, self.beat) = (grant.ttl, grant.heartbeat);
        self.yielded.clear();
        self.want = Some(grant.want);
        if self.wanted_writer().is_none_or(|hold| hold.stance != Stance::Serve) {
            self.open_failed = 0;
        }
        self.lease = alive.then_some(lease);
        if newer {
            self.changed = true;
        }
        if alive {
            self.refresh_lifetimes();
        }
        self.keep(term_changed || (newer && !renewed));
    }

    /// Writes down what must survive.
    pub(super) fn keep(&mut self, sync: bool) {
        let kept = Kept {
            host: self.roster.me.clone(),
            boot_id: self.boot_id.clone(),
            seen: self.seen,
            duty: self.duty,
            lease: self.lease,
            want: self.want.clone(),
            granted: self.granted,
            served: self.served,
            stopped: self.stopped,
            ttl: self.ttl,
            given: self.kept_promises(),
            relies: self.relies.iter().map(|(vip, since)| (*vip, *since)).collect(),
            yielded: self.yielded.iter().copied().collect(),
            got: self.got.iter().map(|((vip, host), at)| (*vip, host.clone(), *at)).collect(),
        };
        if self.kept.as_deref() != Some(&kept) && !bug(Bug::AgentForgets) {
            let kept = Arc::new(kept);
            self.kept = Some(kept.clone());
            self.out.push(Effect::Persist { kept, sync });
        }
    }
}
