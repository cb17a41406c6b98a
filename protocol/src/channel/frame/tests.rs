use super::*;

/// The header of docs/wire.md's fragment: message 300, 40,000 bytes long, from byte 16,360.
const FRAGMENT_HEAD: [u8; 9] = [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0xe8, 0x7f, b'x'];

fn fragment(seq: u64, total: u64, offset: u64, len: usize) -> Result<Frame, FrameError> {
    let mut head = vec![FRAGMENT];
    for number in [seq, total, offset] {
        push_varint(&mut head, number);
    }
    parse(&head, head.len() + len)
}

#[test]
fn a_batch_is_read_byte_for_byte() {
    let bytes = b"\x00\x07\x03\x02\x00\x03hiyou";
    let ranges = vec![6..8, 8..8, 8..11];
    assert_eq!(parse(bytes, bytes.len()), Ok(Frame::Batch { first_seq: 7, ranges }));
}

#[test]
fn a_fragment_is_read_from_its_head_alone() {
    let total_len = 8 + CHUNK_BYTES;
    let body = 8..total_len;
    let expected = Fragment { seq: 300, total: 40_000, offset: CHUNK_BYTES, body };
    assert_eq!(parse(&FRAGMENT_HEAD, total_len), Ok(Frame::Fragment(expected)));
    let mut written = Vec::new();
    start_fragment(&mut written, 300, 40_000, CHUNK_BYTES);
    assert_eq!(written, FRAGMENT_HEAD[..8]);
    assert_eq!(parse(&FRAGMENT_HEAD[..3], total_len), Err(FrameError::NeedMore(total_len)));
    assert_eq!(parse(&[], total_len), Err(FrameError::NeedMore(MAX_HEADER_BYTES)));
}

#[test]
fn a_batch_asks_for_its_lengths() {
    let mut bytes = vec![BATCH, 0, 100];
    bytes.extend([1; 200]);
    assert_eq!(parse(&bytes[..MAX_HEADER_BYTES], bytes.len()), Err(FrameError::NeedMore(bytes.len())));
    assert!(
        matches!(parse(&bytes[..103], bytes.len()), Ok(Frame::Batch { ranges, .. }) if ranges.len() == 100)
    );
}

#[test]
fn the_list_of_ranges_is_reused() {
    let mut spare = Vec::with_capacity(50);
    let Ok(Frame::Batch { ranges, .. }) = parse_into(&[0, 0, 1, 0], 4, &mut spare) else { panic!("a batch") };
    assert_eq!((ranges.len(), ranges.capacity(), spare.capacity()), (1, 50, 0));
}

#[test]
fn batches_that_do_not_add_up_are_refused() {
    let bad: [&[u8]; 9] = [
        &[BATCH],
        &[BATCH, 0],
        &[BATCH, 0, 0],
        &[BATCH, 0, 1],
        &[BATCH, 0, 2, 0],
        &[BATCH, 0, 1, 1],
        &[BATCH, 0, 1, 1, 9, 9],
        &[BATCH, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2],
        &[BATCH, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0],
    ];
    for bytes in bad {
        assert_eq!(parse(bytes, bytes.len()), Err(FrameError::Malformed), "{bytes:?}");
    }
    assert_eq!(parse(&[], 0), Err(FrameError::Empty));
    assert_eq!(parse(&[2], 1), Err(FrameError::UnknownKind(2)));
    assert_eq!(parse(&[0], 16_385), Err(FrameError::TooLong(16_385)));
}

#[test]
fn fragments_of_another_shape_are_refused() {
    let (chunk, max) = (CHUNK_BYTES as u64, limits::MAX_MESSAGE_BYTES as u64);
    assert!(fragment(0, chunk + 1, chunk, 1).is_ok());
    assert!(fragment(u64::MAX - 1, max, 0, CHUNK_BYTES).is_ok());
    assert_eq!(fragment(0, max + 1, 0, CHUNK_BYTES), Err(FrameError::MessageTooLarge(max + 1)));
    assert_eq!(fragment(u64::MAX, max, 0, CHUNK_BYTES), Err(FrameError::Malformed));
    let bad = [
        (chunk, 0, CHUNK_BYTES),
        (chunk + 1, 0, 1),
        (chunk + 1, chunk, 2),
        (chunk + 1, chunk, 0),
        (2 * chunk, 2 * chunk, 0),
        (2 * chunk, 5, CHUNK_BYTES),
        (2 * chunk, u64::MAX, 1),
    ];
    for (total, offset, len) in bad {
        assert_eq!(fragment(0, total, offset, len), Err(FrameError::BadFragment { total, offset, len }));
    }
}

#[test]
fn headers_fit_their_allowance() {
    for value in [0, 127, 128, 16_383, 16_384, limits::MAX_MESSAGE_BYTES as u64, u64::MAX - 1, u64::MAX] {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, value);
        assert_eq!(bytes.len(), varint_len(value));
    }
    let mut longest = Vec::new();
    start_fragment(&mut longest, u64::MAX, limits::MAX_MESSAGE_BYTES, limits::MAX_MESSAGE_BYTES);
    assert!(longest.len() <= MAX_HEADER_BYTES);
    longest.clear();
    start_batch(&mut longest, u64::MAX, 1);
    assert!(longest.len() + varint_len(CHUNK_BYTES as u64) <= MAX_HEADER_BYTES);
}
