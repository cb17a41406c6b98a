//! Names of peers, and the secret that lets a peer come back under its name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base64::{self, Form};
use crate::octets;

/// A peer's id within a room: 16 bytes, shown as 22 characters of base64url.
///
/// The server derives it from the [`ResumeToken`] it gave that peer, so only the holder of the token can come back
/// under the same id, also after the server itself was restarted and remembers nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(#[serde(with = "octets")] pub [u8; 16]);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode(Form::Url, &self.0))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a peer id: expected 22 characters of base64url")]
pub struct BadPeerId;

impl FromStr for PeerId {
    type Err = BadPeerId;
    fn from_str(text: &str) -> Result<Self, BadPeerId> {
        let bytes = base64::decode(Form::Url, text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(BadPeerId)
    }
}

/// 256 secret bits from the server that prove the right to a [`PeerId`] when joining again.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeToken(#[serde(with = "octets")] pub [u8; 32]);

impl ResumeToken {
    /// The token as text, to be kept where only its owner finds it. Not `Display`, so that it is in no log by accident.
    pub fn to_text(&self) -> String {
        base64::encode(Form::Url, &self.0)
    }
}

impl FromStr for ResumeToken {
    type Err = BadPeerId;
    fn from_str(text: &str) -> Result<Self, BadPeerId> {
        let bytes = base64::decode(Form::Url, text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(BadPeerId)
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let id = PeerId(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "MDEyMzQ1Njc4OWFiY2RlZg");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<PeerId>(), Err(BadPeerId));
        assert_eq!("MDEyMzQ1Njc4OWFiY2Rl*g".parse::<PeerId>(), Err(BadPeerId));
    }
}
