//! The little of an IPv4 packet that has to be read to send it on, and to tell people what it was.

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
    let protocol = packet.get(9).copied().unwrap_or(0);
    let header = usize::from(packet.first().unwrap_or(&0) & 0x0f) * 4;
    let body = packet.get(header..).unwrap_or_default();
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
mod tests {
    use super::*;

    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 0, 0, 2]);
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn addresses_are_read() {
        let expected = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(addresses(&udp(b"")), Some(expected));
        assert_eq!(addresses(&[0x60; 40]), None, "IPv6");
        assert_eq!(addresses(&[0x45; 19]), None, "cut short");
        assert_eq!(addresses(&[]), None);
    }

    #[test]
    fn payloads_are_told_apart() {
        assert_eq!(payload(&udp(&[0, 1, 0, 0])), Payload::Stun { message: 1, bytes: 4 });
        assert_eq!(payload(&udp(&[22, 254, 253])), Payload::Dtls { content: 22, bytes: 3 });
        assert_eq!(payload(&udp(&[200])), Payload::Other { protocol: 17, bytes: 9 });
        assert_eq!(payload(&[]), Payload::Other { protocol: 0, bytes: 0 });
    }
}
