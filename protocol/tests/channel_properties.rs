//! What must hold of a channel whatever is sent, however the network treats it, and whatever a hostile peer makes up.
//! A failing case prints its seed and is written beside this file, from where it is tried first from then on.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

use peerloom_protocol::channel::frame::{CHUNK_BYTES, MAX_HEADER_BYTES};
use peerloom_protocol::channel::{Delivered, Frame, FrameError, Inbox, Outbox, parse, parse_into};
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
    let mut frame = Vec::new();
    std::iter::from_fn(|| outbox.next_frame(now_ms, 0, &mut frame).then(|| frame.clone())).collect()
}

/// Reads a frame as a driver does, from a short head first.
fn read(frame: &[u8]) -> Result<Frame, FrameError> {
    match parse(&frame[..frame.len().min(MAX_HEADER_BYTES)], frame.len()) {
        Err(FrameError::NeedMore(len)) => parse(&frame[..len], frame.len()),
        read => read,
    }
}

fn receive(inbox: &mut Inbox<Vec<u8>>, frame: &[u8]) -> Vec<Vec<u8>> {
    match inbox.accept(read(frame).unwrap(), |range| frame[range].to_vec()).unwrap() {
        Delivered::Ranges(ranges) => ranges.into_iter().map(|range| frame[range].to_vec()).collect(),
        Delivered::Whole { chunks, len } => {
            let whole = chunks.concat();
            assert_eq!(whole.len(), len);
            vec![whole]
        }
        Delivered::Nothing => vec![],
    }
}

/// Something the application or the network does.
#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    /// The data channel's buffer loses this many bytes.
    Drain(usize),
    /// The driver sends what it may.
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => lens(0).prop_map(Step::Push),
        2 => (0..100_000_usize).prop_map(Step::Drain),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #[test]
    fn ordered_messages_arrive_once_and_in_order(steps in vec(step(), 1..60)) {
        let (mut outbox, mut inbox) = (Outbox::new(Delivery::Ordered), Inbox::new(Delivery::Ordered));
        let (mut sent, mut received, mut buffered, mut frame) = (vec![], vec![], 0, vec![]);
        let finish = [Step::Flush, Step::Drain(usize::MAX)].into_iter().cycle().take(1000);
        for (at, step) in steps.iter().cloned().chain(finish).enumerate() {
            if at > steps.len() && outbox.is_empty() {
                break;
            }
            match step {
                Step::Push(len) => {
                    sent.push(message(sent.len(), len));
                    outbox.push(0, message(sent.len() - 1, len)).unwrap();
                }
                Step::Drain(bytes) => buffered = usize::saturating_sub(buffered, bytes),
                Step::Flush => while outbox.next_frame(0, buffered, &mut frame) {
                    buffered += frame.len();
                    received.extend(receive(&mut inbox, &frame));
                },
            }
            prop_assert!(buffered <= limits::MAX_OUTSTANDING_BYTES);
            prop_assert!(frame.len() <= limits::MAX_FRAME_BYTES);
            let there = received.iter().map(Vec::len).sum::<usize>() + inbox.partial_bytes();
            prop_assert_eq!(outbox.queued_bytes() + there, sent.iter().map(|m| m.len()).sum::<usize>());
        }
        prop_assert!(outbox.is_empty() && inbox.partial_bytes() == 0);
        prop_assert_eq!((outbox.sent_messages(), inbox.received_messages()), (sent.len() as u64, sent.len() as u64));
        prop_assert!(received.iter().map(Vec::as_slice).eq(sent.iter().map(|m| &m[..])));
    }

    #[test]
    fn unordered_messages_arrive_once_in_any_order(
        lens in vec(lens(0), 1..25),
        keys in vec(any::<u64>(), 1..40),
    ) {
        let (mut outbox, mut inbox) = (Outbox::new(Delivery::Unordered), Inbox::new(Delivery::Unordered));
        let mut sent = vec![];
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            sent.push(message(n, len).to_vec());
        }
        let mut received = vec![];
        for frame in shuffled(frames(&mut outbox, 0), &keys) {
            received.extend(receive(&mut inbox, &frame));
            prop_assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
        }
        sent.sort();
        received.sort();
        prop_assert!(sent == received);
        prop_assert_eq!(inbox.partial_bytes(), 0);
    }

    #[test]
    fn the_newest_value_that_arrives_is_the_last_delivered(
        lens in vec(lens(4), 1..25),
        keys in vec(any::<u64>(), 1..40),
        lost in vec(any::<bool>(), 1..40),
    ) {
        let (mut outbox, mut inbox) = (Outbox::new(Delivery::Latest), Inbox::new(Delivery::Latest));
        let mut arriving = vec![];
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            arriving.extend(frames(&mut outbox, 0).into_iter().map(|frame| (n, frame)));
        }
        let mut missing = vec![0; lens.len()];
        let mut kept = vec![];
        for (at, (n, frame)) in arriving.into_iter().enumerate() {
            if lost[at % lost.len()] { missing[n] += 1 } else { kept.push((n, frame)) }
        }
        let whole = (0..lens.len()).rev().find(|&n| missing[n] == 0);
        let mut delivered = vec![];
        // Neighbours swap places, as packets on their way do; a whole shuffle would make nearly everything stale.
        for chunk in shuffled_nearby(kept, &keys) {
            delivered.extend(receive(&mut inbox, &chunk.1));
            prop_assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
        }
        let numbers: Vec<_> = delivered.iter().map(|m| u32::from_be_bytes([m[0], m[1], m[2], m[3]]) as usize).collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", numbers);
        prop_assert_eq!(numbers.last().copied(), whole);
        for (n, got) in numbers.iter().zip(&delivered) {
            prop_assert_eq!(got, &message(*n, lens[*n]).to_vec());
        }
    }

    #[test]
    fn of_several_waiting_values_only_the_newest_leaves(lens in vec(lens(0), 1..20)) {
        let (mut outbox, mut inbox) = (Outbox::new(Delivery::Latest), Inbox::new(Delivery::Latest));
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            prop_assert_eq!(outbox.queued_bytes(), len);
        }
        let received: Vec<_> = frames(&mut outbox, 0).iter().flat_map(|frame| receive(&mut inbox, frame)).collect();
        prop_assert_eq!(received, [message(lens.len() - 1, lens[lens.len() - 1]).to_vec()]);
    }

    #[test]
    fn with_a_lifetime_messages_leave_in_time_and_arrive_at_most_once(
        pushes in vec((lens(4), 0..40_u64, any::<bool>()), 1..30),
        keys in vec(any::<u64>(), 1..40),
        lost in vec(any::<bool>(), 1..40),
    ) {
        let delivery = Delivery::Lifetime(50);
        let (mut outbox, mut inbox) = (Outbox::new(delivery), Inbox::new(delivery));
        let (mut now_ms, mut arriving, mut since) = (0, vec![], vec![]);
        let mut frame = vec![];
        for (n, &(len, pause_ms, flush)) in pushes.iter().enumerate() {
            now_ms += pause_ms;
            since.push(now_ms);
            outbox.push(now_ms, message(n, len)).unwrap();
            // At most three frames at a time, so that long messages run out of time half sent.
            for _ in 0..if flush { 3 } else { 0 } {
                if outbox.next_frame(now_ms, 0, &mut frame) {
                    arriving.push((now_ms, frame.clone()));
                }
            }
        }
        arriving.extend(frames(&mut outbox, now_ms).into_iter().map(|frame| (now_ms, frame)));
        let mut seen = vec![false; pushes.len()];
        let mut reference = Inbox::new(delivery);
        for (sent_ms, frame) in &arriving {
            for got in receive(&mut reference, frame) {
                let n = u32::from_be_bytes([got[0], got[1], got[2], got[3]]) as usize;
                prop_assert!(sent_ms - since[n] <= 50, "message {} left {} ms late", n, sent_ms - since[n] - 50);
                prop_assert!(!std::mem::replace(&mut seen[n], true));
            }
        }
        prop_assert_eq!(seen.iter().filter(|&&seen| seen).count() as u64, outbox.sent_messages());
        let mut again = vec![false; pushes.len()];
        let kept = arriving.into_iter().enumerate().filter(|(at, _)| !lost[at % lost.len()]).map(|(_, (_, f))| f);
        for frame in shuffled(kept.collect(), &keys) {
            for got in receive(&mut inbox, &frame) {
                let n = u32::from_be_bytes([got[0], got[1], got[2], got[3]]) as usize;
                prop_assert_eq!(&got, &message(n, pushes[n].0).to_vec());
                prop_assert!(seen[n] && !std::mem::replace(&mut again[n], true));
            }
            prop_assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
        }
    }

    #[test]
    fn a_replaced_connection_loses_only_what_was_handed_over(
        lens in vec(lens(0), 1..20),
        handed_over in 0..30_usize,
    ) {
        let (mut outbox, mut inbox) = (Outbox::new(Delivery::Ordered), Inbox::new(Delivery::Ordered));
        for (n, &len) in lens.iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
        }
        let (mut frame, mut received) = (vec![], vec![]);
        for _ in 0..handed_over {
            if outbox.next_frame(0, 0, &mut frame) {
                received.extend(receive(&mut inbox, &frame));
            }
        }
        outbox.reset();
        inbox.reset();
        prop_assert_eq!(inbox.partial_bytes(), 0);
        for frame in frames(&mut outbox, 0) {
            received.extend(receive(&mut inbox, &frame));
        }
        let sent: Vec<_> = lens.iter().enumerate().map(|(n, &len)| message(n, len).to_vec()).collect();
        prop_assert!(received == sent);
        prop_assert_eq!(inbox.received_messages(), outbox.sent_messages());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        kind in prop_oneof![Just(0_u8), Just(1), any::<u8>()],
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
    fn made_up_frames_stay_within_bounds(
        made_up in vec((0..5_u8, seqs(), any::<Index>(), any::<Index>()), 1..200),
    ) {
        let totals = [CHUNK_BYTES + 1, 100_000, 1 << 20, limits::MAX_MESSAGE_BYTES];
        let mut inboxes = ALL.map(Inbox::<usize>::new);
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
                let Ok(frame) = parse(&head, len) else { continue };
                for (inbox, delivery) in inboxes.iter_mut().zip(ALL) {
                    match inbox.accept(frame.clone(), |range| range.len()) {
                        Ok(Delivered::Whole { chunks, len }) => prop_assert_eq!(chunks.iter().sum::<usize>(), len),
                        Ok(Delivered::Ranges(ranges)) => prop_assert!(!ranges.is_empty()),
                        Ok(Delivered::Nothing) => {}
                        // Where messages may be lost, hardly anything is the peer's fault.
                        Err(FrameError::Contradiction { .. }) => {}
                        Err(FrameError::ReassemblyLimit) => prop_assert_eq!(delivery, Delivery::Unordered),
                        Err(error) => {
                            prop_assert_eq!((delivery, error.code()), (Delivery::Ordered, "out-of-order"));
                        }
                    }
                    prop_assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
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
        Ok(Frame::Batch { ranges, .. }) => {
            prop_assert!(!ranges.is_empty() && ranges.iter().all(inside));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!(ranges.last().map(|range| range.end), Some(total_len));
        }
        Ok(Frame::Fragment(fragment)) => {
            prop_assert!(inside(&fragment.body()) && fragment.body().end == total_len);
            prop_assert!(fragment.offset() + fragment.body().len() <= fragment.total());
            prop_assert!(fragment.total() <= limits::MAX_MESSAGE_BYTES);
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

/// Moves each item by a few places at most.
fn shuffled_nearby<T>(items: Vec<T>, keys: &[u64]) -> Vec<T> {
    let mut keyed: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(at, item)| (at as u64 + spread(keys[at % keys.len()], at) % 4, item))
        .collect();
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
        let (mut outbox, mut inbox) = (Outbox::new(delivery), Inbox::new(delivery));
        for (n, len) in [max - 1, max, max / CHUNK_BYTES * CHUNK_BYTES, 0].into_iter().enumerate() {
            outbox.push(0, message(n, len)).unwrap();
            let received: Vec<_> =
                frames(&mut outbox, 0).iter().flat_map(|frame| receive(&mut inbox, frame)).collect();
            assert!(received.len() == 1 && received[0] == message(n, len)[..], "{delivery:?} {len}");
        }
        assert!(outbox.push(0, message(0, max + 1)).is_err());
    }
}
