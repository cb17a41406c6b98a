//! Messages on their way to readers: every reader of a channel has a mailbox of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use peerloom_protocol::id::PeerId;

/// Messages kept for one reader. The oldest are dropped beyond it.
const MAX_KEPT: usize = 10_000;

/// What came in for one reader and was not read yet.
#[derive(Default)]
pub(super) struct Mailbox {
    messages: VecDeque<(PeerId, Vec<u8>)>,
    closed: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn push(&mut self, from: PeerId, message: Vec<u8>) {
        if self.messages.len() >= MAX_KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back((from, message));
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
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<(PeerId, Vec<u8>)>> {
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
