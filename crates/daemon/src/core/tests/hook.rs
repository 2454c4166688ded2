//! The kill-host hook: asked for when a lost writer cannot be told, at most once for each loss; its
//! success ends the wait, its failure changes nothing.

use mmm_proto::{HostState, MonitorMode, Span};

use super::cluster::Cluster;
use super::topology;

/// A grant that lasts long enough for the hook to be worth something.
fn cluster(hook: Option<(u64, bool)>) -> Cluster {
    let mut top = topology();
    top.timing.ttl = Span::secs(12);
    top.kill_host = Some(Span::secs(2));
    let mut c = Cluster::with(top).put_in_service();
    c.hook = hook;
    c.run(5_000);
    c
}

fn isolate(c: &mut Cluster) {
    (c.cut[0], c.cut_peers[0]) = (true, true);
}

#[test]
fn success_ends_the_wait_for_the_grant() {
    let mut c = cluster(Some((400, true)));
    isolate(&mut c);
    let began = c.now;
    c.until("the hook is run", 8_000, |c| !c.hooked.is_empty());
    let one = c.view().writer.blocked.into_iter().find(|one| one.why.contains("db1 may still"));
    assert!(one.is_some_and(|one| one.until.contains("kill_host_bin")), "{}", c.tail());
    assert_eq!(c.hooked[0].1, 0);
    assert!(!c.hooked[0].2, "its pings fail");
    c.until("db2 takes over", 2_000, |c| c.open_host() == Some("db2"));
    let took = c.now - began;
    assert!(took < 9_000, "{took}: the grant would have lasted 12 s");
    assert!(c.said("kill_host_bin cut it off"), "{}", c.tail());
    c.run(20_000);
    assert_eq!(c.hooked.len(), 1, "once for each loss");
}

#[test]
fn failure_and_silence_change_nothing_but_what_is_told() {
    for hook in [Some((400, false)), None] {
        let mut c = cluster(hook);
        isolate(&mut c);
        c.until("the hook is run", 8_000, |c| !c.hooked.is_empty());
        let over = c.view().roles[0].vips[0].claims[0].over;
        c.until("db2 takes over", 15_000, |c| c.open_host() == Some("db2"));
        assert!(c.now as i64 >= over.0, "not before the grant is over");
        assert!(c.said("kill_host_bin failed"), "{}", c.tail());
        assert_eq!(c.said("no answer within"), hook.is_none(), "{}", c.tail());
        assert_eq!(c.hooked.len(), 1);
    }
}

#[test]
fn a_host_that_can_be_told_is_not_cut_off() {
    let mut c = cluster(Some((400, true)));
    c.hosts[0].server.kill();
    c.until("db2 takes over", 3_000, |c| c.open_host() == Some("db2"));
    assert!(c.hooked.is_empty(), "{}", c.tail());
}

#[test]
fn neither_passive_nor_manual_cuts_anybody_off() {
    for word in ["set_passive", "set_manual"] {
        let mut c = cluster(Some((400, true)));
        c.ok(word);
        isolate(&mut c);
        c.until("lost", 8_000, |c| c.state(0) == HostState::HardOffline);
        c.run(5_000);
        assert!(c.hooked.is_empty(), "{}", c.tail());
        if c.view().mode == MonitorMode::Manual {
            // Now it must lose its role, and cannot be told.
            c.ok("set_active");
            c.run(100);
            assert_eq!(c.hooked.len(), 1, "{}", c.tail());
        }
    }
}

#[test]
fn when_the_grant_is_over_there_is_nothing_left_to_shorten() {
    let mut c = cluster(Some((400, true)));
    c.ok("set_manual");
    isolate(&mut c);
    c.run(20_000);
    c.ok("set_active");
    c.until("db2 takes over", 2_000, |c| c.open_host() == Some("db2"));
    assert!(c.hooked.is_empty(), "{}", c.tail());
}

#[test]
fn a_result_that_comes_after_the_host_came_back_is_ignored_and_the_next_loss_is_a_new_one() {
    let mut c = cluster(Some((1_500, true)));
    isolate(&mut c);
    c.until("the hook is run", 8_000, |c| !c.hooked.is_empty());
    (c.cut[0], c.cut_peers[0]) = (false, false);
    c.until("its end is ignored", 2_500, |c| c.said("the end of kill_host_bin is ignored"));
    assert!(!c.said("kill_host_bin cut it off"), "{}", c.tail());
    c.until("somebody serves", 20_000, |c| c.open_host().is_some());
    for host in ["set_online db1", "set_online db2"] {
        c.ask(host);
    }
    c.until("all is well", 60_000, |c| {
        c.settled() && (0..3).all(|host| c.state(host) == HostState::Online)
    });
    let writer = usize::from(c.open_host() == Some("db2"));
    (c.cut[writer], c.cut_peers[writer]) = (true, true);
    c.until("the hook is run again", 8_000, |c| c.hooked.len() == 2);
}
