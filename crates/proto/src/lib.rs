//! The words that mmm's programs speak to each other.
//!
//! Names, states, events and views exist once, here, so that daemon, console and command line
//! cannot disagree. Nothing in this crate reads a clock, opens a socket or decides anything: bytes
//! become lines (`line`), lines become messages (`hello`, `agent`, `console`), messages carry
//! meaning (the rest).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod agent;
pub mod auth;
pub mod conf;
pub mod console;
pub mod demo;
pub mod doctor;
pub mod essence;
pub mod event;
pub mod gtid;
pub mod hello;
pub mod host;
pub mod line;
pub mod manual;
pub mod name;
pub mod peer;
pub mod plan;
pub mod role;
pub mod server;
pub mod time;
pub mod verb;
pub mod view;

pub use demo::Demo;
pub use event::Event;
pub use gtid::GtidPos;
pub use host::{Check, HostMode, HostState, Lag, MonitorMode};
pub use name::{ClusterName, HostName, NameError, RoleName};
pub use role::RoleMode;
pub use time::{Span, Time, Wall};
pub use verb::Verb;
pub use view::ClusterView;

/// The version of the wire. Raised when an older peer would misunderstand a message; fields that an
/// older peer may ignore do not raise it.
pub const PROTOCOL: u32 = 1;

/// The oldest version of the wire that this program still understands.
pub const PROTOCOL_OLDEST: u32 = 1;

/// TCP port of the agent, as in the original.
pub const AGENT_PORT: u16 = 9989;

/// TCP port of the monitor for consoles, as in the original.
pub const MONITOR_PORT: u16 = 9988;

/// Where the monitor listens for consoles unless the configuration says otherwise.
pub const MONITOR_SOCKET: &str = "/run/mysql-mmm/mmm_mond.sock";
