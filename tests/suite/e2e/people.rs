//! People who do things by hand, at the same time, or in a mode in which nothing moves; a second
//! monitor; a status file that cannot be written.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use lab::WRITER_VIP;
use lab::config::Accounts;
use lab::daemons::binary;
use lab::process::Process;
use lab::sql::Session;
use lab::wait::{pass, until};
use mmm_proto::MonitorMode;
use mmm_proto::view::WriterState;

use super::faults::{control, said};
use super::settle::{Scene, sturdy};
use super::{Cluster, SOON, holders, states, view, wait_view};

fn must(cluster: &Cluster, args: &[&str]) {
    let (code, words) = said(control(cluster, args));
    assert_eq!(code, Some(0), "{args:?}: {words}");
}

fn only_on(cluster: &Cluster, host: &str) -> Duration {
    let since = Instant::now();
    until("only the writer to have the VIP", Duration::from_secs(3), || {
        let on = holders(&cluster.lab, WRITER_VIP);
        if on == [host] { Ok(()) } else { Err(format!("{on:?}")) }
    })
    .unwrap();
    since.elapsed()
}

#[test]
fn what_is_changed_by_hand_is_put_right_and_moves_are_one_at_a_time() {
    let mut cluster = Cluster::up(&sturdy());
    change_by_hand(&mut cluster);
    move_twice_at_once(&mut cluster);
    kill_the_asker(&mut cluster);
}

fn change_by_hand(cluster: &mut Cluster) {
    let vip = IpAddr::V4(WRITER_VIP);
    let scene = Scene::new(cluster, "VIP and read_only changed by hand");
    let (writer, _) = scene.ids(cluster);
    for host in [scene.standby, "db3"] {
        cluster.lab.host(host).unwrap().add_address(vip).unwrap();
        let took = only_on(cluster, &scene.writer);
        println!("    added on {host}: removed after {took:?}");
    }
    cluster.lab.host(&scene.writer).unwrap().remove_address(vip).unwrap();
    let took = only_on(cluster, &scene.writer);
    println!("    removed from {}: back after {took:?}", scene.writer);
    for (host, on) in [(scene.standby, false), ("db3", false), (scene.writer.as_str(), true)] {
        let server = cluster.lab.server(host).unwrap();
        let since = Instant::now();
        server.set_read_only(on).unwrap();
        until("read_only to be set back", Duration::from_secs(3), || {
            if server.is_read_only().unwrap() == on {
                Err("it is as it was set by hand")
            } else {
                Ok(())
            }
        })
        .unwrap();
        println!("    {host} read_only={on}: set back after {:?}", since.elapsed());
    }
    let seen = scene.settle(cluster);
    assert_eq!((seen.path, seen.lost), (vec![writer], 0));
}

fn move_twice_at_once(cluster: &mut Cluster) {
    let scene = Scene::new(cluster, "two moves at once, idle clients, an open transaction");
    let to = cluster.lab.writer_address();
    let app = cluster.lab.host("app").unwrap();
    let connect = move || Session::tcp(to, &Accounts::default().app, SOON).unwrap();
    let idle = app.thread("idle", move || (0..100).map(|_| connect()).collect::<Vec<_>>());
    let mut idle: Vec<Session> = idle.unwrap().join().unwrap().unwrap();
    idle[0].query("BEGIN", SOON).unwrap();
    idle[0].query("INSERT INTO t (id) VALUES (7)", SOON).unwrap();
    let moves = [(); 2].map(|()| control(cluster, &["move_role", "writer", scene.standby]));
    let mut answers = moves.map(said);
    answers.sort();
    assert_eq!((answers[0].0, answers[1].0), (Some(0), Some(1)), "{answers:?}");
    assert!(answers[1].1.contains("runs: move writer"), "{answers:?}");
    assert!(idle[0].query("COMMIT", SOON).is_err(), "it was never promised");
    assert!(idle[1].query("SELECT 1", SOON).is_err(), "the session was ended");
    let new = cluster.lab.server(scene.standby).unwrap();
    let rows = new.sql("SELECT id FROM app.t WHERE id = 7").unwrap().rows;
    assert!(rows.is_empty(), "an open transaction came through");
    let seen = scene.settle(cluster);
    assert_eq!(seen.lost, 0);
    assert!(seen.gap < Duration::from_millis(500), "{:?}", seen.gap);
}

fn kill_the_asker(cluster: &mut Cluster) {
    let scene = Scene::new(cluster, "the asking mmm-control killed in the middle of the move");
    let (old, new) = scene.ids(cluster);
    let mut child = control(cluster, &["move_role", "writer", scene.standby]);
    pass(Duration::from_millis(20));
    child.kill().unwrap();
    child.wait().unwrap();
    cluster.switched(scene.since, SOON);
    let seen = scene.settle(cluster);
    assert_eq!((seen.path, seen.lost), (vec![old, new], 0));
}

#[test]
fn in_passive_and_manual_nothing_moves_until_active() {
    let mut cluster = Cluster::up(&sturdy());
    for mode in ["set_passive", "set_manual"] {
        let scene = Scene::new(&mut cluster, format!("{mode}, the writer's server killed"));
        must(&cluster, &[mode]);
        let server = cluster.lab.server(&scene.writer).unwrap();
        server.kill9().unwrap();
        let held = wait_view(&cluster.lab, "the picture to say it", SOON, |view| {
            let vacant = view.writer.state == WriterState::Vacant;
            if vacant { Ok(view.writer.clone()) } else { Err(states(view)) }
        });
        println!("    {}", held.why);
        assert!(held.why.contains("HARD_OFFLINE"), "{held:?}");
        pass(Duration::from_secs(2));
        assert_eq!(cluster.writer(), scene.writer, "the role moved");
        assert!(cluster.lab.server(scene.standby).unwrap().is_read_only().unwrap());
        must(&cluster, &["set_active"]);
        let active = Instant::now();
        cluster.switched(scene.since, SOON);
        println!("    another writer {:?} after set_active", active.elapsed());
        server.start().unwrap();
        scene.settle(&cluster);
    }
}

#[test]
fn a_second_monitor_supersedes_and_a_full_disk_holds_decisions() {
    let mut cluster = Cluster::up(&sturdy());
    let daemons = cluster.lab.daemons().unwrap();
    let config = &daemons.paths.monitor;
    let folder = config.with_file_name("");
    // The status file in a folder of its own, so that it can be taken away.
    let (state, away) = (folder.join("state"), folder.join("away"));
    std::fs::create_dir(&state).unwrap();
    let old = folder.join("mmm_mond.status");
    let new = state.join("mmm_mond.status");
    daemons.monitor.stop().unwrap();
    std::fs::rename(&old, &new).unwrap();
    let text = std::fs::read_to_string(config).unwrap();
    std::fs::write(config, text.replace(&path(&old), &path(&new))).unwrap();
    daemons.monitor.start().unwrap();
    daemons.wait_answering(SOON).unwrap();
    take_the_disk_away(&mut cluster, &state, &away);
    start_a_second_monitor(&mut cluster, &new);
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn take_the_disk_away(cluster: &mut Cluster, state: &Path, away: &Path) {
    let scene = Scene::new(cluster, "the status file cannot be written, the writer dies");
    std::fs::rename(state, away).unwrap();
    let server = cluster.lab.server(&scene.writer).unwrap();
    server.kill9().unwrap();
    let held = wait_view(&cluster.lab, "decisions to be held", SOON, |view| {
        if view.held.is_empty() { Err(states(view)) } else { Ok(view.held.clone()) }
    });
    println!("    {held}");
    assert!(held.contains("mmm_mond.status"), "{held}");
    pass(Duration::from_secs(2));
    assert!(cluster.lab.server(scene.standby).unwrap().is_read_only().unwrap());
    std::fs::rename(away, state).unwrap();
    let since = Instant::now();
    cluster.switched(scene.since, SOON);
    println!("    another writer {:?} after the disk took it", since.elapsed());
    server.start().unwrap();
    scene.settle(cluster);
}

fn start_a_second_monitor(cluster: &mut Cluster, status: &Path) {
    let scene = Scene::new(cluster, "a second monitor started by mistake");
    let (writer, _) = scene.ids(cluster);
    let first = cluster.lab.daemons().unwrap().paths.monitor.clone();
    let folder = first.with_file_name("");
    let second = folder.join("second.toml");
    let text = std::fs::read_to_string(&first).unwrap();
    let text = text
        .replace(&path(status), &path(&folder.join("second.status")))
        .replace("mmm_mond.sock", "second.sock")
        .replace("ip = \"10.77.0.10\"", "ip = \"10.77.0.10\"\nport = 9987");
    std::fs::write(&second, text).unwrap();
    let mut command = cluster.lab.host("mon").unwrap().command(binary("mmm-mond").unwrap());
    command.arg("--config").arg(&second);
    let process = Process::start("second monitor", command, &folder.join("second.log")).unwrap();
    let first = wait_view(&cluster.lab, "the first monitor to step back", SOON, |view| {
        if view.mode == MonitorMode::Passive {
            Ok(view.mode_cause.clone())
        } else {
            Err(format!("{}, {}", view.mode, states(view)))
        }
    });
    println!("    {first}");
    assert!(first.contains("superseded"), "{first}");
    // The second one has seen nobody ONLINE yet, and keeps the writer that it finds.
    let since = Instant::now();
    cluster.client.wait_rows(600, SOON).unwrap();
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    println!("    longest gap with the second monitor {gap:?}");
    assert_eq!(holders(&cluster.lab, WRITER_VIP), std::slice::from_ref(&scene.writer));
    process.stop(SOON).unwrap();
    // Restarted, the first one leads again.
    let monitor = &cluster.lab.daemons().unwrap().monitor;
    monitor.kill9().unwrap();
    monitor.start().unwrap();
    let seen = scene.settle(cluster);
    assert_eq!((seen.path, seen.lost), (vec![writer], 0));
    assert_eq!(view(&cluster.lab).mode, MonitorMode::Active);
}
