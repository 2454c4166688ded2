//! The matrix: every fault in turn on a real cluster, what must hold meanwhile, and the table of
//! what came of it. Rows are data; nothing here knows how the product decides.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `rows` | every row: its name, what is done, what must hold |
//! | `bed` | the cluster between rows: well before each, mended after each |
//! | `scene` | what a row has in its hands while it is played |
//! | `probe` | clients that ask who accepts writes, straight and through the VIP |
//! | `pulse` | the machine's own pauses, in the same seconds |
//! | `blocker` | clients that are in the way: locks, long statements, many sessions |
//! | `told` | what the monitor's events said |
//! | `judge` | the figures of one run, and which bars are broken |
//! | `page` | the table |

pub mod bed;
mod blocker;
pub mod judge;
pub mod page;
mod probe;
mod pulse;
mod rows;
mod scene;
mod told;

use std::time::Duration;

use anyhow::Result;

pub use rows::all;
use scene::Scene;

/// The product's default `lease_ttl`.
pub const TTL: Duration = Duration::from_secs(3);

/// How much longer than in an undisturbed run, or than the machine's own pauses in the same
/// seconds, the longest pause of a client may be for a fault to have cost it nothing: less than
/// TCP needs to send a lost packet again, and less than two heartbeats of anything.
pub const NOISE: Duration = Duration::from_millis(100);

/// One row of the matrix.
pub struct Row {
    /// Short, for the command line and the table.
    pub name: &'static str,
    /// What is done, in words.
    pub what: &'static str,
    /// What must hold, beside what must always hold.
    pub bars: &'static [Bar],
    /// Does it, and undoes what does not undo itself. What is left is mended by the bed.
    pub play: fn(&mut Scene<'_>) -> Result<()>,
}

/// What must hold in every run of a row. In all rows besides: no two hosts accept writes through
/// the VIP at once, no row is there twice, no refused row is there, all servers end up with the
/// same, and the cluster is well again by itself (but for hosts that have parted, which are
/// rebuilt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// The client saw no error, did not connect anew, and stood still no longer than in an
    /// undisturbed run (or than a client of a server that the fault does not concern) and
    /// [`NOISE`].
    Unnoticed,
    /// All rows were acknowledged by the writer that there was.
    Stays,
    /// The writer is another host afterwards.
    Moves,
    /// No acknowledged row is missing.
    LosesNothing,
    /// The client never stood still longer, in milliseconds.
    Gap(u64),
    /// The writer's host has lost the VIP so many milliseconds after the fault at the latest.
    Gone(u64),
    /// An event or a refusal says so.
    Says(&'static str),
}

impl Bar {
    /// As the table shows it.
    pub fn words(self) -> String {
        match self {
            Bar::Unnoticed => "clients notice nothing".to_owned(),
            Bar::Stays => "the writer stays".to_owned(),
            Bar::Moves => "the writer moves".to_owned(),
            Bar::LosesNothing => "0 lost".to_owned(),
            Bar::Gap(limit) => format!("gap <= {limit} ms"),
            Bar::Gone(limit) => format!("VIP gone within {limit} ms"),
            Bar::Says(text) => format!("says \"{text}\""),
        }
    }
}
