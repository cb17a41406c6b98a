//! Messages on their way to readers: every reader of a channel has a mailbox of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::driver::Source;

/// Messages kept for one reader of a channel that may lose messages. The oldest are dropped beyond it. On the others the
/// window bounds what comes.
const MAX_KEPT: usize = 10_000;

/// A message on its way to the readers of its channel. When the last of them has taken it, the peer may send more.
pub(super) struct Incoming {
    pub(super) source: Source,
    len: usize,
    bytes: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(source: Source, bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Self { source, len: bytes.len(), bytes })
    }

    /// The bytes, without a copy for the last reader.
    pub(super) fn into_bytes(self: Rc<Self>) -> Vec<u8> {
        let mut this = self;
        match Rc::get_mut(&mut this) {
            Some(only) => std::mem::take(&mut only.bytes),
            None => this.bytes.clone(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(driver) = self.source.driver.upgrade() {
            driver.consumed(self.source.from, self.source.channel, 1, self.len as u64);
        }
    }
}

/// What came in for one reader and was not read yet.
#[derive(Default)]
pub(super) struct Mailbox {
    messages: VecDeque<Rc<Incoming>>,
    closed: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn push(&mut self, message: Rc<Incoming>, lossy: bool) {
        if lossy && self.messages.len() >= MAX_KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
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

    /// The next message; `None` when the room is over and everything was read.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Rc<Incoming>>> {
        match self.messages.pop_front() {
            Some(message) => Poll::Ready(Some(message)),
            None if self.closed => Poll::Ready(None),
            None => {
                self.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The readers of one channel. Messages that come before the first reader are kept for it.
pub(super) struct Readers {
    first: Option<Rc<RefCell<Mailbox>>>,
    mailboxes: Vec<Weak<RefCell<Mailbox>>>,
}

impl Readers {
    pub(super) fn new() -> Self {
        let first = Rc::new(RefCell::new(Mailbox::default()));
        Self { mailboxes: vec![Rc::downgrade(&first)], first: Some(first) }
    }

    /// A mailbox for one more reader.
    pub(super) fn take(&mut self) -> Rc<RefCell<Mailbox>> {
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
