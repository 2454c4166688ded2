//! The agent core: what the monitor wants, what is found on the host, and the acts that make the
//! one out of the other.
//!
//! `Agent::step` takes one input and gives back what is to be done. Rooms: the permission to hold
//! and what the host does about the writer role (`hold`), what a grant changes (`grants`),
//! addresses and replication (`apply`), the steps of a move (`orders`), going on without a monitor
//! (`promises`), the word given to others (`given`), reports and news (`telling`). The safety rules
//! are those of the design, section 6: hold only within the grant, fence at two thirds of it, obey
//! nothing older than what was seen.

mod apply;
mod conflict;
mod given;
mod grants;
mod hold;
mod orders;
mod promises;
mod telling;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use mmm_proto::agent::{Duty, FromAgent, Reach, Server, Stamp, ToAgent, Want};
use mmm_proto::peer::{News, PeerMessage};
use mmm_proto::{HostName, Span, Time};

use super::Now;
use super::lease::Lease;
use given::given_as_kept;
use promises::{Given, Peer};
pub use words::{Act, ActResult, Countdown, Effect, Input, Kept, Roster, RosterVip};

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
#[derive(Debug, Clone)]
pub struct Agent {
    roster: Roster,
    boot_id: Arc<str>,
    now: Now,
    seen: Stamp,
    lease: Option<Lease>,
    /// How long grants last, by the latest.
    ttl: Span,
    /// Promises that this host gave.
    given: Vec<Given>,
    /// VIPs that are held by promises, since when; the promises, by the clock of the ask.
    relies: BTreeMap<IpAddr, Time>,
    got: BTreeMap<(IpAddr, HostName), Time>,
    /// VIPs that were let go because a peer knows a newer decision, or by an earlier process.
    yielded: BTreeSet<IpAddr>,
    /// When this process began, and whether what is wanted is from an earlier one's memory.
    started: Time,
    resumed: bool,
    asked_at: Option<Time>,
    /// What peers said last; what they were told, and when.
    peers: Vec<Peer>,
    told: Option<Arc<News>>,
    news_at: Option<Time>,
    want: Option<Arc<Want>>,
    /// The stamp of the grant that `want` came with. An order may be newer.
    granted: Stamp,
    /// The decision under which this host last began to take writes.
    served: Stamp,
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
    /// Until when the kernel was last told to keep each VIP by an act of its own.
    told_kernel: BTreeMap<IpAddr, Time>,
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
    /// Something came in that rules may have to act on.
    stirred: bool,
    /// When every rule looks again though nothing came in.
    look_at: Time,
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
        let served = kept.as_ref().map_or(Stamp::default(), |kept| kept.served);
        let given = kept.as_ref().map_or(Vec::new(), |kept| given_as_kept(&kept.given, now.boot));
        let mut agent = Self {
            boot_id: Arc::from(boot_id),
            now,
            seen,
            lease: None,
            ttl: Span::ZERO,
            given,
            relies: BTreeMap::new(),
            got: BTreeMap::new(),
            yielded: BTreeSet::new(),
            started: now.boot,
            resumed: false,
            asked_at: None,
            peers: Vec::new(),
            told: None,
            news_at: None,
            want: None,
            granted: Stamp::default(),
            served,
            // Not known yet whether there is anything to fence: `hold` looks first.
            duty: Duty::Fencing,
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
            told_kernel: BTreeMap::new(),
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
            stirred: true,
            look_at: now.boot,
            uptime: Span(now.boot.0),
            kept,
            roster,
            out: Vec::new(),
        };
        agent.resume();
        agent
    }

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = now;
        // Linux counts both uptime and CLOCK_BOOTTIME from the boot.
        self.uptime = Span(now.boot.0);
        self.take(input);
        // Most of what comes in says that all is as before. Rules look when something changed, and
        // when time alone may matter.
        if std::mem::take(&mut self.stirred) || now.boot >= self.look_at {
            self.look_at_everything();
            self.look_at = self.next_look();
        } else {
            #[cfg(test)]
            if now.boot.0.is_multiple_of(16) {
                self.nothing_was_missed();
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Every rule, once, in this order.
    fn look_at_everything(&mut self) {
        self.mind_promises();
        self.mind_the_lease();
        self.mind_the_writer();
        self.mind_the_addresses();
        self.mind_replication();
        self.mind_the_conflicts();
        self.report_if_due();
        self.tell_peers();
    }

    /// Whoever rests must not have had anything to do but what may as well wait for the heartbeat.
    #[cfg(test)]
    fn nothing_was_missed(&self) {
        let mut other = self.clone();
        let before = other.out.len();
        other.look_at_everything();
        let routine = |effect: &Effect| {
            matches!(
                effect,
                Effect::Say(FromAgent::Report(_))
                    | Effect::SayPeer { message: PeerMessage::News(_), .. }
            )
        };
        let missed: Vec<&Effect> = other.out[before..].iter().filter(|e| !routine(e)).collect();
        assert!(missed.is_empty() && other.duty == self.duty, "{missed:?} was missed by {self:#?}");
    }

    /// When to call again even if nothing comes in.
    pub fn next_wakeup(&self) -> Time {
        self.look_at
    }

    /// The first moment at which time alone may matter.
    fn next_look(&self) -> Time {
        let now = self.now.boot;
        let leases = [self.lease, self.writer_lease()].into_iter().flatten();
        let leases = leases.flat_map(|lease| [lease.fence_at(), lease.ends()]);
        let vips = self.relies.keys().filter_map(|vip| self.lease_of(*vip)).map(Lease::ends);
        let report = self.reported_at.map(|at| at + self.heartbeat());
        let retries = [self.write_retry, self.replicate_retry];
        let addresses = self.address_retry.values().copied();
        // What is past was looked at in this very step.
        let ahead = leases.chain(vips).chain(report).chain(retries).chain(addresses);
        let ahead = ahead.chain(self.promises_wake()).chain(self.conflicts_due());
        let next = ahead.filter(|at| *at > now).min();
        next.unwrap_or(now + HEARTBEAT).min(now + HEARTBEAT)
    }

    fn take(&mut self, input: Input) {
        // Routine says itself that it is routine.
        self.stirred |= match &input {
            Input::Tick | Input::Addresses { .. } | Input::Facts { .. } => false,
            Input::Heard { message, .. } => !matches!(message, ToAgent::Grant(_)),
            Input::Peer { message, .. } => {
                !matches!(message, PeerMessage::News(_) | PeerMessage::Alive {})
            }
            _ => true,
        };
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
                let first = !std::mem::replace(&mut self.looked, true);
                self.stirred |= first;
                if self.found != found {
                    self.found = found;
                    (self.changed, self.stirred) = (true, true);
                }
                if first && self.resumed {
                    self.leave_what_was_let_go();
                }
            }
            Input::Conflict { vip, mac, neighbours } => {
                self.take_conflict(vip, &mac, &neighbours);
            }
            Input::Ended { id, result } => self.take_result(id, result),
            Input::Peer { from, message } => self.take_peer(&from, message),
            Input::StoreFailed { why } => {
                self.trouble("store", Some(format!("cannot write its state: {why}")));
            }
            Input::StoreWorks => self.trouble("store", None),
            Input::DeadmanEvent { trouble } => self.trouble("deadman_event", trouble),
        }
    }

    /// The youngest look counts, whichever ends last.
    fn take_facts(&mut self, server: Server, began: Time) {
        if began < self.server_began {
            return;
        }
        let differ = facts_differ(&self.server, &server);
        self.changed |= differ;
        // Rules wait for a look that is younger than what was done last.
        let waited = self.server_began <= self.duty_since || self.server_began < self.replicated;
        self.stirred |= differ || waited;
        if server.reach == Reach::Up {
            self.ended.clear();
        }
        (self.server, self.server_began) = (server, began);
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
            if duty == Duty::Serving {
                self.served = self.granted;
            }
            // A rule may have done it, and those before it in order have not seen it.
            (self.changed, self.stirred) = (true, true);
            self.keep(sync);
        }
    }

    /// How often to report: six times within a grant, and with a long one as often as without: how
    /// soon a loss is seen, here or by way of another host, must not hang on it.
    fn heartbeat(&self) -> Span {
        if self.ttl == Span::ZERO {
            return HEARTBEAT;
        }
        Span::ms((self.ttl.as_ms() / 6).max(50)).min(HEARTBEAT)
    }
}

/// Whether a look tells the monitor something that cannot wait for the heartbeat.
fn facts_differ(old: &Server, new: &Server) -> bool {
    let threads = |server: &Server| {
        server.replication.as_ref().map(|r| {
            let refused = r.lacks_own && !r.error.is_empty();
            (r.source.clone(), r.port, r.io, r.sql, r.error.clone(), refused)
        })
    };
    old.reach != new.reach || old.read_only != new.read_only || threads(old) != threads(new)
}
