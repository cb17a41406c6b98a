//! What streams tell the application.

use std::ops::Range;

use super::{Name, Reason, StreamId};

/// What the application is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it is told only once"]
pub enum Event {
    /// The peer has opened a stream: both directions are open.
    Opened {
        /// The new stream.
        id: StreamId,
        /// Its name; any number of streams may have the same.
        name: Name,
    },
    /// Bytes came in. Not sent after a [`cancel`](super::Streams::cancel).
    Data {
        /// The stream.
        id: StreamId,
        /// Where they are in the message; never empty.
        range: Range<usize>,
    },
    /// The peer's last byte has come before this. Not sent after a [`cancel`](super::Streams::cancel).
    Ended {
        /// The stream.
        id: StreamId,
    },
    /// The peer has aborted its direction, or is gone: drop what has not been read. Not sent after an end or a
    /// [`cancel`](super::Streams::cancel).
    Aborted {
        /// The stream.
        id: StreamId,
        /// Why.
        reason: Reason,
    },
    /// The peer reads no more of our direction, or is gone. What waited was dropped, and nothing more can be written.
    /// Not sent after an [`abort`](super::Streams::abort).
    Cancelled {
        /// The stream.
        id: StreamId,
        /// Why.
        reason: Reason,
    },
    /// [`Streams::is_writable`](super::Streams::is_writable) is true again.
    Writable {
        /// The stream.
        id: StreamId,
    },
    /// Both directions are over. The last event of a stream; its id means nothing any more. Without a
    /// [`Event::Cancelled`] before it the peer has read all of a direction that was finished.
    Closed {
        /// The stream.
        id: StreamId,
    },
}
