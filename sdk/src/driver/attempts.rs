//! What was tried to join, and to reach peers directly.

use peerloom_protocol::attempts::Joining;
#[cfg(feature = "typed")]
use peerloom_protocol::attempts::{Attempt, Kinds, Stage};
use peerloom_protocol::id::PeerId;

use super::{Driver, now_ms};

/// How this page joined its room, the last time that it tried.
#[cfg(feature = "typed")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoiningReport {
    /// Milliseconds ago that it asked for a WebSocket.
    pub begun_ago_ms: u64,
    /// Milliseconds after that until the WebSocket was open.
    pub web_socket_ms: Option<u64>,
    /// Milliseconds until the server had let it in.
    pub joined_ms: Option<u64>,
}

/// One attempt to connect with a peer directly. But for the first, times are milliseconds after its beginning; None where an
/// attempt did not come so far.
#[cfg(feature = "typed")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptReport {
    /// By exchanging cards, or by offer and answer.
    pub by_card: bool,
    /// Milliseconds ago that it began.
    pub begun_ago_ms: u64,
    /// The browser had described the connection.
    pub described_ms: Option<u64>,
    /// The peer's description was here.
    pub answered_ms: Option<u64>,
    /// ICE had found a way.
    pub ice_ms: Option<u64>,
    /// DTLS was done too.
    pub connected_ms: Option<u64>,
    /// The channels were open.
    pub open_ms: Option<u64>,
    /// The first bytes of the peer were here.
    pub heard_ms: Option<u64>,
    /// It was given up, or its connection was lost.
    pub ended_ms: Option<u64>,
    /// Candidates of this side.
    pub local: Kinds,
    /// Candidates of the peer.
    pub remote: Kinds,
}

#[cfg(feature = "typed")]
impl AttemptReport {
    fn new(now: u64, attempt: &Attempt) -> Self {
        let begun = attempt.reached[Stage::Begun as usize].unwrap_or(now);
        let after = |at: Option<u64>| at.map(|at| at.saturating_sub(begun));
        let reached = |stage: Stage| after(attempt.reached[stage as usize]);
        Self {
            by_card: attempt.generation == 0,
            begun_ago_ms: now.saturating_sub(begun),
            described_ms: reached(Stage::Described),
            answered_ms: reached(Stage::Answered),
            ice_ms: reached(Stage::Found),
            connected_ms: reached(Stage::Works),
            open_ms: reached(Stage::Open),
            heard_ms: reached(Stage::Heard),
            ended_ms: after(attempt.ended_at),
            local: attempt.local,
            remote: attempt.remote,
        }
    }
}

/// Milliseconds since this happened, for TypeScript: -1 when it has not.
#[cfg(feature = "npm")]
fn ago(at: Option<u64>) -> f64 {
    at.map_or(-1.0, |at| now_ms().saturating_sub(at) as f64)
}

impl Driver {
    /// How far joining came: three numbers.
    #[cfg(feature = "npm")]
    pub(crate) fn joining_numbers(&self) -> Vec<f64> {
        let Joining { asked_at, opened_at, welcomed_at } = self.node.borrow().joining();
        [asked_at, opened_at, welcomed_at].map(ago).to_vec()
    }

    /// What was tried to reach a peer, eleven numbers for each attempt.
    #[cfg(feature = "npm")]
    pub(crate) fn attempt_numbers(&self, peer: PeerId) -> Vec<f64> {
        let mut numbers = Vec::new();
        self.node.borrow().each_attempt(peer, |attempt| {
            numbers.push(f64::from(attempt.generation));
            for at in attempt.reached.into_iter().chain([attempt.ended_at]) {
                numbers.push(ago(at));
            }
            numbers.push(f64::from(attempt.local.0));
            numbers.push(f64::from(attempt.remote.0));
        });
        numbers
    }

    /// How far joining came; None before it began.
    #[cfg(feature = "typed")]
    pub(crate) fn joining(&self) -> Option<JoiningReport> {
        let Joining { asked_at, opened_at, welcomed_at } = self.node.borrow().joining();
        let begun = asked_at?;
        let after = |at: Option<u64>| at.map(|at| at.saturating_sub(begun));
        Some(JoiningReport {
            begun_ago_ms: now_ms().saturating_sub(begun),
            web_socket_ms: after(opened_at),
            joined_ms: after(welcomed_at),
        })
    }

    /// What was tried to reach a peer, oldest first.
    #[cfg(feature = "typed")]
    pub(crate) fn attempts(&self, peer: PeerId) -> Vec<AttemptReport> {
        let (now, mut attempts) = (now_ms(), Vec::new());
        self.node.borrow().each_attempt(peer, |attempt| attempts.push(AttemptReport::new(now, attempt)));
        attempts
    }
}
