//! The little of an IP packet that has to be read to send it on, rewritten to translate addresses, and told to people.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

const V4_HEADER_BYTES: usize = 20;
const V6_HEADER_BYTES: usize = 40;

/// Where a packet comes from and goes; None for everything that is not IP.
pub(crate) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    fn at<const N: usize>(packet: &[u8], offset: usize) -> Option<[u8; N]> {
        packet.get(offset..offset + N)?.try_into().ok()
    }
    match packet.first()? >> 4 {
        4 => Some((at::<4>(packet, 12)?.into(), at::<4>(packet, 16)?.into())),
        6 => Some((at::<16>(packet, 8)?.into(), at::<16>(packet, 24)?.into())),
        _ => None,
    }
}

fn is_v6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
}

/// The protocol's number. Extension headers of IPv6 count as protocols of their own.
pub(crate) fn protocol(packet: &[u8]) -> u8 {
    let at = if is_v6(packet) { 6 } else { 9 };
    packet.get(at).copied().unwrap_or(0)
}

/// An address with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// Whose packet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) protocol: u8,
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
}

/// Reads the ports as well; None for what is neither TCP nor UDP, and for all but the first part of a packet in parts.
pub(crate) fn flow(packet: &[u8]) -> Option<Flow> {
    let (from, to) = addresses(packet)?;
    let protocol = protocol(packet);
    let in_parts = !is_v6(packet) && u16_at(packet, 6)? & 0x1fff != 0;
    // Both have their ports in front, and sums within their headers.
    let sum = sum_offset(packet)?;
    u16_at(packet, sum)?;
    if in_parts {
        return None;
    }
    let body = header_bytes(packet);
    let from = Endpoint { address: from, port: u16_at(packet, body)? };
    let to = Endpoint { address: to, port: u16_at(packet, body + 2)? };
    Some(Flow { protocol, from, to })
}

/// Changes whom an IPv4 packet with a [`flow`] comes from.
pub(crate) fn set_source(packet: &mut [u8], source: Endpoint) {
    rewrite(packet, 12, 0, source);
}

/// Changes whom an IPv4 packet with a [`flow`] goes to.
pub(crate) fn set_destination(packet: &mut [u8], destination: Endpoint) {
    rewrite(packet, 16, 2, destination);
}

/// An IPv6 packet as one of IPv4, or the other way round (RFC 7915), from and to other ends. None where it has no [`flow`], or
/// the ends are not of the other family.
pub(crate) fn translate(packet: &[u8], from: Endpoint, to: Endpoint) -> Option<Vec<u8>> {
    let before = flow(packet)?;
    let body = packet.get(header_bytes(packet)..)?;
    let length = u16::try_from(body.len()).ok()?;
    let hops = packet.get(if is_v6(packet) { 7 } else { 8 }).copied()?;
    let mut translated = match (before.from.address, from.address, to.address) {
        (IpAddr::V6(_), IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0; V4_HEADER_BYTES];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&length.checked_add(V4_HEADER_BYTES as u16)?.to_be_bytes());
            // Not to be taken apart: IPv6 does not do that on the way either.
            header[6] = 0x40;
            header[8] = hops;
            header[9] = before.protocol;
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let sum = !add_up(0, &header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V4(_), IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0; V6_HEADER_BYTES];
            header[0] = 0x60;
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header[6] = before.protocol;
            header[7] = hops;
            header[8..24].copy_from_slice(&from.octets());
            header[24..40].copy_from_slice(&to.octets());
            header
        }
        _ => return None,
    };
    translated.extend_from_slice(body);
    let at = header_bytes(&translated);
    translated[at..at + 2].copy_from_slice(&from.port.to_be_bytes());
    translated[at + 2..at + 4].copy_from_slice(&to.port.to_be_bytes());
    let sum_at = sum_offset(&translated)?;
    translated[sum_at..sum_at + 2].fill(0);
    let sum = !body_sum(&translated)?;
    translated[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
    Some(translated)
}

/// Lowers what the first packet of a TCP connection says of how much its sender takes at once, so that no packet to it is longer
/// than `bytes`; routers before a narrow line do so ("MSS clamping").
pub(crate) fn clamp(packet: &mut [u8], bytes: usize) {
    const SYN: u8 = 2;
    const MAXIMUM_SEGMENT: u8 = 2;
    let header = header_bytes(packet);
    let Some([offset, flags]) = packet.get(header + 12..header + 14) else { return };
    if protocol(packet) != TCP || flags & SYN == 0 {
        return;
    }
    let end = header + usize::from(offset >> 4) * 4;
    let most = u16::try_from(bytes.saturating_sub(header + 20)).unwrap_or(u16::MAX);
    let mut at = header + 20;
    // Options: a kind, then a length; the first two kinds are that one byte.
    while at < end.min(packet.len()) {
        match packet[at..] {
            [0, ..] => return,
            [1, ..] => at += 1,
            [MAXIMUM_SEGMENT, 4, high, low, ..] => {
                let lowered = u16::from_be_bytes([high, low]).min(most);
                packet[at + 2..at + 4].copy_from_slice(&lowered.to_be_bytes());
                packet[header + 16..header + 18].fill(0);
                let Some(sum) = body_sum(packet) else { return };
                packet[header + 16..header + 18].copy_from_slice(&(!sum).to_be_bytes());
                return;
            }
            [_, length, ..] if length >= 2 => at += usize::from(length),
            _ => return,
        }
    }
}

fn header_bytes(packet: &[u8]) -> usize {
    if is_v6(packet) { V6_HEADER_BYTES } else { usize::from(packet.first().unwrap_or(&0) & 0x0f) * 4 }
}

/// Where the checksum of TCP or UDP is.
fn sum_offset(packet: &[u8]) -> Option<usize> {
    match protocol(packet) {
        TCP => Some(header_bytes(packet) + 16),
        UDP => Some(header_bytes(packet) + 6),
        _ => None,
    }
}

fn u16_at(packet: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(packet.get(offset..offset + 2)?.try_into().ok()?))
}

/// What the words of some bytes add up to, as the checksums have it (RFC 1071).
fn add_up(start: u16, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut total = u32::from(start) + words.sum::<u32>();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// The same for what TCP and UDP are about: with their sum in place, this is 0xffff.
fn body_sum(packet: &[u8]) -> Option<u16> {
    let body = packet.get(header_bytes(packet)..)?;
    let length = u16::try_from(body.len()).ok()?;
    let addresses = packet.get(if is_v6(packet) { 8..40 } else { 12..20 })?;
    let pseudo = add_up(add_up(length, &[0, protocol(packet)]), addresses);
    Some(add_up(pseudo, body))
}

fn rewrite(packet: &mut [u8], address_at: usize, port_at: usize, endpoint: Endpoint) {
    const HEADER_SUM: usize = 10;
    let IpAddr::V4(address) = endpoint.address else { return };
    let Some(sum_at) = sum_offset(packet) else { return };
    let port_at = header_bytes(packet) + port_at;
    let [a, b, c, d] = address.octets();
    let address = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    // UDP may go without a sum, which is then zero.
    let has_sum = protocol(packet) != UDP || u16_at(packet, sum_at) != Some(0);
    for (offset, word) in [(address_at, address[0]), (address_at + 2, address[1]), (port_at, endpoint.port)] {
        let Some(before) = u16_at(packet, offset) else { return };
        packet[offset..offset + 2].copy_from_slice(&word.to_be_bytes());
        if offset != port_at {
            update_sum(packet, HEADER_SUM, before, word);
        }
        if has_sum {
            update_sum(packet, sum_at, before, word);
        }
    }
}

/// A checksum after one word has changed (RFC 1624).
fn update_sum(packet: &mut [u8], sum_at: usize, before: u16, after: u16) {
    let Some(sum) = u16_at(packet, sum_at) else { return };
    let mut total = u32::from(!sum) + u32::from(!before) + u32::from(after);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let folded = !(total as u16);
    packet[sum_at..sum_at + 2].copy_from_slice(&folded.to_be_bytes());
}

/// The IPv6 addresses that stand for those of IPv4 (RFC 6052).
const NAT64_PREFIX: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/// How hosts that have only IPv6 write an IPv4 address.
pub(crate) fn embed(address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..12].copy_from_slice(&NAT64_PREFIX);
    octets[12..].copy_from_slice(&address.octets());
    octets.into()
}

/// The IPv4 address that an IPv6 address stands for.
pub(crate) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = address.octets().strip_prefix(&NAT64_PREFIX)?.try_into().ok()?;
    Some(octets.into())
}

/// What a packet carries, as far as its first bytes tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Tcp {
        flags: u8,
        bytes: usize,
    },
    Stun {
        message: u16,
        bytes: usize,
    },
    /// A record of the handshake, or encrypted data: by its first byte.
    Dtls {
        content: u8,
        bytes: usize,
    },
    Other {
        protocol: u8,
        bytes: usize,
    },
}

/// Reads on into the packet. Anything odd is `Other`.
pub(crate) fn payload(packet: &[u8]) -> Payload {
    let protocol = protocol(packet);
    let body = packet.get(header_bytes(packet)..).unwrap_or_default();
    match (protocol, body) {
        (TCP, [_, _, _, _, _, _, _, _, _, _, _, _, offset, flags, ..]) => {
            let bytes = body.len().saturating_sub(usize::from(offset >> 4) * 4);
            Payload::Tcp { flags: *flags, bytes }
        }
        // How a receiver tells them apart: RFC 9443 §2.
        (UDP, [_, _, _, _, _, _, _, _, first @ 0..=3, second, ..]) => {
            Payload::Stun { message: u16::from_be_bytes([*first, *second]), bytes: body.len() - 8 }
        }
        (UDP, [_, _, _, _, _, _, _, _, content @ 20..=63, ..]) => {
            Payload::Dtls { content: *content, bytes: body.len() - 8 }
        }
        _ => Payload::Other { protocol, bytes: body.len() },
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { flags, bytes } => {
                let names = [(2, "SYN"), (16, "ACK"), (1, "FIN"), (4, "RST")];
                let set: Vec<_> =
                    names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
                write!(f, "TCP {} {bytes}", set.join("+"))
            }
            Self::Stun { message, bytes } => {
                let name = match message {
                    0x0001 => "request",
                    0x0101 => "response",
                    0x0111 => "error",
                    _ => "other",
                };
                write!(f, "STUN {name} {bytes}")
            }
            Self::Dtls { content, bytes } => {
                let name = match content {
                    22 => "handshake",
                    32..=63 => "encrypted",
                    23 => "data",
                    20 | 21 => "control",
                    _ => "other",
                };
                write!(f, "DTLS {name} {bytes}")
            }
            Self::Other { protocol, bytes } => write!(f, "protocol {protocol} {bytes}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const FROM: Endpoint = v4([10, 0, 0, 1], 1000);
    const TO: Endpoint = v4([10, 0, 0, 2], 2000);
    const FROM_V6: Endpoint = v6(1, 1000);
    const TO_V6: Endpoint = v6(2, 2000);

    pub(crate) const fn v4([a, b, c, d]: [u8; 4], port: u16) -> Endpoint {
        Endpoint { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port }
    }

    pub(crate) const fn v6(last: u16, port: u16) -> Endpoint {
        Endpoint { address: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)), port }
    }

    /// Whether all checksums are right.
    pub(crate) fn sums_fit(packet: &[u8]) -> bool {
        (is_v6(packet) || add_up(0, &packet[..20]) == 0xffff) && body_sum(packet) == Some(0xffff)
    }

    /// A packet of the family of its ends.
    pub(crate) fn udp_packet(from: Endpoint, to: Endpoint, payload: &[u8]) -> Vec<u8> {
        let mut body = [from.port, to.port, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat();
        body.extend_from_slice(payload);
        let mut packet = match (from.address, to.address) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0];
                header[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
                header.extend(from.octets().into_iter().chain(to.octets()));
                let sum = !add_up(0, &header);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                header
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut header = vec![0x60, 0, 0, 0, 0, 0, UDP, 64];
                header[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
                header.extend(from.octets().into_iter().chain(to.octets()));
                header
            }
            _ => panic!("ends of two families"),
        };
        packet.extend(body);
        let at = sum_offset(&packet).unwrap();
        let sum = !body_sum(&packet).unwrap();
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// The same as TCP, as far as anybody here looks.
    pub(crate) fn tcp_packet(from: Endpoint, to: Endpoint) -> Vec<u8> {
        let mut packet = udp_packet(from, to, &[0; 12]);
        let at = if is_v6(&packet) { 6 } else { 9 };
        packet[at] = TCP;
        packet
    }

    fn udp(payload: &[u8]) -> Vec<u8> {
        udp_packet(FROM, TO, payload)
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(addresses(&udp(b"")), Some((FROM.address, TO.address)));
        let packet = udp_packet(FROM_V6, TO_V6, b"");
        assert_eq!(addresses(&packet), Some((FROM_V6.address, TO_V6.address)));
        assert_eq!(addresses(&packet[..39]), None, "cut short");
        assert_eq!(addresses(&[0x45; 19]), None, "cut short");
        assert_eq!(addresses(&[0x50; 60]), None, "neither family");
        assert_eq!(addresses(&[]), None);
    }

    #[test]
    fn flows_are_read() {
        for (from, to, full) in [(FROM, TO, 28), (FROM_V6, TO_V6, 48)] {
            let packet = udp_packet(from, to, b"hello");
            assert_eq!(flow(&packet), Some(Flow { protocol: UDP, from, to }));
            for bytes in 0..full {
                assert_eq!(flow(&packet[..bytes]), None, "cut to {bytes}");
            }
        }
        let mut part = udp(b"hello");
        part[7] = 1;
        assert_eq!(flow(&part), None, "a later part");
        let mut ping = udp(b"hello");
        ping[9] = 1;
        assert_eq!(flow(&ping), None, "ICMP");
    }

    #[test]
    fn rewritten_packets_have_fitting_sums() {
        let other = v4([192, 168, 200, 7], 65_535);
        let mut packet = udp(b"some odd payload!");
        assert!(sums_fit(&packet));
        set_source(&mut packet, other);
        assert_eq!(flow(&packet), Some(Flow { protocol: UDP, from: other, to: TO }));
        assert!(sums_fit(&packet));
        set_destination(&mut packet, other);
        assert_eq!(flow(&packet), Some(Flow { protocol: UDP, from: other, to: other }));
        assert!(sums_fit(&packet));
    }

    #[test]
    fn packets_become_those_of_the_other_family_and_back() {
        let packet = udp(b"some odd payload!");
        let six = translate(&packet, FROM_V6, TO_V6).unwrap();
        assert_eq!(flow(&six), Some(Flow { protocol: UDP, from: FROM_V6, to: TO_V6 }));
        assert!(sums_fit(&six));
        let mut back = translate(&six, FROM, TO).unwrap();
        assert!(sums_fit(&back));
        // "Not to be taken apart" is new.
        back[6] = 0;
        back[10..12].copy_from_slice(&packet[10..12]);
        assert_eq!(back, packet);
        assert_eq!(translate(&packet, FROM, TO), None, "the same family");
        assert_eq!(translate(&packet, FROM, TO_V6), None, "two families");
        assert_eq!(translate(&packet[..20], FROM_V6, TO_V6), None, "no ports");
    }

    #[test]
    fn what_a_tcp_connection_takes_at_once_is_lowered() {
        for (from, to, header) in [(FROM, TO, 20), (FROM_V6, TO_V6, 40)] {
            let mut packet = tcp_packet(from, to);
            // A header of 28 bytes that begins a connection, and in it something else, then 1460 bytes.
            packet[header + 12..header + 14].copy_from_slice(&[7 << 4, 2]);
            packet.truncate(header + 20);
            packet.extend([1, 3, 3, 7, 2, 4, 5, 180]);
            let at = header + 26;
            let most = |packet: &[u8]| u16_at(packet, at);
            clamp(&mut packet, 1500);
            assert_eq!(most(&packet), Some(1480.min(1500 - header as u16 - 20).min(1460)));
            clamp(&mut packet, 1280);
            assert_eq!(most(&packet), Some(1280 - header as u16 - 20));
            assert_eq!(body_sum(&packet), Some(0xffff));
            let mut later = packet.clone();
            later[header + 13] = 16;
            let before = later.clone();
            clamp(&mut later, 1000);
            assert_eq!(later, before, "not the first packet");
            for bytes in 0..packet.len() {
                clamp(&mut packet[..bytes].to_vec(), 1000);
            }
        }
    }

    #[test]
    fn addresses_of_one_family_stand_for_the_other() {
        let address = Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(embed(address).to_string(), "64:ff9b::a4d:1");
        assert_eq!(embedded(embed(address)), Some(address));
        assert_eq!(embedded(Ipv6Addr::LOCALHOST), None);
    }

    #[test]
    fn payloads_are_told_apart() {
        assert_eq!(payload(&udp(&[0, 1, 0, 0])), Payload::Stun { message: 1, bytes: 4 });
        assert_eq!(payload(&udp(&[22, 254, 253])), Payload::Dtls { content: 22, bytes: 3 });
        assert_eq!(payload(&udp(&[200])), Payload::Other { protocol: UDP, bytes: 9 });
        assert_eq!(payload(&[]), Payload::Other { protocol: 0, bytes: 0 });
    }
}
