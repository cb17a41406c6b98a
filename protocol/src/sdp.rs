//! Session descriptions with one data-channel section: read into cards, written from cards, and made safe.
//!
//! A description from a peer never reaches the browser as it came. It is read into the few values that a data-only
//! session has, each of them checked, and written anew from those values: a media section that would ask for a
//! camera, a line nobody listed here, or a control character has no way through. Attributes that this module does
//! not know are left out; what contradicts itself or is out of bounds is refused.
//!
//! Grammar: RFC 8866 (SDP), RFC 8839 (ICE), RFC 8841 (SCTP over DTLS), RFC 8842 and RFC 8122 (DTLS), RFC 8843
//! (BUNDLE), as RFC 9429 (JSEP) puts them together. This module never logs and its errors carry no foreign text.

mod read;
mod write;

use crate::candidate::{Candidate, CandidateError, CandidateKind, TcpType, Transport};
use crate::card::{Card, CardError, IceText};
use crate::limits::{MAX_CANDIDATES, MAX_CARD_CANDIDATES, MAX_SDP_BYTES};
use read::{Description, OnBadCandidate, Setup};

/// The empty offer (no sections) that makes a connection start in the ICE-controlled role.
///
/// The joiner's connection takes it as a remote offer and answers it before it makes its real offer. It is then the
/// answerer of the first exchange, and so *controlled* (RFC 8445 §6.1.1), while the resident, who
/// took no such hint, is *controlling*. Without it both are controlling, and ICE needs another round trip to settle
/// that. A browser that ignores the hint still connects. Seen to work in Chromium 156 and Firefox 153.
pub const ROLE_HINT_OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";

/// The `a=mid` of the data section. Both browsers name the first section of a connection `0`, and an answer must
/// repeat the name (RFC 9429 §5.3.1), so cards need not carry it. What happens otherwise, tried with an answer that
/// says `1`: Chromium 156 and Firefox 153 both refuse it.
const CARD_MID: &str = "0";
/// The SCTP port that both browsers use.
const CARD_SCTP_PORT: u16 = 5000;
/// Host candidates kept in a card, when there are more: the rest of the room is for addresses that reach further.
const MAX_CARD_HOSTS: usize = 8;

/// Why a session description is refused. Final for this description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("session description of {0} bytes, at most {MAX_SDP_BYTES} allowed")]
    TooLong(usize),
    /// A control character, a carriage return that ends no line, or anything else that is not printable ASCII.
    #[error("session description with a control or non-ASCII character")]
    Character,
    /// A line that is not SDP, or a line where none like it may stand.
    #[error("malformed session description")]
    Syntax,
    /// Asks for audio, video or another medium. Peerloom carries data only.
    #[error("session description with a media section")]
    MediaSection,
    /// More than one data section.
    #[error("session description with more than one section")]
    TooManySections,
    /// No section at all.
    #[error("session description without a data section")]
    NoDataSection,
    /// The section is not for data channels over `UDP/DTLS/SCTP`.
    #[error("section that is not webrtc-datachannel over UDP/DTLS/SCTP")]
    Transport,
    /// The section has port 0: the peer does not want it.
    #[error("the data section is rejected by the peer")]
    Rejected,
    /// The bundle group names another section than the one there is.
    #[error("bundle group that does not fit the section")]
    Bundle,
    /// An attribute that must be there is not.
    #[error("session description without a={0}")]
    Missing(&'static str),
    /// An attribute stands twice where it may stand once.
    #[error("session description with a={0} twice")]
    Duplicate(&'static str),
    /// An attribute's value is malformed, out of bounds, or wrong for this kind of description.
    #[error("session description with a bad a={0}")]
    BadAttribute(&'static str),
    /// More candidates than a connection may have.
    #[error("session description with more than {MAX_CANDIDATES} candidates")]
    TooManyCandidates,
    /// A candidate is refused.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The description is sound, but no card can be made of it.
    #[error(transparent)]
    Card(#[from] CardError),
}

impl SdpError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "sdp-too-long",
            Self::Character => "sdp-character",
            Self::Syntax => "sdp-syntax",
            Self::MediaSection => "sdp-media-section",
            Self::TooManySections => "sdp-too-many-sections",
            Self::NoDataSection => "sdp-no-data-section",
            Self::Transport => "sdp-transport",
            Self::Rejected => "sdp-section-rejected",
            Self::Bundle => "sdp-bundle",
            Self::Missing(_) => "sdp-missing-attribute",
            Self::Duplicate(_) => "sdp-duplicate-attribute",
            Self::BadAttribute(_) => "sdp-bad-attribute",
            Self::TooManyCandidates => "sdp-too-many-candidates",
            Self::Candidate(error) => error.code(),
            Self::Card(error) => error.code(),
        }
    }
}

/// Which half of an exchange a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SdpKind {
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// The part the remote end plays in the DTLS handshake (RFC 8842 §5). In a card exchange the joiner is the client:
/// it speaks first, which saves half a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// It sends the first message: `a=setup:active`.
    Client,
    /// It waits for the first message: `a=setup:passive`.
    Server,
}

/// Reads an offer made by this browser into a card.
///
/// The card holds at most [`MAX_CARD_CANDIDATES`], host candidates beyond the eighth being the first to go, and none
/// that nobody can send to (active TCP, which Firefox always lists). Candidates of a form this version does not know
/// are left out as well, and so is an `a=sctp-init` that is not base64: a browser must be free to learn new things.
///
/// # Errors
/// See [`SdpError`]: the text is not an offer for one data section named `0`, the only kind a card stands for.
pub fn parse_local(sdp: &str) -> Result<Card, SdpError> {
    let description = Description::read(sdp, OnBadCandidate::Skip)?;
    // The answer that the other side writes repeats what every browser's offer has; check that ours is one of those.
    if description.mid != CARD_MID {
        return Err(SdpError::BadAttribute("mid"));
    }
    if !description.bundled {
        return Err(SdpError::Bundle);
    }
    if description.sctp_port != CARD_SCTP_PORT {
        return Err(SdpError::BadAttribute("sctp-port"));
    }
    if description.setup != Setup::ActPass {
        return Err(SdpError::BadAttribute("setup"));
    }
    let mut hosts = 0;
    let mut candidates = description.candidates;
    candidates.retain(|candidate| {
        hosts += usize::from(candidate.kind() == CandidateKind::Host && is_reachable(candidate));
        is_reachable(candidate) && (candidate.kind() != CandidateKind::Host || hosts <= MAX_CARD_HOSTS)
    });
    candidates.truncate(MAX_CARD_CANDIDATES);
    let card = Card {
        version: Card::VERSION,
        ufrag: description.ufrag,
        pwd: description.pwd,
        fingerprint: description.fingerprint,
        candidates,
        max_message_size: description.max_message_size,
        sctp_init: description.sctp_init,
    };
    card.check()?;
    Ok(card)
}

fn is_reachable(candidate: &Candidate) -> bool {
    candidate.transport() != Transport::Tcp(TcpType::Active)
}

/// Writes the remote *answer* to our own unaltered offer, from the other side's card.
///
/// `remote_role` is the role of the side whose card it is. The card should have passed [`Card::check`], as every card
/// from [`Card::decode`] and [`parse_local`] has; no card, checked or not, can put a line of its own into the text.
pub fn write_answer(card: &Card, remote_role: DtlsRole) -> String {
    Description {
        session_id: 1,
        session_version: 1,
        bundled: true,
        ice_lite: false,
        trickle: true,
        mid: CARD_MID.to_owned(),
        ufrag: card.ufrag.clone(),
        pwd: card.pwd.clone(),
        fingerprint: card.fingerprint,
        setup: match remote_role {
            DtlsRole::Client => Setup::Active,
            DtlsRole::Server => Setup::Passive,
        },
        sctp_port: CARD_SCTP_PORT,
        max_message_size: card.max_message_size,
        sctp_init: card.sctp_init.clone(),
        candidates: card.candidates.clone(),
        end_of_candidates: false,
    }
    .write()
}

/// Checks a description from a peer and writes it anew (see the [module](self)).
///
/// The outcome has one `m=application 9 UDP/DTLS/SCTP webrtc-datachannel` section and holds only lines that
/// [`write_answer`] could write too, with `a=ice-lite`, `a=end-of-candidates` and `a=setup:actpass` beside them. Running
/// it through again changes nothing.
///
/// # Errors
/// See [`SdpError`].
pub fn sanitize(kind: SdpKind, sdp: &str) -> Result<String, SdpError> {
    let description = Description::read(sdp, OnBadCandidate::Refuse)?;
    if kind == SdpKind::Answer && description.setup == Setup::ActPass {
        return Err(SdpError::BadAttribute("setup"));
    }
    Ok(description.write())
}

/// The SHA-256 fingerprint of the certificate in a description, one of our own browser's or one that is
/// [sanitized](sanitize). `None` when there is none.
pub fn fingerprint(sdp: &str) -> Option<[u8; 32]> {
    Description::read(sdp, OnBadCandidate::Skip).ok().map(|description| description.fingerprint)
}

/// The ICE user name fragment of a description, which tells one ICE generation from the next. `None` when there is
/// none, or not a valid one.
pub fn ufrag(sdp: &str) -> Option<&str> {
    // The last: one in the section stands behind, and overrides, one for the whole session.
    let value = sdp.split('\n').fold(None, |last, line| line.strip_prefix("a=ice-ufrag:").or(last))?;
    let value = value.strip_suffix('\r').unwrap_or(value);
    IceText::new(value).map(|_| value)
}

#[cfg(test)]
mod tests;
