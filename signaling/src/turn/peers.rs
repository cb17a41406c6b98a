//! Whom a relay may send to: addresses of the public internet, and what the operator allows besides.
//!
//! A relay that sends anywhere lets everybody into the network that it stands in, and to the services that trust it. The
//! lists are the special-purpose registries of the IANA (RFC 6890), whole: also what is said to be globally reachable in
//! them is no peer of anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, as `192.0.2.0/24` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of addresses like 10.0.0.0/8 or fd00::/8, or one address")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, rest)| (address, Some(rest)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(text) => text.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(bad)?,
        };
        Ok(Self { address, prefix })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Network {
    Network { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, and multicast.
const SPECIAL_V4: [Network; 18] = [
    v4(0, 0, 0, 0, 8),       // this network, unspecified
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, with the metadata of clouds
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 31, 196, 0, 24), // AS112
    v4(192, 52, 193, 0, 24), // AMT
    v4(192, 88, 99, 0, 24),  // relays of 6to4
    v4(192, 168, 0, 0, 16),  // private
    v4(192, 175, 48, 0, 24), // AS112
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, broadcast
];

/// All that is assigned for hosts; everything else is special or reserved: unspecified, loopback, IPv4 in other clothes
/// (::, ::ffff:0:0, 64:ff9b::, 64:ff9b:1::), discard, segment routing, unique local, link-local, site-local, multicast.
const GLOBAL_V6: Network = v6(0x2000, 0, 0, 3);

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, within that.
const SPECIAL_V6: [Network; 5] = [
    v6(0x2001, 0, 0, 23),         // protocol assignments, with Teredo, benchmarking and ORCHID
    v6(0x2001, 0xdb8, 0, 32),     // documentation
    v6(0x2002, 0, 0, 16),         // 6to4
    v6(0x2620, 0x4f, 0x8000, 48), // AS112
    v6(0x3fff, 0, 0, 20),         // documentation
];

/// Decides about the addresses of peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerFilter {
    allowed: Vec<Network>,
}

impl PeerFilter {
    pub(crate) fn new(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Whether the relay may send there. Where a range is allowed whose addresses hold others, what they hold counts too.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        if let Some(held) = held_v4(address) {
            return self.is_allowed(address) && self.permits(IpAddr::V4(held));
        }
        self.is_allowed(address) || is_public(address)
    }

    /// Whether the operator has named it.
    pub(crate) fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(address))
    }
}

fn is_public(address: IpAddr) -> bool {
    let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
    match address {
        IpAddr::V4(_) => !within(&SPECIAL_V4),
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !within(&SPECIAL_V6),
    }
}

/// The IPv4 address that an IPv6 one leads to.
fn held_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = address.to_bits();
    let held = |shift: u32| Some(Ipv4Addr::from_bits((bits >> shift) as u32));
    match address.segments() {
        // Compatible and mapped. Unspecified and loopback hold 0.0.0.0 and 0.0.0.1, which are refused too.
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] if bits > 1 => held(0),
        // SIIT (RFC 2765), as old.
        [0, 0, 0, 0, 0xffff, 0, _, _] => held(0),
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => held(0),
        // NAT64 within a network (RFC 8215), at the place that a prefix of 96 bits gives it.
        [0x64, 0xff9b, 1, ..] => held(0),
        [0x2002, ..] => held(80),
        // Teredo (RFC 4380): the client's address, upside down.
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!(bits as u32))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::refused::REFUSED;

    fn filter(allowed: &[&str]) -> PeerFilter {
        PeerFilter::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn what_is_special_is_refused() {
        for address in REFUSED {
            assert!(!filter(&[]).permits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_public_is_permitted() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "3ffe:ffff::1",
            "3fff:1000::1",
        ] {
            assert!(filter(&[]).permits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_the_operator_names_is_permitted() {
        let own = filter(&["10.1.0.0/16", "127.0.0.1", "fd00::/8"]);
        for (address, permitted) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fc00::1", false),
            ("::ffff:10.1.2.3", false),
        ] {
            assert_eq!(own.permits(address.parse().unwrap()), permitted, "{address}");
        }
        assert!(filter(&["0.0.0.0/0"]).permits("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_an_address_holds_counts_too() {
        let nat64 = filter(&["64:ff9b::/96", "2002::/16", "2001::/32", "::ffff:0:0/96"]);
        for (address, permitted) in [
            ("64:ff9b::808:808", true),
            ("64:ff9b::a00:1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:808:808::1", true),
            ("2002:a00:1::1", false),
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", true), // 8.8.8.8
            ("2001:0:4136:e378:8000:63bf:f5ff:fffe", false), // 10.0.0.1
            ("::ffff:8.8.8.8", true),
            ("::ffff:169.254.169.254", false),
        ] {
            assert_eq!(nat64.permits(address.parse().unwrap()), permitted, "{address}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
