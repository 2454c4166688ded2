//! The monitor core: facts and requests in, decisions out.
//!
//! `Monitor::step` takes one input, lets every rule look at the whole once, and gives back what is
//! to be done, in order. A [`Effect::Persist`] comes before everything that relies on it. Rooms:
//! facts (`hosts`), what they amount to (`evidence`), states (`states`), who holds what (`vips`,
//! `placement`), who may become writer (`candidate`), moving it (`moves`, `planned`, `failover`),
//! people (`commands`, `plan`, `view`).

mod absence;
mod actions;
mod advice;
mod blocked;
mod candidate;
mod commands;
mod doctor;
mod evidence;
mod failover;
mod halting;
mod hearing;
mod hook;
pub mod hosts;
mod isolated;
mod moves;
mod outlived;
mod parted;
mod pass;
mod peers;
mod permit;
mod placement;
mod plan;
mod planned;
mod preference;
mod promotion;
mod readiness;
mod restart;
mod sending;
mod startup;
mod states;
mod switching;
mod table;
pub mod topology;
mod unseen;
mod view;
mod vips;
mod votes;
mod words;

use mmm_proto::agent::Stamp;
use mmm_proto::console::{Refusal, RefusalCode};
use mmm_proto::event::Level;
use mmm_proto::plan::{Plan, Progress};
use mmm_proto::{Check, HostState, MonitorMode, Span, Time};

use super::Now;
use crate::core::bugs::{Bug, bug};
use hosts::Host;
use moves::Move;
use parted::Parted;
pub use startup::Stored;
pub use table::{ROWS, Row};
use topology::Topology;
use vips::Vip;
pub use words::{Asker, Effect, Input, Request, not_written_down};

/// The monitor core.
#[derive(Debug)]
pub struct Monitor {
    top: Topology,
    term: u64,
    /// The highest term of another monitor that an agent obeys; zero when there was none.
    foreign: u64,
    /// Counts decisions of this term.
    seq: u64,
    mode: MonitorMode,
    cause: String,
    hosts: Vec<Host>,
    vips: Vec<Vip>,
    running: Option<Move>,
    last: Option<Progress>,
    doctor: doctor::Doctor,
    plans: Vec<(Plan, Time)>,
    next_plan: u64,
    /// The plan that a person applies in this step.
    applying: Option<u64>,
    next_order: u64,
    next_event: u64,
    generation: u64,
    started: Now,
    /// Another monitor may lead until an agent obeys this one. Not where this one goes on from its
    /// own file, was not superseded, and was obeyed before.
    others_may_lead: bool,
    now: Now,
    /// Until then nothing is taken for silent and nobody is promoted: the monitor has just started
    /// or was away.
    quiet_until: Time,
    /// Nothing is granted before then.
    mute_until: Time,
    network: bool,
    network_why: String,
    store_why: String,
    /// Nothing could be seen in the latest step.
    blind: bool,
    /// The host that an operator forced to be writer, until it is: its replication is not held
    /// against it.
    forced: Option<usize>,
    /// Since when the agent of the writer says without a break that it does not serve.
    idle_since: Option<Time>,
    /// Who chose the writer to be, when a person did.
    chosen_by: Option<String>,
    /// Since when nobody serves as writer, as far as was heard.
    unserved_since: Option<Time>,
    /// When an automatic move may be tried again after one failed.
    retry_at: Time,
    /// Why the latest failover failed, and how many before it had failed so.
    failed_alike: (String, u32),
    /// Hosts that lately failed to become writer, and until when others are tried first.
    avoided: Vec<(usize, Time)>,
    /// The count at the start is done.
    voted: bool,
    /// What was counted, as a table: one line a host, under a heading.
    votes: Vec<String>,
    /// Until then the writer is not moved to its preferred host.
    calm_until: Time,
    /// How many moves to the preferred host failed in a row.
    preference_failed: u32,
    /// Hosts that may have what the writer lacks.
    parted: Vec<Parted>,
    /// Runs of the kill-host hook, for hosts that were not heard since.
    hooks: Vec<hook::Hook>,
    advisor: advice::Advisor,
    /// A move of the monitor before whose end is not told yet.
    broken_off: Option<restart::StoredMove>,
    /// Something was decided in this step that must be on disk before it is acted on.
    decided: bool,
    /// Who has each VIP by the status file, as far as is known, and whether the latest decision is
    /// not known yet to be in it.
    on_disk: Vec<Option<usize>>,
    unconfirmed: bool,
    /// Something came in that rules may have to act on.
    stirred: bool,
    /// When every rule looks again though nothing came in.
    look_at: Time,
    out: Vec<Effect>,
}

impl Monitor {
    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.notice_absence(now);
        self.now = now;
        // The next input tells whether the former decisions could be written down.
        if self.unconfirmed && !matches!(input, Input::StoreFailed { .. }) {
            self.confirm_decisions();
        }
        // The shell is in the middle of a write then: nothing is decided before the next input.
        let of_the_store = matches!(input, Input::StoreFailed { .. } | Input::StoreWorks);
        self.take(input);
        if of_the_store {
            (self.stirred, self.look_at) = (true, now.boot);
            return std::mem::take(&mut self.out);
        }
        // Most of what comes in says that all is as before: a report at each heartbeat, a check
        // that holds again. Rules look when something changed, and when time alone may matter.
        let stirred = std::mem::take(&mut self.stirred);
        if stirred || now.boot >= self.look_at {
            self.look_at_everything(stirred);
            self.look_at = now.boot + self.rest();
        }
        let mut effects = std::mem::take(&mut self.out);
        self.unconfirmed |= self.decided;
        if std::mem::take(&mut self.decided) && !bug(Bug::MonitorForgets) {
            effects.insert(0, Effect::Persist(Box::new(self.stored())));
        }
        effects
    }

    /// When to call again even if nothing comes in.
    pub fn next_wakeup(&self) -> Time {
        self.look_at.max(self.now.boot + Span::ms(1))
    }

    /// How long no rule can come to another result by the passing of time alone: short steps while
    /// anything is unusual, else until the first agent would count as silent.
    fn rest(&self) -> Span {
        if self.examining() {
            return Span::ms(20);
        }
        let limit = self.answer_limit();
        let heard = self.hosts.iter().filter_map(|host| host.heard.as_ref());
        let silent = heard.clone().map(|heard| heard.at + limit);
        let lost = heard.map(|heard| heard.at + self.silence());
        if self.calm() && self.running.is_none() {
            let first = silent.min().unwrap_or(self.now.boot);
            return first.since(self.now.boot).clamp(Span::ms(20), Span::secs(1));
        }
        let claims = self.vips.iter().flat_map(|vip| &vip.claims);
        // A grant may be over already when it is taken away.
        let taken = claims.filter(|claim| claim.taken.is_some());
        let ended = taken.map(|claim| claim.over.max(self.now.boot));
        let deadlines = ended.chain([self.quiet_until, self.retry_at]).chain(silent).chain(lost);
        let ahead = deadlines.filter(|at| *at >= self.now.boot).map(|at| at + Span::ms(1));
        // Whoever waits for a writer waits no longer than he must. What else is measured in time
        // is measured in seconds.
        let urgent = self.idle_since.is_some() || self.unserved_since.is_some() || !self.voted;
        let most = Span::ms(match (&self.running, urgent) {
            (Some(_), _) => 50,
            (None, true) => 100,
            (None, false) => 250,
        });
        ahead.min().map_or(most, |first| first.since(self.now.boot).min(most))
    }

    /// Whether all is as it should be, so that only silence could change anything.
    fn calm(&self) -> bool {
        let host = |host: &Host| {
            matches!(host.state, HostState::Online | HostState::AdminOffline)
                && host.heard.is_some()
                && host.checks.iter().all(|check| check.good == Some(true) && !check.failing)
        };
        let vip = |vip: &Vip| vip.holder.is_some() && vip.claims.len() == 1;
        let prefer = self.top.roles[self.top.writer].prefer;
        self.mode != MonitorMode::Wait
            && self.voted
            && self.now.boot >= self.quiet_until
            && prefer.is_none_or(|prefer| self.is_writer(prefer))
            && self.network
            && self.store_why.is_empty()
            && self.parted.is_empty()
            && self.idle_since.is_none()
            && self.hosts.iter().all(host)
            && self.vips.iter().all(vip)
    }

    /// The mode, and why it is that one.
    pub fn mode(&self) -> (MonitorMode, &str) {
        (self.mode, &self.cause)
    }

    /// The state of a host, by its number in the configuration.
    pub fn state_of(&self, host: usize) -> Option<HostState> {
        self.hosts.get(host).map(|host| host.state)
    }

    /// The stamp of the latest decision.
    pub fn stamp(&self) -> Stamp {
        Stamp { term: self.term, seq: self.seq }
    }

    fn take(&mut self, input: Input) {
        // Routine says itself that it is routine.
        self.stirred |= match &input {
            Input::Tick | Input::Checked { .. } | Input::Said { .. } => false,
            Input::Network { up, .. } => self.network != *up,
            _ => true,
        };
        match input {
            Input::Tick => {}
            Input::Checked { host, check, found, began, took } => {
                self.take_check(host, check, found, began, took);
            }
            Input::Network { up, message } => {
                if self.network != up {
                    let level = if up { Level::Info } else { Level::Error };
                    let what = if up { "network is up again" } else { "network is down" };
                    self.event(level, "monitor", what, &message);
                }
                (self.network, self.network_why) = (up, message);
            }
            Input::LinkUp { host, version } => {
                let host = &mut self.hosts[host];
                (host.link, host.granted) = (Some(version), None);
                self.generation += 1;
            }
            Input::LinkDown { host, why } => self.take_link_down(host, &why),
            Input::Said { host, at, message } => self.take_said(host, at, message),
            Input::Asked { asker, request } => self.take_request(asker, request),
            Input::Hooked { host, ok, why } => self.take_hooked(host, ok, &why),
            Input::StoreFailed { why } => {
                self.event(Level::Error, "monitor", "cannot write its status file", &why);
                self.store_why = why;
            }
            Input::StoreWorks => {
                if !self.store_why.is_empty() {
                    self.event(Level::Info, "monitor", "can write its status file again", "");
                }
                self.store_why.clear();
                self.confirm_decisions();
            }
        }
    }

    /// Every rule, once, in this order.
    fn look_at_everything(&mut self, stirred: bool) {
        self.end_claims();
        self.notice_sight();
        if self.held().is_empty() {
            self.vote_at_start();
            if self.now.boot >= self.quiet_until {
                self.judge_states();
                self.take_roles_from_lost_hosts();
                self.take_role_from_idle_writer();
                self.mind_hooks();
            }
            self.go_on_with_the_move();
            self.notice_service();
            self.place();
        }
        // What is wanted of hosts follows from decisions and from what comes in, not from the time.
        if stirred || self.stirred || self.decided || self.running.is_some() {
            self.tell_agents();
        } else if cfg!(test) {
            let before = self.out.len();
            self.tell_agents();
            assert_eq!(self.out.len(), before, "wanted by the passing of time alone");
        }
        self.mind_broken_off();
        self.notice_unseen();
        self.compare_with_heirs();
        self.mind_advice();
        self.finish_examinations();
    }

    /// Why no decision is taken just now; empty when decisions are taken.
    fn held(&self) -> String {
        if !self.store_why.is_empty() {
            return format!("the status file cannot be written: {}", self.store_why);
        }
        self.blindness()
    }

    /// Why the monitor cannot see anything; empty when it can.
    fn blindness(&self) -> String {
        let all_silent =
            self.hosts.iter().all(|host| host.fresh(self.now.boot, self.top.timing.ttl).is_none());
        let all_failing = self.hosts.iter().all(|host| host.checks[Check::Ping.index()].failing);
        if !self.network && all_silent {
            return format!("the monitor has no network: {}", self.network_why);
        }
        if all_silent && all_failing && self.hosts.len() > 1 {
            return "no host answers, neither by ping nor by its agent: the monitor's own network \
                    is taken for broken"
                .to_owned();
        }
        String::new()
    }

    /// When it sees again after it was blind, old failures are its own: the hosts get the time to
    /// answer.
    fn notice_sight(&mut self) {
        let blind = !self.blindness().is_empty();
        if std::mem::replace(&mut self.blind, blind) && !blind {
            self.be_quiet(self.silence());
        }
    }

    fn superseded(&self) -> bool {
        self.mode == MonitorMode::Passive && self.cause.starts_with("superseded")
    }

    /// Counts a decision: it is written down before anything of this step is sent.
    fn decide(&mut self) {
        self.seq += 1;
        self.decided = true;
        self.generation += 1;
    }

    fn set_mode(&mut self, mode: MonitorMode, cause: &str, by: Option<&str>) {
        let what = format!("{} -> {mode}", self.mode);
        (self.mode, self.cause) = (mode, cause.to_owned());
        self.decide();
        let level = if mode == MonitorMode::Active { Level::Info } else { Level::Warn };
        self.event_by(level, "mode", &what, cause, by);
    }

    fn name(&self, host: usize) -> String {
        self.top.hosts[host].name.as_str().to_owned()
    }
}

/// A refusal: nothing was changed, and why.
fn refuse(code: RefusalCode, reason: impl Into<String>) -> Refusal {
    Refusal { code, reason: reason.into() }
}
