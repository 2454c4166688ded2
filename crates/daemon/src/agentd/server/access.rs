//! How the agent reaches its server: address, accounts, options of the driver.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use mmm_proto::Span;
use mysql_async::{Opts, OptsBuilder};
use zeroize::Zeroizing;

/// A text that must not be seen: it prints as stars and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Call this only where it is used, never where it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The server of this host and the accounts for it.
#[derive(Debug, Clone)]
pub struct ServerAccess {
    /// The host's name in the configuration, for messages.
    pub host: String,
    /// The host's own address, never a VIP.
    pub ip: IpAddr,
    /// The server's TCP port.
    pub port: u16,
    /// The server's Unix socket; without it the agent goes by TCP.
    pub socket: Option<PathBuf>,
    /// `agent_user`.
    pub user: String,
    pub password: Secret,
    /// `replication_user`, with which this server fetches from its source.
    pub replication_user: String,
    pub replication_password: Secret,
    /// `monitor_user`: its sessions are no clients.
    pub monitor_user: String,
    /// How long a connection may take, the greeting included.
    pub connect_timeout: Span,
}

impl ServerAccess {
    /// The server in messages: `db1 (10.0.0.1:3306)`, or the socket's path when that is used.
    pub fn at(&self) -> String {
        match &self.socket {
            Some(path) => format!("{} ({})", self.host, path.display()),
            None => format!("{} ({}:{})", self.host, self.ip, self.port),
        }
    }

    /// The driver's options. `prefer_socket`, `max_allowed_packet` and `wait_timeout` are set so that the
    /// driver asks the server nothing and goes nowhere else behind our back.
    pub(super) fn opts(&self) -> Opts {
        let socket = self.socket.as_ref().map(|p| p.to_string_lossy().into_owned());
        OptsBuilder::default()
            .ip_or_hostname(self.ip.to_string())
            .resolved_ips(Some(vec![self.ip]))
            .tcp_port(self.port)
            .socket(socket)
            .user(Some(self.user.clone()))
            .pass(Some(self.password.expose()))
            .prefer_socket(false)
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(1 << 20))
            .stmt_cache_size(0)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "hunter2");
    }
}
