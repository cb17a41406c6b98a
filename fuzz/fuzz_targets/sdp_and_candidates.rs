//! Session descriptions and candidates: what passes is clean, and stays as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::{check_candidate, check_clean};
use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::card::Card;
use peerloom_protocol::sdp::{self, DtlsRole, SdpKind};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(candidate) = Candidate::parse(text) {
        check_candidate(&candidate);
    }

    let _ = sdp::ufrag(text);
    for kind in [SdpKind::Offer, SdpKind::Answer] {
        if let Ok(clean) = sdp::sanitize(kind, text) {
            check_clean(kind, &clean);
            let media = ["m=audio", "m=video", "m=text", "m=image"];
            assert!(text.lines().all(|line| media.iter().all(|start| !line.starts_with(start))));
        }
    }
    if let Ok(card) = sdp::parse_local(text) {
        assert_eq!(Card::decode(&card.encode()).as_ref(), Ok(&card));
        check_clean(SdpKind::Answer, &sdp::write_answer(&card, DtlsRole::Client));
    }
});
