//! Examining this host: everything that safety rests on and that can be seen from here. Changes
//! nothing; every look has a deadline, and what could not be found out is told with the way to find
//! it out. Used by `--check` and on the monitor's word. What must not be here: comparing hosts.

mod accounts;
mod deadman;
mod files;
mod machine;
mod peers;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mmm_proto::doctor::{Finding, Findings};
use mmm_proto::{HostMode, Span};

use super::refuse::Refusal;
use super::server::{Server, ServerAccess};
use crate::config::{Account, Config, FenceEscalation};

pub(super) use machine::may_change_addresses;

/// Each part of an examination, whatever it looks at.
const PART_LIMIT: Duration = Duration::from_secs(6);

/// Connecting to a server.
const CONNECT_LIMIT: Span = Span::secs(1);

/// What is examined, from the configuration.
#[derive(Debug, Clone)]
pub struct Subject {
    config: Config,
}

impl Subject {
    /// Everything that the agent's configuration names.
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    fn me(&self) -> Option<&crate::config::Host> {
        self.config.this_host()
    }

    /// The local server by the agent's account.
    fn own_server(&self) -> Option<Server> {
        let me = self.me()?;
        Some(Server::new(access(me, me.mysql_socket.clone(), &me.agent)))
    }
}

/// A server by one of the accounts.
fn access(host: &crate::config::Host, socket: Option<PathBuf>, account: &Account) -> ServerAccess {
    ServerAccess {
        host: host.name.as_str().to_owned(),
        ip: host.ip,
        port: host.mysql_port,
        socket,
        user: account.user.clone(),
        password: account.password.clone(),
        replication_user: host.replication.user.clone(),
        replication_password: host.replication.password.clone(),
        monitor_user: host.monitor.user.clone(),
        connect_timeout: CONNECT_LIMIT,
    }
}

/// Looks at everything, side by side.
pub async fn examine(subject: Arc<Subject>) -> Vec<Finding> {
    let name = subject.me().map_or("agent", |me| me.name.as_str()).to_owned();
    let machine = part(&name, "machine", machine::examine(Arc::clone(&subject), name.clone()));
    let server = part(&name, "server", server::examine(Arc::clone(&subject), name.clone()));
    let peers = part(&name, "peers", peers::examine(Arc::clone(&subject), name.clone()));
    let (mut all, server, peers) = tokio::join!(machine, server, peers);
    all.extend(server);
    all.extend(peers);
    all
}

/// A part that hangs is a finding, not a hang.
async fn part(
    name: &str,
    what: &str,
    work: impl Future<Output = Vec<Finding>> + Send + 'static,
) -> Vec<Finding> {
    // By itself, so that a disk that hangs holds up nothing else.
    let task = tokio::spawn(work);
    match tokio::time::timeout(PART_LIMIT, task).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => unknown(name, what, &format!("the examination broke off: {error}")),
        Err(_) => unknown(
            name,
            what,
            &format!("no answer within {} s: something hangs", PART_LIMIT.as_secs()),
        ),
    }
}

fn unknown(name: &str, what: &str, why: &str) -> Vec<Finding> {
    let mut found = Findings::of(name);
    found.warn(what, why, "look at the log of mmm-agentd, and at `dmesg`");
    found.done()
}
