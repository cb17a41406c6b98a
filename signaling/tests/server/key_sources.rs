//! Where the keys of tokens come from: a file that changes, and an address that answers well, badly or not at all.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use peerloom_protocol::signal::{ClientMessage, Refusal, ServerMessage};
use peerloom_signaling::TokenKeys;
use serde_json::{Value, json};

use crate::common::{Client, Server, signal, within};
use crate::endpoint::{Answer, Endpoint};
use crate::tokens::{SECRET, bringing, claims, keys, read, read_key, server, signed, symmetric, with};

/// The public half of `keys/ed25519.pem` as a JSON Web Key: the last 32 bytes of its DER.
pub(crate) fn ed25519(kid: &str) -> Value {
    let pem = String::from_utf8(read_key("ed25519.pub.pem")).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let x = URL_SAFE_NO_PAD.encode(&der[der.len() - 32..]);
    json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x })
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "for something else", "n": "AQAB", "e": "AQAB" })
}

/// A token for room `r`, signed by `keys/ed25519.pem` under this name.
pub(crate) fn token(kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, &claims("r"), &EncodingKey::from_ed_pem(&read_key("ed25519.pem")).unwrap()).unwrap()
}

fn set(keys: &[Value]) -> Answer {
    Answer::json(&json!({ "keys": keys }))
}

async fn server_with(endpoint: &Endpoint) -> Server {
    server(TokenKeys::at(&endpoint.url(), None).unwrap()).await
}

pub(crate) async fn refusal(server: &Server, token: &str) -> Refusal {
    let mut client = Client::join_unanswered(server, bringing("r", token)).await;
    match client.recv().await {
        ServerMessage::Refused { refusal, .. } => {
            assert_eq!(client.next().await, Err(Some(refusal.close_code())));
            refusal
        }
        other => panic!("{other:?}"),
    }
}

/// Joins until that is possible.
async fn joins_in_the_end(server: &Server, token: &str) {
    let joined = async {
        loop {
            let mut client = Client::join_unanswered(server, bringing("r", token)).await;
            if matches!(client.recv().await, ServerMessage::Welcome(_)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(joined).await;
}

#[tokio::test]
async fn keys_are_fetched_and_those_for_something_else_passed_over() {
    let encrypts = with(ed25519("b"), "use", json!("enc"));
    let odd = json!({ "kty": "new kind", "kid": "c" });
    let endpoint = Endpoint::start(set(&[rsa(), encrypts, odd, json!(7), ed25519("a")])).await;
    let server = server_with(&endpoint).await;
    Client::join(&server, bringing("r", &token("a"))).await;
    for other in [token("b"), token("c"), signed(&claims("r")), "no token".to_owned()] {
        assert_eq!(refusal(&server, &other).await, Refusal::Unauthorized);
    }
    let asked = endpoint.asked();
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "GET"));
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it_and_the_old_one_is_gone() {
    let endpoint = Endpoint::start(set(&[ed25519("old")])).await;
    let pause = Duration::from_millis(1);
    let server = server(TokenKeys::at_every(&endpoint.url(), None, pause).unwrap()).await;
    Client::join(&server, bringing("r", &token("old"))).await;
    let asked = endpoint.asked().len();
    Client::join(&server, bringing("r", &token("old"))).await;
    assert_eq!(endpoint.asked().len(), asked, "nothing was unknown");
    endpoint.answer(set(&[ed25519("new")]));
    Client::join(&server, bringing("r", &token("new"))).await;
    assert_eq!(refusal(&server, &token("old")).await, Refusal::Unauthorized);
    // What comes next is no set: the keys from before stay.
    for wrong in [Answer::Text(500, String::new()), Answer::Text(200, "<html>".to_owned()), set(&[])] {
        endpoint.answer(wrong);
        assert_eq!(refusal(&server, &token("old")).await, Refusal::Unauthorized);
        Client::join(&server, bringing("r", &token("new"))).await;
    }
}

#[tokio::test]
async fn names_of_keys_that_anybody_can_make_up_do_not_make_the_server_ask() {
    let endpoint = Endpoint::start(set(&[ed25519("a")])).await;
    let server = server_with(&endpoint).await;
    Client::join(&server, bringing("r", &token("a"))).await;
    for number in 0..20 {
        assert_eq!(refusal(&server, &token(&format!("made up {number}"))).await, Refusal::Unauthorized);
    }
    assert_eq!(endpoint.asked().len(), 1);
}

#[tokio::test]
async fn a_set_with_a_symmetric_key_is_not_taken() {
    for (keys, name) in [
        (vec![symmetric(&SECRET)], "alone"),
        (vec![ed25519("a"), symmetric(&SECRET)], "beside another"),
        (vec![ed25519("a"), json!({ "kty": "oct" })], "one that is none"),
    ] {
        let endpoint = Endpoint::start(set(&keys)).await;
        let server = server_with(&endpoint).await;
        for token in [signed(&claims("r")), token("a")] {
            assert_eq!(refusal(&server, &token).await, Refusal::Unavailable, "{name}");
        }
    }
    // A public key from the set, taken for a secret, signs nothing.
    let endpoint = Endpoint::start(set(&[ed25519("a")])).await;
    let server = server_with(&endpoint).await;
    let x = URL_SAFE_NO_PAD.decode(ed25519("a")["x"].as_str().unwrap()).unwrap();
    let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
    let forged = encode(&header, &claims("r"), &EncodingKey::from_secret(&x)).unwrap();
    assert_eq!(refusal(&server, &forged).await, Refusal::Unauthorized);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let private = Endpoint::start(set(&[ed25519("a")])).await;
    for status in [301, 302, 303, 307, 308] {
        let endpoint = Endpoint::start(Answer::Redirect(status, private.url())).await;
        let server = server_with(&endpoint).await;
        assert_eq!(refusal(&server, &token("a")).await, Refusal::Unavailable);
        assert_eq!(endpoint.asked().len(), 1);
    }
    assert_eq!(private.asked().len(), 0);
}

#[tokio::test]
async fn what_an_address_gives_is_bounded() {
    let padded = |len: usize| {
        let text = json!({ "keys": [ed25519("a")] }).to_string();
        Answer::Text(200, format!("{text}{}", " ".repeat(len - text.len())))
    };
    let many = |count: usize| set(&(0..count).map(|_| ed25519("a")).collect::<Vec<_>>());
    for (answer, expected) in
        [(padded(64 * 1024), true), (padded(64 * 1024 + 1), false), (many(8), true), (many(9), false)]
    {
        let endpoint = Endpoint::start(answer).await;
        let server = server_with(&endpoint).await;
        if expected {
            Client::join(&server, bringing("r", &token("a"))).await;
        } else {
            assert_eq!(refusal(&server, &token("a")).await, Refusal::Unavailable);
        }
    }
}

#[tokio::test]
async fn without_keys_nobody_gets_in_until_there_are_some() {
    let dead = Endpoint::start(set(&[])).await;
    let (port, url) = (dead.address.port(), dead.url());
    drop(dead);
    let server = server(TokenKeys::at(&url, None).unwrap()).await;
    assert_eq!(refusal(&server, &token("a")).await, Refusal::Unavailable);
    assert_eq!(refusal(&server, "no token").await, Refusal::Unavailable);
    let _alive = Endpoint::on(port, set(&[ed25519("a")])).await;
    joins_in_the_end(&server, &token("a")).await;
}

#[tokio::test]
async fn while_the_address_does_not_answer_others_do_not_notice() {
    let endpoint = Endpoint::start(set(&[ed25519("a")])).await;
    let pause = Duration::from_millis(1);
    let server = server(TokenKeys::at_every(&endpoint.url(), None, pause).unwrap()).await;
    let (mut one, _) = Client::join(&server, bringing("r", &token("a"))).await;
    let (mut two, two_is) = Client::join(&server, bringing("r", &token("a"))).await;
    one.joined().await;
    endpoint.answer(Answer::Never);
    let begun = Instant::now();
    let mut waiting = Client::join_unanswered(&server, bringing("r", &token("new"))).await;
    while endpoint.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    one.send(signal(&two_is, b"hello")).await;
    assert!(matches!(two.recv().await, ServerMessage::Signal { .. }));
    Client::join(&server, bringing("r", &token("a"))).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    waiting.assert_refused(Refusal::Unauthorized).await;
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    two.send(ClientMessage::Leave).await;
}

fn write(file: &Path, text: &str) {
    // As one does it: never half of it.
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_when_it_changes() {
    let (_folder, file) = keys(&symmetric(&SECRET));
    let server = server(read(&file)).await;
    let old = signed(&claims("r"));
    Client::join(&server, bringing("r", &old)).await;
    assert_eq!(refusal(&server, &token("new")).await, Refusal::Unauthorized);
    write(&file, &json!({ "keys": [ed25519("new")] }).to_string());
    joins_in_the_end(&server, &token("new")).await;
    assert_eq!(refusal(&server, &old).await, Refusal::Unauthorized);
    // One that cannot be used changes nothing, nor does one that is gone.
    for broken in ["", "{", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        write(&file, broken);
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        Client::join(&server, bringing("r", &token("new"))).await;
    }
    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    Client::join(&server, bringing("r", &token("new"))).await;
    write(&file, &symmetric(&SECRET).to_string());
    joins_in_the_end(&server, &old).await;
}
