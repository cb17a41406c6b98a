//! Two pages in a room, with the least of a driver and a server around them: everything arrives at once, and nothing is
//! lost. The simulator of the tests would do, but its faults and its events cost more than what is measured.

use std::collections::VecDeque;
use std::rc::Rc;

use peerloom_protocol::action::{Action, Command, ConnectionId, Input, PeerPath};
use peerloom_protocol::codec;
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::identity::{self, Verdict};
use peerloom_protocol::limits;
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::session::{Options, RelayMode, Transport};
use peerloom_protocol::signal::{ClientMessage, Join, Member, ServerMessage, Welcome, read_early_join};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::timing;

const OFFER: &str = include_str!("../../tests/fixtures/chromium-156-offer-joiner.sdp");
const EPOCH: u32 = 1;

/// How messages go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Over a connection.
    Direct,
    /// Sealed, through the server. What the server does with a packet, to read one record and write another, counts.
    Relay,
}

impl Path {
    /// How long it is from one task to the next.
    fn pause_ms(self) -> u64 {
        match self {
            Self::Direct => 1,
            // No more than 64 KiB are on their way through the server, so for more an acknowledgement is awaited, and asked
            // for no more often than this.
            Self::Relay => timing::ASK_MS,
        }
    }
}

/// What one page has handed over.
#[derive(Default)]
struct Sent {
    frames: VecDeque<(u16, Bytes)>,
    messages: VecDeque<Vec<u8>>,
}

impl Transport for Sent {
    fn buffered(&self, _: ConnectionId, _: u16) -> Option<usize> {
        Some(0)
    }
    fn send(&mut self, _: ConnectionId, channel: u16, frame: &[u8]) -> bool {
        self.frames.push_back((channel, Bytes::from(frame)));
        true
    }
    fn socket_buffered(&self) -> usize {
        0
    }
    fn send_socket(&mut self, message: &[u8]) {
        self.messages.push_back(message.to_vec());
    }
}

struct Page {
    node: Node<Rc<[u8]>, Bytes>,
    sent: Sent,
    wants_flush: bool,
    /// What it said when it joined.
    join: Option<Join>,
    /// The connection that was given the other side's description.
    connection: Option<ConnectionId>,
    received: u64,
}

impl Page {
    fn new(page: usize, relay: RelayMode) -> Self {
        let hello = Hello::new([("chat".to_owned(), Delivery::Ordered, "bytes".to_owned())], "");
        let config = Config {
            share: None,
            room: "demo".to_owned(),
            secret: None,
            hello: hello.expect("one good label"),
            join_timeout_ms: timing::JOIN_MS,
            gives_tokens: false,
            resume: None,
            options: Options { relay, ..Options::default() },
            entropy: [page as u8 + 1; 32],
        };
        Self {
            node: Node::new(config).expect("a good name for a room"),
            sent: Sent::default(),
            wants_flush: false,
            join: None,
            connection: None,
            received: 0,
        }
    }

    /// What it is called by, once it has joined.
    fn id(&self) -> PeerId {
        let join = self.join.as_ref().expect("it has joined");
        PeerId::of(&join.key, &join.secret.hash())
    }

    /// Feeds an input, and does what comes of it.
    fn feed(&mut self, now: u64, input: Input) {
        self.node.handle(now, input);
        self.wants_flush = true;
        self.act(now);
    }

    fn act(&mut self, now: u64) {
        let mut inputs = VecDeque::new();
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Do(command) => self.command(command, &mut inputs),
                Action::Deliver { from, channel, ranges, .. } => {
                    let bytes = ranges.iter().map(|range| range.len() as u64).sum();
                    self.received += ranges.len() as u64;
                    self.wants_flush |= self.node.consumed(from, channel, ranges.len() as u64, bytes);
                }
                _ => {}
            }
        }
        for input in inputs {
            self.feed(now, input);
        }
    }

    fn command(&mut self, command: Command, inputs: &mut VecDeque<Input>) {
        match command {
            Command::OpenSocket { subprotocols } => {
                let join = subprotocols.iter().find_map(|text| read_early_join(text));
                self.join = Some(join.expect("a short join").expect("a good one"));
                inputs.push_back(Input::SocketOpened);
            }
            Command::SendSocket(message) => self.sent.messages.push_back(message),
            Command::OpenConnection(id, _) => {
                inputs.push_back(Input::LocalDescription(id, OFFER.to_owned()));
                inputs.push_back(Input::GatheringComplete(id));
            }
            Command::SetAnswer(id, _) => self.connection = Some(id),
            Command::Sign { number, seed, message } => {
                inputs.push_back(Input::Signed(number, Some(identity::sign(&seed, &message))));
            }
            // No signature is what is measured here.
            Command::Check { number, .. } => inputs.push_back(Input::Checked(number, Verdict::Valid)),
            _ => {}
        }
    }

    fn hear(&mut self, now: u64, messages: &[ServerMessage]) {
        let mut frame = codec::frame();
        messages.iter().for_each(|message| codec::push(&mut frame, message));
        self.feed(now, Input::SocketMessage(frame));
    }

    fn member(&self, with_card: bool) -> Member {
        let join = self.join.as_ref().expect("it has joined");
        let card = join.cards.first().filter(|_| with_card).cloned();
        Member { id: self.id(), epoch: EPOCH, hello: join.hello.clone(), card, given: None }
    }
}

/// Two pages that have met.
pub(crate) struct Pair {
    now: u64,
    pause_ms: u64,
    pages: [Page; 2],
}

impl Pair {
    /// Two pages with a path of this kind between them.
    pub(crate) fn connected(path: Path) -> Self {
        let relay = if path == Path::Direct { RelayMode::Never } else { RelayMode::First };
        let mut pair =
            Self { now: 1, pause_ms: path.pause_ms(), pages: [0, 1].map(|page| Page::new(page, relay)) };
        for page in 0..2 {
            pair.pages[page].feed(pair.now, Input::Start);
            pair.settle();
            pair.welcome(page);
        }
        for _ in 0..100 {
            pair.settle();
            pair.pass();
        }
        if path == Path::Direct {
            for page in &mut pair.pages {
                let connection = page.connection.expect("both cards were handed out");
                page.feed(pair.now, Input::ChannelsOpen(connection));
            }
            pair.settle();
        }
        for (page, other) in [(0, 1), (1, 0)] {
            let other = pair.pages[other].id();
            let told = pair.pages[page].node.path_of(other);
            let expected =
                matches!((path, told), (Path::Direct, PeerPath::Direct(_)) | (Path::Relay, PeerPath::Relay));
            assert!(expected, "a path of the other kind: {told:?}");
        }
        pair
    }

    /// Sends as many messages from the first page to the second in one task, and sees to it that they arrive.
    pub(crate) fn carry(&mut self, payload: &Rc<[u8]>, messages: u64) {
        let [from, to] = &mut self.pages;
        let (before, receiver) = (to.received, to.id());
        for _ in 0..messages {
            let sent = from.node.send(self.now, 0, vec![payload.clone()], Some(receiver), None);
            let sent = sent.expect("the other page is there");
            assert!(!sent.waits, "the other page reads as fast as this one sends");
            from.wants_flush |= sent.flush;
        }
        self.settle();
        assert_eq!(self.pages[1].received - before, messages, "every message arrives at once");
        self.pass();
    }

    /// Lets time go by.
    fn pass(&mut self) {
        self.now += self.pause_ms;
        for page in &mut self.pages {
            if page.node.deadline(self.now).is_some_and(|due| due <= self.now) {
                page.feed(self.now, Input::TimedOut);
            }
        }
    }

    /// Lets in a page that has asked for it. Each is given the card of the other.
    fn welcome(&mut self, page: usize) {
        let others: Vec<_> = (0..page).map(|other| self.pages[other].member(true)).collect();
        let welcome = ServerMessage::Welcome(Welcome {
            id: self.pages[page].id(),
            epoch: EPOCH,
            members: others.try_into().expect("one other at most"),
        });
        // Never too little.
        let policy = ServerMessage::RelayPolicy { bytes_per_second: u32::MAX, burst: u32::MAX };
        self.pages[page].hear(self.now, &[welcome, policy]);
        let joined = self.pages[page].member(true);
        for other in &mut self.pages[..page] {
            other.hear(self.now, &[ServerMessage::Joined(joined.clone())]);
        }
    }

    /// Carries everything over until there is nothing more.
    fn settle(&mut self) {
        let mut more = true;
        while std::mem::take(&mut more) {
            for page in 0..2 {
                let now = self.now;
                let here = &mut self.pages[page];
                if std::mem::take(&mut here.wants_flush) {
                    here.node.flush(now, &mut here.sent);
                    here.act(now);
                }
                while let Some((channel, frame)) = self.pages[page].sent.frames.pop_front() {
                    let there = &mut self.pages[1 - page];
                    let connection = there.connection.expect("there is one at both ends or none");
                    there.wants_flush |= there.node.frame(now, connection, channel, &frame);
                    there.act(now);
                }
                while let Some(message) = self.pages[page].sent.messages.pop_front() {
                    self.serve(page, &message);
                }
                more |= self.pages.iter().any(|page| page.wants_flush);
            }
        }
    }

    /// What the server does with a message. Envelopes are of no use here.
    fn serve(&mut self, page: usize, message: &[u8]) {
        let records = codec::decode(message, limits::MAX_SOCKET_MESSAGE_BYTES).expect("a frame of ours");
        for record in records {
            match record.expect("a message of ours") {
                ClientMessage::Relay { epoch, packet, .. } => {
                    let relayed = ServerMessage::Relayed { from: self.pages[page].id(), epoch, packet };
                    self.pages[1 - page].hear(self.now, &[relayed]);
                }
                ClientMessage::Ping { nonce } => {
                    self.pages[page].hear(self.now, &[ServerMessage::Pong { nonce }]);
                }
                _ => {}
            }
        }
    }
}
