use super::*;
use crate::channel::frame::CHUNK_BYTES;
use crate::limits;

/// A third of this long message fits no frame; its third fragment has one byte.
const LONG: usize = 2 * CHUNK_BYTES + 1;

type TestInbox = Inbox<Range<usize>>;

fn batch(first_seq: u64, count: usize) -> Frame {
    Frame::Batch { first_seq, ranges: (0..count).map(|n| n..n + 1).collect() }
}

fn part(seq: u64, total: usize, offset: usize) -> Frame {
    let body = 0..CHUNK_BYTES.min(total - offset);
    Frame::Fragment(Fragment { seq, total, offset, body })
}

/// Feeds frames; gives how many messages each delivered.
fn feed(inbox: &mut TestInbox, frames: impl IntoIterator<Item = Frame>) -> Result<Vec<usize>, FrameError> {
    let count = |delivered| match delivered {
        Delivered::Ranges(ranges) => ranges.len(),
        Delivered::Whole { chunks, len } => {
            assert_eq!(chunks.iter().map(Range::len).sum::<usize>(), len);
            1
        }
        Delivered::Nothing => 0,
    };
    frames.into_iter().map(|frame| inbox.accept(frame, |range| range).map(count)).collect()
}

fn inbox(delivery: Delivery) -> TestInbox {
    Inbox::new(delivery)
}

#[test]
fn ordered_messages_arrive_whole_and_in_order() {
    let mut inbox = inbox(Delivery::Ordered);
    let frames = [
        batch(0, 2),
        part(2, LONG, 0),
        part(2, LONG, CHUNK_BYTES),
        part(2, LONG, 2 * CHUNK_BYTES),
        batch(3, 1),
    ];
    assert_eq!(feed(&mut inbox, frames), Ok(vec![2, 0, 0, 1, 1]));
    assert_eq!((inbox.received_messages(), inbox.partial_bytes()), (4, 0));
}

#[test]
fn an_ordered_channel_refuses_any_other_message_than_the_next() {
    let mut inbox = inbox(Delivery::Ordered);
    assert_eq!(feed(&mut inbox, [batch(0, 2)]), Ok(vec![2]));
    for seq in [0, 1, 3, u64::MAX - 5] {
        let refused = FrameError::OutOfOrder { seq, expected: 2 };
        assert_eq!(feed(&mut inbox, [batch(seq, 1)]), Err(refused));
        assert_eq!(feed(&mut inbox, [part(seq, LONG, 0)]), Err(refused));
        assert_eq!(refused.code(), "out-of-order");
    }
    let out_of_order = |offset, expected| Err(FrameError::FragmentOutOfOrder { seq: 2, offset, expected });
    assert_eq!(feed(&mut inbox, [part(2, LONG, CHUNK_BYTES)]), out_of_order(CHUNK_BYTES, 0));
    assert_eq!(feed(&mut inbox, [part(2, LONG, 0), part(2, LONG, 0)]), out_of_order(0, CHUNK_BYTES));
    assert_eq!(feed(&mut inbox, [batch(2, 1)]), out_of_order(0, CHUNK_BYTES));
    let longer = Err(FrameError::Contradiction { seq: 2, offset: CHUNK_BYTES });
    assert_eq!(feed(&mut inbox, [part(2, LONG + 1, CHUNK_BYTES)]), longer);
    assert_eq!(
        feed(&mut inbox, [part(2, LONG, CHUNK_BYTES), part(2, LONG, 2 * CHUNK_BYTES)]),
        Ok(vec![0, 1])
    );
}

#[test]
fn unordered_fragments_arrive_in_any_order() {
    for delivery in [Delivery::Unordered, Delivery::Lifetime(9), Delivery::Latest] {
        let mut inbox = inbox(delivery);
        let ends = [part(5, LONG, 2 * CHUNK_BYTES), part(5, LONG, 0)];
        assert_eq!(feed(&mut inbox, ends), Ok(vec![0, 0]));
        assert_eq!(inbox.partial_bytes(), CHUNK_BYTES + 1);
        let delivered = inbox.accept(part(5, LONG, CHUNK_BYTES), |_| 7..7 + CHUNK_BYTES);
        let chunks = vec![0..CHUNK_BYTES, 7..7 + CHUNK_BYTES, 0..1];
        assert_eq!(delivered, Ok(Delivered::Whole { chunks, len: LONG }));
        assert_eq!((inbox.received_messages(), inbox.partial_bytes()), (1, 0));
    }
}

#[test]
fn a_fragment_may_not_come_twice_nor_change_the_length() {
    let mut inbox = inbox(Delivery::Unordered);
    let contradiction = |offset| Err(FrameError::Contradiction { seq: 0, offset });
    assert_eq!(feed(&mut inbox, [part(0, LONG, 0), part(0, LONG, 0)]), contradiction(0));
    assert_eq!(feed(&mut inbox, [part(0, LONG + 1, CHUNK_BYTES)]), contradiction(CHUNK_BYTES));
    assert_eq!(inbox.partial_bytes(), CHUNK_BYTES);
}

#[test]
fn only_newer_values_are_delivered() {
    let mut inbox = inbox(Delivery::Latest);
    assert_eq!(feed(&mut inbox, [part(3, LONG, 0), batch(5, 1)]), Ok(vec![0, 1]));
    assert_eq!(inbox.partial_bytes(), 0, "what became stale is forgotten");
    let refuse = |_| panic!("a stale fragment is not kept");
    assert_eq!(inbox.accept(part(3, LONG, CHUNK_BYTES), refuse), Ok(Delivered::Nothing));
    assert_eq!(inbox.accept(batch(5, 1), refuse), Ok(Delivered::Nothing));
    assert_eq!(inbox.accept(batch(4, 4), refuse), Ok(Delivered::Ranges(vec![2..3, 3..4])));
    assert_eq!(feed(&mut inbox, [batch(0, 3), batch(7, 1), batch(8, 1)]), Ok(vec![0, 0, 1]));
    assert_eq!(inbox.received_messages(), 4);
}

#[test]
fn where_messages_may_be_lost_the_oldest_incomplete_one_gives_way() {
    let mut inbox = inbox(Delivery::Lifetime(9));
    let max = limits::MAX_PARTIAL_MESSAGES as u64;
    feed(&mut inbox, (10..10 + max + 1).map(|seq| part(seq, LONG, 0))).unwrap();
    assert_eq!(inbox.partial_bytes(), max as usize * CHUNK_BYTES);
    let refuse = |_| panic!("older than all that are kept");
    assert_eq!(inbox.accept(part(10, LONG, CHUNK_BYTES), refuse), Ok(Delivered::Nothing));
    let rest = [part(11, LONG, CHUNK_BYTES), part(11, LONG, 2 * CHUNK_BYTES)];
    assert_eq!(feed(&mut inbox, rest), Ok(vec![0, 1]));
}

/// The fragments of the longest message, without the last one.
fn most_of_the_longest(seq: u64) -> impl Iterator<Item = Frame> {
    let total = limits::MAX_MESSAGE_BYTES;
    (0..total / CHUNK_BYTES).map(move |n| part(seq, total, n * CHUNK_BYTES))
}

#[test]
fn the_bytes_of_incomplete_messages_are_bounded() {
    let total = limits::MAX_MESSAGE_BYTES;
    let last = total / CHUNK_BYTES * CHUNK_BYTES;

    let mut inbox = inbox(Delivery::Lifetime(9));
    feed(&mut inbox, (1..4).flat_map(most_of_the_longest)).unwrap();
    assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
    // One fragment of an older message still fits; the next one makes it give way as a whole.
    let full = inbox.partial_bytes();
    feed(&mut inbox, [part(1, LONG, 0)]).unwrap();
    assert_eq!(inbox.partial_bytes(), full + CHUNK_BYTES);
    feed(&mut inbox, [part(1, LONG, CHUNK_BYTES)]).unwrap();
    assert_eq!(inbox.partial_bytes(), full);
    assert_eq!(feed(&mut inbox, [part(3, total, last), part(2, total, last)]), Ok(vec![1, 1]));

    let mut inbox = self::inbox(Delivery::Unordered);
    feed(&mut inbox, (1..3).flat_map(most_of_the_longest)).unwrap();
    let refused = feed(&mut inbox, most_of_the_longest(3)).unwrap_err();
    assert_eq!((refused, refused.code()), (FrameError::ReassemblyLimit, "reassembly-limit"));
    assert!(inbox.partial_bytes() <= limits::MAX_PARTIAL_BYTES);
}

#[test]
fn a_reliable_channel_has_room_for_many_incomplete_messages_but_not_any_number() {
    let mut inbox = inbox(Delivery::Unordered);
    let max = limits::MAX_RELIABLE_PARTIAL_MESSAGES as u64;
    let lasts = |seqs: Range<u64>| seqs.map(|seq| part(seq, LONG, 2 * CHUNK_BYTES));
    feed(&mut inbox, lasts(0..max)).unwrap();
    assert_eq!(feed(&mut inbox, lasts(max..max + 1)), Err(FrameError::ReassemblyLimit));
    assert_eq!(inbox.partial_bytes(), max as usize);
}

#[test]
fn a_new_connection_starts_over() {
    for delivery in [Delivery::Ordered, Delivery::Unordered, Delivery::Latest, Delivery::Lifetime(9)] {
        let mut inbox = inbox(delivery);
        feed(&mut inbox, [batch(0, 3), part(3, LONG, 0)]).unwrap();
        inbox.reset();
        assert_eq!((inbox.partial_bytes(), inbox.received_messages()), (0, 3));
        assert_eq!(feed(&mut inbox, [batch(0, 1)]), Ok(vec![1]));
        assert_eq!(inbox.received_messages(), 4);
    }
}
