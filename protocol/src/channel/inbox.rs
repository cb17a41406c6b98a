//! Frames that arrive on one channel from one peer, over whatever path: check, put together, leave out what is stale
//! or came before, acknowledge.

use std::collections::VecDeque;
use std::ops::Range;

use super::error::FrameError;
use super::frame::{Ack, Body, Fragment, message_cost};
use super::reassembly::Reassembly;
use crate::hello::Delivery;
use crate::limits;

/// Messages from one peer on one channel. `C` is what is kept of bytes that must wait, such as a view of a buffer.
///
/// On reliable channels each message is delivered exactly once: what comes again over another path is dropped, and on
/// ordered channels what comes early is kept until its turn. How much a peer can make this side keep is bounded by the
/// grant: the window, counted from what the application has [consumed](Inbox::consumed), and one message on top of it.
#[derive(Debug)]
pub struct Inbox<C> {
    delivery: Delivery,
    reassembly: Reassembly<C>,
    /// Reliable: every number below it was received. Latest: one more than the newest delivered.
    next_seq: u64,
    /// Ordered: whole messages that are early, from number `next_seq` on.
    early: VecDeque<Option<Whole<C>>>,
    /// Unordered: what was received from `next_seq` on, as disjoint ranges in order.
    seen: Vec<Range<u64>>,
    window: u64,
    /// Cost of all messages taken in, and of those that the application has consumed.
    received_cost: u64,
    consumed_cost: u64,
    /// At the last acknowledgement: what had arrived, and what was granted.
    acked_arrived: u64,
    acked_granted: u64,
    ack_due: bool,
    received_messages: u64,
}

/// A message in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole<C> {
    /// What `body` made of each piece, in order.
    pub chunks: Vec<C>,
    /// The message's length.
    pub len: usize,
}

/// What to hand to the application, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "these messages are delivered only here"]
pub struct Delivered<C> {
    /// Whole messages, where they are in the frame.
    pub ranges: Vec<Range<usize>>,
    /// Messages of several frames, or of earlier ones.
    pub wholes: Vec<Whole<C>>,
}

impl<C> Inbox<C> {
    /// An empty inbox for a channel of this delivery, which takes `window` bytes ahead of the application.
    pub fn new(delivery: Delivery, window: u32) -> Self {
        let lossy = matches!(delivery, Delivery::Latest | Delivery::Lifetime(_));
        Self {
            delivery,
            reassembly: Reassembly::new(lossy),
            next_seq: 0,
            early: VecDeque::new(),
            seen: Vec::new(),
            window: u64::from(window),
            received_cost: 0,
            consumed_cost: 0,
            acked_arrived: 0,
            acked_granted: u64::from(window),
            ack_due: false,
            received_messages: 0,
        }
    }

    /// Takes the messages of one frame. `body` turns a range of the frame into what is kept of it; it is called only
    /// for what is kept. `asks` as in [`super::Frame::asks`].
    ///
    /// # Errors
    /// The peer broke the protocol: refuse whatever else comes over this path. The inbox stays within its bounds even
    /// if it is fed on.
    pub fn accept(
        &mut self,
        frame: Body,
        asks: bool,
        mut body: impl FnMut(Range<usize>) -> C,
    ) -> Result<Delivered<C>, FrameError> {
        self.ack_due |= asks && !matches!(self.delivery, Delivery::Lifetime(_));
        self.check_window()?;
        let mut delivered = Delivered { ranges: Vec::new(), wholes: Vec::new() };
        let before = self.next_seq;
        match frame {
            Body::Batch { first_seq, ranges } => {
                self.check_order(first_seq.saturating_add(ranges.len() as u64))?;
                delivered.ranges = self.accept_batch(first_seq, ranges, &mut body)?;
            }
            Body::Fragment(fragment) => {
                self.check_order(fragment.seq.saturating_add(1))?;
                if let Some(chunks) = self.accept_fragment(&fragment, body)? {
                    let whole = Whole { chunks, len: fragment.total };
                    if self.delivery == Delivery::Ordered && fragment.seq != self.next_seq {
                        self.keep(fragment.seq, whole);
                    } else {
                        if self.delivery == Delivery::Ordered {
                            self.next_seq += 1;
                        }
                        delivered.wholes.push(whole);
                    }
                }
            }
        }
        if self.delivery == Delivery::Ordered {
            self.follow_on(before, &mut delivered.wholes);
            self.reassembly.forget_before(self.next_seq);
        }
        self.received_messages += (delivered.ranges.len() + delivered.wholes.len()) as u64;
        let news = self.arrived().saturating_sub(self.acked_arrived);
        self.ack_due |= self.is_reliable() && news >= self.window / 4;
        self.check_window()?;
        Ok(delivered)
    }

    /// Ordered: what is expected next was `before`. Forgets early messages that came again since, and hands out those whose
    /// turn it is now.
    fn follow_on(&mut self, before: u64, wholes: &mut Vec<Whole<C>>) {
        let mut passed = self.next_seq - before;
        while passed > 0 || matches!(self.early.front(), Some(Some(_))) {
            match (self.early.pop_front(), passed) {
                (None, _) => break,
                (Some(None), _) => {}
                (Some(Some(whole)), 0) => {
                    self.next_seq += 1;
                    wholes.push(whole);
                }
                // It came again, and was counted twice.
                (Some(Some(again)), _) => self.received_cost -= message_cost(again.len),
            }
            passed = passed.saturating_sub(1);
        }
    }

    /// Ordered: keeps an early message until its turn.
    fn keep(&mut self, seq: u64, whole: Whole<C>) {
        let at = (seq - self.next_seq) as usize;
        while self.early.len() <= at {
            self.early.push_back(None);
        }
        self.early[at] = Some(whole);
    }

    fn is_early(&self, seq: u64) -> bool {
        self.early.get((seq - self.next_seq) as usize).is_some_and(Option::is_some)
    }

    fn accept_batch(
        &mut self,
        first_seq: u64,
        mut ranges: Vec<Range<usize>>,
        body: &mut impl FnMut(Range<usize>) -> C,
    ) -> Result<Vec<Range<usize>>, FrameError> {
        let after = first_seq.saturating_add(ranges.len() as u64);
        match self.delivery {
            Delivery::Ordered | Delivery::Latest if first_seq <= self.next_seq => {
                let stale = (self.next_seq - first_seq).min(ranges.len() as u64);
                ranges.drain(..stale as usize);
                self.next_seq = self.next_seq.max(after);
            }
            Delivery::Ordered => {
                for (seq, range) in (first_seq..after).zip(ranges.drain(..)) {
                    if !self.is_early(seq) {
                        let len = range.len();
                        self.received_cost += message_cost(len);
                        self.keep(seq, Whole { chunks: vec![body(range)], len });
                    }
                }
            }
            Delivery::Latest => self.next_seq = after,
            Delivery::Unordered => {
                let mut seq = first_seq;
                ranges.retain(|_| {
                    seq += 1;
                    self.see(seq - 1)
                });
            }
            Delivery::Lifetime(_) => {}
        }
        if self.delivery == Delivery::Latest {
            self.reassembly.forget_before(self.next_seq);
        }
        self.received_cost += ranges.iter().map(|range| message_cost(range.len())).sum::<u64>();
        Ok(ranges)
    }

    fn accept_fragment(
        &mut self,
        fragment: &Fragment,
        mut body: impl FnMut(Range<usize>) -> C,
    ) -> Result<Option<Vec<C>>, FrameError> {
        let known = match self.delivery {
            Delivery::Ordered => fragment.seq < self.next_seq || self.is_early(fragment.seq),
            Delivery::Latest => fragment.seq < self.next_seq,
            Delivery::Unordered => self.was_seen(fragment.seq),
            Delivery::Lifetime(_) => false,
        };
        if known {
            return Ok(None);
        }
        let whole = self.reassembly.add(fragment, || body(fragment.body.clone()))?;
        if whole.is_some() {
            self.received_cost += message_cost(fragment.total);
            match self.delivery {
                Delivery::Latest => {
                    self.next_seq = fragment.seq + 1;
                    self.reassembly.forget_before(self.next_seq);
                }
                Delivery::Unordered => {
                    self.see(fragment.seq);
                }
                _ => {}
            }
        }
        Ok(whole)
    }

    fn was_seen(&self, seq: u64) -> bool {
        let at = self.seen.partition_point(|range| range.end <= seq);
        seq < self.next_seq || self.seen.get(at).is_some_and(|range| range.contains(&seq))
    }

    /// Notes a message of an unordered channel; false when it was there already.
    fn see(&mut self, seq: u64) -> bool {
        if seq < self.next_seq {
            return false;
        }
        let at = self.seen.partition_point(|range| range.end < seq);
        match self.seen.get_mut(at) {
            Some(range) if range.contains(&seq) => return false,
            Some(range) if range.end == seq => range.end += 1,
            Some(range) if range.start == seq + 1 => range.start = seq,
            _ => self.seen.insert(at, seq..seq + 1),
        }
        // Ranges that now touch become one, and what follows on what is complete joins it.
        if let Some(next) = self.seen.get(at + 1).cloned()
            && self.seen[at].end == next.start
        {
            self.seen[at].end = next.end;
            self.seen.remove(at + 1);
        }
        if self.seen[0].start == self.next_seq {
            self.next_seq = self.seen.remove(0).end;
        }
        true
    }

    /// What a peer may make this side keep is what it was granted, and the one message it had begun by then.
    fn check_window(&self) -> Result<(), FrameError> {
        let most = self.window + message_cost(limits::MAX_MESSAGE_BYTES);
        let too_much = self.arrived().saturating_sub(self.consumed_cost) > most;
        // Sorting in one more takes longer the more there are.
        let too_many = self.seen.len() as u64 > self.most_messages();
        if self.is_reliable() && (too_much || too_many) { Err(FrameError::WindowExceeded) } else { Ok(()) }
    }

    /// No more messages than that can be under way.
    fn most_messages(&self) -> u64 {
        self.window / message_cost(0) + 1
    }

    /// Ordered: `end`, one more than a message's number, cannot be so far ahead that those before it were not granted.
    fn check_order(&self, end: u64) -> Result<(), FrameError> {
        let too_far = end.saturating_sub(self.next_seq) > self.most_messages();
        if self.delivery == Delivery::Ordered && too_far { Err(FrameError::WindowExceeded) } else { Ok(()) }
    }

    fn is_reliable(&self) -> bool {
        matches!(self.delivery, Delivery::Ordered | Delivery::Unordered)
    }

    /// Cost of what has arrived, with half-received messages.
    fn arrived(&self) -> u64 {
        self.received_cost + self.reassembly.bytes() as u64
    }

    /// The application has taken this many messages of this many bytes in all. On channels that may lose messages it
    /// need not be told.
    pub fn consumed(&mut self, messages: u64, bytes: u64) {
        let cost = messages * message_cost(0) + bytes;
        self.consumed_cost = (self.consumed_cost + cost).min(self.received_cost);
        self.ack_due |= self.is_reliable() && self.granted() - self.acked_granted >= self.window / 4;
    }

    fn granted(&self) -> u64 {
        if self.is_reliable() { self.consumed_cost + self.window } else { 0 }
    }

    /// Whether the peer should be told what has arrived, or how much more it may send.
    pub fn is_ack_due(&self) -> bool {
        self.ack_due
    }

    /// Makes an acknowledgement due when there is something to tell that the last one did not.
    pub fn ack_news(&mut self) {
        let told = if self.delivery == Delivery::Latest { self.next_seq } else { self.arrived() };
        let news = told != self.acked_arrived || self.granted() != self.acked_granted;
        self.ack_due |= news && !matches!(self.delivery, Delivery::Lifetime(_));
    }

    /// The last acknowledgement may be lost: makes one due, when anything was ever received.
    pub fn ack_again(&mut self) {
        self.ack_due |=
            !matches!(self.delivery, Delivery::Lifetime(_)) && (self.arrived() > 0 || self.next_seq > 0);
    }

    /// What to tell the peer now.
    pub fn take_ack(&mut self) -> Ack {
        self.ack_due = false;
        let latest = self.delivery == Delivery::Latest;
        self.acked_arrived = if latest { self.next_seq } else { self.arrived() };
        self.acked_granted = self.granted();
        let offset =
            if self.delivery == Delivery::Ordered { self.reassembly.received(self.next_seq) } else { 0 };
        Ack { seq: self.next_seq, offset, granted: self.granted() }
    }

    /// Messages delivered since the start.
    pub fn received_messages(&self) -> u64 {
        self.received_messages
    }

    /// Bytes kept here: half-received messages and early ones.
    pub fn kept_bytes(&self) -> usize {
        self.reassembly.bytes() + self.early.iter().flatten().map(|whole| whole.len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
