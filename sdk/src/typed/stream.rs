//! Streams of bytes between two peers, for Rust's own readers and writers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::channel::mpsc;
use futures::{AsyncRead, AsyncWrite};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::stream::{Event, StreamError, StreamId};

use super::sink::Shared;
use crate::driver::{Driver, End, Payload};
use crate::error::Error;

/// The most that one write takes.
const MAX_WRITE_BYTES: usize = 64 * 1024;
/// Why a stream ends that was dropped.
const DROPPED: &str = "dropped";

/// What the driver tells of a stream.
#[derive(Default)]
pub(super) struct State {
    unread: VecDeque<Vec<u8>>,
    /// How much of the first was read.
    offset: usize,
    ended: bool,
    finished: bool,
    /// Both directions are over. With another session, the number may come to be another stream's.
    closed: bool,
    full: bool,
    aborted: Option<String>,
    cancelled: Option<String>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    pub(super) fn event(&mut self, event: &Event, bytes: Option<Vec<u8>>) {
        match event {
            Event::Data { .. } => self.unread.extend(bytes),
            Event::Ended { .. } => self.ended = true,
            Event::Aborted { reason, .. } => {
                self.unread.clear();
                self.aborted = Some(reason.to_string());
            }
            Event::Cancelled { reason, .. } => self.cancelled = Some(reason.to_string()),
            Event::Writable { .. } => self.full = false,
            Event::Closed { .. } => self.closed = true,
            _ => {}
        }
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

/// A stream of bytes to and from one peer: an [`AsyncRead`] and an [`AsyncWrite`], which wait for each other's pace.
/// `futures::AsyncReadExt::split` makes two of it.
///
/// Closing it ends our direction behind what was written. Dropping it cancels the other, and aborts ours unless it was
/// closed. Errors carry an [`Error`], with the code `stream-aborted` or `stream-cancelled` and the peer's reason, or
/// `peer-gone`.
pub struct Stream {
    driver: Rc<Driver>,
    peer: PeerId,
    id: StreamId,
    name: String,
    state: Rc<RefCell<State>>,
    // Keeps the events coming while somebody reads or writes.
    _shared: Rc<RefCell<Shared>>,
}

impl Stream {
    /// A handle to a stream that is open.
    pub(super) fn new(
        driver: Rc<Driver>,
        shared: &Rc<RefCell<Shared>>,
        (peer, id): (PeerId, StreamId),
        name: String,
    ) -> Self {
        let state = Rc::<RefCell<State>>::default();
        shared.borrow_mut().streams.insert((peer, id), Rc::downgrade(&state));
        Self { driver, peer, id, name, state, _shared: shared.clone() }
    }

    fn end(&self, end: End<'_>) {
        if !self.state.borrow().closed {
            self.driver.end_stream(self.peer, self.id, end);
        }
    }

    fn consumed(&self, bytes: usize) {
        if !self.state.borrow().closed {
            self.driver.stream_consumed(self.peer, self.id, bytes);
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// What it was opened as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives up our direction: the other end drops what it has not read, and is told why.
    pub fn abort(&self, reason: &str) {
        self.state.borrow_mut().finished = true;
        self.end(End::Abort(reason));
    }

    /// Reads no more; the other end is told why.
    pub fn cancel(&self, reason: &str) {
        let mut state = self.state.borrow_mut();
        state.unread.clear();
        state.ended = true;
        drop(state);
        self.end(End::Cancel(reason));
    }
}

fn failed(kind: io::ErrorKind, error: Error) -> io::Error {
    io::Error::new(kind, error)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if let Some(reason) = &state.aborted {
            let error = Error::StreamAborted(reason.clone());
            return Poll::Ready(Err(failed(io::ErrorKind::ConnectionReset, error)));
        }
        let offset = state.offset;
        let Some(first) = state.unread.front() else {
            if state.ended {
                return Poll::Ready(Ok(0));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        let len = into.len().min(first.len() - offset);
        into[..len].copy_from_slice(&first[offset..offset + len]);
        if offset + len == first.len() {
            state.unread.pop_front();
            state.offset = 0;
        } else {
            state.offset += len;
        }
        drop(state);
        self.consumed(len);
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if let Some(reason) = &state.cancelled {
            let error = Error::StreamCancelled(reason.clone());
            return Poll::Ready(Err(failed(io::ErrorKind::BrokenPipe, error)));
        }
        if state.closed {
            return Poll::Ready(Err(failed(io::ErrorKind::BrokenPipe, StreamError::Closed.into())));
        }
        if state.full {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let bytes = &bytes[..bytes.len().min(MAX_WRITE_BYTES)];
        match self.driver.write_stream(self.peer, self.id, Payload::bytes(bytes)) {
            Ok(writable) => {
                state.full = !writable;
                Poll::Ready(Ok(bytes.len()))
            }
            Err(error) => Poll::Ready(Err(failed(io::ErrorKind::BrokenPipe, error))),
        }
    }

    /// What was written leaves by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().finished = true;
        self.end(End::Finish);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (finished, read) = {
            let state = self.state.borrow();
            (state.finished, state.ended && state.unread.is_empty())
        };
        if !finished {
            self.end(End::Abort(DROPPED));
        }
        if !read {
            self.end(End::Cancel(DROPPED));
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).field("name", &self.name).finish()
    }
}

/// The streams that peers open, a [`futures::Stream`]. What peers open while nobody has it is refused.
#[derive(Debug)]
pub struct Streams(pub(super) mpsc::UnboundedReceiver<Stream>);

impl futures::Stream for Streams {
    type Item = Stream;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Stream>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}
