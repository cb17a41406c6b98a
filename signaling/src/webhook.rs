//! Admission by asking: another service of the operator's says of each join what its bearer may do.
//!
//! It is asked with the room, the id and key, and the token if there was one; never with an address. That it is this server which asks
//! it can tell by a signature. Without an answer in time that can be read, nobody joins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderName, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::signal::{Join, Refusal};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fetch::{BadUrl, Endpoint, FetchError};
use crate::hub::Refused;
use crate::token::{Grant, Terms};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a join may wait to be asked about: longer, so that those before it have had their answers by then.
const PATIENCE: Duration = Duration::from_secs(4);
/// Questions at the same time.
const AT_ONCE: usize = 32;
/// Joins that wait to be asked about. One too many is told so at once.
const MAX_WAITING: usize = 1024;
/// Of an answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The secret that questions are signed with is at least so long.
const LEAST_SECRET_BYTES: usize = 32;
/// `t=` and the time in seconds, `v1=` and the signature in hexadecimal.
const SIGNATURE: HeaderName = HeaderName::from_static("peerloom-signature");

/// Said to whom nothing else is said.
const NO: &str = "you may not join this room";

/// Why no service can be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionHookError {
    /// Its address is none, or not a safe one.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// There is no secret, or a short one.
    #[error("questions are signed with a secret of at least {LEAST_SECRET_BYTES} bytes")]
    Secret,
}

/// A service that says who may join. Clones share its limits.
#[derive(Clone, Debug)]
pub struct AdmissionHook(Arc<Shared>);

struct Shared {
    endpoint: Endpoint,
    secret: Vec<u8>,
    slots: Semaphore,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdmissionHook").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What an answer that refuses may say.
#[derive(Default, Deserialize)]
struct No {
    reason: Option<String>,
}

/// Counts one join that waits, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AdmissionHook {
    /// A service at an address, asked with questions that are signed with a secret of at least 32 bytes.
    ///
    /// # Errors
    /// When the address is neither `https` nor of this machine, or the secret is too short.
    pub fn at(url: &str, secret: &str) -> Result<Self, AdmissionHookError> {
        let endpoint = Endpoint::parse(url)?;
        if secret.len() < LEAST_SECRET_BYTES {
            return Err(AdmissionHookError::Secret);
        }
        let slots = Semaphore::new(AT_ONCE);
        Ok(Self(Arc::new(Shared { endpoint, secret: secret.into(), slots, waiting: AtomicUsize::new(0) })))
    }

    /// Asks about a join.
    ///
    /// # Cancel safety
    /// Dropped, the question is given up.
    pub(crate) fn ask(&self, join: &Join) -> impl Future<Output = Result<Grant, Refused>> + Send + 'static {
        let shared = self.0.clone();
        let body = question(join);
        async move { shared.ask(body).await }
    }
}

impl Shared {
    async fn ask(&self, body: Bytes) -> Result<Grant, Refused> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(unavailable());
        }
        let Ok(Ok(_slot)) = timeout(PATIENCE, self.slots.acquire()).await else {
            return Err(unavailable());
        };
        drop(waiting);
        let answer = timeout(TIMEOUT, self.post(body)).await.unwrap_or(Err(FetchError::Timeout));
        match answer {
            Ok((status, body)) => read_answer(status, &body),
            Err(error) => {
                tracing::warn!(%error, "the service that says who may join was asked in vain");
                Err(unavailable())
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<(StatusCode, Bytes), FetchError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = sign(&self.secret, now, &body);
        self.endpoint.post(&[(SIGNATURE, signature)], body, MAX_ANSWER_BYTES).await
    }
}

/// What the service is asked.
fn question(join: &Join) -> Bytes {
    let question = json!({
        "room": &*join.room,
        "id": PeerId::of(&join.key, &join.secret.hash()).to_string(),
        "key": URL_SAFE_NO_PAD.encode(join.key),
        "token": join.token.as_deref(),
    });
    question.to_string().into()
}

/// HMAC-SHA-256 (RFC 2104) of the time in seconds, a full stop and the body.
fn sign(secret: &[u8], seconds: u64, body: &[u8]) -> HeaderValue {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("t={seconds},v1={digest}")).expect("digits and letters")
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<Grant, Refused> {
    match status {
        StatusCode::OK => {
            let Ok(terms) = serde_json::from_slice::<Terms>(body) else {
                tracing::warn!("the service that says who may join gave an answer that cannot be read");
                return Err(unavailable());
            };
            terms.grant().ok_or((Refusal::Unauthorized, NO.into()))
        }
        StatusCode::FORBIDDEN => {
            let No { reason } = serde_json::from_slice(body).unwrap_or_default();
            let reason = reason.filter(|reason| !reason.is_empty());
            let why = reason.map_or(NO.into(), Into::into);
            Err((Refusal::Unauthorized, why))
        }
        _ => {
            tracing::warn!(%status, "the service that says who may join gave an answer of no use");
            Err(unavailable())
        }
    }
}

pub(crate) fn unavailable() -> Refused {
    (Refusal::Unavailable, "who may join cannot be found out at the moment".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac_of_time_and_body() {
        // Python: hmac.new(b"k" * 32, b'1700000000.{"a":1}', "sha256").hexdigest()
        let expected = "t=1700000000,v1=6935b796c0fec66e5dee52c86c7fd1218a424c32f1adb239ff2893c31e54f033";
        assert_eq!(sign(&[b'k'; 32], 1_700_000_000, br#"{"a":1}"#), expected);
        assert!(matches!(
            AdmissionHook::at("http://localhost/", &"k".repeat(31)),
            Err(AdmissionHookError::Secret)
        ));
        assert!(matches!(
            AdmissionHook::at("http://a.example/", &"k".repeat(32)),
            Err(AdmissionHookError::Url(_))
        ));
    }
}
