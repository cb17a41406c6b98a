//! Every wait in the core, in milliseconds. None is endless.

/// How long a join waits for its warm connections to find a first candidate before it goes out without.
pub const WARM_UP_MS: u64 = 150;
/// From opening the WebSocket to the welcome.
pub const WELCOME_MS: u64 = 5_000;
/// A first join that the server has not let in by then fails, unless the application says otherwise.
pub const JOIN_MS: u64 = 10_000;
/// Shortest and longest back-off before the WebSocket is opened again; the wait doubles, with full jitter.
pub const BACKOFF_MS: (u64, u64) = (250, 8_000);
/// Silence after which the server is asked for a sign of life.
pub const SOCKET_IDLE_MS: u64 = 6_000;
/// The server's time to give it.
pub const SOCKET_PONG_MS: u64 = 5_000;

/// From meeting a peer until both cards are applied.
pub const CARD_EXCHANGE_MS: u64 = 4_000;
/// From applying the cards until the channels are open. At 20 % loss a connection takes 4.1 s (measured).
pub const CARD_CONNECT_MS: u64 = 8_000;
/// One plain offer/answer attempt, from its start until the channels are open.
pub const OFFER_MS: u64 = 12_000;
/// The polite peer lets the other offer first, for this long.
pub const POLITE_WAIT_MS: u64 = 1_500;
/// Between a failed attempt and the next.
pub const RETRY_MS: u64 = 300;
/// An unanswered description is sent again after this; the wait doubles each time.
pub const RESEND_MS: u64 = 1_000;
/// How often.
pub const RESENDS: u32 = 3;
/// All attempts together, from meeting a peer or losing its connection until the error.
pub const CONNECT_MS: u64 = 45_000;

/// A peer whose server connection broke must answer a ping on its direct connection within this.
pub const PROBE_MS: u64 = 3_000;
/// Deposited cards are replaced after this, since NATs forget mappings.
pub const CARD_AGE_MS: u64 = 300_000;
/// After saying goodbye, connections stay open this long so that it goes out.
pub const GOODBYE_MS: u64 = 100;
