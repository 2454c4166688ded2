//! `mmm-goals`: prints the console's figures beside its goals. The measuring is in the library.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]
use std::process::ExitCode;

use anyhow::Result;
use lab::goals::{Effort, Figure, measure, table};

fn main() -> Result<ExitCode> {
    let effort =
        if std::env::args().any(|arg| arg == "--short") { Effort::SHORT } else { Effort::FULL };
    let figures = measure(effort)?;
    print!("{}", table(&figures));
    Ok(if figures.iter().all(Figure::met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
