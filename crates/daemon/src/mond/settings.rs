//! From the configuration to the settings of the monitor's own parts: links, consoles, probes.

use mmm_proto::hello::{Hello, Program};
use zeroize::Zeroizing;

use super::agents::{AgentAddress, AgentLinkSettings};
use super::consoles::{ConsoleSettings, ConsoleTcp};
use super::probe::server::Account;
use super::probe::{NetworkTarget, Target, Timing};
use crate::auth::ClusterKey;
use crate::config::Config;
use crate::net::UnixAccess;

fn key(config: &Config) -> Option<ClusterKey> {
    config.cluster_key.as_ref().map(|key| ClusterKey::new(key.expose().as_bytes()))
}

pub(super) fn agent_addresses(config: &Config) -> Vec<AgentAddress> {
    config
        .hosts
        .iter()
        .map(|host| AgentAddress { host: host.name.clone(), addr: host.agent_address() })
        .collect()
}

pub(super) fn link_settings(config: &Config) -> AgentLinkSettings {
    AgentLinkSettings {
        hello: Hello::new(Program::Monitor, config.cluster.clone()),
        key: key(config),
        silence: config.monitor.lease_ttl,
    }
}

pub(super) fn console_settings(config: &Config) -> ConsoleSettings {
    let monitor = &config.monitor;
    let access =
        UnixAccess { mode: monitor.socket_mode, group: Some(monitor.socket_group.clone()) };
    ConsoleSettings {
        hello: Hello::new(Program::Monitor, config.cluster.clone()),
        socket: Some((monitor.socket.clone(), access)),
        tcp: monitor.console_address().map(|addr| ConsoleTcp {
            addr,
            key: key(config),
            insecure: config.insecure,
        }),
        group: monitor.socket_group.clone(),
    }
}

pub(super) fn targets(config: &Config) -> Vec<Target> {
    config
        .hosts
        .iter()
        .map(|host| Target {
            host: host.name.clone(),
            account: Account {
                ip: host.ip,
                port: host.mysql_port,
                user: host.monitor.user.clone(),
                password: Zeroizing::new(host.monitor.password.expose().to_owned()),
            },
            timing: mmm_proto::Check::ALL.map(|check| {
                let times = config.checks.of(check);
                Timing { period: times.check_period, timeout: times.timeout }
            }),
            max_backlog: config.checks.rep_backlog.max_backlog,
        })
        .collect()
}

pub(super) fn network(config: &Config) -> NetworkTarget {
    let times = config.checks.of(mmm_proto::Check::Ping);
    NetworkTarget {
        ips: config.monitor.ping_ips.clone(),
        timing: Timing { period: config.monitor.ping_interval, timeout: times.timeout },
    }
}
