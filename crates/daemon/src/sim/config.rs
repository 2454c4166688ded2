//! What a simulated cluster is like: its hosts and roles, every length of time, and how good its
//! servers and disks are. One line of text says it all: `cluster hosts=3 ttl=3s semi_sync=on`.

mod words;

use std::net::IpAddr;

use mmm_proto::{ClusterName, HostMode, HostName, MonitorMode, RoleMode, RoleName, Span};

use super::text::host_word;
use crate::core::agent::{Roster, RosterVip};
use crate::core::monitor::topology::{HostSpec, RoleSpec, Timing, Topology};

/// What `kill_host_bin` does when it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// None is configured.
    Off,
    /// It cuts the host's power.
    On,
    /// It says that it could not.
    Fails,
}

impl Hook {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Off, "off"), (Self::On, "on"), (Self::Fails, "fails")];
}

/// A simulated cluster. The default is the one of the tutorial: two masters, one replica, three
/// reader addresses, the product's own times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldConfig {
    /// 2 to 7.
    pub hosts: usize,
    /// The first so many may be writer; the first two are peers. 1 to `hosts`.
    pub masters: usize,
    /// Addresses of the balanced role `reader`.
    pub readers: usize,
    /// Another exclusive role, `report`, on all hosts.
    pub report: bool,
    /// The preferred host of the writer role.
    pub prefer: Option<usize>,
    pub mode: MonitorMode,
    pub heartbeat: Span,
    pub ttl: Span,
    /// Of all checks.
    pub check_period: Span,
    pub check_timeout: Span,
    /// Of `ping` and `mysql`.
    pub trap: Span,
    /// Of the two checks of replication.
    pub rep_trap: Span,
    pub max_backlog: Span,
    /// Zero is never.
    pub auto_set_online: Span,
    pub wait_for_other_master: Span,
    pub flap_count: u32,
    pub flap_duration: Span,
    pub drain_timeout: Span,
    pub drain_lag: Span,
    pub freeze_grace: Span,
    pub catch_up_timeout: Span,
    pub step_timeout: Span,
    pub max_transaction: Span,
    /// One way between any two machines; every message draws up to twice that.
    pub delay: Span,
    /// Between two writes of the clients.
    pub write_every: Span,
    /// A write is acknowledged only when a replica has received it.
    pub semi_sync: bool,
    /// A server that crashes loses nothing that it committed.
    pub durable: bool,
    /// `fence_escalation = "kill"`.
    pub escalate: bool,
    /// Servers come up writable, against the advice.
    pub boots_writable: bool,
    pub careful_startup: bool,
    pub kill_host: Hook,
    /// `isolated_writer = "hold"`.
    pub holds_alone: bool,
    /// The cluster is in service at the beginning: everything ONLINE, `db1` the writer.
    pub in_service: bool,
    /// What takes time takes a little more or less each time, and clocks drift. Without it every
    /// length is the middle one.
    pub jitter: bool,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            hosts: 3,
            masters: 2,
            readers: 3,
            report: false,
            prefer: None,
            mode: MonitorMode::Active,
            heartbeat: Span::ms(500),
            ttl: Span::secs(3),
            check_period: Span::secs(1),
            check_timeout: Span::secs(2),
            trap: Span::secs(3),
            rep_trap: Span::secs(10),
            max_backlog: Span::secs(60),
            auto_set_online: Span::secs(60),
            wait_for_other_master: Span::secs(120),
            flap_count: 3,
            flap_duration: Span::secs(3600),
            drain_timeout: Span::secs(10),
            drain_lag: Span::secs(1),
            freeze_grace: Span::ms(500),
            catch_up_timeout: Span::secs(5),
            step_timeout: Span::secs(5),
            max_transaction: Span::secs(5),
            delay: Span::ms(1),
            write_every: Span::ms(200),
            semi_sync: false,
            durable: true,
            escalate: true,
            boots_writable: false,
            careful_startup: true,
            kill_host: Hook::Off,
            holds_alone: false,
            in_service: true,
            jitter: true,
        }
    }
}

/// The VIP of the writer.
pub fn writer_vip() -> IpAddr {
    IpAddr::from([10, 0, 0, 100])
}

/// Every VIP of a cluster, the writer's first, then the readers', then that of `report`.
pub fn vips(config: &WorldConfig) -> Vec<IpAddr> {
    let count = 1 + config.readers + usize::from(config.report);
    (0..count).map(|vip| IpAddr::from([10, 0, 0, 100 + vip as u8])).collect()
}

/// The address of a host.
pub fn host_ip(host: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 11 + host as u8])
}

fn host_name(host: usize) -> HostName {
    HostName::parse(host_word(host)).expect("db1 to db7 are names")
}

fn role_name(name: &str) -> RoleName {
    RoleName::parse(name).expect("the simulation's roles have good names")
}

impl WorldConfig {
    /// What the monitor core is to know.
    pub fn topology(&self) -> Topology {
        let vips = vips(self);
        let host = |index: usize| HostSpec {
            name: host_name(index),
            ip: host_ip(index),
            port: 3306,
            mode: if index < self.masters { HostMode::Master } else { HostMode::Slave },
            peer: match index {
                0 if self.masters > 1 => Some(1),
                1 if self.masters > 1 => Some(0),
                _ => None,
            },
        };
        let role = |name: &str, mode, hosts: usize, ips: &[IpAddr], prefer| RoleSpec {
            name: role_name(name),
            mode,
            hosts: (0..hosts).collect(),
            ips: ips.to_vec(),
            prefer,
        };
        let (exclusive, balanced) = (RoleMode::Exclusive, RoleMode::Balanced);
        let mut roles = vec![role("writer", exclusive, self.masters, &vips[..1], self.prefer)];
        if self.readers > 0 {
            roles.push(role("reader", balanced, self.hosts, &vips[1..=self.readers], None));
        }
        if self.report {
            let last = Some(self.hosts - 1);
            roles.push(role("report", exclusive, self.hosts, &vips[vips.len() - 1..], last));
        }
        Topology {
            cluster: ClusterName::parse("main").expect("main is a name"),
            hosts: (0..self.hosts).map(host).collect(),
            roles,
            writer: 0,
            timing: self.timing(),
            mode: self.mode,
            careful_startup: self.careful_startup,
            holds_alone: self.holds_alone,
            kill_host: (self.kill_host != Hook::Off).then_some(Span::secs(5)),
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            heartbeat: self.heartbeat,
            ttl: self.ttl,
            trap: [self.trap, self.trap, self.rep_trap, self.rep_trap],
            max_backlog: self.max_backlog,
            auto_set_online: self.auto_set_online,
            wait_for_other_master: self.wait_for_other_master,
            flap_duration: self.flap_duration,
            flap_count: self.flap_count,
            drain_timeout: self.drain_timeout,
            drain_lag: self.drain_lag,
            freeze_grace: self.freeze_grace,
            catch_up_timeout: self.catch_up_timeout,
            step_timeout: self.step_timeout,
            max_transaction: self.max_transaction,
        }
    }

    /// What the agent core of a host is to know. The names are those of the monitor's: shared, they
    /// are equal at a glance.
    pub fn roster(&self, top: &Topology, me: usize) -> Roster {
        let vips = top.roles.iter().enumerate().flat_map(|(index, role)| {
            role.ips.iter().map(move |ip| RosterVip {
                ip: *ip,
                role: role.name.clone(),
                mode: role.mode,
                writer: index == top.writer,
            })
        });
        Roster {
            me: top.hosts[me].name.clone(),
            hosts: top.hosts.iter().map(|h| (h.name.clone(), h.ip, h.port)).collect(),
            vips: vips.collect(),
        }
    }

    /// The longest that one step of a move may take.
    pub fn step_limit(&self) -> Span {
        let freeze = self.freeze_grace + self.step_timeout;
        let steps = [self.drain_timeout, freeze, self.catch_up_timeout, self.step_timeout];
        let longest = steps.into_iter().max().unwrap_or_default();
        longest.max(self.ttl + Span::secs(1)) + Span::secs(4)
    }

    /// The longest that one move may take by all its limits together.
    pub fn move_limit(&self) -> Span {
        let tries = self.masters as u64 + self.hosts as u64;
        self.drain_timeout
            + self.freeze_grace
            + self.ttl * 2
            + (self.catch_up_timeout * 2 + self.step_timeout + Span::secs(1)) * tries
            + self.step_timeout * 3
            + Span::secs(2)
    }
}
