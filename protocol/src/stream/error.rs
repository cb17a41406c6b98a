//! What can go wrong with streams: a use of ours that cannot be, and a message of the peer's that breaks a rule.

use crate::limits;

/// Why a stream was not opened, or what was written not taken. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The name is over [`limits::MAX_STREAM_NAME_BYTES`].
    #[error("stream name of {0} bytes, at most {max} allowed", max = limits::MAX_STREAM_NAME_BYTES)]
    NameTooLong(usize),
    /// As many streams as [`limits::MAX_STREAMS`] opened by this side are not over: end some first.
    #[error("{max} streams to this peer are open", max = limits::MAX_STREAMS)]
    TooManyStreams,
    /// This direction of the stream was finished, aborted or cancelled, or the whole stream is over.
    #[error("the stream takes no more bytes")]
    Closed,
    /// The peer has left: final.
    #[error("the peer is gone")]
    PeerGone,
}

impl StreamError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameTooLong(_) => "name-too-long",
            Self::TooManyStreams => "too-many-streams",
            Self::Closed => "stream-closed",
            Self::PeerGone => "peer-gone",
        }
    }
}

/// How a message of the peer's broke the rules. Final for the session: what follows makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamFault {
    /// The message is cut short or too long, or a name or reason is too long or not UTF-8.
    #[error("malformed message of a stream")]
    Malformed,
    /// A stream was opened under another number than the peer's next.
    #[error("stream {0} opened where {1} was due")]
    BadId(u64, u64),
    /// A message for a stream that was never opened.
    #[error("stream {0} was never opened")]
    UnknownStream(u64),
    /// Bytes, an end or a reset where this direction of the stream had ended.
    #[error("message behind the end of stream {0}")]
    AfterEnd(u64),
    /// The peer says that it has read to the end, which was not sent.
    #[error("stream {0} was read to an end it does not have")]
    NotEnded(u64),
    /// More bytes than were granted.
    #[error("more bytes on stream {0} than were granted")]
    OverGrant(u64),
    /// The peer opens streams over its limit faster than they can be refused.
    #[error("too many streams opened over the limit of {max}", max = limits::MAX_STREAMS)]
    TooManyStreams,
}

impl StreamFault {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "bad-frame",
            Self::BadId(..) | Self::UnknownStream(_) => "bad-stream-id",
            Self::AfterEnd(_) | Self::NotEnded(_) => "after-end",
            Self::OverGrant(_) => "over-grant",
            Self::TooManyStreams => "too-many-streams",
        }
    }
}
