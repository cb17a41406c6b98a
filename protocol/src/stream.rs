//! Byte streams between two peers, many at once over one ordered, reliable channel.
//!
//! A stream has a name and two directions. Each direction is a run of bytes that its writer brings to an
//! [end](Streams::finish) or [aborts](Streams::abort), and that its reader may [cancel](Streams::cancel): a small form of
//! the streams of QUIC (RFC 9000 §2 and §3). A stream is over, and forgotten, when both directions are: aborted, or ended
//! and read to the end.
//!
//! The driver calls a method, or feeds a message to [`Streams::handle`], and drains [`Streams::poll`] before the next.
//! Whenever the channel has room it calls [`Streams::next_message`] and sends what was written, in that order. Messages
//! are made only then: streams with bytes to send take turns, and nothing piles up here while the channel is full.
//!
//! Bytes do not live here. Going out they are a [`Payload`] until they are copied into a message; coming in they are a
//! range of the message, which the driver keeps for the application and reports as [`consumed`](Streams::consumed).
//! However a peer behaves, at most [`limits::STREAM_WINDOW_BYTES`] of it wait unread in each of [`limits::MAX_STREAMS`]
//! streams of its own, and in as many of ours.
//!
//! ```
//! use std::rc::Rc;
//! use peerloom_protocol::id::PeerId;
//! use peerloom_protocol::stream::{Event, Streams};
//!
//! let (ada, bob) = (PeerId([1; 16]), PeerId([2; 16]));
//! let (mut a, mut b) = (Streams::<Rc<[u8]>>::new(ada, bob), Streams::<Rc<[u8]>>::new(bob, ada));
//! let id = a.open("notes").unwrap();
//! a.write(id, Rc::from(*b"hi")).unwrap();
//! a.finish(id);
//!
//! let (mut message, mut read) = (Vec::new(), Vec::new());
//! while a.next_message(&mut message) {
//!     b.handle(&message, message.len()).unwrap();
//!     while let Some(event) = b.poll() {
//!         match event {
//!             Event::Opened { name, .. } => assert_eq!(&*name, "notes"),
//!             Event::Data { range, .. } => read.extend_from_slice(&message[range]),
//!             Event::Ended { id } => b.consumed(id, read.len()),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(read, b"hi");
//! ```

mod error;
mod event;
mod reader;
mod wire;
mod writer;

use self::reader::Reader;
use self::wire::Message;
use self::writer::Writer;
use crate::bounded::Text;
use crate::channel::Payload;
use crate::id::PeerId;
use crate::limits;
use crate::sorted_map::SortedMap;

pub use error::{StreamError, StreamFault};
pub use event::Event;

/// Of a message, this much must be here to be read: all but the bytes of a stream.
pub const HEAD_BYTES: usize = 272;

/// Kinds below this are messages of streams; those from here on, on the same channel, are of [calls](crate::call).
pub const KINDS_END: u8 = 0x10;

/// Names a stream at both ends. The peer with the lower id opens even ones, the other odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Why a stream was aborted or cancelled, in the words of who did it.
pub type Reason = Text<{ limits::MAX_REASON_BYTES }>;
/// A stream's name.
pub type Name = Text<{ limits::MAX_STREAM_NAME_BYTES }>;

/// The reason of a stream that was refused.
const TOO_MANY: &str = "too-many-streams";

#[derive(Debug)]
struct Stream<P> {
    /// The name, until the opening was sent. The peer knows nothing of the stream before.
    announce: Option<Name>,
    writer: Writer<P>,
    reader: Reader,
}

impl<P: Payload> Stream<P> {
    fn new(announce: Option<Name>) -> Self {
        Self { announce, writer: Writer::new(), reader: Reader::new() }
    }

    fn is_flushed(&self) -> bool {
        self.announce.is_none() && self.writer.is_flushed() && self.reader.is_flushed()
    }

    fn write_control(&mut self, id: u64, out: &mut Vec<u8>) -> bool {
        if let Some(name) = self.announce.take() {
            wire::write_text(out, wire::OPEN, id, &name);
            return true;
        }
        self.writer.write_control(id, out) || self.reader.write_control(id, out)
    }
}

/// All streams between this peer and one other.
#[derive(Debug)]
pub struct Streams<P> {
    streams: SortedMap<u64, Stream<P>>,
    /// The number of the next stream opened by us, and of the next opened by the peer.
    next_own: u64,
    next_theirs: u64,
    /// The stream whose bytes were sent last.
    turn: u64,
    /// Streams of the peer's to refuse: each by a reset, then a stop.
    refusals: Vec<u64>,
    /// Whether the reset of the first was sent.
    half_refused: bool,
    /// Few: they are drained after each message.
    events: Vec<Event>,
    gone: bool,
}

impl<P: Payload> Streams<P> {
    /// No streams yet between `own` and `peer`.
    pub fn new(own: PeerId, peer: PeerId) -> Self {
        let odd = u64::from(own > peer);
        Self {
            streams: SortedMap::default(),
            next_own: odd,
            next_theirs: 1 - odd,
            turn: 0,
            refusals: Vec::new(),
            half_refused: false,
            events: Vec::new(),
            gone: false,
        }
    }

    /// Opens a stream. It can be written to at once.
    ///
    /// # Errors
    /// [`StreamError::NameTooLong`], [`StreamError::TooManyStreams`] or [`StreamError::PeerGone`].
    pub fn open(&mut self, name: &str) -> Result<StreamId, StreamError> {
        let announce = Name::try_from(name).map_err(|_| StreamError::NameTooLong(name.len()))?;
        if self.gone {
            return Err(StreamError::PeerGone);
        }
        if self.count(self.next_own) >= limits::MAX_STREAMS {
            return Err(StreamError::TooManyStreams);
        }
        let id = self.next_own;
        self.next_own += 2;
        self.streams.insert(id, Stream::new(Some(announce)));
        Ok(StreamId(id))
    }

    /// Queues bytes, at any time: whoever writes waits while not [`Streams::is_writable`]. No bytes are no message.
    ///
    /// # Errors
    /// [`StreamError::Closed`].
    pub fn write(&mut self, id: StreamId, payload: P) -> Result<(), StreamError> {
        let stream = self.streams.get_mut(&id.0).filter(|stream| stream.writer.is_open());
        stream.ok_or(StreamError::Closed)?.writer.write(payload);
        Ok(())
    }

    /// Whether a [`write`](Streams::write) need not wait: it is possible, and less than
    /// [`limits::STREAM_HIGH_WATER_BYTES`] wait.
    pub fn is_writable(&self, id: StreamId) -> bool {
        self.streams.get(&id.0).is_some_and(|stream| stream.writer.is_open() && stream.writer.has_room())
    }

    /// Ends our direction behind what was written. This and the other methods that end something do nothing when it is
    /// over already.
    pub fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id.0) {
            stream.writer.finish();
        }
    }

    /// Ends our direction at once: what waits is not sent, and the peer drops what it has not read. Does nothing once
    /// the end of a finished direction was sent.
    pub fn abort(&mut self, id: StreamId, reason: &str) {
        if let Some(stream) = self.streams.get_mut(&id.0) {
            stream.writer.abort(reason);
        }
    }

    /// Reads no more of the peer's direction: drop what has not been read.
    pub fn cancel(&mut self, id: StreamId, reason: &str) {
        if let Some(stream) = self.streams.get_mut(&id.0) {
            stream.reader.cancel(reason);
        }
    }

    /// The application has read this many bytes, so the peer may send more.
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(&id.0) {
            stream.reader.consumed(bytes as u64);
        }
    }

    /// Takes one message of the peer's, of `len` bytes, of which `head` holds at least the first [`HEAD_BYTES`], or all.
    /// Messages of a kind that this version does not know are skipped, as are those for streams that are over here:
    /// they may have crossed what ended it.
    ///
    /// # Errors
    /// The peer broke a rule. Memory stays bounded even if it is listened to further.
    pub fn handle(&mut self, head: &[u8], len: usize) -> Result<(), StreamFault> {
        let (number, message) = wire::parse(head, len).ok_or(StreamFault::Malformed)?;
        match message {
            Message::Unknown => return Ok(()),
            Message::Open(name) => return self.opened(number, name),
            _ => {}
        }
        let id = StreamId(number);
        let Some(stream) = self.streams.get_mut(&number) else {
            let next = if self.is_own(number) { self.next_own } else { self.next_theirs };
            return if number < next { Ok(()) } else { Err(StreamFault::UnknownStream(number)) };
        };
        if stream.announce.is_some() {
            return Err(StreamFault::UnknownStream(number));
        }
        let event = match message {
            Message::Data { body, last } => {
                let wanted = stream.reader.data(number, body.len(), last)?;
                if wanted && !body.is_empty() {
                    self.events.push(Event::Data { id, range: body });
                }
                (wanted && last).then_some(Event::Ended { id })
            }
            Message::Reset(reason) => {
                stream.reader.reset(number)?.then(|| Event::Aborted { id, reason: Reason::cut(reason) })
            }
            Message::Stop(reason) => {
                stream.writer.stop(reason).then(|| Event::Cancelled { id, reason: Reason::cut(reason) })
            }
            Message::Grant(limit) => {
                stream.writer.grant(limit);
                None
            }
            _ => {
                stream.writer.done(number)?;
                None
            }
        };
        self.events.extend(event);
        self.forget_if_over(number);
        Ok(())
    }

    /// The next event to tell, until there is none.
    pub fn poll(&mut self) -> Option<Event> {
        if self.events.is_empty() { None } else { Some(self.events.remove(0)) }
    }

    /// Writes the next message into `message`, replacing its contents, or returns `false`, leaving it empty, when there
    /// is none for now. Whatever is written counts as sent. Events may follow.
    pub fn next_message(&mut self, message: &mut Vec<u8>) -> bool {
        message.clear();
        if let Some(&number) = self.refusals.first() {
            let kind = if self.half_refused { wire::STOP } else { wire::RESET };
            wire::write_text(message, kind, number, TOO_MANY);
            if self.half_refused {
                self.refusals.remove(0);
            }
            self.half_refused = !self.half_refused;
            return true;
        }
        let number = self.write_control(message).or_else(|| self.write_data(message));
        if let Some(number) = number {
            self.forget_if_over(number);
        }
        number.is_some()
    }

    /// The peer is gone for good, so all streams are over. What ended before can still be read.
    pub fn fail(&mut self, reason: &str) {
        self.gone = true;
        self.refusals.clear();
        for (number, stream) in self.streams.iter_mut() {
            let (id, reason) = (StreamId(number), || Reason::cut(reason));
            if stream.reader.reset(number) == Ok(true) {
                self.events.push(Event::Aborted { id, reason: reason() });
            }
            if stream.writer.stop("") {
                self.events.push(Event::Cancelled { id, reason: reason() });
            }
            self.events.push(Event::Closed { id });
        }
        self.streams.clear();
    }

    /// Whether nothing waits to be sent but what the application has yet to write.
    pub fn is_flushed(&self) -> bool {
        self.refusals.is_empty() && self.streams.values().all(Stream::is_flushed)
    }

    /// How many streams are not over.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether every stream is over.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Bytes written to this stream that have not left.
    pub fn queued_bytes(&self, id: StreamId) -> usize {
        self.streams.get(&id.0).map_or(0, |stream| stream.writer.queued())
    }

    fn is_own(&self, number: u64) -> bool {
        number % 2 == self.next_own % 2
    }

    /// How many streams there are of the side that opens numbers like this.
    fn count(&self, like: u64) -> usize {
        self.streams.keys().filter(|number| number % 2 == like % 2).count()
    }

    fn opened(&mut self, number: u64, name: &str) -> Result<(), StreamFault> {
        if number != self.next_theirs {
            return Err(StreamFault::BadId(number, self.next_theirs));
        }
        if self.count(number) < limits::MAX_STREAMS {
            self.streams.insert(number, Stream::new(None));
            self.events.push(Event::Opened { id: StreamId(number), name: Name::cut(name) });
        } else if self.refusals.len() < limits::MAX_STREAMS {
            // Never one that keeps to the limit: it knows before us which streams are over.
            self.refusals.push(number);
        } else {
            return Err(StreamFault::TooManyStreams);
        }
        self.next_theirs += 2;
        Ok(())
    }

    /// Everything but bytes goes first. It is little: each stream has one message of each kind to send, and grants only
    /// while the peer's bytes are read. Streams are visited in the order of their numbers, so ours are opened in order.
    fn write_control(&mut self, message: &mut Vec<u8>) -> Option<u64> {
        self.streams
            .iter_mut()
            .find_map(|(number, stream)| stream.write_control(number, message).then_some(number))
    }

    fn write_data(&mut self, message: &mut Vec<u8>) -> Option<u64> {
        let (mut first, mut next) = (None, None);
        for (number, _) in self.streams.iter().filter(|(_, stream)| stream.writer.has_data()) {
            first = first.or(Some(number));
            next = next.or(Some(number).filter(|number| *number > self.turn));
        }
        let number = next.or(first)?;
        self.turn = number;
        let writer = &mut self.streams.get_mut(&number)?.writer;
        let had_room = writer.has_room();
        writer.write_data(number, message);
        if !had_room && writer.has_room() && writer.is_open() {
            self.events.push(Event::Writable { id: StreamId(number) });
        }
        Some(number)
    }

    fn forget_if_over(&mut self, number: u64) {
        if self.streams.get(&number).is_some_and(|stream| stream.writer.is_over() && stream.reader.is_over())
        {
            self.streams.remove(&number);
            self.events.push(Event::Closed { id: StreamId(number) });
        }
    }
}

#[cfg(test)]
mod tests;
