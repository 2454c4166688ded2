//! Prints what `--generate` asks for, and gives the exit code.
#![allow(clippy::print_stderr)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Command;
use mmm_proto::manual::{self, Page};

/// Answers the command line if it asks for a page or a completion.
pub fn asked(page: &Page, command: impl FnOnce() -> Command) -> Option<ExitCode> {
    match manual::asked(std::env::args_os(), command, page)? {
        Ok(text) => {
            // A reader who left early is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Some(ExitCode::SUCCESS)
        }
        Err(why) => {
            eprintln!("{why}");
            Some(ExitCode::from(2))
        }
    }
}
