//! Somebody else says that it has a VIP of ours: told, answered, and told again when it is over.
//!
//! Answered only while this host serves the address. One that is frozen or fencing is silent: the
//! other is the new holder then, and an answer would draw its clients back.

use std::net::IpAddr;

use mmm_proto::agent::{Duty, Stance};
use mmm_proto::{Span, Time};

use super::{Agent, Effect};

/// Between two answers for one address.
const ANSWER_EVERY: Span = Span::secs(1);

/// After so long without another claim it is over. The address is asked for every 10 s, and an
/// answer may be lost.
const OVER_AFTER: Span = Span::secs(25);

/// Another that says that it has a VIP of ours.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    /// Who, in words.
    who: String,
    heard: Time,
    answered: Option<Time>,
    /// Heard after the last answer.
    unanswered: bool,
}

impl Agent {
    pub(super) fn take_conflict(&mut self, vip: IpAddr, mac: &str, neighbours: &[IpAddr]) {
        if !self.serves(vip) {
            return;
        }
        let now = self.now.boot;
        let who = self.who_is(mac, neighbours);
        let before = self.conflicts.get(&vip);
        let answered = before.and_then(|before| before.answered);
        if before.is_none_or(|before| before.who != who) {
            let why = format!("{who} says that it has {vip}, which this host holds");
            self.news("answers a claim of its VIP", &why);
            let trouble = format!(
                "{vip} is claimed by {who} too: find it and remove the address there \
                 (ip address del {vip} dev ...)"
            );
            self.trouble(&format!("conflict {vip}"), Some(trouble));
        }
        self.conflicts.insert(vip, Conflict { who, heard: now, answered, unanswered: true });
    }

    /// Which host that is, as far as the neighbours' table and the configuration tell.
    fn who_is(&self, mac: &str, neighbours: &[IpAddr]) -> String {
        let named = |ip: &IpAddr| {
            let host = self.roster.hosts.iter().find(|(_, known, _)| known == ip);
            host.map(|(name, ..)| format!("{name}, {ip}"))
        };
        let vip = |ip: &IpAddr| self.roster.vips.iter().any(|known| known.ip == *ip);
        let of = neighbours.iter().find_map(named).or_else(|| {
            neighbours.iter().find(|ip| !vip(ip)).map(|ip| format!("the neighbour {ip}"))
        });
        let of = of.unwrap_or_else(|| "not a neighbour that is known here".to_owned());
        format!("{mac} ({of})")
    }

    /// Whether clients of that address are to come to this host, now.
    fn serves(&self, vip: IpAddr) -> bool {
        let wanted = self.want.as_ref().is_some_and(|want| {
            want.holds.iter().any(|hold| hold.vip == vip && hold.stance == Stance::Serve)
        });
        let known = self.roster.vips.iter().find(|known| known.ip == vip);
        let duty = known.is_some_and(|known| !known.writer || self.duty == Duty::Serving);
        wanted && duty && self.found.contains(&vip) && self.may_hold().is_some()
    }

    pub(super) fn mind_the_conflicts(&mut self) {
        let now = self.now.boot;
        let vips: Vec<IpAddr> = self.conflicts.keys().copied().collect();
        for vip in vips {
            let serves = self.serves(vip);
            let Some(conflict) = self.conflicts.get_mut(&vip) else { continue };
            if !serves || now >= conflict.heard + OVER_AFTER {
                let who = conflict.who.clone();
                self.conflicts.remove(&vip);
                self.trouble(&format!("conflict {vip}"), None);
                if serves {
                    let why = format!("{who} has not said that it has {vip} for {OVER_AFTER}");
                    self.news("has its VIP for itself again", &why);
                }
            } else if conflict.unanswered
                && conflict.answered.is_none_or(|at| now >= at + ANSWER_EVERY)
            {
                (conflict.answered, conflict.unanswered) = (Some(now), false);
                self.out.push(Effect::Announce { vip });
            }
        }
    }

    /// When a conflict is to be looked at again.
    pub(super) fn conflicts_due(&self) -> impl Iterator<Item = Time> {
        self.conflicts
            .values()
            .flat_map(|conflict| {
                let answer = conflict.answered.filter(|_| conflict.unanswered);
                [Some(conflict.heard + OVER_AFTER), answer.map(|at| at + ANSWER_EVERY)]
            })
            .flatten()
    }
}
