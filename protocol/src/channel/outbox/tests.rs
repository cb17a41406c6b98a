use std::rc::Rc;

use super::*;

type Bytes = Rc<[u8]>;

const WIDE: u32 = limits::MAX_WINDOW_BYTES;
const HIGH_WATER: u32 = limits::WINDOW_BYTES;

fn message(len: usize) -> Bytes {
    vec![len as u8; len].into()
}

/// Messages of these lengths, the first with this number.
fn outbox_from(delivery: Delivery, first: u64, lens: &[usize]) -> Outbox<Bytes> {
    let mut outbox = Outbox::new(delivery, WIDE, HIGH_WATER);
    outbox.next_seq = first;
    for (&len, seq) in lens.iter().zip(first..) {
        assert_eq!(outbox.push(0, message(len)), Ok(seq));
    }
    outbox
}

fn outbox(delivery: Delivery, lens: &[usize]) -> Outbox<Bytes> {
    outbox_from(delivery, 0, lens)
}

fn next(outbox: &mut Outbox<Bytes>, now_ms: u64, via: Via) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let at = outbox.write(now_ms, via, true, limits::MAX_FRAME_BYTES, &mut frame)?;
    assert_eq!(at, 0);
    Some(frame)
}

/// The frames that leave at `now_ms` over a path that takes them all.
fn frames(outbox: &mut Outbox<Bytes>, now_ms: u64) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| next(outbox, now_ms, Via::Direct)).collect()
}

fn ack(seq: u64) -> Ack {
    Ack { seq, offset: 0, granted: 0 }
}

#[test]
fn a_batch_is_written_byte_for_byte_and_kept_until_acknowledged() {
    let mut outbox = outbox_from(Delivery::Ordered, 7, &[]);
    for text in ["hi", "", "you"] {
        outbox.push(0, text.as_bytes().into()).unwrap();
    }
    assert_eq!(frames(&mut outbox, 0), [b"\x00\x07\x03\x02\x00\x03hiyou"]);
    assert_eq!((outbox.len(), outbox.queued_bytes(), outbox.sent_messages()), (3, 5, 3));
    assert_eq!(outbox.unacknowledged(), 5 + 3 * message_cost(0));
    assert_eq!(outbox.ack(ack(9)), Ok(true));
    assert_eq!((outbox.len(), outbox.queued_bytes()), (1, 3));
    assert!(outbox.is_settled(8) && !outbox.is_settled(9));
    assert_eq!(outbox.ack(ack(10)), Ok(true));
    assert!(outbox.is_empty() && outbox.is_settled(9));
    assert_eq!((outbox.queued_bytes(), outbox.unacknowledged(), outbox.sent_messages()), (0, 0, 3));
}

#[test]
fn a_large_message_leaves_in_fragments() {
    let mut outbox = outbox_from(Delivery::Ordered, 300, &[40_000, 3]);
    let frames = frames(&mut outbox, 0);
    let lens: Vec<_> = frames.iter().map(Vec::len).collect();
    assert_eq!(lens, [7 + 16_384, 9 + 16_384, 9 + 7_232, 1 + 2 + 1 + 1 + 3]);
    assert_eq!(frames[1][..9], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0x80, 0x80, 0x01]);
    assert_eq!(frames[0][..7], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0x00]);
    assert_eq!(frames[2][..9], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0x80, 0x80, 0x02]);
    assert_eq!(frames[3], [0x00, 0xad, 0x02, 1, 3, 3, 3, 3]);
    assert_eq!(outbox.sent_messages(), 2);
}

#[test]
fn the_longest_whole_message_fills_a_frame() {
    for seq in [0, u64::MAX - 10] {
        let mut outbox = outbox_from(Delivery::Ordered, seq, &[CHUNK_BYTES, CHUNK_BYTES + 1]);
        let frames = frames(&mut outbox, 0);
        assert_eq!(frames.iter().map(|frame| frame[0]).collect::<Vec<_>>(), [0, 1, 1]);
        assert!(frames.iter().all(|frame| frame.len() <= limits::MAX_FRAME_BYTES));
    }
}

#[test]
fn batches_are_filled_to_the_last_byte() {
    // 3 bytes of header, then 1 + 127 for each of 126 messages and 2 + 147 for another: 128 bytes stay free. One message
    // more lifts the count to 128, which takes a second byte, so 1 + 126 fit exactly.
    for (last, expected) in [(126, vec![16_408]), (127, vec![16_280, 1 + 1 + 1 + 1 + 127])] {
        let mut outbox = outbox(Delivery::Ordered, &[127; 126]);
        outbox.push(0, message(147)).unwrap();
        outbox.push(0, message(last)).unwrap();
        assert_eq!(frames(&mut outbox, 0).iter().map(Vec::len).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_frame_is_no_longer_than_the_room_there_is() {
    let mut outbox = outbox(Delivery::Ordered, &[10, 10, 10, 40_000]);
    let mut frame = b"before".to_vec();
    assert_eq!(outbox.write(0, Via::Relay, true, 13, &mut frame), None, "one needs 14 bytes");
    assert_eq!(outbox.write(0, Via::Relay, true, 25, &mut frame), Some(6));
    assert_eq!(frame.len(), 6 + 3 + 2 * 11);
    frame.clear();
    assert_eq!(outbox.write(0, Via::Relay, true, 14, &mut frame), Some(0));
    assert_eq!(outbox.write(0, Via::Relay, true, limits::MAX_FRAME_BYTES - 1, &mut frame), None);
    assert_eq!(outbox.write(0, Via::Relay, false, limits::MAX_FRAME_BYTES, &mut frame), None);
    assert!(outbox.has_unsent(true) && !outbox.has_unsent(false));
    assert_eq!(frames(&mut outbox, 0).len(), 3);
}

#[test]
fn only_sixteen_mebibytes_fit() {
    let max = limits::MAX_MESSAGE_BYTES;
    let mut outbox = outbox(Delivery::Ordered, &[max]);
    let error = outbox.push(0, message(max + 1)).unwrap_err();
    assert_eq!(error, SendError::MessageTooLarge { len: max + 1, max });
    assert_eq!((error.code(), outbox.queued_bytes()), ("message-too-large", max));
    assert_eq!(frames(&mut outbox, 0).len(), max.div_ceil(CHUNK_BYTES));
    assert!(outbox.is_over_high_water(), "it is here until the peer has it");
    assert_eq!(outbox.ack(ack(1)), Ok(true));
    assert!(outbox.is_empty() && !outbox.is_over_high_water());
}

#[test]
fn no_message_is_begun_that_the_peer_has_not_granted() {
    let mut outbox = Outbox::new(Delivery::Ordered, 100, HIGH_WATER);
    for len in [0, 68, 100_000, 5, 5] {
        outbox.push(0, message(len)).unwrap();
    }
    // Before the third message there are 16 + 84 of 100 bytes.
    assert_eq!(frames(&mut outbox, 0), [&[&[0, 0, 2, 0, 68][..], &[68; 68]].concat()[..]]);
    assert!(!outbox.has_unsent(true));
    let grant = |granted| Ack { seq: 1, offset: 0, granted };
    assert_eq!(outbox.ack(grant(100)), Ok(true));
    assert!(!outbox.has_unsent(true));
    assert_eq!(outbox.ack(grant(101)), Ok(true));
    assert_eq!(frames(&mut outbox, 0).len(), 7, "what is begun goes out whole");
    assert_eq!(outbox.ack(grant(99)), Ok(false), "a grant is not taken back");
    assert_eq!(outbox.ack(grant(100 + 100_016 + 21)), Ok(true));
    assert_eq!(frames(&mut outbox, 0), [[0, 3, 1, 5, 5, 5, 5, 5, 5]]);
}

#[test]
fn what_was_not_sent_cannot_be_acknowledged() {
    let mut outbox = outbox(Delivery::Ordered, &[1, 40_000, 2]);
    assert_eq!(outbox.ack(ack(1)), Err(FrameError::BadAck(1)));
    for _ in 0..2 {
        next(&mut outbox, 0, Via::Direct).unwrap();
    }
    assert_eq!(outbox.ack(ack(2)), Err(FrameError::BadAck(2)), "half of it has left");
    assert_eq!(outbox.ack(Ack { seq: u64::MAX, ..ack(0) }), Err(FrameError::BadAck(u64::MAX)));
    assert_eq!((outbox.len(), outbox.queued_bytes()), (3, 40_003));
    assert_eq!(outbox.ack(ack(1)), Ok(true));
    frames(&mut outbox, 0);
    // What was sent stays sent, though it is to be sent again.
    outbox.rewind(Via::Direct);
    assert_eq!(outbox.ack(ack(3)), Ok(true));
    assert!(outbox.is_empty());
}

#[test]
fn what_a_path_may_have_lost_is_sent_again() {
    let mut outbox = outbox(Delivery::Ordered, &[4, 40_000, 5]);
    let first: Vec<_> = (0..3).map_while(|_| next(&mut outbox, 0, Via::Direct)).collect();
    outbox.rewind(Via::Relay);
    assert_eq!(next(&mut outbox, 0, Via::Direct).unwrap()[0], 1, "nothing went that way");
    outbox.rewind(Via::Direct);
    let again = frames(&mut outbox, 0);
    assert_eq!((again.len(), &again[..3]), (5, &first[..]));
    assert_eq!((outbox.sent_messages(), outbox.resent_messages()), (5, 2));

    // The peer has the first message and two fragments of the second.
    assert_eq!(outbox.ack(Ack { seq: 1, offset: 2 * CHUNK_BYTES, granted: 0 }), Ok(true));
    outbox.rewind(Via::Direct);
    assert_eq!(frames(&mut outbox, 0), again[3..]);
    assert_eq!((outbox.sent_messages(), outbox.resent_messages()), (7, 4));
    assert_eq!(outbox.ack(ack(3)), Ok(true));
    outbox.rewind(Via::Direct);
    assert_eq!(frames(&mut outbox, 0), Vec::<Vec<u8>>::new());
}

#[test]
fn each_path_is_remembered_for_itself() {
    let mut outbox = outbox(Delivery::Unordered, &[1]);
    next(&mut outbox, 0, Via::Relay).unwrap();
    outbox.push(0, message(2)).unwrap();
    next(&mut outbox, 0, Via::Direct).unwrap();
    assert!(outbox.is_in_flight(Via::Relay) && outbox.is_in_flight(Via::Direct));
    outbox.ack(ack(1)).unwrap();
    assert!(!outbox.is_in_flight(Via::Relay) && outbox.is_in_flight(Via::Direct));
    outbox.rewind(Via::Relay);
    assert!(!outbox.has_unsent(true), "all that went by relay has arrived");
    outbox.rewind(Via::Direct);
    assert_eq!(frames(&mut outbox, 0), [[0, 1, 1, 2, 2, 2]]);
}

#[test]
fn an_acknowledgement_overtakes_what_is_sent_again() {
    let mut outbox = outbox(Delivery::Ordered, &[40_000, 1, 2]);
    frames(&mut outbox, 0);
    outbox.rewind(Via::Direct);
    next(&mut outbox, 0, Via::Relay).unwrap();
    // The frames were not lost after all: the rest of the first message is not sent again, nor is the second.
    assert_eq!(outbox.ack(ack(2)), Ok(true));
    assert_eq!(frames(&mut outbox, 0), [[0, 2, 1, 2, 2, 2]]);
    // An older one that is late changes nothing.
    assert_eq!(outbox.ack(Ack { seq: 0, offset: CHUNK_BYTES, granted: 5 }), Ok(false));
    assert_eq!(outbox.unacknowledged(), message_cost(2));
}

#[test]
fn the_latest_value_replaces_those_that_wait() {
    let mut outbox = outbox(Delivery::Latest, &[1, 2, 3]);
    assert_eq!(outbox.queued_bytes(), 3);
    assert_eq!(frames(&mut outbox, 0), [[0, 2, 1, 3, 3, 3, 3]]);
    assert!(!outbox.is_settled(2) && outbox.is_settled(1));
    outbox.push(0, message(1)).unwrap();
    assert!(outbox.is_settled(2), "nobody waits for a value that was replaced");
    assert!(!outbox.is_over_high_water());
}

#[test]
fn a_half_sent_latest_value_is_finished_and_only_the_newest_follows() {
    let mut outbox = outbox(Delivery::Latest, &[40_000]);
    next(&mut outbox, 0, Via::Direct).unwrap();
    for len in [50_000, 1, 2] {
        outbox.push(0, message(len)).unwrap();
    }
    assert_eq!(outbox.queued_bytes(), 40_000 + 2);
    let rest = frames(&mut outbox, 0);
    assert_eq!((rest.len(), &rest[2][..]), (3, &[0, 3, 1, 2, 2, 2][..]));
}

#[test]
fn of_a_latest_channel_only_the_newest_value_is_sent_again() {
    let mut outbox = outbox(Delivery::Latest, &[40_000]);
    next(&mut outbox, 0, Via::Direct).unwrap();
    outbox.push(0, message(1)).unwrap();
    outbox.rewind(Via::Direct);
    assert_eq!(outbox.queued_bytes(), 1);
    assert_eq!(frames(&mut outbox, 0), [[0, 1, 1, 1, 1]]);
    outbox.rewind(Via::Direct);
    assert_eq!(frames(&mut outbox, 0), [[0, 1, 1, 1, 1]]);
    assert_eq!(outbox.ack(ack(2)), Ok(true));
    outbox.rewind(Via::Direct);
    assert!(outbox.is_empty());
}

#[test]
fn a_message_past_its_lifetime_is_dropped() {
    let mut outbox = outbox(Delivery::Lifetime(100), &[5, 40_000]);
    outbox.push(60, message(2)).unwrap();
    assert_eq!(frames(&mut outbox, 160), [[0, 2, 1, 2, 2, 2]]);
    assert!(outbox.is_empty());
    assert_eq!((outbox.queued_bytes(), outbox.sent_messages()), (0, 1));
}

#[test]
fn the_rest_of_a_late_message_is_dropped_and_its_number_skipped() {
    let mut outbox = outbox(Delivery::Lifetime(100), &[40_000, 1]);
    next(&mut outbox, 100, Via::Direct).unwrap();
    outbox.push(101, message(2)).unwrap();
    assert_eq!(outbox.queued_bytes(), 2);
    assert_eq!(frames(&mut outbox, 101), [[0, 2, 1, 2, 2, 2]]);
}

#[test]
fn what_has_a_lifetime_is_never_sent_twice() {
    let mut outbox = outbox(Delivery::Lifetime(100), &[1, 40_000, 2]);
    for _ in 0..2 {
        next(&mut outbox, 0, Via::Direct).unwrap();
    }
    outbox.rewind(Via::Direct);
    // The first was sent, of the second a half is lost.
    assert_eq!(frames(&mut outbox, 0), [[0, 2, 1, 2, 2, 2]]);
    outbox.rewind(Via::Direct);
    assert!(outbox.is_empty() && frames(&mut outbox, 0).is_empty());
}

#[test]
fn messages_that_may_be_lost_share_no_more_than_a_packet() {
    let frames = frames(&mut outbox(Delivery::Lifetime(100), &[500, 500, 500, 3000, 10]), 0);
    assert_eq!(frames.iter().map(|frame| frame[2]).collect::<Vec<_>>(), [2, 1, 1, 1]);
}

#[test]
fn a_hundred_thousand_small_messages_are_cheap_and_bounded() {
    let mut outbox = outbox(Delivery::Ordered, &[100; 100_000]);
    assert!(outbox.is_over_high_water());
    assert_eq!(frames(&mut outbox, 0).len(), 100_000 / 162 + 1);
    assert_eq!(outbox.sent_messages(), 100_000);
    assert_eq!(outbox.ack(ack(100_000)), Ok(true));
    for _ in 0..70_000 {
        outbox.push(0, message(0)).unwrap();
    }
    assert!(outbox.is_over_high_water(), "empty messages take memory too");
    assert!(frames(&mut outbox, 0).len() <= 70_000 / 16_300 + 1);
}
