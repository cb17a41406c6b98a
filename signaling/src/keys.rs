//! The keys that tokens may be signed with, and where they come from: a file, or an address of the service that signs.
//!
//! Both are looked at again while the server runs, so keys can be changed without a gap: the new one is added, then used to sign,
//! and the old one is taken away when its last token has expired. What cannot be used changes nothing: the keys from before stay,
//! and the log says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::fetch::{BadUrl, Endpoint, FetchError};
use crate::token::{self, Denied, Grant};

/// A symmetric key is at least as long as the hash (RFC 7518 §3.2).
pub(crate) const LEAST_SECRET_BYTES: usize = 32;
/// RFC 8032 §5.1.5.
const ED25519_BYTES: usize = 32;
/// An uncompressed point (SEC 1 §2.3.3): a byte for the form, and two coordinates.
const P256_POINT_BYTES: usize = 65;
/// More than any rotation needs, and not so many that trying them all takes long.
const MAX_KEYS: usize = 8;
/// How often it is seen whether a file has changed.
const FILE_EVERY: Duration = Duration::from_secs(2);
/// How often keys are fetched again.
const URL_EVERY: Duration = Duration::from_secs(300);
/// The same until there are any.
const URL_FIRST: Duration = Duration::from_secs(5);
/// Between two attempts, when tokens name a key that is not known: anybody can make up such names.
const URL_PAUSE: Duration = Duration::from_secs(30);
/// How long one attempt may take.
const URL_TIMEOUT: Duration = Duration::from_secs(5);
/// Of a set of keys.
const MAX_SET_BYTES: usize = 64 * 1024;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenKeysError {
    /// The file cannot be opened.
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
    /// The address of the keys is none, or not a safe one.
    #[error(transparent)]
    Url(#[from] BadUrl),
}

/// Why a set of keys from an address is not taken over.
#[derive(Debug, thiserror::Error)]
enum SetError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the answer has the status {0}; redirects are not followed")]
    Status(StatusCode),
    #[error("the answer is not a JSON Web Key Set")]
    Malformed,
    #[error("the set has a symmetric key: whoever can read it could make tokens")]
    Symmetric,
    #[error("the set has {0} keys that can check tokens; 1 to {MAX_KEYS} are allowed")]
    Count(usize),
}

/// The keys that tokens may be signed with. Clones share them.
#[derive(Clone, Debug)]
pub struct TokenKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    audience: Option<String>,
    source: Source,
    /// None, before any were fetched.
    keys: RwLock<Arc<[Key]>>,
}

#[derive(Debug)]
enum Source {
    File {
        path: PathBuf,
        /// What it looked like when it was read last.
        seen: Mutex<Option<Look>>,
    },
    Url {
        endpoint: Box<Endpoint>,
        /// Between two attempts for tokens that name a key which is not known.
        pause: Duration,
        /// The last attempt. Held while one is under way, so that all who wait for keys wait for the same.
        fetched: tokio::sync::Mutex<Option<Instant>>,
    },
}

/// When a file was written, and its length.
type Look = (SystemTime, u64);

/// A key, and what it checks.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Reads keys from a file: a JSON Web Key or a set of them, or a public key in PEM. With an audience, tokens must
    /// name it in `aud`; without one they must have no `aud`.
    ///
    /// # Errors
    /// When one of them cannot be used: better no server than one that checks less than its operator thinks.
    pub fn read(path: &Path, audience: Option<String>) -> Result<Self, TokenKeysError> {
        // Looked at before it is read: what is written in between is read again.
        let seen = look(path);
        let keys = read_file(path)?;
        Ok(Self::new(audience, Source::File { path: path.into(), seen: Mutex::new(seen) }, keys))
    }

    /// Keys that the server fetches from an address: a JSON Web Key Set. Until it has any it lets nobody in. Keys of other kinds
    /// than Ed25519 and P-256 are passed over; a set with a symmetric key is not taken.
    ///
    /// # Errors
    /// When the address is neither `https` nor of this machine.
    pub fn at(url: &str, audience: Option<String>) -> Result<Self, TokenKeysError> {
        Self::at_every(url, audience, URL_PAUSE)
    }

    /// For tests, which cannot wait for half a minute.
    ///
    /// # Errors
    /// As [`TokenKeys::at`].
    #[doc(hidden)]
    pub fn at_every(url: &str, audience: Option<String>, pause: Duration) -> Result<Self, TokenKeysError> {
        let endpoint = Box::new(Endpoint::parse(url)?);
        let fetched = tokio::sync::Mutex::new(None);
        Ok(Self::new(audience, Source::Url { endpoint, pause, fetched }, Vec::new()))
    }

    fn new(audience: Option<String>, source: Source, keys: Vec<Key>) -> Self {
        Self(Arc::new(Shared { audience, source, keys: RwLock::new(keys.into()) }))
    }

    /// For the fuzzer, which has no files: keys from text, and whether they admit the bearer of a token to a room.
    #[doc(hidden)]
    pub fn admits(text: &str, audience: Option<String>, token: &str, room: &str) -> Option<bool> {
        let keys = parse(Path::new("keys"), text).ok()?;
        Some(token::check(&keys, audience.as_deref(), Some(token), room, &[0; 32]).is_ok())
    }

    /// For the fuzzer: whether this would be taken as the answer of the address that keys come from.
    #[doc(hidden)]
    pub fn is_set(text: &[u8]) -> bool {
        parse_set(text).is_ok()
    }

    /// Checks the token of somebody who wants to join `room` with a key.
    pub(crate) fn check(&self, token: Option<&str>, room: &str, key: &[u8; 32]) -> Result<Grant, Denied> {
        token::check(&self.keys(), self.0.audience.as_deref(), token, room, key)
    }

    /// Whether it may help to [fetch](Self::fetch) keys for a token that was not accepted.
    pub(crate) fn can_fetch(&self) -> bool {
        match &self.0.source {
            Source::File { .. } => false,
            // One that is under way can be waited for.
            Source::Url { pause, fetched, .. } => {
                fetched.try_lock().map_or(true, |last| is_due(*last, *pause))
            }
        }
    }

    /// Fetches the keys, unless that was tried just now.
    pub(crate) async fn fetch(&self) {
        if let Source::Url { pause, .. } = &self.0.source {
            self.fetch_after(*pause).await;
        }
    }

    async fn fetch_after(&self, pause: Duration) {
        let Source::Url { endpoint, fetched, .. } = &self.0.source else { return };
        let mut last = fetched.lock().await;
        if !is_due(*last, pause) {
            return;
        }
        *last = Some(Instant::now());
        match timeout(URL_TIMEOUT, fetch_set(endpoint)).await.unwrap_or(Err(FetchError::Timeout.into())) {
            Ok(keys) => self.set(keys),
            Err(error) => tracing::warn!(%error, "cannot take over the keys of tokens from their address"),
        }
    }

    /// Keeps the keys fresh, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            match &self.0.source {
                Source::File { path, seen } => {
                    sleep(FILE_EVERY).await;
                    self.read_again(path, seen).await;
                }
                Source::Url { .. } => {
                    let pause = if self.keys().is_empty() { URL_FIRST } else { URL_EVERY };
                    self.fetch_after(pause.saturating_sub(Duration::from_secs(1))).await;
                    sleep(pause).await;
                }
            }
        }
    }

    async fn read_again(&self, path: &Path, seen: &Mutex<Option<Look>>) {
        let before = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path.to_owned();
        // Elsewhere: a file may be on a disk that does not answer.
        let read = tokio::task::spawn_blocking(move || {
            let now = look(&path);
            (now != before).then(|| (now, read_file(&path)))
        });
        let Ok(Some((now, read))) = read.await else { return };
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        match read {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the file of keys has changed");
                self.set(keys);
            }
            Err(error) => tracing::warn!(%error, "the keys of tokens stay as they were"),
        }
    }

    /// Whether none were fetched yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    fn keys(&self) -> Arc<[Key]> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, keys: Vec<Key>) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }
}

fn is_due(last: Option<Instant>, pause: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= pause)
}

fn look(path: &Path) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read_file(path: &Path) -> Result<Vec<Key>, TokenKeysError> {
    let text = fs::read_to_string(path).map_err(|error| TokenKeysError::Unreadable(path.into(), error))?;
    parse(path, &text)
}

/// Reads keys from the text of the file `path`.
fn parse(path: &Path, text: &str) -> Result<Vec<Key>, TokenKeysError> {
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
        1..=MAX_KEYS => Ok(keys),
        count => Err(TokenKeysError::Count(path.into(), count)),
    }
}

async fn fetch_set(endpoint: &Endpoint) -> Result<Vec<Key>, SetError> {
    match endpoint.get(MAX_SET_BYTES).await? {
        (StatusCode::OK, body) => parse_set(&body),
        (status, _) => Err(SetError::Status(status)),
    }
}

/// Reads what an address gives. Its owner may have keys there that are for something else: those are passed over
/// (RFC 7517 §5). Not symmetric ones, which are no secret there.
fn parse_set(body: &[u8]) -> Result<Vec<Key>, SetError> {
    let set: Value = serde_json::from_slice(body).map_err(|_| SetError::Malformed)?;
    let all = set.get("keys").and_then(Value::as_array).ok_or(SetError::Malformed)?;
    if all.iter().any(|key| key.get("kty").and_then(Value::as_str) == Some("oct")) {
        return Err(SetError::Symmetric);
    }
    let is_to_check =
        |jwk: &Jwk| jwk.common.public_key_use.as_ref().is_none_or(|what| *what == PublicKeyUse::Signature);
    let read = |key: &Value| {
        serde_json::from_value::<Jwk>(key.clone()).ok().filter(is_to_check).as_ref().and_then(read_jwk)
    };
    let keys: Vec<_> = all.iter().filter_map(read).filter(|key| key.algorithm != Algorithm::HS256).collect();
    match keys.len() {
        1..=MAX_KEYS => Ok(keys),
        count => Err(SetError::Count(count)),
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
    is_fit(algorithm, &key).then(|| Key { id: jwk.common.key_id.clone(), algorithm, key })
}

/// Whether a key has the form that its algorithm needs. The library looks only when a token is checked: it reads 32 bytes of an
/// Ed25519 key, whatever it has, and panics at fewer.
fn is_fit(algorithm: Algorithm, key: &DecodingKey) -> bool {
    let Ok(bytes) = key.try_get_as_bytes() else { return false };
    let has_length = match algorithm {
        Algorithm::EdDSA => bytes.len() == ED25519_BYTES,
        Algorithm::ES256 => bytes.len() == P256_POINT_BYTES,
        _ => bytes.len() >= LEAST_SECRET_BYTES,
    };
    // That nothing signed nothing is false for a good key; one that is no point of its curve is an error.
    has_length && jsonwebtoken::crypto::verify("", &[], key, algorithm).is_ok()
}

/// A public key in PEM (RFC 7468): Ed25519 or P-256.
fn read_pem(text: &str) -> Option<Key> {
    if !text.contains("-----BEGIN PUBLIC KEY-----") {
        return None;
    }
    let (algorithm, key) = match DecodingKey::from_ed_pem(text.as_bytes()) {
        Ok(key) => (Algorithm::EdDSA, key),
        Err(_) => (Algorithm::ES256, DecodingKey::from_ec_pem(text.as_bytes()).ok()?),
    };
    is_fit(algorithm, &key).then_some(Key { id: None, algorithm, key })
}
