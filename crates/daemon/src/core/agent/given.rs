//! The word that this host gives to others: when it does, what it forbids meanwhile, how it ends.
//! Asking others for theirs is in `promises`.

use std::net::IpAddr;

use mmm_proto::agent::{Duty, Stamp};
use mmm_proto::peer::{Answer, Ask, PeerMessage, Promised, Refused};
use mmm_proto::{HostName, Span, Time};

use super::promises::{Given, KeptPromise};
use super::{Agent, Effect};
use crate::core::bugs::{Bug, bug};
use crate::core::lease;

/// No grant is that long: a peer that asks for more is broken, and would block this host.
const LONGEST: Span = Span::secs(600);

impl Agent {
    /// Whether it may have given promises that it does not know of: its state file was lost, and a
    /// grant before it began may not be over. That it has none is no word of its then.
    pub(super) fn forgetful(&self) -> bool {
        let over = lease::surely_over(self.started, self.ttl);
        self.blank && (self.ttl == Span::ZERO || self.now.boot <= over)
    }

    pub(super) fn take_ask(&mut self, from: &HostName, ask: &Ask) {
        let (mut promised, mut refused) = (Vec::new(), Vec::new());
        let now = self.now.boot;
        let until = lease::surely_over(now, ask.ttl);
        let mut new = false;
        for vip in &ask.vips {
            if let Some((stamp, why)) = self.why_not_promise(*vip, ask) {
                refused.push(Refused { vip: *vip, stamp, why });
                continue;
            }
            promised.push(*vip);
            let known = self.given.iter_mut().find(|given| given.to == *from && given.vip == *vip);
            if let Some(given) = known {
                new |= given.ttl != ask.ttl;
                given.ttl = ask.ttl;
                let before = if given.asked.0 == u64::MAX { Time(0) } else { given.asked };
                given.asked = before.max(ask.clock);
                given.until = given.until.max(until);
            } else {
                let (to, vip) = (from.clone(), *vip);
                self.given.push(Given { to, vip, asked: ask.clock, ttl: ask.ttl, until });
                new = true;
            }
        }
        if !promised.is_empty() && ask.stamp > self.seen {
            self.seen = ask.stamp;
            new = true;
        }
        if new {
            self.changed = true;
            self.keep(true);
        }
        let answer = Answer { echo: ask.clock, promised, refused };
        let message = PeerMessage::Answer(answer);
        self.out.push(Effect::SayPeer { to: from.clone(), message });
    }

    /// Why a promise is not given, and the decision that is the reason, if one is.
    fn why_not_promise(&self, vip: IpAddr, ask: &Ask) -> Option<(Stamp, String)> {
        let me = &self.roster.me;
        let (none, granted) = (Stamp::default(), self.granted);
        let Some(known) = self.roster.vips.iter().find(|known| known.ip == vip) else {
            return Some((none, format!("{vip} is not in the configuration of {me}")));
        };
        if bug(Bug::PromiseAndHold) {
            return None;
        }
        // Who knows less than the asker has nothing to say against it.
        if let Some(want) = self.want.as_ref().filter(|_| granted >= ask.stamp) {
            if want.holds.iter().any(|hold| hold.vip == vip) {
                return Some((granted, format!("{me} is to hold {vip}")));
            }
            if want.prepared.contains(&vip) {
                return Some((granted, format!("{vip} is to be given to another host")));
            }
        }
        let why = if ask.ttl > LONGEST {
            format!("{} is longer than any grant", ask.ttl)
        } else if let Some(why) = self.troubles.get("store") {
            format!("{me} {why}")
        } else if self.found.contains(&vip) || self.busy_with(vip) {
            format!("{me} has {vip}")
        } else if known.writer && self.duty != Duty::None {
            format!("{me} is {} as writer", self.duty.word())
        } else {
            return None;
        };
        Some((none, why))
    }

    pub(super) fn end_given(&mut self, over: impl Fn(&Given) -> bool) {
        let before = self.given.len();
        self.given.retain(|given| !over(given));
        if self.given.len() != before {
            (self.changed, self.stirred) = (true, true);
            self.keep(false);
        }
    }

    /// The promise that keeps this host from taking a VIP.
    pub(super) fn promise_against(&self, vip: IpAddr) -> Option<&Given> {
        let now = self.now.boot;
        let live = |given: &&Given| given.vip == vip && given.until > now;
        self.given.iter().find(live).filter(|_| !bug(Bug::PromiseAndHold))
    }

    /// Its own promises that are live, for the report.
    pub(super) fn promises_live(&self) -> Vec<Promised> {
        let now = self.now.boot;
        // A promise that binds nobody is none to tell of: told, it would keep the monitor from
        // giving the VIP to who promised, and the mistake would be as good as mended.
        let live = |given: &&Given| given.until > now && !bug(Bug::PromiseAndHold);
        let live = self.given.iter().filter(live);
        live.map(|given| Promised {
            to: given.to.clone(),
            vip: given.vip,
            left: given.until.since(now),
        })
        .collect()
    }

    pub(super) fn kept_promises(&self) -> Vec<KeptPromise> {
        let kept =
            |given: &Given| KeptPromise { to: given.to.clone(), vip: given.vip, ttl: given.ttl };
        self.given.iter().map(kept).collect()
    }
}

/// The promises of an agent that starts: each counts anew from now.
pub(super) fn given_as_kept(kept: &[KeptPromise], now: Time) -> Vec<Given> {
    let given = |kept: &KeptPromise| Given {
        to: kept.to.clone(),
        vip: kept.vip,
        // What a peer said before is not known any more: only a new ask lets its news end it.
        asked: Time(u64::MAX),
        ttl: kept.ttl,
        until: lease::surely_over(now, kept.ttl),
    };
    kept.iter().map(given).collect()
}
