//! `isolated_writer = "hold"`: who nobody reaches holds on, and nobody takes his place on a guess.
//! Whole clusters of the simulation, because both cores and the kernel's timers play in it.

use mmm_proto::Time;

use crate::sim::{Action, World, WorldConfig};

/// A cluster in service whose writers hold on alone, with what is done to it after a second.
fn world(cluster: &str, actions: &[&str]) -> World {
    let config = WorldConfig::parse(&format!("{cluster} holds_alone=on")).unwrap();
    let mut world = World::new(config, 0);
    world.run_until(Time(1_000));
    act(&mut world, actions);
    world
}

fn act(world: &mut World, actions: &[&str]) {
    for action in actions {
        world.act(&Action::parse(action).unwrap());
    }
}

/// Runs until `end` and demands that the same host takes writes at every step.
fn stays_open(world: &mut World, host: Option<usize>, end: Time) {
    while world.now() < end {
        world.step();
        assert_eq!(world.open_host(), host, "at {:?}: {:?}", world.now(), told(world));
    }
}

/// Runs until that host takes writes, or the deadline.
fn opens(world: &mut World, host: usize, deadline: Time) {
    while world.open_host() != Some(host) {
        assert!(world.now() < deadline, "{:?}: {:?}", world.open_host(), told(world));
        world.step();
    }
}

fn told(world: &World) -> Vec<String> {
    world.events().iter().map(|(_, event)| event.line()).collect()
}

const ISOLATED: [&str; 2] = ["cut monitor-db1", "cut db1-db2"];

#[test]
fn a_writer_that_nobody_reaches_holds_on_and_its_return_changes_nothing() {
    let mut world = world("hosts=2", &ISOLATED);
    stays_open(&mut world, Some(0), Time(60_000));
    let view = world.view().unwrap();
    let why: Vec<&str> = view.writer.blocked.iter().map(|one| one.why.as_str()).collect();
    assert!(why.iter().any(|why| why.contains("isolated_writer")), "{why:?}");
    act(&mut world, &["heal monitor-db1", "heal db1-db2"]);
    stays_open(&mut world, Some(0), Time(90_000));
    assert!(world.settled(), "{}", world.unsettled());
    let told = told(&world);
    assert!(!told.iter().any(|line| line.contains("taken from")), "{told:?}");
}

#[test]
fn a_restart_of_the_monitor_does_not_forget_who_holds_on_alone() {
    let mut world = world("hosts=2", &ISOLATED);
    world.run_until(Time(20_000));
    act(&mut world, &["kill monitor", "start monitor"]);
    stays_open(&mut world, Some(0), Time(60_000));
    // Nor does one that lost its memory take it for over.
    act(&mut world, &["kill monitor", "forget monitor", "start monitor"]);
    stays_open(&mut world, Some(0), Time(120_000));
}

#[test]
fn nor_does_one_that_follows_another_monitor_take_it_for_over() {
    // The second monitor makes db3 the writer; only it knows that. Then nobody reaches db3.
    let mut world = world("hosts=3 masters=3", &["start monitor2"]);
    world.run_until(Time(4_000));
    act(&mut world, &["kill server db1"]);
    opens(&mut world, 2, Time(6_000));
    world.run_until(Time(10_000));
    act(&mut world, &["cut db3", "kill monitor2", "kill monitor", "start monitor"]);
    stays_open(&mut world, Some(2), Time(60_000));
    // Heard again, it answers for its claim, and whoever has most goes on.
    act(&mut world, &["heal db3"]);
    world.run_until(Time(90_000));
    assert!(world.open_host().is_some(), "{:?}", told(&world));
    assert_eq!(world.violation(), None);
}

#[test]
fn a_dead_writer_is_replaced_when_an_operator_says_that_it_is_off_and_not_before() {
    let mut world = world("hosts=2", &["crash host db1"]);
    world.run_until(Time(5_000));
    stays_open(&mut world, None, Time(60_000));
    act(&mut world, &["control move_role writer db2"]);
    stays_open(&mut world, None, Time(70_000));
    let refused = told(&world);
    assert!(refused.iter().any(|line| line.contains("may serve on alone")), "{refused:?}");
    act(&mut world, &["control move_role --force writer db2"]);
    opens(&mut world, 1, Time(75_000));
    let told = told(&world);
    assert!(told.iter().any(|line| line.contains("is taken to be off")), "{told:?}");
}

#[test]
fn kill_host_bin_ends_it_without_anybody() {
    let mut world = world("hosts=2 kill_host=on", &ISOLATED);
    opens(&mut world, 1, Time(20_000));
    assert!(world.violation().is_none(), "{:?}", world.violation());
}

#[test]
fn where_peers_hear_it_the_writer_is_moved_as_ever() {
    let mut world = world("hosts=3", &["cut monitor-db1"]);
    stays_open(&mut world, Some(0), Time(30_000));
    act(&mut world, &["stop server db1"]);
    opens(&mut world, 1, Time(60_000));
}

#[test]
fn a_standby_that_is_away_when_the_monitor_starts_holds_nothing_up() {
    let cluster = "hosts=3 masters=3";
    let mut world = world(cluster, &["crash host db2"]);
    world.run_until(Time(20_000));
    act(&mut world, &["kill monitor", "start monitor"]);
    world.run_until(Time(40_000));
    act(&mut world, &["kill server db1"]);
    opens(&mut world, 2, Time(60_000));
}

#[test]
fn an_agent_that_stood_still_for_too_long_holds_alone_no_more() {
    let mut world = world("hosts=2", &ISOLATED);
    stays_open(&mut world, Some(0), Time(10_000));
    act(&mut world, &["stop agent db1"]);
    world.run_until(Time(15_000));
    assert_eq!(world.open_host(), None, "the kernel has dropped the VIP");
    act(&mut world, &["cont agent db1"]);
    stays_open(&mut world, None, Time(30_000));
    act(&mut world, &["heal monitor-db1"]);
    opens(&mut world, 0, Time(40_000));
}
