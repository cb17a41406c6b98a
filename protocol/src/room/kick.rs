//! Sending members away: the server does it for those whose token permits it.
//!
//! Kicks are known by whom they are for, not by a number: whoever asks twice for the same member is told once. The server
//! answers each with a `left` of that member or with `forbidden`, so nothing but a lost server leaves one open.

use super::Room;
use crate::action::Event;
use crate::failure::KickError;
use crate::id::PeerId;
use crate::session::Listing;
use crate::signal::{ClientMessage, LeaveReason, ReasonText};
use crate::timing;

impl Room {
    pub(super) fn kick(&mut self, now: u64, id: PeerId, reason: ReasonText) {
        let Some(member) = self.members.get(&id) else {
            return self.notify(Event::KickDone(id, Err(KickError::PeerGone)));
        };
        if !self.server.is_up() {
            return self.notify(Event::KickDone(id, Err(KickError::NoServer)));
        }
        let epoch = member.epoch;
        if self.kicks.insert(id, now + timing::KICK_MS).is_none() {
            self.server.send(&ClientMessage::Kick { to: id, epoch, reason });
        }
    }

    /// The server says that a member is gone: by our doing, or because it knows none such. That one has left by itself while
    /// it was being asked says nothing yet, as it is sent away all the same.
    pub(super) fn kick_answered(&mut self, id: PeerId, epoch: u32, reason: LeaveReason) {
        let is_listed = |listing| listing == Listing::Listed;
        let is_news = self.members.get(&id).is_some_and(|m| m.epoch == epoch && is_listed(m.listing));
        match reason {
            LeaveReason::Kicked => self.settle_kick(id, Ok(())),
            LeaveReason::Lost if !is_news => self.settle_kick(id, Err(KickError::PeerGone)),
            _ => {}
        }
    }

    /// None of the kicks under way comes to anything.
    pub(super) fn fail_kicks(&mut self, error: &KickError) {
        for id in std::mem::take(&mut self.kicks).keys() {
            self.notify(Event::KickDone(id, Err(error.clone())));
        }
    }

    pub(super) fn kicks_timed_out(&mut self, now: u64) {
        let late: Vec<_> = self.kicks.iter().filter(|(_, until)| **until <= now).map(|(id, _)| id).collect();
        for id in late {
            self.settle_kick(id, Err(KickError::NoServer));
        }
    }

    fn settle_kick(&mut self, id: PeerId, result: Result<(), KickError>) {
        if self.kicks.remove(&id).is_some() {
            self.notify(Event::KickDone(id, result));
        }
    }
}
