//! Frames and packets of a session, in and out.

use std::ops::Range;

use super::packet::{self, MAX_PLAIN_BYTES, RECORD_BYTES};
use super::{Buffer, Channel, Lane, Output, Path, RelayMode, Session};
use crate::action::ConnectionId;
use crate::channel::{Delivered, Frame, FrameError, Payload, Via, frame, parse, unpack};
use crate::control::{self, Control};
use crate::hello::Delivery;
use crate::{limits, timing};

/// What a frame that is kept counts beside its bytes, so that small ones are bounded too.
pub(crate) const EARLY_COST: usize = 64;

/// Where frames of the direct path go.
pub trait Transport {
    /// Bytes handed to a channel of a connection and not yet sent; None when it is not open, as on a connection that the
    /// application closed, of which no event tells.
    fn buffered(&self, connection: ConnectionId, channel: u16) -> Option<usize>;
    /// Hands a frame over; false when it is refused, and the connection is as good as lost.
    fn send(&mut self, connection: ConnectionId, channel: u16, frame: &[u8]) -> bool;
    /// Bytes handed to the WebSocket and not yet sent.
    fn socket_buffered(&self) -> usize;
    /// Hands a message to the open WebSocket.
    fn send_socket(&mut self, message: &[u8]);
}

/// Number of a channel's data channel: 0 is the control channel's.
fn wire_id(index: usize) -> u16 {
    index as u16 + 1
}

/// Hands over what is to be said on the control channel, and counts it. False when the connection refused.
fn speak(connection: ConnectionId, path: &mut Path, sent: &mut u64, transport: &mut impl Transport) -> bool {
    let mut controls = std::mem::take(&mut path.controls).into_iter();
    controls.all(|control| {
        let bytes = control.encode();
        *sent += bytes.len() as u64;
        transport.send(connection, control::CHANNEL_ID, &bytes)
    })
}

impl<P: Payload, B: Buffer> Session<P, B> {
    /// Hands over what the direct path takes. False when the connection refused.
    pub(crate) fn flush_direct(
        &mut self,
        now: u64,
        transport: &mut impl Transport,
        frame: &mut Vec<u8>,
    ) -> bool {
        let route = self.route(now);
        let Some(direct) = &mut self.direct else { return true };
        let connection = direct.connection;
        if !speak(connection, &mut direct.path, &mut self.sent_bytes, transport) {
            return false;
        }
        let sent = &mut self.sent_bytes;
        let refuses = |lane: &mut Lane| !speak(lane.connection, &mut lane.path, sent, transport);
        let refusing = direct.lanes.iter_mut().position(refuses);
        if let Some(at) = refusing {
            let connection = direct.lanes[at].connection;
            return self.refused(connection);
        }
        direct.full = 0;
        if route != Some(Via::Direct) {
            direct.full_since = None;
            return true;
        }
        let mut full = 0;
        for index in 0..self.channels.len() {
            let channel = wire_id(index);
            while self.has_frame(index, Via::Direct) {
                // More outstanding stalls SCTP on a fresh connection (measured).
                let Some(to) = self.pick(now, index, |id| transport.buffered(id, channel)) else {
                    if transport.buffered(connection, channel).is_none() {
                        return false;
                    }
                    full |= 1 << index;
                    break;
                };
                if !self.write_frame(now, index, Via::Direct, limits::MAX_FRAME_BYTES, frame) {
                    break;
                }
                if !transport.send(to, channel, frame) {
                    return self.refused(to);
                }
                self.sent(index, frame.len());
                if let Some(lane) = self.direct.as_mut().and_then(|direct| direct.lane_mut(to)) {
                    lane.used_at = now;
                }
            }
            // The acknowledgement that makes room tells, as the data channel does.
            let outbox = &self.channels[index].outbox;
            if outbox.has_unsent(true) && outbox.is_in_flight_over(self.in_flight_limit(Via::Direct)) {
                full |= 1 << index;
            }
        }
        if let Some(direct) = &mut self.direct {
            direct.full = full;
            direct.full_since = direct.full_since.or(Some(now)).filter(|_| full != 0);
        }
        true
    }

    fn sent(&mut self, index: usize, bytes: usize) {
        self.sent_bytes += bytes as u64;
        self.channels[index].sent_bytes += bytes as u64;
    }

    /// A connection took nothing. Gives whether it was not the first.
    fn refused(&mut self, connection: ConnectionId) -> bool {
        let is_lane = self.connection() != Some(connection);
        if is_lane {
            self.outputs.push_back(Output::LaneDead(connection));
        }
        is_lane
    }

    /// The next sealed packet for the relay path, if there is anything to say there and not more than `budget` bytes
    /// of packet are needed for it.
    pub(crate) fn next_packet(&mut self, now: u64, budget: usize, frame: &mut Vec<u8>) -> Option<Vec<u8>> {
        let route = self.route(now);
        let begin = self.begin();
        let relay = self.relay.as_mut()?;
        if relay.hold_until > now || self.options.relay == RelayMode::Never {
            return None;
        }
        let mut plain = packet::start(now);
        let most = MAX_PLAIN_BYTES.min(budget);
        let speaks = !relay.path.controls.is_empty();
        let has_data = route == Some(Via::Relay) && self.has_frames(Via::Relay);
        if !speaks && !has_data {
            return None;
        }
        let relay = self.relay.as_mut()?;
        let first = (!relay.confirmed).then_some(begin);
        for control in first.into_iter().chain(std::mem::take(&mut relay.path.controls)) {
            packet::push(&mut plain, control::CHANNEL_ID, &control.encode());
        }
        let before = plain.len();
        if has_data {
            for index in 0..self.channels.len() {
                while self.has_frame(index, Via::Relay) {
                    let room = most.saturating_sub(plain.len() + RECORD_BYTES).min(limits::MAX_FRAME_BYTES);
                    if !self.write_frame(now, index, Via::Relay, room, frame) {
                        break;
                    }
                    packet::push(&mut plain, wire_id(index), frame);
                    self.channels[index].sent_bytes += frame.len() as u64;
                }
            }
        }
        let relay = self.relay.as_mut()?;
        if !speaks && plain.len() == before {
            return None;
        }
        self.sent_bytes += plain.len() as u64;
        Some(relay.seal.seal(&plain))
    }

    /// Whether messages in fragments may take this path. Those of calls always: nothing behind them should wait.
    fn takes_bulk(&self, index: usize, via: Via) -> bool {
        let is_last = index + 1 == self.channels.len();
        via == Via::Direct || is_last || self.options.relay_bulk || !self.direct_hoped
    }

    pub(super) fn has_frames(&self, via: Via) -> bool {
        (0..self.channels.len()).any(|index| self.has_frame(index, via))
    }

    fn has_frame(&self, index: usize, via: Via) -> bool {
        let Channel { inbox, outbox, .. } = &self.channels[index];
        let may_send = || !outbox.is_in_flight_over(self.in_flight_limit(via));
        inbox.is_ack_due() || outbox.has_unsent(self.takes_bulk(index, via)) && may_send()
    }

    /// Bytes that a channel may have on their way, not acknowledged.
    fn in_flight_limit(&self, via: Via) -> u64 {
        match (via, &self.direct) {
            (Via::Relay, _) => limits::MAX_RELAY_IN_FLIGHT_BYTES,
            (Via::Direct, Some(direct)) => {
                direct.flight.limit().saturating_mul(1 + direct.lanes.len() as u64)
            }
            (Via::Direct, None) => u64::MAX,
        }
    }

    /// Writes a frame of at most `room` bytes: an acknowledgement if one is due, and messages if there are any.
    fn write_frame(&mut self, now: u64, index: usize, via: Via, room: usize, frame: &mut Vec<u8>) -> bool {
        let (bulk, limit) = (self.takes_bulk(index, via), self.in_flight_limit(via));
        let may_ask = self.urgent || now >= self.last_ask + timing::ASK_MS;
        let channel = &mut self.channels[index];
        frame.clear();
        if channel.inbox.is_ack_due() && room >= frame::MAX_HEADER_BYTES {
            frame::write_ack(frame, channel.inbox.take_ack());
        }
        if channel.outbox.is_in_flight_over(limit) {
            return !frame.is_empty();
        }
        let written = channel.outbox.write(now, via, bulk, room.saturating_sub(frame.len()), frame);
        let (has_more, is_over) = (channel.outbox.has_unsent(bulk), channel.outbox.is_in_flight_over(limit));
        let is_told = !matches!(self.deliveries[index], Delivery::Lifetime(_));
        if let (Via::Direct, Some(at), Some(direct), true) = (via, written, &mut self.direct, is_told) {
            let sent = channel.outbox.sent_position();
            if is_over || sent.saturating_sub(channel.asked) >= direct.flight.ask_every() {
                frame::ask(frame, at);
                channel.asked = sent;
                direct.flight.asked(now, index, sent, is_over && has_more);
            }
        }
        let waits = !has_more || via == Via::Relay && is_over;
        if via == Via::Relay && written.is_some() {
            self.relayed_at = now;
        }
        if let Some(at) = written
            && waits
            && is_told
        {
            let latest = self.deliveries[index] == Delivery::Latest;
            if may_ask {
                frame::ask(frame, at);
                self.last_ask = now;
                self.urgent = false;
                self.ask_later = None;
                // A frame that may be lost is no test of the path, nor one whose answer may take another.
                let is_test = !latest && (via == Via::Relay || !self.has_lanes());
                if is_test && let Some(path) = self.path_mut(via) {
                    path.life.asked(now);
                }
            } else {
                self.ask_later.get_or_insert(self.last_ask + timing::ASK_MS);
            }
            if latest {
                let pause = timing::LATEST_RETRY_MS.0.max(2 * self.rtt_ms().unwrap_or(0));
                self.latest_retry.get_or_insert((now + pause, pause));
            }
        }
        !frame.is_empty()
    }

    fn heard(&mut self, now: u64) {
        self.heard_at = self.heard_at.max(now);
    }

    /// A message came in on a data channel of the direct path.
    pub(crate) fn direct_frame(&mut self, now: u64, connection: ConnectionId, channel: u16, data: &B) {
        let Some(direct) = &mut self.direct else { return };
        self.received_bytes += data.len() as u64;
        if let Some(lane) = direct.lane_mut(connection) {
            lane.path.life.heard(now);
            if channel == control::CHANNEL_ID {
                self.heard(now);
                return self.control_frame(now, Some(connection), data);
            }
            lane.used_at = now;
        } else {
            direct.path.life.heard(now);
        }
        if channel == control::CHANNEL_ID {
            self.heard(now);
            self.control_frame(now, None, data);
        } else if direct.path.begun {
            self.heard(now);
            self.frame(now, Via::Direct, channel, data);
        } else {
            direct.early_bytes += data.len() + EARLY_COST;
            if direct.early_bytes <= limits::MAX_EARLY_BYTES {
                direct.early.push((channel, data.clone()));
            } else {
                self.outputs.push_back(Output::DirectDead);
            }
        }
    }

    /// A packet came in through the server. One that is forged, repeated or malformed is dropped.
    pub(crate) fn packet(&mut self, now: u64, sealed: &[u8]) {
        let Some(relay) = &mut self.relay else { return };
        let Ok(plain) = relay.seal.open(sealed) else { return };
        let Some((sent, records)) = packet::read(&plain) else { return };
        relay.path.life.heard(now);
        let delay = now as i64 - sent as i64;
        let base = self.base_delay.map_or(delay, |base| base.min(delay));
        self.base_delay = Some(base);
        // How much longer this packet took than the fastest: TCP keeps what has long lost its worth.
        let late_ms = delay - base;
        self.received_bytes += plain.len() as u64;
        self.heard(now);
        for (channel, range) in records {
            let bytes = &plain[range];
            if channel == control::CHANNEL_ID {
                self.control(now, Via::Relay, None, bytes);
                continue;
            }
            let stale = match self.deliveries.get(usize::from(channel) - 1) {
                Some(Delivery::Lifetime(ms)) => late_ms > i64::from(*ms),
                _ => false,
            };
            if !stale && self.relay.as_ref().is_some_and(|relay| relay.path.begun) {
                self.frame(now, Via::Relay, channel, &B::from_bytes(bytes));
            }
        }
    }

    fn control_frame(&mut self, now: u64, lane: Option<ConnectionId>, data: &B) {
        let mut bytes = std::mem::take(&mut self.head);
        data.read_head(limits::MAX_CONTROL_BYTES + 1, &mut bytes);
        self.control(now, Via::Direct, lane, &bytes);
        self.head = bytes;
    }

    /// What is said on one connection of several counts as said on the path, but for pings, which are about that connection.
    fn control(&mut self, now: u64, via: Via, lane: Option<ConnectionId>, bytes: &[u8]) {
        let Ok(records) = Control::decode(bytes) else { return };
        for control in records.map_while(Result::ok) {
            let begun = self.path_mut(via).is_some_and(|path| path.begun);
            match control {
                Control::Begin { mine, yours } => self.begin_received(now, via, mine, yours),
                // Of another session, perhaps.
                _ if !begun => {}
                Control::Ping { nonce } => {
                    if let Some(path) = self.path_of(via, lane) {
                        path.say(Control::Pong { nonce });
                    }
                    self.channels.iter_mut().for_each(|channel| channel.inbox.ack_news());
                }
                Control::Pong { nonce } => {
                    if let Some(path) = self.path_of(via, lane) {
                        path.life.pong(now, nonce);
                    }
                    if let (Via::Direct, Some(direct)) = (via, &mut self.direct)
                        && let Some(ms) = direct.path.life.rtt_ms()
                    {
                        direct.flight.measured(ms);
                    }
                    self.confirmed(via);
                    // A step may have been lost with a path, or with a packet that the server did not pass on.
                    self.say_step(via, self.comparison.waiting());
                }
                Control::Compare(step) => self.compared(via, step),
                Control::Bye => self.outputs.push_back(Output::Bye),
                Control::Lane { lane, envelope } => self.outputs.push_back(Output::LaneSaid(lane, envelope)),
            }
        }
    }

    fn path_of(&mut self, via: Via, lane: Option<ConnectionId>) -> Option<&mut Path> {
        match lane {
            Some(lane) => Some(&mut self.direct.as_mut()?.lane_mut(lane)?.path),
            None => self.path_mut(via),
        }
    }

    pub(super) fn say(&mut self, via: Via, control: Control) {
        if let Some(path) = self.path_mut(via) {
            path.say(control);
        }
    }

    /// The peer has shown that our `Begin` arrived on this path: it answered a ping, which it does only then. An
    /// acknowledgement shows nothing, as it can be of what came over the other path.
    fn confirmed(&mut self, via: Via) {
        if let (Via::Relay, Some(relay)) = (via, &mut self.relay) {
            relay.confirmed = true;
        }
    }

    /// The peer says which session it means on this path.
    fn begin_received(&mut self, now: u64, via: Via, mine: u32, yours: u32) {
        if yours != 0 && yours != self.mine {
            // It means an older session of ours, and ends it when it hears of this one.
            return self.say(via, self.begin());
        }
        match self.theirs {
            Some(known) if known != mine => {
                // It has begun anew. If it knew our number it would have begun for our sake: then it is no news.
                if yours == 0 {
                    // Whether or not that is taken: what follows is not of the session that there is.
                    if let Some(path) = self.path_mut(via) {
                        path.begun = false;
                    }
                    self.outputs.push_back(Output::Restarted { theirs: mine });
                }
                return;
            }
            _ => self.theirs = Some(mine),
        }
        if let Some(path) = self.path_mut(via) {
            path.begun = true;
        }
        if let (Via::Direct, Some(connection)) = (via, self.connection()) {
            self.outputs.push_back(Output::Heard(connection));
        }
        self.say_step(via, self.comparison.waiting());
        if let (Via::Direct, Some(direct)) = (via, &mut self.direct) {
            for (channel, data) in std::mem::take(&mut direct.early) {
                self.frame(now, via, channel, &data);
            }
        }
    }

    fn frame(&mut self, now: u64, via: Via, channel: u16, data: &B) {
        let index = usize::from(channel) - 1;
        let Some(known) = self.channels.get_mut(index) else { return };
        known.received_bytes += data.len() as u64;
        if let Err(error) = self.read_frame(now, index, data) {
            self.outputs.push_back(Output::Violation { channel: index, via, error });
        }
    }

    fn parse_frame(&mut self, data: &B) -> Result<Frame, FrameError> {
        let len = data.len();
        // Only the header is copied: its first bytes, and more of a batch with many lengths.
        let mut head_len = len.min(frame::MAX_HEADER_BYTES);
        loop {
            data.read_head(head_len, &mut self.head);
            match parse(&self.head, len) {
                Err(FrameError::NeedMore(more)) if more > head_len => head_len = more.min(len),
                parsed => return parsed,
            }
        }
    }

    fn read_frame(&mut self, now: u64, index: usize, data: &B) -> Result<(), FrameError> {
        let Frame { ack, asks, body, packed } = self.parse_frame(data)?;
        if let Some(ack) = ack {
            self.acknowledge(now, index, ack)?;
        }
        if let Some(body) = body {
            let delivered = self.channels[index].inbox.accept(body, asks, |range| data.view(range))?;
            self.deliver(index, delivered, || data.clone());
        } else if let Some(packed) = packed {
            data.read_head(data.len(), &mut self.head);
            let (bytes, body) = unpack(&packed, &self.head)?;
            // What must wait is copied: a view of a byte would keep all that it was unpacked with.
            let part = |range: Range<usize>| B::from_bytes(&bytes[range]);
            let delivered = self.channels[index].inbox.accept(body, asks, part)?;
            self.deliver(index, delivered, || B::from_bytes(&bytes));
        }
        Ok(())
    }

    /// Hands messages on; `frame` gives the bytes that the ranges are of.
    fn deliver(&mut self, index: usize, delivered: Delivered<B>, frame: impl FnOnce() -> B) {
        let Delivered { ranges, wholes } = delivered;
        if !ranges.is_empty() {
            self.outputs.push_back(Output::Deliver { channel: index, buffer: frame(), ranges });
        }
        for whole in wholes {
            let range = 0..whole.len;
            let buffer = match &whole.chunks[..] {
                [one] => one.clone(),
                chunks => B::concat(chunks, whole.len),
            };
            let ranges = vec![range];
            self.outputs.push_back(Output::Deliver { channel: index, buffer, ranges });
        }
    }

    /// The direct path as the driver's connection, if that is this one.
    pub(crate) fn is_direct(&self, connection: ConnectionId) -> bool {
        self.direct.as_ref().is_some_and(|direct| {
            direct.connection == connection || direct.lanes.iter().any(|lane| lane.connection == connection)
        })
    }
}
