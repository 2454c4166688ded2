//! Telling the neighbours where a VIP is, and asking whether somebody else has it too.
//!
//! Gratuitous ARP (request and reply) for IPv4, an unsolicited neighbour advertisement for IPv6.
//! Without it neighbours go on with the old host for half a minute. What must not be here: whether
//! the VIP is held, and how a frame looks (that is `frames`).

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};

use super::frames::{Arp, Mac, advertisement, arp_announcement, arp_probe, solicitation};

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
    mac: Mac,
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
        Ok(Self { interface: interface.to_owned(), mac: Mac(mac), packets })
    }

    /// The hardware address that it tells.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Tells the neighbours once that `ip` is here. Takes some 50 us; packets get lost, so say it
    /// again a few times over the first seconds.
    pub fn announce(&self, ip: IpAddr) -> Result<(), AnnounceError> {
        let sent = match ip {
            // A request updates neighbours at once; a reply reaches those that ignore gratuitous
            // requests.
            IpAddr::V4(ip) => self
                .put(&arp_announcement(Arp::Request, self.mac, ip))
                .and_then(|()| self.put(&arp_announcement(Arp::Reply, self.mac, ip))),
            IpAddr::V6(ip) => self.put(&advertisement(self.mac, ip)),
        };
        sent.map_err(|error| explain(&self.interface, &format!("announce {ip}"), error))
    }

    /// Asks whether somebody else has `ip` as well: one who added it by hand says so to nobody
    /// without being asked. Changes nobody's mind; the answer is for `conflict` to hear.
    pub fn probe(&self, ip: IpAddr) -> Result<(), AnnounceError> {
        let sent = match ip {
            IpAddr::V4(ip) => self.put(&arp_probe(self.mac, ip)),
            IpAddr::V6(ip) => match self.link_local() {
                Some(from) => self.put(&solicitation(self.mac, from, ip)),
                None => Ok(()),
            },
        };
        sent.map_err(|error| explain(&self.interface, &format!("ask for {ip}"), error))
    }

    fn put(&self, frame: &[u8]) -> io::Result<()> {
        send(self.packets.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// The interface's own IPv6 address: it comes and goes with the link.
    fn link_local(&self) -> Option<Ipv6Addr> {
        let mut all = nix::ifaddrs::getifaddrs().ok()?;
        all.find_map(|entry| {
            let ip = entry.address?.as_sockaddr_in6()?.ip();
            let ours = entry.interface_name == self.interface && ip.is_unicast_link_local();
            ours.then_some(ip)
        })
    }
}

pub(super) fn link(interface: &str) -> Result<LinkAddr, AnnounceError> {
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

pub(super) fn explain(interface: &str, act: &str, error: io::Error) -> AnnounceError {
    let interface = interface.to_owned();
    let act = act.to_owned();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => AnnounceError::Forbidden { interface, act },
        Some(Errno::ENODEV | Errno::ENXIO) => AnnounceError::NoInterface { interface },
        _ => AnnounceError::Kernel { interface, act, why: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_interface_is_named() {
        let error = Announcer::open("no-such-if0").unwrap_err().to_string();
        assert!(error.contains("no-such-if0") && error.contains("cluster_interface"), "{error}");
    }
}
