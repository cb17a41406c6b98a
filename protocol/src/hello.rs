//! What two peers must know of each other before they can talk: their channels, and the application's metadata.

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::codec::{self, CodecError, Message};
use crate::identity::Identity;
use crate::limits;
use crate::octets;

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

/// The codec of a declaration that is not of a channel but of a method that peers may [call](crate::call).
pub const CALLS: &str = "rpc";

/// One declared channel, or method.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// Its name, unique within a protocol, 1 to 64 bytes.
    pub label: Text<{ limits::MAX_LABEL_BYTES }>,
    /// How messages travel.
    pub delivery: Delivery,
    /// How messages are encoded: `"json"`, `"bytes"` or another name that both sides know; [`CALLS`] when it is no channel but
    /// a method to be called.
    pub codec: Text<{ limits::MAX_CODEC_BYTES }>,
}

/// A member's hello. Kind 0 of its frame; newer fields go behind these.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hello {
    /// The declared channels and methods, sorted by label. See [`Hello::data_channels`] for their numbers.
    pub channels: List<ChannelSpec, { limits::MAX_CHANNELS }>,
    /// The application's metadata as JSON text; empty when there is none.
    pub metadata: Text<{ limits::MAX_METADATA_BYTES }>,
    /// What sessions need to begin; a record of its own, kind 1. A member without it speaks an older version.
    #[serde(skip)]
    pub session: Option<SessionHello>,
    /// What a member of a room with a passphrase makes of it: see [`crate::passphrase`]. A record of its own, kind 3.
    #[serde(skip)]
    pub share: Option<[u8; 32]>,
    /// What proves it to be that of its id; a record of its own, kind 2, and the last.
    #[serde(skip)]
    pub identity: Option<Identity>,
}

/// What a member gives so that sessions with it can begin. Made anew for every join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionHello {
    /// Names the page that joined, at random: the same id with another page has lost its sessions.
    #[serde(with = "octets")]
    pub page: [u8; 8],
    /// X25519 public key (RFC 7748) for the packets of this stay that go through the server.
    #[serde(with = "octets")]
    pub key: [u8; 32],
    /// Bytes that each channel of it takes before the application has read any.
    pub window: u32,
    /// Whether it talks through the server at all.
    pub relay: bool,
}

#[derive(Serialize, Deserialize)]
enum HelloMessage {
    Hello(Hello),
    Session(SessionHello),
    Identity(Identity),
    Share(#[serde(with = "octets")] [u8; 32]),
}
impl Message for HelloMessage {
    const KINDS: u32 = 4;
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
    /// The other side speaks an older version, without sessions, or one whose frames this version does not read.
    #[error("the peer speaks another version")]
    Version,
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
            Self::Version => "version-mismatch",
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
            session: None,
            share: None,
            identity: None,
        })
    }

    /// The declared channels in the order of their numbers: channel `n` is data channel id `n + 1`, and the id behind
    /// the last is that of streams and calls.
    pub fn data_channels(&self) -> impl Iterator<Item = &ChannelSpec> {
        self.channels.iter().filter(|spec| &*spec.codec != CALLS)
    }

    /// The numbers of the channels that `chosen` names by their labels, as a bit each.
    pub fn numbers(&self, chosen: impl Fn(&str) -> bool) -> u64 {
        let labels = self.data_channels().map(|spec| &*spec.label).enumerate();
        labels.filter(|(_, label)| chosen(label)).map(|(number, _)| 1 << number).sum()
    }

    /// How many methods are declared. They are numbered in the order of their labels.
    pub fn methods(&self) -> usize {
        self.channels.iter().filter(|spec| &*spec.codec == CALLS).count()
    }

    /// The hello as it travels.
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = self.encode_unsigned();
        if let Some(identity) = self.identity {
            codec::push(&mut frame, &HelloMessage::Identity(identity));
        }
        frame
    }

    /// What the signature signs of it: all before the identity.
    pub fn encode_unsigned(&self) -> Vec<u8> {
        let mut frame = codec::encode(&HelloMessage::Hello(self.clone()));
        if let Some(session) = self.session {
            codec::push(&mut frame, &HelloMessage::Session(session));
        }
        if let Some(share) = self.share {
            codec::push(&mut frame, &HelloMessage::Share(share));
        }
        frame
    }

    /// Reads another member's hello.
    ///
    /// # Errors
    /// [`ProtocolError::Version`] for a frame of another version, [`ProtocolError::BadHello`] for anything else but one
    /// well-formed hello.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        Ok(Self::decode_signed(bytes)?.0)
    }

    /// The same, and what the signature in its [`Identity`] must sign of it: the bytes before that, where it is the last
    /// record. What stood behind it would not be signed, so such a hello has none.
    ///
    /// # Errors
    /// As [`Hello::decode`].
    pub fn decode_signed(bytes: &[u8]) -> Result<(Self, &[u8]), ProtocolError> {
        let mut records =
            codec::decode::<HelloMessage>(bytes, limits::MAX_HELLO_BYTES).map_err(|error| match error {
                CodecError::Version(_) => ProtocolError::Version,
                error => ProtocolError::BadHello(error),
            })?;
        let (mut found, mut session, mut share) = (None, None, None);
        let (mut identity, mut signed) = (None, bytes);
        while let Some(record) = records.next() {
            identity = None;
            match record.map_err(ProtocolError::BadHello)? {
                HelloMessage::Hello(hello) => found = found.or(Some(hello)),
                HelloMessage::Session(theirs) => session = session.or(Some(theirs)),
                HelloMessage::Share(theirs) => share = share.or(Some(theirs)),
                HelloMessage::Identity(theirs) => {
                    if let (from, 0) = records.left() {
                        signed = &bytes[..bytes.len() - from];
                        identity = Some(theirs);
                    }
                }
            }
        }
        let hello = found.ok_or(ProtocolError::BadHello(CodecError::Empty))?;
        Ok((Self { session, share, identity, ..hello }, signed))
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
    fn a_hello_of_another_version_is_called_that() {
        let mut frame = hello(&[("chat", Delivery::Ordered)]).encode();
        frame[0] = codec::VERSION + 1;
        assert_eq!(Hello::decode(&frame), Err(ProtocolError::Version));
        assert_eq!(Hello::decode(&[]), Err(ProtocolError::BadHello(CodecError::Empty)));
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
    fn methods_are_declared_among_the_channels_and_numbered_apart() {
        let spec = |label: &str, codec: &str| (label.to_owned(), Delivery::Ordered, codec.to_owned());
        let hello = Hello::new([spec("c", "json"), spec("b", CALLS), spec("a", "bytes")], "").unwrap();
        let labels: Vec<_> = hello.data_channels().map(|spec| spec.label.to_string()).collect();
        assert_eq!((labels.join(" "), hello.methods()), ("a c".into(), 1));
        let other = Hello::new([spec("a", "bytes"), spec("b", "json"), spec("c", "json")], "").unwrap();
        assert_eq!(hello.check_against(&other), Err(ProtocolError::ChannelDiffers("b".into())));
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
