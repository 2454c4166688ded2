//! The agent's shell: everything that touches the host it runs on.

pub mod acts;
pub mod address;
pub mod announce;
pub mod conflict;
pub mod doctor;
pub mod escalate;
pub mod fence;
pub mod frames;
pub mod interface;
pub mod link;
pub mod peers;
pub mod refuse;
pub mod roster;
pub mod server;
pub mod sessions;
pub mod store;
mod watching;
pub mod worker;
