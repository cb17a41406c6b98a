//! Channels of plain bytes, the `channel.bytes()` of TypeScript.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::Stream;
use peerloom_protocol::action::Outcome;
use peerloom_protocol::id::PeerId;

use super::channel::{RawChannel, Received, To};
use super::mailbox::Mailbox;
use crate::driver::{ChannelIndex, Driver, Payload};
use crate::error::Error;

/// Sends messages of plain bytes.
#[derive(Clone)]
pub struct BytesSender {
    driver: Rc<Driver>,
    index: ChannelIndex,
}

impl BytesSender {
    /// Sends one message of at most 16 MiB, as [`Sender::send`](super::Sender::send).
    ///
    /// # Errors
    /// `message-too-large`, `peer-gone` or `closed`; nothing was sent then.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent at all.
    pub async fn send(&self, to: To, message: &[u8]) -> Result<(), Error> {
        RawChannel::send(&self.driver, self.index, to, Payload::bytes(message)).await
    }

    /// As [`Sender::send_confirmed`](super::Sender::send_confirmed).
    ///
    /// # Errors
    /// As [`BytesSender::send`].
    pub async fn send_confirmed(
        &self,
        to: To,
        message: &[u8],
        timeout_ms: u32,
    ) -> Result<Vec<(PeerId, Outcome)>, Error> {
        RawChannel::send_confirmed(&self.driver, self.index, to, Payload::bytes(message), timeout_ms).await
    }
}

/// The incoming messages of a channel of bytes, a [`Stream`] that ends with the room.
pub struct BytesReceiver {
    mailbox: Rc<RefCell<Mailbox>>,
    // Keeps the room alive while somebody reads.
    _driver: Rc<Driver>,
}

impl Stream for BytesReceiver {
    type Item = Received<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.mailbox.borrow_mut().poll(context);
        polled.map(|message| {
            message.map(|message| Received { from: message.source.from, data: message.into_bytes() })
        })
    }
}

pub(super) fn split(channel: RawChannel) -> (BytesSender, BytesReceiver) {
    let RawChannel { driver, index, readers, .. } = channel;
    let mailbox = readers.borrow_mut().take();
    (BytesSender { driver: driver.clone(), index }, BytesReceiver { mailbox, _driver: driver })
}

macro_rules! debug_as_name {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
debug_as_name!(BytesSender, BytesReceiver);
