//! The frame that carries every control message: a version byte, then length-delimited records.
//!
//! ```text
//! frame  = version:u8  record*
//! record = length:varint  body        body = kind:varint  fields   (postcard)
//! ```
//!
//! `varint` is LEB128 as in the postcard specification. `length` counts the bytes of `body`. A record whose
//! kind is unknown is skipped, and bytes behind the last known field of a known kind are ignored: both are how
//! a newer peer stays readable. Kinds and fields are only ever appended. Decoding copies nothing longer than the
//! input and never panics; `docs/wire.md` lists every message with test vectors.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version this code speaks, the first byte of every frame.
pub const VERSION: u8 = 1;

/// A message enum that travels as records of a frame.
pub trait Message: Serialize + DeserializeOwned {
    /// How many kinds (variants) this version knows. Higher kinds are skipped.
    const KINDS: u32;
}

/// Why a frame could not be read. Final for that frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The frame has no bytes.
    #[error("empty frame")]
    Empty,
    /// The frame is longer than its place allows.
    #[error("frame of {len} bytes, at most {max} allowed")]
    TooLong {
        /// The frame's length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The first byte names a version this code does not speak.
    #[error("frame version {0}, expected {VERSION}")]
    Version(u8),
    /// A record's length reaches behind the end of the frame.
    #[error("record cut short")]
    Truncated,
    /// A record of a known kind does not hold what that kind needs.
    #[error("malformed record of kind {0}")]
    Malformed(u32),
}

impl CodecError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::Truncated | Self::Malformed(_) => "bad-message",
            Self::TooLong { .. } => "message-too-long",
            Self::Version(_) => "version-mismatch",
        }
    }
}

/// Starts a frame; [`push`] adds records to it.
pub fn frame() -> Vec<u8> {
    vec![VERSION]
}

/// Appends one message to a frame.
pub fn push<M: Message>(frame: &mut Vec<u8>, message: &M) {
    let body = to_bytes(message);
    push_varint(frame, body.len() as u64);
    frame.extend_from_slice(&body);
}

/// What postcard makes of one of our own types.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Not `expect`, which would link the texts of all postcard's errors.
    let Ok(bytes) = postcard::to_allocvec(value) else {
        unreachable!("no type of ours has a Serialize that fails, and memory takes all");
    };
    bytes
}

/// A frame with a single message.
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    let mut out = frame();
    push(&mut out, message);
    out
}

/// Reads the records of a frame of at most `max` bytes, in order, skipping kinds this version does not know.
///
/// # Errors
/// At once when the frame is empty, over `max` or of another version. The iterator gives one `Err` and ends at
/// the first record that cannot be read.
pub fn decode<M: Message>(bytes: &[u8], max: usize) -> Result<Records<'_, M>, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong { len: bytes.len(), max });
    }
    match bytes.split_first() {
        None => Err(CodecError::Empty),
        Some((&VERSION, rest)) => Ok(Records { bodies: Bodies { rest, record: rest }, message: PhantomData }),
        Some((&other, _)) => Err(CodecError::Version(other)),
    }
}

/// The messages of a frame, from [`decode`].
#[derive(Debug)]
pub struct Records<'a, M> {
    bodies: Bodies<'a>,
    message: PhantomData<M>,
}

impl<M> Records<'_, M> {
    /// How many bytes of the frame follow the beginning of the record that came last, and how many its end.
    pub(crate) fn left(&self) -> (usize, usize) {
        (self.bodies.record.len(), self.bodies.rest.len())
    }
}

impl<M: Message> Iterator for Records<'_, M> {
    type Item = Result<M, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, body) = match self.bodies.next(M::KINDS)? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let message = postcard::take_from_bytes::<M>(body).map(|(message, _newer_fields)| message);
        Some(message.map_err(|_| {
            self.bodies.rest = &[];
            CodecError::Malformed(kind)
        }))
    }
}

/// The part of [`Records`] that is the same for every kind of message, so that it is compiled once.
#[derive(Debug)]
struct Bodies<'a> {
    rest: &'a [u8],
    /// From the beginning of the last record on.
    record: &'a [u8],
}

impl<'a> Bodies<'a> {
    /// Kind and body of the next record whose kind is below `kinds`.
    fn next(&mut self, kinds: u32) -> Option<Result<(u32, &'a [u8]), CodecError>> {
        while !self.rest.is_empty() {
            let mut rest = self.rest;
            let body = read_varint(&mut rest)
                .and_then(|len| usize::try_from(len).ok())
                .and_then(|len| rest.split_at_checked(len));
            let kind = body.and_then(|(mut fields, _)| read_varint(&mut fields));
            let (Some((body, after)), Some(kind)) = (body, kind) else {
                self.rest = &[];
                return Some(Err(CodecError::Truncated));
            };
            (self.record, self.rest) = (self.rest, after);
            if kind < u64::from(kinds) {
                return Some(Ok((kind as u32, body)));
            }
        }
        None
    }
}

/// Appends `value` as LEB128, low bits first.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes one LEB128 number off the front of `bytes`. `None` when it is cut short or over 64 bits.
pub fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Old {
        One(u8),
    }
    impl Message for Old {
        const KINDS: u32 = 1;
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum New {
        One(u8, u16),
        Two,
    }
    impl Message for New {
        const KINDS: u32 = 2;
    }

    #[test]
    fn unknown_kinds_and_newer_fields_are_skipped() {
        let mut bytes = frame();
        push(&mut bytes, &New::Two);
        push(&mut bytes, &New::One(7, 900));
        let read: Vec<_> = decode::<Old>(&bytes, 100).unwrap().collect();
        assert_eq!(read, [Ok(Old::One(7))]);
    }

    #[test]
    fn a_bad_record_ends_the_frame() {
        let read: Vec<_> = decode::<New>(&[1, 2, 0, 7, 1, 1], 100).unwrap().collect();
        assert_eq!(read, [Err(CodecError::Malformed(0))]);
        let read: Vec<_> = decode::<New>(&[1, 200, 1, 0], 100).unwrap().collect();
        assert_eq!(read, [Err(CodecError::Truncated)]);
    }

    #[test]
    fn version_and_size_are_checked_first() {
        assert_eq!(decode::<New>(&[], 10).err(), Some(CodecError::Empty));
        assert_eq!(decode::<New>(&[2, 1, 1], 10).err(), Some(CodecError::Version(2)));
        assert_eq!(decode::<New>(&[1; 11], 10).err(), Some(CodecError::TooLong { len: 11, max: 10 }));
    }

    #[test]
    fn varints_are_exact() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!((read_varint(&mut rest), rest.len()), (Some(value), 0));
        }
        assert_eq!(read_varint(&mut &[0xff; 11][..]), None);
        assert_eq!(read_varint(&mut &[0x80][..]), None);
    }
}
