//! Who may become writer, in which order, and why not the others. The reasons are written once,
//! here; plans, views and refusals repeat them.

use mmm_proto::agent::{Reach, Thread};
use mmm_proto::{GtidPos, HostState, Lag, Span};

use super::Monitor;
use crate::core::bugs::{Bug, bug};

/// What keeps a host from becoming writer.
enum Bar<'a> {
    State,
    Agent,
    Unseen,
    Server(&'a str),
    CannotOpen(&'a str),
    Applier(&'a str),
}

impl Monitor {
    /// The hosts of the active master role in the order of preference, each with the reason why it
    /// cannot become writer now, if there is one.
    pub(super) fn candidates(&self) -> Vec<(usize, Option<String>)> {
        let role = &self.top.roles[self.top.writer];
        let mut all: Vec<(usize, Option<String>)> =
            role.hosts.iter().map(|host| (*host, self.why_not_writer(*host))).collect();
        // The operator's and the configured choice first, then who has most of the latest history,
        // then configured order (the sort is stable).
        let chosen = self.vips[self.writer_vip()].chosen;
        let most = self.most();
        all.sort_by_cached_key(|(host, _)| {
            let lacks = self.lacks_of(*host, &most);
            let outlived = self.outlived_by(*host).is_some();
            let preferred = role.prefer == Some(*host);
            (chosen != Some(*host), self.avoids(*host), outlived, !preferred, lacks)
        });
        all
    }

    /// A host failed to become writer: for a minute others are tried first.
    pub(super) fn avoid(&mut self, host: usize) {
        self.avoided.retain(|(avoided, _)| *avoided != host);
        self.avoided.push((host, self.now.boot + Span::secs(60)));
    }

    /// Whether a host lately failed to become writer, so that others are tried first.
    pub(super) fn avoids(&self, host: usize) -> bool {
        let now = self.now.boot;
        self.avoided.iter().any(|(avoided, until)| *avoided == host && now < *until)
    }

    /// Whether somebody can become writer who did not fail lately.
    pub(super) fn untried_candidate(&self) -> bool {
        let able = |host: &usize| {
            self.can_be_writer(*host) && !self.avoids(*host) && self.may_give_to(*host)
        };
        self.top.roles[self.top.writer].hosts.iter().any(able)
    }

    /// Why a host cannot become writer by a failover or move now; none when it can.
    pub(super) fn why_not_writer(&self, host: usize) -> Option<String> {
        let name = &self.top.hosts[host].name;
        let why = match self.bar(host)? {
            Bar::State => {
                let record = &self.hosts[host];
                return Some(format!("{name} is {}: {}", record.state, record.why));
            }
            Bar::Agent => self.agent_trouble(host),
            Bar::Unseen => "its server was not looked at yet".to_owned(),
            Bar::Server(why) => format!("its server does not answer its agent: {why}"),
            Bar::CannotOpen(why) => format!("its agent cannot open it: {why}"),
            Bar::Applier("") => "its replication applier is stopped (no error given)".to_owned(),
            Bar::Applier(error) => format!("its replication applier is stopped ({error})"),
        };
        Some(format!("{name}: {why}"))
    }

    /// Whether a host can become writer by a failover or move now.
    pub(super) fn can_be_writer(&self, host: usize) -> bool {
        self.bar(host).is_none()
    }

    /// Looked at often and read seldom, so it is not put into words here.
    fn bar(&self, host: usize) -> Option<Bar<'_>> {
        let record = &self.hosts[host];
        if record.state != HostState::Online {
            return Some(Bar::State);
        }
        let Some(report) = record.report().filter(|_| self.agent_answers(host)) else {
            return Some(Bar::Agent);
        };
        match &report.server.reach {
            Reach::Up => {}
            Reach::Unknown => return Some(Bar::Unseen),
            Reach::Gone { why } | Reach::Silent { why } => return Some(Bar::Server(why)),
        }
        if self.is_writer(host) {
            return None;
        }
        if !report.cannot_open.is_empty() {
            return Some(Bar::CannotOpen(&report.cannot_open));
        }
        let stopped = report.server.replication.as_ref().filter(|r| r.sql == Thread::No);
        stopped
            .filter(|_| self.forced != Some(host) && !self.drained(host))
            .map(|replication| Bar::Applier(&replication.error))
    }

    /// Whether a host's replication was stopped after it had applied all that it received, with
    /// nobody to follow: a failover that broke off leaves a candidate so, and nothing else would
    /// ever start its applier again.
    fn drained(&self, host: usize) -> bool {
        self.writer().is_none()
            && self.hosts[host].report().is_some_and(|report| {
                let server = &report.server;
                server.position.includes(&server.received)
            })
    }

    /// How many transactions a host lacks of what any host has received.
    pub(super) fn lacks(&self, host: usize) -> u64 {
        self.lacks_of(host, &self.most())
    }

    fn lacks_of(&self, host: usize, most: &GtidPos) -> u64 {
        let Some(mine) = self.hosts[host].report() else {
            return u64::MAX;
        };
        if bug(Bug::AnyCandidate) {
            return 0;
        }
        most.missing_from(&mine.server.received.union(&mine.server.position))
    }

    /// The union of what all hosts have received, by their latest reports; in a failover without
    /// those whose history is outlived.
    pub(super) fn most(&self) -> GtidPos {
        let mut most = GtidPos::default();
        let counts = |host: &usize| self.outlived_by(*host).is_none();
        for report in (0..self.hosts.len()).filter(counts).filter_map(|at| self.hosts[at].report())
        {
            most.add(&report.server.received);
            most.add(&report.server.position);
        }
        most
    }

    /// The lag of a host: by its agent while that is fresh, since only the agent sees it each
    /// heartbeat.
    pub(super) fn lag(&self, host: usize) -> Lag {
        if self.is_writer(host) {
            return Lag::Source;
        }
        let record = &self.hosts[host];
        let Some(report) = record.fresh(self.now.boot, self.silence()) else {
            return Lag::Unknown;
        };
        if report.server.reach != Reach::Up {
            return Lag::Unknown;
        }
        report.server.replication.as_ref().map_or(Lag::Stopped, |replication| replication.lag)
    }
}
