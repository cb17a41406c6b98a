//! How a call can fail, and what a peer may do wrong.

use crate::bounded::Text;
use crate::limits;

/// Why a call was not made, or an answer not taken. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The body is over [`limits::MAX_CALL_BODY_BYTES`].
    #[error("call body of {0} bytes, at most {max} allowed", max = limits::MAX_CALL_BODY_BYTES)]
    MessageTooLarge(usize),
    /// [`limits::MAX_CALLS`] calls to this peer have no answer yet, or their bodies would be over
    /// [`limits::MAX_CALL_BYTES`].
    #[error("too many calls to this peer have no answer yet")]
    TooManyCalls,
    /// The peer has left: final.
    #[error("the peer is gone")]
    PeerGone,
}

impl CallError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MessageTooLarge(_) => "message-too-large",
            Self::TooManyCalls => code::TOO_MANY_CALLS,
            Self::PeerGone => "peer-gone",
        }
    }
}

/// The codes of failures that come from the core at the other end. Handlers may make up others.
pub mod code {
    /// Nobody answers this method.
    pub const NO_HANDLER: &str = "no-handler";
    /// More calls, or bytes of them, than the other end takes at once.
    pub const TOO_MANY_CALLS: &str = "too-many-calls";
}

/// Why a call that was made has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// No answer came before the deadline. The handler was told to stop.
    #[error("no answer came in time")]
    TimedOut,
    /// The peer has left; whether it has done anything is not known.
    #[error("the peer is gone")]
    PeerGone,
    /// The other end says so: its handler, or one of [`code`].
    #[error("the call failed at the other end")]
    Remote {
        /// For programs.
        code: Text<{ limits::MAX_CALL_CODE_BYTES }>,
        /// For people.
        message: Text<{ limits::MAX_CALL_TEXT_BYTES }>,
    },
}

impl CallFailure {
    /// The name of this failure: stable, but for those a handler made up.
    pub fn code(&self) -> &str {
        match self {
            Self::TimedOut => "call-timeout",
            Self::PeerGone => "peer-gone",
            Self::Remote { code, .. } => code,
        }
    }
}

/// How a message of the peer's broke the rules. Final for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFault {
    /// The message is cut short, or a text or body is too long, or a text is not UTF-8.
    #[error("malformed message of a call")]
    Malformed,
    /// A request under a number that is not above those before.
    #[error("call {0} is not new")]
    BadId(u64),
    /// The peer calls over its limit faster than it can be refused.
    #[error("too many calls over the limit of {max}", max = limits::MAX_CALLS)]
    TooManyCalls,
}

impl CallFault {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "bad-frame",
            Self::BadId(_) => "bad-call-id",
            Self::TooManyCalls => code::TOO_MANY_CALLS,
        }
    }
}
