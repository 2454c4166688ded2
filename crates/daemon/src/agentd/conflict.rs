//! Hearing who else says that it has one of the cluster's VIPs.
//!
//! Two packet sockets on the interface, one for ARP and one for IPv6 neighbour advertisements, with
//! filters in the kernel: ordinary traffic wakes nobody. What must not be here: whether that
//! matters, and the answer (the core decides).

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::bind;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::announce::{AnnounceError, explain, link};
use super::frames::{Mac, said_to_have};

const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;
/// Longer than every frame that matters; what is longer is cut off.
const ROOM: u32 = 128;

/// Instructions of the kernel's packet filter.
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Hears who says that it has a VIP.
#[derive(Debug)]
pub struct Conflicts {
    vips: Vec<IpAddr>,
    own: Mac,
    arp: AsyncFd<Socket>,
    advertisements: AsyncFd<Socket>,
}

impl Conflicts {
    /// Listens on the interface, for these VIPs. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// No such interface, or no right to listen.
    pub fn open(interface: &str, own: Mac, vips: Vec<IpAddr>) -> Result<Self, AnnounceError> {
        let arp = listen(interface, ETH_P_ARP, &arp_filter(&vips))?;
        let advertisements = listen(interface, ETH_P_IPV6, &advertisement_filter())?;
        Ok(Self { vips, own, arp, advertisements })
    }

    /// The next time that somebody else says so: which VIP, and the other's hardware address.
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The interface is gone, or the sockets are broken.
    pub async fn next(&self) -> io::Result<(IpAddr, Mac)> {
        loop {
            let frame = tokio::select! {
                frame = receive(&self.arp) => frame?,
                frame = receive(&self.advertisements) => frame?,
            };
            if let Some((ip, mac)) = said_to_have(&frame)
                && mac != self.own
                && self.vips.contains(&ip)
            {
                return Ok((ip, mac));
            }
        }
    }
}

async fn receive(socket: &AsyncFd<Socket>) -> io::Result<Vec<u8>> {
    let mut frame = [0; ROOM as usize];
    loop {
        let mut ready = socket.readable().await?;
        let read = ready.try_io(|socket| {
            let mut socket: &Socket = socket.get_ref();
            socket.read(&mut frame)
        });
        if let Ok(read) = read {
            match read {
                Ok(length) => return Ok(frame[..length].to_vec()),
                // Told once when the link goes down; the socket works on when it is back.
                Err(error) if error.kind() == io::ErrorKind::NetworkDown => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn listen(
    interface: &str,
    protocol: u16,
    filter: &[SockFilter],
) -> Result<AsyncFd<Socket>, AnnounceError> {
    let link = link(interface)?;
    let open = || -> io::Result<AsyncFd<Socket>> {
        let protocol = Protocol::from(i32::from(protocol.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
        socket.attach_filter(filter)?;
        // The address names no protocol, so the socket's own stays.
        bind(socket.as_raw_fd(), &link)?;
        // Deprecated for types that might not own their descriptor; this one does, and the
        // successor is unsafe.
        #[allow(deprecated)]
        AsyncFd::new(socket)
    };
    open().map_err(|error| explain(interface, "listen for claims of VIPs", error))
}

/// ARP whose sender is one of the VIPs.
fn arp_filter(vips: &[IpAddr]) -> Vec<SockFilter> {
    let mut filter = vec![SockFilter::new(LOAD_WORD, 0, 0, 28)];
    for vip in vips {
        if let IpAddr::V4(vip) = vip {
            filter.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(*vip)));
            filter.push(SockFilter::new(RETURN, 0, 0, ROOM));
        }
    }
    filter.push(SockFilter::new(RETURN, 0, 0, 0));
    filter
}

/// ICMPv6, neighbour advertisement.
fn advertisement_filter() -> [SockFilter; 6] {
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, 58),
        SockFilter::new(LOAD_BYTE, 0, 0, 54),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 136),
        SockFilter::new(RETURN, 0, 0, ROOM),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
