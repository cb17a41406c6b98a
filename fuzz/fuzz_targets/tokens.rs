//! Admission tokens, and the files of keys that they are checked with. What is admitted must be signed exactly so, for that
//! room, and good for no longer than a token may be; the fuzzer signs for itself, as it cannot guess a signature.
#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::Steps;
use peerloom_signaling::TokenKeys;
use serde_json::Value;

const SECRET: [u8; 32] = *b"a secret that everybody may know";
const ROOM: &str = "demo";
const AUDIENCE: &str = "rooms.example";
/// Stands in the corpus for the second at which a token expires, in as many digits.
const SOON: &str = "1111111111";
/// What the server allows from now on, and for clocks that are off.
const LONGEST_S: u64 = 600 + 30;

static KEYS: LazyLock<String> = LazyLock::new(|| {
    // A key of each kind. Of the other two nobody has the secret half: they are the examples of RFC 8037 and RFC 7517.
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    format!(
        r#"{{"keys":[{{"kty":"oct","k":"{secret}"}},
{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
{{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}]}}"#
    )
});

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// The signature that belongs to header and claims.
fn signature(signed: &str) -> String {
    sign(signed.as_bytes(), &EncodingKey::from_secret(&SECRET), Algorithm::HS256).expect("a key for it")
}

/// What must be true of a token that was let in.
fn check_admitted(token: &str, with_audience: bool) {
    let mut parts = token.split('.');
    let [header, claims, signed_by] = [(); 3].map(|()| parts.next().expect("three parts"));
    assert_eq!(parts.next(), None);
    assert_eq!(signature(&format!("{header}.{claims}")), signed_by);

    let [header, claims] = [header, claims].map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice::<Value>(&bytes).expect("JSON")
    });
    assert_eq!(header["alg"], "HS256");
    let expires = claims["exp"].as_f64().expect("a number") as u64;
    assert!(expires + LONGEST_S > now() && expires <= now() + LONGEST_S, "{expires}");
    if let Some(from) = claims["nbf"].as_f64() {
        assert!(from as u64 <= now() + 30, "{from}");
    }
    let (room, prefix) = (claims["room"].as_str(), claims["room_prefix"].as_str());
    assert!(room.is_some() || prefix.is_some());
    assert!(room.is_none_or(|room| room == ROOM) && prefix.is_none_or(|prefix| ROOM.starts_with(prefix)));
    match &claims["perm"] {
        Value::Null => {}
        Value::Array(all) => assert!(all.iter().any(|one| one == "join")),
        other => panic!("{other}"),
    }
    if !claims["cnf"].is_null() {
        // The fuzzer joins with a key of zeros, whose thumbprint no input will have by chance.
        assert_eq!(claims["cnf"]["jwk"]["x"], "A".repeat(43));
    }
    match &claims["aud"] {
        Value::Null => assert!(!with_audience),
        Value::String(one) => assert!(with_audience && one == AUDIENCE),
        Value::Array(all) => assert!(with_audience && all.iter().any(|one| one == AUDIENCE)),
        other => panic!("{other}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut steps = Steps::new(data);
    let kind = steps.byte();
    let with_audience = kind & 4 != 0;
    let audience = with_audience.then(|| AUDIENCE.to_owned());
    let [first, second] = [(); 2].map(|()| steps.piece());
    match kind % 4 {
        // Any keys, any token.
        0 => {
            let _ = TokenKeys::is_set(first);
            if let (Ok(keys), Ok(token)) = (str::from_utf8(first), str::from_utf8(second)) {
                let _ = TokenKeys::admits(keys, audience, token, ROOM);
            }
        }
        // Good keys, any token.
        1 => {
            let Ok(token) = str::from_utf8(first) else { return };
            if TokenKeys::admits(&KEYS, audience, token, ROOM).expect("good keys") {
                check_admitted(token, with_audience);
            }
        }
        // Any header and claims, signed; and what is left of that when a byte of it is another.
        kind => {
            let Ok(claims) = str::from_utf8(second) else { return };
            let claims = claims.replace(SOON, &(now() + 300).to_string());
            let [header, claims] = [first, claims.as_bytes()].map(|part| URL_SAFE_NO_PAD.encode(part));
            let signed = format!("{header}.{claims}");
            let mut token = format!("{signed}.{}", signature(&signed));
            if kind == 3 {
                let at = usize::from(steps.byte()) << 8 | usize::from(steps.byte());
                let at = at % token.len();
                let by = char::from(steps.byte() & 0x7f);
                token.replace_range(at..=at, by.encode_utf8(&mut [0; 4]));
            }
            if TokenKeys::admits(&KEYS, audience, &token, ROOM).expect("good keys") {
                check_admitted(&token, with_audience);
            }
        }
    }
});
