//! Every peer's outboxes and inboxes, and which connection they run over.

use std::ops::Range;

use js_sys::Uint8Array;
use peerloom_protocol::action::ConnectionId;
use peerloom_protocol::channel::{Delivered, FrameError, Inbox, Outbox, frame};
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::sorted_map::SortedMap;

use super::connection::Connection;
use super::payload::Payload;
use super::{ChannelIndex, clock};

/// Messages that came in before the application was told of the connection.
const MAX_EARLY: usize = 1024;

/// Whole messages, as ranges of one buffer.
type Messages = (Uint8Array, Vec<Range<usize>>);

pub(super) struct PeerChannel {
    pub(super) outbox: Outbox<Payload>,
    inbox: Inbox<Uint8Array>,
}

pub(super) struct PeerData {
    pub(super) connection: Option<ConnectionId>,
    /// No connection can be made: nothing is kept for it.
    failed: bool,
    pub(super) channels: Vec<PeerChannel>,
    early: Vec<(ChannelIndex, Uint8Array)>,
    pub(super) received_bytes: u64,
}

pub(super) struct Peers {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) peers: SortedMap<PeerId, PeerData>,
    /// The newest broadcast value of each `latest` channel, for peers that come later.
    pub(super) latest: Vec<Option<Payload>>,
    frame: Vec<u8>,
    pub(super) is_closed: bool,
}

impl Peers {
    pub(super) fn new(hello: &Hello) -> Self {
        let deliveries: Vec<_> = hello.channels.iter().map(|spec| spec.delivery).collect();
        Self {
            latest: deliveries.iter().map(|_| None).collect(),
            deliveries,
            peers: SortedMap::default(),
            frame: Vec::with_capacity(limits::MAX_FRAME_BYTES),
            is_closed: false,
        }
    }

    pub(super) fn joined(&mut self, id: PeerId) {
        let channels = self.deliveries.iter().zip(&self.latest).map(|(delivery, latest)| {
            let mut outbox = Outbox::new(*delivery);
            if let Some(value) = latest {
                // It was within the limit when it was sent to the others.
                let _ = outbox.push(clock::now_ms(), value.clone());
            }
            PeerChannel { outbox, inbox: Inbox::new(*delivery) }
        });
        let data = PeerData {
            connection: None,
            failed: false,
            channels: channels.collect(),
            early: Vec::new(),
            received_bytes: 0,
        };
        self.peers.insert(id, data);
    }

    pub(super) fn connected(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.connection != Some(connection) {
            peer.begin(connection);
        }
        peer.failed = false;
    }

    pub(super) fn connection_closed(&mut self, connection: ConnectionId) {
        for peer in self.peers.values_mut().filter(|peer| peer.connection == Some(connection)) {
            peer.connection = None;
            peer.early.clear();
        }
    }

    pub(super) fn failed(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.failed = true;
            peer.channels.iter_mut().zip(&self.deliveries).for_each(|(c, d)| c.outbox = Outbox::new(*d));
        }
    }

    pub(super) fn left(&mut self, id: PeerId) {
        self.peers.remove(&id);
    }

    pub(super) fn closed(&mut self) {
        self.is_closed = true;
        self.peers.clear();
    }

    pub(super) fn connection_of(&self, id: PeerId) -> Option<ConnectionId> {
        self.peers.get(&id)?.connection
    }

    /// A message came in. Gives the sender if it may be read now; keeps it when the application has not yet been told
    /// that this connection is open.
    pub(super) fn receive(
        &mut self,
        connection: ConnectionId,
        channel: ChannelIndex,
        data: &Uint8Array,
        owner: Option<PeerId>,
    ) -> Option<PeerId> {
        let id = owner?;
        let peer = self.peers.get_mut(&id)?;
        peer.received_bytes += u64::from(data.length());
        if peer.connection == Some(connection) && peer.early.is_empty() {
            return Some(id);
        }
        // The other end opened a moment before this one.
        if peer.connection != Some(connection) {
            peer.begin(connection);
        }
        if peer.early.len() < MAX_EARLY {
            peer.early.push((channel, data.clone()));
        }
        None
    }

    pub(super) fn take_early(&mut self, id: PeerId) -> Vec<(ChannelIndex, Uint8Array)> {
        self.peers.get_mut(&id).map(|peer| std::mem::take(&mut peer.early)).unwrap_or_default()
    }

    /// Reads one frame: whole messages as ranges of a buffer.
    pub(super) fn accept(
        &mut self,
        from: PeerId,
        channel: ChannelIndex,
        data: &Uint8Array,
    ) -> Result<Option<Messages>, FrameError> {
        let inbox = self.peers.get_mut(&from).and_then(|peer| peer.channels.get_mut(channel));
        let Some(PeerChannel { inbox, .. }) = inbox else { return Ok(None) };
        let len = data.length() as usize;
        // Only the header is copied in: its first bytes, and more of a batch with many lengths.
        let mut head_len = len.min(frame::MAX_HEADER_BYTES);
        let parsed = loop {
            self.frame.resize(head_len, 0);
            data.subarray(0, head_len as u32).copy_to(&mut self.frame);
            match frame::parse(&self.frame, len) {
                Err(FrameError::NeedMore(more)) if more > head_len => head_len = more.min(len),
                parsed => break parsed?,
            }
        };
        let body = |range: Range<usize>| data.subarray(range.start as u32, range.end as u32);
        Ok(match inbox.accept(parsed, body)? {
            Delivered::Nothing => None,
            Delivered::Ranges(ranges) => Some((data.clone(), ranges)),
            Delivered::Whole { chunks, len } => {
                let whole = Uint8Array::new_with_length(len as u32);
                let mut offset = 0;
                for chunk in chunks {
                    whole.set(&chunk, offset);
                    offset += chunk.length();
                }
                let range = 0..len;
                Some((whole, vec![range]))
            }
        })
    }

    /// Hands queued messages to the connections. Gives those that refused.
    pub(super) fn pump(
        &mut self,
        now: u64,
        connections: &SortedMap<ConnectionId, Connection>,
    ) -> Vec<ConnectionId> {
        let mut lost = Vec::new();
        for peer in self.peers.values_mut() {
            let Some((id, connection)) = peer.connection.and_then(|id| Some((id, connections.get(&id)?)))
            else {
                continue;
            };
            if connection.is_closed() {
                lost.push(id);
                continue;
            }
            for (index, channel) in peer.channels.iter_mut().enumerate() {
                let wire_id = index as u16 + 1;
                while !channel.outbox.is_empty() {
                    let Some(buffered) = connection.buffered(wire_id) else { break };
                    if !channel.outbox.next_frame(now, buffered, &mut self.frame) {
                        break;
                    }
                    if !connection.send(wire_id, &self.frame) {
                        lost.push(id);
                        break;
                    }
                }
            }
        }
        lost
    }

    /// Whether a message for this channel may be queued now: every outbox it goes to is under the high-water mark.
    pub(super) fn has_room(&mut self, channel: ChannelIndex, to: Option<PeerId>) -> bool {
        if matches!(self.deliveries[channel], Delivery::Lifetime(_)) {
            // Nothing else drops what is too old while a peer is not connected.
            let now = clock::now_ms();
            self.peers.values_mut().for_each(|peer| peer.channels[channel].outbox.drop_expired(now));
        }
        let full = |peer: &PeerData| peer.channels[channel].outbox.is_over_high_water();
        match to {
            Some(id) => !self.peers.get(&id).is_some_and(full),
            None => !self.peers.values().any(full),
        }
    }

    /// The peers a message goes to, without those that cannot be reached.
    pub(super) fn targets(&mut self, to: Option<PeerId>) -> impl Iterator<Item = &mut PeerData> {
        self.peers
            .iter_mut()
            .filter(move |(id, peer)| !peer.failed && to.is_none_or(|to| to == *id))
            .map(|(_, peer)| peer)
    }

    /// Whether a peer is here and can be reached.
    pub(super) fn reachable(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| !peer.failed)
    }
}

impl PeerData {
    /// A new connection: numbering starts again at both ends.
    fn begin(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
        self.early.clear();
        for channel in &mut self.channels {
            channel.outbox.reset();
            channel.inbox.reset();
        }
    }

    pub(super) fn received_messages(&self) -> u64 {
        self.channels.iter().map(|channel| channel.inbox.received_messages()).sum()
    }
}
