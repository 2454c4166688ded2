//! Preferred hosts of exclusive roles. The writer goes back to its preferred host by a planned
//! move, which touches nothing before that host is near: it is never withdrawn first. It happens
//! because `prefer` is set, at any hour; who does not want that leaves `prefer` out.

use mmm_proto::event::Level;
use mmm_proto::plan::PlanOutcome;
use mmm_proto::{Check, HostState, Lag, MonitorMode, RoleMode, Span};

use super::Monitor;
use super::moves::{Kind, Move};

/// After a start, after any move and after a host came online, the writer is left alone this long
/// before it is moved to its preferred host.
pub(super) const CALM: Span = Span::secs(60);

/// Moves to a preferred host that fail wait twice as long each time, up to this.
const LONGEST_CALM: Span = Span::secs(3600);

impl Monitor {
    /// Exclusive roles go to their preferred host as soon as it can serve.
    pub(super) fn obey_preferences(&mut self) {
        for vip in 0..self.vips.len() {
            let role = self.vips[vip].role;
            let spec = &self.top.roles[role];
            if role == self.top.writer || spec.mode != RoleMode::Exclusive {
                continue;
            }
            let Some(prefer) = spec.prefer.filter(|host| self.can_serve(*host)) else {
                continue;
            };
            if let Some(holder) = self.vips[vip].holder.filter(|holder| *holder != prefer) {
                let why = format!("{} is its preferred host", self.top.hosts[prefer].name);
                self.withdraw(vip, &why);
                let from = self.name(holder);
                self.vip_event(Level::Info, vip, &format!("taken from {from}"), &why);
            }
        }
        self.prefer_writer();
    }

    fn prefer_writer(&mut self) {
        let Some(to) = self.top.roles[self.top.writer].prefer else {
            return;
        };
        let Some(from) = self.writer().filter(|from| *from != to) else {
            return;
        };
        if self.running.is_some() || self.why_not_preferred(from, to).is_some() {
            return;
        }
        let (name, ip) = (self.name(to), self.vips[self.writer_vip()].ip);
        let why = format!("{name} is the preferred host, ONLINE and near: lag {}", self.lag(to));
        let what = format!("{ip} goes to its preferred host {name}");
        self.event(Level::Info, "writer", &what, &why);
        self.start_planned(None, from, to, false, false);
    }

    /// Why the writer is not moved to its preferred host just now.
    pub(super) fn why_not_preferred(&self, from: usize, to: usize) -> Option<String> {
        let now = self.now.boot;
        let name = &self.top.hosts[to].name;
        if self.mode != MonitorMode::Active {
            return Some(format!("the monitor is {}", self.mode));
        }
        let record = &self.hosts[to];
        if record.state != HostState::Online {
            return Some(format!("{name} is {}", record.state));
        }
        let since = record.online_since.unwrap_or(now) + CALM;
        let calm = since.max(self.calm_until);
        if now < calm {
            return Some(format!("left alone for another {}", calm.since(now)));
        }
        for check in [Check::RepThreads, Check::RepBacklog] {
            let state = &record.checks[check.index()];
            if state.good != Some(true) {
                return Some(format!("check {check} of {name}: {}", state.message));
            }
        }
        match self.lag(to) {
            Lag::Behind(lag) if lag <= self.top.timing.drain_lag => {}
            lag => return Some(format!("{name} is not near: its lag is {lag}")),
        }
        self.examine_move(from, to, false).refusal.map(|refusal| refusal.reason)
    }

    /// A move ended: the writer is left alone for a while, longer each time that the move to the
    /// preferred host failed.
    pub(super) fn calm_down(&mut self, ended: &Move, outcome: &PlanOutcome) {
        let own = ended.kind == Kind::Planned && ended.asker.is_none();
        match outcome {
            PlanOutcome::Done => self.preference_failed = 0,
            _ if own => self.preference_failed += 1,
            _ => {}
        }
        let times = 1 << self.preference_failed.min(6);
        let calm = Span::ms((CALM.as_ms() * times).min(LONGEST_CALM.as_ms()));
        self.calm_until = self.now.boot + calm;
    }

    /// Whether a role is where its `prefer` wants it.
    pub(super) fn on_preferred_host(&self, role: usize) -> Option<usize> {
        let prefer = self.top.roles[role].prefer?;
        let there = self.vips.iter().any(|vip| vip.role == role && vip.holder == Some(prefer));
        (there && self.top.roles[role].mode == RoleMode::Exclusive).then_some(prefer)
    }
}
