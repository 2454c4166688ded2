//! The lab: whole clusters on one machine, with real servers, real addresses and real faults.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `cluster` | [`Lab`]: brings everything up, hands out the parts, takes everything down |
//! | `net` | network namespaces, the bridge between them, addresses seen from inside |
//! | `template`, `server`, `sql` | MariaDB: data directories, one server a host, plain queries |
//! | `disk` | small disks that can run full |
//! | `faults` | cut a pair, cut one way, isolate, unplug, lose packets; all of it reversible |
//! | `daemons`, `config` | `mmm-mond` and `mmm-agentd` with generated configuration |
//! | `writer`, `verify` | a client that counts what it was promised, and whether it was kept |
//! | `picture`, `repair` | the monitor's picture, waited for; a parted host rebuilt |
//! | `matrix` | every fault in turn, its bars, the table of what came of it |
//! | `observer` | who holds which VIP and who accepts writes, sampled from outside |
//! | `sshd` | a real sshd on loopback, for consoles that come by ssh |
//! | `screen` | a real terminal around a program |
//! | `machine` | a real systemd on a host |
//! | `process`, `wait`, `rights`, `sweep`, `stop` | what all of them stand on |
//! | `bugs` | deliberate bugs in the cores, and how soon the simulation finds them |
//! | `remote`, `demo`, `simulated` | the bodies of `mmm-lab`'s commands |
//!
//! Nothing here decides anything about a cluster; that is the daemons' work and they are only
//! started, disturbed and watched from here.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod bugs;
mod cluster;
pub mod config;
pub mod daemons;
pub mod demo;
pub mod disk;
pub mod faults;
pub mod goals;
pub mod machine;
pub mod matrix;
pub mod meter;
pub mod net;
pub mod observer;
pub mod page;
pub mod picture;
pub mod process;
pub mod remote;
pub mod repair;
pub mod rights;
pub mod screen;
pub mod server;
pub mod shots;
pub mod simulated;
pub mod sql;
pub mod sshd;
pub mod stop;
pub mod svg;
pub mod sweep;
mod template;
pub mod verify;
pub mod wait;
pub mod writer;

pub use cluster::{Lab, Options, WRITER_VIP};
