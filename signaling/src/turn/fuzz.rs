//! For the fuzzer, which can neither open sockets nor guess a signature: a machine with one user, who signs whatever is
//! wanted, and what must hold of all that comes out of it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_types::attribute::{AttributeType, RawAttribute};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method,
};

use super::TurnConfig;
use super::credentials::{REALM, TurnSecret};
use super::machine::{Action, Client, Machine, Now, RelayId, Start};
use super::nonce::Nonces;
use super::peers::PeerFilter;
use super::wire::{self, Family, Frame};
use crate::rate::Rate;

const KEY: [u8; 32] = [5; 32];
const START_S: u64 = 1_800_000_000;
const HOMES: [&str; 2] = ["198.51.100.7", "2001:db8::7"];
const CLIENTS: [&str; 2] = ["192.0.2.1:5000", "[2001:db8::1]:5000"];
/// By how much an answer may be longer than what nobody has signed: a realm and a nonce, or an address.
const MOST_MORE_BYTES: usize = 44;

/// A server of STUN and TURN without sockets.
#[doc(hidden)]
#[derive(Debug)]
pub struct TurnFuzz {
    machine: Machine,
    start: Instant,
    after_s: u64,
    secret: TurnSecret,
    nonces: Nonces,
    filter: PeerFilter,
    relays: Vec<(Client, RelayId)>,
    next: u16,
}

impl Default for TurnFuzz {
    fn default() -> Self {
        let secret = TurnSecret::new("a-secret-that-everybody-may-know").expect("long enough");
        let homes = HOMES.map(|home| home.parse().expect("an address")).to_vec();
        let given =
            Start { secret: secret.clone(), key: KEY, homes, is_own: |address| address.is_loopback() };
        let start = Instant::now();
        let answers = Rate { per_second: 1_000, burst: 1_000 };
        let now = Now { at: start, unix_s: START_S };
        Self {
            machine: Machine::relaying(answers, &TurnConfig::default(), given, now),
            start,
            after_s: 0,
            secret,
            nonces: Nonces::new(KEY),
            filter: PeerFilter::default(),
            relays: Vec::new(),
            next: 0,
        }
    }
}

impl TurnFuzz {
    fn now(&self) -> Now {
        Now { at: self.start + Duration::from_secs(self.after_s), unix_s: START_S + self.after_s }
    }

    fn client(which: u8) -> Client {
        let address = CLIENTS[usize::from(which) % CLIENTS.len()].parse().expect("an address");
        Client { address, connection: (which & 2 != 0).then_some(1) }
    }

    /// A client sends these bytes as a datagram.
    pub fn packet(&mut self, which: u8, bytes: &[u8]) {
        self.feed(Self::client(which), bytes, false);
    }

    /// A client sends these bytes on a stream: they are taken apart as a server does.
    pub fn stream(&mut self, which: u8, bytes: &[u8]) {
        let mut rest = bytes;
        while let Frame::Whole { len, until_next } = wire::frame(rest) {
            assert!(0 < len && len <= until_next && until_next <= rest.len() && until_next - len < 4);
            self.feed(Self::client(which | 2), &rest[..len], false);
            rest = &rest[until_next..];
        }
        match wire::frame(rest) {
            Frame::Part(Some(needed)) => assert!(rest.len() < needed && needed <= 20 + 0xffff),
            Frame::Part(None) => assert!(rest.len() < 4),
            Frame::Whole { .. } | Frame::Neither => {}
        }
    }

    /// A client sends a request with these attributes, each a number in two bytes, a length in one and as many bytes, and signs it.
    pub fn signed(&mut self, which: u8, method: u8, mut attributes: &[u8]) {
        let client = Self::client(which);
        let kind = MessageType::from_class_method(MessageClass::Request, Method::new((method % 16).into()));
        self.next += 1;
        let mut message = Message::builder(kind, u128::from(self.next).into(), MessageWriteVec::new());
        while let [a, b, len, rest @ ..] = attributes {
            let (value, others) = rest.split_at(usize::from(*len).min(rest.len()));
            let kind = u16::from_be_bytes([*a, *b]);
            // What only stands at the end, where it is written last.
            if ![0x0008, 0x001c, 0x8028].contains(&kind) {
                let _ = message.add_attribute(&RawAttribute::new(AttributeType::new(kind), value));
            }
            attributes = others;
        }
        let (name, password) = self.secret.mint("ada", START_S + 600);
        let nonce = self.nonces.make(client.address, self.now().unix_s);
        for (kind, value) in [(0x06, &*name), (0x14, REALM), (0x15, &*nonce)] {
            let _ = message.add_attribute(&RawAttribute::new(AttributeType::new(kind), value.as_bytes()));
        }
        let algorithm = if which & 4 == 0 { IntegrityAlgorithm::Sha1 } else { IntegrityAlgorithm::Sha256 };
        let key = LongTermKeyCredentials::new(name, password, REALM.to_owned()).make_key(algorithm);
        let _ = message.add_message_integrity_with_key(&key, algorithm);
        self.feed(client, &message.finish(), true);
    }

    /// A peer sends these bytes to a relay.
    pub fn from_peer(&mut self, which: u8, peer: SocketAddr, bytes: &[u8]) {
        let Some((client, relay)) = self.relays.get(usize::from(which)).copied() else { return };
        let now = self.now();
        if let Some(message) = self.machine.peer(relay, client, peer, bytes, now) {
            assert!(message.len() <= bytes.len() + 20 + 24 + 4 + 3);
        }
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: u8) {
        self.after_s += u64::from(seconds) * 4;
        let closed = self.machine.tick(self.now());
        self.relays.retain(|known| !closed.contains(known));
        assert_eq!(self.machine.allocations(), self.relays.len());
    }

    fn feed(&mut self, client: Client, packet: &[u8], is_signed: bool) {
        let now = self.now();
        match self.machine.client(client, packet, now) {
            Action::Nothing => {}
            Action::Answer(answer) => {
                let is_bounded = answer.len() <= packet.len() + MOST_MORE_BYTES;
                assert!(
                    is_signed || client.connection.is_some() || is_bounded,
                    "{} for {}",
                    answer.len(),
                    packet.len()
                );
                assert!(Message::from_bytes(&answer).is_ok());
            }
            Action::Deliver(other, _) => assert!(self.relays.iter().any(|(client, _)| *client == other)),
            Action::Send { relay, peer, data } => {
                assert!(self.relays.contains(&(client, relay)));
                assert!(self.filter.permits(peer.ip()), "{peer}");
                assert!(data.end <= packet.len());
            }
            Action::Open(opening) => {
                assert!(is_signed, "a relay for nobody");
                self.relays.push((client, opening.relay));
                let home: IpAddr =
                    HOMES[usize::from(opening.family == Family::V6)].parse().expect("an address");
                let relayed = SocketAddr::new(home, 50_000 + self.next);
                let answer = self.machine.opened(*opening, Some(relayed), now);
                assert!(Message::from_bytes(&answer).is_ok());
            }
            Action::Close(relay, _) => {
                assert!(is_signed, "closed by nobody");
                self.relays.retain(|known| *known != (client, relay));
            }
        }
        assert_eq!(self.machine.allocations(), self.relays.len());
    }
}
