//! What calls tell the application.

use std::ops::Range;

use super::{CallFailure, CallId};

/// What the application is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it is told only once"]
pub enum Event {
    /// The peer calls: answer by [`Calls::respond`](super::Calls::respond) or [`Calls::refuse`](super::Calls::refuse).
    Request {
        /// The peer's call.
        id: CallId,
        /// Which of the declared methods, by its place in their sorted list.
        method: usize,
        /// Where the body is in the message.
        body: Range<usize>,
    },
    /// The peer no longer waits for the answer to its call, or is gone.
    Cancelled {
        /// The peer's call.
        id: CallId,
    },
    /// Our call was answered.
    Response {
        /// Our call.
        id: CallId,
        /// Where the body is in the message.
        body: Range<usize>,
    },
    /// Our call has no result.
    Failed {
        /// Our call.
        id: CallId,
        /// Why.
        failure: CallFailure,
    },
}
