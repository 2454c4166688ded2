//! The agent's hands with real parts: namespaces, nf_tables, MariaDB. Needs root, mariadb-server,
//! iproute2 and nftables; fails with the reason where they are missing.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// Helpers of tests fail as tests do; the figures that were measured are shown with --nocapture.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "agent_host/bed.rs"]
mod bed;
#[path = "agent_host/client.rs"]
mod client;
#[path = "agent_host/conflicts.rs"]
mod conflicts;
#[path = "agent_host/deadman.rs"]
mod deadman;
#[path = "agent_host/fencing.rs"]
mod fencing;
#[path = "agent_host/network.rs"]
mod network;
#[path = "agent_host/replication.rs"]
mod replication;
#[path = "agent_host/server.rs"]
mod server;
#[path = "shared/stopped.rs"]
mod stopped;
#[path = "agent_host/template.rs"]
mod template;
