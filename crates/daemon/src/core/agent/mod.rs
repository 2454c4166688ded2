//! The agent core: what the monitor wants, what is found on the host, and the acts that make the
//! one out of the other.
//!
//! `Agent::step` takes one input and gives back what is to be done. Rooms: the permission to hold
//! and what the host does about the writer role (`hold`), addresses and replication (`apply`), the
//! steps of a move (`orders`). The safety rules are those of the design, section 6: hold only
//! within the grant, fence at two thirds of it, obey nothing older than what was seen.

mod apply;
mod conflict;
mod hold;
mod orders;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use mmm_proto::agent::{
    Duty, FromAgent, Grant, Reach, Report, Server, Stamp, Stance, ToAgent, Want,
};
use mmm_proto::{Span, Time};

use super::Now;
use super::lease::Lease;
use crate::core::bugs::{Bug, bug};
pub use words::{Act, ActResult, Effect, Input, Kept, Roster, RosterVip};

/// Reports when no grant has said how often.
const HEARTBEAT: Span = Span::ms(500);

/// An act under way.
#[derive(Debug, Clone)]
struct Running {
    id: u64,
    act: Act,
    began: Time,
    /// The order that it answers: link and number.
    order: Option<(u64, u64)>,
}

/// The agent core.
#[derive(Debug)]
pub struct Agent {
    roster: Roster,
    boot_id: String,
    now: Now,
    seen: Stamp,
    lease: Option<Lease>,
    want: Option<Want>,
    /// The stamp of the grant that `want` came with. An order may be newer.
    granted: Stamp,
    duty: Duty,
    duty_since: Time,
    server: Server,
    server_began: Time,
    found: Vec<IpAddr>,
    /// The interface was looked at at least once.
    looked: bool,
    /// The act on the writer role.
    writing: Option<Running>,
    /// Tries to open that failed since the role was last not wanted.
    open_failed: u32,
    /// Why the server was ended; empty once it runs again.
    ended: String,
    /// The act on replication.
    replicating: Option<Running>,
    /// Acts on single addresses.
    addressing: BTreeMap<IpAddr, Running>,
    /// Looks that were ordered.
    looking: Vec<Running>,
    stopped: bool,
    /// When a failed act may be tried again.
    write_retry: Time,
    replicate_retry: Time,
    /// When the latest act on replication ended.
    replicated: Time,
    /// The same for acts on single addresses.
    address_retry: BTreeMap<IpAddr, Time>,
    /// What could not be done, by what it is about.
    troubles: BTreeMap<String, String>,
    /// Others that say that they have a VIP of ours.
    conflicts: BTreeMap<IpAddr, conflict::Conflict>,
    links: Vec<u64>,
    next_act: u64,
    reported_at: Option<Time>,
    /// Something changed that the monitor should hear of at once.
    changed: bool,
    uptime: Span,
    kept: Option<Kept>,
    out: Vec<Effect>,
}

impl Agent {
    /// An agent that takes up where it left off, if that was in this boot and within its grant;
    /// otherwise it fences first.
    pub fn new(roster: Roster, kept: Option<Kept>, boot_id: &str, now: Now) -> Self {
        let kept = kept.filter(|kept| kept.host == roster.me);
        let seen = kept.as_ref().map_or(Stamp::default(), |kept| kept.seen);
        let resumes = kept.as_ref().filter(|kept| {
            (kept.boot_id == boot_id || bug(Bug::IgnoreBoot))
                && kept.lease.is_some_and(|lease| now.boot < lease.fence_at())
        });
        let (lease, want, granted) = resumes.map_or((None, None, Stamp::default()), |kept| {
            (kept.lease, kept.want.clone(), kept.granted)
        });
        let duty = match resumes {
            Some(kept) if kept.duty == Duty::Serving => Duty::Serving,
            // Not known yet whether there is anything to fence: `hold` looks first.
            _ => Duty::Fencing,
        };
        Self {
            boot_id: boot_id.to_owned(),
            now,
            seen,
            lease,
            want,
            granted,
            duty,
            duty_since: now.boot,
            server: Server::unknown(),
            server_began: Time(0),
            found: Vec::new(),
            looked: false,
            writing: None,
            open_failed: 0,
            ended: String::new(),
            replicating: None,
            addressing: BTreeMap::new(),
            looking: Vec::new(),
            stopped: kept.as_ref().is_some_and(|kept| kept.stopped),
            write_retry: now.boot,
            replicate_retry: now.boot,
            replicated: Time(0),
            address_retry: BTreeMap::new(),
            troubles: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            links: Vec::new(),
            next_act: 0,
            reported_at: None,
            changed: false,
            uptime: Span(now.boot.0),
            kept,
            roster,
            out: Vec::new(),
        }
    }

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = now;
        // Linux counts both uptime and CLOCK_BOOTTIME from the boot.
        self.uptime = Span(now.boot.0);
        self.take(input);
        self.mind_the_lease();
        self.mind_the_writer();
        self.mind_the_addresses();
        self.mind_replication();
        self.mind_the_conflicts();
        self.report_if_due();
        std::mem::take(&mut self.out)
    }

    /// When to call again even if nothing comes in.
    pub fn next_wakeup(&self) -> Time {
        let now = self.now.boot;
        let lease = self.lease.map(|lease| [lease.fence_at(), lease.ends()]);
        let report = self.reported_at.map(|at| at + self.heartbeat());
        let retries = [self.write_retry, self.replicate_retry];
        let addresses = self.address_retry.values().copied();
        // What is past was looked at in this very step.
        let ahead = lease.into_iter().flatten().chain(report).chain(retries).chain(addresses);
        let ahead = ahead.chain(self.conflicts_due());
        let next = ahead.filter(|at| *at > now).min();
        next.unwrap_or(now + HEARTBEAT).min(now + HEARTBEAT)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tick => {}
            Input::Heard { link, message } => match message {
                ToAgent::Grant(grant) => self.take_grant(link, grant),
                ToAgent::Order(order) => self.take_order(link, order),
                // The shell looks: nothing is decided by it.
                ToAgent::Examine { .. } | ToAgent::Error { .. } => {}
            },
            Input::LinkUp { link } => {
                self.links.push(link);
                self.changed = true;
            }
            Input::LinkDown { link, .. } => self.links.retain(|known| *known != link),
            Input::Facts { server, began } => self.take_facts(server, began),
            Input::Lost { reach } => {
                // A look that began before knows less.
                self.server_began = self.now.boot;
                if self.server.reach != reach {
                    self.server.reach = reach;
                    self.server.read_only = None;
                    self.changed = true;
                }
            }
            Input::Addresses { found } => {
                self.looked = true;
                if self.found != found {
                    self.found = found;
                    self.changed = true;
                }
            }
            Input::Conflict { vip, mac, neighbours } => {
                self.take_conflict(vip, &mac, &neighbours);
            }
            Input::Ended { id, result } => self.take_result(id, result),
            Input::StoreFailed { why } => {
                self.trouble("store", Some(format!("cannot write its state: {why}")));
            }
            Input::StoreWorks => self.trouble("store", None),
        }
    }

    /// The youngest look counts, whichever ends last.
    fn take_facts(&mut self, server: Server, began: Time) {
        if began < self.server_began {
            return;
        }
        self.changed |= facts_differ(&self.server, &server);
        if server.reach == Reach::Up {
            self.ended.clear();
        }
        (self.server, self.server_began) = (server, began);
    }

    /// A grant counts when it is not older than what was seen and answers a report of this boot.
    fn take_grant(&mut self, link: u64, grant: Grant) {
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
        let newer = grant.stamp > self.seen;
        let fresher = self.lease.is_none_or(|lease| grant.echo >= lease.echo);
        if !newer && !fresher {
            return;
        }
        let echo = if bug(Bug::FromArrival) { self.now.boot } else { grant.echo };
        let lease = Lease { echo, ttl: grant.ttl };
        let alive = self.now.boot < lease.fence_at();
        let term_changed = grant.stamp.term != self.seen.term;
        let renewed = self.want.as_ref() == Some(&grant.want);
        (self.seen, self.granted) = (grant.stamp, grant.stamp);
        self.want = Some(grant.want);
        if self.wanted_writer().is_none_or(|hold| hold.stance != Stance::Serve) {
            self.open_failed = 0;
        }
        self.lease = alive.then_some(lease);
        if newer {
            self.changed = true;
        }
        if alive {
            self.refresh_lifetimes(lease);
        }
        self.keep(term_changed || (newer && !renewed));
    }

    /// Writes down what must survive.
    fn keep(&mut self, sync: bool) {
        let kept = Kept {
            host: self.roster.me.clone(),
            boot_id: self.boot_id.clone(),
            seen: self.seen,
            duty: self.duty,
            lease: self.lease,
            want: self.want.clone(),
            granted: self.granted,
            stopped: self.stopped,
        };
        if self.kept.as_ref() != Some(&kept) && !bug(Bug::AgentForgets) {
            self.kept = Some(kept.clone());
            self.out.push(Effect::Persist { kept: Box::new(kept), sync });
        }
    }

    fn begin(&mut self, act: Act, limit: Span, order: Option<(u64, u64)>) -> Running {
        self.next_act += 1;
        let id = self.next_act;
        self.out.push(Effect::Begin { id, act: act.clone(), limit });
        Running { id, act, began: self.now.boot, order }
    }

    fn trouble(&mut self, about: &str, why: Option<String>) {
        let changed = match why {
            Some(why) => {
                let before = self.troubles.insert(about.to_owned(), why.clone());
                before.as_ref() != Some(&why)
            }
            None => self.troubles.remove(about).is_some(),
        };
        self.changed |= changed;
    }

    fn news(&mut self, what: &str, why: &str) {
        let subject = self.roster.me.as_str().to_owned();
        let news = FromAgent::News { subject, what: what.to_owned(), why: why.to_owned() };
        self.out.push(Effect::Say(news));
    }

    fn set_duty(&mut self, duty: Duty, sync: bool) {
        if self.duty != duty {
            (self.duty, self.duty_since) = (duty, self.now.boot);
            self.changed = true;
            self.keep(sync);
        }
    }

    /// How often to report: six times within a grant.
    fn heartbeat(&self) -> Span {
        self.lease.map_or(HEARTBEAT, |lease| Span::ms((lease.ttl.as_ms() / 6).max(50)))
    }

    fn report_if_due(&mut self) {
        let due = self
            .reported_at
            .is_none_or(|at| self.now.boot.since(at).as_ms() + 5 >= self.heartbeat().as_ms());
        if self.links.is_empty() || !(due || self.changed) {
            return;
        }
        (self.reported_at, self.changed) = (Some(self.now.boot), false);
        let report = self.report();
        self.out.push(Effect::Say(FromAgent::Report(Box::new(report))));
    }

    /// What the host does about the writer role.
    pub fn duty(&self) -> Duty {
        self.duty
    }

    /// The highest stamp that was obeyed.
    pub fn seen(&self) -> Stamp {
        self.seen
    }

    /// What is true on the host now.
    pub fn report(&self) -> Report {
        let acts = self.writing.iter().chain(&self.replicating).chain(self.addressing.values());
        // An address that is being added counts as there: who is told that it is not may give it
        // on.
        let mut vips = self.found.clone();
        vips.extend(self.addressing.keys().filter(|vip| !self.found.contains(vip)));
        vips.sort();
        let mut server = self.server.clone();
        server.age = self.now.boot.since(self.server_began);
        Report {
            clock: self.now.boot,
            boot_id: self.boot_id.clone(),
            uptime: self.uptime,
            seen: self.seen,
            vips,
            duty: self.duty,
            grant_left: self.lease.map(|lease| lease.ends().since(self.now.boot)),
            server,
            doing: acts.map(|running| running.act.words()).collect(),
            troubles: self.troubles.values().cloned().collect(),
            cannot_open: self.cannot_open(),
            ended: self.ended.clone(),
        }
    }
}

/// Whether a look tells the monitor something that cannot wait for the heartbeat.
fn facts_differ(old: &Server, new: &Server) -> bool {
    let threads = |server: &Server| {
        server
            .replication
            .as_ref()
            .map(|r| (r.source.clone(), r.port, r.io, r.sql, r.error.clone()))
    };
    old.reach != new.reach || old.read_only != new.read_only || threads(old) != threads(new)
}
