//! What can be told of a session: counts, and how full its buffers are.

use super::Channel;
use crate::channel::Payload;

/// Counts of one peer's session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// Bytes that went out over all paths: frames, and what the two sides say to each other beside them.
    pub sent_bytes: u64,
    /// Bytes that came in over all paths.
    pub received_bytes: u64,
    /// Round trip of the path in use, in milliseconds, once measured.
    pub rtt_ms: Option<u64>,
    /// How much it varies, as RFC 6298 has it.
    pub jitter_ms: Option<u64>,
    /// Of each channel by its number, and behind the declared ones of that of streams and calls.
    pub channels: Vec<ChannelStats>,
}

/// Counts of one channel with one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Messages wholly sent, those sent again included.
    pub sent_messages: u64,
    /// Messages handed to the application.
    pub received_messages: u64,
    /// Messages sent again because a path ended or fell silent.
    pub resent_messages: u64,
    /// Bytes of frames that went out.
    pub sent_bytes: u64,
    /// Bytes of frames that came in.
    pub received_bytes: u64,
    /// Bytes of messages kept here: not sent yet, or not acknowledged.
    pub queued_bytes: u64,
    /// Of those, what is sent, and counts a little for each message.
    pub unacknowledged_bytes: u64,
    /// What the peer takes beside that; None where it takes all.
    pub window_bytes: Option<u64>,
    /// Bytes that came in and wait for others before them.
    pub early_bytes: u64,
}

impl PeerStats {
    /// Of all channels.
    pub fn sum(&self, count: impl Fn(&ChannelStats) -> u64) -> u64 {
        self.channels.iter().map(count).sum()
    }

    /// Bytes of messages kept here, going out and coming in.
    pub fn kept_bytes(&self) -> u64 {
        self.sum(|channel| channel.queued_bytes + channel.early_bytes)
    }
}

impl<P: Payload, B> Channel<P, B> {
    pub(super) fn stats(&self) -> ChannelStats {
        let Self { outbox, inbox, sent_bytes, received_bytes, .. } = self;
        ChannelStats {
            sent_messages: outbox.sent_messages(),
            received_messages: inbox.received_messages(),
            resent_messages: outbox.resent_messages(),
            sent_bytes: *sent_bytes,
            received_bytes: *received_bytes,
            queued_bytes: outbox.queued_bytes() as u64,
            unacknowledged_bytes: outbox.unacknowledged(),
            window_bytes: outbox.window(),
            early_bytes: inbox.kept_bytes() as u64,
        }
    }
}
