//! What two pages that were given the same passphrase agree on, and nobody else can find out by trying at home.
//!
//! This is CPace (draft-irtf-cfrg-cpace-21) with ristretto255 (RFC 9496) and SHA-512. Each page makes a *share* of the passphrase
//! and of a random number, and puts it into its hello. From the other's share and its own number each has the same point, if
//! their passphrases are the same. A share tells nothing about the passphrase, and whoever makes one up can find out by it
//! about one passphrase for each page that answers, and no more. docs/wire.md has every byte.
//!
//! For drivers that have no other way, as [`identity::sign`](crate::identity::sign) is: pages in TypeScript load code for this
//! when they need it.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::codec::push_varint;

/// Keeps these shares apart from any made for another purpose, or by another version: part of CPace's channel identifier.
const CONTEXT: &[u8] = b"peerloom passphrase 1";
/// Of the draft, for this group and hash.
const DSI: &[u8] = b"CPaceRistretto255";
/// Bytes that SHA-512 takes in at a time.
const BLOCK_BYTES: usize = 128;
/// A passphrase has at least as many bytes of UTF-8. Guessing is slow, so six digits will do.
pub const MIN_BYTES: usize = 6;
/// And at most as many.
pub const MAX_BYTES: usize = 128;

/// One page's half of what a passphrase comes to.
pub struct Passphrase {
    number: Scalar,
    share: [u8; 32],
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        self.number.zeroize();
    }
}

impl Passphrase {
    /// With 64 bytes that nobody can predict, and that are used for nothing else. Two texts that look the same are the same only as
    /// the same bytes: bring them to Unicode's form C first. None when there are fewer than 6 bytes or more than 128.
    pub fn new(passphrase: &str, room: &str, entropy: &[u8; 64]) -> Option<Self> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&passphrase.len()) {
            return None;
        }
        let mut channel = Zeroizing::new(Vec::new());
        push(&mut channel, CONTEXT);
        push(&mut channel, room.as_bytes());
        let number = Scalar::from_bytes_mod_order_wide(entropy);
        let share = (generator(passphrase.as_bytes(), &channel, b"") * number).compress().to_bytes();
        Some(Self { number, share })
    }

    /// What the others may know.
    pub fn share(&self) -> [u8; 32] {
        self.share
    }

    /// What this share and ours come to: the same at both ends, if the passphrases are. None for what is no share.
    pub fn agree(&self, theirs: &[u8; 32]) -> Option<[u8; 32]> {
        let point = CompressedRistretto(*theirs).decompress()? * self.number;
        (point != RistrettoPoint::identity()).then(|| point.compress().to_bytes())
    }
}

/// A field behind its length.
fn push(string: &mut Vec<u8>, field: &[u8]) {
    push_varint(string, field.len() as u64);
    string.extend_from_slice(field);
}

fn generator(passphrase: &[u8], channel: &[u8], session: &[u8]) -> RistrettoPoint {
    let mut string = Zeroizing::new(Vec::new());
    push(&mut string, DSI);
    push(&mut string, passphrase);
    // The passphrase fills a block of its own.
    let zeros = (BLOCK_BYTES - 1).saturating_sub(string.len());
    push(&mut string, &[0; BLOCK_BYTES][..zeros]);
    push(&mut string, channel);
    push(&mut string, session);
    let hash: [u8; 64] = Sha512::digest(&**string).into();
    RistrettoPoint::from_uniform_bytes(&hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// The draft's appendix B.3.
    #[test]
    fn it_computes_what_the_draft_says() {
        let channel: [u8; 24] = hex("0b415f696e69746961746f720b425f726573706f6e646572");
        let session: [u8; 16] = hex("7e4b4791d6a8ef019b936c79fb7f2c57");
        let generator = generator(b"Password", &channel, &session);
        let expected: [u8; 32] = hex("222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56");
        assert_eq!(generator.compress().to_bytes(), expected);
        let party = |number, share: [u8; 32]| {
            let number = Scalar::from_bytes_mod_order(hex(number));
            assert_eq!((generator * number).compress().to_bytes(), share);
            Passphrase { number, share }
        };
        let a = party(
            "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08",
            hex("d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"),
        );
        let b = party(
            "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d",
            hex("3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258"),
        );
        let point = hex("80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f");
        assert_eq!(a.agree(&b.share()), Some(point));
        assert_eq!(b.agree(&a.share()), Some(point));
    }

    #[test]
    fn one_passphrase_in_one_room_agrees_and_nothing_else_does() {
        let page = |passphrase, room, entropy| Passphrase::new(passphrase, room, &[entropy; 64]).unwrap();
        let (a, b) = (page("correct horse", "demo", 1), page("correct horse", "demo", 2));
        assert_eq!(a.agree(&b.share()), b.agree(&a.share()));
        assert_ne!(a.share(), b.share());
        for other in [page("correct house", "demo", 2), page("correct horse", "other", 2)] {
            assert_ne!(a.agree(&other.share()), other.agree(&a.share()));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let page = Passphrase::new("correct horse", "demo", &[1; 64]).unwrap();
        // The identity, a number over the field's, and a negative one.
        let mut negative = [0; 32];
        negative[0] = 1;
        for bad in [[0; 32], [0xff; 32], negative] {
            assert_eq!(page.agree(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn it_has_6_to_128_bytes() {
        let made = |len| Passphrase::new(&"x".repeat(len), "demo", &[1; 64]).is_some();
        assert_eq!([5, 6, 128, 129].map(made), [false, true, true, false]);
    }
}
