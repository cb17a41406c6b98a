use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/", $name, ".sdp"))
    };
}

/// Captured from the real browsers; only addresses and mDNS names were replaced.
const OFFERS: [(&str, usize); 8] = [
    (fixture!("chromium-156-offer-early"), 0),
    (fixture!("chromium-156-offer-mdns"), 2),
    (fixture!("chromium-156-offer-joiner"), 2),
    (fixture!("chromium-156-offer-addresses"), 3),
    (fixture!("firefox-153-offer-early"), 0),
    (fixture!("firefox-153-offer-mdns"), 2),
    (fixture!("firefox-153-offer-joiner"), 2),
    (fixture!("firefox-153-offer-addresses"), 3),
];
const ANSWERS: [&str; 2] = [fixture!("chromium-156-answer"), fixture!("firefox-153-answer")];

const CLEAN_OFFER: &str = "v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:Tr2d\r\n\
    a=ice-pwd:5B+ACwxbHZDhdvAVXOFWp0C+\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n\
    a=candidate:1 1 udp 1677729535 203.0.113.7 38697 typ srflx raddr 0.0.0.0 rport 0 network-cost 999\r\n";

fn offer(sdp: &str) -> Result<String, SdpError> {
    sanitize(SdpKind::Offer, sdp)
}

/// `CLEAN_OFFER` with `from` replaced, which must be in it.
fn changed(from: &str, to: &str) -> String {
    assert!(CLEAN_OFFER.contains(from), "{from}");
    CLEAN_OFFER.replace(from, to)
}

#[test]
fn browsers_offers_become_cards() {
    for (sdp, candidates) in OFFERS {
        let card = parse_local(sdp).unwrap();
        assert_eq!(card.candidates.len(), candidates);
        assert_eq!(ufrag(sdp), Some(card.ufrag.as_str()));
        assert_eq!(Card::decode(&card.encode()).as_ref(), Ok(&card));
        // About a sixth of the text. Firefox's user name fragment and password are the longer ones.
        assert!(card.encode().len() <= 82 + 28 * candidates, "{}", card.encode().len());
    }
}

/// Shared with every deployed version of the browsers: accepted by Chromium 156 and Firefox 153.
#[test]
fn answer_text_is_as_tried_in_browsers() {
    let mut card = parse_local(CLEAN_OFFER).unwrap();
    card.sctp_init = Some(vec![1, 0, 0, 30].try_into().unwrap());
    let expected = changed("o=- 7 2", "o=- 1 1")
        .replace("actpass", "active")
        .replace("a=candidate", "a=sctp-init:AQAAHg==\r\na=candidate");
    let answer = write_answer(&card, DtlsRole::Client);
    assert_eq!(answer, expected);
    assert_eq!(write_answer(&card, DtlsRole::Server), expected.replace("active", "passive"));
    assert_eq!(sanitize(SdpKind::Answer, &answer), Ok(answer));
}

#[test]
fn browsers_descriptions_pass_and_lose_only_what_is_not_listed() {
    assert_eq!(offer(CLEAN_OFFER).as_deref(), Ok(CLEAN_OFFER));
    for (sdp, _) in OFFERS {
        let clean = offer(sdp).unwrap();
        assert_eq!(offer(&clean).as_ref(), Ok(&clean));
        assert_eq!(parse_local(&clean), parse_local(sdp));
        assert_eq!(sanitize(SdpKind::Answer, sdp), Err(SdpError::BadAttribute("setup")));
        assert!(!clean.contains("msid") && !clean.contains("mozilla") && !clean.contains("192.0.2.2 rport"));
    }
    for sdp in ANSWERS {
        let clean = sanitize(SdpKind::Answer, sdp).unwrap();
        assert!(clean.contains("a=setup:active\r\n"));
        assert_eq!(sanitize(SdpKind::Answer, &clean).as_ref(), Ok(&clean));
    }
}

#[test]
fn other_stacks_spellings_are_understood() {
    // Three hashes of one certificate, for the whole session, in small letters; LF line ends; other details.
    let fingerprint = "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n";
    let session_level = format!("b=AS:30\r\na=fingerprint:sha-512 00:11\r\n{}m=", fingerprint.to_lowercase());
    let sdp = changed(fingerprint, "")
        .replace("m=", &session_level)
        .replace("application 9", "application 40000")
        .replace("o=- 7 2 IN IP4 0.0.0.0", "o=who 7 2 IN IP6 ::1")
        .replace("ice-options:trickle", "ice-options:ice2 trickle")
        .replace("\r\n", "\n");
    assert_eq!(offer(&sdp).as_deref(), Ok(CLEAN_OFFER));

    let without = |line: &str| offer(&changed(line, "")).unwrap();
    assert!(without("a=max-message-size:262144\r\n").contains("a=max-message-size:65536\r\n"));
    assert!(!without("a=group:BUNDLE 0\r\n").contains("group"));
    assert!(!without("a=ice-options:trickle\r\n").contains("ice-options"));
    let sized = |size: &str| offer(&changed("size:262144", &format!("size:{size}"))).unwrap();
    assert!(sized("0").contains("size:2147483647\r\n"));
    assert!(sized("18446744073709551615").contains("size:2147483647\r\n"));
    assert!(offer(&changed("s=-", "s=-\r\na=ice-lite")).unwrap().contains("a=ice-lite\r\n"));
    // An SCTP INIT in a form not known here is left out.
    assert_eq!(offer(&changed("a=sctp-port", "a=sctp-init:?\r\na=sctp-port")).as_deref(), Ok(CLEAN_OFFER));
}

#[test]
fn everything_else_is_refused() {
    use SdpError as E;
    let section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel";
    let cases = [
        (String::new(), E::Syntax),
        (ROLE_HINT_OFFER.to_owned(), E::NoDataSection),
        ("x".repeat(MAX_SDP_BYTES + 1), E::TooLong(MAX_SDP_BYTES + 1)),
        (format!("{CLEAN_OFFER}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), E::MediaSection),
        (format!("{CLEAN_OFFER}m=video 0 UDP/TLS/RTP/SAVPF 111\r\n"), E::MediaSection),
        (changed(section, &format!("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n{section}")), E::MediaSection),
        (format!("{CLEAN_OFFER}{section}\r\n"), E::TooManySections),
        (changed("UDP/DTLS/SCTP", "DTLS/SCTP"), E::Transport),
        (changed("UDP/DTLS/SCTP", "TCP/DTLS/SCTP"), E::Transport),
        (changed("webrtc-datachannel", "5000"), E::Transport),
        (changed("webrtc-datachannel", "webrtc-datachannel 5000"), E::Transport),
        (changed("application 9", "application 0"), E::Rejected),
        (changed("application 9", "application +9"), E::Syntax),
        (changed("v=0", "v=1"), E::Syntax),
        (changed("o=- 7 2", "o=- 7 x"), E::Syntax),
        (changed("s=-\r\n", ""), E::Syntax),
        (changed("t=0 0", ""), E::Syntax),
        (changed("t=0 0", "hello"), E::Syntax),
        (changed("c=IN", "q=IN"), E::Syntax),
        (changed("c=IN", "t=IN"), E::Syntax),
        (changed("a=mid:0", "a=mid:0\rm=audio 9 RTP/AVP 0"), E::Character),
        (changed("a=mid:0", "a=mid:0\u{0}"), E::Character),
        (changed("s=-", "s=Grüße"), E::Character),
        (changed("BUNDLE 0", "BUNDLE 0 1"), E::Bundle),
        (changed("BUNDLE 0", "BUNDLE 1"), E::Bundle),
        (changed("BUNDLE 0", "BUNDLE"), E::Bundle),
        (changed("a=mid:0\r\n", ""), E::Missing("mid")),
        (changed("a=ice-ufrag:Tr2d\r\n", ""), E::Missing("ice-ufrag")),
        (changed("a=setup:actpass\r\n", ""), E::Missing("setup")),
        (changed("a=sctp-port:5000\r\n", ""), E::Missing("sctp-port")),
        (changed("sha-256", "sha-1"), E::Missing("fingerprint")),
        (changed("a=setup", "a=ice-ufrag:XXXX\r\na=setup"), E::Duplicate("ice-ufrag")),
        (changed("s=-", "s=-\r\na=setup:active\r\na=setup:passive"), E::Duplicate("setup")),
        (changed("a=mid:0", "a=mid:"), E::BadAttribute("mid")),
        (changed("a=mid:0", "a=mid:0 1"), E::BadAttribute("mid")),
        (changed("a=ice-ufrag:Tr2d", "a=ice-ufrag:a b c"), E::BadAttribute("ice-ufrag")),
        (changed("5B+ACwxbHZDh", ""), E::BadAttribute("ice-pwd")),
        (changed("actpass", "holdconn"), E::BadAttribute("setup")),
        (changed("sctp-port:5000", "sctp-port:0"), E::BadAttribute("sctp-port")),
        (changed("sctp-port:5000", "sctp-port:65536"), E::BadAttribute("sctp-port")),
        (changed("size:262144", "size:1023"), E::BadAttribute("max-message-size")),
        (changed("size:262144", "size:-1"), E::BadAttribute("max-message-size")),
        (changed("00:01:", "0001:0"), E::BadAttribute("fingerprint")),
        (changed("00:01:", ""), E::BadAttribute("fingerprint")),
        (changed("00:01:", "00:GG:"), E::BadAttribute("fingerprint")),
        (changed("203.0.113.7", "stun.example.org"), E::Candidate(CandidateError::Address)),
        (changed("typ srflx", "typ relax"), E::Candidate(CandidateError::Kind)),
    ];
    for (sdp, expected) in cases {
        assert_eq!(offer(&sdp), Err(expected), "{}", &sdp[..sdp.len().min(1000)]);
    }
    let fingerprint = CLEAN_OFFER.lines().find(|line| line.starts_with("a=fingerprint")).unwrap();
    let second = format!("{fingerprint}\r\n{}", fingerprint.replace("00:01", "00:02"));
    assert_eq!(offer(&changed(fingerprint, &second)), Err(E::Duplicate("fingerprint")));
    let line = CLEAN_OFFER.lines().last().unwrap();
    assert_eq!(offer(&changed(line, &[line; MAX_CANDIDATES + 1].join("\r\n"))), Err(E::TooManyCandidates));
    assert!(offer(&changed(line, &[line; MAX_CANDIDATES].join("\r\n"))).is_ok());
}

#[test]
fn cards_are_made_only_of_offers_that_an_answer_from_a_card_fits() {
    let refused = |from, to| parse_local(&changed(from, to)).unwrap_err();
    assert_eq!(refused("actpass", "active"), SdpError::BadAttribute("setup"));
    assert_eq!(refused("sctp-port:5000", "sctp-port:5001"), SdpError::BadAttribute("sctp-port"));
    assert_eq!(refused("a=group:BUNDLE 0\r\n", ""), SdpError::Bundle);
    let other_mid = CLEAN_OFFER.replace("mid:0", "mid:1").replace("BUNDLE 0", "BUNDLE 1");
    assert_eq!(parse_local(&other_mid), Err(SdpError::BadAttribute("mid")));
    assert!(offer(&other_mid).unwrap().contains("a=group:BUNDLE 1\r\n"));
}

#[test]
fn a_card_keeps_the_candidates_that_reach_furthest() {
    let far = CLEAN_OFFER.lines().last().unwrap();
    let host = "a=candidate:2 1 udp 2113937151 192.0.2.2 38697 typ host";
    let odd = "a=candidate:3 1 quic 1 192.0.2.2 38697 typ host";
    let active = "a=candidate:4 1 TCP 2105458943 192.0.2.2 9 typ host tcptype active";
    let lines = [vec![odd, active], vec![host; 20], vec![far; 2]].concat().join("\r\n");
    let card = parse_local(&changed(far, &lines)).unwrap();
    let kinds: Vec<_> = card.candidates.iter().map(Candidate::kind).collect();
    assert_eq!(kinds, [vec![CandidateKind::Host; MAX_CARD_HOSTS], vec![CandidateKind::Srflx; 2]].concat());
    let card = parse_local(&changed(far, &[far; 20].join("\r\n"))).unwrap();
    assert_eq!(card.candidates.len(), MAX_CARD_CANDIDATES);
}

#[test]
fn ufrag_is_the_one_that_counts() {
    assert_eq!(ufrag(CLEAN_OFFER), Some("Tr2d"));
    assert_eq!(ufrag(&changed("t=0 0", "a=ice-ufrag:session")), Some("Tr2d"));
    assert_eq!(ufrag("a=ice-ufrag:last"), Some("last"));
    assert_eq!(ufrag(&changed("Tr2d", "no good")), None);
    assert_eq!(ufrag(ROLE_HINT_OFFER), None);
}
