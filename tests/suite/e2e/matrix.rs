//! The matrix in its short form: every row once, on one cluster as long as that heals.
//! `make matrix` plays every row several times and writes `docs/matrix.md`.

use std::time::Instant;

use lab::matrix::bed::Bed;
use lab::matrix::judge::Run;
use lab::matrix::page::{self, Results};

use crate::support;

/// Decides when within a heartbeat each fault begins.
const SEED: u64 = 1;

#[test]
fn every_row_holds_once() {
    let _alone = support::alone();
    let mut all = Vec::new();
    let mut bed: Option<Bed> = None;
    for row in lab::matrix::all() {
        let here = match &mut bed {
            Some(bed) => bed,
            empty => empty.insert(Bed::up(SEED).unwrap_or_else(|error| panic!("{error:#}"))),
        };
        let began = Instant::now();
        let run = here.play(row).unwrap_or_else(|error| {
            // Of no more use: the next row gets another.
            bed = None;
            Run { broken: vec![format!("{error:#}")], ..Run::default() }
        });
        let results = Results { row, runs: vec![run] };
        println!("{} {:.1} s", page::line(&results), began.elapsed().as_secs_f64());
        results.runs[0].notes.iter().for_each(|note| println!("    {note}"));
        all.push(results);
    }
    let broken = page::broken(&all);
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
