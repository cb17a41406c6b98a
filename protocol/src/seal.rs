//! End-to-end sealing of the packets that two members send each other through the server.
//!
//! The server carries the packets and can neither read nor alter them, nor give one to its receiver a second time.
//! It may drop packets, so gaps are no error. What this rests on is that each side has the other's true public key:
//! keys travel in [hellos](crate::hello), which are [signed](crate::identity) by the key that the other's id stands for.
//!
//! X25519 (RFC 7748) gives a shared secret, HKDF-SHA-256 (RFC 5869) makes one key for each direction from it (and from the
//! secret of a [room that has one](crate::vault)), and ChaCha20-Poly1305 (RFC 8439) seals under the packet's number. `docs/wire.md` has every byte, and a test vector.
//!
//! No random number is drawn here. Keys are made from the driver's entropy: [`derive()`] gives the secret of the n-th
//! stay, which is used for nothing but [`SecretKey::from_bytes`]. A [`Seal`] that is made anew from the same keys must go
//! on where the last one was: [`Seal::counting_from`] for what it seals, [`Seal::hearing`] for what it opens.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use crate::codec::{push_varint, read_varint};
use crate::id::PeerId;

/// Keeps these keys apart from any made for another purpose, or by another version.
const PROTOCOL: &[u8] = b"peerloom relay 1";
const TAG_BYTES: usize = 16;
const MAX_COUNTER_BYTES: usize = 10;

/// The most bytes that [`Seal::seal`] adds: the longest counter, and the tag. It is 17 for the first 128 packets.
pub const OVERHEAD: usize = MAX_COUNTER_BYTES + TAG_BYTES;

/// X25519 key pair of one stay. The secret half is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct SecretKey {
    secret: Zeroizing<[u8; 32]>,
    /// Kept, because every [`Seal`] needs it and it costs as much as the agreement itself.
    public: [u8; 32],
}

impl SecretKey {
    /// The key pair whose secret half is these 32 unpredictable bytes, as [`derive()`] gives them; any will do.
    pub fn from_bytes(entropy: [u8; 32]) -> Self {
        let public = x25519(entropy, X25519_BASEPOINT_BYTES);
        Self { secret: Zeroizing::new(entropy), public }
    }

    /// The public half, for the hello.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(secret)")
    }
}

/// Derives the secret number `number` of the kind `label` from the entropy that the driver gave at the start.
///
/// One secret tells nothing about the others. It is HKDF-Expand (RFC 5869 §2.3) with `entropy`, which must be
/// unpredictable in all its 32 bytes, as the pseudorandom key, and as info `label` and then `number` as four bytes,
/// big-endian.
pub fn derive(entropy: &[u8; 32], label: &str, number: u32) -> [u8; 32] {
    let mut secret = [0; 32];
    // The number has a fixed length, so no two pairs of label and number are the same bytes.
    let from = Hkdf::<Sha256>::from_prk(entropy)
        .map(|hkdf| hkdf.expand_multi_info(&[label.as_bytes(), &number.to_be_bytes()], &mut secret));
    let Ok(Ok(())) = from else { unreachable!("32 bytes are a key for SHA-256, and one block of output") };
    secret
}

/// Why a packet was refused. The packet is dropped, and later ones are judged as if it had not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Too short for a counter and a tag, or the counter is over its range.
    #[error("not a sealed packet")]
    Malformed,
    /// Its number is not above those of all packets opened before: a copy, or overtaken on the way.
    #[error("sealed packet repeated or out of order")]
    Replayed,
    /// The tag does not fit: altered on the way, or sealed for others, or by others.
    #[error("sealed packet that this peer did not make")]
    Forged,
}

impl SealError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "bad-packet",
            Self::Replayed => "replayed",
            Self::Forged => "forged",
        }
    }
}

/// The lowest number that is still taken from one stay of a peer. All [seals](Seal) of the same keys must share one, or what
/// was opened by one could be given to the next a second time.
pub type Heard = Rc<Cell<u64>>;

/// Both directions of one pair of stays.
pub struct Seal {
    sending: ChaCha20Poly1305,
    receiving: ChaCha20Poly1305,
    /// The number of the next packet to seal.
    next_sent: u64,
    /// The lowest number that is still taken.
    next_received: Heard,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal")
            .field("next_sent", &self.next_sent)
            .field("next_received", &self.next_received.get())
            .finish_non_exhaustive()
    }
}

impl Seal {
    /// Agrees on the two keys with the member `their_id` whose hello gave the public key `theirs`.
    ///
    /// Both sides must mean the same ids, keys, room and room secret, or neither opens what the other seals. `None` when the shared
    /// secret is all zeros: `theirs` is a point of low order, which no honest peer has (RFC 7748 §6.1).
    pub fn new(
        mine: &SecretKey,
        my_id: PeerId,
        theirs: &[u8; 32],
        their_id: PeerId,
        room: &str,
        secret: Option<&[u8; 32]>,
    ) -> Option<Self> {
        let shared = Zeroizing::new(x25519(*mine.secret, *theirs));
        if *shared == [0; 32] {
            return None;
        }
        let mut material = Zeroizing::new(shared.to_vec());
        material.extend_from_slice(secret.map_or(&[][..], |secret| secret));
        let (me, them) = ((my_id.0, mine.public), (their_id.0, *theirs));
        let i_am_first = me < them;
        let (first, second) = if i_am_first { (me, them) } else { (them, me) };
        let mut info = Vec::new();
        push_varint(&mut info, room.len() as u64);
        info.extend_from_slice(room.as_bytes());
        for (id, key) in [first, second] {
            info.extend_from_slice(&id);
            info.extend_from_slice(&key);
        }

        let mut keys = Zeroizing::new([0; 64]);
        let derived = Hkdf::<Sha256>::new(Some(PROTOCOL), &material).expand(&info, &mut *keys);
        let Ok(()) = derived else { unreachable!("HKDF-SHA-256 gives up to 8,160 bytes") };
        let (of_first, of_second) = keys.split_at(32);
        let (sending, receiving) = if i_am_first { (of_first, of_second) } else { (of_second, of_first) };
        Some(Self {
            sending: cipher(sending),
            receiving: cipher(receiving),
            next_sent: 0,
            next_received: Heard::default(),
        })
    }

    /// Numbers packets from `sent` on, so that no number is used twice when one pair of keys is used for several of these.
    #[must_use]
    pub fn counting_from(mut self, sent: u64) -> Self {
        self.next_sent = sent;
        self
    }

    /// Takes no number twice that another seal of the same keys, with the same `heard`, has taken.
    #[must_use]
    pub fn hearing(mut self, heard: Heard) -> Self {
        self.next_received = heard;
        self
    }

    /// Seals one packet: its number as a varint, then the ciphertext and the 16 bytes of its tag.
    ///
    /// Packets are numbered from 0. After 2⁶⁴ − 1 of them, which takes centuries at any rate, packets are empty, and the
    /// other side refuses those as [`SealError::Malformed`]: no number is used twice.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let Some(next) = self.next_sent.checked_add(1) else { return Vec::new() };
        let mut packet = Vec::with_capacity(plain.len() + OVERHEAD);
        push_varint(&mut packet, self.next_sent);
        let counter_bytes = packet.len();
        packet.extend_from_slice(plain);
        let (counter, body) = packet.split_at_mut(counter_bytes);
        let sealed = self.sending.encrypt_inout_detached(&nonce(self.next_sent), counter, body.into());
        let Ok(tag) = sealed else { unreachable!("memory holds less than ChaCha20's 256 GiB") };
        packet.extend_from_slice(&tag);
        self.next_sent = next;
        packet
    }

    /// Checks and opens one packet. Its number must be above those of all packets opened before; gaps are allowed,
    /// because the server may drop packets.
    ///
    /// # Errors
    /// [`SealError::Malformed`], [`SealError::Replayed`] or [`SealError::Forged`]; such a packet changes nothing here.
    pub fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut rest = packet;
        let number = read_varint(&mut rest).ok_or(SealError::Malformed)?;
        // The highest number is never sent, so that there is always a next one.
        let next = number.checked_add(1).ok_or(SealError::Malformed)?;
        let counter = &packet[..packet.len() - rest.len()];
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(SealError::Malformed)?;
        if number < self.next_received.get() {
            return Err(SealError::Replayed);
        }
        let mut plain = body.to_vec();
        self.receiving
            .decrypt_inout_detached(&nonce(number), counter, plain.as_mut_slice().into(), tag.into())
            .map_err(|_| SealError::Forged)?;
        self.next_received.set(next);
        Ok(plain)
    }
}

fn cipher(key: &[u8]) -> ChaCha20Poly1305 {
    let Ok(key) = <&Key>::try_from(key) else { unreachable!("half of 64 bytes") };
    ChaCha20Poly1305::new(key)
}

/// The number as the last eight bytes, big-endian. Each direction has its own key, so no nonce is used twice.
fn nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

#[cfg(test)]
mod tests;
