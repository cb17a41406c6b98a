//! What keeps a room that has a secret to those who know it.
//!
//! Everything that the server would read or pass on for such a room is sealed under keys made of the secret: hellos, cards and
//! envelopes, and packets between members besides. The server has a hash of the room's name, keyed, in place of the name, and
//! sees ids, sizes and times. A member that the server made up cannot say anything that is believed.
//!
//! HKDF-SHA-256 (RFC 5869) makes the keys, ChaCha20-Poly1305 (RFC 8439) seals. `docs/wire.md` has every byte, and test vectors.

use std::fmt;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base64::{self, Form};
use crate::codec::push_varint;
use crate::id::PeerId;

/// Keeps these keys apart from any made for another purpose, or by another version.
const PROTOCOL: &[u8] = b"peerloom room 1";
/// The same, for two members who know a passphrase.
const PAIR: &[u8] = b"peerloom passphrase keys 1";
/// A secret of fewer bytes could be guessed.
const MIN_SECRET_BYTES: usize = 16;
const MAX_SECRET_BYTES: usize = 64;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A secret made of these random bytes, as text.
pub fn secret(random: &[u8; 32]) -> String {
    base64::encode(Form::Url, random)
}

/// What is sealed, and between whom: it opens as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The hello of this member.
    Hello(PeerId),
    /// A card of this member, in the stay with this key, for whoever gets it.
    Card(PeerId, [u8; 32]),
    /// An envelope from the first member to the second, in the stays with these keys.
    Envelope([(PeerId, [u8; 32]); 2]),
}

impl About {
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Hello(id) => [&[0], &id.0[..]].concat(),
            Self::Card(id, key) => [&[1], &id.0[..], &key].concat(),
            Self::Envelope([(from, from_key), (to, to_key)]) => {
                [&[2], &from.0[..], &from_key, &to.0, &to_key].concat()
            }
        }
    }
}

/// The keys of one room with a secret, or of two members of a room with a passphrase.
pub struct Vault {
    name: String,
    cipher: ChaCha20Poly1305,
    packets: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// The keys of the room of this name with this secret, which is base64url of 16 to 64 bytes. None when it is not.
    pub fn new(secret: &str, room: &str) -> Option<Self> {
        let secret = Zeroizing::new(base64::decode(Form::Url, secret)?);
        if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&secret.len()) {
            return None;
        }
        Some(Self::derive(PROTOCOL, &secret, room.as_bytes()))
    }

    fn derive(purpose: &[u8], secret: &[u8], info: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(purpose), secret);
        let mut keys = Zeroizing::new([0; 16 + 32 + 32]);
        let Ok(()) = hkdf.expand(info, &mut *keys) else {
            unreachable!("HKDF-SHA-256 gives up to 8,160 bytes")
        };
        let (name, rest) = keys.split_at(16);
        let (signals, packets) = rest.split_at(32);
        let Ok(signals) = <&Key>::try_from(signals) else { unreachable!("half of 64 bytes") };
        let mut own = Zeroizing::new([0; 32]);
        own.copy_from_slice(packets);
        let name = base64::encode(Form::Url, name);
        Self { name, cipher: ChaCha20Poly1305::new(signals), packets: own }
    }

    /// The keys of two members who know the room's [passphrase](crate::passphrase): of the point that they agree on, and of the id and
    /// the share of each.
    pub fn of_pair(agreed: &[u8; 32], room: &str, mut shares: [(PeerId, [u8; 32]); 2]) -> Self {
        if shares[1] < shares[0] {
            shares.swap(0, 1);
        }
        let mut info = Vec::new();
        push_varint(&mut info, room.len() as u64);
        info.extend_from_slice(room.as_bytes());
        for (id, share) in &shares {
            info.extend_from_slice(&id.0);
            info.extend_from_slice(share);
        }
        Self::derive(PAIR, agreed, &info)
    }

    /// What the server calls the room: 22 characters. Of a pair it is nothing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What goes into the keys of packets, besides what the two members agree on.
    pub(crate) fn packets(&self) -> &[u8; 32] {
        &self.packets
    }

    /// Seals: the nonce, the ciphertext, and the 16 bytes of its tag. No nonce may be used twice for one secret, by anybody:
    /// they are drawn at random.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], about: About, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = &mut sealed[NONCE_BYTES..];
        let tag = self.cipher.encrypt_inout_detached(&Nonce::from(nonce), &about.to_bytes(), body.into());
        let Ok(tag) = tag else { unreachable!("memory holds less than ChaCha20's 256 GiB") };
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what was sealed about the same. None for anything else.
    pub fn open(&self, about: About, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = body.to_vec();
        let nonce = Nonce::from(*nonce);
        let opened = self.cipher.decrypt_inout_detached(
            &nonce,
            &about.to_bytes(),
            plain.as_mut_slice().into(),
            tag.into(),
        );
        opened.is_ok().then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw";

    fn vault() -> Vault {
        Vault::new(SECRET, "demo").unwrap()
    }

    #[test]
    fn secrets_have_16_to_64_bytes() {
        let secret = |len: usize| base64::encode(Form::Url, &vec![7; len]);
        for (len, good) in [(0, false), (15, false), (16, true), (64, true), (65, false)] {
            assert_eq!(Vault::new(&secret(len), "demo").is_some(), good, "{len}");
        }
        assert!(Vault::new("not base64url, surely", "demo").is_none());
    }

    #[test]
    fn the_name_tells_nothing_and_is_the_same_for_all_who_know() {
        assert_eq!(vault().name(), vault().name());
        assert_eq!(vault().name().len(), 22);
        assert_ne!(vault().name(), Vault::new(SECRET, "demos").unwrap().name());
        assert_ne!(vault().name(), Vault::new("AQECAwQFBgcICQoLDA0ODw", "demo").unwrap().name());
    }

    #[test]
    fn it_opens_as_what_it_was_sealed_and_nothing_else() {
        let (a, b, key) = (PeerId([1; 16]), PeerId([2; 16]), [3; 32]);
        let abouts = [
            About::Hello(a),
            About::Hello(b),
            About::Card(a, key),
            About::Card(a, [4; 32]),
            About::Card(b, key),
            About::Envelope([(a, key), (b, key)]),
            About::Envelope([(b, key), (a, key)]),
            About::Envelope([(a, [4; 32]), (b, key)]),
            About::Envelope([(a, key), (b, [4; 32])]),
        ];
        for sealed_as in abouts {
            let sealed = vault().seal([9; 12], sealed_as, b"hello");
            for about in abouts {
                let opened = vault().open(about, &sealed);
                assert_eq!(opened.as_deref(), (about == sealed_as).then_some(&b"hello"[..]));
            }
            assert!(Vault::new(SECRET, "other").unwrap().open(sealed_as, &sealed).is_none());
            for index in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[index] ^= 1;
                assert!(vault().open(sealed_as, &changed).is_none(), "byte {index}");
                assert!(vault().open(sealed_as, &sealed[..index]).is_none(), "{index} bytes of it");
            }
        }
    }
}
