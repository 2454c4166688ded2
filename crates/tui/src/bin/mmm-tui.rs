//! `mmm-tui`: the live console. Flags, the log file, the form of the screen; the work is in the
//! library.
#![allow(clippy::print_stderr, clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::{CommandFactory as _, Parser, ValueEnum};
use mmm_tui::app::Setup;
use mmm_tui::control::manual::CONSOLE;
use mmm_tui::shell::demo::Demo;
use mmm_tui::shell::target::{Endpoint, TargetArgs};
use mmm_tui::shell::{clock, manual, run, terminal};

/// Shows an MMM cluster live and moves its roles by keys. ? lists the keys.
#[derive(Parser, Debug)]
#[command(name = "mmm-tui", version)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Show a simulated cluster instead: nothing to install, nothing to configure
    #[arg(long, conflicts_with_all = ["config", "socket", "connect", "ssh", "cluster"])]
    demo: bool,
    /// Look only
    #[arg(long)]
    read_only: bool,
    /// Draw with ASCII only [default: unless the locale is UTF-8]
    #[arg(long)]
    ascii: bool,
    /// When to use colour; NO_COLOR switches it off too
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// For a slow line: draw at most once a second unless a key is pressed
    #[arg(long)]
    slow: bool,
    /// Write a log of the link and of errors to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The cluster
    #[arg(value_name = "@CLUSTER")]
    cluster: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

fn main() -> ExitCode {
    if let Some(ended) = manual::asked(&CONSOLE, Args::command) {
        return ended;
    }
    let mut args = Args::parse();
    let cluster = args.cluster.clone();
    if !terminal::usable() {
        return usage("this needs a terminal; without one use `mmm-control show`");
    }
    // Ends with this program, however that ends.
    let demo = match args.demo.then(Demo::start).transpose() {
        Ok(demo) => demo,
        Err(why) => {
            eprintln!("mmm-tui: {why}");
            return ExitCode::from(1);
        }
    };
    if let Some(demo) = &demo {
        args.target.socket = Some(demo.socket().to_owned());
    }
    let target =
        match args.target.target(cluster.as_deref().map(|name| name.trim_start_matches('@'))) {
            Ok(target) => target,
            Err(why) => return usage(&why),
        };
    if let Some(file) = &args.log
        && let Err(error) = log_to(file)
    {
        return usage(&format!("cannot log to {}: {error}", file.display()));
    }
    let setup = Setup {
        target: match target.endpoints.first() {
            _ if args.demo => "simulated".to_owned(),
            Some(Endpoint::Unix(_)) | None => "local".to_owned(),
            Some(Endpoint::Tcp(addr)) => addr.clone(),
            Some(Endpoint::Ssh(place)) => place.to_string(),
        },
        read_only: args.read_only,
        slow: args.slow,
        zone: clock::zone(),
        ascii: args.ascii || !utf8(),
        color: match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !set("NO_COLOR"),
        },
    };
    match run::run(target, setup) {
        Ok(exit) => ExitCode::from(exit),
        Err(error) => {
            eprintln!("mmm-tui: the terminal cannot be used: {error}");
            ExitCode::from(1)
        }
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("mmm-tui: {why}");
    ExitCode::from(2)
}

fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether the locale says UTF-8: the first of these that is set decides.
fn utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find(|name| set(name))
        .and_then(|name| std::env::var(name).ok())
        .is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
}

/// Logs to a file that only its owner reads, and to nothing else: the terminal belongs to the
/// screen.
fn log_to(file: &PathBuf) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}
