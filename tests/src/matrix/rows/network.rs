//! Networks that fall apart, in one direction or both, and heal.
use anyhow::Result;

use super::super::scene::Scene;
use super::super::{Bar, Row};
use crate::faults::Fault;

const NOTHING: &[Bar] = &[Bar::Unnoticed, Bar::Stays, Bar::LosesNothing];
/// Whose host is silent is replaced when its grant is over.
const SILENT: &[Bar] = &[Bar::Moves, Bar::Gap(4000)];
/// The same, seen from the side that is cut off as well.
const FENCED: &[Bar] = &[Bar::Moves, Bar::Gone(3000), Bar::Gap(4000)];

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "cut-monitor-writer",
        what: "monitor and writer cut off from each other for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut("mon", &s.writer)?])),
    },
    Row {
        name: "cut-monitor-to-writer",
        what: "nothing from the monitor reaches the writer for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut_one_way("mon", &s.writer)?])),
    },
    Row {
        name: "cut-writer-to-monitor",
        what: "nothing from the writer reaches the monitor for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut_one_way(&s.writer, "mon")?])),
    },
    Row {
        name: "cut-peers",
        what: "the two masters cut off from each other for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut(&s.writer, s.standby)?])),
    },
    Row {
        name: "cut-writer-to-peer",
        what: "nothing from the writer reaches the other master for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut_one_way(&s.writer, s.standby)?])),
    },
    Row {
        name: "cut-peer-to-writer",
        what: "nothing from the other master reaches the writer for 5 s",
        bars: NOTHING,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.cut_one_way(s.standby, &s.writer)?])),
    },
    Row {
        name: "cut-monitor-and-peer",
        what: "the writer cut off from monitor and other master, not from clients, for 5 s",
        bars: FENCED,
        play: |scene| {
            let both = |s: &Scene<'_>| {
                Ok(vec![s.lab.cut("mon", &s.writer)?, s.lab.cut(&s.writer, s.standby)?])
            };
            apart(scene, both)
        },
    },
    Row {
        name: "writer-isolated",
        what: "the writer's host cut off from everybody for 5 s",
        bars: FENCED,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.isolate(&s.writer)?])),
    },
    Row {
        name: "writer-mute",
        what: "nothing that the writer's host sends arrives, it hears everything, for 5 s",
        bars: FENCED,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.mute(&s.writer)?])),
    },
    Row {
        name: "writer-deaf",
        what: "nothing reaches the writer's host, what it sends arrives, for 5 s",
        // It is not silent: it asks for a promise after a third of its grant, and is heard.
        bars: &[Bar::Moves, Bar::Gone(3000), Bar::Gap(5000)],
        play: |scene| apart(scene, |s| Ok(vec![s.lab.deafen(&s.writer)?])),
    },
    Row {
        name: "writer-unplugged",
        what: "the link of the writer's host down for 5 s",
        bars: SILENT,
        play: |scene| apart(scene, |s| Ok(vec![s.lab.unplug(&s.writer)?])),
    },
];

/// Makes the faults, lets them last longer than any grant, heals them, and watches the heal.
fn apart(scene: &mut Scene<'_>, faults: impl Fn(&Scene<'_>) -> Result<Vec<Fault>>) -> Result<()> {
    let made = faults(scene)?;
    scene.hold(5.0);
    for fault in &made {
        scene.lab.heal(fault)?;
    }
    scene.hold(1.5);
    Ok(())
}
