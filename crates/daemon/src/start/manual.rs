//! Prints what `--generate` asks for: the daemons' manual pages and shell completions.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Command;
use mmm_proto::manual::{self, Page};

/// What `mmm-mond`'s page says besides its command line.
pub const MONITOR: Page = Page {
    section: "8",
    exits: &[
        ("0", "ended as told; with --check: the configuration can be used"),
        ("1", "could not start or go on"),
        ("2", "wrong usage or configuration"),
    ],
    files: &[
        ("/etc/mysql-mmm/mmm_mon.toml", "its configuration; else the original's mmm_mon.conf"),
        ("/etc/mysql-mmm/mmm_common.toml", "what all hosts share, included by it"),
        ("/run/mysql-mmm/mmm_mond.sock", "where consoles connect: root and group mmm may act"),
        ("/var/lib/mysql-mmm/mmm_mond.status", "what it decided, over restarts"),
    ],
    variables: &[],
    more: None,
    see: &["mmm-agentd(8)", "mmm-control(1)", "mmm-tui(1)"],
    names: None,
};

/// What `mmm-agentd`'s page says besides its command line.
pub(super) const AGENT: Page = Page {
    section: "8",
    exits: &[
        ("0", "ended as told; with --check: nothing is bad; fence: verified, or nothing to do"),
        ("1", "could not start or go on; with --check: something is bad; fence: refused"),
        ("2", "wrong usage or configuration"),
        ("5", "fence: not verified, what is printed may still be so"),
    ],
    files: &[
        ("/etc/mysql-mmm/mmm_agent.toml", "its configuration; else the original's mmm_agent.conf"),
        ("/etc/mysql-mmm/mmm_common.toml", "what all hosts share, included by it"),
        ("/var/lib/mysql-mmm/mmm_agentd.json", "what must survive a restart"),
    ],
    variables: &[],
    more: None,
    see: &["mmm-mond(8)", "mmm-control(1)", "mmm-tui(1)"],
    names: None,
};

/// Answers the command line if it asks for a page or a completion.
pub fn generate(page: &Page, command: impl FnOnce() -> Command) -> Option<ExitCode> {
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
