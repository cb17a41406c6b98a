//! Admission tokens: JSON Web Tokens (RFC 7519) that an application's own service signs and this server checks.
//!
//! A token says which room its bearer may join and what it may do there. Only three algorithms are taken, and which one a
//! key is for follows from the key, never from the token (RFC 8725 §3.1): Ed25519 keys check `EdDSA`, P-256 keys `ES256`,
//! and symmetric ones `HS256`. `docs/signaling-server.md` describes the claims.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use peerloom_protocol::signal::Refusal;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::hub::Refused;
use crate::keys::Key;

/// From now until a token expires, at most: one that is stolen is of use for no longer.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(600);
/// How far the clock of the service that signs may be off.
const LEEWAY: Duration = Duration::from_secs(30);
/// Why a token is not accepted.
#[derive(Debug)]
pub(crate) struct Denied {
    /// [`Refusal::Unauthorized`], with a reason for people that tells nothing of the keys.
    pub(crate) refused: Refused,
    /// It names a key that is not known, which may be a new one.
    pub(crate) unknown_key: bool,
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

/// What this server reads of a token. `exp` and `aud` are checked by the library, which passes over what is of another type: so all
/// have theirs here.
#[derive(Deserialize)]
struct Claims {
    exp: u64,
    /// A NumericDate (RFC 7519 §2) may have a fraction.
    nbf: Option<f64>,
    #[serde(rename = "aud")]
    _aud: Option<Audience>,
    room: Option<String>,
    room_prefix: Option<String>,
    cnf: Option<Confirmation>,
    #[serde(flatten)]
    terms: Terms,
}

/// Whom a token is for (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(#[allow(dead_code)] String),
    Many(#[allow(dead_code)] Vec<String>),
}

/// What somebody may do in a room, as a token says it, or a service that was asked.
#[derive(Deserialize)]
pub(crate) struct Terms {
    sub: Option<String>,
    room_cap: Option<usize>,
    relay_fanout: Option<usize>,
    perm: Option<Vec<String>>,
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
}

impl Terms {
    /// Whether a permission is given that is given where none is named.
    fn permits(&self, what: &str) -> bool {
        self.perm.is_none() || self.names(what)
    }

    /// Whether a permission is among those that are named.
    fn names(&self, what: &str) -> bool {
        self.perm.as_ref().is_some_and(|all| all.iter().any(|one| one == what))
    }

    /// None when joining is not permitted.
    pub(crate) fn grant(self) -> Option<Grant> {
        self.permits("join").then(|| Grant {
            may_relay: self.permits("relay") && self.relay_fanout != Some(0),
            relay_fanout: self.relay_fanout,
            // Terms that say nothing of permissions were made by somebody who thought of members, not of moderators.
            may_kick: self.names("kick"),
            subject: self.sub,
            room_cap: self.room_cap.unwrap_or(usize::MAX),
        })
    }
}

/// Checks the token of somebody who wants to join `room` with a key. That it is the bearer's own key the other members
/// check, by the signature of its hello.
///
/// # Errors
/// Why it is not accepted.
pub(crate) fn check(
    keys: &[Key],
    audience: Option<&str>,
    token: Option<&str>,
    room: &str,
    key: &[u8; 32],
) -> Result<Grant, Denied> {
    let denied =
        |why: &'static str| Denied { refused: (Refusal::Unauthorized, why.into()), unknown_key: false };
    let token = token.ok_or(denied("a token is needed to join"))?;
    let claims = match verify(keys, audience, token) {
        Ok(claims) => claims,
        Err((kind, unknown_key)) => return Err(Denied { unknown_key, ..denied(explain(&kind)) }),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if Duration::from_secs(claims.exp) > now + MAX_LIFETIME + LEEWAY {
        return Err(denied("the token is good for more than 10 minutes"));
    }
    if claims.nbf.is_some_and(|from| from > (now + LEEWAY).as_secs_f64()) {
        return Err(denied(explain(&ErrorKind::ImmatureSignature)));
    }
    if !claims.is_for(room) {
        return Err(denied("the token is for another room"));
    }
    if claims.cnf.as_ref().is_some_and(|confirmation| !confirmation.is_of(key)) {
        return Err(denied("the token is for another key"));
    }
    claims.terms.grant().ok_or(denied("the token does not permit to join"))
}

/// What a token says, if one of the keys has signed it and it is good now. Otherwise why not, and whether it names a key that is not
/// among them.
fn verify(keys: &[Key], audience: Option<&str>, token: &str) -> Result<Claims, (ErrorKind, bool)> {
    let header = decode_header(token).map_err(|error| (error.into_kind(), false))?;
    let unknown_key = header.kid.is_some() && keys.iter().all(|key| key.id != header.kid);
    let is_candidate = |key: &&Key| {
        let named = header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        named && key.algorithm == header.alg
    };
    // The algorithm is among those of our keys, or there is no candidate.
    let mut failure = ErrorKind::InvalidAlgorithm;
    for key in keys.iter().filter(is_candidate) {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        if let Some(audience) = audience {
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
    Err((failure, unknown_key))
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
