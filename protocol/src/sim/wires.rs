//! A model of data channels: frames in flight, as SCTP carries them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::app::Bytes;
use super::{ConnectionKey, Happening, World};
use crate::action::ConnectionId;
use crate::limits;
use crate::session::Transport;

/// How long a frame waits in the browser before it is sent.
const BUFFERED_MS: u64 = 1;

/// Frames on their way to one end of a connection, on one channel.
#[derive(Debug, Default)]
struct InFlight {
    frames: VecDeque<Frame>,
    /// When the last one arrives: on ordered channels none overtakes another.
    until: u64,
    /// What has not been sent yet.
    buffered: usize,
}

#[derive(Debug)]
struct Frame {
    serial: u64,
    data: Bytes,
    is_sent: bool,
}

impl InFlight {
    /// A frame leaves the buffer, if it has not before. Gives whether a browser tells that there is room behind it.
    fn leave(&mut self, at: usize) -> bool {
        let Some(frame) = self.frames.get_mut(at).filter(|frame| !frame.is_sent) else { return false };
        frame.is_sent = true;
        let before = self.buffered;
        self.buffered -= frame.data.0.len();
        before > limits::LOW_WATER_BYTES && self.buffered <= limits::LOW_WATER_BYTES
    }

    fn place(&self, serial: u64) -> Option<usize> {
        self.frames.iter().position(|frame| frame.serial == serial)
    }
}

/// Where a frame arrives: the end of a connection, its channel, and the frame's number.
type Arrival = (ConnectionKey, u16, u64);

#[derive(Debug, Default)]
pub(super) struct Wires {
    in_flight: BTreeMap<(ConnectionKey, u16), InFlight>,
    silent: BTreeMap<(usize, usize), u64>,
    /// Ends at which nothing arrives any more.
    mute: BTreeSet<ConnectionKey>,
    /// Arrivals that wait for a silent path to speak, with the peer that sent them.
    waiting: Vec<(usize, Arrival)>,
    serial: u64,
}

impl Wires {
    /// Since when the path between two peers carries nothing, if it does not.
    pub(super) fn silent_since(&self, a: usize, b: usize) -> Option<u64> {
        self.silent.get(&(a.min(b), a.max(b))).copied()
    }

    pub(super) fn set_silent(&mut self, now: u64, a: usize, b: usize, silent: bool) {
        let pair = (a.min(b), a.max(b));
        if silent {
            self.silent.entry(pair).or_insert(now);
        } else {
            self.silent.remove(&pair);
        }
    }

    /// Nothing arrives at these ends any more.
    pub(super) fn mute(&mut self, ends: &[ConnectionKey]) {
        self.mute.extend(ends);
    }

    /// What waited for the path between two peers.
    pub(super) fn release(&mut self, a: usize, b: usize) -> Vec<Arrival> {
        let pair = (a.min(b), a.max(b));
        let between = |(from, ((to, _), ..)): &(usize, Arrival)| (*from.min(to), *from.max(to)) == pair;
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting).into_iter().partition(between);
        self.waiting = later;
        now.into_iter().map(|(_, arrival)| arrival).collect()
    }

    /// The frame that arrives, unless its connection is gone, and whether the buffer behind it has drained so far that
    /// a browser tells.
    pub(super) fn arrive(&mut self, key: ConnectionKey, channel: u16, serial: u64) -> Option<(Bytes, bool)> {
        let wire = self.in_flight.get_mut(&(key, channel)).filter(|_| !self.mute.contains(&key))?;
        let at = wire.place(serial)?;
        let has_drained = wire.leave(at);
        Some((wire.frames.remove(at)?.data, has_drained))
    }

    /// A frame is sent. Whether the buffer behind it has drained so far that a browser tells.
    pub(super) fn sent(&mut self, key: ConnectionKey, channel: u16, serial: u64) -> bool {
        let Some(wire) = self.in_flight.get_mut(&(key, channel)) else { return false };
        wire.place(serial).is_some_and(|at| wire.leave(at))
    }

    fn close(&mut self, key: ConnectionKey) {
        self.in_flight.retain(|(known, _), _| *known != key);
    }
}

/// One peer's end of everything, for the length of a flush.
pub(super) struct Wire<'a> {
    world: &'a mut World,
    peer: usize,
    sent: Vec<Vec<u8>>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(world: &'a mut World, peer: usize) -> Self {
        Self { world, peer, sent: Vec::new() }
    }

    pub(super) fn flush(&mut self) {
        // The node is lent out for the call, as the driver's is.
        let now = self.world.clock(self.peer);
        let Some(mut node) = self.world.peers[self.peer].node.take() else { return };
        node.flush(now, self);
        self.world.peers[self.peer].node = Some(node);
        for message in std::mem::take(&mut self.sent) {
            self.world.send_socket(self.peer, message);
        }
    }
}

impl Transport for Wire<'_> {
    fn buffered(&self, connection: ConnectionId, channel: u16) -> Option<usize> {
        let key = (self.peer, connection);
        // One whose other end is gone takes what it is given, until it notices.
        let Some(other) = self.world.browser.other_end(key) else {
            return self.world.browser.holds(key).then_some(0);
        };
        Some(self.world.wires.in_flight.get(&(other, channel)).map_or(0, |wire| wire.buffered))
    }

    fn send(&mut self, connection: ConnectionId, channel: u16, frame: &[u8]) -> bool {
        let world = &mut *self.world;
        let key = (self.peer, connection);
        let Some(other) = world.browser.other_end(key) else { return world.browser.holds(key) };
        let delivery = world.peers[self.peer].app.delivery_of(channel);
        let silent = world.wires.silent_since(self.peer, other.0).is_some()
            || !world.browser.have_way(self.peer, other.0);
        let lost = world.chance(world.faults.frame_loss_percent) || silent;
        if lost && delivery.is_lossy() {
            return true;
        }
        let (least, most) = world.faults.delay_ms;
        let resend = if lost && !silent { 200 + world.random.below(400) } else { 0 };
        let mut arrival = world.now + least + world.random.below(most - least + 1) + resend;
        world.wires.serial += 1;
        let serial = world.wires.serial;
        let wire = world.wires.in_flight.entry((other, channel)).or_default();
        if delivery.is_in_order() {
            arrival = arrival.max(wire.until);
            wire.until = arrival;
        }
        wire.frames.push_back(Frame { serial, data: Bytes::from(frame), is_sent: false });
        wire.buffered += frame.len();
        if silent {
            world.wires.waiting.push((self.peer, (other, channel, serial)));
        } else {
            world.after(BUFFERED_MS, Happening::Sent(other, channel, serial));
            world.after(arrival - world.now, Happening::Frame(other, channel, serial));
        }
        true
    }

    fn socket_buffered(&self) -> usize {
        0
    }

    fn send_socket(&mut self, message: &[u8]) {
        self.sent.push(message.to_vec());
    }
}

impl World {
    /// A connection is closed at this end: what is on its way to it is lost.
    pub(super) fn close_wires(&mut self, key: ConnectionKey) {
        self.wires.close(key);
    }
}
