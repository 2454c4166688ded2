//! What the console costs and how quick it is, measured in a real terminal against a real
//! `mmm-mond demo`, beside what is wanted.
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::daemons::binary;
use crate::meter::{Line, Meter};
use crate::simulated::Played;
use crate::wait::{pass, until};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was measured, and what is wanted.
#[derive(Debug, Clone)]
pub struct Figure {
    pub what: &'static str,
    pub value: f64,
    pub goal: f64,
    pub unit: &'static str,
}

impl Figure {
    /// Whether the goal is met.
    pub fn met(&self) -> bool {
        self.value <= self.goal
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit;
        let digits = usize::from(self.value < 10.0) * (1 + usize::from(self.value < 1.0));
        let met = if self.met() { "yes" } else { "no" };
        write!(
            f,
            "| {} | {:.digits$} {unit} | {} {unit} | {met} |",
            self.what, self.value, self.goal
        )
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub starts: u32,
    pub keys: u32,
    pub idle: Duration,
}

impl Effort {
    /// For the table in the docs.
    pub const FULL: Self = Self { starts: 50, keys: 500, idle: Duration::from_secs(30) };
    /// For the suite.
    pub const SHORT: Self = Self { starts: 5, keys: 40, idle: Duration::from_secs(5) };
}

/// The table of all figures.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| what | measured | goal | met |\n| --- | --- | --- | --- |\n");
    for figure in figures {
        text.push_str(&format!("{figure}\n"));
    }
    text
}

/// Measures everything.
pub fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    starts(effort, &mut all).context("starts")?;
    still(effort, &mut all).context("nothing changing")?;
    ticking(effort, &mut all).context("five lags ticking")?;
    keys(effort, (80, 24), &mut all).context("keys, 80x24")?;
    keys(effort, (160, 45), &mut all).context("keys, 160x45")?;
    ends(&mut all).context("events and ends")?;
    slow(effort, &mut all).context("a slow line")?;
    Ok(all)
}

fn open(demo: &Played, size: (u16, u16), line: Line) -> Result<Meter> {
    let socket = demo.socket();
    let args = ["--ascii", "--socket", socket.to_str().context("a path in UTF-8")?];
    Meter::open(&binary("mmm-tui")?, &args, &[("TZ", "UTC")], size, line)
}

fn live(meter: &Meter) -> Result<Instant> {
    meter.wait("a live picture", PATIENCE, |screen| screen.contains(" LIVE"))
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// The value below which so many hundredths are.
fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * hundredths / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

fn starts(effort: Effort, all: &mut Vec<Figure>) -> Result<()> {
    let demo = Played::start(&[])?;
    let (mut first, mut lives) = (Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let meter = open(&demo, (80, 24), Line::default())?;
        let any = |screen: &str| screen.contains("CONNECTING") || screen.contains(" LIVE");
        let frame = meter.wait("a frame", PATIENCE, any)?;
        first.push(ms(frame - meter.started()));
        lives.push(ms(live(&meter)? - meter.started()));
    }
    let value = percentile(&mut first, 99);
    all.push(Figure { what: "start to first frame, p99", value, goal: 50.0, unit: "ms" });
    let value = percentile(&mut lives, 99);
    all.push(Figure { what: "start to LIVE, p99", value, goal: 300.0, unit: "ms" });
    Ok(())
}

/// The time that all threads of a process ran on a processor.
fn ran(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("the threads")?.flatten() {
        // A thread that ended meanwhile has no more to say.
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// Kilobytes of memory that a process has in use.
fn resident(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("its memory")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kb.context("no VmRSS in its status")
}

/// Bytes a second and hundredths of a processor over `time`.
fn idle(meter: &Meter, time: Duration) -> Result<(f64, f64)> {
    // The first pictures are not idle.
    pass(Duration::from_secs(2));
    let (before, ran_before, begun) = (meter.count(), ran(meter.pid()?)?, Instant::now());
    pass(time);
    let took = begun.elapsed().as_secs_f64();
    let bytes = (meter.count() - before) as f64 / took;
    let cpu = (ran(meter.pid()?)? - ran_before).as_secs_f64() / took * 100.0;
    Ok((bytes, cpu))
}

/// A cluster of whose hosts none changes: its time hardly passes.
fn still(effort: Effort, all: &mut Vec<Figure>) -> Result<()> {
    let demo = Played::start(&["--speed", "0.01"])?;
    let meter = open(&demo, (80, 24), Line::default())?;
    live(&meter)?;
    let (bytes, cpu) = idle(&meter, effort.idle)?;
    all.push(Figure { what: "idle, nothing changing", value: bytes, goal: 60.0, unit: "B/s" });
    all.push(Figure { what: "idle, processor", value: cpu, goal: 0.1, unit: "%" });
    let value = resident(meter.pid()?)? / 1024.0;
    all.push(Figure { what: "memory", value, goal: 20.0, unit: "MB" });
    Ok(())
}

/// Five replicas whose lag changes every second.
fn ticking(effort: Effort, all: &mut Vec<Figure>) -> Result<()> {
    let demo = Played::start(&["--hosts", "6", "--speed", "3"])?;
    let meter = open(&demo, (80, 24), Line::default())?;
    live(&meter)?;
    let (bytes, cpu) = idle(&meter, effort.idle)?;
    all.push(Figure { what: "five lags ticking", value: bytes, goal: 300.0, unit: "B/s" });
    all.push(Figure { what: "five lags ticking, processor", value: cpu, goal: 0.5, unit: "%" });
    Ok(())
}

/// Moves the selection down and up, and waits for each to be seen; milliseconds and bytes of each.
fn walk(meter: &mut Meter, presses: u32) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    let selected = |host: &str| {
        let row = format!("> {host} ");
        move |screen: &str| screen.lines().any(|line| line.starts_with(&row))
    };
    meter.keys("g")?;
    meter.wait("the first row", PATIENCE, selected("db1"))?;
    for (key, host) in [("j", "db2"), ("k", "db1")].into_iter().cycle().take(presses as usize) {
        let before = meter.count();
        let pressed = meter.keys(key)?;
        let drawn = meter.wait("the selection to move", PATIENCE, selected(host))?;
        times.push(ms(drawn - pressed));
        bytes.push((meter.count() - before) as f64);
    }
    Ok((times, bytes))
}

fn keys(effort: Effort, size: (u16, u16), all: &mut Vec<Figure>) -> Result<()> {
    let demo = Played::start(&["--hosts", "7"])?;
    let mut meter = open(&demo, size, Line::default())?;
    live(&meter)?;
    let (mut times, mut bytes) = walk(&mut meter, effort.keys)?;
    let full = |meter: &mut Meter| -> Result<f64> {
        let before = meter.count();
        meter.keys("\x0c")?;
        let cleared = |meter: &Meter| meter.bytes(before).windows(4).any(|w| w == b"\x1b[2J");
        until("the screen to be painted again", PATIENCE, || {
            let done = cleared(meter) && meter.bytes(before).ends_with(b"\x1b[?2026l");
            if done { Ok(()) } else { Err(meter.count() - before) }
        })?;
        Ok((meter.count() - before) as f64)
    };
    let repaint = full(&mut meter)?;
    if size == (80, 24) {
        let p50 = percentile(&mut times, 50);
        all.push(Figure { what: "key to frame, 80x24, p50", value: p50, goal: 2.0, unit: "ms" });
        let p99 = percentile(&mut times, 99);
        all.push(Figure { what: "key to frame, 80x24, p99", value: p99, goal: 20.0, unit: "ms" });
        let moved = percentile(&mut bytes, 50);
        all.push(Figure { what: "moving the selection", value: moved, goal: 300.0, unit: "B" });
        all.push(Figure { what: "full repaint, 80x24", value: repaint, goal: 4000.0, unit: "B" });
    } else {
        let p99 = percentile(&mut times, 99);
        all.push(Figure { what: "key to frame, 160x45, p99", value: p99, goal: 40.0, unit: "ms" });
        let goal = 14_000.0;
        all.push(Figure { what: "full repaint, 160x45", value: repaint, goal, unit: "B" });
    }
    Ok(())
}

/// News, a monitor that stands still, one that comes back, a terminal that goes.
fn ends(all: &mut Vec<Figure>) -> Result<()> {
    let mut demo = Played::start(&[])?;
    let mut meter = open(&demo, (80, 24), Line::default())?;
    live(&meter)?;
    let asked = Instant::now();
    demo.control(&["demo", "fault", "kill", "server", "db3"])?;
    let told = meter.wait("the fault", PATIENCE, |screen| screen.contains("kill server db3"))?;
    // The command itself takes its time to start; that is in it.
    let value = ms(told - asked);
    all.push(Figure { what: "command typed to its event drawn", value, goal: 150.0, unit: "ms" });
    demo.control(&["demo", "fault", "stop", "monitor"])?;
    let stopped = Instant::now();
    let stale = meter.wait("an old picture", PATIENCE, |screen| screen.contains("STALE"))?;
    let value = (stale - stopped).as_secs_f64();
    all.push(Figure { what: "silent monitor to STALE", value, goal: 3.5, unit: "s" });
    demo.control(&["demo", "fault", "start", "all"])?;
    live(&meter)?;
    demo.kill()?;
    meter.wait("the link to be lost", PATIENCE, |screen| screen.contains("NO LINK"))?;
    demo.again()?;
    until("the demo to answer", PATIENCE, || {
        demo.control(&["ping"]).map_err(|error| format!("{error:#}"))
    })?;
    let there = Instant::now();
    let again = live(&meter)?;
    let value = again.saturating_duration_since(there).as_secs_f64();
    all.push(Figure { what: "monitor back to LIVE", value, goal: 1.0, unit: "s" });
    let value = ms(meter.hang_up(PATIENCE)?);
    all.push(Figure { what: "hang-up to the program's end", value, goal: 100.0, unit: "ms" });
    Ok(())
}

/// A line with 200 ms for the way there and back, and 5 kB a second.
fn slow(effort: Effort, all: &mut Vec<Figure>) -> Result<()> {
    let line = Line { delay: Duration::from_millis(100), rate: Some(5_000) };
    let demo = Played::start(&["--hosts", "6", "--speed", "3"])?;
    let mut meter = open(&demo, (80, 24), line)?;
    let value = ms(live(&meter)? - meter.started());
    all.push(Figure { what: "slow line: start to LIVE", value, goal: 1500.0, unit: "ms" });
    pass(Duration::from_secs(2));
    let (mut times, _) = walk(&mut meter, (effort.keys / 10).max(10))?;
    let value = percentile(&mut times, 50);
    all.push(Figure { what: "slow line: key to frame, p50", value, goal: 300.0, unit: "ms" });
    let value = percentile(&mut times, 99);
    all.push(Figure { what: "slow line: key to frame, p99", value, goal: 600.0, unit: "ms" });
    Ok(())
}
