//! Everything that touches the world: settings files, sockets, the terminal, threads, signals.

pub mod clock;
pub mod clusters;
pub mod demo;
pub mod hangup;
pub mod import;
pub mod input;
pub mod link;
pub mod log;
pub mod mailbox;
pub mod manual;
pub mod relay;
pub mod run;
pub mod settings;
pub mod signals;
pub mod ssh;
pub mod target;
pub mod terminal;
pub mod wire;
