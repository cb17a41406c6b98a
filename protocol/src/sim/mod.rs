//! Whole rooms on a fake clock: real [`Node`]s, a model of the server, and a model of the browsers between them.
//!
//! Every run is decided by its seed. The model keeps what matters for the core: connections that open only when both
//! ends hold each other's description and at least one candidate, that close as seen from the other end a little later,
//! and signals that may be late, lost, doubled or overtaken. Data channels carry frames as SCTP would, paths and sockets
//! can fall silent, and an [application](app) at every peer sends numbered messages and checks what arrives. Used by the
//! tests; nothing here runs in a browser.
//!
//! ```
//! use peerloom_protocol::sim::{Faults, World};
//! let mut world = World::new(7, Faults::default());
//! let (a, b) = (world.join("demo"), world.join("demo"));
//! world.run_for(2_000);
//! assert!(world.connected(a, b));
//! ```

pub mod app;
mod browser;
pub mod exchange;
mod hub;
mod step;
mod wires;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use std::rc::Rc;

use crate::action::{ConnectionId, Event, Input, PeerPath};
use crate::hello::{self, Delivery, Hello};
use crate::id::{PeerId, ResumeToken};
use crate::node::{Config, Node};
use crate::passphrase::Passphrase;
use crate::random::Random;
use crate::session::{Options, PeerStats, RelayMode};
use crate::signal::LeaveReason;
use crate::{limits, timing};

use app::{App, Bytes};
use browser::Browser;
use hub::Hub;
use wires::{Wire, Wires};

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
    /// Packets lost on a direct path: frames of channels that may lose messages, and delays on the others.
    pub frame_loss_percent: u64,
    /// How many bytes per second the server passes on for each peer; 0 when none. For servers started later.
    pub relay_rate: u32,
    /// Packets that the server does not pass on, and says so.
    pub throttle_percent: u64,
    /// Packets that it does not pass on, and says nothing.
    pub relay_loss_percent: u64,
    /// Packets that it passes on twice.
    pub relay_replay_percent: u64,
    /// Whether members may send others away.
    pub kicks: bool,
}

impl Faults {
    /// None: everything arrives, a little later.
    pub const NONE: Self = Self {
        delay_ms: (25, 25),
        loss_percent: 0,
        duplicate_percent: 0,
        path: true,
        throw_percent: 0,
        frame_loss_percent: 0,
        relay_rate: 128 * 1024,
        throttle_percent: 0,
        relay_loss_percent: 0,
        relay_replay_percent: 0,
        kicks: true,
    };
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
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
    /// A WebSocket request that its page has given up arrives all the same.
    Stray(u32, Vec<String>),
    /// The server learns that the peer closed a socket.
    SocketClosed(usize, u32, LeaveReason),
    Connect(ConnectionKey, ConnectionKey),
    /// The browsers of two peers look whether there is a way between them.
    Look(usize, usize),
    /// The next frame of a data channel arrives at this end.
    Frame(ConnectionKey, u16, u64),
    /// The same frame leaves the other end.
    Sent(ConnectionKey, u16, u64),
    /// A data channel's buffer at this peer has drained.
    Drained(usize),
    /// The application at this peer does something.
    Act(usize),
}

type ConnectionKey = (usize, ConnectionId);

#[derive(Debug)]
struct Peer {
    /// None while it is lent to a flush.
    node: Option<Node<Rc<[u8]>, Bytes>>,
    alive: bool,
    /// Its room is over.
    pub(super) ended: bool,
    /// How far its clock is ahead of the world's.
    pub(super) ahead_ms: u64,
    /// The page is stopped: nothing reaches it, and its timers do not run.
    frozen: bool,
    socket: Option<u32>,
    /// Nothing passes between this peer and the server, and neither notices.
    socket_dead: bool,
    /// When the last notice arrives: none overtakes another.
    notices_until: u64,
    /// The same for what it sends.
    requests_until: u64,
    /// What waits for the socket or the page to live again.
    held: Vec<Happening>,
    kept_token: Option<ResumeToken>,
    passphrase: Option<Passphrase>,
    events: Vec<(u64, Event)>,
    app: App,
}

fn new_hub(faults: &Faults, random: &mut Random) -> Hub {
    Hub::new(random.next_u64() as u32, *faults)
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
    wires: Wires,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: std::collections::BTreeMap<u64, Happening>,
    serial: u64,
    sockets: u32,
    /// Packets that servers before this one passed on.
    relayed_before: u64,
    quiet_frames: u64,
    quiet_acts: u64,
    /// How applications that join from now on give tokens. Without it they give none.
    pub tokens: Option<Tokens>,
    /// The secret of rooms that are entered from now on.
    pub secret: Option<String>,
    /// The passphrase of the room, as whoever enters next was given it.
    pub passphrase: Option<String>,
    /// Prints what applications are told, as it happens.
    pub trace: bool,
}

/// How an application gives admission tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How long it takes; with None it never does.
    pub after_ms: Option<u64>,
    /// How long the token is, if there is one.
    pub len: Option<usize>,
}

impl World {
    /// A world with a running server and nobody in it.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: 0,
            faults,
            hub: Some(new_hub(&faults, &mut random)),
            random,
            peers: Vec::new(),
            browser: Browser::default(),
            wires: Wires::default(),
            queue: BinaryHeap::new(),
            happenings: Default::default(),
            serial: 0,
            sockets: 0,
            relayed_before: 0,
            quiet_frames: 0,
            quiet_acts: 0,
            tokens: None,
            secret: None,
            passphrase: None,
            trace: false,
        }
    }

    /// A peer that joins `room` now, with one channel "chat"; gives its index.
    pub fn join(&mut self, room: &str) -> usize {
        self.join_with(room, "chat")
    }

    /// A peer that joins `room` now with one ordered channel of this label.
    pub fn join_with(&mut self, room: &str, label: &str) -> usize {
        self.enter(
            room,
            &[(label, Delivery::Ordered)],
            Options { relay: RelayMode::Never, ..Options::default() },
        )
    }

    /// A peer that joins `room` now with these channels, sorted by label.
    pub fn enter(&mut self, room: &str, channels: &[(&str, Delivery)], options: Options) -> usize {
        self.enter_again(room, channels, options, None)
    }

    /// The same, with what an earlier page kept.
    pub fn enter_again(
        &mut self,
        room: &str,
        channels: &[(&str, Delivery)],
        options: Options,
        resume: Option<ResumeToken>,
    ) -> usize {
        let deliveries: Vec<_> = channels.iter().map(|(_, delivery)| *delivery).collect();
        let specs =
            channels.iter().map(|(label, delivery)| ((*label).to_owned(), *delivery, "json".to_owned()));
        // And a method.
        let method = ("~".to_owned(), Delivery::Ordered, hello::CALLS.to_owned());
        let hello = Hello::new(specs.chain([method]), "").expect("fixed labels");
        let mut entropy = [0; 32];
        entropy
            .chunks_exact_mut(8)
            .for_each(|part| part.copy_from_slice(&self.random.next_u64().to_le_bytes()));
        let room = room.to_owned();
        let join_timeout_ms = timing::JOIN_MS;
        let gives_tokens = self.tokens.is_some();
        let secret = self.secret.clone();
        let passphrase = self.passphrase.as_ref().map(|text| {
            let mut number = [0; 64];
            number[..32].copy_from_slice(&entropy);
            Passphrase::new(text, &room, &number).expect("of a fit length")
        });
        let share = passphrase.as_ref().map(Passphrase::share);
        let config =
            Config { room, secret, share, hello, join_timeout_ms, resume, gives_tokens, options, entropy };
        let node = Node::new(config).expect("a fixed room name");
        self.peers.push(Peer {
            node: Some(node),
            alive: true,
            ended: false,
            ahead_ms: 0,
            frozen: false,
            socket: None,
            socket_dead: false,
            notices_until: 0,
            requests_until: 0,
            held: Vec::new(),
            kept_token: None,
            passphrase,
            events: Vec::new(),
            app: App::new(deliveries, options.window, self.random.next_u64()),
        });
        let peer = self.peers.len() - 1;
        self.input(peer, Input::Start);
        peer
    }

    /// What the peer's page would keep for a reload.
    pub fn token(&self, peer: usize) -> Option<ResumeToken> {
        self.peers[peer].kept_token
    }

    /// The token that each join brought to the server, in the order they came.
    pub fn tokens_brought(&self) -> Vec<Option<String>> {
        self.hub.as_ref().map(|hub| hub.tokens.clone()).unwrap_or_default()
    }

    /// The application at a peer, to give it something to do.
    pub fn app(&mut self, peer: usize) -> &mut App {
        &mut self.peers[peer].app
    }

    /// How messages from one peer to another go now, as its application was told.
    pub fn path(&self, peer: usize, other: PeerId) -> PeerPath {
        let told = self.peers[peer].events.iter().rev().find_map(|(_, event)| match event {
            Event::PeerPath(id, path) if *id == other => Some(*path),
            _ => None,
        });
        told.unwrap_or(PeerPath::Connecting)
    }

    /// The peer's id, once in the room.
    pub fn id(&self, peer: usize) -> Option<PeerId> {
        self.peers[peer].node.as_ref()?.id()
    }

    /// Everything this peer's application was told, with the time.
    pub fn events(&self, peer: usize) -> &[(u64, Event)] {
        &self.peers[peer].events
    }

    /// Whether the application of `to` has everything that `from` sent since they met, unless one of them was told that
    /// the other left.
    ///
    /// # Errors
    /// What is missing.
    pub fn has_all(&self, from: usize, to: usize) -> Result<(), String> {
        let (Some(from_id), Some(to_id)) = (self.id(from), self.id(to)) else {
            return Err("not in the room".into());
        };
        self.peers[to].app.has_all_of(&self.peers[from].app, from_id, to_id)
    }

    /// The application at a peer wants a code to compare with another; gives whether that one is here.
    pub fn compare(&mut self, peer: usize, other: PeerId) -> bool {
        let now = self.clock(peer);
        let known = self.node(peer).compare(now, other);
        self.finish_task(peer);
        known
    }

    /// Everything about a peer's node, for a failed run.
    pub fn describe(&self, peer: usize) -> String {
        format!("{:#?}", self.peers[peer].node)
    }

    /// Milliseconds since the world began.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        if let Some(hub) = &mut self.hub {
            hub.faults = faults;
        }
    }

    /// Whether two peers hold the two ends of an open connection.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.browser.open_between(a, b) > 0
    }

    /// How many open connections two peers share. More than one and its [lanes](limits::MAX_LANES) is a bug.
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
            Event::PeerPath(id, _) => *id == other,
            Event::PeerConnected(id) | Event::PeerSuspended(id) | Event::PeerResumed(id) => *id == other,
            Event::PeerLeft(id, _) | Event::PeerFailed(id, _) => *id == other,
            _ => false,
        };
        self.peers[peer].events.iter().rev().map(|(_, event)| event).find(about)
    }

    /// The application at a peer sends one message of about this length to everyone; gives the message's number on its
    /// channel. With `confirm_ms` it asks what becomes of it. None when the room takes nothing any more.
    pub fn say(&mut self, peer: usize, channel: usize, len: usize, confirm_ms: Option<u64>) -> Option<u64> {
        let (now, clock) = (self.now, self.clock(peer));
        let Peer { app, node: Some(node), .. } = &mut self.peers[peer] else { return None };
        let said = app.say(now, clock, node, channel, len, confirm_ms);
        self.finish_act(peer);
        said
    }

    /// The application at a peer begins to talk now, not only when it is let into the room.
    pub fn start_talking(&mut self, peer: usize) {
        self.after(1, Happening::Act(peer));
    }

    /// Counts of one peer's session with another.
    pub fn stats(&self, peer: usize, other: PeerId) -> PeerStats {
        self.peers[peer].node.as_ref().map_or(PeerStats::default(), |node| node.peer_stats(other))
    }

    /// Packets that servers have passed on.
    pub fn relayed(&self) -> u64 {
        self.relayed_before + self.hub.as_ref().map_or(0, |hub| hub.relayed)
    }

    /// Frames that a node had no answer to.
    pub fn quiet_frames(&self) -> u64 {
        self.quiet_frames
    }

    /// How often an application did something, and nothing was to be sent of it.
    pub fn quiet_acts(&self) -> u64 {
        self.quiet_acts
    }

    /// The peer's clock leaps ahead, as when a machine wakes up.
    pub fn jump_clock(&mut self, peer: usize, ms: u64) {
        self.peers[peer].ahead_ms += ms;
    }

    fn clock(&self, peer: usize) -> u64 {
        self.now + self.peers[peer].ahead_ms
    }

    /// The server dies; every socket closes.
    pub fn kill_server(&mut self) {
        self.relayed_before = self.relayed();
        self.hub = None;
        for peer in 0..self.peers.len() {
            if let Some(socket) = self.peers[peer].socket {
                self.after(1, Happening::SocketGone(peer, socket));
            }
        }
    }

    /// A new server that remembers nothing.
    pub fn start_server(&mut self) {
        self.hub = Some(new_hub(&self.faults, &mut self.random));
    }

    /// The peer says goodbye.
    pub fn leave(&mut self, peer: usize) {
        self.input(peer, Input::Leave);
    }

    /// The peer dies without a word.
    pub fn crash(&mut self, peer: usize) {
        self.peers[peer].alive = false;
        self.drop_socket(peer, LeaveReason::Lost);
        self.browser.crash(peer);
    }

    /// Whether the peer's socket carries anything. It stays open at both ends.
    pub fn set_socket_dead(&mut self, peer: usize, dead: bool) {
        self.peers[peer].socket_dead = dead;
        self.release(peer);
    }

    /// Whether the peer's page runs. While it does not, nothing reaches it and no timer of it runs.
    pub fn set_frozen(&mut self, peer: usize, frozen: bool) {
        self.peers[peer].frozen = frozen;
        self.peers[peer].app.may_be_late |= frozen;
        self.release(peer);
    }

    /// Whether the direct path between two peers carries anything. Connections stay open.
    pub fn set_silent(&mut self, a: usize, b: usize, silent: bool) {
        self.wires.set_silent(self.now, a, b, silent);
        if silent {
            self.after(browser::PATIENCE_MS, Happening::Look(a, b));
        }
        self.look(a, b);
    }

    /// Whether there is a way between two peers, as their browsers see it now.
    fn look(&mut self, a: usize, b: usize) {
        let silent_since = self.wires.silent_since(a, b);
        for (key, works) in self.browser.look(self.now, (a, b), silent_since) {
            let input = if works { Input::ConnectionWorks } else { Input::ConnectionFailed };
            self.after(1, Happening::Input(key.0, input(key.1)));
        }
        if silent_since.is_none() && self.browser.have_way(a, b) {
            for (key, channel, serial) in self.wires.release(a, b) {
                self.after(1, Happening::Frame(key, channel, serial));
            }
        }
    }

    /// Feeds any input to a peer.
    pub fn feed(&mut self, peer: usize, input: Input) {
        self.input(peer, input);
    }

    fn release(&mut self, peer: usize) {
        let Peer { held, frozen, socket_dead, .. } = &mut self.peers[peer];
        if !*frozen && !*socket_dead {
            for happening in std::mem::take(held) {
                // At once, so that nothing sent later overtakes it.
                self.after(0, happening);
            }
        }
    }

    /// Every open connection between two peers breaks, as ICE would find after a while.
    pub fn cut(&mut self, a: usize, b: usize) {
        let ends = self.browser.ends_between(a, b);
        self.part(ends.concat());
    }

    /// The first connection between two peers breaks.
    pub fn cut_first(&mut self, a: usize, b: usize) {
        let ends = self.browser.ends_between(a, b);
        self.part(ends.first().copied().into_iter().flatten().collect());
    }

    /// The one that was made last breaks.
    pub fn cut_last(&mut self, a: usize, b: usize) {
        let ends = self.browser.ends_between(a, b);
        self.part(ends.last().copied().into_iter().flatten().collect());
    }

    fn part(&mut self, ends: Vec<ConnectionKey>) {
        self.browser.part(&ends);
        for (peer, connection) in ends {
            self.close_wires((peer, connection));
            self.input(peer, Input::ConnectionLost(connection));
        }
    }

    /// The connection between two peers that was made last carries nothing any more, and neither end is told.
    pub fn mute_last(&mut self, a: usize, b: usize) {
        if let Some(ends) = self.browser.ends_between(a, b).pop() {
            self.wires.mute(&ends);
        }
    }

    /// Lets the given time pass. Panics when two peers share more connections than they may, when a peer hoards them or messages, when
    /// an application gets a message twice, out of order or not at all, or when timers run without end.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        let mut idle = 0;
        loop {
            let before = self.now;
            let happening = self.queue.peek().map(|Reverse((at, serial))| (*at, *serial));
            let wake = self.peers.iter().enumerate().filter(|(_, p)| p.alive && !p.frozen);
            let deadline = |p: &Peer| {
                let at = p.node.as_ref()?.deadline(self.now + p.ahead_ms)?;
                Some(at.saturating_sub(p.ahead_ms))
            };
            let wake = wake.filter_map(|(i, p)| Some((deadline(p)?, i))).min();
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
            idle = if self.now > before { 0 } else { idle + 1 };
            assert!(idle < 100_000, "something happens without end at {} ms", self.now);
            self.check();
        }
        self.now = end;
    }

    fn check(&self) {
        let here = |peer: &usize| self.peers[*peer].alive && !self.peers[*peer].ended;
        let here: Vec<_> = (0..self.peers.len()).filter(here).collect();
        for (count, &a) in here.iter().enumerate() {
            for &b in &here[..count] {
                let count = self.browser.open_between(a, b);
                assert!(
                    count <= 1 + limits::MAX_LANES,
                    "peers {a} and {b} share {count} connections at {} ms",
                    self.now
                );
            }
            let most = self.peers[a].app.known() * (1 + limits::MAX_LANES) + 4;
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
        if !self.peers[peer].alive || self.peers[peer].frozen {
            return;
        }
        let now = self.clock(peer);
        self.node(peer).handle(now, input);
        self.finish_task(peer);
    }

    /// What a driver does at the end of a task: carries out, flushes, carries out.
    fn finish_task(&mut self, peer: usize) {
        self.carry_out(peer);
        let mut wire = Wire::new(self, peer);
        wire.flush();
        self.carry_out(peer);
    }

    /// The same, when it was the application that did something.
    fn finish_act(&mut self, peer: usize) {
        if self.peers[peer].app.take_flush() {
            self.finish_task(peer);
        } else {
            self.quiet_acts += 1;
            self.carry_out(peer);
        }
    }

    fn carry_out(&mut self, peer: usize) {
        while let Some(action) = self.node(peer).poll_action() {
            self.act(peer, action);
        }
    }

    fn node(&mut self, peer: usize) -> &mut Node<Rc<[u8]>, Bytes> {
        self.peers[peer].node.as_mut().expect("lent only for the length of a flush")
    }
}
