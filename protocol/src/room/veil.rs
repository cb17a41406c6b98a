//! What goes through the server in a room with a secret or a passphrase, sealed on its way out and opened on its way in. In other
//! rooms it goes as it is.

use super::Room;
use crate::hello::Hello;
use crate::id::PeerId;
use crate::members::Member;
use crate::seal;
use crate::signal::{self, EnvelopeBytes, HelloBytes, ServerMessage, TaggedCard};
use crate::vault::{About, Vault};

impl Room {
    /// What the server calls the room.
    pub(super) fn public_name(&self) -> &str {
        self.vault.as_ref().map_or(&self.config.room, |vault| vault.name())
    }

    /// Whether the server may read what it passes on.
    fn is_open(&self) -> bool {
        self.vault.is_none() && self.config.share.is_none()
    }

    pub(super) fn nonce(&mut self) -> [u8; 12] {
        self.nonces += 1;
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&seal::derive(&self.config.entropy, "nonce", self.nonces)[..12]);
        nonce
    }

    /// Seals where there is a secret. None when it is too long then.
    fn veil<T: TryFrom<Vec<u8>>>(&mut self, about: About, plain: &[u8]) -> Option<T> {
        let nonce = self.nonce();
        self.vault.as_ref()?.seal(nonce, about, plain).try_into().ok()
    }

    pub(super) fn our_id(&self) -> PeerId {
        self.identity.map_or(PeerId([0; 16]), |(_, id)| id)
    }

    pub(super) fn our_key(&self) -> [u8; 32] {
        self.key.as_ref().map(seal::SecretKey::public).unwrap_or_default()
    }

    /// What an envelope to a member in the stay with this key is about.
    pub(super) fn going_to(&self, to: PeerId, key: [u8; 32]) -> About {
        About::Envelope([(self.our_id(), self.our_key()), (to, key)])
    }

    /// The same of one from it.
    pub(super) fn coming_from(&self, from: PeerId, key: [u8; 32]) -> About {
        About::Envelope([(from, key), (self.our_id(), self.our_key())])
    }

    /// The keys of the room, or else of the two of us.
    pub(super) fn vault_with<'a>(&'a self, member: &'a Member) -> Option<&'a Vault> {
        self.vault.as_ref().or(member.vault.as_ref())
    }

    pub(super) fn veil_hello(&mut self, hello: HelloBytes) -> HelloBytes {
        if self.vault.is_none() {
            return hello;
        }
        // A hello's own limits leave room for the seal.
        self.veil(About::Hello(self.our_id()), &hello).unwrap_or_default()
    }

    pub(super) fn veil_cards(&mut self, mut cards: Vec<TaggedCard>) -> Vec<TaggedCard> {
        if self.config.share.is_some() {
            // Nobody can seal for members unknown yet by what is between two. They go as envelopes.
            cards.clear();
        }
        if self.vault.is_some() {
            let about = About::Card(self.our_id(), self.our_key());
            cards.retain_mut(|tagged| {
                let veiled = self.veil(about, &tagged.card);
                // One that is too long then goes as an envelope, which has more room.
                veiled.is_some_and(|card| {
                    tagged.card = card;
                    true
                })
            });
        }
        cards
    }

    /// None when there is nobody to read it.
    pub(super) fn veil_envelope(&mut self, to: PeerId, envelope: EnvelopeBytes) -> Option<EnvelopeBytes> {
        if self.is_open() {
            return Some(envelope);
        }
        let nonce = self.nonce();
        let member = self.members.get(&to)?;
        let about = self.going_to(to, member.session?.key);
        self.vault_with(member)?.seal(nonce, about, &envelope).try_into().ok()
    }

    pub(super) fn unveil_envelope(&self, from: PeerId, envelope: EnvelopeBytes) -> Option<EnvelopeBytes> {
        if self.is_open() {
            return Some(envelope);
        }
        let member = self.members.get(&from)?;
        let about = self.coming_from(from, member.session?.key);
        self.vault_with(member)?.open(about, &envelope)?.try_into().ok()
    }

    /// Opens what a message says of members. A hello that does not open is none, as is a card.
    pub(super) fn unveil(&self, mut message: ServerMessage) -> ServerMessage {
        match &mut message {
            ServerMessage::Welcome(welcome) => {
                let members = std::mem::take(&mut welcome.members);
                let members: Vec<_> = members.into_iter().map(|member| self.unveil_member(member)).collect();
                welcome.members = members.try_into().unwrap_or_default();
            }
            ServerMessage::Joined(member) => *member = self.unveil_member(member.clone()),
            _ => {}
        }
        message
    }

    fn unveil_member(&self, mut member: signal::Member) -> signal::Member {
        let Some(vault) = &self.vault else { return member };
        let hello = vault.open(About::Hello(member.id), &member.hello);
        let hello = hello.and_then(|hello| HelloBytes::try_from(hello).ok()).unwrap_or_default();
        let session = Hello::decode(&hello).ok().and_then(|hello| hello.session);
        member.card = member.card.zip(session).and_then(|(card, session)| {
            vault.open(About::Card(member.id, session.key), &card)?.try_into().ok()
        });
        member.hello = hello;
        member
    }
}
