//! One ICE candidate, parsed and checked, so that a foreign one never reaches a browser as text somebody else wrote.
//!
//! Candidates come in as the text of `RTCIceCandidate.candidate` or of an SDP line (RFC 8839 §5.1) and go out the
//! same way, or as 12 to 56 bytes on the wire. What neither browser needs is left out on both ways: the related
//! address, which shows a private address to strangers, and extension attributes.
//!
//! A name is taken only in the `uuid.local` form that browsers make to hide a private address. Any other name would
//! let a stranger have this browser look names up.

mod address;
mod wire;

use std::fmt;

pub use address::Address;
pub(crate) use address::read_v6;

use crate::limits::MAX_CANDIDATE_BYTES;

/// Longest foundation (RFC 8839 §5.1: 1 to 32 `ice-char`).
const MAX_FOUNDATION_BYTES: usize = 32;
/// Highest priority (RFC 8445 §5.1.2: 1 to 2^31 - 1).
const MAX_PRIORITY: u32 = 0x7fff_ffff;

/// Why a candidate is refused. Final for this candidate; others are not touched by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// Longer than [`MAX_CANDIDATE_BYTES`].
    #[error("candidate of {0} bytes, at most {MAX_CANDIDATE_BYTES} allowed")]
    TooLong(usize),
    /// Not a candidate attribute: a part is missing, or not a number where one is due, or not plain ASCII.
    #[error("not an ICE candidate attribute")]
    Syntax,
    /// For another component than 1. Data channels have one component only.
    #[error("candidate for a component other than 1")]
    Component,
    /// Neither UDP nor one of the three kinds of TCP (RFC 6544).
    #[error("candidate with an unknown transport")]
    Transport,
    /// Neither a unicast IP address nor a `uuid.local` name of a host candidate.
    #[error("candidate address is neither a unicast IP address nor a browser's mDNS name")]
    Address,
    /// Port 0 where somebody is to send to it.
    #[error("candidate with port 0")]
    Port,
    /// A type other than host, srflx, prflx and relay.
    #[error("candidate of an unknown type")]
    Kind,
}

impl CandidateError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "candidate-too-long",
            Self::Syntax => "candidate-syntax",
            Self::Component => "candidate-component",
            Self::Transport => "candidate-transport",
            Self::Address => "candidate-address",
            Self::Port => "candidate-port",
            Self::Kind => "candidate-kind",
        }
    }
}

/// Where a candidate comes from (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// The machine's address as a STUN server sees it.
    Srflx,
    /// The machine's address as the other peer sees it.
    Prflx,
    /// An address of a TURN server.
    Relay,
}

/// How packets travel to a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP, opened as `tcptype` says.
    Tcp(TcpType),
}

/// Who opens the TCP connection (RFC 6544 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// This end opens, and cannot be opened to. The only kind browsers make themselves.
    Active,
    /// This end waits.
    Passive,
    /// Both ends open at once.
    So,
}

/// Groups candidates for ICE. Chromium writes a decimal number, Firefox a small one, others any text: the number
/// form is kept apart because it takes half the bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Foundation {
    Number(u32),
    Text(Box<str>),
}

/// One ICE candidate (RFC 8839 §5.1). Whoever holds one knows that it passed every check of [`Candidate::parse`].
///
/// `Debug` shows kind and transport, never the address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    foundation: Foundation,
    priority: u32,
    transport: Transport,
    address: Address,
    port: u16,
    kind: CandidateKind,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("kind", &self.kind)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// What Chromium says itself of the network of pages that may not use the microphone.
const COST: &str = " network-cost 999";

impl Candidate {
    /// Reads `candidate:...` or `a=candidate:...`, as `RTCIceCandidate.candidate` and SDP have it.
    ///
    /// The related address and all extension attributes (`generation`, `ufrag`, `network-id`, `network-cost`, ...)
    /// are dropped. The empty text by which browsers mark the end of candidates is an error here: callers look for
    /// it first.
    ///
    /// # Errors
    /// See [`CandidateError`].
    ///
    /// # Examples
    /// ```
    /// # use peerloom_protocol::candidate::{Candidate, CandidateKind};
    /// let line = "candidate:1 1 UDP 1685987327 203.0.113.7 46954 typ srflx raddr 192.0.2.2 rport 46954";
    /// let candidate = Candidate::parse(line)?;
    /// assert_eq!(candidate.kind(), CandidateKind::Srflx);
    /// assert_eq!(
    ///     candidate.to_line(),
    ///     "candidate:1 1 udp 1685987327 203.0.113.7 46954 typ srflx raddr 0.0.0.0 rport 0 network-cost 999"
    /// );
    /// # Ok::<(), peerloom_protocol::candidate::CandidateError>(())
    /// ```
    pub fn parse(line: &str) -> Result<Self, CandidateError> {
        if line.len() > MAX_CANDIDATE_BYTES {
            return Err(CandidateError::TooLong(line.len()));
        }
        if !line.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(CandidateError::Syntax);
        }
        let line = line.strip_prefix("a=").unwrap_or(line);
        Self::parse_value(line.strip_prefix("candidate:").ok_or(CandidateError::Syntax)?)
    }

    /// The same for what stands behind `candidate:`, in a line known to be printable ASCII.
    pub(crate) fn parse_value(value: &str) -> Result<Self, CandidateError> {
        if value.len() > MAX_CANDIDATE_BYTES {
            return Err(CandidateError::TooLong(value.len()));
        }
        let mut words = value.split(' ');
        let mut word = || words.next().filter(|word| !word.is_empty()).ok_or(CandidateError::Syntax);

        let foundation = Foundation::parse(word()?).ok_or(CandidateError::Syntax)?;
        if number(word()?)? != 1 {
            return Err(CandidateError::Component);
        }
        let transport = word()?;
        let priority = number(word()?)?;
        let address = word()?;
        let port = u16::try_from(number(word()?)?).map_err(|_| CandidateError::Syntax)?;
        if word()? != "typ" {
            return Err(CandidateError::Syntax);
        }
        let kind = match word()? {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::Srflx,
            "prflx" => CandidateKind::Prflx,
            "relay" => CandidateKind::Relay,
            _ => return Err(CandidateError::Kind),
        };
        // The rest is pairs of name and value, of which only one says something about where to send.
        let mut tcp_type = None;
        while let Some(name) = words.next().filter(|name| !name.is_empty()) {
            let value = words.next().ok_or(CandidateError::Syntax)?;
            if name == "tcptype" && tcp_type.replace(value).is_some() {
                return Err(CandidateError::Transport);
            }
        }
        let transport = match (transport, tcp_type) {
            (name, None) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            (name, Some("active")) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp(TcpType::Active),
            (name, Some("passive")) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp(TcpType::Passive),
            (name, Some("so")) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp(TcpType::So),
            _ => return Err(CandidateError::Transport),
        };
        let address = Address::parse(address).ok_or(CandidateError::Address)?;
        Self { foundation, priority, transport, address, port, kind }.checked()
    }

    /// The rules that hold however a candidate came in.
    fn checked(self) -> Result<Self, CandidateError> {
        if !(1..=MAX_PRIORITY).contains(&self.priority) {
            return Err(CandidateError::Syntax);
        }
        let mdns_host = !matches!(self.address, Address::Mdns(_)) || self.kind == CandidateKind::Host;
        if !self.address.is_unicast() || !mdns_host {
            return Err(CandidateError::Address);
        }
        // Nobody sends to an active TCP candidate: browsers write port 9 there, others 0.
        if self.port == 0 && self.transport != Transport::Tcp(TcpType::Active) {
            return Err(CandidateError::Port);
        }
        Ok(self)
    }

    /// The `candidate:...` text for `addIceCandidate`; an SDP line is this behind `a=`.
    ///
    /// Where the grammar asks for a related address, the unspecified one is written, as browsers do to hide theirs. Every candidate
    /// has the greatest cost there is: Chromium prefers pairs that cost less to those with a higher priority, hears the
    /// true cost of a pair only by the peer's checks on it, and takes 0 where nothing is said. A direct pair that has been checked
    /// would then lose to one through a TURN server that has not.
    pub fn to_line(&self) -> String {
        let Self { foundation, priority, transport, address, port, kind } = self;
        let (transport, tcp_type) = match transport {
            Transport::Udp => ("udp", ""),
            Transport::Tcp(TcpType::Active) => ("tcp", " tcptype active"),
            Transport::Tcp(TcpType::Passive) => ("tcp", " tcptype passive"),
            Transport::Tcp(TcpType::So) => ("tcp", " tcptype so"),
        };
        let kind_name = match kind {
            CandidateKind::Host => "host",
            CandidateKind::Srflx => "srflx",
            CandidateKind::Prflx => "prflx",
            CandidateKind::Relay => "relay",
        };
        let related = match (kind, address) {
            (CandidateKind::Host, _) => "",
            (_, Address::V6(_)) => " raddr :: rport 0",
            _ => " raddr 0.0.0.0 rport 0",
        };
        format!(
            "candidate:{foundation} 1 {transport} {priority} {address} {port} typ {kind_name}{related}{tcp_type}{COST}"
        )
    }

    /// The same candidate under another foundation: to a browser that has it already, one more.
    pub(crate) fn again(&self, time: u32) -> Self {
        Self { foundation: Foundation::Text(format!("again{time}").into()), ..self.clone() }
    }

    /// Where the candidate comes from.
    pub fn kind(&self) -> CandidateKind {
        self.kind
    }

    /// How packets travel to it.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Where to send.
    pub fn address(&self) -> Address {
        self.address
    }
}

/// A decimal number of up to ten digits. `str::parse` would take a `+` as well.
fn number(text: &str) -> Result<u32, CandidateError> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(CandidateError::Syntax)
}

/// Is this an `ice-char` (RFC 8839 §5.1)?
pub(crate) fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

impl Foundation {
    fn parse(text: &str) -> Option<Self> {
        if !(1..=MAX_FOUNDATION_BYTES).contains(&text.len()) || !text.bytes().all(is_ice_char) {
            return None;
        }
        // A number only when writing it gives the same text back: "007" and "+7" are texts.
        match text.parse::<u32>() {
            Ok(number) if number.to_string() == text => Some(Self::Number(number)),
            _ => Some(Self::Text(text.into())),
        }
    }
}

impl fmt::Display for Foundation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests;
