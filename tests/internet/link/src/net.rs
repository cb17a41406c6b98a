//! The network without devices, threads or a clock: packets and commands go in, packets come out when they are due.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Instant;

use crate::chance::Chance;
use crate::command::{Command, Target};
use crate::filter::{Direction, Filter};
use crate::impairments::Impairments;
use crate::options::Options;
use crate::pipe::{Counts, Pipe};
use crate::routes::{self, Routes, Ways};
use crate::schedule::Schedule;

/// About 100 MB of full packets: a bound that no test should reach.
const MAX_QUEUED_PACKETS: usize = 65_536;

#[derive(Debug)]
struct Host {
    name: String,
    up: Pipe,
    down: Pipe,
    cut: bool,
    filter: Filter,
}

impl Host {
    fn passes(&mut self, packet: &[u8], direction: Direction) -> bool {
        !self.cut && self.filter.passes(packet, direction)
    }
}

/// A packet between two pipes or at the end of the second.
#[derive(Debug)]
enum Place {
    /// Out of the sender's pipe up.
    Core { from: usize },
    /// Out of the receiver's pipe down.
    Edge { to: usize },
}

#[derive(Debug)]
struct Moving {
    place: Place,
    came: Instant,
    packet: Vec<u8>,
}

/// A packet for a host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The host's number, in the order of the options.
    pub(crate) to: usize,
    /// When the packet came into the network.
    pub(crate) came: Instant,
    pub(crate) packet: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Net {
    hosts: Vec<Host>,
    /// Of each host.
    places: Vec<routes::Place>,
    routes: Routes,
    schedule: Schedule<Moving>,
    chance: Chance,
}

impl Net {
    pub(crate) fn new(options: &Options) -> Self {
        let hosts = options.hosts.iter().map(|host| Host {
            name: host.name.clone(),
            up: Pipe::new(Impairments { delay: options.delay, ..Impairments::none() }),
            down: Pipe::new(Impairments::none()),
            cut: false,
            filter: Filter::default(),
        });
        let place = |host: &crate::options::Host| routes::Place { v4: host.v4, v6: host.v6, network: None };
        Self {
            hosts: hosts.collect(),
            places: options.hosts.iter().map(place).collect(),
            routes: Routes::default(),
            schedule: Schedule::new(MAX_QUEUED_PACKETS),
            chance: Chance::new(options.seed),
        }
    }

    /// Takes a packet that a host sent.
    pub(crate) fn enter(&mut self, from: usize, mut packet: Vec<u8>, now: Instant) {
        let host = &mut self.hosts[from];
        host.filter.adjust(&mut packet);
        if !host.passes(&packet, Direction::Out) {
            return;
        }
        let due = host.up.pass(now, packet.len(), &mut self.chance);
        self.put(due, Moving { place: Place::Core { from }, came: now, packet });
    }

    /// Gives the next packet that is to be delivered by now.
    pub(crate) fn leave(&mut self, now: Instant) -> Option<Delivery> {
        while let Some((due, Moving { place, came, packet })) = self.schedule.take(now) {
            match place {
                Place::Core { from } => self.cross(from, came, packet, due),
                Place::Edge { to } => {
                    if self.hosts[to].passes(&packet, Direction::In) {
                        return Some(Delivery { to, came, packet });
                    }
                }
            }
        }
        None
    }

    /// When [`Net::leave`] has something to do next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.schedule.next_due()
    }

    /// From a sender's router to a receiver's.
    fn cross(&mut self, from: usize, came: Instant, mut packet: Vec<u8>, now: Instant) {
        // Multicast and the like have no receiver here, as on the internet.
        let Some(to) = self.routes.carry(&self.places, from, &mut packet) else { return };
        let host = &mut self.hosts[to];
        host.filter.adjust(&mut packet);
        if !host.passes(&packet, Direction::In) {
            return;
        }
        let due = host.down.pass(now, packet.len(), &mut self.chance);
        self.put(due, Moving { place: Place::Edge { to }, came, packet });
    }

    fn put(&mut self, [due, duplicate]: [Option<Instant>; 2], moving: Moving) {
        if let (Some(due), Moving { place, came, packet }) = (duplicate, &moving) {
            let place = match *place {
                Place::Core { from } => Place::Core { from },
                Place::Edge { to } => Place::Edge { to },
            };
            self.schedule.put(due, Moving { place, came: *came, packet: packet.clone() });
        }
        if let Some(due) = due {
            self.schedule.put(due, moving);
        }
    }

    /// Does what a command says; gives what else is to be told.
    pub(crate) fn command(&mut self, command: Command) -> Result<String, String> {
        match command {
            Command::Set { target, settings } => {
                // All or nothing.
                let mut changed = Vec::new();
                for (host, up) in self.pipes(&target)? {
                    let mut impairments = self.pipe(host, up).impairments.clone();
                    for (key, value) in &settings {
                        impairments.set(key, value)?;
                    }
                    changed.push((host, up, impairments));
                }
                for (host, up, impairments) in changed {
                    self.pipe(host, up).impairments = impairments;
                }
            }
            Command::Reset { target } => {
                for (host, up) in self.pipes(&target)? {
                    self.pipe(host, up).impairments = Impairments::none();
                }
            }
            Command::Cut { host, cut } => self.host(&host)?.cut = cut,
            Command::DropUdp { host, drop } => self.host(&host)?.filter.drop_udp = drop,
            Command::Only { host, only } => self.host(&host)?.filter.only = only,
            Command::Hole { host, bytes, clamp } => {
                let filter = &mut self.host(&host)?.filter;
                (filter.hole, filter.clamp) = (bytes, clamp);
            }
            Command::Firewall { host, on } => self.host(&host)?.filter.set_firewall(on),
            Command::Address { host, address } => {
                let place = self.place(&host)?;
                match address {
                    IpAddr::V4(address) => place.v4 = Some(address),
                    IpAddr::V6(address) => place.v6 = Some(address),
                }
            }
            Command::Nat { host, nat } => {
                self.place(&host)?.network = None;
                if let Some((kind, public)) = nat {
                    let ways = Ways { kind, public, hairpin: false, isolated: false };
                    let router = self.routes.set_router(&host, ways, None)?;
                    self.place(&host)?.network = Some(router);
                }
            }
            Command::Router { name, ways, outside } => {
                let outside = outside.map(|outside| self.routes.router(&outside)).transpose()?;
                self.routes.set_router(&name, ways, outside)?;
            }
            Command::Behind { host, router } => {
                let router = router.map(|router| self.routes.router(&router)).transpose()?;
                self.place(&host)?.network = router;
            }
            Command::Forget { router } => {
                let router = self.routes.router(&router)?;
                self.routes.forget(router);
            }
            Command::Nat64 { nat } => self.routes.set_nat64(nat),
            Command::Stats => return Ok(self.stats()),
        }
        Ok(String::new())
    }

    fn host(&mut self, name: &str) -> Result<&mut Host, String> {
        let found = self.hosts.iter_mut().find(|host| host.name == name);
        found.ok_or_else(|| format!("there is no host {name}"))
    }

    fn place(&mut self, name: &str) -> Result<&mut routes::Place, String> {
        let found = self.hosts.iter().position(|host| host.name == name);
        found.map(|host| &mut self.places[host]).ok_or_else(|| format!("there is no host {name}"))
    }

    /// The pipes meant: each by its host and whether it is the one up.
    fn pipes(&self, target: &Target) -> Result<Vec<(usize, bool)>, String> {
        let wanted = |host: &Host| target.host.as_ref().is_none_or(|name| *name == host.name);
        let hosts = (0..).zip(&self.hosts).filter(|(_, host)| wanted(host)).map(|(index, _)| index);
        let directions = [(target.up, true), (target.down, false)];
        let pipes: Vec<_> = hosts
            .flat_map(|host| directions.iter().filter(|(meant, _)| *meant).map(move |(_, up)| (host, *up)))
            .collect();
        if pipes.is_empty() {
            return Err(format!("there is no host {}", target.host.as_deref().unwrap_or_default()));
        }
        Ok(pipes)
    }

    fn pipe(&mut self, host: usize, up: bool) -> &mut Pipe {
        let host = &mut self.hosts[host];
        if up { &mut host.up } else { &mut host.down }
    }

    fn stats(&self) -> String {
        let mut text = String::new();
        for host in &self.hosts {
            for (direction, pipe) in [("up", &host.up), ("down", &host.down)] {
                let Counts { passed, bytes, lost, duplicated, reordered, overflowed } = pipe.counts;
                // Writing into a string cannot fail.
                let _ = write!(text, "{}.{direction} passed={passed} bytes={bytes}", host.name);
                let others = [
                    ("lost", lost),
                    ("duplicated", duplicated),
                    ("reordered", reordered),
                    ("overflowed", overflowed),
                ];
                for (what, count) in others.iter().filter(|(_, count)| *count > 0) {
                    let _ = write!(text, " {what}={count}");
                }
                text.push_str("; ");
            }
        }
        text.trim_end_matches("; ").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::{tcp_packet, udp_packet, v4};
    use crate::packet::{self, Endpoint};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const A: Endpoint = v4([10, 0, 0, 1], 1);
    const B: Endpoint = v4([10, 0, 0, 2], 2);

    fn net() -> Net {
        let options = "--seed 1 a=tun0@10.0.0.1 b=tun1@10.0.0.2";
        Net::new(&Options::parse(options.split(' ').map(str::to_owned)).unwrap())
    }

    fn command(net: &mut Net, line: &str) -> Result<String, String> {
        net.command(Command::parse(line).unwrap())
    }

    /// Sends one packet; gives where it comes out, and after how long.
    fn send(net: &mut Net, from: usize, packet: Vec<u8>) -> Option<(usize, Duration, Vec<u8>)> {
        let start = Instant::now();
        net.enter(from, packet, start);
        while let Some(due) = net.next_due() {
            if let Some(Delivery { to, packet, .. }) = net.leave(due) {
                return Some((to, due - start, packet));
            }
        }
        None
    }

    fn arrives(net: &mut Net, from: usize) -> bool {
        let packet = if from == 0 { udp_packet(A, B, b"x") } else { udp_packet(B, A, b"x") };
        send(net, from, packet).is_some()
    }

    #[test]
    fn packets_go_to_their_destination_through_both_pipes() {
        let mut net = net();
        let packet = udp_packet(A, B, b"hello");
        assert_eq!(send(&mut net, 0, packet.clone()), Some((1, Duration::ZERO, packet.clone())));
        command(&mut net, "set a.up delay=10").unwrap();
        command(&mut net, "set b.down delay=5").unwrap();
        assert_eq!(send(&mut net, 0, packet.clone()), Some((1, Duration::from_millis(15), packet)));
        let nobody = v4([224, 0, 0, 1], 2);
        assert_eq!(send(&mut net, 0, udp_packet(A, nobody, b"")), None);
    }

    #[test]
    fn duplicates_come_twice() {
        let mut net = net();
        command(&mut net, "set b.down duplicate=100").unwrap();
        assert!(arrives(&mut net, 0));
        let due = net.next_due().unwrap();
        assert_eq!(net.leave(due).map(|delivery| delivery.to), Some(1));
        assert_eq!(net.next_due(), None);
    }

    #[test]
    fn a_host_that_is_down_sends_and_gets_nothing() {
        let mut net = net();
        let now = Instant::now();
        net.enter(1, udp_packet(B, A, b"under way"), now);
        command(&mut net, "down a").unwrap();
        assert_eq!(net.leave(now), None);
        assert!(!arrives(&mut net, 0));
        assert!(!arrives(&mut net, 1));
        command(&mut net, "up a").unwrap();
        assert!(arrives(&mut net, 0) && arrives(&mut net, 1));
    }

    #[test]
    fn dropping_udp_lets_tcp_pass() {
        let mut net = net();
        command(&mut net, "drop-udp a on").unwrap();
        assert!(!arrives(&mut net, 0) && !arrives(&mut net, 1));
        assert!(send(&mut net, 0, tcp_packet(A, B)).is_some());
        command(&mut net, "drop-udp a off").unwrap();
        assert!(arrives(&mut net, 0));
    }

    #[test]
    fn filters_hold_for_what_a_host_sends_and_gets() {
        let mut net = net();
        for (on, off) in [
            ("only a 443", "only a off"),
            ("only b 10.0.0.9", "only b off"),
            ("hole a 28", "hole a off"),
            ("hole b 20", "hole b off"),
        ] {
            command(&mut net, on).unwrap();
            assert!(!arrives(&mut net, 0) && !arrives(&mut net, 1), "{on}");
            command(&mut net, off).unwrap();
            assert!(arrives(&mut net, 0) && arrives(&mut net, 1), "{off}");
        }
        command(&mut net, "firewall a on").unwrap();
        assert!(!arrives(&mut net, 1));
        assert!(arrives(&mut net, 0));
        assert!(arrives(&mut net, 1));
    }

    #[test]
    fn hosts_share_a_router_behind_another_one() {
        let mut net = net();
        command(&mut net, "router provider cone 10.0.0.8").unwrap();
        command(&mut net, "router home cone 10.0.0.7 behind=provider isolated").unwrap();
        command(&mut net, "behind a home").unwrap();
        let (to, _, packet) = send(&mut net, 0, udp_packet(A, B, b"x")).unwrap();
        assert_eq!((to, packet::flow(&packet).unwrap().from), (1, v4([10, 0, 0, 8], A.port)));
        command(&mut net, "behind b home").unwrap();
        assert!(!arrives(&mut net, 0));
        command(&mut net, "router home cone 10.0.0.7").unwrap();
        assert!(arrives(&mut net, 0));
        command(&mut net, "behind a off").unwrap();
        assert!(!arrives(&mut net, 0));
        assert!(command(&mut net, "behind a office").is_err());
        assert!(command(&mut net, "router home cone 10.0.0.7 behind=office").is_err());
    }

    #[test]
    fn a_host_moves_to_another_address() {
        let mut net = net();
        command(&mut net, "address b 10.0.0.9").unwrap();
        assert!(!arrives(&mut net, 0));
        let moved = v4([10, 0, 0, 9], 2);
        assert!(send(&mut net, 0, udp_packet(A, moved, b"x")).is_some());
    }

    #[test]
    fn a_host_behind_a_router_is_reached_by_those_it_wrote_to() {
        let mut net = net();
        command(&mut net, "nat a cone 10.0.0.7").unwrap();
        assert!(!arrives(&mut net, 1));
        let (to, _, packet) = send(&mut net, 0, udp_packet(A, B, b"x")).unwrap();
        let seen = packet::flow(&packet).unwrap().from;
        assert_eq!((to, seen.address), (1, Ipv4Addr::new(10, 0, 0, 7).into()));
        let (to, _, packet) = send(&mut net, 1, udp_packet(B, seen, b"y")).unwrap();
        assert_eq!((to, packet::flow(&packet).unwrap().to), (0, A));
        command(&mut net, "forget a").unwrap();
        assert_eq!(send(&mut net, 1, udp_packet(B, seen, b"z")), None);
    }

    #[test]
    fn a_bad_command_changes_nothing() {
        let mut net = net();
        assert!(command(&mut net, "set a delay=10 loss=200").is_err());
        assert!(command(&mut net, "set c delay=10").is_err());
        assert!(command(&mut net, "down c").is_err());
        assert!(command(&mut net, "forget a").is_err());
        assert_eq!(send(&mut net, 0, udp_packet(A, B, b"")).unwrap().1, Duration::ZERO);
    }

    #[test]
    fn all_means_every_pipe_and_stats_tell_what_happened() {
        let mut net = net();
        command(&mut net, "set all delay=10").unwrap();
        assert_eq!(send(&mut net, 0, udp_packet(A, B, b"")).unwrap().1, Duration::from_millis(20));
        command(&mut net, "reset all").unwrap();
        command(&mut net, "set b loss=100").unwrap();
        assert!(!arrives(&mut net, 0));
        let stats = command(&mut net, "stats").unwrap();
        assert!(stats.contains("a.up passed=2 bytes=57; "), "{stats}");
        assert!(stats.contains("b.down passed=1 bytes=28 lost=1"), "{stats}");
    }
}
