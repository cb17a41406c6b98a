use super::*;
use crate::channel::frame::CHUNK_BYTES;
use crate::limits;

/// A third of this long message fits no frame; its third fragment has one byte.
const LONG: usize = 2 * CHUNK_BYTES + 1;
const WINDOW: u32 = 1 << 20;

type TestInbox = Inbox<Range<usize>>;

fn batch(first_seq: u64, count: usize) -> Body {
    Body::Batch { first_seq, ranges: (0..count).map(|n| n..n + 1).collect() }
}

/// A message of its own of this length.
fn single(seq: u64, len: usize) -> Body {
    Body::Batch { first_seq: seq, ranges: vec![0..len; 1] }
}

fn part(seq: u64, total: usize, offset: usize) -> Body {
    let body = 0..CHUNK_BYTES.min(total - offset);
    Body::Fragment(Fragment { seq, total, offset, body })
}

/// Feeds frames; gives how many messages each delivered.
fn feed(inbox: &mut TestInbox, frames: impl IntoIterator<Item = Body>) -> Result<Vec<usize>, FrameError> {
    let count = |delivered: Delivered<Range<usize>>| {
        for whole in &delivered.wholes {
            assert_eq!(whole.chunks.iter().map(Range::len).sum::<usize>(), whole.len);
        }
        delivered.ranges.len() + delivered.wholes.len()
    };
    frames.into_iter().map(|frame| inbox.accept(frame, false, |range| range).map(count)).collect()
}

fn nothing() -> Result<Delivered<Range<usize>>, FrameError> {
    Ok(Delivered { ranges: vec![], wholes: vec![] })
}

fn inbox(delivery: Delivery) -> TestInbox {
    Inbox::new(delivery, WINDOW)
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
    assert_eq!((inbox.received_messages(), inbox.kept_bytes()), (4, 0));
}

#[test]
fn what_is_early_on_an_ordered_channel_waits_for_its_turn() {
    let mut inbox = inbox(Delivery::Ordered);
    assert_eq!(feed(&mut inbox, [single(2, 7), batch(3, 2)]), Ok(vec![0, 0]));
    let late = [part(5, LONG, CHUNK_BYTES), part(5, LONG, 2 * CHUNK_BYTES), part(5, LONG, 0)];
    assert_eq!(feed(&mut inbox, late), Ok(vec![0, 0, 0]));
    assert_eq!(inbox.kept_bytes(), 7 + 2 + LONG);
    assert_eq!(inbox.take_ack(), Ack { seq: 0, offset: 0, granted: WINDOW.into() });
    // The first comes alone; the second releases all the others behind it, in order.
    assert_eq!(feed(&mut inbox, [batch(0, 1)]), Ok(vec![1]));
    let delivered = inbox.accept(batch(1, 1), false, |range| range).unwrap();
    assert_eq!(delivered.ranges, [0..1; 1]);
    assert_eq!(delivered.wholes.iter().map(|whole| whole.len).collect::<Vec<_>>(), [7, 1, 1, LONG]);
    assert_eq!((inbox.kept_bytes(), inbox.received_messages()), (0, 6));
    assert_eq!(inbox.take_ack().seq, 6);
}

#[test]
fn what_comes_again_is_dropped_and_counts_once() {
    let mut inbox = inbox(Delivery::Ordered);
    assert_eq!(feed(&mut inbox, [batch(0, 2), batch(0, 2), batch(1, 1), batch(1, 3)]), Ok(vec![2, 0, 0, 2]));
    // Early, and then again among others in its turn.
    assert_eq!(feed(&mut inbox, [batch(6, 1), batch(6, 1), batch(4, 4), batch(6, 1)]), Ok(vec![0, 0, 4, 0]));
    let long = [part(8, LONG, 0), part(8, LONG, 0), part(8, LONG, CHUNK_BYTES), part(8, LONG, 0)];
    assert_eq!(feed(&mut inbox, long), Ok(vec![0; 4]));
    assert_eq!(inbox.kept_bytes(), 2 * CHUNK_BYTES);
    let end = || part(8, LONG, 2 * CHUNK_BYTES);
    assert_eq!(feed(&mut inbox, [end(), end(), part(8, LONG, 0)]), Ok(vec![1, 0, 0]));
    inbox.consumed(9, 8 + LONG as u64);
    let cost = 8 * message_cost(1) + message_cost(LONG);
    assert_eq!(inbox.take_ack(), Ack { seq: 9, offset: 0, granted: u64::from(WINDOW) + cost });
    assert_eq!((inbox.kept_bytes(), inbox.received_messages()), (0, 9));
}

#[test]
fn an_acknowledgement_tells_how_much_of_a_message_is_there() {
    let mut inbox = inbox(Delivery::Ordered);
    feed(&mut inbox, [part(0, LONG, 2 * CHUNK_BYTES), part(0, LONG, CHUNK_BYTES)]).unwrap();
    assert_eq!(inbox.take_ack().offset, 0, "its beginning is missing");
    feed(&mut inbox, [part(0, LONG, 0), part(1, LONG, 0)]).unwrap();
    assert_eq!((inbox.take_ack().seq, inbox.take_ack().offset), (1, CHUNK_BYTES));
    feed(&mut inbox, [part(1, LONG, CHUNK_BYTES)]).unwrap();
    assert_eq!(inbox.take_ack().offset, 2 * CHUNK_BYTES);
}

#[test]
fn acknowledgements_are_due_when_asked_for_or_when_there_is_much_to_tell() {
    for delivery in [Delivery::Ordered, Delivery::Unordered] {
        let mut inbox = inbox(delivery);
        feed(&mut inbox, [batch(0, 2)]).unwrap();
        assert!(!inbox.is_ack_due());
        inbox.ack_news();
        assert!(inbox.is_ack_due(), "a ping asks for news");
        assert_eq!(inbox.take_ack().seq, 2);
        inbox.ack_news();
        assert!(!inbox.is_ack_due(), "there is none");
        inbox.ack_again();
        assert!(inbox.is_ack_due(), "the last one may be lost");
        let _ = inbox.take_ack();
        let _ = inbox.accept(batch(0, 1), true, |range| range).unwrap();
        assert!(inbox.is_ack_due(), "the sender asks, and does not know that this was there");
        let _ = inbox.take_ack();
        // A quarter of the window has arrived; a quarter has been read.
        let quarter = WINDOW as usize / 4;
        let count = quarter.div_ceil(CHUNK_BYTES) as u64;
        feed(&mut inbox, (2..count + 1).map(|seq| single(seq, CHUNK_BYTES))).unwrap();
        assert!(!inbox.is_ack_due());
        feed(&mut inbox, [single(count + 1, CHUNK_BYTES)]).unwrap();
        assert!(inbox.is_ack_due());
        let _ = inbox.take_ack();
        inbox.consumed(count - 1, (count - 1) * CHUNK_BYTES as u64);
        assert!(!inbox.is_ack_due());
        inbox.consumed(1, CHUNK_BYTES as u64);
        assert!(inbox.is_ack_due());
    }
    let mut inbox = inbox(Delivery::Lifetime(9));
    let _ = inbox.accept(batch(0, 1), true, |range| range).unwrap();
    inbox.ack_news();
    inbox.ack_again();
    assert!(!inbox.is_ack_due(), "nothing is ever sent again there");
}

#[test]
fn unordered_fragments_arrive_in_any_order() {
    for delivery in [Delivery::Unordered, Delivery::Lifetime(9), Delivery::Latest] {
        let mut inbox = inbox(delivery);
        let ends = [part(5, LONG, 2 * CHUNK_BYTES), part(5, LONG, 0)];
        assert_eq!(feed(&mut inbox, ends), Ok(vec![0, 0]));
        assert_eq!(inbox.kept_bytes(), CHUNK_BYTES + 1);
        let delivered = inbox.accept(part(5, LONG, CHUNK_BYTES), false, |_| 7..7 + CHUNK_BYTES);
        let chunks = vec![0..CHUNK_BYTES, 7..7 + CHUNK_BYTES, 0..1];
        let wholes = vec![Whole { chunks, len: LONG }];
        assert_eq!(delivered, Ok(Delivered { ranges: vec![], wholes }));
        assert_eq!((inbox.received_messages(), inbox.kept_bytes()), (1, 0));
    }
}

#[test]
fn unordered_messages_are_delivered_as_they_come_and_once() {
    let mut inbox = inbox(Delivery::Unordered);
    assert_eq!(feed(&mut inbox, [batch(4, 2), batch(1, 1), batch(0, 6)]), Ok(vec![2, 1, 3]));
    assert_eq!(inbox.take_ack().seq, 6);
    assert_eq!(feed(&mut inbox, [batch(0, 6), batch(8, 1), batch(8, 1)]), Ok(vec![0, 1, 0]));
    assert_eq!(inbox.take_ack().seq, 6);
    let long = |seq| (0..3).map(move |n| part(seq, LONG, n * CHUNK_BYTES));
    assert_eq!(feed(&mut inbox, long(7).chain(long(7))), Ok(vec![0, 0, 1, 0, 0, 0]));
    assert_eq!(inbox.kept_bytes(), 0);
    assert_eq!(feed(&mut inbox, [batch(6, 3)]), Ok(vec![1]));
    assert_eq!((inbox.take_ack().seq, inbox.received_messages()), (9, 9));
}

#[test]
fn a_fragment_may_not_change_the_length() {
    for delivery in [Delivery::Ordered, Delivery::Unordered, Delivery::Latest, Delivery::Lifetime(9)] {
        let mut inbox = inbox(delivery);
        let contradiction = Err(FrameError::Contradiction { seq: 0, offset: CHUNK_BYTES });
        assert_eq!(feed(&mut inbox, [part(0, LONG, 0), part(0, LONG, 0)]), Ok(vec![0, 0]));
        assert_eq!(feed(&mut inbox, [part(0, LONG + 1, CHUNK_BYTES)]), contradiction);
        assert_eq!(inbox.kept_bytes(), CHUNK_BYTES);
    }
}

#[test]
fn only_newer_values_are_delivered() {
    let mut inbox = inbox(Delivery::Latest);
    assert_eq!(feed(&mut inbox, [part(3, LONG, 0), batch(5, 1)]), Ok(vec![0, 1]));
    assert_eq!(inbox.kept_bytes(), 0, "what became stale is forgotten");
    let refuse = |_| panic!("a stale fragment is not kept");
    assert_eq!(inbox.accept(part(3, LONG, CHUNK_BYTES), false, refuse), nothing());
    assert_eq!(inbox.accept(batch(5, 1), false, refuse), nothing());
    let delivered = inbox.accept(batch(4, 4), false, refuse).unwrap();
    assert_eq!(delivered.ranges, [2..3, 3..4]);
    assert_eq!(feed(&mut inbox, [batch(0, 3), batch(7, 1), batch(8, 1)]), Ok(vec![0, 0, 1]));
    assert_eq!(inbox.received_messages(), 4);
    assert_eq!(inbox.take_ack(), Ack { seq: 9, offset: 0, granted: 0 });
}

#[test]
fn where_messages_may_be_lost_the_oldest_incomplete_one_gives_way() {
    let mut inbox = inbox(Delivery::Lifetime(9));
    let max = limits::MAX_PARTIAL_MESSAGES as u64;
    feed(&mut inbox, (10..10 + max + 1).map(|seq| part(seq, LONG, 0))).unwrap();
    assert_eq!(inbox.kept_bytes(), max as usize * CHUNK_BYTES);
    let refuse = |_| panic!("older than all that are kept");
    assert_eq!(inbox.accept(part(10, LONG, CHUNK_BYTES), false, refuse), nothing());
    let rest = [part(11, LONG, CHUNK_BYTES), part(11, LONG, 2 * CHUNK_BYTES)];
    assert_eq!(feed(&mut inbox, rest), Ok(vec![0, 1]));
}

/// The fragments of the longest message, without the last one.
fn most_of_the_longest(seq: u64) -> impl Iterator<Item = Body> {
    let total = limits::MAX_MESSAGE_BYTES;
    (0..total / CHUNK_BYTES - 1).map(move |n| part(seq, total, n * CHUNK_BYTES))
}

#[test]
fn the_bytes_of_incomplete_messages_are_bounded() {
    let total = limits::MAX_MESSAGE_BYTES;
    let last = total - CHUNK_BYTES;

    let mut inbox = inbox(Delivery::Lifetime(9));
    feed(&mut inbox, (1..4).flat_map(most_of_the_longest)).unwrap();
    assert!(inbox.kept_bytes() <= limits::MAX_PARTIAL_BYTES);
    // Two fragments of an older message still fit; the next one makes it give way as a whole.
    let full = inbox.kept_bytes();
    feed(&mut inbox, [part(1, total, 0), part(1, total, CHUNK_BYTES)]).unwrap();
    assert_eq!(inbox.kept_bytes(), full + 2 * CHUNK_BYTES);
    feed(&mut inbox, [part(1, total, 2 * CHUNK_BYTES)]).unwrap();
    assert_eq!(inbox.kept_bytes(), full);
    assert_eq!(feed(&mut inbox, [part(3, total, last), part(2, total, last)]), Ok(vec![1, 1]));

    // Where nothing may be lost there is an end: the window, and behind it the bytes of half-received messages.
    let mut inbox = TestInbox::new(Delivery::Unordered, limits::MAX_WINDOW_BYTES);
    feed(&mut inbox, (1..3).flat_map(most_of_the_longest)).unwrap();
    let refused = feed(&mut inbox, most_of_the_longest(3)).unwrap_err();
    assert_eq!((refused, refused.code()), (FrameError::ReassemblyLimit, "reassembly-limit"));
    assert!(inbox.kept_bytes() <= limits::MAX_PARTIAL_BYTES);
}

#[test]
fn a_reliable_channel_has_room_for_many_incomplete_messages_but_not_any_number() {
    let mut inbox = inbox(Delivery::Unordered);
    let max = limits::MAX_RELIABLE_PARTIAL_MESSAGES as u64;
    let lasts = |seqs: Range<u64>| seqs.map(|seq| part(seq, LONG, 2 * CHUNK_BYTES));
    feed(&mut inbox, lasts(0..max)).unwrap();
    assert_eq!(feed(&mut inbox, lasts(max..max + 1)), Err(FrameError::ReassemblyLimit));
    assert_eq!(inbox.kept_bytes(), max as usize);
}

#[test]
fn more_than_the_window_and_one_message_is_refused_and_not_kept() {
    let window = limits::MIN_WINDOW_BYTES;
    let most = u64::from(window) + message_cost(limits::MAX_MESSAGE_BYTES);
    // Delivered and not consumed, or early and so not even delivered.
    for (delivery, first) in [(Delivery::Ordered, 0), (Delivery::Ordered, 1), (Delivery::Unordered, 1)] {
        let mut inbox = TestInbox::new(delivery, window);
        let fit = most / message_cost(CHUNK_BYTES);
        feed(&mut inbox, (first..first + fit).map(|seq| single(seq, CHUNK_BYTES))).unwrap();
        for seq in first + fit..first + fit + 5 {
            let refused = feed(&mut inbox, [single(seq, CHUNK_BYTES)]).unwrap_err();
            assert_eq!((refused, refused.code()), (FrameError::WindowExceeded, "window-exceeded"));
            assert!(inbox.kept_bytes() as u64 <= most + CHUNK_BYTES as u64, "{delivery:?}");
        }
    }
}

#[test]
fn empty_messages_count_too() {
    let window = limits::MIN_WINDOW_BYTES;
    let most = u64::from(window) + message_cost(limits::MAX_MESSAGE_BYTES);
    for delivery in [Delivery::Ordered, Delivery::Unordered] {
        let mut inbox = TestInbox::new(delivery, window);
        let empty = |at: u64| Body::Batch { first_seq: 4_000 * at, ranges: vec![0..0; 4_000] };
        let fit = most / (4_000 * message_cost(0));
        feed(&mut inbox, (0..fit).map(empty)).unwrap();
        assert_eq!(feed(&mut inbox, [empty(fit)]), Err(FrameError::WindowExceeded));
    }
}

#[test]
fn a_message_begun_within_the_window_may_be_as_long_as_any() {
    for delivery in [Delivery::Ordered, Delivery::Unordered] {
        let mut inbox = TestInbox::new(delivery, limits::MIN_WINDOW_BYTES);
        let total = limits::MAX_MESSAGE_BYTES;
        feed(&mut inbox, [single(0, CHUNK_BYTES), single(1, CHUNK_BYTES)]).unwrap();
        feed(&mut inbox, most_of_the_longest(2)).unwrap();
        let last = total - CHUNK_BYTES;
        assert_eq!(feed(&mut inbox, [part(2, total, last)]), Ok(vec![1]));
        // Consuming it all grants a whole window again.
        inbox.consumed(3, (total + 2 * CHUNK_BYTES) as u64);
        let cost = message_cost(total) + 2 * message_cost(CHUNK_BYTES);
        assert!(inbox.is_ack_due());
        assert_eq!(inbox.take_ack().granted, u64::from(limits::MIN_WINDOW_BYTES) + cost);
    }
}

#[test]
fn nobody_consumes_more_than_has_come() {
    let mut inbox = inbox(Delivery::Ordered);
    feed(&mut inbox, [batch(0, 1)]).unwrap();
    inbox.consumed(1_000, 1 << 30);
    assert_eq!(inbox.take_ack().granted, u64::from(WINDOW) + message_cost(1));
}

#[test]
fn the_highest_numbers_are_numbers_like_any_other() {
    for delivery in [Delivery::Ordered, Delivery::Unordered, Delivery::Latest, Delivery::Lifetime(9)] {
        let mut inbox = inbox(delivery);
        let fed = feed(&mut inbox, [batch(u64::MAX - 2, 2), part(u64::MAX - 1, LONG, 0)]);
        // Nobody was granted so much on an ordered channel.
        let refused = (delivery == Delivery::Ordered).then_some(FrameError::WindowExceeded);
        assert_eq!(fed.err(), refused);
    }
}

#[test]
fn early_messages_are_no_further_ahead_than_the_window_allows() {
    let max = u64::from(limits::MIN_WINDOW_BYTES) / message_cost(0);
    for early in [single(max, 0), part(max, LONG, 0)] {
        let mut inbox = TestInbox::new(Delivery::Ordered, limits::MIN_WINDOW_BYTES);
        feed(&mut inbox, [early]).unwrap();
    }
    for early in [single(max + 1, 0), part(max + 1, LONG, 0)] {
        let mut inbox = TestInbox::new(Delivery::Ordered, limits::MIN_WINDOW_BYTES);
        assert_eq!(feed(&mut inbox, [early]), Err(FrameError::WindowExceeded));
    }
}

#[test]
fn a_window_of_early_messages_is_handed_out_in_one_go() {
    let window = limits::MAX_WINDOW_BYTES;
    let mut inbox = TestInbox::new(Delivery::Ordered, window);
    let count = u64::from(window) / message_cost(0);
    // From behind, as nobody honest would send them: either way takes no longer than the other.
    feed(&mut inbox, (1..count).rev().map(|seq| single(seq, 0))).unwrap();
    feed(&mut inbox, [single(0, 0)]).unwrap();
    assert_eq!(inbox.received_messages(), count);
    assert_eq!(inbox.take_ack().seq, count);
}

#[test]
fn no_more_messages_are_scattered_than_the_window_allows() {
    let mut inbox = TestInbox::new(Delivery::Unordered, limits::MIN_WINDOW_BYTES);
    let max = u64::from(limits::MIN_WINDOW_BYTES) / message_cost(0) + 1;
    // Every second message.
    let scattered = |from: u64, to: u64| (from..to).map(|n| single(2 * n + 1, 0));
    feed(&mut inbox, scattered(0, max)).unwrap();
    assert_eq!(feed(&mut inbox, scattered(max, max + 1)), Err(FrameError::WindowExceeded));
    let refuse = |_| panic!("nothing more is kept");
    assert_eq!(inbox.accept(single(0, 0), false, refuse), Err(FrameError::WindowExceeded));
}
