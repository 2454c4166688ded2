//! What would happen, and whether it may: the one place that both the preview and the run take
//! their checks and steps from.

use mmm_proto::console::{Refusal, RefusalCode};
use mmm_proto::plan::{CheckVerdict, Level, Plan, PlanCheck, PlanStep};
use mmm_proto::{HostState, Lag, MonitorMode, RoleMode, Span, Verb};

use super::switching::wanted;
use super::{Monitor, refuse};

/// How long a plan may be applied.
pub(super) const PLAN_EXPIRES: Span = Span::secs(60);

/// What runs for less than this is told of no session: on a busy master there is always something,
/// and a warning at each move would teach people to read past it.
const NOTABLE: Span = Span::secs(1);

/// What was found about a planned move before it starts.
pub(super) struct Findings {
    pub checks: Vec<PlanCheck>,
    /// The first thing that forbids it.
    pub refusal: Option<Refusal>,
}

impl Findings {
    fn new() -> Self {
        Self { checks: Vec::new(), refusal: None }
    }

    fn good(&mut self, text: impl Into<String>) {
        self.checks.push(PlanCheck { verdict: CheckVerdict::Good, text: text.into() });
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.checks.push(PlanCheck { verdict: CheckVerdict::Warn, text: text.into() });
    }

    fn bad(&mut self, code: RefusalCode, text: impl Into<String>) {
        let text = text.into();
        self.checks.push(PlanCheck { verdict: CheckVerdict::Bad, text: text.clone() });
        self.refusal.get_or_insert(refuse(code, text));
    }
}

impl Monitor {
    /// Looks at everything that a planned move of the writer depends on.
    pub(super) fn examine_move(&self, from: usize, to: usize, kill: bool) -> Findings {
        let mut found = Findings::new();
        let (old, new) = (&self.top.hosts[from].name, &self.top.hosts[to].name);
        match self.why_not_writer(to) {
            Some(why) => found.bad(RefusalCode::State, why),
            None => found.good(format!("{new} is ONLINE and its agent answers")),
        }
        if self.agent_answers(from) {
            found.good(format!("the agent on {old} answers"));
        } else {
            found.bad(RefusalCode::Unreachable, format!("{old}: {}", self.agent_trouble(from)));
        }
        self.examine_replication(from, to, &mut found);
        self.examine_sessions(from, kill, &mut found);
        for host in (0..self.hosts.len()).filter(|host| ![from, to].contains(host)) {
            let name = &self.top.hosts[host].name;
            if self.hosts[host].state == HostState::AdminOffline {
                found.warn(format!("{name} is set offline and is left as it is"));
            } else if !self.agent_answers(host) {
                found.warn(format!("{name} follows later: {}", self.agent_trouble(host)));
            }
        }
        found
    }

    fn examine_replication(&self, from: usize, to: usize, found: &mut Findings) {
        let (old, new) = (&self.top.hosts[from].name, &self.top.hosts[to].name);
        let replication =
            self.hosts[to].report().and_then(|report| report.server.replication.clone());
        let Some(replication) = replication else {
            found.bad(RefusalCode::Behind, format!("{new} does not replicate from {old}"));
            return;
        };
        if self.top.host_at(&replication.source, replication.port) != Some(from) {
            let text = format!("{new} replicates from {}, not from {old}", replication.source);
            found.bad(RefusalCode::Behind, text);
        }
        match self.lag(to) {
            Lag::Behind(lag) if lag <= self.top.timing.drain_lag => {
                found.good(format!("{new} is {} behind", lag.coarse()));
            }
            Lag::Behind(lag) => found.warn(format!(
                "{new} is {} behind: waits up to {} until it is within {}",
                lag.coarse(),
                self.top.timing.drain_timeout,
                self.top.timing.drain_lag
            )),
            Lag::Stopped => {
                let error = if replication.error.is_empty() {
                    String::new()
                } else {
                    format!(": {}", replication.error)
                };
                found.bad(RefusalCode::Behind, format!("replication on {new} is stopped{error}"));
            }
            Lag::Unknown | Lag::Source => {
                found
                    .bad(RefusalCode::Behind, format!("the lag of {new} cannot be known just now"));
            }
        }
    }

    fn examine_sessions(&self, from: usize, kill: bool, found: &mut Findings) {
        let old = &self.top.hosts[from].name;
        let Some(report) = self.hosts[from].report() else {
            return;
        };
        if let Some(longest) = &report.server.longest {
            let limit = self.top.timing.max_transaction;
            if longest.age < NOTABLE {
                found.good(format!("on {old}: no transaction is older than {NOTABLE}"));
            } else if longest.age <= limit {
                found.warn(format!("on {old}: {longest}"));
            } else if kill {
                found.warn(format!("on {old}: {longest}; it is ended"));
            } else {
                let text =
                    format!("on {old}: {longest}, longer than {limit}; wait for it, or use --kill");
                found.bad(RefusalCode::Blocked, text);
            }
        }
        found.good(format!("{} client sessions on {old} are ended", report.server.sessions));
    }

    /// The plan of a verb, for people. Nothing is changed.
    ///
    /// # Errors
    /// The same refusal that running the verb would get.
    pub(super) fn preview(&self, verb: &Verb) -> Result<Plan, Refusal> {
        self.permit(verb)?;
        let mut plan = Plan {
            id: 0,
            generation: self.generation,
            verb: verb.clone(),
            title: verb.to_string(),
            effect: String::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            if_it_fails: "nothing else is changed; the events say why".to_owned(),
            level: self.level(verb),
            confirm: self.confirm_word(verb),
            expires: PLAN_EXPIRES,
        };
        match verb {
            Verb::MoveRole { host, force: true, .. } => {
                self.fill_forced(&mut plan, self.host_of(host)?);
            }
            Verb::MoveRole { role, host, kill, .. } => {
                let (role, to) = (self.role_of(role)?, self.host_of(host)?);
                match self.writer().filter(|_| role == self.top.writer) {
                    Some(from) if from != to && self.writer_gone().is_some() => {
                        self.fill_replacement(&mut plan, from, to);
                    }
                    Some(from) => self.fill_move(&mut plan, from, to, *kill, false)?,
                    None => self.fill_simple(&mut plan, verb),
                }
            }
            Verb::SetOffline { host } => {
                let host = self.host_of(host)?;
                match self.successor(host) {
                    Some(to) => self.fill_move(&mut plan, host, to, false, true)?,
                    None => self.fill_simple(&mut plan, verb),
                }
            }
            _ => self.fill_simple(&mut plan, verb),
        }
        if self.mode == MonitorMode::Wait && wanted(verb).is_none() {
            let text =
                "the monitor is WAIT: until it ends, roles of failed hosts stay where they are";
            let check = PlanCheck { verdict: CheckVerdict::Warn, text: text.to_owned() };
            plan.checks.push(check);
        }
        Ok(plan)
    }

    /// The writer is not there any more: what is done is a failover to the named host.
    fn fill_replacement(&self, plan: &mut Plan, from: usize, to: usize) {
        plan.title = format!("replace writer {} by {}", self.name(from), self.name(to));
        plan.steps = failover_steps(self, Some(from));
        let why = self.writer_gone().unwrap_or_default();
        plan.effect = format!("nobody takes writes now ({why}); 1 address moves");
        plan.if_it_fails = "nobody is writer until another host is chosen".to_owned();
    }

    fn fill_move(
        &self,
        plan: &mut Plan,
        from: usize,
        to: usize,
        kill: bool,
        offline: bool,
    ) -> Result<(), Refusal> {
        let found = self.examine_move(from, to, kill);
        if let Some(refusal) = found.refusal {
            return Err(refusal);
        }
        let (old, new) = (self.name(from), self.name(to));
        plan.title = format!("move writer {old} -> {new}");
        if offline {
            plan.title = format!("move writer {old} -> {new}, then set {old} offline");
        }
        plan.steps = planned_steps(self, from, to, offline);
        let others = if offline { self.other_vips(from).len() } else { 0 };
        plan.effect = format!(
            "writes stop for about 50 ms, {} at worst; {}; {} hosts re-point",
            self.worst_gap(),
            addresses(1 + others, ""),
            self.hosts.len().saturating_sub(1)
        );
        plan.checks = found.checks;
        plan.if_it_fails =
            format!("steps 1 to 3 are undone, {old} stays writer, you are told here");
        Ok(())
    }

    /// The VIPs of a host, without the writer's.
    fn other_vips(&self, host: usize) -> Vec<String> {
        (0..self.vips.len())
            .filter(|vip| self.vips[*vip].holder == Some(host) && *vip != self.writer_vip())
            .map(|vip| self.vip_word(vip))
            .collect()
    }

    /// A forced move takes what the target has: nothing is waited for but the old writer's grant.
    fn fill_forced(&self, plan: &mut Plan, to: usize) {
        let (name, lacks) = (self.name(to), self.lacks(to));
        plan.title = format!("force the writer onto {name}");
        plan.steps = failover_steps(self, self.writer());
        plan.effect =
            format!("{lacks} transactions that {name} lacks are lost if it cannot get them");
        let text = format!("{name} is {}: {}", self.hosts[to].state, self.hosts[to].why);
        plan.checks.push(PlanCheck { verdict: CheckVerdict::Warn, text });
        if let Some(text) = self.forced_on_trust() {
            plan.checks.push(PlanCheck { verdict: CheckVerdict::Warn, text });
        }
        plan.if_it_fails = "a failover finds a writer".to_owned();
    }

    fn fill_simple(&self, plan: &mut Plan, verb: &Verb) {
        let step = |host: Option<usize>, what: String| PlanStep {
            host: host.map(|host| self.top.hosts[host].name.clone()),
            what,
        };
        match verb {
            Verb::SetOnline { host } => {
                let host = self.top.host(host);
                plan.steps.push(step(host, "state ONLINE".to_owned()));
                plan.steps.push(step(host, "replicate from the writer".to_owned()));
                plan.steps.push(step(None, "give VIPs that nobody serves, balance".to_owned()));
                plan.effect = "the host may hold roles again".to_owned();
            }
            Verb::SetOffline { host } => {
                let host = self.top.host(host);
                let held: Vec<String> = (0..self.vips.len())
                    .filter(|vip| host.is_some() && self.vips[*vip].holder == host)
                    .map(|vip| self.vip_word(vip))
                    .collect();
                plan.steps.push(step(host, "state ADMIN_OFFLINE".to_owned()));
                if !held.is_empty() {
                    plan.steps.push(step(host, format!("release {}", held.join(", "))));
                }
                plan.steps.push(step(host, "stop replication".to_owned()));
                plan.effect = addresses(held.len(), " to other hosts");
            }
            Verb::MoveRole { role, host, .. } => {
                let host = self.top.host(host);
                plan.steps.push(step(host, format!("release the VIPs of {role}")));
                plan.steps.push(step(None, "give them to the least loaded hosts".to_owned()));
                plan.effect = "addresses move; their sessions end".to_owned();
            }
            _ => match wanted(verb) {
                Some(mode) => self.fill_switch(plan, mode),
                None => plan.steps.push(step(None, verb.to_string())),
            },
        }
    }

    /// How a verb is confirmed.
    pub(super) fn level(&self, verb: &Verb) -> Level {
        match verb {
            Verb::MoveRole { force: true, .. } => Level::Forced,
            Verb::MoveRole { role, .. } => match self.top.role(role) {
                Some(role) if self.top.roles[role].mode == RoleMode::Balanced => Level::Key,
                _ => Level::Typed,
            },
            Verb::SetOffline { host } => {
                let host = self.top.host(host);
                let last = host.is_some_and(|host| self.is_last_holder(host));
                if host == self.writer() || last { Level::Typed } else { Level::Key }
            }
            _ => wanted(verb).map_or(Level::Key, |mode| self.level_of_switch(mode)),
        }
    }

    /// Whether a role would have no host left that could serve it.
    fn is_last_holder(&self, host: usize) -> bool {
        (0..self.vips.len())
            .filter(|vip| self.vips[*vip].holder == Some(host))
            .any(|vip| self.heirs(vip).iter().all(|heir| *heir == host))
    }

    fn confirm_word(&self, verb: &Verb) -> String {
        match verb {
            Verb::SetOnline { host } | Verb::SetOffline { host } | Verb::SetIp { host, .. } => {
                host.as_str().to_owned()
            }
            Verb::MoveRole { host, force, .. } => {
                if *force {
                    format!("force {host}")
                } else {
                    host.as_str().to_owned()
                }
            }
            _ => self.top.cluster.as_str().to_owned(),
        }
    }
}

/// `1 address moves`, `2 addresses move`.
pub(super) fn addresses(count: usize, where_to: &str) -> String {
    match count {
        1 => format!("1 address moves{where_to}"),
        _ => format!("{count} addresses move{where_to}"),
    }
}

/// The steps of a planned move, in the order of its phases.
pub(super) fn planned_steps(
    core: &Monitor,
    from: usize,
    to: usize,
    offline: bool,
) -> Vec<PlanStep> {
    let (old, new) = (&core.top.hosts[from].name, &core.top.hosts[to].name);
    let ip = core.vips[core.writer_vip()].ip;
    let sessions = core.hosts[from].report().map_or(0, |report| report.server.sessions);
    let timing = &core.top.timing;
    let mut release = format!("remove {ip}");
    if offline {
        let others = core.other_vips(from);
        let others = others.iter().fold(String::new(), |all, vip| format!("{all}release {vip}, "));
        release = format!("{release}; then ADMIN_OFFLINE: {others}stop replication");
    }
    let step =
        |host: Option<&mmm_proto::HostName>, what: String| PlanStep { host: host.cloned(), what };
    vec![
        step(
            Some(new),
            format!(
                "be within {} of {old} (wait {} at most)",
                timing.drain_lag, timing.drain_timeout
            ),
        ),
        step(
            Some(old),
            format!("refuse connections to {ip}, read_only=1, end {sessions} client sessions"),
        ),
        step(
            Some(new),
            format!("apply everything that {old} has (wait {} at most)", timing.catch_up_timeout),
        ),
        step(Some(new), format!("read_only=0, add {ip}, announce it")),
        step(Some(old), release),
        step(None, format!("replicas replicate from {new}")),
    ]
}

/// The steps of a failover, in the order of its phases.
pub(super) fn failover_steps(core: &Monitor, from: Option<usize>) -> Vec<PlanStep> {
    let ip = core.vips[core.writer_vip()].ip;
    let step = |host: Option<usize>, what: String| PlanStep {
        host: host.map(|host| core.top.hosts[host].name.clone()),
        what,
    };
    vec![
        step(from, "release the writer role, or its grant runs out".to_owned()),
        step(None, "find out which survivor has most".to_owned()),
        step(None, "fetch what another survivor has more".to_owned()),
        step(None, "apply everything received".to_owned()),
        step(None, format!("read_only=0, add {ip}, announce it")),
        step(None, "replicas replicate from the new writer".to_owned()),
    ]
}
