//! One member's view of a room: the link to the server, who is here, and a [link](crate::link) to each of them.
//!
//! Drive it as [`crate::action`] says. A room warms connections, joins with their cards, keeps cards deposited for
//! newcomers, joins again by itself when the server is lost, and ends in [`Event::Closed`] exactly once.

use std::collections::VecDeque;

use crate::action::{Action, ConnectionId, Event, Input, SignalingState, Start};
use crate::candidate::Candidate;
use crate::control::Control;
use crate::hello::Hello;
use crate::id::PeerId;
use crate::link::{Link, Output};
use crate::members::Member;
use crate::pool::Pool;
use crate::server_link::{ServerEvent, ServerLink};
use crate::signal::{ClientMessage, Join, LeaveReason, Refusal, ServerMessage};
use crate::sorted_map::SortedMap;
use crate::{limits, timing};

/// How many warm connections a joiner brings, and a resident keeps: two newcomers at once are served without waiting.
const WARM_CONNECTIONS: usize = 2;

/// Why a room ended. Final: join again to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The server let nobody in within the time for joining.
    #[error(
        "the signaling server did not let us in within {0} ms: it is down, out of reach, or refuses this page's origin"
    )]
    Unreachable(u64),
    /// The server refused.
    #[error("the signaling server refused: {1} ({code})", code = .0.code())]
    Refused(Refusal, String),
}

impl RoomError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "signaling-unreachable",
            Self::Refused(refusal, _) => refusal.code(),
        }
    }
}

/// What a room is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The room's name.
    pub room: String,
    /// What we say of ourselves.
    pub hello: Hello,
    /// How long the first join may take, in milliseconds; [`timing::JOIN_MS`] is usual.
    pub join_timeout_ms: u64,
}

/// One member's room. See the [module](self).
#[derive(Debug)]
pub struct Room {
    config: Config,
    server: ServerLink,
    /// A warm-up before the first or a later join ends at this time.
    warm_until: Option<u64>,
    joining: Pool,
    /// The cards that went out with the join, by index.
    join_tags: Vec<u32>,
    resident: Pool,
    renew_cards_at: Option<u64>,
    members: SortedMap<PeerId, Member>,
    next_connection: u32,
    actions: VecDeque<Action>,
    /// Goodbyes are on their way until then.
    leaving_until: Option<u64>,
    closed: bool,
}

impl Room {
    /// A room that does nothing until [`Input::Start`]. `seed` feeds the jitter of reconnections.
    ///
    /// # Errors
    /// `bad-room` when the name is empty, over 128 bytes, or holds control characters.
    pub fn new(config: Config, seed: u64) -> Result<Self, RoomError> {
        let name = &config.room;
        if name.is_empty() || name.len() > limits::MAX_ROOM_NAME_BYTES || name.chars().any(char::is_control) {
            let detail = "a room's name has 1 to 128 bytes and no control characters".to_owned();
            return Err(RoomError::Refused(Refusal::BadRoom, detail));
        }
        Ok(Self {
            server: ServerLink::new(config.join_timeout_ms, seed),
            config,
            warm_until: None,
            joining: Pool::default(),
            join_tags: Vec::new(),
            resident: Pool::default(),
            renew_cards_at: None,
            members: SortedMap::default(),
            next_connection: 1,
            actions: VecDeque::new(),
            leaving_until: None,
            closed: false,
        })
    }

    /// Our id, once let in.
    pub fn id(&self) -> Option<PeerId> {
        self.server.id()
    }

    /// The peer a connection leads to, while it is the one in use.
    pub fn peer_of(&self, connection: ConnectionId) -> Option<PeerId> {
        self.owner(connection)
    }

    /// The next thing to do. See [`crate::action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to feed [`Input::TimedOut`], in the same clock as `now`.
    pub fn deadline(&self) -> Option<u64> {
        if self.closed || self.leaving_until.is_some() {
            return self.leaving_until.filter(|_| !self.closed);
        }
        let members = self.members.values().filter_map(Member::deadline).min();
        [self.server.deadline(), self.warm_until, self.renew_cards_at, members].into_iter().flatten().min()
    }

    /// Feeds one input. `now` is in milliseconds on any clock that never goes back.
    pub fn handle(&mut self, now: u64, input: Input) {
        if self.closed {
            return;
        }
        if let Some(until) = self.leaving_until {
            if now >= until {
                self.close(None);
            }
            return;
        }
        match input {
            Input::Start => self.warm_up(now),
            Input::SocketOpened => self.server.opened(),
            Input::SocketMessage(bytes) => self.server.message(now, &bytes),
            Input::SocketClosed => self.server.closed(now),
            Input::LocalDescription(id, sdp) => self.local_description(now, id, &sdp),
            Input::LocalCandidate(id, line) => self.local_candidate(now, id, &line),
            Input::GatheringComplete(id) => {
                self.joining.gathered(id);
                self.resident.gathered(id);
                self.cards_changed(now);
            }
            Input::ChannelsOpen(id) => self.with_link(id, |link| link.channels_open()),
            Input::ConnectionLost(id) => self.connection_lost(now, id),
            Input::ControlMessage(id, bytes) => self.control(id, &bytes),
            Input::TimedOut => self.timed_out(now),
            Input::Online => {
                self.server.online(now);
                self.for_each_link(|link| link.retry(now));
            }
            Input::Leave => self.leave(now),
        }
        self.pump(now);
    }

    // ---- joining -----------------------------------------------------------------------------------------------

    /// Makes warm connections for the join, unless every peer we know is connected anyway.
    fn warm_up(&mut self, now: u64) {
        let all_connected = !self.members.is_empty() && self.members.values().all(Member::is_connected);
        if !all_connected {
            while self.joining.len() < WARM_CONNECTIONS {
                let id = self.open(Start::Offer { role_hint: true });
                self.joining.add(id);
            }
        }
        self.server.starting(now);
        self.warm_until = Some(now + timing::WARM_UP_MS);
        self.cards_changed(now);
    }

    /// Goes on with the join when its cards are ready, and deposits a resident's.
    fn cards_changed(&mut self, now: u64) {
        if self.warm_until.is_some() && self.joining.is_ready() {
            self.join(now);
        }
        if self.server.is_up() {
            let cards = self.resident.give(false);
            if !cards.is_empty() {
                let cards = cards.try_into().unwrap_or_default();
                self.server.send(&ClientMessage::Deposit { replace: false, cards });
            }
        }
    }

    fn join(&mut self, now: u64) {
        self.warm_until = None;
        let cards = self.joining.give(true);
        self.join_tags = cards.iter().map(|card| card.tag).collect();
        let hello = self.config.hello.encode().try_into();
        let join = Join {
            room: self.config.room.as_str().try_into().unwrap_or_default(),
            // Hello's own limits keep it below this one.
            hello: hello.unwrap_or_default(),
            resume: self.server.resume(),
            cards: cards.into_iter().map(|card| card.card).collect::<Vec<_>>().try_into().unwrap_or_default(),
            token: None,
        };
        self.server.join(now, join);
    }

    fn pump(&mut self, now: u64) {
        while let Some(event) = self.server.poll() {
            match event {
                ServerEvent::Do(action) => self.actions.push_back(action),
                ServerEvent::Message(message) => self.server_message(now, message),
                ServerEvent::State(state) => {
                    if state == SignalingState::Reconnecting {
                        self.drop_cards();
                    }
                    self.notify(Event::Signaling(state));
                }
                ServerEvent::Rejoin => self.warm_up(now),
                ServerEvent::Failed(error) => return self.close(Some(error)),
            }
        }
        self.pump_links();
    }

    fn server_message(&mut self, now: u64, message: ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => {
                let first = self.server.welcomed(now, &welcome);
                self.notify(Event::Signaling(SignalingState::Connected));
                if first {
                    self.notify(Event::Joined(welcome.id));
                }
                let absent: Vec<_> = self.members.keys().collect();
                let absent = absent.into_iter().filter(|id| !welcome.members.iter().any(|m| m.id == *id));
                for id in absent.collect::<Vec<_>>() {
                    self.unlisted(now, id, LeaveReason::Lost);
                }
                for member in welcome.members {
                    self.meet(now, true, member);
                }
                let unused: Vec<_> = self.joining.drain().collect();
                for id in unused {
                    self.actions.push_back(Action::CloseConnection(id));
                }
                self.fill_cards(now);
            }
            ServerMessage::Joined(member) => {
                self.meet(now, false, member);
                self.fill_cards(now);
            }
            ServerMessage::Left { id, epoch, reason } => {
                if self.members.get(&id).is_some_and(|member| member.epoch == epoch) {
                    self.unlisted(now, id, reason);
                }
            }
            ServerMessage::Signal { from, epoch, envelope } => {
                if let Some(member) = self.members.get_mut(&from) {
                    member.envelope(now, epoch, &envelope);
                }
            }
            // Pongs and refusals concern the server link alone.
            ServerMessage::Pong { .. } | ServerMessage::Refused { .. } => {}
        }
    }

    // ---- cards -------------------------------------------------------------------------------------------------

    fn open(&mut self, start: Start) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.actions.push_back(Action::OpenConnection(id, start));
        id
    }

    fn fill_cards(&mut self, now: u64) {
        while self.server.is_up() && self.resident.len() < WARM_CONNECTIONS {
            let id = self.open(Start::Offer { role_hint: false });
            self.resident.add(id);
            self.renew_cards_at.get_or_insert(now + timing::CARD_AGE_MS);
        }
    }

    fn drop_cards(&mut self) {
        let old: Vec<_> = self.joining.drain().chain(self.resident.drain()).collect();
        self.actions.extend(old.into_iter().map(Action::CloseConnection));
        self.renew_cards_at = None;
    }

    // ---- members -----------------------------------------------------------------------------------------------

    /// The server makes a member known: on our own join (`polite`) or on its.
    fn meet(&mut self, now: u64, polite: bool, listed: crate::signal::Member) {
        let warm = match (polite, listed.given) {
            (true, Some(index)) => {
                let tag = self.join_tags.get(index as usize).copied();
                tag.and_then(|tag| self.joining.take_given(tag))
            }
            (false, Some(tag)) => self.resident.take_given(tag),
            (_, None) => None,
        };
        let known = self.members.get(&listed.id);
        if !polite && known.is_some_and(|member| member.epoch == listed.epoch && !member.is_unlisted()) {
            // Told twice.
            return self.actions.extend(warm.map(|warm| Action::CloseConnection(warm.connection)));
        }
        if known.is_some_and(Member::is_connected) {
            // Both ends came back to the server while their connection lived.
            self.actions.extend(warm.map(|warm| Action::CloseConnection(warm.connection)));
            if let Some(member) = self.members.get_mut(&listed.id) {
                member.met_again(listed.epoch, polite);
            }
            return;
        }
        let warm = warm.or_else(|| if polite { None } else { self.resident.take_unused() });
        let old = self.members.remove(&listed.id);
        let first = old.is_none();
        self.actions.extend(old.and_then(|m| m.connection()).map(Action::CloseConnection));
        let id = listed.id;
        let (member, event) = Member::meet(now, polite, listed, warm, &self.config.hello);
        if first {
            self.notify(Event::PeerJoined { id, metadata: member.metadata.clone() });
        }
        self.members.insert(id, member);
        self.actions.extend(event);
    }

    /// The server no longer lists a member; a living connection outlasts that if it answers.
    fn unlisted(&mut self, now: u64, id: PeerId, reason: LeaveReason) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match member.probe(now) {
            Some(probe) if reason == LeaveReason::Lost => self.actions.push_back(probe),
            _ => self.remove(id, reason),
        }
    }

    fn remove(&mut self, id: PeerId, reason: LeaveReason) {
        if let Some(member) = self.members.remove(&id) {
            self.actions.extend(member.connection().map(Action::CloseConnection));
            self.notify(Event::PeerLeft(id, reason));
        }
    }

    fn owner(&self, connection: ConnectionId) -> Option<PeerId> {
        self.members.iter().find(|(_, m)| m.connection() == Some(connection)).map(|(id, _)| id)
    }

    fn with_link(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Link)) {
        let id = self.owner(connection);
        if let Some(link) = id.and_then(|id| self.members.get_mut(&id)).and_then(|m| m.link.as_mut()) {
            act(link);
        }
    }

    fn for_each_link(&mut self, act: impl Fn(&mut Link)) {
        self.members.values_mut().filter_map(|m| m.link.as_mut()).for_each(act);
    }

    fn pump_links(&mut self) {
        let ids: Vec<_> = self.members.keys().collect();
        for id in ids {
            while let Some(output) = self.members.get_mut(&id).and_then(|m| m.link.as_mut()?.poll()) {
                self.link_output(id, output);
            }
        }
    }

    fn link_output(&mut self, id: PeerId, output: Output) {
        match output {
            Output::Do(action) => self.actions.push_back(action),
            Output::Open(start) => {
                let connection = self.open(start);
                if let Some(link) = self.members.get_mut(&id).and_then(|m| m.link.as_mut()) {
                    link.opened(connection);
                }
            }
            Output::Send(envelope) => {
                let epoch = self.members.get(&id).map(|member| member.epoch);
                if let (Some(epoch), Some(envelope)) = (epoch, envelope.encode()) {
                    self.server.send(&ClientMessage::Signal { to: id, epoch, envelope });
                }
            }
            Output::Up(connection) => self.notify(Event::PeerConnected(id, connection)),
            Output::Down => {
                // Without the server's word that it is here, the connection was all that spoke for the peer.
                if self.members.get(&id).is_some_and(Member::is_unlisted) {
                    self.remove(id, LeaveReason::Lost);
                } else {
                    self.notify(Event::PeerSuspended(id));
                }
            }
            Output::Failed(error) => self.notify(Event::PeerFailed(id, error)),
        }
    }

    // ---- connections -------------------------------------------------------------------------------------------

    fn local_description(&mut self, now: u64, id: ConnectionId, sdp: &str) {
        let pool = [&mut self.joining, &mut self.resident].into_iter().find(|pool| pool.holds(id));
        match pool {
            Some(pool) => {
                if !pool.local_description(id, sdp) {
                    pool.remove(id);
                    self.actions.push_back(Action::CloseConnection(id));
                }
                self.cards_changed(now);
            }
            None => self.with_link(id, |link| link.local_description(now, sdp)),
        }
    }

    fn local_candidate(&mut self, now: u64, id: ConnectionId, line: &str) {
        // What our own browser finds and we cannot carry (TCP or a name of another form) is left out.
        let Ok(candidate) = Candidate::parse(line) else { return };
        self.joining.candidate(id, candidate.clone());
        self.resident.candidate(id, candidate.clone());
        self.cards_changed(now);
        self.with_link(id, |link| link.local_candidate(candidate));
    }

    fn connection_lost(&mut self, now: u64, id: ConnectionId) {
        self.joining.remove(id);
        self.resident.remove(id);
        self.actions.push_back(Action::CloseConnection(id));
        self.with_link(id, |link| link.connection_lost(now));
        self.cards_changed(now);
    }

    fn control(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some(id) = self.owner(connection) else { return };
        let Ok(records) = Control::decode(bytes) else { return };
        for message in records.map_while(Result::ok) {
            match message {
                Control::Ping { nonce } => {
                    self.actions.push_back(Action::SendControl(connection, Control::Pong { nonce }.encode()));
                }
                Control::Pong { nonce } => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.pong(nonce);
                    }
                }
                Control::Bye => return self.remove(id, LeaveReason::Left),
            }
        }
    }

    // ---- time and end ------------------------------------------------------------------------------------------

    fn timed_out(&mut self, now: u64) {
        self.server.timed_out(now);
        if self.warm_until.is_some_and(|at| at <= now) {
            self.join(now);
        }
        if self.renew_cards_at.is_some_and(|at| at <= now) {
            let old: Vec<_> = self.resident.drain().collect();
            self.actions.extend(old.into_iter().map(Action::CloseConnection));
            self.renew_cards_at = None;
            self.server.send(&ClientMessage::Deposit { replace: true, cards: Default::default() });
            self.fill_cards(now);
        }
        let due: Vec<_> =
            self.members.iter().filter(|(_, m)| m.probe_failed(now)).map(|(id, _)| id).collect();
        for id in due {
            self.remove(id, LeaveReason::Lost);
        }
        self.for_each_link(|link| link.timed_out(now));
    }

    /// Says goodbye on every connection and to the server, and closes when that had time to go out.
    fn leave(&mut self, now: u64) {
        let connected: Vec<_> =
            self.members.values().filter(|m| m.is_connected()).filter_map(Member::connection).collect();
        let linger_ms = if connected.is_empty() { 0 } else { timing::GOODBYE_MS };
        let goodbyes = connected.into_iter().map(|id| Action::SendControl(id, Control::Bye.encode()));
        self.actions.extend(goodbyes);
        self.server.send(&ClientMessage::Leave);
        while let Some(event) = self.server.poll() {
            if let ServerEvent::Do(action) = event {
                self.actions.push_back(action);
            }
        }
        self.leaving_until = Some(now + linger_ms);
        if linger_ms == 0 {
            self.close(None);
        }
    }

    fn close(&mut self, error: Option<RoomError>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.drop_cards();
        let connections: Vec<_> = self.members.values().filter_map(Member::connection).collect();
        self.actions.extend(connections.into_iter().map(Action::CloseConnection));
        self.members.clear();
        self.actions.push_back(Action::CloseSocket);
        self.notify(Event::Signaling(SignalingState::Closed));
        self.notify(Event::Closed(error));
    }

    fn notify(&mut self, event: Event) {
        self.actions.push_back(Action::Notify(event));
    }
}
