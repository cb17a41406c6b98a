//! What the fuzz targets share: how one input is taken apart, and what must hold of every frame.

#[path = "../../protocol/tests/support/clean.rs"]
mod clean;

use std::fmt::Debug;

use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::codec::{self, Message};
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::sdp::SdpKind;

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

/// A description for the browser is clean.
pub fn check_clean(kind: SdpKind, sdp: &str) {
    assert_eq!(clean::check_clean(kind, sdp), Ok(()));
}
