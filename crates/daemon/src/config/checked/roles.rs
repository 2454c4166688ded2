//! Rules of roles: their hosts, VIPs and preference, and what the active master role asks besides.

use super::Check;
use crate::config::keys::{self, Kind};
use crate::config::model::Role;
use crate::config::reader::At;
use crate::config::value::Bad;
use crate::config::words::{HostMode, RoleMode};

impl<'t> Check<'_, 't> {
    pub(super) fn role(&mut self, role: &Role) {
        let at = self.at(Kind::Role, &role.name);
        self.role_hosts(role, at);
        let exclusive = role.mode == RoleMode::Exclusive;
        let mode_sound = self.reader.is_sound(at, "mode");
        if self.reader.is_sound(at, "ips") && mode_sound {
            let count = role.ips.len();
            if count == 0 {
                self.wrong(at, "ips", "the role has no VIP", "write ips = [\"192.168.194.90\"]");
            } else if exclusive && count > 1 {
                let what = format!("an exclusive role has one VIP, this one has {count}");
                self.wrong(at, "ips", what, "keep one, or write mode = \"balanced\"");
            }
        }
        let Some(prefer) = &role.prefer else { return };
        if mode_sound && !exclusive {
            let remedy = "remove it, or write mode = \"exclusive\"";
            self.wrong(at, "prefer", "only an exclusive role prefers a host", remedy);
        } else if self.reader.is_sound(at, "hosts") && !role.hosts.contains(prefer) {
            let what = format!("\"{prefer}\" is not one of the role's hosts");
            self.wrong(at, "prefer", what, format!("write one of: {}", role.hosts.join(", ")));
        }
    }

    fn role_hosts(&mut self, role: &Role, at: At<'t>) {
        if !self.reader.is_sound(at, "hosts") {
            return;
        }
        if role.hosts.is_empty() {
            self.wrong(at, "hosts", "the role has no hosts", "write hosts = [\"db1\", \"db2\"]");
        }
        for (item, name) in role.hosts.iter().enumerate() {
            let bad = if self.config.host(name).is_none() {
                self.no_host(name)
            } else if role.hosts[..item].contains(name) {
                Bad::new(format!("\"{name}\" stands there twice"), "remove one")
            } else {
                continue;
            };
            self.reader.wrong_item(at, "hosts", item, bad);
        }
    }

    pub(super) fn active_master_role(&mut self) {
        let top = self.top();
        if !self.reader.is_sound(top, "active_master_role") {
            return;
        }
        let name = &self.config.active_master_role;
        let Some(role) = self.config.role(name) else {
            let roles: Vec<&str> = self.config.roles.iter().map(|r| r.name.as_str()).collect();
            let remedy = if roles.is_empty() {
                format!("write a section [role.{name}]")
            } else {
                keys::remedy_for_name(name.as_str(), &roles)
            };
            self.wrong(top, "active_master_role", format!("there is no role \"{name}\""), remedy);
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
            1 => self.warn(at, "hosts", "one host alone: nobody can take over", "add its peer"),
            count => {
                let what = format!("the active master role has two hosts, not {count}");
                self.wrong(at, "hosts", what, "keep the two masters of one pair");
            }
        }
        for (item, name) in role.hosts.iter().enumerate() {
            let host = self.at(Kind::Host, name);
            let slave = self.config.host(name).is_some_and(|host| host.mode == HostMode::Slave);
            if slave && self.reader.is_sound(host, "mode") {
                let what = format!("\"{name}\" is a slave and cannot be the writer");
                let remedy = format!("name a master, or write mode = \"master\" in [host.{name}]");
                self.reader.wrong_item(at, "hosts", item, Bad::new(what, remedy));
            }
        }
    }
}
