//! The border between the core and whatever drives it: inputs, actions, events.
//!
//! Contract: feed one [`Input`] to [`Node::handle`](crate::node::Node::handle), carry out every [`Action`] from
//! [`Node::poll_action`](crate::node::Node::poll_action) until it returns `None`, then feed the next. Commands that name
//! the same connection are carried out one after the other, in order.

use std::ops::Range;

use crate::call::CallFault;
use crate::channel::FrameError;
use crate::failure::{KickError, LinkError, RoomError};
use crate::ice::IceServer;
use crate::id::{PeerId, ResumeToken};
use crate::identity::{Signed, Verdict};
use crate::safety::{BadCommitment, SafetyCode};
use crate::signal::{LeaveReason, ReasonText};
use crate::stream::StreamFault;

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
    /// Whether the server answers, as [`Command::AskServer`] wants to know.
    ServerAnswers(bool),
    /// An admission token, as [`Event::TokenWanted`] asks for; None when there is none to be had.
    Token(Option<String>),
    /// The driver has the servers that [`Event::IceServersWanted`] asks for.
    IceServers,
    /// The signature that [`Command::Sign`] with this number asked for; None when none could be made.
    Signed(u32, Option<Signed>),
    /// What came of the [`Command::Check`] with this number.
    Checked(u32, Verdict),
    /// The browser made and applied the local description of a connection.
    LocalDescription(ConnectionId, String),
    /// A candidate was found, as the text of `RTCIceCandidate.candidate`; not sent for the empty end mark.
    LocalCandidate(ConnectionId, String),
    /// All candidates were found.
    GatheringComplete(ConnectionId),
    /// The control channel and every application channel are open.
    ChannelsOpen(ConnectionId),
    /// The browser has found no way to the other side for a while (`failed`), and looks for none any more. Channels
    /// are still open.
    ConnectionFailed(ConnectionId),
    /// There is a way, for the first time or again (`connected`).
    ConnectionWorks(ConnectionId),
    /// ICE has found a way to the other side. Nothing follows but that it is known.
    IceConnected(ConnectionId),
    /// One of the connection's channels closed, or an action on it threw.
    ConnectionLost(ConnectionId),
    /// The time given by [`Node::deadline`](crate::node::Node::deadline) has come.
    TimedOut,
    /// The network came back or changed.
    Online,
    /// Have the server send this member away, for a reason told to it; [`Event::KickDone`] tells what came of it.
    Kick(PeerId, ReasonText),
    /// Stop, once what was sent has arrived or a few seconds have passed: say goodbye to everyone. Final.
    Leave,
    /// The page goes away: say goodbye to everyone at once. Final.
    Unload,
    /// The page is put aside, and may come back: say goodbye to everyone at once and close everything.
    Suspend,
    /// The page that was put aside is back: join again.
    Resume,
}

impl std::fmt::Debug for Input {
    /// Lengths, not contents: descriptions hold addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => f.write_str("Start"),
            Self::SocketOpened => f.write_str("SocketOpened"),
            Self::SocketMessage(bytes) => write!(f, "SocketMessage({} bytes)", bytes.len()),
            Self::SocketClosed => f.write_str("SocketClosed"),
            Self::ServerAnswers(answers) => write!(f, "ServerAnswers({answers})"),
            Self::Token(token) => write!(f, "Token({})", if token.is_some() { "secret" } else { "none" }),
            Self::IceServers => f.write_str("IceServers"),
            Self::Signed(number, signed) => write!(f, "Signed({number}, {})", signed.is_some()),
            Self::Checked(number, verdict) => write!(f, "Checked({number}, {verdict:?})"),
            Self::LocalDescription(id, sdp) => write!(f, "LocalDescription({id:?}, {} bytes)", sdp.len()),
            Self::LocalCandidate(id, _) => write!(f, "LocalCandidate({id:?})"),
            Self::GatheringComplete(id) => write!(f, "GatheringComplete({id:?})"),
            Self::ChannelsOpen(id) => write!(f, "ChannelsOpen({id:?})"),
            Self::ConnectionFailed(id) => write!(f, "ConnectionFailed({id:?})"),
            Self::ConnectionWorks(id) => write!(f, "ConnectionWorks({id:?})"),
            Self::IceConnected(id) => write!(f, "IceConnected({id:?})"),
            Self::ConnectionLost(id) => write!(f, "ConnectionLost({id:?})"),
            Self::TimedOut => f.write_str("TimedOut"),
            Self::Online => f.write_str("Online"),
            Self::Kick(id, _) => write!(f, "Kick({id:?})"),
            Self::Leave => f.write_str("Leave"),
            Self::Unload => f.write_str("Unload"),
            Self::Suspend => f.write_str("Suspend"),
            Self::Resume => f.write_str("Resume"),
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
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an action that is not carried out stalls the room"]
#[non_exhaustive]
pub enum Action<B> {
    /// Call the browser.
    Do(Command),
    /// Tell the application.
    Notify(Event),
    /// Hand messages to the application, in order: `ranges` of `buffer`. Report by
    /// [`Node::consumed`](crate::node::Node::consumed) when it has taken them.
    Deliver {
        /// Who sent them.
        from: PeerId,
        /// Number of the channel.
        channel: usize,
        /// Where their bytes are.
        buffer: B,
        /// Where in the buffer each is.
        ranges: Vec<Range<usize>>,
    },
    /// Something happened to a stream of a peer's. The bytes are those of its
    /// [`Data`](crate::stream::Event::Data), cut out; report by
    /// [`Node::stream_consumed`](crate::node::Node::stream_consumed) when the application has taken them.
    Stream(PeerId, crate::stream::Event, Option<B>),
    /// Something happened to a call. The bytes are those of the request or response, cut out.
    Call(PeerId, crate::call::Event, Option<B>),
    /// A message that [waited](crate::node::Sent::waits) is queued for every receiver, or is not.
    Queued(u32, Result<(), SendFailure>),
    /// What became of a message whose sender wanted to know, for each receiver.
    Confirmed(u32, Vec<(PeerId, Outcome)>),
}

/// Why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendFailure {
    /// The receiver is not in the room, or cannot be reached.
    PeerGone,
    /// The room was left or has ended.
    Closed,
    /// The message is over [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    TooLarge,
}

/// What became of a message for one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver left before it said so.
    Gone,
    /// The receiver did not say so in time. The message may still arrive.
    Timeout,
}

impl Outcome {
    /// The stable name of this outcome.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
        }
    }
}

/// A call of the browser.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a command that is not carried out stalls the room"]
#[non_exhaustive]
pub enum Command {
    /// Open the WebSocket, offering these subprotocols; report [`Input::SocketOpened`] or [`Input::SocketClosed`].
    /// An older socket is dropped without a report.
    OpenSocket {
        /// In this order.
        subprotocols: Vec<String>,
    },
    /// Send a binary message over the open WebSocket.
    SendSocket(Vec<u8>),
    /// Close the WebSocket and report nothing more from it.
    CloseSocket {
        /// With [`close::WILL_RETURN`](crate::signal::close::WILL_RETURN), or else without a code, as a goodbye.
        will_return: bool,
    },
    /// Find out whether the server answers an HTTP request at the address of the WebSocket; report
    /// [`Input::ServerAnswers`], however late. Any answer will do but an error of a server before it (status 500 and up).
    AskServer,
    /// Sign the message with the Ed25519 key made of this seed (RFC 8032 §5.1.5); report [`Input::Signed`].
    Sign {
        /// Goes back with the signature.
        number: u32,
        /// The same for all signatures of a node.
        seed: [u8; 32],
        /// What to sign.
        message: Vec<u8>,
    },
    /// Check whether the message is signed by the key, and ask the application whether it accepts the peer, if it wants to be
    /// asked; report [`Input::Checked`].
    Check {
        /// Goes back with the verdict.
        number: u32,
        /// The peer.
        id: PeerId,
        /// Its key and its signature.
        signed: Signed,
        /// What it signed.
        message: Vec<u8>,
        /// Its metadata, which is part of that, as JSON text.
        metadata: String,
        /// Its share of the passphrase, where there is one; to be answered by [`Verdict::Agreed`].
        share: Option<[u8; 32]>,
    },
    /// Make an RTCPeerConnection with its negotiated channels and the one certificate of all of them, and start it; report
    /// [`Input::LocalDescription`], and candidates as they are found.
    OpenConnection(ConnectionId, Start),
    /// Set this answer as remote description.
    SetAnswer(ConnectionId, String),
    /// Add a candidate of the other side, as the text of its SDP attribute.
    AddCandidate(ConnectionId, String),
    /// Close the connection and report nothing more from it.
    CloseConnection(ConnectionId),
    /// Make connections with these STUN and TURN servers from now on.
    SetIceServers(Vec<IceServer>),
    /// Keep this for the page's next visit to the room, where only this tab finds it.
    KeepToken(ResumeToken),
}

impl std::fmt::Debug for Command {
    /// Lengths, not contents: descriptions hold addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OpenSocket { .. } => f.write_str("OpenSocket"),
            Self::SendSocket(bytes) => write!(f, "SendSocket({} bytes)", bytes.len()),
            Self::CloseSocket { .. } => f.write_str("CloseSocket"),
            Self::AskServer => f.write_str("AskServer"),
            Self::Sign { number, .. } => write!(f, "Sign({number})"),
            Self::Check { number, id, .. } => write!(f, "Check({number}, {id:?})"),
            Self::OpenConnection(id, start) => write!(f, "OpenConnection({id:?}, {start:?})"),
            Self::SetAnswer(id, sdp) => write!(f, "SetAnswer({id:?}, {} bytes)", sdp.len()),
            Self::AddCandidate(id, _) => write!(f, "AddCandidate({id:?})"),
            Self::CloseConnection(id) => write!(f, "CloseConnection({id:?})"),
            Self::SetIceServers(servers) => write!(f, "SetIceServers({} servers)", servers.len()),
            Self::KeepToken(_) => f.write_str("KeepToken"),
        }
    }
}

/// How messages to a peer go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerPath {
    /// There is no path; messages wait.
    Connecting,
    /// Sealed, through the signaling server.
    Relay,
    /// Over this connection.
    Direct(ConnectionId),
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
    /// A join is about to go out and needs an admission token: answer by [`Input::Token`] within
    /// [`timing::TOKEN_MS`](crate::timing::TOKEN_MS). Only where [`Config::gives_tokens`](crate::node::Config::gives_tokens)
    /// is set.
    TokenWanted,
    /// Connections are about to be made: an application that [is asked](crate::ice::IceSource::Asked) gives the driver its servers
    /// anew, and [`Input::IceServers`] says so. Connections wait for it for [`timing::ICE_WAIT_MS`](crate::timing::ICE_WAIT_MS) at
    /// most.
    IceServersWanted,
    /// A peer is in the room. Always before any other event about it.
    PeerJoined {
        /// Who.
        id: PeerId,
        /// Its metadata as JSON text; empty when it gave none.
        metadata: String,
    },
    /// Messages to this peer go another way from now on. The first one that is not [`PeerPath::Connecting`] comes with
    /// [`Event::PeerConnected`] right behind it.
    PeerPath(PeerId, PeerPath),
    /// There is a path to this peer, for the first time.
    PeerConnected(PeerId),
    /// Nothing was heard from this peer for a while. What is sent to it waits.
    PeerSuspended(PeerId),
    /// It speaks again; nothing was lost.
    PeerResumed(PeerId),
    /// The peer is gone. Never sent twice, and never without a `PeerJoined` before.
    PeerLeft(PeerId, LeaveReason),
    /// No direct connection to this peer could be made, it is not who the server says, or its protocol does not fit. It stays
    /// a member, and with [`LinkError::WrongCertificate`] there may be another path. [`LinkError::NoPath`] is told after
    /// [`timing::NO_PATH_MS`](crate::timing::NO_PATH_MS), and only after [`timing::CONNECT_MS`](crate::timing::CONNECT_MS) is given up
    /// what was sent.
    PeerFailed(PeerId, LinkError),
    /// A peer that left, or cannot be reached, did not acknowledge these messages: some of them may have arrived.
    Undelivered {
        /// Who should have got them.
        id: PeerId,
        /// Number of the channel.
        channel: usize,
        /// How many messages.
        messages: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The code that [`Node::compare`](crate::node::Node::compare) asked for. It is another when the peer comes back.
    SafetyCode(PeerId, Result<SafetyCode, BadCommitment>),
    /// A peer broke the rules of a channel.
    Violation {
        /// Who.
        id: PeerId,
        /// Number of the channel; one more than that of the last when it is about a stream or a call.
        channel: usize,
        /// What was wrong.
        error: Violation,
    },
    /// What came of [`Input::Kick`]: the peer was sent away, or why it was not. All that wait for the same peer are told at
    /// once.
    KickDone(PeerId, Result<(), KickError>),
    /// The room is over: left (`None`), or ended by this error.
    Closed(Option<RoomError>),
}

/// How a peer broke the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Those of a channel. A direct connection that carried it is made anew.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Those of streams. The session has ended.
    #[error(transparent)]
    Stream(#[from] StreamFault),
    /// Those of calls. The session has ended.
    #[error(transparent)]
    Call(#[from] CallFault),
}

impl Violation {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::Call(error) => error.code(),
        }
    }
}
