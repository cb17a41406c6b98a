//! What one client has made: a relay, the peers that it may hear and be heard by, and short names for some of them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_types::message::{IntegrityKey, TransactionId};

use super::machine::RelayId;
use super::wire::{Algorithm, Family};

/// Peers at a time.
pub(crate) const MAX_PERMISSIONS: usize = 64;
/// Channels at a time.
pub(crate) const MAX_CHANNELS: usize = 64;
/// How long a client need not name a peer again (RFC 8656 §9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How long a channel is bound (RFC 8656 §12).
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) relay: RelayId,
    pub(crate) relayed: SocketAddr,
    /// Whose it is, as credentials say, and the name that they said it with.
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) key: IntegrityKey,
    pub(crate) algorithm: Algorithm,
    /// The request that made it: it may come again, when its answer was lost.
    pub(crate) made_by: TransactionId,
    pub(crate) ends: Instant,
    /// When it ends whatever the client says, in seconds after 1970.
    pub(crate) last_s: u64,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    ends: Instant,
}

/// A channel cannot be bound so, or there are too many peers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The number stands for another peer, or the peer has another number.
    Taken,
    /// There are as many as there may be.
    Full,
}

/// What an allocation is made of.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) key: IntegrityKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) last_s: u64,
}

impl Allocation {
    pub(crate) fn new(
        relay: RelayId,
        relayed: SocketAddr,
        owner: Owner,
        made_by: TransactionId,
        ends: Instant,
    ) -> Self {
        let Owner { subject, name, key, algorithm, last_s } = owner;
        let (permissions, channels) = (Vec::new(), Vec::new());
        Self { relay, relayed, subject, name, key, algorithm, made_by, ends, last_s, permissions, channels }
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.relayed.ip())
    }

    /// Lets the client hear these peers and be heard by them: all of them, or none.
    pub(crate) fn permit(&mut self, peers: &[IpAddr], now: Instant) -> Result<(), NoRoom> {
        self.permissions.retain(|(_, ends)| *ends > now);
        let mut permissions = self.permissions.clone();
        for peer in peers {
            permissions.retain(|(known, _)| known != peer);
            permissions.push((*peer, now + PERMISSION_LIFETIME));
        }
        if permissions.len() > MAX_PERMISSIONS {
            return Err(NoRoom::Full);
        }
        self.permissions = permissions;
        Ok(())
    }

    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.iter().any(|(known, ends)| *known == peer && *ends > now)
    }

    /// Binds a channel to a peer, or binds it longer, and permits the peer.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) -> Result<(), NoRoom> {
        self.channels.retain(|channel| channel.ends > now);
        let is_other = |channel: &&Channel| (channel.number == number) != (channel.peer == peer);
        if self.channels.iter().find(is_other).is_some() {
            return Err(NoRoom::Taken);
        }
        let known = self.channels.iter().position(|channel| channel.number == number);
        if known.is_none() && self.channels.len() >= MAX_CHANNELS {
            return Err(NoRoom::Full);
        }
        self.permit(&[peer.ip()], now)?;
        let ends = now + CHANNEL_LIFETIME;
        match known {
            Some(place) => self.channels[place].ends = ends,
            None => self.channels.push(Channel { number, peer, ends }),
        }
        Ok(())
    }

    /// Whom a channel leads to.
    pub(crate) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number && channel.ends > now);
        channel.map(|channel| channel.peer)
    }

    /// The channel that leads to a peer.
    pub(crate) fn channel_to(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.ends > now);
        channel.map(|channel| channel.number)
    }
}
