//! What the fuzz targets share: how one input is taken apart, and what must hold of every frame.

use std::fmt::Debug;

use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::codec::{self, Message};
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::sdp::{self, SdpKind};

/// One input as a run of steps. However short it is, there is a meaning to it, so that no input is wasted.
#[derive(Debug)]
pub struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    /// All of an input.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, or 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next piece: a length in two bytes, then as many bytes as that, or all that are left.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()) << 8 | usize::from(self.byte());
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }
}

/// Reads a frame of control messages. What can be read must be the same when it is written and read again, and no longer
/// than it was, so that what was within its limit stays within it. Gives the messages.
pub fn messages<M: Message + PartialEq + Debug>(frame: &[u8], max: usize) -> Vec<M> {
    let Ok(records) = codec::decode::<M>(frame, max) else { return Vec::new() };
    let read: Vec<M> = records.map_while(Result::ok).collect();
    let mut written = codec::frame();
    read.iter().for_each(|message| codec::push(&mut written, message));
    assert!(written.len() <= frame.len(), "{} bytes became {}", frame.len(), written.len());
    let again: Result<Vec<M>, _> = codec::decode(&written, max).expect("our own frame").collect();
    assert_eq!(again.as_ref(), Ok(&read));
    read
}

/// A candidate must be the same when it is written and read again, as a line and in few bytes.
pub fn check_candidate(candidate: &Candidate) {
    assert_eq!(Candidate::parse(&candidate.to_line()).as_ref(), Ok(candidate));
    let envelope = Envelope::Candidate { generation: 0, candidate: candidate.clone() };
    let bytes = envelope.encode().expect("within the limit");
    let mut read = Envelope::decode(&bytes).expect("our own frame");
    assert_eq!(read.next(), Some(Ok(envelope)));
}

/// A description for the browser: only lines that are listed, one data section, and nothing that would be read in
/// another way.
pub fn check_clean(kind: SdpKind, sdp: &str) {
    const WHOLE: [&str; 8] = [
        "v=0",
        "s=-",
        "t=0 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=ice-options:trickle",
        "a=ice-lite",
        "a=end-of-candidates",
    ];
    const STARTS: [&str; 11] = [
        "o=- ",
        "a=group:BUNDLE ",
        "a=mid:",
        "a=ice-ufrag:",
        "a=ice-pwd:",
        "a=fingerprint:sha-256 ",
        "a=setup:",
        "a=sctp-port:",
        "a=max-message-size:",
        "a=sctp-init:",
        "a=candidate:",
    ];
    assert!(sdp.ends_with("\r\n"));
    for line in sdp.split_terminator("\r\n") {
        let listed = WHOLE.contains(&line) || STARTS.iter().any(|start| line.starts_with(start));
        assert!(listed && line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
    }
    assert_eq!(sdp.matches("\r\nm=").count(), 1);
    assert_eq!(sdp::sanitize(kind, sdp).as_deref(), Ok(sdp));
    assert!(sdp::ufrag(sdp).is_some());
}
