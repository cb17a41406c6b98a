//! `docs/errors.md` and `docs/wire.md` name every code that an application or a client can meet.

use peerloom_protocol::call::{CallError, CallFailure, CallFault, code};
use peerloom_protocol::channel::{FrameError, SendError};
use peerloom_protocol::codec::CodecError;
use peerloom_protocol::failure::{KickError, LinkError, RoomError};
use peerloom_protocol::hello::ProtocolError;
use peerloom_protocol::safety::BadCommitment;
use peerloom_protocol::signal::{LeaveReason, Refusal};
use peerloom_protocol::stream::{StreamError, StreamFault};

const ERRORS: &str = include_str!("../../docs/errors.md");
const WIRE: &str = include_str!("../../docs/wire.md");

/// Every variant of an enum without fields, by its number on the wire.
fn all<T: serde::de::DeserializeOwned>() -> Vec<T> {
    (0u8..).map_while(|kind| postcard::from_bytes(&[kind]).ok()).collect()
}

/// The row of a table that begins with this code.
fn row(document: &str, code: &str) -> bool {
    document.lines().any(|line| line.starts_with(&format!("| `{code}` |")))
}

#[test]
fn every_code_is_explained() {
    let refusals: Vec<Refusal> = all();
    assert_eq!(refusals.len(), 17);
    let protocol = || ProtocolError::BadLabel("x".into());
    let mut codes: Vec<_> = refusals.iter().map(|refusal| refusal.code()).collect();
    codes.extend([
        RoomError::Unreachable(0).code(),
        RoomError::NoToken.code(),
        RoomError::NoSignature.code(),
        RoomError::BadSecret.code(),
        RoomError::BadPassphrase.code(),
        BadCommitment.code(),
        KickError::Forbidden.code(),
        KickError::PeerGone.code(),
        KickError::NoServer.code(),
        LinkError::NoPath.code(),
        LinkError::PeerGaveUp.code(),
        LinkError::Forged.code(),
        LinkError::WrongPassphrase.code(),
        LinkError::WrongCertificate.code(),
        LinkError::NotAccepted.code(),
        LinkError::Protocol(protocol()).code(),
        protocol().code(),
        ProtocolError::MetadataTooLong(0).code(),
        ProtocolError::MissingChannel("x".into()).code(),
        ProtocolError::Version.code(),
        SendError::MessageTooLarge { len: 0, max: 0 }.code(),
        FrameError::Empty.code(),
        FrameError::MessageTooLarge(0).code(),
        FrameError::BadAck(0).code(),
        FrameError::WindowExceeded.code(),
        FrameError::ReassemblyLimit.code(),
        CodecError::Empty.code(),
        CodecError::Version(0).code(),
        CodecError::TooLong { len: 0, max: 0 }.code(),
    ]);
    codes.extend([
        StreamError::NameTooLong(0).code(),
        StreamError::TooManyStreams.code(),
        StreamError::Closed.code(),
        StreamError::PeerGone.code(),
        StreamFault::Malformed.code(),
        StreamFault::BadId(0, 0).code(),
        StreamFault::UnknownStream(0).code(),
        StreamFault::AfterEnd(0).code(),
        StreamFault::NotEnded(0).code(),
        StreamFault::OverGrant(0).code(),
        StreamFault::TooManyStreams.code(),
        CallError::MessageTooLarge(0).code(),
        CallError::TooManyCalls.code(),
        CallError::PeerGone.code(),
        CallFault::Malformed.code(),
        CallFault::BadId(0).code(),
        CallFault::TooManyCalls.code(),
        code::NO_HANDLER,
        code::TOO_MANY_CALLS,
    ]);
    let failures = [CallFailure::TimedOut, CallFailure::PeerGone];
    codes.extend(
        failures.map(|failure| if failure == CallFailure::TimedOut { "call-timeout" } else { "peer-gone" }),
    );
    let missing: Vec<_> = codes.into_iter().filter(|code| !row(ERRORS, code)).collect();
    assert!(missing.is_empty(), "docs/errors.md has no row for {missing:?}");
    for reason in all::<LeaveReason>() {
        assert!(ERRORS.contains(&format!("`{}`", reason.code())), "docs/errors.md does not name {reason:?}");
    }
}

#[test]
fn refusals_stand_in_the_wire_format_with_number_and_close_code() {
    for (kind, refusal) in all::<Refusal>().into_iter().enumerate() {
        let close = if refusal.goes_on() { "none".to_owned() } else { refusal.close_code().to_string() };
        let does = match (refusal.goes_on(), refusal.is_passing()) {
            (true, _) => "goes on",
            (_, true) => "joins again with back-off",
            (_, false) => "gives up",
        };
        let row = format!("| {kind} | `{}` | {close} | {does} |", refusal.code());
        assert!(WIRE.contains(&row), "docs/wire.md lacks {row}");
    }
}
