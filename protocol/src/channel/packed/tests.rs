use super::super::{Frame, parse};
use super::*;
use crate::codec::push_varint;

/// A batch of one message of these bytes.
fn batch(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 1];
    push_varint(&mut body, message.len() as u64);
    body.extend_from_slice(message);
    body
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut frame = body.to_vec();
    pack(&mut frame, 0);
    frame
}

/// A frame that says it becomes `len` bytes.
fn claim(len: usize, block: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame::start_packed(&mut frame, len);
    frame.extend_from_slice(block);
    frame
}

fn block_of(body: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(body)
}

fn read(frame: &[u8]) -> Result<(Vec<u8>, Body), FrameError> {
    let Frame { packed, .. } = parse(frame, frame.len())?;
    unpack(&packed.expect("a packed body"), frame)
}

#[test]
fn what_repeats_becomes_short_and_is_what_it_was() {
    let body = batch(&b"{\"kind\":\"move\"}".repeat(900));
    let frame = packed(&body);
    assert!(frame.len() < body.len() / 20, "{} bytes", frame.len());
    let (bytes, Body::Batch { first_seq: 0, ranges }) = read(&frame).unwrap() else { panic!("a batch") };
    assert_eq!((bytes.len(), ranges), (body.len(), vec![5..body.len(); 1]));
    assert_eq!(bytes, body);
}

#[test]
fn what_would_not_become_shorter_goes_as_it_is() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for len in [0, 1, 60, 1_000, 16_384] {
        let body = batch(&std::iter::repeat_with(&mut noise).take(len).collect::<Vec<_>>());
        assert_eq!(packed(&body), body);
    }
    let short = batch(&[7; LEAST_BYTES - 5]);
    assert_eq!(packed(&short), short, "too short to be tried");
    let longer = batch(&[7; LEAST_BYTES]);
    assert!(packed(&longer).len() < longer.len());
}

#[test]
fn what_stands_before_stays() {
    let body = batch(&[7; 1_000]);
    let mut frame = vec![2, 0, 0, 0];
    frame.extend_from_slice(&body);
    pack(&mut frame, 4);
    frame::ask(&mut frame, 4);
    let Frame { ack: Some(_), asks: true, body: None, packed: Some(packed) } =
        parse(&frame, frame.len()).unwrap()
    else {
        panic!("an acknowledgement, and a packed body that asks for one")
    };
    assert_eq!(unpack(&packed, &frame).unwrap().0, body);
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    for len in [0, limits::MAX_FRAME_BYTES + 1, usize::MAX] {
        assert_eq!(parse(&claim(len, &[0]), 4), Err(FrameError::Malformed), "{len}");
    }
    // It becomes more than it says: what it says is all the room it gets.
    let bomb = block_of(&batch(&vec![0; 1 << 20]));
    assert!(bomb.len() < limits::MAX_FRAME_BYTES);
    for len in [1, 1_000, limits::MAX_FRAME_BYTES] {
        assert_eq!(read(&claim(len, &bomb)), Err(FrameError::Malformed), "{len}");
    }
}

#[test]
fn a_block_that_is_none_or_of_another_length_is_refused() {
    let body = batch(&[7; 1_000]);
    let block = block_of(&body);
    assert!(read(&claim(body.len(), &block)).is_ok());
    for len in [body.len() - 1, body.len() + 1] {
        assert_eq!(read(&claim(len, &block)), Err(FrameError::Malformed));
    }
    for cut in 0..block.len() {
        assert_eq!(read(&claim(body.len(), &block[..cut])), Err(FrameError::Malformed), "{cut}");
    }
    // A copy from before the start, and one of nothing.
    assert_eq!(read(&claim(100, &[0x1f, 0, 9, 0, 80])), Err(FrameError::Malformed));
    assert_eq!(read(&claim(100, &[0x1f, 0, 0, 0, 80])), Err(FrameError::Malformed));
}

#[test]
fn only_messages_are_in_it() {
    let ack = [2, 0, 0, 0];
    let nested = packed(&batch(&[7; 1_000]));
    let asks = [&[0x40][..], &batch(b"hi")[1..]].concat();
    for (body, kind) in [(&ack[..], 2), (&nested, 3), (&asks, 0x40), (&[9, 9], 9)] {
        assert_eq!(read(&claim(body.len(), &block_of(body))), Err(FrameError::UnknownKind(kind)));
    }
    let torn = &batch(b"hello")[..6];
    assert_eq!(read(&claim(torn.len(), &block_of(torn))), Err(FrameError::Malformed));
}
