//! `mmm-tui`: the live console. Flags and the form of the screen; the work is in the library.
#![allow(clippy::print_stderr, clippy::disallowed_methods, clippy::disallowed_types)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, ValueEnum};
use mmm_proto::conf;
use mmm_tui::app::Setup;
use mmm_tui::app::clusters::Cluster;
use mmm_tui::control::manual::CONSOLE;
use mmm_tui::shell::clusters::Entry;
use mmm_tui::shell::demo::Demo;
use mmm_tui::shell::target::{Endpoint, Target, TargetArgs};
use mmm_tui::shell::{clock, clusters, log, manual, run, terminal};

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
    /// Write a log of the link and of errors to this file; at 5 MB it becomes FILE.1
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
    let named = cluster.as_deref().map(|name| name.trim_start_matches('@'));
    let Found { target, others, clusters, chosen, warning } = match find(&args, named) {
        Ok(found) => found,
        Err(why) => return usage(&why),
    };
    if let Some(file) = &args.log
        && let Err(error) = log::to(file)
    {
        return usage(&format!("cannot log to {}: {error}", file.display()));
    }
    let setup = Setup {
        target: match target.endpoints.first() {
            _ if chosen.is_some() => whereto(&clusters, chosen),
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
        clusters,
        chosen,
        warning,
    };
    match run::run(target, others, setup) {
        Ok(exit) => ExitCode::from(exit),
        Err(error) => {
            eprintln!("mmm-tui: the terminal cannot be used: {error}");
            ExitCode::from(1)
        }
    }
}

/// The monitor to begin with, and those of `tui.toml` with the row that it has there. Without a
/// word on the command line and without settings on this machine it is the first that can be used.
struct Found {
    target: Target,
    others: Vec<Option<Target>>,
    clusters: Vec<Cluster>,
    chosen: Option<usize>,
    warning: String,
}

fn find(args: &Args, named: Option<&str>) -> Result<Found, String> {
    let (entries, warning) = match clusters::read() {
        _ if args.demo => Default::default(),
        Ok(entries) => (entries, String::new()),
        // Who says where the monitor is needs no list, but will miss it.
        Err(why) if args.target.direct() => {
            (Vec::new(), format!("no other clusters to choose from: {why}"))
        }
        Err(why) => return Err(why),
    };
    let mut shown: Vec<Cluster> = entries.iter().map(|entry| entry.shown.clone()).collect();
    let mut others = Vec::new();
    for (cluster, target) in shown.iter_mut().zip(entries.iter().map(Entry::target)) {
        // One that cannot be used must not keep a person from the others.
        others.push(target.map_err(|why| cluster.off = why).ok());
    }
    let local = || conf::default_files("mmm_mon", None).iter().any(|file| file.exists());
    let chosen = match named {
        _ if args.target.direct() => None,
        Some(name) => shown.iter().position(|cluster| cluster.name == name),
        None if !local() => others.iter().position(Option::is_some),
        None => None,
    };
    let target = match chosen {
        Some(row) => others[row].clone().ok_or_else(|| shown[row].off.clone())?,
        None => args.target.target(named)?,
    };
    Ok(Found { target, others, clusters: shown, chosen, warning })
}

fn whereto(clusters: &[Cluster], chosen: Option<usize>) -> String {
    let cluster = chosen.and_then(|row| clusters.get(row));
    cluster.map_or_else(String::new, |cluster| cluster.whereto.clone())
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
