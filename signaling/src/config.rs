//! What the server can be told, as the library takes it. [`crate::options`] reads it from the command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use peerloom_protocol::limits::MAX_ROOM_MEMBERS;

use crate::origin::AllowedOrigins;
use crate::outbox::OutboxLimits;
use crate::rate::Rate;

/// What to serve and to whom.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Which pages may connect, besides the server's own.
    pub allow_origins: AllowedOrigins,
    /// A folder to serve instead of the embedded demo page.
    pub www: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed when connections are counted by address.
    pub trusted_proxies: Vec<IpAddr>,
    /// Every bound on what clients do.
    pub limits: Limits,
}

/// Every bound on what clients do. Sizes of single messages are fixed by the protocol.
#[derive(Clone, Debug)]
pub struct Limits {
    /// TCP connections in all.
    pub max_connections: usize,
    /// TCP connections from one IPv4 address or one IPv6 /64.
    pub max_connections_per_address: usize,
    /// Members of one room, at most [`MAX_ROOM_MEMBERS`].
    pub max_room_size: usize,
    /// Messages from one connection.
    pub messages: Rate,
    /// Bytes from one connection.
    pub bytes: Rate,
    /// What may wait to be written to one connection.
    pub outbox: OutboxLimits,
    /// How long a request's headers may take.
    pub header_timeout: Duration,
    /// From the upgrade to the join.
    pub join_timeout: Duration,
    /// Silence after which a client is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long that sign may take.
    pub pong_timeout: Duration,
    /// How long closing may take when the server goes down.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_address: 256,
            // A mesh of n members is n * (n - 1) / 2 connections: browsers give up long before this.
            max_room_size: 64,
            messages: Rate { per_second: 50, burst: 500 },
            bytes: Rate { per_second: 256 * 1024, burst: 512 * 1024 },
            outbox: OutboxLimits { messages: 64, bytes: 256 * 1024 },
            header_timeout: Duration::from_secs(5),
            join_timeout: Duration::from_secs(10),
            // Below the 30 to 60 s after which proxies and address translators forget an idle connection.
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The room size within what the protocol can carry.
    pub(crate) fn room_size(&self) -> usize {
        self.max_room_size.clamp(1, MAX_ROOM_MEMBERS)
    }
}
