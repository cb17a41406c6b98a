use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn sample() -> Card {
    let candidate = |line| Candidate::parse(line).unwrap();
    Card {
        version: Card::VERSION,
        ufrag: IceText::new("Tr2d").unwrap(),
        pwd: IceText::new("5B+ACwxbHZDhdvAVXOFWp0C+").unwrap(),
        fingerprint: std::array::from_fn(|index| index as u8),
        candidates: vec![
            candidate(
                "candidate:541374085 1 udp 2113937151 11111111-2222-4333-8444-555555555555.local 32910 typ host",
            ),
            candidate(
                "candidate:1750806008 1 udp 1677729535 203.0.113.7 38697 typ srflx raddr 0.0.0.0 rport 0",
            ),
        ],
        max_message_size: 262_144,
        sctp_init: None,
    }
}

/// The format is shared with every deployed version: if this test has to change, so has [`Card::VERSION`].
#[test]
fn bytes_are_as_ever() {
    let expected = concat!(
        "01",                                                               // version
        "0454723264",                                                       // ufrag
        "1835422b4143777862485a446864764156584f46577030432b",               // pwd
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", // fingerprint
        "808010",                                                           // max_message_size
        "00",                                                               // no sctp_init
        "02",                                                               // candidates
        "0285ed9282027e001eff11111111222243338444555555555555808e",
        "10f8dbecc20664001effcb0071079729",
    );
    let bytes = sample().encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    assert_eq!(bytes.len(), 112);
    assert_eq!(Card::decode(&bytes), Ok(sample()));
}

#[test]
fn what_is_no_card_is_refused() {
    let good = sample().encode();
    assert_eq!(Card::decode(&[]), Err(CardError::Malformed));
    assert_eq!(Card::decode(&[2, 0, 0]), Err(CardError::UnknownVersion(2)));
    assert_eq!(Card::decode(&vec![1; MAX_CARD_BYTES + 1]), Err(CardError::TooLong(MAX_CARD_BYTES + 1)));
    for len in 1..good.len() {
        assert_eq!(Card::decode(&good[..len]), Err(CardError::Malformed), "first {len} bytes");
    }
    let left_over = [&good[..], &[0]].concat();
    assert_eq!(Card::decode(&left_over), Err(CardError::Malformed));
    // The length of the user name fragment in two bytes instead of one.
    let long_number = [&[1, 0x84, 0], &good[2..]].concat();
    assert_eq!(Card::decode(&long_number), Err(CardError::Malformed));
    // A line break in the user name fragment.
    let mut injected = good.clone();
    injected[3] = b'\n';
    assert_eq!(Card::decode(&injected), Err(CardError::Malformed));
    // A forged count of candidates, and a forged length of text: refused before anything is allocated for them.
    let mut many = good.clone();
    let count = 1 + 5 + 25 + 32 + 3 + 1;
    many.splice(count..=count, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(Card::decode(&many), Err(CardError::Malformed));
}

#[test]
fn fields_are_held_to_their_rules() {
    let refused = |change: fn(&mut Card)| {
        let mut card = sample();
        change(&mut card);
        let error = card.check().unwrap_err();
        assert!(Card::decode(&card.encode()).is_err() || matches!(error, CardError::TooManyCandidates(_)));
        error
    };
    assert_eq!(refused(|card| card.version = 9), CardError::UnknownVersion(9));
    assert_eq!(refused(|card| card.pwd = IceText::new("0123456789").unwrap()), CardError::ShortPassword(10));
    assert_eq!(refused(|card| card.max_message_size = 1023), CardError::MaxMessageSize(1023));
    assert_eq!(refused(|card| card.max_message_size = 1 << 31), CardError::MaxMessageSize(1 << 31));
    assert_eq!(refused(|card| card.sctp_init = Some(SctpInit::default())), CardError::EmptySctpInit);
    let too_many =
        refused(|card| card.candidates = vec![card.candidates[0].clone(); MAX_CARD_CANDIDATES + 1]);
    assert_eq!(too_many, CardError::TooManyCandidates(MAX_CARD_CANDIDATES + 1));
    let too_long = refused(|card| {
        card.ufrag = IceText::new(&"u".repeat(256)).unwrap();
        card.pwd = IceText::new(&"p".repeat(256)).unwrap();
        card.sctp_init = Some(vec![1; 384].try_into().unwrap());
        card.candidates = vec![card.candidates[0].clone(); MAX_CARD_CANDIDATES];
    });
    assert!(matches!(too_long, CardError::TooLong(_)), "{too_long:?}");
}

#[test]
fn ice_text_takes_ice_chars_only() {
    for bad in ["", "abc", "abc\n", "ab c", "abc=", "abcé", &"x".repeat(257)] {
        assert_eq!(IceText::new(bad), None, "{bad:?}");
    }
    for good in ["abcd", "+/09azAZ", &"x".repeat(256)] {
        assert_eq!(IceText::new(good).as_ref().map(IceText::as_str), Some(good));
    }
}

#[test]
fn debug_shows_lengths_only() {
    let shown = format!("{:?}", sample());
    assert_eq!(
        shown,
        "Card { version: 1, ufrag: <4 bytes of text>, pwd: <24 bytes of text>, candidates: 2, sctp_init: None, .. }"
    );
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<[u8; 16]>().prop_map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\.local",
    ];
    let kind = prop_oneof![Just("host"), Just("srflx"), Just("prflx"), Just("relay")];
    let foundation = prop_oneof!["[0-9a-zA-Z+/]{1,32}", any::<u32>().prop_map(|number| number.to_string())];
    (foundation, 1..=0x7fff_ffffu32, address, 1..=u16::MAX, kind).prop_filter_map(
        "an address nobody can send to",
        |(foundation, priority, address, port, kind)| {
            Candidate::parse(&format!("candidate:{foundation} 1 udp {priority} {address} {port} typ {kind}"))
                .ok()
        },
    )
}

prop_compose! {
    fn card()(
        ufrag in "[0-9a-zA-Z+/]{4,64}",
        pwd in "[0-9a-zA-Z+/]{22,64}",
        fingerprint in any::<[u8; 32]>(),
        candidates in vec(candidate(), 0..=MAX_CARD_CANDIDATES),
        max_message_size in MIN_MAX_MESSAGE_SIZE..=MAX_MAX_MESSAGE_SIZE,
        sctp_init in prop::option::of(vec(any::<u8>(), 1..100)),
    ) -> Card {
        Card {
            version: Card::VERSION,
            ufrag: IceText::new(&ufrag).unwrap(),
            pwd: IceText::new(&pwd).unwrap(),
            fingerprint,
            candidates,
            max_message_size,
            sctp_init: sctp_init.map(|chunk| chunk.try_into().unwrap()),
        }
    }
}

proptest! {
    #[test]
    fn every_card_round_trips(card in card()) {
        prop_assert_eq!(card.check(), Ok(()));
        let bytes = card.encode();
        prop_assert!(bytes.len() <= MAX_CARD_BYTES);
        prop_assert_eq!(Card::decode(&bytes), Ok(card));
    }

    /// No bytes make it panic, and what is accepted is written back as it came.
    #[test]
    fn any_bytes_are_refused_or_round_trip(
        card in card(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        junk in vec(any::<u8>(), 0..200),
    ) {
        let _ = Card::decode(&junk);
        let _ = Card::decode(&[&[Card::VERSION][..], &junk].concat());
        let mut bytes = card.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(card) = Card::decode(&bytes) {
            prop_assert_eq!(card.encode(), bytes);
        }
    }
}
