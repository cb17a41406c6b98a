//! One error type for everything the SDK refuses, with the code that `docs/errors.md` explains.

use peerloom_protocol::call::CallError;
#[cfg(feature = "typed")]
use peerloom_protocol::call::{CallFailure, code};
use peerloom_protocol::channel::SendError;
#[cfg(feature = "typed")]
use peerloom_protocol::failure::KickError;
use peerloom_protocol::failure::{LinkError, RoomError};
use peerloom_protocol::hello::ProtocolError;
use peerloom_protocol::safety::BadCommitment;
use peerloom_protocol::stream::StreamError;
use wasm_bindgen::{JsCast, JsValue};

/// Why something failed. [`Error::code`] is stable: the same in Rust, TypeScript and the documentation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The room could not be joined, or ended.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// No connection to a peer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A peer was not sent away.
    #[cfg(feature = "typed")]
    #[error(transparent)]
    Kick(#[from] KickError),
    /// The declared channels or the metadata are not allowed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A message cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A stream cannot be opened or written to.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A call cannot be made.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A call that was made has no result.
    #[cfg(feature = "typed")]
    #[error("{}", told(.0))]
    CallFailed(CallFailure),
    /// The other end aborted its direction of a stream; this is its reason.
    #[cfg(feature = "typed")]
    #[error("the other end aborted the stream: {0}")]
    StreamAborted(String),
    /// The other end reads no more of a stream; this is its reason.
    #[cfg(feature = "typed")]
    #[error("the other end cancelled the stream: {0}")]
    StreamCancelled(String),
    /// A code to compare could not be made.
    #[error(transparent)]
    Comparison(#[from] BadCommitment),
    /// The receiver is not in the room.
    #[error("the peer is not in the room")]
    PeerGone,
    /// The room was left or has ended.
    #[error("the room is closed")]
    Closed,
    /// The address of the server is not an http, https, ws or wss address.
    #[error("not an http, https, ws or wss address: {0}")]
    BadUrl(String),
    /// The application's source of STUN and TURN servers gave none.
    #[cfg(feature = "typed")]
    #[error("the application gave no STUN and TURN servers")]
    NoIceServers,
    /// No channel with this label is declared, or it has another type.
    #[error("no channel \"{0}\" is declared")]
    NoChannel(String),
    /// A value could not be turned into a message, or a message into a value.
    #[error("the message does not fit its type: {0}")]
    Codec(String),
    /// The browser refused.
    #[error("the browser refused: {0}")]
    Browser(String),
}

/// Codes of failed calls that mean the same whoever made them. Others are a handler's own.
#[cfg(feature = "typed")]
const CALL_CODES: [&str; 4] =
    [code::NO_HANDLER, code::TOO_MANY_CALLS, "invalid-message", "message-too-large"];

/// What the other end said, where it said something.
#[cfg(feature = "typed")]
fn told(failure: &CallFailure) -> String {
    match failure {
        CallFailure::Remote { code, message } => format!("the call failed: {} ({})", &**message, &**code),
        other => other.to_string(),
    }
}

/// Reasons of streams that are not the other application's.
#[cfg(feature = "typed")]
fn stream_code(reason: &str) -> Option<&'static str> {
    ["peer-gone", "no-handler", "too-many-streams"].into_iter().find(|code| *code == reason)
}

impl Error {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Room(error) => error.code(),
            Self::Link(error) => error.code(),
            #[cfg(feature = "typed")]
            Self::Kick(error) => error.code(),
            Self::Protocol(error) => error.code(),
            Self::Send(error) => error.code(),
            Self::Stream(error) => error.code(),
            Self::Call(error) => error.code(),
            Self::Comparison(error) => error.code(),
            #[cfg(feature = "typed")]
            Self::CallFailed(CallFailure::TimedOut) => "call-timeout",
            #[cfg(feature = "typed")]
            Self::CallFailed(CallFailure::PeerGone) => "peer-gone",
            #[cfg(feature = "typed")]
            Self::CallFailed(failure) => {
                CALL_CODES.into_iter().find(|c| *c == failure.code()).unwrap_or("call-failed")
            }
            #[cfg(feature = "typed")]
            Self::StreamAborted(reason) => stream_code(reason).unwrap_or("stream-aborted"),
            #[cfg(feature = "typed")]
            Self::StreamCancelled(reason) => stream_code(reason).unwrap_or("stream-cancelled"),
            Self::PeerGone => "peer-gone",
            Self::Closed => "closed",
            Self::BadUrl(_) => "bad-url",
            #[cfg(feature = "typed")]
            Self::NoIceServers => "ice-servers-failed",
            Self::NoChannel(_) => "no-channel",
            Self::Codec(_) => "invalid-message",
            Self::Browser(_) => "browser",
        }
    }

    /// What a codec says of a value.
    #[cfg(feature = "typed")]
    pub(crate) fn codec(why: impl std::fmt::Display) -> Self {
        Self::Codec(why.to_string())
    }

    /// What a browser call threw.
    pub(crate) fn thrown(value: &JsValue) -> Self {
        let text = value.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
        Self::Browser(text.or_else(|| value.as_string()).unwrap_or_else(|| "unknown".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the core are compared by its own tests.
    #[test]
    fn every_code_of_the_sdk_is_explained() {
        let text = String::new;
        let errors = [
            #[cfg(feature = "typed")]
            Error::CallFailed(CallFailure::Remote { code: Default::default(), message: Default::default() }),
            #[cfg(feature = "typed")]
            Error::StreamAborted(text()),
            #[cfg(feature = "typed")]
            Error::StreamCancelled(text()),
            Error::PeerGone,
            Error::Closed,
            Error::BadUrl(text()),
            #[cfg(feature = "typed")]
            Error::NoIceServers,
            Error::NoChannel(text()),
            Error::Codec(text()),
            Error::Browser(text()),
        ];
        for code in errors.map(|error| error.code()) {
            let row = format!("| `{code}` |");
            assert!(
                include_str!("../../docs/errors.md").contains(&row),
                "docs/errors.md has no row for {code}"
            );
        }
    }
}
