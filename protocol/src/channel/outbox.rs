//! Messages on their way out over one data channel to one peer: queue, pack, cut up, drop.

use std::collections::VecDeque;

use super::Payload;
use super::error::SendError;
use super::frame::{self, CHUNK_BYTES, varint_len};
use crate::codec::push_varint;
use crate::hello::Delivery;
use crate::limits;

/// A batch on a [`Delivery::Lifetime`] channel is kept to what fits one network packet beside the headers of SCTP,
/// DTLS and UDP: the messages of a batch are lost together, so one lost packet should not take sixteen packets' worth.
const LOSSY_BATCH_BYTES: usize = 1100;
/// What a waiting message counts towards the high-water mark beside its bytes, so that empty ones are bounded too.
const WAITING_COST: usize = 16;

/// Messages for one peer on one channel that its data channel has not been given yet, in the order pushed.
///
/// The driver [pushes](Outbox::push) messages, then, at the end of the task and whenever the data channel's buffer
/// has drained, calls [`Outbox::next_frame`] and sends what it wrote until it returns `false`.
#[derive(Debug)]
pub struct Outbox<P> {
    delivery: Delivery,
    queue: VecDeque<Waiting<P>>,
    /// The number of the message at the front of the queue.
    next_seq: u64,
    /// How many bytes of the message at the front have been handed over. Only one in fragments can be half sent.
    front_sent: usize,
    queued_bytes: usize,
    sent_messages: u64,
}

#[derive(Debug)]
struct Waiting<P> {
    payload: P,
    len: usize,
    since_ms: u64,
}

impl<P: Payload> Outbox<P> {
    /// An empty outbox for a channel of this delivery.
    pub fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            queue: VecDeque::new(),
            next_seq: 0,
            front_sent: 0,
            queued_bytes: 0,
            sent_messages: 0,
        }
    }

    /// Queues a message, at any time: whoever sends waits while [`Outbox::is_over_high_water`].
    ///
    /// On a [`Delivery::Latest`] channel it replaces what waits. A message of which fragments have already left is
    /// finished first: were it abandoned, values that come faster than one can be sent would never arrive at all.
    ///
    /// # Errors
    /// [`SendError::MessageTooLarge`] over [`limits::MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, now_ms: u64, payload: P) -> Result<(), SendError> {
        let (len, max) = (payload.len(), limits::MAX_MESSAGE_BYTES);
        if len > max {
            return Err(SendError::MessageTooLarge { len, max });
        }
        self.drop_expired(now_ms);
        if self.delivery == Delivery::Latest {
            let half_sent = usize::from(self.front_sent > 0);
            for stale in self.queue.drain(half_sent.min(self.queue.len())..) {
                self.queued_bytes -= stale.len;
            }
        }
        self.queued_bytes += len;
        self.queue.push_back(Waiting { payload, len, since_ms: now_ms });
        Ok(())
    }

    /// Writes the next frame into `frame`, replacing its contents, if the data channel may take it.
    ///
    /// `buffered` is the data channel's `bufferedAmount`. A frame is written only when it cannot lift that over
    /// [`limits::MAX_OUTSTANDING_BYTES`]. Returns `false`, leaving `frame` empty, when that is used up or nothing
    /// waits. Whatever is written counts as sent.
    pub fn next_frame(&mut self, now_ms: u64, buffered: usize, frame: &mut Vec<u8>) -> bool {
        frame.clear();
        self.drop_expired(now_ms);
        if buffered > limits::MAX_OUTSTANDING_BYTES - limits::MAX_FRAME_BYTES {
            return false;
        }
        match self.queue.front() {
            None => return false,
            Some(front) if front.len > CHUNK_BYTES => self.write_fragment(frame),
            Some(_) => self.write_batch(frame),
        }
        debug_assert!(
            frame.len() <= limits::MAX_FRAME_BYTES,
            "a payload appended more than it was asked for"
        );
        true
    }

    fn write_fragment(&mut self, frame: &mut Vec<u8>) {
        let Some(front) = self.queue.front() else { return };
        let end = front.len.min(self.front_sent + CHUNK_BYTES);
        frame::start_fragment(frame, self.next_seq, front.len, self.front_sent);
        front.payload.append_range(self.front_sent..end, frame);
        self.queued_bytes -= end - self.front_sent;
        self.front_sent = end;
        if end == front.len {
            self.queue.pop_front();
            self.front_sent = 0;
            self.next_seq += 1;
            self.sent_messages += 1;
        }
    }

    fn write_batch(&mut self, frame: &mut Vec<u8>) {
        let count = self.batch_count();
        frame::start_batch(frame, self.next_seq, count);
        for waiting in self.queue.iter().take(count) {
            push_varint(frame, waiting.len as u64);
        }
        for waiting in self.queue.drain(..count) {
            waiting.payload.append_range(0..waiting.len, frame);
            self.queued_bytes -= waiting.len;
        }
        self.next_seq += count as u64;
        self.sent_messages += count as u64;
    }

    /// How many messages from the front fit into one batch; at least one does.
    fn batch_count(&self) -> usize {
        let max = match self.delivery {
            Delivery::Lifetime(_) => LOSSY_BATCH_BYTES,
            _ => limits::MAX_FRAME_BYTES,
        };
        let header = 1 + varint_len(self.next_seq);
        let (mut count, mut bytes) = (0, 0);
        for waiting in self.queue.iter().take_while(|waiting| waiting.len <= CHUNK_BYTES) {
            bytes += varint_len(waiting.len as u64) + waiting.len;
            if count > 0 && header + varint_len(count as u64 + 1) + bytes > max {
                break;
            }
            count += 1;
        }
        count
    }

    /// On a [`Delivery::Lifetime`] channel, drops what has waited longer than it may, also when half of it has left:
    /// the rest would come late. `push` and `next_frame` do this too; call it when neither happens for a while and
    /// somebody waits for room.
    pub fn drop_expired(&mut self, now_ms: u64) {
        let Delivery::Lifetime(lifetime_ms) = self.delivery else { return };
        let expired = |waiting: &Waiting<P>| now_ms.saturating_sub(waiting.since_ms) > u64::from(lifetime_ms);
        while let Some(front) = self.queue.front().filter(|front| expired(front)) {
            self.queued_bytes -= front.len - self.front_sent;
            if self.front_sent > 0 {
                self.next_seq += 1; // its number has been seen
            }
            self.front_sent = 0;
            self.queue.pop_front();
        }
    }

    /// Bytes of messages that wait, without those handed over.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether senders should wait: more than [`limits::HIGH_WATER_BYTES`], counting a little for each message too.
    pub fn is_over_high_water(&self) -> bool {
        self.queued_bytes + self.queue.len() * WAITING_COST > limits::HIGH_WATER_BYTES
    }

    /// Whether everything has been handed over.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The connection was replaced: numbering restarts, and a half-sent message starts again. Messages handed over
    /// whole are not sent again.
    pub fn reset(&mut self) {
        self.next_seq = 0;
        self.queued_bytes += self.front_sent;
        self.front_sent = 0;
        if self.delivery == Delivery::Latest && self.queue.len() > 1 {
            // Nothing of the older value counts any more, so the newer need not wait for it.
            self.queued_bytes -= self.queue.pop_front().map_or(0, |stale| stale.len);
        }
    }

    /// Messages wholly handed over since the start, over all connections.
    pub fn sent_messages(&self) -> u64 {
        self.sent_messages
    }
}

#[cfg(test)]
mod tests;
