//! Bodies that travel compressed, each as one [LZ4 block] by itself.
//!
//! The sender alone chooses: it compresses what it would have sent anyway, one body at a time, and sends it as it is where
//! that would not make it shorter. So a body may become no longer than a frame may be, whatever a peer says.
//!
//! [LZ4 block]: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md

use std::ops::Range;

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

use super::error::FrameError;
use super::frame::{self, Body};
use crate::limits;

/// A shorter body, such as one lone small message, has nothing in it twice that would pay for the head.
const LEAST_BYTES: usize = 64;

/// Where in its frame a compressed body is, and how long it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub(super) len: usize,
    pub(super) block: Range<usize>,
}

/// Compresses the body that stands in `frame` from `at` on, where that makes it shorter.
pub(super) fn pack(frame: &mut Vec<u8>, at: usize) {
    let body = &frame[at..];
    // Knowing the most, the compiler leaves out what the library has for long inputs.
    if !(LEAST_BYTES..=limits::MAX_FRAME_BYTES).contains(&body.len()) {
        return;
    }
    let mut packed = Vec::new();
    frame::start_packed(&mut packed, body.len());
    let head = packed.len();
    packed.resize(head + get_maximum_output_size(body.len()), 0);
    if let Ok(block) = compress_into(body, &mut packed[head..])
        && head + block < body.len()
    {
        frame.truncate(at);
        frame.extend_from_slice(&packed[..head + block]);
    }
}

/// Gives the bytes of a body that was compressed, and the messages in them: their ranges are offsets into those bytes.
///
/// # Errors
/// [`FrameError::Malformed`] when the block is none, or becomes another length than was said; what [`super::parse`] says of
/// the body otherwise. An acknowledgement, or one more packed body, does not belong in it.
pub fn unpack(packed: &Packed, frame: &[u8]) -> Result<(Vec<u8>, Body), FrameError> {
    let block = frame.get(packed.block.clone()).ok_or(FrameError::Malformed)?;
    let mut bytes = vec![0; packed.len];
    if decompress_into(block, &mut bytes).ok() != Some(packed.len) {
        return Err(FrameError::Malformed);
    }
    let body = frame::parse_body(&bytes)?;
    Ok((bytes, body))
}

#[cfg(test)]
mod tests;
