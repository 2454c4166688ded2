//! `mmm-lab shots`: the console on a real cluster, screen by screen, for the docs. Every picture is
//! what the real program wrote into a real terminal.
#![allow(clippy::print_stdout)]
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::daemons::{Daemons, binary};
use crate::meter::{Line, Meter};
use crate::svg::{Frame, animate};
use crate::wait::{pass, until};
use crate::{Lab, Options, page};

const PATIENCE: Duration = Duration::from_secs(40);
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 45);

/// How often the recording looks at the screen.
const LOOK: Duration = Duration::from_millis(50);

/// What is seen, with which keys one gets there, and what must be on the screen then.
const SCREENS: &[(&str, &str, &str)] = &[
    ("The overview", "1", "config order"),
    // Of what the wide overview has not: it shows the host beside its tables.
    ("All about a host (`Enter`)", "G\r", "Esc back  ? help"),
    ("Events (`2`), with the why of the selected one", "12", "newest first"),
    ("What may be done with a host, and why not (`a`)", "1ja", "Actions on"),
    ("The mode of the monitor (`m`)", "qm", "Mode of the monitor"),
    ("Help (`?`)", "q?", "Help"),
];

/// Starts a cluster, shows it, breaks it, and writes what was seen into `dir`.
pub fn run(dir: &Path) -> Result<()> {
    println!("starting three database servers, a monitor and three agents ...");
    let lab = Lab::up(&Options::with_daemons())?;
    let daemons = lab.daemons()?;
    online(&lab, daemons)?;
    let client = lab.start_writer()?;
    client.wait_rows(100, PATIENCE)?;
    let mut text = String::new();
    let mut small = open(daemons, SMALL)?;
    let mut large = open(daemons, LARGE)?;
    late(&lab, &large)?;
    for (title, keys, shows) in SCREENS {
        for meter in [&mut small, &mut large] {
            meter.keys(keys)?;
            meter.wait(title, PATIENCE, |screen| screen.contains(shows))?;
        }
        shot(&mut text, title, &small);
        shot(&mut text, &format!("{title}, 160x45"), &large);
    }
    for meter in [&mut small, &mut large] {
        meter.keys("q1g")?;
        meter.wait("the overview", PATIENCE, |screen| !screen.contains("Esc closes"))?;
    }
    let writer = holder(&lab)?;
    let other = if writer == "db1" { "db2" } else { "db1" };
    planned(&mut large, other, &mut text)?;
    let mut frames = Recording::default();
    moved(&mut small, other, &mut text, &mut frames)?;
    online(&lab, daemons)?;
    killed(&lab, &small, other, &mut text, &mut frames)?;
    shot(&mut text, "The same moment, 160x45", &large);
    page::replace(&dir.join("console.md"), "shots", &text)?;
    let file = dir.join("console.svg");
    std::fs::write(&file, animate(&frames.0, SMALL)).with_context(|| file.display().to_string())?;
    println!("{} frames; written into {}", frames.0.len(), dir.display());
    drop(client);
    lab.down()
}

/// The last host is late for a while, so that its chart has something to show.
fn late(lab: &Lab, console: &Meter) -> Result<()> {
    // The column behind the age of its state.
    let lag = |wanted: RangeInclusive<u32>| {
        move |screen: &str| {
            let row = screen.lines().find(|line| line.starts_with("  db3 ")).unwrap_or_default();
            let lag = row.split_whitespace().nth(5).and_then(|lag| lag.strip_suffix('s'));
            lag.and_then(|lag| lag.parse().ok()).is_some_and(|lag| wanted.contains(&lag))
        }
    };
    let mut session = lab.server("db3")?.session()?;
    session.query("FLUSH TABLES WITH READ LOCK", PATIENCE).context("lock the tables")?;
    console.wait("the replica to be late", PATIENCE, lag(20..=59))?;
    session.query("UNLOCK TABLES", PATIENCE).context("unlock the tables")?;
    console.wait("the replica to catch up", PATIENCE, lag(0..=0)).map(drop)
}

/// Selects the host, one of the two masters.
fn select(meter: &mut Meter, host: &str) -> Result<()> {
    let selected = format!("> {host} ");
    let at = |screen: &str| screen.lines().any(|line| line.starts_with(&selected));
    meter.keys(if host == "db1" { "g" } else { "gj" })?;
    meter.wait("the host to be selected", PATIENCE, at).map(drop)
}

/// The plan of the move on the large screen, only looked at.
fn planned(large: &mut Meter, to: &str, text: &mut String) -> Result<()> {
    select(large, to)?;
    large.keys("W")?;
    large.wait("the plan", PATIENCE, |screen| screen.contains("Type "))?;
    shot(text, "The plan of a move of the writer (`W`), 160x45", large);
    // The dialog is deaf for its first half second.
    until("the dialog to close", PATIENCE, || {
        large.keys("\x1b").map_err(|error| error.to_string())?;
        pass(LOOK * 4);
        let text = large.text();
        if text.contains("Type ") { Err(text) } else { Ok(()) }
    })
}

/// The planned move, by keys.
fn moved(small: &mut Meter, to: &str, text: &mut String, frames: &mut Recording) -> Result<()> {
    frames.add(small, 2.0);
    select(small, to)?;
    frames.add(small, 1.0);
    small.keys("W")?;
    small.wait("the plan", PATIENCE, |screen| screen.contains("Type "))?;
    frames.add(small, 3.0);
    // The dialog is deaf for its first half second.
    let typed = format!(":  {to}_");
    until("the name to be taken", PATIENCE, || {
        small.keys(to).map_err(|error| error.to_string())?;
        pass(LOOK * 4);
        if small.text().contains(&typed) {
            return Ok(());
        }
        small.keys("\x7f\x7f\x7f\x7f\x7f\x7f").map_err(|error| error.to_string())?;
        Err(small.text())
    })?;
    frames.add(small, 1.5);
    shot(text, "A planned move: the plan, and the name that confirms it (`W`)", small);
    small.keys("\r")?;
    let live = format!("LIVE  writer {to}");
    frames.watch(small, Duration::from_secs(3), |screen| screen.contains(&live))?;
    shot(text, "The writer is moved", small);
    frames.add(small, 2.5);
    Ok(())
}

/// The writer's server is killed; nobody asked for what follows.
fn killed(
    lab: &Lab,
    small: &Meter,
    writer: &str,
    text: &mut String,
    frames: &mut Recording,
) -> Result<()> {
    frames.add(small, 1.0);
    lab.server(writer)?.kill9()?;
    let over = |screen: &str| screen.contains("# HARD_OFFLINE") && !screen.contains("MOVING");
    frames.watch(small, Duration::from_secs(5), over)?;
    small.wait("the failover", PATIENCE, over)?;
    pass(Duration::from_secs(1));
    shot(text, "The writer's server was killed a second ago", small);
    frames.add(small, 4.0);
    Ok(())
}

fn open(daemons: &Daemons, size: (u16, u16)) -> Result<Meter> {
    let command = daemons.console_command()?;
    let args: Vec<String> =
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let vars = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("NO_COLOR", "")];
    let meter = Meter::open(&binary("mmm-tui")?, &args, &vars, size, Line::default())?;
    meter.wait("a live picture", PATIENCE, |screen| screen.contains("* LIVE  writer db"))?;
    Ok(meter)
}

fn online(lab: &Lab, daemons: &Daemons) -> Result<()> {
    until("all hosts to be ONLINE", PATIENCE, || {
        for server in lab.servers() {
            // Refused while it is not ready, or ONLINE already: the next round tells.
            let _ = daemons.control(&["set_online", server.name()]);
        }
        let show = daemons.control(&["show"]).map_err(|error| format!("{error:#}"))?.stdout;
        let there = show.matches("/ONLINE.").count() == lab.servers().len();
        if there && show.contains("writer(") { Ok(()) } else { Err(show) }
    })
}

fn holder(lab: &Lab) -> Result<String> {
    let holders = lab.holders(crate::WRITER_VIP)?;
    holders.first().cloned().context("nobody holds the writer's VIP")
}

/// The screen as a block of the page.
fn shot(text: &mut String, title: &str, meter: &Meter) {
    let rows = meter.screen(|screen| {
        let (_, columns) = screen.size();
        screen.rows(0, columns).map(|row| row.trim_end().to_owned()).collect::<Vec<_>>()
    });
    let _ = writeln!(text, "{title}:\n\n```text\n{}\n```\n", rows.join("\n").trim_end());
}

/// What was seen, and for how many seconds.
#[derive(Default)]
struct Recording(Vec<(Frame, f32)>);

impl Recording {
    /// The screen as it is now; what is the same as before stays longer.
    fn add(&mut self, meter: &Meter, seconds: f32) {
        let frame = meter.screen(Frame::of);
        match self.0.last_mut() {
            Some((last, time)) if *last == frame => *time += seconds,
            _ => self.0.push((frame, seconds)),
        }
    }

    /// Every frame until the screen is as wanted, each at least long enough to be seen.
    fn watch(&mut self, meter: &Meter, limit: Duration, done: impl Fn(&str) -> bool) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            pass(LOOK);
            self.add(meter, LOOK.as_secs_f32());
            if done(&meter.text()) {
                break;
            }
        }
        for (_, seconds) in &mut self.0 {
            *seconds = seconds.max(0.4);
        }
        Ok(())
    }
}
