//! `mmm-matrix`: plays every fault on real clusters and writes the table. The command line only;
//! rows, bars and figures are the library's.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use lab::matrix::bed::Bed;
use lab::matrix::judge::Run;
use lab::matrix::page::{self, Place, Results};
use lab::matrix::{self, Row};
use lab::rights;
use lab::stop::Stop;
use lab::wait::pass as pass_time;

/// Every fault in turn on real clusters: what clients saw, and whether the bars hold (exit 1 when
/// one does not).
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Rows to play, with commas between; a name that ends in `*` stands for all that begin so.
    #[arg(long, default_value = "*")]
    rows: String,
    /// How often each.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Decides when within a heartbeat each fault begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the page.
    #[arg(long)]
    page: Option<PathBuf>,
    /// A sentence about the machine, for the page.
    #[arg(long, default_value = "")]
    machine: String,
    /// A cluster that did not get well by itself is kept for so many seconds, to be looked at.
    #[arg(long, default_value_t = 0)]
    hold: u64,
    /// Name the rows and end.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mmm-matrix: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(words: &str) -> Result<Vec<&'static Row>> {
    let all = matrix::all();
    let mut rows: Vec<&'static Row> = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let fits = |row: &&&'static Row| match word.strip_suffix('*') {
            Some(start) => row.name.starts_with(start),
            None => row.name == word,
        };
        let found: Vec<_> = all.iter().filter(fits).copied().collect();
        if found.is_empty() {
            let names: Vec<&str> = all.iter().map(|row| row.name).collect();
            bail!("--rows: there is no row {word:?}; there are: {}", names.join(", "));
        }
        rows.extend(found);
    }
    if rows.is_empty() {
        bail!("--rows names no row; `--list` shows them");
    }
    Ok(rows)
}

fn run(args: &Args) -> Result<bool> {
    let rows = chosen(&args.rows)?;
    if args.list {
        rows.iter().for_each(|row| println!("{:26} {}", row.name, row.what));
        return Ok(true);
    }
    rights::ensure()?;
    let stop = Stop::on_signals()?;
    let began = Instant::now();
    let mut all: Vec<Results> = rows.iter().map(|row| Results { row, runs: Vec::new() }).collect();
    for pass in 1..=args.runs {
        play_all(&mut all, pass, args, &stop)?;
        // After each pass: what is there is not lost when the next is broken off.
        if let Some(path) = &args.page {
            let text = page::page(&all, &place(args, began)?);
            std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        }
        if stop.is_set() {
            bail!("broken off in pass {pass}");
        }
    }
    for results in &all {
        println!("{}", page::line(results));
    }
    let broken = page::broken(&all);
    broken.iter().for_each(|line| println!("BROKEN {line}"));
    let took = began.elapsed().as_secs();
    println!("{} rows, {} runs each, {} bars broken, {took} s", all.len(), args.runs, broken.len());
    Ok(broken.is_empty())
}

/// Every row once; a new cluster for the pass, and after whatever left one that is not well.
fn play_all(all: &mut [Results], pass: usize, args: &Args, stop: &Stop) -> Result<()> {
    let seed = args.seed.wrapping_mul(1000).wrapping_add(pass as u64);
    let mut bed: Option<Bed> = None;
    for results in all {
        if stop.is_set() {
            break;
        }
        let here = match &mut bed {
            Some(bed) => bed,
            empty => empty.insert(Bed::up(seed)?),
        };
        let began = Instant::now();
        let run = match here.play(results.row) {
            Ok(run) => run,
            Err(error) => {
                if args.hold > 0 {
                    println!("{} is kept for {} s: {error:#}", here.lab().id(), args.hold);
                    pass_time(Duration::from_secs(args.hold));
                }
                bed.take().map(Bed::down).transpose()?;
                Run { broken: vec![format!("{error:#}")], ..Run::default() }
            }
        };
        println!(
            "pass {pass} {:26} gap {:>5} ms, two accepting {} ms, lost {}, {:.1} s{}",
            results.row.name,
            run.figures.gap.as_millis(),
            run.figures.two_accepting.as_millis(),
            run.figures.lost,
            began.elapsed().as_secs_f64(),
            if run.broken.is_empty() { "" } else { ", BROKEN" },
        );
        run.notes.iter().for_each(|note| println!("       {note}"));
        run.broken.iter().for_each(|line| println!("       BROKEN {line}"));
        results.runs.push(run);
    }
    bed.map(Bed::down).transpose().map(drop)
}

fn place(args: &Args, began: Instant) -> Result<Place> {
    let words = |program: &str, args: &[&str]| -> Result<String> {
        let path = rights::find(program).with_context(|| format!("no `{program}`"))?;
        let out = Command::new(path).args(args).output().context(program.to_owned())?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let server = words("mariadbd", &["--version"])?;
    let server = server.split_once("Ver ").map_or(server.as_str(), |(_, rest)| rest);
    let server = server.split_whitespace().next().unwrap_or_default();
    let more = if args.machine.is_empty() { String::new() } else { format!("; {}", args.machine) };
    Ok(Place {
        date: words("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
        machine: format!("{cores} cores, {}{more}", words("uname", &["-srm"])?),
        versions: format!("mmm {} (debug build), MariaDB {server}", env!("CARGO_PKG_VERSION")),
        seed: args.seed,
        took: began.elapsed(),
    })
}
