//! The writer's agent that dies, stands still, or is started again.
use anyhow::Result;

use super::super::scene::Scene;
use super::super::{Bar, Row};
use crate::daemons::{Daemon, Part};

/// One process of two is lost, and the other one makes up for it.
const UNSEEN: &[Bar] = &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing];

/// Longer than a grant, so that what is not renewed would show.
const OVER_A_GRANT: f64 = 4.0;

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
        name: "worker-kill",
        what: "kill -9 of the worker of the writer's agent; its supervisor starts another",
        bars: UNSEEN,
        play: |scene| {
            scene.agent()?.kill9_part(Part::Worker)?;
            scene.hold(OVER_A_GRANT);
            Ok(())
        },
    },
    Row {
        name: "worker-stop",
        what: "SIGSTOP of the worker of the writer's agent; its supervisor replaces it",
        bars: UNSEEN,
        play: |scene| {
            scene.agent()?.freeze_part(Part::Worker)?;
            scene.hold(OVER_A_GRANT);
            Ok(())
        },
    },
    Row {
        name: "parent-kill",
        what: "kill -9 of the supervisor of the writer's agent; started again after the failover",
        bars: SILENT,
        play: |scene| {
            scene.agent()?.kill9_part(Part::Parent)?;
            replaced(scene)
        },
    },
    Row {
        name: "parent-stop",
        what: "SIGSTOP of the supervisor of the writer's agent for 4 s, then SIGCONT",
        bars: UNSEEN,
        play: |scene| {
            scene.agent()?.freeze_part(Part::Parent)?;
            scene.hold(OVER_A_GRANT);
            scene.agent()?.thaw()
        },
    },
    Row {
        name: "agent-stall",
        what: "SIGSTOP of the writer's agent, the whole of it, for 1 s, then SIGCONT",
        // Less than a third of its grant is left out.
        bars: UNSEEN,
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
        bars: UNSEEN,
        play: |scene| {
            scene.agent()?.kill9()?;
            scene.agent()?.start()?;
            scene.hold(OVER_A_GRANT);
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
            scene.hold(OVER_A_GRANT);
            Ok(())
        },
    },
];

/// Waits for the other master, and sees that the old one lets nothing through any more.
fn replaced(scene: &Scene<'_>) -> Result<()> {
    scene.wait_switch()?;
    scene.only_holder(scene.standby)
}
