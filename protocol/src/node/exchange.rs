//! Streams and calls with the peers. Their messages travel on the last channel of the session, behind those that the
//! application declares, and so survive whatever happens to paths. They live as long as the session: when it ends, all of
//! them fail as `peer-gone`.
//!
//! What arrives on that channel is reported as consumed at once: streams have windows of their own, and calls are bounded
//! by their number and bytes.

use std::ops::Range;
use std::rc::Rc;

use super::{Node, Peer};
use crate::action::{Action, Event, Violation};
use crate::call::{self, CallError, CallId, Calls, Message};
use crate::channel::Payload;
use crate::id::PeerId;
use crate::session::Buffer;
use crate::stream::{self, StreamError, StreamId, Streams};

/// The reason of streams that end because the peer is gone, or forgot them.
const PEER_GONE: &str = "peer-gone";

/// What the outboxes of a session hold: messages of the application, and ours.
#[derive(Debug, Clone)]
pub(super) enum Parcel<P> {
    App(P),
    More(Message<P>),
}

impl<P: Payload> Payload for Parcel<P> {
    fn len(&self) -> usize {
        match self {
            Self::App(payload) => payload.len(),
            Self::More(message) => message.len(),
        }
    }

    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::App(payload) => payload.append_range(range, out),
            Self::More(message) => message.append_range(range, out),
        }
    }
}

/// All streams and calls between this peer and one other.
#[derive(Debug)]
pub(super) struct Exchange<P> {
    streams: Streams<P>,
    calls: Calls<P>,
    /// Calls and streams take turns.
    calls_first: bool,
}

impl<P: Payload> Exchange<P> {
    pub(super) fn new(own: PeerId, peer: PeerId, methods: usize) -> Self {
        Self { streams: Streams::new(own, peer), calls: Calls::new(methods), calls_first: true }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.calls.deadline()
    }

    /// Whether nothing waits to be sent but what the application has yet to write or answer.
    pub(super) fn is_flushed(&self) -> bool {
        self.streams.is_flushed() && self.calls.is_flushed()
    }

    fn fail(&mut self) {
        self.streams.fail(PEER_GONE);
        self.calls.fail();
    }

    fn handle(&mut self, head: &[u8], len: usize) -> Result<(), Violation> {
        if head.first().is_some_and(|kind| *kind >= stream::KINDS_END) {
            self.calls.handle(head, len)?;
        } else {
            self.streams.handle(head, len)?;
        }
        Ok(())
    }

    fn next_message(&mut self, scratch: &mut Vec<u8>) -> Option<Message<P>> {
        self.calls_first = !self.calls_first;
        if self.calls_first
            && let Some(message) = self.calls.next_message()
        {
            return Some(message);
        }
        if self.streams.next_message(scratch) {
            return Some(Message { head: Rc::from(&scratch[..]), body: None });
        }
        self.calls.next_message()
    }

    /// Passes on what happened; the ranges of its events are of `message`.
    fn tell<B: Buffer>(&mut self, id: PeerId, message: Option<&B>, mut tell: impl FnMut(Action<B>)) {
        let cut = |range: &Range<usize>| message.map(|message| message.view(range.clone()));
        while let Some(event) = self.streams.poll() {
            let bytes = if let stream::Event::Data { range, .. } = &event { cut(range) } else { None };
            tell(Action::Stream(id, event, bytes));
        }
        while let Some(event) = self.calls.poll() {
            let bytes = match &event {
                call::Event::Request { body, .. } | call::Event::Response { body, .. } => cut(body),
                _ => None,
            };
            tell(Action::Call(id, event, bytes));
        }
    }
}

impl<P: Payload, B: Buffer> Node<P, B> {
    fn exchange(&mut self, id: PeerId) -> Option<&mut Exchange<P>> {
        let reachable = !self.is_ending() && self.is_reachable(id);
        self.peers.get_mut(&id).filter(|_| reachable).map(|peer| &mut peer.exchange)
    }

    /// What a peer sent on the channel of streams and calls.
    pub(super) fn more_arrived(&mut self, now: u64, id: PeerId, buffer: &B, ranges: Vec<Range<usize>>) {
        let mut head = std::mem::take(&mut self.frame);
        for range in ranges {
            let Some(Peer { session: Some(session), exchange, .. }) = self.peers.get_mut(&id) else { break };
            let message = buffer.view(range);
            session.consumed(self.deliveries.len(), 1, message.len() as u64);
            message.read_head(call::HEAD_BYTES, &mut head);
            let fault = exchange.handle(&head, message.len()).err();
            exchange.tell(id, Some(&message), |action| self.actions.push_back(action));
            if let Some(error) = fault {
                let channel = self.deliveries.len();
                self.actions.push_back(Action::Notify(Event::Violation { id, channel, error }));
                // What follows would make no sense.
                self.restart(now, id, None);
                break;
            }
        }
        self.frame = head;
    }

    /// Gives the sessions what they take of streams and calls.
    pub(super) fn pull_more(&mut self, now: u64) {
        let mut scratch = std::mem::take(&mut self.frame);
        for (id, peer) in self.peers.iter_mut() {
            let Peer { session: Some(session), exchange, .. } = peer else { continue };
            while session.takes_more()
                && let Some(message) = exchange.next_message(&mut scratch)
            {
                // It is within the limit: both see to that.
                let _ = session.push(now, self.deliveries.len(), Parcel::More(message), false);
            }
            exchange.tell(id, None, |action| self.actions.push_back(action));
        }
        self.frame = scratch;
    }

    /// Fails calls whose time is up.
    pub(super) fn check_calls(&mut self, now: u64, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.exchange.calls.timed_out(now);
            peer.exchange.tell(id, None, |action| self.actions.push_back(action));
        }
    }

    /// Ends all streams and calls with a peer, and begins anew.
    pub(super) fn fail_more(&mut self, id: PeerId) {
        let own = self.room.id().unwrap_or(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.exchange.fail();
        peer.exchange.tell(id, None, |action| self.actions.push_back(action));
        peer.exchange.streams = Streams::new(own, id);
        peer.exchange.calls.renew();
    }

    pub(super) fn new_exchange(&self, peer: PeerId) -> Exchange<P> {
        // Nobody arrives before we are let in ourselves.
        Exchange::new(self.room.id().unwrap_or(peer), peer, self.room.config().hello.methods())
    }

    /// Opens a stream to a peer. It can be written to at once. [`Action::Stream`] tells what happens to it.
    ///
    /// # Errors
    /// [`StreamError::NameTooLong`], [`StreamError::TooManyStreams`] or [`StreamError::PeerGone`].
    pub fn open_stream(&mut self, to: PeerId, name: &str) -> Result<StreamId, StreamError> {
        self.exchange(to).ok_or(StreamError::PeerGone)?.streams.open(name)
    }

    /// Queues bytes on a stream. False when the next write should wait for
    /// [`Writable`](stream::Event::Writable).
    ///
    /// # Errors
    /// [`StreamError::Closed`] or [`StreamError::PeerGone`].
    pub fn write_stream(&mut self, to: PeerId, id: StreamId, payload: P) -> Result<bool, StreamError> {
        let streams = &mut self.exchange(to).ok_or(StreamError::PeerGone)?.streams;
        streams.write(id, payload)?;
        Ok(streams.is_writable(id))
    }

    /// See [`Streams::finish`].
    pub fn finish_stream(&mut self, to: PeerId, id: StreamId) {
        self.with_streams(to, |streams| streams.finish(id));
    }

    /// See [`Streams::abort`].
    pub fn abort_stream(&mut self, to: PeerId, id: StreamId, reason: &str) {
        self.with_streams(to, |streams| streams.abort(id, reason));
    }

    /// See [`Streams::cancel`].
    pub fn cancel_stream(&mut self, to: PeerId, id: StreamId, reason: &str) {
        self.with_streams(to, |streams| streams.cancel(id, reason));
    }

    /// See [`Streams::consumed`].
    pub fn stream_consumed(&mut self, from: PeerId, id: StreamId, bytes: usize) {
        self.with_streams(from, |streams| streams.consumed(id, bytes));
    }

    fn with_streams(&mut self, peer: PeerId, act: impl FnOnce(&mut Streams<P>)) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            act(&mut peer.exchange.streams);
        }
    }

    /// Calls a method of a peer's, which fails without an answer at `deadline_ms`. [`Action::Call`] tells the outcome.
    ///
    /// # Errors
    /// [`CallError::MessageTooLarge`], [`CallError::TooManyCalls`] or [`CallError::PeerGone`].
    pub fn call(
        &mut self,
        to: PeerId,
        method: usize,
        body: P,
        deadline_ms: Option<u64>,
    ) -> Result<CallId, CallError> {
        self.exchange(to).ok_or(CallError::PeerGone)?.calls.call(method, body, deadline_ms)
    }

    /// See [`Calls::cancel`].
    pub fn cancel_call(&mut self, to: PeerId, id: CallId) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.exchange.calls.cancel(id);
        }
    }

    /// See [`Calls::respond`]. A call that was cancelled must not be answered: its number may be another session's.
    ///
    /// # Errors
    /// [`CallError::MessageTooLarge`]: the call still waits for an answer.
    pub fn respond(&mut self, to: PeerId, id: CallId, body: P) -> Result<(), CallError> {
        match self.peers.get_mut(&to) {
            Some(peer) => peer.exchange.calls.respond(id, body),
            None => Ok(()),
        }
    }

    /// See [`Calls::refuse`] and [`Node::respond`].
    pub fn refuse_call(&mut self, to: PeerId, id: CallId, code: &str, message: &str) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.exchange.calls.refuse(id, code, message);
        }
    }
}
