//! Names of peers, and the secret that lets a peer come back under its name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base64::{self, Form};
use crate::identity::Secrets;
use crate::{octets, seal};

/// A peer's id: 16 bytes, shown as 22 characters of base64url.
///
/// It is made of the peer's public key, so that other peers can check what it [signs](crate::identity), and of the hash
/// of a [`ReturnSecret`], so that the server knows by hashing alone who comes back, also after a restart, when it
/// remembers nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(#[serde(with = "octets")] pub [u8; 16]);

impl PeerId {
    /// The first 16 bytes of SHA-256 over `"peerloom id 2"`, the Ed25519 public key and [`ReturnSecret::hash`].
    pub fn of(key: &[u8; 32], secret_hash: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"peerloom id 2").chain_update(key).chain_update(secret_hash);
        let digest = digest.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

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

/// 256 secret bits that a page shows to the server alone, and that prove the right to its [`PeerId`].
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnSecret(#[serde(with = "octets")] pub [u8; 32]);

impl ReturnSecret {
    /// SHA-256 of the secret, which everybody may know.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for ReturnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnSecret")
    }
}

/// 256 secret bits that all of a page's identity is made of. Whoever has them has its id; they are shown to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeToken(pub [u8; 32]);

impl ResumeToken {
    /// What the key is made of, and what the server is shown.
    pub(crate) fn secrets(&self) -> Secrets {
        let [seed, secret] = ["identity", "return"].map(|label| seal::derive(&self.0, label, 0));
        Secrets { seed, secret: ReturnSecret(secret) }
    }

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
    fn ids_are_made_of_the_key_and_the_secret() {
        // Were this to change, nobody would be known again after an update.
        let id = PeerId::of(&[1; 32], &ReturnSecret([7; 32]).hash());
        assert_eq!(id.to_string(), "Mm22qbvZXCDSqrek9Rm2rA");
        assert_ne!(id, PeerId::of(&[2; 32], &ReturnSecret([7; 32]).hash()));
        assert_ne!(id, PeerId::of(&[1; 32], &ReturnSecret([8; 32]).hash()));
    }

    #[test]
    fn ids_round_trip_as_text() {
        let id = PeerId(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "MDEyMzQ1Njc4OWFiY2RlZg");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<PeerId>(), Err(BadPeerId));
        assert_eq!("MDEyMzQ1Njc4OWFiY2Rl*g".parse::<PeerId>(), Err(BadPeerId));
    }
}
