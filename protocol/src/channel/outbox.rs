//! Messages on their way out on one channel to one peer: queue, pack, cut up, keep until acknowledged, send again.

use std::collections::VecDeque;

use super::error::{FrameError, SendError};
use super::frame::{self, Ack, CHUNK_BYTES, message_cost, varint_len};
use super::{Payload, Via, packed};
use crate::codec::push_varint;
use crate::hello::Delivery;
use crate::limits;

/// A batch on a [`Delivery::Lifetime`] channel is kept to what fits one network packet beside the headers of SCTP,
/// DTLS and UDP: the messages of a batch are lost together, so one lost packet should not take sixteen packets' worth.
const LOSSY_BATCH_BYTES: usize = 1100;

/// Messages for one peer on one channel, in the order pushed: those that wait, and on all but lifetime channels those
/// sent and not yet acknowledged.
///
/// A cursor stands at what is sent next. When a [path](Via) ends, [`Outbox::rewind`] sets it back to what the peer has
/// acknowledged, and everything behind that is sent again; the peer drops what it has already. On a latest channel only
/// the newest value is kept.
#[derive(Debug)]
pub struct Outbox<P> {
    delivery: Delivery,
    compress: bool,
    queue: VecDeque<Waiting<P>>,
    /// The number of the next message pushed.
    next_seq: u64,
    /// Index in the queue of what is sent next, and how many bytes of it have been sent: only a message in fragments
    /// can be half sent.
    cursor: usize,
    cursor_offset: usize,
    /// How much of the first message of the queue the peer has.
    acked_offset: usize,
    /// Cost of all messages before the queue, and before the cursor.
    base_cost: u64,
    cursor_cost: u64,
    /// What the peer takes: see [`Ack::granted`].
    granted: u64,
    /// One more than the highest number ever wholly sent.
    sent_to: u64,
    /// For each path, one more than the highest number sent over it and not known to have arrived.
    in_flight: [u64; Via::COUNT],
    high_water: u64,
    queued_bytes: usize,
    sent_messages: u64,
    resent_messages: u64,
}

#[derive(Debug)]
struct Waiting<P> {
    payload: P,
    len: usize,
    seq: u64,
    since_ms: u64,
}

impl<P: Payload> Outbox<P> {
    /// An empty outbox for a channel of this delivery. The peer takes `window` bytes before it grants more; senders
    /// should wait while more than `high_water` bytes are here.
    pub fn new(delivery: Delivery, window: u32, high_water: u32) -> Self {
        Self {
            delivery,
            compress: false,
            queue: VecDeque::new(),
            next_seq: 0,
            cursor: 0,
            cursor_offset: 0,
            acked_offset: 0,
            base_cost: 0,
            cursor_cost: 0,
            granted: u64::from(window),
            sent_to: 0,
            in_flight: [0; Via::COUNT],
            high_water: u64::from(high_water),
            queued_bytes: 0,
            sent_messages: 0,
            resent_messages: 0,
        }
    }

    /// Compresses what is written from now on, where that makes it shorter, or no longer does.
    pub fn set_compress(&mut self, compress: bool) {
        self.compress = compress;
    }

    /// Queues a message, at any time: whoever sends waits while [`Outbox::is_over_high_water`]. Gives its number.
    ///
    /// On a [`Delivery::Latest`] channel it replaces what is there. A message of which fragments have already left is
    /// finished first: were it abandoned, values that come faster than one can be sent would never arrive at all.
    ///
    /// # Errors
    /// [`SendError::MessageTooLarge`] over [`limits::MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, now_ms: u64, payload: P) -> Result<u64, SendError> {
        let (len, max) = (payload.len(), limits::MAX_MESSAGE_BYTES);
        if len > max {
            return Err(SendError::MessageTooLarge { len, max });
        }
        self.drop_expired(now_ms);
        if self.delivery == Delivery::Latest {
            // What it puts in its place goes too. `remove` and `drain`, which keep order, take half a kilobyte.
            let half_sent = self.queue.swap_remove_back(self.cursor).filter(|_| self.cursor_offset > 0);
            self.queue.clear();
            self.queued_bytes = half_sent.as_ref().map_or(0, |half| half.len);
            if half_sent.is_none() {
                self.cursor_offset = 0;
            }
            self.queue.extend(half_sent);
            self.cursor = 0;
            self.cursor_cost = self.base_cost;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.queued_bytes += len;
        self.queue.push_back(Waiting { payload, len, seq, since_ms: now_ms });
        Ok(seq)
    }

    /// Whether something may be sent now. `bulk` says whether messages in fragments may.
    pub fn has_unsent(&self, bulk: bool) -> bool {
        let Some(next) = self.queue.get(self.cursor) else { return false };
        let granted = !self.is_reliable() || self.cursor_offset > 0 || self.cursor_cost < self.granted;
        granted && (bulk || next.len <= CHUNK_BYTES)
    }

    /// Appends the next batch or fragment to `frame`, if something may be sent and `room` bytes suffice for it.
    /// Returns where in the frame it begins. What is written counts as sent over `via`.
    pub fn write(
        &mut self,
        now_ms: u64,
        via: Via,
        bulk: bool,
        room: usize,
        frame: &mut Vec<u8>,
    ) -> Option<usize> {
        self.drop_expired(now_ms);
        let at = frame.len();
        if !self.has_unsent(bulk) {
            return None;
        }
        let next = self.queue.get(self.cursor)?;
        if next.len > CHUNK_BYTES {
            if room < limits::MAX_FRAME_BYTES {
                return None;
            }
            self.write_fragment(via, frame);
        } else {
            let count = self.batch_count(room);
            if count == 0 {
                return None;
            }
            self.write_batch(via, count, frame);
        }
        debug_assert!(
            frame.len() - at <= limits::MAX_FRAME_BYTES,
            "a payload appended more than it was asked for"
        );
        if self.compress {
            packed::pack(frame, at);
        }
        Some(at)
    }

    fn write_fragment(&mut self, via: Via, frame: &mut Vec<u8>) {
        let Some(next) = self.queue.get(self.cursor) else { return };
        let end = next.len.min(self.cursor_offset + CHUNK_BYTES);
        frame::start_fragment(frame, next.seq, next.len, self.cursor_offset);
        next.payload.append_range(self.cursor_offset..end, frame);
        self.in_flight[via.index()] = next.seq + 1;
        self.cursor_offset = end;
        if end == next.len {
            self.cursor_offset = 0;
            self.advance(self.cursor + 1);
        }
    }

    fn write_batch(&mut self, via: Via, count: usize, frame: &mut Vec<u8>) {
        let sent = || self.queue.iter().skip(self.cursor).take(count);
        let Some(first) = sent().next() else { return };
        frame::start_batch(frame, first.seq, count);
        for waiting in sent() {
            push_varint(frame, waiting.len as u64);
        }
        for waiting in sent() {
            waiting.payload.append_range(0..waiting.len, frame);
        }
        self.in_flight[via.index()] = first.seq + count as u64;
        self.advance(self.cursor + count);
    }

    /// The cursor moves on over whole messages. On a lifetime channel they are forgotten.
    fn advance(&mut self, cursor: usize) {
        for sent in self.queue.range(self.cursor..cursor) {
            self.cursor_cost += message_cost(sent.len);
            self.resent_messages += u64::from(sent.seq < self.sent_to);
            self.sent_to = self.sent_to.max(sent.seq + 1);
        }
        self.sent_messages += (cursor - self.cursor) as u64;
        self.cursor = cursor;
        if matches!(self.delivery, Delivery::Lifetime(_)) {
            self.forget(cursor);
        }
    }

    /// Removes the first `count` messages, all of them before the cursor or at it.
    fn forget(&mut self, count: usize) {
        for gone in (0..count).map_while(|_| self.queue.pop_front()) {
            self.queued_bytes -= gone.len;
            self.base_cost += message_cost(gone.len);
        }
        if count > 0 {
            self.acked_offset = 0;
        }
        if count > self.cursor {
            self.cursor_offset = 0;
            self.cursor_cost = self.base_cost;
        }
        self.cursor = self.cursor.saturating_sub(count);
    }

    /// How many messages from the cursor fit into one batch of at most `room` bytes.
    fn batch_count(&self, room: usize) -> usize {
        let lossy = matches!(self.delivery, Delivery::Lifetime(_));
        let max = room.min(if lossy { LOSSY_BATCH_BYTES } else { limits::MAX_FRAME_BYTES });
        let (mut count, mut bytes, mut cost) = (0, 0, self.cursor_cost);
        let mut header = 0;
        for waiting in self.queue.iter().skip(self.cursor) {
            if count == 0 {
                header = 1 + varint_len(waiting.seq);
            }
            let follows = waiting.seq == self.queue[self.cursor].seq + count as u64;
            let granted = !self.is_reliable() || cost < self.granted;
            bytes += varint_len(waiting.len as u64) + waiting.len;
            let len = header + varint_len(count as u64 + 1) + bytes;
            // A single message may be longer than a lossy batch should be.
            let fits = len <= max || count == 0 && len <= room;
            if waiting.len > CHUNK_BYTES || !follows || !granted || !fits {
                break;
            }
            count += 1;
            cost += message_cost(waiting.len);
        }
        count
    }

    /// On a [`Delivery::Lifetime`] channel, drops what has waited longer than it may, also when half of it has left:
    /// the rest would come late. `push` and `write` do this too; call it when neither happens for a while and
    /// somebody waits for room.
    pub fn drop_expired(&mut self, now_ms: u64) {
        let Delivery::Lifetime(lifetime_ms) = self.delivery else { return };
        let expired = |waiting: &Waiting<P>| now_ms.saturating_sub(waiting.since_ms) > u64::from(lifetime_ms);
        while self.queue.front().is_some_and(expired) {
            self.forget(1);
        }
    }

    /// Takes the peer's word of what it has received, and of how much more it takes. True when that freed something.
    ///
    /// # Errors
    /// [`FrameError::BadAck`] when it names what was not sent.
    pub fn ack(&mut self, ack: Ack) -> Result<bool, FrameError> {
        if ack.seq > self.sent_to {
            return Err(FrameError::BadAck(ack.seq));
        }
        let before = (self.queue.len(), self.granted, self.acked_offset);
        self.granted = self.granted.max(ack.granted);
        let known = self.queue.iter().take_while(|sent| sent.seq < ack.seq).count();
        self.forget(known);
        for in_flight in &mut self.in_flight {
            if *in_flight <= ack.seq {
                *in_flight = 0;
            }
        }
        let first = self.queue.front().filter(|first| first.seq == ack.seq && self.is_reliable());
        if let Some(first) = first
            && ack.offset < first.len
            && ack.offset.is_multiple_of(CHUNK_BYTES)
        {
            self.acked_offset = self.acked_offset.max(ack.offset);
            if self.cursor == 0 {
                self.cursor_offset = self.cursor_offset.max(self.acked_offset);
            }
        }
        Ok(before != (self.queue.len(), self.granted, self.acked_offset))
    }

    /// What went over this path may not have arrived: it will be sent again.
    pub fn rewind(&mut self, via: Via) {
        let lost = self.is_in_flight(via);
        self.in_flight[via.index()] = 0;
        if !lost {
            return;
        }
        if self.delivery == Delivery::Latest {
            // Nothing of the older value counts any more, so the newer need not wait for it.
            let stale = self.queue.len() - 1;
            self.forget(stale);
        }
        if let Delivery::Lifetime(_) = self.delivery {
            // Half a message is on the lost path: its number is used up, and it would come late.
            self.forget(usize::from(self.cursor_offset > 0));
            return;
        }
        self.cursor = 0;
        self.cursor_offset = self.acked_offset;
        self.cursor_cost = self.base_cost;
    }

    /// Whether something that went over this path is not acknowledged.
    pub fn is_in_flight(&self, via: Via) -> bool {
        self.queue.front().is_some_and(|first| first.seq < self.in_flight[via.index()])
    }

    fn is_reliable(&self) -> bool {
        matches!(self.delivery, Delivery::Ordered | Delivery::Unordered)
    }

    /// Bytes of messages that are here.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Bytes sent and not acknowledged, counting a little for each message too.
    pub fn unacknowledged(&self) -> u64 {
        let half_sent =
            self.cursor_offset.saturating_sub(if self.cursor == 0 { self.acked_offset } else { 0 });
        self.cursor_cost - self.base_cost + half_sent as u64
    }

    /// Whether as much as `limit` is sent and not acknowledged, so that sending should stop until it is. Unordered messages
    /// are acknowledged as wholes: one that was begun is finished. Where messages may be lost, their acknowledgements may
    /// never come: there nothing stops.
    pub fn is_in_flight_over(&self, limit: u64) -> bool {
        let may_stop = match self.delivery {
            Delivery::Ordered => true,
            Delivery::Unordered => self.cursor_offset == 0,
            Delivery::Latest | Delivery::Lifetime(_) => false,
        };
        may_stop && self.unacknowledged() >= limit
    }

    /// How far sending has come since the start, counted as messages [cost](message_cost).
    pub fn sent_position(&self) -> u64 {
        self.cursor_cost + self.cursor_offset as u64
    }

    /// How far everything is acknowledged, counted in the same way.
    pub fn acked_position(&self) -> u64 {
        self.base_cost + self.acked_offset as u64
    }

    /// Whether senders should wait. On latest channels never: a value replaces the one before it.
    pub fn is_over_high_water(&self) -> bool {
        let waiting = self.queued_bytes as u64 + self.queue.len() as u64 * message_cost(0);
        self.delivery != Delivery::Latest && waiting > self.high_water
    }

    /// Whether nothing is here: everything is acknowledged, or, on lifetime channels, sent or dropped.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Messages that are here.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether message `seq` is not here any more: acknowledged, or replaced by a newer value.
    pub fn is_settled(&self, seq: u64) -> bool {
        self.queue.front().is_none_or(|first| first.seq > seq)
    }

    /// Messages wholly sent since the start. What was sent again counts again.
    pub fn sent_messages(&self) -> u64 {
        self.sent_messages
    }

    /// How many of those were sent again, because a path ended or fell silent.
    pub fn resent_messages(&self) -> u64 {
        self.resent_messages
    }

    /// How much more the peer takes now, counting a little for each message; None where it takes all.
    pub fn window(&self) -> Option<u64> {
        self.is_reliable().then(|| self.granted.saturating_sub(self.cursor_cost))
    }
}

#[cfg(test)]
mod tests;
