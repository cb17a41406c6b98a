//! The data plane: application messages in, data-channel messages ("frames") out, and back again.
//!
//! Each peer has, per declared channel, one negotiated data channel, one [`Outbox`] and one [`Inbox`].
//! - [`Outbox`]: queues messages, packs small ones together, cuts large ones up, and hands over only as much as a
//!   data channel takes well. Which messages are dropped on the way out is decided here.
//! - [`frame`]: how a frame is written and read.
//! - [`Inbox`]: checks what arrives, puts large messages together, and leaves out what is stale.
//!
//! Message bytes may live outside (a browser keeps them as JavaScript buffers, so that a 16 MiB message never grows
//! WebAssembly memory, which cannot shrink): going out they are a [`Payload`], coming in ranges of the frame and
//! handles of the driver's own type. Nothing here reads a clock, waits or calls a browser.
//!
//! ```
//! use std::rc::Rc;
//! use peerloom_protocol::channel::{Delivered, Inbox, Outbox, parse};
//! use peerloom_protocol::hello::Delivery;
//!
//! let mut outbox: Outbox<Rc<[u8]>> = Outbox::new(Delivery::Ordered);
//! outbox.push(0, Rc::from(*b"hi")).unwrap();
//! outbox.push(0, Rc::from(*b"there")).unwrap();
//!
//! let mut frame = Vec::new();
//! assert!(outbox.next_frame(0, 0, &mut frame)); // both leave in one frame
//! assert_eq!(frame, b"\x00\x00\x02\x02\x05hithere");
//!
//! let mut inbox: Inbox<Vec<u8>> = Inbox::new(Delivery::Ordered);
//! let delivered = inbox.accept(parse(&frame, frame.len()).unwrap(), |range| frame[range].to_vec());
//! assert_eq!(delivered, Ok(Delivered::Ranges(vec![5..7, 7..12])));
//! ```

mod error;
pub mod frame;
mod inbox;
mod outbox;
mod reassembly;

use std::ops::Range;
use std::rc::Rc;

pub use error::{FrameError, SendError};
pub use frame::{Fragment, Frame, parse, parse_into};
pub use inbox::{Delivered, Inbox};
pub use outbox::Outbox;

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

impl Payload for Rc<[u8]> {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self[range]);
    }
}
