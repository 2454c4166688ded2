//! The monitor's picture as a test reads it: fetched through `mmm-control`, waited for, in a line
//! of words. Says what is, and changes nothing.
use std::time::Duration;

use anyhow::{Context, Result};
use mmm_proto::view::WriterState;
use mmm_proto::{ClusterView, HostState};

use crate::cluster::Lab;
use crate::wait::until;

/// The picture, as `mmm-control --json show` prints it.
pub fn view(lab: &Lab) -> Result<ClusterView, String> {
    let daemons = lab.daemons().map_err(|error| error.to_string())?;
    let said = daemons.control(&["--json", "show"]).map_err(|error| error.to_string())?;
    let answer: serde_json::Value = serde_json::from_str(&said.stdout)
        .map_err(|error| format!("{error}: {}{}", said.stdout, said.stderr))?;
    serde_json::from_value(answer["view"].clone()).map_err(|error| format!("{error}: {answer}"))
}

/// Waits until the picture is as wanted; `test` says what it sees instead.
pub fn wait<T>(
    lab: &Lab,
    what: &str,
    limit: Duration,
    test: impl Fn(&ClusterView) -> Result<T, String>,
) -> Result<T> {
    until(what, limit, || test(&view(lab)?)).with_context(|| story(lab))
}

/// Whether every host is ONLINE, the writer serves, everybody follows it and every VIP is held.
pub fn is_well(view: &ClusterView) -> Result<(), String> {
    let seen = words(view);
    let Some(writer) = view.writer.host.clone() else {
        return Err(seen);
    };
    let well = view.writer.state == WriterState::Serving
        && view.running.is_none()
        && view.hosts.iter().all(|host| {
            let follows = host.server.source.as_ref() == Some(&writer) || host.name == writer;
            host.state == HostState::Online && host.agent.reachable && follows
        })
        && view.roles.iter().all(|role| role.vips.iter().all(|vip| vip.host.is_some()));
    if well { Ok(()) } else { Err(seen) }
}

/// Waits until the cluster is as [`is_well`] says.
pub fn wait_well(lab: &Lab, limit: Duration) -> Result<()> {
    wait(lab, "every host ONLINE and following the writer", limit, is_well)
}

/// The host that the monitor calls the writer; empty when it calls nobody so.
pub fn writer(lab: &Lab) -> Result<String, String> {
    Ok(view(lab)?.writer.host.map(|host| host.to_string()).unwrap_or_default())
}

/// The picture in a line, for messages.
pub fn words(view: &ClusterView) -> String {
    let hosts: Vec<String> = view
        .hosts
        .iter()
        .map(|host| {
            let source = host.server.source.as_ref().map_or("-".to_owned(), ToString::to_string);
            let duty = &host.agent.duty;
            format!("{} {} ({}) from {source}, duty {duty}", host.name, host.state, host.why)
        })
        .collect();
    let writer = &view.writer;
    format!("writer {:?} {:?} {}; {}", writer.host, writer.state, writer.why, hosts.join("; "))
}

/// What the daemons wrote last, for messages.
pub fn story(lab: &Lab) -> String {
    let Ok(daemons) = lab.daemons() else {
        return String::new();
    };
    daemons
        .all()
        .map(|daemon| format!("--- {}\n{}\n", daemon.log().display(), daemon.tail()))
        .collect()
}
