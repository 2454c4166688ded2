//! What agents say of each other: whom a holder asks for promises, who goes on by them, and who was
//! heard by another host though the monitor cannot hear him (design, sections 6.3 and 6.9).

use std::sync::Arc;

use mmm_proto::agent::{Duty, Report, Stamp};
use mmm_proto::event::Level;
use mmm_proto::peer::{Askable, PeerHeard};
use mmm_proto::{HostName, HostState, RoleMode, Span, Time};
use smallvec::{SmallVec, smallvec};

use super::Monitor;
use super::vips::Claim;
use crate::core::bugs::{Bug, bug};
use crate::core::lease;

/// Of how many hosts a holder of reader VIPs needs the promise: all hosts that could be given one
/// must be asked, and a cluster of hundreds must not talk each with each.
const PEERS_MAX: usize = 8;

impl Monitor {
    /// Whom a host asks for promises when it hears no monitor.
    pub(super) fn askable(&self, host: usize) -> Arc<Askable> {
        // What cannot be written down is not said: a monitor that starts would not know of it.
        if let Some(last) = self.hosts[host].asks.last().filter(|_| !self.store_why.is_empty()) {
            return last.clone();
        }
        let writers: &[usize] =
            if self.may_be_writer(host) { &self.top.roles[self.top.writer].hosts } else { &[] };
        // Whoever cannot serve is given nothing, and his silence would end others' service.
        let balanced = |role: &&super::topology::RoleSpec| {
            role.mode == RoleMode::Balanced && role.hosts.contains(&host)
        };
        let mut peers: SmallVec<[usize; PEERS_MAX]> = smallvec![host];
        for other in self.top.roles.iter().filter(balanced).flat_map(|role| &role.hosts) {
            if peers.len() == PEERS_MAX {
                break;
            }
            if self.hosts[*other].state == HostState::Online && !peers.contains(other) {
                peers.push(*other);
            }
        }
        peers.sort_unstable();
        let names = |known: &[HostName], hosts: &[usize]| {
            known.iter().eq(hosts.iter().map(|host| &self.top.hosts[*host].name))
        };
        let alone = self.top.holds_alone && !writers.is_empty();
        let same = |last: &&Arc<Askable>| {
            names(&last.candidates, writers) && names(&last.peers, &peers) && last.alone == alone
        };
        if let Some(last) = self.hosts[host].asks.last().filter(same) {
            return last.clone();
        }
        let name = |host: &usize| self.top.hosts[*host].name.clone();
        let candidates = writers.iter().map(name).collect();
        Arc::new(Askable { candidates, peers: peers.iter().map(name).collect(), alone })
    }

    /// The VIPs that nobody has and that a host may be given: it promises nobody not to take them.
    pub(super) fn prepared(&self, host: usize) -> impl Iterator<Item = std::net::IpAddr> {
        let vacant = move |vip: &&super::vips::Vip| {
            vip.holder.is_none() && self.top.roles[vip.role].hosts.contains(&host)
        };
        self.vips.iter().filter(vacant).map(|vip| vip.ip)
    }

    /// A grant is about to name these hosts: until the agent says that it obeys it, it may be that
    /// it asks them, or those of the grant before.
    pub(super) fn note_asked(&mut self, host: usize) {
        let ask = self.askable(host);
        let record = &mut self.hosts[host];
        if record.asks.last() != Some(&ask) {
            record.asks.retain(|known| *known != ask);
            record.asks.push(ask);
            self.decide();
        }
    }

    /// What a report says of promises, its own and others'.
    pub(super) fn take_promises(&mut self, host: usize, at: Time, report: &Report) {
        let record = &mut self.hosts[host];
        if std::mem::take(&mut record.asks_others) {
            if !record.asks.contains(&report.ask) {
                record.asks.insert(0, report.ask.clone());
            }
            self.decide();
        }
        let record = &mut self.hosts[host];
        // Only what was sent last can still come, and this is what it obeys.
        if record.asks.len() > 1 && record.asks.last() == Some(&report.ask) {
            record.asks.drain(..record.asks.len() - 1);
            self.decide();
        }
        for promised in &report.promises {
            let left = promised.left;
            let over = lease::surely_over(at, left);
            self.go_on(&promised.to, promised.vip, over);
        }
        if !self.waits_for_release(None) {
            return;
        }
        for heard in &report.peers {
            let Some(of) = self.top.host(&heard.host).filter(|of| *of != host) else { continue };
            let news = &heard.news;
            self.release_claims_by(of, news.seen, news.duty, &news.vips);
        }
    }

    /// A host may hold a VIP until then, by somebody's promise.
    fn go_on(&mut self, to: &HostName, ip: std::net::IpAddr, over: Time) {
        let Some(host) = self.top.host(to) else { return };
        if bug(Bug::PromiseUnheard) {
            return;
        }
        let answers = self.agent_answers(host);
        let stamp = self.stamp();
        let Some(vip) = self.vips.iter_mut().find(|vip| vip.ip == ip) else { return };
        match vip.claims.iter_mut().find(|claim| claim.host == host) {
            Some(claim) => claim.over = claim.over.max(over),
            // It was taken for over, by a monitor that had just started.
            None if !answers && vip.holder != Some(host) => {
                vip.claims.push(Claim { host, over, taken: Some(stamp) });
            }
            None => {}
        }
    }

    /// Whether a claim whose grants are over has ended: somebody without whose promise its host
    /// does not go on has seen that it is to end, and has promised nothing any more.
    pub(super) fn goes_on_no_more(&self, vip: usize, claim: &Claim) -> bool {
        if bug(Bug::PromiseUnheard) {
            return true;
        }
        let record = &self.hosts[claim.host];
        let known = record.asks.iter().all(|ask| self.is_refused(vip, claim, ask));
        known && (!record.asks_others || self.all_refuse(vip, claim))
    }

    /// Where nobody knows whom a host asks: of the writer's role it is always all others, of other
    /// roles it may be any of them.
    fn all_refuse(&self, vip: usize, claim: &Claim) -> bool {
        let role = self.vips[vip].role;
        let mut others =
            self.top.roles[role].hosts.iter().filter(|other| **other != claim.host).copied();
        let refuses = |other| self.refuses(other, vip, claim);
        if role == self.top.writer { others.any(refuses) } else { others.all(refuses) }
    }

    fn is_refused(&self, vip: usize, claim: &Claim, ask: &Askable) -> bool {
        let writer = self.vips[vip].role == self.top.writer;
        if writer && ask.alone {
            // It goes on without anybody's promise.
            return false;
        }
        let named = if writer { &ask.candidates } else { &ask.peers };
        let others: Vec<usize> = named
            .iter()
            .filter_map(|name| self.top.host(name))
            .filter(|other| *other != claim.host)
            .collect();
        // Nobody is named, or nobody else for a reader: then it does not go on.
        if named.is_empty() || (!writer && others.is_empty()) {
            return true;
        }
        others.iter().any(|other| self.refuses(*other, vip, claim))
    }

    /// Whether a host has seen that a claim is to end, has no promise out to its host, as far as it
    /// can remember, and gives none any more.
    fn refuses(&self, other: usize, vip: usize, claim: &Claim) -> bool {
        let Some(report) = self.hosts[other].fresh(self.now.boot, self.silence()) else {
            return false;
        };
        let record = &self.vips[vip];
        let taken = claim.taken.unwrap_or_default();
        let to = &self.top.hosts[claim.host].name;
        let gives = record.holder.is_some_and(|holder| holder != other);
        !gives
            && !report.forgetful
            && report.seen >= taken
            && !report.promises.iter().any(|p| p.vip == record.ip && p.to == *to)
    }

    /// Why a claim has not ended though its grants are over, for people; empty when that is not so.
    pub(super) fn why_goes_on(&self, vip: usize, claim: &Claim) -> String {
        let name = &self.top.hosts[claim.host].name;
        if self.now.boot <= claim.over {
            let left = claim.over.since(self.now.boot);
            return format!(
                ": it was promised the role once more and may go on for another {left} (whoever promises was \
                 not reached in time, or cannot write; kill_host, or {name} itself, can end that)"
            );
        }
        if self.goes_on_no_more(vip, claim) {
            return String::new();
        }
        if self.alone() == Some(claim.host) {
            return format!(
                ": it goes on although nobody reaches it (isolated_writer = \"hold\"; {name} itself, \
                 kill_host, or move_role --force can end that)"
            );
        }
        // Only who could be given it is asked for a promise.
        let role = &self.top.roles[self.vips[vip].role];
        let forgetful = |other: &usize| {
            let report = self.hosts[*other].fresh(self.now.boot, self.silence());
            *other != claim.host && report.is_some_and(|report| report.forgetful)
        };
        let forgetful: Vec<usize> = role.hosts.iter().copied().filter(forgetful).collect();
        if !forgetful.is_empty() {
            return format!(
                ": {} may have promised it the role and cannot know: without its state file since a \
                 moment ago (over within the length of a grant; kill_host, or {name} itself, can \
                 end that)",
                self.top.names(&forgetful)
            );
        }
        format!(
            ": nobody without whose promise {name} does not go on can be asked whether it has one \
             (kill_host, or {name} itself, can end that)"
        )
    }

    /// Who heard a host lately that the monitor cannot hear, and what it said.
    pub(super) fn vouched(&self, host: usize) -> Option<(usize, Span, &PeerHeard)> {
        let limit = self.silence();
        let name = &self.top.hosts[host].name;
        let mut best: Option<(usize, Span, &PeerHeard)> = None;
        for (other, record) in self.hosts.iter().enumerate() {
            let Some(heard) = record.heard.as_ref().filter(|_| other != host) else { continue };
            if record.fresh(self.now.boot, limit).is_none() {
                continue;
            }
            let Some(peer) = heard.report.peers.iter().find(|peer| peer.host == *name) else {
                continue;
            };
            let ago = peer.ago + self.now.boot.since(heard.at);
            if ago < limit && best.as_ref().is_none_or(|(_, least, _)| ago < *least) {
                best = Some((other, ago, peer));
            }
        }
        best
    }

    /// Who says of the writer that it serves though the monitor cannot reach it: then only the
    /// monitor's own way to it is broken. Of other hosts that is not asked: what they serve can as
    /// well be served by hosts whose lag can be seen.
    pub(super) fn serves_unseen(&self, host: usize) -> Option<usize> {
        if !self.is_writer(host) || bug(Bug::PromiseUnheard) {
            return None;
        }
        let (by, _, heard) = self.vouched(host)?;
        (heard.news.server_up && heard.news.duty == Duty::Serving).then_some(by)
    }

    /// Tells once that a host is out of the monitor's sight but not of others', and of its return.
    pub(super) fn notice_unseen(&mut self) {
        for host in 0..self.hosts.len() {
            let silent = self.silent_for(host).is_some_and(|span| span >= self.silence());
            let told = self.hosts[host].unseen_told;
            // It takes a young word to tell it, and an old one to take it back.
            let by = match (silent, told) {
                (false, _) => None,
                (true, true) => self.serves_unseen(host),
                (true, false) => self.reached_by(host),
            };
            let alone = silent && self.left_alone(host);
            if (by.is_some() || alone) == told {
                continue;
            }
            self.hosts[host].unseen_told = by.is_some() || alone;
            let name = self.name(host);
            if alone {
                let what = "cannot be reached by anybody, and may serve on alone";
                let why = format!(
                    "{}; isolated_writer = \"hold\": nothing is moved",
                    self.agent_trouble(host)
                );
                self.event(Level::Warn, &name, what, &why);
            } else if let Some(by) = by {
                let by = self.name(by);
                let what = format!("cannot be reached by the monitor; {by} can");
                let why = format!("{}; nothing is moved", self.agent_trouble(host));
                self.event(Level::Warn, &name, &what, &why);
            } else if self.agent_answers(host) {
                self.event(Level::Info, &name, "can be reached by the monitor again", "");
            }
        }
    }

    /// Whether that host, or any, is still to release a VIP that was taken from it. Mostly none is,
    /// and reports come by the thousand.
    fn waits_for_release(&self, host: Option<usize>) -> bool {
        let of = |claim: &Claim| host.is_none_or(|host| claim.host == host);
        let taken = |claim: &Claim| claim.taken.is_some() && of(claim);
        self.vips.iter().any(|vip| vip.claims.iter().any(taken))
    }

    /// What a host said of itself, by itself or by a peer: what it no longer has, and knows
    /// that it must not have, is free.
    pub(super) fn release_claims_by(
        &mut self,
        host: usize,
        seen: Stamp,
        duty: Duty,
        present: &[std::net::IpAddr],
    ) {
        if !self.waits_for_release(Some(host)) {
            return;
        }
        for index in 0..self.vips.len() {
            let writer = self.vips[index].role == self.top.writer;
            let vip = &mut self.vips[index];
            let free = |claim: &Claim| {
                claim.host == host
                    && claim.taken.is_some_and(|taken| seen >= taken || bug(Bug::ReleaseUnseen))
                    && (!present.contains(&vip.ip) || bug(Bug::ReleaseHeld))
                    && (!writer || duty == Duty::None)
            };
            if let Some(claim) = vip.claims.iter().find(|claim| free(claim)) {
                let told = claim.is_news();
                vip.claims.retain(|claim| !free(claim));
                self.stirred = true;
                if !told {
                    continue;
                }
                let name = self.name(host);
                self.vip_event(Level::Info, index, &format!("released by {name}"), "");
            }
        }
    }
}
