//! What a description may be that reaches a browser. For the properties here, and for the fuzz targets.

use peerloom_protocol::limits::MAX_CANDIDATES;
use peerloom_protocol::sdp::{SdpKind, sanitize, ufrag};

/// Every line that may come out, as a pattern: `*` stands for `ice-char`s, digits, hexadecimal and the like.
fn is_listed(line: &str) -> bool {
    const WHOLE: [&str; 10] = [
        "v=0",
        "s=-",
        "t=0 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=ice-options:trickle",
        "a=ice-lite",
        "a=end-of-candidates",
        "a=setup:active",
        "a=setup:passive",
    ];
    const STARTS: [&str; 10] = [
        "o=- ",
        "a=group:BUNDLE ",
        "a=mid:",
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=fingerprint:sha-256 ",
        "a=sctp-port:",
        "a=max-message-size:",
        "a=sctp-init:",
        "a=candidate:",
    ];
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b" +/:.=-_".contains(&byte);
    line == "a=setup:actpass"
        || WHOLE.contains(&line)
        || STARTS.iter().any(|start| line.starts_with(start)) && line.bytes().all(harmless)
}

/// Only lines that are listed, one data section, and nothing that would be read in another way.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_clean(kind: SdpKind, clean: &str) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {clean:?}")) };
    must(clean.ends_with("\r\n"), "the last line does not end")?;
    let lines: Vec<&str> = clean.split_terminator("\r\n").collect();
    for line in &lines {
        must(is_listed(line), line)?;
    }
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    for once in ["v=", "o=", "m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:"] {
        must(count(once) == 1, once)?;
    }
    must(count("a=candidate:") <= MAX_CANDIDATES, "too many candidates")?;
    must(sanitize(kind, clean).as_deref() == Ok(clean), "it is not what it would be made")?;
    must(ufrag(clean).is_some(), "no user name fragment")
}
