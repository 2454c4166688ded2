//! The conversation of two agents: news of each other, and promises.
//!
//! An agent that holds a VIP and hears no monitor asks the others that could be given it for their
//! word that they will not take it for a time. The rules are those of grants: the answer echoes the
//! asker's clock, so that it extends nothing by coming late; whoever promises counts on its own
//! clock, longer than the asker may use it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::{Duty, Stamp};
use crate::line::Message;
use crate::name::HostName;
use crate::time::{Span, Time};

/// What one agent says to another, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PeerMessage {
    /// How the sender is, at each heartbeat and when that changes.
    News(Arc<News>),
    /// The sender asks for a promise.
    Ask(Ask),
    /// The answer to the ask with that clock.
    Answer(Answer),
    /// The last line was understood by nobody; says which and why.
    Error { why: String },
}

impl Message for PeerMessage {
    const KINDS: &'static [&'static str] = &["news", "ask", "answer", "error"];
}

/// How an agent's host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// The sender's boot clock.
    pub clock: Time,
    /// The highest stamp that it obeyed.
    pub seen: Stamp,
    pub duty: Duty,
    /// The cluster's VIPs that are on its interface.
    pub vips: Vec<IpAddr>,
    /// Whether its server answers it.
    pub server_up: bool,
    /// The VIPs that it goes on to hold by promises. Every promise to it about another VIP that it
    /// asked for before `clock` has ended: it will not use it any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies: Vec<IpAddr>,
}

/// Please do not take these VIPs for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The asker's boot clock. It may hold until `clock + ttl` on that clock, if all agree.
    pub clock: Time,
    pub ttl: Span,
    /// The stamp of the grant by which it holds them.
    pub stamp: Stamp,
    pub vips: Vec<IpAddr>,
}

/// For each VIP that was asked for: promised, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The `clock` of the ask.
    pub echo: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promised: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// A promise that is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub vip: IpAddr,
    /// What the one who refuses knows of it. When that is newer than what the asker knows, the
    /// asker gives way.
    pub stamp: Stamp,
    pub why: String,
}

/// A promise that is live, as the one who gave it reports it to the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promised {
    pub to: HostName,
    pub vip: IpAddr,
    pub left: Span,
}

/// What an agent last heard from a peer, as it reports it to the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerHeard {
    pub host: HostName,
    /// How long before the report.
    pub ago: Span,
    pub news: Arc<News>,
}

/// Without whose promise a holder does not go on when it hears no monitor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Askable {
    /// For the writer's VIP: every other host that may become writer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<HostName>,
    /// For other VIPs: the hosts that may be given them. Empty: it does not go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<HostName>,
    /// `isolated_writer = "hold"`: the candidates are asked, but who hears none of them holds the
    /// writer's VIP on. A refusal that names a newer decision counts all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

impl Askable {
    /// Nobody is named: a monitor or an agent of an older version, or a cluster of one host.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty() && self.peers.is_empty() && !self.alone
    }
}
