//! ACTIVE, MANUAL, WAIT and PASSIVE: what each does by itself, and how one leaves it.

use mmm_proto::console::Answer;
use mmm_proto::plan::{Level, Plan, PlanStep};
use mmm_proto::view::VipView;
use mmm_proto::{HostState, MonitorMode, Span, Verb};

use super::cluster::Cluster;
use super::topology;
use crate::core::monitor::Request;
use crate::core::monitor::topology::Topology;

/// All hosts set online in a monitor that started in that mode.
fn started_in(mode: MonitorMode) -> Cluster {
    let mut c = Cluster::with(Topology { mode, ..topology() });
    c.until("all are seen", 5_000, |c| (0..3).all(|h| c.state(h) == HostState::AwaitingRecovery));
    for host in ["db1", "db2", "db3"] {
        c.ok(&format!("set_online {host}"));
    }
    c
}

#[test]
fn manual_gives_balanced_roles_by_itself_and_the_writer_by_hand_only() {
    let mut c = started_in(MonitorMode::Manual);
    c.run(15_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert_eq!((0..3).map(|host| c.readers(host)).sum::<usize>(), 3, "{}", c.tail());
    assert_eq!(c.ok("move_role writer db2"), "Role 'writer' will be given to 'db2'.");
    c.until("db2 is writer", 8_000, |c| c.open_host() == Some("db2"));
    c.hosts[1].server.kill();
    c.run(15_000);
    assert_eq!(c.open_host(), None, "nobody else without a person\n{}", c.tail());
}

#[test]
fn a_planned_move_that_fails_in_manual_goes_back_where_it_came_from() {
    let mut c = Cluster::in_service();
    c.ok("set_manual");
    c.hosts[1].failing.insert("Open", "no such interface".to_owned());
    c.control("move_role writer db2");
    c.until("db1 serves again", 8_000, |c| c.open_host() == Some("db1"));
    assert_eq!(c.missing_on(0), 0, "{}", c.tail());
}

#[test]
fn wait_can_be_left_for_manual() {
    let mut c = started_in(MonitorMode::Manual);
    c.ok("set_active");
    let mut c = Cluster::with(Topology { mode: MonitorMode::Wait, ..topology() });
    c.run(2_000);
    assert_eq!(c.ok("set_manual"), "Switched into manual mode.");
    c.run(200_000);
    assert_eq!(c.view().mode, MonitorMode::Manual);
}

#[test]
fn wait_with_one_host_in_the_writer_role_ends_when_that_is_there() {
    let mut top = Topology { mode: MonitorMode::Wait, ..topology() };
    top.roles[0].hosts = vec![0];
    let mut c = Cluster::with(top);
    c.run(5_000);
    assert_eq!((c.view().mode, c.open_host()), (MonitorMode::Wait, None), "{}", c.tail());
    c.ok("set_online db1");
    c.until("active", 1_000, |c| c.view().mode == MonitorMode::Active);
    c.until("db1 is writer", 8_000, |c| c.open_host() == Some("db1"));
}

#[test]
fn the_end_of_wait_takes_the_roles_from_hosts_that_are_out() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.top.mode = MonitorMode::Wait;
    c.top.timing.wait_for_other_master = Span::secs(100);
    c.start_monitor();
    c.run(2_000);
    assert_eq!(c.view().mode, MonitorMode::Active, "both masters are there");
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.hosts[0].server.kill();
    c.run(500);
    c.top.mode = MonitorMode::Wait;
    c.top.timing.wait_for_other_master = Span::secs(80);
    c.start_monitor();
    c.until("db1 is lost", 8_000, |c| c.state(0) == HostState::HardOffline);
    assert_eq!(c.view().mode, MonitorMode::Wait, "{}", c.tail());
    assert_eq!(c.readers(0), 1, "its roles stay");
    let view = c.view();
    let left = view.mode_ends.expect("db2 is ONLINE, so it ends").since(view.now);
    assert!(left > Span::secs(5) && left < Span::secs(30), "{left}");
    c.run(3_000);
    assert_eq!(c.view().mode_ends, view.mode_ends, "it does not move");
    c.until("db2 was there long enough", left.as_ms(), |c| c.view().mode == MonitorMode::Active);
    assert_eq!(c.view().mode_ends, None);
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    c.until("db1 has no readers", 3_000, |c| c.readers(0) == 0);
}

#[test]
fn what_is_set_offline_in_passive_is_obeyed_when_passive_is_left() {
    let mut c = Cluster::mature();
    c.ok("set_passive");
    let why = c.refusal("set_offline db1");
    assert!(why.contains("in passive mode nothing is moved"), "{why}");
    c.ok("set_offline db3");
    c.run(10_000);
    assert_eq!(c.state(2), HostState::AdminOffline);
    assert_eq!(c.readers(2), 1, "nothing changes on the host");
    assert!(c.hosts[2].server.io && c.hosts[2].vips.len() == 1, "{}", c.tail());
    c.ok("set_manual");
    c.until("its replication is off", 3_000, |c| !c.hosts[2].server.io);
    c.until("its reader is elsewhere", 5_000, |c| c.readers(2) == 0 && c.settled());
}

#[test]
fn set_passive_halts_a_failover_that_has_not_promoted_yet() {
    let mut c = Cluster::mature();
    c.hosts[1].slow.insert("Drain", 1_500);
    c.hosts[0].server.kill();
    c.until("the candidate applies", 2_000, |c| {
        c.hosts[1].begun.iter().any(|(_, kind)| kind == "Drain")
    });
    c.ok("set_passive");
    c.run(10_000);
    assert_eq!(c.open_host(), None, "{}", c.tail());
    assert!(c.said("halted by ann"), "{}", c.tail());
    c.hosts[1].slow.clear();
    c.ok("set_active");
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.missing_on(1), 0);
}

#[test]
fn passive_from_the_configuration_keeps_what_is_found() {
    let mut c = Cluster::mature();
    c.kill_monitor();
    c.top.mode = MonitorMode::Passive;
    c.disk = None;
    c.forget_stamp();
    c.run(200);
    c.start_monitor();
    c.run(20_000);
    assert_eq!((c.longest_gap, c.open_host()), (0, Some("db1")), "{}", c.tail());
    assert_eq!((0..3).map(|host| c.readers(host)).sum::<usize>(), 3, "{}", c.tail());
    assert_eq!(c.view().mode_cause, "configured");
}

fn plan(c: &mut Cluster, verb: Verb) -> Plan {
    let id = c.request(Request::Plan(verb));
    match c.answer(id) {
        Some(Answer::Plan { plan }) => *plan,
        other => panic!("{other:?}\n{}", c.tail()),
    }
}

fn words(plan: &Plan) -> String {
    let step = |step: &PlanStep| {
        let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
        format!("{host}: {}", step.what)
    };
    plan.steps.iter().map(step).collect::<Vec<_>>().join("\n")
}

/// Where each VIP is by decision.
fn places(c: &Cluster) -> Vec<(String, Option<String>)> {
    let view = c.view();
    let vips = view.roles.iter().flat_map(|role| &role.vips);
    let host = |vip: &VipView| vip.host.as_ref().map(ToString::to_string);
    vips.map(|vip| (vip.ip.to_string(), host(vip))).collect()
}

#[test]
fn a_plan_of_a_mode_names_what_then_moves_and_is_typed_for_that() {
    let mut c = Cluster::mature();
    let calm = plan(&mut c, Verb::SetManual);
    assert_eq!((calm.level, calm.steps.len()), (Level::Key, 1), "{}", words(&calm));
    assert!(calm.effect.starts_with("no address moves"), "{}", calm.effect);
    let told: Vec<&str> = calm.checks.iter().map(|check| check.text.as_str()).collect();
    assert_eq!(told, ["if db1 is lost, nobody becomes writer until you say who"]);
    c.ok("set_manual");
    c.hosts[0].server.kill();
    c.until("it is seen", 5_000, |c| c.state(0) == HostState::HardOffline);
    c.run(10_000);
    let active = plan(&mut c, Verb::SetActive);
    assert_eq!(active.level, Level::Typed, "{}", words(&active));
    assert_eq!(active.confirm, "main");
    assert!(
        active.effect.starts_with("2 addresses move (writer(10.0.0.100), "),
        "{}",
        active.effect
    );
    let steps = words(&active);
    assert!(
        steps.contains("db1: release writer(10.0.0.100), because db1 is HARD_OFFLINE; db2 becomes"),
        "{steps}"
    );
    let effect = |c: &Cluster, at: usize| c.view().actions[at].effect.clone();
    assert!(active.effect.starts_with(&effect(&c, 0)), "{:?}", effect(&c, 0));
    assert_eq!((effect(&c, 1), effect(&c, 2)), (String::new(), "no address moves".to_owned()));
    assert_eq!(plan(&mut c, Verb::SetPassive).level, Level::Key);
    let before = places(&c);
    c.ok("set_active");
    c.until("db2 takes over", 8_000, |c| c.open_host() == Some("db2"));
    c.run(5_000);
    for ((ip, from), (_, to)) in before.iter().zip(places(&c)) {
        let named = active.effect.contains(ip.as_str());
        assert_eq!(named, *from == Some("db1".to_owned()), "{ip}: {}", active.effect);
        assert!(!named || (to.is_some() && to != *from), "{ip} is with {to:?}");
    }
}

#[test]
fn the_way_out_of_passive_says_what_set_ip_chose() {
    let mut c = Cluster::in_service();
    c.ok("set_passive");
    assert_eq!(plan(&mut c, Verb::SetManual).level, Level::Key, "it moves nothing");
    let woken = plan(&mut c, Verb::SetActive);
    assert_eq!(woken.level, Level::Typed, "from then on the monitor moves what it likes");
    assert!(woken.effect.starts_with("no address moves"), "{}", woken.effect);
    c.ok("set_ip 10.0.0.100 db2");
    let chosen = plan(&mut c, Verb::SetManual);
    let steps = words(&chosen);
    assert!(
        steps.contains(
            "db1: release writer(10.0.0.100), because set_ip chose db2; db2 becomes writer"
        ),
        "{steps}"
    );
    assert_eq!(chosen.level, Level::Typed);
    let same = plan(&mut c, Verb::SetPassive);
    assert_eq!(same.effect, "nothing: the monitor is PASSIVE already");
}

#[test]
fn what_nobody_has_stays_with_nobody_in_passive_and_the_plan_says_so() {
    let mut top = topology();
    top.roles[1].hosts = vec![2];
    let mut c = Cluster::with(top).put_in_service();
    c.hosts[2].server.kill();
    c.until("lost", 5_000, |c| c.state(2) == HostState::HardOffline);
    c.ok("set_passive");
    c.hosts[2].server.start();
    c.run(60_000);
    if c.state(2) != HostState::Online {
        c.ok("set_online db3");
    }
    c.run(1_000);
    assert_eq!(c.readers(2), 0, "{}", c.tail());
    let manual = plan(&mut c, Verb::SetManual);
    assert!(words(&manual).contains("reader(10.0.0.101), which nobody has: db3 gets it"));
    assert_eq!((manual.level, manual.steps.len()), (Level::Typed, 4), "{}", words(&manual));
    c.ok("set_manual");
    c.until("all are given", 5_000, |c| c.readers(2) == 3);
}

#[test]
fn a_plan_made_in_wait_warns() {
    let mut c = Cluster::with(Topology { mode: MonitorMode::Wait, ..topology() });
    c.run(2_000);
    let planned = plan(&mut c, Verb::SetOnline { host: "db1".parse().unwrap() });
    assert!(planned.checks.iter().any(|check| check.text.contains("the monitor is WAIT")));
    let left = plan(&mut c, Verb::SetManual);
    let told: Vec<&str> = left.checks.iter().map(|check| check.text.as_str()).collect();
    assert_eq!(told, ["the monitor does not become ACTIVE by itself any more"]);
}
