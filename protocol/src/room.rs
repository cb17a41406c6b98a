//! One member's view of a room: the link to the server, who is here, and a link to each of them.
//!
//! Drive it as [`crate::action`] says. A room warms connections, joins with their cards, keeps cards deposited for
//! newcomers, joins again by itself when the server is lost, and ends in [`Event::Closed`] exactly once.

mod joining;
mod presence;

use std::collections::VecDeque;

use crate::action::{Action, ConnectionId, Event, Input, SignalingState};
use crate::control::Control;
use crate::failure::RoomError;
use crate::hello::Hello;
use crate::id::PeerId;
use crate::members::Member;
use crate::pool::Pool;
use crate::server_link::{ServerEvent, ServerLink};
use crate::signal::{ClientMessage, LeaveReason, Refusal};
use crate::sorted_map::SortedMap;
use crate::{limits, timing};

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
                ServerEvent::Rejoin => {
                    // Cards of a join that came to nothing may be in others' hands: new ones for the next.
                    self.drop_cards();
                    self.warm_up(now);
                }
                ServerEvent::Failed(error) => return self.close(Some(error)),
            }
        }
        self.pump_links();
    }

    fn timed_out(&mut self, now: u64) {
        self.server.timed_out(now);
        if self.warm_until.is_some_and(|at| at <= now) {
            self.join(now);
        }
        if self.renew_cards_at.is_some_and(|at| at <= now) {
            close_all(&mut self.actions, self.resident.drain());
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
        close_all(&mut self.actions, self.members.values().filter_map(Member::connection));
        self.members.clear();
        self.actions.push_back(Action::CloseSocket);
        self.notify(Event::Signaling(SignalingState::Closed));
        self.notify(Event::Closed(error));
    }

    fn notify(&mut self, event: Event) {
        self.actions.push_back(Action::Notify(event));
    }
}

fn close_all(actions: &mut VecDeque<Action>, connections: impl IntoIterator<Item = ConnectionId>) {
    actions.extend(connections.into_iter().map(Action::CloseConnection));
}
