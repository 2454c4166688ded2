//! The writer's agent that dies, stands still, or is started again.
use anyhow::Result;

use super::super::scene::Scene;
use super::super::{Bar, Row};
use crate::daemons::Daemon;

/// Whose agent is silent loses the VIP within its grant, and somebody serves soon after.
const SILENT: &[Bar] = &[Bar::Moves, Bar::Gone(3000), Bar::Gap(4000)];

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "agent-kill",
        what: "kill -9 of the writer's agent, the whole of it; started again after the failover",
        bars: SILENT,
        play: |scene| {
            scene.agent()?.kill9()?;
            replaced(scene)
        },
    },
    Row {
        name: "agent-stop",
        what: "SIGSTOP of the writer's agent, the whole of it; SIGCONT after the failover",
        bars: SILENT,
        play: |scene| {
            scene.agent()?.freeze()?;
            replaced(scene)
        },
    },
    Row {
        name: "agent-stall",
        what: "SIGSTOP of the writer's agent, the whole of it, for 1 s, then SIGCONT",
        // Less than a third of its grant is left out.
        bars: &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing],
        play: |scene| {
            scene.agent()?.freeze()?;
            scene.hold(1.0);
            scene.agent()?.thaw()?;
            scene.hold(3.0);
            Ok(())
        },
    },
    Row {
        name: "agent-restart",
        what: "kill -9 of the writer's agent, started again at once",
        bars: &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing],
        play: |scene| {
            scene.agent()?.kill9()?;
            scene.agent()?.start()?;
            // Longer than the grant that it found.
            scene.hold(4.0);
            Ok(())
        },
    },
    Row {
        name: "daemons-restart",
        what: "kill -9 of monitor and all three agents at once, all started again at once",
        bars: &[Bar::Stays, Bar::LosesNothing, Bar::Gap(4000)],
        play: |scene| {
            let daemons = scene.daemons()?;
            daemons.all().try_for_each(Daemon::kill9)?;
            daemons.all().try_for_each(Daemon::start)?;
            scene.hold(4.0);
            Ok(())
        },
    },
];

/// Waits for the other master, and sees that the old one lets nothing through any more.
fn replaced(scene: &Scene<'_>) -> Result<()> {
    scene.wait_switch()?;
    scene.only_holder(scene.standby)
}
