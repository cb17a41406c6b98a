//! Whatever a peer sends as a session description: nothing but a clean data session comes out of `sanitize`.

#[path = "support/clean.rs"]
mod clean;

use clean::check_clean;
use peerloom_protocol::card::Card;
use peerloom_protocol::limits::MAX_SDP_BYTES;
use peerloom_protocol::sdp::{DtlsRole, SdpKind, parse_local, sanitize, ufrag, write_answer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const GOOD: [&str; 6] = [
    include_str!("fixtures/chromium-156-offer-mdns.sdp"),
    include_str!("fixtures/chromium-156-offer-addresses.sdp"),
    include_str!("fixtures/chromium-156-answer.sdp"),
    include_str!("fixtures/firefox-153-offer-mdns.sdp"),
    include_str!("fixtures/firefox-153-offer-addresses.sdp"),
    include_str!("fixtures/firefox-153-answer.sdp"),
];

/// Lines that an attacker would like to see in the other browser, or that break a careless reader.
const BAD_LINES: [&str; 28] = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "m=application 9 TCP/DTLS/SCTP webrtc-datachannel",
    "m=message 9 TCP/MSRP *",
    "a=rtpmap:111 opus/48000/2",
    "a=sendrecv",
    "a=msid:stream track",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=identity:eyJpZHAiOnsiZG9tYWluIjoiZXhhbXBsZS5vcmcifX0=",
    "a=group:BUNDLE 0 1",
    "a=group:LS 0",
    "a=mid:1",
    "a=mid:0\rm=audio 9 RTP/AVP 0",
    "a=ice-ufrag:evil\rm=audio 9 RTP/AVP 0",
    "a=ice-ufrag:other",
    "a=ice-lite",
    "a=setup:holdconn",
    "a=fingerprint:sha-1 00:11:22",
    "a=candidate:1 1 udp 1 attacker.example.org 9 typ host",
    "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\rm=audio 9 RTP/AVP 0",
    "a=candidate:1 2 udp 1 192.0.2.9 9 typ host",
    "a=sctp-init:AAAA\r\nm=audio 9 RTP/AVP 0",
    "a=max-message-size:99999999999999999999999",
    "k=clear:secret",
    "",
    "\u{0}\u{7f}é",
];

#[derive(Debug, Clone)]
enum Change {
    Insert(Index, &'static str),
    Append(Index, &'static str),
    Replace(Index, &'static str),
    Delete(Index),
    Swap(Index, Index),
    Byte(Index, char),
}

fn change() -> impl Strategy<Value = Change> {
    let (index, line) = (any::<Index>, select(&BAD_LINES[..]));
    prop_oneof![
        (index(), line.clone()).prop_map(|(at, line)| Change::Insert(at, line)),
        (index(), line.clone()).prop_map(|(at, line)| Change::Append(at, line)),
        (index(), line).prop_map(|(at, line)| Change::Replace(at, line)),
        index().prop_map(Change::Delete),
        (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        (index(), any::<char>()).prop_map(|(at, to)| Change::Byte(at, to)),
    ]
}

fn mutate(sdp: &str, changes: &[Change]) -> String {
    let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
    for change in changes {
        if lines.is_empty() {
            break;
        }
        let len = lines.len();
        match change {
            Change::Insert(at, line) => lines.insert(at.index(len + 1), (*line).to_owned()),
            Change::Append(at, text) => lines[at.index(len)].push_str(text),
            Change::Replace(at, line) => lines[at.index(len)] = (*line).to_owned(),
            Change::Delete(at) => drop(lines.remove(at.index(len))),
            Change::Swap(a, b) => lines.swap(a.index(len), b.index(len)),
            Change::Byte(at, to) => {
                let line = &mut lines[at.index(len)];
                let mut chars: Vec<char> = line.chars().collect();
                if !chars.is_empty() {
                    let at = at.index(chars.len());
                    chars[at] = *to;
                }
                *line = chars.into_iter().collect();
            }
        }
    }
    lines.join("\r\n") + "\r\n"
}

fn kind() -> impl Strategy<Value = SdpKind> {
    prop_oneof![Just(SdpKind::Offer), Just(SdpKind::Answer)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn changed_descriptions_are_refused_or_come_out_clean(
        kind in kind(),
        good in select(&GOOD[..]),
        changes in vec(change(), 0..4),
    ) {
        let sdp = mutate(good, &changes);
        if let Ok(clean) = sanitize(kind, &sdp) {
            prop_assert_eq!(check_clean(kind, &clean), Ok(()));
        }
        if let Ok(card) = parse_local(&sdp) {
            let decoded = Card::decode(&card.encode());
            prop_assert_eq!(decoded.as_ref(), Ok(&card));
            prop_assert_eq!(check_clean(SdpKind::Answer, &write_answer(&card, DtlsRole::Client)), Ok(()));
        }
    }

    /// A media section is never accepted, wherever it is put and whatever else changes.
    #[test]
    fn media_sections_never_pass(
        kind in kind(),
        good in select(&GOOD[..]),
        at in any::<Index>(),
        media in select(&BAD_LINES[..2]),
        changes in vec(change(), 0..2),
    ) {
        let mut sdp = mutate(good, &changes);
        let starts: Vec<usize> = sdp.match_indices('\n').map(|(at, _)| at + 1).collect();
        sdp.insert_str(starts[at.index(starts.len())], &format!("{media}\r\n"));
        prop_assert!(sanitize(kind, &sdp).is_err());
        prop_assert!(parse_local(&sdp).is_err());
    }

    #[test]
    fn any_text_is_refused_or_comes_out_clean(kind in kind(), text in "(?s).{0,300}", long in 0..3usize) {
        let _ = ufrag(&text);
        let _ = parse_local(&text);
        prop_assert!(sanitize(kind, &text).is_err());
        let long = GOOD[0].to_owned() + &"a=x\r\n".repeat(long * MAX_SDP_BYTES / 10);
        prop_assert_eq!(sanitize(SdpKind::Offer, &long).is_ok(), long.len() <= MAX_SDP_BYTES);
    }
}
