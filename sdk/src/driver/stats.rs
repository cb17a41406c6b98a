//! What can be told of a connection: its path, its round trip, its bytes.

#[cfg(feature = "typed")]
use js_sys::{Array, Map, Reflect};
#[cfg(feature = "typed")]
use peerloom_protocol::action::{ConnectionId, PeerPath};
use peerloom_protocol::id::PeerId;
pub use peerloom_protocol::session::ChannelStats;
#[cfg(feature = "typed")]
use wasm_bindgen::{JsCast, JsValue};
use web_sys::RtcPeerConnection;

use super::Driver;
use super::connection::Connection;
#[cfg(feature = "typed")]
use super::promise::{Settled, settled, when_settled};

/// How a connected peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Path {
    /// From browser to browser.
    Direct,
    /// Through a TURN server of either side.
    Turn,
    /// Sealed, through the signaling server.
    Relay,
}

impl Path {
    /// The stable name, as in TypeScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Turn => "turn",
            Self::Relay => "relay",
        }
    }
}

/// Bytes over the signaling server and directly to peers, since the room was joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// To the server.
    pub server_sent: u64,
    /// From the server.
    pub server_received: u64,
    /// To peers.
    pub direct_sent: u64,
    /// From peers.
    pub direct_received: u64,
}

impl Traffic {
    pub(super) fn closed(&mut self, sent: u64) {
        self.direct_sent += sent;
    }
}

/// Counts of one peer's connection, and what the browser tells of it.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PeerStats {
    /// Round trip in milliseconds: of the selected candidate pair as the browser measures it, or of the path in use as the
    /// session does.
    pub rtt_ms: Option<f64>,
    /// `host`, `srflx`, `prflx` or `relay` (RFC 8445) at this end.
    pub local_candidate: Option<String>,
    /// The same at the other end.
    pub remote_candidate: Option<String>,
    /// How much round trips vary, in milliseconds, as the session measures them (RTTVAR of RFC 6298).
    pub jitter_ms: Option<f64>,
    /// Since the peer joined, over all paths.
    pub sent_bytes: u64,
    /// Since the peer joined, over all paths.
    pub received_bytes: u64,
    /// Bytes that the browser holds in the buffers of data channels.
    pub buffered_bytes: u64,
    /// Of each declared channel, with its label.
    pub channels: Vec<(String, ChannelStats)>,
    /// Of streams and calls.
    pub exchange: ChannelStats,
}

#[cfg(feature = "typed")]
fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// Reads the selected pair out of `getStats()` (W3C webrtc-stats). The TypeScript face does so by itself, in a quarter of
/// the bytes.
#[cfg(feature = "typed")]
fn selected_pair(report: Settled) -> Option<PeerStats> {
    // A report has what a map has.
    let report: Map = report.ok()?.unchecked_into();
    let values = Array::from(&report.values());
    let of_type = |name: &str| {
        let of_type = move |value: &JsValue| field(value, "type").as_string().as_deref() == Some(name);
        values.iter().filter(of_type).collect::<Vec<_>>()
    };
    let pair = match of_type("transport").first() {
        Some(transport) => report.get(&field(transport, "selectedCandidatePairId")),
        // Firefox has no transport entry, but marks the pair.
        None => of_type("candidate-pair").into_iter().find(|pair| field(pair, "selected").is_truthy())?,
    };
    let kind = |end: &str| field(&report.get(&field(&pair, end)), "candidateType").as_string();
    Some(PeerStats {
        rtt_ms: field(&pair, "currentRoundTripTime").as_f64().map(|seconds| seconds * 1000.0),
        local_candidate: kind("localCandidateId"),
        remote_candidate: kind("remoteCandidateId"),
        ..PeerStats::default()
    })
}

impl Driver {
    /// Bytes over the server and directly so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = *self.traffic.borrow();
        traffic.server_sent += self.socket.borrow().as_ref().map_or(0, |socket| socket.sent_bytes.get());
        traffic.direct_sent += self.connections.borrow().values().map(|c| c.sent_bytes.get()).sum::<u64>();
        traffic
    }

    /// The connection in use to a peer.
    pub(crate) fn connection(&self, peer: PeerId) -> Option<RtcPeerConnection> {
        let id = self.node.borrow().connection_of(peer)?;
        self.connections.borrow().get(&id).map(|connection| connection.pc().clone())
    }

    /// Bytes that the browser holds for a peer.
    fn buffered_bytes(&self, peer: PeerId) -> u64 {
        let (node, connections) = (self.node.borrow(), self.connections.borrow());
        let used = node.connections_of(peer).into_iter().filter_map(|id| connections.get(&id));
        used.map(Connection::buffered_bytes).sum()
    }

    /// What is known of a peer without asking the browser, in numbers; -1 for what is not known. Five, and nine for each channel.
    #[cfg(feature = "npm")]
    pub(crate) fn peer_counts(&self, peer: PeerId) -> Vec<f64> {
        let counts = self.node.borrow().peer_stats(peer);
        let number = |count: Option<u64>| count.map_or(-1.0, |count| count as f64);
        let mut numbers = Vec::with_capacity(5 + 9 * counts.channels.len());
        numbers
            .extend([counts.sent_bytes, counts.received_bytes, self.buffered_bytes(peer)].map(|n| n as f64));
        numbers.extend([counts.rtt_ms, counts.jitter_ms].map(number));
        for channel in &counts.channels {
            numbers.extend([
                channel.sent_messages as f64,
                channel.received_messages as f64,
                channel.resent_messages as f64,
                channel.sent_bytes as f64,
                channel.received_bytes as f64,
                channel.queued_bytes as f64,
                channel.unacknowledged_bytes as f64,
                number(channel.window_bytes),
                channel.early_bytes as f64,
            ]);
        }
        numbers
    }

    /// Counts and the selected path of a peer's connection. Fields the browser does not tell stay empty.
    #[cfg(feature = "typed")]
    pub(crate) async fn peer_stats(&self, peer: PeerId, labels: &[String]) -> PeerStats {
        let pair = match self.connection(peer) {
            Some(pc) => selected_pair(settled(&pc.get_stats()).await).unwrap_or_default(),
            None => PeerStats::default(),
        };
        let counts = self.node.borrow().peer_stats(peer);
        PeerStats {
            rtt_ms: pair.rtt_ms.or(counts.rtt_ms.map(|ms| ms as f64)),
            jitter_ms: counts.jitter_ms.map(|ms| ms as f64),
            sent_bytes: counts.sent_bytes,
            received_bytes: counts.received_bytes,
            buffered_bytes: self.buffered_bytes(peer),
            exchange: counts.channels.last().copied().unwrap_or_default(),
            channels: labels.iter().cloned().zip(counts.channels).collect(),
            ..pair
        }
    }

    /// Tells the application when a connection turns out to go through a TURN server.
    #[cfg(feature = "typed")]
    pub(super) fn find_path(&self, peer: PeerId, connection: ConnectionId) {
        let connections = self.connections.borrow();
        let Some(known) = connections.get(&connection) else { return };
        let me = self.me.clone();
        when_settled(&known.pc().get_stats(), move |report| {
            let pair = selected_pair(report).unwrap_or_default();
            let is_relay = |kind: &Option<String>| kind.as_deref() == Some("relay");
            let turn = is_relay(&pair.local_candidate) || is_relay(&pair.remote_candidate);
            let Some(driver) = me.upgrade().filter(|_| turn) else { return };
            let current = driver.node.borrow().path_of(peer);
            if current == PeerPath::Direct(connection) {
                driver.sink.path(peer, Some(Path::Turn));
            }
        });
    }
}
