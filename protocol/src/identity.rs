//! Who a peer is: a key, and what it signs of itself.
//!
//! A [`PeerId`] is made of an Ed25519 public key (RFC 8032) and of the hash of the secret that lets its owner come back.
//! With the key a peer signs its hello, which names the room, the DTLS certificate of all its connections and the X25519
//! key of its packets through the server. So whoever knows a peer's id can tell whether a hello is that peer's, and what
//! a server that lies about any of this has changed. An old hello leads nowhere: its owner alone has the certificate and
//! the other half of the key.
//!
//! No signature is made or checked by the core itself, since browsers can do both, and faster. [`sign`] and [`verify`] are
//! for drivers that have no other way.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::base64::{self, Form};
use crate::codec::push_varint;
use crate::id::{PeerId, ReturnSecret};
use crate::octets;

/// Keeps these signatures apart from any made for another purpose, or by another version.
const CONTEXT: &[u8] = b"peerloom hello 1";

/// What proves a hello to be that of an id. Kind 2 of the hello's frame, and its last record.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// SHA-256 of the DTLS certificate of all the peer's connections (RFC 8122 §5).
    #[serde(with = "octets")]
    pub fingerprint: [u8; 32],
    /// Ed25519 public key.
    #[serde(with = "octets")]
    pub key: [u8; 32],
    /// [`ReturnSecret::hash`].
    #[serde(with = "octets")]
    pub secret_hash: [u8; 32],
    /// By the key, of the [`statement`].
    #[serde(with = "octets")]
    pub signature: [u8; 64],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.id())
    }
}

impl Identity {
    /// The only id that this can be the identity of.
    pub fn id(&self) -> PeerId {
        PeerId::of(&self.key, &self.secret_hash)
    }
}

/// A key, and a signature made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

/// What a signature of a hello signs: all that it says, for one room. `hello` are the bytes of its frame before the
/// identity.
pub fn statement(room: &str, fingerprint: &[u8; 32], secret_hash: &[u8; 32], hello: &[u8]) -> Vec<u8> {
    let mut statement = CONTEXT.to_vec();
    push_varint(&mut statement, room.len() as u64);
    for part in [room.as_bytes(), fingerprint, secret_hash, hello] {
        statement.extend_from_slice(part);
    }
    statement
}

/// Signs with the key that is made of these 32 unpredictable bytes.
pub fn sign(seed: &[u8; 32], message: &[u8]) -> Signed {
    let key = SigningKey::from_bytes(seed);
    Signed { key: key.verifying_key().to_bytes(), signature: key.sign(message).to_bytes() }
}

/// Whether the signature is the key's. Keys and signatures of more than one form are refused, as browsers do.
pub fn verify(signed: &Signed, message: &[u8]) -> bool {
    let signature = Signature::from_bytes(&signed.signature);
    VerifyingKey::from_bytes(&signed.key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// A public key as text: the `x` of its JSON Web Key (RFC 8037 §2), in base64url.
pub fn key_text(key: &[u8; 32]) -> String {
    base64::encode(Form::Url, key)
}

/// What the driver found out about an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The signature is that of the key.
    Valid,
    /// It is not.
    Forged,
    /// It is, and this is what the peer's share of the [passphrase](crate::passphrase) and ours come to.
    Agreed([u8; 32]),
    /// It is, but the application does not accept this peer.
    NotAccepted,
}

impl Verdict {
    /// What the signature alone comes to.
    pub fn of(signed: &Signed, message: &[u8]) -> Self {
        if verify(signed, message) { Self::Valid } else { Self::Forged }
    }
}

/// The secret halves that a page's id is made of.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) seed: [u8; 32],
    pub(crate) secret: ReturnSecret,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // §7.1, the third vector.
        let seed: [u8; 32] = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
        let signed = sign(&seed, &[0xaf, 0x82]);
        assert_eq!(signed.key, hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
        let expected = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                        18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
        assert_eq!(signed.signature, hex(expected));
        assert!(verify(&signed, &[0xaf, 0x82]));
    }

    #[test]
    fn whatever_is_changed_no_signature_fits() {
        let message = statement("room", &[1; 32], &[2; 32], b"hello");
        let signed = sign(&[7; 32], &message);
        for index in 0..message.len() {
            let mut other = message.clone();
            other[index] ^= 1;
            assert!(!verify(&signed, &other), "byte {index}");
        }
        for index in 0..64 {
            let mut other = signed;
            other.signature[index] ^= 1;
            assert!(!verify(&other, &message));
            let mut other = signed;
            other.key[index / 2] ^= 1;
            assert!(!verify(&other, &message));
        }
        // A key of low order, under which signatures fit many messages.
        let low = Signed { key: hex(&("01".to_owned() + &"00".repeat(31))), signature: [0; 64] };
        assert!(!verify(&low, &message));
    }

    #[test]
    fn no_two_statements_are_the_same_bytes() {
        let said = |room, hello: &[u8]| statement(room, &[1; 32], &[1; 32], hello);
        assert_ne!(said("room", b"xhello"), said("roomx", b"hello"));
        assert_ne!(statement("r", &[1; 32], &[2; 32], b""), statement("r", &[2; 32], &[1; 32], b""));
    }

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }
}
