//! The link to the signaling server: joining, staying alive, joining again with back-off.

use std::collections::VecDeque;

use crate::action::{Command, SignalingState};
use crate::attempts::Joining;
use crate::codec;
use crate::failure::RoomError;
use crate::id::PeerId;
use crate::random::Random;
use crate::signal::{self, ClientMessage, Join, Refusal, ServerMessage, Welcome};
use crate::{limits, timing};

/// What the server link tells the room.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    Do(Command),
    Message(ServerMessage),
    State(SignalingState),
    /// Back-off is over: warm up and join.
    Rejoin,
    /// What we asked for is not permitted to us: of what a member asks for, a kick alone can be.
    Forbidden,
    /// Over for good.
    Failed(RoomError),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Cards are being made.
    Warming,
    /// Until welcome or this time.
    Joining(u64),
    Up,
    /// Until this time, or until the server [answers](Asking).
    Backoff(u64),
    /// Put aside until told otherwise.
    Parked,
}

/// Whether the server is asked for an answer while the WebSocket waits.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    No,
    /// At this time.
    Next(u64),
    /// It has until then to answer.
    Asked(u64),
}

#[derive(Debug)]
pub(crate) struct ServerLink {
    state: State,
    /// The first join must have succeeded by then.
    join_by: Option<u64>,
    join_timeout_ms: u64,
    id: Option<PeerId>,
    steps: Joining,
    /// When the socket was last up, after it was lost.
    lost_at: Option<u64>,
    /// A join too long for the upgrade request.
    first_message: Option<Vec<u8>>,
    /// Why the server last refused, if it did, when the time for joining runs out.
    last_refusal: Option<RoomError>,
    /// Attempts in a row that came to nothing.
    failures: u32,
    asking: Asking,
    /// It answered before the last attempt.
    answered: bool,
    /// A WebSocket that carries a join was given up while it opened, and may open all the same until then.
    stray_until: Option<u64>,
    heard_at: u64,
    ping_until: Option<u64>,
    /// The time for the answer was prolonged once.
    prolonged: bool,
    random: Random,
    events: VecDeque<ServerEvent>,
}

impl ServerLink {
    pub(crate) fn new(join_timeout_ms: u64, seed: u64) -> Self {
        Self {
            state: State::Idle,
            join_by: None,
            join_timeout_ms,
            id: None,
            steps: Joining::default(),
            lost_at: None,
            first_message: None,
            last_refusal: None,
            failures: 0,
            asking: Asking::No,
            answered: false,
            stray_until: None,
            heard_at: 0,
            ping_until: None,
            prolonged: false,
            random: Random::new(seed),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn id(&self) -> Option<PeerId> {
        self.id
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether there is nothing to [poll](Self::poll).
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn poll(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let state = match self.state {
            State::Joining(at) | State::Backoff(at) => Some(at),
            State::Up => Some(self.ping_until.unwrap_or(self.heard_at + timing::SOCKET_IDLE_MS)),
            State::Idle | State::Warming | State::Parked => None,
        };
        let ask = match self.asking {
            Asking::No => None,
            Asking::Next(at) | Asking::Asked(at) => Some(at),
        };
        timing::earliest(&[state, ask, self.join_by])
    }

    /// Cards are being made; a join follows.
    pub(crate) fn starting(&mut self, now: u64) {
        if self.state == State::Idle {
            self.join_by = Some(now + self.join_timeout_ms);
            self.events.push_back(ServerEvent::State(SignalingState::Connecting));
        }
        self.asking = Asking::No;
        self.state = State::Warming;
    }

    pub(crate) fn join(&mut self, now: u64, join: Join) {
        let mut subprotocols = vec![signal::SUBPROTOCOL.to_owned()];
        // Firefox goes on with a WebSocket that was closed while it opened, up to a minute later. One that carries a join
        // would let this page in a second time, in place of the living one. So only the first of all does.
        let first = self.id.is_none() && self.failures == 0;
        self.first_message = match signal::early_join(&join).filter(|_| first) {
            Some(early) => {
                subprotocols.push(early);
                None
            }
            None => Some(codec::encode(&ClientMessage::Join(join))),
        };
        let patience = if self.id.is_none() { timing::WELCOME_MS } else { timing::RETURN_MS };
        self.state = State::Joining(now + patience);
        self.steps = Joining { asked_at: Some(now), ..Joining::default() };
        self.events.push_back(ServerEvent::Do(Command::OpenSocket { subprotocols }));
    }

    /// How far the last attempt to join came.
    pub(crate) fn steps(&self) -> Joining {
        self.steps
    }

    pub(crate) fn opened(&mut self, now: u64) {
        self.steps.opened_at = Some(now);
        if let Some(message) = self.first_message.take() {
            self.events.push_back(ServerEvent::Do(Command::SendSocket(message)));
        }
    }

    /// Sends while the room is joined; otherwise the message is dropped, and whoever needs it sends it again after
    /// the next welcome.
    pub(crate) fn send(&mut self, message: &ClientMessage) {
        if self.is_up() {
            self.events.push_back(ServerEvent::Do(Command::SendSocket(codec::encode(message))));
        }
    }

    pub(crate) fn message(&mut self, now: u64, bytes: &[u8]) {
        self.heard_at = now;
        self.ping_until = None;
        let records = match codec::decode::<ServerMessage>(bytes, limits::MAX_SERVER_MESSAGE_BYTES) {
            Ok(records) => records,
            // A server of another version, or none at all: trying again will not help.
            Err(_) => {
                return self.refused(now, Refusal::Version, "the server's message cannot be read".to_owned());
            }
        };
        for record in records {
            match record {
                Ok(ServerMessage::Refused { refusal, detail }) => {
                    self.refused(now, refusal, detail.into_string())
                }
                Ok(message) => self.events.push_back(ServerEvent::Message(message)),
                Err(_) => {
                    return self.refused(now, Refusal::BadMessage, "a message cannot be read".to_owned());
                }
            }
        }
    }

    fn refused(&mut self, now: u64, refusal: Refusal, detail: String) {
        if refusal == Refusal::PeerGone {
            // Its `Left` is on the way or was read already.
        } else if refusal == Refusal::Forbidden {
            self.events.push_back(ServerEvent::Forbidden);
        } else if refusal.is_passing() || refusal == Refusal::Replaced && self.is_stray(now) {
            self.last_refusal = Some(RoomError::Refused(refusal, detail));
            self.close_socket();
            self.closed(now);
            if refusal == Refusal::GoingAway {
                self.asking = Asking::No;
                self.state = State::Backoff(now + self.random.below(timing::SPREAD_MS));
            }
        } else {
            self.events.push_back(ServerEvent::Failed(RoomError::Refused(refusal, detail)));
        }
    }

    /// Whether what has replaced us may be our own stray, once: whoever else comes under our id is to stay.
    fn is_stray(&mut self, now: u64) -> bool {
        self.stray_until.take().is_some_and(|until| now < until)
    }

    /// Takes the welcome in; true for the first one.
    pub(crate) fn welcomed(&mut self, now: u64, welcome: &Welcome) -> bool {
        let first = self.id.is_none();
        (self.id, self.lost_at) = (Some(welcome.id), None);
        self.state = State::Up;
        self.steps.welcomed_at = Some(now);
        self.join_by = None;
        self.failures = 0;
        self.heard_at = now;
        first
    }

    pub(crate) fn closed(&mut self, now: u64) {
        if matches!(self.state, State::Idle | State::Warming | State::Backoff(_) | State::Parked) {
            return;
        }
        // The only attempt whose request carries the join.
        if matches!(self.state, State::Joining(_)) && self.id.is_none() && self.failures == 0 {
            self.stray_until = Some(now + timing::STRAY_MS);
        }
        self.lose(now);
        self.failures += 1;
        let answered = std::mem::take(&mut self.answered);
        if self.failures <= timing::QUICK_TRIES {
            self.state = State::Backoff(now + self.backoff());
        } else {
            let (shortest, longest) = timing::SLOW_TRY_MS;
            let slow = (shortest << (self.failures - timing::QUICK_TRIES - 1).min(10)).min(longest);
            self.state = State::Backoff(now + slow / 2 + self.random.below(slow));
            // One that answers, and then lets nobody in, is given time.
            let pause = if answered { self.backoff() } else { self.pause(now) };
            self.asking = Asking::Next(now + pause);
        }
    }

    /// The application had no token for this attempt. A first join fails; later ones are tried again, for the service that
    /// makes tokens may be down.
    pub(crate) fn no_token(&mut self, now: u64) {
        if self.id.is_none() {
            return self.events.push_back(ServerEvent::Failed(RoomError::NoToken));
        }
        self.failures += 1;
        self.state = State::Backoff(now + self.backoff());
    }

    /// No word came from the server in time: the network swallows packets. The next attempt follows at once. It is a
    /// question to the server itself, and a plain request would only take one of the browser's connections.
    fn no_word(&mut self, now: u64) {
        self.close_socket();
        self.closed(now);
        self.asking = Asking::No;
        self.state = State::Backoff(now + self.pause(now));
    }

    /// Full jitter, so that the members of a restarted server do not come back in one wave.
    fn backoff(&mut self) -> u64 {
        let (base, most) = timing::BACKOFF_MS;
        base / 4 + self.random.below((base << (self.failures - 1).min(10)).min(most))
    }

    /// Between two attempts to reach a server that cannot be reached.
    fn pause(&mut self, now: u64) -> u64 {
        let early = self.lost_at.is_none_or(|lost| now < lost + timing::EARLY_MS);
        let pause = if early { timing::ASK_SERVER_MS.0 } else { timing::ASK_SERVER_MS.1 };
        pause + self.random.below(2 * pause)
    }

    /// Whether the server answers a plain request, as it was asked to.
    pub(crate) fn answers(&mut self, now: u64, answers: bool) {
        if !matches!(self.asking, Asking::Asked(_)) {
            return;
        }
        self.answered = answers;
        if answers {
            self.asking = Asking::No;
            self.state = State::Backoff(now);
        } else {
            self.asking = Asking::Next(now + self.pause(now));
        }
    }

    fn lose(&mut self, now: u64) {
        if self.is_up() {
            self.lost_at = Some(now);
            self.events.push_back(ServerEvent::State(SignalingState::Reconnecting));
        }
        self.ping_until = None;
    }

    fn close_socket(&mut self) {
        self.events.push_back(ServerEvent::Do(Command::CloseSocket { will_return: true }));
    }

    /// Closes the socket and does nothing until [restarted](Self::restart).
    pub(crate) fn park(&mut self) {
        self.close_socket();
        self.ping_until = None;
        self.asking = Asking::No;
        self.state = State::Parked;
    }

    /// Gives the socket up and joins again at once.
    pub(crate) fn restart(&mut self, now: u64) {
        if !matches!(self.state, State::Idle | State::Warming) {
            self.close_socket();
            self.lose(now);
            self.state = State::Backoff(now);
        }
    }

    /// Asks for a sign of life with little patience.
    pub(crate) fn check(&mut self, now: u64) {
        if self.state == State::Up && self.ping_until.is_none_or(|at| at > now + timing::SOCKET_CHECK_MS) {
            self.ping(now, timing::SOCKET_CHECK_MS);
        }
    }

    pub(crate) fn online(&mut self, now: u64) {
        match self.state {
            State::Backoff(_) => self.state = State::Backoff(now),
            // The request went out over a network that is gone.
            State::Joining(_) => self.restart(now),
            // A socket may outlive its network without a word: ask now rather than after the idle time.
            _ => self.check(now),
        }
    }

    fn ping(&mut self, now: u64, patience_ms: u64) {
        self.ping_until = Some(now + patience_ms);
        self.prolonged = false;
        let nonce = self.random.next_u64() as u32;
        self.send(&ClientMessage::Ping { nonce });
    }

    pub(crate) fn timed_out(&mut self, now: u64) {
        if self.join_by.is_some_and(|at| at <= now) {
            self.join_by = None;
            let error = self.last_refusal.take().unwrap_or(RoomError::Unreachable(self.join_timeout_ms));
            return self.events.push_back(ServerEvent::Failed(error));
        }
        match self.asking {
            Asking::Next(at) if at <= now => {
                self.asking = Asking::Asked(now + timing::SERVER_ANSWER_MS);
                self.events.push_back(ServerEvent::Do(Command::AskServer));
            }
            Asking::Asked(until) if until <= now => {
                // Without a word: see `no_word`.
                self.asking = Asking::No;
                self.state = State::Backoff(now);
            }
            _ => {}
        }
        match self.state {
            State::Joining(at) if at <= now => self.no_word(now),
            State::Backoff(at) if at <= now => self.events.push_back(ServerEvent::Rejoin),
            State::Up => match self.ping_until {
                Some(at) if now >= at + timing::SOCKET_LATE_MS && !self.prolonged => {
                    self.ping_until = Some(now + timing::SOCKET_LATE_MS);
                    self.prolonged = true;
                }
                Some(at) if at <= now => {
                    self.close_socket();
                    self.closed(now);
                }
                None if self.heard_at + timing::SOCKET_IDLE_MS <= now => {
                    self.ping(now, timing::SOCKET_PONG_MS)
                }
                _ => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::List;

    /// One that is in, since time 0, and was asked for a sign of life at 1,000.
    fn asked() -> ServerLink {
        let mut link = ServerLink::new(timing::JOIN_MS, 1);
        link.starting(0);
        link.welcomed(0, &Welcome { id: PeerId([1; 16]), epoch: 1, members: List::default() });
        link.check(1_000);
        link.events.clear();
        link
    }

    fn closes(link: &ServerLink) -> bool {
        link.events.iter().any(|event| matches!(event, ServerEvent::Do(Command::CloseSocket { .. })))
    }

    #[test]
    fn a_server_that_does_not_answer_is_given_up() {
        let mut link = asked();
        let end = 1_000 + timing::SOCKET_CHECK_MS;
        link.timed_out(end - 1);
        assert!(!closes(&link));
        link.timed_out(end);
        assert!(closes(&link));
    }

    #[test]
    fn a_page_that_was_busy_reads_what_the_server_said_before_it_gives_up() {
        let mut link = asked();
        let late = 1_000 + timing::SOCKET_CHECK_MS + timing::SOCKET_LATE_MS;
        link.timed_out(late);
        assert!(!closes(&link));
        link.message(late + 1, &codec::encode(&ServerMessage::Pong { nonce: 1 }));
        link.timed_out(late + timing::SOCKET_LATE_MS);
        assert!(!closes(&link) && link.is_up());
    }

    /// Refused as replaced at this time, by a link whose first attempt came to nothing at 1,000. Whether it gives up.
    fn gives_up(link: &mut ServerLink, now: u64) -> bool {
        let detail = crate::bounded::Text::default();
        let refused = ServerMessage::Refused { refusal: Refusal::Replaced, detail };
        link.message(now, &codec::encode(&refused));
        link.events.drain(..).any(|event| matches!(event, ServerEvent::Failed(_)))
    }

    fn after_a_stray() -> ServerLink {
        let mut link = ServerLink::new(timing::JOIN_MS, 1);
        link.starting(0);
        link.state = State::Joining(5_000);
        link.closed(1_000);
        link.welcomed(2_000, &Welcome { id: PeerId([1; 16]), epoch: 1, members: List::default() });
        link
    }

    #[test]
    fn a_page_that_its_own_stray_has_replaced_comes_back_once() {
        let mut link = after_a_stray();
        assert!(!gives_up(&mut link, 999 + timing::STRAY_MS));
        link.welcomed(70_000, &Welcome { id: PeerId([1; 16]), epoch: 2, members: List::default() });
        assert!(gives_up(&mut link, 70_001), "two tabs would replace each other for ever");
    }

    #[test]
    fn a_page_that_another_tab_has_replaced_stays_away() {
        assert!(gives_up(&mut after_a_stray(), 1_000 + timing::STRAY_MS));
        assert!(gives_up(&mut asked(), 1_500));
    }

    #[test]
    fn it_waits_no_longer_though_it_is_busy_again() {
        let mut link = asked();
        let late = 1_000 + timing::SOCKET_CHECK_MS + timing::SOCKET_LATE_MS;
        link.timed_out(late);
        link.timed_out(late + 9 * timing::SOCKET_LATE_MS);
        assert!(closes(&link));
    }
}
