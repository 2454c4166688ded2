//! What the rows of the state table read of a host: each condition by its name. Nothing is decided
//! here and no reason is worded; that is `table`.

use mmm_proto::agent::Thread;
use mmm_proto::view::Verdict;
use mmm_proto::{Check, HostMode, HostState, Span};

use super::Monitor;
use super::evidence::Loss;
use super::table::{ROWS, Row};
use HostState as S;

/// After its peer came online, a host's replication is not judged for this long (the original's
/// reconnect time).
const PEER_GRACE: Span = Span::secs(60);

/// An outage shorter than this, without a reboot, needs no operator.
const SHORT_OUTAGE: Span = Span::secs(60);

/// What a pass reads of one host.
pub(super) struct Pass<'a> {
    core: &'a Monitor,
    host: usize,
    /// The active master when the pass began.
    writer: Option<usize>,
    /// Why the host counts as lost.
    lost: Option<Loss<'a>>,
}

impl<'a> Pass<'a> {
    pub(super) fn of(core: &'a Monitor, host: usize, writer: Option<usize>) -> Self {
        let lost = match core.hosts[host].state {
            S::AdminOffline => None,
            _ => core.lost(host),
        };
        Self { core, host, writer, lost }
    }

    /// The first row that holds.
    pub(super) fn row(&self) -> Option<&'static Row> {
        let state = self.record().state;
        ROWS.iter().find(|row| row.from.contains(&state) && (row.holds)(self))
    }

    fn record(&self) -> &super::hosts::Host {
        &self.core.hosts[self.host]
    }

    pub(super) fn good(&self, check: Check) -> bool {
        self.record().good(check)
    }

    fn bad(&self, check: Check) -> bool {
        self.record().checks[check.index()].good == Some(false)
    }

    pub(super) fn threads_bad(&self) -> bool {
        self.bad(Check::RepThreads)
    }

    pub(super) fn backlog_bad(&self) -> bool {
        self.bad(Check::RepBacklog)
    }

    /// Why a check counts as failed: not its latest word, which may be that it cannot be found out.
    pub(super) fn failure(&self, check: Check) -> String {
        self.record().checks[check.index()].failure.clone()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(super) fn lost_why(&self) -> String {
        self.lost.map(|loss| loss.to_string()).unwrap_or_default()
    }

    /// `P and M`.
    pub(super) fn reachable(&self) -> bool {
        self.good(Check::Ping) && self.good(Check::Mysql)
    }

    pub(super) fn back(&self) -> bool {
        !self.is_lost() && self.reachable()
    }

    pub(super) fn is_writer(&self) -> bool {
        self.writer == Some(self.host)
    }

    /// Whether nobody is the writer and this host was the last one: what it has is what clients
    /// were told last, and there is nobody whom it should follow.
    pub(super) fn was_writer(&self) -> bool {
        self.core.writer().is_none() && self.core.served_last(self.host)
    }

    pub(super) fn is_forced(&self) -> bool {
        self.core.forced == Some(self.host)
    }

    pub(super) fn parted_why(&self) -> Option<String> {
        self.core.has_parted(self.host)
    }

    /// Whether a host that comes back is asked for its replication.
    pub(super) fn judged(&self) -> bool {
        let exists = self.writer.is_some() || !self.core.may_be_writer(self.host);
        exists && !self.is_writer()
    }

    /// The configured peer of a master; the active master for a slave.
    pub(super) fn peer(&self) -> Option<usize> {
        let spec = &self.core.top.hosts[self.host];
        if spec.mode == HostMode::Master { spec.peer.or(self.writer) } else { self.writer }
    }

    /// `peerOK`: ONLINE, ping and mysql good. Then a replication failure is this host's own.
    pub(super) fn peer_ok(&self) -> bool {
        self.peer().is_some_and(|peer| {
            let peer = &self.core.hosts[peer];
            peer.state == S::Online && peer.good(Check::Ping) && peer.good(Check::Mysql)
        })
    }

    pub(super) fn peer_is_fresh(&self) -> bool {
        let since = self.peer().and_then(|peer| self.core.hosts[peer].online_since);
        since.is_some_and(|since| self.core.now.boot.since(since) < PEER_GRACE)
    }

    /// All four checks good (the first two for the active master), and nothing else against it.
    pub(super) fn well(&self) -> bool {
        self.reachable()
            && (self.is_writer()
                || (self.proven(Check::RepThreads) && self.proven(Check::RepBacklog)))
            && self.core.agent_answers(self.host)
            && !self.core.may_have_parted(self.host)
    }

    /// Whether a check of replication is good and, where there is somebody to follow, was found so
    /// since the host is back: what it said before tells nothing of now.
    fn proven(&self, check: Check) -> bool {
        let checks = &self.record().checks;
        let state = &checks[check.index()];
        let back = [Check::Ping, Check::Mysql].map(|check| checks[check.index()].changed);
        let found = state.verdict == Verdict::Good && state.ok_at >= back.into_iter().max();
        self.good(check) && (found || !self.judged())
    }

    pub(super) fn flapping(&self) -> bool {
        self.record().flapping
    }

    pub(super) fn auto(&self) -> Span {
        self.core.top.timing.auto_set_online
    }

    pub(super) fn flap_duration(&self) -> Span {
        self.core.top.timing.flap_duration
    }

    pub(super) fn waited(&self) -> Span {
        self.core.now.boot.since(self.record().since)
    }

    /// No check changed for `flap_duration`.
    pub(super) fn calm(&self) -> bool {
        let now = self.core.now.boot;
        let quiet = self.record().checks.iter().map(|check| now.since(check.changed)).min();
        quiet.unwrap_or_default().min(self.waited()) >= self.flap_duration()
    }

    /// How long it was away, when that was short and without a reboot.
    pub(super) fn short_outage(&self) -> Option<Span> {
        let record = self.record();
        let (boot_id, last) = record.last_uptime.as_ref()?;
        let report = record.report()?;
        let away = report.uptime.less(*last);
        let same_boot = report.boot_id == *boot_id && report.uptime >= *last;
        (same_boot && away > Span::ZERO && away < SHORT_OUTAGE).then_some(away)
    }

    /// Which of the two it is.
    pub(super) fn replication_well_why(&self) -> &'static str {
        if self.good(Check::RepThreads) && self.good(Check::RepBacklog) {
            "replication runs and is near again"
        } else if self.was_writer() {
            "it was the last writer, and there is nobody to follow"
        } else {
            "its peer is gone, and it has applied all that it received"
        }
    }

    /// Rows 17 and 18. A host without a source is well again when its applier runs and has applied
    /// all that it ever received: more cannot be had. So is the last writer while there is none.
    pub(super) fn replication_well(&self) -> bool {
        if !self.reachable() || self.core.may_have_parted(self.host) {
            return false;
        }
        if (self.good(Check::RepThreads) && self.good(Check::RepBacklog)) || self.was_writer() {
            return true;
        }
        let Some(report) = self.record().report() else {
            return false;
        };
        !self.peer_ok()
            && self.good(Check::RepThreads)
            && report.server.replication.as_ref().is_some_and(|r| r.sql == Thread::Yes)
            && report.server.position.includes(&report.server.received)
    }
}
