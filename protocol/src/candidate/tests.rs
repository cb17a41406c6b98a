use proptest::prelude::*;

use super::*;

/// As Chromium 156 and Firefox 153 gave them, except for the addresses; and the text expected back, without the cost.
const REAL: &[(&str, &str)] = &[
    (
        "candidate:541374085 1 udp 2113937151 11111111-2222-4333-8444-555555555555.local 32910 typ host \
         generation 0 ufrag Tr2d network-cost 999",
        "candidate:541374085 1 udp 2113937151 11111111-2222-4333-8444-555555555555.local 32910 typ host",
    ),
    (
        "a=candidate:4170342963 1 udp 1677729535 203.0.113.7 58089 typ srflx raddr 192.0.2.2 rport 58089 \
         generation 0 ufrag XnSM network-id 1 network-cost 999",
        "candidate:4170342963 1 udp 1677729535 203.0.113.7 58089 typ srflx raddr 0.0.0.0 rport 0",
    ),
    (
        "candidate:699406944 1 udp 2113942271 2001:DB8:0:0::2 60582 typ host generation 0",
        "candidate:699406944 1 udp 2113942271 2001:db8::2 60582 typ host",
    ),
    (
        "candidate:3 1 TCP 2105524479 2001:db8::2 9 typ host tcptype active",
        "candidate:3 1 tcp 2105524479 2001:db8::2 9 typ host tcptype active",
    ),
    (
        "candidate:7 1 udp 7935 2001:db8::9 50000 typ relay raddr 2001:db8::2 rport 4000",
        "candidate:7 1 udp 7935 2001:db8::9 50000 typ relay raddr :: rport 0",
    ),
    (
        "candidate:R0a+/ 1 tcp 1 192.0.2.1 0 typ prflx raddr 1.1.1.1 rport 1 tcptype active",
        "candidate:R0a+/ 1 tcp 1 192.0.2.1 0 typ prflx raddr 0.0.0.0 rport 0 tcptype active",
    ),
    ("candidate:007 1 udp 1 127.0.0.1 5 typ host", "candidate:007 1 udp 1 127.0.0.1 5 typ host"),
];

#[test]
fn real_candidates_come_back_without_related_address_and_extensions() {
    for (line, expected) in REAL {
        let candidate = Candidate::parse(line).unwrap();
        assert_eq!(candidate.to_line(), format!("{expected} network-cost 999"));
        assert_eq!(Candidate::parse(expected).as_ref(), Ok(&candidate));
        let bytes = postcard::to_allocvec(&candidate).unwrap();
        assert_eq!(postcard::from_bytes::<Candidate>(&bytes).as_ref(), Ok(&candidate));
    }
}

#[test]
fn wire_bytes_are_as_documented() {
    let candidate = Candidate::parse(REAL[1].0).unwrap();
    let bytes = postcard::to_allocvec(&candidate).unwrap();
    let mut expected = vec![0x10, 0xb3, 0xc4, 0xc9, 0xc4, 0x0f];
    expected.extend(1_677_729_535u32.to_be_bytes());
    expected.extend([203, 0, 113, 7]);
    expected.extend(58089u16.to_be_bytes());
    assert_eq!(bytes, expected);
    let text = postcard::to_allocvec(&Candidate::parse(REAL[5].0).unwrap()).unwrap();
    assert_eq!(text, [0x64, 5, b'R', b'0', b'a', b'+', b'/', 0, 0, 0, 1, 192, 0, 2, 1, 0, 0]);
}

#[test]
fn what_is_not_a_plain_candidate_is_refused() {
    use CandidateError as E;
    let uuid = "11111111-2222-4333-8444-555555555555";
    let cases = [
        ("", E::Syntax),
        ("candidate:", E::Syntax),
        ("1 1 udp 1 192.0.2.1 5 typ host", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1 5 typ", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1 5 host typ", E::Syntax),
        ("candidate:a-b 1 udp 1 192.0.2.1 5 typ host", E::Syntax),
        ("candidate:1 +1 udp 1 192.0.2.1 5 typ host", E::Syntax),
        ("candidate:1 1 udp 0 192.0.2.1 5 typ host", E::Syntax),
        ("candidate:1 1 udp 2147483648 192.0.2.1 5 typ host", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1 5 typ host generation", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1 5 typ host\r\nm=audio 9 RTP/AVP 0", E::Syntax),
        ("candidate:1 1 udp 1 192.0.2.1\u{a0}5 typ host", E::Syntax),
        ("candidate:1 2 udp 1 192.0.2.1 5 typ host", E::Component),
        ("candidate:1 1 ssltcp 1 192.0.2.1 5 typ host", E::Transport),
        ("candidate:1 1 tcp 1 192.0.2.1 5 typ host", E::Transport),
        ("candidate:1 1 udp 1 192.0.2.1 5 typ host tcptype active", E::Transport),
        ("candidate:1 1 tcp 1 192.0.2.1 5 typ host tcptype so tcptype so", E::Transport),
        ("candidate:1 1 udp 1 stun.example.org 5 typ host", E::Address),
        ("candidate:1 1 udp 1 printer.local 5 typ host", E::Address),
        ("candidate:1 1 udp 1 192.0.2.01 5 typ host", E::Address),
        ("candidate:1 1 udp 1 0.0.0.0 5 typ host", E::Address),
        ("candidate:1 1 udp 1 224.0.0.251 5353 typ host", E::Address),
        ("candidate:1 1 udp 1 255.255.255.255 5 typ host", E::Address),
        ("candidate:1 1 udp 1 :: 5 typ host", E::Address),
        ("candidate:1 1 udp 1 ff02::fb 5353 typ host", E::Address),
        ("candidate:1 1 udp 1 ::ffff:192.0.2.1 5 typ host", E::Address),
        ("candidate:1 1 udp 1 fe80::1%eth0 5 typ host", E::Address),
        ("candidate:1 1 udp 1 192.0.2.1 0 typ host", E::Port),
        ("candidate:1 1 tcp 1 192.0.2.1 0 typ host tcptype passive", E::Port),
        ("candidate:1 1 udp 1 192.0.2.1 5 typ magic", E::Kind),
    ];
    for (line, expected) in cases {
        assert_eq!(Candidate::parse(line), Err(expected), "{line}");
    }
    let srflx_name = format!("candidate:1 1 udp 1 {uuid}.local 5 typ srflx raddr 0.0.0.0 rport 0");
    assert_eq!(Candidate::parse(&srflx_name), Err(E::Address));
    let bad_hex = format!("candidate:1 1 udp 1 {}.local 5 typ host", uuid.replace('5', "g"));
    assert_eq!(Candidate::parse(&bad_hex), Err(E::Address));
    let long = format!("candidate:1 1 udp 1 192.0.2.1 5 typ host x {}", "y".repeat(MAX_CANDIDATE_BYTES));
    assert_eq!(Candidate::parse(&long), Err(E::TooLong(long.len())));
}

#[test]
fn wire_form_is_held_to_the_same_rules() {
    let good = [0, 7, 0, 0, 0, 1, 192, 0, 2, 1, 0, 5];
    assert!(postcard::from_bytes::<Candidate>(&good).is_ok());
    let bad = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        assert!(postcard::from_bytes::<Candidate>(&bytes).is_err(), "byte {at} = {byte}");
    };
    bad(0, 0x80); // unknown flag
    bad(0, 3); // unknown address family
    bad(5, 0); // priority 0
    bad(2, 0x80); // priority over 2^31 - 1
    bad(6, 224); // multicast
    bad(11, 0); // port 0
    assert!(postcard::from_bytes::<Candidate>(&good[..11]).is_err());
    // The number 7 as text.
    assert!(postcard::from_bytes::<Candidate>(&[0x40, 1, b'7', 0, 0, 0, 1, 192, 0, 2, 1, 0, 5]).is_err());
}

#[test]
fn debug_shows_no_address() {
    let candidate = Candidate::parse(REAL[1].0).unwrap();
    assert_eq!(format!("{candidate:?}"), "Candidate { kind: Srflx, transport: Udp, .. }");
    assert_eq!(format!("{:?}", candidate.address()), "V4(..)");
}

proptest! {
    /// Whatever comes in, as text or as bytes: no panic, and what is accepted has one text and one byte form.
    #[test]
    fn anything_is_refused_or_round_trips(
        text in "(a=)?candidate:[0-9a-z+/]{0,34} [0-2] (udp|TCP|x) [0-9]{0,11} (192\\.0\\.2\\.[0-9]{1,3}|[0-9a-f:]{2,12}|[0-9a-f-]{34,37}\\.local) [0-9]{1,6} typ (host|srflx|relay)( raddr \\.)?( tcptype (so|active))?",
        junk in ".{0,80}",
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let _ = Candidate::parse(&junk);
        if let Ok(candidate) = Candidate::parse(&text) {
            prop_assert_eq!(Candidate::parse(&candidate.to_line()), Ok(candidate.clone()));
            let wire = postcard::to_allocvec(&candidate).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Candidate>(&wire), Ok(candidate));
        }
        if let Ok(candidate) = postcard::from_bytes::<Candidate>(&bytes) {
            prop_assert_eq!(Candidate::parse(&candidate.to_line()), Ok(candidate));
        }
    }
}
