//! `peerloom-signaling token`: makes a token, for trying admission out. An application's own service makes them otherwise,
//! with any library for JSON Web Tokens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::json;

use crate::keys::{LEAST_SECRET_BYTES, signing_key};
use crate::token::MAX_LIFETIME;

/// Makes a token for trying admission out, signed with HS256, and prints it.
#[derive(Clone, Debug, Args)]
pub struct TokenOptions {
    /// A file with a symmetric JSON Web Key, as given to --token-keys. Made with a new key if it is not there
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The room that may be joined
    #[arg(long, value_name = "NAME", required_unless_present = "room_prefix")]
    pub room: Option<String>,
    /// Every room whose name begins so may be joined
    #[arg(long, value_name = "TEXT", conflicts_with = "room")]
    pub room_prefix: Option<String>,
    /// Whom the token is for
    #[arg(long, value_name = "NAME")]
    pub subject: Option<String>,
    /// The service that the token is for, as given to --token-audience
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,
    /// What it permits: join, relay, kick. Repeatable, or with commas. Without this join and relay
    #[arg(long = "perm", value_name = "NAME", value_delimiter = ',')]
    pub permissions: Option<Vec<String>>,
    /// The Ed25519 key that its bearer must join with, as base64url
    // One key in 64 begins with a hyphen.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub cnf: Option<String>,
    /// The room is not entered when it holds so many already
    #[arg(long, value_name = "N")]
    pub room_cap: Option<u32>,
    /// To how many different members packets are passed on for the bearer within a second
    #[arg(long, value_name = "N")]
    pub relay_fanout: Option<u32>,
    /// How long it is good for
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..=MAX_LIFETIME.as_secs()))]
    pub lifetime: u64,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The file of the key cannot be read or written.
    #[error("the key file {0:?}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// It holds no symmetric key.
    #[error("the key file {0:?} holds no symmetric JSON Web Key with at least {LEAST_SECRET_BYTES} bytes")]
    NoKey(PathBuf),
}

#[derive(Serialize)]
struct Claims {
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_cap: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_fanout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    perm: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<serde_json::Value>,
}

/// Makes the token.
///
/// # Errors
/// When there is no key to sign it with.
///
/// # Panics
/// When the operating system has no random numbers to give for a new key.
pub fn mint(options: TokenOptions) -> Result<String, MintError> {
    let TokenOptions {
        key,
        room,
        room_prefix,
        subject,
        audience,
        permissions,
        cnf,
        room_cap,
        relay_fanout,
        lifetime,
    } = options;
    let (id, secret) = read_or_make(&key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = Claims {
        iat: now,
        exp: now + lifetime,
        sub: subject,
        aud: audience,
        room,
        room_prefix,
        room_cap,
        relay_fanout,
        perm: permissions,
        cnf: cnf.map(|x| json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } })),
    };
    let header = Header { kid: id, ..Header::new(Algorithm::HS256) };
    encode(&header, &claims, &secret).map_err(|_| MintError::NoKey(key))
}

fn read_or_make(path: &Path) -> Result<(Option<String>, EncodingKey), MintError> {
    let in_file = |error| MintError::File(path.into(), error);
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = new_key();
            write_secret(path, &text).map_err(in_file)?;
            text
        }
        read => read.map_err(in_file)?,
    };
    signing_key(&text).ok_or_else(|| MintError::NoKey(path.into()))
}

fn new_key() -> String {
    let mut secret = [0; LEAST_SECRET_BYTES];
    let mut id = [0; 4];
    for bytes in [&mut secret[..], &mut id[..]] {
        getrandom::fill(bytes).expect("the operating system gives random numbers");
    }
    let [id, secret] = [&id[..], &secret[..]].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let key = json!({ "kty": "oct", "alg": "HS256", "kid": id, "k": secret });
    format!("{}\n", json!({ "keys": [key] }))
}

/// Writes what nobody else on this machine may read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}
