//! What two connected peers say to each other on the control channel (data channel id 0, reliable and ordered).

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError, Message};
use crate::limits;

/// The control channel's label and data-channel id.
pub const LABEL: &str = "peerloom";
/// See [`LABEL`]. Application channels have ids from 1 on.
pub const CHANNEL_ID: u16 = 0;

/// From peer to peer on the control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Message for Control {
    const KINDS: u32 = 3;
}

impl Control {
    /// The message as it travels.
    pub fn encode(self) -> Vec<u8> {
        codec::encode(&self)
    }

    /// Reads one data-channel message.
    ///
    /// # Errors
    /// As [`codec::decode`].
    pub fn decode(bytes: &[u8]) -> Result<codec::Records<'_, Self>, CodecError> {
        codec::decode(bytes, limits::MAX_CONTROL_BYTES)
    }
}
