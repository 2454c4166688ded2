//! What the agent tells of its host: to monitors by reports, to other agents by news. At each
//! heartbeat, and at once when something changed.

use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::{Duty, FromAgent, Reach, Report, Stamp};
use mmm_proto::peer::{News, PeerHeard};
use mmm_proto::{Span, Time};
use smallvec::SmallVec;

use super::promises::Peer;
use super::{Agent, Effect, SPACING};

/// The VIPs of one host are few, and are looked up often.
pub(super) type Vips = SmallVec<[IpAddr; 4]>;

impl Agent {
    /// Monitors and other agents, as far as it is time or something changed.
    pub(super) fn tell(&mut self) {
        let vips = self.present();
        // Both at one heartbeat: once something was told at once, each would have its own.
        let beat = self.heartbeat();
        let report = !self.links.is_empty() && self.is_due(self.reported_at, beat);
        let beats = report || self.is_due(self.news_at, beat);
        let least = if beats { Span(beat.0 / 2) } else { beat };
        self.report_if_due(&vips, least);
        self.tell_peers(&vips, least);
    }

    fn report_if_due(&mut self, vips: &Vips, least: Span) {
        let due = self.changed
            || self.is_due(self.reported_at, least)
            || (self.peers_changed && self.is_spaced(self.reported_at));
        if self.links.is_empty() || !due {
            return;
        }
        self.reported_at = Some(self.now.boot);
        (self.changed, self.peers_changed) = (false, false);
        let report = self.report_with(vips);
        self.out.push(Effect::Say(FromAgent::Report(Arc::new(report))));
    }

    /// Whether what was last told then is to be told again after so long.
    fn is_due(&self, at: Option<Time>, after: Span) -> bool {
        at.is_none_or(|at| self.now.boot.since(at).as_ms() + 5 >= after.as_ms())
    }

    /// Whether what was last told then may be told again for a small reason.
    fn is_spaced(&self, at: Option<Time>) -> bool {
        at.is_none_or(|at| self.now.boot.since(at) >= SPACING)
    }

    /// When the next report and the next news are due.
    pub(super) fn tell_due(&self) -> [Option<Time>; 2] {
        let beat = self.heartbeat();
        let soon = |small: bool| if small { beat.min(SPACING) } else { beat };
        let news = self.told.as_ref().is_some_and(|told| told.seen != self.seen);
        [
            self.reported_at.map(|at| at + soon(self.peers_changed)),
            self.news_at.map(|at| at + soon(news)),
        ]
    }

    /// What the host does about the writer role.
    pub fn duty(&self) -> Duty {
        self.duty
    }

    /// The highest stamp that was obeyed.
    pub fn seen(&self) -> Stamp {
        self.seen
    }

    /// The VIPs that may be on the interface. One that is being added counts, all of them before
    /// the first look: who is told that it is not there may give it on.
    pub(super) fn present(&self) -> Vips {
        if !self.looked {
            return self.roster.vips.iter().map(|vip| vip.ip).collect();
        }
        let mut vips = Vips::from_slice(&self.found);
        vips.extend(self.addressing.keys().copied().filter(|vip| !self.found.contains(vip)));
        vips.sort();
        vips
    }

    /// What is true on the host now.
    pub fn report(&self) -> Report {
        self.report_with(&self.present())
    }

    fn report_with(&self, vips: &[IpAddr]) -> Report {
        let acts = self.writing.iter().chain(&self.replicating).chain(self.addressing.values());
        let mut server = self.server.clone();
        server.age = self.now.boot.since(self.server_began);
        Report {
            clock: self.now.boot,
            boot_id: self.boot_id.clone(),
            uptime: self.uptime,
            seen: self.seen,
            vips: vips.to_vec(),
            duty: self.duty,
            grant_left: self.lease.map(|lease| lease.ends().since(self.now.boot)),
            server,
            doing: acts.map(|running| running.act.words()).collect(),
            troubles: self.troubles.values().cloned().collect(),
            cannot_open: self.cannot_open(),
            ended: self.ended.clone(),
            served: self.served,
            ask: self.want.as_ref().map(|want| want.ask.clone()).unwrap_or_default(),
            relies: self.relies.keys().copied().collect(),
            promises: self.promises_live(),
            forgetful: self.forgetful(),
            peers: self.peers_heard(),
        }
    }

    /// Tells the others how this host is: at each heartbeat, and at once when it changed. That it
    /// knows a newer decision is told as soon, but once for several that come together.
    fn tell_peers(&mut self, vips: &Vips, least: Span) {
        let (seen, duty, server_up) = (self.seen, self.duty, self.server.reach == Reach::Up);
        let told = self.told.as_ref();
        let same = told.is_some_and(|told| {
            (told.duty, told.server_up) == (duty, server_up)
                && told.vips == **vips
                && told.relies.iter().eq(self.relies.keys())
                && (told.seen == seen || !self.is_spaced(self.news_at))
        });
        if same && !self.is_due(self.news_at, least) {
            return;
        }
        let (clock, vips) = (self.now.boot, vips.to_vec());
        let relies = self.relies.keys().copied().collect();
        let news = Arc::new(News { clock, seen, duty, vips, server_up, relies });
        (self.news_at, self.told) = (Some(clock), Some(news.clone()));
        let to = self.others();
        if !to.is_empty() {
            self.out.push(Effect::TellPeers { to, news });
        }
    }

    /// What was last heard from each peer, for the report.
    pub(super) fn peers_heard(&self) -> Vec<PeerHeard> {
        let heard = |peer: &Peer| PeerHeard {
            host: peer.host.clone(),
            ago: self.now.boot.since(peer.at),
            news: peer.news.clone(),
        };
        self.peers.iter().map(heard).collect()
    }
}
