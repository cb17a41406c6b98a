//! Whole rooms on a fake clock: real [`Room`]s, a model of the server, and a model of the browsers between them.
//!
//! Every run is decided by its seed. The model keeps what matters for the core: connections that open only when both
//! ends hold each other's description and at least one candidate, that close as seen from the other end a little later,
//! and signals that may be late, lost, doubled or overtaken. Used by the tests; nothing here runs in a browser.
//!
//! ```
//! use peerloom_protocol::sim::{Faults, World};
//! let mut world = World::new(7, Faults::default());
//! let (a, b) = (world.join("demo"), world.join("demo"));
//! world.run_for(2_000);
//! assert!(world.connected(a, b));
//! ```

mod browser;
mod hub;
mod step;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::action::{ConnectionId, Event, Input};
use crate::hello::{Delivery, Hello};
use crate::id::PeerId;
use crate::random::Random;
use crate::room::{Config, Room};
use crate::timing;

use browser::Browser;
use hub::Hub;

/// What goes wrong between the peers. Percentages are per message.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Shortest and longest way from a peer to the server or back. Differing bounds reorder signals.
    pub delay_ms: (u64, u64),
    /// Signals lost on the way.
    pub loss_percent: u64,
    /// Signals delivered twice.
    pub duplicate_percent: u64,
    /// Whether a direct path exists at all.
    pub path: bool,
    /// Set-up steps of a connection that throw.
    pub throw_percent: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { delay_ms: (25, 25), loss_percent: 0, duplicate_percent: 0, path: true, throw_percent: 0 }
    }
}

#[derive(Debug)]
enum Happening {
    Input(usize, Input),
    /// Only if the peer's socket is still this one.
    FromServer(usize, u32, Vec<u8>),
    SocketOpened(usize, u32),
    SocketGone(usize, u32),
    ToServer(usize, u32, Vec<u8>),
    SocketRequest(usize, u32, Vec<String>),
    Connect(ConnectionKey, ConnectionKey),
    Control(usize, ConnectionId, Vec<u8>),
}

type ConnectionKey = (usize, ConnectionId);

#[derive(Debug)]
struct Peer {
    room: Room,
    alive: bool,
    socket: Option<u32>,
    /// When the last notice arrives: none overtakes another.
    notices_until: u64,
    events: Vec<(u64, Event)>,
}

/// A server, some peers, and the time.
#[derive(Debug)]
pub struct World {
    now: u64,
    faults: Faults,
    random: Random,
    peers: Vec<Peer>,
    hub: Option<Hub>,
    browser: Browser,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: std::collections::BTreeMap<u64, Happening>,
    serial: u64,
    sockets: u32,
}

impl World {
    /// A world with a running server and nobody in it.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: 0,
            faults,
            hub: Some(Hub::new(random.next_u64() as u32)),
            random,
            peers: Vec::new(),
            browser: Browser::default(),
            queue: BinaryHeap::new(),
            happenings: Default::default(),
            serial: 0,
            sockets: 0,
        }
    }

    /// A peer that joins `room` now, with one channel "chat"; gives its index.
    pub fn join(&mut self, room: &str) -> usize {
        self.join_with(room, "chat")
    }

    /// A peer that joins `room` now with one ordered channel of this label.
    pub fn join_with(&mut self, room: &str, label: &str) -> usize {
        let channels = [(label.to_owned(), Delivery::Ordered, "json".to_owned())];
        let hello = Hello::new(channels, "").expect("a fixed label");
        let config = Config { room: room.to_owned(), hello, join_timeout_ms: timing::JOIN_MS };
        let room = Room::new(config, self.random.next_u64()).expect("a fixed room name");
        self.peers.push(Peer { room, alive: true, socket: None, notices_until: 0, events: Vec::new() });
        let peer = self.peers.len() - 1;
        self.input(peer, Input::Start);
        peer
    }

    /// The peer's id, once in the room.
    pub fn id(&self, peer: usize) -> Option<PeerId> {
        self.peers[peer].room.id()
    }

    /// Everything this peer's application was told, with the time.
    pub fn events(&self, peer: usize) -> &[(u64, Event)] {
        &self.peers[peer].events
    }

    /// Milliseconds since the world began.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Whether both ends hold the two ends of one open connection.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.browser.open_between(a, b) == 1
    }

    /// How many open connections two peers share. More than one is a bug.
    pub fn connections_between(&self, a: usize, b: usize) -> usize {
        self.browser.open_between(a, b)
    }

    /// RTCPeerConnections this peer holds, warm ones included.
    pub fn live_connections(&self, peer: usize) -> usize {
        self.browser.live(peer)
    }

    /// The last thing that was said about `other` at `peer`.
    pub fn last_event(&self, peer: usize, other: PeerId) -> Option<&Event> {
        let about = |event: &&Event| match event {
            Event::PeerJoined { id, .. } => *id == other,
            Event::PeerConnected(id, _) | Event::PeerSuspended(id) => *id == other,
            Event::PeerLeft(id, _) | Event::PeerFailed(id, _) => *id == other,
            _ => false,
        };
        self.peers[peer].events.iter().rev().map(|(_, event)| event).find(about)
    }

    /// The server dies; every socket closes.
    pub fn kill_server(&mut self) {
        self.hub = None;
        for peer in 0..self.peers.len() {
            if let Some(socket) = self.peers[peer].socket {
                self.after(1, Happening::SocketGone(peer, socket));
            }
        }
    }

    /// A new server that remembers nothing.
    pub fn start_server(&mut self) {
        self.hub = Some(Hub::new(self.random.next_u64() as u32));
    }

    /// The peer says goodbye.
    pub fn leave(&mut self, peer: usize) {
        self.input(peer, Input::Leave);
    }

    /// The peer dies without a word.
    pub fn crash(&mut self, peer: usize) {
        self.peers[peer].alive = false;
        self.drop_socket(peer);
        self.browser.crash(peer);
    }

    /// Every open connection between two peers breaks, as ICE would find after a while.
    pub fn cut(&mut self, a: usize, b: usize) {
        for (peer, connection) in self.browser.cut(a, b) {
            self.input(peer, Input::ConnectionLost(connection));
        }
    }

    /// Lets the given time pass. Panics when two peers share two connections, or a peer hoards them.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let happening = self.queue.peek().map(|Reverse((at, serial))| (*at, *serial));
            let wake = self.peers.iter().enumerate().filter(|(_, p)| p.alive);
            let wake = wake.filter_map(|(i, p)| Some((p.room.deadline()?, i))).min();
            match (happening, wake) {
                (Some((at, serial)), wake) if at <= end && wake.is_none_or(|(w, _)| at <= w) => {
                    self.queue.pop();
                    self.now = at.max(self.now);
                    if let Some(happening) = self.happenings.remove(&serial) {
                        self.happen(happening);
                    }
                }
                (_, Some((at, peer))) if at <= end => {
                    self.now = at.max(self.now);
                    self.input(peer, Input::TimedOut);
                }
                _ => break,
            }
            self.check();
        }
        self.now = end;
    }

    fn check(&self) {
        for a in 0..self.peers.len() {
            for b in 0..a {
                let count = self.browser.open_between(a, b);
                assert!(count <= 1, "peers {a} and {b} share {count} connections at {} ms", self.now);
            }
            let most = self.peers.len() - 1 + 4;
            let live = self.browser.live(a);
            assert!(live <= most, "peer {a} holds {live} connections at {} ms", self.now);
        }
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.serial += 1;
        self.queue.push(Reverse((self.now + ms, self.serial)));
        self.happenings.insert(self.serial, happening);
    }

    fn delay(&mut self) -> u64 {
        let (least, most) = self.faults.delay_ms;
        least + self.random.below(most - least + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn input(&mut self, peer: usize, input: Input) {
        if !self.peers[peer].alive {
            return;
        }
        self.peers[peer].room.handle(self.now, input);
        while let Some(action) = self.peers[peer].room.poll_action() {
            self.act(peer, action);
        }
    }
}
