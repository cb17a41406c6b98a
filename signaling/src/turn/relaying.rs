//! What the server of TURN does with requests (RFC 8656): who has signed them, and what comes of them for the client's
//! allocation. It is the [machine](super::machine)'s other half.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun_types::message::IntegrityKey;

use super::allocation::{Allocation, MAX_PERMISSIONS, NoRoom, Owner};
use super::credentials::{REALM, TurnSecret};
use super::machine::{Client, LIFETIME_S, LONGEST_STAY_S, Now, Opening, RelayId, Start};
use super::nonce::Nonces;
use super::peers::PeerFilter;
use super::quota::Quota;
use super::wire::{Answer, Ask, Family, Incoming, Malformed, PortWish, code};
use super::{TurnConfig, TurnLimits, wire};

/// The protocol's number of UDP, the one that is relayed.
const UDP: u8 = 17;

/// All allocations, and what decides about them.
#[derive(Debug)]
pub(super) struct Relaying {
    pub(super) secret: TurnSecret,
    pub(super) nonces: Nonces,
    pub(super) peers: PeerFilter,
    /// Where relays are, as peers see them.
    pub(super) homes: Vec<IpAddr>,
    /// Whether an address is one of this machine.
    pub(super) is_own: fn(IpAddr) -> bool,
    pub(super) limits: TurnLimits,
    pub(super) quota: Quota,
    pub(super) allocations: HashMap<Client, Allocation>,
    pub(super) by_relayed: HashMap<SocketAddr, Client>,
    pub(super) next_relay: u64,
    pub(super) next_transaction: u128,
}

/// Why a request counts as nobody's.
pub(super) enum NotSigned {
    /// The client is told what to sign with.
    Challenge(u16),
    Refuse(u16),
}

impl From<Malformed> for NotSigned {
    fn from(_: Malformed) -> Self {
        Self::Refuse(code::BAD_REQUEST)
    }
}

/// What has come of a request, still to be signed.
pub(super) enum Done {
    Answer(Answer),
    Open(Box<Opening>),
    Close(RelayId, Answer),
}

impl From<Malformed> for u16 {
    fn from(_: Malformed) -> Self {
        code::BAD_REQUEST
    }
}

impl Relaying {
    pub(super) fn new(config: &TurnConfig, start: Start, now: Now) -> Self {
        let Start { secret, key, homes, is_own } = start;
        let mut first = [0; 16];
        first.copy_from_slice(&key[16..]);
        Self {
            secret,
            nonces: Nonces::new(key),
            peers: PeerFilter::new(config.allow_peers.clone()),
            homes,
            is_own,
            limits: config.limits.clone(),
            quota: Quota::new(&config.limits, now.at),
            allocations: HashMap::new(),
            by_relayed: HashMap::new(),
            next_relay: 0,
            next_transaction: u128::from_le_bytes(first),
        }
    }

    /// Does what a signed request asks for, or gives the code to refuse it with.
    pub(super) fn request(
        &mut self,
        client: Client,
        signer: Owner,
        message: &Incoming<'_>,
        now: Now,
    ) -> Result<Done, u16> {
        if message.has_unknown() {
            return Err(code::UNKNOWN_ATTRIBUTE);
        }
        match message.ask {
            Ask::Allocate => self.allocate(client, signer, message, now),
            Ask::Refresh => self.refresh(client, message, now),
            Ask::CreatePermission => self.create_permission(client, message, now),
            Ask::ChannelBind => self.bind_channel(client, message, now),
            // Neither is a request of TURN's.
            Ask::Binding | Ask::Send => Err(code::BAD_REQUEST),
        }
    }

    /// What tells a client what to sign with.
    pub(super) fn challenge(&self, client: Client, message: &Incoming<'_>, code: u16, now: Now) -> Vec<u8> {
        let nonce = self.nonces.make(client.address, now.unix_s);
        message.refusal(code).challenge(REALM, &nonce).finish()
    }

    /// Who has signed a request (RFC 8489 §9.2.4). An allocation's client signs as it did when it made that, also when the
    /// credentials have expired since.
    pub(super) fn authenticate(
        &self,
        client: Client,
        message: &Incoming<'_>,
        now: Now,
    ) -> Result<Owner, NotSigned> {
        let Some(algorithm) = message.algorithm() else {
            return Err(NotSigned::Challenge(code::UNAUTHENTICATED));
        };
        let (Some(name), Some(realm), Some(nonce)) =
            (message.user_name()?, message.realm()?, message.nonce()?)
        else {
            return Err(NotSigned::Refuse(code::BAD_REQUEST));
        };
        // First, as it shows that the client is where it says it is.
        if !self.nonces.is_fresh(&nonce, client.address, now.unix_s) {
            return Err(NotSigned::Challenge(code::STALE_NONCE));
        }
        let unknown = || NotSigned::Challenge(code::UNAUTHENTICATED);
        if realm != REALM {
            return Err(unknown());
        }
        let is_signed = |key: &IntegrityKey| message.is_signed_with(key);
        match self.allocations.get(&client) {
            Some(own) if own.name != name => Err(NotSigned::Refuse(code::WRONG_CREDENTIALS)),
            Some(own) if own.algorithm != algorithm || own.last_s <= now.unix_s => Err(unknown()),
            Some(own) if is_signed(&own.key) => Ok(Owner {
                subject: own.subject.clone(),
                name,
                key: own.key.clone(),
                algorithm,
                last_s: own.last_s,
            }),
            Some(_) => Err(unknown()),
            None => {
                let user = self.secret.user(&name, algorithm, now.unix_s).filter(|user| is_signed(&user.key));
                let user = user.ok_or_else(unknown)?;
                let last_s = user.expires_unix_s + LONGEST_STAY_S;
                Ok(Owner { subject: user.subject, name, key: user.key, algorithm, last_s })
            }
        }
    }

    /// RFC 8656 §7.2.
    fn allocate(
        &mut self,
        client: Client,
        owner: Owner,
        message: &Incoming<'_>,
        now: Now,
    ) -> Result<Done, u16> {
        if let Some(own) = self.allocations.get(&client) {
            if own.made_by != message.transaction() {
                return Err(code::ALLOCATION_MISMATCH);
            }
            // It was made already, and the answer was lost.
            let answer =
                message.success().relayed(own.relayed).lifetime(own.lifetime_s(now)).mapped(client.address);
            return Ok(Done::Answer(answer));
        }
        match message.requested_transport()? {
            Some(UDP) => {}
            Some(_) => return Err(code::UNSUPPORTED_TRANSPORT),
            None => return Err(code::BAD_REQUEST),
        }
        let family = message.requested_family()?.unwrap_or(Some(Family::V4));
        let family = family.filter(|family| self.homes.iter().any(|home| Family::of(*home) == *family));
        let Some(family) = family else { return Err(code::ADDRESS_FAMILY_NOT_SUPPORTED) };
        let even_port = match message.requested_port()? {
            PortWish::Any => false,
            PortWish::Even => true,
            PortWish::Pair => return Err(code::INSUFFICIENT_CAPACITY), // Nobody needs them since RTCP goes with RTP.
        };
        if !self.quota.add(&owner.subject, client.address.ip(), &self.limits, now.at) {
            return Err(code::ALLOCATION_QUOTA_REACHED);
        }
        let relay = RelayId::new(self.next_relay);
        self.next_relay += 1;
        Ok(Done::Open(Box::new(Opening {
            client,
            owner,
            transaction: message.transaction(),
            success: message.success(),
            refusal: message.refusal(code::INSUFFICIENT_CAPACITY),
            relay,
            family,
            even_port,
        })))
    }

    /// RFC 8656 §8.
    fn refresh(&mut self, client: Client, message: &Incoming<'_>, now: Now) -> Result<Done, u16> {
        let own = self.allocations.get_mut(&client).ok_or(code::ALLOCATION_MISMATCH)?;
        if message.requested_family()?.is_some_and(|family| family != Some(own.family())) {
            return Err(code::PEER_FAMILY_MISMATCH);
        }
        if message.lifetime()? == Some(0) {
            let answer = message.success().lifetime(0);
            let relay = self.remove(&client).ok_or(code::ALLOCATION_MISMATCH)?;
            return Ok(Done::Close(relay, answer));
        }
        // Not beyond what its credentials are good for.
        let seconds = LIFETIME_S.min(own.last_s.saturating_sub(now.unix_s)).max(1);
        own.ends = now.at + Duration::from_secs(seconds);
        Ok(Done::Answer(message.success().lifetime(seconds as u32)))
    }

    /// RFC 8656 §10.
    fn create_permission(&mut self, client: Client, message: &Incoming<'_>, now: Now) -> Result<Done, u16> {
        let own = self.allocations.get(&client).ok_or(code::ALLOCATION_MISMATCH)?;
        let peers: Vec<IpAddr> = message.peers(MAX_PERMISSIONS)?.iter().map(SocketAddr::ip).collect();
        if peers.is_empty() {
            return Err(code::BAD_REQUEST);
        }
        self.check_peers(own, &peers)?;
        let own = self.allocations.get_mut(&client).ok_or(code::ALLOCATION_MISMATCH)?;
        own.permit(&peers, now.at).map_err(|_| code::INSUFFICIENT_CAPACITY)?;
        Ok(Done::Answer(message.success()))
    }

    /// RFC 8656 §12.1.
    fn bind_channel(&mut self, client: Client, message: &Incoming<'_>, now: Now) -> Result<Done, u16> {
        let own = self.allocations.get(&client).ok_or(code::ALLOCATION_MISMATCH)?;
        let number = message.channel_number()?.filter(|number| wire::CHANNELS.contains(number));
        let peers = message.peers(1)?;
        let (Some(number), [peer]) = (number, &peers[..]) else { return Err(code::BAD_REQUEST) };
        let peer = *peer;
        self.check_peers(own, &[peer.ip()])?;
        let is_home = self.homes.contains(&peer.ip()) && !self.peers.is_allowed(peer.ip());
        if is_home && !self.by_relayed.contains_key(&peer) {
            return Err(code::FORBIDDEN);
        }
        let own = self.allocations.get_mut(&client).ok_or(code::ALLOCATION_MISMATCH)?;
        own.bind(number, peer, now.at).map_err(|no_room| match no_room {
            NoRoom::Taken => code::BAD_REQUEST,
            NoRoom::Full => code::INSUFFICIENT_CAPACITY,
        })?;
        Ok(Done::Answer(message.success()))
    }

    /// Whether a relay may send to all of these.
    fn check_peers(&self, own: &Allocation, peers: &[IpAddr]) -> Result<(), u16> {
        // Forbidden first: which families a relay has is no secret, but need not be learnt from what is not to be asked.
        if !peers.iter().all(|peer| self.may_reach(*peer)) {
            return Err(code::FORBIDDEN);
        }
        if !peers.iter().all(|peer| Family::of(*peer) == own.family()) {
            return Err(code::PEER_FAMILY_MISMATCH);
        }
        Ok(())
    }

    fn may_reach(&self, peer: IpAddr) -> bool {
        // At its own addresses are the other relays; what else is there is never sent to.
        self.homes.contains(&peer)
            || (self.peers.permits(peer) && (self.peers.is_allowed(peer) || !(self.is_own)(peer)))
    }

    pub(super) fn remove(&mut self, client: &Client) -> Option<RelayId> {
        let allocation = self.allocations.remove(client)?;
        self.by_relayed.remove(&allocation.relayed);
        self.quota.remove(&allocation.subject, client.address.ip());
        Some(allocation.relay)
    }
}

impl Allocation {
    fn lifetime_s(&self, now: Now) -> u32 {
        self.ends.saturating_duration_since(now.at).as_secs() as u32
    }
}
