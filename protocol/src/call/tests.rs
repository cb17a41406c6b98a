use std::rc::Rc;

use super::*;

type TestCalls = Calls<Rc<[u8]>>;

fn pair() -> (TestCalls, TestCalls) {
    (Calls::new(2), Calls::new(2))
}

fn body(len: usize) -> Rc<[u8]> {
    Rc::from(vec![7; len])
}

fn messages(from: &mut TestCalls) -> Vec<Vec<u8>> {
    let whole = |message: Message<Rc<[u8]>>| {
        let mut out = Vec::new();
        message.append_range(0..message.len(), &mut out);
        out
    };
    std::iter::from_fn(|| from.next_message().map(whole)).collect()
}

fn events(of: &mut TestCalls) -> Vec<Event> {
    std::iter::from_fn(|| of.poll()).collect()
}

fn carry(from: &mut TestCalls, to: &mut TestCalls) -> Vec<Event> {
    messages(from).iter().for_each(|message| to.handle(message, message.len()).unwrap());
    events(to)
}

fn remote(code: &str, message: &str) -> CallFailure {
    CallFailure::Remote { code: Text::cut(code), message: Text::cut(message) }
}

#[test]
fn a_call_is_answered_once() {
    let (mut a, mut b) = pair();
    let (first, second) = (a.call(0, body(3), None).unwrap(), a.call(1, body(0), None).unwrap());
    let asked = [
        Event::Request { id: first, method: 0, body: 3..6 },
        Event::Request { id: second, method: 1, body: 3..3 },
    ];
    assert_eq!(carry(&mut a, &mut b), asked);
    b.respond(second, body(2)).unwrap();
    b.respond(second, body(9)).unwrap();
    b.refuse(first, "not-now", "busy");
    let answered = [
        Event::Response { id: second, body: 2..4 },
        Event::Failed { id: first, failure: remote("not-now", "busy") },
    ];
    assert_eq!(carry(&mut b, &mut a), answered);
    assert_eq!((a.open(), b.open()), ((0, 0), (0, 0)));
    assert_eq!((a.ours.bytes, b.theirs.bytes), (0, 0));
}

#[test]
fn a_method_that_is_not_declared_has_no_handler() {
    let (mut a, mut b) = pair();
    let id = a.call(2, body(3), None).unwrap();
    assert_eq!(carry(&mut a, &mut b), []);
    assert_eq!(carry(&mut b, &mut a), [Event::Failed { id, failure: remote(code::NO_HANDLER, "") }]);
}

#[test]
fn a_cancel_stops_the_handler_and_a_late_answer_is_dropped() {
    let (mut a, mut b) = pair();
    let id = a.call(0, body(3), None).unwrap();
    carry(&mut a, &mut b);
    a.cancel(id);
    a.cancel(id);
    assert_eq!(carry(&mut a, &mut b), [Event::Cancelled { id }]);
    b.respond(id, body(1)).unwrap();
    assert_eq!(messages(&mut b).len(), 0);

    // The answer and the cancel cross: on the way, or while the answer waits.
    let (crossing, waiting) = (a.call(0, body(3), None).unwrap(), a.call(0, body(3), None).unwrap());
    carry(&mut a, &mut b);
    b.respond(crossing, body(1)).unwrap();
    let on_the_way = messages(&mut b);
    b.respond(waiting, body(1)).unwrap();
    [crossing, waiting].into_iter().for_each(|id| a.cancel(id));
    assert_eq!(carry(&mut a, &mut b), []);
    assert_eq!((messages(&mut b).len(), b.answers), (0, 0));
    on_the_way.iter().for_each(|message| a.handle(message, message.len()).unwrap());
    assert_eq!(events(&mut a), []);
}

#[test]
fn a_request_that_has_not_left_is_taken_back() {
    let (mut a, mut b) = pair();
    let (dropped, kept) = (a.call(0, body(3), None).unwrap(), a.call(0, body(3), None).unwrap());
    a.cancel(dropped);
    assert_eq!(carry(&mut a, &mut b), [Event::Request { id: kept, method: 0, body: 3..6 }]);
}

#[test]
fn a_call_fails_when_its_time_is_up() {
    let (mut a, mut b) = pair();
    let (late, early) = (a.call(0, body(1), Some(900)).unwrap(), a.call(0, body(1), Some(300)).unwrap());
    a.call(0, body(1), None).unwrap();
    carry(&mut a, &mut b);
    assert_eq!(a.deadline(), Some(300));
    a.timed_out(299);
    assert_eq!(events(&mut a), []);
    a.timed_out(300);
    assert_eq!(events(&mut a), [Event::Failed { id: early, failure: CallFailure::TimedOut }]);
    assert_eq!((a.deadline(), carry(&mut a, &mut b)), (Some(900), vec![Event::Cancelled { id: early }]));
    a.timed_out(5_000);
    assert_eq!(events(&mut a), [Event::Failed { id: late, failure: CallFailure::TimedOut }]);
    assert_eq!((a.deadline(), a.open()), (None, (1, 0)));
}

#[test]
fn more_calls_than_allowed_are_refused_at_either_end() {
    let (mut a, mut b) = pair();
    assert!((0..limits::MAX_CALLS).all(|_| a.call(0, body(0), None).is_ok()));
    assert_eq!(a.call(0, body(0), None), Err(CallError::TooManyCalls));
    assert_eq!(carry(&mut a, &mut b).len(), limits::MAX_CALLS);
    // A peer that does not keep to it.
    let over = [0x10, 0x80, 2, 0];
    b.handle(&over, over.len()).unwrap();
    let mut refused = vec![0x12, 0x80, 2, 14];
    refused.extend(b"too-many-calls\0");
    assert_eq!((messages(&mut b), events(&mut b)), (vec![refused], vec![]));
}

#[test]
fn the_bytes_of_requests_are_bounded_together() {
    let (mut a, mut b) = pair();
    let most = body(limits::MAX_CALL_BODY_BYTES);
    let ids: Vec<_> = (0..4).map(|_| a.call(0, most.clone(), None).unwrap()).collect();
    assert_eq!(a.call(0, body(1000), None), Err(CallError::TooManyCalls));
    assert!(a.next_message().unwrap().len() <= limits::MAX_MESSAGE_BYTES);
    a.cancel(ids[3]);
    a.call(0, body(1000), None).unwrap();
    // The other end counts alike, whatever it is sent; here only heads.
    for id in 0..5 {
        b.handle(&[0x10, id, 0], 3 + limits::MAX_CALL_BODY_BYTES).unwrap();
    }
    assert_eq!((b.open(), b.answers), ((0, 4), 1));
    let too_long = 4 + limits::MAX_CALL_BODY_BYTES;
    assert_eq!(b.handle(&[0x10, 5, 0], too_long), Err(CallFault::Malformed));
    let longer = CallError::MessageTooLarge(limits::MAX_CALL_BODY_BYTES + 1);
    assert_eq!(b.respond(CallId(0), body(limits::MAX_CALL_BODY_BYTES + 1)), Err(longer));
    b.refuse(CallId(0), longer.code(), "");
    assert_eq!(b.open(), (0, 3));
}

#[test]
fn answers_that_nobody_fetches_are_bounded() {
    let (mut a, mut b) = pair();
    let mut handled = 0u64;
    let fault = loop {
        let mut message = vec![0x10];
        push_varint(&mut message, handled);
        push_varint(&mut message, 99);
        match b.handle(&message, message.len()) {
            Ok(()) => handled += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!((fault, handled), (CallFault::TooManyCalls, 2 * limits::MAX_CALLS as u64));
    // Answers to calls that nobody made are nothing.
    assert_eq!((carry(&mut b, &mut a), b.answers), (vec![], 0));
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_apart() {
    let (_, mut b) = pair();
    let mut feed = |message: &[u8]| b.handle(message, message.len());
    for malformed in [&[][..], &[0x10], &[0x10, 0], &[0x11], &[0x12, 0], &[0x12, 0, 1, 0xff, 0], &[0x13]] {
        assert_eq!(feed(malformed), Err(CallFault::Malformed), "{malformed:?}");
    }
    feed(&[0x10, 5, 0]).unwrap();
    for known in [0, 5] {
        assert_eq!(feed(&[0x10, known, 0]), Err(CallFault::BadId(u64::from(known))));
    }
    let mut last = vec![0x10];
    push_varint(&mut last, u64::MAX);
    last.push(0);
    assert_eq!(feed(&last), Err(CallFault::BadId(u64::MAX)));
    // Answers and cancels of what is not there have crossed something; newer kinds mean nothing to us.
    for crossed in [&[0x11, 9][..], &[0x12, 9, 0, 0], &[0x13, 9], &[0x14]] {
        assert_eq!(feed(crossed), Ok(()));
    }
}

#[test]
fn a_peer_that_is_gone_settles_everything() {
    let (mut a, mut b) = pair();
    let ours = a.call(0, body(1), Some(9)).unwrap();
    let theirs = b.call(0, body(1), None).unwrap();
    carry(&mut b, &mut a);
    a.fail();
    let failed = Event::Failed { id: ours, failure: CallFailure::PeerGone };
    assert_eq!(events(&mut a), [failed, Event::Cancelled { id: theirs }]);
    a.respond(theirs, body(1)).unwrap();
    assert_eq!((a.call(0, body(1), None), a.next_message().is_none()), (Err(CallError::PeerGone), true));
    assert_eq!((a.deadline(), a.open()), (None, (0, 0)));
    a.renew();
    assert_eq!(a.call(0, body(1), None), Ok(CallId(ours.0 + 1)));
    assert_eq!(a.handle(&[0x10, 0, 0], 3), Ok(()));
}

#[test]
fn texts_of_failures_are_cut_to_their_limits_and_fit_the_head() {
    let (mut a, mut b) = pair();
    let id = a.call(0, body(1), None).unwrap();
    carry(&mut a, &mut b);
    b.refuse(id, &"c".repeat(99), &"é".repeat(999));
    let sent = messages(&mut b);
    assert!(sent[0].len() <= HEAD_BYTES);
    a.handle(&sent[0], sent[0].len()).unwrap();
    assert_eq!(events(&mut a), [Event::Failed { id, failure: remote(&"c".repeat(64), &"é".repeat(512)) }]);
}

#[test]
fn a_message_is_its_head_and_its_body() {
    let message = Message { head: Rc::from(*b"head"), body: Some(Rc::<[u8]>::from(*b"body")) };
    for (range, read) in
        [(0..8, "headbody"), (1..3, "ea"), (3..6, "dbo"), (4..8, "body"), (6..7, "d"), (4..4, "")]
    {
        let mut out = Vec::new();
        message.append_range(range, &mut out);
        assert_eq!(out, read.as_bytes());
    }
}
