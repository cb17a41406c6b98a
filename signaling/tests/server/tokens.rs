//! Admission by token: who is let in, and every way of being let in that must not work.
//!
//! The keys in `keys` were made for these tests and are of no use anywhere else.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use peerloom_protocol::signal::{ClientMessage, Join, Refusal, ServerMessage};
use peerloom_signaling::{Config, TokenKeys, TokenKeysError, TokenOptions, mint};
use serde_json::{Value, json};

use crate::common::{Client, Server, join, relay};

pub(crate) const SECRET: [u8; 32] = [7; 32];

pub(crate) fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/keys").join(name)
}

pub(crate) fn read_key(name: &str) -> Vec<u8> {
    std::fs::read(key_file(name)).unwrap()
}

/// A file of keys that is deleted with its folder.
pub(crate) fn keys(text: &Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, text.to_string()).unwrap();
    (folder, file)
}

pub(crate) fn symmetric(secret: &[u8]) -> Value {
    json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret) })
}

pub(crate) fn read(file: &Path) -> TokenKeys {
    TokenKeys::read(file, None).unwrap()
}

pub(crate) async fn server(keys: TokenKeys) -> Server {
    Server::with(Config { token_keys: Some(keys), ..Config::default() }).await
}

/// A server that knows [`SECRET`].
pub(crate) async fn usual() -> Server {
    let (_folder, file) = keys(&symmetric(&SECRET));
    server(read(&file)).await
}

pub(crate) fn in_seconds(seconds: i64) -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + seconds
}

pub(crate) fn claims(room: &str) -> Value {
    json!({ "exp": in_seconds(60), "room": room })
}

pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub(crate) fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(&SECRET)).unwrap()
}

pub(crate) fn bringing(room: &str, token: &str) -> Join {
    Join { token: Some(token.to_owned().try_into().unwrap()), ..join(room, "x") }
}

/// Joins the room and gives what the server says against it.
pub(crate) async fn refused(server: &Server, room: &str, token: &str) -> String {
    let mut client = Client::join_unanswered(server, bringing(room, token)).await;
    client.assert_refused(Refusal::Unauthorized).await
}

#[tokio::test]
async fn without_keys_nobody_is_asked_for_a_token() {
    let server = Server::start().await;
    Client::join(&server, join("r", "a")).await;
    Client::join(&server, bringing("r", "whatever")).await;
}

#[tokio::test]
async fn who_brings_no_token_is_sent_away_also_by_a_late_join() {
    let server = usual().await;
    let mut early = Client::join_unanswered(&server, join("r", "a")).await;
    assert_eq!(early.assert_refused(Refusal::Unauthorized).await, "a token is needed to join");
    let mut late = Client::connect(&server).await;
    late.send(ClientMessage::Join(join("r", "a"))).await;
    late.assert_refused(Refusal::Unauthorized).await;
}

#[tokio::test]
async fn every_kind_of_key_lets_in_whom_it_signed_for() {
    let (_folder, secret) = keys(&json!({ "keys": [symmetric(&SECRET)] }));
    let ed25519 = EncodingKey::from_ed_pem(&read_key("ed25519.pem")).unwrap();
    let p256 = EncodingKey::from_ec_pem(&read_key("p256.pem")).unwrap();
    for (file, algorithm, key) in [
        (secret, Algorithm::HS256, EncodingKey::from_secret(&SECRET)),
        (key_file("ed25519.pub.pem"), Algorithm::EdDSA, ed25519),
        (key_file("p256.pub.pem"), Algorithm::ES256, p256),
    ] {
        let server = server(read(&file)).await;
        let token = encode(&Header::new(algorithm), &claims("r"), &key).unwrap();
        Client::join(&server, bringing("r", &token)).await;
        // The same with one bit of the signature, and one of the claims, turned over.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut other = URL_SAFE_NO_PAD.decode(signature).unwrap();
        other[0] ^= 1;
        refused(&server, "r", &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other))).await;
        let (header, _) = signed.split_once('.').unwrap();
        let claims = URL_SAFE_NO_PAD.encode(claims("another").to_string());
        refused(&server, "another", &format!("{header}.{claims}.{signature}")).await;
    }
}

#[tokio::test]
async fn the_key_is_found_by_its_name_or_by_trying() {
    let named = |name: &str, secret: &[u8]| with(symmetric(secret), "kid", json!(name));
    let (_folder, file) = keys(&json!({ "keys": [named("old", &[1; 32]), named("new", &SECRET)] }));
    let server = server(read(&file)).await;
    let by = |name: Option<&str>| {
        let header = Header { kid: name.map(str::to_owned), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims("r"), &EncodingKey::from_secret(&SECRET)).unwrap()
    };
    Client::join(&server, bringing("r", &by(None))).await;
    Client::join(&server, bringing("r", &by(Some("new")))).await;
    for name in ["old", "other", ""] {
        refused(&server, "r", &by(Some(name))).await;
    }
}

#[tokio::test]
async fn a_token_is_for_its_rooms_alone() {
    let server = usual().await;
    let prefix = json!({ "exp": in_seconds(60), "room_prefix": "team/" });
    for (claims, room) in
        [(claims("team/a"), "team/a"), (prefix.clone(), "team/b"), (prefix.clone(), "team/")]
    {
        Client::join(&server, bringing(room, &signed(&claims))).await;
    }
    let both = with(prefix.clone(), "room", json!("team/a"));
    Client::join(&server, bringing("team/a", &signed(&both))).await;
    let none = json!({ "exp": in_seconds(60) });
    for (claims, room) in [
        (claims("team/a"), "team/ab"),
        (claims("team/a"), "TEAM/A"),
        (claims(""), "r"),
        (prefix.clone(), "team"),
        (both, "team/b"),
        (none, "r"),
    ] {
        let why = refused(&server, room, &signed(&claims)).await;
        assert_eq!(why, "the token is for another room", "{claims} for {room}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_a_short_time() {
    let server = usual().await;
    let at = |name: &str, seconds: i64| signed(&with(claims("r"), name, json!(in_seconds(seconds))));
    // Clocks may differ by half a minute.
    for token in [at("exp", 600), at("exp", -20), at("nbf", 20)] {
        Client::join(&server, bringing("r", &token)).await;
    }
    for (token, expected) in [
        (at("exp", -60), "the token has expired"),
        (at("exp", 700), "the token is good for more than 10 minutes"),
        (at("nbf", 60), "the token is not valid yet"),
        (signed(&json!({ "room": "r" })), "the token cannot be read"),
    ] {
        assert_eq!(refused(&server, "r", &token).await, expected);
    }
    for absurd in [json!(i64::MAX), json!(u64::MAX), json!(-1), json!(1e300), json!("soon"), Value::Null] {
        refused(&server, "r", &signed(&with(claims("r"), "exp", absurd))).await;
    }
    // A fraction is none of that (RFC 7519 §2).
    Client::join(&server, bringing("r", &signed(&with(claims("r"), "nbf", json!(1.5))))).await;
    for absurd in [json!(1e300), json!(u64::MAX), json!("soon"), json!([0])] {
        refused(&server, "r", &signed(&with(claims("r"), "nbf", absurd))).await;
    }
}

/// RFC 8725 §2.1: `none`, a public key taken for a secret, and an algorithm of the attacker's choice.
#[tokio::test]
async fn the_token_does_not_choose_how_it_is_checked() {
    let server = server(read(&key_file("ed25519.pub.pem"))).await;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |header: Value| format!("{}.{}.", part(header), part(claims("r")));
    for header in [json!({ "alg": "none" }), json!({ "alg": "None" }), json!({ "alg": "EdDSA" }), json!({})] {
        refused(&server, "r", &unsigned(header)).await;
    }
    let public = read_key("ed25519.pub.pem");
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token =
            encode(&Header::new(algorithm), &claims("r"), &EncodingKey::from_secret(&public)).unwrap();
        refused(&server, "r", &token).await;
    }
    let other = EncodingKey::from_ec_pem(&read_key("p256.pem")).unwrap();
    refused(&server, "r", &encode(&Header::new(Algorithm::ES256), &claims("r"), &other).unwrap()).await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let server = usual().await;
    let long = "a".repeat(4096);
    let nested = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep = format!("{0}.{0}.{0}", URL_SAFE_NO_PAD.encode(&nested[..600]));
    for token in ["", ".", "..", "...", "a.b.c", "é.é.é", "eyJhbGciOiJIUzI1NiJ9..", &long, &deep] {
        refused(&server, "r", token).await;
    }
}

#[tokio::test]
async fn a_token_may_have_to_name_the_service() {
    let (_folder, file) = keys(&symmetric(&SECRET));
    let named = |aud: Value| signed(&with(claims("r"), "aud", aud));
    let asking = server(TokenKeys::read(&file, Some("rooms".to_owned())).unwrap()).await;
    for aud in [json!("rooms"), json!(["mail", "rooms"])] {
        Client::join(&asking, bringing("r", &named(aud))).await;
    }
    for token in [named(json!("mail")), named(json!([])), signed(&claims("r"))] {
        refused(&asking, "r", &token).await;
    }
    let usual = server(read(&file)).await;
    assert_eq!(refused(&usual, "r", &named(json!("rooms"))).await, "the token is for another service");
    for absurd in [json!(5), json!({}), json!([5]), json!(["rooms", 5]), json!(true)] {
        refused(&usual, "r", &named(absurd.clone())).await;
        refused(&asking, "r", &named(absurd)).await;
    }
}

#[tokio::test]
async fn a_token_may_be_for_one_key_alone() {
    let server = usual().await;
    // The key and the thumbprint of RFC 8037, appendix A.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let key: [u8; 32] = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    let bound = |cnf: &Value| signed(&with(claims("r"), "cnf", cnf.clone()));
    let by = |key, token: &str| Join { key, ..bringing("r", token) };
    let mut one_bit_off = key;
    one_bit_off[31] ^= 1;
    for cnf in [
        json!({ "jwk": jwk }),
        json!({ "jkt": thumbprint }),
        json!({ "jwk": jwk, "jkt": thumbprint, "kid": "whatever" }),
    ] {
        let token = bound(&cnf);
        Client::join(&server, by(key, &token)).await;
        for other in [one_bit_off, [1; 32], [0; 32]] {
            let mut thief = Client::join_unanswered(&server, by(other, &token)).await;
            let why = thief.assert_refused(Refusal::Unauthorized).await;
            assert_eq!(why, "the token is for another key");
        }
    }
    // A thief who writes its own key into the token has no signature for that, nor for a token without one.
    let stolen = bound(&json!({ "jwk": jwk }));
    let [header, _, signature] = stolen.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let own = json!({ "jwk": with(jwk.clone(), "x", json!(URL_SAFE_NO_PAD.encode([1; 32]))) });
    for claims in [with(claims("r"), "cnf", own), claims("r")] {
        let forged = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut thief = Client::join_unanswered(&server, by([1; 32], &forged)).await;
        thief.assert_refused(Refusal::Unauthorized).await;
    }
    let spoiled = |name: &str, value: Value| json!({ "jwk": with(jwk.clone(), name, value) });
    for cnf in [
        json!({}),
        json!({ "kid": x }),
        json!({ "x5t#S256": thumbprint }),
        json!({ "jkt": x }),
        json!({ "jkt": "" }),
        json!({ "jkt": format!("{thumbprint}=") }),
        json!({ "jwk": {} }),
        json!({ "jwk": { "kty": "OKP", "x": x } }),
        json!({ "jwk": jwk, "jkt": x }),
        spoiled("kty", json!("EC")),
        spoiled("crv", json!("X25519")),
        spoiled("x", json!("")),
        spoiled("x", json!(format!("{x}="))),
        json!({ "jwk": { "kty": "oct", "k": x } }),
        json!([jwk]),
        json!(x),
        json!(true),
    ] {
        let mut refused = Client::join_unanswered(&server, by(key, &bound(&cnf))).await;
        refused.assert_refused(Refusal::Unauthorized).await;
    }
}

#[tokio::test]
async fn a_token_may_permit_less() {
    let server = usual().await;
    let permitting = |all: Value| signed(&with(claims("r"), "perm", all));
    for all in [json!([]), json!(["relay"]), json!(["Join"])] {
        let why = refused(&server, "r", &permitting(all)).await;
        assert_eq!(why, "the token does not permit to join");
    }
    let (full, welcome) = Client::join(&server, bringing("r", &permitting(json!(["join", "relay"])))).await;
    assert!(matches!(full.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 1.., .. })));
    let (mut quiet, _) = Client::join(&server, bringing("r", &permitting(json!(["join"])))).await;
    assert_eq!(quiet.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 0, burst: 0 }));
    let packet = vec![1, 2, 3].try_into().unwrap();
    quiet.send(ClientMessage::Relay { to: welcome.id, epoch: welcome.epoch, packet }).await;
    assert!(matches!(quiet.recv().await, ServerMessage::Throttled { .. }), "and nothing is passed on");
}

#[tokio::test]
async fn a_token_may_be_for_packets_to_a_few() {
    async fn next_packet(client: &mut Client) -> Vec<u8> {
        loop {
            if let ServerMessage::Relayed { packet, .. } = client.recv().await {
                return packet.to_vec();
            }
        }
    }
    let server = usual().await;
    let few = |most: i32| bringing("r", &signed(&with(claims("r"), "relay_fanout", json!(most))));
    let (mut sender, _) = Client::join(&server, few(2)).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Client::join(&server, bringing("r", &signed(&claims("r")))).await);
        sender.joined().await;
    }
    let [(one, one_id), (two, two_id), (three, three_id)] = &mut others[..] else { panic!() };
    // The second, and the first again, are within the bound; the third is one past it.
    for (to, packet) in [(&*one_id, b"1"), (two_id, b"2"), (one_id, b"3"), (three_id, b"4")] {
        sender.send(relay(to, packet)).await;
    }
    match sender.recv().await {
        ServerMessage::Throttled { to, wait_ms, .. } => {
            assert_eq!(to, three_id.id);
            assert!(wait_ms <= 1_000, "{wait_ms}");
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms.into())).await;
        }
        other => panic!("{other:?}"),
    }
    sender.send(relay(three_id, b"5")).await;
    assert_eq!([next_packet(one).await, next_packet(one).await], [b"1", b"3"]);
    assert_eq!(next_packet(two).await, b"2");
    assert_eq!(next_packet(three).await, b"5");
    let (silent, _) = Client::join(&server, few(0)).await;
    assert_eq!(silent.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 0, burst: 0 }));
    Client::join_unanswered(&server, few(-1)).await.assert_refused(Refusal::Unauthorized).await;
}

#[tokio::test]
async fn a_token_may_be_for_a_small_room() {
    let server = usual().await;
    let token = signed(&with(claims("r"), "room_cap", json!(2)));
    let (_one, _) = Client::join(&server, bringing("r", &token)).await;
    let (_two, _) = Client::join(&server, bringing("r", &token)).await;
    let mut third = Client::join_unanswered(&server, bringing("r", &token)).await;
    third.assert_refused(Refusal::RoomFull).await;
    let none = signed(&with(claims("empty"), "room_cap", json!(0)));
    let mut nobody = Client::join_unanswered(&server, bringing("empty", &none)).await;
    nobody.assert_refused(Refusal::RoomFull).await;
    // The server's own limit counts all the same.
    let much = signed(&with(claims("r"), "room_cap", json!(1_000_000)));
    Client::join(&server, bringing("r", &much)).await;
}

#[test]
fn keys_that_would_check_less_than_they_seem_to_are_not_taken() {
    let unfit = |value: Value| {
        let (_folder, file) = keys(&value);
        TokenKeys::read(&file, None).unwrap_err()
    };
    for key in [
        symmetric(&[7; 31]),
        json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([1; 32]) }),
        json!({ "kty": "EC", "crv": "P-384", "x": "AQ", "y": "AQ" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        // Too short, too long, and no point of the curve.
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 31]) }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 33]) }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([2; 32]) }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }),
        json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([1; 32]) }),
    ] {
        let error = unfit(json!({ "keys": [symmetric(&SECRET), key] }));
        assert!(matches!(error, TokenKeysError::Unfit(_, 2)), "{error}");
    }
    assert!(matches!(unfit(json!({ "keys": [] })), TokenKeysError::Count(_, 0)));
    let many: Vec<_> = (0..9).map(|_| symmetric(&SECRET)).collect();
    assert!(matches!(unfit(json!({ "keys": many })), TokenKeysError::Count(_, 9)));
    assert!(matches!(unfit(json!({ "kty": "none" })), TokenKeysError::Unfit(_, 1)));
    for text in [json!({ "keys": "none" }), json!({ "key": 1 }), json!([]), json!("")] {
        assert!(matches!(unfit(text), TokenKeysError::Malformed(_) | TokenKeysError::Unfit(_, 1)));
    }
    for name in ["p384.pub.pem", "rsa.pub.pem", "ed25519.pem", "p256.pem"] {
        let error = TokenKeys::read(&key_file(name), None).unwrap_err();
        assert!(matches!(error, TokenKeysError::Malformed(_)), "{name}: {error}");
    }
    let missing = TokenKeys::read(&key_file("none"), None).unwrap_err();
    assert!(matches!(missing, TokenKeysError::Unreadable(..)));
}

#[tokio::test]
async fn a_token_made_by_the_program_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let options = TokenOptions {
        key: file.clone(),
        room: Some("r".to_owned()),
        room_prefix: None,
        subject: Some("ada".to_owned()),
        audience: None,
        permissions: Some(vec!["join".to_owned(), "kick".to_owned()]),
        cnf: None,
        room_cap: Some(5),
        relay_fanout: Some(8),
        lifetime: 600,
    };
    let first = mint(options.clone()).unwrap();
    let second = mint(options.clone()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may read the key");
    }
    let server = server(read(&file)).await;
    for token in [&first, &second] {
        Client::join(&server, bringing("r", token)).await;
        refused(&server, "another", token).await;
    }
    std::fs::write(&file, symmetric(&[7; 31]).to_string()).unwrap();
    assert!(mint(options).is_err(), "a key that the server would not take signs nothing");
}
