//! Rules of addresses: none stands for two things, typing errors, who listens where without a key.

use std::net::IpAddr;

use super::Check;
use crate::config::Program;
use crate::config::keys::Kind;
use crate::config::value::Bad;

impl Check<'_, '_> {
    /// No address stands for two things.
    pub(super) fn addresses(&mut self) {
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
    pub(super) fn networks(&mut self) {
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
                    self.reader.warn_item(at, "ips", item, Bad::new(what, remedy));
                }
            }
        }
        let at = self.at(Kind::Monitor, "");
        if !self.reader.is_sound(at, "ping_ips") {
            return;
        }
        for (item, ip) in self.config.monitor.ping_ips.iter().enumerate() {
            if let Some(what) = outside(*ip, &addresses) {
                self.reader.warn_item(at, "ping_ips", item, Bad::new(what, remedy));
            }
        }
    }

    pub(super) fn ping_ips(&mut self) {
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
        if ips.iter().all(|ip| self.config.hosts.iter().any(|host| host.ip == *ip)) {
            let what = "only database hosts: dead hosts look like a dead network";
            self.warn(at, "ping_ips", what, "add a router");
        }
    }

    /// Nobody listens beyond loopback without authentication unless the files say so.
    pub(super) fn listening(&mut self) {
        let config = self.config;
        let top = self.top();
        let monitor = self.at(Kind::Monitor, "");
        if let Some(port) = config.monitor.port
            && let Some(host) = config.hosts.iter().find(|host| host.ip == config.monitor.ip)
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
                let remedy = "write cluster_key_file = \"cluster.key\" (make the key with: openssl \
                              rand -base64 32), or insecure = true on a network that nobody else \
                              reaches";
                self.wrong(top, "cluster_key", what, remedy);
            }
            (Some(ip), false, true) if !config.is_given("insecure") => {
                let what = format!(
                    "without a cluster key, as in the original, anybody who reaches a daemon's \
                     port on {ip} can take addresses away and make servers writable"
                );
                let remedy = "write cluster_key_file = \"cluster.key\" in what all hosts share \
                              (make the key with: openssl rand -base64 32), or insecure = true on \
                              a network that nobody else reaches";
                self.warn(top, "cluster_key", what, remedy);
            }
            (Some(_), false, true) => {
                let what = "whoever reaches the daemons' ports can move the writer";
                self.warn(top, "insecure", what, "write a cluster_key_file instead");
            }
            (_, true, true) => {
                self.warn(top, "insecure", "not needed with a cluster key", "remove it");
            }
            _ => {}
        }
    }
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
    let home =
        alike.iter().find(|net| alike.iter().filter(|n| n == net).count() * 2 > alike.len())?;
    if network(ip) == *home {
        return None;
    }
    Some(format!("{ip} is outside the hosts' network {}/{}", home.0, home.1))
}
