//! The direction of a stream that this side reads. Its bytes are the driver's; only their number is kept here.

use super::error::StreamFault;
use super::{Reason, wire};
use crate::codec::push_varint;
use crate::fields::start;
use crate::limits;

const WINDOW: u64 = limits::STREAM_WINDOW_BYTES as u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The application reads no more; what still comes is dropped.
    Stopped,
    /// The end has come, but not everything was read.
    Ended,
    /// The end has come and nothing is left: to be told.
    Done,
    Over,
}

#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    received: u64,
    consumed: u64,
    /// What the peer may send, counted from the first byte.
    limit: u64,
    /// A stop that is to be sent.
    stop: Option<Reason>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { state: State::Open, received: 0, consumed: 0, limit: WINDOW, stop: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.stop.is_none()
    }

    /// `true` when the application wants these bytes.
    pub(super) fn data(&mut self, id: u64, len: usize, last: bool) -> Result<bool, StreamFault> {
        let wanted = match self.state {
            State::Open => true,
            State::Stopped => false,
            _ => return Err(StreamFault::AfterEnd(id)),
        };
        if len as u64 > self.limit - self.received {
            return Err(StreamFault::OverGrant(id));
        }
        self.received += len as u64;
        if last {
            self.state = State::Ended;
            self.consumed(if wanted { 0 } else { u64::MAX });
        }
        Ok(wanted)
    }

    pub(super) fn consumed(&mut self, bytes: u64) {
        self.consumed += bytes.min(self.received - self.consumed);
        if self.state == State::Ended && self.consumed == self.received {
            self.state = State::Done;
        }
    }

    /// `true` when that is news to the application.
    pub(super) fn reset(&mut self, id: u64) -> Result<bool, StreamFault> {
        let news = match self.state {
            State::Open => true,
            State::Stopped => false,
            _ => return Err(StreamFault::AfterEnd(id)),
        };
        self.state = State::Over;
        self.stop = None;
        Ok(news)
    }

    /// The application reads no more.
    pub(super) fn cancel(&mut self, reason: &str) {
        self.state = match self.state {
            State::Open => State::Stopped,
            State::Ended => State::Done,
            _ => return,
        };
        self.stop = Some(Reason::cut(reason));
    }

    pub(super) fn write_control(&mut self, id: u64, out: &mut Vec<u8>) -> bool {
        if let Some(reason) = self.stop.take() {
            wire::write_text(out, wire::STOP, id, &reason);
            return true;
        }
        match self.state {
            State::Done => {
                start(out, wire::DONE, id);
                self.state = State::Over;
                true
            }
            // Not for every byte read, but always before the peer has used up what it has.
            State::Open if self.consumed + WINDOW - self.limit >= WINDOW / 2 => {
                self.limit = self.consumed + WINDOW;
                start(out, wire::GRANT, id);
                push_varint(out, self.limit);
                true
            }
            _ => false,
        }
    }
}
