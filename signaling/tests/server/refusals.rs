//! Every refusal: what is just allowed, and what is one too many.

use std::time::Duration;

use futures_util::SinkExt;
use peerloom_protocol::codec;
use peerloom_protocol::limits::{MAX_EARLY_JOIN_CHARS, MAX_SOCKET_MESSAGE_BYTES};
use peerloom_protocol::signal::{ClientMessage, Refusal, ServerMessage, close};
use peerloom_signaling::{Limits, Rate};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::common::{Client, Server, join, within};

/// A frame of exactly `len` bytes: a ping and a record of a kind that nobody knows.
fn frame_of(len: usize) -> Vec<u8> {
    let mut frame = codec::encode(&ClientMessage::Ping { nonce: 5 });
    // Three bytes of length are enough for 2 MiB.
    let body = len - frame.len() - 3;
    frame.extend([(body & 0x7f) as u8 | 0x80, (body >> 7 & 0x7f) as u8 | 0x80, (body >> 14) as u8]);
    frame.push(100);
    frame.resize(len, 0);
    frame
}

#[tokio::test]
async fn a_client_that_does_not_speak_the_protocol_gets_no_websocket() {
    let server = Server::start().await;
    for offered in ["chat", "peerloom.v2", "join.AQ"] {
        match Client::offering(&server, offered).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{offered} gave {:?}", other.map(|_| "a WebSocket")),
        }
    }
}

#[tokio::test]
async fn bad_messages() {
    let server = Server::start().await;
    for frame in [&[][..], &[1, 5, 0], &[1, 0xff], &[1, 1, 0], &[1, 2, 4, 0xff]] {
        let mut client = Client::connect(&server).await;
        client.send_bytes(frame.to_vec()).await;
        client.assert_refused(Refusal::BadMessage).await;
    }
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    client.socket.send(Message::text("{\"type\":\"join\"}")).await.unwrap();
    client.assert_refused(Refusal::BadMessage).await;
}

#[tokio::test]
async fn another_version() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send_bytes(vec![2, 1, 1]).await;
    client.assert_refused(Refusal::Version).await;
    let mut client = Client::offering(&server, "peerloom.v1, join.AgEA").await.unwrap();
    client.assert_refused(Refusal::Version).await;
}

#[tokio::test]
async fn an_early_join_that_cannot_be_read() {
    let server = Server::start().await;
    let leave = data_of(&codec::encode(&ClientMessage::Leave));
    for value in ["", "!", "AQ", "AQEA", &leave] {
        let mut client = Client::offering(&server, &format!("peerloom.v1, join.{value}")).await.unwrap();
        client.assert_refused(Refusal::BadMessage).await;
    }
    let long = "A".repeat(MAX_EARLY_JOIN_CHARS + 1);
    let mut client = Client::offering(&server, &format!("peerloom.v1, join.{long}")).await.unwrap();
    client.assert_refused(Refusal::TooLong).await;
}

fn data_of(frame: &[u8]) -> String {
    // Base64url of what is short and known, without a library for it.
    match frame {
        [1, 1, 1] => "AQEB".to_owned(),
        other => panic!("encode {other:?} by hand"),
    }
}

#[tokio::test]
async fn messages_out_of_turn() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send(ClientMessage::Ping { nonce: 1 }).await;
    client.assert_refused(Refusal::UnexpectedMessage).await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    client.send(ClientMessage::Join(join("r", "x"))).await;
    client.assert_refused(Refusal::UnexpectedMessage).await;
}

#[tokio::test]
async fn unknown_kinds_are_skipped() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.send_bytes(vec![1, 2, 99, 0]).await;
    client.send(ClientMessage::Join(join("r", "x"))).await;
    client.welcome().await;
    client.send_bytes(vec![1, 1, 99]).await;
    client.assert_quiet().await;
}

#[tokio::test]
async fn room_names() {
    let server = Server::start().await;
    for good in ["x", "ein Zimmer für drei", &"x".repeat(128)] {
        Client::join(&server, join(good, "x")).await;
    }
    for bad in ["", "a\nb", "\u{7f}", "nul\0"] {
        let mut client = Client::join_unanswered(&server, join(bad, "x")).await;
        client.assert_refused(Refusal::BadRoom).await;
    }
}

#[tokio::test]
async fn a_message_may_have_64_kib_and_not_one_byte_more() {
    let server = Server::start().await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    client.send_bytes(frame_of(MAX_SOCKET_MESSAGE_BYTES)).await;
    assert_eq!(client.recv().await, ServerMessage::Pong { nonce: 5 });
    client.send_bytes(frame_of(MAX_SOCKET_MESSAGE_BYTES + 1)).await;
    client.assert_refused(Refusal::TooLong).await;
    assert_eq!(Refusal::TooLong.close_code(), close::TOO_LONG);
}

#[tokio::test]
async fn a_huge_message_is_refused_at_its_first_bytes() {
    let server = Server::start().await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    let mut header = vec![0x82, 0xff];
    header.extend((64u64 << 20).to_be_bytes());
    header.extend([0; 4]); // The mask.
    header.extend([0; 4096]);
    client.socket.get_mut().write_all(&header).await.unwrap();
    client.assert_refused(Refusal::TooLong).await;
}

#[tokio::test]
async fn a_full_room() {
    let server = Server::with_limits(Limits { max_room_size: 2, ..Limits::default() }).await;
    let (_one, _) = Client::join(&server, join("r", "1")).await;
    let second = join("r", "2");
    let (mut two, _) = Client::join(&server, second.clone()).await;
    let mut three = Client::join_unanswered(&server, join("r", "3")).await;
    three.assert_refused(Refusal::RoomFull).await;
    two.assert_quiet().await;
    Client::join(&server, join("elsewhere", "3")).await;

    // Who comes back takes its own place.
    Client::join(&server, second).await;
}

#[tokio::test]
async fn a_full_server() {
    let server = Server::with_limits(Limits { max_connections: 2, ..Limits::default() }).await;
    let (one, _) = Client::join(&server, join("r", "1")).await;
    let (mut two, _) = Client::join(&server, join("r", "2")).await;
    let mut three = Client::join_unanswered(&server, join("r", "3")).await;
    three.assert_refused(Refusal::ServerFull).await;
    drop((one, three));
    two.recv().await; // `one` has left.
    joins_in_the_end(&server).await;
}

#[tokio::test]
async fn too_many_connections_from_one_address() {
    let server = Server::with_limits(Limits { max_connections_per_address: 1, ..Limits::default() }).await;
    let (_one, _) = Client::join(&server, join("r", "1")).await;
    let mut two = Client::join_unanswered(&server, join("r", "2")).await;
    two.assert_refused(Refusal::ServerFull).await;
}

/// A connection counts until its socket is closed, which is a little after the others hear of it.
async fn joins_in_the_end(server: &Server) {
    within(async {
        loop {
            let mut client = Client::join_unanswered(server, join("r", "again")).await;
            match client.recv().await {
                ServerMessage::Welcome(_) => return,
                ServerMessage::Refused { refusal: Refusal::ServerFull, .. } => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn more_messages_than_allowed() {
    let messages = Rate { per_second: 1, burst: 20 };
    let server = Server::with_limits(Limits { messages, ..Limits::default() }).await;
    // An early join is not a message of the WebSocket and costs nothing.
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    for nonce in 0..20 {
        client.send(ClientMessage::Ping { nonce }).await;
        assert_eq!(client.recv().await, ServerMessage::Pong { nonce });
    }
    // A second gives one more back, so at most a few of these pass on a slow machine.
    for nonce in 0..100 {
        if client.socket.send(Message::binary(codec::encode(&ClientMessage::Ping { nonce }))).await.is_err() {
            break;
        }
    }
    while let Ok(message) = client.next().await {
        match message {
            ServerMessage::Pong { .. } => {}
            ServerMessage::Refused { refusal, .. } => assert_eq!(refusal, Refusal::RateLimited),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_record_of_a_frame_counts() {
    let messages = Rate { per_second: 1, burst: 20 };
    let server = Server::with_limits(Limits { messages, ..Limits::default() }).await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    let mut frame = codec::frame();
    for nonce in 0..1_000 {
        codec::push(&mut frame, &ClientMessage::Ping { nonce });
    }
    client.send_bytes(frame).await;
    client.assert_refused(Refusal::RateLimited).await;
}

#[tokio::test]
async fn unknown_messages_count_too() {
    let messages = Rate { per_second: 1, burst: 20 };
    let server = Server::with_limits(Limits { messages, ..Limits::default() }).await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    for _ in 0..100 {
        if client.socket.send(Message::binary(vec![1, 1, 99])).await.is_err() {
            break;
        }
    }
    client.assert_refused(Refusal::RateLimited).await;
}

#[tokio::test]
async fn more_bytes_than_allowed() {
    let bytes = Rate { per_second: 1_000, burst: 200_000 };
    let server = Server::with_limits(Limits { bytes, ..Limits::default() }).await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    for _ in 0..2 {
        client.send_bytes(frame_of(60_000)).await;
        assert_eq!(client.recv().await, ServerMessage::Pong { nonce: 5 });
    }
    for _ in 0..3 {
        let _ = client.socket.send(Message::binary(frame_of(60_000))).await;
    }
    assert_eq!(client.recv().await, ServerMessage::Pong { nonce: 5 });
    client.assert_refused(Refusal::RateLimited).await;
}

#[tokio::test]
async fn a_message_in_endless_fragments() {
    let bytes = Rate { per_second: 1_000, burst: 200_000 };
    let server = Server::with_limits(Limits { bytes, ..Limits::default() }).await;
    let (mut client, _) = Client::join(&server, join("r", "x")).await;
    let tcp = client.socket.get_mut();
    // The start of a binary message, then continuations of no bytes.
    tcp.write_all(&[0x02, 0x80, 0, 0, 0, 0]).await.unwrap();
    let fragments = [0x00, 0x80, 0, 0, 0, 0].repeat(1_000);
    for _ in 0..100 {
        if tcp.write_all(&fragments).await.is_err() {
            break;
        }
    }
    client.assert_refused(Refusal::RateLimited).await;
}

#[tokio::test]
async fn no_join_in_time() {
    let join_timeout = Duration::from_millis(50);
    let server = Server::with_limits(Limits { join_timeout, ..Limits::default() }).await;
    let mut client = Client::connect(&server).await;
    // Unknown kinds do not buy time.
    client.send_bytes(vec![1, 1, 99]).await;
    client.assert_refused(Refusal::JoinTimeout).await;
}
