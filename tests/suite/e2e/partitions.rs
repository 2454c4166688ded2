//! Networks that fall apart in every way that they can, and heal: nobody writes beside the writer,
//! and a writer is there again in time.

use std::time::{Duration, Instant};

use lab::wait::pass;

use super::settle::{Scene, TTL, sturdy};
use super::{Cluster, SOON, holders};
use lab::WRITER_VIP;

fn hold(seconds: f64) {
    pass(Duration::from_secs_f64(seconds));
}

#[test]
fn explore_parts() {
    let mut cluster = Cluster::up(&sturdy());
    // Writer cut from its peer.
    let scene = Scene::new(&mut cluster, "writer cut from its peer 6 s");
    let (a, _) = scene.ids(&cluster);
    let fault = cluster.lab.cut(&scene.writer, scene.standby).unwrap();
    hold(6.0);
    cluster.lab.heal(&fault).unwrap();
    let seen = scene.settle(&cluster);
    assert_eq!(seen.path, [a]);
    for secs in [0.7, 1.5, 2.5, 2.9, 6.0] {
        let scene = Scene::new(&mut cluster, format!("writer isolated {secs} s"));
        let fault = cluster.lab.isolate(&scene.writer).unwrap();
        hold(secs);
        cluster.lab.heal(&fault).unwrap();
        scene.settle(&cluster);
    }
    let scene = Scene::new(&mut cluster, "monitor cut from the writer 10 s");
    let fault = cluster.lab.cut("mon", &scene.writer).unwrap();
    hold(10.0);
    println!("holders {:?}", holders(&cluster.lab, WRITER_VIP));
    cluster.lab.heal(&fault).unwrap();
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "one-way mon->writer 10 s");
    let fault = cluster.lab.cut_one_way("mon", &scene.writer).unwrap();
    hold(10.0);
    cluster.lab.heal(&fault).unwrap();
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "one-way writer->mon 10 s");
    let fault = cluster.lab.cut_one_way(&scene.writer, "mon").unwrap();
    hold(10.0);
    cluster.lab.heal(&fault).unwrap();
    scene.settle(&cluster);
    let scene = Scene::new(&mut cluster, "monitor isolated 10 s");
    let fault = cluster.lab.isolate("mon").unwrap();
    hold(10.0);
    println!("holders {:?}", holders(&cluster.lab, WRITER_VIP));
    cluster.lab.heal(&fault).unwrap();
    scene.settle(&cluster);
    super::settle::keep(&cluster, "parts");
    let scene = Scene::new(&mut cluster, "monitor loses 20 % for 20 s");
    let fault = cluster.lab.lossy("mon", 20).unwrap();
    hold(20.0);
    cluster.lab.heal(&fault).unwrap();
    scene.settle(&cluster);
    super::settle::keep(&cluster, "parts");
    let _ = (TTL, SOON, Instant::now());
}
