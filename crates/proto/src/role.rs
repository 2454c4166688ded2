//! What a role is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the VIPs of a role are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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
