//! Everything that can come due in a world.

use std::sync::Arc;

use mmm_proto::Check;
use mmm_proto::agent::{FromAgent, Server, ToAgent};
use mmm_proto::peer::{News, PeerMessage};

use super::action::Action;
use crate::core::agent::{Effect as AgentEffect, Input as AgentInput, Kept};
use crate::core::monitor::hosts::Found;
use crate::core::monitor::{Effect, Input, Stored};

/// What travels on a link.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    Down(ToAgent),
    Back(FromAgent),
    /// The other end closed.
    End(&'static str),
}

/// A synced write of an agent: what was to be on disk, what waits for it, why it is not.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) kept: Arc<Kept>,
    pub(super) effects: Vec<AgentEffect>,
    pub(super) failed: Option<&'static str>,
}

/// Something that is due, small because there is much of it. `life` counts starts of the process
/// that it belongs to.
#[derive(Debug)]
pub(super) enum Due {
    AgentWake {
        host: usize,
        life: u32,
    },
    AgentInput {
        host: usize,
        life: u32,
        input: Box<AgentInput>,
    },
    Look {
        host: usize,
        life: u32,
    },
    LookEnd {
        host: usize,
        life: u32,
        began: mmm_proto::Time,
        server: Box<Server>,
    },
    Addresses {
        host: usize,
        life: u32,
    },
    /// The next part of an act.
    Phase {
        host: usize,
        life: u32,
        id: u64,
    },
    /// A synced write ended; the rest of the step follows.
    AgentWritten {
        host: usize,
        life: u32,
        written: Box<Written>,
    },
    /// A write in the background ended.
    AgentSaved {
        host: usize,
        life: u32,
        kept: Arc<Kept>,
    },
    MonitorWake {
        mon: usize,
        life: u32,
    },
    MonitorInput {
        mon: usize,
        life: u32,
        input: Box<Input>,
    },
    MonitorWritten {
        mon: usize,
        life: u32,
        stored: Box<Stored>,
        effects: Vec<Effect>,
    },
    Dial {
        mon: usize,
        host: usize,
        life: u32,
    },
    Linked {
        conn: usize,
    },
    Packet {
        conn: usize,
        down: bool,
        packet: Box<Packet>,
    },
    /// What was held up on a link goes on.
    Flush {
        conn: usize,
        down: bool,
    },
    Silence {
        conn: usize,
        down: bool,
    },
    /// What an agent says to another one.
    Peer {
        from: usize,
        to: usize,
        message: Box<PeerMessage>,
    },
    /// The same for what is said most often.
    News {
        from: usize,
        to: usize,
        news: Arc<News>,
    },
    /// A grant that comes once more.
    Again {
        host: usize,
        message: Box<ToAgent>,
    },
    Check {
        mon: usize,
        host: usize,
        check: Check,
        life: u32,
    },
    CheckEnd {
        mon: usize,
        host: usize,
        check: Check,
        life: u32,
        found: Box<Found>,
        began: mmm_proto::Time,
    },
    Network {
        mon: usize,
        life: u32,
    },
    Write,
    Pull {
        host: usize,
    },
    Apply {
        host: usize,
    },
    /// A program that was to be started and could not be is tried again.
    Restart(Box<Action>),
}
