//! Frames between clients, the server and other clients: every kind of message reads the same bytes. And the join that
//! rides in the upgrade request, as text and as the base64 of the same bytes.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::{check_candidate, messages};
use peerloom_protocol::control::Control;
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::signal::{
    ClientMessage, EARLY_JOIN_PREFIX, EnvelopeBytes, ServerMessage, early_join, read_early_join,
};
use peerloom_protocol::{codec, limits};

fn early(text: &str) {
    let Some(Ok(join)) = read_early_join(text) else { return };
    let again = early_join(&join).expect("no longer than it was");
    assert!(again.len() <= text.len());
    assert_eq!(read_early_join(&again), Some(Ok(join)));
}

fuzz_target!(|data: &[u8]| {
    messages::<ClientMessage>(data, limits::MAX_SOCKET_MESSAGE_BYTES);
    messages::<ServerMessage>(data, limits::MAX_SERVER_MESSAGE_BYTES);
    messages::<Control>(data, limits::MAX_CONTROL_BYTES);
    for envelope in messages::<Envelope>(data, limits::MAX_SIGNAL_BYTES) {
        if let Envelope::Candidate { candidate, .. } = envelope {
            check_candidate(&candidate);
        }
    }
    if let Ok(envelope) = EnvelopeBytes::try_from(data.to_vec()) {
        let _ = Envelope::decode(&envelope).map(Iterator::count);
    }

    if let Ok(text) = str::from_utf8(data) {
        early(text);
    }
    let text = format!("{EARLY_JOIN_PREFIX}{}", URL_SAFE_NO_PAD.encode(data));
    early(&text);
    // Of what is short enough, the first record of the frame and nothing else.
    if text.len() <= limits::MAX_EARLY_JOIN_CHARS {
        let first = codec::decode::<ClientMessage>(data, limits::MAX_SOCKET_MESSAGE_BYTES);
        let expected = match first.ok().and_then(|mut records| records.next()) {
            Some(Ok(ClientMessage::Join(join))) => Some(join),
            _ => None,
        };
        assert_eq!(read_early_join(&text).and_then(Result::ok), expected);
    }
});
