//! The address of a candidate: IP, or the name by which a browser hides one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base64;

/// Where to send. `Debug` shows the family only, because logs never hold addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
    /// The UUID of a browser's `uuid.local` name (draft-ietf-mmusic-mdns-ice-candidates).
    Mdns([u8; 16]),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4(_) => "V4(..)",
            Self::V6(_) => "V6(..)",
            Self::Mdns(_) => "Mdns(..)",
        })
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::V4(address.octets()));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Some(Self::V6(address.octets()));
        }
        let uuid = text.strip_suffix(".local")?.as_bytes();
        if uuid.len() != 36 || [8, 13, 18, 23].iter().any(|&at| uuid[at] != b'-') {
            return None;
        }
        base64::hex(uuid.iter().copied().filter(|&byte| byte != b'-')).map(Self::Mdns)
    }

    /// Could one host have this address? Multicast, broadcast and unspecified are not for sending checks to, and
    /// IPv4 in IPv6 clothes would slip past such rules.
    pub(super) fn is_unicast(&self) -> bool {
        match *self {
            Self::V4(octets) => {
                let address = Ipv4Addr::from(octets);
                octets[0] != 0 && !address.is_multicast() && !address.is_broadcast()
            }
            Self::V6(octets) => {
                let address = Ipv6Addr::from(octets);
                !address.is_unspecified() && !address.is_multicast() && address.to_ipv4_mapped().is_none()
            }
            Self::Mdns(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(octets) => Ipv4Addr::from(*octets).fmt(f),
            Self::V6(octets) => Ipv6Addr::from(*octets).fmt(f),
            Self::Mdns(uuid) => {
                for (index, byte) in uuid.iter().enumerate() {
                    let dash = if [4, 6, 8, 10].contains(&index) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                f.write_str(".local")
            }
        }
    }
}
