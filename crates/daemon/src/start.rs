//! What both daemons do before their own work: the command line, the configuration, the log, the
//! runtime. The only room of the daemons that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::config::{self, Config, Program};
use crate::log::{self, LogSettings};
use crate::sim::demo::{self, DemoFlags};

/// The command line of a daemon.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Flags {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the configuration, print what will be used, and end.
    #[arg(long)]
    pub check: bool,
    /// Log level (error, warn, info, debug, trace), instead of the configuration's.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// Runs a daemon to its end. Exit codes: 0 ended as told, 1 could not start or go on, 2 wrong usage
/// or configuration.
pub fn start<F>(
    flags: Flags,
    program: Program,
    default: &str,
    run: impl FnOnce(Config) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let path = flags.config.clone().unwrap_or_else(|| Path::new(default).to_owned());
    let loaded = match config::load(&path, program) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::from(2);
        }
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    if flags.check {
        print!("{}", config::describe(&loaded.config, program));
        return ExitCode::SUCCESS;
    }
    let level = flags.log_level.unwrap_or_else(|| loaded.config.log_level.word().to_owned());
    let settings = LogSettings { level, file: loaded.config.log_path.clone(), json: false };
    run_to_end(&settings, || run(loaded.config))
}

/// Runs `mmm-mond demo` to its end. Prints where consoles find it. Exit codes as of a daemon.
pub fn demo(flags: &DemoFlags) -> ExitCode {
    let settings = LogSettings { level: flags.log_level.clone(), ..LogSettings::default() };
    let ready = |socket: &Path| {
        let socket = socket.display();
        // The first line is for programs. Nobody may be there to read it, which is no failure.
        let _ = writeln!(
            std::io::stdout(),
            "{socket}\n\nA simulated cluster of {} hosts; nothing of it is real. Try:\n    \
             mmm-tui --socket {socket}\n    mmm-control --socket {socket} demo faults\nCtrl-C ends it.",
            flags.hosts
        );
    };
    run_to_end(&settings, || demo::run(flags, ready))
}

/// Log, runtime, work, and the exit code.
fn run_to_end<F>(settings: &LogSettings, run: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    // Held to the end, so that the last lines are written.
    let _guard = match log::start(settings) {
        Ok(guard) => guard,
        Err(why) => {
            eprintln!("cannot start the log: {why}");
            return ExitCode::from(1);
        }
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("cannot start the runtime: {error}");
                return ExitCode::from(1);
            }
        };
    let ended = runtime.block_on(run());
    // Acts and probes that hang must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            eprintln!("{error:#}");
            ExitCode::from(1)
        }
    }
}
