//! What the network of a host lets pass, whoever it is for.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::packet::{self, Endpoint, Flow};

/// The one thing that a strict network lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Only {
    /// TCP to this port of others.
    TcpPort(u16),
    /// Everything to and from this address, where a proxy is.
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
}

#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) drop_udp: bool,
    pub(crate) only: Option<Only>,
    /// Longer packets vanish, and nobody is told.
    pub(crate) hole: Option<usize>,
    /// But TCP connections are made so that they have none.
    pub(crate) clamp: bool,
    /// Whom the host wrote to, where only they may write back: protocol, the host's end, theirs.
    contacted: Option<HashSet<(u8, Endpoint, Endpoint)>>,
}

impl Filter {
    /// Lets in only answers, or everything again.
    pub(crate) fn set_firewall(&mut self, on: bool) {
        self.contacted = on.then(HashSet::new);
    }

    /// Changes what a router changes on the way.
    pub(crate) fn adjust(&self, packet: &mut [u8]) {
        if let Some(bytes) = self.hole.filter(|_| self.clamp) {
            packet::clamp(packet, bytes);
        }
    }

    /// Whether a packet passes. In both directions it is as the host sees it, not as those do who are beyond a router.
    pub(crate) fn passes(&mut self, packet: &[u8], direction: Direction) -> bool {
        if self.drop_udp && packet::protocol(packet) == packet::UDP {
            return false;
        }
        if self.hole.is_some_and(|bytes| packet.len() > bytes) {
            return false;
        }
        if let Some(only) = self.only
            && !only.passes(packet, direction)
        {
            return false;
        }
        let Some(contacted) = &mut self.contacted else { return true };
        let Some(Flow { protocol, from, to }) = packet::flow(packet) else { return false };
        match direction {
            Direction::Out => {
                contacted.insert((protocol, from, to));
                true
            }
            Direction::In => contacted.contains(&(protocol, to, from)),
        }
    }
}

impl Only {
    fn passes(self, packet: &[u8], direction: Direction) -> bool {
        let Some(Flow { protocol, from, to }) = packet::flow(packet) else { return false };
        let other = if direction == Direction::Out { to } else { from };
        match self {
            Self::TcpPort(port) => protocol == packet::TCP && other.port == port,
            Self::Address(address) => other.address == address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{tcp_packet, udp_packet, v4, v6};

    const HOST: Endpoint = v4([10, 0, 0, 2], 5000);
    const WEB: Endpoint = v4([10, 0, 0, 1], 443);
    const PROXY: Endpoint = v4([10, 0, 0, 9], 3128);

    /// Whether packets pass both ways between the host and another end: UDP, TCP.
    fn both_ways(filter: &mut Filter, host: Endpoint, other: Endpoint) -> [bool; 2] {
        [udp_packet(host, other, b"x"), tcp_packet(host, other)]
            .into_iter()
            .zip([udp_packet(other, host, b"x"), tcp_packet(other, host)])
            .map(|(out, back)| filter.passes(&out, Direction::Out) && filter.passes(&back, Direction::In))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn each_filter_lets_pass_what_the_table_says() {
        let only = |only| Filter { only: Some(only), ..Filter::default() };
        let web_v6 = v6(1, 443);
        for (mut filter, web, six, proxy) in [
            (Filter::default(), [true, true], [true, true], [true, true]),
            (Filter { drop_udp: true, ..Filter::default() }, [false, true], [false, true], [false, true]),
            (only(Only::TcpPort(443)), [false, true], [false, true], [false, false]),
            (only(Only::Address(PROXY.address)), [false, false], [false, false], [true, true]),
            (Filter { hole: Some(30), ..Filter::default() }, [true, false], [false, false], [true, false]),
        ] {
            assert_eq!(both_ways(&mut filter, HOST, WEB), web, "{filter:?}");
            assert_eq!(both_ways(&mut filter, v6(2, 5000), web_v6), six, "{filter:?}");
            assert_eq!(both_ways(&mut filter, HOST, PROXY), proxy, "{filter:?}");
        }
    }

    #[test]
    fn nobody_reaches_a_server_port_of_a_host_that_may_use_that_port_of_others() {
        let mut filter = Filter { only: Some(Only::TcpPort(443)), ..Filter::default() };
        let host = Endpoint { port: 443, ..HOST };
        assert!(!filter.passes(&tcp_packet(PROXY, host), Direction::In));
    }

    #[test]
    fn a_firewall_lets_in_answers_alone() {
        let mut filter = Filter::default();
        filter.set_firewall(true);
        for (host, other) in [(HOST, WEB), (v6(2, 5000), v6(1, 443))] {
            assert!(!filter.passes(&udp_packet(other, host, b"x"), Direction::In));
            assert!(filter.passes(&udp_packet(host, other, b"x"), Direction::Out));
            assert!(filter.passes(&udp_packet(other, host, b"x"), Direction::In));
            let other_port = Endpoint { port: 444, ..other };
            assert!(!filter.passes(&udp_packet(other_port, host, b"x"), Direction::In));
            assert!(!filter.passes(&tcp_packet(other, host), Direction::In));
        }
        filter.set_firewall(false);
        assert!(filter.passes(&udp_packet(PROXY, HOST, b"x"), Direction::In));
    }
}
