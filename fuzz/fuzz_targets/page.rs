//! A whole page, with everything at its other end under the fuzzer's hand: the server, a peer, and the browser's events.
//! Packets of the peer are sealed here, so that what is in them is read. What the page asks of the browser is checked: no
//! description or candidate reaches it that is not clean, and nothing is asked of a connection that is not there.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::{Steps, check_clean, messages};
use peerloom_protocol::action::{Action, Command, ConnectionId, Event, Input, Start};
use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::codec;
use peerloom_protocol::control::Control;
use peerloom_protocol::hello::{CALLS, Delivery, Hello, SessionHello};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::identity::{self, Identity, Signed, Verdict};
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::sdp::SdpKind;
use peerloom_protocol::seal::{Seal, SecretKey};
use peerloom_protocol::session::{Buffer, Options, RelayMode, Transport};
use peerloom_protocol::signal::{
    CardBytes, ClientMessage, EnvelopeBytes, Join, Member, PacketBytes, ServerMessage, Welcome,
    read_early_join,
};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::stream::StreamId;
use peerloom_protocol::{call, limits, sdp, timing};

const ROOM: &str = "demo";
const EPOCH: u32 = 1;
/// What the peer's key is made of.
const SEED: [u8; 32] = [4; 32];
/// The peer's number for its end of the session.
const THEIRS: u32 = 7;
const OFFER: &str = include_str!("../../protocol/tests/fixtures/chromium-156-offer-joiner.sdp");
const ANSWER: &str = include_str!("../../protocol/tests/fixtures/chromium-156-answer.sdp");
/// All that may wait in one page for one peer: five channels, and what is kept for paths not yet begun.
const MOST_KEPT_BYTES: u64 = 5 * (limits::MAX_MESSAGE_BYTES + limits::MAX_PARTIAL_BYTES) as u64;

/// The peer's key for this stay.
static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_bytes([5; 32]));
/// The peer's identity, but for the signature: that of its hello.
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let fingerprint = sdp::fingerprint(OFFER).expect("a good offer");
    let Signed { key, signature } = identity::sign(&SEED, &[]);
    Identity { fingerprint, key, secret_hash: [6; 32], signature }
});
static PEER: LazyLock<PeerId> = LazyLock::new(|| IDENTITY.id());
/// The peer's hello, signed.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let session = SessionHello { page: [9; 8], key: KEY.public(), window: 1 << 20, relay: true };
    let hello = Hello { session: Some(session), ..hello() };
    let Identity { fingerprint, secret_hash, .. } = *IDENTITY;
    let statement = identity::statement(ROOM, &fingerprint, &secret_hash, &hello.encode_unsigned());
    let Signed { signature, .. } = identity::sign(&SEED, &statement);
    Hello { identity: Some(Identity { signature, ..*IDENTITY }), ..hello }.encode()
});
/// The peer's card.
static CARD: LazyLock<Vec<u8>> = LazyLock::new(|| sdp::parse_local(OFFER).expect("a good offer").encode());

/// What both declare.
fn hello() -> Hello {
    let channels = [
        ("ordered", Delivery::Ordered, "json"),
        ("unordered", Delivery::Unordered, "bytes"),
        ("latest", Delivery::Latest, "json"),
        ("lifetime", Delivery::Lifetime(100), "json"),
        ("method", Delivery::Ordered, CALLS),
    ];
    let channels = channels.map(|(label, delivery, codec)| (label.to_owned(), delivery, codec.to_owned()));
    Hello::new(channels, "{}").expect("good labels")
}

/// What was handed over: frames are counted only, what goes to the server must be good.
struct Sink;

impl Transport for Sink {
    fn buffered(&self, _: ConnectionId, _: u16) -> Option<usize> {
        Some(0)
    }
    fn send(&mut self, _: ConnectionId, _: u16, frame: &[u8]) -> bool {
        assert!(!frame.is_empty() && frame.len() <= limits::MAX_FRAME_BYTES);
        true
    }
    fn socket_buffered(&self) -> usize {
        0
    }
    fn send_socket(&mut self, message: &[u8]) {
        check_said(message);
    }
}

/// What a page says to the server is always one whole frame of messages.
fn check_said(message: &[u8]) {
    let read = messages::<ClientMessage>(message, limits::MAX_SOCKET_MESSAGE_BYTES);
    let mut written = codec::frame();
    read.iter().for_each(|said| codec::push(&mut written, said));
    assert_eq!(written, message);
}

struct Page {
    node: Node<Rc<[u8]>, Bytes>,
    now: u64,
    /// Live connections, and whether the other side's description is set.
    connections: BTreeMap<ConnectionId, bool>,
    /// Whom the application was told of.
    members: BTreeSet<PeerId>,
    has_socket: bool,
    is_closed: bool,
    join: Option<Join>,
    seal: Option<Seal>,
}

impl Page {
    fn new(mode: u8) -> Self {
        let relay = [RelayMode::First, RelayMode::Fallback, RelayMode::Never][usize::from(mode % 3)];
        let options = Options {
            relay,
            window: limits::MIN_WINDOW_BYTES,
            compress: u64::from(mode >> 4),
            ..Options::default()
        };
        let config = Config {
            room: ROOM.to_owned(),
            secret: None,
            share: None,
            hello: hello(),
            join_timeout_ms: timing::JOIN_MS,
            resume: None,
            gives_tokens: false,
            options,
            entropy: [3; 32],
        };
        Self {
            node: Node::new(config).expect("a good name for a room"),
            now: 1,
            connections: BTreeMap::new(),
            members: BTreeSet::new(),
            has_socket: false,
            is_closed: false,
            join: None,
            seal: None,
        }
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        // A connection that is made is described at once, and describing one makes no other without end.
        for _ in 0..1_000 {
            let Some(input) = inputs.pop() else { return };
            self.node.handle(self.now, input);
            self.act(&mut inputs);
        }
        panic!("the page goes on without end");
    }

    fn act(&mut self, inputs: &mut Vec<Input>) {
        for _ in 0..100_000 {
            let Some(action) = self.node.poll_action() else { return };
            match action {
                Action::Do(command) => self.command(command, inputs),
                Action::Notify(event) => self.told(&event),
                Action::Deliver { from, channel, buffer, ranges } => {
                    let len = buffer.len();
                    assert!(ranges.iter().all(|range| range.start <= range.end && range.end <= len));
                    let bytes: usize = ranges.iter().map(ExactSizeIterator::len).sum();
                    let _ = self.node.consumed(from, channel, ranges.len() as u64, bytes as u64);
                }
                Action::Call(from, call::Event::Request { id, .. }, Some(body)) => {
                    // Some are answered, some refused, some wait.
                    match body.len() % 3 {
                        0 => self.node.respond(from, id, Rc::from(*b"answer")).expect("a short one"),
                        1 => self.node.refuse_call(from, id, "no", "not now"),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        panic!("the page asks for more without end");
    }

    fn command(&mut self, command: Command, inputs: &mut Vec<Input>) {
        match command {
            Command::OpenSocket { subprotocols } => {
                let early = subprotocols.iter().find_map(|text| read_early_join(text));
                self.join = early.map(|join| join.expect("a join of ours")).or(self.join.take());
                self.has_socket = true;
                inputs.push(Input::SocketOpened);
            }
            Command::SendSocket(message) => {
                assert!(self.has_socket, "the server is told something without a socket");
                check_said(&message);
            }
            Command::Sign { number, seed, message } => {
                inputs.push(Input::Signed(number, Some(identity::sign(&seed, &message))));
            }
            Command::Check { number, signed, message, .. } => {
                inputs.push(Input::Checked(number, Verdict::of(&signed, &message)));
            }
            Command::CloseSocket { .. } => self.has_socket = false,
            Command::OpenConnection(id, start) => {
                let local = match &start {
                    Start::Offer { .. } => OFFER,
                    Start::Answer { offer } => {
                        check_clean(SdpKind::Offer, offer);
                        ANSWER
                    }
                };
                let is_new = self.connections.insert(id, matches!(start, Start::Answer { .. })).is_none();
                assert!(is_new, "a connection's number is used twice");
                assert!(self.connections.len() < 64, "connections without end");
                inputs.push(Input::LocalDescription(id, local.to_owned()));
            }
            Command::SetAnswer(id, answer) => {
                check_clean(SdpKind::Answer, &answer);
                let is_set = self.connections.insert(id, true);
                assert_eq!(is_set, Some(false), "an answer to what has none to come");
            }
            Command::AddCandidate(id, line) => {
                assert_eq!(self.connections.get(&id), Some(&true), "a candidate for what is not described");
                assert!(Candidate::parse(&line).is_ok(), "{line:?}");
            }
            Command::CloseConnection(id) => {
                assert!(self.connections.remove(&id).is_some(), "what is not there is closed");
            }
            _ => {}
        }
    }

    fn told(&mut self, event: &Event) {
        assert!(!self.is_closed, "{event:?} after the end");
        match event {
            Event::PeerJoined { id, .. } => assert!(self.members.insert(*id), "{id} is here twice"),
            Event::PeerLeft(id, _) => assert!(self.members.remove(id), "{id} has left twice"),
            Event::PeerPath(id, _)
            | Event::PeerConnected(id)
            | Event::PeerSuspended(id)
            | Event::PeerResumed(id)
            | Event::PeerFailed(id, _)
            | Event::Undelivered { id, .. }
            | Event::Violation { id, .. } => {
                assert!(self.members.contains(id), "{id} is not here: {event:?}")
            }
            Event::Closed(_) => self.is_closed = true,
            _ => {}
        }
    }

    fn hear(&mut self, said: &[ServerMessage]) {
        let mut frame = codec::frame();
        said.iter().for_each(|message| codec::push(&mut frame, message));
        self.hear_bytes(frame);
    }

    fn hear_bytes(&mut self, frame: Vec<u8>) {
        if self.has_socket {
            self.feed(Input::SocketMessage(frame));
        }
    }

    fn hear_packet(&mut self, plain: &[u8]) {
        let Some(packet) = self.seal.as_mut().map(|seal| seal.seal(plain)) else { return };
        if let Ok(packet) = PacketBytes::try_from(packet) {
            self.hear(&[ServerMessage::Relayed { from: *PEER, epoch: EPOCH, packet }]);
        }
    }

    fn hear_frame(&mut self, connection: ConnectionId, channel: u16, frame: &[u8]) {
        let _ = self.node.frame(self.now, connection, channel, &Bytes::from(frame));
        let mut inputs = Vec::new();
        self.act(&mut inputs);
        inputs.into_iter().for_each(|input| self.feed(input));
    }

    /// Lets the page in, with a peer that is there already.
    fn enter(&mut self) {
        self.feed(Input::Start);
        // Connections are prepared before it asks to be let in.
        self.pass(timing::JOIN_MS / 10);
        let Some(join) = &self.join else { return };
        let ours = Hello::decode(&join.hello).expect("our own hello");
        let id = PeerId::of(&join.key, &join.secret.hash());
        self.seal = ours.session.and_then(|session| Seal::new(&KEY, *PEER, &session.key, id, ROOM, None));
        let member = Member {
            id: *PEER,
            epoch: EPOCH,
            hello: HELLO.clone().try_into().expect("a short one"),
            card: CardBytes::try_from(CARD.clone()).ok(),
            given: Some(0),
        };
        let members = vec![member].try_into().expect("one");
        let welcome = Welcome { id, epoch: EPOCH, members };
        let policy = ServerMessage::RelayPolicy { bytes_per_second: 1 << 20, burst: 1 << 20 };
        self.hear(&[ServerMessage::Welcome(welcome), policy]);
        let mut plain = vec![0];
        push_record(&mut plain, 0, &Control::Begin { mine: THEIRS, yours: 0 }.encode());
        self.hear_packet(&plain);
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        if self.node.deadline(self.now).is_some_and(|due| due <= self.now) {
            self.feed(Input::TimedOut);
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.node.flush(self.now, &mut Sink);
        let mut inputs = Vec::new();
        self.act(&mut inputs);
        inputs.into_iter().for_each(|input| self.feed(input));
    }

    /// Something that the browser tells, as far as it can be so.
    fn browser(&mut self, what: u8) {
        let at = usize::from(what >> 4) % self.connections.len().max(1);
        let described = self.connections.iter().nth(at).map(|(id, described)| (*id, *described));
        let input = match (what % 12, described) {
            (0 | 1, Some((id, true))) => Input::ChannelsOpen(id),
            (2, Some((id, true))) => Input::ConnectionFailed(id),
            (3, Some((id, true))) => Input::ConnectionWorks(id),
            (4, Some((id, _))) => Input::ConnectionLost(id),
            (5, Some((id, _))) => Input::GatheringComplete(id),
            (6, _) => Input::Online,
            (7, _) => Input::ServerAnswers(what & 16 != 0),
            (8, _) if self.has_socket => {
                self.has_socket = false;
                Input::SocketClosed
            }
            // Answers that nobody waits for, as far as the numbers are those of others.
            (10, _) => Input::Checked(u32::from(what >> 4), Verdict::NotAccepted),
            (11, _) => Input::Signed(u32::from(what >> 4), None),
            (9, _) => [Input::Suspend, Input::Resume, Input::Leave][usize::from(what >> 4) % 3].clone(),
            _ => return,
        };
        self.feed(input);
    }

    /// Something that the application does.
    fn application(&mut self, what: u8) {
        let payload: Rc<[u8]> = vec![what; usize::from(what) * 100].into();
        let id = StreamId(u64::from(what >> 4));
        match what % 8 {
            channel @ 0..4 => {
                let _ = self.node.send(self.now, channel.into(), vec![payload], Some(*PEER), Some(1_000));
            }
            4 => drop(self.node.open_stream(*PEER, "mine")),
            5 => drop(self.node.write_stream(*PEER, id, payload)),
            6 if what & 16 == 0 => self.node.cancel_stream(*PEER, id, "enough"),
            6 if what & 32 == 0 => {
                let reason = "enough".try_into().expect("short");
                self.node.handle(self.now, Input::Kick(*PEER, reason));
            }
            6 => self.node.stream_consumed(*PEER, id, usize::from(what)),
            _ => drop(self.node.call(*PEER, 0, payload, Some(self.now + 500))),
        }
        self.flush();
    }
}

fn push_record(plain: &mut Vec<u8>, channel: u16, frame: &[u8]) {
    codec::push_varint(plain, channel.into());
    codec::push_varint(plain, frame.len() as u64);
    plain.extend_from_slice(frame);
}

fuzz_target!(|data: &[u8]| {
    let mut steps = Steps::new(data);
    let mut page = Page::new(steps.byte());
    page.enter();
    while !steps.is_over() {
        match steps.byte() % 8 {
            0 => page.hear_bytes(steps.piece().to_vec()),
            1 => page.hear_packet(steps.piece()),
            // One frame in a packet of its own.
            2 => {
                let mut plain = vec![0];
                push_record(&mut plain, u16::from(steps.byte() % 8), steps.piece());
                page.hear_packet(&plain);
            }
            3 => {
                let at = steps.byte();
                let ids = || page.connections.keys().copied();
                let connection = ids().nth(usize::from(at >> 4) % ids().count().max(1));
                let frame = steps.piece();
                if let Some(connection) = connection {
                    page.hear_frame(connection, u16::from(at % 8), frame);
                }
            }
            4 => {
                if let Ok(envelope) = EnvelopeBytes::try_from(steps.piece().to_vec()) {
                    page.hear(&[ServerMessage::Signal { from: *PEER, epoch: EPOCH, envelope }]);
                }
            }
            5 => page.browser(steps.byte()),
            6 => page.application(steps.byte()),
            _ => page.pass(u64::from(steps.byte()) * 50),
        }
        let kept = page.node.peer_stats(*PEER).kept_bytes();
        assert!(kept <= MOST_KEPT_BYTES, "{kept} bytes are kept");
    }
});
