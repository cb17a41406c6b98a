//! How one frame, the content of one data-channel message or a part of a sealed packet, is written and read. At most
//! [`limits::MAX_FRAME_BYTES`] long.
//!
//! ```text
//! frame    = [ack]  [body | packed]        at least one of them
//! ack      = 0x02  seq:varint  offset:varint  granted:varint
//! packed   = 0x03  len:varint  block          a body of this length, compressed
//! body     = batch | fragment
//! batch    = 0x00  first_seq:varint  count:varint  len:varint × count  payload × count
//! fragment = 0x01  seq:varint  total:varint  offset:varint  bytes
//! ```
//!
//! Bit 6 of the kind of a body, packed or not, asks the receiver to acknowledge at once.
//!
//! `varint` is LEB128 as in [`crate::codec`]. `seq` numbers the messages of one channel of one session, in each
//! direction, from 0; a message in fragments has one number. Messages of up to [`CHUNK_BYTES`] travel whole, one or
//! more to a batch. Longer ones are cut every [`CHUNK_BYTES`], so every fragment but the last has that size. One fixed
//! size keeps the receiver safe without further rules: fragments cannot overlap, and nobody can cut a message into
//! millions of tiny ones whose bookkeeping costs more than their bytes.

use std::mem;
use std::ops::Range;

use super::error::FrameError;
use super::packed::Packed;
use crate::codec::{push_varint, read_varint};
use crate::limits;

/// A fragment's header, or that of a batch with one message, is never longer.
const MAX_BODY_HEADER_BYTES: usize = 24;
/// An acknowledgement is never longer.
const MAX_ACK_BYTES: usize = 28;
/// From this many bytes every frame but a batch of several messages can be read.
pub const MAX_HEADER_BYTES: usize = MAX_ACK_BYTES + MAX_BODY_HEADER_BYTES;
/// The longest message that travels whole, and the size of every fragment but a message's last.
pub const CHUNK_BYTES: usize = limits::MAX_FRAME_BYTES - MAX_BODY_HEADER_BYTES;

const BATCH: u8 = 0;
const FRAGMENT: u8 = 1;
const ACK: u8 = 2;
const PACKED: u8 = 3;
const ASKS: u8 = 0x40;

/// A frame's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the sender has received on this channel, if it says so.
    pub ack: Option<Ack>,
    /// Whether this side should acknowledge at once.
    pub asks: bool,
    /// Messages, if there are any.
    pub body: Option<Body>,
    /// Or messages that are compressed: [unpack](super::unpack) them.
    pub packed: Option<Packed>,
}

/// What one side has received, and how much more it takes. Later ones replace earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// Every message with a lower number has been received.
    pub seq: u64,
    /// How many bytes from the start of message `seq` have been received.
    pub offset: usize,
    /// A message may be begun while those before it [cost](message_cost) less than this in all. 0 on channels that
    /// may lose messages, where nothing is granted.
    pub granted: u64,
}

/// What a message counts in grants and queues: its bytes, and a little for itself so that empty ones are bounded too.
pub fn message_cost(len: usize) -> u64 {
    len as u64 + 16
}

/// The messages of a frame. Ranges are offsets into the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// One or more whole messages.
    Batch {
        /// The number of the first message; the others follow.
        first_seq: u64,
        /// Where each message is. Never empty.
        ranges: Vec<Range<usize>>,
    },
    /// A part of a message longer than [`CHUNK_BYTES`].
    Fragment(Fragment),
}

/// A part of one message. [`parse`] has checked that offset and length fit such a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub(super) seq: u64,
    pub(super) total: usize,
    pub(super) offset: usize,
    pub(super) body: Range<usize>,
}

impl Fragment {
    /// The message's number.
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// The whole message's length.
    pub fn total(&self) -> usize {
        self.total
    }
    /// Where in the message this part begins.
    pub fn offset(&self) -> usize {
        self.offset
    }
    /// Where in the frame the part's bytes are.
    pub fn body(&self) -> Range<usize> {
        self.body.clone()
    }
}

/// Reads one frame of `total_len` bytes, of which `head` holds the first ones.
///
/// A fragment can be read from its first [`MAX_HEADER_BYTES`], so its bytes can stay where they are. A batch of many
/// messages needs more, at most all of it.
///
/// # Errors
/// [`FrameError::NeedMore`] names a length greater than `head`'s and at most `total_len`; it does not happen when
/// `head` is the whole frame. Any other error means that the frame breaks the protocol.
pub fn parse(head: &[u8], total_len: usize) -> Result<Frame, FrameError> {
    parse_into(head, total_len, &mut Vec::new())
}

/// As [`parse`], but a batch takes its list of ranges from `spare`, which is left empty. Put the list back when the
/// messages are handed on, and reading frames allocates nothing.
///
/// # Errors
/// As [`parse`].
pub fn parse_into(head: &[u8], total_len: usize, spare: &mut Vec<Range<usize>>) -> Result<Frame, FrameError> {
    if total_len > limits::MAX_FRAME_BYTES {
        return Err(FrameError::TooLong(total_len));
    }
    if total_len == 0 {
        return Err(FrameError::Empty);
    }
    let head = &head[..head.len().min(total_len)];
    let Some((&kind, rest)) = head.split_first() else {
        return Err(FrameError::NeedMore(total_len.min(MAX_HEADER_BYTES)));
    };
    let mut reader = Reader { rest, hidden: total_len - head.len(), total_len };
    let mut frame = Frame { ack: None, asks: false, body: None, packed: None };
    let mut kind = kind;
    if kind == ACK {
        frame.ack = Some(read_ack(&mut reader)?);
        if reader.left() == 0 {
            return Ok(frame);
        }
        kind = reader.byte()?;
    }
    frame.asks = kind & ASKS != 0;
    match kind & !ASKS {
        PACKED => frame.packed = Some(read_packed(&mut reader)?),
        BATCH | FRAGMENT => frame.body = Some(read_body(kind & !ASKS, &mut reader, spare)?),
        _ => return Err(FrameError::UnknownKind(kind)),
    }
    Ok(frame)
}

/// Reads what was in a packed body: messages, and nothing else.
pub(super) fn parse_body(body: &[u8]) -> Result<Body, FrameError> {
    let (&kind, rest) = body.split_first().ok_or(FrameError::Empty)?;
    let mut reader = Reader { rest, hidden: 0, total_len: body.len() };
    read_body(kind, &mut reader, &mut Vec::new())
}

fn read_body(kind: u8, reader: &mut Reader<'_>, spare: &mut Vec<Range<usize>>) -> Result<Body, FrameError> {
    Ok(match kind {
        BATCH => {
            let first_seq = read_batch(reader, spare)?;
            Body::Batch { first_seq, ranges: mem::take(spare) }
        }
        FRAGMENT => Body::Fragment(read_fragment(reader)?),
        _ => return Err(FrameError::UnknownKind(kind)),
    })
}

fn read_packed(reader: &mut Reader<'_>) -> Result<Packed, FrameError> {
    // What it becomes is bounded as the frames themselves are, before anything is unpacked.
    let len =
        usize::try_from(reader.varint()?).ok().filter(|len| (1..=limits::MAX_FRAME_BYTES).contains(len));
    Ok(Packed { len: len.ok_or(FrameError::Malformed)?, block: reader.position()..reader.total_len })
}

fn read_ack(reader: &mut Reader<'_>) -> Result<Ack, FrameError> {
    let (seq, offset, granted) = (reader.varint()?, reader.varint()?, reader.varint()?);
    let offset = usize::try_from(offset).ok().filter(|offset| *offset <= limits::MAX_MESSAGE_BYTES);
    Ok(Ack { seq, offset: offset.ok_or(FrameError::Malformed)?, granted })
}

fn read_batch(reader: &mut Reader<'_>, ranges: &mut Vec<Range<usize>>) -> Result<u64, FrameError> {
    ranges.clear();
    let (first_seq, count) = (reader.varint()?, reader.varint()?);
    // Each message takes at least the byte of its length, so this bounds what is reserved below.
    let count = usize::try_from(count).ok().filter(|count| (1..=reader.left()).contains(count));
    let count = count.ok_or(FrameError::Malformed)?;
    first_seq.checked_add(count as u64).ok_or(FrameError::Malformed)?;
    ranges.reserve(count);
    let mut end = 0;
    for _ in 0..count {
        let len =
            usize::try_from(reader.varint()?).ok().filter(|&len| len <= reader.left().saturating_sub(end));
        let start = end;
        end += len.ok_or(FrameError::Malformed)?;
        ranges.push(start..end);
    }
    if end != reader.left() {
        return Err(FrameError::Malformed);
    }
    // Only now is it known where the payloads begin.
    let body = reader.position();
    for range in ranges.iter_mut() {
        *range = range.start + body..range.end + body;
    }
    Ok(first_seq)
}

fn read_fragment(reader: &mut Reader<'_>) -> Result<Fragment, FrameError> {
    let (seq, total, offset) = (reader.varint()?, reader.varint()?, reader.varint()?);
    if total > limits::MAX_MESSAGE_BYTES as u64 {
        return Err(FrameError::MessageTooLarge(total));
    }
    let (len, chunk) = (reader.left(), CHUNK_BYTES as u64);
    let due = total.checked_sub(offset).map(|left| left.min(chunk));
    if total <= chunk || offset % chunk != 0 || len == 0 || due != Some(len as u64) {
        return Err(FrameError::BadFragment { total, offset, len });
    }
    if seq == u64::MAX {
        return Err(FrameError::Malformed);
    }
    // Both are at most MAX_MESSAGE_BYTES by now.
    let body = reader.position()..reader.total_len;
    Ok(Fragment { seq, total: total as usize, offset: offset as usize, body })
}

/// Reads numbers off a head that may end before the frame does.
struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes of the frame behind the head.
    hidden: usize,
    total_len: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, FrameError> {
        let (first, rest) = self.rest.split_first().ok_or(FrameError::NeedMore(self.total_len))?;
        self.rest = rest;
        Ok(*first)
    }
    fn varint(&mut self) -> Result<u64, FrameError> {
        read_varint(&mut self.rest).ok_or(if self.hidden > 0 {
            FrameError::NeedMore(self.total_len)
        } else {
            FrameError::Malformed
        })
    }
    /// Bytes of the frame not read yet.
    fn left(&self) -> usize {
        self.rest.len() + self.hidden
    }
    fn position(&self) -> usize {
        self.total_len - self.left()
    }
}

/// Writes an acknowledgement: first in its frame, or alone in it.
pub(crate) fn write_ack(frame: &mut Vec<u8>, ack: Ack) {
    frame.push(ACK);
    push_varint(frame, ack.seq);
    push_varint(frame, ack.offset as u64);
    push_varint(frame, ack.granted);
}

/// Makes the body that starts at `at` ask for an acknowledgement.
pub(crate) fn ask(frame: &mut [u8], at: usize) {
    if let Some(kind) = frame.get_mut(at) {
        *kind |= ASKS;
    }
}

/// Starts a batch; the caller appends the lengths, then the payloads.
pub(super) fn start_batch(frame: &mut Vec<u8>, first_seq: u64, count: usize) {
    frame.push(BATCH);
    push_varint(frame, first_seq);
    push_varint(frame, count as u64);
}

/// Starts a fragment; the caller appends its bytes.
pub(super) fn start_fragment(frame: &mut Vec<u8>, seq: u64, total: usize, offset: usize) {
    frame.push(FRAGMENT);
    push_varint(frame, seq);
    push_varint(frame, total as u64);
    push_varint(frame, offset as u64);
}

/// Starts a packed body that becomes `len` bytes; the caller appends the block.
pub(super) fn start_packed(frame: &mut Vec<u8>, len: usize) {
    frame.push(PACKED);
    push_varint(frame, len as u64);
}

/// How many bytes [`push_varint`] writes.
pub(super) fn varint_len(value: u64) -> usize {
    let bits = (u64::BITS - value.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests;
