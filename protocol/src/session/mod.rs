//! What two peers share for as long as they know each other, whatever paths there are between them.
//!
//! A session begins when the server makes two peers known to each other, and ends when one of them leaves. It holds an
//! [`Outbox`] and an [`Inbox`] for every channel, and up to two paths: the *relay* path, sealed packets through the
//! server, and the *direct* path, an RTCPeerConnection. Messages take the direct path while it answers, and the relay
//! path otherwise. What was on its way when a path ended or fell silent is sent again over the other; numbers and
//! acknowledgements make that exactly once.
//!
//! Each end gives its session a number. [`Control::Begin`] names both as the first thing on every path, so an end that
//! forgot the session (a page that was frozen for too long) is noticed, and nothing of an old session is taken for a
//! message of a new one.
//!
//! docs/sessions.md explains all of it; [`crate::node`] drives it.

mod data;
mod flight;
mod lane;
mod life;
mod packet;
mod paths;
mod stats;

use std::collections::VecDeque;
use std::ops::Range;

use crate::action::ConnectionId;
use crate::channel::{Ack, FrameError, Inbox, Outbox, Payload, SendError, Via};
use crate::control::Control;
use crate::hello::Delivery;
use crate::ice::IceSource;
use crate::privacy::Privacy;
use crate::safety::{BadCommitment, Comparison, SafetyCode, Step};
use crate::seal::Seal;
use crate::signal::EnvelopeBytes;
use crate::{limits, timing};

pub(crate) use data::EARLY_COST;
pub use data::Transport;
use flight::Flight;
use lane::Lane;
use life::Life;
pub(crate) use paths::Verdict;
pub use stats::{ChannelStats, PeerStats};

/// Bytes that came in, wherever they live. Cloning is cheap: a handle.
pub trait Buffer: Clone {
    /// How many bytes.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Replaces the contents of `head` by the first `len` bytes, or all if there are fewer.
    fn read_head(&self, len: usize, head: &mut Vec<u8>);
    /// A part, without copying it.
    fn view(&self, range: Range<usize>) -> Self;
    /// One buffer with the bytes of all of these, `len` in all.
    fn concat(parts: &[Self], len: usize) -> Self;
    /// Takes bytes over.
    fn from_bytes(bytes: &[u8]) -> Self;
}

/// When messages go through the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelayMode {
    /// At once, until there is a direct path, and again while that is silent.
    #[default]
    First,
    /// Only when the first try for a direct path failed, or the direct path is silent.
    Fallback,
    /// Never.
    Never,
}

/// How sessions behave; the same for all of a room.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// When messages go through the server.
    pub relay: RelayMode,
    /// Whether messages in fragments may go through the server while a direct path is still hoped for.
    pub relay_bulk: bool,
    /// Bytes each channel takes from a peer before the application has read any, and keeps for a peer before senders
    /// wait.
    pub window: u32,
    /// How long a peer may be silent before it has left, in milliseconds.
    pub peer_timeout_ms: u64,
    /// What addresses are told and tried.
    pub privacy: Privacy,
    /// Where STUN and TURN servers come from.
    pub ice: IceSource,
    /// The channels on which what this side sends is compressed, a bit each, by their
    /// [numbers](crate::hello::Hello::numbers).
    pub compress: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            relay: RelayMode::default(),
            relay_bulk: false,
            window: crate::limits::WINDOW_BYTES,
            peer_timeout_ms: timing::PEER_TIMEOUT_MS,
            privacy: Privacy::default(),
            ice: IceSource::default(),
            compress: 0,
        }
    }
}

/// What a session tells the node around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output<B> {
    /// Whole messages, in order: ranges of a buffer.
    Deliver { channel: usize, buffer: B, ranges: Vec<Range<usize>> },
    /// The peer said goodbye.
    Bye,
    /// The peer broke the rules of a channel.
    Violation { channel: usize, via: Via, error: FrameError },
    /// The peer has begun a new session under this number, so it has lost the old one.
    Restarted { theirs: u32 },
    /// The direct path is of no use any more.
    DirectDead,
    /// The direct path is too slow for what waits: more connections may help.
    WantsLanes,
    /// One of those is of no use any more.
    LaneDead(ConnectionId),
    /// The peer said something of one.
    LaneSaid(u8, EnvelopeBytes),
    /// Something was acknowledged, or granted.
    Progress,
    /// The first word came over a new direct path.
    Heard(ConnectionId),
    /// The code to compare is known, or the peer tried to choose it.
    Compared(Result<SafetyCode, BadCommitment>),
}

#[derive(Debug)]
struct Channel<P, B> {
    outbox: Outbox<P>,
    inbox: Inbox<B>,
    /// How far it had sent directly when it last asked for an acknowledgement for the sake of the [`Flight`].
    asked: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

/// What both kinds of path have.
#[derive(Debug)]
struct Path {
    life: Life,
    /// `Begin` came in.
    begun: bool,
    /// To say on this path, before messages.
    controls: Vec<Control>,
}

impl Path {
    fn new(now: u64) -> Self {
        Self { life: Life::new(now), begun: false, controls: Vec::new() }
    }

    /// Says something on this path. A peer that only asks is not answered without end.
    fn say(&mut self, control: Control) {
        if self.controls.len() < 16 {
            self.controls.push(control);
        }
    }

    /// Asks for a sign of life.
    fn ping(&mut self, now: u64, nonce: u32) {
        self.life.pinged(now, nonce);
        self.controls.push(Control::Ping { nonce });
    }
}

#[derive(Debug)]
struct Direct<B> {
    connection: ConnectionId,
    path: Path,
    flight: Flight,
    /// Frames that overtook `Begin`, which travels on another channel.
    early: Vec<(u16, B)>,
    early_bytes: usize,
    /// The data channels that had no room for more at the last flush, a bit each. They tell when they have.
    full: u64,
    /// Since when some had none at every flush.
    full_since: Option<u64>,
    /// More connections to the same peer.
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Relay {
    seal: Seal,
    path: Path,
    /// The peer has shown that `Begin` arrived; until then every packet carries it.
    confirmed: bool,
    /// Nothing is sent before this.
    hold_until: u64,
}

/// Who is at the other end, as the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// In the room.
    Listed,
    /// We are not in the room ourselves.
    Away,
    /// Not in the room any more, or not yet again: it may come back.
    Missing,
    /// Its socket broke, as when a page crashes.
    Lost,
}

/// The listing, and since when.
type Listed = (Listing, u64);

/// One peer's session. See the [module](self).
#[derive(Debug)]
pub(crate) struct Session<P, B> {
    mine: u32,
    theirs: Option<u32>,
    deliveries: Vec<Delivery>,
    channels: Vec<Channel<P, B>>,
    options: Options,
    direct: Option<Direct<B>>,
    relay: Option<Relay>,
    /// A direct path may still come.
    pub(crate) direct_hoped: bool,
    /// The first try for a direct path has failed.
    pub(crate) direct_failed: bool,
    listing: Listed,
    /// The path in use at the last look.
    route: Option<Via>,
    heard_at: u64,
    begun_at: u64,
    /// That no path was found has been told.
    pub(crate) told_no_path: bool,
    /// There was a path since the session began.
    connected: bool,
    suspended: bool,
    last_ask: u64,
    /// Somebody waits for an acknowledgement.
    urgent: bool,
    ask_later: Option<u64>,
    latest_retry: Option<(u64, u64)>,
    /// When a message last went through the server, or something was acknowledged since.
    relayed_at: u64,
    /// Arrival minus writing, by the two clocks, of the fastest packet so far.
    base_delay: Option<i64>,
    nonce: u32,
    sent_bytes: u64,
    received_bytes: u64,
    comparison: Comparison,
    /// The application waits for what comes of it.
    code_wanted: bool,
    head: Vec<u8>,
    outputs: VecDeque<Output<B>>,
}

impl<P: Payload, B: Buffer> Session<P, B> {
    /// A session that has just begun. `mine` is its number at this end, `theirs` at the other if known; the peer takes
    /// `their_window` bytes on each channel.
    pub(crate) fn new(
        now: u64,
        (mine, theirs): (u32, Option<u32>),
        deliveries: &[Delivery],
        their_window: u32,
        options: Options,
        comparison: Comparison,
    ) -> Self {
        let channel = |(index, delivery): (usize, &Delivery)| {
            let mut outbox = Outbox::new(*delivery, their_window, options.window);
            outbox.set_compress(options.compress >> index & 1 == 1);
            Channel {
                outbox,
                inbox: Inbox::new(*delivery, options.window),
                asked: 0,
                sent_bytes: 0,
                received_bytes: 0,
            }
        };
        let mut deliveries = deliveries.to_vec();
        // Behind the declared channels is the one of streams and calls.
        deliveries.push(Delivery::Ordered);
        Self {
            mine,
            theirs,
            channels: deliveries.iter().enumerate().map(channel).collect(),
            deliveries,
            options,
            direct: None,
            relay: None,
            direct_hoped: true,
            direct_failed: false,
            listing: (Listing::Listed, now),
            route: None,
            heard_at: now,
            begun_at: now,
            told_no_path: false,
            connected: false,
            suspended: false,
            last_ask: 0,
            urgent: false,
            ask_later: None,
            latest_retry: None,
            relayed_at: 0,
            base_delay: None,
            nonce: 0,
            sent_bytes: 0,
            received_bytes: 0,
            comparison,
            code_wanted: false,
            head: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Output<B>> {
        self.outputs.pop_front()
    }

    /// Queues a message; gives its number.
    pub(crate) fn push(
        &mut self,
        now: u64,
        channel: usize,
        payload: P,
        urgent: bool,
    ) -> Result<u64, SendError> {
        self.urgent |= urgent;
        self.channels[channel].outbox.push(now, payload)
    }

    /// Whether a message would wait for its data channel, which tells when it has room.
    pub(crate) fn is_full(&self, channel: usize) -> bool {
        self.direct.as_ref().is_some_and(|direct| direct.full >> channel & 1 == 1)
    }

    /// Acknowledgements are wanted without delay.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
        self.ask_later = Some(0);
    }

    pub(crate) fn is_over_high_water(&mut self, now: u64, channel: usize) -> bool {
        let outbox = &mut self.channels[channel].outbox;
        // Nothing else drops what is too old while there is no path.
        outbox.drop_expired(now);
        outbox.is_over_high_water()
    }

    /// Whether the last channel, that of streams and calls, should be given more to send. Little waits unsent: what is
    /// made later can be about what matters then.
    pub(crate) fn takes_more(&self) -> bool {
        self.channels.last().is_some_and(|Channel { outbox, .. }| {
            let unsent = (outbox.queued_bytes() as u64).saturating_sub(outbox.unacknowledged());
            unsent < limits::MAX_OUTSTANDING_BYTES as u64 && !outbox.is_over_high_water()
        })
    }

    pub(crate) fn is_settled(&self, channel: usize, seq: u64) -> bool {
        self.channels[channel].outbox.is_settled(seq)
    }

    /// Whether every message sent has been acknowledged.
    pub(crate) fn is_flushed(&self) -> bool {
        self.channels.iter().all(|channel| channel.outbox.is_empty())
    }

    /// What was not acknowledged, by channel: messages and bytes. Empty where nothing is owed.
    pub(crate) fn undelivered(&self) -> Vec<(usize, usize, usize)> {
        let owed = self.channels.iter().zip(&self.deliveries).enumerate();
        owed.filter(|(_, (channel, delivery))| {
            matches!(delivery, Delivery::Ordered | Delivery::Unordered) && !channel.outbox.is_empty()
        })
        .map(|(index, (channel, _))| (index, channel.outbox.len(), channel.outbox.queued_bytes()))
        .collect()
    }

    /// Gives whether the peer is to be told.
    pub(crate) fn consumed(&mut self, channel: usize, messages: u64, bytes: u64) -> bool {
        self.channels.get_mut(channel).is_some_and(|Channel { inbox, .. }| {
            inbox.consumed(messages, bytes);
            inbox.is_ack_due()
        })
    }

    /// The application wants a code to compare: [`Output::Compared`] tells it.
    pub(crate) fn compare(&mut self) {
        self.code_wanted = true;
        self.comparison.ask();
        self.tell_code();
        // Without a path it is said as the first thing on the next.
        if let Some(via) = self.route {
            self.say_step(via, self.comparison.waiting());
        }
    }

    /// The peer's step towards one. The answer goes the way that the step came.
    fn compared(&mut self, via: Via, step: Step) {
        let answer = self.comparison.heard(step);
        self.say_step(via, answer);
        self.tell_code();
    }

    fn say_step(&mut self, via: Via, step: Option<Step>) {
        if let Some(step) = step {
            self.say(via, Control::Compare(step));
        }
    }

    fn tell_code(&mut self) {
        if let (true, Some(outcome)) = (self.code_wanted, self.comparison.outcome()) {
            self.code_wanted = false;
            self.outputs.push_back(Output::Compared(outcome));
        }
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.direct.as_ref().map(|direct| direct.connection)
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let life = self.life();
        PeerStats {
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            rtt_ms: self.rtt_ms(),
            jitter_ms: life.and_then(Life::jitter_ms),
            channels: self.channels.iter().map(Channel::stats).collect(),
        }
    }

    fn rtt_ms(&self) -> Option<u64> {
        self.life()?.rtt_ms()
    }

    /// Of the path in use.
    fn life(&self) -> Option<&Life> {
        match self.route? {
            Via::Direct => self.direct.as_ref().map(|direct| &direct.path.life),
            Via::Relay => self.relay.as_ref().map(|relay| &relay.path.life),
        }
    }

    fn acknowledge(&mut self, now: u64, index: usize, ack: Ack) -> Result<(), FrameError> {
        let Some(channel) = self.channels.get_mut(index) else { return Ok(()) };
        if channel.outbox.ack(ack)? {
            self.relayed_at = self.relayed_at.max(now);
            if let Some(direct) = &mut self.direct {
                direct.flight.acknowledged(now, index, channel.outbox.acked_position());
            }
            self.outputs.push_back(Output::Progress);
            // It may be of an older value, or of one of several channels.
            let mut latest =
                self.channels.iter().zip(&self.deliveries).filter(|(_, d)| **d == Delivery::Latest);
            if latest.all(|(channel, _)| channel.outbox.unacknowledged() == 0) {
                self.latest_retry = None;
            }
        }
        Ok(())
    }
}
