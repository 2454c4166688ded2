//! The words that configuration shares with the wire: names, modes, spans of time. Nothing is read or
//! checked here beyond the shape of one word. These stand in one file so that taking them from
//! `mmm-proto` is a change of this file alone.

use std::fmt;
use std::time::Duration;

/// A database host, as the configuration calls it.
pub type HostName = String;
/// A role: a named set of VIPs and the hosts that may hold them.
pub type RoleName = String;
/// A cluster: one monitor and its hosts.
pub type ClusterName = String;

const NAME_MAX: usize = 64;

/// Why a text is no name.
fn check_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.len() > NAME_MAX {
        Err("it is too long")
    } else if !text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    {
        Err("it has a character that does not belong in a name")
    } else if text.starts_with(['-', '.']) {
        Err("it begins with '-' or '.'")
    } else {
        Ok(())
    }
}

pub(super) fn host_name(text: &str) -> Result<HostName, &'static str> {
    check_name(text).map(|()| text.to_owned())
}

pub(super) fn role_name(text: &str) -> Result<RoleName, &'static str> {
    check_name(text).map(|()| text.to_owned())
}

pub(super) fn cluster_name(text: &str) -> Result<ClusterName, &'static str> {
    check_name(text).map(|()| text.to_owned())
}

/// A name that the program itself writes.
pub(super) fn fixed<T: std::str::FromStr>(text: &'static str) -> T {
    text.parse()
        .unwrap_or_else(|_| unreachable!("{text} is a name"))
}

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl Span {
    /// So many seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// So many milliseconds.
    pub const fn ms(ms: u64) -> Self {
        Self(ms)
    }

    /// The span in milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.0
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(span.0)
    }
}

/// What a host is configured to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostMode {
    /// May be the writer; one of a pair.
    Master,
    /// Only ever follows the writer.
    Slave,
}

impl fmt::Display for HostMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Master => "master",
            Self::Slave => "slave",
        })
    }
}

/// How the VIPs of a role are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleMode {
    /// One VIP on one host at a time.
    Exclusive,
    /// Any number of VIPs, spread evenly over the hosts.
    Balanced,
}

impl fmt::Display for RoleMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exclusive => "exclusive",
            Self::Balanced => "balanced",
        })
    }
}

/// The monitor's mode, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorMode {
    /// Roles of failed hosts are moved, preferences are obeyed.
    Active,
    /// Roles of failed hosts stay; an operator moves them.
    Manual,
    /// As MANUAL until both masters are there, then ACTIVE.
    Wait,
    /// Nothing is changed on any host.
    Passive,
}

impl fmt::Display for MonitorMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "ACTIVE",
            Self::Manual => "MANUAL",
            Self::Wait => "WAIT",
            Self::Passive => "PASSIVE",
        })
    }
}
