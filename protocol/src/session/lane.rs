//! What a session knows of connections beside the first: see [`crate::lanes`].
//!
//! They carry frames of reliable channels, as the first does, and pings. All else is said on the first.

use super::{Buffer, Direct, Output, Path, Session};
use crate::action::ConnectionId;
use crate::channel::{Payload, Via};
use crate::control::Control;
use crate::hello::Delivery;
use crate::{limits, timing};

/// One open connection beside the first.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) connection: ConnectionId,
    pub(super) path: Path,
    /// When a frame last came or went.
    pub(super) used_at: u64,
}

impl<B> Direct<B> {
    pub(super) fn lane_mut(&mut self, connection: ConnectionId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.connection == connection)
    }
}

impl<P: Payload, B: Buffer> Session<P, B> {
    /// All connections to the peer.
    pub(crate) fn connections(&self) -> Vec<ConnectionId> {
        let Some(direct) = &self.direct else { return Vec::new() };
        let mut all: Vec<_> = direct.lanes.iter().map(|lane| lane.connection).collect();
        all.push(direct.connection);
        all
    }

    /// One more connection to the peer is open.
    pub(crate) fn lane_up(&mut self, now: u64, connection: ConnectionId) {
        if let Some(direct) = &mut self.direct {
            direct.lanes.push(Lane { connection, path: Path::new(now), used_at: now });
        }
    }

    /// It is not any more, if it was.
    pub(crate) fn lane_down(&mut self, connection: ConnectionId) {
        let Some(direct) = &mut self.direct else { return };
        let before = direct.lanes.len();
        direct.lanes.retain(|lane| lane.connection != connection);
        if direct.lanes.len() < before {
            self.send_again(Via::Direct);
        }
    }

    /// Says something of lanes to the peer.
    pub(crate) fn say_of_lane(&mut self, control: Control) {
        if let Some(direct) = &mut self.direct {
            direct.path.controls.push(control);
        }
    }

    pub(super) fn has_lanes(&self) -> bool {
        self.direct.as_ref().is_some_and(|direct| !direct.lanes.is_empty())
    }

    /// When to look at the clock for the sake of lanes.
    pub(super) fn lanes_deadline(&self, now: u64, in_flight: bool) -> Option<u64> {
        let mut first = u64::MAX;
        for Lane { path, .. } in self.direct.as_ref().map_or(&[][..], |direct| &direct.lanes) {
            let quiet_at = path.life.quiet_at().filter(|at| *at > now);
            first = first.min(path.life.ping_at(in_flight)).min(quiet_at.unwrap_or(first));
        }
        Some(first).filter(|first| *first < u64::MAX)
    }

    /// Where the next frame of a channel goes: to the first connection while that holds no more than a frame of it, so that
    /// little traffic stays there, and then to the one that holds least. None when all hold enough or are not open.
    pub(super) fn pick(
        &self,
        now: u64,
        index: usize,
        buffered: impl Fn(ConnectionId) -> Option<usize>,
    ) -> Option<ConnectionId> {
        let direct = self.direct.as_ref()?;
        let may_share = matches!(self.deliveries[index], Delivery::Ordered | Delivery::Unordered);
        let mut best = (buffered(direct.connection)?, direct.connection);
        if best.0 <= limits::MAX_FRAME_BYTES {
            return Some(best.1);
        }
        for lane in direct.lanes.iter().filter(|lane| may_share && !lane.path.life.is_quiet(now)) {
            let held = buffered(lane.connection).unwrap_or(usize::MAX);
            if held < best.0 {
                best = (held, lane.connection);
            }
        }
        Some(best.1).filter(|_| best.0 <= limits::LOW_WATER_BYTES)
    }

    /// Looks at the clock: asks lanes for signs of life, and gives up those that are silent or of no use. Asks for more of
    /// them when a transfer has waited for long.
    pub(super) fn check_lanes(&mut self, now: u64, in_flight: bool) {
        let nonce = self.nonce;
        let Some(direct) = &mut self.direct else { return };
        for lane in &mut direct.lanes {
            if lane.path.life.is_quiet(now) || now >= lane.used_at + timing::LANE_IDLE_MS {
                self.outputs.push_back(Output::LaneDead(lane.connection));
            } else if lane.path.life.ping_at(in_flight) <= now {
                lane.path.ping(now, nonce);
            }
        }
        let waits = direct.full_since.is_some_and(|since| now >= since + timing::LANES_MS);
        if waits && !direct.flight.is_near() && direct.lanes.len() < limits::MAX_LANES {
            direct.full_since = Some(now);
            self.outputs.push_back(Output::WantsLanes);
        }
    }
}
