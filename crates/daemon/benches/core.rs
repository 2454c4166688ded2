//! What one step of the monitor core costs, by the number of hosts: a report that says nothing new,
//! and one that makes every rule look. Run with `cargo bench -p mmm-daemon`.

use std::net::IpAddr;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mmm_daemon::core::Now;
use mmm_daemon::core::monitor::hosts::Found;
use mmm_daemon::core::monitor::topology::{HostSpec, RoleSpec, Timing, Topology};
use mmm_daemon::core::monitor::{Asker, Effect, Input, Monitor, Request};
use mmm_proto::agent::{Duty, FromAgent, Reach, Replication, Report, Server, Thread, ToAgent};
use mmm_proto::peer::Askable;
use mmm_proto::view::WriterState;
use mmm_proto::{
    Check, ClusterView, HostMode, HostName, HostState, Lag, MonitorMode, RoleMode, RoleName, Span,
    Time, Verb, Wall,
};

fn ip(net: u8, host: usize) -> IpAddr {
    IpAddr::from([10, net, (host / 250) as u8, (host % 250 + 1) as u8])
}

fn name(host: usize) -> HostName {
    HostName::parse(&format!("db{}", host + 1)).expect("a name")
}

/// Reader VIPs, at most: a thousand hosts do not have a thousand addresses for one role.
const READERS: usize = 100;

/// Two masters, the rest slaves.
fn topology(hosts: usize) -> Topology {
    let spec = |host: usize| HostSpec {
        name: name(host),
        ip: ip(0, host),
        port: 3306,
        mode: if host < 2 { HostMode::Master } else { HostMode::Slave },
        peer: [Some(1), Some(0)].get(host).copied().flatten(),
    };
    let role = |text: &str, mode, hosts, ips| RoleSpec {
        name: RoleName::parse(text).expect("a name"),
        mode,
        hosts,
        ips,
        prefer: None,
    };
    Topology {
        cluster: "bench".parse().expect("a name"),
        hosts: (0..hosts).map(spec).collect(),
        roles: vec![
            role("writer", RoleMode::Exclusive, vec![0, 1], vec![ip(1, 0)]),
            role(
                "reader",
                RoleMode::Balanced,
                (0..hosts).collect(),
                (0..hosts.min(READERS)).map(|vip| ip(2, vip)).collect(),
            ),
        ],
        writer: 0,
        holds_alone: false,
        timing: Timing {
            heartbeat: Span::ms(500),
            ttl: Span::secs(3),
            trap: [Span::secs(3), Span::secs(3), Span::secs(10), Span::secs(10)],
            max_backlog: Span::secs(60),
            auto_set_online: Span::ZERO,
            wait_for_other_master: Span::ZERO,
            flap_duration: Span::secs(3600),
            flap_count: 3,
            drain_timeout: Span::secs(10),
            drain_lag: Span::secs(1),
            freeze_grace: Span::ms(500),
            catch_up_timeout: Span::secs(5),
            step_timeout: Span::secs(3),
            max_transaction: Span::secs(5),
        },
        mode: MonitorMode::Active,
        kill_host: None,
        careful_startup: true,
    }
}

/// A monitor, and agents that do at once what they are told.
struct Cluster {
    monitor: Monitor,
    reports: Vec<Report>,
    now: u64,
}

impl Cluster {
    /// A cluster in service.
    fn in_service(hosts: usize) -> Self {
        let at = |now: u64| Now { boot: Time(now), wall: Wall(0) };
        let monitor = Monitor::new(topology(hosts), None, at(1_000));
        let reports = (0..hosts).map(report).collect();
        let mut cluster = Self { monitor, reports, now: 1_000 };
        for host in 0..hosts {
            cluster.step(Input::LinkUp { host, version: "bench".to_owned() });
        }
        cluster.beat(2_000);
        for host in 0..hosts {
            let asker = Asker { console: 1, id: 1, who: "bench".to_owned() };
            let request = Request::Run(Verb::SetOnline { host: name(host) });
            cluster.step(Input::Asked { asker, request });
        }
        // Balancing moves one reader at a time.
        let held =
            |view: &ClusterView| view.roles[1].vips.iter().filter(|vip| vip.host.is_some()).count();
        for _ in 0..1_000 {
            cluster.beat(500);
            let calm = cluster.monitor.next_wakeup().since(Time(cluster.now)) > Span::ms(100);
            if calm && held(&cluster.monitor.view()) == hosts.min(READERS) {
                break;
            }
        }
        let view = cluster.monitor.view();
        assert_eq!(view.writer.state, WriterState::Serving, "{:?}", view.writer);
        assert!(view.hosts.iter().all(|host| host.state == HostState::Online));
        assert_eq!(held(&view), hosts.min(READERS), "all readers are given");
        cluster
    }

    /// Reports and checks of all hosts for a while.
    fn beat(&mut self, ms: u64) {
        for _ in 0..ms / 500 {
            self.now += 500;
            for host in 0..self.reports.len() {
                for check in Check::ALL {
                    let found = Found::Ok("OK".into());
                    let began = Time(self.now);
                    self.step(Input::Checked { host, check, found, began, took: Span::ms(1) });
                }
                self.report(host);
            }
        }
    }

    fn report(&mut self, host: usize) {
        self.reports[host].clock = Time(self.now);
        let message = FromAgent::Report(Arc::new(self.reports[host].clone()));
        self.step(Input::Said { host, at: Time(self.now), message });
    }

    fn step(&mut self, input: Input) {
        let now = Now { boot: Time(self.now), wall: Wall(0) };
        for effect in self.monitor.step(now, input) {
            let Effect::Send { host, message } = effect else { continue };
            self.obey(host, message);
        }
    }

    fn obey(&mut self, host: usize, message: ToAgent) {
        match message {
            ToAgent::Grant(grant) => {
                let report = &mut self.reports[host];
                report.seen = grant.stamp;
                report.vips = grant.want.holds.iter().map(|hold| hold.vip).collect();
                report.vips.sort();
                let writer = grant.want.holds.iter().any(|hold| hold.writer);
                report.duty = if writer { Duty::Serving } else { Duty::None };
                report.server.read_only = Some(!writer);
            }
            ToAgent::Order(order) => {
                use mmm_proto::agent::{Outcome, Step};
                let server = self.reports[host].server.clone();
                let outcome = match order.step {
                    Step::Look => Outcome::Looked { server: Box::new(server) },
                    _ => Outcome::Reached { at: server.position },
                };
                let message = FromAgent::Done { id: order.id, outcome };
                self.step(Input::Said { host, at: Time(self.now), message });
            }
            ToAgent::Examine { .. } => {}
            ToAgent::Error { why } => panic!("{why}"),
        }
    }
}

fn report(host: usize) -> Report {
    let mut server = Server::unknown();
    server.reach = Reach::Up;
    server.read_only = Some(true);
    server.position = "0-1-1000".parse().expect("a position");
    server.received = server.position.clone();
    server.replication = Some(Replication {
        source: ip(0, usize::from(host == 0)).to_string().into(),
        port: 3306,
        io: Thread::Yes,
        sql: Thread::Yes,
        lag: Lag::Behind(Span::ZERO),
        io_state: "Waiting for master to send event".to_owned(),
        sql_state: "Slave has read all relay log".to_owned(),
        error: String::new(),
        lacks_own: false,
    });
    Report {
        clock: Time(0),
        boot_id: "boot".into(),
        uptime: Span::secs(1_000),
        seen: mmm_proto::agent::Stamp::default(),
        vips: Vec::new(),
        duty: Duty::None,
        grant_left: None,
        server,
        doing: Vec::new(),
        troubles: Vec::new(),
        cannot_open: String::new(),
        ended: String::new(),
        served: mmm_proto::agent::Stamp::default(),
        ask: Askable::default().into(),
        relies: Vec::new(),
        promises: Vec::new(),
        forgetful: false,
        peers: Vec::new(),
    }
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("monitor step");
    for hosts in [3, 10, 100, 1_000] {
        let mut cluster = Cluster::in_service(hosts);
        group.bench_function(BenchmarkId::new("a report as before", hosts), |bench| {
            bench.iter(|| cluster.report(hosts - 1));
        });
        let mut turn = false;
        group.bench_function(BenchmarkId::new("a report that stirs every rule", hosts), |bench| {
            bench.iter(|| {
                turn = !turn;
                let trouble = if turn { vec!["disk full".to_owned()] } else { Vec::new() };
                cluster.reports[hosts - 1].troubles = trouble;
                cluster.report(hosts - 1);
            });
        });
        group.bench_function(BenchmarkId::new("the picture", hosts), |bench| {
            bench.iter(|| cluster.monitor.view());
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
