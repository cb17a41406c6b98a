//! Which connections may be made now. Each costs the page some milliseconds and the browser sockets, and it is others who
//! cause them: whoever enters the room, makes offers or asks for lanes, and the server, which says who has entered. So there
//! is a limit for all together, and whoever comes when it is reached waits for its turn. So does who comes while the application
//! is asked for STUN and TURN servers. The server passes on messages meanwhile.

use std::collections::VecDeque;

use super::Room;
use crate::budget::Budget;
use crate::id::PeerId;
use crate::link::Link;
use crate::members::Member;
use crate::{limits, timing};

#[derive(Debug)]
pub(super) struct Openings {
    budget: Budget,
    /// Members that wait for a connection, who has waited longest first.
    waiting: VecDeque<PeerId>,
}

impl Openings {
    pub(super) fn new() -> Self {
        let budget = Budget::new(0, limits::MAX_CONNECTIONS_AT_ONCE, timing::CONNECTION_MS);
        Self { budget, waiting: VecDeque::new() }
    }

    /// When the next that waits may have its connection, if only time is missing.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.budget.back_at().filter(|_| !self.waiting.is_empty())
    }
}

impl Room {
    /// Carries out what the links want, until they want no more than connections that have to wait.
    pub(super) fn pump_links(&mut self, now: u64) {
        loop {
            let waiting = std::mem::take(&mut self.openings.waiting);
            let ids: Vec<_> = waiting.into_iter().chain(self.members.keys()).collect();
            for id in ids {
                self.pump_member(now, id);
            }
            // One that was pumped later may have given up the connection that an earlier one waits for.
            if self.openings.waiting.is_empty() || !self.may_open(now) {
                return;
            }
        }
    }

    fn pump_member(&mut self, now: u64, id: PeerId) {
        while self.may_go_on(now, id, |member| member.link.as_ref().is_some_and(Link::wants_connection)) {
            let Some(output) = self.members.get_mut(&id).and_then(|member| member.link.as_mut()?.poll())
            else {
                break;
            };
            self.link_output(id, output);
        }
        while self.may_go_on(now, id, |member| member.lanes.wants_connection()) {
            let Some((lane, output)) = self.members.get_mut(&id).and_then(|member| member.lanes.poll())
            else {
                break;
            };
            self.lane_output(id, lane, output);
        }
    }

    /// Whether the next thing that a member wants may be carried out. If that is a connection, it is counted; if that has
    /// to wait, the member does.
    fn may_go_on(&mut self, now: u64, id: PeerId, wants_connection: impl Fn(&Member) -> bool) -> bool {
        if !self.members.get(&id).is_some_and(wants_connection) {
            return true;
        }
        if self.may_open(now) {
            return self.openings.budget.take(now);
        }
        if !self.openings.waiting.contains(&id) {
            self.openings.waiting.push_back(id);
        }
        false
    }

    fn may_open(&mut self, now: u64) -> bool {
        let pending: usize = self.members.values().map(Member::pending).sum();
        // The budget first, so that it does not ask to be looked at again while it is others that stand in the way.
        self.openings.budget.has(now)
            && pending < limits::MAX_PENDING_CONNECTIONS
            && self.wait_for_ice_servers(now).is_none()
    }
}
