//! Daemons and servers that die at the wrong moment: in the middle of moves and failovers.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use lab::WRITER_VIP;
use lab::wait::pass;
use mmm_proto::view::WriterState;

use super::settle::{Scene, Seen, TTL, sturdy};
use super::{Cluster, LATER, SOON, holders, states, story, view, wait_view};

/// `mmm-control` in the background.
pub(super) fn control(cluster: &Cluster, args: &[&str]) -> Child {
    let command = cluster.lab.daemons().unwrap().control_command(args);
    let mut command = command.unwrap();
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Exit code and words of what `control` started.
pub(super) fn said(child: Child) -> (Option<i32>, String) {
    let out: Output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().replace('\n', " | ");
    (out.status.code(), format!("{}{}", text(&out.stdout), text(&out.stderr)))
}

/// A planned move, and something that happens `after` so many milliseconds of it. Nothing may be
/// lost.
fn amid(cluster: &mut Cluster, what: &str, after: u64, act: impl FnOnce(&Cluster, &Scene)) -> Seen {
    let scene = Scene::new(cluster, format!("{what}, {after} ms into a move"));
    let child = control(cluster, &["move_role", "writer", scene.standby]);
    pass(Duration::from_millis(after));
    act(cluster, &scene);
    let (code, words) = said(child);
    let seen = scene.settle(cluster);
    println!("    exit {code:?}: {words}");
    let (old, new) = scene.ids(cluster);
    assert!(
        seen.path == [old] || seen.path == [old, new],
        "the writer went to and fro: {:?}",
        seen.path
    );
    // 0: moved; 1, 5: not moved, or moved by a failover; 3: never asked; 4: who was asked is gone.
    assert!(matches!(code, Some(0 | 1 | 3 | 4 | 5)), "{code:?}: {words}");
    assert_eq!(seen.lost, 0, "a move lost rows");
    seen
}

#[test]
fn a_monitor_that_dies_in_the_middle_of_moves_and_failovers_leaves_one_writer() {
    let mut cluster = Cluster::up(&sturdy());
    let restart = |cluster: &Cluster| {
        let monitor = &cluster.lab.daemons().unwrap().monitor;
        monitor.kill9().unwrap();
        monitor.start().unwrap();
    };
    for after in [5, 20, 40, 80] {
        let seen = amid(&mut cluster, "kill -9 of the monitor", after, |c, _| {
            restart(c);
        });
        assert!(seen.gap < Duration::from_secs(2), "{:?}", seen.gap);
    }
    for after in [20, 50] {
        let scene =
            Scene::new(&mut cluster, format!("kill -9 of the monitor, {after} ms into a failover"));
        let server = cluster.lab.server(&scene.writer).unwrap();
        server.kill9().unwrap();
        pass(Duration::from_millis(after));
        restart(&cluster);
        cluster.switched(scene.since, SOON);
        server.start().unwrap();
        scene.settle(&cluster);
    }
    // What a failover leaves that broke off after the candidate had applied everything: its
    // replication is stopped, and nobody is there whom it could follow.
    let scene = Scene::new(&mut cluster, "a failover that broke off before promotion");
    let server = cluster.lab.server(&scene.writer).unwrap();
    let monitor = &cluster.lab.daemons().unwrap().monitor;
    monitor.kill9().unwrap();
    server.kill9().unwrap();
    let standby = cluster.lab.server(scene.standby).unwrap();
    standby.sql("STOP SLAVE").unwrap();
    monitor.start().unwrap();
    cluster.switched(scene.since, SOON);
    server.start().unwrap();
    scene.settle(&cluster);
}

#[test]
fn an_agent_or_a_server_that_dies_in_the_middle_of_a_move_loses_nothing() {
    let mut cluster = Cluster::up(&sturdy());
    let bound = TTL + Duration::from_secs(2);
    for (host, after) in [(0, 10), (0, 30), (1, 10), (1, 30)] {
        let what = ["the old writer's agent", "the new writer's agent"][host];
        let seen = amid(&mut cluster, &format!("kill -9 of {what}"), after, |c, scene| {
            let host = [scene.writer.as_str(), scene.standby][host];
            let agent = c.lab.daemons().unwrap().agent(host).unwrap();
            agent.kill9().unwrap();
            agent.start().unwrap();
        });
        assert!(seen.gap < bound, "{:?}", seen.gap);
    }
    for (host, after) in [(0, 10), (1, 30)] {
        let what = ["the old writer's agent", "the new writer's agent"][host];
        let seen = amid(&mut cluster, &format!("{what} dead for 6 s"), after, |c, scene| {
            let host = [scene.writer.as_str(), scene.standby][host];
            let agent = c.lab.daemons().unwrap().agent(host).unwrap();
            agent.kill9().unwrap();
            pass(Duration::from_secs(6));
            agent.start().unwrap();
        });
        assert!(seen.gap < bound, "{:?}", seen.gap);
    }
    for after in [10, 30] {
        let what = "kill -9 of the target's server";
        let seen = amid(&mut cluster, what, after, |c, scene| {
            let server = c.lab.server(scene.standby).unwrap();
            server.kill9().unwrap();
            pass(Duration::from_secs(1));
            server.start().unwrap();
        });
        assert!(seen.gap < bound, "{:?}", seen.gap);
    }
    let seen = amid(&mut cluster, "SIGSTOP of the target's server", 30, |c, scene| {
        let server = c.lab.server(scene.standby).unwrap();
        server.freeze().unwrap();
        pass(Duration::from_secs(5));
        // The agent ends a server that it must fence and cannot.
        match server.is_running() {
            true => server.thaw().unwrap(),
            false => server.start().unwrap(),
        }
    });
    // Promotion waits for its deadline (`step_timeout`, 5 s) as long as the target's agent answers.
    let bound = Duration::from_secs(5) + bound;
    assert!(seen.gap < bound, "{:?}", seen.gap);
}

#[test]
fn a_silent_third_host_holds_up_nobody_and_is_never_writer() {
    let mut cluster = Cluster::up(&sturdy());
    let scene = Scene::new(&mut cluster, "the slave's agent stopped during a move and a failover");
    let agent = cluster.lab.daemons().unwrap().agent("db3").unwrap();
    agent.freeze().unwrap();
    let (code, words) = said(control(&cluster, &["move_role", "writer", scene.standby]));
    assert_eq!(code, Some(0), "{words}");
    let moved = cluster.switched(scene.since, SOON);
    let victim = cluster.lab.server(scene.standby).unwrap();
    let since = Instant::now();
    victim.kill9().unwrap();
    let replaced = cluster.switched(since, SOON);
    println!("    move {:?}, failover {:?}", moved.gap, replaced.gap);
    assert!(moved.gap < Duration::from_millis(500), "{moved:?}");
    assert!(replaced.gap < Duration::from_secs(3), "{replaced:?}");
    agent.thaw().unwrap();
    victim.start().unwrap();
    scene.settle(&cluster);

    let scene = Scene::new(&mut cluster, "the standby is dead when the writer dies");
    let (writer, _) = scene.ids(&cluster);
    let dead = [scene.standby, scene.writer.as_str()].map(|host| cluster.lab.server(host).unwrap());
    dead[0].kill9().unwrap();
    dead[1].kill9().unwrap();
    wait_view(&cluster.lab, "nobody to be writer", SOON, |view| {
        let vacant = view.writer.state == WriterState::Vacant && view.writer.host.is_none();
        if vacant { Ok(()) } else { Err(states(view)) }
    });
    pass(Duration::from_secs(4));
    assert!(holders(&cluster.lab, WRITER_VIP).is_empty());
    assert!(cluster.lab.server("db3").unwrap().is_read_only().unwrap());
    let back = Instant::now();
    dead[1].start().unwrap();
    let rows = cluster.client.wait_rows(20, LATER);
    rows.unwrap_or_else(|error| panic!("{error:#}\n{}", story(&cluster.lab)));
    println!("    rows {:?} after the last writer's server is back", back.elapsed());
    dead[0].start().unwrap();
    let seen = scene.settle(&cluster);
    assert_eq!((seen.path, seen.lost), (vec![writer], 0));
    assert_eq!(view(&cluster.lab).writer.state, WriterState::Serving);
}
