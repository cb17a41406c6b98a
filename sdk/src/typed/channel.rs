//! One typed channel of a room: a sender and a stream.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::oneshot;
use peerloom_protocol::action::Outcome;
use peerloom_protocol::id::PeerId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::format::Format;
use super::mailbox::{Mailbox, Readers};
use crate::driver::{ChannelIndex, Driver, Payload, Sending};
use crate::error::Error;

/// Who a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everyone in the room.
    All,
    /// One peer.
    Peer(PeerId),
}

/// A message and its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<T> {
    /// Who sent it.
    pub from: PeerId,
    /// The message.
    pub data: T,
}

/// A declared channel, before it is known what its messages are.
pub(super) struct RawChannel {
    pub(super) driver: Rc<Driver>,
    pub(super) index: ChannelIndex,
    pub(super) readers: Rc<RefCell<Readers>>,
    pub(super) format: Format,
}

impl RawChannel {
    /// Sends one message, waiting for room.
    pub(super) async fn send(
        driver: &Rc<Driver>,
        index: ChannelIndex,
        to: To,
        payload: Payload,
    ) -> Result<(), Error> {
        let Sending { ticket, queued, .. } = driver.send_watched(index, payload, to.peer(), None)?;
        queue(driver, index, ticket, queued).await
    }

    /// Sends one message, and waits for what becomes of it.
    pub(super) async fn send_confirmed(
        driver: &Rc<Driver>,
        index: ChannelIndex,
        to: To,
        payload: Payload,
        timeout_ms: u32,
    ) -> Result<Vec<(PeerId, Outcome)>, Error> {
        let timeout_ms = Some(u64::from(timeout_ms));
        let Sending { ticket, queued, confirmed } =
            driver.send_watched(index, payload, to.peer(), timeout_ms)?;
        queue(driver, index, ticket, queued).await?;
        match confirmed {
            Some(confirmed) => confirmed.await.map_err(|_| Error::Closed),
            None => Ok(Vec::new()),
        }
    }
}

async fn queue(
    driver: &Driver,
    index: ChannelIndex,
    ticket: u32,
    queued: Option<oneshot::Receiver<Result<(), Error>>>,
) -> Result<(), Error> {
    let Some(queued) = queued else { return Ok(()) };
    let _taken_back = TakeBack { driver, index, ticket };
    queued.await.unwrap_or(Err(Error::Closed))
}

impl To {
    fn peer(self) -> Option<PeerId> {
        if let Self::Peer(id) = self { Some(id) } else { None }
    }
}

/// Takes a waiting message back when its future is dropped. One already queued is not found any more.
struct TakeBack<'a> {
    driver: &'a Driver,
    index: ChannelIndex,
    ticket: u32,
}

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        self.driver.cancel(self.index, self.ticket);
    }
}

/// A declared channel of a room.
pub struct Channel<T> {
    pub(super) raw: RawChannel,
    pub(super) message: PhantomData<T>,
}

impl<T> Channel<T> {
    /// A handle to send and a stream of what comes in. Every stream gets every message; the first one also those that
    /// came before it.
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        let RawChannel { driver, index, readers, format } = self.raw;
        let mailbox = readers.borrow_mut().take();
        let sender = Sender { driver: driver.clone(), index, format, message: PhantomData };
        (sender, Receiver { mailbox, format, _driver: driver, message: PhantomData })
    }
}

/// Sends messages of one channel.
pub struct Sender<T> {
    driver: Rc<Driver>,
    index: ChannelIndex,
    format: Format,
    message: PhantomData<T>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), index: self.index, format: self.format, message: PhantomData }
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends one message of at most 16 MiB, encoded. Ready once it is queued for every receiver, not once they have it;
    /// while a receiver's queue is over the high-water mark (1 MiB) it waits.
    ///
    /// # Errors
    /// `message-too-large`, `invalid-message`, `peer-gone` or `closed`; nothing was sent then.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent at all.
    pub async fn send(&self, to: To, message: &T) -> Result<(), Error> {
        let payload = self.format.encode(message)?;
        RawChannel::send(&self.driver, self.index, to, payload).await
    }

    /// Sends one message and waits until every receiver has it, has left, or has not said so for `timeout_ms`; gives
    /// what became of it for each.
    ///
    /// # Errors
    /// As [`Sender::send`].
    ///
    /// # Cancel safety
    /// Dropped while it waits for room, the message is not sent at all; dropped later, it is sent like any other.
    pub async fn send_confirmed(
        &self,
        to: To,
        message: &T,
        timeout_ms: u32,
    ) -> Result<Vec<(PeerId, Outcome)>, Error> {
        let payload = self.format.encode(message)?;
        RawChannel::send_confirmed(&self.driver, self.index, to, payload, timeout_ms).await
    }
}

/// The incoming messages of one channel, a [`Stream`] that ends with the room. What does not fit `T` is left out.
pub struct Receiver<T> {
    mailbox: Rc<RefCell<Mailbox>>,
    format: Format,
    // Keeps the room alive while somebody reads.
    _driver: Rc<Driver>,
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Stream for Receiver<T> {
    type Item = Received<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received<T>>> {
        loop {
            let polled = self.mailbox.borrow_mut().poll(context);
            let Poll::Ready(Some(message)) = polled else { return polled.map(|_| None) };
            let (from, bytes) = (message.source.from, message.into_bytes());
            if let Ok(data) = self.format.decode(&bytes) {
                return Poll::Ready(Some(Received { from, data }));
            }
        }
    }
}

macro_rules! debug_as_name {
    ($($name:ident),*) => {$(
        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
debug_as_name!(Channel, Sender, Receiver);
