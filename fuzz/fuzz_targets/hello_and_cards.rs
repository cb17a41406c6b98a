//! What members say of themselves, and the cards that stand for their connections.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::{check_candidate, check_clean};
use peerloom_protocol::card::Card;
use peerloom_protocol::hello::Hello;
use peerloom_protocol::limits;
use peerloom_protocol::sdp::{self, DtlsRole, SdpKind};

fuzz_target!(|data: &[u8]| {
    if let Ok(hello) = Hello::decode(data) {
        let written = hello.encode();
        assert!(written.len() <= data.len());
        assert_eq!(Hello::decode(&written).as_ref(), Ok(&hello));
        let channels = hello.data_channels().count();
        assert_eq!(channels + hello.methods(), hello.channels.len());
        assert_eq!(hello.numbers(|_| true).count_ones() as usize, channels);
        let _ = hello.check_against(&hello);
        let _ = hello.check_against(&Hello::default());
    }

    if let Ok(card) = Card::decode(data) {
        // A card has one form only.
        assert_eq!(card.encode(), data);
        assert_eq!(card.check(), Ok(()));
        assert!(data.len() <= limits::MAX_CARD_BYTES);
        card.candidates.iter().for_each(check_candidate);
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let answer = sdp::write_answer(&card, role);
            check_clean(SdpKind::Answer, &answer);
            assert_eq!(sdp::ufrag(&answer), Some(card.ufrag.as_str()));
        }
    }
});
