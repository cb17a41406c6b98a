//! Every bound on what comes from outside, in one table.
//!
//! Whatever a peer, the server or a client sends is checked against these before anything is allocated for
//! it. Sizes are in bytes, times in milliseconds, unless the name says otherwise.

/// One WebSocket message from a client, and so one [frame](crate::codec) at most.
pub const MAX_SOCKET_MESSAGE_BYTES: usize = 64 * 1024;
/// One WebSocket message from the server: a welcome to the largest room fits.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// A room's name, in bytes of UTF-8.
pub const MAX_ROOM_NAME_BYTES: usize = 128;
/// A member's hello: its channels and its metadata.
pub const MAX_HELLO_BYTES: usize = 6 * 1024;
/// A member's metadata, as JSON text.
pub const MAX_METADATA_BYTES: usize = 2 * 1024;
/// One envelope from peer to peer through the server.
pub const MAX_SIGNAL_BYTES: usize = 20 * 1024;
/// Admission token handed over in a join.
pub const MAX_TOKEN_BYTES: usize = 4 * 1024;
/// Text that goes with an error.
pub const MAX_ERROR_TEXT_BYTES: usize = 256;
/// Members named in one welcome. The server's own room cap is lower by default.
pub const MAX_ROOM_MEMBERS: usize = 256;
/// Cards a joiner brings, and cards a resident keeps deposited.
pub const MAX_CARDS: usize = 4;
/// A join larger than this (as base64url) does not ride in the WebSocket upgrade but in the first message,
/// because many proxies refuse request headers above 8 KiB.
pub const MAX_EARLY_JOIN_CHARS: usize = 6 * 1024;

/// One card (ICE credentials, fingerprint, candidates), encoded.
pub const MAX_CARD_BYTES: usize = 1024;
/// ICE candidates inside one card; later ones are trickled.
pub const MAX_CARD_CANDIDATES: usize = 12;
/// ICE candidates accepted from a peer for one connection.
pub const MAX_CANDIDATES: usize = 64;
/// One ICE candidate, as the text of its SDP attribute.
pub const MAX_CANDIDATE_BYTES: usize = 512;
/// A session description from a peer.
pub const MAX_SDP_BYTES: usize = 16 * 1024;

/// Channels one protocol may declare. Each is an SCTP stream of its own.
pub const MAX_CHANNELS: usize = 32;
/// A channel's label, in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 64;
/// A codec's name.
pub const MAX_CODEC_BYTES: usize = 32;
/// One application message, encoded. Larger payloads are the application's to split, or a stream's.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// One data-channel message: the size every browser takes without interleaving trouble (RFC 8831 §6.6).
pub const MAX_FRAME_BYTES: usize = 16 * 1024;
/// Bytes handed to one data channel and not yet sent. More makes SCTP's slow start overshoot on a fresh
/// connection and stall it for seconds (measured).
pub const MAX_OUTSTANDING_BYTES: usize = 64 * 1024;
/// The browser reports `bufferedamountlow` below this.
pub const LOW_WATER_BYTES: usize = 16 * 1024;
/// `send` waits while a peer's outbox for a channel holds more than this.
pub const HIGH_WATER_BYTES: usize = 1024 * 1024;
/// Half-received messages a peer may have on one channel that may lose messages; the oldest gives way.
pub const MAX_PARTIAL_MESSAGES: usize = 8;
/// Half-received messages a peer may have on one reliable unordered channel. More is an error, so there is room for
/// what an honest peer may cause: every message of a few MiB in flight with a fragment that has to be sent again.
pub const MAX_RELIABLE_PARTIAL_MESSAGES: usize = 1024;
/// Bytes of half-received messages a peer may have on one channel.
pub const MAX_PARTIAL_BYTES: usize = 32 * 1024 * 1024;

/// One message on the control channel.
pub const MAX_CONTROL_BYTES: usize = 1024;
