//! What must hold of streams whatever two applications do, and of one end whatever its peer sends. Proptest prints the
//! failing input with its seed.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::stream::{Event, HEAD_BYTES, StreamError, StreamId, Streams};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const MOST_WRITTEN: usize = 100_000;

/// What one end's application and driver know of a stream.
#[derive(Default)]
struct Seen {
    /// Going out.
    written: usize,
    finished: bool,
    aborted: bool,
    peer_cancelled: bool,
    /// Coming in.
    received: usize,
    unread: usize,
    ended: bool,
    peer_aborted: bool,
    cancelled: bool,
    closed: bool,
}

/// The byte at this place of this direction.
fn filling(id: StreamId, from: usize, at: usize) -> u8 {
    (at.wrapping_mul(31) >> 3) as u8 ^ (id.0 as u8) ^ (from as u8) << 7
}

struct End {
    streams: Streams<Rc<[u8]>>,
    seen: BTreeMap<StreamId, Seen>,
    /// Messages that the channel holds for this end.
    arriving: VecDeque<Vec<u8>>,
    writable: Vec<StreamId>,
}

struct Pair([End; 2]);

#[derive(Debug, Clone)]
enum Step {
    /// This many at once.
    Open(usize),
    /// Aborts and cancels all.
    Drop,
    Write(Index, usize),
    Finish(Index),
    Abort(Index),
    Cancel(Index),
    Read(Index, usize),
    /// This many messages go into the channel, or come out of it.
    Send(usize),
    Receive(usize),
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let any_stream = any::<Index>;
    let step = prop_oneof![
        2 => prop_oneof![4 => 1..3_usize, 1 => 30..80_usize].prop_map(Step::Open),
        1 => Just(Step::Drop),
        8 => (any_stream(), prop_oneof![0..50_usize, 0..MOST_WRITTEN]).prop_map(|(s, len)| Step::Write(s, len)),
        1 => any_stream().prop_map(Step::Finish),
        1 => any_stream().prop_map(Step::Abort),
        1 => any_stream().prop_map(Step::Cancel),
        6 => (any_stream(), 0..200_000_usize).prop_map(|(s, bytes)| Step::Read(s, bytes)),
        6 => (1..30_usize).prop_map(Step::Send),
        6 => (1..30_usize).prop_map(Step::Receive),
    ];
    (0..2_usize, step)
}

impl Pair {
    fn new(swapped: bool) -> Self {
        let ids = if swapped { [9, 3] } else { [3, 9] }.map(|byte| PeerId([byte; 16]));
        let end = |own: usize| End {
            streams: Streams::new(ids[own], ids[1 - own]),
            seen: BTreeMap::new(),
            arriving: VecDeque::new(),
            writable: Vec::new(),
        };
        Self([end(0), end(1)])
    }

    fn run(&mut self, at: usize, step: Step) {
        let end = &mut self.0[at];
        let known: Vec<_> = end.seen.keys().copied().collect();
        let pick = |index: Index| known.get(index.index(known.len().max(1))).copied();
        match step {
            Step::Open(count) => {
                for _ in 0..count {
                    match end.streams.open("some") {
                        Ok(id) => assert!(end.seen.insert(id, Seen::default()).is_none()),
                        Err(error) => assert_eq!(error, StreamError::TooManyStreams),
                    }
                }
            }
            Step::Drop => {
                for (&id, seen) in &mut end.seen {
                    (seen.aborted, seen.cancelled, seen.unread) = (true, true, 0);
                    end.streams.abort(id, "because");
                    end.streams.cancel(id, "because");
                }
            }
            Step::Write(index, len) => {
                let Some(id) = pick(index) else { return };
                let seen = end.seen.get_mut(&id).unwrap();
                let over = seen.finished || seen.aborted || seen.peer_cancelled || seen.closed;
                if over {
                    assert_eq!(end.streams.write(id, Rc::from([1])), Err(StreamError::Closed));
                } else if end.streams.is_writable(id) {
                    let bytes: Vec<u8> = (0..len).map(|n| filling(id, at, seen.written + n)).collect();
                    end.streams.write(id, bytes.into()).unwrap();
                    seen.written += len;
                } else {
                    end.writable.push(id);
                }
            }
            Step::Finish(index) => {
                let Some(id) = pick(index) else { return };
                let seen = end.seen.get_mut(&id).unwrap();
                seen.finished |= !seen.aborted && !seen.peer_cancelled;
                end.streams.finish(id);
            }
            Step::Abort(index) => {
                let Some(id) = pick(index) else { return };
                let seen = end.seen.get_mut(&id).unwrap();
                seen.aborted = true;
                end.streams.abort(id, "because");
            }
            Step::Cancel(index) => {
                let Some(id) = pick(index) else { return };
                let seen = end.seen.get_mut(&id).unwrap();
                seen.cancelled = true;
                seen.unread = 0;
                end.streams.cancel(id, "because");
            }
            Step::Read(index, bytes) => {
                let Some(id) = pick(index) else { return };
                let seen = end.seen.get_mut(&id).unwrap();
                let bytes = bytes.min(seen.unread);
                seen.unread -= bytes;
                end.streams.consumed(id, bytes);
            }
            Step::Send(most) => {
                let mut message = Vec::new();
                for _ in 0..most {
                    if !self.0[at].streams.next_message(&mut message) {
                        break;
                    }
                    assert!(message.len() <= limits::MAX_STREAM_MESSAGE_BYTES);
                    self.0[1 - at].arriving.push_back(message.clone());
                    self.drain(at, &[]);
                }
            }
            Step::Receive(most) => {
                for _ in 0..most {
                    let Some(message) = self.0[at].arriving.pop_front() else { break };
                    let head = &message[..message.len().min(HEAD_BYTES)];
                    self.0[at].streams.handle(head, message.len()).unwrap();
                    self.drain(at, &message);
                }
            }
        }
        self.drain(at, &[]);
        self.check(at);
    }

    fn drain(&mut self, at: usize, message: &[u8]) {
        let end = &mut self.0[at];
        while let Some(event) = end.streams.poll() {
            match event {
                Event::Opened { id, name } => {
                    assert_eq!(&*name, "some");
                    assert!(end.seen.insert(id, Seen::default()).is_none());
                }
                Event::Data { id, range } => {
                    let seen = end.seen.get_mut(&id).unwrap();
                    assert!(!seen.cancelled && !seen.ended && !seen.peer_aborted && !seen.closed);
                    for &byte in &message[range] {
                        assert_eq!(byte, filling(id, 1 - at, seen.received), "byte {}", seen.received);
                        seen.received += 1;
                        seen.unread += 1;
                    }
                }
                Event::Ended { id } => {
                    let written = self.0[1 - at].seen[&id].written;
                    let seen = self.0[at].seen.get_mut(&id).unwrap();
                    assert!(!seen.cancelled && !seen.ended && !seen.peer_aborted && !seen.closed);
                    assert_eq!(seen.received, written);
                    seen.ended = true;
                    return self.drain(at, message);
                }
                Event::Aborted { id, reason } => {
                    // Nobody who keeps to the limit is refused.
                    assert_eq!(&*reason, "because");
                    let seen = end.seen.get_mut(&id).unwrap();
                    assert!(!seen.cancelled && !seen.ended && !seen.peer_aborted && !seen.closed);
                    seen.peer_aborted = true;
                    seen.unread = 0;
                }
                Event::Cancelled { id, .. } => {
                    let seen = end.seen.get_mut(&id).unwrap();
                    assert!(!seen.peer_cancelled && !seen.closed);
                    seen.peer_cancelled = true;
                }
                Event::Writable { id } => {
                    assert!(end.streams.is_writable(id));
                    end.writable.retain(|waiting| *waiting != id);
                }
                Event::Closed { id } => {
                    let seen = end.seen.get_mut(&id).unwrap();
                    assert!(!seen.closed);
                    assert!(seen.finished || seen.aborted || seen.peer_cancelled);
                    assert!(seen.ended || seen.peer_aborted || seen.cancelled);
                    assert_eq!(seen.unread, 0);
                    seen.closed = true;
                }
                _ => unreachable!("no other events"),
            }
        }
    }

    fn check(&self, at: usize) {
        let end = &self.0[at];
        for (&id, seen) in &end.seen {
            assert!(seen.unread <= limits::STREAM_WINDOW_BYTES);
            assert!(end.streams.queued_bytes(id) <= limits::STREAM_HIGH_WATER_BYTES + MOST_WRITTEN);
            // Nobody waits for room that is there.
            if end.writable.contains(&id) {
                assert!(!end.streams.is_writable(id) || seen.closed);
            }
        }
        for parity in 0..2 {
            let open = end.seen.iter().filter(|(id, seen)| id.0 % 2 == parity && !seen.closed).count();
            assert!(open <= limits::MAX_STREAMS);
        }
        assert_eq!(end.streams.len(), end.seen.values().filter(|seen| !seen.closed).count());
    }

    /// Everything that was begun is finished and read.
    fn wind_down(&mut self) {
        for _ in 0..2_000 {
            for at in 0..2 {
                self.run(at, Step::Send(usize::MAX));
                self.run(1 - at, Step::Receive(usize::MAX));
                let end = &mut self.0[at];
                for (&id, seen) in &mut end.seen {
                    end.streams.consumed(id, seen.unread);
                    seen.unread = 0;
                    seen.finished |= !seen.aborted && !seen.peer_cancelled;
                    end.streams.finish(id);
                }
            }
            let quiet = self.0.iter().all(|end| end.streams.is_empty() && end.arriving.is_empty());
            if quiet {
                return;
            }
        }
        panic!("still open: {:?}", self.0.each_ref().map(|end| end.streams.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes arrive once and in order, each direction has one end, memory is bounded, and both sides forget.
    #[test]
    fn two_ends_agree(swapped in any::<bool>(), steps in vec(step(), 1..250)) {
        let mut pair = Pair::new(swapped);
        for (at, step) in steps {
            pair.run(at, step);
        }
        pair.wind_down();
        for at in 0..2 {
            prop_assert_eq!(pair.0[0].seen.len(), pair.0[1].seen.len());
            for (id, seen) in &pair.0[at].seen {
                let there = &pair.0[1 - at].seen[id];
                prop_assert!(seen.closed && there.received <= seen.written);
                // Without an abort or a cancel everything that was written has been read.
                if !seen.aborted && !there.cancelled {
                    prop_assert!(there.ended && there.received == seen.written);
                }
            }
        }
    }

    /// The peer is gone at any moment: every stream is told to be closed, once.
    #[test]
    fn a_peer_that_goes_closes_everything(steps in vec(step(), 1..60), at in 0..2_usize) {
        let mut pair = Pair::new(false);
        for (at, step) in steps {
            pair.run(at, step);
        }
        pair.0[at].streams.fail("gone");
        let mut closed = 0;
        while let Some(event) = pair.0[at].streams.poll() {
            closed += usize::from(matches!(event, Event::Closed { .. }));
        }
        let open = pair.0[at].seen.values().filter(|seen| !seen.closed).count();
        prop_assert_eq!(closed, open);
        let mut message = Vec::new();
        prop_assert!(!pair.0[at].streams.next_message(&mut message));
    }
}

/// Messages as a peer could make them up: of the right form, with numbers that are likely to hit.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![6 => 0..8_u64, 1 => any::<u64>()];
    let message = (0..8_u8, number, vec(any::<u8>(), 0..300), any::<bool>(), 0..300_000_u64).prop_map(
        |(kind, number, text, honest, limit)| {
            let mut message = vec![kind];
            peerloom_protocol::codec::push_varint(&mut message, number);
            match kind {
                5 => peerloom_protocol::codec::push_varint(&mut message, limit),
                1 | 2 => {}
                _ => peerloom_protocol::codec::push_varint(
                    &mut message,
                    text.len() as u64 + u64::from(!honest),
                ),
            }
            message.extend(text);
            message
        },
    );
    prop_oneof![8 => message, 1 => vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that a peer sends makes an end panic, hold more streams than allowed, or hand out more bytes than granted,
    /// even if its errors are not heeded.
    #[test]
    fn no_message_of_a_peer_breaks_an_end(
        messages in vec((made_up(), 0..20_000_usize), 1..200),
        steps in vec(step(), 0..100),
        heard in 0..10_usize,
    ) {
        let mut streams = Streams::<Rc<[u8]>>::new(PeerId([1; 16]), PeerId([2; 16]));
        let (mut steps, mut ids, mut out) = (steps.into_iter(), Vec::new(), Vec::new());
        let mut unread = BTreeMap::<StreamId, usize>::new();
        for (message, more) in messages {
            // Bytes of a stream need not be here.
            let len = message.len() + if matches!(message.first(), Some(1 | 2)) { more } else { 0 };
            let _ = streams.handle(&message, len);
            if let Some((_, step)) = steps.next() {
                let pick = |index: Index| if ids.is_empty() { StreamId(0) } else { ids[index.index(ids.len())] };
                match step {
                    Step::Open(count) => ids.extend((0..count).filter_map(|_| streams.open("x").ok())),
                    Step::Drop => ids.iter().for_each(|id| streams.cancel(*id, "x")),
                    Step::Write(index, len) => drop(streams.write(pick(index), Rc::from(vec![0; len]))),
                    Step::Finish(index) => streams.finish(pick(index)),
                    Step::Abort(index) => streams.abort(pick(index), "x"),
                    Step::Cancel(index) => streams.cancel(pick(index), "x"),
                    Step::Read(index, bytes) => {
                        let id = pick(index);
                        let left = unread.entry(id).or_default();
                        let bytes = bytes.min(*left);
                        *left -= bytes;
                        streams.consumed(id, bytes);
                    }
                    Step::Send(_) | Step::Receive(_) => for _ in 0..heard {
                        streams.next_message(&mut out);
                        prop_assert!(out.len() <= limits::MAX_STREAM_MESSAGE_BYTES);
                    },
                }
            }
            while let Some(event) = streams.poll() {
                match event {
                    Event::Opened { id, .. } => ids.push(id),
                    Event::Data { id, range } => {
                        prop_assert!(range.end == len && !range.is_empty());
                        let unread = unread.entry(id).or_default();
                        *unread += range.len();
                        prop_assert!(*unread <= limits::STREAM_WINDOW_BYTES);
                    }
                    _ => {}
                }
            }
            prop_assert!(streams.len() <= 2 * limits::MAX_STREAMS);
        }
    }
}
