//! Where the monitor is: command-line flags and settings become a list of addresses to try.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mmm_proto::{ClusterName, MONITOR_SOCKET, conf};

use super::clusters;
use super::settings::{self, Settings, SettingsError};
use super::ssh::{self, Place};

/// The flags by which both programs find the monitor.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// The monitor's settings file, TOML or the original's .conf [default:
    /// /etc/mysql-mmm/mmm_mon.toml, else the original's mmm_mon.conf]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["socket", "connect"])]
    pub config: Option<PathBuf>,
    /// The monitor's unix socket
    #[arg(long, value_name = "PATH", conflicts_with = "connect")]
    pub socket: Option<PathBuf>,
    /// The monitor's TCP address
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Option<String>,
    /// The cluster key for --connect, in a file [default: the one in the settings file]
    #[arg(long, value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,
    /// The host of the monitor, reached through ssh; no port of the monitor's is needed there: runs
    /// `mmm-control relay`. Also ssh://[USER@]HOST:PORT, or a Host of ~/.ssh/config. Nothing is
    /// asked: the key must be loaded and the host known
    #[arg(
        long, value_name = "[USER@]HOST", allow_hyphen_values = true,
        conflicts_with_all = ["config", "socket", "connect", "cluster_key_file"]
    )]
    pub ssh: Option<String>,
    /// An option for ssh as in ssh_config, such as IdentityFile=FILE or ProxyJump=HOST; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "ssh", allow_hyphen_values = true)]
    pub ssh_option: Vec<String>,
    /// What --ssh runs on the host [default: mmm-control relay, with the @CLUSTER if one is named]
    #[arg(long, value_name = "COMMAND", requires = "ssh", allow_hyphen_values = true)]
    pub ssh_command: Option<String>,
}

/// One address of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp(String),
    Ssh(Box<Place>),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(addr) => f.write_str(addr),
            Self::Ssh(place) => write!(f, "{place} through ssh"),
        }
    }
}

/// A monitor to talk to.
#[derive(Clone)]
pub struct Target {
    /// In the order in which they are tried; never empty.
    pub endpoints: Vec<Endpoint>,
    /// None when nobody said; then the monitor's own name is taken.
    pub cluster: Option<ClusterName>,
    /// Used on TCP only: a unix socket knows its peer.
    pub key: Option<Vec<u8>>,
    /// What went wrong while looking for the monitor; told only when it cannot be reached.
    pub note: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("endpoints", &self.endpoints)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// The first address, for titles.
    pub fn label(&self) -> String {
        self.endpoints.first().map_or_else(String::new, ToString::to_string)
    }

    /// How long one address may take to let us in, where `usual` is enough for a socket.
    pub fn open_limit(&self, usual: Duration) -> Duration {
        let ssh = self.endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Ssh(_)));
        if ssh { ssh::OPEN_LIMIT } else { usual }
    }
}

impl TargetArgs {
    /// The target that the flags, `tui.toml` or the settings file name. `cluster` is the word
    /// behind `@`.
    ///
    /// # Errors
    /// A sentence about a flag or a settings file that cannot be used.
    pub fn target(&self, cluster: Option<&str>) -> Result<Target, String> {
        if let (false, Some(name)) = (self.direct(), cluster)
            && let Some(entry) = clusters::read()?.iter().find(|entry| entry.shown.name == name)
        {
            return entry.target();
        }
        self.local(cluster)
    }

    /// The same without a look at `tui.toml`.
    ///
    /// # Errors
    /// As [`TargetArgs::target`].
    pub fn local(&self, cluster: Option<&str>) -> Result<Target, String> {
        let wanted =
            cluster.map(ClusterName::parse).transpose().map_err(|error| error.to_string())?;
        if let Some(far) = &self.ssh {
            let command = self.ssh_command.as_deref();
            let place = Place::parse(far, &self.ssh_option, command, wanted.as_ref())?;
            let endpoints = vec![Endpoint::Ssh(Box::new(place))];
            // With our own command the far side's settings say how the cluster is called there.
            let cluster = command.and(wanted);
            return Ok(Target { endpoints, cluster, key: None, note: String::new() });
        }
        let (settings, note) = self.settings(cluster)?;
        let configured = match &settings.cluster {
            Some(name) => Some(ClusterName::parse(name).map_err(|error| error.to_string())?),
            None => None,
        };
        let direct = self.socket.is_some() || self.connect.is_some();
        if let (Some(wanted), Some(configured), Some(file)) = (&wanted, &configured, &self.config)
            && wanted != configured
        {
            return Err(format!(
                "{} belongs to cluster {configured}, not {wanted}",
                file.display()
            ));
        }
        let key = match &self.cluster_key_file {
            Some(file) => Some(settings::key_file(file)?),
            None => settings.key.clone(),
        };
        let cluster = if direct {
            // The settings of this machine may be another cluster's.
            wanted
        } else if self.config.is_none() && note.is_empty() {
            // The word behind @ found the file; the cluster need not be called so.
            configured
        } else {
            configured.or(wanted)
        };
        Ok(Target { endpoints: self.endpoints(&settings), cluster, key, note })
    }

    /// Whether the flags say where the monitor is.
    pub fn direct(&self) -> bool {
        let path = self.config.is_some() || self.socket.is_some();
        path || self.connect.is_some() || self.ssh.is_some()
    }

    /// The settings, and why there are none.
    fn settings(&self, cluster: Option<&str>) -> Result<(Settings, String), String> {
        if self.socket.is_some() {
            return Ok((Settings::default(), String::new()));
        }
        if let Some(file) = &self.config {
            return match settings::read(file) {
                Ok(settings) => Ok((settings, String::new())),
                Err(error) => Err(error.to_string()),
            };
        }
        let usual = conf::default_files("mmm_mon", cluster);
        let there = usual.iter().find(|path| path.exists());
        let file = there.or(usual.first()).cloned().unwrap_or_default();
        match settings::read(&file) {
            Ok(settings) => Ok((settings, String::new())),
            // A machine without settings, or an operator who may not read them: the usual socket is
            // tried.
            Err(error @ SettingsError::Unreadable { .. }) => {
                Ok((Settings::default(), error.to_string()))
            }
            Err(_) if self.connect.is_some() => Ok((Settings::default(), String::new())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn endpoints(&self, settings: &Settings) -> Vec<Endpoint> {
        if let Some(path) = &self.socket {
            return vec![Endpoint::Unix(path.clone())];
        }
        if let Some(addr) = &self.connect {
            return vec![Endpoint::Tcp(addr.clone())];
        }
        let socket = settings.socket.clone();
        let mut all = vec![Endpoint::Unix(socket.unwrap_or_else(|| PathBuf::from(MONITOR_SOCKET)))];
        if let Some(port) = settings.port {
            let ip = settings.ip.as_deref().unwrap_or("127.0.0.1");
            all.push(Endpoint::Tcp(if ip.contains(':') {
                format!("[{ip}]:{port}")
            } else {
                format!("{ip}:{port}")
            }));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_socket_first_and_the_port_second() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mmm_mon.toml");
        std::fs::write(
            &file,
            "cluster = \"shop\"\n[monitor]\nip = \"fd00::1\"\nport = 9988\nsocket = \"/s\"\n",
        )
        .unwrap();
        let args = TargetArgs { config: Some(file), ..TargetArgs::default() };
        let target = args.target(None).unwrap();
        assert_eq!(
            target.endpoints,
            [Endpoint::Unix("/s".into()), Endpoint::Tcp("[fd00::1]:9988".into())]
        );
        assert_eq!(target.cluster.as_ref().unwrap().as_str(), "shop");
        let error = args.target(Some("blog")).unwrap_err();
        assert!(error.contains("belongs to cluster shop, not blog"), "{error}");
    }

    #[test]
    fn a_direct_address_needs_no_settings() {
        let args = TargetArgs { socket: Some("/run/x.sock".into()), ..TargetArgs::default() };
        let target = args.target(Some("shop")).unwrap();
        assert_eq!(target.endpoints, [Endpoint::Unix("/run/x.sock".into())]);
        assert_eq!(target.cluster.unwrap().as_str(), "shop");
        assert!(args.target(Some("sh op")).is_err());
    }
}
