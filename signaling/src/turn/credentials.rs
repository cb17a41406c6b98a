//! Credentials that are good for ten minutes, from a secret that the server shares with nobody or with a coturn of the
//! same operator (its `use-auth-secret`): the user name is when they expire and for whom they are, the password is what
//! the secret makes of that. So nothing is stored, and who has left gets no new ones.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use stun_types::attribute::MessageIntegrity;
use stun_types::message::{IntegrityKey, LongTermKeyCredentials, ShortTermCredentials};

use super::wire::Algorithm;

/// How long credentials are good for at most, in seconds.
pub const LONGEST_LIFETIME_S: u64 = 600;
/// By how much the clocks of those who mint may be ahead.
const CLOCK_SKEW_S: u64 = 30;
/// A user name may be longer than what we mint, as others may mint too.
const MAX_NAME_BYTES: usize = 256;
/// The realm that passwords are for. Short, as it is in every challenge.
pub(crate) const REALM: &str = "peerloom";
/// A secret must be hard to guess: everybody who gets credentials can try it out at home.
pub(crate) const LEAST_SECRET_BYTES: usize = 32;

/// What credentials are made with.
#[derive(Clone)]
pub struct TurnSecret(Arc<str>);

impl std::fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnSecret")
    }
}

/// The secret can be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret must have at least {LEAST_SECRET_BYTES} bytes, all of them printable (openssl rand -base64 48 makes one)"
)]
pub struct BadTurnSecret;

impl TurnSecret {
    /// Takes a secret, without the white space around it.
    ///
    /// # Errors
    /// When it is too short to be one, or a program could read it otherwise than it was written.
    pub fn new(secret: &str) -> Result<Self, BadTurnSecret> {
        let secret = secret.trim();
        let is_good =
            secret.len() >= LEAST_SECRET_BYTES && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good { Ok(Self(secret.into())) } else { Err(BadTurnSecret) }
    }

    /// One that nobody else has.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub fn random() -> Self {
        let mut bytes = [0; LEAST_SECRET_BYTES];
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// A user name and its password, good until so many seconds after 1970.
    pub(crate) fn mint(&self, subject: &str, expires_unix_s: u64) -> (String, String) {
        let name = format!("{expires_unix_s}:{subject}");
        let password = self.password(&name);
        (name, password)
    }

    fn password(&self, name: &str) -> String {
        // HMAC-SHA1 by the secret, of which the codec has one for signing with a password.
        let key = ShortTermCredentials::new(self.0.to_string()).make_key();
        let code = MessageIntegrity::compute(&[name.as_bytes()], &key).expect("a key of any length will do");
        STANDARD.encode(code)
    }

    /// Who may sign now by this user name, and with which key.
    pub(crate) fn user(&self, name: &str, algorithm: Algorithm, unix_s: u64) -> Option<User> {
        let (expires, subject) = name.split_once(':').filter(|_| name.len() <= MAX_NAME_BYTES)?;
        // Digits alone: a sign, or another way to write the same, would be another name for the same.
        let is_number = !expires.starts_with('0') && expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires_unix_s = expires.parse().ok().filter(|_| is_number)?;
        let is_good = unix_s < expires_unix_s && expires_unix_s <= unix_s + LONGEST_LIFETIME_S + CLOCK_SKEW_S;
        if !is_good || subject.is_empty() {
            return None;
        }
        let password = self.password(name);
        let key =
            LongTermKeyCredentials::new(name.to_owned(), password, REALM.to_owned()).make_key(algorithm);
        Some(User { subject: subject.to_owned(), expires_unix_s, key })
    }
}

/// What a good user name says.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) subject: String,
    pub(crate) expires_unix_s: u64,
    pub(crate) key: IntegrityKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn secret() -> TurnSecret {
        TurnSecret::new("a secret of 32 bytes would do it".replace(' ', "-").as_str()).unwrap()
    }

    #[test]
    fn passwords_are_those_of_coturn() {
        // printf 1800000600:ada | openssl dgst -sha1 -hmac a-secret-of-32-bytes-would-do-it -binary | base64
        let (name, password) = secret().mint("ada", 1_800_000_600);
        assert_eq!((&*name, &*password), ("1800000600:ada", "18+zmyOmA9S1pFjX/ZUdgYAj8wI="));
    }

    #[test]
    fn a_name_is_good_until_it_expires_and_for_ten_minutes_at_most() {
        let user = |name: &str| secret().user(name, Algorithm::Sha1, NOW);
        assert_eq!(user(&format!("{}:ada", NOW + 1)).unwrap().subject, "ada");
        assert_eq!(user(&format!("{}:a:b", NOW + 600)).unwrap().subject, "a:b");
        for name in [
            format!("{NOW}:ada"),
            format!("{}:ada", NOW - 1),
            format!("{}:ada", NOW + 631),
            format!("{}:", NOW + 1),
            format!("{}", NOW + 1),
            format!("+{}:ada", NOW + 1),
            format!("0{}:ada", NOW + 1),
            format!("{}:{}", NOW + 1, "a".repeat(256)),
            format!("{}:ada", u64::MAX),
            "99999999999999999999999:ada".to_owned(),
            ":ada".to_owned(),
            String::new(),
        ] {
            assert!(user(&name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_secret_cannot_be_guessed() {
        for bad in
            ["", "short", &"a".repeat(31), &format!("{} {}", "a".repeat(20), "b".repeat(20)), &"ä".repeat(32)]
        {
            assert!(TurnSecret::new(bad).is_err(), "{bad}");
        }
        assert!(TurnSecret::new(&format!("{}\n", "a".repeat(32))).is_ok());
        assert_eq!(format!("{:?}", TurnSecret::random()), "TurnSecret");
    }
}
