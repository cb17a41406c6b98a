//! How much may be on its way over the direct path and not acknowledged, on each channel.
//!
//! SCTP sends twice as much each round trip until something is lost, and a burst of losses takes it many round trips to make
//! good. Where those are short, nobody notices. On a long path it decides: browsers read a socket with room for some 60 packets,
//! and a sender that has doubled once too often fills it faster than it is read. So a session keeps less under way than would
//! be lost. It begins with little, has twice as much while a round trip does not take longer for it, then a little more each
//! time, and half when one takes much longer. What SCTP allows itself grows only as far as it is used, so this bounds that too.

use crate::{limits, timing};

/// The state for one direct path.
#[derive(Debug)]
pub(super) struct Flight {
    limit: u64,
    /// The shortest round trip so far, in milliseconds.
    least_ms: Option<u64>,
    mark: Option<Mark>,
    /// It had more than it should have at some time.
    is_careful: bool,
}

/// A place in what was sent on a channel. A round trip has passed when it is acknowledged.
#[derive(Debug)]
struct Mark {
    channel: usize,
    position: u64,
    at: u64,
    /// Something waited for the limit since.
    held: bool,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self { limit: limits::FIRST_IN_FLIGHT_BYTES, least_ms: None, mark: None, is_careful: false }
    }

    /// Bytes a channel may have on their way. Near peers are not held back at all.
    pub(super) fn limit(&self) -> u64 {
        if self.is_near() { u64::MAX } else { self.limit }
    }

    pub(super) fn is_near(&self) -> bool {
        self.least_ms.is_some_and(|ms| ms < timing::NEAR_MS)
    }

    /// After how many bytes a channel asks for an acknowledgement, so that there is room again before there is none.
    pub(super) fn ask_every(&self) -> u64 {
        if self.is_near() { u64::MAX } else { self.limit / 4 }
    }

    /// A frame that asks has gone out, and with it all of the channel up to `position`. `held` tells whether more waits for
    /// the limit.
    pub(super) fn asked(&mut self, now: u64, channel: usize, position: u64, held: bool) {
        let mark = self.mark.get_or_insert(Mark { channel, position, at: now, held: false });
        mark.held |= held;
    }

    /// A path that ended is begun anew elsewhere, or goes on: what was sent will be sent again.
    pub(super) fn rewound(&mut self) {
        self.mark = None;
    }

    /// A ping took so long there and back.
    pub(super) fn measured(&mut self, ms: u64) {
        self.least_ms = Some(self.least_ms.map_or(ms, |least| least.min(ms)));
    }

    /// A channel is acknowledged up to `position`.
    pub(super) fn acknowledged(&mut self, now: u64, channel: usize, position: u64) {
        let is_passed = |mark: &Mark| mark.channel == channel && mark.position <= position;
        if !self.mark.as_ref().is_some_and(is_passed) {
            return;
        }
        let Some(Mark { at, held, .. }) = self.mark.take() else { return };
        let took = now.saturating_sub(at);
        self.measured(took);
        let least = self.least_ms.unwrap_or(took);
        if !held {
            // Whether more would have done harm nobody knows.
        } else if took <= least + least / 4 + timing::NEAR_MS {
            let is_sure = !self.is_careful && self.limit < limits::SURE_IN_FLIGHT_BYTES;
            let more = if is_sure { self.limit } else { limits::MORE_IN_FLIGHT_BYTES };
            self.limit = (self.limit + more).min(u64::from(limits::MAX_WINDOW_BYTES));
        } else if took > 2 * least + 5 * timing::NEAR_MS {
            self.is_careful = true;
            self.limit = (self.limit / 2).max(limits::FIRST_IN_FLIGHT_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    /// Round trips of this many milliseconds each, in all of which the limit held something back.
    fn after(flight: &mut Flight, trips: &[u64]) -> u64 {
        let mut now = 1_000_000;
        for (number, took) in (0..).zip(trips) {
            flight.asked(now, 0, number, true);
            now += took;
            flight.acknowledged(now, 0, number);
        }
        flight.limit()
    }

    #[test]
    fn a_near_peer_is_not_held_back() {
        let mut flight = Flight::new();
        assert_eq!((flight.limit(), flight.ask_every()), (256 * KIB, 64 * KIB));
        assert_eq!(after(&mut flight, &[3]), u64::MAX);
        assert_eq!(flight.ask_every(), u64::MAX);
        let mut pinged = Flight::new();
        pinged.measured(80);
        assert_eq!(pinged.limit(), 256 * KIB);
        pinged.measured(9);
        assert_eq!(pinged.limit(), u64::MAX);
    }

    #[test]
    fn more_is_under_way_while_it_takes_no_longer() {
        let mut flight = Flight::new();
        assert_eq!(after(&mut flight, &[100]), 512 * KIB);
        assert_eq!(after(&mut flight, &[110, 134]), 640 * KIB);
        assert_eq!(after(&mut flight, &[170]), 640 * KIB, "a queue begins to form");
        assert_eq!(after(&mut flight, &[700]), 320 * KIB, "something was lost");
        assert_eq!(after(&mut flight, &[100]), 384 * KIB, "it does not double again");
        assert_eq!(after(&mut flight, &[700; 5]), 256 * KIB, "and no less than at first");
    }

    #[test]
    fn what_was_not_held_back_tells_nothing() {
        let mut flight = Flight::new();
        flight.asked(0, 1, 500, false);
        flight.asked(10, 1, 900, false);
        flight.acknowledged(90, 2, 1_000);
        flight.acknowledged(90, 1, 499);
        assert_eq!((flight.limit(), flight.least_ms), (256 * KIB, None));
        flight.acknowledged(100, 1, 500);
        assert_eq!((flight.limit(), flight.least_ms), (256 * KIB, Some(100)));
    }

    #[test]
    fn it_grows_to_the_largest_window() {
        let mut flight = Flight::new();
        assert_eq!(after(&mut flight, &[100; 2_000]), u64::from(limits::MAX_WINDOW_BYTES));
    }
}
