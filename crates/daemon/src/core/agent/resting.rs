//! When the rules look, and when they may rest: they look at once when something changed, and when
//! time alone may matter. What they do then is theirs.

use mmm_proto::{Span, Time};

use super::Agent;
use crate::core::lease::Lease;

/// Every rule looks at least so often, whatever it waits for.
const LONGEST_REST: Span = Span::secs(2);

impl Agent {
    /// Most of what comes in says that all is as before; most of what is due is the next report.
    pub(super) fn look_if_due(&mut self) {
        let now = self.now.boot;
        let due = now >= self.look_at;
        if std::mem::take(&mut self.stirred)
            || (due && self.rules_at <= now && self.rules_due() <= now)
        {
            self.look_at_everything();
            self.ruled_at = now;
        } else if due {
            self.tell();
            #[cfg(test)]
            self.nothing_was_missed();
        } else {
            #[cfg(test)]
            if now.0.is_multiple_of(16) {
                self.nothing_was_missed();
            }
            return;
        }
        self.look_at = self.next_look();
    }

    /// When to call again even if nothing comes in.
    pub fn next_wakeup(&self) -> Time {
        self.look_at
    }

    /// The first moment at which there may be anything to do.
    fn next_look(&mut self) -> Time {
        let now = self.now.boot;
        self.rules_at = self.rules_due();
        let ahead = self.tell_due().into_iter().flatten().filter(|at| *at > now);
        ahead.fold(self.rules_at, Time::min)
    }

    /// The first moment after the latest look of the rules at which time alone may matter to one of
    /// them. What had passed by then was looked at.
    fn rules_due(&self) -> Time {
        let leases = [self.lease, self.writer_lease()].into_iter().flatten();
        let leases = leases.flat_map(|lease| [lease.fence_at(), lease.ends()]);
        let vips = self.relies.keys().filter_map(|vip| self.lease_of(*vip)).map(Lease::ends);
        let retries = [self.write_retry, self.replicate_retry];
        let addresses = self.address_retry.values().copied();
        let ahead = leases.chain(vips).chain(retries).chain(addresses);
        let ahead = ahead.chain(self.promises_due().into_iter().flatten());
        let ahead = ahead.chain(self.conflicts_due());
        let last = self.ruled_at;
        ahead.filter(|at| *at > last).fold(last + LONGEST_REST, Time::min)
    }

    /// Whoever rests must not have had anything to do but what may as well wait for the heartbeat.
    #[cfg(test)]
    fn nothing_was_missed(&self) {
        use super::Effect;
        use mmm_proto::agent::FromAgent;

        let mut other = self.clone();
        let before = other.out.len();
        other.look_at_everything();
        let routine = |effect: &Effect| {
            matches!(effect, Effect::Say(FromAgent::Report(_)) | Effect::TellPeers { .. })
        };
        let missed: Vec<&Effect> = other.out[before..].iter().filter(|e| !routine(e)).collect();
        assert!(missed.is_empty() && other.duty == self.duty, "{missed:?} was missed by {self:#?}");
    }
}
