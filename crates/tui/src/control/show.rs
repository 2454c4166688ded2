//! The texts of `show` and `checks`, as scripts written for the original expect them.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt::Write as _;

use mmm_proto::view::{HostView, RoleView, Verdict, WriterState};
use mmm_proto::{Check, ClusterView, HostName, MonitorMode, RoleMode, Wall};
use schemars::JsonSchema;
use serde::Serialize;

/// The cluster as the original's `show` prints it.
pub fn show(view: &ClusterView) -> String {
    let mut text = String::new();
    if view.mode == MonitorMode::Passive {
        text.push_str("# --- Monitor is in PASSIVE MODE ---\n");
        if !view.mode_cause.is_empty() {
            for line in format!("Cause: {}", view.mode_cause).lines() {
                let _ = writeln!(text, "# {line}");
            }
        }
    }
    let mut hosts: Vec<&HostView> = view.hosts.iter().collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    for host in hosts.iter().filter(|host| !host.agent.reachable) {
        let _ = writeln!(text, "# Warning: agent on host {} is not reachable", host.name);
    }
    if view.writer.state == WriterState::Serving && !view.writer.why.is_empty() {
        let _ = writeln!(text, "# Warning: {}", view.writer.why);
    }
    for host in &hosts {
        let _ = writeln!(
            text,
            "  {}({}) {}/{}. Roles: {}",
            host.name,
            host.ip,
            host.mode,
            host.state,
            roles(host)
        );
    }
    for role in view.roles.iter().filter(|role| role.mode == RoleMode::Exclusive) {
        text.push_str(&preference(role));
    }
    text
}

/// `reader(10.0.0.91), writer(10.0.0.90)`: sorted by role, then by the VIP as text.
fn roles(host: &HostView) -> String {
    let mut all: Vec<String> =
        host.roles.iter().map(|vip| format!("{}({})", vip.role, vip.ip)).collect();
    all.sort();
    all.join(", ")
}

fn preference(role: &RoleView) -> String {
    let Some(prefer) = &role.prefer else {
        return String::new();
    };
    let name = &role.name;
    match role.vips.iter().find_map(|vip| vip.host.as_ref()) {
        Some(host) if host == prefer => {
            format!("# Role {name} is assigned to it's preferred host {prefer}.\n")
        }
        Some(host) => format!(
            "# Role {name} has {prefer} configured as it's preferred host but is assigned to \
             {host} at the moment.\n"
        ),
        None => format!("# Role {name} has {prefer} configured as it's preferred host.\n"),
    }
}

/// One line of `checks`, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckRow {
    pub host: HostName,
    pub check: Check,
    pub verdict: Verdict,
    /// Milliseconds since 1970, UTC.
    pub since: Wall,
    pub message: String,
}

/// The checks as the original prints them, of one host or all, one check or all.
///
/// # Errors
/// When the cluster has no such host.
pub fn checks(
    view: &ClusterView,
    host: Option<&HostName>,
    check: Option<Check>,
    date: &dyn Fn(Wall) -> String,
) -> Result<(String, Vec<CheckRow>), String> {
    if let Some(host) = host
        && view.host(host.as_str()).is_none()
    {
        return Err(format!("Unknown host name '{host}'!"));
    }
    let mut rows = Vec::new();
    for found in &view.hosts {
        if host.is_some_and(|host| *host != found.name) {
            continue;
        }
        for one in &found.checks {
            if check.is_none_or(|check| check == one.check) {
                rows.push(CheckRow {
                    host: found.name.clone(),
                    check: one.check,
                    verdict: one.verdict,
                    since: one.since,
                    message: one.message.clone(),
                });
            }
        }
    }
    let widest = rows.iter().map(|row| row.host.as_str().len()).max();
    let name = widest.unwrap_or(0);
    // The original pads to its longest check name as soon as several checks are listed.
    let word = if check.is_some() { 0 } else { 11 };
    let mut text = String::new();
    for row in &rows {
        let _ = writeln!(
            text,
            "{:<name$}  {:<word$}  [last change: {}]  {}",
            row.host,
            row.check,
            date(row.since),
            row.message
        );
    }
    Ok((text, rows))
}
