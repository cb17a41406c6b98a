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
            Self::Refused(refusal, _) => refusal.code(),
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
            Self::Protocol(error) => error.code(),
        }
    }
}
