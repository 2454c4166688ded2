//! What people ask for: allowed or why not, and what is done about it. Each reason is written once,
//! here or in `candidate`.

use mmm_proto::console::{Answer, RefusalCode};
use mmm_proto::event::Level;
use mmm_proto::plan::{Plan, PlanOutcome, StepState};
use mmm_proto::{Check, HostName, HostState, MonitorMode, RoleMode, Span, Verb};

use super::moves::{Kind, Phase};
use super::parted::transactions;
use super::plan::{PLAN_EXPIRES, planned_steps};
use super::{Asker, Monitor, Request, refuse};

/// Plans kept for `apply`; the oldest goes first.
const PLANS_KEPT: usize = 64;

impl Monitor {
    pub(super) fn take_request(&mut self, asker: Asker, request: Request) {
        match request {
            Request::Run(verb) => self.run_verb(asker, &verb),
            Request::Plan(verb) => match self.preview(&verb) {
                Ok(plan) => {
                    let plan = self.keep_plan(plan);
                    self.answer(asker, Answer::Plan { plan: Box::new(plan) });
                }
                Err(refusal) => self.answer(asker, Answer::Refused { refusal }),
            },
            Request::Apply { plan } => self.apply_plan(asker, plan),
            Request::Stop { plan } => self.stop_plan(asker, plan),
        }
    }

    fn keep_plan(&mut self, mut plan: Plan) -> Plan {
        self.next_plan += 1;
        plan.id = self.next_plan;
        if self.plans.len() >= PLANS_KEPT {
            self.plans.remove(0);
        }
        self.plans.push((plan.clone(), self.now.boot));
        plan
    }

    /// Runs a plan that was shown, if it would still be the same plan.
    fn apply_plan(&mut self, asker: Asker, id: u64) {
        let now = self.now.boot;
        self.plans.retain(|(_, made)| now.since(*made) <= PLAN_EXPIRES);
        let stale = |why: &str| Answer::Refused { refusal: refuse(RefusalCode::Stale, why) };
        let Some((plan, _)) = self.plans.iter().find(|(plan, _)| plan.id == id).cloned() else {
            let why =
                format!("plan {id} is unknown or older than {PLAN_EXPIRES}; ask for a new one");
            return self.answer(asker, stale(&why));
        };
        match self.preview(&plan.verb) {
            Err(refusal) => {
                let why = format!("it changed while you were reading: {}", refusal.reason);
                self.answer(asker, stale(&why));
            }
            Ok(new) if new.title != plan.title || new.level > plan.level => {
                let why = format!("it would now be \"{}\"; ask for a new plan", new.title);
                self.answer(asker, stale(&why));
            }
            Ok(_) => {
                self.plans.retain(|(plan, _)| plan.id != id);
                // What runs keeps the number under which it was shown.
                self.applying = Some(id);
                self.run_verb(asker, &plan.verb);
                self.applying = None;
            }
        }
    }

    fn stop_plan(&mut self, asker: Asker, id: u64) {
        let Some(running) = self.running.as_mut().filter(|running| running.progress.plan == id)
        else {
            let reason = format!("plan {id} does not run");
            return self
                .answer(asker, Answer::Refused { refusal: refuse(RefusalCode::Stale, reason) });
        };
        let early = matches!(running.phase, Phase::Drain | Phase::Freeze | Phase::CatchUp);
        if running.kind == Kind::Planned && early {
            running.stop = Some(asker.who.clone());
            let text = "halting before the next step; the old writer returns to service".to_owned();
            self.answer(asker, Answer::Done { text, took: Span::ZERO });
        } else {
            let reason = "it is past the point from which it could be undone";
            self.answer(asker, Answer::Refused { refusal: refuse(RefusalCode::State, reason) });
        }
    }

    fn run_verb(&mut self, asker: Asker, verb: &Verb) {
        if let Some(text) = self.already(verb) {
            return self.answer(asker, Answer::Done { text, took: Span::ZERO });
        }
        if let Err(refusal) = self.permit(verb) {
            return self.answer(asker, Answer::Refused { refusal });
        }
        let who = asker.who.clone();
        let text = match verb {
            Verb::Ping => "Pinged successfully!".to_owned(),
            Verb::Help | Verb::Show | Verb::Checks { .. } | Verb::Mode | Verb::Explain { .. } => {
                self.mode.to_string()
            }
            Verb::Doctor { host } => return self.examine(asker, host.as_ref()),
            Verb::SetOnline { host } => self.set_online(host, &who),
            Verb::SetOffline { host } => match self.top.host(host) {
                Some(host) => match self.successor(host) {
                    Some(to) => return self.start_planned(Some(asker), host, to, false, true),
                    None => self.set_offline(host, &who),
                },
                None => return,
            },
            Verb::SetActive => self.switch(MonitorMode::Active, "active", &who),
            Verb::SetManual => self.switch(MonitorMode::Manual, "manual", &who),
            Verb::SetPassive => self.switch(MonitorMode::Passive, "passive", &who),
            Verb::MoveRole { role, host, force, kill } => {
                let (Some(role), Some(to)) = (self.top.role(role), self.top.host(host)) else {
                    return;
                };
                if role != self.top.writer {
                    self.move_other(role, to, &who)
                } else if *force {
                    self.force_writer(to, &who)
                } else {
                    match self.writer().filter(|_| self.writer_gone().is_none()) {
                        Some(from) => {
                            return self.start_planned(Some(asker), from, to, *kill, false);
                        }
                        None => self.give_vacant_writer(to, &who),
                    }
                }
            }
            Verb::SetIp { ip, host } => {
                let Some(to) = self.top.host(host) else {
                    return;
                };
                self.choose_ip(*ip, to, &who)
            }
        };
        self.answer(asker, Answer::Done { text, took: Span::ZERO });
    }

    /// Starts a planned move; without an asker it is the monitor's own.
    pub(super) fn start_planned(
        &mut self,
        asker: Option<Asker>,
        from: usize,
        to: usize,
        kill: bool,
        offline: bool,
    ) {
        let found = self.examine_move(from, to, kill);
        if let Some(refusal) = found.refusal {
            if let Some(asker) = asker {
                self.answer(asker, Answer::Refused { refusal });
            }
            return;
        }
        let title = format!("move writer {} -> {}", self.name(from), self.name(to));
        let title =
            if offline { format!("{title}, then set {} offline", self.name(from)) } else { title };
        let steps = planned_steps(self, from, to, offline);
        let first = (Phase::Drain, self.top.timing.drain_timeout);
        self.start_move(Kind::Planned, &title, steps, Some(from), Some(to), asker, first);
        if let Some(running) = &mut self.running {
            running.kill = kill;
            running.then_offline = offline;
        }
    }

    /// What the original answers with `OK` because there is nothing to do.
    fn already(&self, verb: &Verb) -> Option<String> {
        let state = |host: &HostName| Some(self.hosts[self.top.host(host)?].state);
        match verb {
            Verb::SetOnline { host } if state(host) == Some(HostState::Online) => {
                Some("This host is already ONLINE. Skipping command.".to_owned())
            }
            Verb::SetOffline { host } if state(host) == Some(HostState::AdminOffline) => {
                Some("This host is already ADMIN_OFFLINE. Skipping command.".to_owned())
            }
            Verb::MoveRole { role, host, .. } => {
                let role = self.top.role(role)?;
                let host_index = self.top.host(host)?;
                let exclusive = self.top.roles[role].mode == RoleMode::Exclusive;
                let there =
                    self.vips.iter().any(|v| v.role == role && v.holder == Some(host_index));
                let online = self.hosts[host_index].state == HostState::Online;
                (exclusive
                    && there
                    && online
                    && self.mode != MonitorMode::Passive
                    && self.running.is_none())
                .then(|| format!("Role is already on '{host}'. Skipping command."))
            }
            Verb::SetActive if self.mode == MonitorMode::Active => {
                Some("Already in active mode.".to_owned())
            }
            Verb::SetManual if self.mode == MonitorMode::Manual => {
                Some("Already in manual mode.".to_owned())
            }
            Verb::SetPassive if self.mode == MonitorMode::Passive => {
                Some("Already in passive mode.".to_owned())
            }
            _ => None,
        }
    }

    fn set_online(&mut self, host: &HostName, who: &str) -> String {
        let text = format!(
            "State of '{host}' changed to ONLINE. Now you can wait some time and check its new roles!"
        );
        let Some(index) = self.top.host(host) else {
            return text;
        };
        self.hosts[index].flapping = false;
        if self.hosts[index].state == HostState::AdminOffline {
            // It was stopped by us: what is found from now on counts, and that at once.
            for check in [Check::RepThreads, Check::RepBacklog] {
                self.hosts[index].checks[check.index()].forget();
            }
        }
        let parted = self.accept_parted(index);
        let why = parted.as_ref().map(|parted| format!("set online, though {parted}"));
        self.set_state(index, HostState::Online, why.as_deref().unwrap_or("set online"), Some(who));
        self.retry_at = self.now.boot;
        parted.map_or(text.clone(), |parted| format!("{text} But {parted}."))
    }

    fn set_offline(&mut self, host: usize, who: &str) -> String {
        self.set_state(host, HostState::AdminOffline, "set offline", Some(who));
        let name = self.name(host);
        format!(
            "State of '{name}' changed to ADMIN_OFFLINE. Now you can wait some time and check all roles!"
        )
    }

    fn switch(&mut self, mode: MonitorMode, word: &str, who: &str) -> String {
        let cause = match mode {
            MonitorMode::Passive => "an operator set it so: nothing is changed on any host",
            MonitorMode::Manual => {
                "roles of failed hosts stay where they are, and the writer moves by hand only"
            }
            _ => "",
        };
        self.set_mode(mode, cause, Some(who));
        if mode == MonitorMode::Passive {
            self.halt_the_move(who);
        }
        self.clear_roles();
        if mode != MonitorMode::Passive {
            self.obey_choices();
        }
        format!("Switched into {word} mode.")
    }

    /// Takes the VIPs of a role off its holder, or off the named host for a balanced one.
    fn move_other(&mut self, role: usize, host: usize, who: &str) -> String {
        let name = self.top.roles[role].name.clone();
        let balanced = self.top.roles[role].mode == RoleMode::Balanced;
        for vip in 0..self.vips.len() {
            let holder = self.vips[vip].holder;
            if self.vips[vip].role != role || (balanced && holder != Some(host)) {
                continue;
            }
            self.withdraw(vip, &format!("moved by {who}"));
            if !balanced {
                self.vips[vip].chosen = Some(host);
                self.decide();
            }
            if let Some(holder) = holder {
                let (word, from) = (self.vip_word(vip), self.name(holder));
                let what = format!("taken from {from}");
                self.event_by(Level::Info, &word, &what, "move_role", Some(who));
            }
        }
        if balanced {
            format!("Roles '{name}' on '{}' have been cleared.", self.name(host))
        } else {
            format!(
                "Role '{name}' has been moved to '{}'. Now you can wait some time and check new roles info!",
                self.name(host)
            )
        }
    }

    /// Nobody serves as writer: the named host is to, as soon as nobody else can.
    fn give_vacant_writer(&mut self, to: usize, who: &str) -> String {
        let vip = self.writer_vip();
        if let (Some(from), Some(why)) = (self.writer(), self.writer_gone()) {
            let name = self.name(from);
            self.withdraw(vip, &why);
            let what = format!("{} taken from {name}", self.vips[vip].ip);
            let role = self.top.roles[self.top.writer].name.clone();
            self.event_by(Level::Warn, role.as_str(), &what, &why, Some(who));
        }
        self.vips[vip].chosen = Some(to);
        self.chosen_by = Some(who.to_owned());
        self.retry_at = self.now.boot;
        self.decide();
        format!(
            "Role '{}' will be given to '{}'.",
            self.top.roles[self.top.writer].name,
            self.name(to)
        )
    }

    /// The operator takes the loss: the late host becomes ONLINE and the writer is given to it once
    /// the old one cannot hold it any more.
    fn force_writer(&mut self, to: usize, who: &str) -> String {
        let old = self.writer();
        // What it received and has not applied is lost unless it can apply it in time.
        let applied = self.hosts[to].report().map(|report| report.server.position.clone());
        let lacks = self.most().missing_from(&applied.unwrap_or_default());
        let why = format!("forced by {who}, {} behind", transactions(lacks));
        self.take_word_that_it_is_off(who);
        self.forced = Some(to);
        self.set_state(to, HostState::Online, &why, Some(who));
        let vip = self.writer_vip();
        self.withdraw(vip, &why);
        self.vips[vip].chosen = Some(to);
        self.chosen_by = Some(who.to_owned());
        self.retry_at = self.now.boot;
        let from = old.map_or("nobody".to_owned(), |old| self.name(old));
        let role = self.top.roles[self.top.writer].name.clone();
        format!(
            "Role '{role}' has been moved from '{from}' to '{}' enforcedly. Now you can wait some time and \
             check new roles info!",
            self.name(to)
        )
    }

    fn choose_ip(&mut self, ip: std::net::IpAddr, host: usize, who: &str) -> String {
        let name = self.name(host);
        let Some(vip) = self.vips.iter().position(|vip| vip.ip == ip) else {
            return String::new();
        };
        self.vips[vip].chosen = Some(host);
        self.decide();
        let word = self.vip_word(vip);
        let why = "obeyed when passive mode is left";
        self.event_by(Level::Info, &word, &format!("chosen for {name}"), why, Some(who));
        format!("Set role '{word}' to host '{name}'.")
    }

    /// What was chosen by `set_ip` is carried out: whoever has it otherwise loses it.
    fn obey_choices(&mut self) {
        for vip in 0..self.vips.len() {
            let Some(chosen) = self.vips[vip].chosen else {
                continue;
            };
            if self.vips[vip].holder.is_some_and(|holder| holder != chosen) {
                self.withdraw(vip, "set_ip chose another host");
            }
        }
        self.retry_at = self.now.boot;
    }

    /// The step that the running move works on, counted from one, and its words.
    pub(super) fn running_step(&self) -> Option<(usize, &str)> {
        let running = self.running.as_ref()?;
        let step = running.progress.steps.get(running.at)?;
        (running.progress.outcome == PlanOutcome::Running && step.state == StepState::Running)
            .then_some((running.at + 1, step.what.as_str()))
    }
}
