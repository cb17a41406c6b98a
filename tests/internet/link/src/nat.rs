//! A home router's address translation (RFC 4787): hosts behind it are seen under its public address, and only those
//! whom they have written to may write back.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use crate::packet::{self, Endpoint};

/// The first public port where the one inside is not kept.
const FIRST_PORT: u16 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Endpoint-independent mapping with address and port-dependent filtering: a port restricted cone. The port is that
    /// inside if it is free, as most routers do it, so that it is the same again after the router forgot.
    Cone,
    /// A port of its own for every destination: whoever learnt it elsewhere cannot use it.
    Symmetric,
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
        let Some(packet::Flow { protocol, from, to }) = packet::flow(bytes) else { return false };
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
        packet::set_source(bytes, Endpoint { address: self.public, port });
        true
    }

    fn choose_port(&mut self, inside: u16) -> u16 {
        if self.kind == Kind::Cone && !self.mappings.contains_key(&inside) {
            return inside;
        }
        let port = self.next_port;
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// Rewrites a packet on its way in; false when nobody inside has asked for it.
    pub(crate) fn inbound(&self, bytes: &mut [u8]) -> bool {
        let Some(packet::Flow { protocol, from, to }) = packet::flow(bytes) else { return false };
        let mapping = self.mappings.get(&to.port).filter(|mapping| mapping.inside.protocol == protocol);
        let Some(mapping) = mapping.filter(|mapping| mapping.contacted.contains(&from)) else { return false };
        packet::set_destination(bytes, mapping.inside.endpoint);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::udp_packet;

    const INSIDE: Endpoint = Endpoint { address: Ipv4Addr::new(192, 168, 0, 2), port: 5000 };
    const PUBLIC: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const ONE: Endpoint = Endpoint { address: Ipv4Addr::new(10, 0, 0, 2), port: 1 };
    const OTHER: Endpoint = Endpoint { address: Ipv4Addr::new(10, 0, 0, 3), port: 1 };

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
    fn a_cone_has_one_port_and_lets_in_who_was_written_to() {
        let mut nat = Nat::new(Kind::Cone, PUBLIC);
        let seen = send(&mut nat, ONE);
        assert_eq!(seen.address, PUBLIC);
        assert_eq!(answer(&nat, ONE, seen), Some(INSIDE));
        assert_eq!(answer(&nat, OTHER, seen), None);
        assert_eq!(send(&mut nat, OTHER), seen);
        assert_eq!(answer(&nat, OTHER, seen), Some(INSIDE));
        let other_port = Endpoint { port: 2, ..ONE };
        assert_eq!(answer(&nat, other_port, seen), None);
    }

    #[test]
    fn symmetric_mappings_differ_by_destination() {
        let mut nat = Nat::new(Kind::Symmetric, PUBLIC);
        let [one, other] = [send(&mut nat, ONE), send(&mut nat, OTHER)];
        assert_ne!(one, other);
        assert_eq!(send(&mut nat, ONE), one);
        assert_eq!(answer(&nat, ONE, one), Some(INSIDE));
        assert_eq!(answer(&nat, OTHER, one), None);
    }

    #[test]
    fn what_was_forgotten_is_not_let_in_until_the_host_writes_again() {
        for kind in [Kind::Cone, Kind::Symmetric] {
            let mut nat = Nat::new(kind, PUBLIC);
            let seen = send(&mut nat, ONE);
            nat.forget();
            assert_eq!(answer(&nat, ONE, seen), None);
            assert_eq!(send(&mut nat, ONE) == seen, kind == Kind::Cone);
        }
    }

    #[test]
    fn two_with_the_same_port_get_different_ones() {
        let mut nat = Nat::new(Kind::Cone, PUBLIC);
        let seen = send(&mut nat, ONE);
        assert_eq!(seen.port, INSIDE.port);
        let neighbour = Endpoint { address: Ipv4Addr::new(192, 168, 0, 3), ..INSIDE };
        let mut packet = udp_packet(neighbour, ONE, b"hello");
        assert!(nat.outbound(&mut packet));
        let other = packet::flow(&packet).unwrap().from;
        assert_ne!(other, seen);
        assert_eq!(answer(&nat, ONE, other), Some(neighbour));
        assert_eq!(answer(&nat, ONE, seen), Some(INSIDE));
    }
}
