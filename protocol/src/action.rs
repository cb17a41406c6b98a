//! The border between the core and whatever drives it: inputs, actions, events.
//!
//! Contract: feed one [`Input`] to [`Room::handle`](crate::room::Room::handle), carry out every [`Action`] from
//! [`Room::poll_action`](crate::room::Room::poll_action) until it returns `None`, then feed the next. Actions that name
//! the same connection are carried out one after the other, in order.

use crate::failure::{LinkError, RoomError};
use crate::id::PeerId;
use crate::signal::LeaveReason;

/// The driver's handle for one RTCPeerConnection, given out by the core and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// Something that happened outside the core.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Join now. The first input.
    Start,
    /// The WebSocket is open.
    SocketOpened,
    /// A binary message from the server.
    SocketMessage(Vec<u8>),
    /// The WebSocket closed or failed to open.
    SocketClosed,
    /// The browser made and applied the local description of a connection.
    LocalDescription(ConnectionId, String),
    /// A candidate was found, as the text of `RTCIceCandidate.candidate`; not sent for the empty end mark.
    LocalCandidate(ConnectionId, String),
    /// All candidates were found.
    GatheringComplete(ConnectionId),
    /// The control channel and every application channel are open.
    ChannelsOpen(ConnectionId),
    /// The connection failed for good, one of its channels closed, or an action on it threw.
    ConnectionLost(ConnectionId),
    /// A message came in on the control channel.
    ControlMessage(ConnectionId, Vec<u8>),
    /// The time given by [`Room::deadline`](crate::room::Room::deadline) has come.
    TimedOut,
    /// The network came back or changed.
    Online,
    /// Say goodbye to everyone and stop. Final.
    Leave,
}

impl std::fmt::Debug for Input {
    /// Lengths, not contents: descriptions hold addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => f.write_str("Start"),
            Self::SocketOpened => f.write_str("SocketOpened"),
            Self::SocketMessage(bytes) => write!(f, "SocketMessage({} bytes)", bytes.len()),
            Self::SocketClosed => f.write_str("SocketClosed"),
            Self::LocalDescription(id, sdp) => write!(f, "LocalDescription({id:?}, {} bytes)", sdp.len()),
            Self::LocalCandidate(id, _) => write!(f, "LocalCandidate({id:?})"),
            Self::GatheringComplete(id) => write!(f, "GatheringComplete({id:?})"),
            Self::ChannelsOpen(id) => write!(f, "ChannelsOpen({id:?})"),
            Self::ConnectionLost(id) => write!(f, "ConnectionLost({id:?})"),
            Self::ControlMessage(id, bytes) => write!(f, "ControlMessage({id:?}, {} bytes)", bytes.len()),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Online => f.write_str("Online"),
            Self::Leave => f.write_str("Leave"),
        }
    }
}

/// How a new connection begins.
#[derive(Clone, PartialEq, Eq)]
pub enum Start {
    /// Make an offer and set it as local description.
    Offer {
        /// First set [`crate::sdp::ROLE_HINT_OFFER`] as remote description and answer it, so that this end starts in
        /// the ICE-controlled role.
        role_hint: bool,
    },
    /// Set this (already checked) offer as remote description, make an answer and set it as local description.
    Answer {
        /// The offer.
        offer: String,
    },
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offer { role_hint } => write!(f, "Offer {{ role_hint: {role_hint} }}"),
            Self::Answer { offer } => write!(f, "Answer({} bytes)", offer.len()),
        }
    }
}

/// Something the driver must do next, in the order polled.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "an action that is not carried out stalls the room"]
#[non_exhaustive]
pub enum Action {
    /// Open the WebSocket, offering these subprotocols; report [`Input::SocketOpened`] or [`Input::SocketClosed`].
    /// An older socket is dropped without a report.
    OpenSocket {
        /// In this order.
        subprotocols: Vec<String>,
    },
    /// Send a binary message over the open WebSocket.
    SendSocket(Vec<u8>),
    /// Close the WebSocket and report nothing more from it.
    CloseSocket,
    /// Make an RTCPeerConnection with its negotiated channels, and start it; report [`Input::LocalDescription`], and
    /// candidates as they are found.
    OpenConnection(ConnectionId, Start),
    /// Set this answer as remote description.
    SetAnswer(ConnectionId, String),
    /// Add a candidate of the other side, as the text of its SDP attribute.
    AddCandidate(ConnectionId, String),
    /// Send a message on the control channel.
    SendControl(ConnectionId, Vec<u8>),
    /// Close the connection and report nothing more from it.
    CloseConnection(ConnectionId),
    /// Tell the application.
    Notify(Event),
}

impl std::fmt::Debug for Action {
    /// Lengths, not contents: descriptions hold addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OpenSocket { .. } => f.write_str("OpenSocket"),
            Self::SendSocket(bytes) => write!(f, "SendSocket({} bytes)", bytes.len()),
            Self::CloseSocket => f.write_str("CloseSocket"),
            Self::OpenConnection(id, start) => write!(f, "OpenConnection({id:?}, {start:?})"),
            Self::SetAnswer(id, sdp) => write!(f, "SetAnswer({id:?}, {} bytes)", sdp.len()),
            Self::AddCandidate(id, _) => write!(f, "AddCandidate({id:?})"),
            Self::SendControl(id, bytes) => write!(f, "SendControl({id:?}, {} bytes)", bytes.len()),
            Self::CloseConnection(id) => write!(f, "CloseConnection({id:?})"),
            Self::Notify(event) => write!(f, "Notify({event:?})"),
        }
    }
}

/// State of the link to the signaling server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalingState {
    /// The first join is under way.
    Connecting,
    /// In the room.
    Connected,
    /// Lost; joining again with back-off. Direct connections go on.
    Reconnecting,
    /// Left, or refused for good.
    Closed,
}

impl SignalingState {
    /// The stable name of this state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Closed => "closed",
        }
    }
}

/// Something the application should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Let into the room for the first time, under this id.
    Joined(PeerId),
    /// The link to the server changed.
    Signaling(SignalingState),
    /// A peer is in the room. Always before any other event about it.
    PeerJoined {
        /// Who.
        id: PeerId,
        /// Its metadata as JSON text; empty when it gave none.
        metadata: String,
    },
    /// The channels to this peer are open on this connection, for the first time or again.
    PeerConnected(PeerId, ConnectionId),
    /// The connection to this peer broke; another is being made.
    PeerSuspended(PeerId),
    /// The peer is gone. Never sent twice, and never without a `PeerJoined` before.
    PeerLeft(PeerId, LeaveReason),
    /// No connection to this peer could be made, or its protocol does not fit. It stays a member.
    PeerFailed(PeerId, LinkError),
    /// The room is over: left (`None`), or ended by this error.
    Closed(Option<RoomError>),
}
