//! What must hold of a channel whatever is sent, however the network treats it, and whatever a hostile peer makes up.
//! A failing case prints its seed and is written beside this file, from where it is tried first from then on.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

use peerloom_protocol::channel::frame::{CHUNK_BYTES, MAX_HEADER_BYTES};
use peerloom_protocol::channel::{
    Ack, Body, Frame, FrameError, Inbox, Outbox, Via, message_cost, parse, parse_into, unpack,
};
use peerloom_protocol::codec::push_varint;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

type Bytes = Rc<[u8]>;

const ALL: [Delivery; 4] = [Delivery::Ordered, Delivery::Unordered, Delivery::Latest, Delivery::Lifetime(50)];

/// Message `n`: its number, as far as it fits, then bytes that differ from place to place.
fn message(n: usize, len: usize) -> Bytes {
    static FILLING: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..limits::MAX_MESSAGE_BYTES + 300).map(|at| ((at * 31) >> 3) as u8).collect());
    let mut bytes = FILLING[n % 256..][..len].to_vec();
    for (byte, number) in bytes.iter_mut().zip((n as u32).to_be_bytes()) {
        *byte = number;
    }
    bytes.into()
}

fn lens(at_least: usize) -> impl Strategy<Value = usize> {
    let chunk = CHUNK_BYTES.max(at_least);
    prop_oneof![4 => at_least..200, 2 => chunk - 2..chunk + 3, 1 => at_least..200 * 1024]
}

fn frames(outbox: &mut Outbox<Bytes>, now_ms: u64) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| write(outbox, now_ms, Via::Direct, true, limits::MAX_FRAME_BYTES)).collect()
}

fn write(outbox: &mut Outbox<Bytes>, now_ms: u64, via: Via, bulk: bool, room: usize) -> Option<Vec<u8>> {
    let mut frame = vec![];
    outbox.write(now_ms, via, bulk, room, &mut frame).map(|_| frame)
}

/// Reads a frame as a driver does, from a short head first.
fn read(frame: &[u8]) -> Result<Frame, FrameError> {
    match parse(&frame[..frame.len().min(MAX_HEADER_BYTES)], frame.len()) {
        Err(FrameError::NeedMore(len)) => parse(&frame[..len], frame.len()),
        read => read,
    }
}

/// The messages of a frame, and the bytes that their ranges are of.
fn body_of(frame: &[u8]) -> (Vec<u8>, Body) {
    match read(frame).unwrap() {
        Frame { body: Some(body), packed: None, .. } => (frame.to_vec(), body),
        Frame { packed, .. } => unpack(&packed.unwrap(), frame).unwrap(),
    }
}

fn receive(inbox: &mut Inbox<Vec<u8>>, frame: &[u8]) -> Vec<Vec<u8>> {
    let (frame, body) = body_of(frame);
    let delivered = inbox.accept(body, false, |range| frame[range].to_vec()).unwrap();
    let wholes = delivered.wholes.into_iter().map(|whole| {
        let bytes = whole.chunks.concat();
        assert_eq!(bytes.len(), whole.len);
        bytes
    });
    delivered.ranges.into_iter().map(|range| frame[range].to_vec()).chain(wholes).collect()
}

fn number(message: &[u8]) -> usize {
    u32::from_be_bytes([message[0], message[1], message[2], message[3]]) as usize
}

const WIDE: u32 = limits::MAX_WINDOW_BYTES;

fn outbox(delivery: Delivery) -> Outbox<Bytes> {
    Outbox::new(delivery, WIDE, limits::WINDOW_BYTES)
}

fn inbox<C>(delivery: Delivery) -> Inbox<C> {
    Inbox::new(delivery, WIDE)
}

/// Something the application or the network does.
#[derive(Debug, Clone)]
enum Step {
    /// The application sends, if it need not wait.
    Push(usize),
    /// A frame is handed to a path, of at most so many bytes and perhaps without fragments.
    Write(Via, usize, bool),
    /// One of the frames under way arrives.
    Arrive(Via, Index),
    /// The application reads so many messages.
    Read(usize),
    /// The receiver acknowledges.
    Ack(Via),
    /// One of the acknowledgements under way arrives.
    AckArrives(Via, Index),
    /// A path ends. What was under way is lost, or comes late all the same, as on a path that was only silent.
    End(Via, bool),
    /// One frame is lost, where that may happen.
    Lose(Index),
}

fn via() -> impl Strategy<Value = Via> {
    prop_oneof![Just(Via::Relay), Just(Via::Direct)]
}

fn step(at_least: usize) -> impl Strategy<Value = Step> {
    let room = prop_oneof![1 => Just(200), 1 => Just(1_200), 2 => Just(limits::MAX_FRAME_BYTES)];
    prop_oneof![
        4 => lens(at_least).prop_map(Step::Push),
        6 => (via(), room, prop::bool::weighted(0.8)).prop_map(|(via, room, bulk)| Step::Write(via, room, bulk)),
        5 => (via(), any::<Index>()).prop_map(|(via, at)| Step::Arrive(via, at)),
        2 => (0..5_usize).prop_map(Step::Read),
        2 => via().prop_map(Step::Ack),
        2 => (via(), any::<Index>()).prop_map(|(via, at)| Step::AckArrives(via, at)),
        1 => (via(), any::<bool>()).prop_map(|(via, lost)| Step::End(via, lost)),
        1 => any::<Index>().prop_map(Step::Lose),
    ]
}

/// One channel from a sender to a receiver, over two paths at once.
struct Line {
    delivery: Delivery,
    outbox: Outbox<Bytes>,
    inbox: Inbox<Vec<u8>>,
    window: u64,
    granted: u64,
    now_ms: u64,
    lens: Vec<usize>,
    since: Vec<u64>,
    under_way: [Vec<Vec<u8>>; Via::COUNT],
    acks: [Vec<Ack>; Via::COUNT],
    received: Vec<Vec<u8>>,
    unread: VecDeque<usize>,
    read_cost: u64,
}

const HIGH_WATER: u32 = 256 * 1024;

impl Line {
    fn new(delivery: Delivery, window: u32, compress: bool) -> Self {
        let mut outbox = Outbox::new(delivery, window, HIGH_WATER);
        outbox.set_compress(compress);
        Self {
            delivery,
            outbox,
            inbox: Inbox::new(delivery, window),
            window: window.into(),
            granted: window.into(),
            now_ms: 0,
            lens: vec![],
            since: vec![],
            under_way: Default::default(),
            acks: Default::default(),
            received: vec![],
            unread: VecDeque::new(),
            read_cost: 0,
        }
    }

    fn is_reliable(&self) -> bool {
        matches!(self.delivery, Delivery::Ordered | Delivery::Unordered)
    }

    fn cost_before(&self, seq: u64) -> u64 {
        self.lens[..seq as usize].iter().map(|len| message_cost(*len)).sum()
    }

    fn write(&mut self, via: Via, room: usize, bulk: bool) -> Result<bool, TestCaseError> {
        let Some(frame) = write(&mut self.outbox, self.now_ms, via, bulk, room) else { return Ok(false) };
        prop_assert!(frame.len() <= room);
        let (first, count) = match body_of(&frame).1 {
            Body::Batch { first_seq, ranges } => (first_seq, ranges.len() as u64),
            Body::Fragment(fragment) => {
                prop_assert!(bulk);
                (fragment.seq(), 1)
            }
        };
        for seq in first..first + count {
            let begun = !self.is_reliable() || self.cost_before(seq) < self.granted;
            prop_assert!(begun, "message {} was begun without a grant", seq);
            if let Delivery::Lifetime(ms) = self.delivery {
                prop_assert!(self.now_ms - self.since[seq as usize] <= u64::from(ms), "{} is late", seq);
            }
        }
        self.under_way[via as usize].push(frame);
        Ok(true)
    }

    fn arrive(&mut self, frame: &[u8]) -> Result<(), TestCaseError> {
        let messages = receive(&mut self.inbox, frame);
        self.unread.extend(messages.iter().map(Vec::len));
        self.received.extend(messages);
        let unread: u64 = self.unread.iter().map(|len| message_cost(*len)).sum();
        let longest = self.lens.iter().max().copied().unwrap_or(0);
        if self.is_reliable() {
            let kept = unread + self.inbox.kept_bytes() as u64;
            let most = self.window + message_cost(longest);
            prop_assert!(kept <= most, "{} bytes wait, of {}", kept, most);
        } else {
            prop_assert!(self.inbox.kept_bytes() <= limits::MAX_PARTIAL_BYTES);
        }
        Ok(())
    }

    fn read(&mut self, count: usize) {
        for len in self.unread.drain(..count.min(self.unread.len())) {
            self.inbox.consumed(1, len as u64);
            self.read_cost += message_cost(len);
        }
    }

    fn ack(&mut self, via: Via) -> Result<(), TestCaseError> {
        let ack = self.inbox.take_ack();
        prop_assert!(ack.granted <= self.read_cost + self.window);
        prop_assert!(!self.inbox.is_ack_due());
        self.acks[via as usize].push(ack);
        Ok(())
    }

    fn ack_arrives(&mut self, ack: Ack) -> Result<(), TestCaseError> {
        prop_assert!(self.outbox.ack(ack).is_ok(), "an honest acknowledgement is never refused: {:?}", ack);
        self.granted = self.granted.max(ack.granted);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.now_ms += 7;
        match *step {
            Step::Push(len) if !self.outbox.is_over_high_water() => {
                let seq = self.outbox.push(self.now_ms, message(self.lens.len(), len)).unwrap();
                prop_assert_eq!(seq, self.lens.len() as u64);
                self.lens.push(len);
                self.since.push(self.now_ms);
            }
            Step::Push(_) => {}
            Step::Write(via, room, bulk) => drop(self.write(via, room, bulk)?),
            Step::Arrive(via, at) => {
                let frames = &mut self.under_way[via as usize];
                if !frames.is_empty() {
                    let frame = frames.remove(at.index(frames.len()));
                    self.arrive(&frame)?;
                }
            }
            Step::Read(count) => self.read(count),
            Step::Ack(via) => self.ack(via)?,
            Step::AckArrives(via, at) => {
                let acks = &mut self.acks[via as usize];
                if !acks.is_empty() {
                    let ack = acks.remove(at.index(acks.len()));
                    self.ack_arrives(ack)?;
                }
            }
            Step::End(via, lost) => {
                if lost {
                    self.under_way[via as usize].clear();
                    self.acks[via as usize].clear();
                }
                self.outbox.rewind(via);
                self.inbox.ack_again();
            }
            Step::Lose(at) => {
                let may_lose = !self.is_reliable();
                let frames = &mut self.under_way[Via::Direct as usize];
                if may_lose && !frames.is_empty() {
                    frames.remove(at.index(frames.len()));
                }
            }
        }
        let longest = self.lens.iter().max().copied().unwrap_or(0) as u64;
        let here = self.outbox.queued_bytes() as u64;
        // A latest channel holds one half-sent value and the newest.
        let most =
            if self.delivery == Delivery::Latest { 2 * longest } else { u64::from(HIGH_WATER) + longest };
        prop_assert!(here <= most, "{} bytes are kept for sending", here);
        Ok(())
    }

    /// All is well from now on: what is under way arrives, in any order, and what is missing is sent again.
    fn finish(&mut self, keys: &[u64]) -> Result<(), TestCaseError> {
        for round in 0..10_000 {
            while self.write(Via::Direct, limits::MAX_FRAME_BYTES, true)? {}
            let frames: Vec<_> = self.under_way.iter_mut().flat_map(std::mem::take).collect();
            for frame in shuffled(frames, keys) {
                self.arrive(&frame)?;
            }
            self.read(usize::MAX);
            self.inbox.ack_news();
            if self.inbox.is_ack_due() {
                self.ack(Via::Direct)?;
            }
            for ack in shuffled(self.acks.iter_mut().flat_map(std::mem::take).collect(), keys) {
                self.ack_arrives(ack)?;
            }
            if self.outbox.is_empty() {
                break;
            }
            prop_assert!(round < 9_999, "it never ends: {:?}", self.outbox.len());
            if self.delivery == Delivery::Latest {
                self.outbox.rewind(Via::Direct);
                self.outbox.rewind(Via::Relay);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_becomes_of_the_paths_ordered_messages_arrive_once_and_in_order(
        steps in vec(step(0), 1..200),
        window in prop_oneof![Just(limits::MIN_WINDOW_BYTES), Just(limits::WINDOW_BYTES)],
        keys in vec(any::<u64>(), 1..40),
        compress in any::<bool>(),
    ) {
        let mut line = Line::new(Delivery::Ordered, window, compress);
        for step in &steps {
            line.step(step)?;
            let sent: Vec<_> = (0..line.received.len()).map(|n| message(n, line.lens[n])).collect();
            prop_assert!(line.received.iter().map(Vec::as_slice).eq(sent.iter().map(|m| &m[..])));
        }
        line.finish(&keys)?;
        prop_assert_eq!(line.received.len(), line.lens.len());
        for (n, got) in line.received.iter().enumerate() {
            prop_assert!(got[..] == message(n, line.lens[n])[..], "message {}", n);
        }
        prop_assert_eq!((line.inbox.received_messages(), line.inbox.kept_bytes()), (line.lens.len() as u64, 0));
    }

    #[test]
    fn whatever_becomes_of_the_paths_unordered_messages_arrive_once(
        steps in vec(step(0), 1..200),
        window in prop_oneof![Just(limits::MIN_WINDOW_BYTES), Just(limits::WINDOW_BYTES)],
        keys in vec(any::<u64>(), 1..40),
        compress in any::<bool>(),
    ) {
        let mut line = Line::new(Delivery::Unordered, window, compress);
        for step in &steps {
            line.step(step)?;
        }
        line.finish(&keys)?;
        let mut sent: Vec<_> = line.lens.iter().enumerate().map(|(n, len)| message(n, *len).to_vec()).collect();
        let mut received = std::mem::take(&mut line.received);
        sent.sort();
        received.sort();
        prop_assert!(sent == received);
        prop_assert_eq!((line.inbox.received_messages(), line.inbox.kept_bytes()), (sent.len() as u64, 0));
    }

    #[test]
    fn whatever_becomes_of_the_paths_the_newest_value_is_the_last_to_arrive(
        steps in vec(step(4), 1..200),
        keys in vec(any::<u64>(), 1..40),
        compress in any::<bool>(),
    ) {
        let mut line = Line::new(Delivery::Latest, WIDE, compress);
        for step in &steps {
            line.step(step)?;
        }
        line.finish(&keys)?;
        let numbers: Vec<_> = line.received.iter().map(|got| number(got)).collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", numbers);
        prop_assert_eq!(numbers.last().copied(), line.lens.len().checked_sub(1));
        for (n, got) in numbers.iter().zip(&line.received) {
            prop_assert!(got[..] == message(*n, line.lens[*n])[..]);
        }
    }

    #[test]
    fn whatever_becomes_of_the_paths_nothing_with_a_lifetime_arrives_twice(
        steps in vec(step(4), 1..200),
        keys in vec(any::<u64>(), 1..40),
        compress in any::<bool>(),
    ) {
        let mut line = Line::new(Delivery::Lifetime(50), WIDE, compress);
        for step in &steps {
            line.step(step)?;
        }
        line.finish(&keys)?;
        let mut seen = vec![false; line.lens.len()];
        for got in &line.received {
            let n = number(got);
            prop_assert!(got[..] == message(n, line.lens[n])[..]);
            prop_assert!(!std::mem::replace(&mut seen[n], true), "message {} came twice", n);
        }
    }

    #[test]
    fn of_several_waiting_values_only_the_newest_leaves(lens in vec(lens(0), 1..20)) {
        let (mut outbox, mut inbox) = (outbox(Delivery::Latest), inbox(Delivery::Latest));
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            prop_assert_eq!(outbox.queued_bytes(), len);
        }
        let received: Vec<_> = frames(&mut outbox, 0).iter().flat_map(|frame| receive(&mut inbox, frame)).collect();
        prop_assert_eq!(received, [message(lens.len() - 1, lens[lens.len() - 1]).to_vec()]);
    }

    #[test]
    fn forged_acknowledgements_are_refused_or_harm_nobody_else(
        lens in vec(lens(0), 1..20),
        moves in vec((0..4_u8, 0..25_u64, 0..200_000_usize, any::<u64>()), 1..60),
        delivery in prop_oneof![Just(Delivery::Ordered), Just(Delivery::Unordered), Just(Delivery::Latest)],
    ) {
        let mut outbox = Outbox::new(delivery, limits::MIN_WINDOW_BYTES, HIGH_WATER);
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
        }
        let mut sent_to = 0;
        for (what, seq, offset, granted) in moves {
            match what {
                0 => outbox.rewind(Via::Direct),
                1 => {
                    if let Some(frame) = write(&mut outbox, 0, Via::Direct, true, limits::MAX_FRAME_BYTES) {
                        let end = match read(&frame).unwrap().body.unwrap() {
                            Body::Batch { first_seq, ranges } => first_seq + ranges.len() as u64,
                            Body::Fragment(part) if part.offset() + part.body().len() == part.total() => part.seq() + 1,
                            Body::Fragment(_) => 0,
                        };
                        sent_to = sent_to.max(end);
                    }
                }
                _ => {
                    let before = (outbox.len(), outbox.queued_bytes());
                    let taken = outbox.ack(Ack { seq, offset, granted });
                    prop_assert_eq!(taken.is_err(), seq > sent_to, "{:?}", taken);
                    if taken.is_err() {
                        prop_assert_eq!((outbox.len(), outbox.queued_bytes()), before);
                    }
                    prop_assert!(outbox.queued_bytes() <= before.1);
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        kind in prop_oneof![Just(0_u8), Just(1), Just(2), Just(3), Just(0x40), any::<u8>()],
        rest in vec(prop_oneof![0..4_u8, any::<u8>()], 0..300),
        claimed in prop_oneof![0..400_usize, 16_000..16_500_usize, Just(usize::MAX)],
        cut in any::<Index>(),
    ) {
        let mut bytes = vec![kind];
        bytes.extend(rest);
        check_reading(&bytes, bytes.len())?;
        check_reading(&bytes[..cut.index(bytes.len() + 1)], bytes.len())?;
        check_reading(&bytes, claimed)?;
    }

    #[test]
    fn what_is_compressed_and_altered_is_read_within_bounds(
        lens in vec(lens(0), 1..20),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let mut outbox = outbox(Delivery::Ordered);
        outbox.set_compress(true);
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
        }
        for mut frame in frames(&mut outbox, 0) {
            for (at, byte) in &changes {
                let at = at.index(frame.len());
                frame[at] = *byte;
            }
            frame.truncate(cut.map_or(frame.len(), |cut| cut.index(frame.len() + 1)));
            check_reading(&frame, frame.len())?;
        }
    }

    #[test]
    fn made_up_frames_stay_within_bounds(
        made_up in vec((0..5_u8, seqs(), any::<Index>(), any::<Index>()), 1..200),
        window in prop_oneof![Just(limits::MIN_WINDOW_BYTES), Just(limits::MAX_WINDOW_BYTES)],
    ) {
        let totals = [CHUNK_BYTES + 1, 100_000, 1 << 20, limits::MAX_MESSAGE_BYTES];
        let mut inboxes = ALL.map(|delivery| Inbox::<usize>::new(delivery, window));
        let most = limits::MAX_PARTIAL_BYTES + window as usize + limits::MAX_MESSAGE_BYTES + limits::MAX_FRAME_BYTES;
        for (kind, seq, total, at) in &made_up {
            let total = *total.get(&totals);
            let count = total.div_ceil(CHUNK_BYTES);
            // A hundred fragments in a row, so that the bounds are reached.
            let first = at.index(count);
            for n in first..count.min(first + if *kind == 0 { 1 } else { 100 }) {
                let (head, len) = match kind {
                    0 => (vec![*seq as u8 & 1, 0, 1, 0], 4),
                    1 => header(0, &[*seq, 2, 0, 0], 0),
                    _ => header(1, &[*seq, total as u64, (n * CHUNK_BYTES) as u64], CHUNK_BYTES.min(total - n * CHUNK_BYTES)),
                };
                let Ok(Frame { body: Some(body), .. }) = parse(&head, len) else { continue };
                for (inbox, delivery) in inboxes.iter_mut().zip(ALL) {
                    match inbox.accept(body.clone(), n % 2 == 0, |range| range.len()) {
                        Ok(delivered) => for whole in delivered.wholes {
                            prop_assert_eq!(whole.chunks.iter().sum::<usize>(), whole.len);
                        },
                        Err(FrameError::Contradiction { .. }) => {}
                        // Where messages may be lost, hardly anything is the peer's fault.
                        Err(error) => {
                            prop_assert!(matches!(delivery, Delivery::Ordered | Delivery::Unordered));
                            prop_assert!(matches!(error, FrameError::ReassemblyLimit | FrameError::WindowExceeded));
                        }
                    }
                    prop_assert!(inbox.kept_bytes() <= most);
                    let ack = inbox.take_ack();
                    prop_assert!(ack.granted <= u64::from(window), "nothing was read");
                }
            }
        }
    }
}

fn seqs() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..30_u64, 1 => any::<u64>(), 1 => u64::MAX - 3..=u64::MAX]
}

fn header(kind: u8, numbers: &[u64], body: usize) -> (Vec<u8>, usize) {
    let mut head = vec![kind];
    for &number in numbers {
        push_varint(&mut head, number);
    }
    let len = head.len() + body;
    (head, len)
}

/// Reads a frame; whatever is read lies within it, and asking for more makes progress.
fn check_reading(head: &[u8], total_len: usize) -> Result<(), TestCaseError> {
    let inside = |range: &Range<usize>| range.start <= range.end && range.end <= total_len;
    let mut spare = vec![1..2, 3..4];
    match parse_into(head, total_len, &mut spare) {
        Ok(Frame { body: Some(Body::Batch { ranges, .. }), .. }) => {
            prop_assert!(!ranges.is_empty() && ranges.iter().all(inside));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!(ranges.last().map(|range| range.end), Some(total_len));
        }
        Ok(Frame { body: Some(Body::Fragment(fragment)), .. }) => {
            prop_assert!(inside(&fragment.body()) && fragment.body().end == total_len);
            prop_assert!(fragment.offset() + fragment.body().len() <= fragment.total());
            prop_assert!(fragment.total() <= limits::MAX_MESSAGE_BYTES);
        }
        Ok(Frame { packed: Some(packed), .. }) if head.len() == total_len => {
            if let Ok((bytes, _)) = unpack(&packed, head) {
                prop_assert!(bytes.len() <= limits::MAX_FRAME_BYTES);
                prop_assert!(bytes[0] < 2, "messages are in it, and nothing else");
                check_reading(&bytes, bytes.len())?;
            }
        }
        Ok(Frame { packed: Some(_), .. }) => {}
        Ok(Frame { ack, asks, .. }) => {
            prop_assert!(!asks && ack.is_some_and(|ack| ack.offset <= limits::MAX_MESSAGE_BYTES));
        }
        Err(FrameError::NeedMore(len)) => prop_assert!(head.len() < len && len <= total_len),
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

/// Reorders by sort keys, repeated as needed.
fn shuffled<T>(items: Vec<T>, keys: &[u64]) -> Vec<T> {
    let mut keyed: Vec<_> =
        items.into_iter().enumerate().map(|(at, item)| (spread(keys[at % keys.len()], at), item)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, item)| item).collect()
}

fn spread(key: u64, at: usize) -> u64 {
    (key ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

#[test]
fn messages_around_the_largest_size_arrive() {
    let max = limits::MAX_MESSAGE_BYTES;
    for delivery in ALL {
        let (mut outbox, mut inbox) = (outbox(delivery), inbox(delivery));
        for (n, len) in [max - 1, max, max / CHUNK_BYTES * CHUNK_BYTES, 0].into_iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            let received: Vec<_> =
                frames(&mut outbox, 0).iter().flat_map(|frame| receive(&mut inbox, frame)).collect();
            assert!(received.len() == 1 && received[0] == message(n, len)[..], "{delivery:?} {len}");
            inbox.consumed(1, len as u64);
            outbox.ack(inbox.take_ack()).unwrap();
            assert!(outbox.is_empty());
        }
        assert!(outbox.push(0, message(0, max + 1)).is_err());
    }
}
