//! Why nothing is done at this moment although something might be expected: what holds up a
//! failover, and what keeps a VIP from being given; each with its end. Told, not decided.

use mmm_proto::agent::{Duty, Reach};
use mmm_proto::view::{Blocked, ClaimView};
use mmm_proto::{Check, HostState, MonitorMode, Time};

use super::Monitor;
use super::moves::Phase;

impl Monitor {
    fn blocked(&self, why: impl Into<String>, ends: Option<Time>, until: &str) -> Blocked {
        let ends = ends.map(|at| self.now.wall_of(at));
        Blocked { why: why.into(), ends, until: until.to_owned() }
    }

    /// Why nobody else is made writer at this moment, though there is reason for it.
    pub(super) fn writer_blocked(&self) -> Vec<Blocked> {
        if let Some(phase) = self.running.as_ref().map(|running| &running.phase) {
            return self.move_waits(phase);
        }
        let serving = self.found_serving();
        let mut all = match self.writer() {
            _ if serving.len() > 1 => {
                let why = format!("the writer is found on {}", self.top.names(&serving));
                vec![self.blocked(why, None, "all but one say that they have let go")]
            }
            Some(host) => self.evidence_against(host),
            None => self.claims_left(self.writer_vip(), None),
        };
        if all.is_empty() && self.writer().is_some() {
            // It serves and nothing speaks against it.
            return all;
        }
        self.held_up(&mut all);
        let lost = self.writer().map(|host| self.hosts[host].state);
        if let Some(lost) = lost
            && lost != HostState::Online
            && !matches!(self.mode, MonitorMode::Active | MonitorMode::Passive)
        {
            all.push(self.mode_keeps());
        }
        if self.writer().is_none() && self.gives_by_hand() {
            let why = format!("the monitor is {}: the writer is given by hand only", self.mode);
            let until = match self.mode {
                MonitorMode::Wait => "every master is ONLINE, move_role or set_active",
                _ => "move_role or set_active",
            };
            all.push(self.blocked(why, None, until));
        }
        if self.writer().is_none() && self.now.boot < self.retry_at {
            let why = "the last attempt to give it to a host failed: the next one follows a pause";
            all.push(self.blocked(why, Some(self.retry_at), ""));
        }
        self.nobody_else(&mut all);
        self.or_at_once(all)
    }

    /// Whether nobody gets the vacant writer role before somebody says who.
    pub(super) fn gives_by_hand(&self) -> bool {
        let by_hand = matches!(self.mode, MonitorMode::Manual | MonitorMode::Wait);
        by_hand && self.vips[self.writer_vip()].chosen.is_none()
    }

    /// Nothing is in the way any more: it happens when the rules look again.
    fn or_at_once(&self, all: Vec<Blocked>) -> Vec<Blocked> {
        if !all.is_empty() {
            return all;
        }
        vec![self.blocked("nothing is in the way any more", Some(self.look_at), "")]
    }

    /// The hosts that said just now that they serve as writer. Of one whose grant counts no more,
    /// an old word says nothing.
    pub(super) fn found_serving(&self) -> Vec<usize> {
        let claims = &self.vips[self.writer_vip()].claims;
        let serves = |host: &usize| {
            let granted = claims.iter().any(|claim| claim.host == *host);
            let limit = if granted { self.top.timing.ttl } else { self.silence() };
            let report = self.hosts[*host].fresh(self.now.boot, limit);
            report.is_some_and(|report| report.duty == Duty::Serving)
        };
        (0..self.hosts.len()).filter(serves).collect()
    }

    /// What a running move waits for.
    fn move_waits(&self, phase: &Phase) -> Vec<Blocked> {
        let Some(running) = &self.running else {
            return Vec::new();
        };
        let mut all = Vec::new();
        self.held_up(&mut all);
        if *phase == Phase::Secure {
            all.extend(self.claims_left(running.vip, None));
        }
        // It has just started, and nobody is left to wait for.
        if !all.is_empty() && *phase == Phase::Secure {
            return all;
        }
        let plan = running.progress.plan;
        let step = self.running_step().map_or_else(
            || format!("plan {plan} runs: {}", running.progress.title),
            |(number, what)| format!("plan {plan} is at step {number}: {what}"),
        );
        let ends = Some(running.deadline).filter(|ends| self.now.boot < *ends);
        all.push(self.blocked(step, ends, "the step is done"));
        all
    }

    /// Everybody but `heir` who may still have a VIP.
    fn claims_left(&self, vip: usize, heir: Option<usize>) -> Vec<Blocked> {
        let claims = self.vips[vip].claims.iter().filter(|claim| Some(claim.host) != heir);
        claims
            .map(|claim| {
                let name = &self.top.hosts[claim.host].name;
                let why = if self.agent_answers(claim.host) {
                    format!("{name} may still have it: its agent was told to let go")
                } else {
                    format!("{name} may still have it: {}", self.agent_trouble(claim.host))
                };
                let until = if self.hook_runs(claim.host) {
                    "its agent says that it has let go, or kill_host_bin cuts it off"
                } else {
                    "its agent says that it has let go"
                };
                self.blocked(why, Some(claim.over.max(self.now.boot)), until)
            })
            .collect()
    }

    /// What keeps the monitor from deciding anything.
    fn held_up(&self, all: &mut Vec<Blocked>) {
        let held = self.held();
        if !held.is_empty() {
            all.push(self.blocked(format!("decisions are held: {held}"), None, "that is over"));
        }
        if self.now.boot < self.quiet_until {
            let why = "the monitor has just started or could not see: nothing is judged before the \
                       hosts had the time to answer";
            all.push(self.blocked(why, Some(self.quiet_until), ""));
        }
        if self.mode == MonitorMode::Passive {
            let cause = if self.cause.is_empty() { "" } else { ": " };
            // What follows is the table of the votes.
            let first = self.cause.lines().next().unwrap_or_default();
            let why = format!("the monitor is PASSIVE and moves nothing{cause}{first}");
            all.push(self.blocked(why, None, "set_active or set_manual"));
        }
    }

    /// MANUAL and WAIT leave the roles of lost hosts where they are.
    fn mode_keeps(&self) -> Blocked {
        let why =
            format!("the monitor is {}: the roles of lost hosts stay where they are", self.mode);
        if self.mode != MonitorMode::Wait {
            return self.blocked(why, None, "move_role to another host, or set_active");
        }
        self.blocked(why, self.wait_over(), "every master is ONLINE, or set_active")
    }

    /// When nobody but the present holder could have the role, each one's reason.
    fn nobody_else(&self, all: &mut Vec<Blocked>) {
        let role = &self.top.roles[self.top.writer];
        let others: Vec<usize> =
            role.hosts.iter().copied().filter(|host| !self.is_writer(*host)).collect();
        if others.iter().all(|host| !self.can_be_writer(*host)) {
            if others.is_empty() {
                let why = format!("{} has no other host", role.name);
                all.push(self.blocked(why, None, "the configuration is changed"));
            }
            all.extend(others.into_iter().flat_map(|host| self.blockers_of(host)));
        }
    }

    /// What speaks against the host that has the writer role, and why that is not enough yet. Empty
    /// when it serves and nothing does.
    fn evidence_against(&self, host: usize) -> Vec<Blocked> {
        let (name, record) = (&self.top.hosts[host].name, &self.hosts[host]);
        let mut all = Vec::new();
        if record.state != HostState::Online {
            // It keeps the role by the mode, or because nothing is decided: the caller says which.
            let why = format!("{name} has it and is {}: {}", record.state, record.why);
            all.push(self.blocked(why, None, &self.what_ends(host)));
            return all;
        }
        if let Some(unseen) = self.unseen_blocked(host).or_else(|| self.alone_blocked(host)) {
            // The monitor's own looks at it do not count while that is so.
            return vec![unseen];
        }
        for check in [Check::Ping, Check::Mysql] {
            all.extend(self.failing_check(host, check));
        }
        let reach = record.fresh(self.now.boot, self.silence()).map(|report| &report.server.reach);
        let bad = [Check::Ping, Check::Mysql].map(|check| record.checks[check.index()].good);
        if bad.contains(&Some(false)) && reach != Some(&Reach::Up) {
            let (why, until) = match self.lost(host).map(|loss| loss.to_string()) {
                // Something else holds it up: that follows.
                Some(why) => (format!("{name} is lost: {why}"), "decisions are taken"),
                None => (
                    format!("{name} does not answer, and no other host gave a sign of life since"),
                    "any host answers; else it is taken for the monitor's own network",
                ),
            };
            all.push(self.blocked(why, None, until));
        }
        match reach {
            Some(Reach::Gone { why }) if !record.checks[Check::Mysql.index()].hard => {
                let why = format!("the agent on {name} says that its server is gone: {why}");
                all.push(self.blocked(why, None, "the monitor's own look confirms it"));
            }
            Some(Reach::Silent { why }) if bad[1] != Some(false) => {
                let why =
                    format!("the agent on {name} says that its server does not answer: {why}");
                let trap = self.top.timing.trap_of(Check::Mysql);
                let until = format!("the monitor's check mysql fails for {trap} as well");
                all.push(self.blocked(why, None, &until));
            }
            _ => {}
        }
        if let Some(blocked) = self.silent_or_not_serving(host) {
            all.push(blocked);
        }
        all
    }

    /// A check that fails and does not count, or counts and is not enough.
    fn failing_check(&self, host: usize, check: Check) -> Option<Blocked> {
        let (name, record) = (&self.top.hosts[host].name, &self.hosts[host]);
        let state = &record.checks[check.index()];
        if state.good == Some(false) {
            let report = record.fresh(self.now.boot, self.silence())?;
            let heard = record.heard.as_ref().map(|heard| heard.at)?;
            let why = format!(
                "the monitor's check {check} of {name} fails ({}), its agent says that the server \
                 is up: one side alone never takes the writer away",
                state.message
            );
            let until = "the check is good again, or the agent says otherwise or falls silent";
            // An agent that is silent already is no longer believed after a while.
            let ends = (!self.agent_answers(host)).then(|| heard + self.silence());
            return (report.server.reach == Reach::Up).then(|| self.blocked(why, ends, until));
        }
        let since = state.failing_since.filter(|_| state.failing)?;
        let trap = self.top.timing.trap_of(check);
        let why = format!(
            "the monitor's check {check} of {name} fails ({}), which counts after {trap} without a \
             break",
            state.message
        );
        let until = match (state.hard, self.now.boot < since + trap) {
            (true, _) => "one good result, or its agent confirms that the server is gone",
            (_, true) => "one good result",
            (_, false) => "the next result",
        };
        let ends = Some(since + trap).filter(|ends| self.now.boot < *ends);
        Some(self.blocked(why, ends, until))
    }

    fn silent_or_not_serving(&self, host: usize) -> Option<Blocked> {
        let (name, record) = (&self.top.hosts[host].name, &self.hosts[host]);
        if !self.agent_answers(host) {
            let claim = self.vips[self.writer_vip()].claim_of(host);
            let ends = claim.map(|claim| claim.over).filter(|over| self.now.boot <= *over);
            let why = format!("{name}: {}; it may serve until its grant is over", {
                self.agent_trouble(host)
            });
            return Some(self.blocked(why, ends, "its agent answers again"));
        }
        let report = record.report()?;
        if report.duty == Duty::Serving {
            return None;
        }
        let troubles = report.troubles.join("; ");
        let sep = if troubles.is_empty() { "" } else { ": " };
        let doing = duty_words(report.duty);
        let why = format!("{name} has it, but {doing}{sep}{troubles}");
        Some(self.blocked(why, None, "its agent says that it serves, or the host is lost"))
    }

    /// Why a VIP other than the writer's is given to nobody at this moment.
    pub(super) fn vip_blocked(&self, vip: usize) -> Vec<Blocked> {
        let record = &self.vips[vip];
        if record.role == self.top.writer || record.holder.is_some() {
            return Vec::new();
        }
        let mut all = Vec::new();
        self.held_up(&mut all);
        let heirs = self.heirs(vip);
        if heirs.is_empty() {
            let hosts = &self.top.roles[record.role].hosts;
            all.extend(hosts.iter().filter_map(|host| self.why_not_serving(*host)));
        }
        let heir = if let [only] = heirs.as_slice() { Some(*only) } else { None };
        all.extend(self.claims_left(vip, heir));
        self.or_at_once(all)
    }

    /// Why a host cannot serve a VIP of a role other than the writer's now.
    fn why_not_serving(&self, host: usize) -> Option<Blocked> {
        let (name, record) = (&self.top.hosts[host].name, &self.hosts[host]);
        if record.state != HostState::Online {
            let why = format!("{name} is {}: {}", record.state, record.why);
            return Some(self.blocked(why, None, &self.what_ends(host)));
        }
        if !self.agent_answers(host) {
            let why = format!("{name}: {}", self.agent_trouble(host));
            return Some(self.blocked(why, None, "its agent answers"));
        }
        (!record.server_up()).then(|| {
            let why = format!("{name}: its server does not answer its agent");
            self.blocked(why, None, "the server answers")
        })
    }

    /// Everybody but the holder who may still have a VIP.
    pub(super) fn claims_view(&self, vip: usize) -> Vec<ClaimView> {
        let record = &self.vips[vip];
        let others = record.claims.iter().filter(|claim| Some(claim.host) != record.holder);
        others
            .map(|claim| ClaimView {
                host: self.top.hosts[claim.host].name.clone(),
                over: self.now.wall_of(claim.over),
            })
            .collect()
    }
}

/// What an agent does about the writer role, in a sentence.
pub(super) const fn duty_words(duty: Duty) -> &'static str {
    match duty {
        Duty::None => "its agent says that it does not serve",
        Duty::Opening => "its agent is still opening it",
        Duty::Serving => "its agent serves",
        Duty::Freezing => "its agent is freezing it",
        Duty::Frozen => "its agent keeps it frozen",
        Duty::Fencing => "its agent is giving it up",
    }
}
