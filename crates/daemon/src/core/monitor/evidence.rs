//! What the facts of both sides amount to: is a host lost, is its agent silent, is only the
//! monitor's own view bad.

use std::fmt;

use mmm_proto::agent::{Duty, Reach};
use mmm_proto::event::Level;
use mmm_proto::{Check, HostState, MonitorMode, Span, Time};

use super::hosts::Found;
use super::moves::Phase;
use super::{Effect, Monitor};

/// Why a host counts as lost: looked at often, put into words seldom.
#[derive(Clone, Copy)]
pub(super) enum Loss<'a> {
    /// The server is gone, by both sides.
    Gone(&'a str),
    /// Checks of the monitor fail: which, and what the last failure said.
    Checks(&'static str, &'a str),
    /// Nobody answers for so long.
    Silent(Span),
}

impl fmt::Display for Loss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) => {
                write!(f, "the server is gone: refused twice, its agent confirms: {why}")
            }
            Self::Checks(word, failure) => write!(f, "{word}: {failure}"),
            Self::Silent(span) => {
                write!(f, "no sign of life for {span}: its agent is silent, ping and mysql fail")
            }
        }
    }
}

impl Monitor {
    pub(super) fn take_check(
        &mut self,
        host: usize,
        check: Check,
        found: Found,
        began: Time,
        took: Span,
    ) {
        let trap = self.top.timing.trap_of(check);
        let (now, wall) = (self.now.boot, self.now.wall);
        let state = &mut self.hosts[host].checks[check.index()];
        let before = (state.good, state.verdict);
        let failed = (state.failing, state.hard);
        state.take(found, began, now, wall, trap);
        state.took = Some(took);
        let same = before == (state.good, state.verdict);
        self.stirred |= !same || failed != (state.failing, state.hard);
        self.notice_doubt(host, check);
        if same {
            return;
        }
        let state = &self.hosts[host].checks[check.index()];
        let (good, message) = (state.good, state.message.clone());
        self.generation += 1;
        let idle = self.no_matter(host, check);
        // While the monitor sees nothing its checks tell of itself: that is told already.
        if before.0.is_some() && before.0 != good && !idle && self.blindness().is_empty() {
            let name = self.name(host);
            if good == Some(true) {
                self.event(Level::Info, &name, &format!("check {check} is good again"), &message);
            } else {
                let why = format!("for {trap} without a break: {message}");
                self.event(Level::Warn, &name, &format!("check {check} failed"), &why);
            }
        }
    }

    /// Whether what a check finds is nobody's trouble: the writer's own replication may well be
    /// stopped, and that of a host that is set offline is.
    fn no_matter(&self, host: usize, check: Check) -> bool {
        let off = self.hosts[host].state == HostState::AdminOffline;
        (off || self.is_writer(host)) && matches!(check, Check::RepThreads | Check::RepBacklog)
    }

    /// A check that cannot be found out changes nothing, but somebody should know. Not where the
    /// server does not answer at all: that is known already.
    fn notice_doubt(&mut self, host: usize, check: Check) {
        if !self.no_matter(host, check)
            && let Some(why) = self.doubt(host, check)
            && !self.hosts[host].checks[check.index()].unknown_told
        {
            self.hosts[host].checks[check.index()].unknown_told = true;
            let name = self.name(host);
            self.event(Level::Warn, &name, &format!("check {check} cannot be found out"), &why);
        }
    }

    /// Why a check counts as not to be found out: for its trap period without a break, while the
    /// server is up. The lag of a replication that does not run is nothing to find out.
    fn doubt(&self, host: usize, check: Check) -> Option<String> {
        let record = &self.hosts[host];
        let state = &record.checks[check.index()];
        // Not while its server could not be asked.
        let since = state.unknown_since?.max(record.checks[Check::Mysql.index()].changed);
        let long = self.now.boot.since(since);
        let up = match check {
            Check::Ping | Check::Mysql => true,
            Check::RepThreads => record.good(Check::Mysql),
            Check::RepBacklog => record.good(Check::Mysql) && record.good(Check::RepThreads),
        };
        let replication = record.report().and_then(|report| report.server.replication.as_ref());
        let source = replication.and_then(|r| self.top.host_at(&r.source, r.port));
        // Nor while there is nothing to replicate from, nor of a host that is out anyway.
        let out = !matches!(
            record.state,
            HostState::Online | HostState::ReplicationDelay | HostState::ReplicationFail
        );
        let replicates = matches!(check, Check::RepThreads | Check::RepBacklog);
        let up = up && !(replicates && out);
        let up = up && source.is_none_or(|source| self.hosts[source].server_up());
        let counts = up && record.server_up() && long >= self.top.timing.trap_of(check);
        counts.then(|| format!("for {}: {}", long.coarse(), state.message))
    }

    /// What cannot be found out about a host, in words, for people.
    pub(super) fn doubts(&self, host: usize) -> Vec<String> {
        let all = Check::ALL.into_iter().filter(|check| !self.no_matter(host, *check));
        all.filter_map(|check| Some((check, self.doubt(host, check)?)))
            .map(|(check, why)| {
                format!("{}: check {check} cannot be found out {why}", self.name(host))
            })
            .collect()
    }

    /// The agent says that its server is gone: look from here at once, so that both sides' word is
    /// in.
    pub(super) fn confirm_if_gone(&mut self, host: usize) {
        let gone = |reach: &Reach| matches!(reach, Reach::Gone { .. });
        let is_gone = self.hosts[host].report().is_some_and(|report| gone(&report.server.reach));
        if is_gone && !self.hosts[host].checks[Check::Mysql.index()].hard {
            self.out.push(Effect::Probe { host });
        }
    }

    /// Why a host counts as lost, if it does (design, section 5).
    pub(super) fn lost(&self, host: usize) -> Option<Loss<'_>> {
        let record = &self.hosts[host];
        let (ping, mysql) =
            (&record.checks[Check::Ping.index()], &record.checks[Check::Mysql.index()]);
        let fresh = record.fresh(self.now.boot, self.silence());
        let reach = fresh.map(|report| &report.server.reach);
        if let (true, Some(Reach::Gone { why })) = (mysql.hard, reach) {
            return Some(Loss::Gone(why));
        }
        if ping.good == Some(false) || mysql.good == Some(false) {
            let idle = fresh.is_some_and(|r| matches!(r.duty, Duty::None | Duty::Fencing));
            if self.is_writer(host) && reach == Some(&Reach::Up) && !idle {
                // One side alone never takes the writer away: here its agent's, that it serves.
                return None;
            }
            // Nor when it is another agent that says so.
            if self.serves_unseen(host).is_some() || self.awaits_word(host, reach) {
                return None;
            }
            let bad = [ping, mysql].into_iter().filter(|c| c.good == Some(false));
            let since = bad.filter_map(|check| check.failing_since).min()?;
            if !self.network_proven_since(since) {
                return None;
            }
            let (word, state) = match (ping.good, mysql.good) {
                (Some(false), Some(false)) => ("ping and mysql fail", mysql),
                (Some(false), _) => ("ping fails", ping),
                _ => ("mysql fails", mysql),
            };
            return Some(Loss::Checks(word, &state.failure));
        }
        let silent_for = self.silent_for(host)?;
        let last = self.now.boot - silent_for;
        let silent = silent_for >= self.silence()
            && self.network_proven_since(last)
            && self.serves_unseen(host).is_none()
            && !self.left_alone(host);
        (silent && ping.failing && mysql.failing).then_some(Loss::Silent(silent_for))
    }

    /// Since when nobody serves as writer: what clients notice of a change, planned or not.
    pub(super) fn notice_service(&mut self) {
        let opens = self.running.as_ref().is_some_and(|running| running.phase == Phase::Promote);
        let serves = |host: usize| {
            let record = &self.hosts[host];
            let answers = record.duty() == Duty::Serving && record.server_up();
            (answers && self.agent_answers(host)) || self.serves_unseen(host).is_some()
        };
        if opens || !self.writer().is_some_and(serves) {
            self.unserved_since.get_or_insert(self.now.boot);
        } else {
            self.unserved_since = None;
        }
    }

    /// How long nobody served as writer until now.
    pub(super) fn unserved(&self) -> Span {
        self.unserved_since.map_or(Span::ZERO, |since| self.now.boot.since(since))
    }

    /// The writer's agent answers, and says on and on that it does not serve: it cannot open, or
    /// what it hears comes too late to be used. Somebody else must serve then. A host that has
    /// fenced itself is asked to open by the next grant, and says at once that it does.
    pub(super) fn take_role_from_idle_writer(&mut self) {
        let holder = self.writer().filter(|host| {
            self.mode == MonitorMode::Active
                && self.running.is_none()
                && self.agent_answers(*host)
                && self.hosts[*host].duty() != Duty::Serving
        });
        let (Some(host), true) = (holder, self.voted) else {
            self.idle_since = None;
            return;
        };
        let now = self.now.boot;
        let idle = now.since(*self.idle_since.get_or_insert(now));
        let (vip, timing) = (self.writer_vip(), &self.top.timing);
        let (duty, up) = (self.hosts[host].duty(), self.hosts[host].server_up());
        let limit = if duty == Duty::None && up { timing.heartbeat } else { timing.ttl };
        if idle < limit || !self.heir_exists(vip, host) {
            return;
        }
        let troubles = self.hosts[host].report().map(|report| report.troubles.join("; "));
        let troubles = troubles.filter(|troubles| !troubles.is_empty());
        let name = self.name(host);
        let why = format!(
            "its agent has said for {} that it does not serve as writer: {}",
            idle,
            troubles.unwrap_or_else(|| format!("its duty is \"{}\"", duty.word()))
        );
        self.idle_since = None;
        self.avoid(host);
        self.withdraw(vip, &why);
        self.vip_event(Level::Warn, vip, &format!("taken from {name}"), &why);
    }

    /// Whether anybody gave a sign of life clearly after that. When nobody did, the silence of one
    /// host tells nothing of it: the monitor itself may be cut off, and hosts do not fall silent at
    /// the very same instant.
    fn network_proven_since(&self, since: Time) -> bool {
        let since = since + self.top.timing.heartbeat;
        let proves = |host: &super::hosts::Host| host.alive_at().is_some_and(|at| at > since);
        self.hosts.len() == 1 || self.hosts.iter().any(proves)
    }

    /// Whether the monitor alone cannot reach a host that its agent calls healthy.
    pub(super) fn one_sided(&self, host: usize) -> Option<String> {
        let record = &self.hosts[host];
        if let Some(words) = self.reached_words(host) {
            return Some(words);
        }
        let bad = [Check::Ping, Check::Mysql]
            .into_iter()
            .find(|check| record.checks[check.index()].good == Some(false))?;
        let report = record.fresh(self.now.boot, self.silence())?;
        (report.server.reach == Reach::Up).then(|| {
            format!(
                "the monitor's check {bad} of {} fails, its agent says that the server is up",
                self.top.hosts[host].name
            )
        })
    }

    /// How long an agent has been silent; none before it was ever heard in this term.
    pub(super) fn silent_for(&self, host: usize) -> Option<Span> {
        let last = self.hosts[host].heard.as_ref().map_or(self.started.boot, |heard| heard.at);
        Some(self.now.boot.since(last))
    }

    /// How long an agent may be silent before that says something: the trap period of `ping`.
    pub(super) fn silence(&self) -> Span {
        self.top.timing.trap_of(Check::Ping).max(self.top.timing.heartbeat * 3)
    }

    /// Whether the agent can be talked to now: the link is up and it reported within half a grant.
    /// With long grants its host may be lost before; then it is not waited for.
    pub(super) fn agent_answers(&self, host: usize) -> bool {
        let limit = match self.hosts[host].state {
            HostState::HardOffline => self.answer_limit().min(self.silence()),
            _ => self.answer_limit(),
        };
        self.hosts[host].fresh(self.now.boot, limit).is_some()
    }

    /// How old the latest report may be of an agent that can be talked to.
    pub(super) fn answer_limit(&self) -> Span {
        Span::ms(self.top.timing.ttl.as_ms() / 2).max(self.top.timing.heartbeat * 3)
    }

    /// Why the agent cannot be talked to, in words.
    pub(super) fn agent_trouble(&self, host: usize) -> String {
        let record = &self.hosts[host];
        if record.link.is_none() {
            return format!("its agent cannot be reached: {}", record.link_why);
        }
        match &record.heard {
            None => "its agent has not reported yet".to_owned(),
            Some(heard) => {
                format!("its agent has been silent for {}", self.now.boot.since(heard.at))
            }
        }
    }
}
