//! The monitor: watches the hosts and decides.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use mmm_daemon::config::Program;
use mmm_daemon::start::{Flags, start};

fn main() -> ExitCode {
    let command = Flags::command()
        .name("mmm-mond")
        .about("Watches the hosts of a MySQL or MariaDB master pair and decides who holds what");
    let flags = command.get_matches();
    let flags = Flags::from_arg_matches(&flags).unwrap_or_else(|error| error.exit());
    start(flags, Program::Monitor, "/etc/mysql-mmm/mmm_mon.toml", mmm_daemon::mond::worker::run)
}
