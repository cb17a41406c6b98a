//! A card: what a peer publishes so that the other side can write its answer itself.
//!
//! The session description of a connection with data channels only is nearly constant. A card holds the little that
//! varies, in about 100 to 150 bytes. Each side makes an ordinary offer, publishes its card, and gives its own
//! browser an answer written from the other side's card ([`crate::sdp::write_answer`]). So both start at once, with
//! no answer to wait for, and no local description is ever altered.
//!
//! A card belongs to one `RTCPeerConnection` and must be handed to one peer only.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded::{Bytes, List, Text};
use crate::candidate::{Candidate, is_ice_char};
use crate::codec;
use crate::limits::{MAX_CARD_BYTES, MAX_CARD_CANDIDATES};
use crate::octets;

/// Longest ICE user name fragment or password (RFC 8839 §5.4).
const MAX_ICE_TEXT_BYTES: usize = 256;
/// Shortest user name fragment (RFC 8839 §5.4).
const MIN_UFRAG_BYTES: usize = 4;
/// Shortest password (RFC 8839 §5.4).
const MIN_PWD_BYTES: usize = 22;
/// Longest SCTP INIT chunk in a card: 512 characters of base64.
const MAX_SCTP_INIT_BYTES: usize = 384;
/// Smallest `a=max-message-size` that is believed. Nothing real is below 64 KiB; a tiny one would make a sender cut
/// its messages into crumbs.
pub const MIN_MAX_MESSAGE_SIZE: u32 = 1024;
/// Largest `a=max-message-size` written: Chromium reads it as a signed number of 32 bits.
pub const MAX_MAX_MESSAGE_SIZE: u32 = 0x7fff_ffff;

/// An SCTP INIT chunk (`a=sctp-init`, draft-hancke-tsvwg-snap), which saves a round trip where both browsers know it.
pub type SctpInit = Bytes<MAX_SCTP_INIT_BYTES>;

/// Why a card cannot be used. Final for this card: ask the peer for another, or fall back to offer and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// Longer than [`MAX_CARD_BYTES`] when encoded.
    #[error("card of {0} bytes, at most {MAX_CARD_BYTES} allowed")]
    TooLong(usize),
    /// Written by a version of Peerloom this code does not know.
    #[error("card version {0}, expected {version}", version = Card::VERSION)]
    UnknownVersion(u8),
    /// Not a card: cut short, with bytes left over, or with a field that breaks its rules.
    #[error("malformed card")]
    Malformed,
    /// The ICE password is shorter than RFC 8839 allows.
    #[error("ICE password of {0} characters, at least {MIN_PWD_BYTES} needed")]
    ShortPassword(usize),
    /// More candidates than a card may hold.
    #[error("{0} candidates, at most {MAX_CARD_CANDIDATES} allowed")]
    TooManyCandidates(usize),
    /// The largest message is outside [`MIN_MAX_MESSAGE_SIZE`]`..=`[`MAX_MAX_MESSAGE_SIZE`].
    #[error("max-message-size of {0} is out of bounds")]
    MaxMessageSize(u32),
    /// There is an SCTP INIT chunk, but an empty one.
    #[error("empty SCTP INIT chunk")]
    EmptySctpInit,
}

impl CardError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "card-too-long",
            Self::UnknownVersion(_) => "card-unknown-version",
            Self::Malformed => "card-malformed",
            Self::ShortPassword(_) => "card-short-password",
            Self::TooManyCandidates(_) => "card-too-many-candidates",
            Self::MaxMessageSize(_) => "card-max-message-size",
            Self::EmptySctpInit => "card-empty-sctp-init",
        }
    }
}

/// An ICE user name fragment or password: 4 to 256 `ice-char` (RFC 8839 §5.4), so it cannot break out of its SDP
/// line. `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct IceText(Text<MAX_ICE_TEXT_BYTES>);

impl IceText {
    /// Checks and copies `text`. `None` when it is not 4 to 256 `ice-char`.
    pub fn new(text: &str) -> Option<Self> {
        let ok = text.len() >= MIN_UFRAG_BYTES && text.bytes().all(is_ice_char);
        Text::try_from(text).ok().filter(|_| ok).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for IceText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::<MAX_ICE_TEXT_BYTES>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not 4 to 256 ice-char"))
    }
}

/// What a peer publishes so that the other side can write its answer itself. `Debug` shows lengths only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Card {
    /// [`Card::VERSION`].
    pub version: u8,
    /// ICE user name fragment.
    pub ufrag: IceText,
    /// ICE password, at least 22 characters.
    pub pwd: IceText,
    /// SHA-256 of the DTLS certificate.
    pub fingerprint: [u8; 32],
    /// Candidates known so far, at most [`MAX_CARD_CANDIDATES`]; later ones are trickled.
    pub candidates: Vec<Candidate>,
    /// Largest data-channel message the peer takes, in bytes (`a=max-message-size`, RFC 8841 §6).
    pub max_message_size: u32,
    /// The peer's SCTP INIT chunk, when its browser makes one.
    pub sctp_init: Option<SctpInit>,
}

/// A card behind its version byte, as postcard writes it.
#[derive(Serialize, Deserialize)]
struct Wire {
    ufrag: IceText,
    pwd: IceText,
    #[serde(with = "octets")]
    fingerprint: [u8; 32],
    max_message_size: u32,
    sctp_init: Option<SctpInit>,
    candidates: List<Candidate, MAX_CARD_CANDIDATES>,
}

impl Card {
    /// The version this code writes, and the only one it reads.
    pub const VERSION: u8 = 1;

    /// The card as it travels. At most [`MAX_CARD_BYTES`] for a card that passed [`Card::check`]; candidates behind
    /// the first [`MAX_CARD_CANDIDATES`] are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut kept = self.candidates.clone();
        kept.truncate(MAX_CARD_CANDIDATES);
        let wire = Wire {
            ufrag: self.ufrag.clone(),
            pwd: self.pwd.clone(),
            fingerprint: self.fingerprint,
            max_message_size: self.max_message_size,
            sctp_init: self.sctp_init.clone(),
            // Cut to the limit just now.
            candidates: kept.try_into().unwrap_or_default(),
        };
        let mut bytes = vec![self.version];
        bytes.extend(codec::to_bytes(&wire));
        bytes
    }

    /// Reads and checks a card from a peer.
    ///
    /// A card has one encoding only: bytes that [`Card::encode`] would not write again are refused.
    ///
    /// # Errors
    /// See [`CardError`]; nothing is allocated for a card that is too long or of an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() > MAX_CARD_BYTES {
            return Err(CardError::TooLong(bytes.len()));
        }
        let (&version, body) = bytes.split_first().ok_or(CardError::Malformed)?;
        if version != Self::VERSION {
            return Err(CardError::UnknownVersion(version));
        }
        let wire: Wire = postcard::from_bytes(body).map_err(|_| CardError::Malformed)?;
        let card = Self {
            version,
            ufrag: wire.ufrag,
            pwd: wire.pwd,
            fingerprint: wire.fingerprint,
            candidates: wire.candidates.into_vec(),
            max_message_size: wire.max_message_size,
            sctp_init: wire.sctp_init,
        };
        card.check()?;
        // Catches bytes left over as well as numbers written longer than need be.
        if card.encode() == bytes { Ok(card) } else { Err(CardError::Malformed) }
    }

    /// Checks the rules that the types of the fields do not hold by themselves.
    ///
    /// # Errors
    /// See [`CardError`].
    pub fn check(&self) -> Result<(), CardError> {
        if self.version != Self::VERSION {
            return Err(CardError::UnknownVersion(self.version));
        }
        let pwd_len = self.pwd.as_str().len();
        if pwd_len < MIN_PWD_BYTES {
            return Err(CardError::ShortPassword(pwd_len));
        }
        if self.candidates.len() > MAX_CARD_CANDIDATES {
            return Err(CardError::TooManyCandidates(self.candidates.len()));
        }
        if !(MIN_MAX_MESSAGE_SIZE..=MAX_MAX_MESSAGE_SIZE).contains(&self.max_message_size) {
            return Err(CardError::MaxMessageSize(self.max_message_size));
        }
        if self.sctp_init.as_ref().is_some_and(|init| init.is_empty()) {
            return Err(CardError::EmptySctpInit);
        }
        let len = self.encode().len();
        if len > MAX_CARD_BYTES { Err(CardError::TooLong(len)) } else { Ok(()) }
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("version", &self.version)
            .field("ufrag", &self.ufrag)
            .field("pwd", &self.pwd)
            .field("candidates", &self.candidates.len())
            .field("sctp_init", &self.sctp_init)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
