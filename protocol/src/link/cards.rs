//! Generation 0: each side writes the other's answer from its card.

use super::{Link, Output, Phase};
use crate::action::Command;
use crate::attempts::Stage;
use crate::card::Card;
use crate::sdp::{self, DtlsRole};
use crate::signal::CardBytes;
use crate::timing;

impl Link {
    pub(super) fn card_ready(&mut self, now: u64, card: CardBytes) {
        if let Phase::Card { mine, .. } = &mut self.phase {
            *mine = Some(card);
        }
        self.apply_card(now);
    }

    pub(super) fn card(&mut self, now: u64, bytes: &[u8]) {
        let Ok(card) = Card::decode(bytes) else {
            if matches!(self.phase, Phase::Card { .. }) {
                self.attempt_failed(now);
            }
            return;
        };
        if self.is_forged(now, Some(card.fingerprint)) {
            return;
        }
        match &mut self.phase {
            Phase::Card { theirs: slot @ None, .. } => {
                *slot = Some(card);
                self.apply_card(now);
            }
            // Not the card we were handed by the server: the other side dropped that one meanwhile.
            Phase::Card { theirs: Some(known), .. } if known.ufrag != card.ufrag => self.attempt_failed(now),
            // The same card again, or one that came too late: generations above 0 go by offers.
            _ => {}
        }
    }

    /// Both cards known: each side writes the other's answer itself.
    fn apply_card(&mut self, now: u64) {
        let Phase::Card { mine: Some(_), theirs: Some(theirs), applied } = &mut self.phase else { return };
        let (Some(connection), false) = (self.connection, *applied) else { return };
        *applied = true;
        let remote_role = if self.polite { DtlsRole::Server } else { DtlsRole::Client };
        let answer = sdp::write_answer(theirs, remote_role);
        self.given = theirs.candidates.to_vec();
        self.tried.reach(now, Stage::Answered);
        self.tried.remote(&self.given);
        self.deadline = Some(now + timing::CARD_CONNECT_MS);
        self.outputs.push_back(Output::Do(Command::SetAnswer(connection, answer)));
        self.flush_early();
    }
}
