//! Methods that peers call at each other.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::channel::{mpsc, oneshot};
use peerloom_protocol::call::CallId;
use peerloom_protocol::id::PeerId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json;
use super::sink::Shared;
use crate::driver::{Driver, Payload};
use crate::error::Error;

/// How long a call waits for its answer.
const CALL_MS: u32 = 30_000;

/// A declared method of a room: every peer may call it, and answer it. See [`Room::rpc`](super::Room::rpc).
pub struct Rpc<Req, Res> {
    pub(super) driver: Rc<Driver>,
    pub(super) shared: Rc<RefCell<Shared>>,
    pub(super) method: usize,
    pub(super) types: PhantomData<fn(Req) -> Res>,
}

/// A call under way: dropped before it is settled, it is given up.
struct Pending {
    driver: Rc<Driver>,
    shared: Rc<RefCell<Shared>>,
    key: (PeerId, CallId),
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.shared.borrow_mut().calls.remove(&self.key).is_some() {
            self.driver.cancel_call(self.key.0, self.key.1);
        }
    }
}

impl<Req: Serialize, Res: DeserializeOwned> Rpc<Req, Res> {
    /// Calls the method at a peer, and waits 30 seconds for its answer.
    ///
    /// # Errors
    /// `call-failed` with what the handler said, `call-timeout`, `no-handler`, `too-many-calls`, `message-too-large`,
    /// `invalid-message` or `peer-gone`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the call is given up, and its handler is told.
    pub async fn call(&self, to: PeerId, request: &Req) -> Result<Res, Error> {
        self.call_within(to, request, CALL_MS).await
    }

    /// As [`Rpc::call`], but waits this long.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    ///
    /// # Cancel safety
    /// As [`Rpc::call`].
    pub async fn call_within(&self, to: PeerId, request: &Req, timeout_ms: u32) -> Result<Res, Error> {
        let body = Payload::text(&json::encode(request)?);
        let id = self.driver.call(to, self.method, body, Some(u64::from(timeout_ms)))?;
        let (settle, settled) = oneshot::channel();
        let key = (to, id);
        self.shared.borrow_mut().calls.insert(key, settle);
        let _pending = Pending { driver: self.driver.clone(), shared: self.shared.clone(), key };
        let answer = settled.await.map_err(|_| Error::Closed)?.map_err(Error::CallFailed)?;
        decode(&answer)
    }
}

impl<Req: DeserializeOwned, Res: Serialize> Rpc<Req, Res> {
    /// Answers calls from now on, in the place of an earlier stream. When it is dropped, calls fail as `no-handler`.
    pub fn handle(&self) -> Requests<Req, Res> {
        let (sender, calls) = mpsc::unbounded();
        if let Some(handler) = self.shared.borrow_mut().handlers.get_mut(self.method) {
            *handler = Some(sender);
        }
        Requests { calls, driver: self.driver.clone(), shared: self.shared.clone(), types: PhantomData }
    }
}

/// No bytes are what a TypeScript page makes of `undefined`.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    json::decode(if bytes.is_empty() { b"null" } else { bytes })
}

/// A call of a peer's, on its way to whoever answers it.
pub(super) struct Incoming {
    pub(super) from: PeerId,
    pub(super) id: CallId,
    pub(super) body: Vec<u8>,
    /// Ends when the caller no longer waits.
    pub(super) waits: oneshot::Receiver<()>,
}

/// The calls of a method, a [`futures::Stream`]. A request that does not fit `Req` is refused and left out.
pub struct Requests<Req, Res> {
    calls: mpsc::UnboundedReceiver<Incoming>,
    driver: Rc<Driver>,
    shared: Rc<RefCell<Shared>>,
    types: PhantomData<fn(Res) -> Req>,
}

/// A call to be answered.
#[derive(Debug)]
pub struct Request<Req, Res> {
    /// Who calls.
    pub from: PeerId,
    /// What it asks.
    pub data: Req,
    /// Takes the answer.
    pub responder: Responder<Res>,
}

impl<Req: DeserializeOwned, Res> futures::Stream for Requests<Req, Res> {
    type Item = Request<Req, Res>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(next) = Pin::new(&mut self.calls).poll_next(context) else {
                return Poll::Pending;
            };
            let Some(Incoming { from, id, body, waits }) = next else { return Poll::Ready(None) };
            let (driver, shared) = (self.driver.clone(), self.shared.clone());
            let responder = Responder { driver, shared, key: (from, id), waits, answer: PhantomData };
            match decode(&body) {
                Ok(data) => return Poll::Ready(Some(Request { from, data, responder })),
                Err(error) => responder.refuse(error.code(), &error.to_string()),
            }
        }
    }
}

/// Answers one call, once. Dropped without an answer, the call fails.
pub struct Responder<Res> {
    driver: Rc<Driver>,
    shared: Rc<RefCell<Shared>>,
    key: (PeerId, CallId),
    waits: oneshot::Receiver<()>,
    answer: PhantomData<fn(Res)>,
}

impl<Res> Responder<Res> {
    /// Fails the call with a code for programs, at most 64 bytes, and a text for people, at most 1,024 bytes. The caller
    /// gets `call-failed`, with this code beside it.
    pub fn refuse(mut self, code: &str, message: &str) {
        self.answer(Err((code, message)));
    }

    /// Ready when the caller no longer waits: it gave up, its time was up, or it left.
    pub async fn cancelled(&mut self) {
        let _ = (&mut self.waits).await;
    }

    fn answer(&mut self, answer: Result<Payload, (&str, &str)>) {
        // Once it was cancelled or answered, its number may be that of another call.
        if self.waits.try_recv().is_ok() {
            self.shared.borrow_mut().requests.remove(&self.key);
            self.driver.answer(self.key.0, self.key.1, answer);
        }
    }
}

impl<Res: Serialize> Responder<Res> {
    /// Answers. Does nothing when the caller no longer waits.
    ///
    /// # Errors
    /// [`Error::Codec`]: the value has no JSON form, and the call fails.
    pub fn respond(mut self, answer: &Res) -> Result<(), Error> {
        let body = Payload::text(&json::encode(answer)?);
        self.answer(Ok(body));
        Ok(())
    }
}

impl<Res> Drop for Responder<Res> {
    fn drop(&mut self) {
        self.answer(Err(("call-failed", "the call was dropped without an answer")));
    }
}

macro_rules! debug_as_name {
    ($($name:ident<$($type:ident),*>),*) => {$(
        impl<$($type),*> std::fmt::Debug for $name<$($type),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
debug_as_name!(Rpc<Req, Res>, Requests<Req, Res>, Responder<Res>);
