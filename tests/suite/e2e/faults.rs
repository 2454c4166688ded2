//! Daemons, servers and people that do the wrong thing at the wrong moment.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use lab::WRITER_VIP;
use lab::config::Accounts;
use lab::sql::Session;
use lab::wait::{pass, until};

use super::settle::{Scene, keep, sturdy};
use super::{Cluster, LATER, SOON, all_online, holders, states, view};

/// `mmm-control` in the background.
fn control(cluster: &Cluster, args: &[&str]) -> Child {
    let mut command = cluster.lab.daemons().unwrap().control_command(args).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "exit {:?}: {} {}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).trim().replace('\n', " | "),
        String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ")
    )
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A move, and something that happens `after` it was asked for.
fn amid(
    cluster: &mut Cluster,
    what: &str,
    after: u64,
    act: impl FnOnce(&Cluster, &Scene),
) -> String {
    let scene = Scene::new(cluster, format!("{what} {after} ms into a move"));
    let child = control(cluster, &["move_role", "writer", scene.standby]);
    pass(ms(after));
    act(cluster, &scene);
    let out = child.wait_with_output().unwrap();
    println!("   {}", said(&out));
    let seen = scene.settle(cluster);
    println!("   now {}, lost {}", cluster.writer(), seen.lost);
    said(&out)
}

#[test]
fn explore_monitor_kill() {
    let mut cluster = Cluster::up(&sturdy());
    for after in [45, 80] {
        amid(&mut cluster, "kill -9 and restart of the monitor", after, |c, _| {
            let monitor = &c.lab.daemons().unwrap().monitor;
            monitor.kill9().unwrap();
            monitor.start().unwrap();
        });
    }
    for after in [5, 50, 20, 35, 50, 65, 80, 95, 110, 50, 50, 5, 50, 30, 40, 60] {
        let scene = Scene::new(&mut cluster, format!("monitor killed {after} ms into a failover"));
        cluster.lab.server(&scene.writer).unwrap().kill9().unwrap();
        pass(ms(after));
        let monitor = &cluster.lab.daemons().unwrap().monitor;
        monitor.kill9().unwrap();
        monitor.start().unwrap();
        let switch = cluster.client.wait_switch(scene.since, SOON);
        if switch.is_err() {
            println!("{}", states(&view(&cluster.lab)));
        }
        keep(&cluster, "failover_kill");
        switch.unwrap();
        cluster.lab.server(&scene.writer).unwrap().start().unwrap();
        scene.settle(&cluster);
    }
    let scene = Scene::new(&mut cluster, "all daemons killed and restarted at once");
    let daemons = cluster.lab.daemons().unwrap();
    for daemon in daemons.all() {
        daemon.kill9().unwrap();
    }
    for daemon in daemons.all() {
        daemon.start().unwrap();
    }
    scene.settle(&cluster);
    keep(&cluster, "monitor_kill");
}

#[test]
fn explore_agents_in_moves() {
    let mut cluster = Cluster::up(&sturdy());
    for after in [10, 25, 40, 60] {
        amid(&mut cluster, "kill -9 of the old writer's agent", after, |c, s| {
            c.lab.daemons().unwrap().agent(&s.writer).unwrap().kill9().unwrap();
            pass(ms(200));
            c.lab.daemons().unwrap().agent(&s.writer).unwrap().start().unwrap();
        });
        amid(&mut cluster, "kill -9 of the new writer's agent", after, |c, s| {
            c.lab.daemons().unwrap().agent(s.standby).unwrap().kill9().unwrap();
            pass(ms(200));
            c.lab.daemons().unwrap().agent(s.standby).unwrap().start().unwrap();
        });
    }
    for after in [10, 30] {
        amid(&mut cluster, "old writer's agent dead for 8 s", after, |c, s| {
            c.lab.daemons().unwrap().agent(&s.writer).unwrap().kill9().unwrap();
            pass(ms(8000));
            c.lab.daemons().unwrap().agent(&s.writer).unwrap().start().unwrap();
        });
        amid(&mut cluster, "new writer's agent dead for 8 s", after, |c, s| {
            c.lab.daemons().unwrap().agent(s.standby).unwrap().kill9().unwrap();
            pass(ms(8000));
            c.lab.daemons().unwrap().agent(s.standby).unwrap().start().unwrap();
        });
    }
    keep(&cluster, "agents_in_moves");
}

#[test]
fn explore_servers_in_moves() {
    let mut cluster = Cluster::up(&sturdy());
    for after in [10, 30, 60] {
        amid(&mut cluster, "kill -9 of the target's server", after, |c, s| {
            let server = c.lab.server(s.standby).unwrap();
            server.kill9().unwrap();
            pass(ms(1000));
            server.start().unwrap();
        });
        amid(&mut cluster, "SIGSTOP 6 s of the target's server", after, |c, s| {
            let server = c.lab.server(s.standby).unwrap();
            server.freeze().unwrap();
            pass(ms(6000));
            if server.is_running() {
                server.thaw().unwrap();
            }
            pass(ms(500));
            if !server.is_running() {
                println!("   it was ended");
                server.start().unwrap();
            }
        });
        amid(&mut cluster, "kill -9 of the old writer's server", after, |c, s| {
            let server = c.lab.server(&s.writer).unwrap();
            server.kill9().unwrap();
            pass(ms(1500));
            server.start().unwrap();
        });
    }
    keep(&cluster, "servers_in_moves");
}

#[test]
fn explore_db3() {
    let mut cluster = Cluster::up(&sturdy());
    let scene = Scene::new(&mut cluster, "db3's agent stopped during a move");
    let agent = cluster.lab.daemons().unwrap().agent("db3").unwrap();
    agent.freeze().unwrap();
    let out =
        control(&cluster, &["move_role", "writer", scene.standby]).wait_with_output().unwrap();
    println!("   {} after {:?}", said(&out), scene.since.elapsed());
    let gap = cluster.switched(scene.since, SOON);
    println!("   gap {:?}", gap.gap);
    agent.thaw().unwrap();
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "db3's agent stopped 10 s during a failover");
    let agent = cluster.lab.daemons().unwrap().agent("db3").unwrap();
    agent.freeze().unwrap();
    let victim = cluster.lab.server(&scene.writer).unwrap();
    victim.kill9().unwrap();
    let gap = cluster.switched(scene.since, SOON);
    println!("   gap {:?}", gap.gap);
    pass(ms(8000));
    println!("   {}", states(&view(&cluster.lab)));
    agent.thaw().unwrap();
    victim.start().unwrap();
    scene.settle(&cluster);
    // Standby dead, then the writer.
    let scene =
        Scene::new(&mut cluster, "standby dead when the writer dies, the writer comes back");
    let (victim, other) =
        (cluster.lab.server(&scene.writer).unwrap(), cluster.lab.server(scene.standby).unwrap());
    other.kill9().unwrap();
    pass(ms(3000));
    victim.kill9().unwrap();
    pass(ms(5000));
    println!("   holders {:?}, {}", holders(&cluster.lab, WRITER_VIP), states(&view(&cluster.lab)));
    victim.start().unwrap();
    let back = Instant::now();
    cluster.client.wait_rows(20, LATER).unwrap();
    println!("   rows {:?} after the writer's server is back", back.elapsed());
    other.start().unwrap();
    scene.settle(&cluster);
    let scene =
        Scene::new(&mut cluster, "standby dead when the writer dies, the standby comes back");
    let (victim, other) =
        (cluster.lab.server(&scene.writer).unwrap(), cluster.lab.server(scene.standby).unwrap());
    other.kill9().unwrap();
    pass(ms(3000));
    victim.kill9().unwrap();
    pass(ms(5000));
    other.start().unwrap();
    pass(ms(8000));
    println!("   holders {:?}, {}", holders(&cluster.lab, WRITER_VIP), states(&view(&cluster.lab)));
    victim.start().unwrap();
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "both masters' servers killed and started at once");
    let (victim, other) =
        (cluster.lab.server(&scene.writer).unwrap(), cluster.lab.server(scene.standby).unwrap());
    other.kill9().unwrap();
    victim.kill9().unwrap();
    other.start().unwrap();
    victim.start().unwrap();
    scene.settle(&cluster);
    keep(&cluster, "db3");
}

#[test]
fn explore_people() {
    let mut cluster = Cluster::up(&sturdy());
    let vip = IpAddr::V4(WRITER_VIP);
    let scene = Scene::new(&mut cluster, "VIP added by hand on the standby and on db3");
    for host in [scene.standby, "db3"] {
        let at = Instant::now();
        cluster.lab.host(host).unwrap().add_address(vip).unwrap();
        until("only the writer to have it", SOON, || {
            let on = holders(&cluster.lab, WRITER_VIP);
            if on == [scene.writer.clone()] { Ok(()) } else { Err(format!("{on:?}")) }
        })
        .unwrap();
        println!("   {host}: removed after {:?}", at.elapsed());
    }
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "VIP deleted by hand on the writer");
    let at = Instant::now();
    cluster.lab.host(&scene.writer).unwrap().remove_address(vip).unwrap();
    until("the writer to have it", SOON, || {
        let on = holders(&cluster.lab, WRITER_VIP);
        if on == [scene.writer.clone()] { Ok(()) } else { Err(format!("{on:?}")) }
    })
    .unwrap();
    println!("   back after {:?}", at.elapsed());
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "read_only by hand");
    for (host, on) in [(scene.standby, false), ("db3", false), (scene.writer.as_str(), true)] {
        let server = cluster.lab.server(host).unwrap();
        let at = Instant::now();
        server.set_read_only(on).unwrap();
        until("read_only to be set back", SOON, || {
            if server.is_read_only().unwrap() == on { Err("it is as set by hand") } else { Ok(()) }
        })
        .unwrap();
        println!("   {host} read_only={on}: set back after {:?}", at.elapsed());
    }
    scene.settle(&cluster);

    let scene = Scene::new(&mut cluster, "100 idle clients and an open transaction during a move");
    let mut idle = Vec::new();
    {
        let to = cluster.lab.writer_address();
        let thread = cluster
            .lab
            .host("app")
            .unwrap()
            .thread("idle", move || {
                (0..100)
                    .map(|_| {
                        Session::tcp(SocketAddr::from(to), &Accounts::default().app, SOON).unwrap()
                    })
                    .collect::<Vec<_>>()
            })
            .unwrap();
        idle.extend(thread.join().unwrap().unwrap());
    }
    let mut open = idle.pop().unwrap();
    open.query("BEGIN", SOON).unwrap();
    open.query("INSERT INTO t (id) VALUES (7)", SOON).unwrap();
    let at = Instant::now();
    let out =
        control(&cluster, &["move_role", "writer", scene.standby]).wait_with_output().unwrap();
    println!("   {} after {:?}", said(&out), at.elapsed());
    println!("   {:?}", cluster.switched(scene.since, SOON));
    println!("   commit: {:?}", open.query("COMMIT", SOON));
    println!("   idle: {:?}", idle[0].query("SELECT 1", SOON));
    println!(
        "   row 7: {:?}",
        cluster
            .lab
            .server(scene.standby)
            .unwrap()
            .sql("SELECT id FROM app.t WHERE id=7")
            .unwrap()
            .rows
    );
    scene.settle(&cluster);
    drop(idle);

    let scene = Scene::new(&mut cluster, "two moves at once");
    let one = control(&cluster, &["move_role", "writer", scene.standby]);
    let two = control(&cluster, &["move_role", "writer", scene.standby]);
    println!("   {}", said(&one.wait_with_output().unwrap()));
    println!("   {}", said(&two.wait_with_output().unwrap()));
    scene.settle(&cluster);
    for after in [5, 20, 40] {
        let scene =
            Scene::new(&mut cluster, format!("the asking mmm-control killed after {after} ms"));
        let mut child = control(&cluster, &["move_role", "writer", scene.standby]);
        pass(ms(after));
        child.kill().unwrap();
        child.wait().unwrap();
        pass(ms(1000));
        scene.settle(&cluster);
        println!("   now {} (was {})", cluster.writer(), scene.writer);
    }
    for mode in ["set_passive", "set_manual"] {
        let scene = Scene::new(&mut cluster, format!("{mode}, writer's server killed"));
        println!("   {}", said(&control(&cluster, &[mode]).wait_with_output().unwrap()));
        let server = cluster.lab.server(&scene.writer).unwrap();
        server.kill9().unwrap();
        pass(ms(6000));
        println!("   {} {:?}", states(&view(&cluster.lab)), holders(&cluster.lab, WRITER_VIP));
        assert_eq!(cluster.writer(), scene.writer);
        println!("   {}", said(&control(&cluster, &["set_active"]).wait_with_output().unwrap()));
        let at = Instant::now();
        cluster.switched(scene.since, SOON);
        println!("   failover {:?} after set_active", at.elapsed());
        server.start().unwrap();
        scene.settle(&cluster);
    }
    all_online(&cluster.lab, LATER);
    keep(&cluster, "people");
}
