//! A writer that the monitor cannot see and another host can: the picture says so, names whose word
//! that is, and never that nobody serves; of a host that has just died nothing of the kind is said.
//! Whole clusters of the simulation, because the agents must talk to each other.

use mmm_proto::view::WriterState;
use mmm_proto::{ClusterView, Span, Time};

use crate::sim::{Action, World, WorldConfig};

/// A cluster in service, with what is done to it after a second.
fn world(action: &str) -> World {
    let mut world = World::new(WorldConfig::default(), 0);
    world.run_until(Time(1_000));
    world.act(&Action::parse(action).unwrap());
    world
}

/// Looks at every picture until `end`.
fn watch(world: &mut World, end: Time, mut look: impl FnMut(Time, &ClusterView)) {
    while world.now() < end {
        world.step();
        if let Some(view) = world.view() {
            look(world.now(), &view);
        }
    }
}

#[test]
fn a_writer_that_only_a_peer_can_reach_is_never_said_not_to_serve() {
    let mut world = world("cut monitor-db1");
    let words = "the monitor cannot reach db1; db2 can";
    let mut said = None;
    watch(&mut world, Time(15_000), |now, view| {
        assert_eq!(view.writer.state, WriterState::Serving, "{now:?}: {}", view.writer.why);
        let all = view.attention.join("; ");
        assert!(!all.contains("no writer serves"), "{now:?}: {all}");
        if all.contains(words) {
            said.get_or_insert(now);
        }
        if now >= Time(6_000) {
            // What is in the way of a failover does not end by itself: nothing will be moved.
            for one in &view.writer.blocked {
                assert_eq!(one.ends, None, "{now:?}: {one:?}");
            }
            let why: Vec<&str> = view.writer.blocked.iter().map(|one| one.why.as_str()).collect();
            assert!(why.iter().any(|why| why.starts_with(words)), "{now:?}: {why:?}");
            assert!(view.writer.why.starts_with(words), "{now:?}: {}", view.writer.why);
        }
    });
    let said = said.expect("it is said at all");
    assert!(said < Time(4_500), "{said:?}: within half a grant and three heartbeats");
    let view = world.view().unwrap();
    let (db1, db2) = (&view.hosts[0], &view.hosts[1]);
    assert!(db1.peers.relies.contains(&view.writer.vip), "{:?}", db1.peers);
    let promised = &db2.peers.promises;
    let to_db1 = promised.iter().find(|p| p.to == db1.name && p.vip == view.writer.vip);
    assert!(to_db1.is_some_and(|promise| promise.over > view.now), "{promised:?}");
    let word = db1.peers.heard_by.iter().find(|word| word.by == db2.name).expect("db2 hears it");
    assert!(view.now.since(word.at) < Span::ms(1_500), "{word:?}");
    assert_eq!((word.duty.as_str(), word.server_up), ("serving", true));
    assert!(db2.peers.heard_by.is_empty(), "nobody else's word is needed about db2");
    // All of it is over with the cut.
    world.act(&Action::parse("heal monitor-db1").unwrap());
    world.run_until(Time(25_000));
    let view = world.view().unwrap();
    assert!(view.hosts.iter().all(|host| host.peers.is_empty()), "{:?}", view.hosts[0].peers);
    assert_eq!((view.writer.why.as_str(), view.attention.as_slice()), ("", &[][..]));
}

#[test]
fn of_a_host_that_has_just_died_nobody_says_that_a_peer_reaches_it() {
    for action in ["crash host db1", "kill agent db1", "stop agent db1"] {
        let mut world = world(action);
        watch(&mut world, Time(12_000), |now, view| {
            let all = view.attention.join("; ");
            assert!(!all.contains("cannot reach db1"), "{action}, {now:?}: {all}");
        });
        for (at, event) in world.events() {
            let told = event.line();
            assert!(!told.contains("cannot be reached by the monitor"), "{action}, {at:?}: {told}");
        }
    }
}
