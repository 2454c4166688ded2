//! `isolated_writer = "hold"`: a writer that nobody reaches holds on, so nobody may take its place
//! on a guess. Its claim ends by its own word, by another agent that hears it, by `kill_host_bin`,
//! or by the word of an operator who says `move_role --force` (design, section 6.11). What an agent
//! does with it is in `core/agent/promises.rs`.

use std::sync::Arc;

use mmm_proto::agent::Reach;
use mmm_proto::event::Level;
use mmm_proto::peer::Askable;
use mmm_proto::view::Blocked;

use super::Monitor;
use super::hosts::Host;
use super::startup::{Stored, StoredHost};
use super::topology::Topology;

impl Monitor {
    /// Who may hold the writer's VIP with nobody's promise, and out of everybody's sight.
    pub(super) fn alone(&self) -> Option<usize> {
        let claims = &self.vips[self.writer_vip()].claims;
        let alone = |host: &usize| {
            self.hosts[*host].asks.iter().any(|ask| ask.alone)
                && !self.agent_answers(*host)
                && self.vouched(*host).is_none()
        };
        claims.iter().map(|claim| claim.host).find(alone)
    }

    /// Whether the writer keeps its role because it may hold it alone. Where a program can cut it
    /// off for certain, that is done instead.
    pub(super) fn left_alone(&self, host: usize) -> bool {
        self.top.holds_alone
            && self.top.kill_host.is_none()
            && self.is_writer(host)
            && self.alone() == Some(host)
    }

    /// Whether the checks alone do not count against a host, because it has much to lose: what it
    /// took while nobody reached it. When it can be reached again, its agent's word is waited for:
    /// the checks are of the time before.
    pub(super) fn awaits_word(&self, host: usize, reach: Option<&Reach>) -> bool {
        let unheard = reach.is_none() && self.vouched(host).is_none();
        let untold = unheard && self.top.kill_host.is_none();
        self.top.holds_alone && self.is_writer(host) && (untold || reach == Some(&Reach::Up))
    }

    /// An operator says that the host which may hold on alone does not: from then on its claim ends
    /// by time, as others do.
    pub(super) fn take_word_that_it_is_off(&mut self, who: &str) {
        let Some(host) = self.alone() else { return };
        self.hosts[host].asks.clear();
        self.decide();
        let (name, what) = (self.name(host), "is taken to be off");
        let why = "move_role --force says so; it may hold the writer role alone";
        self.event_by(Level::Warn, &name, what, why, Some(who));
    }

    /// What a forced move takes for granted, for its plan.
    pub(super) fn forced_on_trust(&self) -> Option<String> {
        let name = self.name(self.alone()?);
        Some(format!(
            "{name} may still be writable for clients that reach it (isolated_writer = \"hold\"): \
             be sure that it is off, or there are two writers"
        ))
    }

    /// Why a writer that is left alone keeps the role.
    pub(super) fn alone_blocked(&self, host: usize) -> Option<Blocked> {
        if !self.left_alone(host) {
            return None;
        }
        let name = &self.top.hosts[host].name;
        let why = format!(
            "{name} may serve on although nobody reaches it (isolated_writer = \"hold\"): nothing \
             is moved"
        );
        let role = &self.top.roles[self.top.writer].name;
        let until = format!(
            "{name} is heard again, or somebody who is sure that it is off says move_role --force \
             {role} HOST"
        );
        Some(Blocked { why, ends: None, until })
    }
}

/// Another monitor has led: what it named a host to ask is not known before that host is heard, nor
/// whom it made a writer that now holds on alone.
pub(super) fn led_by_another(top: &Topology, hosts: &mut [Host]) {
    for host in hosts {
        host.asks_others = true;
        if top.holds_alone {
            host.asks.insert(0, Arc::new(Askable { alone: true, ..Askable::default() }));
        }
    }
}

/// Whom a host may ask for promises. Who is not written down as a holder of the writer's VIP does
/// not go on alone: else a standby that is away when a monitor starts would hold up every failover.
pub(super) fn asks_as_stored(
    top: &Topology,
    stored: Option<&Stored>,
    known: &StoredHost,
) -> Vec<Arc<Askable>> {
    let writer = &top.roles[top.writer].name;
    let vips = stored.into_iter().flat_map(|stored| &stored.vips);
    let claims = vips
        .filter(|vip| *writer == *vip.role.as_str())
        .any(|vip| vip.claims.iter().chain(&vip.holder).any(|name| *name == known.name));
    // Whom it asks for readers' VIPs stays known.
    let of = |ask: &Arc<Askable>| {
        let alone = claims && ask.alone;
        if alone == ask.alone {
            ask.clone()
        } else {
            Arc::new(Askable { alone, ..(**ask).clone() })
        }
    };
    known.asks.iter().map(of).collect()
}
