//! Address translation (RFC 4787): hosts behind a router are seen under its public address, and its kind says who may write
//! back. The same table serves a translator between IPv6 and IPv4 (RFC 6146).

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::packet::{self, Endpoint, Flow};

/// The first public port where the one inside is not kept.
const FIRST_PORT: u16 = 20_000;

/// The classical four. All but the last have one public port for a port inside, whomever it writes to: that inside if it is
/// free, as most routers do it, so that it is the same again after the router forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lets in everybody who knows the port.
    Full,
    /// Lets in every port of an address that was written to.
    Address,
    /// Lets in who was written to.
    Cone,
    /// Likewise, and has a port of its own for every destination: whoever learnt it elsewhere cannot use it.
    Symmetric,
}

impl Kind {
    /// Reads what commands call it.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "full" => Ok(Self::Full),
            "address" => Ok(Self::Address),
            "cone" => Ok(Self::Cone),
            "symmetric" => Ok(Self::Symmetric),
            _ => Err(format!("no router is {name}")),
        }
    }

    fn lets_in(self, from: Endpoint, contacted: &HashSet<Endpoint>) -> bool {
        match self {
            Self::Full => true,
            Self::Address => contacted.iter().any(|remote| remote.address == from.address),
            Self::Cone | Self::Symmetric => contacted.contains(&from),
        }
    }
}

/// What a public port stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inside {
    protocol: u8,
    endpoint: Endpoint,
    /// Only for symmetric mappings.
    remote: Option<Endpoint>,
}

#[derive(Debug)]
struct Mapping {
    inside: Inside,
    contacted: HashSet<Endpoint>,
}

#[derive(Debug)]
pub(crate) struct Nat {
    kind: Kind,
    pub(crate) public: Ipv4Addr,
    next_port: u16,
    ports: HashMap<Inside, u16>,
    mappings: HashMap<u16, Mapping>,
}

impl Nat {
    pub(crate) fn new(kind: Kind, public: Ipv4Addr) -> Self {
        Self { kind, public, next_port: FIRST_PORT, ports: HashMap::new(), mappings: HashMap::new() }
    }

    /// Every mapping is gone.
    pub(crate) fn forget(&mut self) {
        self.ports.clear();
        self.mappings.clear();
    }

    /// Rewrites a packet on its way out; false when it cannot be translated and is dropped.
    pub(crate) fn outbound(&mut self, bytes: &mut [u8]) -> bool {
        let Some(flow) = packet::flow(bytes) else { return false };
        let source = self.leave(flow);
        packet::set_source(bytes, source);
        true
    }

    /// Rewrites a packet on its way in; false when nobody inside has asked for it.
    pub(crate) fn inbound(&self, bytes: &mut [u8]) -> bool {
        let Some(inside) = packet::flow(bytes).and_then(|flow| self.enter(flow)) else { return false };
        packet::set_destination(bytes, inside);
        true
    }

    /// Translates a packet of IPv6 whose destination stands for an address of IPv4.
    pub(crate) fn outbound_to_v4(&mut self, bytes: &[u8], remote: Ipv4Addr) -> Option<Vec<u8>> {
        let Flow { protocol, from, to } = packet::flow(bytes)?;
        let to = Endpoint { address: remote.into(), ..to };
        let source = self.leave(Flow { protocol, from, to });
        packet::translate(bytes, source, to)
    }

    /// Translates an answer to that.
    pub(crate) fn inbound_to_v6(&self, bytes: &[u8], remote: Ipv4Addr) -> Option<Vec<u8>> {
        let flow = packet::flow(bytes)?;
        let from = Endpoint { address: packet::embed(remote).into(), ..flow.from };
        packet::translate(bytes, from, self.enter(flow)?)
    }

    /// Where a packet from inside comes from, for those outside.
    fn leave(&mut self, Flow { protocol, from, to }: Flow) -> Endpoint {
        let remote = (self.kind == Kind::Symmetric).then_some(to);
        let inside = Inside { protocol, endpoint: from, remote };
        let port = match self.ports.get(&inside) {
            Some(port) => *port,
            None => {
                let port = self.choose_port(from.port);
                self.ports.insert(inside.clone(), port);
                self.mappings.insert(port, Mapping { inside, contacted: HashSet::new() });
                port
            }
        };
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.contacted.insert(to);
        }
        Endpoint { address: self.public.into(), port }
    }

    fn choose_port(&mut self, inside: u16) -> u16 {
        if self.kind != Kind::Symmetric && !self.mappings.contains_key(&inside) {
            return inside;
        }
        loop {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
            // Ports of those inside may be kept that are as high. One that is used up altogether serves nobody well.
            if !self.mappings.contains_key(&port) || self.mappings.len() > usize::from(u16::MAX - FIRST_PORT)
            {
                return port;
            }
        }
    }

    /// Where inside a packet goes.
    fn enter(&self, Flow { protocol, from, to }: Flow) -> Option<Endpoint> {
        let mapping = self.mappings.get(&to.port).filter(|mapping| mapping.inside.protocol == protocol)?;
        self.kind.lets_in(from, &mapping.contacted).then_some(mapping.inside.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{udp_packet, v4, v6};

    const KINDS: [Kind; 4] = [Kind::Full, Kind::Address, Kind::Cone, Kind::Symmetric];
    const INSIDE: Endpoint = v4([192, 168, 0, 2], 5000);
    const PUBLIC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const ONE: Endpoint = v4([10, 0, 0, 2], 1);
    const ITS_OTHER_PORT: Endpoint = v4([10, 0, 0, 2], 2);
    const OTHER: Endpoint = v4([10, 0, 0, 3], 1);

    /// Sends a packet out; gives the public endpoint it comes from.
    fn send(nat: &mut Nat, to: Endpoint) -> Endpoint {
        let mut packet = udp_packet(INSIDE, to, b"hello");
        assert!(nat.outbound(&mut packet));
        assert!(packet::tests::sums_fit(&packet));
        packet::flow(&packet).unwrap().from
    }

    /// Sends a packet in; gives where it arrives.
    fn answer(nat: &Nat, from: Endpoint, to: Endpoint) -> Option<Endpoint> {
        let mut packet = udp_packet(from, to, b"hello");
        nat.inbound(&mut packet).then(|| {
            assert!(packet::tests::sums_fit(&packet));
            packet::flow(&packet).unwrap().to
        })
    }

    #[test]
    fn each_kind_lets_in_what_the_table_says() {
        // After one packet to `ONE`: does it let in ONE, another port of its address, another address?
        for (kind, table) in [
            (Kind::Full, [true, true, true]),
            (Kind::Address, [true, true, false]),
            (Kind::Cone, [true, false, false]),
            (Kind::Symmetric, [true, false, false]),
        ] {
            let mut nat = Nat::new(kind, PUBLIC);
            assert_eq!(answer(&nat, ONE, Endpoint { address: PUBLIC.into(), ..INSIDE }), None, "{kind:?}");
            let seen = send(&mut nat, ONE);
            assert_eq!(seen.address, PUBLIC);
            let let_in = [ONE, ITS_OTHER_PORT, OTHER].map(|from| answer(&nat, from, seen) == Some(INSIDE));
            assert_eq!(let_in, table, "{kind:?}");
            let tcp = Flow { protocol: packet::TCP, from: ONE, to: seen };
            assert_eq!(nat.enter(tcp), None, "{kind:?}: another protocol");
        }
    }

    #[test]
    fn only_symmetric_mappings_differ_by_destination() {
        for kind in KINDS {
            let mut nat = Nat::new(kind, PUBLIC);
            let [one, other] = [send(&mut nat, ONE), send(&mut nat, OTHER)];
            assert_eq!(one == other, kind != Kind::Symmetric, "{kind:?}");
            assert_eq!(send(&mut nat, ONE), one);
            assert_eq!(answer(&nat, ONE, one), Some(INSIDE));
            assert_eq!(answer(&nat, OTHER, other), Some(INSIDE));
            assert_eq!(answer(&nat, OTHER, one).is_some(), kind != Kind::Symmetric, "{kind:?}");
        }
    }

    #[test]
    fn what_was_forgotten_is_not_let_in_until_the_host_writes_again() {
        for kind in KINDS {
            let mut nat = Nat::new(kind, PUBLIC);
            let seen = send(&mut nat, ONE);
            nat.forget();
            assert_eq!(answer(&nat, ONE, seen), None);
            assert_eq!(send(&mut nat, ONE) == seen, kind != Kind::Symmetric);
        }
    }

    #[test]
    fn two_with_the_same_port_get_different_ones() {
        let mut nat = Nat::new(Kind::Cone, PUBLIC);
        let seen = send(&mut nat, ONE);
        assert_eq!(seen.port, INSIDE.port);
        let neighbour = v4([192, 168, 0, 3], INSIDE.port);
        let mut packet = udp_packet(neighbour, ONE, b"hello");
        assert!(nat.outbound(&mut packet));
        let other = packet::flow(&packet).unwrap().from;
        assert_ne!(other, seen);
        assert_eq!(answer(&nat, ONE, other), Some(neighbour));
        assert_eq!(answer(&nat, ONE, seen), Some(INSIDE));
    }

    #[test]
    fn a_port_that_is_kept_is_not_given_out_again() {
        let mut nat = Nat::new(Kind::Cone, PUBLIC);
        let from = |address| v4([192, 168, 0, address], FIRST_PORT);
        let ports: HashSet<u16> = (2..5)
            .map(|address| nat.leave(Flow { protocol: packet::UDP, from: from(address), to: ONE }).port)
            .collect();
        assert_eq!(ports.len(), 3);
    }

    #[test]
    fn hosts_with_only_ipv6_reach_those_with_only_ipv4() {
        let mut nat = Nat::new(Kind::Cone, PUBLIC);
        let inside = v6(7, 5000);
        let remote = Ipv4Addr::new(10, 0, 0, 2);
        let named = Endpoint { address: packet::embed(remote).into(), ..ONE };
        let out = nat.outbound_to_v4(&udp_packet(inside, named, b"hello"), remote).unwrap();
        assert!(packet::tests::sums_fit(&out));
        let Flow { from, to, .. } = packet::flow(&out).unwrap();
        assert_eq!((from.address, to), (PUBLIC.into(), ONE));
        let back = nat.inbound_to_v6(&udp_packet(ONE, from, b"hello"), remote).unwrap();
        assert!(packet::tests::sums_fit(&back));
        let Flow { from: back_from, to: back_to, .. } = packet::flow(&back).unwrap();
        assert_eq!((back_from, back_to), (named, inside));
        let stranger = udp_packet(OTHER, from, b"hello");
        assert_eq!(nat.inbound_to_v6(&stranger, Ipv4Addr::new(10, 0, 0, 3)), None);
    }
}
