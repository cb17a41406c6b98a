//! What a peer sends over a path: frames of channels, whole or compressed, control messages, and messages of streams and
//! calls. The first byte says how the channel delivers; then come pieces, each a message of the kind that its tag says.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::{Steps, messages};
use peerloom_protocol::call::{self, CallId, Calls};
use peerloom_protocol::channel::frame::MAX_HEADER_BYTES;
use peerloom_protocol::channel::{
    Body, Frame, FrameError, Inbox, Outbox, Payload, Via, message_cost, parse, unpack,
};
use peerloom_protocol::codec::push_varint;
use peerloom_protocol::control::Control;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::stream::{self, StreamId, Streams};

type Bytes = Rc<[u8]>;

const WINDOW: u32 = limits::MIN_WINDOW_BYTES;

/// Reads a frame as a driver does, from a short head first. The whole of it must say the same.
fn read(frame: &[u8]) -> Result<Frame, FrameError> {
    let whole = parse(frame, frame.len());
    let mut len = frame.len().min(MAX_HEADER_BYTES);
    let read = loop {
        match parse(&frame[..len], frame.len()) {
            Err(FrameError::NeedMore(more)) => {
                assert!(more > len && more <= frame.len(), "{more} after {len} of {}", frame.len());
                len = more;
            }
            read => break read,
        }
    };
    assert_eq!(read, whole);
    read
}

/// The same frame without its acknowledgement and as short as it can be.
fn write(body: &Body, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    match body {
        Body::Batch { first_seq, ranges } => {
            frame.push(0);
            push_varint(&mut frame, *first_seq);
            push_varint(&mut frame, ranges.len() as u64);
            ranges.iter().for_each(|range| push_varint(&mut frame, range.len() as u64));
            ranges.iter().for_each(|range| frame.extend_from_slice(&bytes[range.clone()]));
        }
        Body::Fragment(fragment) => {
            frame.push(1);
            for number in [fragment.seq(), fragment.total() as u64, fragment.offset() as u64] {
                push_varint(&mut frame, number);
            }
            frame.extend_from_slice(&bytes[fragment.body()]);
        }
    }
    frame
}

fn contents<'a>(body: &Body, bytes: &'a [u8]) -> Vec<&'a [u8]> {
    match body {
        Body::Batch { ranges, .. } => ranges.iter().map(|range| &bytes[range.clone()]).collect(),
        Body::Fragment(fragment) => vec![&bytes[fragment.body()]],
    }
}

/// What was read must be the same when it is written and read again: by the rules, and by a sender of the same messages.
fn check_body(body: &Body, bytes: &[u8]) {
    let frame = write(body, bytes);
    assert!(frame.len() <= bytes.len());
    let again = read(&frame).expect("it was read before").body.expect("a body");
    assert_eq!(contents(&again, &frame), contents(body, bytes));
    match (&again, body) {
        (Body::Batch { first_seq: one, .. }, Body::Batch { first_seq: other, .. }) => assert_eq!(one, other),
        (Body::Fragment(one), Body::Fragment(other)) => {
            assert_eq!((one.seq(), one.total(), one.offset()), (other.seq(), other.total(), other.offset()));
        }
        _ => panic!("{body:?} became {again:?}"),
    }

    let Body::Batch { ranges, .. } = body else { return };
    let mut outbox: Outbox<Bytes> = Outbox::new(Delivery::Unordered, u32::MAX, u32::MAX);
    outbox.set_compress(true);
    for range in ranges {
        outbox.push(0, bytes[range.clone()].into()).expect("no longer than a frame");
    }
    let mut arrived = Vec::new();
    let mut frame = Vec::new();
    while outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, &mut frame).is_some() {
        let sent = read(&frame).expect("a frame of ours");
        let (bytes, body) = match (sent.body, sent.packed) {
            (Some(body), None) => (frame.clone(), body),
            (None, Some(packed)) => unpack(&packed, &frame).expect("a frame of ours"),
            other => panic!("{other:?}"),
        };
        arrived.extend(contents(&body, &bytes).into_iter().map(<[u8]>::to_vec));
        frame.clear();
    }
    assert_eq!(arrived, contents(body, bytes));
}

/// Takes what a frame brings, and looks at what is kept.
fn accept(inbox: &mut Inbox<Vec<u8>>, is_reliable: bool, asks: bool, body: Body, bytes: &[u8]) {
    if let Ok(delivered) = inbox.accept(body, asks, |range| bytes[range].to_vec()) {
        let mut all = 0;
        for range in &delivered.ranges {
            all += bytes[range.clone()].len();
        }
        for whole in &delivered.wholes {
            assert_eq!(whole.chunks.iter().map(Vec::len).sum::<usize>(), whole.len);
            all += whole.len;
        }
        inbox.consumed((delivered.ranges.len() + delivered.wholes.len()) as u64, all as u64);
    }
    let most = u64::from(WINDOW) + message_cost(limits::MAX_MESSAGE_BYTES) + limits::MAX_FRAME_BYTES as u64;
    let most = if is_reliable { most } else { limits::MAX_PARTIAL_BYTES as u64 };
    assert!(inbox.kept_bytes() as u64 <= most, "{} bytes are kept", inbox.kept_bytes());
    if inbox.is_ack_due() {
        let _ = inbox.take_ack();
    }
}

/// Streams and calls, each twice: one hears all of a message, the other only as much as a driver must give.
struct More {
    streams: [Streams<Bytes>; 2],
    calls: [Calls<Bytes>; 2],
}

impl More {
    fn new() -> Self {
        let streams = || Streams::new(PeerId([1; 16]), PeerId([2; 16]));
        Self { streams: [streams(), streams()], calls: [Calls::new(2), Calls::new(2)] }
    }

    /// Something that the application does, so that there is what a peer can answer to.
    fn act(&mut self, what: u8) {
        for streams in &mut self.streams {
            let id = StreamId(u64::from(what >> 4));
            match what % 8 {
                0 => drop(streams.open("mine")),
                1 => drop(streams.write(id, Rc::from(*b"bytes"))),
                2 => streams.finish(id),
                3 => streams.abort(id, "enough"),
                4 => streams.cancel(id, "enough"),
                _ => streams.consumed(id, usize::from(what)),
            }
        }
        for calls in &mut self.calls {
            let id = CallId(u64::from(what >> 4));
            match what % 8 {
                0 => drop(calls.call(1, Rc::from(*b"ask"), None)),
                1 => drop(calls.respond(id, Rc::from(*b"answer"))),
                2 => calls.refuse(id, "no", "not now"),
                3 => calls.cancel(id),
                _ => {}
            }
        }
    }

    fn hear(&mut self, message: &[u8]) {
        let heads = [message.len(), message.len().min(stream::HEAD_BYTES)];
        let told = [0, 1].map(|one| self.streams[one].handle(&message[..heads[one]], message.len()));
        assert_eq!(told[0], told[1]);
        let heads = [message.len(), message.len().min(call::HEAD_BYTES)];
        let answers = [0, 1].map(|one| self.calls[one].handle(&message[..heads[one]], message.len()));
        assert_eq!(answers[0], answers[1]);
        loop {
            let [one, other] = self.streams.each_mut().map(Streams::poll);
            assert_eq!(one, other);
            let Some(event) = one else { break };
            if let stream::Event::Data { range, .. } = event {
                assert!(!message[range].is_empty());
            }
        }
        loop {
            let [one, other] = self.calls.each_mut().map(Calls::poll);
            assert_eq!(one, other);
            let Some(event) = one else { break };
            if let call::Event::Request { body, .. } | call::Event::Response { body, .. } = event {
                assert!(body.end <= message.len());
            }
        }
        assert!(self.streams[0].len() <= 2 * limits::MAX_STREAMS);
        let (ours, theirs) = self.calls[0].open();
        assert!(ours <= limits::MAX_CALLS && theirs <= limits::MAX_CALLS);
    }

    /// Sends some of what there is to say.
    fn speak(&mut self, most: u8) {
        let mut messages = [Vec::new(), Vec::new()];
        for _ in 0..most {
            let spoke = [0, 1].map(|one| self.streams[one].next_message(&mut messages[one]));
            assert_eq!((spoke[0], &messages[0]), (spoke[1], &messages[1]));
            assert!(messages[0].len() <= limits::MAX_STREAM_MESSAGE_BYTES);
            let [one, other] = self.calls.each_mut().map(|calls| calls.next_message().map(|made| made.len()));
            assert_eq!(one, other);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut steps = Steps::new(data);
    let delivery = match steps.byte() % 4 {
        0 => Delivery::Ordered,
        1 => Delivery::Unordered,
        2 => Delivery::Latest,
        _ => Delivery::Lifetime(50),
    };
    let is_reliable = matches!(delivery, Delivery::Ordered | Delivery::Unordered);
    let mut inbox = Inbox::new(delivery, WINDOW);
    let mut more = More::new();
    while !steps.is_over() {
        match steps.byte() % 8 {
            0..3 => {
                let frame = steps.piece();
                let Ok(Frame { ack, asks, body, packed }) = read(frame) else { continue };
                if let Some(ack) = ack {
                    let mut outbox: Outbox<Bytes> = Outbox::new(delivery, WINDOW, WINDOW);
                    outbox.push(0, Rc::from(*b"message")).expect("a short one");
                    let _ = outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, &mut Vec::new());
                    let _ = outbox.ack(ack);
                }
                if let Some(body) = body {
                    check_body(&body, frame);
                    accept(&mut inbox, is_reliable, asks, body, frame);
                }
                if let Some((bytes, body)) = packed.and_then(|packed| unpack(&packed, frame).ok()) {
                    assert!(bytes.len() <= limits::MAX_FRAME_BYTES);
                    check_body(&body, &bytes);
                    accept(&mut inbox, is_reliable, asks, body, &bytes);
                }
            }
            3 => {
                messages::<Control>(steps.piece(), limits::MAX_CONTROL_BYTES);
            }
            4 | 5 => more.hear(steps.piece()),
            6 => more.act(steps.byte()),
            _ => more.speak(steps.byte() % 16),
        }
    }
});
