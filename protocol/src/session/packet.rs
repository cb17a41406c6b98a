//! What is inside a sealed packet: the time it was written, then frames of any channels.
//!
//! ```text
//! packet = sent_ms:varint  record*
//! record = channel:varint  len:varint  frame
//! ```
//!
//! Channels have the numbers of their data channels: 0 carries [control messages](crate::control). `sent_ms` is a
//! time of the sender's clock; only differences count.

use std::ops::Range;

use crate::codec::{push_varint, read_varint};
use crate::limits;
use crate::seal;

/// As much plain text as a packet holds.
pub(super) const MAX_PLAIN_BYTES: usize = limits::MAX_PACKET_BYTES - seal::OVERHEAD;
/// What a record adds to its frame at most.
pub(super) const RECORD_BYTES: usize = 6;

/// Starts a packet.
pub(super) fn start(now: u64) -> Vec<u8> {
    let mut plain = Vec::new();
    push_varint(&mut plain, now);
    plain
}

/// Adds a frame.
pub(super) fn push(plain: &mut Vec<u8>, channel: u16, frame: &[u8]) {
    push_varint(plain, u64::from(channel));
    push_varint(plain, frame.len() as u64);
    plain.extend_from_slice(frame);
}

/// Channel, and where in the packet the frame is.
pub(super) type Record = (u16, Range<usize>);

/// Reads a packet: when it was written, and its frames. None when it is malformed.
pub(super) fn read(plain: &[u8]) -> Option<(u64, Vec<Record>)> {
    let mut rest = plain;
    let sent = read_varint(&mut rest)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let channel = u16::try_from(read_varint(&mut rest)?).ok()?;
        let len = usize::try_from(read_varint(&mut rest)?).ok()?;
        let start = plain.len() - rest.len();
        rest = rest.get(len..)?;
        records.push((channel, start..start + len));
    }
    Some((sent, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut plain = start(70_000);
        push(&mut plain, 0, b"control");
        push(&mut plain, 300, b"");
        push(&mut plain, 1, &[7; 200]);
        let (sent, records) = read(&plain).unwrap();
        assert_eq!(sent, 70_000);
        let frames: Vec<_> = records.into_iter().map(|(channel, range)| (channel, &plain[range])).collect();
        assert_eq!(frames, [(0, &b"control"[..]), (300, b""), (1, &[7; 200])]);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let mut plain = start(1);
        push(&mut plain, 1, b"frame");
        for len in [0, 2, 3, 6] {
            assert_eq!(read(&plain[..len]), None, "{len}");
        }
    }
}
