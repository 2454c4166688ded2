//! The lab's network: one namespace a host, one for the bridge that joins them, nothing in the
//! root namespace. Names carry the owner's pid, so that leftovers can be told from live labs.
use std::fmt::Write as _;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{run, words};
use crate::wait::until;

/// The interface of every host.
pub const INTERFACE: &str = "eth0";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// One host on the bridge.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub ip: Ipv4Addr,
    /// The name of its network namespace.
    pub namespace: String,
}

impl Host {
    /// A command that will run on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        inside(&self.namespace, program)
    }

    /// Starts a thread that lives on this host: every socket that it opens is there.
    pub fn thread<T: Send + 'static>(
        &self,
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let path = Path::new(NAMES).join(&self.namespace);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("{name} on {}", self.name))
            .spawn(move || {
                enter(&path)?;
                // The starter waits for this; it cannot be gone.
                let _ = tell.send(());
                Ok(body())
            })
            .context("start a thread")?;
        if told.recv().is_ok() {
            return Ok(thread);
        }
        // It ended without a word: its result is the reason.
        match thread.join() {
            Ok(Err(e)) => Err(e),
            _ => Err(anyhow!("the thread that enters {} panicked", self.namespace)),
        }
    }

    /// The addresses on this host's interface now.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let thread = self.thread("addresses", addresses_here)?;
        thread.join().map_err(|_| anyhow!("listing the addresses of {} panicked", self.name))??
    }

    /// Gives the host one more address (/32), as an agent would, but without announcing it.
    pub fn add_address(&self, ip: IpAddr) -> Result<()> {
        let address = format!("{ip}/32");
        let add = ["ip", "-n", &self.namespace, "addr", "add", &address, "dev", INTERFACE];
        run(words(&add), "").map(drop)
    }

    pub fn remove_address(&self, ip: IpAddr) -> Result<()> {
        let address = format!("{ip}/32");
        let del = ["ip", "-n", &self.namespace, "addr", "del", &address, "dev", INTERFACE];
        run(words(&del), "").map(drop)
    }

    /// Makes the host forget who has which address on the link.
    pub fn forget_neighbours(&self) -> Result<()> {
        run(words(&["ip", "-n", &self.namespace, "neigh", "flush", "all"]), "").map(drop)
    }
}

/// The addresses of the calling thread's namespace, loopback left out.
pub(crate) fn addresses_here() -> Result<Vec<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs().context("list addresses")?;
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    Ok(all.filter_map(|entry| entry.address.and_then(ip)).filter(|ip| !ip.is_loopback()).collect())
}

fn enter(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", path.display()))
}

fn inside(namespace: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// All namespaces of one lab. Dropping it removes them and ends what still runs inside.
pub struct Net {
    hosts: Vec<Host>,
    switch: String,
}

impl Net {
    /// Builds the network for `hosts` (name and address in one /24); `id` starts every name.
    pub fn up(id: &str, hosts: &[(&str, Ipv4Addr)]) -> Result<Net> {
        let host = |(name, ip): &(&str, Ipv4Addr)| Host {
            name: (*name).to_owned(),
            ip: *ip,
            namespace: format!("{id}-{name}"),
        };
        let net = Net { hosts: hosts.iter().map(host).collect(), switch: format!("{id}-switch") };
        // From here on `net` owns what exists, also when a step fails.
        net.create().context("build the lab's network")?;
        Ok(net)
    }

    fn create(&self) -> Result<()> {
        let mut names = format!("netns add {}\n", self.switch);
        let mut wires = String::from("link set lo up\n");
        // No spanning tree: a port must forward from the moment it is plugged in.
        wires.push_str("link add br0 type bridge stp_state 0 forward_delay 0\nlink set br0 up\n");
        for Host { name, namespace, .. } in &self.hosts {
            // Writing to a String cannot fail.
            let _ = writeln!(names, "netns add {namespace}");
            let peer = format!("peer name {INTERFACE} netns {namespace}");
            let _ = writeln!(wires, "link add p-{name} type veth {peer}");
            let _ = writeln!(wires, "link set p-{name} master br0 up");
        }
        run(words(&["ip", "-batch", "-"]), &names)?;
        run(words(&["ip", "-n", &self.switch, "-batch", "-"]), &wires)?;
        for host in &self.hosts {
            let up = format!(
                "link set lo up\naddr add {}/24 dev {INTERFACE}\nlink set {INTERFACE} up\n",
                host.ip
            );
            run(words(&["ip", "-n", &host.namespace, "-batch", "-"]), &up)?;
        }
        Ok(())
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| {
            let names: Vec<_> = self.hosts.iter().map(|host| host.name.as_str()).collect();
            anyhow!("the lab has no host {name:?}; it has {}", names.join(", "))
        })
    }

    /// The name of the bridge's port for a host.
    pub(crate) fn port(host: &Host) -> String {
        format!("p-{}", host.name)
    }

    /// A command in the namespace of the bridge.
    pub(crate) fn at_switch(&self, program: &str) -> Command {
        inside(&self.switch, program)
    }

    /// The names of all its namespaces, the bridge's last.
    pub fn namespaces(&self) -> Vec<String> {
        let hosts = self.hosts.iter().map(|host| host.namespace.clone());
        hosts.chain([self.switch.clone()]).collect()
    }

    /// Ends everything inside and removes the namespaces; all of it, whatever fails on the way.
    pub fn down(&mut self) -> Result<()> {
        let mut result = Ok(());
        for namespace in self.namespaces() {
            result = result.and(remove(&namespace));
        }
        self.hosts.clear();
        self.switch.clear();
        result
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if !self.switch.is_empty() {
            // The owner calls `down` and reports; here only a half-built network is left.
            let _ = self.down();
        }
    }
}

/// The names of all namespaces that begin with `prefix`.
pub fn list(prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(NAMES).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}

/// Kills what runs in a namespace, waits until it is gone, and removes the namespace.
pub(crate) fn remove(namespace: &str) -> Result<()> {
    let path = Path::new(NAMES).join(namespace);
    let Ok(meta) = std::fs::metadata(&path) else {
        return Ok(());
    };
    until(&format!("the processes in {namespace} to end"), Duration::from_secs(10), || {
        let left = processes_in(meta.dev(), meta.ino());
        for pid in &left {
            // Gone meanwhile is as good.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} run")) }
    })?;
    run(words(&["ip", "netns", "del", namespace]), "").map(drop)
}

/// Processes whose network namespace is the given one; zombies have none.
fn processes_in(device: u64, inode: u64) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |entry: std::fs::DirEntry| -> Option<i32> {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let meta = std::fs::metadata(PathBuf::from(format!("/proc/{pid}/ns/net"))).ok()?;
        (meta.dev() == device && meta.ino() == inode).then_some(pid)
    };
    entries.filter_map(pid).collect()
}
