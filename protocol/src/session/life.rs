//! Whether a path still carries anything: what was heard, what was asked and not answered.
//!
//! A question is a ping, or a frame that asks for an acknowledgement. Answers never wait for a timer at the other end,
//! because timers of a background tab are throttled: so silence after a question means something, and silence without
//! one means nothing.

use crate::timing;

/// One path's signs of life.
#[derive(Debug)]
pub(super) struct Life {
    heard_at: u64,
    /// The oldest question without an answer.
    asked_at: Option<u64>,
    pinged_at: u64,
    /// The newest ping: its nonce and when it was sent.
    ping: Option<(u32, u64)>,
    rtt_ms: Option<u64>,
    jitter_ms: u64,
}

impl Life {
    /// A path that has just opened.
    pub(super) fn new(now: u64) -> Self {
        Self { heard_at: now, asked_at: None, pinged_at: 0, ping: None, rtt_ms: None, jitter_ms: 0 }
    }

    pub(super) fn heard(&mut self, now: u64) {
        self.heard_at = now;
        self.asked_at = None;
    }

    pub(super) fn asked(&mut self, now: u64) {
        self.asked_at.get_or_insert(now);
    }

    pub(super) fn pinged(&mut self, now: u64, nonce: u32) {
        self.pinged_at = now;
        self.ping = Some((nonce, now));
        self.asked(now);
    }

    pub(super) fn pong(&mut self, now: u64, nonce: u32) {
        if let Some((sent, at)) = self.ping
            && sent == nonce
        {
            let sample = now.saturating_sub(at);
            // Smoothed as RFC 6298 does, and how much it varies too.
            self.jitter_ms = self.rtt_ms.map_or(0, |rtt| (3 * self.jitter_ms + rtt.abs_diff(sample)) / 4);
            self.rtt_ms = Some(self.rtt_ms.map_or(sample, |rtt| (7 * rtt + sample) / 8));
            self.ping = None;
        }
    }

    /// The page was frozen: its own silence says nothing about the path. Ask again, and judge by the answer.
    pub(super) fn woke(&mut self, now: u64) {
        self.heard_at = now;
        self.asked_at = None;
        self.pinged_at = 0;
    }

    pub(super) fn heard_at(&self) -> u64 {
        self.heard_at
    }

    pub(super) fn rtt_ms(&self) -> Option<u64> {
        self.rtt_ms
    }

    /// How much round trips differ from the mean: the RTTVAR of RFC 6298.
    pub(super) fn jitter_ms(&self) -> Option<u64> {
        self.rtt_ms.map(|_| self.jitter_ms)
    }

    /// How long an answer may take before the path counts as quiet.
    fn patience_ms(&self) -> u64 {
        let rtt = self.rtt_ms.unwrap_or(timing::ASSUMED_RTT_MS);
        (timing::QUIET_MS.0 + 2 * rtt).min(timing::QUIET_MS.1)
    }

    /// When the path counts as quiet, if no answer comes before.
    pub(super) fn quiet_at(&self) -> Option<u64> {
        self.asked_at.map(|asked| asked + self.patience_ms())
    }

    /// An answer is overdue.
    pub(super) fn is_quiet(&self, now: u64) -> bool {
        self.quiet_at().is_some_and(|at| at <= now)
    }

    /// How long a question has been without an answer.
    pub(super) fn unanswered_ms(&self, now: u64) -> u64 {
        self.asked_at.map_or(0, |asked| now.saturating_sub(asked))
    }

    /// When to ask for a sign of life; sooner while messages are under way.
    pub(super) fn ping_at(&self, in_flight: bool) -> u64 {
        let pause = if in_flight { timing::IN_FLIGHT_PING_MS } else { timing::HEARTBEAT_MS };
        self.heard_at.max(self.pinged_at) + pause
    }

    /// Whether the last ping was long enough ago for another, though the path speaks.
    pub(super) fn may_ping(&self, now: u64) -> bool {
        self.pinged_at + timing::IN_FLIGHT_PING_MS <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_question() {
        let mut life = Life::new(0);
        assert!(!life.is_quiet(100_000), "nothing was asked");
        life.pinged(100_000, 1);
        assert!(!life.is_quiet(100_000 + timing::QUIET_MS.0));
        assert!(life.is_quiet(100_000 + timing::QUIET_MS.0 + 2 * timing::ASSUMED_RTT_MS));
        life.heard(101_000);
        assert!(!life.is_quiet(200_000));
    }

    #[test]
    fn a_slow_path_is_given_more_time() {
        let mut life = Life::new(0);
        life.pinged(0, 1);
        life.heard(600);
        life.pong(600, 1);
        assert_eq!(life.rtt_ms(), Some(600));
        life.pinged(1_000, 2);
        assert!(!life.is_quiet(2_500));
        assert!(life.is_quiet(1_000 + timing::QUIET_MS.0 + 1_200));
    }

    #[test]
    fn jitter_is_how_much_round_trips_differ() {
        let mut life = Life::new(0);
        assert_eq!((life.rtt_ms(), life.jitter_ms()), (None, None));
        for (at, rtt, expected) in [(0, 100, (100, 0)), (1_000, 180, (110, 20)), (2_000, 110, (110, 15))] {
            life.pinged(at, 1);
            life.pong(at + rtt, 1);
            assert_eq!((life.rtt_ms(), life.jitter_ms()), (Some(expected.0), Some(expected.1)));
        }
    }

    #[test]
    fn a_frozen_page_asks_before_it_judges() {
        let mut life = Life::new(0);
        life.pinged(1_000, 1);
        life.woke(60_000);
        assert!(!life.is_quiet(60_000));
        assert!(life.ping_at(true) <= 60_500);
    }
}
