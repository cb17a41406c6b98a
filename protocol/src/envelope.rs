//! What two peers say to each other through the server while they set up their connection.
//!
//! An envelope is opaque to the server. It belongs to one stay of both peers in the room (the server stamps and checks
//! their epochs), and inside a stay to one *generation*: generation 0 is the exchange of cards, every later one a plain
//! offer/answer exchange on a fresh connection.

use serde::{Deserialize, Serialize};

use crate::bounded::Text;
use crate::candidate::Candidate;
use crate::codec::{self, CodecError, Message};
use crate::limits;
use crate::signal::{CardBytes, EnvelopeBytes};

/// A session description as it travels, still to be checked by [`crate::sdp::sanitize`].
pub type SdpText = Text<{ limits::MAX_SDP_BYTES }>;

/// From peer to peer through the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Envelope {
    /// Kind 0: the sender's card, when the server did not hand one out.
    Card {
        /// See [`crate::card::Card`].
        card: CardBytes,
    },
    /// Kind 1: an ICE candidate found after the description of that generation was made.
    Candidate {
        /// The generation it belongs to; 0 for cards.
        generation: u32,
        /// The candidate.
        candidate: Candidate,
    },
    /// Kind 2: an offer that starts a generation above 0.
    Offer {
        /// Its generation.
        generation: u32,
        /// The description.
        sdp: SdpText,
    },
    /// Kind 3: the answer to the offer of that generation.
    Answer {
        /// Its generation.
        generation: u32,
        /// The description.
        sdp: SdpText,
    },
    /// Kind 4: the sender found no way to connect and stops trying.
    GaveUp,
    /// Kind 5: the first in a room with a passphrase. That it opens shows that the sender knows it.
    Proof,
}

impl Message for Envelope {
    const KINDS: u32 = 6;
}

impl Envelope {
    /// The envelope as it travels. `None` when it would be over [`limits::MAX_SIGNAL_BYTES`].
    pub fn encode(&self) -> Option<EnvelopeBytes> {
        codec::encode(self).try_into().ok()
    }

    /// The envelopes of one message, as far as they can be read.
    #[inline(never)] // Two callers would have a kilobyte each.
    pub(crate) fn read(bytes: &EnvelopeBytes) -> Vec<Self> {
        let Ok(mut records) = Self::decode(bytes) else { return Vec::new() };
        let mut read = Vec::new();
        while let Some(Ok(envelope)) = records.next() {
            read.push(envelope);
        }
        read
    }

    /// Reads the envelopes of one message.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn decode(bytes: &EnvelopeBytes) -> Result<codec::Records<'_, Self>, CodecError> {
        codec::decode(bytes, limits::MAX_SIGNAL_BYTES)
    }
}
