//! Nonces that the server need not remember: the time and the client's address under a key that only it has.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long a nonce is good for, in seconds. Afterwards the client gets another and signs again (RFC 8656 §5).
pub(crate) const LIFETIME_S: u64 = 600;
/// 88 bits of the code: with the time that is 20 letters, and the challenge stays short.
const CODE_BYTES: usize = 11;

/// Makes nonces and knows its own.
pub(crate) struct Nonces {
    key: [u8; 32],
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

impl Nonces {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub(crate) fn make(&self, client: SocketAddr, unix_s: u64) -> String {
        // Until the year 2106; after that the count starts anew, for all nonces together.
        let time = (unix_s as u32).to_be_bytes();
        let mut bytes = [0; 4 + CODE_BYTES];
        bytes[..4].copy_from_slice(&time);
        let code = self.code(client, time).finalize().into_bytes();
        bytes[4..].copy_from_slice(&code[..CODE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether the nonce was made for this client, not too long ago.
    pub(crate) fn is_fresh(&self, nonce: &str, client: SocketAddr, unix_s: u64) -> bool {
        let mut bytes = [0; 4 + CODE_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok() != Some(bytes.len()) {
            return false;
        }
        let (time, code) = bytes.split_at(4);
        let time = [time[0], time[1], time[2], time[3]];
        let age = (unix_s as u32).wrapping_sub(u32::from_be_bytes(time));
        u64::from(age) <= LIFETIME_S && self.code(client, time).verify_truncated_left(code).is_ok()
    }

    fn code(&self, client: SocketAddr, time: [u8; 4]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length will do");
        code.update(&time);
        match client.ip() {
            std::net::IpAddr::V4(address) => code.update(&address.octets()),
            std::net::IpAddr::V6(address) => code.update(&address.octets()),
        }
        code.update(&client.port().to_be_bytes());
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_client_and_its_time() {
        let nonces = Nonces::new([7; 32]);
        let client = "192.0.2.1:5000".parse().unwrap();
        let nonce = nonces.make(client, 1_000_000);
        assert_eq!(nonce.len(), 20);
        for (address, at, fresh) in [
            ("192.0.2.1:5000", 1_000_000, true),
            ("192.0.2.1:5000", 1_000_000 + LIFETIME_S, true),
            ("192.0.2.1:5000", 1_000_001 + LIFETIME_S, false),
            ("192.0.2.1:5000", 999_999, false),
            ("192.0.2.1:5001", 1_000_000, false),
            ("192.0.2.2:5000", 1_000_000, false),
            ("[::ffff:192.0.2.1]:5000", 1_000_000, false),
        ] {
            assert_eq!(nonces.is_fresh(&nonce, address.parse().unwrap(), at), fresh, "{address} at {at}");
        }
        assert!(!Nonces::new([8; 32]).is_fresh(&nonce, client, 1_000_000), "another server's");
    }

    #[test]
    fn what_is_no_nonce_is_not_fresh() {
        let nonces = Nonces::new([7; 32]);
        let client = "[2001:db8::1]:1".parse().unwrap();
        let good = nonces.make(client, 5);
        let longer = format!("{good}A");
        for nonce in ["", "A", &good[1..], &longer, "####################", &"A".repeat(700)] {
            assert!(!nonces.is_fresh(nonce, client, 5), "{nonce}");
        }
        for at in 0..good.len() {
            let mut other = good.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert!(!nonces.is_fresh(std::str::from_utf8(&other).unwrap(), client, 5), "{at}");
        }
    }
}
