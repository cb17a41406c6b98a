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
        if !self.kicks.iter().any(|(known, _)| *known == id) {
            self.kicks.push((id, now + timing::KICK_MS));
            self.server.send(&ClientMessage::Kick { to: id, epoch, reason });
        }
    }

    /// The server says that a member is gone: by our doing, or because it knows none such. That one has left by itself while
    /// it was being asked says nothing yet, as it is sent away all the same.
    pub(super) fn kick_answered(&mut self, id: PeerId, epoch: u32, reason: LeaveReason) {
        let is_listed = |listing| listing == Listing::Listed;
        let is_news = self.members.get(&id).is_some_and(|m| m.epoch == epoch && is_listed(m.listing));
        match reason {
            LeaveReason::Kicked => self.settle_kicks(Ok(()), Some(id), u64::MAX),
            LeaveReason::Lost if !is_news => {
                self.settle_kicks(Err(KickError::PeerGone), Some(id), u64::MAX);
            }
            _ => {}
        }
    }

    /// Tells what came of the kicks under way: of one member, or of all, whose time is up by then.
    pub(super) fn settle_kicks(&mut self, result: Result<(), KickError>, of: Option<PeerId>, due: u64) {
        for (id, until) in std::mem::take(&mut self.kicks) {
            if until <= due && of.is_none_or(|of| of == id) {
                self.notify(Event::KickDone(id, result));
            } else {
                self.kicks.push((id, until));
            }
        }
    }
}
