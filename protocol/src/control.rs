//! What two peers say to each other beside the application's messages: on the control channel of their connection (data
//! channel id 0, reliable and ordered), and in packets through the server under the same number.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError, Message};
use crate::limits;
use crate::safety::Step;
use crate::signal::EnvelopeBytes;

/// The control channel's label and data-channel id.
pub const LABEL: &str = "peerloom";
/// See [`LABEL`]. Application channels have ids from 1 on.
pub const CHANNEL_ID: u16 = 0;
/// The label of the data channel that carries streams and calls. Its id is the one behind the last declared channel's.
pub const MORE_LABEL: &str = "peerloom.more";

/// From peer to peer on the control channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Control {
    /// Kind 0: asks for a [`Control::Pong`]. Answered from the message handler, never from a timer, because timers
    /// of a background tab are throttled.
    Ping {
        /// Comes back unchanged.
        nonce: u32,
    },
    /// Kind 1: the answer.
    Pong {
        /// The ping's nonce.
        nonce: u32,
    },
    /// Kind 2: the sender leaves the room for good. Without it a closed connection looks like a failure.
    Bye,
    /// Kind 3: the first thing said on every path, before any message: which session the sender means. See
    /// [`crate::session`].
    Begin {
        /// The sender's number for its end of the session, drawn at random and never 0.
        mine: u32,
        /// The receiver's, as far as the sender knows it; 0 when it does not.
        yours: u32,
    },
    /// Kind 4: of one more connection beside the first. docs/sessions.md tells what for.
    Lane {
        /// Which, from 1 to [`limits::MAX_LANES`].
        lane: u8,
        /// A card, or a candidate of generation 0; nothing else is taken. See [`crate::envelope`].
        envelope: EnvelopeBytes,
    },
    /// Kind 5: a step of making a [safety code](crate::safety).
    Compare(Step),
}

impl Message for Control {
    const KINDS: u32 = 6;
}

impl Control {
    /// The message as it travels.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads one data-channel message.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn decode(bytes: &[u8]) -> Result<codec::Records<'_, Self>, CodecError> {
        codec::decode(bytes, limits::MAX_CONTROL_BYTES)
    }
}
