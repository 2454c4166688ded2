//! The monitor: watches the hosts and decides.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use mmm_daemon::sim::demo::DemoFlags;
use mmm_daemon::start::{Flags, demo, import, import_command, manual, monitor};

/// Watches the hosts of a MySQL or MariaDB master pair and decides who holds what
#[derive(Debug, Parser)]
#[command(
    name = "mmm-mond",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "mmm-mond config-import DIR --out DIR translates the original's .conf files"
)]
struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a simulated cluster behind a real socket: nothing to install, nothing to configure
    Demo(DemoFlags),
}

fn main() -> ExitCode {
    let full = || Args::command().subcommand(import_command()).disable_help_subcommand(true);
    if let Some(ended) = manual::generate(&manual::MONITOR, full) {
        return ended;
    }
    if let Some(ended) = import(std::env::args_os()) {
        return ended;
    }
    let args = Args::parse();
    if let Some(Command::Demo(flags)) = &args.command {
        return demo(flags);
    }
    monitor(&args.flags)
}
