//! `make demo`: the whole product on a cluster of its own, in the console or as plain text.
#![allow(clippy::print_stdout)]
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::daemons::Daemons;
use crate::stop::Stop;
use crate::wait::{pass, until};
use crate::writer::Writer;
use crate::{Lab, Options, WRITER_VIP};

/// The environment variable that asks for text, and says for how many seconds.
const SECONDS: &str = "DEMO_SECONDS";
/// From one print of the cluster to the next.
pub(crate) const EVERY: Duration = Duration::from_secs(4);
/// How long the cluster may take to have a writer.
const SETTLE: Duration = Duration::from_secs(30);
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Runs the demo; the lab is removed when it returns.
pub fn run() -> Result<()> {
    let stop = Stop::on_signals()?;
    println!("starting three database servers, a monitor and three agents ...");
    let started = Instant::now();
    let lab = Lab::up(&Options::with_daemons())?;
    let daemons = lab.daemons()?;
    println!("up after {:.1} s; waiting for a writer ...", started.elapsed().as_secs_f64());
    settle(&lab, daemons, &stop)?;
    let writer = lab.start_writer()?;
    let result = match text_for()? {
        None => console(daemons, &writer, &stop),
        Some(time) => text(&lab, writer, time, &stop),
    };
    result.and(lab.down())?;
    println!("everything is removed");
    Ok(())
}

/// For how long text is asked for; none when the console is.
pub(crate) fn text_for() -> Result<Option<Duration>> {
    let given = std::env::var(SECONDS).ok();
    if given.is_none() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(None);
    }
    let seconds = given.as_deref().unwrap_or("20");
    let seconds = seconds
        .parse()
        .with_context(|| format!("{SECONDS}={seconds:?} is not a number of seconds"))?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// Brings all hosts online and waits until one holds the writer's VIP.
fn settle(lab: &Lab, daemons: &Daemons, stop: &Stop) -> Result<()> {
    until("a host to hold the writer's VIP", SETTLE, || {
        if stop.is_set() {
            return Ok(());
        }
        for server in lab.servers() {
            // Refused while the host is not ready, or online already: the next round tells.
            let _ = daemons.control(&["set_online", server.name()]);
        }
        let holders = lab.holders(WRITER_VIP).map_err(|e| format!("{e:#}"))?;
        if holders.is_empty() { Err(show(daemons)) } else { Ok(()) }
    })
    .with_context(|| daemons.monitor.tail())
}

fn show(daemons: &Daemons) -> String {
    match daemons.control(&["show"]) {
        Ok(said) => format!("{}{}", said.stdout, said.stderr),
        Err(e) => format!("{e:#}\n"),
    }
}

fn console(daemons: &Daemons, writer: &Writer, stop: &Stop) -> Result<()> {
    let mut child = daemons.console_command()?.spawn().context("start mmm-tui")?;
    let status = loop {
        if let Some(status) = child.try_wait().context("wait for mmm-tui")? {
            break status;
        }
        if stop.is_set() {
            // The terminal sent it the same signal; this is for a signal that was ours alone.
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            break child.wait().context("wait for mmm-tui")?;
        }
        pass(LOOK);
    };
    let record = writer.record();
    println!("meanwhile a client had {} rows acknowledged", record.acks.len());
    if !status.success() && !stop.is_set() {
        bail!("mmm-tui ended with {status}");
    }
    Ok(())
}

fn text(lab: &Lab, writer: Writer, time: Duration, stop: &Stop) -> Result<()> {
    let daemons = lab.daemons()?;
    let begun = Instant::now();
    watch(daemons, &writer, begun + time / 2, stop);
    if !stop.is_set() {
        fail_over(lab, &writer)?;
    }
    watch(daemons, &writer, begun + time, stop);
    print!("{}", show(daemons));
    let record = writer.stop()?;
    let (rows, unsure) = (record.acks.len(), record.unknown.len());
    println!("the client had {rows} rows acknowledged, {unsure} of unknown outcome");
    if let [holder] = lab.holders(WRITER_VIP)?.as_slice() {
        let audit = crate::verify::audit(lab.server(holder)?, &record)?;
        let (lost, twice) = (audit.lost.len(), audit.duplicated.len());
        println!("of these, on {holder}: {lost} lost, {twice} there twice");
    }
    Ok(())
}

/// Prints the cluster every few seconds until `end`.
fn watch(daemons: &Daemons, writer: &Writer, end: Instant, stop: &Stop) {
    while Instant::now() < end && !stop.is_set() {
        let (from, rows) = (Instant::now(), writer.rows());
        print!("{}", show(daemons));
        let next = (from + EVERY).min(end);
        while Instant::now() < next && !stop.is_set() {
            pass(LOOK.min(next.saturating_duration_since(Instant::now())));
        }
        let rate = (writer.rows() - rows) as f64 / from.elapsed().as_secs_f64();
        println!("  client: {rate:.0} rows/s through {WRITER_VIP}\n");
    }
}

fn fail_over(lab: &Lab, writer: &Writer) -> Result<()> {
    let holders = lab.holders(WRITER_VIP)?;
    let [holder] = holders.as_slice() else {
        bail!("the writer's VIP is held by {holders:?} instead of one host");
    };
    println!("kill -9 to the server of {holder}, which is the writer ...");
    let since = Instant::now();
    lab.server(holder)?.kill9()?;
    let switch = writer.wait_switch(since, SETTLE)?;
    let to = lab.server_by_id(switch.to)?.name();
    let gap = switch.gap.as_millis();
    println!("{to} is the writer; the client was without one for {gap} ms\n");
    println!("starting the killed server again ...");
    lab.server(holder)?.start()
}
