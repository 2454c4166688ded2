//! From what was written down, and from what agents and servers say, to the first picture.
//!
//! Every grant of an earlier term may still be held, so each VIP begins with a claim for everybody
//! who may have had it; nobody is promoted before those claims are answered for or surely over.

use std::sync::Arc;

use mmm_proto::agent::Stamp;
use mmm_proto::peer::Askable;
use mmm_proto::{GtidPos, HostState, MonitorMode, Span, Time, Wall};
use serde::{Deserialize, Serialize};

use super::hosts::Host;
use super::parted::Parted;
use super::preference::CALM;
use super::restart::StoredMove;
use super::topology::{HostSpec, Topology};
use super::vips::{Claim, Vip};
use super::{Monitor, Now, isolated};
use crate::core::bugs::{Bug, bug};
use crate::core::lease;

/// What the monitor writes down before it acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub cluster: String,
    pub term: u64,
    pub seq: u64,
    pub mode: MonitorMode,
    #[serde(default)]
    pub cause: String,
    /// The highest term of another monitor that was heard of.
    #[serde(default)]
    pub foreign: u64,
    /// Another monitor may have led until the end: no agent obeyed this one yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others_may_lead: bool,
    /// The longest grant that may have been given; zero in a file of an older version.
    #[serde(default)]
    pub ttl: Span,
    pub hosts: Vec<StoredHost>,
    pub vips: Vec<StoredVip>,
    /// Hosts that may have transactions that the writer lacks.
    #[serde(default)]
    pub parted: Vec<StoredParted>,
    /// A move under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<StoredMove>,
}

/// One of them, as written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredParted {
    pub host: String,
    pub heir: String,
    /// What the heir had when it took over.
    pub at: GtidPos,
    pub told: bool,
    /// An operator set it online all the same.
    #[serde(default)]
    pub accepted: bool,
}

/// A host, as written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredHost {
    pub name: String,
    pub state: HostState,
    pub why: String,
    #[serde(default)]
    pub flapping: bool,
    /// Drops from ONLINE in the present flap window, and when it opened.
    #[serde(default)]
    pub flaps: u32,
    #[serde(default)]
    pub flap_window: Option<Wall>,
    /// Since when it has this state, and is ONLINE: timers go on over a restart.
    #[serde(default)]
    pub since: Option<Wall>,
    #[serde(default)]
    pub online_since: Option<Wall>,
    /// Boot id and uptime of the machine when it was last heard while ONLINE.
    #[serde(default)]
    pub last_uptime: Option<(Arc<str>, Span)>,
    /// Whom its agent may ask for promises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Arc<Askable>>,
    /// Another monitor may have named others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_others: bool,
}

/// A VIP, as written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVip {
    pub role: String,
    pub ip: String,
    pub holder: Option<String>,
    /// Who had it last: a failover may break off, and a lost writer must be compared with its heir
    /// all the same.
    #[serde(default)]
    pub last: Option<String>,
    /// Everybody who may have it.
    pub claims: Vec<String>,
    /// Who is to have it by an operator's choice.
    #[serde(default)]
    pub chosen: Option<String>,
}

impl Stored {
    /// Another monitor led after this was written.
    fn is_superseded(&self) -> bool {
        self.cause.starts_with("superseded")
    }
}

impl Monitor {
    /// A monitor that takes up where `stored` left off, one term later. The caller writes
    /// [`Monitor::stored`] down before it does anything else, so that terms never repeat.
    pub fn new(top: Topology, stored: Option<Stored>, now: Now) -> Self {
        let before = stored.as_ref().map_or(Span::ZERO, |stored| stored.ttl);
        let over = lease::surely_over(now.boot, top.timing.ttl.max(before));
        let superseded = stored.as_ref().is_some_and(Stored::is_superseded);
        let hosts = hosts_as_stored(&top, stored.as_ref(), now);
        let term = next_term(stored.as_ref(), superseded, now);
        let first = Stamp { term, seq: 0 };
        let (mut vips, all_known) = vips_as_stored(&top, stored.as_ref(), now, over, first);
        let quiet_until = if all_known { now.boot + top.timing.heartbeat * 3 } else { over };
        let kept = stored.as_ref().filter(|_| !superseded && top.mode == MonitorMode::Active);
        let mode = kept.map_or(top.mode, |stored| stored.mode);
        // Another monitor led meanwhile: who is written down has it no longer, or by its word.
        withhold(&mut vips, first, |host| {
            let offline = hosts[host].state == HostState::AdminOffline;
            superseded || (offline && mode != MonitorMode::Passive)
        });
        let cause = cause_as_stored(stored.as_ref().filter(|_| !superseded), mode);
        let mut core = Self {
            term,
            foreign: 0,
            seq: 1,
            mode,
            cause,
            hosts,
            on_disk: vips.iter().map(|vip| vip.holder).collect(),
            vips,
            running: None,
            last: None,
            doctor: super::doctor::Doctor::default(),
            plans: Vec::new(),
            // Short to read and to type, and hardly the same after a restart.
            next_plan: term % 90 * 100,
            applying: None,
            next_order: 0,
            next_event: 0,
            generation: 1,
            started: now,
            others_may_lead: superseded || stored.as_ref().is_none_or(|s| s.others_may_lead),
            now,
            quiet_until,
            mute_until: now.boot,
            network: true,
            network_why: String::new(),
            store_why: String::new(),
            blind: false,
            forced: None,
            chosen_by: None,
            idle_since: None,
            unserved_since: None,
            retry_at: now.boot,
            failed_alike: (String::new(), 0),
            avoided: Vec::new(),
            voted: false,
            votes: Vec::new(),
            calm_until: now.boot + CALM,
            preference_failed: 0,
            parted: parted_as_stored(&top, stored.as_ref(), now.boot),
            hooks: Vec::new(),
            advisor: super::advice::Advisor::default(),
            decided: true,
            unconfirmed: false,
            stirred: true,
            look_at: now.boot,
            out: Vec::new(),
            broken_off: stored.as_ref().and_then(|stored| stored.running.clone()),
            top,
        };
        core.tell_start(stored.as_ref());
        core
    }

    /// What must be on disk for the present decisions.
    pub fn stored(&self) -> Stored {
        let name = |host: usize| self.top.hosts[host].name.as_str().to_owned();
        Stored {
            cluster: self.top.cluster.as_str().to_owned(),
            term: self.term,
            seq: self.seq,
            mode: self.mode,
            cause: self.cause.clone(),
            foreign: self.foreign,
            others_may_lead: self.others_may_lead,
            ttl: self.top.timing.ttl,
            running: self.move_to_store(),
            parted: self
                .parted
                .iter()
                .map(|parted| StoredParted {
                    host: name(parted.host),
                    heir: name(parted.heir),
                    at: parted.at.clone(),
                    told: parted.told,
                    accepted: parted.accepted,
                })
                .collect(),
            hosts: self
                .hosts
                .iter()
                .enumerate()
                .map(|(index, host)| StoredHost {
                    name: name(index),
                    state: host.state,
                    why: host.why.clone(),
                    flapping: host.flapping,
                    flaps: host.flaps,
                    flap_window: host.flap_window.map(|at| self.now.wall_of(at)),
                    since: Some(self.now.wall_of(host.since)),
                    online_since: host.online_since.map(|at| self.now.wall_of(at)),
                    last_uptime: host.last_uptime.clone(),
                    asks: host.asks.clone(),
                    asks_others: host.asks_others,
                })
                .collect(),
            vips: self
                .vips
                .iter()
                .map(|vip| StoredVip {
                    role: self.top.roles[vip.role].name.as_str().to_owned(),
                    ip: vip.ip.to_string(),
                    holder: vip.holder.map(name),
                    last: vip.last.map(name),
                    claims: vip.claims.iter().map(|claim| name(claim.host)).collect(),
                    chosen: vip.chosen.map(name),
                })
                .collect(),
        }
    }
}

/// Without a memory, or when another one led meanwhile, nobody knows the latest term. The
/// milliseconds of the calendar are beyond every term that was ever counted up from them, and two
/// monitors hardly start in the same one; nothing else is made of them.
fn next_term(stored: Option<&Stored>, superseded: bool, now: Now) -> u64 {
    let known = stored.map_or(0, |stored| stored.term.max(stored.foreign));
    let calendar = u64::try_from(now.wall.0).unwrap_or(0);
    if stored.is_none() || superseded {
        calendar.max(known + 1)
    } else {
        known + u64::from(!bug(Bug::SameTerm))
    }
}

/// Why the mode is what it is.
fn cause_as_stored(stored: Option<&Stored>, mode: MonitorMode) -> String {
    match (stored, mode) {
        (Some(stored), mode) if stored.mode == mode => stored.cause.clone(),
        (_, MonitorMode::Active) => String::new(),
        _ => "configured".to_owned(),
    }
}

/// The hosts with the states that were written down.
fn hosts_as_stored(top: &Topology, stored: Option<&Stored>, now: Now) -> Vec<Host> {
    let known = |spec: &HostSpec| {
        stored.and_then(|s| s.hosts.iter().find(|host| spec.name == *host.name.as_str()))
    };
    let host = |spec: &HostSpec| {
        let Some(known) = known(spec) else {
            let mut host = Host::new(HostState::Unknown, "first seen", now.boot, now.wall);
            if top.holds_alone && stored.is_none() {
                // Nobody knows who held on alone when the memory was lost.
                host.asks.push(Arc::new(Askable { alone: true, ..Askable::default() }));
            }
            return host;
        };
        let mut host = Host::new(known.state, &known.why, now.boot, now.wall);
        let at = |wall: Wall| time_of(now, wall);
        host.since = known.since.map_or(now.boot, at);
        (host.flapping, host.flaps) = (known.flapping, known.flaps);
        host.flap_window = known.flap_window.map(at);
        host.last_uptime.clone_from(&known.last_uptime);
        host.asks = isolated::asks_as_stored(top, stored, known);
        host.asks_others = known.asks_others;
        if known.state == HostState::Online {
            host.online_since = Some(known.online_since.map_or(now.boot, at));
            for check in &mut host.checks {
                check.presume();
            }
        }
        host
    };
    let mut hosts: Vec<Host> = top.hosts.iter().map(host).collect();
    if stored.is_some_and(Stored::is_superseded) {
        isolated::led_by_another(top, &mut hosts);
    }
    hosts
}

/// The instant of a stamp of the calendar, as far as this boot's clock goes back. Only timers that
/// harm nobody when they are wrong are kept like this: flapping, grace, `auto_set_online`.
fn time_of(now: Now, wall: Wall) -> Time {
    let ago = u64::try_from(now.wall.0.saturating_sub(wall.0)).unwrap_or(0);
    now.boot - Span::ms(ago)
}

/// The VIPs, each with a claim for everybody who may have it. False when somebody may have one that
/// this configuration does not know.
fn vips_as_stored(
    top: &Topology,
    stored: Option<&Stored>,
    now: Now,
    over: Time,
    first: Stamp,
) -> (Vec<Vip>, bool) {
    let (mut vips, mut all_known) = (Vec::new(), true);
    for (role, spec) in top.roles.iter().enumerate() {
        for ip in &spec.ips {
            let known = stored.and_then(|stored| {
                stored.vips.iter().find(|v| v.ip == ip.to_string() && spec.name == *v.role.as_str())
            });
            let holder = known
                .and_then(|known| known.holder.as_deref())
                .and_then(|name| spec.hosts.iter().copied().find(|h| top.hosts[*h].name == *name));
            let last = known
                .and_then(|known| known.last.as_deref())
                .and_then(|name| top.hosts.iter().position(|host| host.name == *name));
            let chosen = known
                .and_then(|known| known.chosen.as_deref())
                .and_then(|name| spec.hosts.iter().copied().find(|h| top.hosts[*h].name == *name));
            // Who is written down may have it; who is not may still have it from a time of
            // which the file does not know, so everybody must answer once.
            let mut claimants = spec.hosts.clone();
            for name in known.iter().flat_map(|known| known.claims.iter().chain(&known.holder)) {
                match top.hosts.iter().position(|host| host.name == **name) {
                    Some(host) if claimants.contains(&host) => {}
                    // It left the role, or the cluster, by a change of the configuration.
                    Some(host) => claimants.push(host),
                    None => all_known = false,
                }
            }
            let claims = claimants
                .into_iter()
                .filter(|host| holder == Some(*host) || !bug(Bug::ForgetClaims))
                .map(|host| Claim { host, over, taken: (holder != Some(host)).then_some(first) })
                .collect();
            vips.push(Vip {
                role,
                ip: *ip,
                holder,
                last: holder.or(last),
                since: now.boot,
                why: "the monitor has just started".to_owned(),
                claims,
                chosen,
            });
        }
    }
    (vips, all_known)
}

/// Takes VIPs from those who are written down as their holders and must not be taken for it: they
/// have claims like everybody else. In PASSIVE a host that is set offline keeps what it has; a
/// monitor that does not start in PASSIVE takes it away, as leaving PASSIVE does.
fn withhold(vips: &mut [Vip], first: Stamp, from: impl Fn(usize) -> bool) {
    for vip in vips {
        let Some(holder) = vip.holder.filter(|host| from(*host)) else {
            continue;
        };
        vip.holder = None;
        for claim in vip.claims.iter_mut().filter(|claim| claim.host == holder) {
            claim.taken = Some(first);
        }
    }
}

/// What is still to be compared.
fn parted_as_stored(top: &Topology, stored: Option<&Stored>, now: Time) -> Vec<Parted> {
    let index = |name: &str| top.hosts.iter().position(|host| host.name == *name);
    let parted = |parted: &StoredParted| {
        Some(Parted {
            host: index(&parted.host)?,
            heir: index(&parted.heir)?,
            at: parted.at.clone(),
            since: now,
            told: parted.told,
            accepted: parted.accepted,
            following: None,
        })
    };
    stored.map_or(Vec::new(), |stored| stored.parted.iter().filter_map(parted).collect())
}
