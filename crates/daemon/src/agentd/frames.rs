//! Ethernet frames about who has which address: ARP for IPv4, neighbour discovery for IPv6. Bytes
//! in, bytes out. What must not be here: sockets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet frame must not be shorter, the checksum not counted.
const SHORTEST_FRAME: usize = 60;
/// The headers of Ethernet and IPv6, and a neighbour message with one option.
const NEIGHBOUR_FRAME: usize = 14 + 40 + 32;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options of neighbour messages: the hardware address of the sender, of the target.
const OF_SENDER: u8 = 1;
const OF_TARGET: u8 = 2;
/// An advertisement that replaces what neighbours know already.
const OVERRIDE: u8 = 0x20;

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The two kinds of ARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arp {
    Request = 1,
    Reply = 2,
}

/// Gratuitous ARP: sender and target are `ip`. In a reply the target's hardware address is our own:
/// only then does Linux count it as gratuitous and take it at once.
pub fn arp_announcement(kind: Arp, mac: Mac, ip: Ipv4Addr) -> [u8; SHORTEST_FRAME] {
    let mut frame = arp(kind, mac, ip, ip);
    if kind == Arp::Reply {
        frame[32..38].copy_from_slice(&mac.0);
    }
    frame
}

/// Asks who else has `ip`, without saying that we do: nobody's cache changes (RFC 5227).
pub fn arp_probe(mac: Mac, ip: Ipv4Addr) -> [u8; SHORTEST_FRAME] {
    arp(Arp::Request, mac, Ipv4Addr::UNSPECIFIED, ip)
}

fn arp(kind: Arp, mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> [u8; SHORTEST_FRAME] {
    let mut frame = [0; SHORTEST_FRAME];
    frame[0..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    frame[14..21].copy_from_slice(&[0, 1, 0x08, 0, 6, 4, 0]);
    frame[21] = kind as u8;
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&sender.octets());
    frame[38..42].copy_from_slice(&target.octets());
    frame
}

/// An unsolicited neighbour advertisement to all nodes, with the override flag and our hardware
/// address.
pub fn advertisement(mac: Mac, ip: Ipv6Addr) -> [u8; NEIGHBOUR_FRAME] {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut message = neighbour_message(ADVERTISEMENT, ip, OF_TARGET, mac);
    message[4] = OVERRIDE;
    neighbour_frame(mac, ip, all_nodes, message)
}

/// Asks who else has `ip`, from an address of ours: the answer comes to us alone and nobody's
/// cache changes.
pub fn solicitation(mac: Mac, from: Ipv6Addr, ip: Ipv6Addr) -> [u8; NEIGHBOUR_FRAME] {
    let [.., x, y, z] = ip.octets();
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z];
    let message = neighbour_message(SOLICITATION, ip, OF_SENDER, mac);
    neighbour_frame(mac, from, Ipv6Addr::from(group), message)
}

fn neighbour_message(kind: u8, target: Ipv6Addr, option: u8, mac: Mac) -> [u8; 32] {
    let mut message = [0; 32];
    message[0] = kind;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[option, 1]);
    message[26..32].copy_from_slice(&mac.0);
    message
}

fn neighbour_frame(
    mac: Mac,
    from: Ipv6Addr,
    group: Ipv6Addr,
    mut message: [u8; 32],
) -> [u8; NEIGHBOUR_FRAME] {
    let (from, to) = (from.octets(), group.octets());
    let sum = checksum(&from, &to, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [0; NEIGHBOUR_FRAME];
    frame[0..2].fill(0x33);
    frame[2..6].copy_from_slice(&to[12..]);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame[14] = 0x60;
    frame[19] = 32;
    frame[20] = ICMPV6;
    frame[21] = 255;
    frame[22..38].copy_from_slice(&from);
    frame[38..54].copy_from_slice(&to);
    frame[54..].copy_from_slice(&message);
    frame
}

/// The internet checksum of an ICMPv6 message, its pseudo header included.
fn checksum(from: &[u8; 16], to: &[u8; 16], message: &[u8; 32]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        bytes.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum()
    };
    let mut sum = words(from) + words(to) + words(message) + 32 + u32::from(ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // It fits: the loop saw to it.
    !u16::try_from(sum).unwrap_or(0)
}

/// The address that the sender of a frame says is its own, if it says so.
pub fn said_to_have(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    let mac = |at: usize| -> Option<Mac> { frame.get(at..at + 6)?.try_into().ok().map(Mac) };
    match frame.get(12..14)? {
        [0x08, 0x06] if frame.get(14..20)? == [0, 1, 0x08, 0, 6, 4] => {
            let sender: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
            let sender = Ipv4Addr::from(sender);
            (!sender.is_unspecified()).then_some((IpAddr::V4(sender), mac(22)?))
        }
        [0x86, 0xdd] if *frame.get(20)? == ICMPV6 && *frame.get(54)? == ADVERTISEMENT => {
            // Routers drop these, so what comes from further away is forged.
            let near = *frame.get(21)? == 255;
            let target: [u8; 16] = frame.get(62..78)?.try_into().ok()?;
            let option = frame.get(78..80)? == [OF_TARGET, 1];
            near.then_some((IpAddr::from(target), mac(if option { 80 } else { 6 })?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

    #[test]
    fn a_gratuitous_request_and_reply_name_the_vip_twice() {
        let ip = Ipv4Addr::new(10, 0, 0, 9);
        for (kind, target) in [(Arp::Request, [0; 6]), (Arp::Reply, MAC.0)] {
            let frame = arp_announcement(kind, MAC, ip);
            assert_eq!(frame[..6], [0xff; 6], "to everybody");
            assert_eq!(frame[20..22], [0, kind as u8]);
            assert_eq!(frame[22..28], MAC.0);
            assert_eq!(frame[28..32], ip.octets());
            assert_eq!(frame[32..38], target);
            assert_eq!(frame[38..42], ip.octets());
            assert_eq!(said_to_have(&frame), Some((ip.into(), MAC)));
        }
    }

    #[test]
    fn a_probe_says_nothing_of_ours() {
        let frame = arp_probe(MAC, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(said_to_have(&frame), None);
        assert_eq!(frame[38..42], [10, 0, 0, 9]);
        let six: Ipv6Addr = "fd77::12:3456".parse().unwrap();
        let frame = solicitation(MAC, "fe80::9".parse().unwrap(), six);
        assert_eq!(said_to_have(&frame), None);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(frame[62..78], six.octets());
    }

    #[test]
    fn an_advertisement_overrides_and_carries_our_address() {
        let ip: Ipv6Addr = "fd77::100".parse().unwrap();
        let frame = advertisement(MAC, ip);
        assert_eq!((frame[54], frame[58], frame[21]), (136, 0x20, 255));
        assert_eq!(frame[62..78], ip.octets());
        assert_eq!(frame[80..], MAC.0);
        assert_eq!(said_to_have(&frame), Some((ip.into(), MAC)));
        // The sum over everything, the checksum included, is all ones.
        let message: [u8; 32] = frame[54..].try_into().unwrap();
        let to: [u8; 16] = frame[38..54].try_into().unwrap();
        assert_eq!(checksum(&ip.octets(), &to, &message), 0);
    }

    #[test]
    fn what_is_cut_off_or_from_far_away_says_nothing() {
        let ip: Ipv6Addr = "fd77::100".parse().unwrap();
        let mut frame = advertisement(MAC, ip);
        for end in 0..frame.len() {
            assert_eq!(said_to_have(&frame[..end]), None, "{end} bytes");
        }
        frame[21] = 254;
        assert_eq!(said_to_have(&frame), None);
        let frame = arp_announcement(Arp::Request, MAC, Ipv4Addr::new(10, 0, 0, 9));
        for end in 0..32 {
            assert_eq!(said_to_have(&frame[..end]), None, "{end} bytes");
        }
    }
}
