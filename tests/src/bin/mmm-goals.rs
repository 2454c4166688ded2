//! `mmm-goals`: prints the console's figures beside its goals. The measuring is in the library.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]
use std::process::ExitCode;

use anyhow::{Context, Result};
use lab::goals::{Effort, Figure, measure, table};
use lab::page;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let short = args.iter().any(|arg| arg == "--short");
    let figures = measure(if short { Effort::SHORT } else { Effort::FULL })?;
    let table = table(&figures);
    print!("{table}");
    if let Some(at) = args.iter().position(|arg| arg == "--write") {
        let file = args.get(at + 1).context("--write FILE")?;
        let build = if cfg!(debug_assertions) { "not optimised" } else { "optimised" };
        let machine = format!("{} processors, programs {build}", processors());
        page::replace(file.as_ref(), "goals", &format!("Measured on {machine}.\n\n{table}"))?;
    }
    Ok(if figures.iter().all(Figure::met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
