//! The server of STUN and TURN without sockets and without a clock.
//!
//! Whoever has the sockets feeds packets of clients to [`Machine::client`] and those of peers to [`Machine::peer`], carries
//! out the [`Action`] that comes back, and calls [`Machine::tick`] about once a second. `now` comes in. What RFC 8656 leaves
//! open is decided here and in `relaying`: who is answered, whom a relay reaches, and how much of it.
//!
//! Relays of this server reach each other within the machine, without a network between them: so no relay ever sends to an
//! address of the server itself, where other programs listen too.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use stun_types::message::TransactionId;

use super::TurnConfig;
use super::allocation::{Allocation, Owner};
use super::credentials::TurnSecret;
use super::relaying::{Done, NotSigned, Relaying};
use super::sources::Sources;
use super::wire::{self, Answer, Ask, Class, Family, Incoming, Packet, code};
use crate::rate::Rate;

/// How long an allocation lives without a word from its client, in seconds (RFC 8656 §3.2). More is not given.
pub(crate) const LIFETIME_S: u64 = 600;
/// How long after its credentials have expired an allocation may still be refreshed, in seconds. A browser signs with the same
/// ones as long as it has the connection; who has left gets no relay for longer than this.
pub(crate) const LONGEST_STAY_S: u64 = 6 * 60 * 60;

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    /// Seconds after 1970, for what was agreed on with others.
    pub(crate) unix_s: u64,
}

/// Who asks: an address, and for TCP which of the connections from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) connection: Option<u64>,
}

/// A relay's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RelayId(u64);

impl RelayId {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }
}

/// What is to be done about a packet.
#[derive(Debug)]
#[must_use = "an action that is not carried out leaves somebody without an answer"]
pub(crate) enum Action {
    /// Nothing.
    Nothing,
    /// Send this to the client that has asked.
    Answer(Vec<u8>),
    /// Send this to another client.
    Deliver(Client, Vec<u8>),
    /// Send these bytes of the packet from the relay to a peer.
    Send { relay: RelayId, peer: SocketAddr, data: Range<usize> },
    /// Open a socket to relay from, and say so by [`Machine::opened`].
    Open(Box<Opening>),
    /// Close a relay's socket, and send this to the client that has asked.
    Close(RelayId, Vec<u8>),
}

/// An allocation that waits for its socket.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) client: Client,
    pub(super) owner: Owner,
    pub(super) transaction: TransactionId,
    pub(super) success: Answer,
    pub(super) refusal: Answer,
    pub(crate) relay: RelayId,
    pub(crate) family: Family,
    pub(crate) even_port: bool,
}

/// What has happened since the start, for whoever runs the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Clients that were told their address.
    pub(crate) bindings: u64,
    /// Requests that were not answered, as their address had had enough answers.
    pub(crate) unanswered: u64,
    /// Requests signed by nobody who may.
    pub(crate) unauthenticated: u64,
    /// Peers that no relay may send to.
    pub(crate) forbidden: u64,
    /// Allocations refused as there were too many.
    pub(crate) over_quota: u64,
    pub(crate) relayed_bytes: u64,
    /// What was over the rates, and so not relayed.
    pub(crate) dropped_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Machine {
    sources: Sources,
    relaying: Option<Relaying>,
    counters: Counters,
}

/// What a relaying machine is made with, besides its settings.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) secret: TurnSecret,
    /// Random: for nonces, and for the first number of a message.
    pub(crate) key: [u8; 32],
    /// Where relays are, as peers see them.
    pub(crate) homes: Vec<IpAddr>,
    /// Whether an address is one of this machine.
    pub(crate) is_own: fn(IpAddr) -> bool,
}

impl Machine {
    /// A server of STUN alone.
    pub(crate) fn new(answers: Rate) -> Self {
        Self { sources: Sources::new(answers), relaying: None, counters: Counters::default() }
    }

    /// A server of TURN too.
    pub(crate) fn relaying(answers: Rate, config: &TurnConfig, start: Start, now: Now) -> Self {
        let relaying = Relaying::new(config, start, now);
        Self { relaying: Some(relaying), ..Self::new(answers) }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    pub(crate) fn allocations(&self) -> usize {
        self.relaying.as_ref().map_or(0, |relaying| relaying.quota.allocations())
    }

    pub(crate) fn has_allocation(&self, client: &Client) -> bool {
        self.relaying.as_ref().is_some_and(|relaying| relaying.allocations.contains_key(client))
    }

    /// A client has sent a packet.
    pub(crate) fn client(&mut self, client: Client, packet: &[u8], now: Now) -> Action {
        match wire::read(packet) {
            Some(Packet::Channel(number, data)) => self.channel_data(client, number, packet, data, now),
            Some(Packet::Message(message)) if message.class == Class::Indication => {
                self.send_indication(client, &message, packet, now)
            }
            Some(Packet::Message(message)) => {
                if !self.sources.take(client.address.ip(), now.at) {
                    self.counters.unanswered += 1;
                    return Action::Nothing;
                }
                self.request(client, &message, packet.len(), now)
            }
            None => Action::Nothing,
        }
    }

    /// A packet has come at the alternate port, where there is STUN and nothing else: whatever is not a Binding request gets no
    /// answer. Gives the answer, which counts as one of the address's like all others.
    pub(crate) fn binding(&mut self, address: SocketAddr, packet: &[u8], now: Now) -> Option<Vec<u8>> {
        let Some(Packet::Message(message)) = wire::read(packet) else { return None };
        if message.class != Class::Request || message.ask != Ask::Binding {
            return None;
        }
        match self.client(Client { address, connection: None }, packet, now) {
            Action::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    fn request(&mut self, client: Client, message: &Incoming<'_>, len: usize, now: Now) -> Action {
        if message.ask == Ask::Binding {
            let answer = match message.has_unknown() {
                true => message.refusal(code::UNKNOWN_ATTRIBUTE),
                false => {
                    self.counters.bindings += 1;
                    return Action::Answer(message.success().mapped(client.address).finish());
                }
            };
            return unsigned(answer, client, len);
        }
        let Some(relaying) = &mut self.relaying else { return Action::Nothing };
        let signer = match relaying.authenticate(client, message, now) {
            Ok(signer) => signer,
            Err(NotSigned::Challenge(code)) => {
                if message.algorithm().is_some() && code == code::UNAUTHENTICATED {
                    self.counters.unauthenticated += 1;
                }
                return Action::Answer(relaying.challenge(client, message, code, now));
            }
            Err(NotSigned::Refuse(code)) => return unsigned(message.refusal(code), client, len),
        };
        let (key, algorithm) = (signer.key.clone(), signer.algorithm);
        match relaying.request(client, signer, message, now) {
            Ok(Done::Answer(answer)) => Action::Answer(answer.signed(&key, algorithm).finish()),
            Ok(Done::Open(opening)) => Action::Open(opening),
            Ok(Done::Close(relay, answer)) => Action::Close(relay, answer.signed(&key, algorithm).finish()),
            Err(code) => {
                match code {
                    code::FORBIDDEN => self.counters.forbidden += 1,
                    code::ALLOCATION_QUOTA_REACHED => self.counters.over_quota += 1,
                    _ => {}
                }
                Action::Answer(message.refusal(code).signed(&key, algorithm).finish())
            }
        }
    }

    /// The socket that was asked for is open at this address, as peers see it; or there is none. Gives the answer for the client.
    pub(crate) fn opened(&mut self, opening: Opening, relayed: Option<SocketAddr>, now: Now) -> Vec<u8> {
        let Opening { client, owner, transaction, success, refusal, relay, .. } = opening;
        let (key, algorithm) = (owner.key.clone(), owner.algorithm);
        let relaying = self.relaying.as_mut().expect("only a relaying machine opens relays");
        let Some(relayed) = relayed else {
            relaying.quota.remove(&owner.subject, client.address.ip());
            return refusal.signed(&key, algorithm).finish();
        };
        let ends = now.at + Duration::from_secs(LIFETIME_S);
        relaying.allocations.insert(client, Allocation::new(relay, relayed, owner, transaction, ends));
        relaying.by_relayed.insert(relayed, client);
        let answer = success.relayed(relayed).lifetime(LIFETIME_S as u32).mapped(client.address);
        answer.signed(&key, algorithm).finish()
    }

    /// A client's connection has ended. Gives the relay that is to be closed.
    pub(crate) fn gone(&mut self, client: &Client) -> Option<RelayId> {
        self.relaying.as_mut()?.remove(client)
    }

    /// Ends what nobody has refreshed. Gives the relays that are to be closed, with their clients.
    pub(crate) fn tick(&mut self, now: Now) -> Vec<(Client, RelayId)> {
        let Some(relaying) = &mut self.relaying else { return Vec::new() };
        let over = relaying.allocations.iter().filter(|(_, allocation)| allocation.ends <= now.at);
        let over: Vec<Client> = over.map(|(client, _)| *client).collect();
        let closed =
            over.into_iter().filter_map(|client| Some((client, relaying.remove(&client)?))).collect();
        relaying.quota.tidy(&relaying.limits, now.at);
        closed
    }

    fn channel_data(
        &mut self,
        client: Client,
        number: u16,
        packet: &[u8],
        data: Range<usize>,
        now: Now,
    ) -> Action {
        let allocation = self.relaying.as_ref().and_then(|relaying| relaying.allocations.get(&client));
        match allocation.and_then(|allocation| allocation.peer_of(number, now.at)) {
            Some(peer) => self.outgoing(client, peer, packet, data, now),
            None => Action::Nothing,
        }
    }

    fn send_indication(&mut self, client: Client, message: &Incoming<'_>, packet: &[u8], now: Now) -> Action {
        match (message.peers(1).as_deref(), message.data(), message.has_unknown()) {
            (Ok([peer]), Some(data), false) => self.outgoing(client, *peer, packet, data, now),
            _ => Action::Nothing,
        }
    }

    /// A client has something for a peer.
    fn outgoing(
        &mut self,
        client: Client,
        peer: SocketAddr,
        packet: &[u8],
        data: Range<usize>,
        now: Now,
    ) -> Action {
        let Some(relaying) = &mut self.relaying else { return Action::Nothing };
        let Some(allocation) = relaying.allocations.get(&client) else { return Action::Nothing };
        if !allocation.permits(peer.ip(), now.at) {
            return Action::Nothing;
        }
        if !relaying.quota.take(&allocation.subject, data.len(), &relaying.limits, now.at) {
            self.counters.dropped_bytes += data.len() as u64;
            return Action::Nothing;
        }
        let (relay, source) = (allocation.relay, allocation.relayed);
        if let Some(other) = relaying.by_relayed.get(&peer).copied() {
            self.counters.relayed_bytes += data.len() as u64;
            return match self.incoming(other, source, &packet[data], now) {
                Some(message) => Action::Deliver(other, message),
                None => Action::Nothing,
            };
        }
        // Permitted for the sake of the other relays there, and none of them.
        if relaying.homes.contains(&peer.ip()) && !relaying.peers.is_allowed(peer.ip()) {
            return Action::Nothing;
        }
        self.counters.relayed_bytes += data.len() as u64;
        Action::Send { relay, peer, data }
    }

    /// A peer has sent something to a client's relay. Gives what the client is to be sent.
    pub(crate) fn peer(
        &mut self,
        relay: RelayId,
        client: Client,
        peer: SocketAddr,
        data: &[u8],
        now: Now,
    ) -> Option<Vec<u8>> {
        let allocation = self.relaying.as_ref()?.allocations.get(&client)?;
        if allocation.relay != relay {
            return None; // The client has another one by now.
        }
        self.incoming(client, peer, data, now)
    }

    fn incoming(&mut self, client: Client, peer: SocketAddr, data: &[u8], now: Now) -> Option<Vec<u8>> {
        let relaying = self.relaying.as_mut()?;
        let allocation = relaying.allocations.get(&client)?;
        if !allocation.permits(peer.ip(), now.at) {
            return None;
        }
        if !relaying.quota.take(&allocation.subject, data.len(), &relaying.limits, now.at) {
            self.counters.dropped_bytes += data.len() as u64;
            return None;
        }
        self.counters.relayed_bytes += data.len() as u64;
        if let Some(number) = allocation.channel_to(peer, now.at) {
            return Some(wire::channel_data(number, data, client.connection.is_some()));
        }
        relaying.next_transaction = relaying.next_transaction.wrapping_add(1);
        Some(wire::data_indication(relaying.next_transaction, peer, data))
    }
}

/// An answer that nobody has signed for. Over UDP it may be for somebody who has not asked, so it is not longer than what has
/// come; those few that must be are not given by this.
fn unsigned(answer: Answer, client: Client, asked_bytes: usize) -> Action {
    let bytes = answer.finish();
    let is_bounded = client.connection.is_some() || bytes.len() <= asked_bytes;
    if is_bounded { Action::Answer(bytes) } else { Action::Nothing }
}
