use super::*;

/// The header of docs/wire.md's fragment: message 300, 40,000 bytes long, from byte 16,384.
const FRAGMENT_HEAD: [u8; 10] = [0x01, 0xac, 0x02, 0xc0, 0xb8, 0x02, 0x80, 0x80, 0x01, b'x'];

fn fragment(seq: u64, total: u64, offset: u64, len: usize) -> Result<Frame, FrameError> {
    let mut head = vec![FRAGMENT];
    for number in [seq, total, offset] {
        push_varint(&mut head, number);
    }
    parse(&head, head.len() + len)
}

fn plain(body: Body) -> Frame {
    Frame { ack: None, asks: false, body: Some(body), packed: None }
}

#[test]
fn a_batch_is_read_byte_for_byte() {
    let bytes = b"\x00\x07\x03\x02\x00\x03hiyou";
    let ranges = vec![6..8, 8..8, 8..11];
    assert_eq!(parse(bytes, bytes.len()), Ok(plain(Body::Batch { first_seq: 7, ranges })));
}

#[test]
fn a_fragment_is_read_from_its_head_alone() {
    let total_len = 9 + CHUNK_BYTES;
    let body = 9..total_len;
    let expected = Fragment { seq: 300, total: 40_000, offset: CHUNK_BYTES, body };
    assert_eq!(parse(&FRAGMENT_HEAD, total_len), Ok(plain(Body::Fragment(expected))));
    let mut written = Vec::new();
    start_fragment(&mut written, 300, 40_000, CHUNK_BYTES);
    assert_eq!(written, FRAGMENT_HEAD[..9]);
    assert_eq!(parse(&FRAGMENT_HEAD[..3], total_len), Err(FrameError::NeedMore(total_len)));
    assert_eq!(parse(&[], total_len), Err(FrameError::NeedMore(MAX_HEADER_BYTES)));
}

#[test]
fn an_acknowledgement_stands_alone_or_before_messages() {
    let ack = Ack { seq: 300, offset: CHUNK_BYTES, granted: 1 << 20 };
    let mut bytes = Vec::new();
    write_ack(&mut bytes, ack);
    assert_eq!(bytes, [0x02, 0xac, 0x02, 0x80, 0x80, 0x01, 0x80, 0x80, 0x40]);
    assert_eq!(
        parse(&bytes, bytes.len()),
        Ok(Frame { ack: Some(ack), asks: false, body: None, packed: None })
    );

    let at = bytes.len();
    bytes.extend(b"\x00\x07\x01\x02hi");
    let body = Some(Body::Batch { first_seq: 7, ranges: vec![at + 4..at + 6; 1] });
    assert_eq!(
        parse(&bytes, bytes.len()),
        Ok(Frame { ack: Some(ack), asks: false, body: body.clone(), packed: None })
    );
    ask(&mut bytes, at);
    assert_eq!(bytes[at], 0x40);
    assert_eq!(parse(&bytes, bytes.len()), Ok(Frame { ack: Some(ack), asks: true, body, packed: None }));
    // Cut anywhere, the head asks for more of the frame; there is none when the frame itself ends there.
    for len in 1..at + 4 {
        assert_eq!(parse(&bytes[..len], bytes.len()), Err(FrameError::NeedMore(bytes.len())), "{len}");
        if len != at {
            assert_eq!(parse(&bytes[..len], len), Err(FrameError::Malformed), "{len}");
        }
    }
}

#[test]
fn a_fragment_may_ask_and_follow_an_acknowledgement() {
    let ack = Ack { seq: u64::MAX, offset: limits::MAX_MESSAGE_BYTES, granted: u64::MAX };
    let mut head = Vec::new();
    write_ack(&mut head, ack);
    let at = head.len();
    start_fragment(&mut head, 300, 40_000, 2 * CHUNK_BYTES);
    ask(&mut head, at);
    let total_len = head.len() + 40_000 - 2 * CHUNK_BYTES;
    let Ok(Frame { ack: Some(read), asks: true, body: Some(Body::Fragment(fragment)), .. }) =
        parse(&head, total_len)
    else {
        panic!("a fragment behind an acknowledgement")
    };
    assert_eq!((read, fragment.seq(), fragment.body().len()), (ack, 300, 40_000 - 2 * CHUNK_BYTES));
}

#[test]
fn acknowledgements_of_another_shape_are_refused() {
    let mut far = vec![ACK, 0];
    push_varint(&mut far, limits::MAX_MESSAGE_BYTES as u64 + 1);
    far.push(0);
    let bad: [&[u8]; 4] = [&[ACK], &[ACK, 0, 0], &[ACK, 0, 0, 0x80], &far];
    for bytes in bad {
        assert_eq!(parse(bytes, bytes.len()), Err(FrameError::Malformed), "{bytes:?}");
    }
    let twice = [ACK, 0, 0, 0, ACK, 0, 0, 0];
    assert_eq!(parse(&twice, twice.len()), Err(FrameError::UnknownKind(ACK)));
    assert_eq!(parse(&[ACK | ASKS, 0, 0, 0], 4), Err(FrameError::UnknownKind(ACK | ASKS)));
}

#[test]
fn a_batch_asks_for_its_lengths() {
    let mut bytes = vec![BATCH, 0, 100];
    bytes.extend([1; 200]);
    assert_eq!(parse(&bytes[..MAX_HEADER_BYTES], bytes.len()), Err(FrameError::NeedMore(bytes.len())));
    let Ok(Frame { body: Some(Body::Batch { ranges, .. }), .. }) = parse(&bytes[..103], bytes.len()) else {
        panic!("a batch")
    };
    assert_eq!(ranges.len(), 100);
}

#[test]
fn the_list_of_ranges_is_reused() {
    let mut spare = Vec::with_capacity(50);
    let Ok(Frame { body: Some(Body::Batch { ranges, .. }), .. }) = parse_into(&[0, 0, 1, 0], 4, &mut spare)
    else {
        panic!("a batch")
    };
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
    for kind in [4, 0x42, 0x80, 0xff] {
        assert_eq!(parse(&[kind], 1), Err(FrameError::UnknownKind(kind)));
    }
    assert_eq!(parse(&[0], 16_409), Err(FrameError::TooLong(16_409)));
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
    assert!(longest.len() <= MAX_BODY_HEADER_BYTES);
    longest.clear();
    start_batch(&mut longest, u64::MAX, 1);
    assert!(longest.len() + varint_len(CHUNK_BYTES as u64) <= MAX_BODY_HEADER_BYTES);
    longest.clear();
    write_ack(&mut longest, Ack { seq: u64::MAX, offset: limits::MAX_MESSAGE_BYTES, granted: u64::MAX });
    assert!(longest.len() <= MAX_ACK_BYTES);
}
