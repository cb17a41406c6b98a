//! The direction of a stream that this side writes.

use std::collections::VecDeque;

use super::error::StreamFault;
use super::{Reason, wire};
use crate::channel::Payload;
use crate::fields::start;
use crate::limits;

/// What a write that waits counts towards the high-water mark beside its bytes, so that tiny ones are bounded too.
const WAITING_COST: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// No more will be written; the end follows what waits.
    Finishing,
    /// The end was sent; the peer reads on.
    Ended,
    /// The end was sent, but the peer reads no more; its `done` is under way.
    Unwanted,
    /// A reset is to be sent.
    Resetting,
    Over,
}

#[derive(Debug)]
pub(super) struct Writer<P> {
    state: State,
    queue: VecDeque<P>,
    /// How many bytes of the payload at the front have been handed over.
    front_sent: usize,
    /// Bytes that wait, without those handed over.
    queued: usize,
    sent: u64,
    /// What the peer allows to be sent, counted from the first byte.
    limit: u64,
    /// Why the reset is sent.
    reason: Reason,
}

impl<P: Payload> Writer<P> {
    pub(super) fn new() -> Self {
        Self {
            state: State::Open,
            queue: VecDeque::new(),
            front_sent: 0,
            queued: 0,
            sent: 0,
            limit: limits::STREAM_WINDOW_BYTES as u64,
            reason: Reason::default(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.queued == 0 && !matches!(self.state, State::Finishing | State::Resetting)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn has_room(&self) -> bool {
        self.queued + self.queue.len() * WAITING_COST < limits::STREAM_HIGH_WATER_BYTES
    }

    /// Only while open.
    pub(super) fn write(&mut self, payload: P) {
        let len = payload.len();
        if len > 0 {
            self.queued += len;
            self.queue.push_back(payload);
        }
    }

    pub(super) fn finish(&mut self) {
        if self.state == State::Open {
            self.state = State::Finishing;
        }
    }

    /// Too late once the end was sent: then nothing of ours is left to take back.
    pub(super) fn abort(&mut self, reason: &str) -> bool {
        let may = matches!(self.state, State::Open | State::Finishing);
        if may {
            self.state = State::Resetting;
            self.reason = Reason::cut(reason);
            self.queue = VecDeque::new();
            (self.front_sent, self.queued) = (0, 0);
        }
        may
    }

    /// The peer reads no more. `true` when that is news.
    pub(super) fn stop(&mut self, reason: &str) -> bool {
        if self.state == State::Ended {
            self.state = State::Unwanted;
            return true;
        }
        self.abort(reason)
    }

    pub(super) fn grant(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// The peer has got to the end.
    pub(super) fn done(&mut self, id: u64) -> Result<(), StreamFault> {
        if !matches!(self.state, State::Ended | State::Unwanted) {
            return Err(StreamFault::NotEnded(id));
        }
        self.state = State::Over;
        Ok(())
    }

    pub(super) fn write_control(&mut self, id: u64, out: &mut Vec<u8>) -> bool {
        if self.state != State::Resetting {
            return false;
        }
        wire::write_text(out, wire::RESET, id, &self.reason);
        self.state = State::Over;
        true
    }

    /// How many bytes may go now, if a message should be written at all.
    fn due(&self) -> Option<usize> {
        let granted = usize::try_from(self.limit - self.sent).unwrap_or(usize::MAX);
        let most = granted.min(limits::MAX_STREAM_MESSAGE_BYTES - wire::MAX_HEADER_BYTES);
        match self.queued.min(most) {
            0 if self.state == State::Finishing && self.queued == 0 => Some(0),
            0 => None,
            len => Some(len),
        }
    }

    pub(super) fn has_data(&self) -> bool {
        self.due().is_some()
    }

    /// Copies what may go into one message, of as many payloads as fit, with the end if it is the last.
    pub(super) fn write_data(&mut self, id: u64, out: &mut Vec<u8>) {
        let Some(mut left) = self.due() else { return };
        let last = self.state == State::Finishing && left == self.queued;
        start(out, if last { wire::END } else { wire::DATA }, id);
        self.queued -= left;
        self.sent += left as u64;
        while left > 0 {
            let Some(front) = self.queue.front() else { break };
            let len = front.len();
            let end = len.min(self.front_sent + left);
            front.append_range(self.front_sent..end, out);
            left -= end - self.front_sent;
            self.front_sent = end;
            if end == len {
                self.queue.pop_front();
                self.front_sent = 0;
            }
        }
        if last {
            self.state = State::Ended;
        }
    }
}
