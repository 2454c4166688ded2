//! The agent's three ways to run: its supervisor, the worker that the supervisor starts, and the
//! fence.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use mmm_proto::{Span, Time};

use super::{Flags, examine, load, log_settings, manual, run_to_end};
use crate::agentd::fencing::{self, Request};
use crate::agentd::supervisor::{self, Settings, Signals};
use crate::agentd::worker::{self, End};
use crate::agentd::{NAME, roster, store};
use crate::clock::Clock;
use crate::config::{self, Config, Program};
use crate::core::Now;
use crate::core::agent::Kept;
use crate::core::supervisor::Standing;
use crate::log::{self, LogSettings};

const FENCE_CODES: &str = "Exit codes: 0 fenced and verified, or nothing to do; 1 refused, \
    nothing was touched; 2 wrong usage or configuration; 5 not verified: what is printed may still \
    be so.";

const ABOUT: &str = "Does on a database host what the monitor decides, and fences it when the \
    monitor is silent";

/// The command line of `mmm-agentd`.
#[derive(Debug, Parser)]
#[command(name = NAME, version, about = ABOUT, args_conflicts_with_subcommands = true)]
struct Agent {
    #[command(flatten)]
    flags: Flags,
    /// For the agent itself: its first process starts a second one with it.
    #[arg(long, hide = true)]
    worker: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take the writer role off this host: refuse new connections, set read_only, end the client
    /// sessions, verify, remove the exclusive VIPs. Needs no agent, no monitor and no peer.
    #[command(after_help = FENCE_CODES)]
    Fence(Fence),
}

#[derive(Debug, Args)]
struct Fence {
    /// Do nothing if this host does not hold the writer role, an agent runs here, or systemd is
    /// about to start one that can go on. For `ExecStopPost=`.
    #[arg(long)]
    if_needed: bool,
    /// Also when an agent runs here: its worker is killed first.
    #[arg(long, conflicts_with = "if_needed")]
    force: bool,
    /// How long it may take, such as 500ms or 3s; by default what is left of the permission, 1 to
    /// 10 s. A server that is not read-only half-way is killed (fence_escalation).
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    limit: Option<Duration>,
    /// Wait until then: milliseconds of CLOCK_BOOTTIME.
    #[arg(long, hide = true)]
    not_before: Option<u64>,
    /// The configuration file: TOML, or the original's form if its name ends in .conf.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The cluster, if there are several: its file is mmm_agent_CLUSTER.
    #[arg(value_name = "@CLUSTER", value_parser = super::cluster, conflicts_with = "config")]
    cluster: Option<String>,
}

/// Runs `mmm-agentd` by its command line. Exit codes: 0 ended as told, 1 could not start or go on,
/// 2 wrong usage or configuration; those of the fence are in its help.
pub fn agent() -> ExitCode {
    let full = || Agent::command().disable_help_subcommand(true);
    if let Some(ended) = manual::generate(&manual::AGENT, full) {
        return ended;
    }
    let line = Agent::parse();
    match (line.command, line.worker) {
        (Some(Command::Fence(fence)), _) => run_fence(fence),
        (None, true) => run_worker(&line.flags),
        (None, false) => run_supervisor(line.flags),
    }
}

fn run_supervisor(flags: Flags) -> ExitCode {
    let (path, loaded) = match load(&flags, Program::Agent, "mmm_agent") {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let config = loaded.config;
    if let Some(what) = &flags.check {
        print!("{}", config::describe(&config, Program::Agent));
        return if what == "all" { examine(&config) } else { ExitCode::SUCCESS };
    }
    let cannot = |why: String| {
        eprintln!("{why}");
        ExitCode::from(1)
    };
    let standing = match standing(&config) {
        Ok(standing) => standing,
        Err(error) => return cannot(format!("{error:#}")),
    };
    // Before the log, whose thread must not be the one that a signal ends.
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => return cannot(format!("cannot take over signals: {error}")),
    };
    let log = log::start(&LogSettings { lossy: true, ..log_settings(&flags, &config) });
    let _guard = match log {
        Ok(guard) => guard,
        Err(why) => return cannot(format!("cannot start the log: {why}")),
    };
    // What is needed from here on is little.
    let watchdog = config.watchdog_device.clone();
    drop(config);
    let settings = Settings { config: path, log_level: flags.log_level, standing, watchdog };
    supervisor::run(settings, &signals)
}

/// What the disk says about the writer role.
fn standing(config: &Config) -> anyhow::Result<Standing> {
    let (_, kept) = store::open::<Kept>(&config.state_path)?;
    let boot_id = Clock.boot_id().map_err(anyhow::Error::msg)?;
    let now = Now { boot: Clock.now(), wall: Clock.wall() };
    Ok(Standing::of(kept.as_ref(), &roster::roster(config)?, &boot_id, now))
}

fn run_worker(flags: &Flags) -> ExitCode {
    // It was started under the name of a link.
    if let Ok(name) = std::ffi::CString::new(NAME) {
        let _ = nix::sys::prctl::set_name(&name);
    }
    if let Err(error) = Signals::give_back() {
        eprintln!("cannot take signals back: {error}");
        return ExitCode::from(1);
    }
    // The supervisor has told the warnings.
    let (path, loaded) = match load(flags, Program::Agent, "mmm_agent") {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let settings = log_settings(flags, &loaded.config);
    let mut end = End::Told;
    let code = run_to_end(&settings, || {
        let end = &mut end;
        async move {
            *end = worker::run(loaded.config).await?;
            Ok(())
        }
    });
    match end {
        End::Told => code,
        End::Orphaned { fence_at: None } => ExitCode::from(1),
        End::Orphaned { fence_at: Some(at) } => {
            let error = supervisor::become_a_fence(&path, at);
            eprintln!(
                "cannot mind the role by a fence: {error}; the kernel drops the VIPs in time"
            );
            ExitCode::from(1)
        }
    }
}

fn run_fence(fence: Fence) -> ExitCode {
    if let Ok(name) = std::ffi::CString::new(NAME) {
        let _ = nix::sys::prctl::set_name(&name);
    }
    // The supervisor does not take signals for it.
    let _ = Signals::give_back();
    let flags = Flags { config: fence.config, cluster: fence.cluster, ..Flags::default() };
    let loaded = match load(&flags, Program::Agent, "mmm_agent") {
        Ok((_, loaded)) => loaded,
        Err(code) => return code,
    };
    let request = Request {
        if_needed: fence.if_needed || fence.not_before.is_some(),
        force: fence.force,
        limit: fence.limit.map(Span::from),
        not_before: fence.not_before.map(Time),
    };
    let mut outcome = fencing::Outcome::Failed;
    let settings = LogSettings { level: "warn".to_owned(), ..LogSettings::default() };
    let code = run_to_end(&settings, || {
        let outcome = &mut outcome;
        async move {
            // A pipe that nobody reads stops no fence.
            let say = |line: String| drop(writeln!(std::io::stdout(), "fence: {line}"));
            *outcome = fencing::fence(&loaded.config, &request, say).await;
            Ok(())
        }
    });
    if code == ExitCode::SUCCESS { ExitCode::from(outcome as u8) } else { code }
}
