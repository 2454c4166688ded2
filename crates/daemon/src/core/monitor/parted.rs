//! Hosts that may have transactions that the writer lacks: a writer that was lost, or a survivor
//! that had more than the one that took over. They are compared with what the new writer had when
//! it took over, and stay out until they were seen to follow, or an operator sets them online.

use mmm_proto::event::Level;
use mmm_proto::{Check, GtidPos, HostState, Span, Time};

use super::Monitor;

/// A host that may have more than the writer. It is kept until the host was seen to follow; until
/// then it may have transactions that nobody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parted {
    pub host: usize,
    /// Who took over.
    pub heir: usize,
    /// What the heir had then.
    pub at: GtidPos,
    /// Only a report that came later says what the host has.
    pub since: Time,
    /// It is known that it has more, and was told.
    pub told: bool,
    /// An operator knows, and set it online all the same.
    pub accepted: bool,
    /// Since when its reports say without a break that it follows the writer.
    pub following: Option<Time>,
}

impl Monitor {
    /// A host took over with all of `at`: whoever has more has parted from it. Who cannot be asked
    /// now may have, and so may the lost writer.
    pub(super) fn remember_what_it_lacks(&mut self, from: Option<usize>, to: usize, at: &GtidPos) {
        self.parted.retain(|parted| parted.host != to);
        for host in (0..self.hosts.len()).filter(|host| *host != to) {
            let up = self.agent_answers(host) && self.hosts[host].server_up();
            let heard = self.hosts[host].heard.as_ref().filter(|_| up);
            let server = heard.map(|heard| &heard.report.server);
            let has = |position: &GtidPos| position.missing_from(at) > 0;
            let has_more = server.is_some_and(|server| has(&server.position));
            let may_have = server.is_some_and(|server| has(&server.received));
            if up && from != Some(host) && !has_more && !may_have {
                continue;
            }
            // What shows that it has more says so for good.
            let heard = heard.filter(|_| has_more).map(|heard| heard.at - Span::ms(1));
            let since = heard.unwrap_or(self.now.boot);
            self.parted.retain(|parted| parted.host != host);
            self.parted.push(Parted {
                host,
                heir: to,
                at: at.clone(),
                since,
                told: has_more,
                accepted: false,
                following: None,
            });
            if has_more {
                self.tell_parted(self.parted.len() - 1);
            }
        }
    }

    fn tell_parted(&mut self, index: usize) {
        let parted = &self.parted[index];
        let (name, heir) = (self.name(parted.host), self.name(parted.heir));
        let Some(report) = self.hosts[parted.host].report() else {
            return;
        };
        let has = &report.server.position;
        let why = format!(
            "it has {has}, {heir} took over at {}, without {} that {name} has. It stays out; \
             compare, then rebuild it from {heir}",
            parted.at,
            transactions(has.missing_from(&parted.at))
        );
        self.parted[index].told = true;
        self.decide();
        self.event(Level::Error, &name, "has parted from the new writer", &why);
    }

    /// A host is back, or can say again what it has: is that more than its heir had?
    pub(super) fn compare_with_heirs(&mut self) {
        for index in (0..self.parted.len()).rev() {
            let (host, heir) = (self.parted[index].host, self.parted[index].heir);
            if !self.hosts[host].server_up() || !self.agent_answers(host) {
                continue;
            }
            let source = self.writer().unwrap_or(heir);
            let strange = self.is_strange(&self.parted[index]);
            if strange || !self.replicates(host, source) {
                self.parted[index].following = None;
            } else if self.has_followed(index) {
                self.parted.remove(index);
                self.decide();
                let (name, why) = (self.name(host), format!("it follows {}", self.name(source)));
                self.event(Level::Info, &name, "rejoined", &why);
                continue;
            }
            // A server that starts may follow its heir at once, and has the heir's own transactions
            // then.
            let follows = self.replicates(host, source) || self.seems_to_replicate(host);
            let follows = follows && !strange;
            let has_more = self.beyond(&self.parted[index]).is_some_and(|extra| extra > 0);
            if has_more && !follows && !self.parted[index].told {
                self.tell_parted(index);
            }
        }
    }

    /// Whether the last of what a host has beyond its heir was written by itself, or by the writer
    /// that was lost. Its replication runs then until the first transaction of the heir comes,
    /// which can take long after a cut; what runs proves nothing.
    fn is_strange(&self, parted: &Parted) -> bool {
        let report = self.hosts[parted.host].heard.as_ref();
        let Some(heard) = report.filter(|heard| heard.at > parted.since) else {
            return false;
        };
        let id = |host: usize| self.hosts[host].report().map(|report| report.server.server_id);
        let (own, heir) = (id(parted.host), id(parted.heir));
        let writer = self.writer().and_then(id);
        heard.report.server.position.ahead_of(&parted.at).any(|(domain, last)| {
            let by_the_lost = parted.at.last(domain).is_some_and(|at| at.server == last.server);
            let by_its_heirs = [heir, writer].contains(&Some(last.server));
            own == Some(last.server) || (by_the_lost && !by_its_heirs)
        })
    }

    /// Whether the check of a host's replication is good and has not failed for long.
    fn seems_to_replicate(&self, host: usize) -> bool {
        let check = &self.hosts[host].checks[Check::RepThreads.index()];
        let failing = check.failing_since.map(|since| self.now.boot.since(since));
        check.good == Some(true) && failing.is_none_or(|long| long < self.top.timing.heartbeat * 3)
    }

    /// Whether a host has followed the writer for some time, by the word of both sides. Threads run
    /// for a moment even when the source is about to refuse what they ask for.
    fn has_followed(&mut self, index: usize) -> bool {
        let now = self.now.boot;
        let host = self.parted[index].host;
        let since = *self.parted[index].following.get_or_insert(now);
        let checked = self.hosts[host].checks[Check::RepThreads.index()].ok_at;
        now.since(since) >= self.top.timing.heartbeat * 3 && checked > Some(since)
    }

    /// How many transactions a host has beyond what its heir had when it took over; none while its
    /// agent has not said what it has since.
    fn beyond(&self, parted: &Parted) -> Option<u64> {
        let record = &self.hosts[parted.host];
        let heard = record.heard.as_ref().filter(|heard| heard.at > parted.since)?;
        record.server_up().then(|| heard.report.server.position.missing_from(&parted.at))
    }

    /// Whether a host has, or may have, transactions that its heir lacks: such a host is not put
    /// back by itself, and nobody follows it.
    pub(super) fn may_have_parted(&self, host: usize) -> bool {
        self.parted.iter().any(|parted| parted.host == host && self.beyond(parted) != Some(0))
    }

    /// What is wrong with a host that is known to have parted, in words; none where an operator
    /// has answered for it.
    pub(super) fn has_parted(&self, host: usize) -> Option<String> {
        let parted = self.parted.iter().find(|parted| parted.host == host)?;
        (parted.told && !parted.accepted).then(|| self.parted_words(parted))
    }

    fn parted_words(&self, parted: &Parted) -> String {
        let heir = self.name(parted.heir);
        match self.beyond(parted) {
            Some(extra) => format!(
                "it has {} that {heir} lacks: compare, then rebuild it from {heir}",
                transactions(extra)
            ),
            None => format!("it may have transactions that {heir} lacks"),
        }
    }

    /// The same for the list of what needs attention, where its state does not say it already.
    pub(super) fn parted_attention(&self, host: usize) -> Option<String> {
        let parted = self.parted.iter().find(|parted| parted.host == host)?;
        let record = &self.hosts[host];
        let words = self.parted_words(parted);
        if record.why == words || !record.server_up() || self.beyond(parted).is_none_or(|n| n == 0)
        {
            return None;
        }
        let name = self.name(host);
        if parted.told {
            return Some(format!("{name}: {words}"));
        }
        (record.state != HostState::Online)
            .then(|| format!("{name} may have transactions that the writer lacks"))
    }

    /// An operator sets a host online and answers for what it has: that is told, and not held
    /// against it.
    pub(super) fn accept_parted(&mut self, host: usize) -> Option<String> {
        if !self.may_have_parted(host) {
            return None;
        }
        let index = self.parted.iter().position(|parted| parted.host == host)?;
        self.parted[index].accepted = true;
        Some(self.parted_words(&self.parted[index]))
    }
}

/// `1 transaction`, `2 transactions`.
pub(super) fn transactions(count: u64) -> String {
    format!("{count} transaction{}", if count == 1 { "" } else { "s" })
}
