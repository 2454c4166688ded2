//! Who may become writer, in which order, and why not the others. The reasons are written once,
//! here; plans, views and refusals repeat them.

use mmm_proto::agent::{Reach, Thread};
use mmm_proto::{GtidPos, HostState, Lag};

use super::Monitor;
use crate::core::bugs::{Bug, bug};

impl Monitor {
    /// The hosts of the active master role in the order of preference, each with the reason why it
    /// cannot become writer now, if there is one.
    pub(super) fn candidates(&self) -> Vec<(usize, Option<String>)> {
        let role = &self.top.roles[self.top.writer];
        let mut all: Vec<(usize, Option<String>)> =
            role.hosts.iter().map(|host| (*host, self.why_not_writer(*host))).collect();
        // The operator's and the configured choice first, then who has most, then configured order
        // (the sort is stable).
        let chosen = self.vips[self.writer_vip()].chosen;
        all.sort_by_key(|(host, _)| {
            let lacks = self.lacks(*host);
            (chosen != Some(*host), self.avoids(*host), role.prefer != Some(*host), lacks)
        });
        all
    }

    /// Whether a host lately failed to open, so that others are tried first.
    fn avoids(&self, host: usize) -> bool {
        let now = self.now.boot;
        self.avoided.iter().any(|(avoided, until)| *avoided == host && now < *until)
    }

    /// Whether somebody can become writer who did not fail lately.
    pub(super) fn untried_candidate(&self) -> bool {
        let able = |(host, why): (usize, Option<String>)| {
            why.is_none() && !self.avoids(host) && self.may_give_to(host)
        };
        self.candidates().into_iter().any(able)
    }

    /// Why a host cannot become writer by a failover or move now; none when it can.
    pub(super) fn why_not_writer(&self, host: usize) -> Option<String> {
        let record = &self.hosts[host];
        let name = &self.top.hosts[host].name;
        if record.state != HostState::Online {
            return Some(format!("{name} is {}: {}", record.state, record.why));
        }
        if !self.agent_answers(host) {
            return Some(format!("{name}: {}", self.agent_trouble(host)));
        }
        let report = record.report()?;
        match &report.server.reach {
            Reach::Up => {}
            Reach::Unknown => return Some(format!("{name}: its server was not looked at yet")),
            Reach::Gone { why } | Reach::Silent { why } => {
                return Some(format!("{name}: its server does not answer its agent: {why}"));
            }
        }
        if !report.cannot_open.is_empty() && !self.is_writer(host) {
            return Some(format!("{name}: its agent cannot open it: {}", report.cannot_open));
        }
        if let Some(replication) = &report.server.replication
            && replication.sql == Thread::No
            && !self.is_writer(host)
            && self.forced != Some(host)
            && !self.drained(host)
        {
            let error = &replication.error;
            let error = if error.is_empty() { "no error given" } else { error };
            return Some(format!("{name}: its replication applier is stopped ({error})"));
        }
        None
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
        let Some(mine) = self.hosts[host].report() else {
            return u64::MAX;
        };
        let most = if bug(Bug::AnyCandidate) { GtidPos::default() } else { self.most() };
        most.missing_from(&mine.server.received.union(&mine.server.position))
    }

    /// The union of what all hosts have received, by their latest reports.
    pub(super) fn most(&self) -> GtidPos {
        self.hosts
            .iter()
            .filter_map(super::hosts::Host::report)
            .map(|report| report.server.received.union(&report.server.position))
            .fold(GtidPos::default(), |all, one| all.union(&one))
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
