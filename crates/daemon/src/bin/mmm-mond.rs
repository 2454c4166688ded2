//! The monitor: watches the hosts and decides.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use mmm_daemon::config::Program;
use mmm_daemon::start::{Flags, import, start};

fn main() -> ExitCode {
    if let Some(ended) = import(std::env::args_os()) {
        return ended;
    }
    let command = Flags::command()
        .name("mmm-mond")
        .about("Watches the hosts of a MySQL or MariaDB master pair and decides who holds what")
        .after_help("mmm-mond config-import DIR --out DIR translates the original's .conf files");
    let flags = command.get_matches();
    let flags = Flags::from_arg_matches(&flags).unwrap_or_else(|error| error.exit());
    start(flags, Program::Monitor, "mmm_mon", mmm_daemon::mond::worker::run)
}
