//! What two peers must know of each other before they can talk: their channels, and the application's metadata.

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::codec::{self, CodecError, Message};
use crate::limits;

/// How a channel's messages are delivered (W3C WebRTC §6.2, RFC 8831 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Delivery {
    /// Reliable, in the order sent.
    #[default]
    Ordered,
    /// Reliable, as it arrives.
    Unordered,
    /// Only the newest value of each sender counts; older ones are dropped on both sides.
    Latest,
    /// Delivered within this many milliseconds of `send`, or dropped.
    Lifetime(u16),
}

/// One declared channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// Its name, unique within a protocol, 1 to 64 bytes.
    pub label: Text<{ limits::MAX_LABEL_BYTES }>,
    /// How messages travel.
    pub delivery: Delivery,
    /// How messages are encoded: `"json"` or `"bytes"`.
    pub codec: Text<{ limits::MAX_CODEC_BYTES }>,
}

/// A member's hello. Kind 0 of its frame; newer fields go behind these.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hello {
    /// The declared channels, sorted by label. Channel `n` of this list is data channel id `n + 1`.
    pub channels: List<ChannelSpec, { limits::MAX_CHANNELS }>,
    /// The application's metadata as JSON text; empty when there is none.
    pub metadata: Text<{ limits::MAX_METADATA_BYTES }>,
}

#[derive(Serialize, Deserialize)]
enum HelloMessage {
    Hello(Hello),
}
impl Message for HelloMessage {
    const KINDS: u32 = 1;
}

/// Why a protocol cannot be declared, or two do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A label is empty, too long or declared twice.
    #[error("channel label \"{0}\" is empty, over 64 bytes, or declared twice")]
    BadLabel(String),
    /// More channels than a protocol may have.
    #[error("{0} channels declared, at most {max} allowed", max = limits::MAX_CHANNELS)]
    TooManyChannels(usize),
    /// The delivery is none of the four, or its lifetime is not 1 to 65,535 ms.
    #[error("channel \"{0}\": delivery is ordered, unordered, latest, or a lifetime of 1 to 65535 ms")]
    BadDelivery(String),
    /// The metadata is too long.
    #[error("metadata of {0} bytes as JSON, at most {max} allowed", max = limits::MAX_METADATA_BYTES)]
    MetadataTooLong(usize),
    /// Only one side declares this channel.
    #[error("channel \"{0}\" is declared on one side only")]
    MissingChannel(String),
    /// The two sides declare this channel with another delivery or codec.
    #[error("channel \"{0}\" is declared with another delivery or codec on the other side")]
    ChannelDiffers(String),
    /// The other side's hello cannot be read.
    #[error("the peer's hello cannot be read: {0}")]
    BadHello(CodecError),
}

impl ProtocolError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadLabel(_) | Self::TooManyChannels(_) | Self::BadDelivery(_) => "bad-protocol",
            Self::MetadataTooLong(_) => "metadata-too-long",
            Self::MissingChannel(_) | Self::ChannelDiffers(_) | Self::BadHello(_) => "protocol-mismatch",
        }
    }
}

impl Hello {
    /// Builds a hello from channels in any order.
    ///
    /// # Errors
    /// [`ProtocolError::BadLabel`], [`ProtocolError::TooManyChannels`] or [`ProtocolError::MetadataTooLong`].
    pub fn new(
        channels: impl IntoIterator<Item = (String, Delivery, String)>,
        metadata: &str,
    ) -> Result<Self, ProtocolError> {
        let mut specs: Vec<ChannelSpec> = Vec::new();
        for (label, delivery, codec) in channels {
            // Each goes to its place at once: for a few dozen, the library's sort is 5 KB of WebAssembly too many.
            let place = specs.binary_search_by(|spec| (*spec.label).cmp(&label));
            let (Err(place), false) = (place, label.is_empty()) else {
                return Err(ProtocolError::BadLabel(label));
            };
            let (Ok(name), Ok(codec)) = (label.as_str().try_into(), codec.try_into()) else {
                return Err(ProtocolError::BadLabel(label));
            };
            specs.insert(place, ChannelSpec { label: name, delivery, codec });
        }
        let count = specs.len();
        Ok(Self {
            channels: specs.try_into().map_err(|_| ProtocolError::TooManyChannels(count))?,
            metadata: metadata.try_into().map_err(|_| ProtocolError::MetadataTooLong(metadata.len()))?,
        })
    }

    /// The hello as it travels.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&HelloMessage::Hello(self.clone()))
    }

    /// Reads another member's hello.
    ///
    /// # Errors
    /// [`ProtocolError::BadHello`] for anything but one well-formed hello.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let first = codec::decode::<HelloMessage>(bytes, limits::MAX_HELLO_BYTES).map(|mut r| r.next());
        match first {
            Ok(Some(Ok(HelloMessage::Hello(hello)))) => Ok(hello),
            Ok(Some(Err(error))) | Err(error) => Err(ProtocolError::BadHello(error)),
            Ok(None) => Err(ProtocolError::BadHello(CodecError::Empty)),
        }
    }

    /// Compares the channels of two members; both must declare the same.
    ///
    /// # Errors
    /// Names the first label that differs.
    pub fn check_against(&self, other: &Hello) -> Result<(), ProtocolError> {
        for (mine, theirs) in [(self, other), (other, self)] {
            for spec in mine.channels.iter() {
                match theirs.channels.iter().find(|c| c.label == spec.label) {
                    None => return Err(ProtocolError::MissingChannel(spec.label.to_string())),
                    Some(found) if found != spec => {
                        return Err(ProtocolError::ChannelDiffers(spec.label.to_string()));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(channels: &[(&str, Delivery)]) -> Hello {
        Hello::new(channels.iter().map(|(l, d)| ((*l).into(), *d, "json".into())), "").unwrap()
    }

    #[test]
    fn channels_are_sorted_and_travel() {
        let hello = hello(&[("cursor", Delivery::Latest), ("chat", Delivery::Lifetime(300))]);
        assert_eq!(&*hello.channels[0].label, "chat");
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }

    #[test]
    fn a_mismatch_names_the_label() {
        let (a, b) = (hello(&[("chat", Delivery::Ordered)]), hello(&[("chat", Delivery::Latest)]));
        assert_eq!(a.check_against(&b), Err(ProtocolError::ChannelDiffers("chat".into())));
        let c = hello(&[("chat", Delivery::Ordered), ("more", Delivery::Ordered)]);
        assert_eq!(a.check_against(&c), Err(ProtocolError::MissingChannel("more".into())));
        assert_eq!(a.check_against(&a), Ok(()));
    }

    #[test]
    fn bad_protocols_are_refused() {
        let twice =
            [("a", Delivery::Ordered), ("a", Delivery::Latest)].map(|(l, d)| (l.into(), d, "json".into()));
        assert_eq!(Hello::new(twice, ""), Err(ProtocolError::BadLabel("a".into())));
        let many = (0..33).map(|n| (format!("c{n}"), Delivery::Ordered, "json".into()));
        assert_eq!(Hello::new(many, ""), Err(ProtocolError::TooManyChannels(33)));
        assert_eq!(Hello::new([], &"x".repeat(5000)), Err(ProtocolError::MetadataTooLong(5000)));
    }
}
