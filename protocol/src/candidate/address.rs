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
        if let Some(octets) = read_v4(text) {
            return Some(Self::V4(octets));
        }
        if let Some(octets) = read_v6(text) {
            return Some(Self::V6(octets));
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

    /// Whether it means something in one network only: private, on this machine, or a name that hides such a one. Addresses
    /// of IPv6 that carry one of IPv4 (RFC 6052, RFC 3056, RFC 4291 §2.5.5) count as that does.
    pub fn is_private(&self) -> bool {
        match *self {
            Self::V4(octets) => is_private_v4(octets),
            Self::V6(octets) => {
                let [a, b, ..] = octets;
                let at = |start: usize| [start, start + 1, start + 2, start + 3].map(|at| octets[at]);
                let is_local = a & 0xfe == 0xfc || a == 0xfe && b & 0x80 == 0x80;
                match octets {
                    [0x00, 0x64, 0xff, 0x9b, 0, 0, ..] => is_private_v4(at(12)),
                    [0x00, 0x64, 0xff, 0x9b, 0, 1, ..] => true,
                    [0x20, 0x02, ..] => is_private_v4(at(2)),
                    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ..] => is_private_v4(at(12)),
                    _ => is_local,
                }
            }
            Self::Mdns(_) => true,
        }
    }
}

/// Whether an IPv4 address means something in one network only (RFC 6890), or nothing at all.
fn is_private_v4(octets: [u8; 4]) -> bool {
    let address = Ipv4Addr::from(octets);
    let [a, b, c, _] = octets;
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || a == 0
        || a == 100 && b & 0xc0 == 64 // Behind a provider's NAT (RFC 6598).
        || (a, b, c) == (192, 0, 0)
        || a == 198 && b & 0xfe == 18 // Benchmarks (RFC 2544).
        || a >= 240
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c, d]) => write!(f, "{a}.{b}.{c}.{d}"),
            Self::V6(octets) => write_v6(f, octets),
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

/// Four decimal numbers without leading zeros (RFC 6943 §3.1.1). This and [`read_v6`] take what the standard library's
/// parsers take, and half their code.
fn read_v4(text: &str) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.len() > 1 && part.starts_with('0') {
            return None;
        }
        *octet = u8::try_from(super::number(part).ok()?).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// Groups of up to four hexadecimal digits, once shortened by `::`, the last two perhaps as IPv4 (RFC 4291 §2.2).
pub(crate) fn read_v6(text: &str) -> Option<[u8; 16]> {
    let mut octets = [0; 16];
    // Where the next group goes, and where `::` was.
    let (mut at, mut gap) = (0, None);
    let mut rest = text;
    if let Some(behind) = text.strip_prefix("::") {
        (gap, rest) = (Some(0), behind);
    }
    while !rest.is_empty() {
        let end = rest.bytes().position(|byte| byte == b':').unwrap_or(rest.len());
        let (group, behind) = (rest.get(..end)?, rest.get(end..)?);
        if let (Some(v4), true) = (read_v4(group), behind.is_empty()) {
            octets.get_mut(at..at + 4)?.copy_from_slice(&v4);
            at += 4;
            break;
        }
        if !(1..=4).contains(&group.len()) {
            return None;
        }
        let value =
            group.bytes().try_fold(0, |value, digit| Some(value << 4 | char::from(digit).to_digit(16)?))?;
        octets.get_mut(at..at + 2)?.copy_from_slice(&(value as u16).to_be_bytes());
        at += 2;
        rest = match (behind.strip_prefix("::"), behind.strip_prefix(':')) {
            (Some(_), _) if gap.is_some() => return None,
            (Some(behind), _) => {
                gap = Some(at);
                behind
            }
            (_, Some("")) => return None,
            (_, behind) => behind.unwrap_or_default(),
        };
    }
    match gap {
        // It stands for one group or more.
        Some(gap) if at < 16 => {
            let moved = at - gap;
            octets.copy_within(gap..at, 16 - moved);
            octets[gap..16 - moved].fill(0);
            Some(octets)
        }
        None if at == 16 => Some(octets),
        _ => None,
    }
}

/// As RFC 5952 §4 has it: the first of the longest runs of zeros is left out, unless it is one only. The standard
/// library's, which also pads and writes IPv4 in IPv6 with dots, takes three times the code.
fn write_v6(f: &mut fmt::Formatter<'_>, octets: &[u8; 16]) -> fmt::Result {
    let group = |at: usize| u16::from_be_bytes([octets[2 * at], octets[2 * at + 1]]);
    let zeros = |at: usize| (at..8).take_while(|&at| group(at) == 0).count();
    // Backwards, because of equal ones `max_by_key` takes the last.
    let gap = (0..8).rev().max_by_key(|&at| zeros(at)).filter(|&at| zeros(at) > 1);
    let (mut at, mut separator) = (0, "");
    while at < 8 {
        if gap == Some(at) {
            f.write_str("::")?;
            (at, separator) = (at + zeros(at), "");
        } else {
            write!(f, "{separator}{:x}", group(at))?;
            (at, separator) = (at + 1, ":");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        // Every place where zeros can stand; none is IPv4 in IPv6 clothes, whose first group would be zero too.
        for pattern in 0..=255u32 {
            let mut octets = [0; 16];
            for at in (0..8).filter(|at| pattern >> at & 1 == 1) {
                octets[2 * at..2 * at + 2].copy_from_slice(&[0x0a * at as u8, 0xb0 + at as u8]);
            }
            assert_eq!(Address::V6(octets).to_string(), Ipv6Addr::from(octets).to_string());
        }
        assert_eq!(Address::V4([10, 0, 255, 1]).to_string(), "10.0.255.1");
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_does() {
        let check = |text: &str| {
            assert_eq!(read_v4(text), text.parse::<Ipv4Addr>().ok().map(|a| a.octets()), "{text}");
            assert_eq!(read_v6(text), text.parse::<Ipv6Addr>().ok().map(|a| a.octets()), "{text}");
        };
        let shortened = (0..=255u32).map(|pattern| {
            let group =
                |at| if pattern >> (at - 1) & 1 == 1 { format!("{:X}", 0xabc * at) } else { "0".to_owned() };
            let text = (1..=8u32).map(group).collect::<Vec<_>>().join(":");
            text.parse::<Ipv6Addr>().unwrap().to_string()
        });
        let odd =
            ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::8", "::", ":", ""];
        let v4 =
            ["10.0.255.1", "::ffff:10.0.0.1", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4", "1.2.3.4::", "01.2.3.4"];
        for text in shortened.chain(odd.into_iter().chain(v4).map(str::to_owned)) {
            check(&text);
            // And with any one character left out, doubled, or another one.
            for at in 0..text.len() {
                let (before, behind) = (&text[..at], &text[at + 1..]);
                check(&format!("{before}{behind}"));
                for other in ["::", ".", "0", "f", "g", "+", " ", "255", &text[at..=at].repeat(2)] {
                    check(&format!("{before}{other}{behind}"));
                }
            }
        }
    }
}
