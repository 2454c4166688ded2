//! Rules that look at several keys: hosts and peers, times, settings without effect. Single values
//! are right already, or are left alone because they have been reported. Rules of roles and of
//! addresses have rooms of their own.

mod network;
mod roles;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Program;
use super::keys::{self, Kind};
use super::model::{Config, Host, IsolatedWriter};
use super::reader::{At, Reader};
use super::tree::Form;
use super::value::Bad;
use super::words::{self, HostMode, HostName, Span};

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
    fn at(&self, kind: Kind, name: impl AsRef<str>) -> At<'t> {
        self.reader.at(kind, name.as_ref())
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
    fn no_host(&self, name: &HostName) -> Bad {
        let hosts: Vec<&str> = self.config.hosts.iter().map(|host| host.name.as_str()).collect();
        let remedy = keys::remedy_for_name(name.as_str(), &hosts);
        Bad::new(format!("there is no host {:?}", name.as_str()), remedy)
    }

    fn this(&mut self) {
        if let Some(this) = &self.config.this
            && self.config.this_host().is_none()
            && !self.config.hosts.is_empty()
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
            self.wrong(at, "agent_port", what, "give the agent a port of its own, such as 9989");
        }
        let length = host.replication.password.expose().chars().count();
        if length > REPLICATION_PASSWORD_MAX {
            let what = format!(
                "has {length} characters; servers take at most {REPLICATION_PASSWORD_MAX} for \
                 replication"
            );
            self.warn(at, "replication_password", what, "choose a shorter one");
        }
        if self.reader.is_sound(at, "mode") {
            self.peer(host, at);
        }
    }

    fn peer(&mut self, host: &Host, at: At<'t>) {
        let Some(peer) = &host.peer else {
            let masters = self.config.hosts.iter().filter(|other| other.mode == HostMode::Master);
            if host.mode == HostMode::Master
                && masters.count() > 1
                && self.reader.is_sound(at, "peer")
                && !self.reader.is_misspelt(at, "peer")
            {
                let remedy = "write peer = \"NAME\" with the other master's name";
                self.wrong(at, "peer", "is missing: there are several masters", remedy);
            }
            return;
        };
        if host.mode == HostMode::Slave {
            self.warn(at, "peer", "not used: a slave has no peer", "the line can go");
            return;
        }
        if *peer == host.name {
            let remedy = "name the other master, or remove the line if there is none";
            self.wrong(at, "peer", "a host is not its own peer", remedy);
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
            && self.config.host(back).is_some_and(|host| host.mode == HostMode::Master)
        {
            let what = format!("{peer} names {back} as its peer, not {}", host.name);
            let remedy = format!("write peer = \"{}\" in [host.{peer}]", host.name);
            self.wrong(at, "peer", what, remedy);
        }
    }

    fn times(&mut self) {
        let at = self.at(Kind::Monitor, "");
        let (ttl, heartbeat) = (self.config.monitor.lease_ttl, self.config.monitor.heartbeat);
        let sound = |key| self.reader.is_sound(at, key);
        if sound("lease_ttl") && sound("heartbeat") {
            if ttl.as_ms() < heartbeat.as_ms().saturating_mul(4) {
                let what = format!(
                    "{} is less than four heartbeats of {}: one lost message could fence the \
                     writer",
                    shown(ttl),
                    shown(heartbeat)
                );
                let least = Span::ms(heartbeat.as_ms().saturating_mul(4).max(1000));
                let remedy = format!("write at least \"{}\", or a shorter heartbeat", shown(least));
                self.wrong(at, "lease_ttl", what, remedy);
            } else if ttl > Span::secs(60) {
                let what = format!("a host that is gone keeps the writer for {}", shown(ttl));
                self.warn(at, "lease_ttl", what, "write a few seconds, such as \"3s\"");
            }
        }
        for check in words::Check::ALL {
            let times = self.config.checks.of(check);
            let at = self.at(Kind::Check, check.word());
            let sound = |key| self.reader.is_sound(at, key);
            let (trap, timeout) = (times.trap_period, times.timeout);
            if sound("trap_period") && sound("timeout") && timeout > trap {
                let what = format!(
                    "{} is longer than trap_period ({}): one time-out alone is a failure",
                    shown(timeout),
                    shown(trap)
                );
                self.warn(at, "timeout", what, "write a shorter time-out or a longer trap_period");
            } else if sound("trap_period") && sound("check_period") && times.check_period > trap {
                let what = format!(
                    "{} is longer than trap_period ({}): failures count after one more check",
                    shown(times.check_period),
                    shown(trap)
                );
                self.warn(at, "check_period", what, "write a shorter one or a longer trap_period");
            }
        }
    }

    fn unused_settings(&mut self) {
        let top = self.top();
        if self.config.isolated_writer == IsolatedWriter::Hold {
            // The explicit choice of those who prefer the original's way is warned of.
            let what = match &self.config.monitor.kill_host_bin {
                Some(_) => {
                    "\"hold\": a writer that nobody reaches stays writable, and another takes its \
                     place only after kill_host_bin has cut it off"
                }
                None => {
                    "\"hold\": a writer that nobody reaches stays writable, also when it is dead \
                     nobody takes its place by itself"
                }
            };
            let remedy = "write \"fence\", or have kill_host_bin cut lost hosts off; by hand: \
                          move_role --force, once the host is off for certain";
            self.warn(top, "isolated_writer", what, remedy);
        }
        let monitor = self.at(Kind::Monitor, "");
        if let Some(path) = &self.config.monitor.kill_host_bin
            && self.reader.program == Program::Monitor
            && !is_program(path)
        {
            let what = format!(
                "there is no program {}: a lost host is not cut off, only waited for",
                path.display()
            );
            self.warn(monitor, "kill_host_bin", what, "correct the path, or chmod +x the file");
        }
        let tree = self.reader.tree;
        for name in ["ping", "mysql", "rep_threads"] {
            if tree.find(Kind::Check, name).is_some_and(|own| own.entry("max_backlog").is_some()) {
                let at = self.at(Kind::Check, name);
                let what = format!("not used: {name} does not look at lag");
                self.warn(at, "max_backlog", what, "write it in [check.rep_backlog]");
            }
        }
        let socket = tree.find(Kind::Socket, "").and_then(|section| section.entry("type"));
        if socket.is_some_and(|entry| entry.value.quoted() == "\"ssl\"") {
            let at = self.at(Kind::Socket, "");
            if tree.form == Form::Conf {
                let what = "TLS is not in this version: links are NOT encrypted";
                let remedy = "give all hosts the same cluster_key_file, which authenticates links, \
                              and keep them in a network of their own";
                self.warn(at, "type", what, remedy);
                return;
            }
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

/// Whether it can be run by somebody.
fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
