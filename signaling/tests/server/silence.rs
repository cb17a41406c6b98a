//! Clients that stop in the middle: of a request, of a handshake, of a conversation.

use std::time::Duration;

use peerloom_protocol::signal::LeaveReason;
use peerloom_signaling::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, Server, assert_left, join, within};

#[tokio::test]
async fn unfinished_headers_are_closed_in_time() {
    let header_timeout = Duration::from_millis(100);
    let server = Server::with_limits(Limits { header_timeout, ..Limits::default() }).await;
    for start in ["", "GET /ws HT", "GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(start.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An error instead of an end is fine: the server does not wait for us.
        let _ = within(tcp.read_to_end(&mut answer)).await;
    }
    let (mut honest, _) = Client::join(&server, join("r", "x")).await;
    honest.assert_quiet().await;
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_help() {
    let header_timeout = Duration::from_millis(200);
    let server = Server::with_limits(Limits { header_timeout, ..Limits::default() }).await;
    let (mut read, mut write) = TcpStream::connect(server.address).await.unwrap().into_split();
    let drip = tokio::spawn(async move {
        write.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while write.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = within(read.read_to_end(&mut answer)).await;
    within(drip).await.unwrap();
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_answered() {
    let server = Server::start().await;
    for ends in ["\r\n", "\n"] {
        let request = ["GET /healthz HTTP/1.1", "Host: localhost", "Connection: close", "", ""].join(ends);
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        for byte in request.bytes() {
            tcp.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut answer = String::new();
        within(tcp.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn headers_have_a_size_limit() {
    let server = Server::start().await;
    let answer = server.get("/healthz", &format!("X-Long: {}\r\n", "x".repeat(64 * 1024))).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_member_that_answers_no_ping_is_silent() {
    let limits = Limits {
        ping_interval: Duration::from_millis(100),
        pong_timeout: Duration::from_millis(400),
        ..Limits::default()
    };
    let server = Server::with_limits(limits).await;
    let (_silent, welcome) = Client::join(&server, join("r", "silent")).await;
    // This one reads, and by reading answers pings.
    let (mut alive, _) = Client::join(&server, join("r", "alive")).await;
    assert_left(&mut alive, &welcome, LeaveReason::Silent).await;
    alive.assert_quiet().await;
}

#[tokio::test]
async fn a_member_that_answers_pings_stays() {
    let limits = Limits {
        ping_interval: Duration::from_millis(20),
        pong_timeout: Duration::from_secs(10),
        ..Limits::default()
    };
    let server = Server::with_limits(limits).await;
    let (mut member, _) = Client::join(&server, join("r", "x")).await;
    let mut pings = 0;
    while pings < 5 {
        use futures_util::StreamExt;
        let message = within(member.socket.next()).await.unwrap().unwrap();
        assert!(message.is_ping(), "{message:?}");
        pings += 1;
    }
    member.assert_quiet().await;
}
