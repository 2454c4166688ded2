//! Telling the neighbours where a VIP is.
//!
//! Gratuitous ARP (request and reply) for IPv4, an unsolicited neighbour advertisement for IPv6. Without it
//! neighbours go on with the old host for half a minute. What must not be here: whether the VIP is held.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};
use socket2::{Domain, Protocol, Socket, Type};

/// An Ethernet frame must not be shorter, the checksum not counted.
const SHORTEST_FRAME: usize = 60;
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;

/// Why neighbours could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The configured interface does not exist.
    #[error(
        "there is no interface {interface:?}: set cluster_interface of this host to one that `ip link` shows"
    )]
    NoInterface { interface: String },
    /// The process may not send raw packets.
    #[error(
        "{act} on {interface}: not permitted; the agent needs CAP_NET_RAW (run it by its systemd unit or as root)"
    )]
    Forbidden { interface: String, act: String },
    /// Anything else, in the kernel's words.
    #[error("{act} on {interface}: {why}")]
    Kernel { interface: String, act: String, why: io::Error },
}

/// Announces addresses on one interface. Keeps its packet socket: closing one costs 16 ms.
#[derive(Debug)]
pub struct Announcer {
    interface: String,
    index: u32,
    mac: [u8; 6],
    packets: OwnedFd,
}

impl Announcer {
    /// Opens the packet socket of the interface.
    pub fn open(interface: &str) -> Result<Self, AnnounceError> {
        let link = link(interface)?;
        let mac = link.addr().ok_or_else(|| AnnounceError::Kernel {
            interface: interface.to_owned(),
            act: "find the hardware address".to_owned(),
            why: io::Error::other("it has none; VIPs need an Ethernet interface"),
        })?;
        // Protocol none: the socket sends and never receives.
        let packets = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|errno| explain(interface, "open a packet socket", errno.into()))?;
        bind(packets.as_raw_fd(), &link)
            .map_err(|errno| explain(interface, "bind the packet socket", errno.into()))?;
        Ok(Self {
            interface: interface.to_owned(),
            index: u32::try_from(link.ifindex()).unwrap_or(0),
            mac,
            packets,
        })
    }

    /// Tells the neighbours once that `ip` is here. The address must be on the interface already. Takes
    /// some 50 us; packets get lost, so say it again a few times over the first second.
    pub fn announce(&self, ip: IpAddr) -> Result<(), AnnounceError> {
        let sent = match ip {
            IpAddr::V4(ip) => self.arp(ip),
            IpAddr::V6(ip) => self.advertise(ip),
        };
        sent.map_err(|error| explain(&self.interface, &format!("announce {ip}"), error))
    }

    /// A request updates neighbours at once; a reply reaches those that ignore gratuitous requests.
    fn arp(&self, ip: Ipv4Addr) -> io::Result<()> {
        for operation in [ARP_REQUEST, ARP_REPLY] {
            let frame = arp_frame(operation, self.mac, ip);
            send(self.packets.as_raw_fd(), &frame, MsgFlags::empty())?;
        }
        Ok(())
    }

    fn advertise(&self, ip: Ipv6Addr) -> io::Result<()> {
        // Bound to the VIP, so that it is the source and the kernel computes the checksum.
        let raw = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        raw.set_multicast_hops_v6(255)?;
        raw.set_multicast_if_v6(self.index)?;
        raw.bind(&SocketAddrV6::new(ip, 0, 0, 0).into())?;
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let to = SocketAddrV6::new(all_nodes, 0, 0, self.index);
        raw.send_to(&advertisement(self.mac, ip), &to.into())?;
        Ok(())
    }
}

fn link(interface: &str) -> Result<LinkAddr, AnnounceError> {
    let all = nix::ifaddrs::getifaddrs()
        .map_err(|errno| explain(interface, "list interfaces", errno.into()))?;
    for entry in all {
        if entry.interface_name != interface {
            continue;
        }
        if let Some(link) = entry.address.as_ref().and_then(|a| a.as_link_addr()) {
            return Ok(*link);
        }
    }
    Err(AnnounceError::NoInterface { interface: interface.to_owned() })
}

fn explain(interface: &str, act: &str, error: io::Error) -> AnnounceError {
    let interface = interface.to_owned();
    let act = act.to_owned();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => AnnounceError::Forbidden { interface, act },
        Some(Errno::ENODEV | Errno::ENXIO) => AnnounceError::NoInterface { interface },
        _ => AnnounceError::Kernel { interface, act, why: error },
    }
}

/// A whole Ethernet frame: sender and target are the VIP. In a reply the target's hardware address is our
/// own: only then does Linux count it as gratuitous and take it at once.
fn arp_frame(operation: u8, mac: [u8; 6], ip: Ipv4Addr) -> [u8; SHORTEST_FRAME] {
    let mut frame = [0; SHORTEST_FRAME];
    frame[0..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    frame[14..21].copy_from_slice(&[0, 1, 0x08, 0, 6, 4, 0]);
    frame[21] = operation;
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&ip.octets());
    if operation == ARP_REPLY {
        frame[32..38].copy_from_slice(&mac);
    }
    frame[38..42].copy_from_slice(&ip.octets());
    frame
}

/// Neighbour advertisement with the override flag and our link-layer address; checksum left to the kernel.
fn advertisement(mac: [u8; 6], ip: Ipv6Addr) -> [u8; 32] {
    let mut packet = [0; 32];
    packet[0] = 136;
    packet[4] = 0x20;
    packet[8..24].copy_from_slice(&ip.octets());
    packet[24..26].copy_from_slice(&[2, 1]);
    packet[26..32].copy_from_slice(&mac);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_gratuitous_request_and_reply_name_the_vip_twice() {
        let ip = Ipv4Addr::new(10, 0, 0, 9);
        for (operation, target) in [(ARP_REQUEST, [0; 6]), (ARP_REPLY, MAC)] {
            let frame = arp_frame(operation, MAC, ip);
            assert_eq!(frame[..6], [0xff; 6], "to everybody");
            assert_eq!(frame[20..22], [0, operation]);
            assert_eq!(frame[22..28], MAC);
            assert_eq!(frame[28..32], ip.octets());
            assert_eq!(frame[32..38], target);
            assert_eq!(frame[38..42], ip.octets());
        }
    }

    #[test]
    fn an_advertisement_overrides_and_carries_our_address() {
        let ip = Ipv6Addr::LOCALHOST;
        let packet = advertisement(MAC, ip);
        assert_eq!((packet[0], packet[4]), (136, 0x20));
        assert_eq!(packet[8..24], ip.octets());
        assert_eq!(packet[26..], MAC);
    }

    #[test]
    fn a_missing_interface_is_named() {
        let error = Announcer::open("no-such-if0").unwrap_err().to_string();
        assert!(error.contains("no-such-if0") && error.contains("cluster_interface"), "{error}");
    }
}
