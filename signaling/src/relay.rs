//! Packets on their way through the server: read where they lie, copied once into what the receiver is sent.
//!
//! The codec would copy a packet out of the message it came in, and twice more into the one it leaves in. For the few
//! bytes around it that does not matter; for packets it is most of what relaying costs.

use std::time::Duration;

use bytes::Bytes;
use peerloom_protocol::codec::{VERSION, push_varint, read_varint};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits::{MAX_PACKET_BYTES, RELAY_PACKET_COST};
use peerloom_protocol::signal::ServerMessage;

/// The kind of [`ClientMessage::Relay`](peerloom_protocol::signal::ClientMessage::Relay).
const KIND_RELAY: u64 = 5;
/// The kind of [`ServerMessage::Relayed`].
const KIND_RELAYED: u64 = 6;
/// A length, a kind, an id, an epoch, a length.
const MAX_HEAD_BYTES: usize = 3 + 1 + 16 + 5 + 3;

/// Told to a sender whose receiver has no room: about what a client on a slow network takes to empty its outbox.
pub(crate) const WAIT_FOR_OUTBOX: Duration = Duration::from_millis(200);
/// Told to a sender when relaying is off.
pub(crate) const WAIT_WHEN_OFF: Duration = Duration::from_secs(10);

/// A packet and whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relay<'a> {
    pub(crate) to: PeerId,
    pub(crate) epoch: u32,
    pub(crate) packet: &'a [u8],
}

impl<'a> Relay<'a> {
    /// Reads a frame that holds one relay and nothing else. Any other, and any that is not well formed, is left to the
    /// codec by `None`.
    pub(crate) fn read_alone(frame: &'a [u8]) -> Option<Self> {
        let (&VERSION, mut rest) = frame.split_first()? else { return None };
        let len = read_varint(&mut rest)?;
        if len != rest.len() as u64 || read_varint(&mut rest)? != KIND_RELAY {
            return None;
        }
        let (&to, mut rest) = rest.split_first_chunk()?;
        let epoch = u32::try_from(read_varint(&mut rest)?).ok()?;
        let len = usize::try_from(read_varint(&mut rest)?).ok()?;
        if len > MAX_PACKET_BYTES {
            return None;
        }
        Some(Self { to: PeerId(to), epoch, packet: rest.get(..len)? })
    }

    /// What it takes from the buckets.
    pub(crate) fn cost(&self) -> u32 {
        u32::try_from(self.packet.len() + RELAY_PACKET_COST).unwrap_or(u32::MAX)
    }

    /// The frame with the packet for its receiver: [`ServerMessage::Relayed`].
    pub(crate) fn stamped(&self, from: PeerId, epoch: u32) -> Bytes {
        let mut head = Vec::with_capacity(MAX_HEAD_BYTES);
        push_varint(&mut head, KIND_RELAYED);
        head.extend_from_slice(&from.0);
        push_varint(&mut head, epoch.into());
        push_varint(&mut head, self.packet.len() as u64);
        let mut frame = Vec::with_capacity(1 + MAX_HEAD_BYTES + self.packet.len());
        frame.push(VERSION);
        push_varint(&mut frame, (head.len() + self.packet.len()) as u64);
        frame.extend_from_slice(&head);
        frame.extend_from_slice(self.packet);
        Bytes::from(frame)
    }

    /// What its sender is told when it was not passed on and may be sent again after `wait`.
    pub(crate) fn throttled(&self, wait: Duration) -> ServerMessage {
        throttled(self.to, self.epoch, wait)
    }
}

/// What a sender is told of something that was not passed on.
pub(crate) fn throttled(to: PeerId, epoch: u32, wait: Duration) -> ServerMessage {
    let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).clamp(50, 10_000);
    ServerMessage::Throttled { to, epoch, wait_ms }
}

#[cfg(test)]
mod tests {
    use peerloom_protocol::codec;
    use peerloom_protocol::signal::ClientMessage;
    use proptest::prelude::*;

    use super::*;

    fn packet(len: usize) -> Vec<u8> {
        (0..len).map(|index| index as u8).collect()
    }

    /// The lengths at which a length takes another byte, and those around the limit.
    const LENGTHS: [usize; 8] = [0, 1, 100, 127, 128, 16_383, 16_384, MAX_PACKET_BYTES];

    #[test]
    fn frames_are_those_of_the_codec() {
        for len in LENGTHS {
            for epoch in [0, 127, 128, u32::MAX] {
                let (to, from) = (PeerId([1; 16]), PeerId([2; 16]));
                let bytes = packet(len);
                let packet: peerloom_protocol::signal::PacketBytes = bytes.clone().try_into().unwrap();
                let sent = codec::encode(&ClientMessage::Relay { to, epoch, packet: packet.clone() });
                let relay = Relay { to, epoch, packet: &bytes };
                assert_eq!(Relay::read_alone(&sent), Some(relay));
                let stamped = codec::encode(&ServerMessage::Relayed { from, epoch, packet });
                assert_eq!(relay.stamped(from, epoch), stamped);
            }
        }
    }

    #[test]
    fn what_is_not_a_relay_alone_is_left_to_the_codec() {
        let alone = codec::encode(&relay_of(3));
        for frame in [
            vec![],
            vec![1],
            codec::encode(&ClientMessage::Ping { nonce: 1 }),
            [&alone[..], &[1, 99]].concat(),
            alone[..alone.len() - 1].to_vec(),
            [&[2], &alone[1..]].concat(),
        ] {
            assert_eq!(Relay::read_alone(&frame), None, "{frame:?}");
        }
        // One byte more than a packet may have, well formed otherwise.
        let mut body = vec![5];
        body.extend([0; 17]);
        push_varint(&mut body, MAX_PACKET_BYTES as u64 + 1);
        body.extend(packet(MAX_PACKET_BYTES + 1));
        let mut frame = codec::frame();
        push_varint(&mut frame, body.len() as u64);
        frame.extend(body);
        assert_eq!(Relay::read_alone(&frame), None);
    }

    fn relay_of(len: usize) -> ClientMessage {
        ClientMessage::Relay { to: PeerId([7; 16]), epoch: 300, packet: packet(len).try_into().unwrap() }
    }

    proptest! {
        /// Whatever is done to a frame: what is read of it is what the codec reads, or it is left to the codec.
        #[test]
        fn it_reads_what_the_codec_reads(len in 0..200usize, changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3)) {
            let mut frame = codec::encode(&relay_of(len));
            for (at, byte) in changes {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            if let Some(relay) = Relay::read_alone(&frame) {
                let read: Vec<_> = codec::decode::<ClientMessage>(&frame, frame.len()).unwrap().collect();
                let packet = relay.packet.to_vec().try_into().unwrap();
                let expected = ClientMessage::Relay { to: relay.to, epoch: relay.epoch, packet };
                // A number may be written longer than it has to be; the codec sets a bound on that.
                let refused = matches!(read[..], [Err(codec::CodecError::Malformed(5))]);
                prop_assert!(refused || read == [Ok(expected)], "{:?}", read);
            }
        }
    }

    #[test]
    fn waits_are_bounded() {
        let relay = Relay { to: PeerId([1; 16]), epoch: 1, packet: &[] };
        for (wait_ms, expected) in [(0, 50), (50, 50), (51, 51), (9_999, 9_999), (1 << 40, 10_000)] {
            let told = relay.throttled(Duration::from_millis(wait_ms));
            assert_eq!(told, ServerMessage::Throttled { to: relay.to, epoch: 1, wait_ms: expected });
        }
    }
}
