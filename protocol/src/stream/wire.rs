//! How messages of streams are written and read.
//!
//! ```text
//! open  = 0x00  id:varint  name:text
//! data  = 0x01  id:varint  bytes            at least one
//! end   = 0x02  id:varint  bytes            the last, if any are left
//! reset = 0x03  id:varint  reason:text      from the writer: no more bytes, and forget those not read
//! stop  = 0x04  id:varint  reason:text      from the reader: send no more
//! grant = 0x05  id:varint  limit:varint     from the reader: bytes that may be sent, counted from the first
//! done  = 0x06  id:varint                   from the reader: the end has come and everything before it was read
//! ```

use std::ops::Range;

use crate::fields::{Fields, push_text, start};
use crate::limits;

pub(super) const OPEN: u8 = 0;
pub(super) const DATA: u8 = 1;
pub(super) const END: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const STOP: u8 = 4;
pub(super) const GRANT: u8 = 5;
pub(super) const DONE: u8 = 6;

/// Kind and id take no more than this.
pub(super) const MAX_HEADER_BYTES: usize = 11;

/// One message. Texts are those of the message itself.
pub(super) enum Message<'a> {
    Open(&'a str),
    Data {
        body: Range<usize>,
        last: bool,
    },
    Reset(&'a str),
    Stop(&'a str),
    Grant(u64),
    Done,
    /// Of a kind that this version does not know.
    Unknown,
}

/// The stream's number and what is said of it. `None` when the message is malformed.
pub(super) fn parse(head: &[u8], len: usize) -> Option<(u64, Message<'_>)> {
    if len > limits::MAX_STREAM_MESSAGE_BYTES {
        return None;
    }
    let mut fields = Fields::new(head, len);
    let kind = fields.byte()?;
    if kind > DONE {
        return Some((0, Message::Unknown));
    }
    let id = fields.number()?;
    let message = match kind {
        OPEN => Message::Open(fields.text(limits::MAX_STREAM_NAME_BYTES)?),
        DATA | END => {
            let (body, last) = (fields.body(), kind == END);
            if body.is_empty() && !last {
                return None;
            }
            Message::Data { body, last }
        }
        RESET => Message::Reset(fields.text(limits::MAX_REASON_BYTES)?),
        STOP => Message::Stop(fields.text(limits::MAX_REASON_BYTES)?),
        GRANT => Message::Grant(fields.number()?),
        _ => Message::Done,
    };
    Some((id, message))
}

/// Writes a message that holds a text: [`OPEN`], [`RESET`] or [`STOP`].
pub(super) fn write_text(out: &mut Vec<u8>, kind: u8, id: u64, text: &str) {
    start(out, kind, id);
    push_text(out, text);
}
