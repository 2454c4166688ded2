//! Holding on without a monitor, while every other host that could take over gives its word not
//! to; and the word that this host gives to others (design, section 6.3 and 6.10).
//!
//! Who holds a VIP and has heard no monitor for a third of the grant asks at each heartbeat. The
//! answers count like grants: from the clock of the ask. Who has promised a VIP takes it only when
//! the promise is over by its own, longer count. So whoever else is given the VIP by a monitor, he
//! or somebody without whose word the holder goes not on has stopped promising, and the holder's
//! time is over.

use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::{Duty, Stance};
use mmm_proto::peer::{Answer, Ask, News, PeerMessage, Refused};
use mmm_proto::{HostName, Span, Time};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Agent, Effect, HEARTBEAT};
use crate::core::bugs::{Bug, bug};
use crate::core::lease::Lease;

/// A promise that this host gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub to: HostName,
    pub vip: IpAddr,
    /// The asker's clock at the ask, and how long it may hold.
    pub asked: Time,
    pub ttl: Span,
    /// On this host's clock.
    pub until: Time,
}

/// A promise as it is kept on disk: after a restart it counts anew in full length, so that nothing
/// has to be written while it is only prolonged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPromise {
    pub to: HostName,
    pub vip: IpAddr,
    pub ttl: Span,
}

/// What a peer said last.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub host: HostName,
    pub at: Time,
    pub news: Arc<News>,
}

impl Agent {
    /// What of the permission to hold a VIP lasts longest: the grant, or the promises of all who
    /// could take it.
    pub(super) fn lease_of(&self, vip: IpAddr) -> Option<Lease> {
        let Some(echo) = self.promised_since(vip) else { return self.lease };
        let promised = Lease { echo, ttl: self.ttl };
        match self.lease {
            Some(lease) if lease.ends() > promised.ends() => Some(lease),
            _ => Some(promised),
        }
    }

    /// The permission to be the writer, wanted or just not wanted any more.
    pub(super) fn writer_lease(&self) -> Option<Lease> {
        match self.wanted_writer() {
            Some(hold) => self.lease_of(hold.vip),
            None => self.lease,
        }
    }

    /// A monitor was heard lately.
    pub(super) fn hears(&self) -> bool {
        let third = self.ttl.as_ms() / 3;
        self.lease.is_some_and(|lease| self.now.boot.since(lease.echo).as_ms() < third)
    }

    /// The hosts without whose promise a VIP is not held on; none when it is never held on.
    fn asked_for(&self, vip: IpAddr) -> Option<SmallVec<[&HostName; 8]>> {
        let want = self.want.as_ref()?;
        let hold = want.holds.iter().find(|hold| hold.vip == vip)?;
        let named = if hold.writer { &want.ask.candidates } else { &want.ask.peers };
        let others: SmallVec<[&HostName; 8]> =
            named.iter().filter(|host| **host != self.roster.me).collect();
        // The only host that may ever be the writer needs nobody's word. Readers go on only while
        // somebody else is there: whoever is cut off from all serves nobody.
        let enough = if hold.writer { !named.is_empty() } else { !others.is_empty() };
        enough.then_some(others)
    }

    /// Whether a VIP is held on although nobody answers (`isolated_writer = "hold"`). The host's
    /// own word then counts as the only promise that it needs: it is given at each ask, and like
    /// any other it is over for good when the agent stood still for too long, because the kernel
    /// has dropped the VIP by then and others may have been given it.
    fn goes_on_alone(&self, vip: IpAddr) -> bool {
        let Some(want) = self.want.as_ref().filter(|want| want.ask.alone) else { return false };
        want.holds.iter().any(|hold| hold.vip == vip && hold.writer)
    }

    /// The clock from which a VIP may be held by promises.
    fn promised_since(&self, vip: IpAddr) -> Option<Time> {
        self.relies.get(&vip)?;
        if self.goes_on_alone(vip) {
            return self.got_from(vip, &self.roster.me);
        }
        let mut since = self.now.boot;
        let others = self.asked_for(vip)?;
        if bug(Bug::OnePromise) {
            return others.iter().filter_map(|host| self.got_from(vip, host)).max();
        }
        for host in others {
            since = since.min(self.got_from(vip, host)?);
        }
        Some(since)
    }

    /// The clock of the latest ask that a host has answered with its promise.
    fn got_from(&self, vip: IpAddr, host: &HostName) -> Option<Time> {
        let of = |((ip, from), _): &(&(IpAddr, HostName), &Time)| *ip == vip && from == host;
        self.got.iter().find(of).map(|(_, at)| *at)
    }

    /// Ends what is over, and sees to the promises that this host needs.
    pub(super) fn mind_promises(&mut self) {
        let now = self.now.boot;
        self.end_given(|given| given.until <= now);
        let wanted: Vec<IpAddr> =
            self.want.iter().flat_map(|want| &want.holds).map(|h| h.vip).collect();
        let hears = self.hears();
        for vip in wanted {
            if !hears && self.may_rely(vip) && !self.relies.contains_key(&vip) {
                self.relies.insert(vip, now);
                self.asked_at = None;
                self.changed = true;
            }
        }
        let over: Vec<IpAddr> =
            self.relies.keys().copied().filter(|vip| self.relies_no_more(*vip)).collect();
        for vip in over {
            self.relies.remove(&vip);
            self.got.retain(|(of, _), _| *of != vip);
            self.changed = true;
        }
        self.ask_if_due();
    }

    /// Whether a VIP is held now and may be held on.
    fn may_rely(&self, vip: IpAddr) -> bool {
        let Some(hold) = self.want.iter().flat_map(|w| &w.holds).find(|h| h.vip == vip) else {
            return false;
        };
        let held = if hold.writer {
            hold.stance == Stance::Serve && matches!(self.duty, Duty::Serving | Duty::Opening)
        } else {
            self.found.contains(&vip) && !self.yielded.contains(&vip)
        };
        // What is over stays over: somebody else may have been given it since, whom this host does
        // not know to ask.
        let lasts = self.lease_of(vip).is_some_and(|lease| self.now.boot < lease.ends());
        held && lasts && self.asked_for(vip).is_some()
    }

    /// Whether it is certain that a VIP is not held by promises any more: the grant reaches as far,
    /// or the host has let go of it.
    fn relies_no_more(&self, vip: IpAddr) -> bool {
        let writer = self.writer_vips().contains(&vip);
        let let_go =
            if writer { self.duty == Duty::None } else { self.looked && !self.busy_with(vip) }
                && !self.found.contains(&vip);
        let others = self.asked_for(vip).is_some_and(|others| !others.is_empty());
        let promised = self.promised_since(vip).filter(|_| others);
        let granted = self.hears()
            && self.lease.is_some_and(|lease| promised.is_none_or(|at| lease.echo >= at));
        let_go || granted
    }

    pub(super) fn busy_with(&self, vip: IpAddr) -> bool {
        self.addressing.contains_key(&vip)
    }

    fn ask_if_due(&mut self) {
        let now = self.now.boot;
        let beat = self.ask_every();
        if self.asked_at.is_some_and(|at| now.since(at) < beat) {
            return;
        }
        let asking: Vec<IpAddr> =
            self.relies.keys().copied().filter(|vip| self.may_rely(*vip)).collect();
        if asking.is_empty() {
            return;
        }
        self.asked_at = Some(now);
        for vip in &asking {
            let alone = self.goes_on_alone(*vip);
            if alone {
                self.got.insert((*vip, self.roster.me.clone()), now);
            }
            if alone || self.asked_for(*vip).is_some_and(|others| others.is_empty()) {
                self.prolong(*vip);
            }
        }
        for host in self.others().iter() {
            let of_host =
                |vip: &IpAddr| self.asked_for(*vip).is_some_and(|others| others.contains(&host));
            let vips: Vec<IpAddr> = asking.iter().copied().filter(of_host).collect();
            if !vips.is_empty() {
                let ask = Ask { clock: now, ttl: self.ttl, stamp: self.granted, vips };
                self.out.push(Effect::SayPeer { to: host.clone(), message: PeerMessage::Ask(ask) });
            }
        }
    }

    /// However seldom the monitor wants to hear: time runs out.
    fn ask_every(&self) -> Span {
        self.within_the_grant(HEARTBEAT)
    }

    /// The other hosts that are talked to.
    pub(super) fn others(&mut self) -> Arc<[HostName]> {
        let Some(ask) = self.want.as_ref().map(|want| &want.ask) else { return Arc::default() };
        let (of, known) = &self.others;
        if of == ask {
            return known.clone();
        }
        let mut others: SmallVec<[HostName; 8]> = SmallVec::new();
        for host in ask.candidates.iter().chain(&ask.peers) {
            if *host != self.roster.me && !others.contains(host) {
                others.push(host.clone());
            }
        }
        let others: Arc<[HostName]> = others.as_slice().into();
        self.others = (ask.clone(), others.clone());
        others
    }

    /// When promises want to be looked at again.
    pub(super) fn promises_due(&self) -> [Option<Time>; 3] {
        let ask = self.asked_at.filter(|_| !self.relies.is_empty());
        let third = self.lease.map(|lease| lease.echo + Span::ms(self.ttl.as_ms().div_ceil(3)));
        let given = self.given.iter().map(|given| given.until).min();
        [ask.map(|at| at + self.ask_every()), third, given]
    }

    pub(super) fn take_peer(&mut self, from: &HostName, message: PeerMessage) {
        if !self.roster.hosts.iter().any(|(host, ..)| host == from) || *from == self.roster.me {
            return;
        }
        match message {
            PeerMessage::News(news) => self.take_news(from, news),
            PeerMessage::Ask(ask) => self.take_ask(from, &ask),
            PeerMessage::Answer(answer) => self.take_answer(from, &answer),
            PeerMessage::Alive {} | PeerMessage::Error { .. } => {}
        }
    }

    fn take_news(&mut self, from: &HostName, news: Arc<News>) {
        // A host that hears no monitor and is not the writer learns here what was decided: what is
        // older it would obey no more, and says so to all.
        if self.duty == Duty::None && !self.hears() && news.seen > self.seen {
            // A new term is not forgotten by a crash, by whatever way it was learned.
            let new_term = news.seen.term != self.seen.term;
            self.seen = news.seen;
            (self.changed, self.stirred) = (true, true);
            self.keep(new_term);
        }
        let freed = |given: &Given| {
            given.to == *from && news.clock > given.asked && !news.relies.contains(&given.vip)
        };
        self.end_given(freed);
        let now = self.now.boot;
        match self.peers.iter_mut().find(|peer| peer.host == *from) {
            // Two connections may change their order.
            Some(peer) if is_older(&news, &peer.news) && now.since(peer.at) < self.ttl => return,
            Some(peer) => {
                let differs = differs(&peer.news, &news);
                (peer.at, peer.news) = (now, news);
                if !differs {
                    return;
                }
            }
            None => {
                self.peers.push(Peer { host: from.clone(), at: now, news });
                self.peers.sort_by(|a, b| a.host.cmp(&b.host));
            }
        }
        // No rule reads it: it is for the monitor.
        (self.peers_changed, self.look_at) = (true, now);
    }

    fn take_answer(&mut self, from: &HostName, answer: &Answer) {
        let now = self.now.boot;
        let echo = answer.echo;
        if echo > now {
            return;
        }
        for vip in &answer.promised {
            let asked = self.relies.get(vip).is_some_and(|since| echo >= *since);
            if !asked || !self.may_rely(*vip) {
                continue;
            }
            let before = self.promised_since(*vip);
            let at = self.got.entry((*vip, from.clone())).or_insert(echo);
            *at = (*at).max(echo);
            if self.promised_since(*vip) != before {
                self.prolong(*vip);
            }
        }
        for refused in &answer.refused {
            self.give_way(from, refused);
        }
    }

    /// The promises reach further than before: so may the kernel's timer.
    fn prolong(&mut self, vip: IpAddr) {
        let lease = self.lease_of(vip).filter(|lease| self.now.boot < lease.ends());
        let up = self.found.contains(&vip) && self.wanted_addresses().contains(&vip);
        if let Some(lease) = lease.filter(|_| up && self.may_address(vip)) {
            self.hold_address(vip, lease);
        }
        self.keep(false);
    }

    /// Somebody knows a decision that this host has not heard of: the VIP is to go elsewhere. To
    /// let go at once is better for the clients than to wait for the end of the time.
    fn give_way(&mut self, from: &HostName, refused: &Refused) {
        let vip = refused.vip;
        if refused.stamp <= self.granted || !self.relies.contains_key(&vip) || self.hears() {
            return;
        }
        if refused.stamp > self.seen {
            self.seen = refused.stamp;
            self.keep(true);
        }
        let why = format!("{from} knows decision {}: {}", refused.stamp, refused.why);
        if !self.writer_vips().contains(&vip) {
            if self.yielded.insert(vip) {
                self.keep(true);
                self.news(&format!("lets {vip} go"), &why);
            }
        } else if matches!(self.duty, Duty::Serving | Duty::Opening) {
            self.news("fences itself", &why);
            self.fence();
        }
    }

    /// Why there are no promises to go on by, for the news of a fence.
    pub(super) fn missing_promises(&self) -> String {
        let Some(hold) = self.wanted_writer() else { return String::new() };
        let Some(others) = self.asked_for(hold.vip) else { return String::new() };
        if self.goes_on_alone(hold.vip) {
            return "; the agent stood still for too long to hold it alone".to_owned();
        }
        let late = |host: &&&HostName| {
            let at = self.got_from(hold.vip, host);
            at.is_none_or(|at| self.now.boot.since(at).as_ms() * 3 >= self.ttl.as_ms() * 2)
        };
        let late: Vec<&str> = others.iter().filter(late).map(|host| host.as_str()).collect();
        if late.is_empty() {
            String::new()
        } else {
            format!("; no promise from {}", late.join(", "))
        }
    }
}

/// Of what was said within one millisecond the decision that it knows tells which came first.
fn is_older(news: &News, known: &News) -> bool {
    (news.clock, news.seen) < (known.clock, known.seen)
}

/// Whether news tell more than that time passed.
fn differs(old: &News, new: &News) -> bool {
    old.seen != new.seen
        || old.duty != new.duty
        || old.vips != new.vips
        || old.server_up != new.server_up
        || old.relies != new.relies
}
