//! The agent: holds or drops VIPs, sets `read_only`, re-points replication, fences itself.

use std::process::ExitCode;

use mmm_daemon::start::agent;

fn main() -> ExitCode {
    agent()
}
