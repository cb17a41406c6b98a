//! The data plane: application messages in, frames out, and back again, whatever [path](Via) they go.
//!
//! Each peer has, per declared channel, one [`Outbox`] and one [`Inbox`] for as long as the session with it lives.
//! - [`Outbox`]: queues messages, packs small ones together, cuts large ones up, keeps them until they are acknowledged,
//!   and sends again what a path that ended may have lost. Which messages are dropped on the way out is decided here.
//! - [`frame`]: how a frame is written and read; the messages of one may be compressed, and are then [unpacked](unpack).
//! - [`Inbox`]: checks what arrives, puts it in order and large messages together, and leaves out what is stale or came
//!   twice. It says what has arrived, and how much more it takes.
//!
//! Message bytes may live outside (a browser keeps them as JavaScript buffers, so that a 16 MiB message never grows
//! WebAssembly memory, which cannot shrink): going out they are a [`Payload`], coming in ranges of the frame and
//! handles of the driver's own type. Nothing here reads a clock, waits or calls a browser.
//!
//! ```
//! use std::rc::Rc;
//! use peerloom_protocol::channel::{Delivered, Inbox, Outbox, Via, parse};
//! use peerloom_protocol::hello::Delivery;
//!
//! let mut outbox: Outbox<Rc<[u8]>> = Outbox::new(Delivery::Ordered, 1 << 20, 1 << 20);
//! outbox.push(0, Rc::from(*b"hi")).unwrap();
//! outbox.push(0, Rc::from(*b"there")).unwrap();
//!
//! let mut frame = Vec::new();
//! outbox.write(0, Via::Direct, true, 16_408, &mut frame).unwrap(); // both leave in one frame
//! assert_eq!(frame, b"\x00\x00\x02\x02\x05hithere");
//!
//! let mut inbox: Inbox<Vec<u8>> = Inbox::new(Delivery::Ordered, 1 << 20);
//! let body = parse(&frame, frame.len()).unwrap().body.unwrap();
//! let delivered = inbox.accept(body, false, |range| frame[range].to_vec()).unwrap();
//! assert_eq!(delivered.ranges, [5..7, 7..12]);
//! assert!(outbox.ack(inbox.take_ack()).unwrap()); // and only now both are forgotten
//! assert!(outbox.is_empty());
//! ```

mod error;
pub mod frame;
mod inbox;
mod outbox;
mod packed;
mod reassembly;

use std::ops::Range;
use std::rc::Rc;

pub use error::{FrameError, SendError};
pub use frame::{Ack, Body, Fragment, Frame, message_cost, parse, parse_into};
pub use inbox::{Delivered, Inbox, Whole};
pub use outbox::Outbox;
pub use packed::{Packed, unpack};

/// A message's bytes, wherever they live. They must not change while the message waits; cloning is cheap, a handle
/// or a counted reference, because one message to many peers waits in many outboxes.
pub trait Payload: Clone {
    /// How many bytes the message has.
    fn len(&self) -> usize;

    /// Appends the bytes of `range` to `out`, exactly `range.len()` of them.
    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>);

    /// Whether the message has no bytes. Such a message is delivered like any other.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One of the ways between two peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Sealed, through the signaling server.
    Relay,
    /// Over an RTCPeerConnection.
    Direct,
}

impl Via {
    /// How many ways there are.
    pub const COUNT: usize = 2;

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl Payload for Rc<[u8]> {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self[range]);
    }
}
