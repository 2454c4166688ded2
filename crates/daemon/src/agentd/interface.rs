//! Watching the interface: which VIPs are on it, the link, and who else says that it has one.
//!
//! Looked at each beat, and at once when the kernel tells of a change: IPv6 addresses vanish when a
//! link goes down and must be back as soon as it is up. What must not be here: what follows from
//! it, but for telling the neighbours again when a link comes back.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use mmm_proto::Span;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::LinkFlags;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use tokio::sync::mpsc;

use super::acts::Tools;
use super::address::ip_of;
use super::conflict::Conflicts;
use crate::core::agent::Input;

/// How often the interface is looked at when nothing seems to happen.
const LOOK_EVERY: Span = Span::ms(500);

/// How long a look may take.
const LOOK_LIMIT: Span = Span::secs(2);

/// Between two tries to listen again.
const PAUSE: Span = Span::secs(5);

/// What the kernel told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added(IpAddr),
    Removed(IpAddr),
    /// Frames can be sent and received, or not any more.
    Link(bool),
}

/// Starts watching; ends with the process.
pub fn watch(tools: &Arc<Tools>, inputs: &mpsc::Sender<Input>) {
    let vips: Vec<IpAddr> = tools.roster.vips.iter().map(|vip| vip.ip).collect();
    tokio::spawn(watch_addresses(Arc::clone(tools), vips.clone(), inputs.clone()));
    tokio::spawn(watch_conflicts(Arc::clone(tools), vips, inputs.clone()));
}

/// Looks at the interface at each beat, whoever may have changed it, and at once when the kernel
/// says that something did.
async fn watch_addresses(tools: Arc<Tools>, vips: Vec<IpAddr>, inputs: mpsc::Sender<Input>) {
    let mut changes = changes(tools.hands.addresses.index());
    let (mut told, mut up) = (false, None);
    let mut found: Vec<IpAddr> = Vec::new();
    loop {
        match tokio::time::timeout(LOOK_LIMIT.into(), tools.hands.addresses.list()).await {
            Ok(Ok(list)) => {
                found = list.into_iter().map(|f| f.ip).filter(|ip| vips.contains(ip)).collect();
                found.sort();
                found.dedup();
                told = false;
                if inputs.send(Input::Addresses { found: found.clone() }).await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) if !told => {
                tracing::error!(%error, "cannot list the addresses of the interface");
                told = true;
            }
            _ => {}
        }
        let matters = async {
            loop {
                match changes.recv().await {
                    Some(Change::Link(now)) => {
                        let before = up.replace(now);
                        if before == Some(false) && now {
                            tracing::info!("the link is up again");
                            tools.hands.announce_all();
                            return;
                        }
                        if before != Some(now) {
                            return;
                        }
                    }
                    Some(Change::Added(ip)) if vips.contains(&ip) && !found.contains(&ip) => return,
                    Some(Change::Removed(ip)) if found.contains(&ip) => return,
                    Some(_) => {}
                    // The kernel tells nothing: the beat is all there is.
                    None => std::future::pending().await,
                }
            }
        };
        // Over is as good as changed.
        let _ = tokio::time::timeout(LOOK_EVERY.into(), matters).await;
    }
}

/// The kernel's word on one interface, as far as it matters here.
fn changes(index: u32) -> mpsc::Receiver<Change> {
    let (tell, told) = mpsc::channel(64);
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    match new_multicast_connection(&groups) {
        Ok((connection, _handle, mut messages)) => {
            tokio::spawn(connection);
            tokio::spawn(async move {
                while let Some((message, _)) = messages.next().await {
                    if let NetlinkPayload::InnerMessage(message) = message.payload
                        && let Some(change) = change(&message, index)
                        && tell.send(change).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
        Err(error) => tracing::warn!(%error, "the kernel does not tell of changes of addresses"),
    }
    told
}

fn change(message: &RouteNetlinkMessage, index: u32) -> Option<Change> {
    match message {
        RouteNetlinkMessage::NewAddress(m) if m.header.index == index => {
            ip_of(m).map(Change::Added)
        }
        RouteNetlinkMessage::DelAddress(m) if m.header.index == index => {
            ip_of(m).map(Change::Removed)
        }
        RouteNetlinkMessage::NewLink(m) if m.header.index == index => {
            Some(Change::Link(m.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp)))
        }
        RouteNetlinkMessage::DelLink(m) if m.header.index == index => Some(Change::Link(false)),
        _ => None,
    }
}

/// Tells of everybody else who says that it has one of the VIPs.
async fn watch_conflicts(tools: Arc<Tools>, vips: Vec<IpAddr>, inputs: mpsc::Sender<Input>) {
    let hands = &tools.hands;
    let mut told = false;
    loop {
        let opened =
            Conflicts::open(hands.addresses.interface(), hands.announcer.mac(), vips.clone());
        let why = match opened {
            Ok(conflicts) => loop {
                let (vip, mac) = match conflicts.next().await {
                    Ok(heard) => heard,
                    Err(error) => break error.to_string(),
                };
                let looked = hands.addresses.neighbours(mac);
                let neighbours = tokio::time::timeout(LOOK_LIMIT.into(), looked).await;
                let neighbours = neighbours.unwrap_or_default();
                let mac = mac.to_string();
                if inputs.send(Input::Conflict { vip, mac, neighbours }).await.is_err() {
                    return;
                }
                told = false;
            },
            Err(error) => error.to_string(),
        };
        if !told {
            tracing::warn!(why, "cannot hear who else says that it has a VIP");
            told = true;
        }
        tokio::time::sleep(PAUSE.into()).await;
    }
}
