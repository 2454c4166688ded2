//! The other hosts, as they are reached from here: the port of each agent, and each server with the
//! account that replication uses.

use std::sync::Arc;
use std::time::Duration;

use mmm_proto::doctor::{Finding, Findings};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{HostMode, Span, Subject, access};
use crate::agentd::server::{Server, ServerError};
use crate::config::Host;

const LIMIT: Duration = Duration::from_secs(2);
/// Up to so many hosts, each looks at each.
const FEW: usize = 16;

pub(super) async fn examine(subject: Arc<Subject>, name: String) -> Vec<Finding> {
    let mut looks = JoinSet::new();
    let hosts = &subject.config.hosts;
    // In a large cluster the masters matter: everybody follows one of them.
    let matters = |host: &&Host| hosts.len() <= FEW || host.mode == HostMode::Master;
    let others = hosts.iter().filter(|host| host.name.as_str() != name).filter(matters);
    for other in others {
        looks.spawn(look(other.clone(), name.clone()));
    }
    let mut all: Vec<Finding> = looks.join_all().await.into_iter().flatten().collect();
    all.sort_by(|a, b| a.check.cmp(&b.check));
    all
}

async fn look(other: Host, name: String) -> Vec<Finding> {
    let mut found = Findings::of(&name);
    let (agent, server) = tokio::join!(
        tokio::time::timeout(LIMIT, TcpStream::connect(other.agent_address())),
        replication(&other),
    );
    let check = format!("agent of {}", other.name);
    let at = other.agent_address();
    match agent {
        Ok(Ok(_)) => found.ok(&check, format!("{at} answers")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            let remedy = format!("on {}: systemctl start mmm-agentd", other.name);
            found.warn(&check, format!("{at} refuses: no agent runs there"), remedy);
        }
        other_end => {
            let why = match other_end {
                Ok(Err(error)) => error.to_string(),
                _ => format!("no answer within {} s", LIMIT.as_secs()),
            };
            let remedy = format!(
                "nc -vz {} {}; let {name} through the firewall of {}",
                at.ip(),
                at.port(),
                other.name
            );
            found.bad(&check, format!("{at} cannot be reached: {why}"), remedy);
        }
    }
    let check = format!("server of {}", other.name);
    let at = other.mysql_address();
    match server {
        Ok(()) => found.ok(&check, format!("{at} lets {} replicate", other.replication.user)),
        Err(why) => {
            let remedy = format!(
                "nc -vz {} {}\non {}: GRANT REPLICATION SLAVE ON *.* TO '{}'@'%';",
                at.ip(),
                at.port(),
                other.name,
                other.replication.user
            );
            let what = format!("{name} could not replicate from {}: {why}", other.name);
            found.bad(&check, what, remedy);
        }
    }
    found.done()
}

/// Whether the replication account may fetch from that server.
async fn replication(other: &Host) -> Result<(), String> {
    let server = Server::new(access(other, None, &other.replication));
    let grants =
        server.grants(Span::from(LIMIT)).await.map_err(|error: ServerError| error.to_string())?;
    if super::accounts::has(&grants, "REPLICATION SLAVE") {
        return Ok(());
    }
    Err("its account lacks REPLICATION SLAVE".to_owned())
}
