//! Calls between two peers: a request to a declared method, and one answer, over an ordered, reliable channel.
//!
//! Every call of ours that was made is settled exactly once: by [`Event::Response`], by [`Event::Failed`], or by
//! [`Calls::cancel`], after which nothing more is heard of it. Every request of the peer's is answered by
//! [`Calls::respond`] or [`Calls::refuse`], unless [`Event::Cancelled`] comes first; an answer after that is dropped.
//!
//! The driver calls a method, or feeds a message to [`Calls::handle`], and drains [`Calls::poll`] before the next.
//! Whenever the channel has room it takes [`Calls::next_message`] and sends it. [`Calls::deadline`] says when to call
//! [`Calls::timed_out`]. Bodies do not live here: going out they are a [`Payload`], coming in a range of the message.
//!
//! ```
//! use std::rc::Rc;
//! use peerloom_protocol::call::{Calls, Event};
//! use peerloom_protocol::channel::Payload;
//!
//! let (mut a, mut b) = (Calls::<Rc<[u8]>>::new(1), Calls::<Rc<[u8]>>::new(1));
//! let call = a.call(0, Rc::from(*b"ping"), Some(5_000)).unwrap();
//! let bytes = |message: &dyn Fn(&mut Vec<u8>)| { let mut out = Vec::new(); message(&mut out); out };
//!
//! let message = a.next_message().unwrap();
//! let request = bytes(&|out| message.append_range(0..message.len(), out));
//! b.handle(&request, request.len()).unwrap();
//! let Some(Event::Request { id, method: 0, body }) = b.poll() else { panic!() };
//! assert_eq!(&request[body], b"ping");
//! b.respond(id, Rc::from(*b"pong")).unwrap();
//!
//! let message = b.next_message().unwrap();
//! let response = bytes(&|out| message.append_range(0..message.len(), out));
//! a.handle(&response, response.len()).unwrap();
//! assert_eq!(a.poll(), Some(Event::Response { id: call, body: 2..6 }));
//! ```

mod error;
mod event;
mod wire;

use std::ops::Range;
use std::rc::Rc;

use self::wire::{CANCEL, FAILURE, Parsed, REQUEST, RESPONSE};
use crate::bounded::Text;
use crate::channel::Payload;
use crate::codec::push_varint;
use crate::fields::{push_text, start};
use crate::limits;
use crate::sorted_map::SortedMap;

pub use error::{CallError, CallFailure, CallFault, code};
pub use event::Event;
pub use wire::Message;

/// Of a message, this much must be here to be read: all but a body.
pub const HEAD_BYTES: usize = 1104;

/// Names a call among those of the peer that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Calls that one side has made and that are not settled. Both ends count them, so that a caller that keeps to the
/// limits is never refused: what the caller takes off last, the other end has taken off before.
#[derive(Debug, Default)]
struct Open {
    /// Bytes of the request, and when it is given up.
    calls: SortedMap<u64, (usize, u64)>,
    bytes: usize,
    next: u64,
}

impl Open {
    /// Whether a call with a body like this may be added to these and `more` others.
    fn has_room(&self, more: usize, bytes: usize) -> bool {
        self.calls.len() + more < limits::MAX_CALLS && self.bytes + bytes <= limits::MAX_CALL_BYTES
    }

    fn add(&mut self, bytes: usize, deadline_ms: u64) -> u64 {
        let id = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.calls.insert(id, (bytes, deadline_ms));
        id
    }

    /// `false` when there is none.
    fn remove(&mut self, id: u64) -> bool {
        let removed = self.calls.remove(&id);
        self.bytes -= removed.map_or(0, |(bytes, _)| bytes);
        removed.is_some()
    }
}

#[derive(Debug)]
struct Waiting<P> {
    kind: u8,
    id: u64,
    message: Message<P>,
}

/// All calls between this peer and one other.
#[derive(Debug)]
pub struct Calls<P> {
    methods: usize,
    /// Ours, until they are settled.
    ours: Open,
    /// The peer's, until they are answered.
    theirs: Open,
    /// Messages to send, in order. Bounded: requests and cancels by our open calls, answers by [`Self::answers`].
    queue: Vec<Waiting<P>>,
    /// How many of them are answers.
    answers: usize,
    events: Vec<Event>,
    gone: bool,
}

impl<P: Payload> Calls<P> {
    /// No calls yet. `methods` are declared; calls of the peer's to others fail as [`code::NO_HANDLER`].
    pub fn new(methods: usize) -> Self {
        Self {
            methods,
            ours: Open::default(),
            theirs: Open::default(),
            queue: Vec::new(),
            answers: 0,
            events: Vec::new(),
            gone: false,
        }
    }

    /// Calls a method, by its place in the sorted list of the declared ones. Without an answer at `deadline_ms` it fails
    /// as [`CallFailure::TimedOut`].
    ///
    /// # Errors
    /// [`CallError::MessageTooLarge`], [`CallError::TooManyCalls`] or [`CallError::PeerGone`].
    pub fn call(&mut self, method: usize, body: P, deadline_ms: Option<u64>) -> Result<CallId, CallError> {
        let len = checked_len(&body)?;
        if self.gone {
            return Err(CallError::PeerGone);
        }
        if !self.ours.has_room(0, len) {
            return Err(CallError::TooManyCalls);
        }
        let id = self.ours.add(len, deadline_ms.unwrap_or(u64::MAX));
        self.push(REQUEST, id, Some(body), |head| push_varint(head, method as u64));
        Ok(CallId(id))
    }

    /// Gives up a call of ours: no event follows, and the handler at the other end is told to stop. Does nothing when it
    /// is settled already.
    pub fn cancel(&mut self, id: CallId) {
        let CallId(id) = id;
        if !self.ours.remove(id) {
            return;
        }
        // A request that has not left is taken back, so that a caller that changes its mind does not fill the queue.
        if self.take_back(id, false) == 0 {
            self.push(CANCEL, id, None, |_| ());
        }
    }

    /// Answers a call of the peer's. Does nothing when it was cancelled.
    ///
    /// # Errors
    /// [`CallError::MessageTooLarge`]: the call still waits for an answer.
    pub fn respond(&mut self, id: CallId, body: P) -> Result<(), CallError> {
        checked_len(&body)?;
        if self.theirs.remove(id.0) {
            self.push(RESPONSE, id.0, Some(body), |_| ());
        }
        Ok(())
    }

    /// Answers a call of the peer's with a failure: a code for programs and a text for people, both cut to their limits.
    /// [`code::NO_HANDLER`] when nobody answers the method. Does nothing when the call was cancelled.
    pub fn refuse(&mut self, id: CallId, code: &str, message: &str) {
        if self.theirs.remove(id.0) {
            self.push_failure(id.0, code, message);
        }
    }

    /// Takes one message of the peer's, of `len` bytes, of which `head` holds at least the first [`HEAD_BYTES`], or all.
    /// Messages of a kind that this version does not know are skipped, as are answers to calls that are settled and
    /// cancels of calls that are answered: they have crossed.
    ///
    /// # Errors
    /// The peer broke a rule. Memory stays bounded even if it is listened to further.
    pub fn handle(&mut self, head: &[u8], len: usize) -> Result<(), CallFault> {
        let (number, parsed) = wire::parse(head, len).ok_or(CallFault::Malformed)?;
        let id = CallId(number);
        match parsed {
            Parsed::Request { method, body } => self.requested(number, method, body)?,
            Parsed::Response(body) if self.ours.remove(number) => {
                self.events.push(Event::Response { id, body });
            }
            Parsed::Failure { code, message } if self.ours.remove(number) => {
                let failure = CallFailure::Remote { code: Text::cut(code), message: Text::cut(message) };
                self.events.push(Event::Failed { id, failure });
            }
            Parsed::Cancel => {
                if self.theirs.remove(number) {
                    self.events.push(Event::Cancelled { id });
                } else {
                    self.answers -= self.take_back(number, true);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The next event to tell, until there is none.
    pub fn poll(&mut self) -> Option<Event> {
        if self.events.is_empty() { None } else { Some(self.events.remove(0)) }
    }

    /// The next message to send, until there is none. Whatever is given counts as sent.
    pub fn next_message(&mut self) -> Option<Message<P>> {
        if self.queue.is_empty() {
            return None;
        }
        let waiting = self.queue.remove(0);
        self.answers -= usize::from(is_answer(waiting.kind));
        Some(waiting.message)
    }

    /// When to call [`Calls::timed_out`].
    pub fn deadline(&self) -> Option<u64> {
        self.ours.calls.values().map(|(_, deadline_ms)| *deadline_ms).min().filter(|at| *at < u64::MAX)
    }

    /// Fails the calls whose time is up.
    pub fn timed_out(&mut self, now_ms: u64) {
        while let Some(id) = self.first_due(now_ms) {
            self.cancel(id);
            self.events.push(Event::Failed { id, failure: CallFailure::TimedOut });
        }
    }

    fn first_due(&self, now_ms: u64) -> Option<CallId> {
        self.ours.calls.iter().find(|(_, (_, at))| *at <= now_ms).map(|(id, _)| CallId(id))
    }

    /// The peer is gone for good: our calls fail, its calls are cancelled, and nothing more is sent.
    pub fn fail(&mut self) {
        self.gone = true;
        self.queue.clear();
        self.answers = 0;
        for id in self.ours.calls.keys().map(CallId) {
            self.events.push(Event::Failed { id, failure: CallFailure::PeerGone });
        }
        for id in self.theirs.calls.keys().map(CallId) {
            self.events.push(Event::Cancelled { id });
        }
        for open in [&mut self.ours, &mut self.theirs] {
            open.calls.clear();
            open.bytes = 0;
        }
    }

    /// Whether no message waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.queue.is_empty()
    }

    /// After [`Calls::fail`]: the peer is back, and has forgotten everything. Our numbers go on, so that one that the
    /// application still holds means no other call.
    pub fn renew(&mut self) {
        self.gone = false;
        self.theirs = Open::default();
    }

    /// Calls of ours that are not settled, and calls of the peer's that wait for an answer.
    pub fn open(&self) -> (usize, usize) {
        (self.ours.calls.len(), self.theirs.calls.len())
    }

    fn requested(&mut self, number: u64, method: u64, body: Range<usize>) -> Result<(), CallFault> {
        if number < self.theirs.next || number == u64::MAX {
            return Err(CallFault::BadId(number));
        }
        self.theirs.next = number;
        // An answer that has not left counts too: a peer that reads none must not fill our memory with them.
        if !self.theirs.has_room(self.answers, body.len()) {
            if self.answers >= 2 * limits::MAX_CALLS {
                return Err(CallFault::TooManyCalls);
            }
            self.theirs.next += 1;
            self.push_failure(number, code::TOO_MANY_CALLS, "");
            return Ok(());
        }
        let id = CallId(self.theirs.add(body.len(), u64::MAX));
        match usize::try_from(method).ok().filter(|method| *method < self.methods) {
            Some(method) => self.events.push(Event::Request { id, method, body }),
            None => self.refuse(id, code::NO_HANDLER, ""),
        }
        Ok(())
    }

    fn push_failure(&mut self, id: u64, code: &str, message: &str) {
        self.push(FAILURE, id, None, |head| {
            push_text(head, &Text::<{ limits::MAX_CALL_CODE_BYTES }>::cut(code));
            push_text(head, &Text::<{ limits::MAX_CALL_TEXT_BYTES }>::cut(message));
        });
    }

    fn push(&mut self, kind: u8, id: u64, body: Option<P>, fields: impl FnOnce(&mut Vec<u8>)) {
        let mut head = Vec::new();
        start(&mut head, kind, id);
        fields(&mut head);
        self.answers += usize::from(is_answer(kind));
        self.queue.push(Waiting { kind, id, message: Message { head: Rc::from(head), body } });
    }

    /// Takes our messages about a call of ours, or our answer to one of theirs, out of the queue; says how many.
    fn take_back(&mut self, id: u64, answers: bool) -> usize {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting.id != id || is_answer(waiting.kind) != answers);
        before - self.queue.len()
    }
}

fn is_answer(kind: u8) -> bool {
    kind == RESPONSE || kind == FAILURE
}

fn checked_len<P: Payload>(body: &P) -> Result<usize, CallError> {
    let len = body.len();
    if len > limits::MAX_CALL_BODY_BYTES { Err(CallError::MessageTooLarge(len)) } else { Ok(len) }
}

#[cfg(test)]
mod tests;
