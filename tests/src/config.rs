//! The configuration that the daemons of a lab get, as files of text. What the keys mean is the
//! daemons' matter.
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::net::INTERFACE;
use crate::server::{PORT, Server};
use crate::sql::Login;

/// The folder in a host's folder where its small disk is mounted.
pub const SMALL_DISK: &str = "state";
/// The port of every agent.
pub const AGENT_PORT: u16 = 9989;

/// The accounts on every server of the lab. Their passwords guard nothing.
pub struct Accounts {
    pub monitor: Login,
    pub agent: Login,
    pub replication: Login,
    /// The ordinary user that the writing client is.
    pub app: Login,
}

impl Default for Accounts {
    fn default() -> Accounts {
        let login = |user: &str, password: &str, database: Option<&str>| Login {
            user: user.into(),
            password: password.into(),
            database: database.map(str::to_owned),
        };
        Accounts {
            monitor: login("mmm_monitor", "lab-monitor", None),
            agent: login("mmm_agent", "lab-agent", None),
            replication: login("repl", "lab-repl", None),
            app: login("app", "lab-app", Some("app")),
        }
    }
}

/// What a test may want different; the defaults are the product's, but for `auto_set_online`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[monitor] lease_ttl`, e.g. `"3s"`.
    pub lease_ttl: String,
    /// `[monitor] heartbeat`.
    pub heartbeat: String,
    /// `[monitor] auto_set_online`; `"0s"` is never.
    pub auto_set_online: String,
    /// Agents talk to their server over its unix socket (else by TCP to the host's address).
    pub agent_uses_socket: bool,
    /// Each agent keeps its state on a small disk of its own ([`crate::disk`]).
    pub small_disks: bool,
    /// More lines at the top of `mmm_common.toml`, e.g. `fence_escalation = "none"`.
    pub common: String,
    /// More lines in `[monitor]`.
    pub monitor: String,
    /// More sections at the end of `mmm_mon.toml`, e.g. `[check.default]` or `[move]`.
    pub sections: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lease_ttl: "3s".into(),
            heartbeat: "500ms".into(),
            auto_set_online: "2s".into(),
            agent_uses_socket: false,
            small_disks: false,
            common: String::new(),
            monitor: String::new(),
            sections: String::new(),
        }
    }
}

/// What the files describe.
pub struct Plan<'a> {
    pub cluster: &'a str,
    pub servers: &'a [Server],
    pub writer: Ipv4Addr,
    pub readers: &'a [Ipv4Addr],
    pub monitor: Ipv4Addr,
    pub ping: Ipv4Addr,
    pub folder: &'a Path,
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Paths {
    pub monitor: PathBuf,
    /// One file an agent, in the order of the servers.
    pub agents: Vec<PathBuf>,
    pub socket: PathBuf,
}

impl Paths {
    fn below(folder: &Path, servers: &[Server]) -> Paths {
        let agent = |server: &Server| folder.join(format!("{}/mmm_agent.toml", server.name()));
        Paths {
            monitor: folder.join("mon/mmm_mon.toml"),
            agents: servers.iter().map(agent).collect(),
            socket: folder.join("mon/mmm_mond.sock"),
        }
    }
}

/// Writes all files, each readable by its owner and group only.
pub fn write(plan: &Plan<'_>, settings: &Settings) -> Result<Paths> {
    let paths = Paths::below(plan.folder, plan.servers);
    let common = common(plan, settings);
    for (file, server) in paths.agents.iter().zip(plan.servers) {
        let folder = file.with_file_name("");
        put(&folder.join("mmm_common.toml"), &common)?;
        put(file, &agent(server.name(), &state_of(&folder, settings)))?;
    }
    put(&paths.monitor.with_file_name("mmm_common.toml"), &common)?;
    put(&paths.monitor, &monitor(plan, settings, &paths))?;
    Ok(paths)
}

pub(crate) fn put(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o640).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

fn quoted(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> =
        items.into_iter().map(|item| format!("\"{}\"", item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

fn common(plan: &Plan<'_>, settings: &Settings) -> String {
    let Accounts { monitor, agent, replication, .. } = Accounts::default();
    let masters = &plan.servers[..plan.servers.len().min(2)];
    let names = |servers: &[Server]| quoted(servers.iter().map(|s| s.name().to_owned()));
    let mut text = format!(
        "cluster = \"{}\"\nactive_master_role = \"writer\"\n\
         # The lab's network reaches nobody else.\ninsecure = true\n{}\n\n\
         [host.default]\ncluster_interface = \"{INTERFACE}\"\nmysql_port = {PORT}\n\
         agent_port = {AGENT_PORT}\n",
        plan.cluster, settings.common
    );
    for (who, login) in [("replication", replication), ("agent", agent), ("monitor", monitor)] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{who}_user = \"{}\"", login.user);
        let _ = writeln!(text, "{who}_password = \"{}\"", login.password);
    }
    for (at, server) in plan.servers.iter().enumerate() {
        let _ = writeln!(text, "\n[host.{}]\nip = \"{}\"", server.name(), server.ip());
        let _ = match masters {
            [a, b] if at < 2 => {
                let peer = if at == 0 { b } else { a };
                writeln!(text, "mode = \"master\"\npeer = \"{}\"", peer.name())
            }
            _ => writeln!(text, "mode = \"{}\"", if at == 0 { "master" } else { "slave" }),
        };
        if settings.agent_uses_socket {
            let _ = writeln!(text, "mysql_socket = \"{}\"", server.socket().display());
            let _ = writeln!(text, "mysql_pidfile = \"{}\"", server.pidfile().display());
        }
    }
    let _ = write!(
        text,
        "\n[role.writer]\nmode = \"exclusive\"\nhosts = {}\nips = {}\n\
         \n[role.reader]\nmode = \"balanced\"\nhosts = {}\nips = {}\n",
        names(masters),
        quoted([plan.writer]),
        names(plan.servers),
        quoted(plan.readers),
    );
    text
}

/// The folder for an agent's state, below that of its configuration.
fn state_of(folder: &Path, settings: &Settings) -> PathBuf {
    if settings.small_disks { folder.join(SMALL_DISK) } else { folder.to_owned() }
}

fn agent(name: &str, state: &Path) -> String {
    format!(
        "include = \"mmm_common.toml\"\nthis = \"{name}\"\nstate_path = \"{}\"\n",
        state.join("mmm_agentd.json").display()
    )
}

fn monitor(plan: &Plan<'_>, settings: &Settings, paths: &Paths) -> String {
    format!(
        "include = \"mmm_common.toml\"\n\n[monitor]\nip = \"{}\"\nsocket = \"{}\"\n\
         status_path = \"{}\"\nping_ips = {}\nauto_set_online = \"{}\"\nlease_ttl = \"{}\"\n\
         heartbeat = \"{}\"\n{}\n{}\n",
        plan.monitor,
        paths.socket.display(),
        paths.monitor.with_file_name("mmm_mond.status").display(),
        quoted([plan.ping]),
        settings.auto_set_online,
        settings.lease_ttl,
        settings.heartbeat,
        settings.monitor,
        settings.sections,
    )
}
