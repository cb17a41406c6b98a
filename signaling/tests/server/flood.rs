//! Thousands of connections that do as little as they may, or as much harm as they can, beside people who want to talk.
//!
//! The server is a process of its own here, so that its memory can be looked at.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use peerloom_protocol::codec;
use peerloom_protocol::signal::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, Server, join, signal};
use crate::program::{Running, program, start};

const ATTACKERS: usize = 5_000;
/// What so many may cost the server.
const MOST_MEMORY_KIB: usize = 20 * 1024;
/// Within this 99 of 100 others are let in meanwhile. Machines are shared: three times as long is a failure.
const JOINED_WITHIN: Duration = Duration::from_millis(500);
const OTHERS: usize = 200;

/// A server that has places for all of them, as the attackers of a test have one address.
/// It has served others already, so that what the first clients need is there; gives the memory that it has in use then.
async fn generous() -> (Running, Server, usize) {
    // Both this process and the server need a file for each.
    rlimit::increase_nofile_limit(4 * ATTACKERS as u64).unwrap();
    let places = (2 * ATTACKERS).to_string();
    let flags = ["--max-connections", &places, "--max-connections-per-address", &places];
    let (child, address, _) = start(program().args(["--port", "0", "--log-level", "warn"]).args(flags));
    let server = Server::elsewhere(address);
    expect_others_get_in(&server, "alone").await;
    let before = memory_kib(&child);
    (child, server, before)
}

/// Memory that the process has in use.
fn memory_kib(child: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn expect_little_memory(child: &Running, before: usize, what: &str) {
    let grown = memory_kib(child).saturating_sub(before);
    println!("{what} took {grown} KiB");
    assert!(grown <= MOST_MEMORY_KIB, "{what}: {grown} KiB");
}

/// Joins, and sends as fast as it can what the server must answer, reading none of it, until the server takes no more.
async fn flood(server: &Server, room: &str) -> Client {
    let (mut client, welcome) = Client::join(server, join(room, "x")).await;
    let frame = codec::encode(&signal(&welcome, &[7; 16_000]));
    while client.try_send(&frame).await {}
    client
}

/// Others come meanwhile, one after the other, each into a room of its own: they are let in, and in time.
async fn expect_others_get_in(server: &Server, while_what: &str) {
    let mut took = Vec::new();
    for number in 0..OTHERS {
        let began = Instant::now();
        let (mut client, _) = Client::join(server, join(&format!("room {number}"), "x")).await;
        took.push(began.elapsed());
        client.assert_quiet().await;
    }
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!("{while_what}: others get in within {:?}, 99 of 100 within {p99:?}", took[took.len() / 2]);
    assert!(p99 < 3 * JOINED_WITHIN, "{while_what}: {p99:?}");
}

/// Opens connections that say so much and then nothing.
async fn silent(server: &Server, count: usize, said: &str) -> Vec<TcpStream> {
    let mut opened = Vec::with_capacity(count);
    for _ in 0..count {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(said.as_bytes()).await.unwrap();
        opened.push(tcp);
    }
    opened
}

/// The server ends each of them, and says so where it said anything before.
async fn expect_ended(connections: Vec<TcpStream>) {
    for mut tcp in connections {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let read = tokio::time::timeout(Duration::from_secs(60), tcp.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "a connection that says nothing stays for ever");
    }
}

#[tokio::test]
async fn thousands_of_half_open_connections_cost_little_and_trouble_nobody() {
    let (child, server, before) = generous().await;
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: peerloom.v1\r\n\r\n",
        server.address
    );
    // Nothing; half a request; a WebSocket without a join.
    let mut opened = Vec::new();
    for said in ["", "GET /ws HTTP/1.1\r\nHost: a\r\nX-Slow: ", &upgrade] {
        opened.extend(silent(&server, ATTACKERS / 3, said).await);
    }
    expect_others_get_in(&server, "beside half-open connections").await;
    expect_little_memory(&child, before, "half-open connections");
    expect_ended(opened).await;
    expect_others_get_in(&server, "after that").await;
}

#[tokio::test]
async fn members_that_send_too_much_and_read_nothing_trouble_nobody() {
    let (child, server, before) = generous().await;
    let attackers = (0..20).map(|number| {
        let server = Server::elsewhere(server.address);
        tokio::spawn(async move {
            loop {
                flood(&server, &format!("flood {}", number % 4)).await;
            }
        })
    });
    let attackers: Vec<_> = attackers.collect();
    expect_others_get_in(&server, "beside floods").await;
    expect_little_memory(&child, before, "floods");
    attackers.iter().for_each(tokio::task::JoinHandle::abort);

    // And each of them is told why it must go.
    let mut client = flood(&server, "flood").await;
    let last = loop {
        match client.next().await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    let expected = [Refusal::RateLimited.close_code(), Refusal::SlowConsumer.close_code()];
    assert!(last.is_none_or(|code| expected.contains(&code)), "{last:?}");
}
