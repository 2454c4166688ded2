//! What must be true after every step, whatever was done to the cluster. Rules that need a rare
//! look at more (what a new writer lacks) live in `world/repair.rs`, the numbers are kept here.

mod people;
mod two;

use mmm_proto::agent::Stamp;
use mmm_proto::event::Event;
use mmm_proto::{Span, Time};

use super::config::WorldConfig;
use super::history::History;
use super::host::Host;
use super::text::host_word;

/// More acts of one host within a second than this are a loop. At the first grant a host may get
/// many addresses at once, and each that comes up is reported and answered.
const ACTS_A_SECOND: u32 = 400;
/// The same for those that are not about an address and do not only look.
const HEAVY_A_SECOND: u32 = 25;
/// More events within ten seconds than this, for each host, are noise.
const EVENTS_IN_TEN_SECONDS: u32 = 120;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub at: Time,
    /// The rule, in words that do not change from run to run.
    pub rule: &'static str,
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}", self.rule, super::text::span_word(Span(self.at.0)), self.what)
    }
}

/// The one plan that runs.
#[derive(Debug)]
struct Plan {
    id: u64,
    title: String,
    began: u64,
    step_began: u64,
    /// Who was asked meanwhile what it has, and how much that was.
    asked: Vec<(usize, u64)>,
}

/// The rules and what they remember.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) violation: Option<Violation>,
    /// Who takes writes through the writer's VIP.
    pub(super) open: Option<usize>,
    /// Somebody has begun to, since that was last judged.
    pub(super) opened: bool,
    last_open: Option<usize>,
    /// Everything that clients were promised to be kept.
    pub(super) promised: History,
    hosts: usize,
    vips: usize,
    /// By VIP, the hosts that may have it.
    allowed: Vec<usize>,
    move_limit: u64,
    step_limit: u64,
    began: u64,
    plan: Option<Plan>,
    stamps: [Stamp; 2],
    terms: Vec<(usize, u64)>,
    /// By host: the highest stamp seen in this life of its agent.
    seen: Vec<Stamp>,
    /// By host: the highest term that must be on its disk.
    kept: Vec<u64>,
    events: (u64, u32),
    /// The monitor stands still or is dead.
    away: bool,
    durable: bool,
    two: two::Two,
    people: people::People,
    broken: Option<(&'static str, String)>,
}

impl Watch {
    pub(super) fn new(config: &WorldConfig) -> Self {
        let mut allowed = vec![config.masters];
        allowed.extend(vec![config.hosts; config.readers + usize::from(config.report)]);
        Self {
            violation: None,
            open: None,
            opened: false,
            last_open: None,
            promised: History::default(),
            hosts: config.hosts,
            vips: allowed.len(),
            allowed,
            move_limit: config.move_limit().as_ms() * 1000,
            step_limit: config.step_limit().as_ms() * 1000,
            began: 0,
            plan: None,
            stamps: [Stamp::default(); 2],
            terms: Vec::new(),
            seen: vec![Stamp::default(); config.hosts],
            kept: vec![0; config.hosts],
            events: (0, 0),
            away: false,
            durable: config.durable,
            two: two::Two::new(config),
            people: people::People::new(config),
            broken: None,
        }
    }

    pub(super) fn begin(&mut self, us: u64) {
        self.began = us;
    }

    pub(super) fn break_rule(&mut self, us: u64, origin: u64, rule: &'static str, what: String) {
        let at = Time(us.saturating_sub(origin) / 1000);
        self.violation.get_or_insert(Violation { at, rule, what });
    }

    /// A rule was broken that only needs to be written down.
    pub(super) fn told_something(&self) -> bool {
        self.broken.is_some()
    }

    fn broke(&mut self, rule: &'static str, what: String) {
        self.broken.get_or_insert((rule, what));
    }

    /// Looks at everything that can be looked at cheaply.
    pub(super) fn look(&mut self, us: u64, origin: u64, hosts: &[Host]) {
        let mut open = None;
        for (index, host) in hosts.iter().enumerate() {
            if !host.accepts(us) {
                continue;
            }
            // Two monitors that live at the same time, one of which reaches only the one host and
            // one only the other, can each keep a writer: they hear of each other by the agents
            // alone, and who hears a monitor asks no peer for promises.
            if let Some(other) = open.filter(|other| !self.two.excuse(us, &hosts[*other], host)) {
                let (one, two) = (host_word(other), host_word(index));
                let what = format!("{one} and {two} take writes at once");
                self.broke("one writer at most", what);
            }
            open = Some(index);
        }
        if let Some(now) = open
            && self.last_open != Some(now)
        {
            (self.last_open, self.opened) = (Some(now), true);
        }
        self.open = open;
        for vip in 0..self.vips {
            self.look_at_vip(us, vip, hosts);
        }
        if let Some((rule, what)) = self.broken.take() {
            self.break_rule(us, origin, rule, what);
        }
    }

    fn look_at_vip(&mut self, us: u64, vip: usize, hosts: &[Host]) {
        let mut on = None;
        for (index, host) in hosts.iter().enumerate() {
            let there = &host.vips[vip];
            if there.until <= us || there.by_hand || !host.on {
                continue;
            }
            if index >= self.allowed[vip] {
                let what = format!("{} has VIP {vip}, which is not its", host_word(index));
                self.broke("no role on a host that must not have it", what);
            }
            // The writer's may be on a frozen host as well; a machine that stands still answers
            // nobody. Balanced roles are milder: by the words of two monitors a VIP of theirs may
            // be on two hosts until the older grant is over.
            if vip == 0 || host.stopped || self.two.lead(us) {
                continue;
            }
            if let Some(other) = on {
                let (one, two) = (host_word(other), host_word(index));
                let what = format!("VIP {vip} is on {one} and {two}");
                self.broke("a VIP is on one host at most", what);
            }
            on = Some(index);
        }
    }

    /// Clients were told that everything up to there is committed. What they were told before must
    /// be there as well: nobody writes on without it.
    pub(super) fn acknowledged(&mut self, log: &History, upto: u64) {
        if self.promised.len() >= upto {
            return;
        }
        let kept = self.promised.same(log);
        let lost = self.promised.len() - kept;
        if lost > 0 {
            // A crash of a server that is not durable has lost it, or two monitors each have had a
            // writer.
            if self.durable && !self.two.parted {
                let what = format!("it is written on without {lost} acknowledged writes");
                self.broke("acknowledged writes are kept", what);
            }
            self.promised.cut(kept);
        }
        self.promised.take_from(log, upto);
    }

    /// An agent started, and knows that much of former times.
    pub(super) fn agent_started(&mut self, host: usize, seen: Stamp) {
        if seen.term < self.kept[host] && !self.people.forgot() {
            let (name, kept) = (host_word(host), self.kept[host]);
            let what = format!("{name} starts with {seen} and had obeyed term {kept}");
            self.broke("terms never repeat", what);
        }
        self.seen[host] = seen;
    }

    pub(super) fn agent_stepped(&mut self, _us: u64, host: usize, record: &Host) {
        if record.seen < self.seen[host] {
            let (name, now, before) = (host_word(host), record.seen, self.seen[host]);
            let what = format!("{name} has seen {now} after {before}");
            self.broke("stamps never go back", what);
        }
        // What it had seen before this step is on disk, or it was told that it is not.
        if record.disk_ok && record.unwritten.is_none() {
            self.kept[host] = self.kept[host].max(self.seen[host].term);
        }
        self.seen[host] = record.seen;
    }

    pub(super) fn act_begun(&mut self, us: u64, host: usize, record: &mut Host, heavy: bool) {
        if record.begun.0 + 1_000_000 < us {
            record.begun = (us, 0, 0);
        }
        record.begun.1 += 1;
        record.begun.2 += u32::from(heavy);
        if record.begun.1 > ACTS_A_SECOND || record.begun.2 > HEAVY_A_SECOND {
            let (name, (_, all, heavy)) = (host_word(host), record.begun);
            let what = format!("{name} began {all} acts in a second, {heavy} of them heavy");
            self.broke("no hot loops", what);
        }
    }

    pub(super) fn monitor_started(&mut self, us: u64, mon: usize, term: u64) {
        // Two monitors that do not know of each other count side by side.
        let bad = |(who, before): &(usize, u64)| *before == term || (*who == mon && *before > term);
        if self.terms.iter().any(bad) && !self.people.forgot() {
            let what = format!("term {term} comes after {:?}", self.terms);
            self.broke("terms never repeat", what);
        }
        self.terms.push((mon, term));
        if mon == 1 {
            self.two.begins();
        }
        self.stamps[mon] = Stamp { term, seq: 0 };
        if mon == 0 {
            // What ran before died with the process.
            (self.plan, self.away) = (None, false);
            self.people.monitor_started(us);
        }
    }

    pub(super) fn monitor_ended(&mut self, us: u64, mon: usize) {
        if mon == 1 {
            self.two.ends(us);
        }
        if mon == 0 {
            (self.plan, self.away) = (None, true);
        }
    }

    pub(super) fn monitor_stepped(&mut self, _us: u64, mon: usize, stamp: Stamp) {
        if stamp < self.stamps[mon] {
            let what = format!("a monitor decided {stamp} after {}", self.stamps[mon]);
            self.broke("stamps never go back", what);
        }
        self.stamps[mon] = stamp;
    }

    /// The monitor told something.
    pub(super) fn told(&mut self, us: u64, event: &Event) {
        if self.events.0 + 10_000_000 < us {
            self.events = (us, 0);
        }
        self.events.1 += 1;
        if self.events.1 > EVENTS_IN_TEN_SECONDS * self.hosts as u32 {
            let what = format!("{} events in ten seconds: {}", self.events.1, event.line());
            self.broke("no event spam", what);
        }
        let Some(id) = event.plan else { return };
        let Some(rest) = event.what.strip_prefix(&format!("plan {id} ")) else {
            if let Some(plan) = &mut self.plan {
                plan.step_began = us;
            }
            return;
        };
        if let Some(title) = rest.strip_prefix("accepted: ") {
            if let Some(other) = &self.plan {
                let what = format!("plan {id} was begun while plan {} runs", other.id);
                self.broke("one move at a time", what);
            }
            self.move_began(event);
            self.plan = Some(Plan {
                id,
                title: title.to_owned(),
                began: us,
                step_began: us,
                asked: Vec::new(),
            });
        } else {
            self.plan = None;
        }
    }

    /// The plan that runs has run for longer than all its limits.
    pub(super) fn plan_is_late(&self, us: u64) -> bool {
        !self.away
            && self.plan.as_ref().is_some_and(|plan| {
                us - plan.began > self.move_limit || us - plan.step_began > self.step_limit
            })
    }

    /// It is late: that is wrong, unless the monitor says that it decides nothing for the time
    /// being (`held`). Then its time begins anew.
    pub(super) fn judge_late_plan(&mut self, us: u64, held: bool) {
        let Some(plan) = &mut self.plan else { return };
        if held {
            (plan.began, plan.step_began) = (us, us);
            return;
        }
        let (all, step) = ((us - plan.began) / 1_000_000, (us - plan.step_began) / 1_000_000);
        let what = format!("plan {} has run for {all} s, its step for {step} s", plan.id);
        self.broke("every wait has a deadline", what);
    }

    /// The number of the plan that runs.
    pub(super) fn plan(&self) -> Option<u64> {
        self.plan.as_ref().map(|plan| plan.id)
    }

    /// Whether two monitors each had a writer since the last opening that was judged.
    pub(super) fn take_parted(&mut self) -> bool {
        std::mem::take(&mut self.two.parted)
    }

    /// How long the plan has run that runs.
    pub(super) fn plan_runs_for(&self, us: u64) -> Option<Span> {
        self.plan.as_ref().map(|plan| Span((us - plan.began) / 1000))
    }

    /// A host was looked at, and has so many transactions.
    pub(super) fn looked_at(&mut self, host: usize, has: u64) {
        if let Some(plan) = &mut self.plan
            && plan.asked.iter().all(|(asked, _)| *asked != host)
        {
            plan.asked.push((host, has));
        }
    }

    /// How much a host had when the plan that runs asked it, if it did.
    pub(super) fn had_when_asked(&self, host: usize) -> Option<u64> {
        let asked = &self.plan.as_ref()?.asked;
        asked.iter().find(|(asked, _)| *asked == host).map(|(_, has)| *has)
    }

    /// The planned move that runs, if one does. While the monitor stands still, a second one may
    /// lead on without an end of that.
    pub(super) fn planned_move(&self, us: u64) -> Option<(u64, &str)> {
        let plan = self.plan.as_ref().filter(|_| !(self.away && self.two.lead(us)))?;
        plan.title.starts_with("move ").then_some((plan.id, plan.title.as_str()))
    }
}
