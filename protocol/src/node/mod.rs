//! One page in one room: the room itself, and a session with everyone in it.
//!
//! The driver owns one `Node` and does what it says. `P` is how it keeps messages that go out, `B` how it keeps bytes
//! that come in. Besides the contract of [`crate::action`]:
//! - a data-channel message goes to [`Node::frame`];
//! - at the end of every task in which anything was fed or sent, and whenever a data channel's buffer has drained,
//!   the driver calls [`Node::flush`] and carries out the actions that follow. What is sent in one task so leaves
//!   together.

mod exchange;
mod pace;
mod sends;

use std::collections::VecDeque;

use crate::action::{Action, Command, ConnectionId, Event, Input, PeerPath};
use crate::attempts::{Attempt, Joining};
use crate::budget::Budget;
use crate::channel::{Payload, Via};
use crate::failure::{LinkError, RoomError};
use crate::hello::{Delivery, SessionHello};
use crate::id::PeerId;
use crate::limits;
use crate::random::Random;
use crate::room::{Notice, Room};
use crate::seal;
use crate::session::{Buffer, EARLY_COST, Listing, Output, PeerStats, Session, Transport, Verdict};
use crate::signal::LeaveReason;
use crate::sorted_map::SortedMap;
use crate::timing;

pub use crate::room::Config;
use exchange::{Exchange, Parcel};
use pace::Pace;
use sends::Sends;
pub use sends::Sent;

/// Where the end of a node stands.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// What was sent is waited for, until then.
    Lingering(u64),
    /// Goodbyes go out at the next flush; then the room is left.
    Goodbye,
    /// The same, but the page may come back.
    Parking,
    /// The page is put aside.
    Parked,
    Left,
}

/// A member, as the application was told of it.
#[derive(Debug)]
struct Peer<P, B> {
    /// None when its protocol does not fit ours.
    session: Option<Session<Parcel<P>, B>>,
    exchange: Exchange<P>,
    metadata: String,
    window: u32,
    told: PeerPath,
    /// There is no path and none is in sight: nothing is kept for it.
    unreachable: bool,
    /// The application waits for a code to compare.
    wants_code: bool,
    /// Sessions that it begins anew.
    restarts: Budget,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Node<P, B> {
    room: Room,
    peers: SortedMap<PeerId, Peer<P, B>>,
    deliveries: Vec<Delivery>,
    /// The newest value sent to all on each latest channel, for peers that come later.
    latest: Vec<Option<P>>,
    sends: Sends<P>,
    /// How fast the server lets us send through it; None while it does not.
    pace: Option<Pace>,
    relay_ready_at: Option<u64>,
    server_checked_at: u64,
    random: Random,
    ending: Ending,
    /// The last input, and what the deadline was after it: a timer far behind it shows that the page was frozen.
    last_input: u64,
    due: Option<u64>,
    /// Messages of connections whose channels are not all open here.
    early: Vec<(ConnectionId, u16, B)>,
    early_bytes: usize,
    frame: Vec<u8>,
    actions: VecDeque<Action<B>>,
}

impl<P: Payload, B: Buffer> Node<P, B> {
    /// A node that does nothing until [`Input::Start`].
    ///
    /// # Errors
    /// `bad-room` when the room's name is empty, over 128 bytes, or holds control characters.
    pub fn new(config: Config) -> Result<Self, RoomError> {
        let deliveries: Vec<_> = config.hello.data_channels().map(|spec| spec.delivery).collect();
        let mut seed = [0; 8];
        seed.copy_from_slice(&seal::derive(&config.entropy, "sessions", 0)[..8]);
        Ok(Self {
            room: Room::new(config)?,
            peers: SortedMap::default(),
            latest: deliveries.iter().map(|_| None).collect(),
            sends: Sends::new(deliveries.len()),
            deliveries,
            pace: None,
            relay_ready_at: None,
            server_checked_at: 0,
            random: Random::new(u64::from_le_bytes(seed)),
            ending: Ending::No,
            last_input: 0,
            due: None,
            early: Vec::new(),
            early_bytes: 0,
            frame: Vec::with_capacity(limits::MAX_FRAME_BYTES),
            actions: VecDeque::new(),
        })
    }

    /// Our id, once let in.
    pub fn id(&self) -> Option<PeerId> {
        self.room.id()
    }

    /// The next thing to do. See [`crate::action`].
    pub fn poll_action(&mut self) -> Option<Action<B>> {
        self.actions.pop_front()
    }

    /// When to feed [`Input::TimedOut`], in the same clock as `now`.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        if self.ending == Ending::Goodbye {
            // It may have become due at the end of a flush, and goes out with the next.
            return Some(now);
        }
        if self.is_over() {
            return self.room.deadline();
        }
        let sessions = self.peers.values().filter_map(|peer| peer.session.as_ref()?.deadline(now)).min();
        let calls = self.peers.values().filter_map(|peer| peer.exchange.deadline()).min();
        let linger = if let Ending::Lingering(until) = self.ending { Some(until) } else { None };
        timing::earliest(&[
            self.room.deadline(),
            sessions,
            calls,
            self.sends.deadline(),
            self.relay_ready_at,
            linger,
        ])
    }

    /// Feeds one input. `now` is in milliseconds on any clock that never goes back.
    pub fn handle(&mut self, now: u64, input: Input) {
        self.wake_up(now);
        match input {
            Input::Leave if self.ending == Ending::No => {
                self.ending = Ending::Lingering(now + timing::LINGER_MS);
                self.sessions().for_each(Session::hurry);
            }
            Input::Unload if self.ending != Ending::Parked => self.say_bye(Ending::Goodbye),
            Input::Suspend if self.ending == Ending::No => self.say_bye(Ending::Parking),
            Input::Resume if self.ending == Ending::Parked => {
                self.ending = Ending::No;
                self.room.start_over(now);
            }
            Input::Leave | Input::Suspend | Input::Resume => {}
            Input::Unload => self.room.handle(now, Input::Leave),
            Input::Online => {
                self.sessions().for_each(|s| s.probe(now));
                self.room.handle(now, Input::Online);
            }
            other => self.room.handle(now, other),
        }
        self.pump(now);
        self.look(now);
        self.last_input = now;
        self.due = self.deadline(now);
    }

    /// Whether nothing is sent any more.
    fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// Whether the end has begun, so that nothing is waited for.
    fn is_over(&self) -> bool {
        matches!(self.ending, Ending::Goodbye | Ending::Left) || self.room.is_closed()
    }

    fn is_reachable(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| !peer.unreachable && peer.session.is_some())
    }

    /// A page that was frozen or asleep neither heard nor was heard.
    fn wake_up(&mut self, now: u64) {
        let Some(due) = self.due else { return };
        let frozen_ms = now.saturating_sub(due.max(self.last_input));
        if frozen_ms < timing::FROZEN_MS || self.is_ending() {
            return;
        }
        if frozen_ms >= self.room.config().options.peer_timeout_ms {
            self.room.start_over(now);
        } else {
            self.sessions().for_each(|s| s.woke(now));
            self.room.check_server(now);
        }
    }

    /// A message came in on a data channel. Gives whether there is something to [flush](Self::flush): of a long transfer
    /// most frames are answered by nothing.
    #[must_use]
    pub fn frame(&mut self, now: u64, connection: ConnectionId, channel: u16, data: &B) -> bool {
        let senders_wait = self.has_waiting_senders();
        self.wake_up(now);
        let owner = self
            .peers
            .iter_mut()
            .find(|(_, peer)| peer.session.as_ref().is_some_and(|session| session.is_direct(connection)));
        let Some((id, peer)) = owner else {
            self.keep_early(connection, channel, data);
            return true;
        };
        if let Some(session) = &mut peer.session {
            session.direct_frame(now, connection, channel, data);
        }
        self.session_outputs(now, id);
        self.pump(now);
        self.look_at(now, id);
        self.last_input = now;
        // What else a frame of a declared channel can set going is in its own session.
        let is_declared = (1..=self.deliveries.len()).contains(&usize::from(channel));
        let is_quiet = is_declared && !senders_wait && !self.is_ending();
        if !is_quiet || self.session(id).is_none_or(|session| session.wants_flush(now)) {
            return true;
        }
        self.due = self.deadline(now);
        false
    }

    /// The other end's channels were open a moment before all of ours.
    fn keep_early(&mut self, connection: ConnectionId, channel: u16, data: &B) {
        let cost = data.len() + EARLY_COST;
        if self.room.is_in_use(connection) && self.early_bytes + cost <= limits::MAX_EARLY_BYTES {
            self.early_bytes += cost;
            self.early.push((connection, channel, data.clone()));
        }
    }

    /// Takes out what was kept of a connection.
    fn take_early(&mut self, connection: ConnectionId) -> Vec<(ConnectionId, u16, B)> {
        let mut taken = Vec::new();
        for early in std::mem::take(&mut self.early) {
            if early.0 == connection { taken.push(early) } else { self.early.push(early) }
        }
        self.early_bytes = self.early.iter().map(|(_, _, data)| data.len() + EARLY_COST).sum();
        taken
    }

    /// All channels of a connection are open here too.
    fn feed_early(&mut self, now: u64, id: PeerId, connection: ConnectionId) {
        for (_, channel, data) in self.take_early(connection) {
            if let Some(session) = self.session(id) {
                session.direct_frame(now, connection, channel, &data);
            }
        }
        self.session_outputs(now, id);
    }

    /// The application has taken this many messages, of this many bytes in all, that [`Action::Deliver`] handed over. Gives
    /// whether there is something to [flush](Self::flush).
    pub fn consumed(&mut self, from: PeerId, channel: usize, messages: u64, bytes: u64) -> bool {
        let session = self.peers.get_mut(&from).and_then(|peer| peer.session.as_mut());
        session.is_some_and(|session| session.consumed(channel, messages, bytes))
    }

    /// Hands over what waits to be sent, as far as the paths take it.
    pub fn flush(&mut self, now: u64, transport: &mut impl Transport) {
        self.pull_more(now);
        let mut frame = std::mem::take(&mut self.frame);
        let mut refused = Vec::new();
        for (id, peer) in self.peers.iter_mut() {
            if let Some(session) = &mut peer.session
                && !session.flush_direct(now, transport, &mut frame)
            {
                refused.push(id);
            }
        }
        for id in refused {
            self.room.give_up_connection(now, id);
        }
        self.flush_relay(now, transport, &mut frame);
        self.frame = frame;
        match self.ending {
            Ending::Goodbye => {
                self.ending = Ending::Left;
                self.room.handle(now, Input::Leave);
            }
            Ending::Parking => {
                self.ending = Ending::Parked;
                self.room.park();
            }
            _ => {}
        }
        self.pump(now);
        self.look(now);
        self.due = self.deadline(now);
    }

    /// Packets through the server, one peer after the other so that none waits for all of another's.
    fn flush_relay(&mut self, now: u64, transport: &mut impl Transport, frame: &mut Vec<u8>) {
        self.relay_ready_at = None;
        let ids: Vec<_> = self.peers.keys().collect();
        let mut more = true;
        while std::mem::take(&mut more) {
            for id in &ids {
                let Some(pace) = &mut self.pace else { return };
                let Some(session) = self.peers.get_mut(id).and_then(|peer| peer.session.as_mut()) else {
                    continue;
                };
                if !session.wants_relay(now) {
                    continue;
                }
                if transport.socket_buffered() > limits::MAX_OUTSTANDING_BYTES {
                    self.relay_ready_at = Some(now + timing::SOCKET_FULL_MS);
                    return;
                }
                let Some(budget) = pace.budget(now) else {
                    self.relay_ready_at = Some(pace.ready_at());
                    return;
                };
                let packet = session.next_packet(now, budget, frame);
                if let Some(packet) = packet {
                    pace.spend(packet.len());
                    if let Some(message) = self.room.relay_message(*id, packet) {
                        transport.send_socket(&message);
                    }
                    more = true;
                } else if budget < limits::MAX_PACKET_BYTES {
                    // The next fragment is larger than what may be sent now.
                    self.relay_ready_at = Some(pace.full_at());
                }
            }
        }
    }

    fn say_bye(&mut self, ending: Ending) {
        self.ending = ending;
        for (id, peer) in self.peers.iter_mut() {
            if let Some(session) = &mut peer.session {
                report_undelivered(&mut self.actions, id, session, self.deliveries.len());
                session.say_bye();
            }
        }
    }

    /// Looks at the clock for every session.
    fn look(&mut self, now: u64) {
        let ids: Vec<_> = self.peers.keys().collect();
        for id in ids {
            self.look_at(now, id);
        }
        if let Ending::Lingering(until) = self.ending {
            let owes = |peer: &Peer<P, B>| {
                peer.session.as_ref().is_some_and(|session| {
                    let owed = !session.is_flushed() || !peer.exchange.is_flushed();
                    owed && session.current_route().is_some()
                })
            };
            let flushed = !self.peers.values().any(owes);
            if flushed && !self.has_waiting_senders() || until <= now {
                self.say_bye(Ending::Goodbye);
            }
        }
        self.wake_senders(now);
    }

    fn look_at(&mut self, now: u64, id: PeerId) {
        self.check_calls(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(session) = &mut peer.session else { return };
        let verdict = session.tick(now);
        let silent = session.is_silent(now);
        let path = match (session.current_route(), session.connection()) {
            (Some(Via::Relay), _) => PeerPath::Relay,
            (Some(Via::Direct), Some(connection)) => PeerPath::Direct(connection),
            _ => PeerPath::Connecting,
        };
        if path != peer.told {
            peer.told = path;
            peer.unreachable &= path == PeerPath::Connecting;
            self.actions.push_back(Action::Notify(Event::PeerPath(id, path)));
        }
        let told = match verdict {
            Some(Verdict::Connected) => Some(Event::PeerConnected(id)),
            Some(Verdict::Unreached) if peer.unreachable => None,
            Some(Verdict::Unreached) => Some(Event::PeerFailed(id, LinkError::NoPath)),
            Some(Verdict::Suspended) => Some(Event::PeerSuspended(id)),
            Some(Verdict::Resumed) => Some(Event::PeerResumed(id)),
            Some(Verdict::Gone) => {
                self.room.forget(id, LeaveReason::Lost);
                None
            }
            None => None,
        };
        self.actions.extend(told.map(Action::Notify));
        // Silence on a path is often the server's socket being as dead: find out early.
        if silent && now >= self.server_checked_at + timing::SOCKET_CHECK_MS {
            self.server_checked_at = now;
            self.room.check_server(now);
        }
        self.session_outputs(now, id);
        self.pump(now);
    }

    fn pump(&mut self, now: u64) {
        while let Some(notice) = self.room.poll() {
            self.notice(now, notice);
        }
    }

    fn notice(&mut self, now: u64, notice: Notice) {
        match notice {
            Notice::Do(command) => {
                if let Command::CloseConnection(id) = command {
                    self.take_early(id);
                }
                self.actions.push_back(Action::Do(command));
            }
            Notice::Tell(event) => {
                let closed = matches!(event, Event::Closed(_));
                if closed {
                    self.ending = Ending::Left;
                    let ids: Vec<_> = self.peers.keys().collect();
                    ids.into_iter().for_each(|id| self.fail_more(id));
                    self.wake_senders(now);
                    self.peers.clear();
                    self.settle_confirms(now);
                }
                self.actions.push_back(Action::Notify(event));
            }
            Notice::Arrived { id, metadata, session } => self.arrived(now, id, metadata, session),
            Notice::Meet(id) => {
                if let Some(session) = self.session(id) {
                    session.set_listing(now, Listing::Listed);
                    session.direct_hoped = true;
                }
                self.open_relay(now, id);
            }
            Notice::Unlisted(id, listing) => {
                if let Some(session) = self.session(id) {
                    session.set_listing(now, listing);
                    session.relay_down();
                    session.probe(now);
                }
            }
            Notice::ServerLost => {
                self.pace = None;
                for session in self.sessions() {
                    session.set_listing(now, Listing::Away);
                    session.relay_down();
                }
            }
            Notice::Policy(bytes_per_second, burst) => {
                self.pace = Pace::new(now, bytes_per_second, burst);
                // Not for those that have one: it would begin to count anew, and old packets could be repeated.
                let without =
                    |peer: &Peer<P, B>| peer.session.as_ref().is_some_and(|session| !session.has_relay());
                let ids: Vec<_> =
                    self.peers.iter().filter(|(_, peer)| without(peer)).map(|(id, _)| id).collect();
                ids.into_iter().for_each(|id| self.open_relay(now, id));
            }
            Notice::LinkUp(id, connection) => {
                if let Some(session) = self.session(id) {
                    session.direct_hoped = true;
                    session.direct_up(now, connection);
                }
                self.feed_early(now, id, connection);
            }
            Notice::LaneUp(id, connection) => {
                if let Some(session) = self.session(id) {
                    session.lane_up(now, connection);
                }
                self.feed_early(now, id, connection);
            }
            Notice::LaneDown(id, connection) => {
                if let Some(session) = self.session(id) {
                    session.lane_down(connection);
                }
            }
            Notice::Say(id, control) => {
                if let Some(session) = self.session(id) {
                    session.say_of_lane(control);
                }
            }
            Notice::LinkDown(id) => {
                if let Some(session) = self.session(id) {
                    session.direct_down();
                }
            }
            Notice::LinkFailed(id, error) => self.link_failed(now, id, error),
            Notice::Left(id, reason) => self.left(id, reason),
            Notice::Relayed(from, packet) => {
                if let Some(session) = self.session(from) {
                    session.packet(now, &packet);
                    self.session_outputs(now, from);
                }
            }
            Notice::Throttled(to, wait_ms) => {
                if let Some(session) = self.session(to) {
                    session.relay_throttled(now + wait_ms);
                }
            }
        }
    }

    fn sessions(&mut self) -> impl Iterator<Item = &mut Session<Parcel<P>, B>> {
        self.peers.values_mut().filter_map(|peer| peer.session.as_mut())
    }

    fn session(&mut self, id: PeerId) -> Option<&mut Session<Parcel<P>, B>> {
        self.peers.get_mut(&id)?.session.as_mut()
    }

    fn new_session(
        &mut self,
        now: u64,
        id: PeerId,
        theirs: Option<u32>,
        window: u32,
    ) -> Session<Parcel<P>, B> {
        let mine = (self.random.next_u64() as u32).max(1);
        let options = self.room.config().options;
        let comparison = self.room.comparison(id);
        let mut session = Session::new(now, (mine, theirs), &self.deliveries, window, options, comparison);
        if self.peers.get(&id).is_some_and(|peer| peer.wants_code) {
            session.compare();
        }
        for (channel, value) in self.latest.iter().enumerate() {
            if let Some(value) = value {
                // It was within the limit when it was sent to the others.
                let _ = session.push(now, channel, Parcel::App(value.clone()), false);
            }
        }
        session
    }

    fn arrived(&mut self, now: u64, id: PeerId, metadata: String, hello: Option<SessionHello>) {
        let window = hello.map_or(0, |hello| hello.window);
        let window = window.clamp(limits::MIN_WINDOW_BYTES, limits::MAX_WINDOW_BYTES);
        let session = hello.map(|_| self.new_session(now, id, None, window));
        let told = PeerPath::Connecting;
        let exchange = self.new_exchange(id);
        let peer = Peer {
            session,
            exchange,
            metadata: metadata.clone(),
            window,
            told,
            unreachable: false,
            wants_code: false,
            restarts: Budget::new(now, limits::MAX_ANEW_AT_ONCE, timing::ANEW_MS),
        };
        self.peers.insert(id, peer);
        self.actions.push_back(Action::Notify(Event::PeerJoined { id, metadata }));
    }

    fn open_relay(&mut self, now: u64, id: PeerId) {
        let seal = self.pace.as_ref().and_then(|_| self.room.seal(id));
        if let (Some(seal), Some(session)) = (seal, self.session(id)) {
            session.relay_up(now, seal);
        }
    }

    fn link_failed(&mut self, now: u64, id: PeerId, error: Option<LinkError>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(session) = &mut peer.session {
            session.direct_failed = true;
            session.direct_hoped &= error.is_none();
        }
        let Some(error) = error else { return };
        let session = peer.session.as_mut();
        let listed = session.as_ref().is_none_or(|session| session.is_listed());
        let routed = session.is_some_and(|session| session.route(now).is_some());
        if listed && !routed && !peer.unreachable {
            peer.unreachable = true;
            let window = peer.window;
            let told = peer.session.as_ref().is_some_and(|session| session.told_no_path);
            if peer.session.is_some() {
                // Nothing is kept for a peer that cannot be reached. Should it be after all, a session begins anew.
                let mut fresh = self.new_session(now, id, None, window);
                fresh.told_no_path = true;
                self.replace_session(id, fresh);
            }
            let is_news = !told || !matches!(error, LinkError::NoPath | LinkError::PeerGaveUp);
            self.actions.extend(is_news.then_some(Action::Notify(Event::PeerFailed(id, error))));
        } else if error == LinkError::WrongCertificate {
            // An attack is told, though messages find another way.
            self.actions.push_back(Action::Notify(Event::PeerFailed(id, error)));
        }
    }

    /// Ends a session that the peer has forgotten; a new one takes its place.
    fn replace_session(&mut self, id: PeerId, mut fresh: Session<Parcel<P>, B>) {
        self.fail_more(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(old) = &mut peer.session {
            fresh.inherit(old);
            report_undelivered(&mut self.actions, id, old, self.deliveries.len());
        }
        peer.session = Some(fresh);
        self.confirm_gone(id);
    }

    fn session_outputs(&mut self, now: u64, id: PeerId) {
        let mut progress = false;
        while let Some(output) = self.session(id).and_then(Session::poll) {
            match output {
                Output::Deliver { channel, buffer, ranges } if channel == self.deliveries.len() => {
                    self.more_arrived(now, id, &buffer, ranges);
                }
                Output::Deliver { channel, buffer, ranges } => {
                    self.actions.push_back(Action::Deliver { from: id, channel, buffer, ranges });
                }
                Output::Bye => self.room.forget(id, LeaveReason::Left),
                Output::Violation { channel, via, error } => {
                    self.actions.push_back(Action::Notify(Event::Violation {
                        id,
                        channel,
                        error: error.into(),
                    }));
                    if via == Via::Direct {
                        self.room.give_up_connection(now, id);
                    }
                }
                Output::Restarted { theirs } => {
                    if self.peers.get_mut(&id).is_some_and(|peer| peer.restarts.take(now)) {
                        self.restart(now, id, Some(theirs));
                    }
                }
                Output::DirectDead => self.room.give_up_connection(now, id),
                Output::WantsLanes => self.room.begin_lanes(now, id),
                Output::LaneDead(connection) => self.room.give_up_lane(now, connection),
                Output::LaneSaid(lane, envelope) => self.room.lane_said(now, id, lane, &envelope),
                Output::Progress => progress = true,
                Output::Heard(connection) => self.room.heard(now, connection),
                Output::Compared(outcome) => {
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.wants_code = false;
                    }
                    self.actions.push_back(Action::Notify(Event::SafetyCode(id, outcome)));
                }
            }
        }
        if progress {
            self.wake_senders(now);
        }
    }

    /// The peer has lost its session, or is made to: for the application it left and came back.
    fn restart(&mut self, now: u64, id: PeerId, theirs: Option<u32>) {
        self.room.give_up_connection(now, id);
        let Some(peer) = self.peers.get(&id) else { return };
        let (window, metadata) = (peer.window, peer.metadata.clone());
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.wants_code = false;
        }
        let fresh = self.new_session(now, id, theirs, window);
        self.replace_session(id, fresh);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.told = PeerPath::Connecting;
        }
        self.actions.push_back(Action::Notify(Event::PeerLeft(id, LeaveReason::Lost)));
        self.actions.push_back(Action::Notify(Event::PeerJoined { id, metadata }));
    }

    fn left(&mut self, id: PeerId, reason: LeaveReason) {
        self.fail_more(id);
        let Some(mut peer) = self.peers.remove(&id) else { return };
        // Behind our own goodbye it has been told already.
        let told = !matches!(self.ending, Ending::No | Ending::Lingering(_));
        if let Some(session) = peer.session.as_mut().filter(|_| !told) {
            report_undelivered(&mut self.actions, id, session, self.deliveries.len());
        }
        self.confirm_gone(id);
        self.actions.push_back(Action::Notify(Event::PeerLeft(id, reason)));
    }

    /// Has [`Event::SafetyCode`] tell a code that two people can compare, as soon as the peer can be reached. Gives whether it
    /// is here.
    pub fn compare(&mut self, now: u64, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let Some(session) = &mut peer.session else { return false };
        peer.wants_code = true;
        session.compare();
        self.session_outputs(now, id);
        true
    }

    /// Counts of a peer's session; all nothing where there is none.
    pub fn peer_stats(&self, id: PeerId) -> PeerStats {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        session.map_or_else(PeerStats::default, Session::stats)
    }

    /// How far the last attempt to join came.
    pub fn joining(&self) -> Joining {
        self.room.steps()
    }

    /// What was tried to reach a peer directly, oldest first: the last few attempts.
    pub fn each_attempt(&self, id: PeerId, tell: impl FnMut(&Attempt)) {
        if let Some(link) = self.room.link(id) {
            link.attempts().for_each(tell);
        }
    }

    /// How messages to a peer go, as the application was told last.
    pub fn path_of(&self, id: PeerId) -> PeerPath {
        self.peers.get(&id).map_or(PeerPath::Connecting, |peer| peer.told)
    }

    /// All connections of a peer's direct path.
    pub fn connections_of(&self, id: PeerId) -> Vec<ConnectionId> {
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        session.map_or(Vec::new(), Session::connections)
    }

    /// The first connection of a peer's direct path.
    pub fn connection_of(&self, id: PeerId) -> Option<ConnectionId> {
        self.peers.get(&id)?.session.as_ref()?.connection()
    }
}

fn report_undelivered<P: Payload, B: Buffer>(
    actions: &mut VecDeque<Action<B>>,
    id: PeerId,
    session: &Session<P, B>,
    declared: usize,
) {
    // Streams and calls tell by themselves.
    for (channel, messages, bytes) in session.undelivered().into_iter().filter(|owed| owed.0 < declared) {
        actions.push_back(Action::Notify(Event::Undelivered { id, channel, messages, bytes }));
    }
}
