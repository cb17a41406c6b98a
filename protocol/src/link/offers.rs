//! Generations above 0: plain trickled offers and answers, each attempt on a fresh connection.

use super::{Link, Output, Phase};
use crate::action::{Command, Start};
use crate::attempts::Stage;
use crate::envelope::Envelope;
use crate::failure::LinkError;
use crate::sdp::{self, SdpKind};
use crate::timing;

impl Link {
    pub(super) fn offer(&mut self, now: u64, generation: u32, sdp: &str) {
        let Ok(clean) = sdp::sanitize(SdpKind::Offer, sdp) else { return };
        if self.is_forged(now, sdp::fingerprint(&clean)) {
            return;
        }
        let ufrag = sdp::ufrag(&clean).unwrap_or_default().to_owned();
        // A stranger's generation is a number like any other; far ahead of ours it can only be an attack on the counter.
        if generation == 0 || generation < self.generation || generation - self.generation > 1_000 {
            return;
        }
        if generation == self.generation {
            match &self.phase {
                Phase::Answering { offer_ufrag, .. } if *offer_ufrag == ufrag => {
                    return self.send_description();
                }
                Phase::Offering { answered: false, .. } if self.polite => {}
                Phase::Waiting | Phase::Failed => {}
                _ => return,
            }
        }
        if !self.offers.take(now) {
            return;
        }
        if self.is_connected() {
            self.outputs.push_back(Output::Down);
        }
        if matches!(self.phase, Phase::Connected | Phase::Failed) {
            self.give_up_at = now + timing::CONNECT_MS;
        }
        self.begin(now, generation, Phase::Answering { offer_ufrag: ufrag, sdp: None }, timing::OFFER_MS);
        self.tried.reach(now, Stage::Answered);
        self.outputs.push_back(Output::Open(Start::Answer { offer: clean }));
    }

    pub(super) fn answer(&mut self, now: u64, generation: u32, sdp: &str) {
        if generation != self.generation {
            return;
        }
        let (Phase::Offering { answered: false, .. }, Some(connection)) = (&self.phase, self.connection)
        else {
            // Where the attempt is over, the peer is there after all: its page had stopped for a while.
            if self.connection.is_none() && self.offers.take(now) {
                self.retry(now);
            }
            return;
        };
        let Ok(clean) = sdp::sanitize(SdpKind::Answer, sdp) else { return };
        if self.is_forged(now, sdp::fingerprint(&clean)) {
            return;
        }
        if let Phase::Offering { answered, .. } = &mut self.phase {
            *answered = true;
        }
        self.tried.reach(now, Stage::Answered);
        self.outputs.push_back(Output::Do(Command::SetAnswer(connection, clean)));
        self.flush_early();
    }

    /// Closes what there was and enters a new generation.
    fn begin(&mut self, now: u64, generation: u32, phase: Phase, lasts_ms: u64) {
        self.close();
        self.generation = generation;
        self.tried.begin(now, generation);
        self.gives_way_at = None;
        self.phase = phase;
        self.sent.clear();
        self.early.retain(|(g, _)| *g >= generation);
        self.given.clear();
        self.deadline = Some((now + lasts_ms).min(self.give_up_at));
        self.resends = 0;
        self.resend_at = Some(now + timing::RESEND_MS);
    }

    pub(super) fn start_offer(&mut self, now: u64) {
        if now >= self.give_up_at {
            self.send(Envelope::GaveUp);
            return self.fail(now, LinkError::NoPath);
        }
        let generation = self.generation.saturating_add(1);
        self.begin(now, generation, Phase::Offering { sdp: None, answered: false }, timing::OFFER_MS);
        self.outputs.push_back(Output::Open(Start::Offer { role_hint: false }));
    }

    /// This attempt is over; the next begins after a pause that grows, longer for the polite side so that both rarely
    /// offer at once.
    pub(super) fn attempt_failed(&mut self, now: u64) {
        if matches!(self.phase, Phase::Failed) {
            return;
        }
        self.close();
        self.tried.end(now);
        self.outputs.push_back(Output::AttemptFailed);
        self.phase = Phase::Waiting;
        self.gives_way_at = None;
        let pause = if self.polite { timing::POLITE_WAIT_MS } else { timing::RETRY_MS };
        self.deadline = Some(now + (pause << self.attempts.min(4)));
        self.attempts += 1;
        self.resend_at = None;
    }

    /// All attempts have failed. The network may change without telling, so that is not the end: it is tried again,
    /// less and less often.
    pub(super) fn fail(&mut self, now: u64, error: LinkError) {
        if !self.has_failed() {
            self.close();
            self.tried.end(now);
            self.phase = Phase::Failed;
            self.gives_way_at = None;
            let (shortest, longest) = timing::TRY_AGAIN_MS;
            self.deadline = Some(now + (shortest << self.failures.min(8)).min(longest));
            self.failures += 1;
            self.resend_at = None;
            self.outputs.push_back(Output::Failed(error));
        }
    }

    fn close(&mut self) {
        self.failing = false;
        // A connection not opened yet needs no closing: drop the request instead.
        self.outputs.retain(|output| !matches!(output, Output::Open(_)));
        if let Some(connection) = self.connection.take() {
            self.outputs.push_back(Output::Do(Command::CloseConnection(connection)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;
    use crate::limits::MAX_ANEW_AT_ONCE;

    const OFFER: &str = include_str!("../../tests/fixtures/chromium-156-offer-addresses.sdp");

    /// Hears these offers in one moment; gives how many connections are to be made for them.
    fn answered(link: &mut Link, now: u64, generations: std::ops::Range<u32>) -> u32 {
        let mut answered = 0;
        for generation in generations {
            link.envelope(now, Envelope::Offer { generation, sdp: OFFER.try_into().expect("short enough") });
            while let Some(output) = link.poll() {
                answered += u32::from(matches!(output, Output::Open(Start::Answer { .. })));
            }
        }
        answered
    }

    #[test]
    fn a_peer_that_offers_without_end_has_few_connections_made() {
        let clean = sdp::sanitize(SdpKind::Offer, OFFER).expect("a good one");
        let fingerprint = sdp::fingerprint(&clean).expect("there is one");
        let mut link = Link::meet(0, true, fingerprint, None, None);
        assert_eq!(answered(&mut link, 0, 1..400), MAX_ANEW_AT_ONCE);
        assert_eq!(answered(&mut link, timing::ANEW_MS - 1, 400..450), 0);
        // An honest peer says again what had no answer.
        assert_eq!(answered(&mut link, timing::ANEW_MS, 450..500), 1);
        assert_eq!(answered(&mut link, 100 * timing::ANEW_MS, 500..900), MAX_ANEW_AT_ONCE);
    }
}
