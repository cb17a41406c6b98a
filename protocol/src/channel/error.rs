//! What can go wrong on a channel: a message of ours that cannot be sent, a frame of the peer's that cannot be used.

use crate::limits;

/// Why a message was not queued. Nothing was sent; the channel goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is over [`limits::MAX_MESSAGE_BYTES`]: split it.
    #[error("message of {len} bytes, at most {max} allowed")]
    MessageTooLarge {
        /// The message's length.
        len: usize,
        /// The limit.
        max: usize,
    },
}

impl SendError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MessageTooLarge { .. } => "message-too-large",
        }
    }
}

/// Why a frame from a peer was refused. All but [`FrameError::NeedMore`] break the protocol, so they are final for
/// the path it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not the peer's fault: the head is too short to read; call again with this many bytes of the frame.
    #[error("the first {0} bytes of the frame are needed")]
    NeedMore(usize),
    /// The frame has no bytes.
    #[error("empty frame")]
    Empty,
    /// The frame is over [`limits::MAX_FRAME_BYTES`].
    #[error("frame of {0} bytes, at most {max} allowed", max = limits::MAX_FRAME_BYTES)]
    TooLong(usize),
    /// The first byte is none of the kinds this version knows.
    #[error("frame of unknown kind {0}")]
    UnknownKind(u8),
    /// A number is cut short or too large, or the lengths do not add up to the frame's.
    #[error("malformed frame")]
    Malformed,
    /// A fragment that is not where, or not as long as, fragments of such a message are.
    #[error("fragment of {len} bytes at {offset} of a message of {total}")]
    BadFragment {
        /// The message's length.
        total: u64,
        /// Where the fragment begins.
        offset: u64,
        /// Its length.
        len: usize,
    },
    /// An earlier fragment gave the message another length.
    #[error("fragment at {offset} of message {seq} contradicts an earlier one")]
    Contradiction {
        /// The message's number.
        seq: u64,
        /// Where the fragment begins.
        offset: usize,
    },
    /// A fragmented message is declared longer than [`limits::MAX_MESSAGE_BYTES`].
    #[error("message of {0} bytes, at most {max} allowed", max = limits::MAX_MESSAGE_BYTES)]
    MessageTooLarge(u64),
    /// It acknowledges what was never sent.
    #[error("acknowledgement of message {0}, which was not sent")]
    BadAck(u64),
    /// More than this side has granted, and one message on top of it.
    #[error("more was sent than was granted")]
    WindowExceeded,
    /// On a reliable unordered channel: more half-received messages, or more bytes of them, than a peer may have.
    #[error("too many half-received messages")]
    ReassemblyLimit,
}

impl FrameError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeedMore(_)
            | Self::Empty
            | Self::TooLong(_)
            | Self::UnknownKind(_)
            | Self::Malformed
            | Self::BadFragment { .. }
            | Self::BadAck(_)
            | Self::Contradiction { .. } => "bad-frame",
            Self::MessageTooLarge(_) => "message-too-large",
            Self::WindowExceeded => "window-exceeded",
            Self::ReassemblyLimit => "reassembly-limit",
        }
    }
}
