//! What a host's agent has with the others, in words: for `explain` and for the console's detail.

use mmm_proto::view::HostView;
use mmm_proto::{ClusterView, HostName, Wall};

/// Labels of one word each, and what stands behind them; empty while all hear the monitor.
pub(crate) fn lines(view: &ClusterView, now: Wall, host: &HostView) -> Vec<(&'static str, String)> {
    let peers = &host.peers;
    let mut all = Vec::new();
    if !peers.relies.is_empty() {
        let vips: Vec<String> = peers.relies.iter().map(|ip| named(view, *ip)).collect();
        all.push(("relies", format!("on promises of its peers, for {}", vips.join(", "))));
    }
    for promise in &peers.promises {
        let (to, vip) = (&promise.to, named(view, promise.vip));
        let left = promise.over.since(now);
        all.push(("promised", format!("{to} not to take {vip}, for {left} yet")));
    }
    for word in &peers.heard_by {
        let server = if word.server_up { "server up" } else { "server does not answer" };
        let vips: Vec<String> = word.vips.iter().map(|ip| named(view, *ip)).collect();
        let has = if vips.is_empty() { "no VIP".to_owned() } else { vips.join(", ") };
        let ago = now.since(word.at);
        let (by, duty): (&HostName, &str) = (&word.by, &word.duty);
        all.push(("heard by", format!("{by} {ago} ago: writer duty {duty}, {server}, has {has}")));
    }
    all
}

/// A VIP with its role.
fn named(view: &ClusterView, ip: std::net::IpAddr) -> String {
    let role = view.roles.iter().find(|role| role.vips.iter().any(|vip| vip.ip == ip));
    role.map_or_else(|| ip.to_string(), |role| format!("{}({ip})", role.name))
}
