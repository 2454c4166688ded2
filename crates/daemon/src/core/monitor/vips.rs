//! Who holds which VIP, and who may still hold it. A VIP is given to a host only when no other host
//! can have it any more: it said so, or its last grant is surely over (design, section 6.2).

use std::net::IpAddr;

use mmm_proto::agent::{Duty, Grant, Hold, Replicate, Stamp, Stance, Want};
use mmm_proto::event::Level;
use mmm_proto::{HostState, MonitorMode, RoleMode, Span, Time};

use super::Monitor;
use crate::core::bugs::{Bug, bug};
use crate::core::lease;

/// One VIP of one role.
#[derive(Debug, Clone)]
pub(super) struct Vip {
    pub role: usize,
    pub ip: IpAddr,
    /// Who should have it.
    pub holder: Option<usize>,
    /// Who had it last.
    pub last: Option<usize>,
    pub since: Time,
    /// Why nobody should.
    pub why: String,
    /// Everybody who may have it, the holder included.
    pub claims: Vec<Claim>,
    /// An operator's choice by `set_ip`, obeyed when PASSIVE is left.
    pub chosen: Option<usize>,
}

/// A host that was granted a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub host: usize,
    /// When every grant of it that was ever sent is over.
    pub over: Time,
    /// The decision that took it away; a report that has seen it counts. None while it is the
    /// holder.
    pub taken: Option<Stamp>,
}

impl Claim {
    /// A claim of the start is held by nobody, as far as anybody knows: its end is no news.
    pub(super) fn is_news(&self) -> bool {
        self.taken.is_some_and(|taken| taken.seq > 0)
    }
}

impl Vip {
    pub(super) fn claim_of(&self, host: usize) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.host == host)
    }

    /// The first host other than `host` that may still have it.
    pub(super) fn other_claim(&self, host: Option<usize>) -> Option<&Claim> {
        self.claims.iter().find(|claim| Some(claim.host) != host)
    }
}

#[cfg(test)]
impl Monitor {
    /// When the grants of a host for a VIP are surely over; none without a claim.
    pub(in crate::core) fn claim_over(&self, ip: IpAddr, host: usize) -> Option<Time> {
        let vip = self.vips.iter().find(|vip| vip.ip == ip)?;
        vip.claim_of(host).map(|claim| claim.over)
    }
}

impl Monitor {
    /// The VIP of the active master role.
    pub(super) fn writer_vip(&self) -> usize {
        self.vips.iter().position(|vip| vip.role == self.top.writer).unwrap_or(0)
    }

    /// Who has the active master role by decision.
    pub(super) fn writer(&self) -> Option<usize> {
        self.vips[self.writer_vip()].holder
    }

    pub(super) fn is_writer(&self, host: usize) -> bool {
        self.writer() == Some(host)
    }

    pub(super) fn may_be_writer(&self, host: usize) -> bool {
        self.top.roles[self.top.writer].hosts.contains(&host)
    }

    /// `role(ip)`, as the original writes it.
    pub(super) fn vip_word(&self, vip: usize) -> String {
        format!("{}({})", self.top.roles[self.vips[vip].role].name, self.vips[vip].ip)
    }

    /// Tells what became of a VIP, under the name of its role.
    pub(super) fn vip_event(&mut self, level: Level, vip: usize, what: &str, why: &str) {
        let role = self.top.roles[self.vips[vip].role].name.clone();
        let what = format!("{} {what}", self.vips[vip].ip);
        self.event(level, role.as_str(), &what, why);
    }

    /// Gives a VIP. The caller has made sure that no other host can have it, or that the one that
    /// can is frozen.
    pub(super) fn give(&mut self, vip: usize, host: usize) {
        let now = self.now.boot;
        let record = &mut self.vips[vip];
        record.holder = Some(host);
        record.last = Some(host);
        record.since = now;
        record.why.clear();
        record.chosen = None;
        match record.claims.iter_mut().find(|claim| claim.host == host) {
            Some(claim) => claim.taken = None,
            None => record.claims.push(Claim { host, over: now, taken: None }),
        }
        self.decide();
    }

    /// Takes a VIP from its holder; it can be given on when the claim ends.
    pub(super) fn withdraw(&mut self, vip: usize, why: &str) {
        let now = self.now.boot;
        if self.vips[vip].holder.is_none() {
            return;
        }
        self.decide();
        let stamp = self.stamp();
        let record = &mut self.vips[vip];
        let Some(holder) = record.holder.take() else {
            return;
        };
        record.since = now;
        why.clone_into(&mut record.why);
        for claim in record.claims.iter_mut().filter(|claim| claim.host == holder) {
            claim.taken = Some(stamp);
        }
    }

    /// Takes all VIPs from a host.
    pub(super) fn drop_roles(&mut self, host: usize, why: &str) {
        for vip in 0..self.vips.len() {
            if self.vips[vip].holder == Some(host) {
                if vip == self.writer_vip() {
                    self.abandon_move_of(host, why);
                }
                self.withdraw(vip, why);
                let name = self.name(host);
                self.vip_event(Level::Warn, vip, &format!("taken from {name}"), why);
            }
        }
    }

    /// A grant goes out: whatever it names may be held until it is surely over.
    pub(super) fn extend_claims(&mut self, host: usize, grant: &Grant, heard: Time) {
        let ttl = if bug(Bug::ShortClaims) { Span(grant.ttl.0 / 2) } else { grant.ttl };
        let over = lease::surely_over(heard, ttl);
        let stamp = grant.stamp;
        for vip in &mut self.vips {
            if grant.want.holds.iter().any(|hold| hold.vip == vip.ip) {
                match vip.claims.iter_mut().find(|claim| claim.host == host) {
                    Some(claim) => claim.over = claim.over.max(over),
                    // A frozen host that is no longer the holder: it must end some time.
                    None => vip.claims.push(Claim {
                        host,
                        over,
                        taken: (vip.holder != Some(host)).then_some(stamp),
                    }),
                }
            }
        }
    }

    /// Grants that are surely over count no more, answered or not, where nobody's promise can have
    /// taken their place.
    pub(super) fn end_claims(&mut self) {
        let now = self.now.boot;
        for index in 0..self.vips.len() {
            let over = |claim: &&Claim| {
                claim.taken.is_some()
                    && now > claim.over
                    && !self.says_it_has(claim.host, index)
                    && self.goes_on_no_more(index, claim)
            };
            let over: Vec<Claim> = self.vips[index].claims.iter().filter(over).cloned().collect();
            self.vips[index].claims.retain(|claim| !over.contains(claim));
            for host in over.iter().filter(|claim| claim.is_news()).map(|claim| claim.host) {
                let (word, name) = (self.vip_word(index), self.name(host));
                self.event(Level::Warn, &word, &format!("grant of {name} is surely over"), "");
            }
        }
    }

    /// Whether a host says just now that it has the VIP. It may have held on by promises that this
    /// monitor never knew of, and no clock outweighs its word; it says so when the VIP is gone.
    fn says_it_has(&self, host: usize, vip: usize) -> bool {
        let report = self.hosts[host].report().filter(|_| self.agent_answers(host));
        report.is_some_and(|report| report.vips.contains(&self.vips[vip].ip))
    }

    /// A holder whose agent is silent loses its VIPs by the kernel; somebody else must serve them.
    pub(super) fn take_roles_from_lost_hosts(&mut self) {
        if matches!(self.mode, MonitorMode::Passive | MonitorMode::Manual | MonitorMode::Wait) {
            return;
        }
        let now = self.now.boot;
        for vip in 0..self.vips.len() {
            let Some(host) = self.vips[vip].holder else {
                continue;
            };
            let over = self.vips[vip].claim_of(host).is_none_or(|claim| now > claim.over);
            let busy = vip == self.writer_vip() && self.running.is_some();
            let unseen = self.serves_unseen(host).is_some() || self.left_alone(host);
            if over && !busy && !unseen && !self.agent_answers(host) && self.heir_exists(vip, host)
            {
                let why = format!("{} and its grant is over", self.agent_trouble(host));
                let name = self.name(host);
                self.withdraw(vip, &why);
                self.vip_event(Level::Warn, vip, &format!("taken from {name}"), &why);
            }
        }
    }

    /// Why the writer cannot be moved from where it is as planned, because it is not there any
    /// more: whoever names another host then gets what a failover does.
    pub(super) fn writer_gone(&self) -> Option<String> {
        let host = self.writer()?;
        let record = &self.hosts[host];
        let name = &self.top.hosts[host].name;
        if record.state == HostState::HardOffline {
            return Some(format!("{name} is {}: {}", record.state, record.why));
        }
        if self.agent_answers(host) {
            let idle = record.duty() == Duty::None;
            return idle.then(|| format!("the agent on {name} says that it does not serve"));
        }
        let claim = self.vips[self.writer_vip()].claim_of(host);
        let over = claim.is_none_or(|claim| self.now.boot > claim.over);
        (over && self.serves_unseen(host).is_none() && !self.left_alone(host))
            .then(|| format!("{name}: {} and its grant is over", self.agent_trouble(host)))
    }

    /// Everything decided is in the status file, unless that is known to fail.
    pub(super) fn confirm_decisions(&mut self) {
        if self.store_why.is_empty() {
            self.unconfirmed = false;
            self.on_disk = self.vips.iter().map(|vip| vip.holder).collect();
        }
    }

    /// Whether a VIP may be named in a grant. While the status file cannot be written, nobody is
    /// granted what it does not say: a monitor that starts from it would grant that to another.
    fn may_name(&self, vip: usize, host: usize) -> bool {
        self.store_why.is_empty() || self.on_disk.get(vip) == Some(&Some(host))
    }

    /// What a host should look like now.
    pub(super) fn want(&self, host: usize) -> Want {
        let mine = |vip: &usize| self.vips[*vip].holder == Some(host);
        let held: Vec<usize> = (0..self.vips.len()).filter(mine).collect();
        self.want_of(host, &held)
    }

    /// The same where the VIPs that it holds are known, in their order.
    pub(super) fn want_of(&self, host: usize, held: &[usize]) -> Want {
        Want {
            state: self.hosts[host].state,
            holds: self.holds_of(host, held).map(|(vip, stance)| self.hold(vip, stance)).collect(),
            active_master: self.writer().map(|w| self.top.hosts[w].name.clone()),
            replicate: self.replicate(host),
            ask: self.askable(host),
            prepared: self.prepared(host).collect(),
        }
    }

    /// Whether that is still what a host should look like: `want_of`, told at every look of the
    /// rules for every host, and so without making it anew.
    pub(super) fn is_wanted(&self, host: usize, held: &[usize], want: &Want) -> bool {
        let same = want.state == self.hosts[host].state
            && self.holds_are(host, held, &want.holds)
            && want.active_master.as_ref() == self.writer().map(|w| &self.top.hosts[w].name)
            && want.replicate == self.replicate(host)
            && want.ask == self.askable(host)
            && self.prepared(host).eq(want.prepared.iter().copied());
        debug_assert_eq!(same, *want == self.want_of(host, held));
        same
    }

    /// The VIPs that a host is to hold, and how.
    fn holds_of(&self, host: usize, held: &[usize]) -> impl Iterator<Item = (usize, Stance)> {
        let frozen = self.frozen_hold(host);
        let kept = frozen.filter(|frozen| !held.contains(frozen));
        let named = held.iter().copied().filter(move |vip| self.may_name(*vip, host));
        kept.into_iter().chain(named).map(move |vip| {
            let stance = if frozen == Some(vip) { Stance::Frozen } else { Stance::Serve };
            (vip, stance)
        })
    }

    fn hold(&self, vip: usize, stance: Stance) -> Hold {
        let vip = &self.vips[vip];
        let role = &self.top.roles[vip.role];
        let writer = vip.role == self.top.writer;
        Hold { role: role.name.clone(), vip: vip.ip, mode: role.mode, writer, stance }
    }

    fn holds_are(&self, host: usize, held: &[usize], holds: &[Hold]) -> bool {
        // What a VIP's role is never changes.
        let known = holds.iter().map(|hold| (hold.vip, hold.stance));
        let wanted = self.holds_of(host, held).map(|(vip, how)| (self.vips[vip].ip, how));
        wanted.eq(known)
    }

    /// Where a host should replicate from.
    fn replicate(&self, host: usize) -> Replicate {
        if self.mode == MonitorMode::Passive {
            return Replicate::AsIs;
        }
        if self.hosts[host].state == HostState::AdminOffline {
            return Replicate::Off;
        }
        if self.positions_matter() {
            return Replicate::AsIs;
        }
        let Some(writer) = self.writer() else {
            return Replicate::AsIs;
        };
        if self.hosts[writer].duty() != Duty::Serving {
            return Replicate::AsIs;
        }
        if writer != host {
            return Replicate::From(self.top.hosts[writer].name.clone());
        }
        // The ring: the writer follows its peer as well, so that a later move back finds both ways
        // open, but only while the peer is ONLINE and follows the writer. A peer that was lost may
        // come back with transactions that nobody else has, and the writer must not take them in.
        let peer = self.top.hosts[host].peer;
        match peer.filter(|peer| self.follows(*peer, host)) {
            Some(peer) => Replicate::From(self.top.hosts[peer].name.clone()),
            None => Replicate::AsIs,
        }
    }

    /// Whether a host is ONLINE and replicates from that source.
    pub(super) fn follows(&self, host: usize, source: usize) -> bool {
        self.hosts[host].state == HostState::Online && self.replicates(host, source)
    }

    /// Whether a host replicates from that source, both threads running, by its agent's word.
    pub(super) fn replicates(&self, host: usize, source: usize) -> bool {
        use mmm_proto::agent::Thread;
        let report = self.hosts[host].report();
        report.and_then(|report| report.server.replication.as_ref()).is_some_and(|r| {
            self.top.host_at(&r.source, r.port) == Some(source)
                && r.io == Thread::Yes
                && r.sql == Thread::Yes
        })
    }

    /// The hosts of a balanced VIP's role that could serve it now.
    pub(super) fn heirs(&self, vip: usize) -> Vec<usize> {
        let role = &self.top.roles[self.vips[vip].role];
        role.hosts.iter().copied().filter(|host| self.can_serve(*host)).collect()
    }

    pub(super) fn heir_exists(&self, vip: usize, but: usize) -> bool {
        let exclusive = self.top.roles[self.vips[vip].role].mode == RoleMode::Exclusive;
        if exclusive && self.vips[vip].role == self.top.writer {
            let hosts = &self.top.roles[self.top.writer].hosts;
            return hosts.iter().any(|host| *host != but && self.can_be_writer(*host));
        }
        self.heirs(vip).iter().any(|heir| *heir != but)
    }

    /// ONLINE, its agent answers, its server is up.
    pub(super) fn can_serve(&self, host: usize) -> bool {
        let record = &self.hosts[host];
        let online = record.state == HostState::Online || bug(Bug::OfflineServes);
        online && self.agent_answers(host) && record.server_up()
    }
}
