//! Why a room ended, and why there is no connection to a peer.

use crate::hello::ProtocolError;
use crate::signal::Refusal;
use crate::{limits, timing};

/// Why a room ended. Final: join again to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The server let nobody in within the time for joining.
    #[error(
        "the signaling server did not let us in within {0} ms: it is down, out of reach, or refuses this page's origin"
    )]
    Unreachable(u64),
    /// The application had no admission token to give.
    #[error("no admission token of at most {max} bytes came from the application in time", max = limits::MAX_TOKEN_BYTES)]
    NoToken,
    /// This page could not sign its hello.
    #[error(
        "this page's identity could not be signed: the browser has no Ed25519, and its replacement did not load"
    )]
    NoSignature,
    /// The room's secret is none.
    #[error("a room's secret is base64url of 16 to 64 bytes, as createRoomSecret() makes it")]
    BadSecret,
    /// The passphrase is none, or there is a secret too.
    #[error("a passphrase has 6 to 128 bytes, and a room that has one has no secret")]
    BadPassphrase,
    /// The server refused.
    #[error("the signaling server refused: {1} ({code})", code = .0.code())]
    Refused(Refusal, String),
}

impl RoomError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "signaling-unreachable",
            Self::NoToken => "token-failed",
            Self::NoSignature => "no-signature",
            Self::BadSecret => "bad-secret",
            Self::BadPassphrase => "bad-passphrase",
            Self::Refused(refusal, _) => refusal.code(),
        }
    }
}

/// Why a member was not sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KickError {
    /// Our admission token does not permit it.
    #[error("this member may send nobody away: its admission token does not permit \"kick\"")]
    Forbidden,
    /// It is not in the room, or has left by itself meanwhile.
    #[error("the peer is not in the room")]
    PeerGone,
    /// The server was lost before it answered, or did not answer in time.
    #[error("the signaling server is lost, or does not answer")]
    NoServer,
}

impl KickError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::PeerGone => "peer-gone",
            Self::NoServer => "signaling-unreachable",
        }
    }
}

/// Why there is no connection to a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No attempt led to an open connection in time.
    #[error("no connection to the peer within {seconds} s: no network path, or it is unreachable", seconds = timing::CONNECT_MS / 1000)]
    NoPath,
    /// The other side stopped trying.
    #[error("the peer found no way to connect and stopped trying")]
    PeerGaveUp,
    /// What the server says of the peer is not signed by the key that the peer's id stands for: the server lies, or the
    /// peer's page is broken. Nothing is sent to it.
    #[error("the peer's hello is not signed by the key its id stands for")]
    Forged,
    /// It was given another passphrase, or none where we have one, or one where we have none; or so many others were wrong that
    /// none is tried for a while. Nothing is sent to it.
    #[error("the peer does not know the passphrase, or has another")]
    WrongPassphrase,
    /// A card or description for the connection names another certificate than the peer's hello: somebody on the way tried
    /// to get between.
    #[error("a description for the connection names another certificate than the peer signed")]
    WrongCertificate,
    /// The application does not accept this peer. Nothing is sent to it.
    #[error("the application does not accept this peer")]
    NotAccepted,
    /// The other side's protocol does not fit ours.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl LinkError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPath => "no-path",
            Self::PeerGaveUp => "peer-gave-up",
            Self::Forged => "forged-identity",
            Self::WrongPassphrase => "wrong-passphrase",
            Self::WrongCertificate => "wrong-certificate",
            Self::NotAccepted => "not-accepted",
            Self::Protocol(error) => error.code(),
        }
    }
}
