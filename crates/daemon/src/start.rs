//! What both daemons do before their own work: the command line, the configuration, the log, the
//! runtime. The only room of the daemons that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod agent;
pub mod manual;

use std::ffi::OsString;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser};
use mmm_proto::conf;

use crate::agentd::doctor::{self, Subject};
use crate::config::{self, Config, Program};
use crate::log::{self, LogSettings};
use crate::sim::demo::{self, DemoFlags};
pub use agent::agent;

/// The command line of a daemon.
#[derive(Debug, Default, Parser)]
#[command(version)]
pub struct Flags {
    /// The configuration file: TOML, or the original's form if its name ends in .conf.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the configuration and, for the agent, this machine and its server; print what will be
    /// used and what was found, and end. `--check=config` looks at the files only.
    #[arg(
        long, value_name = "WHAT", num_args = 0..=1, require_equals = true,
        default_missing_value = "all", value_parser = ["all", "config"]
    )]
    pub check: Option<String>,
    /// Log level (error, warn, info, debug, trace), instead of the configuration's.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// The cluster, if there are several: its file is mmm_mon_CLUSTER or mmm_agent_CLUSTER.
    #[arg(value_name = "@CLUSTER", value_parser = cluster, conflicts_with = "config")]
    pub cluster: Option<String>,
}

/// The word behind `@`.
fn cluster(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('@').ok_or("a cluster is written @NAME")?;
    let name = mmm_proto::ClusterName::parse(name).map_err(|error| error.to_string())?;
    Ok(name.as_str().to_owned())
}

impl Flags {
    /// The file to read: the one that is named, else the first of the usual ones that is there.
    fn file(&self, stem: &str) -> PathBuf {
        if let Some(file) = &self.config {
            return file.clone();
        }
        let usual = conf::default_files(stem, self.cluster.as_deref());
        let Some(found) = usual.iter().find(|path| path.exists()) else {
            return usual.first().cloned().unwrap_or_default();
        };
        if conf::is_conf(found) {
            eprintln!("reading {}: there is no {}", found.display(), usual[0].display());
        }
        found.clone()
    }
}

/// The file and what it says; the exit code where it cannot be read.
fn load(
    flags: &Flags,
    program: Program,
    stem: &str,
) -> Result<(PathBuf, config::Loaded), ExitCode> {
    let path = flags.file(stem);
    match config::load(&path, program) {
        Ok(loaded) => Ok((path, loaded)),
        Err(report) => {
            eprintln!("{report}");
            Err(ExitCode::from(2))
        }
    }
}

fn log_settings(flags: &Flags, config: &Config) -> LogSettings {
    let level = flags.log_level.clone().unwrap_or_else(|| config.log_level.word().to_owned());
    LogSettings { level, file: config.log_path.clone(), ..LogSettings::default() }
}

/// Runs the monitor to its end. Exit codes: 0 ended as told, 1 could not start or go on, 2 wrong
/// usage or configuration.
pub fn monitor(flags: &Flags) -> ExitCode {
    let loaded = match load(flags, Program::Monitor, "mmm_mon") {
        Ok((_, loaded)) => loaded,
        Err(code) => return code,
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    if flags.check.is_some() {
        print!("{}", config::describe(&loaded.config, Program::Monitor));
        return ExitCode::SUCCESS;
    }
    let settings = log_settings(flags, &loaded.config);
    run_to_end(&settings, || crate::mond::worker::run(loaded.config))
}

/// Looks at the machine that the agent is to run on. Exit codes: 0 nothing is bad, 1 something is.
fn examine(config: &Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::from(1);
        }
    };
    let findings = runtime.block_on(doctor::examine(Arc::new(Subject::new(config))));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    print!("\n{}", mmm_proto::doctor::text(&findings));
    ExitCode::from(u8::from(!mmm_proto::doctor::healthy(&findings)))
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

/// The command line of `mmm-mond config-import`.
#[derive(Debug, Parser)]
#[command(version, override_usage = "mmm-mond config-import DIR --out DIR [--force]")]
struct Import {
    /// The folder of the original's files: mmm_common.conf, mmm_agent.conf, mmm_mon.conf ...
    dir: PathBuf,
    /// Where to write the TOML files.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

/// The command line of `config-import`, for the manual page: it is parsed apart.
pub fn import_command() -> clap::Command {
    let about = "Translate the original's .conf files into TOML";
    Import::command().name("config-import").about(about)
}

/// Translates the original's files, if that is what the command line asks for: `config-import DIR
/// --out DIR [--force]`. Exit codes: 0 written, 1 nothing written, 2 wrong usage.
pub fn import(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    words.next()?;
    if words.next()? != "config-import" {
        return None;
    }
    let import = match Import::try_parse_from(std::iter::once("mmm-mond".into()).chain(words)) {
        Ok(import) => import,
        Err(error) => {
            // A closed pipe is no failure.
            let _ = error.print();
            return Some(ExitCode::from(if error.use_stderr() { 2 } else { 0 }));
        }
    };
    let imported = match config::import(&import.dir, &import.out, import.force) {
        Ok(imported) => imported,
        Err(refused) => {
            eprintln!("{refused}\nnothing was written");
            return Some(ExitCode::from(1));
        }
    };
    for (from, to) in &imported.written {
        println!("wrote {} from {}", to.display(), from.display());
    }
    println!("\nTo review:");
    for (number, point) in (1..).zip(&imported.review) {
        println!("{number:3}. {point}");
    }
    Some(ExitCode::SUCCESS)
}
