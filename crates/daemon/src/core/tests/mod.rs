//! Whole clusters in one thread: a monitor core, three agent cores and toy servers, with time,
//! links and faults in the hands of the test. Nothing here may sleep, draw lots or read a clock.

mod cluster;
mod host;
mod server;

mod advice;
mod commands;
mod doctor;
mod failover;
mod grants;
mod hook;
mod isolated;
mod memory;
mod modes;
mod network;
mod partition;
mod placing;
mod planned;
mod preferred;
mod restart;
mod starting;
mod states;
mod unseen;
mod votes;
mod weather;
mod why;

use std::net::IpAddr;

use mmm_proto::{HostMode, HostName, MonitorMode, RoleMode, RoleName, Span};

use super::agent::{Roster, RosterVip};
use super::monitor::topology::{HostSpec, RoleSpec, Timing, Topology};

const HOSTS: [&str; 3] = ["db1", "db2", "db3"];

fn name(host: usize) -> HostName {
    HostName::parse(HOSTS[host]).unwrap()
}

fn host_name(host: usize) -> &'static str {
    HOSTS[host]
}

fn host_index(name: &HostName) -> usize {
    HOSTS.iter().position(|host| *name == **host).unwrap()
}

fn host_ip(host: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 11 + host as u8])
}

fn writer_vip() -> IpAddr {
    IpAddr::from([10, 0, 0, 100])
}

fn reader_vip(number: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 101 + number as u8])
}

/// Two masters in a ring, one slave, three reader addresses.
fn topology() -> Topology {
    let host = |index: usize, mode, peer| HostSpec {
        name: name(index),
        ip: host_ip(index),
        port: 3306,
        mode,
        peer,
    };
    Topology {
        cluster: "main".parse().unwrap(),
        hosts: vec![
            host(0, HostMode::Master, Some(1)),
            host(1, HostMode::Master, Some(0)),
            host(2, HostMode::Slave, None),
        ],
        roles: vec![
            RoleSpec {
                name: RoleName::parse("writer").unwrap(),
                mode: RoleMode::Exclusive,
                hosts: vec![0, 1],
                ips: vec![writer_vip()],
                prefer: None,
            },
            RoleSpec {
                name: RoleName::parse("reader").unwrap(),
                mode: RoleMode::Balanced,
                hosts: vec![0, 1, 2],
                ips: (0..3).map(reader_vip).collect(),
                prefer: None,
            },
        ],
        writer: 0,
        holds_alone: false,
        timing: Timing {
            heartbeat: Span::ms(500),
            ttl: Span::secs(3),
            trap: [Span::secs(3), Span::secs(3), Span::secs(10), Span::secs(10)],
            max_backlog: Span::secs(60),
            auto_set_online: Span::ZERO,
            wait_for_other_master: Span::ZERO,
            flap_duration: Span::secs(3600),
            flap_count: 3,
            drain_timeout: Span::secs(10),
            drain_lag: Span::secs(1),
            freeze_grace: Span::ms(500),
            catch_up_timeout: Span::secs(5),
            step_timeout: Span::secs(3),
            max_transaction: Span::secs(5),
        },
        kill_host: None,
        mode: MonitorMode::Active,
        careful_startup: true,
    }
}

fn roster(me: usize) -> Roster {
    let top = topology();
    let vips = top.roles.iter().enumerate().flat_map(|(index, role)| {
        role.ips.iter().map(move |ip| RosterVip {
            ip: *ip,
            role: role.name.clone(),
            mode: role.mode,
            writer: index == 0,
        })
    });
    Roster {
        me: name(me),
        hosts: (0..3).map(|h| (name(h), host_ip(h), 3306)).collect(),
        vips: vips.collect(),
    }
}
