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
/// Messages from the server that wait until signatures in one before them are checked.
pub const MAX_WAITING_MESSAGES: usize = 4 * 1024;
/// Stays of others that are remembered during one of ours. After so many we begin another.
pub const MAX_STAYS_HEARD: usize = 1_024;
/// One envelope from peer to peer through the server.
pub const MAX_SIGNAL_BYTES: usize = 20 * 1024;
/// One sealed packet through the server: a [frame](MAX_FRAME_BYTES) and what surrounds it.
pub const MAX_PACKET_BYTES: usize = 18 * 1024;
/// What a packet through the server counts against its limits beside its length, so that small ones are bounded too.
pub const RELAY_PACKET_COST: usize = 256;
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
/// Offers of a peer that lead to a connection, and sessions that it begins anew, one after the other without a pause. More
/// are not taken, but for one each [`ANEW_MS`](crate::timing::ANEW_MS).
pub const MAX_ANEW_AT_ONCE: u32 = 8;
/// Connections that a page makes at the same time, to all members together; the others wait for their turn. A browser that
/// makes more is slower with each, and a stranger with many identities costs no more than this.
pub const MAX_PENDING_CONNECTIONS: usize = 64;
/// Connections that a page makes one after the other without a pause: one to each member of the largest room. After that
/// it is one each [`CONNECTION_MS`](crate::timing::CONNECTION_MS).
pub const MAX_CONNECTIONS_AT_ONCE: u32 = MAX_ROOM_MEMBERS as u32;
/// STUN and TURN servers that the signaling server names, each by one URI.
pub const MAX_ICE_SERVERS: usize = 16;
/// One URI.
pub const MAX_ICE_URL_BYTES: usize = 256;
/// The name and the password for a TURN server, each. RFC 8489 §14.3 has names of less than 509 bytes.
pub const MAX_ICE_CREDENTIAL_BYTES: usize = 508;
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
/// One data-channel message: the size every browser takes without interleaving trouble (RFC 8831 §6.6). The header
/// comes on top of 16 KiB, because that is what applications like to send: such a message travels whole.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 + 24;
/// Bytes handed to one data channel and not yet sent: four frames. More makes SCTP's slow start overshoot on a fresh
/// connection and stall it for seconds (measured).
pub const MAX_OUTSTANDING_BYTES: usize = 4 * MAX_FRAME_BYTES;
/// The browser reports `bufferedamountlow` from this down: as soon as one more frame may be handed over, so that the
/// channel does not run dry meanwhile.
pub const LOW_WATER_BYTES: usize = MAX_OUTSTANDING_BYTES - MAX_FRAME_BYTES;
/// Bytes a channel takes from a peer ahead of the application, and keeps for a peer before `send` waits, unless the
/// application says otherwise.
pub const WINDOW_BYTES: u32 = 1024 * 1024;
/// The bounds of what it may say.
pub const MIN_WINDOW_BYTES: u32 = 64 * 1024;
/// See [`MIN_WINDOW_BYTES`].
pub const MAX_WINDOW_BYTES: u32 = 64 * 1024 * 1024;
/// Bytes of one channel on their way through the server and not acknowledged.
pub const MAX_RELAY_IN_FLIGHT_BYTES: u64 = 64 * 1024;
/// Bytes of one channel on their way to a peer that is not near, and not acknowledged, before round trips have shown that
/// more do no harm.
pub const FIRST_IN_FLIGHT_BYTES: u64 = 256 * 1024;
/// Up to here there may be twice as many each round trip, and [`MORE_IN_FLIGHT_BYTES`] more beyond.
pub const SURE_IN_FLIGHT_BYTES: u64 = 512 * 1024;
/// See [`SURE_IN_FLIGHT_BYTES`].
pub const MORE_IN_FLIGHT_BYTES: u64 = 64 * 1024;
/// Bytes of frames kept for a path on which the peer has not said which session it means.
pub const MAX_EARLY_BYTES: usize = 32 * 1024 * 1024;
/// Half-received messages a peer may have on one channel that may lose messages; the oldest gives way.
pub const MAX_PARTIAL_MESSAGES: usize = 8;
/// Half-received messages a peer may have on one reliable unordered channel. More is an error, so there is room for
/// what an honest peer may cause: every message of a few MiB in flight with a fragment that has to be sent again.
pub const MAX_RELIABLE_PARTIAL_MESSAGES: usize = 1024;
/// Bytes of half-received messages a peer may have on one channel.
pub const MAX_PARTIAL_BYTES: usize = 32 * 1024 * 1024;

/// One message on the control channel: a card and what surrounds it.
pub const MAX_CONTROL_BYTES: usize = MAX_CARD_BYTES + 16;
/// Connections to one peer beside the first, for long transfers.
pub const MAX_LANES: usize = 3;

/// One message of a stream. It fits one frame with all headers, so that messages of several streams alternate.
pub const MAX_STREAM_MESSAGE_BYTES: usize = 16_000;
/// Streams that one peer may have opened to another and not yet brought to an end. More are refused one by one, and as
/// many refusals that wait to be sent are the end of it.
pub const MAX_STREAMS: usize = 64;
/// A stream's name, in bytes of UTF-8.
pub const MAX_STREAM_NAME_BYTES: usize = 256;
/// Why a stream was aborted or cancelled, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 256;
/// Bytes of one direction of a stream that may be sent before any has been read, and that may wait unread later.
pub const STREAM_WINDOW_BYTES: usize = 256 * 1024;
/// Writers wait while as much of theirs has not left, each write counting a little more than its bytes.
pub const STREAM_HIGH_WATER_BYTES: usize = 256 * 1024;

/// Calls that one peer may have waiting for an answer of another.
pub const MAX_CALLS: usize = 256;
/// Bytes of their requests, together.
pub const MAX_CALL_BYTES: usize = 64 * 1024 * 1024;
/// The body of one request or response: a message of the channel, less the head.
pub const MAX_CALL_BODY_BYTES: usize = MAX_MESSAGE_BYTES - 32;
/// The code of a failed call, in bytes of UTF-8.
pub const MAX_CALL_CODE_BYTES: usize = 64;
/// The text of a failed call, in bytes of UTF-8.
pub const MAX_CALL_TEXT_BYTES: usize = 1024;
