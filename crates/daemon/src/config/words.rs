//! The words that configuration shares with the wire: names, modes, spans of time. They live in
//! `mmm-proto`; this file says which of them configuration uses and how a text becomes a name.

pub(super) use mmm_proto::{
    Check, ClusterName, HostMode, HostName, MonitorMode, RoleMode, RoleName, Span,
};

/// Why a text is no name; the caller quotes the text.
pub(super) type NotAName = &'static str;

pub(super) fn host_name(text: &str) -> Result<HostName, NotAName> {
    HostName::parse(text).map_err(|error| error.why)
}

pub(super) fn role_name(text: &str) -> Result<RoleName, NotAName> {
    RoleName::parse(text).map_err(|error| error.why)
}

pub(super) fn cluster_name(text: &str) -> Result<ClusterName, NotAName> {
    ClusterName::parse(text).map_err(|error| error.why)
}

/// A name that the program itself writes.
pub(super) fn fixed<T: std::str::FromStr>(text: &'static str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is a name"))
}
