//! VIPs on the interface, by netlink.
//!
//! Adds, refreshes, removes and lists addresses of ONE interface. The kernel's word is what counts:
//! nothing is remembered here, every answer is read back. What must not be here: whether a VIP
//! should be held, and telling the neighbours (that is `announce`).

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteHeader, RouteType};
use rtnetlink::{Error as NetlinkError, Handle, RouteMessageBuilder, new_connection};
use tokio::task::JoinHandle;

use super::frames::Mac;

/// Marks addresses as ours (`IFA_PROTO`), so that `ip -d addr` shows whose they are. 77 is `M`.
const OUR_TAG: u8 = 77;
/// The kernel's word for "no end".
const FOR_EVER: u32 = u32::MAX;

/// How often, and how far apart, a new IPv6 address is looked for in the routes.
const ROUTE_TRIES: u32 = 100;
const ROUTE_PAUSE: Duration = Duration::from_millis(1);

const EPERM: i32 = 1;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;

/// Why an address could not be listed, added or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The configured interface does not exist (any more).
    #[error(
        "there is no interface {interface:?}: set cluster_interface of this host to one that `ip link` shows"
    )]
    NoInterface { interface: String },
    /// The process may not change addresses.
    #[error(
        "{act} on {interface}: not permitted; the agent needs CAP_NET_ADMIN (run it by its systemd unit or as root)"
    )]
    Forbidden { interface: String, act: String },
    /// A lifetime of zero asks for an address that is gone at once.
    #[error("hold {ip} on {interface}: a lifetime of 0 s is none; drop the address instead")]
    NoLifetime { interface: String, ip: IpAddr },
    /// The kernel said yes, and the address is there all the same.
    #[error(
        "drop {ip} on {interface}: still there after the kernel removed it; does something add it again?"
    )]
    StillThere { interface: String, ip: IpAddr },
    /// Anything else, in the kernel's words.
    #[error("{act} on {interface}: {why}")]
    Kernel { interface: String, act: String, why: String },
}

/// An address as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub ip: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// Seconds until the kernel removes it by itself; none when it stays.
    pub valid_left_secs: Option<u32>,
}

/// The addresses of one interface. Keeps one netlink connection.
#[derive(Debug)]
pub struct Addresses {
    interface: String,
    index: u32,
    handle: Handle,
    /// One listing at a time: the kernel answers a second one on the same socket with EBUSY.
    listing: tokio::sync::Mutex<()>,
    pump: JoinHandle<()>,
}

impl Drop for Addresses {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Addresses {
    /// Opens the netlink connection and looks the interface up. Call it inside a tokio runtime.
    pub async fn open(interface: &str) -> Result<Self, AddressError> {
        let (connection, handle, _messages) =
            new_connection().map_err(|error| AddressError::Kernel {
                interface: interface.to_owned(),
                act: "open a netlink socket".to_owned(),
                why: error.to_string(),
            })?;
        let pump = tokio::spawn(connection);
        let mut found = Self {
            interface: interface.to_owned(),
            index: 0,
            handle,
            listing: tokio::sync::Mutex::new(()),
            pump,
        };
        found.index = found.look_up().await?;
        Ok(found)
    }

    /// The name of the interface.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The addresses that the kernel's table of neighbours knows under a hardware address; none
    /// when it cannot be asked.
    pub async fn neighbours(&self, mac: Mac) -> Vec<IpAddr> {
        let _turn = self.listing.lock().await;
        let listed: Result<Vec<NeighbourMessage>, _> =
            self.handle.neighbours().get().execute().try_collect().await;
        let has = |a: &NeighbourAttribute| match a {
            NeighbourAttribute::LinkLayerAddress(found) => *found == mac.0,
            _ => false,
        };
        let ours =
            |m: &NeighbourMessage| m.header.ifindex == self.index && m.attributes.iter().any(has);
        let ip = |m: &NeighbourMessage| m.attributes.iter().find_map(neighbour_ip);
        listed.unwrap_or_default().iter().filter(|m| ours(m)).filter_map(ip).collect()
    }

    async fn look_up(&self) -> Result<u32, AddressError> {
        let mut links = self.handle.link().get().match_name(self.interface.clone()).execute();
        match links.try_next().await {
            Ok(Some(link)) => Ok(link.header.index),
            Ok(None) => Err(AddressError::NoInterface { interface: self.interface.clone() }),
            Err(error) => Err(self.explain("look up the interface", &error)),
        }
    }

    /// All addresses of the interface, IPv4 and IPv6.
    pub async fn list(&self) -> Result<Vec<Found>, AddressError> {
        let messages = self.messages().await?;
        Ok(messages.iter().filter_map(found).collect())
    }

    /// Whether `ip` is on the interface.
    pub async fn holds(&self, ip: IpAddr) -> Result<bool, AddressError> {
        Ok(self.list().await?.iter().any(|found| found.ip == ip))
    }

    /// Puts `ip` on the interface, or renews its lifetime when it is there. The kernel removes it
    /// by itself `lifetime` seconds from now; without one it stays. Returns whether it is new, that
    /// is, whether the neighbours must be told.
    pub async fn hold(&self, ip: IpAddr, lifetime: Option<u32>) -> Result<bool, AddressError> {
        if lifetime == Some(0) {
            return Err(AddressError::NoLifetime { interface: self.interface.clone(), ip });
        }
        let before: Vec<AddressMessage> = self.with_ip(ip).await?;
        let full = if ip.is_ipv4() { 32 } else { 128 };
        // With another prefix it is a second address that would outlive ours, or with IPv6 the same
        // one, which a replacement would not alter. IPv4 adds first, so that the address is never
        // away.
        if ip.is_ipv6() {
            self.delete_strangers(ip, full, &before).await?;
        }
        let mut request = self.handle.address().add(self.index, ip, full).replace();
        dress(request.message_mut(), ip, lifetime);
        match request.execute().await {
            Ok(()) => {}
            Err(error) if errno(&error) == Some(EEXIST) => {}
            Err(error) => return Err(self.explain(&format!("add {ip}"), &error)),
        }
        self.delete_strangers(ip, full, &before).await?;
        if let (IpAddr::V6(ip), true) = (ip, before.is_empty()) {
            self.await_route(ip).await;
        }
        Ok(before.is_empty())
    }

    /// The kernel accepts packets for a new IPv6 address only a moment after it has confirmed it.
    /// Whoever comes in between waits a second for the next attempt, so nobody is told before.
    async fn await_route(&self, ip: Ipv6Addr) {
        for _ in 0..ROUTE_TRIES {
            let mut wanted =
                RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(ip, 128).build();
            // A question about a route says nothing but where to.
            wanted.header = RouteHeader::default();
            wanted.header.address_family = AddressFamily::Inet6;
            wanted.header.destination_prefix_length = 128;
            let mut routes = std::pin::pin!(self.handle.route().get(wanted).execute());
            if let Ok(Some(route)) = routes.try_next().await
                && route.header.kind == RouteType::Local
            {
                return;
            }
            tokio::time::sleep(ROUTE_PAUSE).await;
        }
        tracing::warn!(
            %ip, interface = self.interface,
            "the kernel does not accept packets for it yet"
        );
    }

    async fn delete_strangers(
        &self,
        ip: IpAddr,
        full: u8,
        there: &[AddressMessage],
    ) -> Result<(), AddressError> {
        for stranger in there.iter().filter(|m| m.header.prefix_len != full) {
            self.delete(ip, stranger.clone()).await?;
        }
        Ok(())
    }

    /// Removes `ip`, whatever its prefix, and reads back that it is gone. Returns whether it was
    /// there.
    pub async fn drop(&self, ip: IpAddr) -> Result<bool, AddressError> {
        let there = self.with_ip(ip).await?;
        for message in &there {
            self.delete(ip, message.clone()).await?;
        }
        if !there.is_empty() && self.holds(ip).await? {
            return Err(AddressError::StillThere { interface: self.interface.clone(), ip });
        }
        Ok(!there.is_empty())
    }

    async fn delete(&self, ip: IpAddr, message: AddressMessage) -> Result<(), AddressError> {
        match self.handle.address().del(message).execute().await {
            Ok(()) => Ok(()),
            Err(error) if errno(&error) == Some(EADDRNOTAVAIL) => Ok(()),
            Err(error) => Err(self.explain(&format!("remove {ip}"), &error)),
        }
    }

    async fn with_ip(&self, ip: IpAddr) -> Result<Vec<AddressMessage>, AddressError> {
        let mut all = self.messages().await?;
        all.retain(|message| ip_of(message) == Some(ip));
        Ok(all)
    }

    async fn messages(&self) -> Result<Vec<AddressMessage>, AddressError> {
        let _turn = self.listing.lock().await;
        let listed = self
            .handle
            .address()
            .get()
            .set_link_index_filter(self.index)
            .execute()
            .try_collect()
            .await;
        listed.map_err(|error| self.explain("list addresses", &error))
    }

    fn explain(&self, act: &str, error: &NetlinkError) -> AddressError {
        let interface = self.interface.clone();
        match errno(error) {
            Some(ENODEV) => AddressError::NoInterface { interface },
            Some(EPERM) => AddressError::Forbidden { interface, act: act.to_owned() },
            _ => AddressError::Kernel { interface, act: act.to_owned(), why: error.to_string() },
        }
    }
}

/// Completes the message: lifetime, no duplicate address detection, our tag.
fn dress(message: &mut AddressMessage, ip: IpAddr, lifetime: Option<u32>) {
    let valid = lifetime.unwrap_or(FOR_EVER);
    let mut cache = CacheInfo::default();
    cache.ifa_valid = valid;
    // "Deprecated" keeps the kernel from taking an IPv6 VIP as source of the host's own
    // connections. An IPv4 /32 is not chosen anyhow, and its preferred lifetime may not exceed the
    // valid one.
    cache.ifa_preferred = if ip.is_ipv6() { 0 } else { valid };
    message.attributes.push(AddressAttribute::CacheInfo(cache));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(OUR_TAG)));
    if ip.is_ipv6() {
        // A tentative address cannot be bound for 1.3 s.
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
}

fn found(message: &AddressMessage) -> Option<Found> {
    let valid = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::CacheInfo(cache) if cache.ifa_valid != FOR_EVER => Some(cache.ifa_valid),
        _ => None,
    });
    Some(Found { ip: ip_of(message)?, prefix: message.header.prefix_len, valid_left_secs: valid })
}

fn neighbour_ip(attribute: &NeighbourAttribute) -> Option<IpAddr> {
    match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

/// `Local` where there is one: on point-to-point links `Address` is the other end.
pub(super) fn ip_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    })
}

fn errno(error: &NetlinkError) -> Option<i32> {
    match error {
        NetlinkError::NetlinkError(message) => Some(message.raw_code().abs()),
        _ => None,
    }
}
