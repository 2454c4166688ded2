//! `mmm-lab`: a cluster on this machine to play with. The command line only; the work is done in
//! the library.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use lab::remote::{self, Ear};
use lab::stop::Stop;
use lab::wait::{pass, until};
use lab::{Lab, Options, demo, rights, shots, simulated, sweep};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A real cluster on this machine: MariaDB servers in network namespaces, monitor, agents, client.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring a cluster up and keep it until Ctrl-C, SIGTERM or `mmm-lab down`.
    Up {
        /// Database hosts: two masters, then slaves.
        #[arg(long, default_value_t = 3)]
        servers: usize,
        /// Servers and network only.
        #[arg(long)]
        no_daemons: bool,
        /// No client that writes through the writer's VIP.
        #[arg(long)]
        no_client: bool,
    },
    /// Say what the hosts of a running lab are doing.
    Status {
        /// Which lab, when several are up.
        #[arg(long)]
        lab: Option<String>,
    },
    /// Break something in a running lab, or heal it.
    Fault {
        /// Which lab, when several are up.
        #[arg(long)]
        lab: Option<String>,
        /// What to do.
        #[arg(required = true, value_name = "WORDS", help = remote::FAULTS)]
        words: Vec<String>,
    },
    /// End a running lab.
    Down {
        /// Which lab, when several are up.
        #[arg(long)]
        lab: Option<String>,
    },
    /// Remove what labs left behind that were killed.
    Sweep,
    /// Show the product: the console on a cluster of its own, or text when DEMO_SECONDS is set or
    /// there is no terminal. Without MariaDB or the rights for networks the cluster is simulated.
    Demo,
    /// Write what the console shows on a real cluster: text into DIR/console.md, a recorded session
    /// into DIR/console.svg.
    Shots {
        #[arg(default_value = "docs")]
        dir: PathBuf,
    },
    /// Run a command with the rights over the network that the lab needs, root or not.
    Run {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("mmm-lab: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { servers, no_daemons, no_client } => {
            rights::ensure()?;
            up(servers, !no_daemons, !no_client)
        }
        Command::Status { lab } => {
            print!("{}", remote::ask(lab.as_deref(), &["status".into()])?);
            Ok(())
        }
        Command::Fault { lab, words } => {
            print!("{}", remote::ask(lab.as_deref(), &words)?);
            Ok(())
        }
        Command::Down { lab } => down(lab.as_deref()),
        Command::Sweep => {
            let removed = sweep::sweep()?;
            removed.iter().for_each(|what| println!("removed {what}"));
            println!("{} leftovers of dead labs", removed.len());
            Ok(())
        }
        Command::Demo => match rights::ensure().and_then(|()| rights::check()) {
            Ok(()) => demo::run(),
            Err(why) => simulated::run(&why),
        },
        Command::Shots { dir } => {
            rights::ensure()?;
            shots::run(&dir)
        }
        Command::Run { command } => Err(rights::exec(&command[0], &command[1..])),
    }
}

fn up(servers: usize, daemons: bool, client: bool) -> Result<()> {
    let stop = Stop::on_signals()?;
    let started = Instant::now();
    let lab = Lab::up(&Options { servers, daemons, ..Options::default() })?;
    let ear = Ear::open(&lab)?;
    println!("{} is up after {:.1} s", lab.id(), started.elapsed().as_secs_f64());
    print!("{}", remote::perform(&lab, &["status"])?);
    let writer = if client { Some(lab.start_writer()?) } else { None };
    if let Ok(daemons) = lab.daemons() {
        println!("console:  {}", shown(&daemons.console_command()?));
        println!("commands: {} show", shown(&daemons.control_command(&[])?));
    }
    println!("faults:   mmm-lab fault WORDS, with WORDS one of: {}", remote::FAULTS);
    println!("Ctrl-C ends it.");
    while !stop.is_set() {
        ear.serve(&lab);
        pass(Duration::from_millis(20));
    }
    if let Some(writer) = writer {
        let record = writer.stop()?;
        println!("the client had {} rows acknowledged", record.acks.len());
    }
    lab.down()
}

/// A command line as one would type it.
fn shown(command: &std::process::Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn down(id: Option<&str>) -> Result<()> {
    let folder = remote::find(id)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let pid = sweep::owner_of(&name).context("the name of the lab's folder holds no pid")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)
        .with_context(|| format!("end process {pid}; if it is gone: `mmm-lab sweep`"))?;
    until(&format!("{name} to be removed"), Duration::from_secs(30), || {
        if folder.exists() { Err("its files are there") } else { Ok(()) }
    })
}
