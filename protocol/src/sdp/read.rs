//! From text to the values of a data-only session.

use super::SdpError;
use crate::base64::{self, Form};
use crate::candidate::Candidate;
use crate::card::{IceText, MAX_MAX_MESSAGE_SIZE, MIN_MAX_MESSAGE_SIZE, SctpInit};
use crate::limits::{MAX_CANDIDATES, MAX_SDP_BYTES};

/// Shortest ICE password (RFC 8839 §5.4).
const MIN_PWD_BYTES: usize = 22;
/// What a description without `a=max-message-size` stands for (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE_SIZE: u32 = 64 * 1024;
/// Longest `a=mid` (RFC 9429 §5.2.1 advises at most three bytes; native stacks make longer ones).
const MAX_MID_BYTES: usize = 16;

/// `a=setup` (RFC 4145 §4). `holdconn` has no use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    ActPass,
    Active,
    Passive,
}

/// What to do about a candidate that [`Candidate::parse`] refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBadCandidate {
    Refuse,
    Skip,
}

/// All that a data-only description says, each value checked.
pub(super) struct Description {
    pub(super) session_id: u64,
    pub(super) session_version: u64,
    pub(super) bundled: bool,
    pub(super) ice_lite: bool,
    pub(super) trickle: bool,
    pub(super) mid: String,
    pub(super) ufrag: IceText,
    pub(super) pwd: IceText,
    pub(super) fingerprint: [u8; 32],
    pub(super) setup: Setup,
    pub(super) sctp_port: u16,
    pub(super) max_message_size: u32,
    pub(super) sctp_init: Option<SctpInit>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) end_of_candidates: bool,
}

/// Name and value of each `a=` line of one level; the value is empty for a flag.
#[derive(Default)]
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn push(&mut self, line: &'a str) {
        self.0.push(line.split_once(':').unwrap_or((line, "")));
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The value of an attribute that may stand once. Which of two would count is a guess nobody should make.
    fn once(&self, name: &'static str) -> Result<Option<&'a str>, SdpError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(SdpError::Duplicate(name)) } else { Ok(first) }
    }
}

/// A description cut into its parts, before their values are looked at.
struct Parts<'a> {
    origin: &'a str,
    session: Attributes<'a>,
    section: Attributes<'a>,
}

impl<'a> Parts<'a> {
    fn cut(sdp: &'a str) -> Result<Self, SdpError> {
        if sdp.len() > MAX_SDP_BYTES {
            return Err(SdpError::TooLong(sdp.len()));
        }
        // SDP ends lines with CRLF, and readers should take LF alone as well (RFC 8866 §5).
        let mut lines =
            sdp.strip_suffix('\n').unwrap_or(sdp).split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
        if !sdp.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')) || lines.clone().any(has_cr) {
            return Err(SdpError::Character);
        }
        if lines.next() != Some("v=0") {
            return Err(SdpError::Syntax);
        }
        let origin = lines.next().and_then(|line| line.strip_prefix("o=")).ok_or(SdpError::Syntax)?;
        if !lines.next().is_some_and(|line| line.starts_with("s=")) {
            return Err(SdpError::Syntax);
        }
        let mut session = Attributes::default();
        let mut section = None;
        for line in lines {
            match (line.split_once('=').ok_or(SdpError::Syntax)?, &mut section) {
                (("m", value), None) => {
                    check_section(value)?;
                    section = Some(Attributes::default());
                }
                (("m", value), Some(_)) => {
                    check_section(value)?;
                    return Err(SdpError::TooManySections);
                }
                (("a", value), None) => session.push(value),
                (("a", value), Some(section)) => section.push(value),
                // Nothing of these is of use, and none of them is written again.
                (("i" | "u" | "e" | "p" | "c" | "b" | "t" | "r" | "z" | "k", _), None) => {}
                (("i" | "c" | "b" | "k", _), Some(_)) => {}
                _ => return Err(SdpError::Syntax),
            }
        }
        Ok(Self { origin, session, section: section.ok_or(SdpError::NoDataSection)? })
    }

    /// An attribute that may stand in the section, or for the whole session.
    fn inherited(&self, name: &'static str) -> Result<Option<&'a str>, SdpError> {
        // Both are looked at, so that a doubled one at the level that does not count is an error too.
        let (session, section) = (self.session.once(name)?, self.section.once(name)?);
        Ok(section.or(session))
    }
}

fn has_cr(line: &str) -> bool {
    line.contains('\r')
}

fn check_section(value: &str) -> Result<(), SdpError> {
    let mut words = value.split(' ');
    if words.next() != Some("application") {
        return Err(SdpError::MediaSection);
    }
    let port: u16 = words.next().and_then(number).ok_or(SdpError::Syntax)?;
    if words.next() != Some("UDP/DTLS/SCTP")
        || words.next() != Some("webrtc-datachannel")
        || words.next().is_some()
    {
        return Err(SdpError::Transport);
    }
    if port == 0 { Err(SdpError::Rejected) } else { Ok(()) }
}

/// A decimal number without sign; `str::parse` alone would take a `+`.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Description {
    pub(super) fn read(sdp: &str, on_bad_candidate: OnBadCandidate) -> Result<Self, SdpError> {
        let parts = Parts::cut(sdp)?;
        let mut origin = parts.origin.split(' ').skip(1);
        let mut origin_number = || origin.next().and_then(number).ok_or(SdpError::Syntax);
        let (session_id, session_version) = (origin_number()?, origin_number()?);

        let mid = parts.section.once("mid")?.ok_or(SdpError::Missing("mid"))?;
        // A token (RFC 8866 §9), of which only harmless characters are taken.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
        if !(1..=MAX_MID_BYTES).contains(&mid.len()) || !mid.bytes().all(token) {
            return Err(SdpError::BadAttribute("mid"));
        }
        let ice_text = |name| {
            let value = parts.inherited(name)?.ok_or(SdpError::Missing(name))?;
            IceText::new(value).ok_or(SdpError::BadAttribute(name))
        };
        let (ufrag, pwd) = (ice_text("ice-ufrag")?, ice_text("ice-pwd")?);
        if pwd.as_str().len() < MIN_PWD_BYTES {
            return Err(SdpError::BadAttribute("ice-pwd"));
        }
        let setup = match parts.inherited("setup")?.ok_or(SdpError::Missing("setup"))? {
            "actpass" => Setup::ActPass,
            "active" => Setup::Active,
            "passive" => Setup::Passive,
            _ => return Err(SdpError::BadAttribute("setup")),
        };
        let sctp_port = parts.section.once("sctp-port")?.ok_or(SdpError::Missing("sctp-port"))?;
        let sctp_port =
            number(sctp_port).filter(|&port| port != 0).ok_or(SdpError::BadAttribute("sctp-port"))?;
        let options = parts.inherited("ice-options")?.unwrap_or_default();
        Ok(Self {
            session_id,
            session_version,
            bundled: read_bundle(&parts.session, mid)?,
            ice_lite: parts.session.once("ice-lite")?.is_some(),
            trickle: options.split(' ').any(|option| option == "trickle"),
            mid: mid.to_owned(),
            ufrag,
            pwd,
            fingerprint: read_fingerprint(&parts)?,
            setup,
            sctp_port,
            max_message_size: read_max_message_size(&parts.section)?,
            // Optional in every way: a form unknown here only costs the round trip that it would have saved.
            sctp_init: parts.section.once("sctp-init")?.and_then(read_sctp_init),
            candidates: read_candidates(&parts.section, on_bad_candidate)?,
            end_of_candidates: parts.inherited("end-of-candidates")?.is_some(),
        })
    }
}

/// Is the section bundled? A group for several sections, or for another, is refused.
fn read_bundle(session: &Attributes<'_>, mid: &str) -> Result<bool, SdpError> {
    let mut groups = session.all("group").filter_map(|group| group.strip_prefix("BUNDLE"));
    match (groups.next(), groups.next()) {
        (None, _) => Ok(false),
        (Some(mids), None) if mids.strip_prefix(' ') == Some(mid) => Ok(true),
        _ => Err(SdpError::Bundle),
    }
}

/// The SHA-256 fingerprint. Others beside it (aiortc lists three hashes of its certificate) are left out.
fn read_fingerprint(parts: &Parts<'_>) -> Result<[u8; 32], SdpError> {
    const NAME: &str = "fingerprint";
    let level = if parts.section.all(NAME).next().is_some() { &parts.section } else { &parts.session };
    let mut found = None;
    for value in level.all(NAME) {
        let (hash, hex) = value.split_once(' ').ok_or(SdpError::BadAttribute(NAME))?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        // "AB:CD:...": every third byte is a colon, the rest is hexadecimal.
        let shaped = hex.len() == 32 * 3 - 1 && hex.bytes().skip(2).step_by(3).all(|byte| byte == b':');
        let digits = hex.bytes().filter(|&byte| byte != b':');
        let bytes = base64::hex(digits).filter(|_| shaped).ok_or(SdpError::BadAttribute(NAME))?;
        if found.replace(bytes).is_some_and(|other| other != bytes) {
            return Err(SdpError::Duplicate(NAME));
        }
    }
    found.ok_or(SdpError::Missing(NAME))
}

/// 0 means any size (RFC 8841 §6.1), and so does what a browser could not read.
fn read_max_message_size(section: &Attributes<'_>) -> Result<u32, SdpError> {
    const NAME: &str = "max-message-size";
    let Some(value) = section.once(NAME)? else { return Ok(DEFAULT_MAX_MESSAGE_SIZE) };
    let size: u64 = number(value).ok_or(SdpError::BadAttribute(NAME))?;
    match u32::try_from(size) {
        Ok(0) | Err(_) => Ok(MAX_MAX_MESSAGE_SIZE),
        Ok(size) if size < MIN_MAX_MESSAGE_SIZE => Err(SdpError::BadAttribute(NAME)),
        Ok(size) => Ok(size.min(MAX_MAX_MESSAGE_SIZE)),
    }
}

fn read_sctp_init(value: &str) -> Option<SctpInit> {
    let chunk = base64::decode(Form::Standard, value).filter(|chunk| !chunk.is_empty())?;
    chunk.try_into().ok()
}

fn read_candidates(section: &Attributes<'_>, on_bad: OnBadCandidate) -> Result<Vec<Candidate>, SdpError> {
    let mut candidates = Vec::new();
    for value in section.all("candidate") {
        if candidates.len() == MAX_CANDIDATES {
            return Err(SdpError::TooManyCandidates);
        }
        match Candidate::parse_value(value) {
            Ok(candidate) => candidates.push(candidate),
            Err(_) if on_bad == OnBadCandidate::Skip => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(candidates)
}
