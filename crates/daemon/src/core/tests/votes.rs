//! The count at the start: one monitor core, and reports of three hosts made by hand.

use std::net::IpAddr;

use mmm_proto::agent::{Duty, FromAgent, Reach, Replication, Report, Server, Stamp, Step, Thread};
use mmm_proto::agent::{Outcome, Stance, ToAgent};
use mmm_proto::peer::Askable;
use mmm_proto::{HostState, Lag, MonitorMode, Span, Time, Wall};

use super::{host_ip, reader_vip, topology, writer_vip};
use crate::core::Now;
use crate::core::monitor::topology::Topology;
use crate::core::monitor::{Effect, Input, Monitor, Stored};

const CLOCK: u64 = 50_000_000;

/// A monitor that starts, and what the three agents say.
struct Bench {
    monitor: Monitor,
    now: u64,
    /// None: its agent cannot be reached.
    said: [Option<Report>; 3],
    effects: Vec<(u64, Effect)>,
}

fn idle(host: usize) -> Report {
    let mut server = Server::unknown();
    server.reach = Reach::Up;
    server.read_only = Some(true);
    if host == 2 {
        server.replication = Some(follows(0));
    }
    Report {
        clock: Time(1_000),
        boot_id: "boot-1".into(),
        uptime: Span::secs(1_000),
        seen: Stamp::default(),
        vips: Vec::new(),
        duty: Duty::None,
        grant_left: None,
        server,
        doing: Vec::new(),
        troubles: Vec::new(),
        cannot_open: String::new(),
        forgetful: false,
        ended: String::new(),
        served: Stamp::default(),
        ask: Askable::default().into(),
        relies: Vec::new(),
        promises: Vec::new(),
        peers: Vec::new(),
    }
}

fn follows(source: usize) -> Replication {
    Replication {
        source: host_ip(source).to_string().into(),
        port: 3306,
        io: Thread::Yes,
        sql: Thread::Yes,
        lag: Lag::Behind(Span::ZERO),
        io_state: String::new(),
        sql_state: String::new(),
        error: String::new(),
        lacks_own: false,
    }
}

fn serving(host: usize) -> Report {
    let mut report = idle(host);
    report.duty = Duty::Serving;
    report.vips.push(writer_vip());
    report.server.read_only = Some(false);
    report
}

fn with_vip(host: usize) -> Report {
    let mut report = idle(host);
    report.vips.push(writer_vip());
    report
}

fn writable(host: usize) -> Report {
    let mut report = idle(host);
    report.server.read_only = Some(false);
    report
}

/// What a monitor would have written down with that writer, all hosts ONLINE.
fn stored(writer: Option<usize>) -> Stored {
    let now = Now { boot: Time(CLOCK), wall: Wall(0) };
    let mut stored = Monitor::new(topology(), None, now).stored();
    for host in &mut stored.hosts {
        host.state = HostState::Online;
    }
    stored.others_may_lead = false;
    stored.vips[0].holder = writer.map(|host| super::host_name(host).to_owned());
    stored
}

impl Bench {
    fn start(top: Topology, stored: Option<Stored>, said: [Option<Report>; 3]) -> Self {
        let now = Now { boot: Time(CLOCK), wall: Wall(0) };
        let monitor = Monitor::new(top, stored, now);
        let mut bench = Self { monitor, now: 0, said, effects: Vec::new() };
        for host in (0..3).filter(|host| bench.said[*host].is_some()).collect::<Vec<_>>() {
            bench.step(Input::LinkUp { host, version: "hand".to_owned() });
        }
        bench.run(2_000);
        bench
    }

    fn step(&mut self, input: Input) {
        let now = Now { boot: Time(CLOCK + self.now), wall: Wall(self.now as i64) };
        let at = self.now;
        let effects = self.monitor.step(now, input);
        // A survey is answered at once; every other order stays unanswered.
        let mut looked = Vec::new();
        for effect in &effects {
            if let Effect::Send { host, message: ToAgent::Order(order) } = effect
                && let (Step::Look, Some(report)) = (&order.step, &self.said[*host])
            {
                let outcome = Outcome::Looked { server: Box::new(report.server.clone()) };
                looked.push((*host, FromAgent::Done { id: order.id, outcome }));
            }
        }
        self.effects.extend(effects.into_iter().map(|effect| (at, effect)));
        for (host, message) in looked {
            self.step(Input::Said { host, at: now.boot, message });
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            if self.now.is_multiple_of(500) {
                for host in 0..3 {
                    if let Some(report) = self.said[host].clone() {
                        let message = FromAgent::Report(report.into());
                        let at = Time(CLOCK + self.now);
                        self.step(Input::Said { host, at, message });
                    }
                }
            }
            self.now += 100;
            self.step(Input::Tick);
        }
    }

    /// When a grant first let a host serve that address.
    fn granted(&self, host: usize, vip: IpAddr) -> Option<u64> {
        self.effects.iter().find_map(|(at, effect)| match effect {
            Effect::Send { host: to, message: ToAgent::Grant(grant) } if *to == host => {
                let serve = |hold: &&mmm_proto::agent::Hold| {
                    hold.vip == vip && hold.stance == Stance::Serve
                };
                grant.want.holds.iter().find(serve).map(|_| *at)
            }
            _ => None,
        })
    }

    fn ordered(&self, host: usize, step: &Step) -> bool {
        self.effects.iter().any(|(_, effect)| match effect {
            Effect::Send { host: to, message: ToAgent::Order(order) } => {
                *to == host && order.step == *step
            }
            _ => false,
        })
    }

    fn said(&self, text: &str) -> bool {
        self.effects.iter().any(|(_, effect)| match effect {
            Effect::Event(event) => event.line().contains(text),
            _ => false,
        })
    }

    fn events(&self) -> String {
        let lines = self.effects.iter().filter_map(|(at, effect)| match effect {
            Effect::Event(event) => Some(format!("{at:>6} {}", event.line())),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn mode(&self) -> MonitorMode {
        self.monitor.view().mode
    }
}

#[test]
fn who_serves_stays_the_writer_though_the_status_file_names_another() {
    let bench = Bench::start(
        topology(),
        Some(stored(Some(1))),
        [Some(serving(0)), Some(idle(1)), Some(idle(2))],
    );
    assert_eq!(bench.mode(), MonitorMode::Active, "{}", bench.events());
    assert_eq!(bench.granted(0, writer_vip()), Some(0), "{}", bench.events());
    assert_eq!(bench.granted(1, writer_vip()), None);
    assert!(bench.said("votes at start: db1 is the writer"), "{}", bench.events());
    assert!(bench.said("db1 8 (writable 4, VIP 2, agent 1, followers 1)"), "{}", bench.events());
    let votes = bench.monitor.view().votes;
    let table = [
        "host  writable  VIP  status file  agent  followers  sum",
        "db1          4    2            0      1          1    8",
        "db2          0    0            1      0          0    1",
    ];
    assert_eq!(votes, table);
}

#[test]
fn two_with_the_address_start_passive_and_the_cause_is_the_table() {
    let said = [Some(serving(0)), Some(with_vip(1)), Some(idle(2))];
    let bench = Bench::start(topology(), Some(stored(None)), said);
    let view = bench.monitor.view();
    assert_eq!(view.mode, MonitorMode::Passive, "{}", bench.events());
    assert!(view.mode_cause.starts_with("writer(10.0.0.100) is found on db1, db2;"), "{view:?}");
    assert!(view.mode_cause.ends_with(&view.votes.join("\n")), "{}", view.mode_cause);
    assert_eq!(view.votes.len(), 3);
    assert_eq!(bench.granted(0, writer_vip()).or(bench.granted(1, writer_vip())), None);
}

#[test]
fn without_careful_startup_the_one_with_more_votes_wins_after_the_other_let_go() {
    let top = Topology { careful_startup: false, ..topology() };
    let said = [Some(with_vip(0)), Some(serving(1)), Some(idle(2))];
    let mut bench = Bench::start(top, Some(stored(None)), said);
    assert_eq!(bench.mode(), MonitorMode::Active, "{}", bench.events());
    assert!(bench.said("conflict at start"), "{}", bench.events());
    assert!(bench.said("votes at start: db2 is the writer"), "{}", bench.events());
    bench.run(500);
    assert!(!bench.ordered(1, &Step::Drain), "db1 still has it\n{}", bench.events());
    assert_eq!(bench.granted(0, writer_vip()).or(bench.granted(1, writer_vip())), None);
    for host in 0..2 {
        let seen = bench.monitor.stamp();
        bench.said[host] = Some(Report { seen, ..idle(host) });
    }
    bench.run(2_000);
    let drained = [0, 1].map(|host| bench.ordered(host, &Step::Drain));
    assert_eq!(drained, [false, true], "{}", bench.events());
}

#[test]
fn a_frozen_writer_is_not_opened_before_everybody_else_obeys() {
    // Whoever froze db1 may have promoted db2 since that was asked.
    let mut frozen = with_vip(0);
    frozen.duty = Duty::Frozen;
    let said = [Some(frozen), Some(idle(1)), Some(idle(2))];
    let mut bench = Bench::start(topology(), None, said);
    assert!(bench.said("votes at start: db1 is the writer"), "{}", bench.events());
    bench.run(500);
    assert_eq!(bench.granted(0, writer_vip()), None, "{}", bench.events());
    assert!(!bench.ordered(0, &Step::Drain), "db2 may have it\n{}", bench.events());
    for host in 0..2 {
        let seen = bench.monitor.stamp();
        bench.said[host] = Some(Report { seen, ..idle(host) });
    }
    bench.run(2_000);
    assert!(bench.ordered(0, &Step::Drain), "{}", bench.events());
}

#[test]
fn who_may_follow_another_monitor_counts_claims_from_when_the_first_agent_obeys() {
    // Until an agent tells the other one, that goes on granting: here to db2, out of sight.
    let other_led = || {
        let cause = "superseded: by another".to_owned();
        Some(Stored { cause, mode: MonitorMode::Passive, foreign: 7, ..stored(None) })
    };
    let again = Some(Stored { others_may_lead: true, ..stored(None) });
    let starts = [(None, true), (other_led(), true), (again, true), (Some(stored(None)), false)];
    for (file, waits) in starts {
        let said = [Some(serving(0)), None, Some(idle(2))];
        let mut bench = Bench::start(topology(), file, said);
        let claim = |bench: &Bench| bench.monitor.claim_over(writer_vip(), 1).expect("db2's claim");
        let at_start = Time(CLOCK + 3_256);
        assert_eq!(claim(&bench), at_start);
        for _ in 0..2 {
            let seen = bench.monitor.stamp();
            bench.said[2] = Some(Report { seen, ..idle(2) });
            bench.run(500);
        }
        let late = if waits { Span::secs(2) } else { Span::ZERO };
        assert_eq!(claim(&bench), at_start + late, "{}", bench.events());
        assert!(!bench.monitor.stored().others_may_lead);
    }
}

#[test]
fn two_that_take_writes_are_a_conflict_without_any_address() {
    let said = [Some(writable(0)), Some(writable(1)), Some(idle(2))];
    let bench = Bench::start(topology(), Some(stored(None)), said);
    let view = bench.monitor.view();
    assert_eq!(view.mode, MonitorMode::Passive, "{}", bench.events());
    assert!(view.mode_cause.starts_with("db1, db2 take writes;"), "{}", view.mode_cause);
}

#[test]
fn a_standby_that_its_agent_makes_read_only_in_time_is_no_conflict() {
    let now = Now { boot: Time(CLOCK), wall: Wall(0) };
    let monitor = Monitor::new(topology(), Some(stored(Some(0))), now);
    let said = [Some(serving(0)), Some(writable(1)), Some(idle(2))];
    let mut bench = Bench { monitor, now: 0, said, effects: Vec::new() };
    for host in 0..3 {
        bench.step(Input::LinkUp { host, version: "hand".to_owned() });
    }
    bench.run(500);
    bench.said[1] = Some(idle(1));
    bench.run(2_000);
    assert_eq!(bench.mode(), MonitorMode::Active, "{}", bench.events());
    assert_eq!(bench.granted(0, writer_vip()), Some(0), "the holder does not wait for the count");
}

#[test]
fn an_unreachable_host_that_may_hold_the_role_is_waited_for_whatever_the_votes_say() {
    // The status file names db2, which cannot be reached; db1 is found serving.
    let said = [Some(serving(0)), None, Some(idle(2))];
    let mut bench = Bench::start(topology(), Some(stored(Some(1))), said);
    assert!(bench.said("votes at start: db1 is the writer"), "{}", bench.events());
    bench.run(1_000);
    assert_eq!(bench.granted(0, writer_vip()), None, "{}", bench.events());
    assert!(bench.monitor.view().votes[2].ends_with("(not heard)"));
}

#[test]
fn a_first_start_gives_nobody_the_role_for_being_writable_or_followed() {
    let bench = Bench::start(topology(), None, [Some(writable(0)), Some(idle(1)), Some(idle(2))]);
    assert_eq!(bench.mode(), MonitorMode::Active);
    assert!(!bench.said("votes at start"), "{}", bench.events());
    assert_eq!(bench.monitor.view().votes[1].split_whitespace().last(), Some("5"));
}

#[test]
fn who_is_set_offline_has_no_votes_and_who_was_lost_only_in_manual() {
    for (state, mode, sum) in [
        (HostState::AdminOffline, MonitorMode::Active, 0),
        (HostState::AdminOffline, MonitorMode::Manual, 0),
        (HostState::HardOffline, MonitorMode::Active, 0),
        (HostState::HardOffline, MonitorMode::Manual, 8),
        (HostState::Online, MonitorMode::Active, 8),
    ] {
        let mut file = stored(None);
        file.hosts[0].state = state;
        let top = Topology { mode, ..topology() };
        let bench = Bench::start(top, Some(file), [Some(serving(0)), Some(idle(1)), Some(idle(2))]);
        let line = &bench.monitor.view().votes[1];
        let numbers: Vec<usize> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        assert_eq!(numbers.last(), Some(&sum), "{state} {mode}: {line}");
        assert_eq!(bench.granted(0, writer_vip()).is_some(), sum > 0, "{state} {mode}");
    }
}

#[test]
fn in_manual_whoever_had_the_role_last_gets_it_back() {
    let mut file = stored(None);
    file.vips[0].last = Some("db2".to_owned());
    let top = Topology { mode: MonitorMode::Manual, ..topology() };
    // They obey the monitor: that is how it knows that nobody goes on by promises.
    let obeys = |host| Some(Report { seen: Stamp { term: 2, seq: 1 }, ..idle(host) });
    let mut bench = Bench::start(top, Some(file), [obeys(0), obeys(1), obeys(2)]);
    assert!(bench.said("votes at start: db2 is the writer"), "{}", bench.events());
    bench.run(3_000);
    let title = bench.monitor.view().running.map(|running| running.title);
    assert_eq!(title.as_deref(), Some("give the writer to db2"), "{}", bench.events());
}

#[test]
fn a_reader_address_without_a_written_host_stays_where_it_is_found() {
    let mut reads = idle(2);
    reads.vips.push(reader_vip(0));
    let said = [Some(serving(0)), Some(idle(1)), Some(reads)];
    let bench = Bench::start(topology(), None, said);
    assert_eq!(bench.granted(2, reader_vip(0)), Some(0), "{}", bench.events());
    let view = bench.monitor.view();
    assert_eq!(view.hosts[2].state, HostState::Online, "{}", bench.events());
    assert_eq!(view.hosts[1].state, HostState::Unknown, "nothing speaks for db2");
}
