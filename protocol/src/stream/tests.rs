use std::rc::Rc;

use super::*;

type TestStreams = Streams<Rc<[u8]>>;

const ADA: PeerId = PeerId([1; 16]);
const BOB: PeerId = PeerId([2; 16]);
const WINDOW: usize = limits::STREAM_WINDOW_BYTES;

fn pair() -> (TestStreams, TestStreams) {
    (Streams::new(ADA, BOB), Streams::new(BOB, ADA))
}

fn bytes(len: usize) -> Rc<[u8]> {
    Rc::from(vec![7; len])
}

/// All that `from` has to send now.
fn messages(from: &mut TestStreams) -> Vec<Vec<u8>> {
    let mut message = Vec::new();
    std::iter::from_fn(|| from.next_message(&mut message).then(|| message.clone())).collect()
}

fn events(of: &mut TestStreams) -> Vec<Event> {
    std::iter::from_fn(|| of.poll()).collect()
}

/// Sends all there is to send; gives what `to` tells.
fn carry(from: &mut TestStreams, to: &mut TestStreams) -> Vec<Event> {
    messages(from).iter().for_each(|message| to.handle(message, message.len()).unwrap());
    events(to)
}

/// A stream opened by the first, known to the second.
fn opened() -> (TestStreams, TestStreams, StreamId) {
    let (mut a, mut b) = pair();
    let id = a.open("notes").unwrap();
    assert_eq!(carry(&mut a, &mut b), [Event::Opened { id, name: Name::cut("notes") }]);
    (a, b, id)
}

fn feed(streams: &mut TestStreams, message: &[u8]) -> Result<(), StreamFault> {
    streams.handle(message, message.len())
}

fn why(text: &str) -> Reason {
    Reason::cut(text)
}

#[test]
fn both_ends_open_at_once_under_different_numbers() {
    let (mut a, mut b) = pair();
    assert_eq!([a.open("x"), a.open("x"), b.open("x")], [Ok(StreamId(0)), Ok(StreamId(2)), Ok(StreamId(1))]);
}

#[test]
fn both_directions_end_and_the_stream_is_forgotten() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(3)).unwrap();
    a.write(id, bytes(0)).unwrap();
    a.write(id, bytes(2)).unwrap();
    a.finish(id);
    assert_eq!(a.write(id, bytes(1)), Err(StreamError::Closed));
    assert_eq!(carry(&mut a, &mut b), [Event::Data { id, range: 2..7 }, Event::Ended { id }]);
    b.finish(id);
    assert_eq!(carry(&mut b, &mut a), [Event::Ended { id }]);
    // What is not read to the end is not over.
    b.consumed(id, 4);
    assert_eq!((messages(&mut b).len(), carry(&mut a, &mut b)), (0, vec![]));
    b.consumed(id, 1);
    assert_eq!(carry(&mut b, &mut a), [Event::Closed { id }]);
    assert_eq!(events(&mut b), [Event::Closed { id }]);
    assert!(a.is_empty() && b.is_empty());
}

#[test]
fn writers_wait_for_the_reader() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(3 * WINDOW)).unwrap();
    assert!(!a.is_writable(id));
    let mut sent = messages(&mut a);
    assert_eq!(sent.iter().map(|message| message.len() - 2).sum::<usize>(), WINDOW);
    assert!(sent.iter().all(|message| message.len() <= limits::MAX_STREAM_MESSAGE_BYTES));
    sent.iter().for_each(|message| feed(&mut b, message).unwrap());
    b.consumed(id, WINDOW / 2 - 1);
    assert_eq!(messages(&mut b).len(), 0, "not for every byte");
    b.consumed(id, 1);
    carry(&mut b, &mut a);
    sent = messages(&mut a);
    assert_eq!(sent.iter().map(|message| message.len() - 2).sum::<usize>(), WINDOW / 2);
    sent.iter().for_each(|message| feed(&mut b, message).unwrap());
    b.consumed(id, usize::MAX);
    carry(&mut b, &mut a);
    assert_eq!(a.queued_bytes(id), 3 * WINDOW / 2);
    assert_eq!(messages(&mut a).len(), WINDOW.div_ceil(limits::MAX_STREAM_MESSAGE_BYTES));
    assert_eq!((a.queued_bytes(id), a.is_writable(id)), (WINDOW / 2, true));
}

#[test]
fn writable_is_told_once_there_is_room_again() {
    let (mut a, _, id) = opened();
    a.write(id, bytes(limits::STREAM_HIGH_WATER_BYTES)).unwrap();
    assert!(!a.is_writable(id));
    messages(&mut a);
    assert_eq!(events(&mut a), [Event::Writable { id }]);
    assert!(a.is_writable(id));
    // Tiny writes count more than their bytes.
    (0..limits::STREAM_HIGH_WATER_BYTES / 17 + 1).for_each(|_| a.write(id, bytes(1)).unwrap());
    assert!(!a.is_writable(id));
}

#[test]
fn streams_take_turns_and_ends_are_not_held_up() {
    let (mut a, _, first) = opened();
    let second = a.open("second").unwrap();
    a.write(first, bytes(50_000)).unwrap();
    a.write(second, bytes(20_000)).unwrap();
    a.finish(second);
    let kinds: Vec<_> = messages(&mut a).iter().map(|message| (message[0], message[1])).collect();
    assert_eq!(kinds, [(0, 2), (1, 2), (1, 0), (2, 2), (1, 0), (1, 0), (1, 0)]);
}

#[test]
fn an_abort_drops_what_waits_and_what_is_unread() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(3 * WINDOW)).unwrap();
    assert!(matches!(carry(&mut a, &mut b)[..], [Event::Data { .. }, ..]));
    a.abort(id, "never mind");
    assert_eq!(a.queued_bytes(id), 0);
    assert_eq!(carry(&mut a, &mut b), [Event::Aborted { id, reason: why("never mind") }]);
    b.abort(id, "nor I");
    assert_eq!(carry(&mut b, &mut a), [Event::Aborted { id, reason: why("nor I") }, Event::Closed { id }]);
    assert_eq!((events(&mut b), b.len()), (vec![Event::Closed { id }], 0));
}

#[test]
fn a_cancel_stops_the_writer() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(3 * WINDOW)).unwrap();
    let late = messages(&mut a);
    b.cancel(id, "enough");
    late.iter().for_each(|message| feed(&mut b, message).unwrap());
    assert_eq!(events(&mut b), [], "nobody wants it");
    assert_eq!(carry(&mut b, &mut a), [Event::Cancelled { id, reason: why("enough") }]);
    assert_eq!((a.write(id, bytes(1)), a.queued_bytes(id)), (Err(StreamError::Closed), 0));
    assert_eq!(carry(&mut a, &mut b), []);
    b.finish(id);
    assert_eq!(carry(&mut b, &mut a), [Event::Ended { id }]);
    assert_eq!(carry(&mut a, &mut b), [Event::Closed { id }]);
    assert_eq!((events(&mut a), a.len()), (vec![Event::Closed { id }], 0));
}

#[test]
fn a_cancel_that_crosses_the_end_is_heard_too() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(10)).unwrap();
    a.finish(id);
    let sent = messages(&mut a);
    b.cancel(id, "enough");
    sent.iter().for_each(|message| feed(&mut b, message).unwrap());
    a.abort(id, "too late");
    assert_eq!(carry(&mut b, &mut a), [Event::Cancelled { id, reason: why("enough") }]);
    b.abort(id, "");
    assert_eq!(
        carry(&mut b, &mut a),
        [Event::Aborted { id, reason: Reason::default() }, Event::Closed { id }]
    );
    assert!(a.is_empty() && b.is_empty());
}

#[test]
fn messages_that_cross_the_end_of_a_stream_are_skipped() {
    let (mut a, mut b, id) = opened();
    b.abort(id, "");
    a.abort(id, "");
    let (from_a, from_b) = (messages(&mut a), messages(&mut b));
    from_a.iter().for_each(|message| feed(&mut b, message).unwrap());
    from_b.iter().for_each(|message| feed(&mut a, message).unwrap());
    assert!(a.is_empty() && b.is_empty());
    for late in [&[4, 0, 0][..], &[5, 0, 9], &[6, 0]] {
        assert_eq!(feed(&mut a, late), Ok(()));
    }
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_apart() {
    let fault = |message: &[u8]| {
        let (_, mut b, _) = opened();
        feed(&mut b, message).unwrap_err()
    };
    assert_eq!(fault(&[0, 0, 0]), StreamFault::BadId(0, 2));
    assert_eq!(fault(&[0, 1, 0]), StreamFault::BadId(1, 2));
    assert_eq!(fault(&[0, 4, 0]), StreamFault::BadId(4, 2));
    assert_eq!(fault(&[1, 2, 0]), StreamFault::UnknownStream(2));
    assert_eq!(fault(&[5, 1, 0]), StreamFault::UnknownStream(1));
    assert_eq!(fault(&[6, 0]), StreamFault::NotEnded(0));
    for malformed in [&[][..], &[0], &[0, 2], &[0, 2, 2, b'x'], &[0, 2, 1, 0xff], &[1, 0], &[5, 0]] {
        assert_eq!(fault(malformed), StreamFault::Malformed, "{malformed:?}");
    }
    assert_eq!(fault(&[1; limits::MAX_STREAM_MESSAGE_BYTES + 1]), StreamFault::Malformed);
    let mut name = vec![0, 2, 0x81, 2];
    name.resize(name.len() + 257, b'n');
    assert_eq!(fault(&name), StreamFault::Malformed);

    for last in [&[2, 0][..], &[3, 0, 0]] {
        for more in [&[1, 0, 1][..], &[2, 0], &[3, 0, 0]] {
            let (_, mut b, _) = opened();
            feed(&mut b, last).unwrap();
            assert_eq!(feed(&mut b, more), Err(StreamFault::AfterEnd(0)));
        }
    }
}

#[test]
fn kinds_of_newer_versions_and_fields_behind_the_known_ones_are_skipped() {
    let (_, mut b, id) = opened();
    assert_eq!(feed(&mut b, &[7]), Ok(()));
    assert_eq!(feed(&mut b, &[0, 2, 1, b'x', 9, 9]), Ok(()));
    assert_eq!(feed(&mut b, &[3, 0, 0, 9]), Ok(()));
    let told = events(&mut b);
    assert!(
        matches!(&told[..], [Event::Opened { .. }, Event::Aborted { id: aborted, .. }] if *aborted == id)
    );
}

#[test]
fn bytes_over_the_grant_are_refused() {
    for cancelled in [false, true] {
        let (_, mut b, id) = opened();
        if cancelled {
            b.cancel(id, "");
        }
        let mut message = vec![1, 0];
        message.resize(2 + WINDOW / 32, 0);
        (0..32).for_each(|_| feed(&mut b, &message).unwrap());
        assert_eq!(feed(&mut b, &[1, 0, 1]), Err(StreamFault::OverGrant(0)));
        assert_eq!(feed(&mut b, &[2, 0]), Ok(()));
    }
}

#[test]
fn only_the_head_of_a_message_need_be_here() {
    let (_, mut b, id) = opened();
    b.handle(&[1, 0], 9_000).unwrap();
    assert_eq!(events(&mut b), [Event::Data { id, range: 2..9_000 }]);
}

#[test]
fn a_stream_over_the_limit_is_refused_by_itself() {
    let (mut a, mut b) = pair();
    let open = |number: u8| [0, number, 0];
    for number in 0..limits::MAX_STREAMS {
        a.open("").unwrap();
        feed(&mut b, &open(2 * number as u8)).unwrap();
    }
    assert_eq!(a.open(""), Err(StreamError::TooManyStreams));
    let opened = events(&mut b).len();
    assert_eq!((opened, b.len()), (limits::MAX_STREAMS, limits::MAX_STREAMS));
    feed(&mut b, &[0, 0x80, 1, 0]).unwrap();
    feed(&mut b, &[1, 0x80, 1, 5]).unwrap();
    assert_eq!((events(&mut b), b.len()), (vec![], limits::MAX_STREAMS));
    let mut refused = vec![3, 0x80, 1, 16];
    refused.extend(b"too-many-streams");
    assert_eq!(messages(&mut b)[0], refused);
    // Those of the other side count apart.
    assert_eq!(b.open(""), Ok(StreamId(1)));
}

#[test]
fn refusals_that_nobody_fetches_are_bounded() {
    let (_, mut b) = pair();
    let mut open = |number: u64| {
        let mut message = vec![0];
        crate::codec::push_varint(&mut message, number);
        message.push(0);
        feed(&mut b, &message)
    };
    let most = 2 * limits::MAX_STREAMS as u64;
    (0..most).for_each(|n| open(2 * n).unwrap());
    assert_eq!(open(2 * most), Err(StreamFault::TooManyStreams));
}

#[test]
fn a_peer_that_is_gone_ends_everything() {
    let (mut a, mut b, id) = opened();
    a.write(id, bytes(5)).unwrap();
    let whole = a.open("whole").unwrap();
    a.write(whole, bytes(5)).unwrap();
    a.finish(whole);
    carry(&mut a, &mut b);
    b.finish(whole);
    b.fail("left");
    let (reason, closed) = (why("left"), |id| Event::Closed { id });
    let cancelled = |id| Event::Cancelled { id, reason: reason.clone() };
    let aborted = Event::Aborted { id, reason: reason.clone() };
    // The stream that had come to its end can still be read.
    assert_eq!(events(&mut b), [aborted, cancelled(id), closed(id), cancelled(whole), closed(whole)]);
    assert_eq!((b.open(""), messages(&mut b).len()), (Err(StreamError::PeerGone), 0));
}

#[test]
fn a_name_may_be_as_long_as_its_limit_and_no_longer() {
    let (mut a, mut b) = pair();
    let name = |len| "n".repeat(len);
    assert_eq!(a.open(&name(257)), Err(StreamError::NameTooLong(257)));
    let id = a.open(&name(256)).unwrap();
    a.abort(id, &name(999));
    let messages = messages(&mut a);
    assert!(messages.iter().all(|message| message.len() <= HEAD_BYTES));
    messages.iter().for_each(|message| feed(&mut b, message).unwrap());
    assert_eq!(events(&mut b).len(), 2);
}
