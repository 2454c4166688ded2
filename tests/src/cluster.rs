//! `Lab`: a whole cluster, up in one call and down completely whatever happens to the test.
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::config::{self, Plan, Settings};
use crate::daemons::{Daemon, Daemons};
use crate::disk::Disk;
use crate::faults::{Fault, Faults};
use crate::net::{Host, Net};
use crate::observer::Observer;
use crate::server::{PORT, Server};
use crate::template;
use crate::verify::{self, Audit};
use crate::writer::{Record, Writer};
use crate::{rights, sweep};

/// The writer's VIP.
pub const WRITER_VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const MONITOR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 10);
const APP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 20);
/// How long replication may take to start.
const REPLICATION: Duration = Duration::from_secs(10);

static COUNT: AtomicU32 = AtomicU32::new(1);

/// What to bring up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Database hosts: two masters, then slaves; 1 to 9.
    pub servers: usize,
    /// Also start the monitor and the agents.
    pub daemons: bool,
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Options {
        Options { servers: 3, daemons: false, settings: Settings::default() }
    }
}

impl Options {
    /// The default cluster with its daemons.
    pub fn with_daemons() -> Options {
        Options { daemons: true, ..Options::default() }
    }
}

/// A cluster on this machine. Dropping it removes all of it.
pub struct Lab {
    id: String,
    folder: PathBuf,
    net: Net,
    servers: Vec<Server>,
    faults: Faults,
    /// In the order of the servers; none unless asked for.
    disks: Vec<Disk>,
    daemons: Option<Daemons>,
    is_down: bool,
}

impl Lab {
    /// Brings up network and servers, replication running, all servers read-only; the daemons too
    /// if asked for. Removes what dead labs left first.
    pub fn up(options: &Options) -> Result<Lab> {
        rights::check()?;
        if !(1..=9).contains(&options.servers) {
            bail!("a lab has 1 to 9 servers, not {}", options.servers);
        }
        sweep::sweep().context("remove what dead labs left")?;
        let pid = std::process::id();
        let id = format!("{}{pid}-{}", sweep::PREFIX, COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = sweep::base().join(&id);
        let mut lab = Lab {
            folder,
            net: Net::up(&id, &addresses(options.servers))?,
            id,
            servers: Vec::new(),
            faults: Faults::default(),
            disks: Vec::new(),
            daemons: None,
            is_down: false,
        };
        // From here on `lab` owns what exists, also when a step fails.
        lab.fill(options)?;
        Ok(lab)
    }

    fn fill(&mut self, options: &Options) -> Result<()> {
        make_private(&self.folder)?;
        sweep::claim(&self.folder)?;
        let template = template::get(&self.folder)?;
        for (id, host) in (1..).zip(self.net.hosts()[2..].iter()) {
            let folder = self.folder.join(&host.name);
            self.servers.push(Server::new(host, id, &folder, template)?);
        }
        for server in &self.servers {
            server.spawn()?;
        }
        for server in &self.servers {
            server.wait_answering()?;
        }
        self.replicate()?;
        if options.settings.small_disks {
            for server in &self.servers {
                let folder = self.folder.join(server.name()).join(config::SMALL_DISK);
                self.disks.push(Disk::mount(&folder)?);
            }
        }
        let paths = config::write(&self.plan(), &options.settings)?;
        if options.daemons {
            let hosts: Vec<Host> = self.servers.iter().map(|s| s.host().clone()).collect();
            let daemons = Daemons::new(self.net.host("mon")?, &hosts, paths)?;
            // Kept before they start: `down` must find those that did.
            self.daemons.insert(daemons).start()?;
        }
        Ok(())
    }

    fn replicate(&self) -> Result<()> {
        let Some((first, others)) = self.servers.split_first() else {
            return Ok(());
        };
        for other in others {
            other.follow(first)?;
        }
        if let Some(second) = others.first() {
            first.follow(second)?;
            first.wait_replicating(REPLICATION)?;
        }
        others.iter().try_for_each(|other| other.wait_replicating(REPLICATION))
    }

    fn plan(&self) -> Plan<'_> {
        Plan {
            cluster: "lab",
            servers: &self.servers,
            writer: WRITER_VIP,
            readers: &READER_VIPS[..self.servers.len()],
            monitor: MONITOR,
            ping: APP,
            folder: &self.folder,
        }
    }

    /// Its name; everything that it makes begins with it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The host of that name: mon, app, db1, ...
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.net.host(name)
    }

    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server of that name: db1, db2, ...
    pub fn server(&self, name: &str) -> Result<&Server> {
        let found = self.servers.iter().find(|server| server.name() == name);
        found.with_context(|| format!("the lab has no server {name:?}"))
    }

    /// The server with that `server_id`, as a client saw it.
    pub fn server_by_id(&self, id: u32) -> Result<&Server> {
        let found = self.servers.iter().find(|server| server.id() == id);
        found.with_context(|| format!("the lab has no server with server_id {id}"))
    }

    /// The daemons, when the lab was brought up with them.
    pub fn daemons(&self) -> Result<&Daemons> {
        self.daemons.as_ref().ok_or_else(|| anyhow!("this lab was brought up without daemons"))
    }

    /// The small disk of a host's agent, in a lab that was brought up with them.
    pub fn disk(&self, host: &str) -> Result<&Disk> {
        let at = self.servers.iter().position(|server| server.name() == host);
        let disk = at.and_then(|at| self.disks.get(at));
        disk.with_context(|| format!("the lab has no small disk on {host:?}"))
    }

    /// A second monitor of the same cluster on the client's host, with a status file of its own;
    /// not started. Nobody should ever do this.
    pub fn second_monitor(&self) -> Result<Daemon> {
        let first = &self.daemons()?.paths.monitor;
        let folder = self.folder.join("mon2");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for name in ["mmm_common.toml", "mmm_mon.toml"] {
            let from = first.with_file_name(name);
            let text = fs::read_to_string(&from)
                .with_context(|| format!("read {}", from.display()))?
                .replace("/mon/", "/mon2/")
                .replace(&format!("ip = \"{MONITOR}\""), &format!("ip = \"{APP}\""));
            config::put(&folder.join(name), &text)?;
        }
        Daemon::new("mmm-mond", self.host("app")?, &folder.join("mmm_mon.toml"))
    }

    /// Where a client finds the writer.
    pub fn writer_address(&self) -> SocketAddr {
        SocketAddr::from((WRITER_VIP, PORT))
    }

    /// The VIPs of the reader role, one a server.
    pub fn reader_vips(&self) -> &'static [Ipv4Addr] {
        &READER_VIPS[..self.servers.len()]
    }

    /// Starts a client that writes through the writer's VIP, 200 rows a second.
    pub fn start_writer(&self) -> Result<Writer> {
        Writer::start(self.host("app")?, self.writer_address())
    }

    /// Starts to watch every database host.
    pub fn observe(&self) -> Result<Observer> {
        Observer::start(&self.servers)
    }

    /// Which host holds the writer's VIP now; several only when something is wrong.
    pub fn holders(&self, vip: Ipv4Addr) -> Result<Vec<String>> {
        let mut holders = Vec::new();
        for server in &self.servers {
            if server.host().addresses()?.contains(&IpAddr::V4(vip)) {
                holders.push(server.name().to_owned());
            }
        }
        Ok(holders)
    }

    /// Waits until all servers have what `writer` has, then looks for every row that the client
    /// was promised on every server.
    pub fn verify(&self, record: &Record, writer: &str, limit: Duration) -> Result<Vec<Audit>> {
        let source = self.server(writer)?;
        for server in &self.servers {
            let reached = server.wait_caught_up(source, limit);
            reached.with_context(|| match server.replica_status() {
                Ok(status) => format!("its replication: {status:?}"),
                Err(error) => format!("its replication: {error:#}"),
            })?;
        }
        self.servers.iter().map(|server| verify::audit(server, record)).collect()
    }

    /// See [`Faults::cut`].
    pub fn cut(&self, a: &str, b: &str) -> Result<Fault> {
        self.faults.cut(&self.net, a, b)
    }

    /// See [`Faults::cut_one_way`].
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<Fault> {
        self.faults.cut_one_way(&self.net, from, to)
    }

    /// See [`Faults::isolate`].
    pub fn isolate(&self, host: &str) -> Result<Fault> {
        self.faults.isolate(&self.net, host)
    }

    /// See [`Faults::mute`].
    pub fn mute(&self, host: &str) -> Result<Fault> {
        self.faults.mute(&self.net, host)
    }

    /// See [`Faults::deafen`].
    pub fn deafen(&self, host: &str) -> Result<Fault> {
        self.faults.deafen(&self.net, host)
    }

    /// See [`Faults::unplug`].
    pub fn unplug(&self, host: &str) -> Result<Fault> {
        self.faults.unplug(&self.net, host)
    }

    /// See [`Faults::lossy`].
    pub fn lossy(&self, host: &str, percent: u32) -> Result<Fault> {
        self.faults.lossy(&self.net, host, percent)
    }

    /// Undoes one fault of the network.
    pub fn heal(&self, fault: &Fault) -> Result<()> {
        self.faults.heal(&self.net, fault)
    }

    /// Undoes all faults of the network.
    pub fn heal_all(&self) -> Result<()> {
        self.faults.heal_all(&self.net)
    }

    /// The faults of the network that are in force.
    pub fn active_faults(&self) -> Vec<Fault> {
        self.faults.active()
    }

    /// Takes everything down; all of it, whatever fails on the way. Says what failed first.
    pub fn down(mut self) -> Result<()> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_down, true) {
            return Ok(());
        }
        let mut result = self.daemons.take().map_or(Ok(()), |daemons| daemons.down());
        for server in &self.servers {
            result = result.and(server.down());
        }
        // Ends whatever still runs on the hosts, so it comes before the files.
        let all_ended = self.net.down();
        self.disks.clear();
        if all_ended.is_ok() && self.folder.exists() {
            let removed = fs::remove_dir_all(&self.folder);
            result =
                result.and(removed.with_context(|| format!("remove {}", self.folder.display())));
        }
        result.and(all_ended)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(e) = self.take_down() {
            // Nobody is left to return it to; a leftover must not go unnoticed.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("lab {} is not removed completely: {e:#}; `mmm-lab sweep`", self.id);
            }
        }
    }
}

const READER_VIPS: [Ipv4Addr; 9] = {
    let mut vips = [Ipv4Addr::UNSPECIFIED; 9];
    let mut at = 0;
    while at < vips.len() {
        vips[at] = Ipv4Addr::new(10, 77, 0, 101 + at as u8);
        at += 1;
    }
    vips
};

/// The hosts of a lab: the monitor's, the client's, then the database hosts.
fn addresses(servers: usize) -> Vec<(&'static str, Ipv4Addr)> {
    const NAMES: [&str; 9] = ["db1", "db2", "db3", "db4", "db5", "db6", "db7", "db8", "db9"];
    let mut hosts = vec![("mon", MONITOR), ("app", APP)];
    hosts.extend(
        (11..).zip(&NAMES[..servers]).map(|(at, name)| (*name, Ipv4Addr::new(10, 77, 0, at))),
    );
    hosts
}

fn make_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    made.with_context(|| format!("create {}", folder.display()))
}
