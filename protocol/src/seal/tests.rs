use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::limits::MAX_PACKET_BYTES;

const ANNE: PeerId = PeerId([0x11; 16]);
const BERT: PeerId = PeerId([0x22; 16]);

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32])
}

/// Anne's end with key 1 and Bert's end with key 2.
fn pair() -> (Seal, Seal) {
    (
        Seal::new(&key(1), ANNE, &key(2).public(), BERT, "demo", None).unwrap(),
        Seal::new(&key(2), BERT, &key(1).public(), ANNE, "demo", None).unwrap(),
    )
}

fn bytes(hex: &str) -> [u8; 32] {
    std::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..][..2], 16).unwrap())
}

#[test]
fn public_keys_are_those_of_rfc_7748() {
    let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_eq!(SecretKey::from_bytes(alice).public(), public);
}

#[test]
fn derived_secrets_are_hkdf_expand_and_all_different() {
    let entropy = [7; 32];
    // HMAC-SHA-256 with key `entropy` of "stay" 00 00 01 2c 01, made with another implementation.
    let expected = bytes("f19a038909256673c2a8ea41e73d5237c8258be058ee62194af2edb1111c6015");
    assert_eq!(derive(&entropy, "stay", 300), expected);
    let others =
        [derive(&entropy, "stay", 301), derive(&entropy, "page", 300), derive(&[8; 32], "stay", 300)];
    assert!(others.iter().all(|other| *other != expected));
}

#[test]
fn both_directions_at_once() {
    let (mut anne, mut bert) = pair();
    let largest = vec![0xa5; MAX_PACKET_BYTES - OVERHEAD];
    for plain in [&b""[..], b"hi", &largest, b""] {
        let (there, back) = (anne.seal(plain), bert.seal(plain));
        assert!(there.len() <= plain.len() + OVERHEAD);
        assert_ne!(there, back, "each direction has a key of its own");
        assert_eq!(bert.open(&there).as_deref(), Ok(plain));
        assert_eq!(anne.open(&back).as_deref(), Ok(plain));
    }
}

#[test]
fn equal_packets_look_different() {
    let (mut anne, _) = pair();
    let (one, other) = (anne.seal(b"same"), anne.seal(b"same"));
    assert_ne!(one[1..], other[1..]);
}

#[test]
fn a_packet_opens_once_and_never_after_a_later_one() {
    let (mut anne, mut bert) = pair();
    let packets: Vec<_> = (0..200u8).map(|number| anne.seal(&[number])).collect();
    assert_eq!(bert.open(&packets[0]), Ok(vec![0]));
    assert_eq!(bert.open(&packets[0]), Err(SealError::Replayed));
    assert_eq!(bert.open(&packets[150]), Ok(vec![150]), "the server may drop packets");
    assert_eq!(bert.open(&packets[149]), Err(SealError::Replayed));
    assert_eq!(bert.open(&packets[150]), Err(SealError::Replayed));
    assert_eq!(bert.open(&packets[151]), Ok(vec![151]));
}

#[test]
fn every_flipped_bit_is_noticed_and_changes_nothing() {
    let (mut anne, mut bert) = pair();
    (0..200).for_each(|_| drop(anne.seal(b"")));
    let packet = anne.seal(b"two bytes of counter");
    for bit in 0..packet.len() * 8 {
        let mut altered = packet.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(bert.open(&altered), Err(SealError::Forged), "bit {bit}");
    }
    assert_eq!(bert.open(&packet), Ok(b"two bytes of counter".to_vec()));
}

#[test]
fn a_forged_packet_with_a_high_counter_does_not_lock_the_others_out() {
    let (mut anne, mut bert) = pair();
    let mut forged = Vec::new();
    push_varint(&mut forged, u64::MAX - 1);
    forged.extend_from_slice(&[0; 20]);
    assert_eq!(bert.open(&forged), Err(SealError::Forged));
    assert_eq!(bert.open(&anne.seal(b"hi")), Ok(b"hi".to_vec()));
}

#[test]
fn a_counter_written_in_another_way_is_forged() {
    let (mut anne, mut bert) = pair();
    let packet = anne.seal(b"hi");
    let longer = [&[0x80, 0x00], &packet[1..]].concat();
    assert_eq!(bert.open(&longer), Err(SealError::Forged));
    assert_eq!(bert.open(&packet), Ok(b"hi".to_vec()));
}

#[test]
fn packets_cut_short_are_malformed_or_forged() {
    let (mut anne, mut bert) = pair();
    let packet = anne.seal(b"hi");
    for len in 0..packet.len() {
        let expected = if len < 1 + TAG_BYTES { SealError::Malformed } else { SealError::Forged };
        assert_eq!(bert.open(&packet[..len]), Err(expected), "{len} bytes");
    }
    assert_eq!(bert.open(&[0xff; 40]), Err(SealError::Malformed), "a counter over 64 bits");
}

#[test]
fn a_packet_sent_back_to_its_sender_is_forged() {
    let (mut anne, _) = pair();
    let packet = anne.seal(b"hi");
    assert_eq!(anne.open(&packet), Err(SealError::Forged));
    // Also when the server shows a member its own key, under another id or under its own.
    for id in [BERT, PeerId([0; 16]), ANNE] {
        let mut mirror = Seal::new(&key(1), ANNE, &key(1).public(), id, "demo", None).unwrap();
        let packet = mirror.seal(b"hi");
        assert_eq!(mirror.open(&packet), Err(SealError::Forged), "{id}");
    }
}

#[test]
fn packets_of_another_pair_stay_or_room_are_forged() {
    let packet = pair().0.seal(b"hi");
    let (anne, bert) = (key(1).public(), key(2));
    let carl = PeerId([0x33; 16]);
    let others = [
        ("room", Seal::new(&bert, BERT, &anne, ANNE, "demos", None)),
        ("no room", Seal::new(&bert, BERT, &anne, ANNE, "", None)),
        ("receiver's id", Seal::new(&bert, carl, &anne, ANNE, "demo", None)),
        ("sender's id", Seal::new(&bert, BERT, &anne, carl, "demo", None)),
        ("ids swapped", Seal::new(&bert, ANNE, &anne, BERT, "demo", None)),
        ("receiver's stay", Seal::new(&key(3), BERT, &anne, ANNE, "demo", None)),
        ("room's secret", Seal::new(&bert, BERT, &anne, ANNE, "demo", Some(&[1; 32]))),
        ("sender's stay", Seal::new(&bert, BERT, &key(3).public(), ANNE, "demo", None)),
    ];
    for (what, other) in others {
        assert_eq!(other.unwrap().open(&packet), Err(SealError::Forged), "{what}");
    }
}

#[test]
fn keys_of_low_order_are_refused() {
    let little = |first: u8| std::array::from_fn(|index| if index == 0 { first } else { 0 });
    // 2^255 - 19 is the prime; its neighbours, and itself, are other writings of -1, 0 and 1.
    let near_prime = |first: u8| {
        std::array::from_fn(|index| match index {
            0 => first,
            31 => 0x7f,
            _ => 0xff,
        })
    };
    let order_eight = [
        bytes("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ];
    let low = [little(0), little(1), near_prime(0xec), near_prime(0xed), near_prime(0xee)];
    for theirs in low.into_iter().chain(order_eight) {
        assert!(Seal::new(&key(1), ANNE, &theirs, BERT, "demo", None).is_none(), "{theirs:02x?}");
    }
}

#[test]
fn no_counter_is_used_twice_when_they_run_out() {
    let (mut anne, mut bert) = pair();
    anne.next_sent = u64::MAX - 1;
    let last = anne.seal(b"last");
    assert_eq!(last.len(), 4 + OVERHEAD);
    assert_eq!(bert.open(&last), Ok(b"last".to_vec()));
    assert_eq!(bert.open(&last), Err(SealError::Replayed));
    assert_eq!(anne.seal(b"more"), b"");
    assert_eq!(bert.open(b""), Err(SealError::Malformed));

    let mut highest = Vec::new();
    push_varint(&mut highest, u64::MAX);
    highest.extend_from_slice(&[0; TAG_BYTES]);
    assert_eq!(bert.open(&highest), Err(SealError::Malformed));
}

#[test]
fn secrets_do_not_show() {
    assert_eq!(format!("{:?}", key(1)), "SecretKey(secret)");
    assert_eq!(format!("{:?}", pair().0), "Seal { next_sent: 0, next_received: 0, .. }");
}

#[test]
fn errors_have_codes() {
    let codes = [SealError::Malformed, SealError::Replayed, SealError::Forged].map(|error| error.code());
    assert_eq!(codes, ["bad-packet", "replayed", "forged"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the server drops, doubles and reorders, what opens is what was sent, in the order sent.
    #[test]
    fn what_opens_was_sent_in_that_order(plains in vec(vec(any::<u8>(), 0..40), 1..20), picks in vec(0..20usize, 0..60)) {
        let (mut anne, mut bert) = pair();
        let packets: Vec<_> = plains.iter().map(|plain| anne.seal(plain)).collect();
        let mut highest = None;
        for pick in picks.into_iter().filter(|pick| *pick < packets.len()) {
            let opened = bert.open(&packets[pick]);
            if highest.is_none_or(|highest| pick > highest) {
                prop_assert_eq!(opened.as_ref(), Ok(&plains[pick]));
                highest = Some(pick);
            } else {
                prop_assert_eq!(opened, Err(SealError::Replayed));
            }
        }
    }

    #[test]
    fn noise_never_opens(noise in vec(any::<u8>(), 0..100)) {
        prop_assert!(pair().1.open(&noise).is_err());
    }
}

#[test]
fn a_seal_made_anew_opens_nothing_twice() {
    let heard = Heard::default();
    let make =
        || Seal::new(&key(2), BERT, &key(1).public(), ANNE, "demo", None).unwrap().hearing(heard.clone());
    let (mut anne, mut bert) = (pair().0, make());
    let packets = [anne.seal(b"one"), anne.seal(b"two")];
    assert_eq!(bert.open(&packets[0]).unwrap(), b"one");
    let mut again = make();
    assert_eq!(again.open(&packets[0]), Err(SealError::Replayed));
    assert_eq!(again.open(&packets[1]).unwrap(), b"two");
    assert_eq!(bert.open(&packets[1]), Err(SealError::Replayed), "neither may the older one");
}
