//! What a simulated cluster is like: its hosts and roles, every length of time, and how good its
//! servers and disks are. One line of text says it all: `cluster hosts=3 ttl=3s semi_sync=on`.

use std::fmt;
use std::net::IpAddr;

use mmm_proto::{ClusterName, HostMode, HostName, MonitorMode, RoleMode, RoleName, Span};

use super::text::{HOSTS_MAX, host, host_word, number, span, span_word};
use crate::core::agent::{Roster, RosterVip};
use crate::core::monitor::topology::{HostSpec, RoleSpec, Timing, Topology};

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
            kill_host: None,
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

    /// What the agent core of a host is to know.
    pub fn roster(&self, me: usize) -> Roster {
        let top = self.topology();
        let vips = top.roles.iter().enumerate().flat_map(|(index, role)| {
            role.ips.iter().map(move |ip| RosterVip {
                ip: *ip,
                role: role.name.clone(),
                mode: role.mode,
                writer: index == top.writer,
            })
        });
        Roster {
            me: host_name(me),
            hosts: (0..self.hosts).map(|h| (host_name(h), host_ip(h), 3306)).collect(),
            vips: vips.collect(),
        }
    }

    /// The longest that one move may take by all its limits together.
    pub fn move_limit(&self) -> Span {
        let tries = self.masters as u64 + 1;
        self.drain_timeout
            + self.freeze_grace
            + self.ttl * 2
            + (self.catch_up_timeout * 2 + self.step_timeout + Span::secs(1)) * tries
            + self.step_timeout * 3
            + Span::secs(2)
    }
}

macro_rules! spans {
    ($($name:ident)*) => {
        const SPANS: &[SpanField] = &[$(SpanField {
            name: stringify!($name),
            get: |config| config.$name,
            set: |config, span| config.$name = span,
        }),*];
    };
}

struct SpanField {
    name: &'static str,
    get: fn(&WorldConfig) -> Span,
    set: fn(&mut WorldConfig, Span),
}

spans! {
    heartbeat ttl check_period check_timeout trap rep_trap max_backlog auto_set_online
    wait_for_other_master flap_duration drain_timeout drain_lag freeze_grace catch_up_timeout
    step_timeout max_transaction delay write_every
}

macro_rules! switches {
    ($($name:ident)*) => {
        const SWITCHES: &[SwitchField] = &[$(SwitchField {
            name: stringify!($name),
            get: |config| config.$name,
            set: |config, on| config.$name = on,
        }),*];
    };
}

struct SwitchField {
    name: &'static str,
    get: fn(&WorldConfig) -> bool,
    set: fn(&mut WorldConfig, bool),
}

switches! { report semi_sync durable escalate boots_writable careful_startup in_service jitter }

impl WorldConfig {
    /// Reads `hosts=3 ttl=3s semi_sync=on`; what is not named is as by default.
    ///
    /// # Errors
    /// Says which word is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config = Self::default();
        for word in text.split_whitespace() {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{word:?}: write name=value"))?;
            config.set(name, value).map_err(|why| format!("{name}: {why}"))?;
        }
        if !(2..=HOSTS_MAX).contains(&config.hosts) {
            return Err(format!("hosts: 2 to {HOSTS_MAX}"));
        }
        if !(1..=config.hosts).contains(&config.masters) {
            return Err("masters: 1 to the number of hosts".to_owned());
        }
        if config.ttl < config.heartbeat * 4 {
            return Err("ttl: at least four heartbeats".to_owned());
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(field) = SPANS.iter().find(|field| field.name == name) {
            (field.set)(self, span(value)?);
            return Ok(());
        }
        if let Some(field) = SWITCHES.iter().find(|field| field.name == name) {
            let on = match value {
                "on" => true,
                "off" => false,
                _ => return Err("on or off".to_owned()),
            };
            (field.set)(self, on);
            return Ok(());
        }
        match name {
            "hosts" => self.hosts = number(value)?,
            "masters" => self.masters = number(value)?,
            "readers" => self.readers = number(value)?,
            "flap_count" => self.flap_count = number(value)?,
            "prefer" => self.prefer = Some(host(value)?),
            "mode" => {
                use MonitorMode::{Active, Manual, Passive, Wait};
                let known = [Active, Manual, Passive, Wait].into_iter();
                let found = known.into_iter().find(|mode| mode.word() == value);
                self.mode = found.ok_or("ACTIVE, MANUAL, PASSIVE or WAIT")?;
            }
            _ => {
                let known: Vec<&str> = SPANS.iter().map(|field| field.name).collect();
                return Err(format!("no such setting; spans are {}", known.join(", ")));
            }
        }
        Ok(())
    }
}

/// What differs from the default, as [`WorldConfig::parse`] reads it.
impl fmt::Display for WorldConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        write!(f, "hosts={}", self.hosts)?;
        for (name, mine, theirs) in [
            ("masters", self.masters, usual.masters),
            ("readers", self.readers, usual.readers),
            ("flap_count", self.flap_count as usize, usual.flap_count as usize),
        ] {
            if mine != theirs {
                write!(f, " {name}={mine}")?;
            }
        }
        if let Some(prefer) = self.prefer {
            write!(f, " prefer={}", host_word(prefer))?;
        }
        if self.mode != usual.mode {
            write!(f, " mode={}", self.mode)?;
        }
        for field in SPANS {
            let span = (field.get)(self);
            if span != (field.get)(&usual) {
                write!(f, " {}={}", field.name, span_word(span))?;
            }
        }
        for field in SWITCHES {
            let on = (field.get)(self);
            if on != (field.get)(&usual) {
                write!(f, " {}={}", field.name, if on { "on" } else { "off" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_survives_its_text() {
        let text = "hosts=5 masters=3 readers=4 prefer=db2 mode=MANUAL ttl=10s report=on";
        let config = WorldConfig::parse(text).unwrap();
        assert_eq!(config.to_string(), text);
        assert_eq!(WorldConfig::parse(&config.to_string()).unwrap(), config);
        assert_eq!(WorldConfig::parse("").unwrap(), WorldConfig::default());
        for (bad, why) in [
            ("hosts=9", "2 to 7"),
            ("hosts", "name=value"),
            ("ttl=1s", "four heartbeats"),
            ("semi_sync=maybe", "on or off"),
            ("tll=3s", "no such setting"),
            ("hosts=2 masters=3", "number of hosts"),
        ] {
            let error = WorldConfig::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
