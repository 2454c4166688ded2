//! The machine: interface, addresses, capabilities, packet filter, clocks, state file, key.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mmm_proto::Span;
use mmm_proto::doctor::{Finding, Findings};
use nix::ifaddrs::InterfaceAddress;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::{CONNECT_LIMIT, FenceEscalation, Refusal, Subject};
use crate::agentd::escalate::{self, ServerProcess};
use crate::agentd::watchdog;
use crate::clock::Clock;
use crate::config::{Config, Host};

/// A disk that takes longer to keep a small file holds up every decision.
const SLOW_DISK: Duration = Duration::from_millis(100);

pub(super) const CAP_KILL: u32 = 5;
const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

pub(super) async fn examine(subject: Arc<Subject>, name: String) -> Vec<Finding> {
    let mut found = Findings::of(&name);
    let Some(me) = subject.me() else { return found.done() };
    interface(&subject.config, me, &mut found);
    capabilities(&mut found);
    if let Err(why) = Refusal::new(me.mysql_port).available().await {
        let what = format!("nf_tables cannot be used: {why}; clients of a moved VIP hang instead");
        found.warn("packet filter", what, "apt install nftables; modprobe nf_tables");
    } else {
        found.ok("packet filter", "nf_tables works");
    }
    clocks(&mut found);
    state(&subject.config.state_path, &mut found);
    if let Some(device) = &subject.config.watchdog_device {
        match watchdog::examine(device) {
            Ok(()) => found.ok("watchdog_device", format!("{} is there", device.display())),
            Err((what, remedy)) => found.bad("watchdog_device", what, remedy),
        }
    }
    if subject.config.cluster_key.is_some() {
        found.ok("cluster key", "there: programs of the cluster know each other by it");
    } else {
        let remedy = "head -c 32 /dev/urandom | base64 > /etc/mysql-mmm/cluster.key; chmod 640 \
                      /etc/mysql-mmm/cluster.key; then cluster_key_file on every host";
        found.warn(
            "cluster key",
            "none: whoever reaches the agent's port can take it over",
            remedy,
        );
    }
    escalation(&subject, me, &mut found).await;
    found.done()
}

fn interface(config: &Config, me: &Host, found: &mut Findings) {
    let name = &me.cluster_interface;
    let all: Vec<InterfaceAddress> = match nix::ifaddrs::getifaddrs() {
        Ok(all) => all.filter(|entry| entry.interface_name == *name).collect(),
        Err(error) => {
            return found.warn(
                "interface",
                format!("cannot list interfaces: {error}"),
                "ip address",
            );
        }
    };
    let Some(first) = all.first() else {
        let what = format!("there is no interface {name}");
        let remedy = format!("ip -br link; then host.{}.cluster_interface", me.name);
        return found.bad("interface", what, remedy);
    };
    if !first.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING) {
        let remedy = format!("ip link set {name} up; look at its cable or its switch");
        return found.bad("interface", format!("{name} is down"), remedy);
    }
    let networks: Vec<(IpAddr, IpAddr)> = all
        .iter()
        .filter_map(|entry| Some((ip(entry.address.as_ref()?)?, ip(entry.netmask.as_ref()?)?)))
        .collect();
    if networks.iter().any(|(own, _)| *own == me.ip) {
        found.ok("interface", format!("{name} is up and has {}", me.ip));
    } else {
        let what = format!("{name} is up, but {} is not on it", me.ip);
        let remedy =
            format!("ip -br address; then host.{0}.ip or host.{0}.cluster_interface", me.name);
        found.bad("interface", what, remedy);
    }
    let roles = config.roles.iter().filter(|role| role.hosts.contains(&me.name));
    let mut outside = false;
    for (role, vip) in roles.flat_map(|role| role.ips.iter().map(move |vip| (role, vip))) {
        if !networks.iter().any(|(own, mask)| own != vip && same_network(*own, *mask, *vip)) {
            outside = true;
            let what = format!(
                "{vip} of role {} is in no network of {name}: neighbours do not look for it there",
                role.name
            );
            let remedy =
                format!("choose an address of {}'s network in role.{}.ips", me.ip, role.name);
            found.bad("VIP", what, remedy);
        }
    }
    if !outside {
        found.ok("VIPs", format!("all are in a network of {name}"));
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    four.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

/// A single address is no network.
pub(super) fn same_network(own: IpAddr, mask: IpAddr, vip: IpAddr) -> bool {
    match (own, mask, vip) {
        (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(vip)) => {
            let mask = u32::from(mask);
            mask != u32::MAX && u32::from(own) & mask == u32::from(vip) & mask
        }
        (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(vip)) => {
            let mask = u128::from(mask);
            mask != u128::MAX && u128::from(own) & mask == u128::from(vip) & mask
        }
        _ => false,
    }
}

/// The effective capabilities of this process.
pub(super) fn effective() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Whether this process may add and remove addresses; where that cannot be told, it is tried.
pub(crate) fn may_change_addresses() -> bool {
    effective().is_none_or(|effective| effective >> CAP_NET_ADMIN & 1 == 1)
}

fn capabilities(found: &mut Findings) {
    let Some(effective) = effective() else {
        return found.warn("capabilities", "/proc/self/status cannot be read", "mount /proc");
    };
    let has = |cap: u32| effective >> cap & 1 == 1;
    let needed = [(CAP_NET_ADMIN, "CAP_NET_ADMIN"), (CAP_NET_RAW, "CAP_NET_RAW")];
    let missing: Vec<&str> =
        needed.iter().filter(|(cap, _)| !has(*cap)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        found.ok("capabilities", "CAP_NET_ADMIN and CAP_NET_RAW are there");
    } else {
        let missing = missing.join(" ");
        let remedy = format!("in the unit of mmm-agentd: AmbientCapabilities={missing}");
        found.bad("capabilities", format!("{missing} missing: no VIP can be held"), remedy);
    }
}

fn clocks(found: &mut Findings) {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = std::fs::read_to_string(path).unwrap_or_default();
    let source = source.trim();
    let remedy = "cat /sys/devices/system/clocksource/clocksource0/available_clocksource; echo tsc \
                  > /sys/devices/system/clocksource/clocksource0/current_clocksource";
    match source {
        "" => found.warn("clocksource", format!("{path} cannot be read"), format!("cat {path}")),
        "jiffies" | "refined-jiffies" => {
            found.bad("clocksource", format!("{source}: grants cannot be timed by it"), remedy);
        }
        "hpet" | "acpi_pm" => {
            found.warn(
                "clocksource",
                format!("{source} is slow; the kernel did not trust tsc"),
                remedy,
            );
        }
        source => found.ok("clocksource", source),
    }
    let suspended = Clock.suspended();
    if suspended >= Span::secs(1) {
        let what = format!("the machine was suspended for {suspended} since it was started");
        found.warn(
            "suspension",
            what,
            "systemctl mask sleep.target suspend.target hibernate.target",
        );
    } else {
        found.ok("suspension", "never since it was started");
    }
}

fn state(path: &Path, found: &mut Findings) {
    let folder = path.parent().unwrap_or(Path::new("."));
    let at = folder.display();
    let probe = folder.join(format!(".mmm-doctor-{}", std::process::id()));
    let began = Instant::now();
    let kept = std::fs::File::create(&probe).and_then(|mut file| {
        std::io::Write::write_all(&mut file, &[b'm'; 512])?;
        file.sync_all()
    });
    let took = began.elapsed();
    let _ = std::fs::remove_file(&probe);
    if let Err(error) = kept {
        let remedy = format!("df -h {at}; ls -ld {at}; install -d -m 750 {at}");
        return found.bad("state_path", format!("{at} cannot be written: {error}"), remedy);
    }
    let ms = took.as_millis();
    if took >= SLOW_DISK {
        let remedy = "put state_path on a disk that is not the busy database's";
        found.warn("state_path", format!("keeping 512 bytes in {at} took {ms} ms"), remedy);
    } else {
        found.ok("state_path", format!("{at} keeps a file in {ms} ms"));
    }
    if statfs(folder).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC) {
        let what = format!("{at} is in memory: after a crash of the machine nothing is left of it");
        found.warn("state_path", what, "state_path = \"/var/lib/mysql-mmm/mmm_agentd.json\"");
    }
}

/// Whether a server that hangs could be ended.
async fn escalation(subject: &Subject, me: &Host, found: &mut Findings) {
    const CHECK: &str = "fence_escalation";
    if subject.config.fence_escalation == FenceEscalation::None {
        let what = "none: a server that hangs while it is fenced stays writable";
        return found.warn(CHECK, what, "fence_escalation = \"kill\" in mmm_common.toml");
    }
    let Some(server) = subject.own_server() else { return };
    let known = escalate::pid_file(me.mysql_pidfile.clone(), &server, CONNECT_LIMIT).await;
    let known = known.and_then(|path| ServerProcess::default().remember(&path));
    let pid = match known {
        Ok(pid) => pid,
        Err(why) => {
            let remedy = format!("host.{}.mysql_pidfile: SELECT @@pid_file, @@datadir", me.name);
            let what = format!("a server that hangs could not be ended: {why}");
            return found.warn(CHECK, what, remedy);
        }
    };
    let owner = std::fs::metadata(format!("/proc/{pid}")).map(|meta| meta.uid()).ok();
    let kills = effective().is_some_and(|caps| caps >> CAP_KILL & 1 == 1);
    if kills || owner == Some(nix::unistd::geteuid().as_raw()) {
        found.ok(CHECK, format!("the server is process {pid}, and it may be killed"));
    } else {
        let what = format!("the server is process {pid}, and this user may not kill it");
        found.warn(CHECK, what, "in the unit of mmm-agentd: AmbientCapabilities=CAP_KILL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vip_belongs_to_a_network_and_not_to_a_single_address() {
        let same = |own: &str, mask: &str, vip: &str| {
            same_network(own.parse().unwrap(), mask.parse().unwrap(), vip.parse().unwrap())
        };
        assert!(same("10.77.0.1", "255.255.255.0", "10.77.0.100"));
        assert!(!same("10.77.0.1", "255.255.255.0", "10.78.0.100"));
        assert!(!same("10.77.0.100", "255.255.255.255", "10.77.0.100"));
        assert!(same("fd77::1", "ffff:ffff:ffff:ffff::", "fd77::100"));
        assert!(!same("10.77.0.1", "255.255.255.0", "fd77::100"));
    }
}
