//! What a client and the signaling server say to each other.
//!
//! Both directions travel as binary WebSocket messages, each one [frame](crate::codec). The join may ride in the
//! WebSocket upgrade as a second offered subprotocol (see [`early_join`]), which saves a round trip; a client that
//! cannot do so sends it as its first message. The server reads only what is listed here: hellos, cards and
//! envelopes are bytes to it.

use serde::{Deserialize, Serialize};

use crate::base64::{self, Form};
use crate::bounded::{Bytes, List, Text};
use crate::codec::{self, CodecError, Message};
use crate::ice::IceServer;
use crate::id::{PeerId, ReturnSecret};
use crate::{limits, octets};

/// The WebSocket subprotocol that the server always selects.
pub const SUBPROTOCOL: &str = "peerloom.v1";
/// Starts the subprotocol value that carries a join: `join.` and a frame in base64url without padding.
pub const EARLY_JOIN_PREFIX: &str = "join.";

/// A member's hello, opaque to the server: a frame of [`crate::hello::Hello`].
pub type HelloBytes = Bytes<{ limits::MAX_HELLO_BYTES }>;
/// A card, opaque to the server: see [`crate::card::Card`].
pub type CardBytes = Bytes<{ limits::MAX_CARD_BYTES }>;
/// An envelope from peer to peer, opaque to the server: a frame of [`crate::envelope::Envelope`].
pub type EnvelopeBytes = Bytes<{ limits::MAX_SIGNAL_BYTES }>;
/// A sealed packet of a session on its way through the server, opaque to it: see [`crate::seal`].
pub type PacketBytes = Bytes<{ limits::MAX_PACKET_BYTES }>;
/// Why a member is sent away, for people.
pub type ReasonText = Text<{ limits::MAX_ERROR_TEXT_BYTES }>;
/// An admission token.
pub type TokenText = Text<{ limits::MAX_TOKEN_BYTES }>;

/// Asks to be let into a room. The first thing a client says, and said once per WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The room's name, 1 to 128 bytes.
    pub room: Text<{ limits::MAX_ROOM_NAME_BYTES }>,
    /// What the others should know of this member.
    pub hello: HelloBytes,
    /// The public key that the member's id is [made of](PeerId::of).
    #[serde(with = "octets")]
    pub key: [u8; 32],
    /// What else it is made of. A half-open older connection with the same id is closed with [`close::REPLACED`].
    pub secret: ReturnSecret,
    /// It was in the room before, and wants to know who left meanwhile.
    pub returns: bool,
    /// Cards for the first members found, one each, in the order the welcome lists them.
    pub cards: List<CardBytes, { limits::MAX_CARDS }>,
    /// Admission token, when the server asks for one.
    pub token: Option<TokenText>,
}

/// A card and the number its owner knows it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedCard {
    /// The owner's own number for the card; comes back in [`Member::given`] when the card is handed out.
    pub tag: u32,
    /// The card.
    pub card: CardBytes,
}

/// From a client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClientMessage {
    /// Kind 0: be let in.
    Join(Join),
    /// Kind 1: leave for good. The others are told [`LeaveReason::Left`]; the server then closes with 1000.
    Leave,
    /// Kind 2: pass an envelope to one member of the same room.
    Signal {
        /// Who it is for.
        to: PeerId,
        /// The [`Member::epoch`] of the receiver that the sender means. An envelope for an earlier stay is dropped.
        epoch: u32,
        /// The envelope.
        envelope: EnvelopeBytes,
    },
    /// Kind 3: keep these cards for newcomers; each is handed out once.
    Deposit {
        /// Forget the cards deposited before.
        replace: bool,
        /// The cards. No more than [`limits::MAX_CARDS`] are kept in all; the oldest go first.
        cards: List<TaggedCard, { limits::MAX_CARDS }>,
    },
    /// Kind 4: asks for a [`ServerMessage::Pong`], to find a dead server or path.
    Ping {
        /// Comes back unchanged.
        nonce: u32,
    },
    /// Kind 5: pass a sealed packet to one member of the same room. It counts against the limits that
    /// [`ServerMessage::RelayPolicy`] told; what is over them comes back as [`ServerMessage::Throttled`].
    Relay {
        /// Who it is for.
        to: PeerId,
        /// As in [`ClientMessage::Signal`].
        epoch: u32,
        /// The packet.
        packet: PacketBytes,
    },
    /// Kind 6: send a member away, and keep it away for a while. Only for those whose token permits it; others are told
    /// [`Refusal::Forbidden`]. The answer is the [`ServerMessage::Left`] that everybody is told, with
    /// [`LeaveReason::Kicked`]; or with [`LeaveReason::Lost`], and to the sender alone, when no such member is known.
    Kick {
        /// Who.
        to: PeerId,
        /// The [`Member::epoch`] that the sender knows. A later stay of the same member is meant as well.
        epoch: u32,
        /// Told to the member, in [`Refusal::Kicked`].
        reason: ReasonText,
    },
    /// Kind 7: asks for a new [`ServerMessage::IceServers`].
    RenewIceServers,
}

impl Message for ClientMessage {
    const KINDS: u32 = 8;
}

/// Another member of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: PeerId,
    /// Counts that member's stays: another number under the same id means it went and came back.
    pub epoch: u32,
    /// What it said of itself.
    pub hello: HelloBytes,
    /// A card of that member, for the receiver of this message alone.
    pub card: Option<CardBytes>,
    /// Which of the receiver's own cards that member was given: in a [`Welcome`] the index in [`Join::cards`], in a
    /// [`Joined`](ServerMessage::Joined) the [`TaggedCard::tag`].
    pub given: Option<u32>,
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The id of the member let in.
    pub id: PeerId,
    /// Its epoch.
    pub epoch: u32,
    /// Everyone else in the room.
    pub members: List<Member, { limits::MAX_ROOM_MEMBERS }>,
}

/// Why a member is no longer in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It said goodbye.
    Left,
    /// Its connection to the server ended without a goodbye. A direct connection to it may live on.
    Lost,
    /// The server sent it away: it broke a limit or did not keep up.
    Evicted,
    /// The server heard nothing from it for too long, or it said that it will come back. Its network may be gone for a
    /// while, and it may live on.
    Silent,
    /// Another member sent it away.
    Kicked,
}

impl LeaveReason {
    /// The stable name of this reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Evicted => "evicted",
            Self::Silent => "silent",
            Self::Kicked => "kicked",
        }
    }
}

/// Why the server refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// Kind 0: the message could not be read.
    BadMessage,
    /// Kind 1: a first message other than a join, or a second join.
    UnexpectedMessage,
    /// Kind 2: the room's name is empty or has control characters.
    BadRoom,
    /// Kind 3: the room holds as many members as it may.
    RoomFull,
    /// Kind 4: the server holds as many connections or rooms as it may.
    ServerFull,
    /// Kind 5: messages or bytes came faster than allowed.
    RateLimited,
    /// Kind 6: no join came in time.
    JoinTimeout,
    /// Kind 7: the receiver of a signal is not in this room, or not any more. The connection goes on.
    PeerGone,
    /// Kind 8: a newer connection holds this id now.
    Replaced,
    /// Kind 9: this connection did not take its messages fast enough.
    SlowConsumer,
    /// Kind 10: the server is going down; join again in a moment.
    GoingAway,
    /// Kind 11: the client speaks another version.
    Version,
    /// Kind 12: the message is over its size limit.
    TooLong,
    /// Kind 13: the admission token is missing, wrong or expired.
    Unauthorized,
    /// Kind 14: a member has sent this one away, or did so a while ago.
    Kicked,
    /// Kind 15: this member's admission token does not permit what it asked for. The connection goes on.
    Forbidden,
    /// Kind 16: who may join cannot be found out at the moment.
    Unavailable,
}

impl Refusal {
    /// The stable name of this refusal, as in `PeerloomError.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadMessage => "bad-message",
            Self::UnexpectedMessage => "unexpected-message",
            Self::BadRoom => "bad-room",
            Self::RoomFull => "room-full",
            Self::ServerFull => "server-full",
            Self::RateLimited => "rate-limited",
            Self::JoinTimeout => "join-timeout",
            Self::PeerGone => "peer-gone",
            Self::Replaced => "replaced",
            Self::SlowConsumer => "slow-consumer",
            Self::GoingAway => "going-away",
            Self::Version => "version-mismatch",
            Self::TooLong => "message-too-long",
            Self::Unauthorized => "unauthorized",
            Self::Kicked => "kicked",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "admission-unavailable",
        }
    }

    /// Whether the connection goes on after this refusal.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::PeerGone | Self::Forbidden)
    }

    /// Whether joining again later can succeed, with nothing changed by the application.
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            Self::ServerFull
                | Self::RateLimited
                | Self::JoinTimeout
                | Self::PeerGone
                | Self::SlowConsumer
                | Self::GoingAway
                | Self::Unavailable
        )
    }

    /// The close code of the WebSocket when this refusal ends the connection.
    pub fn close_code(self) -> u16 {
        match self {
            Self::BadMessage => close::BAD_MESSAGE,
            Self::UnexpectedMessage => close::UNEXPECTED_MESSAGE,
            Self::BadRoom => close::BAD_ROOM,
            Self::RoomFull => close::ROOM_FULL,
            Self::ServerFull => close::SERVER_FULL,
            Self::RateLimited => close::RATE_LIMITED,
            Self::JoinTimeout => close::JOIN_TIMEOUT,
            Self::PeerGone | Self::Forbidden => close::NORMAL,
            Self::Replaced => close::REPLACED,
            Self::SlowConsumer => close::SLOW_CONSUMER,
            Self::GoingAway => close::GOING_AWAY,
            Self::Version => close::VERSION,
            Self::TooLong => close::TOO_LONG,
            Self::Unauthorized => close::UNAUTHORIZED,
            Self::Kicked => close::KICKED,
            Self::Unavailable => close::UNAVAILABLE,
        }
    }
}

/// Close codes of the WebSocket (RFC 6455 §7.4; 4000 and up are ours).
pub mod close {
    /// Goodbye was said.
    pub const NORMAL: u16 = 1000;
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// A message over 64 KiB.
    pub const TOO_LONG: u16 = 1009;
    /// A message that could not be read.
    pub const BAD_MESSAGE: u16 = 4000;
    /// A newer connection holds this id.
    pub const REPLACED: u16 = 4001;
    /// A first message other than a join, or a second join.
    pub const UNEXPECTED_MESSAGE: u16 = 4002;
    /// No join in time.
    pub const JOIN_TIMEOUT: u16 = 4003;
    /// The room's name is not allowed.
    pub const BAD_ROOM: u16 = 4004;
    /// The room is full.
    pub const ROOM_FULL: u16 = 4005;
    /// The server is full.
    pub const SERVER_FULL: u16 = 4006;
    /// Too many messages or bytes.
    pub const RATE_LIMITED: u16 = 4007;
    /// Messages were not taken fast enough.
    pub const SLOW_CONSUMER: u16 = 4008;
    /// Another protocol version.
    pub const VERSION: u16 = 4009;
    /// Not admitted.
    pub const UNAUTHORIZED: u16 = 4010;
    /// Sent away by a member.
    pub const KICKED: u16 = 4011;
    /// Nobody can say who is to be admitted.
    pub const UNAVAILABLE: u16 = 4012;
    /// From a client: it gives this connection up and will come back. Closing without a code would be a goodbye.
    pub const WILL_RETURN: u16 = 4100;
}

/// From the server to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ServerMessage {
    /// Kind 0: let in.
    Welcome(Welcome),
    /// Kind 1: a newcomer, or a known id that came back with another epoch.
    Joined(Member),
    /// Kind 2: a member is gone.
    Left {
        /// Who.
        id: PeerId,
        /// Which of its stays ended.
        epoch: u32,
        /// Why.
        reason: LeaveReason,
    },
    /// Kind 3: an envelope from a member of the same room; `from` and `epoch` are stamped by the server.
    Signal {
        /// Who sent it.
        from: PeerId,
        /// The sender's epoch.
        epoch: u32,
        /// The envelope.
        envelope: EnvelopeBytes,
    },
    /// Kind 4: something was refused. Unless it [goes on](Refusal::goes_on), the server closes next.
    Refused {
        /// What was wrong.
        refusal: Refusal,
        /// More about it, for people.
        detail: Text<{ limits::MAX_ERROR_TEXT_BYTES }>,
    },
    /// Kind 5: the answer to a ping.
    Pong {
        /// The ping's nonce.
        nonce: u32,
    },
    /// Kind 6: a sealed packet from a member of the same room; `from` and `epoch` are stamped by the server.
    Relayed {
        /// Who sent it.
        from: PeerId,
        /// The sender's epoch.
        epoch: u32,
        /// The packet.
        packet: PacketBytes,
    },
    /// Kind 7: how much this server passes on by [`ClientMessage::Relay`], in the same frame as the welcome. Each packet
    /// counts its length and [`limits::RELAY_PACKET_COST`]. A server that sends none passes nothing on.
    RelayPolicy {
        /// Bytes that come back to this member each second; 0 when the server passes nothing on.
        bytes_per_second: u32,
        /// Bytes that can be saved up.
        burst: u32,
    },
    /// Kind 8: a packet was over a limit and was not passed on. Nothing more should be sent to that member by
    /// [`ClientMessage::Relay`] for a while.
    Throttled {
        /// Who it was for.
        to: PeerId,
        /// The receiver's epoch as the sender gave it.
        epoch: u32,
        /// For how long, in milliseconds.
        wait_ms: u32,
    },
    /// Kind 9: STUN and TURN servers for connections, right behind the welcome, and when asked for. A server that
    /// sends none has none.
    IceServers {
        /// For how long the credentials are good, in seconds.
        lifetime_s: u32,
        /// The servers.
        servers: List<IceServer, { limits::MAX_ICE_SERVERS }>,
    },
}

impl Message for ServerMessage {
    const KINDS: u32 = 10;
}

/// The subprotocol value that carries a join in the upgrade request, or `None` when it would be too long for a
/// request header and must be sent as the first message.
pub fn early_join(join: &Join) -> Option<String> {
    let text = base64::encode(Form::Url, &codec::encode(&ClientMessage::Join(join.clone())));
    (text.len() <= limits::MAX_EARLY_JOIN_CHARS).then(|| format!("{EARLY_JOIN_PREFIX}{text}"))
}

/// Reads an offered subprotocol value. `None` when it does not carry a join at all.
///
/// # Errors
/// Inside `Some`: the value starts with `join.` but is not one well-formed join.
pub fn read_early_join(subprotocol: &str) -> Option<Result<Join, CodecError>> {
    let text = subprotocol.strip_prefix(EARLY_JOIN_PREFIX)?;
    if text.len() > limits::MAX_EARLY_JOIN_CHARS {
        return Some(Err(CodecError::TooLong { len: text.len(), max: limits::MAX_EARLY_JOIN_CHARS }));
    }
    let Some(bytes) = base64::decode(Form::Url, text) else {
        return Some(Err(CodecError::Malformed(0)));
    };
    let records = match codec::decode::<ClientMessage>(&bytes, limits::MAX_SOCKET_MESSAGE_BYTES) {
        Ok(mut records) => records.next(),
        Err(error) => return Some(Err(error)),
    };
    Some(match records {
        Some(Ok(ClientMessage::Join(join))) => Ok(join),
        Some(Err(error)) => Err(error),
        _ => Err(CodecError::Malformed(0)),
    })
}
