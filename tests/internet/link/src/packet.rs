//! The little of an IPv4 packet that has to be read to send it on, rewritten to translate addresses, and told to people.

use std::fmt;
use std::net::Ipv4Addr;

/// Where a packet comes from and goes; None for everything that is not IPv4.
pub(crate) fn addresses(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if packet.first()? >> 4 != 4 {
        return None;
    }
    let at = |offset: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = packet.get(offset..offset + 4)?.try_into().ok()?;
        Some(octets.into())
    };
    Some((at(12)?, at(16)?))
}

/// The protocol's number: 6 for TCP, 17 for UDP.
pub(crate) fn protocol(packet: &[u8]) -> u8 {
    packet.get(9).copied().unwrap_or(0)
}

/// An address with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) address: Ipv4Addr,
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
    let in_parts = u16_at(packet, 6)? & 0x1fff != 0;
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

/// Changes whom a packet with a [`flow`] comes from.
pub(crate) fn set_source(packet: &mut [u8], source: Endpoint) {
    rewrite(packet, 12, 0, source);
}

/// Changes whom a packet with a [`flow`] goes to.
pub(crate) fn set_destination(packet: &mut [u8], destination: Endpoint) {
    rewrite(packet, 16, 2, destination);
}

fn header_bytes(packet: &[u8]) -> usize {
    usize::from(packet.first().unwrap_or(&0) & 0x0f) * 4
}

/// Where the checksum of TCP or UDP is.
fn sum_offset(packet: &[u8]) -> Option<usize> {
    match protocol(packet) {
        6 => Some(header_bytes(packet) + 16),
        17 => Some(header_bytes(packet) + 6),
        _ => None,
    }
}

fn u16_at(packet: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(packet.get(offset..offset + 2)?.try_into().ok()?))
}

fn rewrite(packet: &mut [u8], address_at: usize, port_at: usize, endpoint: Endpoint) {
    const HEADER_SUM: usize = 10;
    let Some(sum_at) = sum_offset(packet) else { return };
    let port_at = header_bytes(packet) + port_at;
    let [a, b, c, d] = endpoint.address.octets();
    let address = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    // UDP may go without a sum, which is then zero.
    let has_sum = protocol(packet) != 17 || u16_at(packet, sum_at) != Some(0);
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
        (6, [_, _, _, _, _, _, _, _, _, _, _, _, offset, flags, ..]) => {
            let bytes = body.len().saturating_sub(usize::from(offset >> 4) * 4);
            Payload::Tcp { flags: *flags, bytes }
        }
        // How a receiver tells them apart: RFC 9443 §2.
        (17, [_, _, _, _, _, _, _, _, first @ 0..=3, second, ..]) => {
            Payload::Stun { message: u16::from_be_bytes([*first, *second]), bytes: body.len() - 8 }
        }
        (17, [_, _, _, _, _, _, _, _, content @ 20..=63, ..]) => {
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

    const FROM: Endpoint = Endpoint { address: Ipv4Addr::new(10, 0, 0, 1), port: 1000 };
    const TO: Endpoint = Endpoint { address: Ipv4Addr::new(10, 0, 0, 2), port: 2000 };

    /// What all words add up to, as the checksums have it: 0xffff over bytes that contain their sum.
    fn sum(bytes: impl IntoIterator<Item = u8>) -> u16 {
        let bytes: Vec<u8> = bytes.into_iter().collect();
        let mut total: u32 =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    fn body_sum(packet: &[u8]) -> u16 {
        let body = &packet[20..];
        let pseudo = [0, protocol(packet), (body.len() >> 8) as u8, body.len() as u8];
        sum(packet[12..20].iter().chain(&pseudo).chain(body).copied())
    }

    /// Whether both checksums are right.
    pub(crate) fn sums_fit(packet: &[u8]) -> bool {
        sum(packet[..20].iter().copied()) == 0xffff && body_sum(packet) == 0xffff
    }

    pub(crate) fn udp_packet(from: Endpoint, to: Endpoint, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[12..16].copy_from_slice(&from.address.octets());
        packet[16..20].copy_from_slice(&to.address.octets());
        packet[20..22].copy_from_slice(&from.port.to_be_bytes());
        packet[22..24].copy_from_slice(&to.port.to_be_bytes());
        packet[24..26].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        packet.extend_from_slice(payload);
        let header = !sum(packet[..20].iter().copied());
        packet[10..12].copy_from_slice(&header.to_be_bytes());
        let body = !body_sum(&packet);
        packet[26..28].copy_from_slice(&body.to_be_bytes());
        packet
    }

    fn udp(payload: &[u8]) -> Vec<u8> {
        udp_packet(FROM, TO, payload)
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(addresses(&udp(b"")), Some((FROM.address, TO.address)));
        assert_eq!(addresses(&[0x60; 40]), None, "IPv6");
        assert_eq!(addresses(&[0x45; 19]), None, "cut short");
        assert_eq!(addresses(&[]), None);
    }

    #[test]
    fn flows_are_read() {
        let packet = udp(b"hello");
        assert_eq!(flow(&packet), Some(Flow { protocol: 17, from: FROM, to: TO }));
        for bytes in 0..28 {
            assert_eq!(flow(&packet[..bytes]), None, "cut to {bytes}");
        }
        let mut part = packet.clone();
        part[7] = 1;
        assert_eq!(flow(&part), None, "a later part");
        let mut ping = packet;
        ping[9] = 1;
        assert_eq!(flow(&ping), None, "ICMP");
    }

    #[test]
    fn rewritten_packets_have_fitting_sums() {
        let other = Endpoint { address: Ipv4Addr::new(192, 168, 200, 7), port: 65_535 };
        let mut packet = udp(b"some odd payload!");
        assert!(sums_fit(&packet));
        set_source(&mut packet, other);
        assert_eq!(flow(&packet), Some(Flow { protocol: 17, from: other, to: TO }));
        assert!(sums_fit(&packet));
        set_destination(&mut packet, other);
        assert_eq!(flow(&packet), Some(Flow { protocol: 17, from: other, to: other }));
        assert!(sums_fit(&packet));
    }

    #[test]
    fn payloads_are_told_apart() {
        assert_eq!(payload(&udp(&[0, 1, 0, 0])), Payload::Stun { message: 1, bytes: 4 });
        assert_eq!(payload(&udp(&[22, 254, 253])), Payload::Dtls { content: 22, bytes: 3 });
        assert_eq!(payload(&udp(&[200])), Payload::Other { protocol: 17, bytes: 9 });
        assert_eq!(payload(&[]), Payload::Other { protocol: 0, bytes: 0 });
    }
}
