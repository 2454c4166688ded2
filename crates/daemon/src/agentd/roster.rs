//! From the configuration to what the agent core knows of it. No account and no path gets past here.

use anyhow::Context as _;

use crate::config::Config;
use crate::core::agent::{Roster, RosterVip};

/// The roster of this host.
///
/// # Errors
/// When `this` names no host, which the configuration's own checks refuse before.
pub fn roster(config: &Config) -> anyhow::Result<Roster> {
    let me = config.this_host().context("`this` names no host: set it in mmm_agent.toml")?;
    let vips = config.roles.iter().flat_map(|role| {
        role.ips.iter().map(|ip| RosterVip {
            ip: *ip,
            role: role.name.clone(),
            mode: role.mode,
            writer: role.name == config.active_master_role,
        })
    });
    Ok(Roster {
        me: me.name.clone(),
        hosts: config
            .hosts
            .iter()
            .map(|host| (host.name.clone(), host.ip, host.mysql_port))
            .collect(),
        vips: vips.collect(),
    })
}
