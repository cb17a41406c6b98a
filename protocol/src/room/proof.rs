//! Rooms with a passphrase: whoever the server lists is a stranger until something of theirs opens that only the same
//! [passphrase](crate::passphrase) can have sealed. Before that nothing is made for them, and the application does not know them.

use super::Room;
use super::trust::Believed;
use crate::budget::Budget;
use crate::envelope::Envelope;
use crate::failure::LinkError;
use crate::hello::Hello;
use crate::id::PeerId;
use crate::signal::{self, ClientMessage, EnvelopeBytes};
use crate::vault::Vault;
use crate::{limits, timing};

/// How many strangers may be told our proof that do not answer by a right one: as many as a welcome may list. Each can have
/// tried one passphrase by it.
const MOST_GUESSES: u32 = limits::MAX_ROOM_MEMBERS as u32;

/// Strangers that may still be answered.
pub(super) fn guesses() -> Budget {
    Budget::new(0, MOST_GUESSES, timing::GUESS_MS)
}

/// Somebody whose hello is believed, and who has shown nothing yet.
#[derive(Debug)]
pub(super) struct Stranger {
    polite: bool,
    listed: signal::Member,
    hello: Hello,
    vault: Vault,
}

impl Room {
    /// The server makes a member known. In a room with a passphrase that is a stranger at first.
    pub(super) fn introduce(&mut self, now: u64, polite: bool, listed: signal::Member, believed: Believed) {
        let hello = match believed {
            Ok((hello, Some(agreed))) => {
                self.forget_stranger(listed.id);
                if let Some(vault) = self.show_proof(now, &listed, &hello, &agreed) {
                    return self.strangers.push(Stranger { polite, listed, hello, vault });
                }
                Err(LinkError::WrongPassphrase)
            }
            Ok((hello, None)) => Ok(hello),
            Err(error) => Err(error),
        };
        self.meet(now, polite, listed, hello, None);
    }

    /// Shows somebody that we know the passphrase, if they do. None when too many before them did not.
    fn show_proof(
        &mut self,
        now: u64,
        listed: &signal::Member,
        hello: &Hello,
        agreed: &[u8; 32],
    ) -> Option<Vault> {
        let theirs = hello.session?.key;
        if !self.guesses.take(now) {
            return None;
        }
        let shares = [(self.our_id(), self.config.share?), (listed.id, hello.share?)];
        let vault = Vault::of_pair(agreed, &self.config.room, shares);
        let about = self.going_to(listed.id, theirs);
        let envelope = vault.seal(self.nonce(), about, &Envelope::Proof.encode()?).try_into().ok()?;
        self.server.send(&ClientMessage::Signal { to: listed.id, epoch: listed.epoch, envelope });
        Some(vault)
    }

    /// The first envelope from a stranger shows whether it knows the passphrase.
    pub(super) fn prove(&mut self, now: u64, from: PeerId, epoch: u32, envelope: &EnvelopeBytes) {
        let is_theirs = |stranger: &Stranger| stranger.listed.id == from && stranger.listed.epoch == epoch;
        let Some(at) = self.strangers.iter().position(is_theirs) else { return };
        let Stranger { polite, listed, hello, vault } = self.strangers.swap_remove(at);
        let theirs = hello.session.map(|session| session.key).unwrap_or_default();
        let about = self.coming_from(from, theirs);
        let (hello, vault) = if vault.open(about, envelope).is_some() {
            self.guesses.give_back();
            (Ok(hello), Some(vault))
        } else {
            (Err(LinkError::WrongPassphrase), None)
        };
        self.meet(now, polite, listed, hello, vault);
    }

    /// It has left, or comes back.
    pub(super) fn forget_stranger(&mut self, id: PeerId) {
        self.strangers.retain(|stranger| stranger.listed.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_that_show_nothing_use_up_the_guesses_and_they_come_back_slowly() {
        let mut guesses = guesses();
        let answered = |guesses: &mut Budget, now| (0..1_000).filter(|_| guesses.take(now)).count();
        assert_eq!(answered(&mut guesses, 1_000), 256);
        assert_eq!(answered(&mut guesses, 1_000 + timing::GUESS_MS - 1), 0);
        assert_eq!(answered(&mut guesses, 1_000 + timing::GUESS_MS), 1);
        assert_eq!(answered(&mut guesses, 1_000 + 10 * timing::GUESS_MS + 1), 9);
        assert_eq!(answered(&mut guesses, 1_000 + 11 * timing::GUESS_MS), 1);
        assert_eq!(answered(&mut guesses, u64::MAX), 256, "and no more than at first");
    }

    #[test]
    fn those_who_know_it_cost_nothing() {
        let mut guesses = guesses();
        for _ in 0..10_000 {
            assert!(guesses.take(1_000));
            guesses.give_back();
        }
        assert_eq!((0..1_000).filter(|_| guesses.take(1_000)).count(), 256);
    }
}
