//! The agent's shell: everything that touches the host it runs on.

pub mod acts;
pub mod address;
pub mod announce;
pub mod conflict;
mod deadman;
pub mod doctor;
pub mod escalate;
pub mod fence;
pub mod fencing;
pub mod frames;
pub mod heart;
pub mod interface;
pub mod link;
pub mod lock;
pub mod peers;
pub mod refuse;
pub mod roster;
pub mod server;
pub mod sessions;
pub mod store;
pub mod supervisor;
mod watchdog;
mod watching;
pub mod worker;

/// What the agent's processes are called.
pub const NAME: &str = "mmm-agentd";
