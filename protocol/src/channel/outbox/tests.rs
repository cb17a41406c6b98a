use std::rc::Rc;

use super::*;

type Bytes = Rc<[u8]>;

fn message(len: usize) -> Bytes {
    vec![len as u8; len].into()
}

fn outbox(delivery: Delivery, lens: &[usize]) -> Outbox<Bytes> {
    let mut outbox = Outbox::new(delivery);
    for &len in lens {
        outbox.push(0, message(len)).unwrap();
    }
    outbox
}

/// The frames that leave at `now_ms` over a channel that drains at once.
fn frames(outbox: &mut Outbox<Bytes>, now_ms: u64) -> Vec<Vec<u8>> {
    let mut frame = Vec::new();
    std::iter::from_fn(|| outbox.next_frame(now_ms, 0, &mut frame).then(|| frame.clone())).collect()
}

#[test]
fn a_batch_is_written_byte_for_byte() {
    let mut outbox = Outbox::<Bytes>::new(Delivery::Ordered);
    for text in ["hi", "", "you"] {
        outbox.push(0, text.as_bytes().into()).unwrap();
    }
    outbox.next_seq = 7;
    assert_eq!(frames(&mut outbox, 0), [b"\x00\x07\x03\x02\x00\x03hiyou"]);
    assert_eq!((outbox.next_seq, outbox.queued_bytes(), outbox.sent_messages()), (10, 0, 3));
}

#[test]
fn a_large_message_leaves_in_fragments() {
    let mut outbox = outbox(Delivery::Ordered, &[40_000, 3]);
    outbox.next_seq = 300;
    let frames = frames(&mut outbox, 0);
    let lens: Vec<_> = frames.iter().map(Vec::len).collect();
    assert_eq!(lens, [7 + 16_360, 8 + 16_360, 9 + 7_280, 1 + 2 + 1 + 1 + 3]);
    assert_eq!(frames[1][..8], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0xe8, 0x7f]);
    assert_eq!(frames[0][..7], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0x00]);
    assert_eq!(frames[2][..9], [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0xd0, 0xff, 0x01]);
    assert_eq!(frames[3], [0x00, 0xad, 0x02, 1, 3, 3, 3, 3]);
    assert_eq!(outbox.sent_messages(), 2);
}

#[test]
fn the_longest_whole_message_fills_a_frame() {
    for seq in [0, u64::MAX - 10] {
        let mut outbox = outbox(Delivery::Ordered, &[CHUNK_BYTES, CHUNK_BYTES + 1]);
        outbox.next_seq = seq;
        let frames = frames(&mut outbox, 0);
        assert_eq!(frames.iter().map(|frame| frame[0]).collect::<Vec<_>>(), [0, 1, 1]);
        assert!(frames.iter().all(|frame| frame.len() <= limits::MAX_FRAME_BYTES));
    }
}

#[test]
fn batches_are_filled_to_the_last_byte() {
    // 3 bytes of header, then 1 + 127 for each of 127 messages: 125 bytes stay free. One message more lifts the count
    // to 128, which takes a second byte, so 1 + 123 fit exactly.
    for (last, expected) in [(123, vec![16_384]), (124, vec![16_259, 1 + 1 + 1 + 1 + 124])] {
        let mut outbox = outbox(Delivery::Ordered, &[127; 127]);
        outbox.push(0, message(last)).unwrap();
        assert_eq!(frames(&mut outbox, 0).iter().map(Vec::len).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn no_more_is_outstanding_than_a_channel_takes_well() {
    let mut outbox = outbox(Delivery::Ordered, &[200_000]);
    let (mut buffered, mut frame) = (0, Vec::new());
    while outbox.next_frame(0, buffered, &mut frame) {
        buffered += frame.len();
    }
    assert!(frame.is_empty() && buffered <= limits::MAX_OUTSTANDING_BYTES);
    assert!(buffered > limits::MAX_OUTSTANDING_BYTES - limits::MAX_FRAME_BYTES);
    assert!(!outbox.next_frame(0, usize::MAX, &mut frame));
    assert!(outbox.next_frame(0, 16_384, &mut frame));
}

#[test]
fn only_sixteen_mebibytes_fit() {
    let max = limits::MAX_MESSAGE_BYTES;
    let mut outbox = outbox(Delivery::Ordered, &[max]);
    let error = outbox.push(0, message(max + 1)).unwrap_err();
    assert_eq!(error, SendError::MessageTooLarge { len: max + 1, max });
    assert_eq!((error.code(), outbox.queued_bytes()), ("message-too-large", max));
    assert!(outbox.is_over_high_water());
    assert_eq!(frames(&mut outbox, 0).len(), max.div_ceil(CHUNK_BYTES));
    assert!(outbox.is_empty() && !outbox.is_over_high_water());
}

#[test]
fn the_latest_value_replaces_those_that_wait() {
    let mut outbox = outbox(Delivery::Latest, &[1, 2, 3]);
    assert_eq!(outbox.queued_bytes(), 3);
    assert_eq!(frames(&mut outbox, 0), [[0, 0, 1, 3, 3, 3, 3]]);
}

#[test]
fn a_half_sent_latest_value_is_finished_and_only_the_newest_follows() {
    let mut outbox = outbox(Delivery::Latest, &[40_000]);
    assert!(outbox.next_frame(0, 0, &mut Vec::new()));
    for len in [50_000, 1, 2] {
        outbox.push(0, message(len)).unwrap();
    }
    assert_eq!(outbox.queued_bytes(), 40_000 - CHUNK_BYTES + 2);
    let rest = frames(&mut outbox, 0);
    assert_eq!((rest.len(), &rest[2][..]), (3, &[0, 1, 1, 2, 2, 2][..]));
}

#[test]
fn a_message_past_its_lifetime_is_dropped() {
    let mut outbox = outbox(Delivery::Lifetime(100), &[5, 40_000]);
    outbox.push(60, message(2)).unwrap();
    assert_eq!(frames(&mut outbox, 160), [[0, 0, 1, 2, 2, 2]]);
    assert!(outbox.is_empty());
    assert_eq!((outbox.queued_bytes(), outbox.sent_messages()), (0, 1));
}

#[test]
fn the_rest_of_a_late_message_is_dropped_and_its_number_skipped() {
    let mut outbox = outbox(Delivery::Lifetime(100), &[40_000, 1]);
    assert!(outbox.next_frame(100, 0, &mut Vec::new()));
    outbox.push(101, message(2)).unwrap();
    assert_eq!(outbox.queued_bytes(), 2);
    assert_eq!(frames(&mut outbox, 101), [[0, 1, 1, 2, 2, 2]]);
}

#[test]
fn messages_that_may_be_lost_share_no_more_than_a_packet() {
    let frames = frames(&mut outbox(Delivery::Lifetime(100), &[500, 500, 500, 3000, 10]), 0);
    assert_eq!(frames.iter().map(|frame| frame[2]).collect::<Vec<_>>(), [2, 1, 1, 1]);
}

#[test]
fn a_new_connection_starts_over_with_what_was_not_handed_over() {
    let mut outbox = outbox(Delivery::Ordered, &[4, 40_000, 5]);
    let mut frame = Vec::new();
    assert!(outbox.next_frame(0, 0, &mut frame) && outbox.next_frame(0, 0, &mut frame));
    outbox.reset();
    assert_eq!((outbox.queued_bytes(), outbox.sent_messages()), (40_005, 1));
    let frames = frames(&mut outbox, 0);
    assert_eq!((frames.len(), frames[0][0], frames[0][1]), (4, 1, 0));
}

#[test]
fn a_new_connection_gets_the_latest_value_only() {
    let mut outbox = outbox(Delivery::Latest, &[40_000]);
    assert!(outbox.next_frame(0, 0, &mut Vec::new()));
    outbox.push(0, message(1)).unwrap();
    outbox.reset();
    assert_eq!(outbox.queued_bytes(), 1);
    assert_eq!(frames(&mut outbox, 0), [[0, 0, 1, 1, 1]]);
}

#[test]
fn a_hundred_thousand_small_messages_are_cheap_and_bounded() {
    let mut outbox = outbox(Delivery::Ordered, &[100; 100_000]);
    assert!(outbox.is_over_high_water());
    assert_eq!(frames(&mut outbox, 0).len(), 100_000 / 162 + 1);
    assert_eq!(outbox.sent_messages(), 100_000);
    for _ in 0..70_000 {
        outbox.push(0, message(0)).unwrap();
    }
    assert!(outbox.is_over_high_water(), "empty messages take memory too");
    assert_eq!(frames(&mut outbox, 0).len(), 70_000 / 16_377 + 1);
}
