//! Every wait in the core, in milliseconds. None is endless.

/// How long a join waits for its warm connections to find a first candidate before it goes out without.
pub const WARM_UP_MS: u64 = 150;
/// From opening the WebSocket to the welcome, when joining for the first time.
pub const WELCOME_MS: u64 = 5_000;
/// The same when coming back. In a dead network the system repeats the first packet after 1, 3 and 7 s (newer ones every
/// second for 5 s, and after 7), so an attempt of this length soon finds a network that is back. More and shorter ones
/// would find it sooner, but Firefox keeps the connections of those given up, and makes no more than 6.
pub const RETURN_MS: u64 = 10_000;
/// So long a WebSocket that was closed while it opened may open all the same: Firefox takes up to a minute.
pub const STRAY_MS: u64 = 90_000;
/// How long until one more passphrase may be tried on a page, once many were wrong: 1,440 a day.
pub const GUESS_MS: u64 = 60_000;
/// The application's time to give an admission token.
pub const TOKEN_MS: u64 = 10_000;
/// A first join that the server has not let in by then fails, unless the application says otherwise.
pub const JOIN_MS: u64 = 10_000;
/// Shortest and longest back-off before the WebSocket is opened again; the wait doubles, with full jitter.
pub const BACKOFF_MS: (u64, u64) = (250, 8_000);
/// After as many failures in a row the WebSocket is opened only when the server answers a plain request: browsers let
/// WebSockets wait for longer and longer when others have failed (Chromium up to 5 s, Firefox up to a minute).
pub const QUICK_TRIES: u32 = 3;
/// Between two such requests while peers may still be waiting for us, and later.
pub const ASK_SERVER_MS: (u64, u64) = (250, 2_000);
/// How long that is: the first minute.
pub const EARLY_MS: u64 = 60_000;
/// How long the server may take to answer one. After that the WebSocket is tried.
pub const SERVER_ANSWER_MS: u64 = 1_500;
/// First and longest wait for the WebSocket when no answer comes: the page may not be allowed such requests.
pub const SLOW_TRY_MS: (u64, u64) = (10_000, 60_000);
/// When the server goes down and says so, its members come back spread over this time.
pub const SPREAD_MS: u64 = 5_000;
/// Silence after which the server is asked for a sign of life.
pub const SOCKET_IDLE_MS: u64 = 6_000;
/// The server's time to give it.
pub const SOCKET_PONG_MS: u64 = 5_000;
/// The same when paths to peers have fallen silent or the network changed, which makes a dead socket likely.
pub const SOCKET_CHECK_MS: u64 = 1_500;
/// The server's time to send a member away that it is asked to.
pub const KICK_MS: u64 = 10_000;
/// A page that looks later than this after either was over was busy, and what the server said may wait to be read: the
/// server has as long again.
pub const SOCKET_LATE_MS: u64 = 250;

/// From meeting a peer until both cards are applied.
pub const CARD_EXCHANGE_MS: u64 = 4_000;
/// From applying the cards until the channels are open. At 20 % loss a connection takes 4.1 s (measured).
pub const CARD_CONNECT_MS: u64 = 8_000;
/// An attempt by cards that knew of no TURN server, while there is one now, gives way to another after this, or after twice as
/// long as the join took if that is longer.
pub const WITHOUT_TURN_MS: u64 = 1_000;
/// Credentials for TURN servers are good for this long at least, whatever the server says, and the application's do not become older
/// before it is asked again.
pub const SHORTEST_ICE_MS: u64 = 10_000;
/// New ones that did not come are asked for again after this.
pub const ICE_AGAIN_MS: u64 = 10_000;
/// The application's time to give new ones, before connections are made with the last that it gave.
pub const ICE_WAIT_MS: u64 = 2_000;
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
/// From meeting a peer until the application is told that no path to it was found. It is tried on, and nothing is lost yet.
pub const NO_PATH_MS: u64 = 14_000;
/// All attempts together, from meeting a peer or losing its connection until what waits for it is given up.
pub const CONNECT_MS: u64 = 45_000;

/// How often a peer may have a connection made by an offer, or begin its session anew, once it has done so
/// [`limits::MAX_ANEW_AT_ONCE`](crate::limits::MAX_ANEW_AT_ONCE) times. An honest one that is over this is heard when it
/// says it again.
pub const ANEW_MS: u64 = 1_000;
/// How often a page makes a connection because of what others do, once it has made
/// [`limits::MAX_CONNECTIONS_AT_ONCE`](crate::limits::MAX_CONNECTIONS_AT_ONCE). Making one takes some milliseconds.
pub const CONNECTION_MS: u64 = 100;
/// First pause before a direct connection is tried again after all attempts failed; it doubles up to the second.
pub const TRY_AGAIN_MS: (u64, u64) = (30_000, 300_000);
/// Cards for newcomers are made this long after somebody was met, who comes first, and later while others are still being
/// connected, but no later than the second.
pub const FILL_MS: (u64, u64) = (250, 3_000);
/// Deposited cards are replaced after this, since NATs forget mappings.
pub const CARD_AGE_MS: u64 = 300_000;
/// After saying goodbye, connections stay open this long so that it goes out.
pub const GOODBYE_MS: u64 = 100;

/// A path to a peer that nothing was heard from for this long is asked for a sign of life.
pub const HEARTBEAT_MS: u64 = 1_000;
/// The same while messages are under way.
pub const IN_FLIGHT_PING_MS: u64 = 500;
/// How long an answer may take before other paths are used: the first, and two round trips, but at most the second.
pub const QUIET_MS: (u64, u64) = (400, 3_000);
/// The round trip of a path before it is measured.
pub const ASSUMED_RTT_MS: u64 = 100;
/// A peer whose round trip is shorter than this is near: what is on its way to it needs no bounds but those of SCTP.
pub const NEAR_MS: u64 = 10;
/// A transfer to a peer that is not near, and that has waited for its connection for this long, is given more.
pub const LANES_MS: u64 = 500;
/// And not again before this long: neither when one could not be made, nor when the other side keeps asking for it.
pub const LANE_AGAIN_MS: u64 = 30_000;
/// They are closed when nothing went over them for this long.
pub const LANE_IDLE_MS: u64 = 10_000;
/// Between two frames that ask for an acknowledgement.
pub const ASK_MS: u64 = 100;
/// The WebSocket is looked at again after this while it holds more than it should.
pub const SOCKET_FULL_MS: u64 = 50;
/// A peer that nothing was heard from for this long, over any path, is suspended: three missed heartbeats.
pub const SUSPEND_MS: u64 = 3_500;
/// A direct path that is quiet for this long is made anew, when the peer can be told so.
pub const DIRECT_DEAD_MS: u64 = 5_000;
/// A peer whose socket broke, as when a page crashes, and that nothing is heard from has left after this.
pub const LOST_MS: u64 = 8_000;
/// And not before it had this long to come back.
pub const PROBE_MS: u64 = 3_000;
/// A peer that nothing was ever heard from, and that the server does not list any more, has left after this.
pub const UNHEARD_MS: u64 = 20_000;
/// A peer that nothing is heard from has left after this, unless the application says otherwise: a minute, and the time
/// that finding back takes a peer that was cut off for so long.
pub const PEER_TIMEOUT_MS: u64 = 65_000;
/// First pause before the newest value of a latest channel is sent again; it doubles up to the second.
pub const LATEST_RETRY_MS: (u64, u64) = (250, 2_000);
/// What went through the server is sent again when nothing was acknowledged for this long.
pub const STALLED_MS: u64 = 5_000;
/// Leaving waits this long for what was sent to be acknowledged.
pub const LINGER_MS: u64 = 5_000;
/// A timer that runs late by more than this shows that the page was frozen.
pub const FROZEN_MS: u64 = 3_000;
/// Confirmations that did not come within this are a timeout, unless the application says otherwise.
pub const CONFIRM_MS: u64 = 30_000;

/// The earliest of these times. It is asked for after every input and every frame: by `flatten` and `min` it took a quarter
/// of what a small message costs.
pub(crate) fn earliest(times: &[Option<u64>]) -> Option<u64> {
    let first = times.iter().fold(u64::MAX, |first, time| first.min(time.unwrap_or(u64::MAX)));
    Some(first).filter(|first| *first < u64::MAX)
}
