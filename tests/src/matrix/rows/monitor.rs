//! The monitor that dies, is cut off, or is there twice: none of the clients' business.
use anyhow::{Context, Result, bail, ensure};

use super::super::scene::{SOON, Scene};
use super::super::{Bar, Row};

const NOTHING: &[Bar] = &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing];

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "monitor-kill",
        what: "kill -9 of the monitor, started again after 10 s",
        bars: NOTHING,
        play: |scene| {
            scene.monitor()?.kill9()?;
            scene.hold(10.0);
            scene.only_holder(&scene.writer)?;
            scene.monitor()?.start()?;
            scene.daemons()?.wait_answering(SOON)?;
            // Longer than any grant of the monitor that died.
            scene.hold(3.5);
            Ok(())
        },
    },
    Row {
        name: "monitor-isolated",
        what: "the monitor cut off from everybody for 6 s",
        bars: NOTHING,
        play: |scene| {
            let fault = scene.lab.isolate("mon")?;
            scene.hold(6.0);
            scene.only_holder(&scene.writer)?;
            scene.lab.heal(&fault)?;
            scene.hold(1.5);
            Ok(())
        },
    },
    Row {
        name: "monitor-gone-server-kill",
        what: "kill -9 of the monitor for good, 4 s later kill -9 of the writer's server; after 5 s \
               more the monitor is started, then the server",
        bars: &[Bar::Moves],
        play: no_monitor_no_server,
    },
    Row {
        name: "monitor-second",
        what: "a second monitor of the same cluster on another host for 8 s, with a status file of \
               its own; then the first is restarted",
        bars: &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing, Bar::Says("superseded")],
        play: second,
    },
];

fn no_monitor_no_server(scene: &mut Scene<'_>) -> Result<()> {
    scene.monitor()?.kill9()?;
    scene.hold(4.0);
    scene.only_holder(&scene.writer)?;
    scene.server()?.kill9()?;
    scene.hold(5.0);
    // Nobody decides: nobody may have taken over.
    let holders = scene.lab.holders(crate::WRITER_VIP)?;
    ensure!(!holders.iter().any(|host| *host != scene.writer), "{holders:?} hold the VIP");
    for server in scene.lab.servers().iter().filter(|server| server.is_running()) {
        ensure!(server.is_read_only()?, "{} is writable and nobody decided so", server.name());
    }
    let before = scene.since;
    let back = std::time::Instant::now();
    scene.monitor()?.start()?;
    scene.wait_switch().context("after the monitor came back")?;
    let first =
        scene.client.record().acks.iter().rev().take_while(|ack| ack.at > back).last().copied();
    let Some(first) = first else { bail!("no row since the monitor is back") };
    ensure!(first.at > before, "rows before the fault");
    let took = first.at - back;
    scene.note(format!("first row {} ms after the monitor was started again", took.as_millis()));
    Ok(())
}

fn second(scene: &mut Scene<'_>) -> Result<()> {
    let other = scene.lab.second_monitor()?;
    other.start()?;
    scene.hold(8.0);
    other.check()?;
    let mode = crate::picture::view(scene.lab).map_err(anyhow::Error::msg)?;
    scene.note(format!("the first is {} then: {}", mode.mode, mode.mode_cause));
    other.stop()?;
    // What an operator does: the first one leads again when it is restarted.
    scene.monitor()?.kill9()?;
    scene.monitor()?.start()?;
    scene.daemons()?.wait_answering(SOON)?;
    scene.hold(3.5);
    Ok(())
}
