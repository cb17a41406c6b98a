//! What the server can be told, as the library takes it. [`crate::options`] reads it from the command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use peerloom_protocol::limits::{MAX_PACKET_BYTES, MAX_ROOM_MEMBERS, RELAY_PACKET_COST};

use crate::keys::TokenKeys;
use crate::origin::AllowedOrigins;
use crate::outbox::OutboxLimits;
use crate::rate::Rate;
use crate::turn::IceConfig;
use crate::webhook::AdmissionHook;

/// What to serve and to whom.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Which pages may connect, besides the server's own.
    pub allow_origins: AllowedOrigins,
    /// A folder to serve instead of the embedded demo page.
    pub www: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed when connections are counted by address.
    pub trusted_proxies: Vec<IpAddr>,
    /// With keys, only who brings a token signed by one of them is let in; without, everybody.
    pub token_keys: Option<TokenKeys>,
    /// With a service to ask, only whom that lets in; keys do not count then.
    pub admission_hook: Option<AdmissionHook>,
    /// STUN and TURN. Off without.
    pub ice: IceConfig,
    /// Every bound on what clients do.
    pub limits: Limits,
}

/// What the largest packet counts against the relay's limits: no burst may be smaller.
pub(crate) const LARGEST_RELAY_COST: u32 = (MAX_PACKET_BYTES + RELAY_PACKET_COST) as u32;

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
    /// Bytes of packets passed on for one member; each packet counts
    /// [`RELAY_PACKET_COST`] more than its length. A rate of 0 switches relaying off. Rate and burst should not be
    /// above those of `bytes`: who keeps to the one would break the other.
    pub relay: Rate,
    /// The same for all members of a room together.
    pub relay_room: Rate,
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
            relay: Rate { per_second: 128 * 1024, burst: 256 * 1024 },
            relay_room: Rate { per_second: 1024 * 1024, burst: 2 * 1024 * 1024 },
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

/// The limits of relaying, made consistent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayRates {
    pub(crate) member: Rate,
    pub(crate) room: Rate,
}

impl Limits {
    /// The room size within what the protocol can carry.
    pub(crate) fn room_size(&self) -> usize {
        self.max_room_size.clamp(1, MAX_ROOM_MEMBERS)
    }

    /// How much is relayed for one member and for one room; `None` when relaying is off. Each burst lets the largest
    /// packet through, and a member gets no more than its room does, so that it is told what it can really have.
    pub(crate) fn relay_rates(&self) -> Option<RelayRates> {
        if self.relay.per_second == 0 || self.relay_room.per_second == 0 {
            return None;
        }
        let room = Rate { burst: self.relay_room.burst.max(LARGEST_RELAY_COST), ..self.relay_room };
        let member = Rate {
            per_second: self.relay.per_second.min(room.per_second),
            burst: self.relay.burst.clamp(LARGEST_RELAY_COST, room.burst),
        };
        Some(RelayRates { member, room })
    }
}
