//! The agent: holds or drops VIPs, sets `read_only`, re-points replication, fences itself.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use mmm_daemon::config::Program;
use mmm_daemon::start::{Flags, start};

fn main() -> ExitCode {
    let command = Flags::command()
        .name("mmm-agentd")
        .about("Does on a database host what the monitor decides, and fences it when the monitor is silent");
    let flags = command.get_matches();
    let flags = Flags::from_arg_matches(&flags).unwrap_or_else(|error| error.exit());
    start(flags, Program::Agent, "mmm_agent", mmm_daemon::agentd::worker::run)
}
