//! Messages of STUN (RFC 8489) and TURN (RFC 8656) as the server reads and writes them, over the codec of `stun-types`.
//!
//! Nothing here knows what a message means for an allocation; it only says what stands in one, and lets through none
//! that the rest would have to look at twice.

use std::net::{IpAddr, SocketAddr};

use stun_types::attribute::{
    Attribute, AttributeStaticType, AttributeType, ErrorCode, Fingerprint, MessageIntegrity,
    MessageIntegritySha256, Nonce, PasswordAlgorithm, RawAttribute, Realm, UnknownAttributes, Username,
    XorMappedAddress, XorSocketAddr,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageHeader, MessageType,
    MessageWrite, MessageWriteExt, MessageWriteVec, Method, TransactionId,
};

pub(crate) use stun_types::message::{IntegrityAlgorithm as Algorithm, MessageClass as Class};

/// Of a message's own header, and of that of channel data.
pub(crate) const HEADER_BYTES: usize = MessageHeader::LENGTH;
pub(crate) const CHANNEL_HEADER_BYTES: usize = 4;

/// Numbers of channels are those of RFC 5766, of which RFC 8656 keeps a quarter: clients of before are still about, and the
/// first two bits are enough to tell their data from messages.
pub(crate) const CHANNELS: std::ops::Range<u16> = 0x4000..0x8000;
const CHANNEL_BYTES: std::ops::Range<u8> = 0x40..0x80;

/// What a client asks for (RFC 8656 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Binding,
    Allocate,
    Refresh,
    Send,
    CreatePermission,
    ChannelBind,
}

const ASKS: [(Ask, Method); 6] = [
    (Ask::Binding, BINDING),
    (Ask::Allocate, Method::new(0x003)),
    (Ask::Refresh, Method::new(0x004)),
    (Ask::Send, Method::new(0x006)),
    (Ask::CreatePermission, Method::new(0x008)),
    (Ask::ChannelBind, Method::new(0x009)),
];
const DATA: Method = Method::new(0x007);

/// The attributes of TURN (RFC 8656 §18).
mod attribute {
    use super::AttributeType;
    pub(super) const CHANNEL_NUMBER: AttributeType = AttributeType::new(0x000c);
    pub(super) const LIFETIME: AttributeType = AttributeType::new(0x000d);
    pub(super) const XOR_PEER_ADDRESS: AttributeType = AttributeType::new(0x0012);
    pub(super) const DATA: AttributeType = AttributeType::new(0x0013);
    pub(super) const XOR_RELAYED_ADDRESS: AttributeType = AttributeType::new(0x0016);
    pub(super) const REQUESTED_ADDRESS_FAMILY: AttributeType = AttributeType::new(0x0017);
    pub(super) const EVEN_PORT: AttributeType = AttributeType::new(0x0018);
    pub(super) const REQUESTED_TRANSPORT: AttributeType = AttributeType::new(0x0019);
    pub(super) const RESERVATION_TOKEN: AttributeType = AttributeType::new(0x0022);
    /// ICE puts these into binding requests between peers; a server passes over them.
    pub(super) const PRIORITY: AttributeType = AttributeType::new(0x0024);
    pub(super) const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
}

/// What a request must not have but these, where the other end says that it must be understood. Not among them are, on
/// purpose, DONT-FRAGMENT, which the relay cannot promise, and USERHASH.
const KNOWN: [AttributeType; 18] = [
    Username::TYPE,
    Realm::TYPE,
    Nonce::TYPE,
    MessageIntegrity::TYPE,
    MessageIntegritySha256::TYPE,
    PasswordAlgorithm::TYPE,
    XorMappedAddress::TYPE,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::XOR_RELAYED_ADDRESS,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::REQUESTED_TRANSPORT,
    attribute::RESERVATION_TOKEN,
    attribute::PRIORITY,
    attribute::USE_CANDIDATE,
];

/// Error codes (RFC 8489 §14.8, RFC 8656 §19).
pub(crate) mod code {
    pub(crate) const BAD_REQUEST: u16 = 400;
    pub(crate) const UNAUTHENTICATED: u16 = 401;
    pub(crate) const FORBIDDEN: u16 = 403;
    pub(crate) const UNKNOWN_ATTRIBUTE: u16 = 420;
    pub(crate) const ALLOCATION_MISMATCH: u16 = 437;
    pub(crate) const STALE_NONCE: u16 = 438;
    pub(crate) const ADDRESS_FAMILY_NOT_SUPPORTED: u16 = 440;
    pub(crate) const WRONG_CREDENTIALS: u16 = 441;
    pub(crate) const UNSUPPORTED_TRANSPORT: u16 = 442;
    pub(crate) const PEER_FAMILY_MISMATCH: u16 = 443;
    pub(crate) const ALLOCATION_QUOTA_REACHED: u16 = 486;
    pub(crate) const INSUFFICIENT_CAPACITY: u16 = 508;
}

/// Of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Which ports a client would have for its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortWish {
    Any,
    Even,
    /// Two in a row, or the second of two.
    Pair,
}

/// What a datagram, or a piece of a stream, is.
#[derive(Debug)]
pub(crate) enum Packet<'a> {
    /// Data for the peer that this channel is bound to, as the range of the packet's bytes that it is.
    Channel(u16, std::ops::Range<usize>),
    /// A message.
    Message(Incoming<'a>),
}

/// A message that a client may send.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) ask: Ask,
    pub(crate) class: MessageClass,
    message: Message<'a>,
}

/// Reads what has come. None for what is neither, or not whole, or no client's to send.
pub(crate) fn read(bytes: &[u8]) -> Option<Packet<'_>> {
    let first = *bytes.first()?;
    if CHANNEL_BYTES.contains(&first) {
        let [a, b, c, d] = *bytes.first_chunk()?;
        let data = CHANNEL_HEADER_BYTES..CHANNEL_HEADER_BYTES + usize::from(u16::from_be_bytes([c, d]));
        return (data.end <= bytes.len()).then_some(Packet::Channel(u16::from_be_bytes([a, b]), data));
    }
    let header = MessageHeader::from_bytes(bytes).ok()?;
    if HEADER_BYTES + usize::from(header.data_length()) != bytes.len() {
        return None;
    }
    let class = header.get_type().class();
    let (ask, _) = *ASKS.iter().find(|(_, method)| *method == header.get_type().method())?;
    let is_allowed = match ask {
        Ask::Send => class == MessageClass::Indication,
        _ => class == MessageClass::Request,
    };
    if !is_allowed {
        return None; // Answers, and keep-alives, need no answer.
    }
    let message = Message::from_bytes(bytes).ok()?;
    Some(Packet::Message(Incoming { ask, class, message }))
}

/// What stands in an attribute, if it is there.
type Found<T> = Result<Option<T>, Malformed>;

/// An attribute has not the form that it should have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Incoming<'a> {
    fn raw(&self, kind: AttributeType) -> Option<RawAttribute<'_>> {
        self.message.raw_attribute(kind)
    }

    fn number<const BYTES: usize>(&self, kind: AttributeType) -> Found<[u8; BYTES]> {
        self.raw(kind).map(|raw| raw.value.as_ref().try_into().map_err(|_| Malformed)).transpose()
    }

    fn text<T>(&self, parse: impl Fn(&RawAttribute<'_>) -> Option<T>, kind: AttributeType) -> Found<T> {
        self.raw(kind).map(|raw| parse(&raw).ok_or(Malformed)).transpose()
    }

    /// The names of attributes that must be understood and are not.
    fn unknown(&self) -> Vec<AttributeType> {
        let kinds = self.message.iter_attributes().map(|(_, raw)| raw.get_type());
        // As many as fit into an answer that is not to be longer than what is asked.
        kinds.filter(|kind| kind.comprehension_required() && !KNOWN.contains(kind)).take(8).collect()
    }

    pub(crate) fn has_unknown(&self) -> bool {
        let mut kinds = self.message.iter_attributes().map(|(_, raw)| raw.get_type());
        kinds.any(|kind| kind.comprehension_required() && !KNOWN.contains(&kind))
    }

    pub(crate) fn transaction(&self) -> TransactionId {
        self.message.transaction_id()
    }

    pub(crate) fn user_name(&self) -> Found<String> {
        let parse = |raw: &RawAttribute<'_>| Some(Username::try_from(raw).ok()?.username().to_owned());
        self.text(parse, Username::TYPE)
    }

    pub(crate) fn realm(&self) -> Found<String> {
        let parse = |raw: &RawAttribute<'_>| Some(Realm::try_from(raw).ok()?.realm().to_owned());
        self.text(parse, Realm::TYPE)
    }

    pub(crate) fn nonce(&self) -> Found<String> {
        let parse = |raw: &RawAttribute<'_>| Some(Nonce::try_from(raw).ok()?.nonce().to_owned());
        self.text(parse, Nonce::TYPE)
    }

    /// How the message is signed; None when it is not. The stronger one, where there are two.
    pub(crate) fn algorithm(&self) -> Option<IntegrityAlgorithm> {
        let mut strongest = None;
        for (_, raw) in self.message.iter_attributes() {
            match raw.get_type() {
                MessageIntegritySha256::TYPE => strongest = Some(IntegrityAlgorithm::Sha256),
                MessageIntegrity::TYPE if strongest.is_none() => strongest = Some(IntegrityAlgorithm::Sha1),
                _ => {}
            }
        }
        strongest
    }

    /// Whether it is signed with this key.
    pub(crate) fn is_signed_with(&self, key: &IntegrityKey) -> bool {
        self.message.validate_integrity_with_key(key).is_ok()
    }

    pub(crate) fn lifetime(&self) -> Found<u32> {
        Ok(self.number(attribute::LIFETIME)?.map(u32::from_be_bytes))
    }

    pub(crate) fn channel_number(&self) -> Found<u16> {
        Ok(self.number::<4>(attribute::CHANNEL_NUMBER)?.map(|[a, b, _, _]| u16::from_be_bytes([a, b])))
    }

    /// The protocol's number: 17 is UDP.
    pub(crate) fn requested_transport(&self) -> Found<u8> {
        Ok(self.number::<4>(attribute::REQUESTED_TRANSPORT)?.map(|[protocol, ..]| protocol))
    }

    /// None within is a family that does not exist.
    pub(crate) fn requested_family(&self) -> Found<Option<Family>> {
        Ok(self.number::<4>(attribute::REQUESTED_ADDRESS_FAMILY)?.map(|[family, ..]| match family {
            1 => Some(Family::V4),
            2 => Some(Family::V6),
            _ => None,
        }))
    }

    /// Which ports it would have.
    pub(crate) fn requested_port(&self) -> Result<PortWish, Malformed> {
        let even = self.number::<1>(attribute::EVEN_PORT)?;
        Ok(match even {
            _ if self.raw(attribute::RESERVATION_TOKEN).is_some() => PortWish::Pair,
            Some([bits]) if bits & 0x80 != 0 => PortWish::Pair,
            Some(_) => PortWish::Even,
            None => PortWish::Any,
        })
    }

    /// The peers that it names, at most so many; one more makes it malformed.
    pub(crate) fn peers(&self, most: usize) -> Result<Vec<SocketAddr>, Malformed> {
        let raws = self.message.iter_attributes().map(|(_, raw)| raw);
        let peers = raws.filter(|raw| raw.get_type() == attribute::XOR_PEER_ADDRESS).take(most + 1);
        let peers = peers.map(|raw| {
            // The codec takes an address of one family in as many bytes as one of the other has.
            let is_whole = matches!((raw.value.get(1), raw.value.len()), (Some(1), 8) | (Some(2), 20));
            let address = XorSocketAddr::from_raw(&raw).ok().filter(|_| is_whole).ok_or(Malformed)?;
            Ok(address.addr(self.transaction()))
        });
        let peers = peers.collect::<Result<Vec<_>, _>>()?;
        if peers.len() > most { Err(Malformed) } else { Ok(peers) }
    }

    /// Where in the message's bytes the data for the peer is.
    pub(crate) fn data(&self) -> Option<std::ops::Range<usize>> {
        let mut all = self.message.iter_attributes();
        let (offset, raw) = all.find(|(_, raw)| raw.get_type() == attribute::DATA)?;
        Some(offset + 4..offset + 4 + raw.value.len())
    }

    pub(crate) fn has_fingerprint(&self) -> bool {
        self.message.has_attribute(Fingerprint::TYPE)
    }

    /// A success, without attributes yet.
    pub(crate) fn success(&self) -> Answer {
        Answer {
            to: self.transaction(),
            fingerprint: self.has_fingerprint(),
            message: Message::builder_success(&self.message, MessageWriteVec::with_capacity(ANSWER_BYTES)),
        }
    }

    /// A refusal. Without words: who reads it is a program, and nobody's answer is to be long.
    pub(crate) fn refusal(&self, code: u16) -> Answer {
        let message = Message::builder_error(&self.message, MessageWriteVec::with_capacity(ANSWER_BYTES));
        let answer = Answer { to: self.transaction(), fingerprint: self.has_fingerprint(), message };
        // Class and number (RFC 8489 §14.8).
        let answer = answer.with(ErrorCode::TYPE, &[0, 0, (code / 100) as u8, (code % 100) as u8]);
        match code {
            code::UNKNOWN_ATTRIBUTE => {
                let names: Vec<u8> =
                    self.unknown().iter().flat_map(|kind| kind.value().to_be_bytes()).collect();
                answer.with(UnknownAttributes::TYPE, &names)
            }
            _ => answer,
        }
    }
}

/// Enough for most.
const ANSWER_BYTES: usize = 128;

/// An answer that is being written.
#[derive(Debug)]
pub(crate) struct Answer {
    to: TransactionId,
    fingerprint: bool,
    message: MessageWriteVec,
}

impl Answer {
    fn with(mut self, kind: AttributeType, value: &[u8]) -> Self {
        // Only after a signature could there be none.
        let added = self.message.add_attribute(&RawAttribute::new(kind, value));
        debug_assert!(added.is_ok());
        self
    }

    fn with_address(mut self, kind: AttributeType, address: SocketAddr) -> Self {
        let added = self.message.add_attribute(&XorSocketAddr::new(address, self.to).to_raw(kind));
        debug_assert!(added.is_ok());
        self
    }

    /// The address that the client was seen at.
    pub(crate) fn mapped(self, address: SocketAddr) -> Self {
        self.with_address(XorMappedAddress::TYPE, address)
    }

    pub(crate) fn relayed(self, address: SocketAddr) -> Self {
        self.with_address(attribute::XOR_RELAYED_ADDRESS, address)
    }

    pub(crate) fn lifetime(self, seconds: u32) -> Self {
        self.with(attribute::LIFETIME, &seconds.to_be_bytes())
    }

    /// What a client needs to know to sign its next request.
    pub(crate) fn challenge(self, realm: &str, nonce: &str) -> Self {
        self.with(Realm::TYPE, realm.as_bytes()).with(Nonce::TYPE, nonce.as_bytes())
    }

    /// Signed as the request was.
    pub(crate) fn signed(mut self, key: &IntegrityKey, algorithm: IntegrityAlgorithm) -> Self {
        let signed = self.message.add_message_integrity_with_key(key, algorithm);
        debug_assert!(signed.is_ok());
        self
    }

    /// The bytes, with a fingerprint where the request had one.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.fingerprint {
            let added = self.message.add_fingerprint();
            debug_assert!(added.is_ok());
        }
        self.message.finish()
    }
}

/// Data from a peer as a message, for a client that has bound no channel to it.
pub(crate) fn data_indication(transaction: u128, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let transaction = TransactionId::from(transaction);
    let kind = MessageType::from_class_method(MessageClass::Indication, DATA);
    let capacity = HEADER_BYTES + 24 + 4 + data.len() + 3;
    let message = Message::builder(kind, transaction, MessageWriteVec::with_capacity(capacity));
    Answer { to: transaction, fingerprint: false, message }
        .with_address(attribute::XOR_PEER_ADDRESS, peer)
        .with(attribute::DATA, data)
        .finish()
}

/// Data from a peer by a channel. On streams it is filled up to four bytes (RFC 8656 §12.5).
pub(crate) fn channel_data(number: u16, data: &[u8], on_stream: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CHANNEL_HEADER_BYTES + data.len() + 3);
    bytes.extend_from_slice(&number.to_be_bytes());
    // No datagram is longer than this can say.
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    if on_stream {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// What stands at the beginning of a stream's bytes (RFC 8656 §3.1, §12.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// One packet: so many bytes of it, and so many until the next.
    Whole { len: usize, until_next: usize },
    /// Nothing yet: it will have so many bytes, or there is not enough to say.
    Part(Option<usize>),
    /// Neither a message nor channel data.
    Neither,
}

/// Looks for the first packet of a stream.
pub(crate) fn frame(bytes: &[u8]) -> Frame {
    let Some(&[first, _, high, low]) = bytes.first_chunk() else { return Frame::Part(None) };
    let stated = usize::from(u16::from_be_bytes([high, low]));
    let (len, until_next) = match first {
        // A message's length is a multiple of four, or it is none.
        0..0x40 if stated.is_multiple_of(4) => (HEADER_BYTES + stated, HEADER_BYTES + stated),
        _ if CHANNEL_BYTES.contains(&first) => {
            let len = CHANNEL_HEADER_BYTES + stated;
            (len, len.next_multiple_of(4))
        }
        _ => return Frame::Neither,
    };
    if bytes.len() >= until_next { Frame::Whole { len, until_next } } else { Frame::Part(Some(until_next)) }
}
