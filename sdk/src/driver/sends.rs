//! Sending: straight into the outboxes while there is room, in a queue of waiting senders while there is not.
//!
//! Senders are woken first come, first served, so the order of `send` calls is the order of messages. There is one
//! queue per channel, not a listener per sender: a hundred thousand unawaited sends must stay cheap.

use std::collections::VecDeque;

use futures::channel::oneshot;
use peerloom_protocol::channel::{Payload as _, SendError};
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;

use super::peers::Peers;
use super::{ChannelIndex, Driver, Payload, clock};
use crate::error::Error;

/// Names a waiting send, to cancel it.
pub(crate) type Ticket = u32;

/// What became of a send.
pub(crate) enum SendOutcome {
    /// In the outboxes.
    Queued,
    /// Waiting for room; the receiver tells when it is queued.
    Waiting(Ticket, oneshot::Receiver<Result<(), Error>>),
}

struct WaitingSend {
    ticket: Ticket,
    payload: Payload,
    to: Option<PeerId>,
    done: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Sends {
    waiting: Vec<VecDeque<WaitingSend>>,
    tickets: Ticket,
}

impl Sends {
    pub(super) fn new(channels: usize) -> Self {
        Self { waiting: (0..channels).map(|_| VecDeque::new()).collect(), tickets: 0 }
    }
}

impl Peers {
    /// Puts a message into the outboxes it is for.
    fn push(&mut self, channel: ChannelIndex, payload: &Payload, to: Option<PeerId>) -> Result<(), Error> {
        if self.is_closed {
            return Err(Error::Closed);
        }
        if to.is_some_and(|id| !self.reachable(id)) {
            return Err(Error::PeerGone);
        }
        if to.is_none() && self.deliveries[channel] == Delivery::Latest {
            self.latest[channel] = Some(payload.clone());
        }
        let now = clock::now_ms();
        for peer in self.targets(to) {
            peer.channels[channel].outbox.push(now, payload.clone())?;
        }
        Ok(())
    }
}

impl Sends {
    /// Queues what waited, as far as there is room now.
    fn wake(&mut self, peers: &mut Peers) {
        for (channel, waiting) in self.waiting.iter_mut().enumerate() {
            while let Some(first) = waiting.front() {
                let gone = peers.is_closed || first.to.is_some_and(|id| !peers.reachable(id));
                if !gone && !peers.has_room(channel, first.to) {
                    break;
                }
                let Some(send) = waiting.pop_front() else { break };
                let result = peers.push(channel, &send.payload, send.to);
                // Whoever dropped the receiver no longer wants to know.
                let _ = send.done.send(result);
            }
        }
    }
}

impl Driver {
    /// Sends one message to one peer, or to all. Waits while a receiver's outbox is over the high-water mark.
    ///
    /// # Errors
    /// `message-too-large`, `peer-gone` or `closed`; nothing was sent then.
    pub(crate) fn send(
        &self,
        channel: ChannelIndex,
        payload: Payload,
        to: Option<PeerId>,
    ) -> Result<SendOutcome, Error> {
        if payload.len() > limits::MAX_MESSAGE_BYTES {
            let (len, max) = (payload.len(), limits::MAX_MESSAGE_BYTES);
            return Err(Error::Send(SendError::MessageTooLarge { len, max }));
        }
        let (peers, sends) = (&mut *self.peers.borrow_mut(), &mut *self.sends.borrow_mut());
        let free = sends.waiting[channel].is_empty() && peers.has_room(channel, to);
        if free || peers.is_closed {
            peers.push(channel, &payload, to)?;
            self.schedule_flush();
            return Ok(SendOutcome::Queued);
        }
        if to.is_some_and(|id| !peers.reachable(id)) {
            return Err(Error::PeerGone);
        }
        let (done, queued) = oneshot::channel();
        let ticket = sends.tickets;
        sends.tickets = ticket.wrapping_add(1);
        sends.waiting[channel].push_back(WaitingSend { ticket, payload, to, done });
        Ok(SendOutcome::Waiting(ticket, queued))
    }

    /// Takes a waiting send back. It is then not sent at all; a send already queued goes out.
    pub(crate) fn cancel(&self, channel: ChannelIndex, ticket: Ticket) {
        self.sends.borrow_mut().waiting[channel].retain(|send| send.ticket != ticket);
        self.wake_senders();
    }

    /// After anything that may have made room.
    pub(super) fn wake_senders(&self) {
        self.sends.borrow_mut().wake(&mut self.peers.borrow_mut());
    }
}
