//! What a change of the monitor's mode would move, and what would move no longer: told before it is
//! done, from the conditions by which it is done. Nothing is changed here.

use mmm_proto::plan::{CheckVerdict, Level, Plan, PlanCheck, PlanStep};
use mmm_proto::{HostState, MonitorMode, RoleMode, Verb};

use super::Monitor;
use super::plan::addresses;
use MonitorMode as M;

/// The mode that a verb asks for.
pub(super) const fn wanted(verb: &Verb) -> Option<MonitorMode> {
    match verb {
        Verb::SetActive => Some(M::Active),
        Verb::SetManual => Some(M::Manual),
        Verb::SetPassive => Some(M::Passive),
        _ => None,
    }
}

/// What happens to a VIP in a mode.
struct Fate {
    /// Who lets go, or takes what nobody has.
    host: Option<usize>,
    why: String,
}

impl Monitor {
    /// The plan of a change of the mode.
    pub(super) fn fill_switch(&self, plan: &mut Plan, to: MonitorMode) {
        if to == self.mode {
            plan.effect = format!("nothing: the monitor is {to} already");
            return;
        }
        plan.title = format!("mode {} -> {to}", self.mode);
        plan.steps.push(PlanStep { host: None, what: format!("take up mode {to}") });
        let vips = self.moved_by_switch(to);
        for vip in &vips {
            plan.steps.extend(self.step_of_switch(*vip, to));
        }
        plan.steps.extend(self.back_to_preferred(to));
        plan.effect = format!("{}; from then on {}", self.switch_words(to), means(to));
        let warn = |text: String| PlanCheck { verdict: CheckVerdict::Warn, text };
        plan.checks.extend(self.no_longer(to).into_iter().map(warn));
        if vips.contains(&self.writer_vip()) && self.next_writer().is_none() {
            let why: Vec<String> = self.candidates().into_iter().filter_map(|(_, w)| w).collect();
            plan.checks.push(warn(format!("nobody can become writer now: {}", why.join("; "))));
        }
    }

    /// How many addresses a change of the mode would move, in words; empty when it is the mode.
    pub(super) fn switch_words(&self, to: MonitorMode) -> String {
        if to == self.mode {
            return String::new();
        }
        let moved = self.moved_by_switch(to);
        let words: Vec<String> = moved.iter().take(3).map(|vip| self.vip_word(*vip)).collect();
        let more = if moved.len() > 3 { ", ..." } else { "" };
        match (moved.len(), self.back_to_preferred(to)) {
            (0, None) => "no address moves".to_owned(),
            (0, Some(_)) => "the writer goes back to its preferred host".to_owned(),
            (count, _) => format!("{} ({}{more})", addresses(count, ""), words.join(", ")),
        }
    }

    /// A change that moves something is confirmed by a name, and so is the way out of PASSIVE into
    /// ACTIVE: from then on the monitor moves what it likes.
    pub(super) fn level_of_switch(&self, to: MonitorMode) -> Level {
        let wakes = (self.mode, to) == (M::Passive, M::Active);
        let moves = !self.moved_by_switch(to).is_empty() || self.back_to_preferred(to).is_some();
        if to != self.mode && (wakes || moves) { Level::Typed } else { Level::Key }
    }

    /// The VIPs that stay where they are in this mode and would not in that one.
    fn moved_by_switch(&self, to: MonitorMode) -> Vec<usize> {
        if to == self.mode {
            return Vec::new();
        }
        let moves = |vip: &usize| self.fate(*vip, to).is_some();
        (0..self.vips.len())
            .filter(|vip| moves(vip) && self.fate(*vip, self.mode).is_none())
            .collect()
    }

    /// What a mode does about a VIP at once; none when it leaves it where it is. The conditions of
    /// `clear_roles`, `obey_choices`, `take_roles_from_lost_hosts`, `obey_preferences` and
    /// `place_orphan`.
    fn fate(&self, vip: usize, mode: MonitorMode) -> Option<Fate> {
        let record = &self.vips[vip];
        let role = &self.top.roles[record.role];
        if mode == M::Passive || (vip == self.writer_vip() && self.running.is_some()) {
            return None;
        }
        let fate = |host: usize, why: String| Some(Fate { host: Some(host), why });
        let Some(host) = record.holder else {
            let by_hand = role.mode == RoleMode::Exclusive && mode != M::Active;
            if by_hand && record.chosen.is_none() {
                return None;
            }
            let heir = self.heir_exists(vip, usize::MAX);
            return heir.then(|| Fate { host: None, why: "nobody has it".to_owned() });
        };
        let name = self.name(host);
        if let Some(chosen) = record.chosen.filter(|chosen| *chosen != host) {
            return fate(host, format!("set_ip chose {}", self.name(chosen)));
        }
        let state = self.hosts[host].state;
        let out = match mode {
            M::Active => state != HostState::Online,
            _ => state == HostState::AdminOffline,
        };
        if out {
            return fate(host, format!("{name} is {state}"));
        }
        if mode != M::Active {
            return None;
        }
        let over = record.claim_of(host).is_none_or(|claim| self.now.boot > claim.over);
        let unseen = self.serves_unseen(host).is_some() || self.left_alone(host);
        if over && !unseen && !self.agent_answers(host) && self.heir_exists(vip, host) {
            return fate(host, self.agent_trouble(host));
        }
        let exclusive = role.mode == RoleMode::Exclusive && record.role != self.top.writer;
        let prefer = role.prefer.filter(|to| exclusive && *to != host && self.can_serve(*to));
        prefer.and_then(|to| fate(host, format!("{} is its preferred host", self.name(to))))
    }

    fn step_of_switch(&self, vip: usize, to: MonitorMode) -> Option<PlanStep> {
        let Fate { host, why } = self.fate(vip, to)?;
        let word = self.vip_word(vip);
        let record = &self.vips[vip];
        let then = if vip == self.writer_vip() {
            let chosen = record.chosen.filter(|host| self.can_be_writer(*host));
            let by_hand = to != M::Active && chosen.is_none();
            match chosen.or_else(|| self.next_writer().filter(|_| !by_hand)) {
                Some(heir) => format!("{} becomes writer", self.name(heir)),
                None if by_hand => "then it is given by hand only".to_owned(),
                None => "nobody can become writer now".to_owned(),
            }
        } else {
            self.goes_to(vip, host, to)
        };
        let what = match host {
            Some(_) => format!("release {word}, because {why}; {then}"),
            None => format!("{word}, which nobody has: {then}"),
        };
        let host = host.map(|host| self.top.hosts[host].name.clone());
        Some(PlanStep { host, what })
    }

    /// Who gets a VIP of another role than the writer's.
    fn goes_to(&self, vip: usize, from: Option<usize>, to: MonitorMode) -> String {
        let record = &self.vips[vip];
        let role = &self.top.roles[record.role];
        let mut heirs = self.heirs(vip);
        heirs.retain(|heir| Some(*heir) != from);
        let able = |host: &usize| heirs.contains(host);
        if let Some(wish) = record.chosen.filter(able) {
            return format!("{} gets it", self.name(wish));
        }
        if role.mode == RoleMode::Exclusive && to != M::Active {
            return "then it is given by hand only".to_owned();
        }
        let heirs = role.prefer.filter(able).map_or(heirs.clone(), |host| vec![host]);
        match heirs.as_slice() {
            [host] => format!("{} gets it", self.name(*host)),
            [] => "no other host can serve it now".to_owned(),
            many => format!("the least loaded of {} gets it", self.top.names(many)),
        }
    }

    /// Who would become writer by a failover now.
    fn next_writer(&self) -> Option<usize> {
        let able = |(host, why): (usize, Option<String>)| {
            (why.is_none() && !self.is_writer(host)).then_some(host)
        };
        self.candidates().into_iter().find_map(able)
    }

    /// In ACTIVE the writer goes back to its preferred host, not at once.
    fn back_to_preferred(&self, to: MonitorMode) -> Option<PlanStep> {
        let prefer = self.top.roles[self.top.writer].prefer?;
        let away = self.writer().is_some_and(|from| from != prefer);
        let lost = self.fate(self.writer_vip(), M::Active).is_some();
        let what = "become writer again as the preferred host, by a planned move, when it is ONLINE \
                    and near";
        let host = Some(self.top.hosts[prefer].name.clone());
        (to == M::Active && self.mode != M::Active && away && !lost)
            .then(|| PlanStep { host, what: what.to_owned() })
    }

    /// What this mode would do and that one does not.
    fn no_longer(&self, to: MonitorMode) -> Vec<String> {
        let mut all = Vec::new();
        if to == M::Passive
            && let Some(running) = &self.running
        {
            let (plan, title) = (running.progress.plan, &running.progress.title);
            all.push(format!("plan {plan} ({title}) is halted if it can still be undone"));
        }
        for vip in 0..self.vips.len() {
            let ends = self.fate(vip, to).is_none() && self.fate(vip, self.mode).is_some();
            if !ends {
                continue;
            }
            let until = match to {
                M::Passive => "as long as the monitor is PASSIVE",
                _ => "until it is given by hand",
            };
            let word = self.vip_word(vip);
            all.push(match self.vips[vip].holder {
                Some(host) => format!("{word} stays with {}", self.name(host)),
                None => format!("{word} stays with nobody {until}"),
            });
        }
        if self.mode == M::Wait && to != M::Active {
            all.push("the monitor does not become ACTIVE by itself any more".to_owned());
        }
        if self.mode != M::Active {
            return all;
        }
        if let Some(writer) = self.writer() {
            let name = self.name(writer);
            all.push(format!("if {name} is lost, nobody becomes writer until you say who"));
        }
        let prefer = self.top.roles[self.top.writer].prefer;
        if let Some(prefer) = prefer.filter(|host| self.writer().is_some_and(|at| at != *host)) {
            all.push(format!("the writer does not go back to {} by itself", self.name(prefer)));
        }
        all
    }
}

/// What a mode means, behind "from then on".
const fn means(mode: MonitorMode) -> &'static str {
    match mode {
        M::Active => "roles of failed hosts move by themselves",
        M::Manual | M::Wait => {
            "roles of failed hosts stay where they are, and the writer moves by hand only"
        }
        M::Passive => "nothing is changed on any host",
    }
}
