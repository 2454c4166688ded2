//! The world itself: it gets into service, does what a script says, and is the same each time.

use mmm_proto::Time;

use super::*;

fn play(text: &str) -> World {
    let script = Script::parse(text).unwrap();
    let mut world = World::new(script.config.clone(), script.seed);
    world.trace_on();
    for (at, action) in &script.steps {
        world.run_until(Time(at.as_ms()));
        world.act(action);
    }
    world.run_until(Time(script.end.as_ms()));
    assert_eq!(world.violation(), None, "{}", tail(&world));
    world
}

fn tail(world: &World) -> String {
    let trace = world.trace();
    let lines = trace[trace.len().saturating_sub(80)..].iter();
    lines.map(|(at, line)| format!("{:>8} {line}\n", at.0)).collect()
}

#[test]
fn a_cluster_gets_into_service_whatever_its_shape() {
    for (hosts, masters) in [(2, 2), (3, 2), (5, 3), (7, 2)] {
        let text = format!("cluster hosts={hosts} masters={masters} report=on\nrun 5s");
        let world = play(&text);
        assert!(world.settled(), "{hosts}: {}", tail(&world));
        assert_eq!(world.open_host(), Some(0));
    }
}

#[test]
fn a_dead_writer_is_replaced() {
    let world = play("at 2s kill server db1\nrun 10s");
    assert_eq!(world.open_host(), Some(1), "{}", tail(&world));
}

#[test]
fn a_planned_move_moves() {
    let world = play("at 2s control move_role writer db2\nrun 10s");
    assert_eq!(world.open_host(), Some(1), "{}", tail(&world));
    assert!(world.settled(), "{}", tail(&world));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let text = "seed 5\nat 2s kill server db1\nat 3s cut monitor-db3\nrun 20s";
    let (one, two) = (play(text), play(text));
    assert_eq!(one.trace(), two.trace());
    assert_eq!(one.steps(), two.steps());
}

#[test]
fn some_weather_breaks_no_rule() {
    for seed in 0..8 {
        if let Err(failure) = run(seed) {
            panic!("{failure}\n{}", transcript(&failure.script, false));
        }
    }
}
