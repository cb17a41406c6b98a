//! Admission tokens: JSON Web Tokens (RFC 7519) that an application's own service signs and this server checks.
//!
//! A token says which room its bearer may join and what it may do there. Only three algorithms are taken, and which one a
//! key is for follows from the key, never from the token (RFC 8725 §3.1): Ed25519 keys check `EdDSA`, P-256 keys `ES256`,
//! and symmetric ones `HS256`. `docs/signaling-server.md` describes the claims.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, decode, decode_header};
use peerloom_protocol::signal::Refusal;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::hub::Refused;

/// From now until a token expires, at most: one that is stolen is of use for no longer.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(600);
/// How far the clock of the service that signs may be off.
const LEEWAY: Duration = Duration::from_secs(30);
/// A symmetric key is at least as long as the hash (RFC 7518 §3.2).
pub(crate) const LEAST_SECRET_BYTES: usize = 32;
/// More than any rotation needs, and not so many that trying them all takes long.
const MAX_KEYS: usize = 8;

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenKeysError {
    /// It cannot be opened.
    #[error("cannot read the key file {0:?}: {1}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// It is neither JSON Web Keys (RFC 7517) nor a public key in PEM.
    #[error("the key file {0:?} holds neither JSON Web Keys nor a public key in PEM")]
    Malformed(PathBuf),
    /// One of its keys is of a kind that is not taken.
    #[error(
        "key {1} in {0:?} cannot check tokens: it must be Ed25519, P-256, or symmetric with at least {LEAST_SECRET_BYTES} bytes"
    )]
    Unfit(PathBuf, usize),
    /// It holds none, or too many.
    #[error("the key file {0:?} holds {1} keys; 1 to {MAX_KEYS} are allowed")]
    Count(PathBuf, usize),
}

/// The keys that tokens may be signed with.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    keys: Vec<Key>,
    audience: Option<String>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// What a token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whether the server passes packets on for this member.
    pub(crate) may_relay: bool,
    /// Whether this member may send others away.
    pub(crate) may_kick: bool,
    /// Whom the token names.
    pub(crate) subject: Option<String>,
    /// To how many different members at most it passes them on within a second.
    pub(crate) relay_fanout: Option<usize>,
    /// The room is not entered when it holds so many already; the server's own limit counts too.
    pub(crate) room_cap: usize,
}

impl Grant {
    /// What everybody may where no token is asked for. Nobody sends others away there.
    pub(crate) fn everything() -> Self {
        Self { may_relay: true, relay_fanout: None, may_kick: false, subject: None, room_cap: usize::MAX }
    }
}

/// What this server reads of a token. `exp`, `nbf` and `aud` are checked by the library.
#[derive(Deserialize)]
struct Claims {
    exp: u64,
    sub: Option<String>,
    room: Option<String>,
    room_prefix: Option<String>,
    room_cap: Option<usize>,
    relay_fanout: Option<usize>,
    perm: Option<Vec<String>>,
    cnf: Option<Confirmation>,
}

/// The key that its bearer must join with (RFC 7800 §3): itself, or its thumbprint.
#[derive(Deserialize)]
struct Confirmation {
    jwk: Option<ConfirmedKey>,
    /// RFC 7638, as RFC 9449 §6.1 has it.
    jkt: Option<String>,
}

#[derive(Deserialize)]
struct ConfirmedKey {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
}

impl Confirmation {
    /// Whether this is the Ed25519 key that is meant. One that is named in another way, or is of another kind, is not.
    fn is_of(&self, key: &[u8; 32]) -> bool {
        let x = URL_SAFE_NO_PAD.encode(key);
        let is_key = |jwk: &ConfirmedKey| {
            jwk.kty == "OKP" && jwk.crv.as_deref() == Some("Ed25519") && jwk.x.as_ref() == Some(&x)
        };
        let is_thumbprint = |jkt: &String| {
            // The members that the key needs, in this order and without blanks (RFC 8037 §2).
            let digest = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
            *jkt == URL_SAFE_NO_PAD.encode(digest)
        };
        match (&self.jwk, &self.jkt) {
            (None, None) => false,
            (jwk, jkt) => jwk.as_ref().is_none_or(is_key) && jkt.as_ref().is_none_or(is_thumbprint),
        }
    }
}

impl Claims {
    fn is_for(&self, room: &str) -> bool {
        match (&self.room, &self.room_prefix) {
            (Some(name), None) => name == room,
            (None, Some(prefix)) => room.starts_with(prefix.as_str()),
            // Both: neither may be what the other was not meant to allow.
            (Some(name), Some(prefix)) => name == room && room.starts_with(prefix.as_str()),
            (None, None) => false,
        }
    }

    /// Whether a permission is given that every token gives which does not say what it permits.
    fn permits(&self, what: &str) -> bool {
        self.perm.is_none() || self.names(what)
    }

    /// Whether a permission is among those that the token names.
    fn names(&self, what: &str) -> bool {
        self.perm.as_ref().is_some_and(|all| all.iter().any(|one| one == what))
    }

    fn grant(self) -> Grant {
        Grant {
            may_relay: self.permits("relay") && self.relay_fanout != Some(0),
            relay_fanout: self.relay_fanout,
            // One that says nothing of permissions was made by somebody who thought of members, not of moderators.
            may_kick: self.names("kick"),
            subject: self.sub,
            room_cap: self.room_cap.unwrap_or(usize::MAX),
        }
    }
}

impl TokenKeys {
    /// Reads keys from a file: a JSON Web Key or a set of them, or a public key in PEM. With an audience, tokens must
    /// name it in `aud`; without one they must have no `aud`.
    ///
    /// # Errors
    /// When one of them cannot be used: better no server than one that checks less than its operator thinks.
    pub fn read(path: &Path, audience: Option<String>) -> Result<Self, TokenKeysError> {
        let text =
            fs::read_to_string(path).map_err(|error| TokenKeysError::Unreadable(path.into(), error))?;
        Self::parse(path, &text, audience)
    }

    /// Reads keys from the text of the file `path`.
    fn parse(path: &Path, text: &str, audience: Option<String>) -> Result<Self, TokenKeysError> {
        let keys = if text.trim_start().starts_with('{') {
            let jwks = parse_jwks(text).ok_or_else(|| TokenKeysError::Malformed(path.into()))?;
            (1..)
                .zip(&jwks)
                .map(|(number, jwk)| read_jwk(jwk).ok_or_else(|| TokenKeysError::Unfit(path.into(), number)))
                .collect::<Result<Vec<_>, _>>()?
        } else {
            vec![read_pem(text).ok_or_else(|| TokenKeysError::Malformed(path.into()))?]
        };
        match keys.len() {
            1..=MAX_KEYS => Ok(Self { keys, audience }),
            count => Err(TokenKeysError::Count(path.into(), count)),
        }
    }

    /// For the fuzzer, which has no files: keys from text, and whether they admit the bearer of a token to a room.
    #[doc(hidden)]
    pub fn admits(text: &str, audience: Option<String>, token: &str, room: &str) -> Option<bool> {
        let keys = Self::parse(Path::new("keys"), text, audience).ok()?;
        Some(keys.check(Some(token), room, &[0; 32]).is_ok())
    }

    /// Checks the token of somebody who wants to join `room` with a key. That it is the bearer's own key the other members
    /// check, by the signature of its hello.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], with a reason for people that tells nothing of the keys.
    pub(crate) fn check(&self, token: Option<&str>, room: &str, key: &[u8; 32]) -> Result<Grant, Refused> {
        let refused = |why: &'static str| (Refusal::Unauthorized, why.into());
        let token = token.ok_or(refused("a token is needed to join"))?;
        let claims = self.claims(token).map_err(|kind| refused(explain(&kind)))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if Duration::from_secs(claims.exp) > now + MAX_LIFETIME + LEEWAY {
            return Err(refused("the token is good for more than 10 minutes"));
        }
        if !claims.is_for(room) {
            return Err(refused("the token is for another room"));
        }
        if claims.cnf.as_ref().is_some_and(|confirmation| !confirmation.is_of(key)) {
            return Err(refused("the token is for another key"));
        }
        if !claims.permits("join") {
            return Err(refused("the token does not permit to join"));
        }
        Ok(claims.grant())
    }

    fn claims(&self, token: &str) -> Result<Claims, ErrorKind> {
        let header = decode_header(token).map_err(|error| error.into_kind())?;
        let is_candidate = |key: &&Key| {
            let named = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
            named && key.algorithm == header.alg
        };
        // The algorithm is among those of our keys, or there is no candidate.
        let mut failure = ErrorKind::InvalidAlgorithm;
        for key in self.keys.iter().filter(is_candidate) {
            let mut validation = Validation::new(key.algorithm);
            validation.leeway = LEEWAY.as_secs();
            validation.validate_nbf = true;
            if let Some(audience) = &self.audience {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => failure = error.into_kind(),
            }
            // Another key will not make more of what this one has signed.
            if failure != ErrorKind::InvalidSignature {
                break;
            }
        }
        Err(failure)
    }
}

/// The keys of a set, or of a file with one.
fn parse_jwks(text: &str) -> Option<Vec<Jwk>> {
    let set = serde_json::from_str::<JwkSet>(text).map(|set| set.keys);
    set.or_else(|_| serde_json::from_str::<Jwk>(text).map(|key| vec![key])).ok()
}

/// The first symmetric key that can check tokens, with its name, to sign some with.
pub(crate) fn signing_key(text: &str) -> Option<(Option<String>, EncodingKey)> {
    let keys = parse_jwks(text)?;
    let key = keys.iter().filter_map(read_jwk).find(|key| key.algorithm == Algorithm::HS256)?;
    Some((key.id, EncodingKey::from_secret(key.key.try_get_as_bytes().ok()?)))
}

/// A key that can check tokens; None for any other.
fn read_jwk(jwk: &Jwk) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let is_long_enough = algorithm != Algorithm::HS256
        || key.try_get_as_bytes().is_ok_and(|secret| secret.len() >= LEAST_SECRET_BYTES);
    is_long_enough.then(|| Key { id: jwk.common.key_id.clone(), algorithm, key })
}

/// A public key in PEM (RFC 7468): Ed25519 or P-256.
fn read_pem(text: &str) -> Option<Key> {
    /// An uncompressed point: a byte for the form, and two coordinates.
    const P256_POINT_BYTES: usize = 65;
    if !text.contains("-----BEGIN PUBLIC KEY-----") {
        return None;
    }
    if let Ok(key) = DecodingKey::from_ed_pem(text.as_bytes()) {
        return Some(Key { id: None, algorithm: Algorithm::EdDSA, key });
    }
    let key = DecodingKey::from_ec_pem(text.as_bytes()).ok()?;
    let is_p256 = key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_POINT_BYTES);
    is_p256.then_some(Key { id: None, algorithm: Algorithm::ES256, key })
}

/// What the person whose token is refused needs to know.
fn explain(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => "the token is signed by a key that is not known here",
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is signed by an algorithm or a key that is not known here"
        }
        ErrorKind::InvalidAudience => "the token is for another service",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp or aud",
        _ => "the token cannot be read",
    }
}
