//! Sending: the core decides, and tells by ticket what became of a message.

#[cfg(feature = "typed")]
use std::collections::VecDeque;

#[cfg(feature = "typed")]
use futures::channel::oneshot;
use peerloom_protocol::action::{Outcome, SendFailure};
use peerloom_protocol::channel::{Payload as _, SendError};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::node::Sent;

use super::clock::now_ms;
use super::{ChannelIndex, Driver, Payload};
use crate::error::Error;

/// Names a send, to cancel it while it waits.
pub(crate) type Ticket = u32;
/// What became of a message for each receiver.
pub(crate) type Outcomes = Vec<(PeerId, Outcome)>;

/// What became of a send.
#[cfg(feature = "typed")]
pub(crate) struct Sending {
    pub(crate) ticket: Ticket,
    /// Tells when it is queued; None when it is already.
    pub(crate) queued: Option<oneshot::Receiver<Result<(), Error>>>,
    /// Tells what became of it, if that was asked for.
    pub(crate) confirmed: Option<oneshot::Receiver<Outcomes>>,
}

/// Who waits for word of a message. JavaScript keeps its own. Mostly settled in the order they came, so searching from the
/// front is quick.
#[cfg(feature = "typed")]
pub(super) struct Tickets<T>(VecDeque<(Ticket, oneshot::Sender<T>)>);

#[cfg(feature = "typed")]
impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

#[cfg(feature = "typed")]
impl<T> Tickets<T> {
    fn open(&mut self, ticket: Ticket) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.push_back((ticket, sender));
        receiver
    }

    pub(super) fn settle(&mut self, ticket: Ticket, value: T) {
        if let Some(sender) = self.take(ticket) {
            // Whoever dropped the receiver no longer wants to know.
            let _ = sender.send(value);
        }
    }

    fn take(&mut self, ticket: Ticket) -> Option<oneshot::Sender<T>> {
        let at = self.0.iter().position(|(known, _)| *known == ticket)?;
        self.0.remove(at).map(|(_, sender)| sender)
    }
}

pub(super) fn failure(failure: SendFailure, len: usize) -> Error {
    match failure {
        SendFailure::PeerGone => Error::PeerGone,
        SendFailure::TooLarge => {
            Error::Send(SendError::MessageTooLarge { len, max: limits::MAX_MESSAGE_BYTES })
        }
        _ => Error::Closed,
    }
}

impl Driver {
    /// Sends messages to one peer, or to all. When they wait, because a receiver's queue is over the high-water mark,
    /// [`Sink::queued`](super::Sink::queued) tells when they no longer do. With `confirm_ms`,
    /// [`Sink::confirmed`](super::Sink::confirmed) tells within that time what became of the last. What there is room for
    /// leaves at the end of this task, or `at_once`.
    ///
    /// # Errors
    /// `message-too-large`, `peer-gone` or `closed`; nothing was sent then.
    pub(crate) fn send(
        &self,
        channel: ChannelIndex,
        payloads: Vec<Payload>,
        to: Option<PeerId>,
        confirm_ms: Option<u64>,
        at_once: bool,
    ) -> Result<Sent, Error> {
        let len = payloads.iter().map(Payload::len).max().unwrap_or_default();
        let sent = self.node.borrow_mut().send(now_ms(), channel, payloads, to, confirm_ms);
        let sent = sent.map_err(|error| failure(error, len))?;
        match (sent.flush, at_once) {
            (true, true) => self.flush(),
            (true, false) => self.schedule_flush(),
            (false, _) => {}
        }
        Ok(sent)
    }

    /// As [`Driver::send`] of one message, for whoever waits for it in Rust.
    ///
    /// # Errors
    /// The same.
    #[cfg(feature = "typed")]
    pub(crate) fn send_watched(
        &self,
        channel: ChannelIndex,
        payload: Payload,
        to: Option<PeerId>,
        confirm_ms: Option<u64>,
    ) -> Result<Sending, Error> {
        let Sent { ticket, waits, .. } = self.send(channel, vec![payload], to, confirm_ms, false)?;
        let queued = waits.then(|| self.queued.borrow_mut().open(ticket));
        let confirmed = confirm_ms.map(|_| self.confirmed.borrow_mut().open(ticket));
        Ok(Sending { ticket, queued, confirmed })
    }

    /// Takes a waiting send back. It is then not sent at all; a send already queued goes out.
    pub(crate) fn cancel(&self, channel: ChannelIndex, ticket: Ticket) {
        self.node.borrow_mut().cancel(now_ms(), channel, ticket);
        #[cfg(feature = "typed")]
        self.queued.borrow_mut().take(ticket);
        self.schedule_flush();
    }

    /// The application has taken messages that the sink was given.
    pub(crate) fn consumed(&self, from: PeerId, channel: ChannelIndex, messages: u64, bytes: u64) {
        if self.node.borrow_mut().consumed(from, channel, messages, bytes) {
            self.schedule_flush();
        }
    }
}
