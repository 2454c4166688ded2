//! `doctor`: every agent is asked to examine its host, and what they say is completed by what only
//! the monitor can see: its own reach, the hosts against each other, the clocks. Decides nothing.

use mmm_proto::agent::{Settings, ToAgent};
use mmm_proto::console::{Answer, RefusalCode};
use mmm_proto::doctor::{Finding, Findings};
use mmm_proto::{Check, HostMode, HostName, Span, Time, Wall};

use super::advice::auto_increment;
use super::{Asker, Effect, Monitor, refuse};

/// How long an agent may look.
const LOOK_LIMIT: Span = Span::secs(8);

/// How long its answer is waited for.
const ANSWER_LIMIT: Span = Span::secs(9);

/// Wall clocks may differ by so much before people are misled by their logs.
const WALL_APART: i64 = 2_000;

/// Clocks are compared over at least so long: reports take their time on the way.
const COMPARED_OVER: Span = Span::secs(20);

/// How much the way of a report may vary.
const JITTER: u64 = 250;

/// Examinations under way, and since when the agents' clocks are compared.
#[derive(Debug, Clone, Default)]
pub(super) struct Doctor {
    asked: Vec<Examination>,
    clocks: Vec<(usize, Compared)>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Examination {
    asker: Asker,
    until: Time,
    /// Who has not answered yet: the number of the question, the host.
    waiting: Vec<(u64, usize)>,
    hosts: Vec<usize>,
    found: Vec<Finding>,
}

/// Two clocks, ours and the agent's: when they were first and last read together.
#[derive(Debug, Clone)]
struct Compared {
    boot: String,
    first: (Time, Time),
    last: (Time, Time),
}

impl Compared {
    /// How long they were compared, and by how much the agent's clock ran ahead.
    fn drift(&self) -> (Span, i64) {
        let ours = self.last.0.since(self.first.0);
        let theirs = self.last.1.since(self.first.1);
        (ours, theirs.as_ms().cast_signed() - ours.as_ms().cast_signed())
    }

    /// More than the arithmetic of grants allows, whatever the reports took on their way.
    fn runs_away(&self) -> bool {
        let (over, ahead) = self.drift();
        over >= COMPARED_OVER && ahead.unsigned_abs() > over.as_ms() / 1000 + JITTER
    }
}

impl Monitor {
    pub(super) fn examining(&self) -> bool {
        !self.doctor.asked.is_empty()
    }

    /// Asks one agent or all of them; the answer comes when they have answered, or did not in time.
    pub(super) fn examine(&mut self, asker: Asker, host: Option<&HostName>) {
        let hosts: Vec<usize> = match host.map(|name| (name, self.top.host(name))) {
            None => (0..self.hosts.len()).collect(),
            Some((_, Some(host))) => vec![host],
            Some((name, None)) => {
                let refusal = refuse(RefusalCode::Unknown, format!("there is no host {name}"));
                return self.answer(asker, Answer::Refused { refusal });
            }
        };
        let mut waiting = Vec::new();
        for host in hosts.iter().copied().filter(|host| self.hosts[*host].link.is_some()) {
            self.doctor.next += 1;
            let id = self.doctor.next;
            let message = ToAgent::Examine { id, limit: LOOK_LIMIT };
            self.out.push(Effect::Send { host, message });
            waiting.push((id, host));
        }
        let until = self.now.boot + ANSWER_LIMIT;
        self.doctor.asked.push(Examination { asker, until, waiting, hosts, found: Vec::new() });
        self.finish_examinations();
    }

    pub(super) fn take_examined(
        &mut self,
        host: usize,
        id: u64,
        wall: Wall,
        findings: Vec<Finding>,
    ) {
        let (name, apart) = (self.name(host), wall.0 - self.now.wall.0);
        let Some(asked) =
            self.doctor.asked.iter_mut().find(|asked| asked.waiting.contains(&(id, host)))
        else {
            return;
        };
        asked.waiting.retain(|waits| *waits != (id, host));
        asked.found.extend(findings);
        let mut own = Findings::of(&name);
        if apart.abs() > WALL_APART {
            let what = format!(
                "its calendar is {} s {} the monitor's: logs cannot be laid side by side (grants \
                 do not depend on it)",
                apart.abs() / 1000,
                if apart > 0 { "ahead of" } else { "behind" }
            );
            own.warn("calendar", what, "timedatectl set-ntp true");
        } else {
            own.ok("calendar", "agrees with the monitor's");
        }
        asked.found.extend(own.done());
        self.finish_examinations();
    }

    /// Answers whoever waits for nobody any more.
    pub(super) fn finish_examinations(&mut self) {
        let now = self.now.boot;
        let (over, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.doctor.asked)
            .into_iter()
            .partition(|asked| asked.waiting.is_empty() || now >= asked.until);
        self.doctor.asked = left;
        for asked in over {
            let mut findings = asked.found;
            for host in &asked.hosts {
                let late = asked.waiting.iter().any(|(_, waits)| waits == host);
                findings.extend(self.seen_from_here(*host, late));
            }
            if asked.hosts.len() > 1 {
                findings.extend(self.side_by_side());
                findings.extend(self.own_settings());
            }
            // By host, whoever answered first.
            let place = |finding: &Finding| {
                let host = self.top.hosts.iter().position(|host| host.name == *finding.subject);
                host.unwrap_or(usize::MAX)
            };
            findings.sort_by_key(place);
            self.answer(asked.asker, Answer::Examined { findings });
        }
    }

    /// What the monitor sees of a host by itself.
    fn seen_from_here(&self, host: usize, late: bool) -> Vec<Finding> {
        let (spec, record) = (&self.top.hosts[host], &self.hosts[host]);
        let name = &spec.name;
        let mut found = Findings::of(name.as_str());
        if record.link.is_none() || late {
            let why = if late {
                format!("its agent did not answer within {ANSWER_LIMIT}; is it older than this?")
            } else {
                self.agent_trouble(host)
            };
            let remedy = format!("on {name}: systemctl status mmm-agentd; mmm-agentd --check");
            found.bad("agent", why, remedy);
        } else {
            found.ok("agent", "connected, and it answers");
        }
        for (check, level_bad) in [(Check::Mysql, true), (Check::Ping, false)] {
            let state = &record.checks[check.index()];
            let label = format!("{check} from the monitor");
            match state.good {
                Some(false) => {
                    let remedy = format!(
                        "on the monitor's host: nc -vz {} {}; look at the firewall and the account",
                        spec.ip, spec.port
                    );
                    if level_bad {
                        found.bad(&label, state.failure.clone(), remedy);
                    } else {
                        found.warn(&label, state.failure.clone(), format!("ping {}", spec.ip));
                    }
                }
                Some(true) => found.ok(&label, "passes"),
                None => found.warn(&label, format!("not known: {}", state.message), ""),
            }
        }
        self.about_replication(host, &mut found);
        self.about_clock(host, &mut found);
        found.done()
    }

    /// Whether the monitor's account sees replication at all; a stopped one has its own alarms.
    fn about_replication(&self, host: usize, found: &mut Findings) {
        const CHECK: &str = "monitor's account";
        let record = &self.hosts[host];
        let state = &record.checks[Check::RepThreads.index()];
        let reached = record.checks[Check::Mysql.index()].good == Some(true);
        // The words of the probe; a replication that merely stands still has its own alarms.
        let denied = state.failing && state.message.contains("Privilege missing");
        if denied || (reached && state.unknown_since.is_some()) {
            let what = format!("does not see replication: {}", state.message);
            let remedy = "GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO the monitor_user;";
            found.bad(CHECK, what, remedy);
        } else if state.good.is_some() {
            found.ok(CHECK, "sees replication");
        }
    }

    fn about_clock(&self, host: usize, found: &mut Findings) {
        let compared = self.doctor.clocks.iter().find(|(known, _)| *known == host);
        let Some((_, compared)) = compared else { return };
        let (over, ahead) = compared.drift();
        if compared.runs_away() {
            let what = format!(
                "its boot clock went {ahead} ms against the monitor's in {over}: grants allow for \
                 0.1 %"
            );
            let remedy = "cat /sys/devices/system/clocksource/clocksource0/*_clocksource; use tsc \
                          or kvm-clock, and give the machine its processor time";
            found.bad("clock", what, remedy);
        } else if over >= COMPARED_OVER {
            found.ok("clock", format!("{ahead} ms against the monitor's in {over}"));
        }
    }

    /// Reads the two clocks together; a look of another boot begins anew.
    pub(super) fn compare_clocks(&mut self, host: usize, at: Time, clock: Time, boot: &str) {
        let clocks = &mut self.doctor.clocks;
        match clocks.iter_mut().find(|(known, _)| *known == host) {
            Some((_, compared)) if compared.boot == boot => compared.last = (at, clock),
            known => {
                let (first, last) = ((at, clock), (at, clock));
                let compared = Compared { boot: boot.to_owned(), first, last };
                match known {
                    Some((_, old)) => *old = compared,
                    None => clocks.push((host, compared)),
                }
            }
        }
    }

    /// The servers against each other.
    fn side_by_side(&self) -> Vec<Finding> {
        let mut found = Findings::of("cluster");
        let seen: Vec<(&HostName, HostMode, u32, &Settings)> = (0..self.hosts.len())
            .filter_map(|host| {
                let server = self.server_seen(host)?;
                let spec = &self.top.hosts[host];
                Some((&spec.name, spec.mode, server.server_id, server.settings.as_deref()?))
            })
            .collect();
        for (place, (a, a_mode, a_id, mine)) in seen.iter().enumerate() {
            for (b, b_mode, b_id, theirs) in &seen[place + 1..] {
                let pair = format!("{a} and {b}");
                if a_id == b_id {
                    let what = format!("{pair} have the same server_id {a_id}");
                    found.bad("server_id", what, format!("give {b} another server_id in my.cnf"));
                }
                if *a_mode == HostMode::Master && *b_mode == HostMode::Master {
                    masters(&pair, mine, theirs, &mut found);
                }
            }
        }
        let found = found.done();
        if !found.is_empty() || seen.len() < 2 {
            return found;
        }
        let mut fine = Findings::of("cluster");
        fine.ok("settings", "those that masters must share are the same, server_id is not");
        fine.done()
    }

    fn own_settings(&self) -> Vec<Finding> {
        let mut found = Findings::of("monitor");
        let (ttl, beat) = (self.top.timing.ttl, self.top.timing.heartbeat);
        // What is left when a renewal arrives late by a beat, in whole seconds.
        let left = ttl.as_ms().saturating_sub(2 * beat.as_ms());
        if ttl.as_ms() < 4 * beat.as_ms() || left < 1000 {
            let what = format!(
                "a grant of {ttl} renewed every {beat}: the kernel keeps addresses for whole \
                 seconds only, so a renewal that is late drops them"
            );
            let remedy = "set lease_ttl = \"3s\" and heartbeat = \"500ms\" in [monitor]";
            found.bad("lease_ttl", what, remedy);
        } else {
            found.ok("lease_ttl", format!("grants of {ttl}, renewed every {beat}"));
        }
        if self.store_why.is_empty() {
            found.ok("status_path", "decisions can be written down");
        } else {
            let remedy = "df -h and ls -l the folder of status_path";
            found.bad("status_path", self.store_why.clone(), remedy);
        }
        found.done()
    }
}

/// What two masters must have in common.
fn masters(pair: &str, mine: &Settings, theirs: &Settings, found: &mut Findings) {
    let same = [
        ("log_bin", mine.log_bin.to_string(), theirs.log_bin.to_string()),
        (
            "log_slave_updates",
            mine.log_slave_updates.to_string(),
            theirs.log_slave_updates.to_string(),
        ),
        ("binlog_format", mine.binlog_format.clone(), theirs.binlog_format.clone()),
        ("gtid_strict_mode", word(mine.gtid_strict_mode), word(theirs.gtid_strict_mode)),
        ("gtid_domain_id", word(mine.gtid_domain_id), word(theirs.gtid_domain_id)),
    ];
    for (setting, a, b) in same {
        if a != b {
            let what =
                format!("{pair}: {setting} is {a} and {b}: it must not depend on who writes");
            found.bad(setting, what, format!("set the same {setting} in my.cnf of both"));
        }
    }
    if let Some(what) = auto_increment(mine, theirs) {
        let remedy = "auto_increment_increment = 2 on both, auto_increment_offset = 1 on one and 2 \
                      on the other";
        found.warn("auto_increment", format!("{pair}: {what}"), remedy);
    }
}

fn word<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "not there".to_owned(), |value| value.to_string())
}
