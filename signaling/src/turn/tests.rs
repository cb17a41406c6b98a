//! The machine as a client meets it, with a clock that is moved by hand and sockets that are only numbers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use stun_types::message::{IntegrityAlgorithm, LongTermKeyCredentials, ShortTermCredentials};

use super::credentials::TurnSecret;
use super::machine::{Action, Client, LIFETIME_S, LONGEST_STAY_S, Machine, Now, RelayId, Start};
use super::refused::REFUSED;
use super::request::*;
use super::wire::{self, Frame, Packet};
use super::{TurnConfig, TurnLimits};
use crate::rate::Rate;

const NOW_S: u64 = 1_800_000_000;
const SECRET: &str = "only-these-tests-know-this-secret";
const HOME_V4: &str = "198.51.100.7";
const HOME_V6: &str = "2001:db8::7";
const PEER: &str = "8.8.8.8:53";
/// An address of the machine that is not one of its relays'.
const OWN: &str = "9.9.9.9";

/// A machine, its clock, and what stands for its sockets.
struct World {
    machine: Machine,
    start: Instant,
    after: Duration,
    next_port: u16,
    closed: Vec<RelayId>,
}

impl World {
    fn new(config: &TurnConfig) -> Self {
        Self::with_answers(config, Rate { per_second: 1_000_000, burst: 1_000_000 })
    }

    fn with_answers(config: &TurnConfig, answers: Rate) -> Self {
        let start = Instant::now();
        let given = Start {
            secret: TurnSecret::new(SECRET).unwrap(),
            key: [3; 32],
            homes: vec![HOME_V4.parse().unwrap(), HOME_V6.parse().unwrap()],
            is_own: |address| address == OWN.parse::<IpAddr>().unwrap(),
        };
        let now = Now { at: start, unix_s: NOW_S };
        let machine = Machine::relaying(answers, config, given, now);
        Self { machine, start, after: Duration::ZERO, next_port: 50_000, closed: Vec::new() }
    }

    fn usual() -> Self {
        Self::new(&TurnConfig::default())
    }

    fn with_limits(limits: TurnLimits) -> Self {
        Self::new(&TurnConfig { limits, ..TurnConfig::default() })
    }

    fn now(&self) -> Now {
        Now { at: self.start + self.after, unix_s: NOW_S + self.after.as_secs() }
    }

    /// Lets time pass, and the machine tidy up.
    fn wait(&mut self, seconds: u64) {
        self.after += Duration::from_secs(seconds);
        let closed = self.machine.tick(self.now());
        self.closed.extend(closed.into_iter().map(|(_, relay)| relay));
    }

    /// Feeds a packet and does what is asked, but for sending: what was to be sent is given.
    fn feed(&mut self, client: Client, packet: &[u8]) -> Sent {
        let now = self.now();
        match self.machine.client(client, packet, now) {
            Action::Nothing => Sent::Nothing,
            Action::Answer(bytes) => Sent::Answer(Reply::new(&bytes)),
            Action::Deliver(other, bytes) => Sent::Delivered(other, bytes),
            Action::Send { peer, data, .. } => Sent::ToPeer(peer, packet[data].to_vec()),
            Action::Open(opening) => {
                let home = if opening.family == wire::Family::V4 { HOME_V4 } else { HOME_V6 };
                self.next_port += 1;
                let relayed = SocketAddr::new(home.parse().unwrap(), self.next_port);
                Sent::Answer(Reply::new(&self.machine.opened(*opening, Some(relayed), now)))
            }
            Action::Close(relay, bytes) => {
                self.closed.push(relay);
                Sent::Answer(Reply::new(&bytes))
            }
        }
    }

    fn answer(&mut self, client: Client, packet: &[u8]) -> Reply {
        match self.feed(client, packet) {
            Sent::Answer(reply) => reply,
            other => panic!("no answer but {other:?}"),
        }
    }
}

#[derive(Debug)]
enum Sent {
    Nothing,
    Answer(Reply),
    Delivered(Client, Vec<u8>),
    ToPeer(SocketAddr, Vec<u8>),
}

impl Sent {
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

fn at(address: &str) -> Client {
    Client { address: address.parse().unwrap(), connection: None }
}

fn peer() -> SocketAddr {
    PEER.parse().unwrap()
}

/// A client that has minted credentials and got a nonce.
struct Caller {
    client: Client,
    login: Login,
    next: u128,
}

impl Caller {
    fn new(world: &mut World, address: &str, subject: &str) -> Self {
        Self::signing(world, at(address), subject, IntegrityAlgorithm::Sha1)
    }

    fn signing(world: &mut World, client: Client, subject: &str, algorithm: IntegrityAlgorithm) -> Self {
        let (name, password) = TurnSecret::new(SECRET).unwrap().mint(subject, world.now().unix_s + 600);
        let (realm, nonce) = (String::new(), String::new());
        let mut caller = Self { client, login: Login { name, password, realm, nonce, algorithm }, next: 1 };
        caller.challenge(world);
        caller
    }

    /// Asks unsigned, and takes up what it is told.
    fn challenge(&mut self, world: &mut World) {
        let challenge = world.answer(self.client, &self.request(ALLOCATE).udp().bytes());
        assert_eq!(challenge.result(), Err(401));
        (self.login.realm, self.login.nonce) = (challenge.text(REALM), challenge.text(NONCE));
    }

    fn request(&mut self, method: u16) -> Request {
        self.next += 1;
        Request::new(method, self.next)
    }

    fn ask(&mut self, world: &mut World, request: Request) -> Reply {
        let reply = world.answer(self.client, &request.signed(&self.login));
        if !matches!(reply.result(), Err(400 | 401 | 438 | 441)) {
            assert!(reply.is_signed(&self.login));
        }
        reply
    }

    fn allocate(&mut self, world: &mut World) -> Reply {
        let request = self.request(ALLOCATE).udp();
        self.ask(world, request)
    }

    fn refresh(&mut self, world: &mut World, seconds: u32) -> Result<(), u16> {
        let request = self.request(REFRESH).with(LIFETIME, &seconds.to_be_bytes());
        self.ask(world, request).result()
    }

    fn permit(&mut self, world: &mut World, peer: SocketAddr) -> Result<(), u16> {
        let request = self.request(CREATE_PERMISSION).peer(peer);
        self.ask(world, request).result()
    }

    fn bind(&mut self, world: &mut World, number: u16, peer: SocketAddr) -> Result<(), u16> {
        let request = self.request(CHANNEL_BIND).channel(number).peer(peer);
        self.ask(world, request).result()
    }

    fn send(&mut self, world: &mut World, peer: SocketAddr, data: &[u8]) -> Sent {
        let request = self.request(SEND).peer(peer).with(DATA, data);
        world.feed(self.client, &request.bytes())
    }

    fn send_by_channel(&mut self, world: &mut World, number: u16, data: &[u8]) -> Sent {
        world.feed(self.client, &wire::channel_data(number, data, false))
    }

    /// With an allocation; gives its relayed address.
    fn relayed(world: &mut World, address: &str, subject: &str) -> (Self, SocketAddr) {
        let mut caller = Self::new(world, address, subject);
        let reply = caller.allocate(world);
        (caller, reply.address(XOR_RELAYED_ADDRESS).unwrap())
    }
}

/// What a peer sends to a client's relay, as the client gets it.
fn from_peer(
    world: &mut World,
    relay: RelayId,
    client: Client,
    peer: SocketAddr,
    data: &[u8],
) -> Option<Vec<u8>> {
    let now = world.now();
    world.machine.peer(relay, client, peer, data, now)
}

/// The first relay of a machine has the first number; asked for by what is sent from it.
fn relay_of(world: &mut World, caller: &mut Caller) -> RelayId {
    let now = world.now();
    caller.permit(world, peer()).unwrap();
    let packet = caller.request(SEND).peer(peer()).with(DATA, b"x").bytes();
    match world.machine.client(caller.client, &packet, now) {
        Action::Send { relay, .. } => relay,
        other => panic!("{other:?}"),
    }
}

// STUN.

#[test]
fn a_client_is_told_its_address_in_few_bytes() {
    let mut world = World::usual();
    for (address, bytes) in [("192.0.2.1:32853", 32), ("[2001:db8::9]:1", 44)] {
        let reply = world.answer(at(address), &Request::new(BINDING, 5).bytes());
        assert_eq!(reply.result(), Ok(()));
        assert_eq!(reply.address(XOR_MAPPED_ADDRESS), Some(address.parse().unwrap()));
        assert_eq!((reply.len(), reply.transaction()), (bytes, 5));
        let marked = world.answer(at(address), &Request::new(BINDING, 6).with_fingerprint());
        assert_eq!(marked.len(), bytes + 8, "a fingerprint for one");
    }
}

/// RFC 5769 §2.1: a request with everything that ICE puts into one.
const RFC_5769_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
     002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249\
     c1b571a280280004e57a3bcf";
/// §2.2 and §2.3: what the addresses are in answers to it.
const RFC_5769_ADDRESSES: [(&str, &str); 2] = [
    ("192.0.2.1:32853", "002000080001a147e112a643"),
    ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
];
/// §2.4: a request with long-term credentials.
const RFC_5769_LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b9\
     00000015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f7267000008\
     0014f67024656dd64a3e02b8e0712e85c9a28ca89666";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn message(bytes: &[u8]) -> wire::Incoming<'_> {
    match wire::read(bytes) {
        Some(Packet::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_test_vectors_of_rfc_5769_are_read_and_answered() {
    let request = hex(RFC_5769_REQUEST);
    let short_term = ShortTermCredentials::new("VOkJxbRl1RmTxUk/WvJxBt".to_owned()).make_key();
    assert!(message(&request).is_signed_with(&short_term));
    assert_eq!(message(&request).user_name(), Ok(Some("evtj:h6vY".to_owned())));
    for (address, attribute) in RFC_5769_ADDRESSES {
        let Action::Answer(answer) =
            World::usual().machine.client(at(address), &request, World::usual().now())
        else {
            panic!("no answer");
        };
        let attribute = hex(attribute);
        assert_eq!(answer[20..20 + attribute.len()], attribute);
        assert_eq!(answer[4..20], request[4..20]);
    }
    let request = hex(RFC_5769_LONG_TERM);
    let (name, password) = ("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}", "TheMatrIX");
    let login = LongTermKeyCredentials::new(name.into(), password.into(), "example.org".into());
    let read = message(&request);
    assert!(read.is_signed_with(&login.make_key(IntegrityAlgorithm::Sha1)));
    assert_eq!(read.user_name(), Ok(Some(name.to_owned())));
    assert_eq!(read.realm(), Ok(Some("example.org".to_owned())));
    assert_eq!(read.nonce(), Ok(Some("f//499k954d6OL34oL9FSTvy64sA".to_owned())));
}

#[test]
fn a_test_vector_with_another_bit_is_not_what_it_was() {
    let request = hex(RFC_5769_REQUEST);
    for at_bit in 0..request.len() * 8 {
        let mut other = request.clone();
        other[at_bit / 8] ^= 1 << (at_bit % 8);
        // One longer attribute can hide the fingerprint.
        let has_one =
            matches!(wire::read(&other), Some(Packet::Message(message)) if message.has_fingerprint());
        assert!(!has_one, "the fingerprint must show bit {at_bit}");
    }
    let request = hex(RFC_5769_LONG_TERM);
    let login = LongTermKeyCredentials::new(
        "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}".into(),
        "TheMatrIX".into(),
        "example.org".into(),
    );
    let key = login.make_key(IntegrityAlgorithm::Sha1);
    for at_bit in 0..request.len() * 8 {
        let mut other = request.clone();
        other[at_bit / 8] ^= 1 << (at_bit % 8);
        if let Some(Packet::Message(message)) = wire::read(&other) {
            assert!(!message.is_signed_with(&key), "the signature must show bit {at_bit}");
        }
    }
}

#[test]
fn without_a_relay_only_bindings_are_answered() {
    let mut machine = Machine::new(Rate { per_second: 10, burst: 10 });
    let now = World::usual().now();
    for method in [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND, SEND] {
        let packet = Request::new(method, 1).udp().bytes();
        assert!(matches!(machine.client(at("192.0.2.1:1"), &packet, now), Action::Nothing), "{method}");
    }
    let binding = Request::new(BINDING, 1).bytes();
    assert!(matches!(machine.client(at("192.0.2.1:1"), &binding, now), Action::Answer(_)));
}

#[test]
fn one_address_gets_so_many_answers() {
    let mut world = World::with_answers(&TurnConfig::default(), Rate { per_second: 10, burst: 3 });
    let binding = Request::new(BINDING, 1).bytes();
    let answered =
        |world: &mut World, address: &str, packet: &[u8]| !world.feed(at(address), packet).is_nothing();
    let many = [(); 5].map(|()| answered(&mut world, "192.0.2.1:1", &binding));
    assert_eq!(many, [true, true, true, false, false]);
    assert!(!answered(&mut world, "192.0.2.1:2", &Request::new(ALLOCATE, 1).udp().bytes()));
    assert!(answered(&mut world, "192.0.2.2:1", &binding), "another is not kept from it");
    world.wait(1);
    assert!(answered(&mut world, "192.0.2.1:1", &binding));
    assert_eq!(world.machine.counters().unanswered, 3);
}

#[test]
fn nobody_is_sent_much_that_has_not_asked() {
    let mut world = World::usual();
    // What has no signature, or a wrong one, over UDP: it may come in the name of another.
    let signed = |login: &Login, method| Request::new(method, 9).udp().signed(login);
    let mut caller = Caller::new(&mut world, "192.0.2.1:5000", "ada");
    let good = caller.login.clone();
    let login = |change: fn(&mut Login)| {
        let mut login = good.clone();
        change(&mut login);
        login
    };
    let mut packets = vec![hex(RFC_5769_REQUEST), hex(RFC_5769_LONG_TERM)];
    for method in [BINDING, ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND, SEND, 2, 10, 11, 0xfff] {
        packets.push(Request::new(method, 1).bytes());
        packets.push(Request::new(method, 1).with(0x7777, &[]).bytes());
        packets.push(Request::new(method, 1).with(USERNAME, b"a").with(REALM, b"peerloom").bytes());
        packets.push(signed(&login(|login| login.password.clear()), method));
        packets.push(signed(&login(|login| login.realm.clear()), method));
        packets.push(signed(&login(|login| login.nonce.clear()), method));
        packets.push(signed(&login(|login| login.name.clear()), method));
    }
    for packet in packets {
        if let Sent::Answer(reply) = world.feed(at("192.0.2.1:5000"), &packet) {
            let more = reply.len().saturating_sub(packet.len());
            let allowed = match reply.result() {
                Ok(()) => 12,         // the address that was asked for
                Err(401 | 438) => 44, // what to sign with
                Err(_) => 0,
            };
            assert!(more <= allowed, "{more} bytes more than {packet:02x?}: {reply:?}");
        }
    }
    caller.allocate(&mut world).result().unwrap();
}

// Credentials.

#[test]
fn a_relay_is_made_for_who_signs() {
    for algorithm in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
        let mut world = World::usual();
        let mut ada = Caller::signing(&mut world, at("192.0.2.1:5000"), "ada", algorithm);
        let request = ada.request(ALLOCATE).udp();
        let reply = ada.ask(&mut world, request.clone());
        assert_eq!(reply.result(), Ok(()));
        let relayed = reply.address(XOR_RELAYED_ADDRESS);
        assert_eq!(relayed, Some(SocketAddr::new(HOME_V4.parse().unwrap(), 50_001)));
        assert_eq!(reply.address(XOR_MAPPED_ADDRESS), Some(ada.client.address));
        assert_eq!(reply.value(LIFETIME), Some(600_u32.to_be_bytes().to_vec()));
        assert_eq!(
            ada.ask(&mut world, request).address(XOR_RELAYED_ADDRESS),
            relayed,
            "the same question again"
        );
        assert_eq!(ada.allocate(&mut world).result(), Err(437));
        assert_eq!(world.machine.allocations(), 1);
    }
}

#[test]
fn who_may_not_sign_gets_nothing() {
    let mut world = World::usual();
    let mut ada = Caller::new(&mut world, "192.0.2.1:5000", "ada");
    let good = ada.login.clone();
    let secret = TurnSecret::new(SECRET).unwrap();
    let other_secret = TurnSecret::new(&"x".repeat(40)).unwrap();
    let minted = |secret: &TurnSecret, expires: u64| {
        let (name, password) = secret.mint("ada", expires);
        Login { name, password, ..good.clone() }
    };
    for (what, login, code) in [
        ("expired", minted(&secret, NOW_S), 401),
        ("for too long", minted(&secret, NOW_S + 700), 401),
        ("by another secret", minted(&other_secret, NOW_S + 600), 401),
        ("a wrong password", Login { password: "x".into(), ..good.clone() }, 401),
        ("another realm", Login { realm: "x".into(), ..good.clone() }, 401),
        ("another's nonce", Login { nonce: "x".repeat(20), ..good.clone() }, 438),
    ] {
        ada.login = login;
        let reply = ada.allocate(&mut world);
        assert_eq!(reply.result(), Err(code), "{what}");
        assert!(!reply.text(NONCE).is_empty(), "{what}: with what to sign with");
    }
    ada.login = good;
    world.wait(LIFETIME_S - 1);
    assert_eq!(ada.allocate(&mut world).result(), Ok(()));
}

#[test]
fn a_nonce_gets_stale_and_the_next_one_does() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    world.wait(599);
    ada.refresh(&mut world, 600).unwrap();
    world.wait(2);
    assert_eq!(ada.refresh(&mut world, 600), Err(438));
    ada.challenge(&mut world);
    assert_eq!(
        ada.refresh(&mut world, 600),
        Ok(()),
        "also with a name that has expired, for what it has made"
    );
}

#[test]
fn an_allocation_outlives_its_credentials_only_so_long() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let end = 600 + LONGEST_STAY_S;
    let mut refreshed = 0;
    while world.after.as_secs() + 300 < end {
        world.wait(300);
        ada.challenge(&mut world);
        assert_eq!(ada.refresh(&mut world, 600), Ok(()), "after {refreshed}");
        refreshed += 1;
    }
    world.wait(300);
    assert_eq!(world.machine.allocations(), 0);
    ada.challenge(&mut world);
    assert_eq!(ada.allocate(&mut world).result(), Err(401));
}

#[test]
fn nobody_takes_over_what_another_has_made() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let mut eve = Caller::new(&mut world, "192.0.2.1:5000", "eve");
    assert_eq!(eve.refresh(&mut world, 0), Err(441));
    assert_eq!(eve.permit(&mut world, peer()), Err(441));
    let mut elsewhere = Caller::new(&mut world, "192.0.2.1:5001", "ada");
    assert_eq!(elsewhere.refresh(&mut world, 0), Err(437));
    assert_eq!(elsewhere.permit(&mut world, peer()), Err(437));
    assert_eq!(elsewhere.bind(&mut world, 0x4000, peer()), Err(437));
    assert_eq!(ada.refresh(&mut world, 600), Ok(()));
}

// Allocations.

#[test]
fn what_the_relay_does_not_do_is_told() {
    let mut world = World::usual();
    let mut ada = Caller::new(&mut world, "192.0.2.1:5000", "ada");
    for (kind, value, code) in [
        (REQUESTED_TRANSPORT, vec![6, 0, 0, 0], 442),
        (REQUESTED_ADDRESS_FAMILY, vec![3, 0, 0, 0], 440),
        (REQUESTED_ADDRESS_FAMILY, vec![1], 400),
        (0x18, vec![0x80], 508), // two ports in a row
        (0x22, vec![0; 8], 508), // the second of two
        (0x1a, vec![], 420),     // packets that are not to be cut
        (0x7777, vec![], 420),
    ] {
        let request = ada.request(ALLOCATE);
        let request = if kind == REQUESTED_TRANSPORT { request } else { request.udp() };
        assert_eq!(ada.ask(&mut world, request.with(kind, &value)).result(), Err(code), "{kind:#x}");
    }
    let request = ada.request(ALLOCATE);
    assert_eq!(ada.ask(&mut world, request).result(), Err(400), "no transport");
    let request = ada.request(ALLOCATE).udp().with(0x18, &[0]);
    assert_eq!(ada.ask(&mut world, request).result(), Ok(()), "an even port");
}

#[test]
fn a_relay_may_have_an_address_of_the_other_family() {
    let mut world = World::usual();
    let mut ada = Caller::new(&mut world, "192.0.2.1:5000", "ada");
    let request = ada.request(ALLOCATE).udp().with(REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    let reply = ada.ask(&mut world, request);
    assert_eq!(reply.address(XOR_RELAYED_ADDRESS).unwrap().ip(), HOME_V6.parse::<IpAddr>().unwrap());
    let global = "[2606:4700::1111]:53".parse().unwrap();
    assert_eq!(ada.permit(&mut world, peer()), Err(443));
    assert_eq!(ada.bind(&mut world, 0x4000, peer()), Err(443));
    assert_eq!(ada.permit(&mut world, global), Ok(()));
    assert!(matches!(ada.send(&mut world, global, b"hi"), Sent::ToPeer(to, _) if to == global));
}

#[test]
fn a_relay_ends_when_nobody_refreshes_it_or_when_it_is_told_to() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    world.wait(599);
    assert!(world.closed.is_empty());
    ada.refresh(&mut world, 600).unwrap();
    world.wait(2);
    assert!(world.closed.is_empty());
    ada.challenge(&mut world);
    assert_eq!(ada.refresh(&mut world, 0), Ok(()));
    assert_eq!((world.closed.len(), world.machine.allocations()), (1, 0));
    let (_, _) = Caller::relayed(&mut world, "192.0.2.2:5000", "bob");
    world.wait(600);
    assert_eq!((world.closed.len(), world.machine.allocations()), (2, 0));
}

#[test]
fn a_relay_ends_with_its_connection_and_its_socket_is_to_be_closed() {
    let mut world = World::usual();
    let client = Client { connection: Some(1), ..at("192.0.2.1:5000") };
    let mut ada = Caller::signing(&mut world, client, "ada", IntegrityAlgorithm::Sha1);
    ada.allocate(&mut world).result().unwrap();
    assert!(world.machine.gone(&client).is_some());
    assert!(world.machine.gone(&client).is_none());
    assert_eq!(world.machine.allocations(), 0);
}

#[test]
fn a_socket_that_cannot_be_had_is_told_and_not_counted() {
    let mut world = World::with_limits(TurnLimits { allocations: 1, ..TurnLimits::default() });
    let mut ada = Caller::new(&mut world, "192.0.2.1:5000", "ada");
    for _ in 0..3 {
        let packet = ada.request(ALLOCATE).udp().signed(&ada.login);
        let now = world.now();
        let Action::Open(opening) = world.machine.client(ada.client, &packet, now) else {
            panic!("no socket asked for")
        };
        let reply = Reply::new(&world.machine.opened(*opening, None, now));
        assert_eq!(reply.result(), Err(508));
        assert!(reply.is_signed(&ada.login));
    }
    assert_eq!(world.machine.allocations(), 0);
}

#[test]
fn there_are_so_many_relays_for_one_and_for_all() {
    let limits = TurnLimits { allocations: 5, allocations_per_user: 2, ..TurnLimits::default() };
    let mut world = World::with_limits(limits);
    let allocate = |world: &mut World, address: &str, subject: &str| {
        Caller::new(world, address, subject).allocate(world).result()
    };
    assert_eq!(allocate(&mut world, "192.0.2.1:1", "ada"), Ok(()));
    assert_eq!(allocate(&mut world, "192.0.2.1:2", "ada"), Ok(()));
    assert_eq!(allocate(&mut world, "192.0.2.1:3", "ada"), Err(486));
    for number in 4..7 {
        assert_eq!(allocate(&mut world, &format!("192.0.2.1:{number}"), &format!("user {number}")), Ok(()));
    }
    assert_eq!(allocate(&mut world, "192.0.2.1:8", "eve"), Err(486));
    assert_eq!(world.machine.counters().over_quota, 2);
}

// Peers.

#[test]
fn no_relay_reaches_what_is_not_the_public_internet() {
    let mut world = World::usual();
    let (mut v4, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let mut v6 = Caller::new(&mut world, "192.0.2.1:5001", "ada");
    let request = v6.request(ALLOCATE).udp().with(REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    v6.ask(&mut world, request).result().unwrap();
    for address in REFUSED {
        let target = SocketAddr::new(address.parse().unwrap(), 80);
        for (number, caller) in [(0x4001, &mut v4), (0x4002, &mut v6)] {
            assert_eq!(caller.permit(&mut world, target), Err(403), "{address}");
            assert_eq!(caller.bind(&mut world, number, target), Err(403), "{address}");
            assert!(caller.send(&mut world, target, b"x").is_nothing(), "{address}");
            assert!(caller.send_by_channel(&mut world, number, b"x").is_nothing(), "{address}");
        }
    }
    // One bad one among good ones, and nobody is permitted.
    let request = v4.request(CREATE_PERMISSION).peer(peer()).peer("127.0.0.1:80".parse().unwrap());
    assert_eq!(v4.ask(&mut world, request).result(), Err(403));
    assert!(v4.send(&mut world, peer(), b"x").is_nothing());
    assert!(world.machine.counters().forbidden as usize > 4 * REFUSED.len());
}

#[test]
fn no_relay_reaches_the_server_itself() {
    let mut world = World::usual();
    let (mut ada, own) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let elsewhere = SocketAddr::new(OWN.parse().unwrap(), 80);
    assert_eq!(ada.permit(&mut world, elsewhere), Err(403));
    assert_eq!(ada.bind(&mut world, 0x4000, elsewhere), Err(403));
    // Relays have this address too: those are reached, and nothing else there.
    let home = SocketAddr::new(own.ip(), 80);
    assert_eq!(ada.bind(&mut world, 0x4000, home), Err(403));
    assert_eq!(ada.permit(&mut world, home), Ok(()));
    assert!(ada.send(&mut world, home, b"x").is_nothing());
}

#[test]
fn what_the_operator_allows_is_reached() {
    let allow_peers = vec!["127.0.0.0/8".parse().unwrap(), "9.9.9.9".parse().unwrap()];
    let mut world = World::new(&TurnConfig { allow_peers, ..TurnConfig::default() });
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    for address in ["127.0.0.1:80", "9.9.9.9:53"] {
        let target = address.parse().unwrap();
        assert_eq!(ada.permit(&mut world, target), Ok(()));
        assert!(
            matches!(ada.send(&mut world, target, b"hi"), Sent::ToPeer(to, data) if to == target && data == b"hi")
        );
    }
    assert_eq!(ada.permit(&mut world, "10.0.0.1:80".parse().unwrap()), Err(403));
}

#[test]
fn without_a_permission_nothing_passes_in_either_direction() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    assert!(ada.send(&mut world, peer(), b"x").is_nothing());
    let relay = relay_of(&mut world, &mut ada);
    let (client, stranger) = (ada.client, "1.1.1.1:53".parse().unwrap());
    assert!(from_peer(&mut world, relay, client, stranger, b"x").is_none());
    let got = Reply::new(&from_peer(&mut world, relay, client, peer(), b"hello").unwrap());
    assert_eq!((got.method(), got.address(XOR_PEER_ADDRESS)), (DATA_INDICATION, Some(peer())));
    assert_eq!(got.value(DATA), Some(b"hello".to_vec()));
    // A permission is for all ports of an address, and for five minutes.
    let other_port = SocketAddr::new(peer().ip(), 9);
    assert!(matches!(ada.send(&mut world, other_port, b"x"), Sent::ToPeer(..)));
    world.wait(301);
    assert!(ada.send(&mut world, peer(), b"x").is_nothing());
    assert!(from_peer(&mut world, relay, client, peer(), b"x").is_none());
    assert!(
        world
            .feed(at("192.0.2.1:7"), &Request::new(SEND, 1).peer(peer()).with(DATA, b"x").bytes())
            .is_nothing()
    );
}

#[test]
fn a_channel_leads_to_one_peer_both_ways() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    assert_eq!(ada.bind(&mut world, 0x4001, peer()), Ok(()));
    assert!(
        matches!(ada.send_by_channel(&mut world, 0x4001, b"hi"), Sent::ToPeer(to, data) if to == peer() && data == b"hi")
    );
    assert!(ada.send_by_channel(&mut world, 0x4002, b"hi").is_nothing());
    let relay = relay_of(&mut world, &mut ada);
    let client = ada.client;
    assert_eq!(from_peer(&mut world, relay, client, peer(), b"hey").unwrap(), b"\x40\x01\0\x03hey");
    let other = "1.1.1.1:53".parse().unwrap();
    assert_eq!(ada.bind(&mut world, 0x4001, other), Err(400), "the number is taken");
    assert_eq!(ada.bind(&mut world, 0x4002, peer()), Err(400), "the peer has a number");
    for number in [0, 0x3fff, 0x8000, 0xffff] {
        assert_eq!(ada.bind(&mut world, number, other), Err(400), "{number:#x}");
    }
    world.wait(300);
    assert_eq!(ada.bind(&mut world, 0x4001, peer()), Ok(()), "longer");
    world.wait(299);
    assert!(matches!(ada.send_by_channel(&mut world, 0x4001, b"hi"), Sent::ToPeer(..)));
}

#[test]
fn on_streams_channel_data_is_filled_up() {
    let mut world = World::usual();
    let client = Client { connection: Some(1), ..at("192.0.2.1:5000") };
    let mut ada = Caller::signing(&mut world, client, "ada", IntegrityAlgorithm::Sha1);
    ada.allocate(&mut world).result().unwrap();
    ada.bind(&mut world, 0x4001, peer()).unwrap();
    let relay = relay_of(&mut world, &mut ada);
    assert_eq!(from_peer(&mut world, relay, client, peer(), b"hey").unwrap(), b"\x40\x01\0\x03hey\0");
}

#[test]
fn peers_and_channels_are_bounded() {
    let mut world = World::usual();
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let nth = |number: u16| SocketAddr::from(([8, 8, (number >> 8) as u8, number as u8], 53));
    for number in 0..64 {
        assert_eq!(ada.bind(&mut world, 0x4000 + number, nth(number)), Ok(()));
    }
    assert_eq!(ada.bind(&mut world, 0x4100, nth(64)), Err(508));
    assert_eq!(ada.permit(&mut world, nth(65)), Err(508));
    assert_eq!(ada.permit(&mut world, nth(3)), Ok(()), "one that it has");
    let mut crowd = ada.request(CREATE_PERMISSION);
    for number in 0..65 {
        crowd = crowd.peer(nth(number));
    }
    assert_eq!(ada.ask(&mut world, crowd).result(), Err(400));
    world.wait(301);
    assert_eq!(ada.permit(&mut world, nth(65)), Ok(()), "others have gone");
}

#[test]
fn what_is_relayed_is_bounded() {
    let limits = TurnLimits { user: Rate { per_second: 1_000, burst: 2_000 }, ..TurnLimits::default() };
    let mut world = World::with_limits(limits);
    let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let relay = relay_of(&mut world, &mut ada);
    world.wait(1);
    let client = ada.client;
    assert!(matches!(ada.send(&mut world, peer(), &[0; 1_500]), Sent::ToPeer(..)));
    assert!(ada.send(&mut world, peer(), &[0; 1_000]).is_nothing());
    assert!(from_peer(&mut world, relay, client, peer(), &[0; 1_000]).is_none(), "both ways together");
    assert!(from_peer(&mut world, relay, client, peer(), &[0; 400]).is_some());
    let counters = world.machine.counters();
    assert_eq!((counters.relayed_bytes, counters.dropped_bytes), (1_901, 2_000));
    // Another of the same user has the same; one of another does not.
    let (mut again, _) = Caller::relayed(&mut world, "192.0.2.1:5001", "ada");
    again.permit(&mut world, peer()).unwrap();
    assert!(again.send(&mut world, peer(), &[0; 1_000]).is_nothing());
    let (mut bob, _) = Caller::relayed(&mut world, "192.0.2.1:5002", "bob");
    bob.permit(&mut world, peer()).unwrap();
    assert!(matches!(bob.send(&mut world, peer(), &[0; 1_000]), Sent::ToPeer(..)));
}

#[test]
fn two_relays_of_this_server_meet_without_a_network() {
    let mut world = World::usual();
    let (mut ada, ada_at) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
    let (mut bob, bob_at) = Caller::relayed(&mut world, "192.0.2.2:5000", "bob");
    ada.bind(&mut world, 0x4005, bob_at).unwrap();
    assert!(ada.send_by_channel(&mut world, 0x4005, b"x").is_nothing(), "Bob has not permitted her");
    bob.permit(&mut world, ada_at).unwrap();
    match ada.send_by_channel(&mut world, 0x4005, b"hello") {
        Sent::Delivered(to, bytes) => {
            let got = Reply::new(&bytes);
            assert_eq!((to, got.address(XOR_PEER_ADDRESS)), (bob.client, Some(ada_at)));
            assert_eq!(got.value(DATA), Some(b"hello".to_vec()));
        }
        other => panic!("{other:?}"),
    }
    match bob.send(&mut world, ada_at, b"hi") {
        Sent::Delivered(to, bytes) => assert_eq!((to, &bytes[..]), (ada.client, &b"\x40\x05\0\x02hi"[..])),
        other => panic!("{other:?}"),
    }
    bob.refresh(&mut world, 0).unwrap();
    assert!(ada.send_by_channel(&mut world, 0x4005, b"hello").is_nothing());
}

// Bytes that nobody would send.

#[test]
fn packets_come_out_of_a_stream_however_they_were_cut() {
    let packets = [
        Request::new(BINDING, 1).bytes(),
        wire::channel_data(0x4001, b"hello", true),
        wire::channel_data(0x7fff, b"", true),
        Request::new(ALLOCATE, 2).udp().with_fingerprint(),
    ];
    let all = packets.concat();
    for piece in [1, 2, 3, 5, 7, 16, 1000] {
        let (mut waiting, mut found) = (Vec::new(), 0);
        for piece in all.chunks(piece) {
            waiting.extend_from_slice(piece);
            while let Frame::Whole { len, until_next } = wire::frame(&waiting) {
                assert_eq!(waiting[..len], packets[found][..len]);
                assert!(wire::read(&waiting[..len]).is_some());
                waiting.drain(..until_next);
                found += 1;
            }
        }
        assert_eq!((found, waiting.len()), (packets.len(), 0), "{piece} at a time");
    }
    for bad in [b"GET / HTTP/1.1\r\n".as_slice(), &[0, 1, 0, 3], &[0x80, 0, 0, 0], &[0xff; 4]] {
        let expected = if bad[0] == b'G' { Frame::Part(Some(4 + 0x5420)) } else { Frame::Neither };
        assert_eq!(wire::frame(bad), expected, "{bad:?}");
    }
}

proptest! {
    /// Whatever comes, from whomever: no panic, and no more is sent than the rules allow.
    #[test]
    fn any_bytes_do_no_harm(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20)) {
        let mut world = World::usual();
        let (ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
        for packet in &packets {
            prop_assert!(!matches!(world.feed(ada.client, packet), Sent::ToPeer(..) | Sent::Delivered(..)));
        }
    }

    /// A good request with one byte of it changed is refused, or does what it says; nothing else.
    #[test]
    fn almost_good_requests_do_no_harm(at in 0..200_usize, by in 1..=255_u8, method in 3..10_u16) {
        let mut world = World::usual();
        let (mut ada, _) = Caller::relayed(&mut world, "192.0.2.1:5000", "ada");
        let mut packet = ada.request(method).peer(peer()).channel(0x4000).udp().with(LIFETIME, &[0; 4]).signed(&ada.login);
        let len = packet.len();
        packet[at % len] ^= by;
        if let Sent::Answer(reply) = world.feed(ada.client, &packet) {
            let is_as_it_was = method != SEND && reply.result().is_ok();
            prop_assert!(!is_as_it_was || reply.method() == BINDING, "{reply:?}");
        }
    }
}
