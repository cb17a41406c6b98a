//! Admission by asking: what the service is asked, what follows from its answers, and that none of them can hold others up.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use peerloom_protocol::codec;
use peerloom_protocol::signal::{ClientMessage, Join, LeaveReason, Refusal, ServerMessage};
use peerloom_signaling::{AdmissionHook, Config, Limits};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::common::{Client, Server, assert_left, join, signal, within};
use crate::endpoint::{Answer, Asked, Endpoint};
use crate::tokens::bringing;

const SECRET: &str = "a secret that only the two services know";

async fn server(endpoint: &Endpoint) -> Server {
    server_with(&endpoint.url(), Limits::default()).await
}

async fn server_with(url: &str, limits: Limits) -> Server {
    let hook = AdmissionHook::at(url, SECRET).unwrap();
    Server::with(Config { admission_hook: Some(hook), limits, ..Config::default() }).await
}

fn yes() -> Answer {
    Answer::json(&json!({}))
}

/// What the server says against a join.
async fn refused(server: &Server, expected: Refusal) -> String {
    let mut client = Client::join_unanswered(server, join("r", "x")).await;
    client.assert_refused(expected).await
}

/// Whether a question was signed with this secret.
fn is_signed(asked: &Asked, secret: &str) -> bool {
    let header = asked.headers["peerloom-signature"].to_str().unwrap();
    let (time, signature) = header.split_once(',').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.", time.strip_prefix("t=").unwrap()).as_bytes());
    mac.update(&asked.body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    signature.strip_prefix("v1=").unwrap() == digest
}

#[tokio::test]
async fn the_service_is_told_what_it_needs_and_can_tell_who_asks() {
    let endpoint = Endpoint::start(yes()).await;
    let server = server(&endpoint).await;
    let (_one, welcome) = Client::join(&server, Join { key: [5; 32], ..bringing("r", "any token") }).await;
    let mut late = Client::connect(&server).await;
    late.send(ClientMessage::Join(join("r \"quoted\"", "x"))).await;
    late.welcome().await;
    let [first, second] = &endpoint.asked()[..] else { panic!() };
    let question: Value = serde_json::from_slice(&first.body).unwrap();
    let key = URL_SAFE_NO_PAD.encode([5; 32]);
    let expected = json!({ "room": "r", "id": welcome.id.to_string(), "key": key, "token": "any token" });
    assert_eq!(question, expected, "and nothing else, least of all an address");
    let question: Value = serde_json::from_slice(&second.body).unwrap();
    assert_eq!((&question["room"], &question["token"]), (&json!("r \"quoted\""), &Value::Null));
    for asked in [first, second] {
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.headers["content-type"], "application/json");
        assert!(is_signed(asked, SECRET) && !is_signed(asked, "another secret"));
        let mut changed = asked.clone();
        changed.body = b"{}".as_slice().into();
        assert!(!is_signed(&changed, SECRET));
        let headers = format!("{:?}", asked.headers);
        assert!(!headers.contains("only the two services"), "the secret itself does not travel");
    }
}

#[tokio::test]
async fn an_answer_says_what_a_member_may() {
    let endpoint = Endpoint::start(Answer::json(&json!({ "perm": ["join", "kick"], "sub": "ada" }))).await;
    let server = server(&endpoint).await;
    let by = |key| Join { key: [key; 32], ..join("r", "x") };
    let (mut moderator, _) = Client::join(&server, by(1)).await;
    assert_eq!(moderator.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 0, burst: 0 }));
    endpoint.answer(Answer::json(&json!({ "sub": "eve", "room_cap": 2 })));
    let (mut victim, gone) = Client::join(&server, by(2)).await;
    assert!(matches!(victim.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 1.., .. })));
    Client::join_unanswered(&server, by(3)).await.assert_refused(Refusal::RoomFull).await;
    moderator.joined().await;
    moderator
        .send(ClientMessage::Kick { to: gone.id, epoch: gone.epoch, reason: "x".try_into().unwrap() })
        .await;
    assert_left(&mut moderator, &gone, LeaveReason::Kicked).await;
    victim.assert_refused(Refusal::Kicked).await;
    // The service names the same user.
    Client::join_unanswered(&server, by(3)).await.assert_refused(Refusal::Kicked).await;
    endpoint.answer(Answer::json(&json!({ "perm": ["relay"] })));
    assert_eq!(refused(&server, Refusal::Unauthorized).await, "you may not join this room");
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let endpoint = Endpoint::start(yes()).await;
    let server = server(&endpoint).await;
    for (body, expected) in [
        (r#"{"reason":"not paid"}"#, "not paid"),
        (r#"{"reason":""}"#, "you may not join this room"),
        (r#"{"reason":7}"#, "you may not join this room"),
        ("", "you may not join this room"),
        ("<html>", "you may not join this room"),
    ] {
        endpoint.answer(Answer::Text(403, body.to_owned()));
        assert_eq!(refused(&server, Refusal::Unauthorized).await, expected);
    }
    endpoint.answer(Answer::Text(403, json!({ "reason": "é".repeat(1_000) }).to_string()));
    assert_eq!(refused(&server, Refusal::Unauthorized).await, "é".repeat(128), "256 bytes of it");
}

#[tokio::test]
async fn what_is_no_answer_lets_nobody_in() {
    let private = Endpoint::start(yes()).await;
    let endpoint = Endpoint::start(yes()).await;
    let server = server(&endpoint).await;
    let padded = |len: usize| Answer::Text(200, format!("{{}}{}", " ".repeat(len - 2)));
    let with = |value: Value| Answer::json(&value);
    for answer in [
        Answer::Text(200, String::new()),
        Answer::Text(200, "yes".to_owned()),
        Answer::Text(200, "true".to_owned()),
        Answer::Text(200, "null".to_owned()),
        Answer::Text(200, "<html>Please log in</html>".to_owned()),
        Answer::Text(200, "{}{}".to_owned()),
        with(json!({ "perm": "join" })),
        with(json!({ "perm": [1] })),
        with(json!({ "room_cap": -1 })),
        with(json!({ "relay_fanout": "many" })),
        with(json!({ "sub": 7 })),
        padded(16 * 1024 + 1),
        Answer::Text(201, "{}".to_owned()),
        Answer::Text(204, String::new()),
        Answer::Text(401, "{}".to_owned()),
        Answer::Text(404, "{}".to_owned()),
        Answer::Text(500, "{}".to_owned()),
        Answer::Text(503, "{}".to_owned()),
        Answer::Redirect(302, private.url()),
        Answer::Redirect(307, private.url()),
        Answer::Redirect(308, "http://169.254.169.254/".to_owned()),
    ] {
        endpoint.answer(answer);
        refused(&server, Refusal::Unavailable).await;
    }
    assert_eq!(private.asked().len(), 0, "no redirect is followed");
    endpoint.answer(padded(16 * 1024));
    Client::join(&server, join("r", "x")).await;
    drop(endpoint);
    refused(&server, Refusal::Unavailable).await;
}

#[tokio::test]
async fn a_service_that_does_not_answer_holds_nobody_else_up() {
    let endpoint = Endpoint::start(yes()).await;
    let server = server(&endpoint).await;
    let (mut one, _) = Client::join(&server, join("r", "1")).await;
    let (mut two, two_is) = Client::join(&server, join("r", "2")).await;
    one.joined().await;
    endpoint.answer(Answer::Never);
    let begun = Instant::now();
    let mut waiting = Client::join_unanswered(&server, join("r", "3")).await;
    while endpoint.asked().len() < 3 {
        tokio::task::yield_now().await;
    }
    one.send(signal(&two_is, b"hello")).await;
    assert!(matches!(two.recv().await, ServerMessage::Signal { .. }));
    assert!(server.get("/healthz", "").await.contains("\"connections\":2"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    waiting.assert_refused(Refusal::Unavailable).await;
    let took = begun.elapsed();
    assert!((Duration::from_millis(2_500)..Duration::from_secs(6)).contains(&took), "{took:?}");
    one.assert_quiet().await;
}

#[tokio::test]
async fn the_time_for_joining_runs_while_the_service_is_asked() {
    let endpoint = Endpoint::start(Answer::Never).await;
    let limits = Limits { join_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = server_with(&endpoint.url(), limits).await;
    refused(&server, Refusal::JoinTimeout).await;
    let mut late = Client::connect(&server).await;
    late.send(ClientMessage::Join(join("r", "x"))).await;
    late.assert_refused(Refusal::JoinTimeout).await;
}

#[tokio::test]
async fn no_more_questions_than_so_many_at_once() {
    let endpoint = Endpoint::start(Answer::Never).await;
    let server = server(&endpoint).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(Client::join_unanswered(&server, join("r", "x")).await);
    }
    while endpoint.asked().len() < 32 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(endpoint.asked().len(), 32);
    // The others wait, and are asked about when there is room: those that give up make some.
    endpoint.answer(yes());
    waiting.drain(..32);
    for mut client in waiting {
        client.welcome().await;
    }
}

#[tokio::test]
async fn what_is_said_with_a_join_waits_for_the_answer() {
    let endpoint = Endpoint::start(yes()).await;
    let server = server(&endpoint).await;
    let mut client = Client::connect(&server).await;
    let mut frame = codec::encode(&ClientMessage::Join(join("r", "x")));
    codec::push(&mut frame, &ClientMessage::Ping { nonce: 7 });
    client.send_bytes(frame).await;
    client.welcome().await;
    assert_eq!(client.recv().await, ServerMessage::Pong { nonce: 7 });
    // Twice is once too many, as ever.
    let mut client = Client::connect(&server).await;
    let mut frame = codec::encode(&ClientMessage::Join(join("r", "x")));
    codec::push(&mut frame, &ClientMessage::Join(join("r", "x")));
    client.send_bytes(frame).await;
    client.assert_refused(Refusal::UnexpectedMessage).await;
    // Who goes while the service is asked is not left behind.
    let gone = Client::join_unanswered(&server, join("r", "x")).await;
    drop(gone);
    let emptied = async {
        while !server.get("/healthz", "").await.contains("\"connections\":1,\"rooms\":1") {
            tokio::task::yield_now().await;
        }
    };
    within(emptied).await;
}

#[tokio::test]
async fn a_server_that_goes_down_does_not_wait_for_the_service() {
    let endpoint = Endpoint::start(Answer::Never).await;
    let server = server(&endpoint).await;
    let mut waiting = Client::join_unanswered(&server, join("r", "x")).await;
    while endpoint.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let told = async move { waiting.assert_refused(Refusal::GoingAway).await };
    tokio::join!(told, server.stop());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
