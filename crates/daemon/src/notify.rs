//! Telling systemd how we are (`Type=notify`, `WatchdogSec=`); nothing where nobody asked for it.
//! Never blocks, never fails: a service manager that does not listen must not stop a daemon.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Variables of the service manager that are not for children: they would speak in our name.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Manager {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life at least; a third of its patience.
    every: Option<Duration>,
    told: Option<Instant>,
}

impl Manager {
    /// As the environment says.
    pub fn from_env() -> Self {
        let [socket, patience, pid] = VARIABLES.map(|name| std::env::var(name).ok());
        let ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let patience = patience.filter(|_| ours).and_then(|usec| usec.parse().ok());
        Self {
            to: socket.and_then(|name| open(&name)),
            every: patience.filter(|usec| *usec > 0).map(|usec| Duration::from_micros(usec) / 3),
            told: None,
        }
    }

    /// The service is at work.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// It ends, as told.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=ending");
    }

    /// A line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// A sign of life, as often as is wanted; more calls cost nothing.
    pub fn alive(&mut self) {
        let Some(every) = self.every else { return };
        if self.told.is_none_or(|told| told.elapsed() >= every) {
            self.told = Some(Instant::now());
            self.send("WATCHDOG=1");
        }
    }

    /// When the next sign of life is due, if any is wanted.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    fn send(&self, text: &str) {
        if let Some((socket, to)) = &self.to {
            // See above: there is nothing to be done about it.
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

fn open(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let to = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).ok()?,
        None if name.starts_with('/') => SocketAddr::from_pathname(PathBuf::from(name)).ok()?,
        None => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_arrives_and_signs_of_life_are_rare() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        ear.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut manager = Manager {
            to: open(path.to_str().unwrap()),
            every: Some(Duration::from_secs(60)),
            told: None,
        };
        manager.alive();
        manager.alive();
        manager.ready("at work");
        manager.stopping();
        let mut buffer = [0; 100];
        let mut next = || {
            let length = ear.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let heard = [next(), next(), next()];
        let wants = ["WATCHDOG=1", "READY=1\nSTATUS=at work", "STOPPING=1\nSTATUS=ending"];
        assert_eq!(heard, wants);
        // Nobody there, or nonsense: nothing happens.
        drop(ear);
        manager.ready("");
        assert!(open("relative").is_none() && open("").is_none());
        Manager::default().alive();
    }
}
