//! The monitor's own look at every host.

pub mod ping;
pub mod server;
