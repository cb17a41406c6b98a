//! Streams and calls: the core keeps them, the sink is told what happens to them.

use peerloom_protocol::call::CallId;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::stream::StreamId;

use super::clock::now_ms;
use super::{Driver, Payload};
use crate::error::Error;

/// How a direction of a stream ends at this end.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    /// Nothing more is written.
    Finish,
    /// What was written does not count.
    Abort(&'a str),
    /// Nothing more is read.
    Cancel(&'a str),
}

impl Driver {
    /// Opens a stream.
    ///
    /// # Errors
    /// `name-too-long`, `too-many-streams` or `peer-gone`.
    pub(crate) fn open_stream(&self, to: PeerId, name: &str) -> Result<StreamId, Error> {
        let opened = self.node.borrow_mut().open_stream(to, name)?;
        self.schedule_flush();
        Ok(opened)
    }

    /// Queues bytes; false when the next write should wait until the stream is writable again.
    ///
    /// # Errors
    /// `stream-closed` or `peer-gone`.
    pub(crate) fn write_stream(&self, to: PeerId, id: StreamId, payload: Payload) -> Result<bool, Error> {
        let writable = self.node.borrow_mut().write_stream(to, id, payload)?;
        self.schedule_flush();
        Ok(writable)
    }

    /// Ends a direction of a stream.
    pub(crate) fn end_stream(&self, peer: PeerId, id: StreamId, end: End<'_>) {
        let mut node = self.node.borrow_mut();
        match end {
            End::Finish => node.finish_stream(peer, id),
            End::Abort(reason) => node.abort_stream(peer, id, reason),
            End::Cancel(reason) => node.cancel_stream(peer, id, reason),
        }
        drop(node);
        self.schedule_flush();
    }

    /// The application has taken this many bytes.
    pub(crate) fn stream_consumed(&self, from: PeerId, id: StreamId, bytes: usize) {
        self.node.borrow_mut().stream_consumed(from, id, bytes);
        self.schedule_flush();
    }

    /// Calls a method.
    ///
    /// # Errors
    /// `message-too-large`, `too-many-calls` or `peer-gone`.
    pub(crate) fn call(
        &self,
        to: PeerId,
        method: usize,
        body: Payload,
        timeout_ms: Option<u64>,
    ) -> Result<CallId, Error> {
        let deadline_ms = timeout_ms.map(|ms| now_ms().saturating_add(ms));
        let call = self.node.borrow_mut().call(to, method, body, deadline_ms)?;
        self.schedule_flush();
        Ok(call)
    }

    /// Gives up a call of ours.
    pub(crate) fn cancel_call(&self, to: PeerId, id: CallId) {
        self.node.borrow_mut().cancel_call(to, id);
        self.schedule_flush();
    }

    /// Answers a call of a peer's: with a body, or with a code and a text. One that was cancelled must not be answered.
    pub(crate) fn answer(&self, to: PeerId, id: CallId, answer: Result<Payload, (&str, &str)>) {
        let mut node = self.node.borrow_mut();
        match answer.map(|body| node.respond(to, id, body)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => node.refuse_call(to, id, error.code(), &error.to_string()),
            Err((code, message)) => node.refuse_call(to, id, code, message),
        }
        drop(node);
        self.schedule_flush();
    }
}
