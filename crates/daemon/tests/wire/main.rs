//! The shells' conversations over real sockets on loopback, and the probes against a real server.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// The lint's own exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod agents;
mod consoles;
mod demo;
mod handshake;
mod kit;
mod peers;
mod probes;
#[path = "../shared/stopped.rs"]
mod stopped;
