//! Frames that arrive over one data channel from one peer: check, put together, leave out what is stale.

use std::ops::Range;

use super::error::FrameError;
use super::frame::{Fragment, Frame};
use super::reassembly::Reassembly;
use crate::hello::Delivery;

/// Messages from one peer on one channel. `C` is what the driver keeps of a fragment, such as a view of a buffer.
///
/// What SCTP promises is not taken on trust where checking it is cheap. On an ordered channel every number and offset
/// must be exactly the next. On the others a fragment may not come twice, but a whole message may carry a number
/// seen before: remembering all numbers would cost memory without bound, and a peer that repeats itself could as well
/// send the message again.
#[derive(Debug)]
pub struct Inbox<C> {
    delivery: Delivery,
    reassembly: Reassembly<C>,
    /// Ordered: the number due next. Latest: one more than the newest delivered.
    next_seq: u64,
    received_messages: u64,
}

/// What to hand to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "these messages are delivered only here"]
pub enum Delivered<C> {
    /// Whole messages, where they are in the frame, in order.
    Ranges(Vec<Range<usize>>),
    /// One message: its bytes are those of `chunks`, in order, `len` in all.
    Whole {
        /// What `body` made of each fragment.
        chunks: Vec<C>,
        /// The message's length.
        len: usize,
    },
    /// Nothing yet, or nothing worth having.
    Nothing,
}

impl<C> Inbox<C> {
    /// An empty inbox for a channel of this delivery.
    pub fn new(delivery: Delivery) -> Self {
        let lossy = matches!(delivery, Delivery::Latest | Delivery::Lifetime(_));
        Self { delivery, reassembly: Reassembly::new(lossy), next_seq: 0, received_messages: 0 }
    }

    /// Takes one frame. `body` turns the range of a fragment's bytes into what is kept of it; it is called only when
    /// the fragment is kept.
    ///
    /// # Errors
    /// The peer broke the protocol: refuse whatever else comes over this connection. The inbox stays within its
    /// bounds even if it is fed on.
    pub fn accept(
        &mut self,
        frame: Frame,
        body: impl FnOnce(Range<usize>) -> C,
    ) -> Result<Delivered<C>, FrameError> {
        let delivered = match frame {
            Frame::Batch { first_seq, ranges } => Delivered::Ranges(self.accept_batch(first_seq, ranges)?),
            Frame::Fragment(fragment) => match self.accept_fragment(&fragment, body)? {
                Some(chunks) => Delivered::Whole { chunks, len: fragment.total },
                None => Delivered::Nothing,
            },
        };
        Ok(match delivered {
            Delivered::Ranges(ranges) if ranges.is_empty() => Delivered::Nothing,
            Delivered::Ranges(ranges) => {
                self.received_messages += ranges.len() as u64;
                Delivered::Ranges(ranges)
            }
            Delivered::Whole { .. } => {
                self.received_messages += 1;
                delivered
            }
            Delivered::Nothing => delivered,
        })
    }

    fn accept_batch(
        &mut self,
        first_seq: u64,
        mut ranges: Vec<Range<usize>>,
    ) -> Result<Vec<Range<usize>>, FrameError> {
        let after = first_seq.saturating_add(ranges.len() as u64);
        match self.delivery {
            Delivery::Ordered => {
                self.check_next(first_seq, 0)?;
                self.next_seq = after;
            }
            Delivery::Latest => {
                let stale = self.next_seq.saturating_sub(first_seq).min(ranges.len() as u64);
                ranges.drain(..stale as usize);
                self.delivered_up_to(after);
            }
            Delivery::Unordered | Delivery::Lifetime(_) => {}
        }
        Ok(ranges)
    }

    fn accept_fragment(
        &mut self,
        fragment: &Fragment,
        body: impl FnOnce(Range<usize>) -> C,
    ) -> Result<Option<Vec<C>>, FrameError> {
        match self.delivery {
            Delivery::Ordered => self.check_next(fragment.seq, fragment.offset)?,
            Delivery::Latest if fragment.seq < self.next_seq => return Ok(None),
            _ => {}
        }
        let whole = self.reassembly.add(fragment, || body(fragment.body.clone()))?;
        if whole.is_some() && matches!(self.delivery, Delivery::Ordered | Delivery::Latest) {
            self.delivered_up_to(fragment.seq.saturating_add(1));
        }
        Ok(whole)
    }

    fn check_next(&self, seq: u64, offset: usize) -> Result<(), FrameError> {
        if seq != self.next_seq {
            return Err(FrameError::OutOfOrder { seq, expected: self.next_seq });
        }
        match self.reassembly.received(seq) {
            due if due == offset => Ok(()),
            expected => Err(FrameError::FragmentOutOfOrder { seq, offset, expected }),
        }
    }

    fn delivered_up_to(&mut self, next_seq: u64) {
        self.next_seq = self.next_seq.max(next_seq);
        self.reassembly.forget_before(self.next_seq);
    }

    /// The connection was replaced: numbering restarts, and half-received messages are dropped, because the sender
    /// starts them again.
    pub fn reset(&mut self) {
        let received_messages = self.received_messages;
        *self = Self { received_messages, ..Self::new(self.delivery) };
    }

    /// Messages delivered since the start, over all connections.
    pub fn received_messages(&self) -> u64 {
        self.received_messages
    }

    /// Bytes of half-received messages, at most [`MAX_PARTIAL_BYTES`](crate::limits::MAX_PARTIAL_BYTES). On channels
    /// that may lose messages an incomplete one stays until newer ones need its place or make it stale.
    pub fn partial_bytes(&self) -> usize {
        self.reassembly.bytes()
    }
}

#[cfg(test)]
mod tests;
