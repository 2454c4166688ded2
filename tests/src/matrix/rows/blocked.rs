//! Clients that are in the way: of a planned move, which then moves or is undone and never loses,
//! and of a fence, which must get through.
use anyhow::{Context, Result, anyhow, ensure};

use super::super::blocker::{self, Crowd, Open};
use super::super::scene::Scene;
use super::super::{Bar, Row};

/// A move that is undone: the freeze's grace (1 s), and what undoing takes.
const UNDONE: &[Bar] = &[Bar::Stays, Bar::LosesNothing, Bar::Gap(2000)];
/// Nobody waited on a silent address: that takes a second.
const MOVED: &[Bar] = &[Bar::Moves, Bar::LosesNothing, Bar::Gap(1000)];
/// The fence gets through on the side that is cut off, and somebody else serves in time.
const FENCED: &[Bar] = &[Bar::Moves, Bar::Gone(3000), Bar::Gap(4000)];

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "move-lock-tables",
        what: "planned move while a client holds LOCK TABLES ... WRITE: undone",
        bars: UNDONE,
        play: |scene| {
            let held = blocker::lock_tables(scene, "app")?;
            must_fail(scene)?;
            drop(held);
            Ok(())
        },
    },
    Row {
        name: "move-update",
        what: "planned move while an UPDATE of 6 s runs: undone, the UPDATE ends well",
        bars: UNDONE,
        play: |scene| {
            let update = blocker::long_update(scene, "app")?;
            must_fail(scene)?;
            let ended = update.join().map_err(|_| anyhow!("the update panicked"))?;
            ended.context("the update was in the way and must go on")?;
            scene.wait_movable()
        },
    },
    Row {
        name: "move-open-transaction",
        what: "planned move while a client has an idle open transaction",
        bars: MOVED,
        play: |scene| {
            let open = Open::begin(scene, "app")?;
            scene.begin();
            ensure!(scene.move_writer()? == 0, "the move failed: {:?}", scene.said);
            scene.wait_switch()?;
            let words = open.commit(scene)?;
            scene.note(words);
            Ok(())
        },
    },
    Row {
        name: "move-300-sessions",
        what: "planned move with 300 client sessions: all are told, none waits on a silent address",
        bars: MOVED,
        play: |scene| {
            let crowd = Crowd::connect(scene, 300)?;
            scene.begin();
            ensure!(scene.move_writer()? == 0, "the move failed: {:?}", scene.said);
            scene.wait_switch()?;
            told(scene, crowd)
        },
    },
    Row {
        name: "kill-300-sessions",
        what: "kill -9 of the writer's server with 300 client sessions",
        bars: &[Bar::Moves, Bar::Gap(1000)],
        play: |scene| {
            let crowd = Crowd::connect(scene, 300)?;
            scene.begin();
            scene.server()?.kill9()?;
            scene.wait_switch()?;
            told(scene, crowd)
        },
    },
    Row {
        name: "fence-lock-tables",
        what: "the writer isolated for 5 s while a client on its host holds LOCK TABLES ... WRITE",
        bars: FENCED,
        play: |scene| {
            let held = blocker::lock_tables(scene, &scene.writer)?;
            isolated(scene)?;
            drop(held);
            Ok(())
        },
    },
    Row {
        name: "fence-update",
        what: "the writer isolated for 5 s while an UPDATE of 6 s runs on its host",
        bars: FENCED,
        play: |scene| {
            let update = blocker::long_update(scene, &scene.writer)?;
            isolated(scene)?;
            let ended = update.join().map_err(|_| anyhow!("the update panicked"))?;
            let words = ended.map_or_else(|error| error.to_string(), |_| "done".to_owned());
            ensure!(words != "done", "the UPDATE was acknowledged by a host that had to fence");
            scene.note(format!("the UPDATE ended with: {words}"));
            Ok(())
        },
    },
    Row {
        name: "fence-open-transaction",
        what: "the writer isolated for 5 s while a client on its host has an idle open transaction",
        bars: FENCED,
        play: |scene| {
            let open = Open::begin(scene, &scene.writer)?;
            isolated(scene)?;
            let words = open.commit(scene)?;
            scene.note(words);
            Ok(())
        },
    },
];

fn must_fail(scene: &mut Scene<'_>) -> Result<()> {
    scene.begin();
    let code = scene.move_writer()?;
    ensure!(matches!(code, 1 | 5), "exit {code}: {:?}", scene.said);
    let said = scene.said.last().map(|said| said.trim().replace('\n', " ")).unwrap_or_default();
    scene.note(format!("exit {code}: {said}"));
    Ok(())
}

fn isolated(scene: &mut Scene<'_>) -> Result<()> {
    scene.begin();
    let fault = scene.lab.isolate(&scene.writer)?;
    scene.hold(5.0);
    scene.lab.heal(&fault)?;
    scene.hold(1.0);
    Ok(())
}

fn told(scene: &mut Scene<'_>, crowd: Crowd) -> Result<()> {
    let (answered, ended, took) = crowd.ask_all()?;
    scene.note(format!(
        "of the idle sessions {ended} had been ended and {answered} had not, told within {} ms",
        took.as_millis()
    ));
    Ok(())
}
