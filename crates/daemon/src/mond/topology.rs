//! From the configuration to what the monitor core knows of it. No account and no path gets past
//! here.

use anyhow::Context as _;
use mmm_proto::{Check, Span};

use crate::config::{Config, IsolatedWriter};
use crate::core::monitor::topology::{HostSpec, RoleSpec, Timing, Topology};

/// The cluster as the core sees it.
///
/// # Errors
/// When a name refers to nothing, which the configuration's own checks refuse before.
pub fn topology(config: &Config) -> anyhow::Result<Topology> {
    let index = |name: &mmm_proto::HostName| {
        config
            .hosts
            .iter()
            .position(|host| host.name == *name)
            .with_context(|| format!("no host {name} is configured"))
    };
    let mut hosts = Vec::new();
    for host in &config.hosts {
        hosts.push(HostSpec {
            name: host.name.clone(),
            ip: host.ip,
            port: host.mysql_port,
            mode: host.mode,
            peer: host.peer.as_ref().map(index).transpose()?,
        });
    }
    let mut roles = Vec::new();
    for role in &config.roles {
        roles.push(RoleSpec {
            name: role.name.clone(),
            mode: role.mode,
            hosts: role.hosts.iter().map(index).collect::<Result<_, _>>()?,
            ips: role.ips.clone(),
            prefer: role.prefer.as_ref().map(index).transpose()?,
        });
    }
    let writer = config
        .roles
        .iter()
        .position(|role| role.name == config.active_master_role)
        .context("active_master_role names no role")?;
    Ok(Topology {
        cluster: config.cluster.clone(),
        hosts,
        roles,
        writer,
        timing: timing(config),
        kill_host: config.monitor.kill_host_bin.as_ref().map(|_| config.monitor.kill_host_timeout),
        holds_alone: config.isolated_writer == IsolatedWriter::Hold,
        mode: config.monitor.mode,
        careful_startup: config.monitor.careful_startup,
    })
}

fn timing(config: &Config) -> Timing {
    let (monitor, moving) = (&config.monitor, &config.moving);
    Timing {
        heartbeat: monitor.heartbeat,
        ttl: monitor.lease_ttl,
        trap: Check::ALL.map(|check| config.checks.of(check).trap_period),
        max_backlog: config.checks.rep_backlog.max_backlog,
        auto_set_online: monitor.auto_set_online.unwrap_or(Span::ZERO),
        wait_for_other_master: monitor.wait_for_other_master.unwrap_or(Span::ZERO),
        flap_duration: monitor.flap_duration,
        flap_count: monitor.flap_count,
        drain_timeout: moving.drain_timeout,
        drain_lag: moving.drain_lag,
        freeze_grace: moving.freeze_grace,
        catch_up_timeout: moving.catch_up_timeout,
        step_timeout: moving.step_timeout,
        max_transaction: moving.max_transaction,
    }
}
