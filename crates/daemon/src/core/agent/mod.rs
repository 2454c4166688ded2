//! The agent core: what the monitor wants, what is found on the host, and the acts that make the
//! one out of the other.
//!
//! `Agent::step` takes one input and gives back what is to be done. Rooms: the permission to hold
//! and what the host does about the writer role (`hold`), what a grant changes (`grants`),
//! addresses and replication (`apply`), the steps of a move (`orders`), going on without a monitor
//! (`promises`), the word given to others (`given`), reports and news (`telling`), when the rules
//! look (`resting`). The safety rules are those of the design, section 6: hold only within the
//! grant, fence at two thirds of it, obey nothing older than what was seen.

mod apply;
mod conflict;
mod given;
mod grants;
mod hold;
mod orders;
mod promises;
mod resting;
mod telling;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use litemap::LiteMap;
use mmm_proto::agent::{Duty, FromAgent, Reach, Replication, Server, Stamp, ToAgent, Want};
use mmm_proto::peer::{Askable, News, PeerMessage};
use mmm_proto::server::same_text;
use mmm_proto::{HostName, Span, Time};

use super::Now;
use super::lease::Lease;
use given::given_as_kept;
use promises::{Given, Peer};
pub use words::{Act, ActResult, Countdown, Effect, Input, Kept, Roster, RosterVip};

/// Reports when no grant has said how often, and asks for promises.
const HEARTBEAT: Span = Span::ms(500);

/// Reports are never further apart: either end gives a link up after 5 s of silence.
const LONGEST_BEAT: Span = Span::secs(2);

/// Nor closer together, whatever comes by the wire: the least that the configuration takes.
const SHORTEST_BEAT: Span = Span::ms(20);

/// What others say, and decisions that change nothing here, are told at most so often: at each
/// decision all hosts hear of it from the monitor and from each other.
const SPACING: Span = Span::ms(20);

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
    /// How long grants last, and how often the monitor wants to hear, by the latest.
    ttl: Span,
    beat: Span,
    /// Promises that this host gave.
    given: Vec<Given>,
    /// VIPs that are held by promises, since when; the promises, by the clock of the ask.
    relies: LiteMap<IpAddr, Time>,
    got: BTreeMap<(IpAddr, HostName), Time>,
    /// VIPs that were let go because a peer knows a newer decision, or by an earlier process.
    yielded: BTreeSet<IpAddr>,
    /// When this process began, and whether what is wanted is from an earlier one's memory.
    started: Time,
    resumed: bool,
    /// It had nothing on disk when it began.
    blank: bool,
    asked_at: Option<Time>,
    /// What peers said last; what they were told, and when.
    peers: Vec<Peer>,
    told: Option<Arc<News>>,
    /// Whom a grant names, as it was last looked up.
    others: (Arc<Askable>, Arc<[HostName]>),
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
    addressing: LiteMap<IpAddr, Running>,
    /// Until when the kernel was last told to keep each VIP by an act of its own.
    told_kernel: LiteMap<IpAddr, Time>,
    /// Looks that were ordered.
    looking: Vec<Running>,
    stopped: bool,
    /// When a failed act may be tried again.
    write_retry: Time,
    replicate_retry: Time,
    /// When the latest act on replication ended.
    replicated: Time,
    /// The same for acts on single addresses.
    address_retry: LiteMap<IpAddr, Time>,
    /// What could not be done, by what it is about.
    troubles: BTreeMap<String, String>,
    /// Others that say that they have a VIP of ours.
    conflicts: BTreeMap<IpAddr, conflict::Conflict>,
    links: Vec<u64>,
    next_act: u64,
    reported_at: Option<Time>,
    /// Something changed that the monitor should hear of at once.
    changed: bool,
    /// A peer said something new that the monitor was not told yet.
    peers_changed: bool,
    /// Something came in that rules may have to act on.
    stirred: bool,
    /// When to look again though nothing came in, and when every rule looked last.
    look_at: Time,
    ruled_at: Time,
    /// Not before then may time alone matter to a rule, as of the latest look.
    rules_at: Time,
    uptime: Span,
    kept: Option<Arc<Kept>>,
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
            beat: Span::ZERO,
            given,
            relies: LiteMap::new(),
            got: BTreeMap::new(),
            yielded: BTreeSet::new(),
            started: now.boot,
            resumed: false,
            blank: kept.is_none(),
            asked_at: None,
            peers: Vec::new(),
            told: None,
            others: Default::default(),
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
            addressing: LiteMap::new(),
            told_kernel: LiteMap::new(),
            looking: Vec::new(),
            stopped: kept.as_ref().is_some_and(|kept| kept.stopped),
            write_retry: now.boot,
            replicate_retry: now.boot,
            replicated: Time(0),
            address_retry: LiteMap::new(),
            troubles: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            links: Vec::new(),
            next_act: 0,
            reported_at: None,
            changed: false,
            peers_changed: false,
            stirred: true,
            look_at: now.boot,
            ruled_at: now.boot,
            rules_at: now.boot,
            uptime: Span(now.boot.0),
            kept: kept.map(Arc::new),
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
        self.look_if_due();
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
        self.tell();
    }

    fn take(&mut self, input: Input) {
        // Routine says itself that it is routine.
        self.stirred |= match &input {
            Input::Tick | Input::Addresses { .. } | Input::Facts { .. } => false,
            Input::Ended { id, result } => !self.only_renews(*id, result),
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
            Input::Facts { server, began } => self.take_facts(*server, began),
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

    /// How often to report: as often as the monitor wants to hear, and six times within a grant.
    /// How long grants last says nothing of how soon a loss is to be seen.
    fn heartbeat(&self) -> Span {
        let wanted = if self.beat.is_zero() {
            HEARTBEAT
        } else {
            self.beat.clamp(SHORTEST_BEAT, LONGEST_BEAT)
        };
        self.within_the_grant(wanted)
    }

    fn within_the_grant(&self, beat: Span) -> Span {
        if self.ttl.is_zero() { beat } else { beat.min(Span::ms((self.ttl.as_ms() / 6).max(50))) }
    }
}

/// Whether a look tells the monitor something that cannot wait for the heartbeat.
fn facts_differ(old: &Server, new: &Server) -> bool {
    let replication = match (&old.replication, &new.replication) {
        (None, None) => false,
        (Some(old), Some(new)) => threads_differ(old, new),
        _ => true,
    };
    replication || old.reach != new.reach || old.read_only != new.read_only
}

fn threads_differ(old: &Replication, new: &Replication) -> bool {
    let refused = |r: &Replication| r.lacks_own && !r.error.is_empty();
    (old.port, old.io, old.sql, refused(old)) != (new.port, new.io, new.sql, refused(new))
        || old.source != new.source
        || !same_text(&old.error, &new.error)
}
