//! What people and machines do besides: full disks, addresses by hand, clocks that jump.
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::scene::Scene;
use super::super::{Bar, Row, TTL};
use crate::picture;
use crate::{WRITER_VIP, rights};

const NOTHING: &[Bar] = &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing];

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "disk-full-writer",
        what: "the disk with the state of the writer's agent full for 7 s",
        bars: &[Bar::LosesNothing, Bar::Gap(4000)],
        play: |scene| {
            scene.lab.disk(&scene.writer)?.fill()?;
            scene.hold(7.0);
            scene.lab.disk(&scene.writer)?.empty()?;
            scene.hold(1.0);
            Ok(())
        },
    },
    Row {
        name: "disk-full-move",
        what: "planned move to a master whose agent's disk has been full for 1.5 s, and is for 7 s",
        // Its agent wants to write each renewed grant down, so it has noticed.
        bars: &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing, Bar::Says("cannot write its state")],
        play: |scene| {
            scene.lab.disk(scene.standby)?.fill()?;
            scene.hold(1.5);
            scene.begin();
            let code = scene.move_writer()?;
            let said = scene.said.join(" ").trim().replace('\n', " ");
            scene.note(format!("exit {code}: {said}"));
            let left = Duration::from_secs(7).saturating_sub(scene.since.elapsed());
            scene.hold(left.as_secs_f64());
            scene.lab.disk(scene.standby)?.empty()?;
            scene.hold(1.0);
            Ok(())
        },
    },
    Row {
        name: "disk-full-restart",
        what: "the disk with the state of the writer's agent full, kill -9 of its server; after the \
               failover kill -9 of the agent, and agent and server are started within the grant",
        // The agent could not write down that it let go: it must not believe what it wrote before.
        bars: &[Bar::Moves, Bar::Gap(4000)],
        play: |scene| {
            scene.lab.disk(&scene.writer)?.fill()?;
            scene.hold(0.3);
            scene.begin();
            scene.server()?.kill9()?;
            scene.wait_switch()?;
            scene.agent()?.kill9()?;
            scene.agent()?.start()?;
            scene.server()?.start()?;
            scene.note(format!(
                "all up again {} ms after the kill",
                scene.since.elapsed().as_millis()
            ));
            scene.hold(TTL.as_secs_f64() + 1.0);
            scene.only_holder(scene.standby)?;
            scene.lab.disk(&scene.writer)?.empty()?;
            scene.hold(1.0);
            Ok(())
        },
    },
    Row {
        name: "vip-by-hand",
        what: "the writer's VIP added by hand on the other master",
        bars: NOTHING,
        play: |scene| {
            let host = scene.lab.host(scene.standby)?;
            host.add_address(WRITER_VIP.into())?;
            let began = std::time::Instant::now();
            let gone = scene.wait_gone(scene.standby);
            if gone.is_err() {
                host.remove_address(WRITER_VIP.into())?;
            }
            gone.context("its agent took it away")?;
            ensure!(began.elapsed() <= TTL, "it was there for {:?}", began.elapsed());
            scene.note(format!("taken away within {} ms", began.elapsed().as_millis()));
            scene.hold(1.0);
            Ok(())
        },
    },
    Row {
        name: "clock-step",
        what: "the wall clock of the writer's agent steps an hour ahead, and back after 5 s",
        bars: NOTHING,
        play: wall_clock,
    },
    Row {
        name: "boot-clock-jump",
        what: "the writer's agent ended and started again at once with a boot clock an hour ahead, \
               as after a suspension; then a planned move",
        bars: &[Bar::Gap(4000)],
        play: boot_clock,
    },
];

/// libfaketime gives the agent alone a wall clock that a file says; its boot clock stays the real
/// one.
fn wall_clock(scene: &mut Scene<'_>) -> Result<()> {
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
        .map(|folder| format!("{folder}/faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .context("no libfaketime: run `make setup` (Debian package faketime)")?;
    ensure!(rights::find("env").is_some(), "the lab needs `env` (Debian package coreutils)");
    let offset = scene.lab.folder().join("faketime");
    let set = |text: &str| {
        fs::write(&offset, text).with_context(|| format!("write {}", offset.display()))
    };
    set("+0\n")?;
    let agent = scene.agent()?;
    agent.kill9()?;
    agent.start_under(&[
        "env",
        &format!("LD_PRELOAD={library}"),
        &format!("FAKETIME_TIMESTAMP_FILE={}", offset.display()),
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "FAKETIME_DONT_RESET=1",
    ])?;
    scene.settle()?;
    scene.begin();
    set("+3600\n")?;
    scene.hold(5.0);
    let told = wall_clock_apart(scene)?;
    set("+0\n")?;
    scene.hold(3.0);
    ensure!(
        told.contains(" ahead of the monitor") && (told.contains(" 359") || told.contains(" 360")),
        "not an hour ahead: {told}"
    );
    scene.note(format!("the doctor said: {told}"));
    // An ordinary agent again, within its grant.
    let pid = scene.agent()?.pid().unwrap_or_default();
    scene.agent()?.kill9()?;
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        // Left by the library of a process that was killed; there or not, as it likes.
        let _ = fs::remove_file(Path::new("/dev/shm").join(name));
    }
    scene.agent()?.start()
}

/// By how many seconds the writer's agent's clock is ahead, as the doctor finds it.
fn wall_clock_apart(scene: &mut Scene<'_>) -> Result<String> {
    let writer = scene.writer.clone();
    let said = scene.control(&["doctor", &writer])?.stdout;
    let line = said.lines().find(|line| line.contains("calendar"));
    line.map(|line| line.trim().to_owned()).with_context(|| format!("no word of a clock: {said}"))
}

/// A time namespace of its own gives the agent a boot clock that is an hour ahead: what it wrote
/// down about its grant is over long since.
fn boot_clock(scene: &mut Scene<'_>) -> Result<()> {
    let agent = scene.agent()?;
    agent.kill9()?;
    agent.start_under(&["unshare", "--time", "--boottime", "3600"])?;
    // Until it has told what it did.
    scene.hold(2.0);
    scene.settle()?;
    let (first, writer) = (scene.client.record(), picture::writer(scene.lab));
    let gap = first.longest_gap(scene.since, std::time::Instant::now());
    let writer = writer.map_err(anyhow::Error::msg)?;
    scene.note(format!("gap of the jump {} ms, writer then {writer}", gap.as_millis()));
    // Whoever is writer now: grants must be counted right between clocks an hour apart.
    let other = if writer == "db1" { "db2" } else { "db1" };
    let code = scene.control(&["move_role", "writer", other])?.code;
    ensure!(code == 0, "the move failed: {:?}", scene.said);
    scene.hold(4.0);
    let agent = scene.agent()?;
    agent.kill9()?;
    agent.start()
}
