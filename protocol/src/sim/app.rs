//! An application at a simulated peer: it sends numbered messages to everyone, and checks what it gets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;

use crate::action::{Event, Outcome};
use crate::channel::message_cost;
use crate::hello::Delivery;
use crate::id::PeerId;
use crate::limits;
use crate::node::Node;
use crate::random::Random;
use crate::session::Buffer;
use crate::{call, stream};

use super::exchange::{Exchange, Plan};

/// Bytes that came in: a part of a shared buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Rc<[u8]>, Range<usize>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into(), 0..bytes.len())
    }
}

impl Bytes {
    fn slice(&self) -> &[u8] {
        &self.0[self.1.clone()]
    }
}

impl Buffer for Bytes {
    fn len(&self) -> usize {
        self.1.len()
    }
    fn read_head(&self, len: usize, head: &mut Vec<u8>) {
        head.clear();
        head.extend_from_slice(&self.slice()[..len.min(self.1.len())]);
    }
    fn view(&self, range: Range<usize>) -> Self {
        Self(self.0.clone(), self.1.start + range.start..self.1.start + range.end)
    }
    fn concat(parts: &[Self], len: usize) -> Self {
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.slice()).copied().collect();
        assert_eq!(whole.len(), len, "the parts of a message have its length");
        Self::from(&whole[..])
    }
    fn from_bytes(bytes: &[u8]) -> Self {
        Self::from(bytes)
    }
}

impl Delivery {
    pub(super) fn is_lossy(self) -> bool {
        matches!(self, Self::Latest | Self::Lifetime(_))
    }
    pub(super) fn is_in_order(self) -> bool {
        self == Self::Ordered
    }
}

/// How an application talks.
#[derive(Debug, Clone, Copy)]
pub struct Talk {
    /// Messages in all, over all channels.
    pub messages: u64,
    /// Shortest and longest pause between two.
    pub pause_ms: (u64, u64),
    /// The longest message, in bytes. Most are short.
    pub longest: usize,
    /// How many of a hundred ask for a confirmation.
    pub confirm_percent: u64,
}

/// What came from one peer on one channel.
#[derive(Debug, Default)]
struct Heard {
    seen: BTreeSet<u64>,
    /// A session ended, so the next number need not follow the last.
    broken: bool,
}

/// One peer's application.
#[derive(Debug)]
pub struct App {
    deliveries: Vec<Delivery>,
    window: u32,
    random: Random,
    talk: Option<Talk>,
    exchange: Exchange,
    /// Messages per channel so far; the next has this number.
    sent: Vec<u64>,
    /// What everyone who came should have got from, by channel.
    since: BTreeMap<PeerId, Vec<u64>>,
    /// Peers that left at some time: to them something may be lost, and was reported.
    left: BTreeSet<PeerId>,
    /// Those it knows now.
    here: BTreeSet<PeerId>,
    heard: BTreeMap<(PeerId, usize), Heard>,
    /// Longest pause of a reader that takes its time.
    slow_ms: Option<u64>,
    unread: VecDeque<(PeerId, usize, usize)>,
    unread_cost: BTreeMap<(PeerId, usize), u64>,
    /// Confirmations asked for and not given.
    open: BTreeSet<u32>,
    waiting: BTreeSet<u32>,
    /// What it did is to be flushed.
    flush: bool,
    /// Messages reported as undelivered.
    undelivered: usize,
    /// How often the application was told of a silent peer.
    suspended: usize,
    outcomes: Vec<(PeerId, Outcome)>,
    /// What is late is not a fault: the page was stopped, or what came first through a socket was late itself.
    pub(super) may_be_late: bool,
}

/// Number of the message, and when it was sent.
const HEADER: usize = 16;

impl App {
    pub(super) fn new(deliveries: Vec<Delivery>, window: u32, seed: u64) -> Self {
        Self {
            sent: vec![0; deliveries.len()],
            deliveries,
            window,
            random: Random::new(seed),
            talk: None,
            exchange: Exchange::new(seed),
            since: BTreeMap::new(),
            left: BTreeSet::new(),
            here: BTreeSet::new(),
            heard: BTreeMap::new(),
            slow_ms: None,
            unread: VecDeque::new(),
            unread_cost: BTreeMap::new(),
            open: BTreeSet::new(),
            waiting: BTreeSet::new(),
            flush: false,
            undelivered: 0,
            suspended: 0,
            outcomes: Vec::new(),
            may_be_late: false,
        }
    }

    /// Starts to talk, at the first event that comes.
    pub fn talk(&mut self, talk: Talk) {
        self.talk = Some(talk);
    }

    /// Opens streams and makes calls, at the first event that comes.
    pub fn plan(&mut self, plan: Plan) {
        self.exchange.start(plan);
    }

    /// What became of streams and calls.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) fn stream(&mut self, from: PeerId, event: &stream::Event, bytes: Option<&Bytes>) {
        self.exchange.stream(from, event, bytes);
    }

    pub(super) fn call(&mut self, now: u64, from: PeerId, event: &call::Event, bytes: Option<&Bytes>) {
        self.exchange.call(now, from, event, bytes);
    }

    /// As [`App::act`], for streams and calls.
    pub(super) fn act_more(&mut self, now: u64, node: &mut Node<Rc<[u8]>, Bytes>) -> Option<u64> {
        self.flush |= !self.exchange.is_done();
        self.exchange.act(now, node)
    }

    /// Whether what it did since this was last asked is to be flushed.
    pub(super) fn take_flush(&mut self) -> bool {
        std::mem::take(&mut self.flush)
    }

    /// Reads one message at a time, with pauses of up to this long.
    pub fn read_slowly(&mut self, slow_ms: Option<u64>) {
        self.slow_ms = slow_ms;
    }

    /// From now on, a message that comes later than its lifetime is no fault.
    pub fn accept_late(&mut self) {
        self.may_be_late = true;
    }

    /// Everyone who ever left.
    pub fn saw_leave(&self, id: PeerId) -> bool {
        self.left.contains(&id)
    }

    /// How many others are in the room, as far as it was told.
    pub fn known(&self) -> usize {
        self.here.len()
    }

    /// How many messages were reported as not delivered.
    pub fn undelivered(&self) -> usize {
        self.undelivered
    }

    /// How often a peer fell silent.
    pub fn suspended(&self) -> usize {
        self.suspended
    }

    /// What became of messages sent with confirmation.
    pub fn outcomes(&self) -> &[(PeerId, Outcome)] {
        &self.outcomes
    }

    /// How many messages of a peer arrived on a channel.
    pub fn received(&self, from: PeerId, channel: usize) -> usize {
        self.heard.get(&(from, channel)).map_or(0, |heard| heard.seen.len())
    }

    /// Whether a peer's message of this number arrived on a channel.
    pub fn has(&self, from: PeerId, channel: usize, number: u64) -> bool {
        self.heard.get(&(from, channel)).is_some_and(|heard| heard.seen.contains(&number))
    }

    /// What waits for the reader, in bytes, counting a little for each message.
    pub fn unread(&self) -> u64 {
        self.unread_cost.values().sum()
    }

    /// How many sends wait for room.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Messages sent from now on have numbers from this one on: what a page before this one sent has others.
    pub fn count_from(&mut self, number: u64) {
        self.sent.fill(number);
    }

    /// Messages sent on a channel.
    pub fn sent(&self, channel: usize) -> u64 {
        self.sent[channel]
    }

    /// Whether nothing more is to be sent, read or confirmed.
    pub fn is_done(&self) -> bool {
        self.talk.is_none_or(|talk| talk.messages == 0)
            && self.unread.is_empty()
            && self.open.is_empty()
            && self.waiting.is_empty()
    }

    pub(super) fn delivery_of(&self, channel: u16) -> Delivery {
        let index = usize::from(channel).checked_sub(1);
        index.and_then(|index| self.deliveries.get(index)).copied().unwrap_or(Delivery::Ordered)
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.exchange.event(event);
        match event {
            Event::PeerJoined { id, .. } => {
                self.since.insert(*id, self.sent.clone());
                self.here.insert(*id);
            }
            Event::PeerLeft(id, _) => {
                self.left.insert(*id);
                self.here.remove(id);
                for ((from, _), heard) in &mut self.heard {
                    heard.broken |= from == id;
                }
                self.unread.retain(|(from, ..)| from != id);
                self.unread_cost.retain(|(from, _), _| from != id);
            }
            Event::Undelivered { messages, .. } => self.undelivered += messages,
            Event::PeerSuspended(_) => self.suspended += 1,
            Event::Violation { error, .. } => panic!("honest peers break no rule: {error}"),
            _ => {}
        }
    }

    pub(super) fn wants_to_act(&self, event: &Event) -> bool {
        (self.talk.is_some() || !self.exchange.is_done()) && matches!(event, Event::Joined(_))
    }

    pub(super) fn deliver(
        &mut self,
        now: u64,
        from: PeerId,
        channel: usize,
        buffer: &Bytes,
        ranges: &[Range<usize>],
    ) {
        for range in ranges {
            let bytes = &buffer.slice()[range.clone()];
            let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
            let (number, sent_at) = (number(0), number(8));
            assert!(
                bytes[HEADER..].iter().all(|byte| *byte == number as u8),
                "the bytes of {number} are those sent"
            );
            let heard = self.heard.entry((from, channel)).or_default();
            let broken = std::mem::take(&mut heard.broken);
            let last = heard.seen.last().copied();
            let place = || format!("message {number} after {last:?} on channel {channel} at {now} ms");
            match self.deliveries[channel] {
                Delivery::Ordered => {
                    let follows = last.is_none_or(|last| number == last + 1 || broken && number > last);
                    assert!(follows, "in order: {}", place());
                }
                Delivery::Latest => assert!(last.is_none_or(|last| number > last), "newer: {}", place()),
                Delivery::Lifetime(ms) => {
                    // What the way itself takes comes on top.
                    let in_time = now - sent_at <= u64::from(ms) + 2_500 || self.may_be_late;
                    assert!(in_time, "in time, not {}: {}", now - sent_at, place());
                }
                Delivery::Unordered => {}
            }
            assert!(heard.seen.insert(number), "once: {}", place());
            if !self.deliveries[channel].is_lossy() {
                *self.unread_cost.entry((from, channel)).or_default() += message_cost(range.len());
                self.unread.push_back((from, channel, range.len()));
            }
        }
        let most = u64::from(self.window) + message_cost(limits::MAX_MESSAGE_BYTES);
        let unread = self.unread_cost.get(&(from, channel)).copied().unwrap_or_default();
        assert!(unread <= most, "{unread} bytes wait for the reader");
    }

    /// Takes what there is to read, or one message of it; gives the pause before the next.
    pub(super) fn consume(&mut self, _now: u64, node: &mut Node<Rc<[u8]>, Bytes>) -> Option<u64> {
        let count = if self.slow_ms.is_some() { 1 } else { self.unread.len() };
        for (from, channel, len) in self.unread.drain(..count.min(self.unread.len())) {
            if let Some(cost) = self.unread_cost.get_mut(&(from, channel)) {
                *cost -= message_cost(len);
            }
            self.flush |= node.consumed(from, channel, 1, len as u64);
        }
        let slow_ms = self.slow_ms.filter(|_| !self.unread.is_empty())?;
        Some(1 + self.random.below(slow_ms))
    }

    /// Sends the next message; gives the pause before the one after.
    /// `clock` is the node's time.
    pub(super) fn act(&mut self, now: u64, clock: u64, node: &mut Node<Rc<[u8]>, Bytes>) -> Option<u64> {
        let mut talk = self.talk.filter(|talk| talk.messages > 0)?;
        // Whoever awaits `send` sends nothing more while one waits.
        if self.waiting.is_empty() {
            talk.messages -= 1;
            self.talk = Some(talk);
            let channel = self.random.below(self.deliveries.len() as u64) as usize;
            let longest = if self.random.below(20) == 0 { talk.longest } else { talk.longest.min(200) };
            let len = self.random.below(longest as u64 + 1) as usize;
            let confirm = (self.random.below(100) < talk.confirm_percent).then_some(300_000);
            if self.say(now, clock, node, channel, len, confirm).is_none() {
                self.talk = None;
            }
        }
        Some(talk.pause_ms.0 + self.random.below(talk.pause_ms.1 - talk.pause_ms.0 + 1))
    }

    /// Sends the next message of a channel to everyone; gives its number.
    pub(super) fn say(
        &mut self,
        now: u64,
        clock: u64,
        node: &mut Node<Rc<[u8]>, Bytes>,
        channel: usize,
        len: usize,
        confirm_ms: Option<u64>,
    ) -> Option<u64> {
        let number = self.sent[channel];
        let mut bytes = vec![number as u8; HEADER + len];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..16].copy_from_slice(&now.to_le_bytes());
        let sent = node.send(clock, channel, vec![bytes.into()], None, confirm_ms).ok()?;
        self.sent[channel] += 1;
        self.flush |= sent.flush;
        if confirm_ms.is_some() {
            self.open.insert(sent.ticket);
        }
        if sent.waits {
            self.waiting.insert(sent.ticket);
        }
        Some(number)
    }

    pub(super) fn queued(&mut self, ticket: u32, sent: bool) {
        assert!(self.waiting.remove(&ticket), "told once that {ticket} is queued");
        if !sent {
            self.open.remove(&ticket);
        }
    }

    pub(super) fn confirmed(&mut self, ticket: u32, outcomes: &[(PeerId, Outcome)]) {
        assert!(self.open.remove(&ticket), "confirmed once: {ticket}");
        self.outcomes.extend_from_slice(outcomes);
    }

    /// Checks that everything a peer sent has arrived here, now that all is quiet. `sender` is its application and
    /// `from` its id; `id` is ours.
    ///
    /// # Errors
    /// What is missing.
    pub fn has_all_of(&self, sender: &App, from: PeerId, id: PeerId) -> Result<(), String> {
        if self.left.contains(&from) || sender.left.contains(&id) {
            return Ok(());
        }
        let Some(since) = sender.since.get(&id) else { return Err("the sender does not know us".into()) };
        for (channel, delivery) in self.deliveries.iter().enumerate() {
            let (first, next) = (since[channel], sender.sent[channel]);
            let none = Heard::default();
            let seen = &self.heard.get(&(from, channel)).unwrap_or(&none).seen;
            let missing = match delivery {
                Delivery::Ordered | Delivery::Unordered => {
                    (first..next).find(|number| !seen.contains(number))
                }
                Delivery::Latest => next.checked_sub(1).filter(|last| !seen.contains(last)),
                Delivery::Lifetime(_) => None,
            };
            if let Some(number) = missing {
                return Err(format!("message {number} of {first}..{next} on channel {channel} is missing"));
            }
        }
        Ok(())
    }
}
