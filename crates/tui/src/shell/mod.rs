//! Everything that touches the world: settings files, sockets, the terminal, threads, signals.

pub mod settings;
pub mod target;
pub mod wire;
