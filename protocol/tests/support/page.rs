//! A page without a browser, which is told by hand what a server would say, and others in its room.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::VecDeque;
use std::rc::Rc;

use peerloom_protocol::action::{Action, Command, Event, Input};
use peerloom_protocol::codec;
use peerloom_protocol::hello::{Delivery, Hello, SessionHello};
use peerloom_protocol::ice::IceServer;
use peerloom_protocol::id::{PeerId, ResumeToken, ReturnSecret};
use peerloom_protocol::identity::{self, Identity, Signed, Verdict};
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::session::Options;
use peerloom_protocol::signal::{ClientMessage, Join, Member, ServerMessage, Welcome, read_early_join};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::timing;

pub(crate) const OFFER: &str = include_str!("../fixtures/chromium-156-offer-addresses.sdp");

pub(crate) fn channels() -> Hello {
    Hello::new([("chat".to_owned(), Delivery::Ordered, "json".to_owned())], r#""Ada""#).unwrap()
}

pub(crate) fn config() -> Config {
    Config {
        share: None,
        room: "demo".to_owned(),
        secret: None,
        hello: channels(),
        join_timeout_ms: timing::JOIN_MS,
        resume: None,
        gives_tokens: false,
        options: Options::default(),
        entropy: [3; 32],
    }
}

/// A page that does what it is told, and keeps what the core wants done.
pub(crate) struct Page {
    pub(crate) node: Node<Rc<[u8]>, Bytes>,
    /// What its clock shows.
    pub(crate) now: u64,
    pub(crate) join: Option<Join>,
    pub(crate) events: Vec<Event>,
    /// Signatures to check, which wait here when they are not answered at once.
    pub(crate) checks: VecDeque<(u32, Signed, Vec<u8>)>,
    /// The metadata that came with each of those.
    pub(crate) metadata: Vec<String>,
    pub(crate) answers: bool,
    /// Connections made so far, and closed.
    pub(crate) connections: u32,
    pub(crate) closed: u32,
    /// Those made before it asked for the last socket.
    pub(crate) made_before_socket: u32,
    /// It opened another socket, in which the join is the first message.
    pub(crate) came_back: bool,
    /// Envelopes that it has had passed on.
    pub(crate) signals: u32,
    /// What it has sent to the server since it joined.
    pub(crate) said: Vec<ClientMessage>,
    /// The STUN and TURN servers for its connections, if it was told any.
    pub(crate) ice_servers: Option<Vec<IceServer>>,
    /// Answers that connections were given.
    pub(crate) answered: u32,
}

impl Page {
    pub(crate) fn new(resume: Option<ResumeToken>) -> Self {
        Self::with(Config { resume, ..config() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut page = Self {
            node: Node::new(config).unwrap(),
            now: 1_000,
            join: None,
            events: Vec::new(),
            checks: VecDeque::new(),
            metadata: Vec::new(),
            answers: true,
            connections: 0,
            closed: 0,
            made_before_socket: 0,
            came_back: false,
            signals: 0,
            answered: 0,
            said: Vec::new(),
            ice_servers: None,
        };
        page.feed(Input::Start);
        page
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.node.handle(self.now, input);
            while let Some(action) = self.node.poll_action() {
                match action {
                    Action::Notify(event) => self.events.push(event),
                    Action::Do(command) => self.carry_out(command, &mut inputs),
                    _ => {}
                }
            }
        }
    }

    pub(crate) fn carry_out(&mut self, command: Command, inputs: &mut VecDeque<Input>) {
        match command {
            Command::OpenConnection(id, _) => {
                self.connections += 1;
                inputs.push_back(Input::LocalDescription(id, OFFER.to_owned()));
                inputs.push_back(Input::GatheringComplete(id));
            }
            Command::SetIceServers(servers) => self.ice_servers = Some(servers),
            Command::CloseConnection(_) => self.closed += 1,
            Command::SetAnswer(..) => self.answered += 1,
            Command::SendSocket(message) => {
                let said: Vec<_> = codec::decode(&message, message.len()).unwrap().flatten().collect();
                self.signals +=
                    said.iter().filter(|said| matches!(said, ClientMessage::Signal { .. })).count() as u32;
                let pings = said.iter().filter_map(|said| match said {
                    ClientMessage::Ping { nonce } => Some(ServerMessage::Pong { nonce: *nonce }),
                    _ => None,
                });
                inputs.extend(pings.map(|pong| Input::SocketMessage(codec::encode(&pong))));
                self.said.extend(said);
            }
            Command::OpenSocket { subprotocols } => {
                self.made_before_socket = self.connections;
                let early = subprotocols.iter().find_map(|text| read_early_join(text));
                self.came_back = early.is_none();
                if let Some(join) = early {
                    self.join = Some(join.unwrap());
                }
            }
            Command::Sign { number, seed, message } => {
                inputs.push_back(Input::Signed(number, Some(identity::sign(&seed, &message))));
            }
            Command::Check { number, signed, message, .. } if self.answers => {
                inputs.push_back(Input::Checked(number, Verdict::of(&signed, &message)));
            }
            Command::Check { number, signed, message, metadata, .. } => {
                self.checks.push_back((number, signed, message));
                self.metadata.push(metadata);
            }
            _ => {}
        }
    }

    /// Lets so much time pass, as its timer would.
    pub(crate) fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.node.deadline(self.now).filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.feed(Input::TimedOut);
        }
        self.now = until;
    }

    pub(crate) fn hear(&mut self, message: &ServerMessage) {
        self.feed(Input::SocketMessage(codec::encode(message)));
    }

    pub(crate) fn id(&self) -> PeerId {
        let join = self.join.as_ref().unwrap();
        PeerId::of(&join.key, &join.secret.hash())
    }

    pub(crate) fn welcome(&mut self, members: Vec<Member>) {
        let welcome = Welcome { id: self.id(), epoch: 1, members: members.try_into().unwrap() };
        self.hear(&ServerMessage::Welcome(welcome));
    }

    /// Why there is no connection with each peer that there is none with.
    pub(crate) fn failures(&self) -> Vec<(PeerId, &'static str)> {
        let failed = self.events.iter().filter_map(|event| match event {
            Event::PeerFailed(id, error) => Some((*id, error.code())),
            _ => None,
        });
        failed.collect()
    }
}

/// Somebody else in the room, as an honest server would describe it.
pub(crate) struct Other {
    pub(crate) seed: [u8; 32],
    pub(crate) secret: ReturnSecret,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) hello: Hello,
}

impl Other {
    pub(crate) fn new(byte: u8) -> Self {
        let session = SessionHello { page: [byte; 8], key: [9; 32], window: 1 << 20, relay: true };
        let hello = Hello { session: Some(session), ..channels() };
        Self { seed: [byte; 32], secret: ReturnSecret([byte; 32]), fingerprint: [7; 32], hello }
    }

    pub(crate) fn identity(&self, room: &str) -> Identity {
        let (fingerprint, secret_hash) = (self.fingerprint, self.secret.hash());
        let statement = identity::statement(room, &fingerprint, &secret_hash, &self.hello.encode_unsigned());
        let Signed { key, signature } = identity::sign(&self.seed, &statement);
        Identity { fingerprint, key, secret_hash, signature }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.identity("demo").id()
    }

    pub(crate) fn hello(&self) -> Vec<u8> {
        Hello { identity: Some(self.identity("demo")), ..self.hello.clone() }.encode()
    }

    pub(crate) fn listed(&self) -> Member {
        self.with(self.hello())
    }

    pub(crate) fn with(&self, hello: Vec<u8>) -> Member {
        Member { id: self.id(), epoch: 2, hello: hello.try_into().unwrap(), card: None, given: None }
    }
}
