//! Who is behind which router, and the way a packet takes through them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::nat::{Kind, Nat};
use crate::packet;

/// The inside of a router by its number, or the internet.
pub(crate) type Network = Option<usize>;

/// Where a host is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    /// Where the IPv4 address is. That of IPv6 is the internet's own, whatever router the host is behind.
    pub(crate) network: Network,
}

/// What a router is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) kind: Kind,
    pub(crate) public: Ipv4Addr,
    /// Those inside reach each other at its public address.
    pub(crate) hairpin: bool,
    /// Those inside do not reach each other at their own addresses, as guests of a hotel or customers of one provider.
    pub(crate) isolated: bool,
}

#[derive(Debug)]
struct Router {
    name: String,
    ways: Ways,
    nat: Nat,
    outside: Network,
}

#[derive(Debug, Default)]
pub(crate) struct Routes {
    routers: Vec<Router>,
    /// The internet's translator from IPv6 to IPv4.
    nat64: Option<Nat>,
}

impl Routes {
    /// Sets up a router anew, or for the first time; gives its number.
    pub(crate) fn set_router(&mut self, name: &str, ways: Ways, outside: Network) -> Result<usize, String> {
        let nat = Nat::new(ways.kind, ways.public);
        let found = self.routers.iter().position(|router| router.name == name);
        let mut around = outside;
        while let Some(router) = around {
            if found == around {
                return Err(format!("{name} cannot be behind itself"));
            }
            around = self.routers[router].outside;
        }
        let router = Router { name: name.to_owned(), ways, nat, outside };
        match found {
            Some(number) => self.routers[number] = router,
            None => self.routers.push(router),
        }
        Ok(found.unwrap_or(self.routers.len() - 1))
    }

    pub(crate) fn router(&self, name: &str) -> Result<usize, String> {
        let found = self.routers.iter().position(|router| router.name == name);
        found.ok_or_else(|| format!("there is no router {name}"))
    }

    /// The router forgets whom it knew.
    pub(crate) fn forget(&mut self, router: usize) {
        self.routers[router].nat.forget();
    }

    pub(crate) fn set_nat64(&mut self, nat64: Option<(Kind, Ipv4Addr)>) {
        self.nat64 = nat64.map(|(kind, public)| Nat::new(kind, public));
    }

    /// Carries a packet from a host to another one, through the routers on its way. None where it ends before.
    pub(crate) fn carry(&mut self, places: &[Place], from: usize, packet: &mut Vec<u8>) -> Option<usize> {
        let (_, destination) = packet::addresses(packet)?;
        let mut network = places[from].network;
        if let IpAddr::V6(address) = destination {
            let Some(remote) = packet::embedded(address) else { return host_with(places, address) };
            *packet = self.nat64.as_mut()?.outbound_to_v4(packet, remote)?;
            network = None;
        }
        let mut inwards = false;
        loop {
            let (source, destination) = packet::addresses(packet)?;
            let (IpAddr::V4(source), IpAddr::V4(address)) = (source, destination) else { return None };
            let here = |place: &Place| place.network == network && place.v4 == Some(address);
            if let Some(host) = places.iter().position(here) {
                let isolated = network.is_some_and(|router| self.routers[router].ways.isolated);
                return (inwards || !isolated).then_some(host);
            }
            if let Some(nat64) = self.nat64.as_ref().filter(|nat| network.is_none() && nat.public == address)
            {
                *packet = nat64.inbound_to_v6(packet, source)?;
                let (_, IpAddr::V6(inside)) = packet::addresses(packet)? else { return None };
                return host_with(places, inside);
            }
            let inner = |router: &Router| router.outside == network && router.nat.public == address;
            if let Some(number) = self.routers.iter().position(inner) {
                if !self.routers[number].nat.inbound(packet) {
                    return None;
                }
                network = Some(number);
                inwards = true;
                continue;
            }
            if inwards {
                return None;
            }
            let router = &mut self.routers[network?];
            if !router.nat.outbound(packet) {
                return None;
            }
            if router.nat.public == address {
                if !router.ways.hairpin || !router.nat.inbound(packet) {
                    return None;
                }
                inwards = true;
            } else {
                network = router.outside;
            }
        }
    }
}

fn host_with(places: &[Place], address: Ipv6Addr) -> Option<usize> {
    places.iter().position(|place| place.v6 == Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;
    use crate::packet::tests::{sums_fit, udp_packet, v4, v6};

    const SERVER: usize = 0;
    const A: usize = 1;
    const B: usize = 2;
    const SIX: usize = 3;
    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);
    const OUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 210);

    fn ways(kind: Kind, public: Ipv4Addr) -> Ways {
        Ways { kind, public, hairpin: false, isolated: false }
    }

    /// A server, two hosts with IPv4 and one with IPv6.
    fn places() -> Vec<Place> {
        let four = |last| Place { v4: Some(Ipv4Addr::new(10, 0, 0, last)), v6: None, network: None };
        let six = |last| match v6(last, 0).address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        };
        vec![Place { v6: six(1), ..four(1) }, four(2), four(3), Place { v4: None, v6: six(4), network: None }]
    }

    fn at(host: usize) -> Endpoint {
        v4([10, 0, 0, host as u8 + 1], 5000)
    }

    /// Sends a packet from a host; gives who gets it, from whom.
    fn send(
        routes: &mut Routes,
        places: &[Place],
        from: usize,
        source: Endpoint,
        to: Endpoint,
    ) -> Option<(usize, Endpoint)> {
        let mut packet = udp_packet(source, to, b"hello");
        let host = routes.carry(places, from, &mut packet)?;
        assert!(sums_fit(&packet));
        Some((host, packet::flow(&packet)?.from))
    }

    #[test]
    fn hosts_of_both_families_reach_their_own() {
        let (mut routes, places) = (Routes::default(), places());
        assert_eq!(send(&mut routes, &places, A, at(A), at(B)), Some((B, at(A))));
        assert_eq!(send(&mut routes, &places, SIX, v6(4, 1), v6(1, 2)), Some((SERVER, v6(4, 1))));
        assert_eq!(send(&mut routes, &places, A, at(A), v4([10, 0, 0, 9], 1)), None);
        assert_eq!(send(&mut routes, &places, SIX, v6(4, 1), v6(9, 1)), None);
    }

    #[test]
    fn two_routers_in_series_translate_twice_and_back() {
        let (mut routes, mut places) = (Routes::default(), places());
        let outer = routes.set_router("provider", ways(Kind::Cone, OUTER), None).unwrap();
        let home = routes.set_router("home", ways(Kind::Cone, ROUTER), Some(outer)).unwrap();
        places[A].network = Some(home);
        let seen = Endpoint { address: OUTER.into(), ..at(A) };
        assert_eq!(send(&mut routes, &places, A, at(A), at(SERVER)), Some((SERVER, seen)));
        assert_eq!(send(&mut routes, &places, SERVER, at(SERVER), seen), Some((A, at(SERVER))));
        assert_eq!(send(&mut routes, &places, B, at(B), seen), None, "nobody wrote to b");
        let inner = Endpoint { address: ROUTER.into(), ..at(A) };
        assert_eq!(
            send(&mut routes, &places, SERVER, at(SERVER), inner),
            None,
            "not to be seen from outside"
        );
        assert!(routes.set_router("provider", ways(Kind::Cone, OUTER), Some(home)).is_err());
    }

    #[test]
    fn neighbours_reach_each_other_as_their_router_has_it() {
        // Directly, and at the router's public address.
        for (hairpin, isolated) in [(false, false), (true, false), (false, true), (true, true)] {
            let (mut routes, mut places) = (Routes::default(), places());
            let ways = Ways { hairpin, isolated, ..ways(Kind::Cone, ROUTER) };
            let home = routes.set_router("home", ways, None).unwrap();
            places[A].network = Some(home);
            places[B].network = Some(home);
            assert_eq!(send(&mut routes, &places, A, at(A), at(B)).is_some(), !isolated);
            // Each learns of its public endpoint, and they write to each other's: the first one is not let in.
            let [(_, seen_a), (_, seen_b)] = [A, B].map(|host| {
                let port = 6000 + host as u16;
                let source = Endpoint { port, ..at(host) };
                send(&mut routes, &places, host, source, at(SERVER)).unwrap()
            });
            let [a, b] = [A, B].map(|host| Endpoint { port: 6000 + host as u16, ..at(host) });
            assert_eq!(send(&mut routes, &places, A, a, seen_b), None);
            let second = send(&mut routes, &places, B, b, seen_a);
            assert_eq!(second, hairpin.then_some((A, seen_b)), "seen under the public address");
        }
    }

    #[test]
    fn a_host_in_the_outer_network_is_reached_from_the_inner_one() {
        let (mut routes, mut places) = (Routes::default(), places());
        let outer = routes.set_router("provider", ways(Kind::Cone, OUTER), None).unwrap();
        let home = routes.set_router("home", ways(Kind::Cone, ROUTER), Some(outer)).unwrap();
        places[A].network = Some(home);
        places[B].network = Some(outer);
        let seen = Endpoint { address: ROUTER.into(), ..at(A) };
        assert_eq!(send(&mut routes, &places, A, at(A), at(B)), Some((B, seen)));
        assert_eq!(send(&mut routes, &places, B, at(B), seen), Some((A, at(B))));
    }

    #[test]
    fn a_host_with_only_ipv6_reaches_ipv4_by_the_translator() {
        let (mut routes, places) = (Routes::default(), places());
        let named = Endpoint { address: packet::embed(Ipv4Addr::new(10, 0, 0, 2)).into(), port: 5000 };
        assert_eq!(send(&mut routes, &places, SIX, v6(4, 1), named), None, "there is none");
        routes.set_nat64(Some((Kind::Cone, OUTER)));
        let (host, seen) = send(&mut routes, &places, SIX, v6(4, 1), named).unwrap();
        assert_eq!((host, seen.address), (A, OUTER.into()));
        assert_eq!(send(&mut routes, &places, A, at(A), seen), Some((SIX, named)));
        assert_eq!(send(&mut routes, &places, B, at(B), seen), None);
    }
}
