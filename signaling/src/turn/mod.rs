//! STUN and TURN: what clients need to learn their own address, and to reach each other where only a relay can be reached.
//!
//! `machine` is the server without sockets and without a clock: packets of clients and peers go in, what to send comes out; `relaying` is
//! what requests do.
//! It reads and writes messages by `wire`, knows its users by `credentials` and `nonce`, lets relays send by `peers` only, bounds
//! them by `quota` and everybody by `sources`, and keeps what a client has made in `allocation`. `serve` has the sockets:
//! `udp` and `stream` move bytes between them and the machine.

mod allocation;
pub(crate) mod credentials;
mod fuzz;
mod machine;
mod nonce;
pub(crate) mod peers;
mod quota;
mod relaying;
mod serve;
mod sources;
mod stream;
mod tls;
mod udp;
mod wire;

#[cfg(test)]
mod refused;
#[cfg(test)]
mod request;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::http::HeaderName;

use crate::rate::Rate;
use crate::regions::{Region, TurnServer};

#[doc(hidden)]
pub use fuzz::TurnFuzz;

pub use credentials::{BadTurnSecret, LONGEST_LIFETIME_S, TurnSecret};
pub use peers::{BadNetwork, Network};
pub use serve::{Ice, IceError};
pub use tls::{TurnCertificate, TurnCertificateError};

/// The port of STUN and TURN (RFC 8656 §6).
pub const STUN_PORT: u16 = 3478;
/// The same over TLS.
pub const TURNS_PORT: u16 = 5349;

/// What the server does to help clients find a way to each other.
#[derive(Clone, Debug)]
pub struct IceConfig {
    /// Where it tells clients by which address it sees them. It does so at the next port too, if that is free: who asks both from
    /// one socket learns whether its router shows it to everybody by one port (RFC 4787).
    pub stun: StunAddress,
    /// Answers to one IPv4 address or one IPv6 /64, over UDP.
    pub answers: Rate,
    /// The relay; none without.
    pub turn: Option<TurnConfig>,
    /// The name by which clients reach both, where it is not the one they know the server by.
    pub host: Option<String>,
    /// Further relays that know the same secret. Each member is told of [few](crate::MAX_TOLD_SERVERS).
    pub servers: Vec<TurnServer>,
    /// Where this server is, and its relay; and its members, if nothing else is known of them.
    pub region: Option<Region>,
    /// By which a trusted proxy says in what region a member is.
    pub region_header: Option<HeaderName>,
    /// What credentials are made with; the relay's own is another in each run if there is none.
    pub secret: Option<TurnSecret>,
}

impl Default for IceConfig {
    /// None of it: a program that embeds the server says what ports it opens.
    fn default() -> Self {
        Self {
            stun: StunAddress::Off,
            answers: Rate { per_second: 100, burst: 500 },
            turn: None,
            host: None,
            servers: Vec::new(),
            region: None,
            region_header: None,
            secret: None,
        }
    }
}

/// Where to answer STUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunAddress {
    /// Nowhere.
    Off,
    /// At port 3478 of the address that the server listens on, if nobody else has it.
    Usual,
    /// There, or the server does not start.
    At(SocketAddr),
}

/// The relay's settings.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// Addresses of this machine to relay from, one of each family at most. Without, the one that STUN is answered at.
    pub relay_addresses: Vec<IpAddr>,
    /// What peers see instead, where an address is translated on the way.
    pub external_addresses: Vec<IpAddr>,
    /// Ports to relay from.
    pub ports: RangeInclusive<u16>,
    /// Peers besides those in the public internet.
    pub allow_peers: Vec<Network>,
    /// TLS, where there is a certificate.
    pub tls: Option<TurnTls>,
    /// What users may have.
    pub limits: TurnLimits,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            relay_addresses: Vec::new(),
            external_addresses: Vec::new(),
            // Those that are nobody's (RFC 6335 §6).
            ports: 49_152..=65_535,
            allow_peers: Vec::new(),
            tls: None,
            limits: TurnLimits::default(),
        }
    }
}

/// TURN over TLS.
#[derive(Clone, Debug)]
pub struct TurnTls {
    /// Where; without, port 5349 of the address that STUN is answered at.
    pub address: Option<SocketAddr>,
    /// By whose name.
    pub certificate: TurnCertificate,
}

/// Every bound on what users of the relay do.
#[derive(Clone, Debug)]
pub struct TurnLimits {
    /// Relays in all.
    pub allocations: usize,
    /// Relays of one user.
    pub allocations_per_user: usize,
    /// Relays for one IPv4 address or one IPv6 /64.
    pub allocations_per_address: usize,
    /// Bytes relayed for one user, in both directions together.
    pub user: Rate,
    /// Bytes relayed for all.
    pub all: Rate,
    /// TCP connections in all.
    pub connections: usize,
    /// TCP connections from one IPv4 address or one IPv6 /64.
    pub connections_per_address: usize,
    /// How long a TCP connection may take until it has a relay.
    pub silence: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            allocations: 1_000,
            // A browser makes one for each way to the server and each of its addresses, and for each connection.
            allocations_per_user: 32,
            allocations_per_address: 128,
            user: Rate { per_second: 1024 * 1024, burst: 2 * 1024 * 1024 },
            all: Rate { per_second: 12 * 1024 * 1024, burst: 24 * 1024 * 1024 },
            connections: 1_000,
            connections_per_address: 128,
            silence: Duration::from_secs(10),
        }
    }
}
