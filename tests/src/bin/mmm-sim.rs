//! `mmm-sim`: the simulation by the thousand. The command line, threads and progress only; the
//! simulation is a part of the daemon's library.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use lab::bugs;
use mmm_daemon::core::bugs::{Bug, with};
use mmm_daemon::sim::{self, Failure, Script};

/// A world is made of small things that come and go: the system's allocator was a sixth of a run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulated clusters in bad weather: both cores against seeded faults, with rules that must hold
/// after every step.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds. Exits with 1 when a rule was broken.
    Run {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Stop after so many minutes.
        #[arg(long)]
        minutes: Option<f64>,
        /// Stop after so many failures.
        #[arg(long, default_value_t = 20)]
        failures: usize,
    },
    /// Run one seed, or a script from a file, and print what happens.
    Replay {
        /// A number or a file.
        what: String,
        /// Orders and acts as well.
        #[arg(long)]
        full: bool,
        /// With a deliberate bug, as `bugs` names them.
        #[arg(long)]
        bug: Option<String>,
    },
    /// Make a failing seed or script as short as it gets, and print what happens in it.
    Shrink {
        /// A number or a file.
        what: String,
        /// Orders and acts as well.
        #[arg(long)]
        full: bool,
    },
    /// Switch on each deliberate bug in turn and say after how many seeds it is found.
    Bugs {
        /// Give up after so many seeds.
        #[arg(long, default_value_t = 4000)]
        limit: u64,
        /// This one only.
        #[arg(long)]
        bug: Option<String>,
    },
    /// Print the script of a seed.
    Script {
        /// The seed.
        seed: u64,
    },
}

fn main() -> ExitCode {
    match go(Args::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mmm-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn go(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run { seeds, from, jobs, minutes, failures } => {
            let limit = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
            let batch = Batch::new(from, seeds, limit, failures);
            Ok(batch.run(jobs.max(1)))
        }
        Command::Replay { what, full, bug } => {
            let bug = bug.map(|name| bug_named(&name)).transpose()?;
            let script = script(&what)?;
            print!("{}", with(bug, || sim::transcript(&script, full)));
            Ok(ExitCode::SUCCESS)
        }
        Command::Shrink { what, full } => {
            let script = script(&what)?;
            let Err(failure) = sim::try_script(&script) else {
                anyhow::bail!("no rule is broken by {what}");
            };
            let short = sim::shrink(&failure);
            print!("{}", sim::transcript(&short.script, full));
            Ok(ExitCode::FAILURE)
        }
        Command::Bugs { limit, bug: None } => Ok(hunt_all(&Bug::ALL, limit)),
        Command::Bugs { limit, bug: Some(name) } => Ok(hunt_all(&[bug_named(&name)?], limit)),
        Command::Script { seed } => {
            print!("{}", sim::weather::script(seed));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn script(what: &str) -> Result<Script> {
    if let Ok(seed) = what.parse() {
        return Ok(sim::weather::script(seed));
    }
    let text = std::fs::read_to_string(Path::new(what))
        .with_context(|| format!("{what} is neither a seed nor a file that can be read"))?;
    Script::parse(&text).map_err(|why| anyhow::anyhow!("{what}: {why}"))
}

fn bug_named(name: &str) -> Result<Bug> {
    let found = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
    found.with_context(|| format!("no bug {name}; they are {:?}", Bug::ALL))
}

fn hunt_all(wanted: &[Bug], limit: u64) -> ExitCode {
    let mut missed = 0;
    println!("{:<16} {:>6} {:>7}  rule that was broken", "bug", "seeds", "allowed");
    for bug in wanted.iter().copied() {
        let name = format!("{bug:?}");
        let row = bugs::CAUGHT.iter().find(|(of, ..)| *of == bug);
        let allowed = row.map_or(0, |(_, within, _)| *within);
        match bugs::hunt(bug, limit).caught {
            Some((seeds, failure)) => {
                let rule = failure.violation.rule;
                println!("{name:<16} {seeds:>6} {allowed:>7}  {rule}");
                missed += u64::from(seeds > allowed);
            }
            None => {
                missed += 1;
                println!("{name:<16} {:>6} {allowed:>7}  none within {limit} seeds", "-");
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Many seeds over some threads.
struct Batch {
    next: AtomicU64,
    done: AtomicU64,
    ms: AtomicU64,
    steps: AtomicU64,
    from: u64,
    end: u64,
    began: Instant,
    limit: Option<Duration>,
    enough: usize,
    stop: AtomicBool,
    failures: Mutex<Vec<Failure>>,
}

impl Batch {
    fn new(from: u64, seeds: u64, limit: Option<Duration>, enough: usize) -> Self {
        Self {
            next: AtomicU64::new(from),
            done: AtomicU64::new(0),
            ms: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            from,
            end: from.saturating_add(seeds),
            began: Instant::now(),
            limit,
            enough: enough.max(1),
            stop: AtomicBool::new(false),
            failures: Mutex::new(Vec::new()),
        }
    }

    fn run(&self, jobs: usize) -> ExitCode {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(|| self.work())).collect();
            let terminal = std::io::stderr().is_terminal();
            while workers.iter().any(|worker| !worker.is_finished()) {
                std::thread::park_timeout(Duration::from_millis(200));
                if terminal {
                    eprint!("\r\x1b[K{}", self.progress());
                }
            }
            if terminal {
                eprint!("\r\x1b[K");
            }
        });
        self.summary()
    }

    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end || self.limit.is_some_and(|limit| self.began.elapsed() > limit) {
                return;
            }
            match sim::run(seed) {
                Ok(stats) => {
                    self.ms.fetch_add(stats.simulated.as_ms(), Ordering::Relaxed);
                    self.steps.fetch_add(stats.steps, Ordering::Relaxed);
                }
                Err(failure) => self.failed(*failure),
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn failed(&self, failure: Failure) {
        println!("{failure}");
        println!("  replay: mmm-sim replay {}", failure.script.seed);
        let mut failures = self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.push(failure);
        if failures.len() >= self.enough {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn hours(&self) -> f64 {
        self.ms.load(Ordering::Relaxed) as f64 / 3_600_000.0
    }

    fn progress(&self) -> String {
        let (done, all) = (self.done.load(Ordering::Relaxed), self.end - self.from);
        let past = self.began.elapsed().as_secs_f64();
        let rate = self.hours() / (past / 60.0).max(1e-6);
        let left = past / (done as f64).max(1.0) * (all.saturating_sub(done)) as f64;
        let left = self.limit.map_or(left, |limit| left.min(limit.as_secs_f64() - past)).max(0.0);
        format!("{done} of {all} seeds, {rate:.0} cluster-hours a minute, {left:.0} s left")
    }

    fn summary(&self) -> ExitCode {
        let past = self.began.elapsed().as_secs_f64();
        let failures = self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        println!(
            "{} seeds from {}, {:.1} simulated cluster-hours, {} steps in {past:.1} s: \
             {:.0} cluster-hours a minute, {} violations",
            self.done.load(Ordering::Relaxed),
            self.from,
            self.hours(),
            self.steps.load(Ordering::Relaxed),
            self.hours() / (past / 60.0).max(1e-6),
            failures.len()
        );
        if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
