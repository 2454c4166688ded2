//! The socket by which `mmm-lab fault` and `status` talk to the `mmm-lab up` that owns the lab:
//! one line of words in, text out, end.
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Lab;
use crate::daemons::Part;
use crate::sweep;

/// The words that [`perform`] knows.
pub const FAULTS: &str = "kill HOST | start HOST | freeze HOST | thaw HOST | \
    stop-applier HOST | start-applier HOST | cut A B | cut-one-way FROM TO | isolate HOST | \
    unplug HOST | lossy HOST PERCENT | heal | \
    kill-agent HOST [worker|parent|both] | start-agent HOST | \
    freeze-agent HOST [worker|parent|both] | thaw-agent HOST | kill-monitor | start-monitor";

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn socket(folder: &Path) -> PathBuf {
    folder.join("lab.sock")
}

/// The listening end, in the lab's folder.
pub struct Ear(UnixListener);

impl Ear {
    pub fn open(lab: &Lab) -> Result<Ear> {
        let path = socket(lab.folder());
        let listener = UnixListener::bind(&path)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .with_context(|| format!("listen on {}", path.display()))?;
        Ok(Ear(listener))
    }

    /// Answers whoever waits; returns at once when nobody does.
    pub fn serve(&self, lab: &Lab) {
        while let Ok((stream, _)) = self.0.accept() {
            // A caller that went away has no use for an answer.
            let _ = answer(stream, lab);
        }
    }
}

fn answer(stream: UnixStream, lab: &Lab) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).take(4096).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = match perform(lab, &words) {
        Ok(text) => format!("ok\n{text}"),
        Err(e) => format!("error\n{e:#}\n"),
    };
    (&stream).write_all(text.as_bytes())?;
    Ok(())
}

/// Sends an order to the one live lab (or to the one called `id`) and returns its answer.
pub fn ask(id: Option<&str>, words: &[String]) -> Result<String> {
    let path = socket(&find(id)?);
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!("connect to {}: is that lab's `mmm-lab up` gone?", path.display())
    })?;
    stream.set_read_timeout(Some(PATIENCE)).context("set a time limit")?;
    stream.write_all(format!("{}\n", words.join(" ")).as_bytes()).context("send the order")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("read the answer")?;
    match text.split_once('\n') {
        Some(("ok", text)) => Ok(text.to_owned()),
        Some((_, text)) => bail!("{}", text.trim_end()),
        None => bail!("the lab ended before it answered"),
    }
}

/// The folder of the lab to talk to: one that listens.
pub fn find(id: Option<&str>) -> Result<PathBuf> {
    let mut found = sweep::folders();
    found.retain(|folder| socket(folder).exists());
    found.retain(|folder| id.is_none_or(|id| folder.ends_with(id)));
    match found.as_slice() {
        [folder] => Ok(folder.clone()),
        [] => bail!("no lab is up: start one with `mmm-lab up`"),
        many => {
            let names = many.iter().filter_map(|folder| folder.file_name()?.to_str());
            bail!(
                "several labs are up, name one with --lab: {}",
                names.collect::<Vec<_>>().join(" ")
            )
        }
    }
}

/// Does what the words say, and says in words what was done.
pub fn perform(lab: &Lab, words: &[&str]) -> Result<String> {
    let done = |text: &str| Ok(format!("{text}\n"));
    let fault = |fault: crate::faults::Fault| Ok(format!("{}\n", fault.what()));
    match words {
        ["status"] => status(lab),
        ["kill", host] => lab.server(host)?.kill9().and_then(|()| done("server killed")),
        ["start", host] => lab.server(host)?.start().and_then(|()| done("server answers")),
        ["freeze", host] => lab.server(host)?.freeze().and_then(|()| done("server frozen")),
        ["thaw", host] => lab.server(host)?.thaw().and_then(|()| done("server goes on")),
        ["stop-applier", host] => lab.server(host)?.stop_applier().and_then(|()| done("stopped")),
        ["start-applier", host] => lab.server(host)?.start_applier().and_then(|()| done("started")),
        ["cut", a, b] => lab.cut(a, b).and_then(fault),
        ["cut-one-way", from, to] => lab.cut_one_way(from, to).and_then(fault),
        ["isolate", host] => lab.isolate(host).and_then(fault),
        ["unplug", host] => lab.unplug(host).and_then(fault),
        ["lossy", host, percent] => {
            let percent =
                percent.parse().with_context(|| format!("{percent:?} as a percentage"))?;
            lab.lossy(host, percent).and_then(fault)
        }
        ["heal"] => lab.heal_all().and_then(|()| done("the network is whole")),
        ["kill-agent", host] => perform(lab, &["kill-agent", host, "both"]),
        ["kill-agent", host, part] => {
            let part = Part::parse(part)?;
            lab.daemons()?.agent(host)?.kill9_part(part).and_then(|()| done("killed"))
        }
        ["start-agent", host] => lab.daemons()?.agent(host)?.start().and_then(|()| done("started")),
        ["freeze-agent", host] => perform(lab, &["freeze-agent", host, "both"]),
        ["freeze-agent", host, part] => {
            let part = Part::parse(part)?;
            lab.daemons()?.agent(host)?.freeze_part(part).and_then(|()| done("frozen"))
        }
        ["thaw-agent", host] => lab.daemons()?.agent(host)?.thaw().and_then(|()| done("goes on")),
        ["kill-monitor"] => lab.daemons()?.monitor.kill9().and_then(|()| done("killed")),
        ["start-monitor"] => lab.daemons()?.monitor.start().and_then(|()| done("started")),
        other => bail!("{:?} is not a fault; known: {FAULTS}", other.join(" ")),
    }
}

/// One line a host: what it is doing, what it holds.
fn status(lab: &Lab) -> Result<String> {
    let mut text = format!("{} in {}\n", lab.id(), lab.folder().display());
    for server in lab.servers() {
        let state = match (server.pid(), server.is_read_only()) {
            (None, _) => "server down".to_owned(),
            (Some(pid), Ok(true)) => format!("server {pid} read-only"),
            (Some(pid), Ok(false)) => format!("server {pid} accepts writes"),
            (Some(pid), Err(e)) => format!("server {pid}: {e:#}"),
        };
        let own = IpAddr::V4(server.ip());
        let mut vips = server.host().addresses()?;
        vips.retain(|ip| ip.is_ipv4() && *ip != own);
        let vips: Vec<String> = vips.iter().map(IpAddr::to_string).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {} {own}: {state}; VIPs: {}", server.name(), vips.join(" "));
    }
    for fault in lab.active_faults() {
        let _ = writeln!(text, "  fault: {}", fault.what());
    }
    if let Ok(daemons) = lab.daemons() {
        for daemon in daemons.all() {
            if let Err(e) = daemon.check() {
                let _ = writeln!(text, "  {}", e.to_string().lines().next().unwrap_or_default());
            }
        }
    }
    Ok(text)
}
