//! The figures of one run of one row, and which bars are broken.
use std::time::{Duration, Instant};

use anyhow::Result;

use super::probe::{self, Probe};
use super::pulse::Pulse;
use super::scene::{SOON, Scene};
use super::told::Event;
use super::{Bar, NOISE, Row};
use crate::cluster::WRITER_VIP;
use crate::observer::Observer;
use crate::picture;
use crate::writer::Record;

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The longest time without an acknowledged row.
    pub gap: Duration,
    /// Two hosts had the writer's VIP.
    pub two_holders: Duration,
    /// Two hosts accepted writes through the VIP: by looking at all hosts, and by clients on both
    /// masters' hosts; the worse of the two.
    pub two_accepting: Duration,
    /// Two hosts accepted writes from clients that go straight to their addresses.
    pub two_straight: Duration,
    /// Acknowledged rows that are missing.
    pub lost: usize,
    /// Who acknowledged rows, in order: `server_id`s.
    pub path: Vec<u32>,
    /// Errors that the client saw.
    pub errors: usize,
    /// The longest that a client waited meanwhile whom the fault does not concern.
    pub machine: Duration,
    /// After the fault began, its host was first seen without the VIP.
    pub gone: Option<Duration>,
    /// From the fault's beginning until the cluster was well.
    pub well: Duration,
}

/// One run of one row.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub figures: Figures,
    pub events: Vec<Event>,
    /// The time of day when the fault began, as events count it.
    pub began: u64,
    pub notes: Vec<String>,
    /// Bars that do not hold, in words; empty when all is as it must be.
    pub broken: Vec<String>,
}

/// Those who watched.
pub(super) struct Watch<'a> {
    pub observer: &'a Observer,
    /// Clients of the masters' hosts that go through the VIP.
    pub through: &'a [Probe],
    /// Clients on every host that go to its own address.
    pub straight: &'a [Probe],
    pub pulse: &'a Pulse,
    /// The longest gap of an undisturbed run.
    pub quiet: Duration,
}

/// Takes the figures of a scene whose cluster is well again, and names what is wrong with the data.
pub(super) fn measure(scene: &Scene<'_>, watch: &Watch<'_>) -> Result<(Figures, Vec<String>)> {
    let well = scene.since.elapsed();
    let record = scene.client.record();
    let end = Instant::now();
    let writer = picture::writer(scene.lab).map_err(anyhow::Error::msg)?;
    let audits = scene.lab.verify(&record, &writer, SOON)?;
    let lost = audits.iter().map(|audit| audit.lost.len()).max().unwrap_or_default();
    let mut broken = Vec::new();
    for audit in &audits {
        if audit.lost.len() != lost {
            broken.push(format!("the servers differ: {} lacks {}", audit.server, audit.lost.len()));
        }
        if !audit.duplicated.is_empty() || !audit.unwanted.is_empty() {
            let (twice, refused) = (&audit.duplicated, &audit.unwanted);
            broken.push(format!("{}: there twice {twice:?}, refused {refused:?}", audit.server));
        }
    }
    let gone = watch.observer.left(&scene.writer, WRITER_VIP, scene.since);
    let seen = watch.observer.two_accepting(WRITER_VIP, scene.since).total;
    let figures = Figures {
        gap: record.longest_gap(scene.since, end),
        two_holders: watch.observer.two_holders(WRITER_VIP, scene.since).total,
        two_accepting: seen.max(probe::two_accepting(watch.through, scene.since)),
        two_straight: probe::two_accepting(watch.straight, scene.since),
        lost,
        path: path(&record, scene.since),
        errors: record.errors.iter().filter(|(at, _)| *at >= scene.since).count(),
        machine: watch.pulse.longest(scene.since),
        gone: gone.map(|at| at - scene.since),
        well,
    };
    if !figures.two_accepting.is_zero() {
        let told = watch.observer.describe(scene.since);
        broken.push(format!(
            "two hosts accepted writes through the VIP for {} ms:\n{told}",
            figures.two_accepting.as_millis()
        ));
    }
    Ok((figures, broken))
}

fn path(record: &Record, since: Instant) -> Vec<u32> {
    // The last row before the fault says who was writer.
    let start = record.acks.partition_point(|ack| ack.at < since).saturating_sub(1);
    let mut path: Vec<u32> = record.acks[start..].iter().map(|ack| ack.server).collect();
    path.dedup();
    path
}

/// Which bars of the row do not hold.
pub(super) fn broken(row: &Row, run: &Run, said: &[String], quiet: Duration) -> Vec<String> {
    let figures = &run.figures;
    let holds = |bar: Bar| match bar {
        Bar::Unnoticed => figures.errors == 0 && figures.gap <= quiet.max(figures.machine) + NOISE,
        Bar::Stays => figures.path.len() == 1,
        Bar::Moves => figures.path.len() == 2,
        Bar::LosesNothing => figures.lost == 0,
        Bar::Gap(limit) => figures.gap <= Duration::from_millis(limit),
        Bar::Gone(limit) => figures.gone.is_some_and(|gone| gone <= Duration::from_millis(limit)),
        Bar::Says(text) => {
            let told = run.events.iter().map(|event| event.line.as_str());
            told.chain(said.iter().map(String::as_str)).any(|line| line.contains(text))
        }
    };
    let failed = row.bars.iter().copied().filter(|bar| !holds(*bar));
    let words = |bar: Bar| {
        format!(
            "not \"{}\": gap {} ms (undisturbed {} ms, machine {} ms), {} errors, writers {:?}, lost {}, VIP gone {:?}",
            bar.words(),
            figures.gap.as_millis(),
            quiet.as_millis(),
            figures.machine.as_millis(),
            figures.errors,
            figures.path,
            figures.lost,
            figures.gone,
        )
    };
    failed.map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bars: &'static [Bar]) -> Row {
        Row { name: "x", what: "x", bars, play: |_| Ok(()) }
    }

    fn run(gap: u64, errors: usize, path: &[u32]) -> Run {
        let gap = Duration::from_millis(gap);
        let figures = Figures { gap, errors, path: path.to_vec(), ..Figures::default() };
        Run { figures, ..Run::default() }
    }

    #[test]
    fn nothing_noticed_is_no_error_and_no_pause_beyond_the_noise() {
        let quiet = Duration::from_millis(40);
        let row = row(&[Bar::Unnoticed, Bar::Stays]);
        assert_eq!(broken(&row, &run(140, 0, &[1]), &[], quiet).len(), 0);
        assert_eq!(broken(&row, &run(141, 0, &[1]), &[], quiet).len(), 1);
        let mut busy = run(150, 0, &[1]);
        busy.figures.machine = Duration::from_millis(60);
        assert_eq!(broken(&row, &busy, &[], quiet).len(), 0);
        assert_eq!(broken(&row, &run(20, 1, &[1]), &[], quiet).len(), 1);
        assert_eq!(broken(&row, &run(20, 0, &[1, 2]), &[], quiet).len(), 1);
    }

    #[test]
    fn what_is_said_counts_wherever_it_is_said() {
        let row = row(&[Bar::Says("LOCK"), Bar::Gone(3000)]);
        let mut seen = run(20, 0, &[1]);
        assert_eq!(broken(&row, &seen, &["no".into()], Duration::ZERO).len(), 2);
        seen.figures.gone = Some(Duration::from_millis(2900));
        assert_eq!(broken(&row, &seen, &["LOCK TABLES".into()], Duration::ZERO).len(), 0);
    }
}
