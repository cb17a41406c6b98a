//! One typed channel of a room: a sender and a stream.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use peerloom_protocol::id::PeerId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json;
use crate::driver::{ChannelIndex, Driver, Payload, SendOutcome};
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

/// Messages kept for one reader. The oldest are dropped beyond it.
const MAX_KEPT: usize = 10_000;

/// What came in for one reader and was not read yet.
#[derive(Default)]
pub(super) struct Mailbox {
    texts: VecDeque<(PeerId, String)>,
    closed: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn push(&mut self, from: PeerId, text: String) {
        if self.texts.len() >= MAX_KEPT {
            self.texts.pop_front();
        }
        self.texts.push_back((from, text));
        self.wake();
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The readers of one channel. Messages that come before the first reader are kept for it.
#[derive(Default)]
pub(super) struct Readers {
    pub(super) first: Option<Rc<RefCell<Mailbox>>>,
    pub(super) mailboxes: Vec<Weak<RefCell<Mailbox>>>,
}

impl Readers {
    pub(super) fn new() -> Self {
        let first = Rc::new(RefCell::new(Mailbox::default()));
        Self { mailboxes: vec![Rc::downgrade(&first)], first: Some(first) }
    }

    fn take(&mut self) -> Rc<RefCell<Mailbox>> {
        self.first.take().unwrap_or_else(|| {
            let mailbox = Rc::new(RefCell::new(Mailbox::default()));
            self.mailboxes.push(Rc::downgrade(&mailbox));
            mailbox
        })
    }

    pub(super) fn each(&mut self, mut act: impl FnMut(&mut Mailbox)) {
        self.mailboxes.retain(|mailbox| mailbox.strong_count() > 0);
        for mailbox in self.mailboxes.iter().filter_map(Weak::upgrade) {
            act(&mut mailbox.borrow_mut());
        }
    }
}

/// A declared channel of a room.
pub struct Channel<T> {
    pub(super) driver: Rc<Driver>,
    pub(super) index: ChannelIndex,
    pub(super) readers: Rc<RefCell<Readers>>,
    pub(super) message: PhantomData<T>,
}

impl<T> Channel<T> {
    /// A handle to send and a stream of what comes in. Every stream gets every message; the first one also those that
    /// came before it.
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        let mailbox = self.readers.borrow_mut().take();
        let sender = Sender { driver: self.driver.clone(), index: self.index, message: PhantomData };
        (sender, Receiver { mailbox, _driver: self.driver, message: PhantomData })
    }
}

/// Sends messages of one channel.
pub struct Sender<T> {
    driver: Rc<Driver>,
    index: ChannelIndex,
    message: PhantomData<T>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), index: self.index, message: PhantomData }
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
        let payload = Payload::text(&json::encode(message)?);
        let to = if let To::Peer(id) = to { Some(id) } else { None };
        match self.driver.send(self.index, payload, to)? {
            SendOutcome::Queued => Ok(()),
            SendOutcome::Waiting(ticket, queued) => {
                let _taken_back = TakeBack { driver: &self.driver, index: self.index, ticket };
                queued.await.unwrap_or(Err(Error::Closed))
            }
        }
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

/// The incoming messages of one channel, a [`Stream`] that ends with the room. What does not fit `T` is left out; the
/// room's events tell of it.
pub struct Receiver<T> {
    mailbox: Rc<RefCell<Mailbox>>,
    // Keeps the room alive while somebody reads.
    _driver: Rc<Driver>,
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Stream for Receiver<T> {
    type Item = Received<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Received<T>>> {
        let mut mailbox = self.mailbox.borrow_mut();
        while let Some((from, text)) = mailbox.texts.pop_front() {
            if let Ok(data) = json::decode(&text) {
                return Poll::Ready(Some(Received { from, data }));
            }
        }
        if mailbox.closed {
            return Poll::Ready(None);
        }
        mailbox.waker = Some(context.waker().clone());
        Poll::Pending
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
