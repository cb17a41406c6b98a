//! What members are told about STUN and TURN: where both are, and credentials that are good for ten minutes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::uri::Authority;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::signal::ServerMessage;
use peerloom_protocol::{ice as signal, limits};

use crate::regions::{Region, TurnServer, choose};
use crate::turn::{Ice, LONGEST_LIFETIME_S};

/// An entry of `iceServers` as browsers take it (`RTCIceServer`).
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` addresses of it.
    pub urls: Vec<String>,
    /// With it, for relays.
    pub username: Option<String>,
    /// The password of that name.
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls.len()).finish_non_exhaustive()
    }
}

impl Ice {
    /// What a member is told that is in this region, and reaches the server as `host`, a name or an address without port: one entry
    /// for STUN, and one for each relay that is the best for it. This server's own counts as one in the server's region, of
    /// priority 0. Credentials are for the member's id, and good for [`LONGEST_LIFETIME_S`] from `now` on. Nothing when the
    /// server does none of it.
    pub fn ice_servers(
        &self,
        host: &str,
        region: Option<&Region>,
        id: PeerId,
        now: SystemTime,
    ) -> Vec<IceServer> {
        let mut servers = Vec::new();
        let host = url_host(self.config.host.as_deref().unwrap_or(host));
        let at = |scheme: &str, address: SocketAddr, query: &str| {
            format!("{scheme}:{host}:{}{query}", address.port())
        };
        if let Some(address) = self.stun_address() {
            servers.push(IceServer { urls: vec![at("stun", address, "")], username: None, credential: None });
        }
        let Some(secret) = &self.secret else { return servers };
        let unix_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (username, credential) = secret.mint(&id.to_string(), unix_s + LONGEST_LIFETIME_S);
        let mut own = Vec::new();
        if let Some(address) = self.stun_address().filter(|_| self.has_relay()) {
            own.push(at("turn", address, "?transport=udp"));
            own.push(at("turn", address, "?transport=tcp"));
        }
        if let Some(address) = self.turns_address() {
            own.push(at("turns", address, "?transport=tcp"));
        }
        let own = (!own.is_empty()).then(|| TurnServer {
            urls: own,
            regions: self.config.region.iter().cloned().collect(),
            priority: 0,
        });
        let relays = own.into_iter().chain(self.config.servers.iter().cloned()).collect();
        servers.extend(choose(relays, region).into_iter().map(|TurnServer { urls, .. }| IceServer {
            urls,
            username: Some(username.clone()),
            credential: Some(credential.clone()),
        }));
        servers
    }

    /// Where a member is that a proxy says to be in this region: there, if there is a relay for it, and otherwise where the server is.
    fn region_of(&self, said: Option<Region>) -> Option<Region> {
        let own = &self.config.region;
        said.filter(|said| self.config.servers.iter().any(|server| server.regions.contains(said)))
            .or_else(|| own.clone())
    }
}

/// Whom a member is told about, and when it last was.
#[derive(Debug)]
pub(crate) struct Told {
    /// The name by which the client reaches the server.
    host: Box<str>,
    region: Option<Region>,
    at: Option<Instant>,
}

/// A client asks after minutes. One that asks again at once gets no answer, which is longer than what asks for it.
const PAUSE: Duration = Duration::from_secs(5);

impl Told {
    /// For a client that names the server so in `Host`, and that a proxy says to be in this region; None when the server has
    /// nothing to tell.
    pub(crate) fn new(ice: &Ice, host: Option<&str>, region: Option<Region>) -> Option<Box<Self>> {
        if !ice.has_any() {
            return None;
        }
        let authority = host?.parse::<Authority>().ok()?;
        let region = ice.region_of(region);
        Some(Box::new(Self { host: authority.host().into(), region, at: None }))
    }

    /// The record for a member, unless it has just been told. Whoever may not have packets relayed is told no relays.
    pub(crate) fn tell(&mut self, ice: &Ice, id: PeerId, may_relay: bool) -> Option<ServerMessage> {
        let now = Instant::now();
        if self.at.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        self.at = Some(now);
        let named = ice.ice_servers(&self.host, self.region.as_ref(), id, SystemTime::now());
        let servers = named.into_iter().filter(|server| may_relay || server.credential.is_none());
        let servers = servers.flat_map(|server| {
            let (username, credential) =
                (server.username.unwrap_or_default(), server.credential.unwrap_or_default());
            server.urls.into_iter().filter_map(move |url| {
                Some(signal::IceServer {
                    url: url.try_into().ok()?,
                    username: username.clone().try_into().ok()?,
                    credential: credential.clone().try_into().ok()?,
                })
            })
        });
        let servers: Vec<_> = servers.take(limits::MAX_ICE_SERVERS).collect();
        let servers = servers.try_into().ok()?;
        Some(ServerMessage::IceServers { lifetime_s: LONGEST_LIFETIME_S as u32, servers })
    }
}

/// An address of IPv6 stands in brackets.
fn url_host(host: &str) -> String {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    }
}
