//! One channel: messages packed into frames, and frames read.

use std::hint::black_box;
use std::ops::Range;
use std::rc::Rc;

use criterion::{Criterion, Throughput};
use peerloom_protocol::channel::frame::MAX_HEADER_BYTES;
use peerloom_protocol::channel::{Ack, Body, Outbox, Via, parse, parse_into};
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::limits;

/// What a task of a busy page sends, in about six frames.
const MESSAGES: u64 = 1000;
const SMALL_BYTES: usize = 100;
const WINDOW: u32 = limits::WINDOW_BYTES;

fn outbox() -> Outbox<Rc<[u8]>> {
    Outbox::new(Delivery::Ordered, WINDOW, WINDOW)
}

/// Queues messages, writes them all, and has them acknowledged.
fn pack(outbox: &mut Outbox<Rc<[u8]>>, payload: &Rc<[u8]>, frame: &mut Vec<u8>) {
    let mut end = 0;
    for _ in 0..MESSAGES {
        end = outbox.push(0, payload.clone()).expect("a short message") + 1;
    }
    while outbox.has_unsent(true) {
        frame.clear();
        outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, frame).expect("it has something to send");
        black_box(&frame);
    }
    let granted = u64::MAX;
    assert!(outbox.ack(Ack { seq: end, offset: 0, granted }).expect("what was sent"), "this frees something");
}

/// The first frame of these messages.
fn frame_of(payload: Rc<[u8]>, count: u64) -> Vec<u8> {
    let (mut outbox, mut frame) = (outbox(), Vec::new());
    for _ in 0..count {
        outbox.push(0, payload.clone()).expect("no message is too long");
    }
    outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, &mut frame).expect("the window is open");
    frame
}

/// Where the messages of a batch are; the list is given back to be used again.
fn read(frame: &[u8], mut spare: Vec<Range<usize>>) -> Vec<Range<usize>> {
    match parse_into(frame, frame.len(), &mut spare).expect("a frame of ours").body {
        Some(Body::Batch { ranges, .. }) => ranges,
        _ => unreachable!("short messages make a batch"),
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channel");

    let payload: Rc<[u8]> = vec![7; SMALL_BYTES].into();
    let (mut outbox, mut frame) = (outbox(), Vec::with_capacity(limits::MAX_FRAME_BYTES));
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("100 B packed", |bencher| {
        bencher.iter(|| pack(&mut outbox, &payload, &mut frame));
    });

    let batch = frame_of(payload, MESSAGES);
    let mut ranges = read(&batch, Vec::new());
    group.throughput(Throughput::Elements(ranges.len() as u64));
    group.bench_function("100 B read", |bencher| {
        bencher.iter(|| ranges = read(black_box(&batch), std::mem::take(&mut ranges)));
    });

    // Its bytes stay where they are.
    let fragment = frame_of(vec![7; 1 << 20].into(), 1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("fragment read", |bencher| {
        bencher.iter(|| {
            let head = &black_box(&fragment)[..MAX_HEADER_BYTES];
            parse(head, fragment.len()).expect("a frame of ours")
        });
    });
    group.finish();
}
