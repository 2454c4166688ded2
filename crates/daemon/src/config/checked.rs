//! Rules that look at several keys: peers, addresses, roles, times, who listens where. Single values are
//! right already, or are left alone because they have been reported.

use std::net::IpAddr;

use super::Program;
use super::keys::{self, Kind};
use super::model::{Config, Host, IsolatedWriter, Role};
use super::reader::{At, Reader};
use super::value::Bad;
use super::words::{HostMode, RoleMode, Span};

/// MySQL and MariaDB take no longer password in CHANGE MASTER.
const REPLICATION_PASSWORD_MAX: usize = 32;

/// Checks everything that one value alone cannot tell.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    reader.all_typed();
    let check = &mut Check { reader, config };
    check.this();
    for host in &config.hosts {
        check.host(host);
    }
    for role in &config.roles {
        check.role(role);
    }
    check.active_master_role();
    check.addresses();
    check.networks();
    check.ping_ips();
    check.times();
    check.listening();
    check.unused_settings();
}

struct Check<'c, 't> {
    reader: &'c mut Reader<'t>,
    config: &'c Config,
}

impl<'t> Check<'_, 't> {
    fn at(&self, kind: Kind, name: &str) -> At<'t> {
        self.reader.at(kind, name)
    }

    fn top(&self) -> At<'t> {
        self.at(Kind::Top, "")
    }

    fn wrong(&mut self, at: At<'t>, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.reader.wrong(at, key, Bad::new(what, remedy));
    }

    fn warn(&mut self, at: At<'t>, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.reader.warn(at, key, Bad::new(what, remedy));
    }

    /// What is said of a name that no host has.
    fn no_host(&self, name: &str) -> Bad {
        let hosts = || self.config.hosts.iter().map(|host| &*host.name);
        let remedy = match keys::nearest(name, hosts()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are: {}", hosts().collect::<Vec<_>>().join(", ")),
        };
        Bad::new(format!("there is no host {name:?}"), remedy)
    }

    fn this(&mut self) {
        if let Some(this) = &self.config.this
            && self.config.this_host().is_none()
        {
            let bad = self.no_host(this);
            self.reader.wrong(self.top(), "this", bad);
        }
    }

    fn host(&mut self, host: &Host) {
        let at = self.at(Kind::Host, &host.name);
        let sound = |key| self.reader.is_sound(at, key);
        if sound("mysql_port") && sound("agent_port") && host.mysql_port == host.agent_port {
            let what = format!("{} is the server's port too", host.agent_port);
            self.wrong(
                at,
                "agent_port",
                what,
                "give the agent a port of its own, such as 9989",
            );
        }
        let length = host.replication.password.expose().chars().count();
        if length > REPLICATION_PASSWORD_MAX {
            let what = format!(
                "has {length} characters; servers take at most {REPLICATION_PASSWORD_MAX} for replication"
            );
            self.warn(at, "replication_password", what, "choose a shorter one");
        }
        if self.reader.is_sound(at, "mode") {
            self.peer(host, at);
        }
    }

    fn peer(&mut self, host: &Host, at: At<'t>) {
        let Some(peer) = &host.peer else {
            let masters = self
                .config
                .hosts
                .iter()
                .filter(|other| other.mode == HostMode::Master);
            if host.mode == HostMode::Master
                && masters.count() > 1
                && self.reader.is_sound(at, "peer")
            {
                let remedy = "write peer = \"NAME\" with the other master's name";
                self.wrong(at, "peer", "is missing: there are several masters", remedy);
            }
            return;
        };
        if host.mode == HostMode::Slave {
            self.warn(
                at,
                "peer",
                "not used: a slave has no peer",
                "the line can go",
            );
            return;
        }
        if *peer == host.name {
            self.wrong(
                at,
                "peer",
                "a host is not its own peer",
                "name the other master",
            );
            return;
        }
        let Some(other) = self.config.host(peer) else {
            let bad = self.no_host(peer);
            self.reader.wrong(at, "peer", bad);
            return;
        };
        let there = self.at(Kind::Host, &other.name);
        if !self.reader.is_sound(there, "mode") {
            return;
        }
        if other.mode != HostMode::Master {
            let remedy = format!("name a master, or write mode = \"master\" in [host.{peer}]");
            self.wrong(at, "peer", format!("{peer} is a slave"), remedy);
        } else if let Some(back) = &other.peer
            && *back != host.name
            && *back != other.name
        {
            let what = format!("{peer} names {back} as its peer, not {}", host.name);
            let remedy = format!("write peer = \"{}\" in [host.{peer}]", host.name);
            self.wrong(at, "peer", what, remedy);
        }
    }

    fn role(&mut self, role: &Role) {
        let at = self.at(Kind::Role, &role.name);
        self.role_hosts(role, at);
        let exclusive = role.mode == RoleMode::Exclusive;
        let mode_sound = self.reader.is_sound(at, "mode");
        if self.reader.is_sound(at, "ips") && mode_sound {
            let count = role.ips.len();
            if count == 0 {
                self.wrong(
                    at,
                    "ips",
                    "the role has no VIP",
                    "write ips = [\"192.168.194.90\"]",
                );
            } else if exclusive && count > 1 {
                let what = format!("an exclusive role has one VIP, this one has {count}");
                self.wrong(at, "ips", what, "keep one, or write mode = \"balanced\"");
            }
        }
        let Some(prefer) = &role.prefer else { return };
        if mode_sound && !exclusive {
            let remedy = "remove it, or write mode = \"exclusive\"";
            self.wrong(
                at,
                "prefer",
                "only an exclusive role prefers a host",
                remedy,
            );
        } else if self.reader.is_sound(at, "hosts") && !role.hosts.contains(prefer) {
            let what = format!("{prefer:?} is not one of the role's hosts");
            self.wrong(
                at,
                "prefer",
                what,
                format!("write one of: {}", role.hosts.join(", ")),
            );
        }
    }

    fn role_hosts(&mut self, role: &Role, at: At<'t>) {
        if !self.reader.is_sound(at, "hosts") {
            return;
        }
        if role.hosts.is_empty() {
            self.wrong(
                at,
                "hosts",
                "the role has no hosts",
                "write hosts = [\"db1\", \"db2\"]",
            );
        }
        for (item, name) in role.hosts.iter().enumerate() {
            let bad = if self.config.host(name).is_none() {
                self.no_host(name)
            } else if role.hosts[..item].contains(name) {
                Bad::new(format!("{name:?} stands there twice"), "remove one")
            } else {
                continue;
            };
            self.reader.wrong_item(at, "hosts", item, bad);
        }
    }

    fn active_master_role(&mut self) {
        let top = self.top();
        if !self.reader.is_sound(top, "active_master_role") {
            return;
        }
        let name = &self.config.active_master_role;
        let Some(role) = self.config.role(name) else {
            let roles = || self.config.roles.iter().map(|role| &*role.name);
            let remedy = match (keys::nearest(name, roles()), roles().next()) {
                (Some(near), _) => format!("did you mean {near:?}?"),
                (None, Some(_)) => format!("there are: {}", roles().collect::<Vec<_>>().join(", ")),
                (None, None) => format!("write a section [role.{name}]"),
            };
            self.wrong(
                top,
                "active_master_role",
                format!("there is no role {name:?}"),
                remedy,
            );
            return;
        };
        let at = self.at(Kind::Role, name);
        if self.reader.is_sound(at, "mode") && role.mode != RoleMode::Exclusive {
            let what = "the active master role must be exclusive";
            self.wrong(at, "mode", what, "write mode = \"exclusive\"");
        }
        if !self.reader.is_sound(at, "hosts") {
            return;
        }
        match role.hosts.len() {
            0 | 2 => {}
            1 => self.warn(
                at,
                "hosts",
                "one host alone: nobody can take over",
                "add its peer",
            ),
            count => {
                let what = format!("the active master role has two hosts, not {count}");
                self.wrong(at, "hosts", what, "keep the two masters of one pair");
            }
        }
        for (item, name) in role.hosts.iter().enumerate() {
            let host = self.at(Kind::Host, name);
            let slave = self
                .config
                .host(name)
                .is_some_and(|host| host.mode == HostMode::Slave);
            if slave && self.reader.is_sound(host, "mode") {
                let what = format!("{name:?} is a slave and cannot be the writer");
                let remedy = format!("name a master, or write mode = \"master\" in [host.{name}]");
                self.reader
                    .wrong_item(at, "hosts", item, Bad::new(what, remedy));
            }
        }
    }

    /// No address stands for two things.
    fn addresses(&mut self) {
        let mut seen: Vec<(IpAddr, String)> = Vec::new();
        for host in &self.config.hosts {
            let at = self.at(Kind::Host, &host.name);
            if !self.reader.is_sound(at, "ip") {
                continue;
            }
            if let Some((_, owner)) = seen.iter().find(|(ip, _)| *ip == host.ip) {
                let what = format!("{} is the address of {owner} too", host.ip);
                self.wrong(at, "ip", what, "give each host its own permanent address");
            }
            seen.push((host.ip, format!("host {}", host.name)));
        }
        for role in &self.config.roles {
            let at = self.at(Kind::Role, &role.name);
            if !self.reader.is_sound(at, "ips") {
                continue;
            }
            for (item, ip) in role.ips.iter().enumerate() {
                if let Some((_, owner)) = seen.iter().find(|(other, _)| other == ip) {
                    let what = format!("{ip} is the address of {owner} too");
                    let bad = Bad::new(what, "give each VIP an address that nothing else uses");
                    self.reader.wrong_item(at, "ips", item, bad);
                }
                seen.push((*ip, format!("role {}", role.name)));
            }
        }
    }

    /// Typing errors such as 192.168.193 for 192.168.194.
    fn networks(&mut self) {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for host in &self.config.hosts {
            if self.reader.is_sound(self.at(Kind::Host, &host.name), "ip") {
                addresses.push(host.ip);
            }
        }
        let remedy = "check for a typing error";
        for host in &self.config.hosts {
            let at = self.at(Kind::Host, &host.name);
            if let Some(what) = outside(host.ip, &addresses)
                && self.reader.is_sound(at, "ip")
            {
                self.warn(at, "ip", what, remedy);
            }
        }
        for role in &self.config.roles {
            let at = self.at(Kind::Role, &role.name);
            if !self.reader.is_sound(at, "ips") {
                continue;
            }
            for (item, ip) in role.ips.iter().enumerate() {
                if let Some(what) = outside(*ip, &addresses) {
                    self.reader
                        .warn_item(at, "ips", item, Bad::new(what, remedy));
                }
            }
        }
        let at = self.at(Kind::Monitor, "");
        if !self.reader.is_sound(at, "ping_ips") {
            return;
        }
        for (item, ip) in self.config.monitor.ping_ips.iter().enumerate() {
            if let Some(what) = outside(*ip, &addresses) {
                self.reader
                    .warn_item(at, "ping_ips", item, Bad::new(what, remedy));
            }
        }
    }

    fn ping_ips(&mut self) {
        let at = self.at(Kind::Monitor, "");
        if self.reader.program != Program::Monitor || !self.reader.is_sound(at, "ping_ips") {
            return;
        }
        let ips = &self.config.monitor.ping_ips;
        if ips.is_empty() {
            let what = "no address is given: a dead network of the monitor looks like dead hosts";
            self.warn(
                at,
                "ping_ips",
                what,
                "name a router, such as ping_ips = [\"192.168.194.1\"]",
            );
            return;
        }
        for (item, ip) in ips.iter().enumerate() {
            if self.config.roles.iter().any(|role| role.ips.contains(ip)) {
                let bad = Bad::new(format!("{ip} is a VIP and moves"), "name a router");
                self.reader.warn_item(at, "ping_ips", item, bad);
            }
        }
        if ips
            .iter()
            .all(|ip| self.config.hosts.iter().any(|host| host.ip == *ip))
        {
            let what = "only database hosts: dead hosts look like a dead network";
            self.warn(at, "ping_ips", what, "add a router");
        }
    }

    fn times(&mut self) {
        let at = self.at(Kind::Monitor, "");
        let (ttl, heartbeat) = (self.config.monitor.lease_ttl, self.config.monitor.heartbeat);
        let sound = |key| self.reader.is_sound(at, key);
        if sound("lease_ttl") && sound("heartbeat") {
            if ttl.as_ms() < heartbeat.as_ms().saturating_mul(4) {
                let what = format!(
                    "{} is less than four heartbeats of {}: one lost message could fence the writer",
                    shown(ttl),
                    shown(heartbeat)
                );
                let least = Span::ms(heartbeat.as_ms().saturating_mul(4).max(1000));
                let remedy = format!(
                    "write at least \"{}\", or a shorter heartbeat",
                    shown(least)
                );
                self.wrong(at, "lease_ttl", what, remedy);
            } else if ttl > Span::secs(60) {
                let what = format!("a host that is gone keeps the writer for {}", shown(ttl));
                self.warn(at, "lease_ttl", what, "write a few seconds, such as \"3s\"");
            }
        }
        let checks = &self.config.checks;
        let times = [
            checks.ping,
            checks.mysql,
            checks.rep_threads,
            checks.rep_backlog,
        ];
        for (name, times) in keys::CHECKS.into_iter().zip(times) {
            let at = self.at(Kind::Check, name);
            let sound = |key| self.reader.is_sound(at, key);
            let (trap, timeout) = (times.trap_period, times.timeout);
            if sound("trap_period") && sound("timeout") && timeout > trap {
                let what = format!(
                    "{} is longer than trap_period ({}): one time-out alone is a failure",
                    shown(timeout),
                    shown(trap)
                );
                self.warn(
                    at,
                    "timeout",
                    what,
                    "write a shorter time-out or a longer trap_period",
                );
            } else if sound("trap_period") && sound("check_period") && times.check_period > trap {
                let what = format!(
                    "{} is longer than trap_period ({}): failures count after one more check",
                    shown(times.check_period),
                    shown(trap)
                );
                self.warn(
                    at,
                    "check_period",
                    what,
                    "write a shorter one or a longer trap_period",
                );
            }
        }
    }

    /// Nobody listens beyond loopback without authentication unless the files say so.
    fn listening(&mut self) {
        let config = self.config;
        let top = self.top();
        let monitor = self.at(Kind::Monitor, "");
        if let Some(port) = config.monitor.port
            && let Some(host) = config
                .hosts
                .iter()
                .find(|host| host.ip == config.monitor.ip)
            && [host.agent_port, host.mysql_port].contains(&port)
        {
            let what = format!("{port} is used by host {} at the same address", host.name);
            self.wrong(monitor, "port", what, "choose another port");
        }
        if !self.reader.is_sound(top, "cluster_key") || !self.reader.is_sound(top, "insecure") {
            return;
        }
        let given = config.cluster_key.is_some();
        let console = config.monitor.console_address().map(|address| address.ip());
        let hosts = config.hosts.iter().map(|host| host.ip);
        let exposed = hosts
            .chain(console.filter(|_| self.reader.program == Program::Monitor))
            .find(|ip| !ip.is_loopback() && !ip.is_unspecified());
        match (exposed, given, config.insecure) {
            (Some(ip), false, false) => {
                let what = format!("daemons listen on {ip} and nothing tells who may command them");
                let remedy = "write cluster_key_file = \"cluster.key\" (make the key with: openssl rand \
                              -base64 32), or insecure = true on a network that nobody else reaches";
                self.wrong(top, "cluster_key", what, remedy);
            }
            (Some(_), false, true) => {
                let what = "whoever reaches the daemons' ports can move the writer";
                self.warn(top, "insecure", what, "write a cluster_key_file instead");
            }
            (_, true, true) => {
                self.warn(
                    top,
                    "insecure",
                    "not needed with a cluster key",
                    "remove it",
                );
            }
            _ => {}
        }
    }

    fn unused_settings(&mut self) {
        let top = self.top();
        if self.config.isolated_writer == IsolatedWriter::Hold {
            let what = "\"hold\" lets a cut-off writer go on: there can be two writers at once";
            self.warn(
                top,
                "isolated_writer",
                what,
                "write \"fence\" unless you accept that",
            );
        }
        let tree = self.reader.tree;
        for name in ["ping", "mysql", "rep_threads"] {
            if tree
                .find(Kind::Check, name)
                .is_some_and(|own| own.entry("max_backlog").is_some())
            {
                let at = self.at(Kind::Check, name);
                let what = format!("not used: {name} does not look at lag");
                self.warn(at, "max_backlog", what, "write it in [check.rep_backlog]");
            }
        }
        let socket = tree
            .find(Kind::Socket, "")
            .and_then(|section| section.entry("type"));
        if socket.is_some_and(|entry| entry.value.quoted() == "\"ssl\"") {
            let at = self.at(Kind::Socket, "");
            let what = "links are authenticated, but not encrypted by the programs themselves";
            self.wrong(
                at,
                "type",
                what,
                "write cluster_key_file = \"cluster.key\" and remove [socket]",
            );
        }
    }
}

fn shown(span: Span) -> String {
    humantime::format_duration(span.into()).to_string()
}

/// The network that people mean: /24, and /64 for IPv6.
fn network(ip: IpAddr) -> (IpAddr, u8) {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            (IpAddr::from([a, b, c, 0]), 24)
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            (IpAddr::from([a, b, c, d, 0, 0, 0, 0]), 64)
        }
    }
}

/// What to say of an address outside the network of most hosts, if there is one such network.
fn outside(ip: IpAddr, hosts: &[IpAddr]) -> Option<String> {
    let alike: Vec<_> = hosts
        .iter()
        .filter(|host| host.is_ipv4() == ip.is_ipv4())
        .map(|host| network(*host))
        .collect();
    let home = alike
        .iter()
        .find(|net| alike.iter().filter(|n| n == net).count() * 2 > alike.len())?;
    if network(ip) == *home {
        return None;
    }
    Some(format!(
        "{ip} is outside the hosts' network {}/{}",
        home.0, home.1
    ))
}
