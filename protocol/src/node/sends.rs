//! Sending: straight into the sessions while there is room, in a queue of waiting senders while there is not.
//!
//! Senders are woken first come, first served, so the order of `send` calls is the order of messages. There is one
//! queue per channel, not a timer or a listener per sender: a hundred thousand unawaited sends must stay cheap.

use std::collections::VecDeque;

use super::{Node, Peer, exchange::Parcel};
use crate::action::{Action, Outcome, SendFailure};
use crate::channel::Payload;
use crate::hello::Delivery;
use crate::id::PeerId;
use crate::limits;
use crate::session::Buffer;

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// [`Action::Confirmed`] follows under it if it was asked for.
    pub ticket: u32,
    /// Whether they wait for room, and are not queued for every receiver: [`Action::Queued`] follows under this ticket.
    pub waits: bool,
    /// Whether there is something to [flush](Node::flush): behind a full data channel, which will tell when it has room,
    /// there is not.
    pub flush: bool,
}

#[derive(Debug)]
struct Waiting<P> {
    ticket: u32,
    /// Messages that were sent together, and wait together.
    payloads: Vec<P>,
    to: Option<PeerId>,
    /// When it was sent: waiting here counts against its lifetime.
    since: u64,
    confirm_by: Option<u64>,
}

/// A message whose sender wants to know.
#[derive(Debug)]
struct Confirm {
    ticket: u32,
    until: u64,
    channel: usize,
    pending: Vec<(PeerId, u64)>,
    known: Vec<(PeerId, Outcome)>,
}

#[derive(Debug)]
pub(super) struct Sends<P> {
    waiting: Vec<VecDeque<Waiting<P>>>,
    confirms: Vec<Confirm>,
    tickets: u32,
}

impl<P> Sends<P> {
    pub(super) fn new(channels: usize) -> Self {
        Self { waiting: (0..channels).map(|_| VecDeque::new()).collect(), confirms: Vec::new(), tickets: 0 }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.confirms.iter().map(|confirm| confirm.until).min()
    }
}

impl<P: Payload, B: Buffer> Node<P, B> {
    /// Sends messages to one peer, or to all. They wait, together, while a receiver's queue is over the high-water mark.
    /// With `confirm_ms`, [`Action::Confirmed`] tells what became of the last of them within that time.
    ///
    /// # Errors
    /// Nothing was sent then.
    pub fn send(
        &mut self,
        now: u64,
        channel: usize,
        payloads: Vec<P>,
        to: Option<PeerId>,
        confirm_ms: Option<u64>,
    ) -> Result<Sent, SendFailure> {
        if self.is_ending() {
            return Err(SendFailure::Closed);
        }
        if payloads.iter().any(|payload| payload.len() > limits::MAX_MESSAGE_BYTES) {
            return Err(SendFailure::TooLarge);
        }
        if to.is_some_and(|id| !self.is_reachable(id)) {
            return Err(SendFailure::PeerGone);
        }
        let ticket = self.sends.tickets;
        self.sends.tickets = ticket.wrapping_add(1);
        let confirm_by = confirm_ms.map(|ms| now.saturating_add(ms));
        let waiting = Waiting { ticket, payloads, to, since: now, confirm_by };
        let waits = !self.sends.waiting[channel].is_empty() || !self.has_room(now, channel, to);
        let full = |peer: &Peer<P, B>| peer.session.as_ref().is_none_or(|session| session.is_full(channel));
        let flush = confirm_ms.is_some() || !self.peers.values().all(full);
        if waits {
            self.sends.waiting[channel].push_back(waiting);
        } else {
            self.push(channel, waiting)?;
            self.settle_confirms(now);
        }
        Ok(Sent { ticket, waits, flush })
    }

    /// Takes a waiting send back. It is then not sent at all; a send already queued goes out.
    pub fn cancel(&mut self, now: u64, channel: usize, ticket: u32) {
        self.sends.waiting[channel].retain(|send| send.ticket != ticket);
        self.wake_senders(now);
    }

    fn has_room(&mut self, now: u64, channel: usize, to: Option<PeerId>) -> bool {
        let full = self
            .peers
            .iter_mut()
            .filter(|(id, peer)| !peer.unreachable && to.is_none_or(|to| to == *id))
            .any(|(_, peer)| peer.session.as_mut().is_some_and(|s| s.is_over_high_water(now, channel)));
        !full
    }

    fn push(&mut self, channel: usize, send: Waiting<P>) -> Result<(), SendFailure> {
        let Waiting { ticket, payloads, to, since, confirm_by } = send;
        if to.is_none() && self.deliveries[channel] == Delivery::Latest {
            self.latest[channel] = payloads.last().cloned();
        }
        let mut pending = Vec::new();
        for (id, peer) in self.peers.iter_mut() {
            let is_meant = !peer.unreachable && to.is_none_or(|to| to == id);
            let Some(session) = peer.session.as_mut().filter(|_| is_meant) else { continue };
            let mut last = None;
            for payload in &payloads {
                let pushed = session.push(since, channel, Parcel::App(payload.clone()), confirm_by.is_some());
                last = Some(pushed.map_err(|_| SendFailure::TooLarge)?);
            }
            // Nothing is allocated for the many messages of which nobody wants to know.
            pending.extend(last.filter(|_| confirm_by.is_some()).map(|seq| (id, seq)));
        }
        if let Some(until) = confirm_by {
            self.sends.confirms.push(Confirm { ticket, until, channel, pending, known: Vec::new() });
        }
        Ok(())
    }

    /// Queues what waited, as far as there is room now.
    pub(super) fn wake_senders(&mut self, now: u64) {
        for channel in 0..self.sends.waiting.len() {
            while let Some(first) = self.sends.waiting[channel].front() {
                let to = first.to;
                let ending = self.is_over();
                let gone = to.is_some_and(|id| !self.is_reachable(id));
                if !ending && !gone && !self.has_room(now, channel, to) {
                    break;
                }
                let Some(send) = self.sends.waiting[channel].pop_front() else { break };
                let ticket = send.ticket;
                let result = match (ending, gone) {
                    (true, _) => Err(SendFailure::Closed),
                    (_, true) => Err(SendFailure::PeerGone),
                    _ => self.push(channel, send),
                };
                self.actions.push_back(Action::Queued(ticket, result));
            }
        }
        self.settle_confirms(now);
    }

    pub(super) fn has_waiting_senders(&self) -> bool {
        self.sends.waiting.iter().any(|waiting| !waiting.is_empty())
    }

    /// A peer is gone, or its session was replaced: what it had not acknowledged, it will not.
    pub(super) fn confirm_gone(&mut self, id: PeerId) {
        for confirm in &mut self.sends.confirms {
            let before = confirm.pending.len();
            confirm.pending.retain(|(pending, _)| *pending != id);
            if confirm.pending.len() < before {
                confirm.known.push((id, Outcome::Gone));
            }
        }
    }

    /// Tells what became of messages whose senders want to know.
    pub(super) fn settle_confirms(&mut self, now: u64) {
        let (peers, over) = (&self.peers, self.is_over());
        for confirm in &mut self.sends.confirms {
            let channel = confirm.channel;
            let known = &mut confirm.known;
            confirm.pending.retain(|(id, seq)| {
                let session = peers.get(id).and_then(|peer| peer.session.as_ref());
                let outcome = match session {
                    Some(session) if session.is_settled(channel, *seq) => Some(Outcome::Delivered),
                    Some(_) if confirm.until <= now => Some(Outcome::Timeout),
                    Some(_) if !over => None,
                    _ => Some(Outcome::Gone),
                };
                known.extend(outcome.map(|outcome| (*id, outcome)));
                outcome.is_none()
            });
        }
        let actions = &mut self.actions;
        self.sends.confirms.retain_mut(|confirm| {
            if confirm.pending.is_empty() {
                actions.push_back(Action::Confirmed(confirm.ticket, std::mem::take(&mut confirm.known)));
            }
            !confirm.pending.is_empty()
        });
    }
}
