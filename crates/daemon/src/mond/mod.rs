//! The monitor's shell: probes, links to agents, consoles, the store.

pub mod agents;
pub mod consoles;
pub mod hook;
pub mod probe;
mod settings;
pub mod store;
pub mod topology;
pub mod worker;
