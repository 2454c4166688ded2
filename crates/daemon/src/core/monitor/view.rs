//! The picture: everything that an operator can see, made from the core's state and nothing else.

use mmm_proto::agent::Duty;
use mmm_proto::plan::{PlanOutcome, Progress, StepState};
use mmm_proto::view::{
    AgentView, CheckView, ClusterView, HostView, Readiness, RoleView, ServerView, VipRef, VipView,
    WriterState, WriterView,
};
use mmm_proto::{Check, HostMode, HostState, Lag, MonitorMode, Span};

use super::Monitor;
use super::blocked::duty_words;

impl Monitor {
    /// The cluster as it is now.
    pub fn view(&self) -> ClusterView {
        ClusterView {
            cluster: self.top.cluster.clone(),
            demo: false,
            generation: self.generation,
            term: self.term,
            now: self.now.wall,
            started: self.started.wall,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.mode,
            mode_cause: self.cause.clone(),
            mode_ends: self.wait_over().map(|over| self.now.wall_of(over)),
            votes: self.votes.clone(),
            held: self.held(),
            writer: self.writer_view(),
            hosts: self
                .readiness()
                .into_iter()
                .enumerate()
                .map(|(host, ready)| self.host_view(host, ready))
                .collect(),
            roles: (0..self.top.roles.len()).map(|role| self.role_view(role)).collect(),
            running: self.running_view(),
            last: self.last.clone(),
            attention: self.attention(),
            actions: self.monitor_actions(),
            last_event: self.next_event,
        }
    }

    fn running_view(&self) -> Option<Progress> {
        let running = self.running.as_ref()?;
        let mut progress = running.progress.clone();
        progress.took = self.now.boot.since(running.began);
        for step in &mut progress.steps {
            if step.state == StepState::Running {
                step.took = self.now.boot.since(running.step_began);
            }
        }
        Some(progress)
    }

    fn writer_view(&self) -> WriterView {
        let vip = &self.vips[self.writer_vip()];
        let holders = self.found_serving();
        let fresh = |host: usize| {
            self.hosts[host].fresh(self.now.boot, self.top.timing.ttl).map(|report| report.duty)
        };
        let (state, why) = if let Some(running) = &self.running {
            let step = self
                .running_step()
                .map_or(String::new(), |(number, what)| format!(", step {number}: {what}"));
            (WriterState::Moving, format!("{}{step}", running.progress.title))
        } else if holders.len() > 1 {
            (WriterState::Conflict, format!("found on {}", self.top.names(&holders)))
        } else {
            match vip.holder {
                // In PASSIVE and MANUAL a lost host keeps the role, and nobody can write.
                Some(host) if self.hosts[host].state == HostState::HardOffline => (
                    WriterState::Vacant,
                    format!(
                        "{} has the role, but is {}: {}",
                        self.name(host),
                        HostState::HardOffline,
                        self.hosts[host].why
                    ),
                ),
                Some(host) if fresh(host) == Some(Duty::Serving) => {
                    (WriterState::Serving, String::new())
                }
                Some(host) if self.reached_by(host).is_some() => {
                    (WriterState::Serving, self.reached_words(host).unwrap_or_default())
                }
                Some(host) => {
                    let duty = fresh(host).map_or_else(
                        || self.agent_trouble(host),
                        |duty| duty_words(duty).to_owned(),
                    );
                    (WriterState::Vacant, format!("{} has the role, but {duty}", self.name(host)))
                }
                None => (WriterState::Vacant, self.why_no_writer()),
            }
        };
        WriterView {
            role: self.top.roles[self.top.writer].name.clone(),
            vip: vip.ip,
            state,
            host: vip.holder.map(|host| self.top.hosts[host].name.clone()),
            since: self.now.wall_of(vip.since),
            why,
            blocked: self.writer_blocked(),
        }
    }

    /// Why nobody has the writer role, and what that waits for.
    fn why_no_writer(&self) -> String {
        let vip = &self.vips[self.writer_vip()];
        if self.mode == MonitorMode::Passive {
            return "the monitor is PASSIVE and gives it to nobody".to_owned();
        }
        let reasons: Vec<String> =
            self.candidates().into_iter().filter_map(|(_, why)| why).collect();
        let masters = self.top.roles[self.top.writer].hosts.len();
        if reasons.len() == masters {
            return format!("nobody can have it: {}", reasons.join("; "));
        }
        match vip.claims.first() {
            Some(claim) => format!(
                "{} may hold it for another {}",
                self.top.hosts[claim.host].name,
                claim.over.since(self.now.boot)
            ),
            None if self.gives_by_hand() => {
                format!("the monitor is {} and gives it to nobody by itself", self.mode)
            }
            None => vip.why.clone(),
        }
    }

    fn host_view(&self, host: usize, ready: Readiness) -> HostView {
        let (spec, record) = (&self.top.hosts[host], &self.hosts[host]);
        let writer_position = self
            .writer()
            .filter(|writer| *writer != host)
            .and_then(|writer| self.hosts[writer].report())
            .map(|report| report.server.position.clone());
        let current = record.fresh(self.now.boot, self.silence()).is_some();
        let behind = writer_position
            .filter(|_| current)
            .and_then(|theirs| Some(theirs.missing_from(&record.report()?.server.position)));
        HostView {
            name: spec.name.clone(),
            ip: spec.ip,
            port: spec.port,
            mode: spec.mode,
            peer: spec.peer.map(|peer| self.top.hosts[peer].name.clone()),
            state: record.state,
            since: self.now.wall_of(record.since),
            before: record.before,
            why: record.why.clone(),
            ends: self.what_ends(host),
            flaps: self.flaps_view(host),
            checks: Check::ALL.into_iter().map(|check| self.check_view(host, check)).collect(),
            lag: self.lag(host),
            lag_limit: self.top.timing.max_backlog,
            behind,
            agent: self.agent_view(host),
            server: self.server_view(host),
            roles: self
                .vips
                .iter()
                .filter(|vip| vip.holder == Some(host))
                .map(|vip| VipRef { role: self.top.roles[vip.role].name.clone(), ip: vip.ip })
                .collect(),
            actions: self.actions(host),
            readiness: Some(ready),
            peers: self.peers_view(host),
        }
    }

    fn check_view(&self, host: usize, check: Check) -> CheckView {
        let state = &self.hosts[host].checks[check.index()];
        CheckView {
            check,
            verdict: state.verdict,
            since: state.since,
            message: state.message.clone(),
            took: state.took,
        }
    }

    fn agent_view(&self, host: usize) -> AgentView {
        let record = &self.hosts[host];
        let reachable = self.agent_answers(host);
        let trouble = if reachable {
            record.report().map_or(String::new(), |report| report.troubles.join("; "))
        } else {
            self.agent_trouble(host)
        };
        AgentView {
            reachable,
            heard: record.heard.as_ref().map(|heard| heard.wall),
            version: record.link.clone().unwrap_or_default(),
            trouble,
            duty: record.duty().word().to_owned(),
        }
    }

    fn server_view(&self, host: usize) -> ServerView {
        let server = self.hosts[host]
            .report()
            .map_or_else(mmm_proto::agent::Server::unknown, |report| report.server.clone());
        let source = server.replication.as_ref().and_then(|r| self.top.host_at(&r.source, r.port));
        ServerView {
            reach: server.reach,
            version: server.version,
            read_only: server.read_only,
            position: server.position,
            sessions: server.sessions,
            vips: self.hosts[host].report().map_or(Vec::new(), |report| report.vips.clone()),
            replication: server.replication,
            source: source.map(|source| self.top.hosts[source].name.clone()),
        }
    }

    /// What ends the present state of a host.
    pub(super) fn what_ends(&self, host: usize) -> String {
        let record = &self.hosts[host];
        let auto = self.top.timing.auto_set_online;
        let waits =
            matches!(record.state, HostState::AwaitingRecovery | HostState::ReplicationFail);
        if waits && self.may_have_parted(host) {
            return "it follows the writer without an error, or an operator has compared it and sets \
                    it online"
                .to_owned();
        }
        match record.state {
            HostState::Online => String::new(),
            HostState::AdminOffline => "set_online".to_owned(),
            HostState::HardOffline => "ping and mysql answer again".to_owned(),
            HostState::AwaitingRecovery if record.flapping && auto == Span::ZERO => {
                "set_online; it is flapping, so not by itself".to_owned()
            }
            HostState::AwaitingRecovery if record.flapping => format!(
                "set_online, or by itself when no check has changed for {}: it is flapping",
                self.top.timing.flap_duration
            ),
            HostState::AwaitingRecovery if auto == Span::ZERO => "set_online".to_owned(),
            HostState::AwaitingRecovery => {
                let left = auto.less(self.now.boot.since(record.since));
                format!("set_online, or by itself in {} if all checks are good", left.coarse())
            }
            HostState::ReplicationDelay => {
                format!(
                    "lag within {}, then ONLINE by itself",
                    self.top.timing.max_backlog.coarse()
                )
            }
            HostState::ReplicationFail => "both replication threads run".to_owned(),
            HostState::Unknown => "the first results of its checks".to_owned(),
        }
    }

    fn role_view(&self, role: usize) -> RoleView {
        let spec = &self.top.roles[role];
        let names =
            |hosts: &[usize]| hosts.iter().map(|h| self.top.hosts[*h].name.clone()).collect();
        let vips = (0..self.vips.len())
            .filter(|vip| self.vips[*vip].role == role)
            .map(|index| {
                let vip = &self.vips[index];
                let seen: Vec<usize> = (0..self.hosts.len())
                    .filter(|host| {
                        self.hosts[*host].report().is_some_and(|r| r.vips.contains(&vip.ip))
                    })
                    .collect();
                let mut heirs = if role == self.top.writer {
                    let able = self.candidates().into_iter().filter(|(_, why)| why.is_none());
                    able.map(|(host, _)| host).collect()
                } else {
                    self.heirs(index)
                };
                heirs.retain(|host| vip.holder != Some(*host));
                let note = match (vip.holder, vip.claims.first()) {
                    (None, Some(claim)) => format!(
                        "{}; {} may hold it for another {}",
                        vip.why,
                        self.top.hosts[claim.host].name,
                        claim.over.since(self.now.boot)
                    ),
                    (None, None) => vip.why.clone(),
                    _ => String::new(),
                };
                VipView {
                    ip: vip.ip,
                    host: vip.holder.map(|host| self.top.hosts[host].name.clone()),
                    since: self.now.wall_of(vip.since),
                    seen_on: names(&seen),
                    may_go_to: names(&heirs),
                    note,
                    blocked: self.vip_blocked(index),
                    claims: self.claims_view(index),
                }
            })
            .collect();
        RoleView {
            name: spec.name.clone(),
            mode: spec.mode,
            writer: role == self.top.writer,
            hosts: names(&spec.hosts),
            prefer: spec.prefer.map(|host| self.top.hosts[host].name.clone()),
            vips,
        }
    }

    /// What a person should look at, worst first.
    fn attention(&self) -> Vec<String> {
        let mut all = Vec::new();
        let held = self.held();
        if !held.is_empty() {
            all.push(format!("decisions are held: {held}"));
        }
        let writer = self.writer_view();
        if matches!(writer.state, WriterState::Vacant | WriterState::Conflict) {
            all.push(format!("no writer serves: {}", writer.why));
        }
        match self.mode {
            MonitorMode::Active => {}
            mode if self.cause.is_empty() => all.push(format!("the monitor is {mode}")),
            mode => {
                let cause = self.cause.lines().next().unwrap_or_default();
                all.push(format!("the monitor is {mode}: {cause}"));
            }
        }
        if let Some(last) = &self.last
            && let PlanOutcome::Failed { why } = &last.outcome
        {
            all.push(format!("plan {} failed: {why}", last.plan));
        }
        for host in 0..self.hosts.len() {
            self.attention_to(host, &mut all);
        }
        all.extend(self.advice().map(str::to_owned));
        all
    }

    fn attention_to(&self, host: usize, all: &mut Vec<String>) {
        let (name, record) = (self.name(host), &self.hosts[host]);
        if record.state != HostState::Online {
            let age = self.now.boot.since(record.since).coarse();
            all.push(format!("{name} {} {age}: {}", record.state, record.why));
        } else if !self.agent_answers(host) && self.reached_by(host).is_none() {
            all.push(format!("{name}: {}", self.agent_trouble(host)));
        } else if let Lag::Stopped = self.lag(host)
            && self.top.hosts[host].mode == HostMode::Slave
        {
            all.push(format!("{name}: replication is stopped"));
        }
        all.extend(self.parted_attention(host));
        all.extend(self.one_sided(host));
        all.extend(self.doubts(host));
        let ended = record.report().map_or("", |report| &report.ended);
        if !ended.is_empty() && !record.why.contains(ended) {
            all.push(format!("{name}: its agent ended the server: {ended}"));
        }
        if let Some(report) = record.report().filter(|report| !report.troubles.is_empty()) {
            all.push(format!("{name}: {}", report.troubles.join("; ")));
        }
    }
}
